use crate::cert;
use crate::member::{
    ArmError, Deadman, Errand, Member, News, Registration, Setup, Term, Warrant, WarrantError, Words,
};
use crate::net::{Hub, HubSetup, Identity, LinkSettings};
use crate::rules::{Void, Writ};
use rgm_etcd::server::Servers;
use rgm_etcd::{Client, Range, Settings};
use rgm_types::{Millis, NodeName};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const TTL: Duration = Duration::from_secs(2);

/// Remembers what it was armed with, and when.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<(Instant, Millis)>>>);

impl Paper {
    fn read(&self) -> Option<Millis> {
        self.0.lock().unwrap().last().map(|(_, deadline)| *deadline)
    }

    /// When it was first moved beyond that.
    fn moved_beyond(&self, deadline: Option<Millis>) -> Option<Instant> {
        self.0.lock().unwrap().iter().find(|(_, later)| Some(*later) > deadline).map(|(when, _)| *when)
    }
}

impl Deadman for Paper {
    fn arm(&mut self, deadline: Millis) -> Result<(), ArmError> {
        self.0.lock().unwrap().push((Instant::now(), deadline));
        Ok(())
    }
}

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn settings(servers: &Servers) -> Settings {
    Settings { prefix: "/rgm/planets/".to_owned(), ..servers.settings() }
}

/// etcd, and certificates for the nodes `a` and `b`.
struct World {
    dir: tempfile::TempDir,
    settings: Settings,
    _servers: Servers,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        cert::init(&dir.path().join("tls"), "planets").unwrap();
        for name in ["a", "b"] {
            cert::issue(&dir.path().join("tls"), &node(name), &["127.0.0.1".to_owned()], 1).unwrap();
        }
        let servers = Servers::local(dir.path(), 1).unwrap();
        Self { dir, settings: settings(&servers), _servers: servers }
    }

    async fn join(&self, name: &str, incarnation: u64, deadman: &Paper) -> (Member, UnboundedReceiver<News>) {
        let tls = self.dir.path().join("tls");
        let file = |name: &str| tls.join(name);
        let identity = Identity {
            ca: file("ca.crt"),
            cert: file(&format!("{name}.crt")),
            key: file(&format!("{name}.key")),
        };
        let (asides, heard) = unbounded_channel();
        let (me, listen) = (node(name), SocketAddr::from(([127, 0, 0, 1], 0)));
        let cluster = "planets".to_owned();
        let settings = LinkSettings::default();
        let setup = HubSetup { cluster, me, incarnation, listen, identity, settings, asides };
        let hub = Hub::start(setup, unbounded_channel().0).await.unwrap();
        let note = self.dir.path().join(format!("{name}.note"));
        Member::start(Setup {
            node: node(name),
            incarnation,
            boot: format!("boot of {name}"),
            address: "127.0.0.1:1".to_owned(),
            ttl: TTL,
            margin: Duration::from_millis(300),
            client: Client::new(&self.settings).unwrap(),
            keys: self.settings.keys(),
            words: Words { hub, heard, note },
            deadman: Box::new(deadman.clone()),
            former: deadman.read(),
        })
        .unwrap()
    }
}

/// The first news of which something can be made.
async fn heard<T>(news: &mut UnboundedReceiver<News>, mut found: impl FnMut(News) -> Option<T>) -> T {
    let search = async {
        loop {
            if let Some(found) = found(news.recv().await.unwrap()) {
                return found;
            }
        }
    };
    tokio::time::timeout(PATIENCE, search).await.unwrap()
}

async fn registration(news: &mut UnboundedReceiver<News>, of: &str) -> Registration {
    let of = node(of);
    heard(news, |news| {
        let News::Members(members) = news else { return None };
        members.get(&of).cloned()
    })
    .await
}

async fn president(settings: &Settings, news: &mut UnboundedReceiver<News>) -> Warrant {
    let epoch = heard(news, term).await.epoch;
    Warrant { client: Client::new(settings).unwrap(), writ: Writ { keys: settings.keys(), epoch } }
}

fn term(news: News) -> Option<Term> {
    let News::President(term) = news else { return None };
    term
}

fn over(news: News) -> Option<String> {
    let News::Over(why) = news else { return None };
    Some(why)
}

fn gone(news: News, of: &str) -> Option<()> {
    (news == News::Gone(node(of))).then_some(())
}

fn run(scene: impl AsyncFnOnce(World)) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(scene(World::new()));
}

#[test]
fn an_evicted_node_ends_itself_and_is_gone_only_when_its_deadman_must_have_fired() {
    run(async |world| {
        let (_a, mut at_a) = world.join("a", 1, &Paper::default()).await;
        let warrant = president(&world.settings, &mut at_a).await;
        let deadman = Paper::default();
        let (_b, mut at_b) = world.join("b", 1, &deadman).await;
        heard(&mut at_b, |news| (news == News::Registered).then_some(())).await;
        let life = registration(&mut at_a, "b").await;
        assert_eq!((life.ttl_ms, life.evicted), (2000, false));

        let evicted = Instant::now();
        warrant.evict(&node("b"), &life).await.unwrap();
        assert!(heard(&mut at_b, over).await.contains("evicted"));
        // Services of that life may run on: the next one must not give them more time.
        let armed = deadman.read();
        let (_next, mut at_next) = world.join("b", 2, &deadman).await;
        heard(&mut at_a, |news| gone(news, "b")).await;
        assert!(evicted.elapsed() >= TTL + TTL / 2);
        heard(&mut at_next, |news| (news == News::Registered).then_some(())).await;
        let moved = deadman.moved_beyond(armed).unwrap();
        assert!(moved.duration_since(evicted) >= TTL + TTL / 2);
    });
}

#[test]
fn where_nothing_of_its_life_runs_any_more_an_evicted_node_comes_back_at_once() {
    run(async |world| {
        let (_a, mut at_a) = world.join("a", 1, &Paper::default()).await;
        let warrant = president(&world.settings, &mut at_a).await;
        let (_b, mut at_b) = world.join("b", 1, &Paper::default()).await;
        let life = registration(&mut at_a, "b").await;
        warrant.evict(&node("b"), &life).await.unwrap();
        heard(&mut at_b, over).await;
        let (_next, mut at_next) = world.join("b", 2, &Paper::default()).await;
        heard(&mut at_a, |news| gone(news, "b")).await;
        heard(&mut at_next, |news| (news == News::Registered).then_some(())).await;
    });
}

#[test]
fn what_was_decided_about_one_life_or_in_one_presidency_is_not_done_to_another() {
    run(async |world| {
        let (a, mut at_a) = world.join("a", 1, &Paper::default()).await;
        let warrant = president(&world.settings, &mut at_a).await;
        let (_b, mut at_b) = world.join("b", 1, &Paper::default()).await;
        let life = registration(&mut at_a, "b").await;
        let other = Registration { incarnation: 7, ..life.clone() };
        assert!(matches!(warrant.remove(&node("b"), &other).await, Err(WarrantError::Void(Void::Changed))));
        assert!(matches!(warrant.evict(&node("b"), &other).await, Err(WarrantError::Void(Void::Changed))));
        assert!(matches!(warrant.check(&node("c"), &life).await, Err(WarrantError::Void(Void::Changed))));

        a.ask(Errand::StandBack(warrant.writ.epoch, PATIENCE));
        heard(&mut at_a, |news| (news == News::President(None)).then_some(())).await;
        let next = |news| term(news).filter(|term| term.epoch > warrant.writ.epoch);
        let term = heard(&mut at_b, next).await;
        assert_eq!(term.node, node("b"), "the one that stands back is not elected");
        assert!(matches!(warrant.remove(&node("b"), &life).await, Err(WarrantError::Void(Void::Deposed))));
        assert!(matches!(warrant.check(&node("b"), &life).await, Err(WarrantError::Void(Void::Deposed))));
    });
}

#[test]
fn a_node_that_is_dead_for_certain_is_gone_at_once() {
    run(async |world| {
        let (_a, mut at_a) = world.join("a", 1, &Paper::default()).await;
        let warrant = president(&world.settings, &mut at_a).await;
        let (_b, mut at_b) = world.join("b", 1, &Paper::default()).await;
        let life = registration(&mut at_a, "b").await;
        warrant.check(&node("b"), &life).await.unwrap();
        warrant.evict(&node("b"), &life).await.unwrap();
        warrant.remove(&node("b"), &life).await.unwrap();
        heard(&mut at_a, |news| gone(news, "b")).await;
        heard(&mut at_b, over).await;
        let found = warrant.client.range(Range::key(warrant.writ.keys.member("b"))).await.unwrap();
        assert_eq!(found.kvs, []);
        assert_eq!(warrant.client.time_to_live(life.lease).await.unwrap(), -1);
    });
}
