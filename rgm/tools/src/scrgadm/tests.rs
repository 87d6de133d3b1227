use super::*;
use crate::tables::SCRGADM;
use rgm_types::{GroupName, ResourceName};

fn parsed(words: &[&str]) -> Result<Command, Failure> {
    let args = Args::parse(&SCRGADM, words.iter().map(Into::into))?;
    match change(&args)? {
        Change::Command(command) => Ok(command),
        register @ Change::Register { .. } => panic!("{register:?}"),
    }
}

fn set(name: &str, class: PropClass, value: &str) -> PropSet {
    PropSet { name: name.into(), class, nodes: vec![], op: PropOp::Set, value: value.into() }
}
fn y(name: &str, value: &str) -> PropSet {
    set(name, PropClass::Standard, value)
}
fn x(name: &str, value: &str) -> PropSet {
    set(name, PropClass::Extension, value)
}
fn group(name: &str) -> GroupName {
    GroupName::new(name).unwrap()
}
fn resource(name: &str) -> ResourceName {
    ResourceName::new(name).unwrap()
}

#[test]
fn every_form_of_the_reference_is_a_command() {
    let only =
        |nodes: &[&str]| InstalledNodes::Only(nodes.iter().map(|n| NodeName::new(n).unwrap()).collect());
    let type_set =
        |installed_nodes, rt_system| Command::TypeSet { name: "t".into(), installed_nodes, rt_system };
    let cases: &[(&[&str], Command)] = &[
        (&["-a", "-g", "g"], Command::GroupCreate { name: "g".into(), props: vec![] }),
        (
            &["-a", "-g", "g", "-y", "Failback=TRUE", "-h", "n1,n2", "-yRG_description=a = b"],
            Command::GroupCreate {
                name: "g".into(),
                props: vec![y("Failback", "TRUE"), y("RG_description", "a = b"), y("Nodelist", "n1,n2")],
            },
        ),
        (
            &[
                "-a",
                "-j",
                "r",
                "-t",
                "SUNW.sample",
                "-g",
                "g",
                "-y",
                "Retry_count=3",
                "-x",
                "Confdir=/etc/dns",
                "-y",
                "A=",
            ],
            Command::ResourceCreate {
                name: "r".into(),
                type_name: "SUNW.sample".into(),
                group: group("g"),
                props: vec![y("Retry_count", "3"), y("A", ""), x("Confdir", "/etc/dns")],
                enable: false,
            },
        ),
        (
            &["-c", "-g", "g", "-h", "n1"],
            Command::GroupSet { name: group("g"), props: vec![y("Nodelist", "n1")] },
        ),
        (&["-c", "-g", "g", "-y", "P=v"], Command::GroupSet { name: group("g"), props: vec![y("P", "v")] }),
        (
            &["-c", "-j", "r", "-y", "A=b", "-x", "C=d"],
            Command::ResourceSet { name: resource("r"), props: vec![y("A", "b"), x("C", "d")] },
        ),
        (
            &["-c", "-j", "r", "-x", "P{n1,n2}=v", "-y", "L+=a", "-y", "L-=b"],
            Command::ResourceSet {
                name: resource("r"),
                props: vec![
                    PropSet { op: PropOp::Add, ..y("L", "a") },
                    PropSet { op: PropOp::Remove, ..y("L", "b") },
                    PropSet { nodes: vec!["n1".into(), "n2".into()], ..x("P", "v") },
                ],
            },
        ),
        (&["-c", "-t", "t", "-h", "n1,n2"], type_set(Some(only(&["n1", "n2"])), None)),
        (&["-c", "-t", "t", "-h", "*"], type_set(Some(InstalledNodes::All), None)),
        (&["-c", "-t", "t", "-y", "rt_system=true"], type_set(None, Some(true))),
        (&["-r", "-t", "t"], Command::TypeUnregister { name: "t".into() }),
        (&["-r", "-g", "g"], Command::GroupDelete { name: group("g"), force: false }),
        (&["-r", "-j", "r"], Command::ResourceDelete { name: resource("r"), force: false }),
    ];
    for (words, expected) in cases {
        assert_eq!(parsed(words).unwrap(), *expected, "{words:?}");
    }
}

#[test]
fn misuse_is_refused_with_the_reason_and_changes_nothing() {
    for (words, code, wrong) in [
        (&["-a"][..], 3, "-a alone does not say what to do"),
        (&["-j", "r"], 3, "-j alone does not say what to do"),
        (&[], 3, "it is not said what to do"),
        (&["-a", "-j", "r", "-t", "t"], 3, "-a -j needs -g GROUP"),
        (&["-a", "-j", "r", "-g", "g"], 3, "-a -j needs -t TYPE"),
        (&["-a", "-j", "", "-t", "t", "-g", "g"], 3, "-j is empty"),
        (&["-a", "-g", "g", "-t", "t"], 3, "-t does not go with -a -g"),
        (&["-a", "-g", "g", "-x", "a=b"], 3, "-x does not go with -a -g"),
        (&["-a", "-c", "-g", "g"], 3, "-c does not go with -a -g"),
        (&["-a", "-g", "g", "-h", "n1", "-y", "nodelist=n2"], 3, "say the same"),
        (&["-a", "-g", "g", "-h", ""], 3, "-h has an empty element"),
        (&["-c", "-g", "g"], 3, "-c -g needs something to change"),
        (&["-c", "-j", "r"], 3, "-c -j needs a property to change"),
        (&["-c", "-t", "t"], 3, "-c -t needs something to change"),
        (&["-c", "-t", "t", "-y", "Failover=TRUE"], 15, "resource type t: Failover can't be changed"),
        (&["-c", "-t", "t", "-y", "RT_system=yes"], 15, "RT_system is neither TRUE nor FALSE"),
        (&["-c", "-j", "r", "-y", "Retry_count"], 15, "property \"Retry_count\": there is no ="),
        (&["-c", "-j", "r", "-y", "=3"], 15, "the name is empty"),
        (&["-c", "-j", "r", "-y", "P{n1}=3"], 15, "only extension properties can be set for single nodes"),
        (&["-c", "-j", "r", "-x", "P{n1=3"], 15, "the { is not closed"),
        (&["-c", "-j", "r", "-x", "P{}=3"], 15, "empty node name"),
        (&["-r", "-j", "r", "-g", "g"], 3, "-g does not go with -r -j"),
        (&["-r", "-j", "a,b"], 3, "resource a,b: the name contains ','"),
        (&["-a", "-S", "-g", "g", "-l", "host"], 37, "there are no shared addresses"),
        (&["-c", "-j", "r", "A=b"], 3, "\"A=b\" is neither an option"),
    ] {
        let failure = parsed(words).unwrap_err();
        let text = failure.text("scrgadm");
        assert!(text.contains(wrong), "{words:?}: {text}");
        assert_eq!(failure.code(), code, "{words:?}: {text}");
    }
}

#[test]
fn a_logical_hostname_is_a_resource_called_as_its_first_host_and_its_type_is_registered_at_need() {
    let made = |words: &[&str]| {
        let words = ["-a", "-L", "-g", "g"].iter().chain(words);
        Args::parse(&SCRGADM, words.map(Into::into)).and_then(|args| {
            args.form()?;
            logical_hostname(&args)
        })
    };
    let known = |name: &str| {
        let mut snapshot = crate::fixture::nfs();
        snapshot.types[0].declaration.name = rgm_types::TypeName::new(name).unwrap();
        snapshot
    };
    let here = known("SUNW.LogicalHostname:5");
    let create = |name: &str, props| {
        Change::Command(Command::ResourceCreate {
            name: name.into(),
            type_name: "SUNW.LogicalHostname".into(),
            group: group("g"),
            props,
            enable: false,
        })
    };
    let changes = made(&["-l", "dnshost,two"]).unwrap().changes(&here, false).unwrap();
    assert_eq!(changes, [create("dnshost", vec![x("Hostnamelist", "dnshost,two")])]);
    let words = ["-l", "a.b", "-j", "r", "-n", "eth0@n1,eth1@n2", "-y", "R_description=d"];
    let props = vec![x("Hostnamelist", "a.b"), x("Netiflist", "eth0@n1,eth1@n2"), y("R_description", "d")];
    assert_eq!(made(&words).unwrap().changes(&here, true).unwrap(), [create("r", props)]);
    let unnamed = made(&["-l", "a.b"]).unwrap_err().text("scrgadm");
    assert!(unnamed.contains("name the resource with -j"), "{unnamed}");
}
