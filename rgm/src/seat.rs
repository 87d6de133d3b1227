//! The life of a node in a cluster of many machines.
//!
//! ```text
//!  configuration in etcd ─► agent, links, sockets ─► lease, registration ─► Post
//!                                                                            │ elected
//!          one presidency after the other: core, shell, lines  ◄─────────────┘
//! ```
//!
//! The node's agent works all the time, for whoever is president. The core exists only while this node
//! is president: it is loaded from what is stored, and told by the nodes what there is.

mod asks;
mod deadman;
mod fence;
mod gate;
mod line;
mod post;
mod quorum;

use crate::agent::{Agent, end};
use crate::events::EventLog;
use crate::events::follow::Teller;
use crate::events::tap::Tap;
use crate::ipc::{self, ASKED_MAX};
use crate::life::{self, LifeError};
use crate::lock::Lock;
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::shell::{Calm, End, Hands, OnSignal, Rule, Shell, Sources};
use crate::{Asks, clock, nodes, ready, settings};
use deadman::{Found, Pmfd};
use fence::Fencer;
use gate::Gate;
use post::{Chair, Means, Post, given_up};
use quorum::Lookout;
use rgm_api::Paths;
use rgm_api::chain;
use rgm_ccr::{EtcdStore, Guard, Repository, StoreError};
use rgm_cluster::Link;
use rgm_cluster::member::{self, Errand, Member, Words};
use rgm_cluster::net::{Hub, HubSetup, Identity, LinkSettings, NetEvent};
use rgm_etcd::Client;
use rgm_types::{Entry, Millis, NodeName};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;

/// How soon a configuration that is not there yet is looked for again.
const CONFIG_WAIT: Duration = Duration::from_secs(1);

/// What is asked on a node's socket and is its own matter, whoever presides.
#[derive(Clone)]
pub struct Local {
    /// How it sees the cluster.
    pub lookout: Lookout,
    /// How it leaves and joins.
    pub gate: Gate,
}

/// What every presidency needs.
struct Seat<'a> {
    asks: &'a Asks,
    settings: &'a Settings,
    etcd: rgm_etcd::Settings,
    me: NodeName,
    cluster: String,
    names: Vec<NodeName>,
    agent: Agent,
    post: Post,
    gate: Gate,
    tap: Tap,
    signals: Signals,
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn new() -> Result<Self, LifeError> {
        let on = |kind| signal(kind).map_err(LifeError::Signals);
        Ok(Self { interrupt: on(SignalKind::interrupt())?, terminate: on(SignalKind::terminate())? })
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Works until told to end. Must be called inside a `LocalSet`.
pub async fn live(
    asks: &Asks,
    settings: &Settings,
    etcd: &rgm_etcd::Settings,
    identity: &Identity,
    paths: &Paths,
    tap: Tap,
) -> Result<(), LifeError> {
    life::make_dirs(paths)?;
    let mut signals = Signals::new()?;
    let lock = Lock::take(&paths.cluster_run_dir().join("rgmd.lock"))?;
    let events = EventLog::open(&paths.events_dir(), tap.clone());
    let teller = Teller::new(events.reader());
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    tracing::info!("rgmd {version}, process {process}, begins");
    life::raise_files_max();

    let me = nodes::own_name(settings)?;
    let cluster = asks.cluster.clone().unwrap_or_else(|| settings.cluster.clone());
    let etcd = etcd.clone().of_cluster(&cluster);
    let mut setup = life::setup(&me, false, asks, settings, paths);
    let pmfd = Pmfd::new(paths.pmfd_socket(), settings.failfast(), setup.cgroup.clone());
    setup.deadline = pmfd.deadline();
    let methods = setup.cgroup.clone();
    let lookout = Lookout::new(&cluster, &me, client(&etcd)?, etcd.keys(), pmfd.deadline());
    let (questions, mut asked) = mpsc::channel(ASKED_MAX);
    let first = paths.for_cluster().rgmd_socket();
    let gate = Gate::new(paths.state_dir().join("left"), &lookout);
    let local = Local { lookout: lookout.clone(), gate: gate.clone() };
    ipc::listen(&first, &me, &questions, &teller, Some(&local))?;
    let before = async {
        gate.pass().await;
        let names = configured(&etcd, &me, &lookout).await?;
        let found = found(&mut pmfd.clone(), paths, &lookout).await?;
        Ok::<_, LifeError>((names, found))
    };
    let (names, found) = tokio::select! {
        before = before => before?,
        () = lookout.refuse(&mut asked) => return Ok(()),
        () = signals.any() => return Ok(()),
    };

    let (outlet, words) = rgm_cluster::channel();
    let agent = Agent::start(setup, outlet(&me)).await;
    let agent = agent.map_err(|source| LifeError::Agent { node: me.clone(), source })?;
    let former = former(found, &pmfd)?;
    let incarnation = clock::now().wall.0;
    let (net, links) = unbounded_channel();
    let (asides, heard) = unbounded_channel();
    let hub = hub(&cluster, &me, incarnation, settings, identity, (net, asides)).await?;
    let address = address(settings, &hub);
    let post = Post::new(&me, incarnation, hub.clone(), means(settings, paths, &etcd, methods)?);
    post.set_agent(agent.clone());
    gate.set_agent(&agent);
    lookout.has_links(hub.clone(), &names);
    let (member, news) = Member::start(member::Setup {
        node: me.clone(),
        incarnation,
        boot: clock::boot_id().map_err(LifeError::Signals)?,
        address,
        ttl: settings.member.ttl,
        margin: settings.member.margin,
        keys: etcd.keys(),
        client: client(&etcd)?,
        words: Words { hub, heard, note: paths.state_dir().join("waits-for-etcd") },
        deadman: Box::new(pmfd.clone()),
        former,
    })
    .map_err(LifeError::Signals)?;
    post.attend(lookout.overhear(news), links, words, asked);
    ready::announce(std::iter::once(&me), &first);

    let mut seat = Seat { asks, settings, etcd, me, cluster, names, agent, post, gate, tap, signals };
    let ended = seat.serve(&events, &member).await?;
    ready::stopping();
    seat.put_away(ended, member, pmfd, &events).await;
    // Who finds no socket knows that nobody listens.
    let _gone = std::fs::remove_file(&first);
    drop(lock);
    Ok(())
}

/// A client of etcd: one for each thread that speaks to it.
fn client(etcd: &rgm_etcd::Settings) -> Result<Client, LifeError> {
    Client::new(etcd).map_err(|error| LifeError::Etcd(error.to_string()))
}

/// What this node, as president, does about others with.
fn means(
    settings: &Settings,
    paths: &Paths,
    etcd: &rgm_etcd::Settings,
    cgroup: Option<PathBuf>,
) -> Result<Means, LifeError> {
    for fault in settings::fence::faults(&settings.fence, paths.config()) {
        tracing::warn!("{fault}");
    }
    Ok(Means {
        client: client(etcd)?,
        keys: etcd.keys(),
        fencer: Fencer::new(settings.fence.clone(), cgroup),
        fence_wait: settings.member.fence_wait(),
        unreached_wait: settings.member.unreached_wait(),
    })
}

/// The links of this node.
async fn hub(
    cluster: &str,
    me: &NodeName,
    incarnation: u64,
    settings: &Settings,
    identity: &Identity,
    (events, asides): (UnboundedSender<NetEvent>, UnboundedSender<(NodeName, Vec<u8>)>),
) -> Result<Hub, LifeError> {
    let setup = HubSetup {
        cluster: cluster.to_owned(),
        me: me.clone(),
        incarnation,
        listen: settings.member.listen,
        identity: identity.clone(),
        settings: LinkSettings::default(),
        asides,
    };
    Hub::start(setup, events).await.map_err(|error| LifeError::Links(chain(&error)))
}

/// What this node is to do next.
enum Turn {
    Elected(u64),
    Told,
    Left,
    Over(String),
}

/// Why this node is a member no more.
enum Farewell {
    /// Its daemon was told to end.
    Told,
    /// It leaves, and nothing runs here.
    Left,
    /// It has lost its place.
    Over(String),
}

impl Seat<'_> {
    /// One presidency after the other, until the end.
    async fn serve(&mut self, events: &EventLog, member: &Member) -> Result<Farewell, LifeError> {
        loop {
            match self.wait(events).await {
                Turn::Elected(epoch) => {
                    if self.preside(epoch, events, member).await? == End::Told {
                        return Ok(Farewell::Told);
                    }
                }
                Turn::Told => return Ok(Farewell::Told),
                Turn::Left => return Ok(Farewell::Left),
                Turn::Over(why) => return Ok(Farewell::Over(why)),
            }
        }
    }

    /// What is left to do then.
    async fn put_away(&mut self, ended: Farewell, member: Member, mut pmfd: Pmfd, events: &EventLog) {
        match ended {
            Farewell::Told => {
                // Another one decides while methods end here.
                member.ask(Errand::Withdraw);
                self.idle().await;
                member.ask(Errand::Park(self.settings.member.upgrade_wait));
                member.join();
                tracing::info!("rgmd, process {}, ends; services run on", std::process::id());
                events.said(clock::now());
            }
            Farewell::Left => {
                member.ask(Errand::Leave);
                member.join();
                if let Err(error) = pmfd.disarm() {
                    tracing::warn!("pmfd: {error}");
                }
                tracing::info!("this node has left the cluster");
                events.said(clock::now());
            }
            Farewell::Over(why) => {
                tracing::error!(
                    "this node is no member of the cluster any more: {why}; everything on it ends"
                );
                events.said(clock::now());
                if !pmfd.fire().await {
                    self.agent.end_machine();
                }
                std::process::exit(end::EXIT_ABORTED);
            }
        }
    }

    /// Until this node is elected, or has to end.
    async fn wait(&mut self, events: &EventLog) -> Turn {
        loop {
            tokio::select! {
                biased;
                () = self.gate.left() => return Turn::Left,
                turn = self.post.turn() => return match turn {
                    Ok(epoch) => Turn::Elected(epoch),
                    Err(why) => Turn::Over(why),
                },
                () = self.signals.any() => return Turn::Told,
                () = self.tap.more() => events.said(clock::now()),
            }
        }
    }

    /// One presidency, from its election to its end.
    async fn preside(&mut self, epoch: u64, events: &EventLog, member: &Member) -> Result<End, LifeError> {
        tracing::info!(epoch, "this node is president");
        match EtcdStore::open(&self.etcd, None).and_then(|store| store.load()) {
            Ok((_, entries)) => self.names = nodes::in_order(&entries),
            Err(error) => tracing::warn!("the nodes can't be read anew: {}", chain(&error)),
        }
        clock::count_as_cluster();
        let (outlet, inbox) = rgm_cluster::channel();
        let (shell_end, asked) = mpsc::channel(ASKED_MAX);
        let deposed = Rc::new(Notify::new());
        self.gate.set_deposed(&deposed);
        let calm = Rc::new(Calm::default());
        let chair = Chair {
            outlet: Box::new(outlet),
            asked: shell_end,
            deposed: Rc::clone(&deposed),
            calm: Rc::clone(&calm),
        };
        member.ask(Errand::Nodes(self.names.iter().cloned().collect()));
        self.post.sit(epoch, chair, &self.names);
        let Signals { interrupt, terminate } = Signals::new()?;
        let tap = self.tap.clone();
        let mut sources = Sources { inbox, asked, interrupt, terminate, tap, deposed, calm };
        let end = match self.shell(epoch, events) {
            Ok(mut shell) => {
                self.post.call_the_roll();
                spawn_local(self.post.clone().mind_members(epoch));
                let end = shell.run(&mut sources).await;
                shell.give_up(&given_up());
                end
            }
            Err(error) => {
                tracing::error!("this node can't be president: {}", chain(&error));
                End::SteppedDown
            }
        };
        let mut waiting = Vec::new();
        sources.asked.close();
        while let Ok(asked) = sources.asked.try_recv() {
            waiting.push(asked);
        }
        let stand_back = self.post.rise(waiting);
        tracing::info!(epoch, "this node is president no more");
        match stand_back {
            Some(span) => member.ask(Errand::StandBack(epoch, span)),
            // It withdraws, and is not to be elected once more before that.
            None if end == End::Told => {}
            // Whatever the chair was given up for: as long as the key is this node's there is no other one.
            None => member.ask(Errand::Resign(epoch)),
        }
        Ok(end)
    }

    /// The core of a presidency, loaded, and its shell.
    fn shell(&self, epoch: u64, events: &EventLog) -> Result<Shell, LifeError> {
        let guard = Guard {
            key: self.etcd.keys().president(),
            create_revision: i64::try_from(epoch).unwrap_or(i64::MAX),
        };
        let recorder = match &self.asks.record {
            None => Recorder::off(),
            Some(path) => {
                let path = PathBuf::from(format!("{}.{epoch}", path.display()));
                Recorder::create(&path).map_err(|source| LifeError::Record { path, source })?
            }
        };
        let repository = EtcdStore::open(&self.etcd, Some(guard))?;
        let links = self.names.iter().map(|name| {
            let link: Box<dyn Link> = match *name == self.me {
                true => Box::new(self.post.own_line(epoch)),
                false => Box::new(self.post.line(epoch, name)),
            };
            (name.clone(), link)
        });
        let hands = Hands::new(Box::new(repository), links.collect(), events.clone());
        let info = life::info(&self.cluster, &self.names);
        Ok(Shell::start(hands, recorder, info, OnSignal::EndDaemon, Rule::Elected(epoch))?)
    }

    /// Methods that run when the daemon is told to end may end first.
    async fn idle(&mut self) {
        let wait = self.settings.stop_wait;
        tracing::info!("waiting for methods that are running, at most {wait:?}; a second signal ends that");
        let idle = tokio::time::timeout(wait, self.agent.idle());
        let idle = tokio::select! {
            idle = idle => idle.is_ok(),
            () = self.signals.any() => false,
        };
        if !idle {
            tracing::warn!("methods are still running: they are killed, and repeated later");
        }
    }
}

/// The nodes of the cluster, once this one is among them.
async fn configured(
    etcd: &rgm_etcd::Settings,
    me: &NodeName,
    lookout: &Lookout,
) -> Result<Vec<NodeName>, LifeError> {
    loop {
        let settings = etcd.clone();
        // On a thread of its own: what is asked here meanwhile is answered.
        let load = move || EtcdStore::open(&settings, None).and_then(|store| store.load());
        let loaded =
            tokio::task::spawn_blocking(load).await.map_err(|error| LifeError::Etcd(error.to_string()))?;
        let why = match loaded {
            Ok((_, entries)) => {
                let entries: Vec<Entry> = entries;
                let names = nodes::in_order(&entries);
                if names.contains(me) {
                    return Ok(names);
                }
                match names.is_empty() {
                    true => "there is no cluster yet; `cluster create` makes one".to_owned(),
                    false => {
                        format!("node {me} is not configured; `clnode add` on a node of the cluster does it")
                    }
                }
            }
            Err(error @ StoreError::Newer { .. }) => return Err(error.into()),
            Err(error) => chain(&error),
        };
        lookout.waits(format!("waiting for the cluster at {:?}: {why}", etcd.endpoints));
        tokio::time::sleep(CONFIG_WAIT).await;
    }
}

/// What pmfd has killed since its deadman fired is of no life any more: the node begins anew.
async fn found(pmfd: &mut Pmfd, paths: &Paths, lookout: &Lookout) -> Result<Found, LifeError> {
    let found = pmfd.found(lookout).await;
    if let Found::Fired(fired) = &found {
        tracing::error!(
            "pmfd has killed everything on this node, {} ms after boot: its deadline had not been renewed",
            fired.fired_boot_ms
        );
        match std::fs::remove_file(paths.run_dir().join("journal")) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(LifeError::Deadman(error));
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(found)
}

/// The deadline of a former life of which something may run; what has fired is taken note of.
fn former(found: Found, pmfd: &Pmfd) -> Result<Option<Millis>, LifeError> {
    match found {
        Found::Fired(fired) => {
            pmfd.clone().forget(&fired).map_err(LifeError::Deadman)?;
            Ok(None)
        }
        Found::Armed(former) => Ok(former),
    }
}

/// Where other nodes are told to connect to.
fn address(settings: &Settings, hub: &Hub) -> String {
    let port = hub.address().port();
    match &settings.member.address {
        Some(address)
            if address
                .rsplit_once(':')
                .is_some_and(|(host, _)| !host.contains(':') || host.ends_with(']')) =>
        {
            address.clone()
        }
        Some(host) if host.contains(':') => format!("[{host}]:{port}"),
        Some(host) => format!("{host}:{port}"),
        None => format!("{}:{port}", rustix::system::uname().nodename().to_string_lossy()),
    }
}
