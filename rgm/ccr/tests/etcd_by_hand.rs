//! What the handbook says about etcd, done as it stands there.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_ccr::{EtcdStore, Repository, dump};
use rgm_etcd::server::Servers;
use rgm_etcd::{Password, Settings};
use rgm_types::{Entry, Generation, Group, GroupName, Write};
use std::path::Path;
use std::process::Command;

/// The commands of the handbook, in their order.
fn commands() -> Vec<String> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/etcd.md");
    let text = std::fs::read_to_string(file).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    blocks.flat_map(str::lines).map(str::to_owned).collect()
}

#[test]
fn every_command_of_the_handbook_does_what_it_says() {
    let dir = tempfile::tempdir().unwrap();
    let servers = Servers::local(dir.path(), 1).unwrap();
    let settings = Settings { prefix: "/rgm/planets/".to_owned(), ..servers.settings() };
    let name = GroupName::new("dns-rg").unwrap();
    let group = Entry::Group(Group { name, managed: true, suspended: false, props: Default::default() });
    let mut store = EtcdStore::open(&settings, None).unwrap();
    store.commit(Generation(0), &[Write::Put(group)]).unwrap();
    let before = dump(&store).unwrap();

    let mut printed = String::new();
    for line in commands() {
        let mut sh = Command::new("sh");
        sh.args(["-c", &line]).current_dir(dir.path());
        sh.env("ETCDCTL_API", "3").env("ETCDCTL_ENDPOINTS", servers.endpoint(0));
        let output = sh.output().unwrap();
        let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "{line}: {}{}", text(&output.stdout), text(&output.stderr));
        printed.push_str(&text(&output.stdout));
    }
    for wanted in ["/rgm/planets/conf/e/group/dns-rg", r#"{"v":1,"generation":1,"#, "Authentication Enabled"]
    {
        assert!(printed.contains(wanted), "{wanted:?} is not in {printed}");
    }

    // As the user that was made.
    let (user, password) = (Some("rgm".to_owned()), Some(Password("secret".to_owned())));
    let mut store = EtcdStore::open(&Settings { user, password, ..settings }, None).unwrap();
    assert_eq!(dump(&store).unwrap(), before, "compacting and the rest changed nothing");
    store.commit(Generation(1), &[]).unwrap();

    // The directory that was restored.
    let place = dir.path().join("restored-member/e1");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::rename(dir.path().join("restored"), place.join("data")).unwrap();
    let servers = Servers::local(&dir.path().join("restored-member"), 1).unwrap();
    let settings = Settings { prefix: "/rgm/planets/".to_owned(), ..servers.settings() };
    assert_eq!(dump(&EtcdStore::open(&settings, None).unwrap()).unwrap(), before);
}
