use super::*;
use crate::ask::Change;
use crate::cl;
use crate::fixture;
use crate::suite::Suite;
use rgm_types::{GroupName, PropClass, PropOp, PropSet};

fn commands_of(suite: &'static Suite, words: &[&str]) -> Vec<Command> {
    let work = cl::work(suite, words, fixture::wide()).unwrap_or_else(|e| panic!("{words:?}: {e:?}"));
    assert!(work.failures.is_empty(), "{words:?}: {:?}", work.failures);
    let command = |change| match change {
        Change::Command(command) => command,
        register @ Change::Register { .. } => panic!("{register:?}"),
    };
    work.changes.into_iter().map(command).collect()
}

fn commands(words: &[&str]) -> Vec<Command> {
    commands_of(&CLRS, words)
}

fn r(names: &[&str]) -> Vec<ResourceName> {
    names.iter().map(|n| ResourceName::new(n).unwrap()).collect()
}
fn n(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|n| NodeName::new(n).unwrap()).collect()
}
fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}
fn prop(class: PropClass, name: &str, value: &str) -> PropSet {
    PropSet { name: name.into(), class, nodes: vec![], op: PropOp::Set, value: value.into() }
}

#[test]
fn resources_are_made_and_changed_one_by_one() {
    let create = |name: &str, props, enable| Command::ResourceCreate {
        name: name.into(),
        type_name: "SUNW.x".into(),
        group: group("g"),
        props,
        enable,
    };
    let delete = |name: &str, force| Command::ResourceDelete { name: r(&[name])[0].clone(), force };
    let per_node = PropSet { nodes: vec!["n1".into(), "n2".into()], ..prop(PropClass::Any, "P", "1") };
    let classes = vec![
        prop(PropClass::Any, "A", "1"),
        prop(PropClass::Extension, "B", "2"),
        prop(PropClass::Standard, "C", "3"),
    ];
    let plus = PropSet { op: PropOp::Add, ..prop(PropClass::Any, "L", "x") };
    let set = |name: &str, props| Command::ResourceSet { name: r(&[name])[0].clone(), props };
    for (words, expected) in [
        (&["create", "-g", "g", "-t", "SUNW.x", "a"][..], vec![create("a", vec![], true)]),
        (
            &["create", "-dg", "g", "--type=SUNW.x", "a", "b"],
            vec![create("a", vec![], false), create("b", vec![], false)],
        ),
        (
            &["create", "-y", "C=3", "-x", "B=2", "-p", "A=1", "-g", "g", "-t", "SUNW.x", "a"],
            vec![create("a", classes, true)],
        ),
        (&["set", "-p", "L+=x", "-p", "P{n1,n2}=1", "a"], vec![set("a", vec![plus, per_node])]),
        (
            &["set", "-x", "E=", "a", "b"],
            ["a", "b"].map(|a| set(a, vec![prop(PropClass::Extension, "E", "")])).into(),
        ),
        (&["delete", "a"], vec![delete("a", false)]),
        (
            &["delete", "-F", "-g", "webserver-front-rg", "+"],
            vec![delete("web-rs", true), delete("log-rs", true)],
        ),
        (&["delete", "-t", "LogicalHostname", "+"], vec![delete("log-rs", false)]),
    ] {
        assert_eq!(commands(words), expected, "{words:?}");
    }
}

#[test]
fn switches_are_set_together() {
    let enabled = |resources, nodes, on, recursive| Command::SetEnabled { resources, nodes, on, recursive };
    let monitored = |resources, nodes, on| Command::SetMonitored { resources, nodes, on };
    for (words, expected) in [
        (&["enable", "a", "b"][..], enabled(r(&["a", "b"]), vec![], true, false)),
        (&["enable", "-R", "-n", "n1,n2", "a"], enabled(r(&["a"]), n(&["n1", "n2"]), true, true)),
        (
            &["enable", "-g", "nfs-rg", "+"],
            enabled(r(&["nfs-lh", "nfs-stor", "nfs-rs"]), vec![], true, false),
        ),
        (&["disable", "a"], enabled(r(&["a"]), vec![], false, false)),
        (&["disable", "--recursive", "web-rs", "-t", "shq"], enabled(r(&["web-rs"]), vec![], false, true)),
        (&["monitor", "a"], monitored(r(&["a"]), vec![], true)),
        (&["unmonitor", "-n", "n1", "a"], monitored(r(&["a"]), n(&["n1"]), false)),
        (&["unmonitor", "-g", "webserver-front-rg", "+"], monitored(r(&["web-rs", "log-rs"]), vec![], false)),
    ] {
        assert_eq!(commands(words), [expected], "{words:?}");
    }
}

#[test]
fn the_flag_is_cleared_where_it_is_set() {
    let third = n(&["phys-3-with-a-long-name"]);
    let clear = |names: &[&str], nodes| Command::ClearStopFailed { resources: r(names), nodes };
    assert_eq!(commands(&["clear", "web-rs"]), [clear(&["web-rs"], third.clone())]);
    assert_eq!(
        commands(&["clear", "-f", "stop_failed", "-n", "n1", "a", "b"]),
        [clear(&["a", "b"], n(&["n1"]))]
    );
    let work = cl::work(&CLRS, &["clear", "nfs-rs", "web-rs"], fixture::wide()).unwrap();
    assert_eq!(work.failures[0].cl_code(), ClErr::State, "nfs-rs is not flagged");
    assert_eq!(work.changes, [Change::Command(clear(&["web-rs"], third.clone()))]);
    let work = cl::work(&CLRS, &["clear", "-R", "nfs-rs"], fixture::wide()).unwrap();
    assert_eq!(work.changes, [Change::Command(clear(&["web-rs"], third))], "it depends on nfs-rs");
}

#[test]
fn misuse_is_refused_with_the_reason() {
    for (words, code, wrong) in [
        (&["create", "-g", "g", "a"][..], 3, "create needs -t TYPE"),
        (&["create", "-t", "t", "a"], 3, "create needs -g GROUP"),
        (&["create", "-t", "t", "-g", "", "a"], 3, "-g is empty"),
        (&["create", "-t", "t", "-g", "g"], 3, "create needs RESOURCE..."),
        (&["create", "-t", "t", "-g", "g", "+"], 3, "+ names those that do"),
        (&["create", "-t", "t", "-g", "g", "-y", "P{n}=1", "a"], 15, "only extension properties"),
        (&["set", "a"], 3, "set needs a property to change"),
        (&["clear", "-f", "UPDATE_FAILED", "a"], 3, "only STOP_FAILED can be cleared"),
        (&["enable"], 3, "enable needs + | RESOURCE..."),
        (&["status", "-s", "sad"], 3, "-s sad: there is no such state"),
        (&["list-props", "-l", "some"], 3, "-l some: there is no such kind of property"),
        (&["show", "-p", "Nonsense"], 15, "property Nonsense: there is none of that name"),
    ] {
        let failure = cl::work(&CLRS, words, fixture::wide()).unwrap_err();
        let text = failure.cl_text("clrs");
        assert!(text.contains(wrong), "{words:?}: {text}");
        assert_eq!(failure.cl_code().code(), code, "{words:?}");
    }
}

#[test]
fn an_operand_that_the_filters_do_not_take_is_told_apart_from_the_others() {
    let work =
        cl::work(&CLRS, &["enable", "-g", "nfs-rg", "web-rs", "absent", "nfs-rs"], fixture::wide()).unwrap();
    let said: Vec<String> = work.failures.iter().map(|f| f.cl_text("clrs")).collect();
    assert!(said[0].contains("resource web-rs is in group webserver-front-rg"), "{said:?}");
    assert!(said[1].contains("resource absent: there is none of that name"), "{said:?}");
    assert_eq!(work.failures[0].cl_code(), ClErr::Noent);
    assert_eq!(work.changes.len(), 1);
}

#[test]
fn logical_hostnames_are_resources_of_one_type() {
    let create = |hosts: &str, more: Vec<PropSet>| {
        let mut props = vec![prop(PropClass::Extension, "Hostnamelist", hosts)];
        props.extend(more);
        let (name, type_name) = ("dns-lh".to_owned(), "SUNW.LogicalHostname".to_owned());
        Command::ResourceCreate { name, type_name, group: group("g"), props, enable: true }
    };
    let mut snapshot = fixture::wide();
    snapshot.types[0].declaration.name = rgm_types::TypeName::new("SUNW.LogicalHostname:2").unwrap();
    for (words, expected) in [
        (&["create", "-g", "g", "dns-lh"][..], create("dns-lh", vec![])),
        (&["create", "-g", "g", "-h", "dnshost,two", "dns-lh"], create("dnshost,two", vec![])),
        (
            &["create", "-g", "g", "-N", "eth0@n1 eth1@n2", "-p", "A=1", "dns-lh"],
            create(
                "dns-lh",
                vec![
                    prop(PropClass::Extension, "Netiflist", "eth0@n1,eth1@n2"),
                    prop(PropClass::Any, "A", "1"),
                ],
            ),
        ),
    ] {
        let work = cl::work(&CLRSLH, words, snapshot.clone()).unwrap();
        assert_eq!(work.changes, [Change::Command(expected)], "{words:?}");
    }
    assert_eq!(
        commands_of(&CLRSLH, &["delete", "+"]),
        [Command::ResourceDelete { name: r(&["log-rs"])[0].clone(), force: false }]
    );
    let work = cl::work(&CLRSLH, &["disable", "web-rs"], fixture::wide()).unwrap();
    assert!(work.failures[0].cl_text("clrslh").contains("resource web-rs is of type SUNW.shq:5"));
    let two = cl::work(&CLRSLH, &["create", "-g", "g", "a", "b"], fixture::wide()).unwrap_err();
    assert!(two.cl_text("clrslh").contains("one logical hostname at a time"));
}

#[test]
fn shared_addresses_are_refused_whatever_is_asked() {
    for words in
        [&["create", "-g", "g", "-h", "host", "-X", "n1", "sa"][..], &["list"], &["delete", "-F", "+"]]
    {
        let refused = cl::work(&CLRSSA, words, fixture::wide()).unwrap_err();
        assert_eq!(refused.cl_code(), ClErr::Op);
        assert!(refused.cl_text("clrssa").contains("there are no shared addresses on Linux"));
    }
}

fn printed(line: &str) -> String {
    let words: Vec<&str> = line.split(' ').collect();
    let work = cl::work(&CLRS, &words, fixture::wide()).unwrap();
    assert!(work.failures.is_empty(), "{line}: {:?}", work.failures);
    work.print
}

#[test]
fn filters_pick_the_resources_that_are_printed() {
    for (line, expected) in [
        ("list", "nfs-lh\nnfs-stor\nnfs-rs\nweb-rs\nlog-rs\n"),
        ("list -g nfs-rg", "nfs-lh\nnfs-stor\nnfs-rs\n"),
        ("list -t LogicalHostname", "log-rs\n"),
        ("list -n phys-3-with-a-long-name", "web-rs\n"),
        ("list -s faulted", "web-rs\n"),
        ("list -s STOP_FAILED,detached", "web-rs\nlog-rs\n"),
        ("list -s not_online", "log-rs\n"),
        ("list -s offline", "log-rs\n"),
        ("list -n phys-2 -s offline nfs-rs log-rs", "nfs-rs\nlog-rs\n"),
        ("list -s online_not_monitored +", "web-rs\n"),
        ("list -s degraded", ""),
        ("list-props", "Port\n"),
        ("list-props -l standard web-rs", "Resource_dependencies\nRetry_count\n"),
        ("list-props -l all -p port,retry_count web-rs", "Retry_count\nPort\n"),
        (
            "list-props -v web-rs",
            "Properties          Descriptions\n----------          ------------\nPort                Where it listens\n",
        ),
    ] {
        assert_eq!(printed(line), expected, "{line}");
    }
}

#[test]
fn status_and_lists_are_printed_as_the_reference_prints_them() {
    assert_eq!(
        printed("status nfs-stor nfs-lh"),
        "
=== Cluster Resources ===

Resource Name       Node Name      State        Status Message
-------------       ---------      -----        --------------
nfs-stor            phys-1         Online       Online
                    phys-2         Offline      Offline

nfs-lh              phys-1         Online       Online - LogicalHostname online.
                    phys-2         Offline      Offline

"
    );
    assert_eq!(
        printed("list -v log-rs"),
        "\
Resource Name       Resource Type            Resource Group
-------------       -------------            --------------
log-rs              SUNW.LogicalHostname:2   webserver-front-rg
"
    );
    insta::assert_snapshot!("status_of_all", printed("status"));
    insta::assert_snapshot!("status_verbose", printed("status -v web-rs log-rs"));
}

#[test]
fn configuration_is_printed_with_its_properties() {
    insta::assert_snapshot!("show", printed("show nfs-rs log-rs"));
    insta::assert_snapshot!("show_verbose", printed("show -v web-rs"));
    insta::assert_snapshot!("show_properties", printed("show -p port,Type,RETRY_COUNT web-rs nfs-rs"));
    let json: serde_json::Value = serde_json::from_str(&printed("show --json web-rs")).unwrap();
    assert_eq!(json[0]["props"][1]["name"], "Retry_count");
}
