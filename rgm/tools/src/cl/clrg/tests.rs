use super::*;
use crate::ask::Change;
use crate::cl;
use crate::fixture;

fn commands(words: &[&str]) -> Vec<Command> {
    let work = cl::work(&CLRG, words, fixture::wide()).unwrap_or_else(|e| panic!("{words:?}: {e:?}"));
    assert!(work.failures.is_empty(), "{words:?}: {:?}", work.failures);
    let command = |change| match change {
        Change::Command(command) => command,
        register @ Change::Register { .. } => panic!("{register:?}"),
    };
    work.changes.into_iter().map(command).collect()
}

fn g(names: &[&str]) -> Vec<GroupName> {
    names.iter().map(|n| GroupName::new(n).unwrap()).collect()
}
fn n(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|n| NodeName::new(n).unwrap()).collect()
}
fn p(name: &str, op: PropOp, value: &str) -> PropSet {
    PropSet { name: name.into(), class: PropClass::Any, nodes: vec![], op, value: value.into() }
}
fn y(name: &str, op: PropOp, value: &str) -> PropSet {
    PropSet { class: PropClass::Standard, ..p(name, op, value) }
}
const NFS: &str = "nfs-rg";
const WEB: &str = "webserver-front-rg";

#[test]
fn groups_are_made_and_changed_one_by_one() {
    let create = |name: &str, props| Command::GroupCreate { name: name.into(), props };
    let set = |name: &str, props| Command::GroupSet { name: g(&[name])[0].clone(), props };
    let delete = |name: &str, force| Command::GroupDelete { name: g(&[name])[0].clone(), force };
    let three = "3";
    for (words, expected) in [
        (&["create", "a", "b"][..], vec![create("a", vec![]), create("b", vec![])]),
        (
            &["create", "-n", "phys-1 phys-2", "-p", "Failback=TRUE", "--property=RG_description=a = b", "a"],
            vec![create(
                "a",
                vec![
                    p("Failback", PropOp::Set, "TRUE"),
                    p("RG_description", PropOp::Set, "a = b"),
                    y("Nodelist", PropOp::Set, "phys-1,phys-2"),
                ],
            )],
        ),
        (
            &["create", "--scalable", "-p", "desired_primaries=1", "a"],
            vec![create(
                "a",
                vec![
                    p("desired_primaries", PropOp::Set, "1"),
                    y("RG_mode", PropOp::Set, "Scalable"),
                    y("Maximum_primaries", PropOp::Set, three),
                ],
            )],
        ),
        (
            &["create", "-Sn", "phys-1,phys-2", "a"],
            vec![create(
                "a",
                vec![
                    y("Nodelist", PropOp::Set, "phys-1,phys-2"),
                    y("RG_mode", PropOp::Set, "Scalable"),
                    y("Maximum_primaries", PropOp::Set, "2"),
                    y("Desired_primaries", PropOp::Set, "2"),
                ],
            )],
        ),
        (&["delete", "a"], vec![delete("a", false)]),
        (&["delete", "-F", "a", "b", "a"], vec![delete("a", true), delete("b", true)]),
        (
            &["set", "-p", "L+=x", "-p", "M-=y", "a", "b"],
            ["a", "b"]
                .map(|name| set(name, vec![p("L", PropOp::Add, "x"), p("M", PropOp::Remove, "y")]))
                .into(),
        ),
        (&["add-node", "-n", "phys-3", "a"], vec![set("a", vec![y("Nodelist", PropOp::Add, "phys-3")])]),
        (
            &["remove-node", "--node", "n1,n2", "a"],
            vec![set("a", vec![y("Nodelist", PropOp::Remove, "n1,n2")])],
        ),
    ] {
        assert_eq!(commands(words), expected, "{words:?}");
    }
}

#[test]
fn states_are_changed_together() {
    let none = Bring::default();
    for (words, expected) in [
        (&["manage", "a", "b"][..], Command::Manage { groups: g(&["a", "b"]) }),
        (&["manage", "+"], Command::Manage { groups: g(&["idle-rg"]) }),
        (&["unmanage", "a"], Command::Unmanage { groups: g(&["a"]) }),
        (&["unmanage", "+"], Command::Unmanage { groups: g(&[NFS, WEB]) }),
        (&["online", "a"], Command::Online { groups: g(&["a"]), nodes: vec![], with: none }),
        (&["online", "-emM", "a"], Command::Online { groups: g(&["a"]), nodes: vec![], with: Bring::ALL }),
        (
            &["online", "--enable", "-n", "n1", "a"],
            Command::Online { groups: g(&["a"]), nodes: n(&["n1"]), with: Bring { enable: true, ..none } },
        ),
        (&["online", "+"], Command::Online { groups: g(&[NFS, WEB]), nodes: vec![], with: none }),
        (
            &["online", "-M", "+"],
            Command::Online {
                groups: g(&[NFS, WEB, "idle-rg"]),
                nodes: vec![],
                with: Bring { manage: true, ..none },
            },
        ),
        (
            &["online", "-n", "phys-3-with-a-long-name", "+"],
            Command::Online { groups: g(&[WEB]), nodes: n(&["phys-3-with-a-long-name"]), with: none },
        ),
        (&["offline", "a"], Command::Offline { groups: g(&["a"]), nodes: vec![] }),
        (
            &["offline", "-n", "phys-1", "+"],
            Command::Offline { groups: g(&[NFS, WEB]), nodes: n(&["phys-1"]) },
        ),
        (&["offline", "-n", "phys-2", "+"], Command::Offline { groups: g(&[WEB]), nodes: n(&["phys-2"]) }),
        (
            &["switch", "-eM", "-n", "n1,n2", "a"],
            Command::Switch {
                groups: g(&["a"]),
                nodes: n(&["n1", "n2"]),
                with: Bring { manage: true, enable: true, monitor: false },
            },
        ),
        (
            &["switch", "-m", "-n", "phys-1", "+"],
            Command::Switch {
                groups: g(&[NFS, WEB]),
                nodes: n(&["phys-1"]),
                with: Bring { monitor: true, ..none },
            },
        ),
        (&["remaster", "a"], Command::Remaster { groups: g(&["a"]) }),
        (&["remaster", "+"], Command::Remaster { groups: g(&[NFS, WEB]) }),
        (&["restart", "a"], Command::Restart { groups: g(&["a"]), nodes: vec![] }),
        (&["restart", "-n", "phys-2", "+"], Command::Restart { groups: g(&[WEB]), nodes: n(&["phys-2"]) }),
        (&["evacuate", "-n", "n1", "+"], Command::Evacuate { nodes: n(&["n1"]), sticky_secs: 60 }),
        (
            &["evacuate", "-n", "n1,n2", "-T", "300", "+"],
            Command::Evacuate { nodes: n(&["n1", "n2"]), sticky_secs: 300 },
        ),
        (&["quiesce", "a"], Command::Quiesce { groups: g(&["a"]), kill: false }),
        (&["quiesce", "-k", "+"], Command::Quiesce { groups: g(&[NFS, WEB]), kill: true }),
        (&["suspend", "--kill", "a"], Command::Suspend { groups: g(&["a"]), kill: true }),
        (&["suspend", "+"], Command::Suspend { groups: g(&[NFS, WEB, "idle-rg"]), kill: false }),
        (&["resume", "a", "--", "b"], Command::Resume { groups: g(&["a", "b"]) }),
    ] {
        assert_eq!(commands(words), [expected], "{words:?}");
    }
}

#[test]
fn all_of_nothing_changes_nothing() {
    for word in
        ["manage", "unmanage", "online", "offline", "remaster", "restart", "quiesce", "suspend", "resume"]
    {
        let work = cl::work(&CLRG, &[word, "+"], fixture::empty()).unwrap();
        assert!(work.changes.is_empty() && work.failures.is_empty(), "{word}");
    }
}

#[test]
fn misuse_is_refused_with_the_reason() {
    for (words, code, wrong) in [
        (&["create"][..], 3, "create needs GROUP..."),
        (&["create", "+"], 3, "+ names those that do"),
        (&["create", "-n", "n1", "-p", "nodelist=n2", "a"], 3, "say the same"),
        (&["create", "-p", "P{n1}=v", "a"], 15, "a group has no properties for single nodes"),
        (&["set", "-p", "Failback", "a"], 15, "there is no ="),
        (&["set", "a"], 3, "set needs -p NAME=VALUE"),
        (&["switch", "a"], 3, "switch needs -n NODE,..."),
        (&["switch", "-n", "", "a"], 3, "-n is an empty list"),
        (&["evacuate", "+"], 3, "evacuate needs -n NODE,..."),
        (&["evacuate", "-n", "n1", "a"], 3, "its operand is +"),
        (&["evacuate", "-n", "n1"], 3, "evacuate needs +"),
        (
            &["evacuate", "-n", "n1", "-T", "65536", "+"],
            3,
            "-T 65536: not a number of seconds from 0 to 65535",
        ),
        (&["online", "-n", "n1:zone", "a"], 3, "node n1:zone: the name contains ':'"),
        (&["online", "-x", "a"], 3, "there is no option -x"),
        (&["online", "--node"], 3, "-n needs a value: NODE,..."),
        (&["list", "-s", "broken"], 3, "-s broken: there is no such state"),
        (&["list", "-n", "phys-9"], 36, "node phys-9: there is none of that name"),
        (&["show", "-p", "Nonsense"], 15, "property Nonsense: there is none of that name"),
    ] {
        let failure = cl::work(&CLRG, words, fixture::wide()).unwrap_err();
        let text = failure.cl_text("clrg");
        assert!(text.contains(wrong), "{words:?}: {text}");
        assert_eq!(failure.cl_code().code(), code, "{words:?}");
        assert!(text.starts_with("clrg:  (C1000"), "{text}");
    }
}

#[test]
fn every_operand_is_worked_on() {
    let work = cl::work(&CLRG, &["online", "1bad", "a"], fixture::wide()).unwrap();
    assert_eq!(work.failures.len(), 1);
    let online = Command::Online { groups: g(&["a"]), nodes: vec![], with: Bring::default() };
    assert_eq!(work.changes, [Change::Command(online)]);
    let work = cl::work(&CLRG, &["list", "absent", NFS], fixture::wide()).unwrap();
    assert_eq!((work.print.as_str(), work.failures[0].cl_code()), ("nfs-rg\n", ClErr::Noent));
}

fn printed(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let work = cl::work(&CLRG, &words, fixture::wide()).unwrap();
    assert!(work.failures.is_empty(), "{line}: {:?}", work.failures);
    work.print
}

#[test]
fn filters_pick_the_groups_that_are_printed() {
    for (line, expected) in [
        ("list", "nfs-rg\nwebserver-front-rg\nidle-rg\n"),
        ("list +", "nfs-rg\nwebserver-front-rg\nidle-rg\n"),
        ("list -r web-rs", "webserver-front-rg\n"),
        ("list -t nfs", "nfs-rg\n"),
        ("list -t SUNW.shq,nfs", "nfs-rg\nwebserver-front-rg\n"),
        ("list -t SUNW.LogicalHostname:2", "webserver-front-rg\n"),
        ("list -n phys-3-with-a-long-name", "webserver-front-rg\n"),
        ("list -s online", "nfs-rg\nwebserver-front-rg\n"),
        ("list -s ONLINE_FAULTED,unmanaged", "webserver-front-rg\nidle-rg\n"),
        ("list -n phys-2 -s offline", "nfs-rg\n"),
        ("list -s not_online", "idle-rg\n"),
        ("list -s pending_online", ""),
    ] {
        assert_eq!(printed(line), expected, "{line}");
    }
}

#[test]
fn status_is_printed_as_the_reference_prints_it() {
    assert_eq!(
        printed("status nfs-rg"),
        "
=== Cluster Resource Groups ===

Group Name       Node Name       Suspended      Status
----------       ---------       ---------      ------
nfs-rg           phys-1          No             Online
                 phys-2          No             Offline

"
    );
    insta::assert_snapshot!("status_of_all", printed("status"));
    insta::assert_snapshot!("list_verbose", printed("list -v"));
}

#[test]
fn configuration_is_printed_as_the_reference_prints_it() {
    let shown = printed("show nfs-rg");
    assert_eq!(
        shown.split_inclusive("Monitored{phys-2}:                             True\n").next().unwrap(),
        "
=== Resource Groups and Resources ===          

Resource Group:                                 nfs-rg
  RG_description:                                  <NULL>
  RG_mode:                                         Failover
  RG_state:                                        Managed
  Failback:                                        False
  Nodelist:                                        phys-1 phys-2

  --- Resources for Group nfs-rg ---           

  Resource:                                     nfs-lh
    Type:                                          SUNW.nfs:3.2
    Type_version:                                  3.2
    Group:                                         nfs-rg
    R_description:                                 
    Resource_project_name:                         default
    Enabled{phys-1}:                               True
    Enabled{phys-2}:                               True
    Monitored{phys-1}:                             True
    Monitored{phys-2}:                             True
"
    );
    insta::assert_snapshot!("show_verbose", printed("show -v webserver-front-rg idle-rg"));
    insta::assert_snapshot!(
        "show_properties",
        printed("show -p nodelist,RG_state,suspend_automatic_recovery +")
    );
    let json: serde_json::Value = serde_json::from_str(&printed("show --json nfs-rg")).unwrap();
    assert_eq!(json[0]["group"]["name"], "nfs-rg");
    assert_eq!(json[0]["resources"].as_array().unwrap().len(), 3);
    let json: serde_json::Value = serde_json::from_str(&printed("status --json -n phys-1")).unwrap();
    assert_eq!(json[0]["nodes"][0]["state"], "ONLINE");
}
