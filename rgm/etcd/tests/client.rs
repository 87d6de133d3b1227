//! The client against real etcd.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_etcd::server::{Servers, Setup, Tls, places};
use rgm_etcd::{
    Change, ChangeKind, Client, Compare, Error, Op, OpDone, Password, Range, Settings, Span, Txn, Watch,
    WatchEnd,
};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(2 * PATIENCE, future).await.unwrap() });
}

/// One etcd, and a client of it.
fn one(dir: &Path) -> (Servers, Client) {
    let servers = Servers::local(dir, 1).unwrap();
    let client = Client::new(&servers.settings()).unwrap();
    (servers, client)
}

fn puts<const N: usize>(pairs: [(&str, &str); N]) -> Txn {
    Txn { success: pairs.into_iter().map(|(k, v)| Op::put(k, v)).collect(), ..Txn::default() }
}

async fn put(client: &Client, key: &str, value: &str) -> i64 {
    client.txn(puts([(key, value)])).await.unwrap().revision
}

/// The keys with that prefix, as text.
async fn keys(client: &Client, range: Range) -> Vec<String> {
    let page = client.range(range).await.unwrap();
    page.kvs.into_iter().map(|kv| String::from_utf8(kv.key).unwrap()).collect()
}

/// Repeats it until it is done.
async fn until<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(done) = attempt().await {
            return done;
        }
        assert!(Instant::now() < deadline, "never came about");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn keys_are_written_read_in_pages_at_one_revision_and_removed() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, client) = one(dir.path());
    run(async {
        let first =
            client.txn(puts([("/a/1", "one"), ("/a/2", "two"), ("/a/3", ""), ("/b", "b")])).await.unwrap();
        assert!(first.succeeded);
        let page = client.range(Range::key("/a/1")).await.unwrap();
        assert_eq!((page.revision, page.more, page.kvs.len()), (first.revision, false, 1));
        let kv = &page.kvs[0];
        assert_eq!((kv.value.as_slice(), kv.version, kv.lease), (&b"one"[..], 1, 0));
        assert_eq!((kv.create_revision, kv.mod_revision), (first.revision, first.revision));
        let second = put(&client, "/a/1", "changed").await;
        assert_eq!(second, first.revision + 1);

        let page = client.range(Range::prefix("/a/").limit(2).at(first.revision)).await.unwrap();
        assert!(page.more && page.revision == second && page.kvs[0].value == b"one");
        let behind = Span::Behind { prefix: b"/a/".to_vec(), key: page.kvs[1].key.clone() };
        assert_eq!(keys(&client, Range::of(behind).limit(2).at(first.revision)).await, ["/a/3"]);
        assert_eq!(keys(&client, Range::prefix("")).await, ["/a/1", "/a/2", "/a/3", "/b"]);

        let success = vec![Op::Delete(Span::Prefix(b"/a/".to_vec())), Op::delete("/c"), Op::get("/b")];
        let done = client.txn(Txn { success, ..Txn::default() }).await.unwrap();
        let [OpDone::Deleted(3), OpDone::Deleted(0), OpDone::Got(kvs)] = done.responses.as_slice() else {
            panic!("{done:?}");
        };
        assert_eq!(kvs[0].value, b"b");
        assert_eq!(keys(&client, Range::prefix("")).await, ["/b"]);
    });
}

#[test]
fn a_transaction_does_one_branch_by_its_conditions() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, client) = one(dir.path());
    run(async {
        let lease = client.grant(60).await.unwrap().id;
        let success = vec![Op::Put { key: b"k".to_vec(), value: b"v".to_vec(), lease }];
        let created = client.txn(Txn { success, ..Txn::default() }).await.unwrap().revision;
        let modified = client
            .txn(Txn {
                success: vec![Op::Put { key: b"k".to_vec(), value: b"w".to_vec(), lease }],
                ..Txn::default()
            })
            .await
            .unwrap()
            .revision;
        let k = || b"k".to_vec();
        for (compare, holds) in [
            (Compare::CreateRevision(k(), created), true),
            (Compare::CreateRevision(k(), modified), false),
            (Compare::ModRevision(k(), modified), true),
            (Compare::ModRevision(k(), created), false),
            (Compare::Value(k(), b"w".to_vec()), true),
            (Compare::Value(k(), b"v".to_vec()), false),
            (Compare::Lease(k(), lease), true),
            (Compare::Lease(k(), 0), false),
            (Compare::Present(k()), true),
            (Compare::Present(b"x".to_vec()), false),
            (Compare::absent("k"), false),
            (Compare::absent("x"), true),
        ] {
            let txn = Txn {
                compare: vec![Compare::Present(k()), compare.clone()],
                success: vec![Op::put("yes", "")],
                failure: vec![Op::put("no", ""), Op::get("k")],
            };
            let done = client.txn(txn).await.unwrap();
            assert_eq!(done.succeeded, holds, "{compare:?}");
            assert_eq!(done.responses.len(), if holds { 1 } else { 2 }, "{compare:?}");
        }
        // What etcd refuses was certainly not done.
        let refused = client.txn(puts([("twice", "a"), ("twice", "b")])).await.unwrap_err();
        assert!(
            matches!(&refused, Error::Refused { why, .. } if why.contains("duplicate key")),
            "{refused:?}"
        );
        assert!(!refused.outcome_unknown());
        assert!(keys(&client, Range::key("twice")).await.is_empty());
    });
}

#[test]
fn a_key_goes_with_its_lease_unless_that_is_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, client) = one(dir.path());
    run(async {
        let lease = client.grant(2).await.unwrap();
        assert_eq!(lease.ttl_s, 2);
        let short = client.grant(2).await.unwrap();
        let member = |key: &str, lease| Op::Put { key: key.into(), value: Vec::new(), lease };
        let success = vec![member("/m/kept", lease.id), member("/m/lost", short.id)];
        client.txn(Txn { success, ..Txn::default() }).await.unwrap();
        until(async || {
            assert_eq!(client.keep_alive(lease.id).await.unwrap(), 2);
            (keys(&client, Range::prefix("/m/")).await == ["/m/kept"]).then_some(())
        })
        .await;
        assert_eq!(client.keep_alive(short.id).await.unwrap(), 0);
        assert_eq!(client.time_to_live(short.id).await.unwrap(), -1);
        assert!(client.time_to_live(lease.id).await.unwrap() >= 1);
        client.revoke(lease.id).await.unwrap();
        client.revoke(lease.id).await.unwrap();
        assert!(keys(&client, Range::prefix("/m/")).await.is_empty());
    });
}

/// The next changes: kind, key, value.
async fn next(watch: &mut Watch) -> Vec<(ChangeKind, String, String)> {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let changes = watch.next().await.unwrap().into_iter();
    changes.map(|Change { kind, key, value, .. }| (kind, text(key), text(value))).collect()
}

#[test]
fn a_watch_brings_everything_since_an_old_revision_and_what_comes_later() {
    use ChangeKind::{Delete, Put};
    let dir = tempfile::tempdir().unwrap();
    let (_servers, client) = one(dir.path());
    run(async {
        let first = put(&client, "/w/a", "1").await;
        client.txn(puts([("/w/a", "2"), ("/w/b", "1"), ("/x", "")])).await.unwrap();
        let mut watch = client.watch(b"/w/", first).await.unwrap();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            seen.extend(next(&mut watch).await);
        }
        let change = |kind, key: &str, value: &str| (kind, key.to_owned(), value.to_owned());
        assert_eq!(seen, [change(Put, "/w/a", "1"), change(Put, "/w/a", "2"), change(Put, "/w/b", "1")]);

        // Silence, longer than the watch bears without asking, and a future that was dropped.
        tokio::time::timeout(Duration::from_millis(1500), watch.next()).await.unwrap_err();
        let success = vec![Op::delete("/w/b"), Op::put("/w/c", "1")];
        let done = client.txn(Txn { success, ..Txn::default() }).await.unwrap();
        let changes = watch.next().await.unwrap();
        let kinds: Vec<ChangeKind> = changes.iter().map(|c| c.kind).collect();
        assert_eq!(kinds, [Delete, Put], "all of one revision at once");
        assert!(changes.iter().all(|c| c.mod_revision == done.revision), "{changes:?}");
    });
}

#[test]
fn a_watch_from_a_forgotten_revision_says_from_where_to_begin_anew() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, client) = one(dir.path());
    run(async {
        let first = put(&client, "/w/a", "1").await;
        let second = put(&client, "/w/a", "2").await;
        client.compact(second).await.unwrap();
        let mut watch = client.watch(b"/w/", first).await.unwrap();
        let end = watch.next().await.unwrap_err();
        assert!(matches!(end, WatchEnd::Compacted(revision) if revision == second), "{end:?}");
        let old = client.range(Range::key("/w/a").at(first)).await.unwrap_err();
        assert!(matches!(old, Error::Compacted), "{old:?}");
        let mut watch = client.watch(b"/w/", second).await.unwrap();
        assert_eq!(next(&mut watch).await.len(), 1);
    });
}

#[test]
fn a_client_goes_on_when_its_only_etcd_was_killed_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut servers, client) = one(dir.path());
    run(async {
        let first = put(&client, "/w/a", "1").await;
        let mut watch = client.watch(b"/w/", 0).await.unwrap();
        servers.kill(0).unwrap();
        let end = watch.next().await.unwrap_err();
        assert!(matches!(end, WatchEnd::Broken(_)), "{end:?}");
        let brief = client.with_timeout(Duration::from_millis(300));
        let began = Instant::now();
        let away = brief.txn(puts([("/w/a", "2")])).await.unwrap_err();
        assert!(matches!(&away, Error::Away { .. }) && !away.outcome_unknown(), "{away:?}");
        assert!(away.to_string().contains(&servers.endpoint(0)), "{away}");
        assert!(away.to_string().contains("refused"), "{away}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        servers.restart(0).unwrap();
        assert_eq!(client.range(Range::key("/w/a")).await.unwrap().kvs[0].value, b"1");
        let second = put(&client, "/w/a", "3").await;
        let mut watch = client.watch(b"/w/", first + 1).await.unwrap();
        assert_eq!(watch.next().await.unwrap()[0].mod_revision, second);
    });
}

#[test]
fn what_a_frozen_etcd_was_asked_is_unknown_when_it_writes_and_away_when_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, client) = one(dir.path());
    run(async {
        put(&client, "a", "1").await;
        let brief = client.with_timeout(Duration::from_millis(400));
        let mut watch = brief.watch(b"a", 0).await.unwrap();
        servers.pause(0).unwrap();
        let read = brief.range(Range::key("a")).await.unwrap_err();
        assert!(matches!(read, Error::Away { .. }), "{read:?}");
        let end = watch.next().await.unwrap_err();
        assert!(matches!(&end, WatchEnd::Broken(Error::Away { .. })), "{end:?}");
        servers.resume(0).unwrap();
        put(&client, "a", "2").await;
        servers.pause(0).unwrap();
        let write = brief.txn(puts([("a", "3")])).await.unwrap_err();
        assert!(matches!(write, Error::Unknown { .. }) && write.outcome_unknown(), "{write:?}");
        servers.resume(0).unwrap();
        // Both are right answers: etcd wakes up to the request and to word that nobody waits for it.
        let found = until(async || client.range(Range::key("a")).await.ok()).await.kvs[0].value.clone();
        assert!(found == b"2" || found == b"3", "{found:?}");
        put(&client, "a", "4").await;
        assert_eq!(client.range(Range::key("a")).await.unwrap().kvs[0].value, b"4");
    });
}

#[test]
fn a_client_goes_on_when_one_of_three_members_is_dead_or_silent() {
    let dir = tempfile::tempdir().unwrap();
    let mut servers = Servers::local(dir.path(), 3).unwrap();
    let client = Client::new(&servers.settings()).unwrap();
    run(async {
        put(&client, "a", "0").await;
        assert_eq!(client.member_list().await.unwrap().len(), 3);
        let mut leaders = Vec::new();
        for endpoint in client.endpoints() {
            let status = client.status(&endpoint).await.unwrap();
            assert!(status.version.starts_with("3.") && status.db_size > 0 && status.errors.is_empty());
            leaders.push((status.leader, status.member));
        }
        let leader = leaders.iter().position(|(leader, member)| leader == member).unwrap();
        let brief = client.with_timeout(Duration::from_millis(600));
        // Whoever it talks to, and whoever leads: each in turn.
        for (turn, number) in [0, 1, 2, leader].into_iter().enumerate() {
            if turn % 2 == 0 {
                servers.kill(number).unwrap()
            } else {
                servers.pause(number).unwrap()
            }
            let value = turn.to_string();
            until(async || {
                let wrote = client.txn(puts([("a", &value)])).await;
                (wrote.is_ok() || client.range(Range::key("a")).await.is_ok()).then_some(())
            })
            .await;
            // It remembers who answers: whoever is silent costs a second.
            until(async || {
                let began = Instant::now();
                client.range(Range::key("a")).await.ok()?;
                (began.elapsed() < Duration::from_secs(1)).then_some(())
            })
            .await;
            let dead = brief.status(&servers.endpoint(number)).await.unwrap_err();
            assert!(matches!(&dead, Error::Away { tried } if tried.len() == 1), "{dead:?}");
            if turn % 2 == 0 {
                servers.restart(number).unwrap()
            } else {
                servers.resume(number).unwrap()
            }
            servers.wait().unwrap();
        }
        // Two are too many.
        servers.kill(0).unwrap();
        servers.kill(1).unwrap();
        let away = brief.range(Range::key("a")).await.unwrap_err();
        assert!(matches!(&away, Error::Away { tried } if tried.len() == 3), "{away:?}");
        // What the last one knows by itself, it says.
        let old = Range { serializable: true, ..Range::key("a") };
        assert_eq!(client.range(old).await.unwrap().kvs.len(), 1);
        until(async || (brief.status(&servers.endpoint(2)).await.ok()?.leader == 0).then_some(())).await;
        // It may be busy electing when it is asked, and answer too late.
        let refused = until(async || {
            let error = brief.txn(puts([("a", "never")])).await.unwrap_err();
            (!error.outcome_unknown()).then_some(error)
        })
        .await;
        assert!(refused.to_string().contains("no leader"), "{refused:?}");
    });
}

/// An authority, and a certificate for the loopback address, in `dir/NAME-*.pem`.
fn authority(dir: &Path, name: &str) -> Tls {
    let file = |what: &str| dir.join(format!("{name}-{what}.pem"));
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca_key = rcgen::KeyPair::generate().unwrap();
    let ca_cert = params.self_signed(&ca_key).unwrap();
    let ca = rcgen::Issuer::new(params, ca_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let cert = params.signed_by(&key, &ca).unwrap();
    std::fs::write(file("ca"), ca_cert.pem()).unwrap();
    std::fs::write(file("cert"), cert.pem()).unwrap();
    std::fs::write(file("key"), key.serialize_pem()).unwrap();
    Tls { ca: file("ca"), cert: file("cert"), key: file("key") }
}

#[test]
fn who_shows_no_certificate_or_trusts_another_authority_gets_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (ours, theirs) = (authority(dir.path(), "ours"), authority(dir.path(), "theirs"));
    let members = places(dir.path(), 1);
    let servers = Servers::start(Setup { members, tls: Some(ours.clone()), ..Setup::default() }).unwrap();
    let good = Settings { timeout: PATIENCE, ..servers.settings() };
    run(async {
        put(&Client::new(&good).unwrap(), "a", "1").await;
        for settings in [
            Settings { ca: Some(theirs.ca.clone()), ..good.clone() },
            Settings { cert: Some(theirs.cert.clone()), key: Some(theirs.key.clone()), ..good.clone() },
            Settings { cert: None, key: None, ..good.clone() },
        ] {
            let began = Instant::now();
            let refused = Client::new(&settings).unwrap().txn(puts([("a", "2")])).await.unwrap_err();
            assert!(matches!(&refused, Error::Tls { .. }), "{refused:?}");
            assert!(refused.to_string().contains("check ca, cert and key"), "{refused}");
            assert!(began.elapsed() < settings.timeout, "said at once");
        }
        let page = Client::new(&good).unwrap().range(Range::key("a")).await.unwrap();
        assert_eq!(page.kvs[0].value, b"1");
    });
}

fn etcdctl(servers: &Servers, args: &[&str]) {
    let output = servers.etcdctl(0).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_user_gets_what_the_role_allows_and_goes_on_when_the_token_was_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let (mut servers, nobody) = one(dir.path());
    for args in [
        "user add root:secret",
        "user add rgm:pass",
        "role add rgm",
        "role grant-permission rgm readwrite --prefix=true /rgm/",
        "user grant-role rgm rgm",
        "auth enable",
    ] {
        etcdctl(&servers, &args.split(' ').collect::<Vec<_>>());
    }
    let as_user = |user: &str, password: &str| {
        let (user, password) = (Some(user.to_owned()), Some(Password(password.to_owned())));
        Client::new(&Settings { user, password, ..servers.settings() }).unwrap()
    };
    let (client, wrong) = (as_user("rgm", "pass"), as_user("rgm", "wrong"));
    run(async {
        put(&client, "/rgm/a", "1").await;
        let mut watch = client.watch(b"/rgm/", 1).await.unwrap();
        assert_eq!(next(&mut watch).await.len(), 1);
        let lease = client.grant(60).await.unwrap();
        assert_eq!(client.keep_alive(lease.id).await.unwrap(), 60);
        for (refused, text) in [
            (client.range(Range::key("/other")).await, "not the user rgm"),
            (wrong.range(Range::key("/rgm/a")).await, "invalid user ID or password"),
            (nobody.range(Range::key("/rgm/a")).await, "nobody without a user"),
        ] {
            let refused = refused.unwrap_err();
            assert!(matches!(&refused, Error::Denied { .. }), "{refused:?}");
            assert!(refused.to_string().contains(text), "{refused}");
        }
        // A member keeps its tokens in memory.
        servers.kill(0).unwrap();
        servers.restart(0).unwrap();
        assert_eq!(keys(&client, Range::prefix("/rgm/")).await, ["/rgm/a"]);
        put(&client, "/rgm/a", "2").await;
    });
}

#[test]
fn an_etcd_without_space_says_what_to_do_and_goes_on_reading() {
    let dir = tempfile::tempdir().unwrap();
    let options = vec!["--quota-backend-bytes".to_owned(), (4 << 20).to_string()];
    let servers =
        Servers::start(Setup { members: places(dir.path(), 1), options, ..Setup::default() }).unwrap();
    let client = Client::new(&servers.settings()).unwrap();
    run(async {
        let large = "x".repeat(1 << 20);
        let full = until(async || client.txn(puts([("a", &large)])).await.err()).await;
        assert!(matches!(full, Error::NoSpace { .. }) && full.outcome_unknown(), "{full:?}");
        assert!(full.to_string().contains("etcdctl alarm disarm"), "{full}");
        assert_eq!(client.range(Range::key("a")).await.unwrap().kvs[0].value.len(), large.len());
        let status = client.status(&servers.endpoint(0)).await.unwrap();
        assert!(status.errors.iter().any(|error| error.contains("NOSPACE")), "{status:?}");
    });
}

/// A network namespace with nothing but its loopback interface.
struct Namespace(String);

impl Namespace {
    fn new() -> Self {
        let namespace = Self(format!("rgm-etcd-{}", std::process::id()));
        namespace.ip(&["netns", "add", &namespace.0]);
        namespace.ip(&["-n", &namespace.0, "link", "set", "lo", "up"]);
        namespace
    }

    fn ip(&self, args: &[&str]) {
        let output = Command::new("ip").args(args).output().unwrap();
        assert!(output.status.success(), "ip {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        self.ip(&["netns", "delete", &self.0]);
    }
}

#[test]
fn a_member_in_a_network_namespace_is_reached_only_there_and_comes_back_with_what_it_stored() {
    let dir = tempfile::tempdir().unwrap();
    let namespace = Namespace::new();
    let mut members = places(dir.path(), 1);
    members[0].netns = Some(namespace.0.clone());
    let (heartbeat_ms, election_ms) = (Some(50), Some(500));
    let setup = Setup { members, heartbeat_ms, election_ms, ..Setup::default() };
    let mut servers = Servers::start(setup).unwrap();
    etcdctl(&servers, &["put", &namespace.0, "1"]);
    let pid = servers.pid(0).unwrap();
    servers.stop(0).unwrap();
    assert!(servers.pid(0).is_none() && !Path::new(&format!("/proc/{pid}")).exists());
    servers.restart(0).unwrap();
    let output = servers.etcdctl(0).args(["get", &namespace.0, "--print-value-only"]).output().unwrap();
    assert_eq!(output.stdout, b"1\n");
    let settings = Settings { timeout: Duration::from_millis(300), ..servers.settings() };
    let client = Client::new(&settings).unwrap();
    run(async {
        // Somebody else may listen on that port out here.
        let outside = client.range(Range::key(namespace.0.as_bytes())).await;
        assert!(outside.map_or_else(|e| matches!(e, Error::Away { .. }), |page| page.kvs.is_empty()));
    });
}
