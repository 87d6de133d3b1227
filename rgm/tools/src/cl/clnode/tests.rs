use super::*;
use crate::ask::Change;
use crate::{cl, fixture};
use rgm_types::view::LoadView;
use rgm_types::{LoadLimit, Millis};

fn cluster() -> Snapshot {
    let mut snapshot = fixture::nfs();
    let limit = Some(LoadLimit { soft: 3, hard: Some(9) });
    snapshot.nodes[0].loads.insert("memory".into(), LoadView { load: 5, limit });
    snapshot.nodes[1].evacuated_for = Some(Millis(59_500));
    snapshot
}

fn said(words: &[&str]) -> Work {
    cl::work(&CLNODE, words, cluster()).unwrap()
}

fn refused(words: &[&str]) -> (u8, String) {
    let failure = match cl::work(&CLNODE, words, cluster()) {
        Err(failure) => failure,
        Ok(work) => work.failures.into_iter().next().unwrap(),
    };
    (failure.cl_code().code(), failure.cl_text("clnode"))
}

#[test]
fn nodes_are_shown_as_the_reference_shows_them() {
    assert_eq!(said(&["list"]).print, "phys-1\nphys-2\n");
    insta::assert_snapshot!("status", said(&["status"]).print);
    insta::assert_snapshot!("show", said(&["show"]).print);
    insta::assert_snapshot!("list_verbose", said(&["list", "-v", "phys-2"]).print);
    assert!(said(&["show", "--json", "phys-1"]).print.contains("\"load\": 5"));
    assert!(said(&["export", "phys-1"]).print.contains("<loadlimit name=\"memory\" soft=\"3\" hard=\"9\"/>"));
    assert_eq!(refused(&["status", "phys-3"]).0, 36);
}

#[test]
fn each_subcommand_asks_for_what_it_says() {
    let node = |name: &str| NodeName::new(name).unwrap();
    let limit = |name: &str, soft, hard| Command::LoadLimitSet {
        node: node("phys-1"),
        name: name.into(),
        soft,
        hard,
    };
    for (words, expected) in [
        (
            &["evacuate", "-T", "300", "phys-1"][..],
            Command::Evacuate { nodes: vec![node("phys-1")], sticky_secs: 300 },
        ),
        (
            &["evacuate", "+"],
            Command::Evacuate { nodes: vec![node("phys-1"), node("phys-2")], sticky_secs: 60 },
        ),
        (
            &["create-loadlimit", "-p", "limitname=cpu", "-p", "SoftLimit=1", "-p", "hardlimit=2", "phys-1"],
            limit("cpu", Some(1), Some(2)),
        ),
        (
            &["set-loadlimit", "-p", "limitname=memory", "-p", "hardlimit=", "phys-1"],
            limit("memory", None, Some(-1)),
        ),
        (
            &["delete-loadlimit", "-p", "limitname=memory", "phys-1"],
            Command::LoadLimitDelete { node: node("phys-1"), name: "memory".into() },
        ),
        (&["add", "-n", "phys-1", "phys-3"], Command::NodeAdd { node: node("phys-3") }),
        (&["remove", "phys-2"], Command::NodeRemove { node: node("phys-2") }),
    ] {
        assert_eq!(said(words).changes, [Change::Command(expected)], "{words:?}");
    }
}

#[test]
fn what_is_not_possible_is_refused_with_the_reason() {
    for (words, code, reason) in [
        (&["clear", "-F", "phys-2"][..], 37, "leaves nothing behind"),
        (&["set", "-p", "x=y", "phys-1"], 37, "no properties to set"),
        (&["create-loadlimit", "-p", "limitname=memory", "phys-1"], 39, "already"),
        (&["set-loadlimit", "-p", "limitname=cpu", "phys-1"], 36, "no load limit cpu"),
        (&["delete-loadlimit", "-p", "limitname=memory", "phys-2"], 36, "no load limit memory"),
        (&["create-loadlimit", "-p", "softlimit=1", "phys-1"], 3, "which load limit"),
        (&["create-loadlimit", "-p", "limitname=a", "-p", "softlimit=-1", "phys-1"], 15, "no whole number"),
        (&["create-loadlimit", "-p", "limit=a", "phys-1"], 15, "there is none"),
        (&["evacuate", "-T", "x", "phys-1"], 3, "not a number of seconds"),
        (&["evacuate", "phys-9"], 36, "phys-9"),
    ] {
        let (got, text) = refused(words);
        assert!(got == code && text.contains(reason), "{words:?}: {got} {text}");
    }
}

#[test]
fn attributes_are_listed_by_node_and_name_and_what_is_in_force_comes_first() {
    let mut snapshot = cluster();
    let attr = |name: &str| rgm_types::AttrName::new(name).unwrap();
    snapshot.nodes[0].attrs.forever.insert(attr("site.rack"), "b2".into());
    snapshot.nodes[0].attrs.forever.insert(attr("db-score"), "7".into());
    snapshot.nodes[0].attrs.reboot.insert(attr("db-score"), String::new());
    snapshot.nodes[1].attrs.reboot.insert(attr("db-score"), "-5".into());
    let print = |words: &[&str]| cl::work(&CLNODE, words, snapshot.clone()).unwrap().print;
    insta::assert_snapshot!("attr_list", print(&["attr", "list"]));
    insta::assert_snapshot!("attr_list_json", print(&["attr", "list", "-n", "phys-2", "--json"]));
    assert_eq!(print(&["attr", "list", "-l", "forever", "site.rack"]).lines().count(), 3);
    assert_eq!(print(&["attr", "list", "-n", "phys-2", "site.rack"]).lines().count(), 2);
}

#[test]
fn attributes_are_set_and_cleared_on_the_nodes_named_or_on_the_callers() {
    let attr = |name: &str| rgm_types::AttrName::new(name).unwrap();
    let set = |node: Option<&str>, lifetime| Command::AttrSet {
        node: node.map(|n| NodeName::new(n).unwrap()),
        lifetime,
        values: [(attr("a"), "1".to_owned())].into(),
    };
    let clear = |node: Option<&str>, lifetime| Command::AttrClear {
        node: node.map(|n| NodeName::new(n).unwrap()),
        lifetime,
        names: vec![attr("a"), attr("b")],
    };
    use rgm_types::Lifetime::{Forever, Reboot};
    for (words, expected) in [
        (&["attr", "set", "a=1"][..], vec![set(None, Reboot)]),
        (&["attr", "set", "-n", "phys-2", "-l", "forever", "a=1"], vec![set(Some("phys-2"), Forever)]),
        (&["attr", "set", "-n", "+", "a=1"], vec![set(Some("phys-1"), Reboot), set(Some("phys-2"), Reboot)]),
        (&["attr", "clear", "a", "b"], vec![clear(None, None)]),
        (
            &["attr", "clear", "-l", "reboot", "-n", "phys-1", "a", "b"],
            vec![clear(Some("phys-1"), Some(Reboot))],
        ),
    ] {
        let expected: Vec<Change> = expected.into_iter().map(Change::Command).collect();
        assert_eq!(said(words).changes, expected, "{words:?}");
    }
    for (words, code, reason) in [
        (&["attr"][..], 3, "attr needs list|get|set|clear"),
        (&["attr", "put", "a=1"], 3, "none of list, get, set, clear"),
        (&["attr", "set"], 3, "what to set"),
        (&["attr", "set", "a"], 3, "no NAME=VALUE"),
        (&["attr", "set", "1=1"], 3, "must start with a letter"),
        (&["attr", "clear"], 3, "which attribute"),
        (&["attr", "get", "a", "b"], 3, "one attribute of one node"),
        (&["attr", "set", "-l", "week", "a=1"], 3, "no such lifetime"),
        (&["attr", "set", "-n", "phys-9", "a=1"], 36, "phys-9"),
    ] {
        let (got, text) = refused(words);
        assert!(got == code && text.contains(reason), "{words:?}: {got} {text}");
    }
}

#[test]
fn a_node_is_fenced_by_its_name_and_said_to_be_dead_only_by_who_insists() {
    for (words, code, reason) in [
        (&["fence"][..], 3, "needs NODE"),
        (&["fence", "+"], 37, "all nodes"),
        (&["confirm-dead"], 3, "needs NODE"),
        (&["confirm-dead", "-F", "phys-1", "phys-2"], 3, "one NODE"),
        (&["confirm-dead", "phys-1"], 37, "will run twice"),
    ] {
        let (got, text) = refused(words);
        assert!(got == code && text.contains(reason), "{words:?}: {got} {text}");
    }
}
