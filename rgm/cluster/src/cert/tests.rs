use super::*;
use std::os::unix::fs::MetadataExt;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn an_authority_issues_pairs_that_name_node_cluster_and_hosts() {
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("etc/tls");
    let plan = init(&tls, "planets").unwrap();
    assert_eq!((plan.facts.kind, plan.facts.cluster.as_deref()), (Kind::Authority, Some("planets")));
    let hosts = ["10.0.0.1".to_owned(), "fd00::1".to_owned(), "n1.example.org".to_owned()];
    issue(&tls, &node("n1"), &hosts, 10).unwrap();
    let facts = read(&tls.join("n1.crt")).unwrap();
    let [facts] = facts.as_slice() else { panic!("{facts:?}") };
    assert_eq!((facts.kind, facts.cluster.as_deref()), (Kind::Node, Some("planets")));
    assert_eq!(facts.node, Some(node("n1")));
    assert_eq!(facts.hosts, ["n1", "10.0.0.1", "fd00::1", "n1.example.org"]);
    let left = facts.left(SystemTime::now()).unwrap();
    assert!(left > DAY * 9 && left <= DAY * 10, "{left:?}");
    assert_eq!(facts.issuer, read(&tls.join("ca.crt")).unwrap()[0].subject);
    assert_eq!([mode(&tls.join("ca.key")), mode(&tls.join("n1.key"))], [0o600; 2]);
    assert_eq!([mode(&tls.join("ca.crt")), mode(&tls.join("n1.crt"))], [0o644; 2]);
}

#[test]
fn an_authority_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), "planets").unwrap();
    let before = fs::read(dir.path().join("ca.crt")).unwrap();
    assert!(matches!(init(dir.path(), "stars"), Err(CertError::Exists(_))));
    fs::remove_file(dir.path().join("ca.crt")).unwrap();
    assert!(matches!(init(dir.path(), "planets"), Err(CertError::Exists(path)) if path.ends_with("ca.key")));
    fs::write(dir.path().join("ca.crt"), &before).unwrap();
    let plan = plan_issue(dir.path(), &node("n1"), &[], 1).unwrap();
    plan.write().unwrap();
    // Somebody was quicker.
    assert!(matches!(plan.write(), Err(CertError::Exists(path)) if path.ends_with("n1.key")));
}

#[test]
fn a_renewed_certificate_keeps_key_and_hosts_and_has_a_number_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    init(dir.path(), "planets").unwrap();
    issue(dir.path(), &node("n1"), &["10.0.0.1".to_owned()], 5).unwrap();
    let (cert, key) = (dir.path().join("n1.crt"), dir.path().join("n1.key"));
    let (old, old_key) = (first(&cert).unwrap(), fs::read(&key).unwrap());
    let plan = issue(dir.path(), &node("n1"), &[], 50).unwrap();
    assert_eq!(plan.files().collect::<Vec<_>>(), [(cert.as_path(), true)]);
    let new = first(&cert).unwrap();
    assert_eq!((&new.hosts, fs::read(&key).unwrap()), (&old.hosts, old_key));
    assert!(new.not_after > old.not_after && new.serial != old.serial);
    issue(dir.path(), &node("n1"), &["10.0.0.2".to_owned()], 50).unwrap();
    assert_eq!(first(&cert).unwrap().hosts, ["n1", "10.0.0.2"]);
}

#[test]
fn what_is_only_planned_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let tls = dir.path().join("tls");
    let plan = plan_init(&tls, "planets").unwrap();
    assert_eq!(plan.files().count(), 2);
    assert!(!tls.exists());
}

#[test]
fn what_can_not_be_is_refused_with_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |result: Result<Plan, CertError>, word: &str| {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(word), "{error}");
    };
    for (cluster, word) in [("", "empty"), (&*"x".repeat(65), "64"), ("a\nb", "control")] {
        refused(plan_init(dir.path(), cluster), word);
    }
    refused(plan_issue(dir.path(), &node("n1"), &[], 1), "ca.crt is missing");
    init(dir.path(), "planets").unwrap();
    refused(plan_issue(dir.path(), &node("n1"), &["no host".to_owned()], 1), "no host");
    refused(plan_issue(dir.path(), &node("n1"), &[], 0), "at least one");
    refused(plan_issue(dir.path(), &node("n1"), &[], CA_DAYS + 1), "does not last so long");
    refused(plan_issue(dir.path(), &node("n1"), &[], u32::MAX), "too far");
    let other = tempfile::tempdir().unwrap();
    init(other.path(), "planets").unwrap();
    fs::copy(other.path().join("ca.key"), dir.path().join("ca.key")).unwrap();
    refused(plan_issue(dir.path(), &node("n1"), &[], 1), "belongs to ca.key");
    fs::write(dir.path().join("ca.key"), "nothing").unwrap();
    refused(plan_issue(dir.path(), &node("n1"), &[], 1), "no private key");
}
