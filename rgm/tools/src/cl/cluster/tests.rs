use super::*;
use crate::ask::Change;
use crate::{cl, fixture};
use rgm_types::{PropName, PropSet, ResourceState, Value};

fn cluster() -> Snapshot {
    let mut snapshot = fixture::nfs();
    snapshot.props.insert(PropName::new("Concentrate_load").unwrap(), Value::Boolean(false));
    snapshot
}

fn said(words: &[&str]) -> Work {
    cl::work(&CLUSTER, words, cluster()).unwrap()
}

fn refused(words: &[&str]) -> (u8, String) {
    let failure = match cl::work(&CLUSTER, words, cluster()) {
        Err(failure) => failure,
        Ok(work) => work.failures.into_iter().next().unwrap(),
    };
    (failure.cl_code().code(), failure.cl_text("cluster"))
}

#[test]
fn the_cluster_is_shown_as_the_reference_shows_it() {
    assert_eq!(said(&["list"]).print, "demo\n");
    insta::assert_snapshot!("status", said(&["status"]).print);
    insta::assert_snapshot!("show", said(&["show"]).print);
    insta::assert_snapshot!("show_global", said(&["show", "-t", "global"]).print);
    assert_eq!(said(&["status", "-t", "rg,node"]).print.matches("===").count(), 4);
    assert!(said(&["status", "--json"]).print.contains("\"cluster\": \"demo\""));
    let commands = said(&["list-cmds"]).print;
    assert!(
        commands.lines().any(|line| line == "cluster") && commands.lines().any(|line| line == "scha_control")
    );
    assert!(said(&["export"]).print.contains("<resourcegroup name=\"nfs-rg\""));
}

#[test]
fn what_will_not_work_is_found() {
    let mut snapshot = cluster();
    snapshot.groups.push(fixture::group("empty-rg", &[], [rgm_types::GroupState::Offline; 2]));
    snapshot.resources[0].nodes[1].state = ResourceState::StopFailed;
    snapshot.resources[1].nodes[0].enabled = false;
    let work = cl::work(&CLUSTER, &["check"], snapshot.clone()).unwrap();
    insta::assert_snapshot!("check", work.print);
    assert_eq!(work.failures[0].cl_code().code(), 9);
    let work = cl::work(&CLUSTER, &["check", "-C", "empty"], snapshot).unwrap();
    assert!(work.failures.is_empty() && work.print.lines().count() == 3, "{}", work.print);
    assert_eq!(said(&["check", "-C", "stopped"]).print, "nothing found\n");
    assert!(said(&["list-checks"]).print.lines().count() > 5);
    insta::assert_snapshot!("list_checks", said(&["list-checks", "-v"]).print);
}

#[test]
fn a_property_is_set_a_file_applied_and_an_exported_one_made() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let [Change::Command(Command::ClusterSet { props })] =
        &said(&["set", "-p", "Concentrate_load=TRUE"]).changes[..]
    else {
        panic!("another command")
    };
    assert!(matches!(&props[..], [PropSet { value, .. }] if value == "TRUE"));
    let applied = said(&["apply", &file("a.toml", "[groups.new-rg]\n[cluster]\nConcentrate_load = false")]);
    assert_eq!(applied.print, "+ resource group new-rg\n");
    assert!(matches!(&applied.changes[..], [Change::Command(Command::Batch { .. })]));
    assert!(said(&["apply", &file("b.toml", "")]).changes.is_empty());
    let made = said(&["create", "-i", &file("c.xml", &said(&["export"]).print)]);
    assert!(
        matches!(&made.changes[..], [Change::Command(Command::Batch { commands })] if commands.len() > 3)
    );
    let bad = refused(&["apply", &file("d.toml", "[groups.new-rg]\nstate = 1")]);
    assert!(bad.0 == 3 && bad.1.contains("line 2"), "{bad:?}");
    let bad = refused(&["create", "-i", &file("e.xml", "<cluster>\n<quorum/></cluster>")]);
    assert!(bad.0 == 3 && bad.1.contains("line 2"), "{bad:?}");
}

#[test]
fn what_is_not_possible_is_refused_with_the_reason() {
    for (words, code, reason) in [
        (&["rename", "-c", "other"][..], 37, "keeps the name"),
        (&["monitor-heartbeat"], 37, "no heartbeats"),
        (&["show-netprops"], 37, "no private network"),
        (&["set-netprops", "-p", "a=b"], 37, "no private network"),
        (&["restore-netprops"], 37, "no private network"),
        (&["status", "-t", "device"], 37, "there are none"),
        (&["show", "-t", "quorum"], 37, "rgm.toml"),
        (&["status", "-t", "planets"], 3, "it is node"),
        (&["set", "-p", "Concentrate_load{a}=TRUE"], 15, "one value for the whole cluster"),
        (&["set"], 3, "set needs -p"),
        (&["apply"], 3, "apply needs FILE"),
        (&["apply", "/no/such/file"], 35, "/no/such/file"),
        (&["create", "-i", "/no/such/file"], 35, "/no/such/file"),
        (&["check", "-C", "luck"], 3, "no such check"),
    ] {
        let (got, text) = refused(words);
        assert!(got == code && text.contains(reason), "{words:?}: {got} {text}");
    }
}

#[test]
fn certificates_are_made_renewed_and_shown_and_nothing_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    let tls = tls.to_str().unwrap();
    let shown = |work: Work| work.print.replace(tls, "DIR");
    let first_lines = |text: &str, n: usize| text.lines().take(n).map(str::to_owned).collect::<Vec<_>>();
    let init = ["cert", "init", "-c", "planets", "-d", tls];
    let dry = shown(said(&[&init[..], &["--dry-run"]].concat()));
    assert_eq!(first_lines(&dry, 2), ["DIR/ca.key: would be written", "DIR/ca.crt: would be written"]);
    assert!(!std::path::Path::new(tls).exists());
    assert!(
        shown(said(&init)).contains("DIR/ca.crt: written\ncertificate authority of cluster planets, valid")
    );
    let (code, text) = refused(&init);
    assert_eq!(code, 39, "{text}");
    let issue = ["cert", "issue", "-n", "n1", "--host", "10.0.0.1,n1.example.org", "--days", "10", "-d", tls];
    let text = shown(said(&issue));
    assert!(text.starts_with("DIR/n1.key: written\nDIR/n1.crt: written\n"), "{text}");
    let text = shown(said(&["cert", "issue", "-n", "n1", "-d", tls]));
    assert!(text.starts_with("DIR/n1.crt: replaced\ncertificate of node n1 of cluster planets, "), "{text}");
    let file = format!("{tls}/n1.crt");
    let sheet = shown(said(&["cert", "show", &file]));
    for (label, value) in [
        ("Certificate:", "DIR/n1.crt"),
        ("Cluster:", "planets"),
        ("Node:", "n1"),
        ("Hosts:", "n1, 10.0.0.1, n1.example.org"),
        ("Valid Until:", "(1094 days left)"),
    ] {
        let line = sheet.lines().find(|line| line.trim_start().starts_with(label)).unwrap();
        assert!(line.ends_with(value), "{line}");
    }
    let json = said(&["cert", "show", "--json", &file]).print;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["node"], &json[0]["days_left"]), (&"n1".into(), &1094.into()));
}

#[test]
fn a_call_for_certificates_that_can_not_be_carried_out_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    for (words, code, message) in [
        (&["cert", "made"][..], 3, "cert made: it is cert init, cert issue or cert show"),
        (&["cert", "init", "-d", dir], 3, "-c is missing"),
        (&["cert", "init", "-c", ""], 3, "-c is empty"),
        (&["cert", "init", "-c", "a", "-n", "b"], 3, "-n does not go with cert init"),
        (&["cert", "init", "-c", "a", "x"], 3, "\"x\" is neither"),
        (&["cert", "issue", "-n", "n1", "-d", dir], 36, "there is no certificate authority in"),
        (&["cert", "issue", "-n", "n 1", "-d", dir], 3, "n 1"),
        (&["cert", "issue", "-n", "n1", "--days", "x"], 3, "--days x: it is a number of days"),
        (&["cert", "show"], 3, "cert show needs one FILE"),
        (&["cert", "show", "/no/such.crt"], 35, "/no/such.crt: No such file"),
        (&["cert", "show", "/etc/passwd"], 3, "/etc/passwd: there is no certificate in it"),
    ] {
        let (found, text) = refused(words);
        assert!(found == code && text.contains(message), "{words:?}: {found} {text}");
    }
}
