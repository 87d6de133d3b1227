use super::*;
use crate::tables::SCSWITCH;
use rgm_types::{Bring, GroupName, NodeName, ResourceName};

fn parsed(words: &[&str]) -> Result<Command, Failure> {
    Args::parse(&SCSWITCH, words.iter().map(Into::into)).and_then(|args| command(&args))
}

fn g(names: &[&str]) -> Vec<GroupName> {
    names.iter().map(|n| GroupName::new(n).unwrap()).collect()
}
fn n(names: &[&str]) -> Vec<NodeName> {
    names.iter().map(|n| NodeName::new(n).unwrap()).collect()
}
fn r(names: &[&str]) -> Vec<ResourceName> {
    names.iter().map(|n| ResourceName::new(n).unwrap()).collect()
}

#[test]
fn every_form_of_the_reference_is_a_command() {
    let cases: &[(&[&str], Command)] = &[
        (
            &["-c", "-h", "n1,n2", "-j", "a,b", "-f", "stop_failed"],
            Command::ClearStopFailed { resources: r(&["a", "b"]), nodes: n(&["n1", "n2"]) },
        ),
        (
            &["-e", "-j", "a,b"],
            Command::SetEnabled { resources: r(&["a", "b"]), nodes: vec![], on: true, recursive: false },
        ),
        (
            &["-n", "-j", "a", "-h", "n1"],
            Command::SetEnabled { resources: r(&["a"]), nodes: n(&["n1"]), on: false, recursive: false },
        ),
        (&["-e", "-M", "-j", "a"], Command::SetMonitored { resources: r(&["a"]), nodes: vec![], on: true }),
        (&["-nMj", "a"], Command::SetMonitored { resources: r(&["a"]), nodes: vec![], on: false }),
        (&["-F", "-g", "a", "-g", "b"], Command::Offline { groups: g(&["a", "b"]), nodes: vec![] }),
        (&["-Q"], Command::Quiesce { groups: vec![], kill: false }),
        (&["-Q", "-k", "-g", "a"], Command::Quiesce { groups: g(&["a"]), kill: true }),
        (&["-R", "-h", "n1", "-g", "a"], Command::Restart { groups: g(&["a"]), nodes: n(&["n1"]) }),
        (&["-r"], Command::Resume { groups: vec![] }),
        (&["-r", "-g", "a"], Command::Resume { groups: g(&["a"]) }),
        (&["-S", "-h", "n1"], Command::Evacuate { nodes: n(&["n1"]), sticky_secs: 60 }),
        (&["-S", "-h", "n1", "-K", "0"], Command::Evacuate { nodes: n(&["n1"]), sticky_secs: 0 }),
        (&["-s", "-g", "a", "-k"], Command::Suspend { groups: g(&["a"]), kill: true }),
        (&["-s"], Command::Suspend { groups: vec![], kill: false }),
        (&["-u", "-g", "a"], Command::Unmanage { groups: g(&["a"]) }),
        (&["-o", "-g", "a,b"], Command::Manage { groups: g(&["a", "b"]) }),
        (&["-Z"], Command::Online { groups: vec![], nodes: vec![], with: Bring::ALL }),
        (&["-g", "a", "-Z"], Command::Online { groups: g(&["a"]), nodes: vec![], with: Bring::ALL }),
        (&["-z"], Command::Remaster { groups: vec![] }),
        (&["-z", "-g", "a"], Command::Remaster { groups: g(&["a"]) }),
        (&["-z", "-h", "n1"], Command::Switch { groups: vec![], nodes: n(&["n1"]), with: Bring::default() }),
        (
            &["-z", "-g", "a,b", "-h", "n1,n2"],
            Command::Switch { groups: g(&["a", "b"]), nodes: n(&["n1", "n2"]), with: Bring::default() },
        ),
        (
            &["-z", "-g", "a", "-h", ""],
            Command::Switch { groups: g(&["a"]), nodes: vec![], with: Bring::default() },
        ),
    ];
    for (words, expected) in cases {
        assert_eq!(parsed(words).unwrap(), *expected, "{words:?}");
    }
}

#[test]
fn misuse_is_refused_with_the_reason_and_changes_nothing() {
    for (words, code, wrong) in [
        (&["-c", "-j", "a", "-f", "STOP_FAILED"][..], 3, "-c needs -h NODE,..."),
        (&["-c", "-h", "n1", "-j", "a", "-f", "UPDATE_FAILED"], 3, "only STOP_FAILED can be cleared"),
        (&["-e"], 3, "-e needs -j RESOURCE,..."),
        (&["-e", "-n", "-j", "a"], 3, "-n does not go with -e"),
        (&["-e", "-j", ""], 3, "-j has an empty element"),
        (&["-e", "-j", "a,,b"], 3, "-j has an empty element"),
        (&["-n", "-j", "a", "-h", ""], 3, "-h has an empty element"),
        (&["-F"], 3, "-F needs -g GROUP,..."),
        (&["-F", "-D", "dg"], 37, "there are no device groups on Linux"),
        (&["-m", "-D", "dg"], 37, "there are no device groups on Linux"),
        (&["-z", "-D", "dg", "-h", "n1"], 37, "there are no device groups on Linux"),
        (&["-R", "-g", "a"], 3, "-R needs -h NODE,..."),
        (&["-S"], 3, "-S needs -h NODE,..."),
        (&["-S", "-h", "n1", "-K", "65536"], 3, "-K 65536: not a number of seconds from 0 to 65535"),
        (&["-S", "-h", "n1", "-K", "-1"], 3, "-K -1: not a number of seconds"),
        (&["-u"], 3, "-u needs -g GROUP,..."),
        (&["-Z", "-h", "n1"], 3, "-h does not go with -Z"),
        (&["-z", "-h", ""], 3, "it needs -g GROUP,..."),
        (&["-z", "-g", "1rg"], 3, "resource group 1rg: the name starts with '1'"),
        (&["-z", "-g", "a b", "-h", "n1"], 3, "resource group a b: the name contains ' '"),
        (&["-z", "-g", "a", "-h", "n1:zone"], 3, "node n1:zone: the name contains ':'"),
        (&["-e", "-j", "a/b"], 3, "resource a/b: the name contains '/'"),
    ] {
        let failure = parsed(words).unwrap_err();
        let text = failure.text("scswitch");
        assert!(text.contains(wrong), "{words:?}: {text}");
        assert_eq!(failure.code(), code, "{words:?}");
    }
}
