//! The life of the daemon: what there must be before the loop begins, and what is put away behind it.

use crate::agent::deadline::Deadline;
use crate::agent::start::StartError as AgentError;
use crate::agent::{Agent, Means, Setup};
use crate::events::EventLog;
use crate::events::follow::Teller;
use crate::events::tap::Tap;
use crate::ipc::{self, ASKED_MAX, ListenError};
use crate::lock::{Lock, LockError};
use crate::nodes::{self, NodesError};
use crate::recorder::Recorder;
use crate::settings::Settings;
use crate::shell::{End, Hands, OnSignal, Rule, Shell, Sources, StartError as ShellError};
use crate::{Asks, ready, seat};
use methods::cgroup::{Root, instance_name};
use methods::rtr::Surroundings;
use rgm_api::Paths;
use rgm_api::chain;
use rgm_api::rgm::Info;
use rgm_ccr::{Embedded, StoreError};
use rgm_cluster::Link;
use rgm_types::NodeName;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

/// Why the daemon can't do its work.
#[derive(Debug, thiserror::Error)]
pub enum LifeError {
    /// A directory can't be made.
    #[error("cannot make the directory {}", path.display())]
    Dir {
        /// Directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another one is at work.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The configuration.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Its nodes are not ours.
    #[error(transparent)]
    Nodes(#[from] NodesError),
    /// A node can't be taken over.
    #[error("cannot take over node {node}")]
    Agent {
        /// Node.
        node: NodeName,
        /// Why.
        #[source]
        source: AgentError,
    },
    /// No core.
    #[error(transparent)]
    Shell(#[from] ShellError),
    /// No socket.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// No signals.
    #[error("cannot wait for signals")]
    Signals(#[source] io::Error),
    /// No record.
    #[error("cannot write the record {}", path.display())]
    Record {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// etcd can't be asked.
    #[error("etcd can't be used: {0}")]
    Etcd(String),
    /// The deadman can't be dealt with.
    #[error("what pmfd's deadman has done can't be taken note of")]
    Deadman(#[source] io::Error),
    /// No links.
    #[error("no links to other nodes are possible: {0}")]
    Links(String),
    /// The end of a cluster on one machine was not what it should be.
    #[error("not every group could be taken offline, and was killed: {0}")]
    NotOffline(String),
}

/// Works until told to end. Must be called inside a `LocalSet`.
pub async fn live(asks: &Asks, settings: &Settings, paths: &Paths, tap: Tap) -> Result<(), LifeError> {
    let several = asks.dev_nodes.is_some();
    if let (false, Some(etcd), Some(tls)) = (several, &settings.etcd, &settings.tls) {
        return seat::live(asks, settings, etcd, tls, paths, tap).await;
    }
    make_dirs(paths)?;
    // From now on a signal waits until the loop takes it, so that nothing half started is left behind.
    let on = |kind| signal(kind).map_err(LifeError::Signals);
    let (interrupt, terminate) = (on(SignalKind::interrupt())?, on(SignalKind::terminate())?);
    let lock = Lock::take(&paths.cluster_run_dir().join("rgmd.lock"))?;
    let mut repository = Embedded::open(&paths.ccr_file())?;
    let events = EventLog::open(&paths.events_dir(), tap.clone());
    let (version, process) = (env!("CARGO_PKG_VERSION"), std::process::id());
    tracing::info!("rgmd {version}, process {process}, begins");
    let (cluster, names) = nodes::settle(&mut repository, asks, settings)?;
    raise_files_max();

    let (outlet, inbox) = rgm_cluster::channel();
    let mut agents = BTreeMap::new();
    for name in &names {
        let setup = setup(name, several, asks, settings, paths);
        let started = Agent::start(setup, outlet(name)).await;
        let agent = started.map_err(|source| LifeError::Agent { node: name.clone(), source })?;
        agents.insert(name.clone(), agent);
    }
    let links = agents.iter().map(|(name, agent)| (name.clone(), Box::new(agent.clone()) as Box<dyn Link>));
    let teller = Teller::new(events.reader());
    let hands = Hands::new(Box::new(repository), links.collect(), events);

    let (shell_end, asked) = mpsc::channel(ASKED_MAX);
    let first = listen(&names, several, paths, &shell_end, &teller)?;
    let recorder = match &asks.record {
        None => Recorder::off(),
        Some(path) => {
            Recorder::create(path).map_err(|source| LifeError::Record { path: path.clone(), source })?
        }
    };
    let mut sources =
        Sources { inbox, asked, interrupt, terminate, tap, deposed: Rc::default(), calm: Rc::default() };
    let on_signal = if several { OnSignal::TakeOffline } else { OnSignal::EndDaemon };
    let mut shell = Shell::start(hands, recorder, info(&cluster, &names), on_signal, Rule::Alone)?;
    ready::announce(names.iter(), &first);

    let end = shell.run(&mut sources).await;
    ready::stopping();
    let result = put_away(end, &mut shell, &mut sources, agents, settings).await;
    shell.settle_accounts();
    // Who finds no socket knows that nobody listens.
    let _gone = fs::remove_file(&first);
    drop(lock);
    if several {
        // Not empty where somebody else has put something there.
        let _kept = fs::remove_dir(paths.cluster_run_dir());
    }
    result
}

/// The directories that all nodes of this machine share.
pub fn make_dirs(paths: &Paths) -> Result<(), LifeError> {
    for dir in [paths.cluster_run_dir(), paths.cluster_state_dir()] {
        fs::create_dir_all(dir).map_err(|source| LifeError::Dir { path: dir.to_owned(), source })?;
    }
    Ok(())
}

/// What is left to do once the loop has ended.
async fn put_away(
    end: End,
    shell: &mut Shell,
    sources: &mut Sources,
    agents: BTreeMap<NodeName, Agent>,
    settings: &Settings,
) -> Result<(), LifeError> {
    match end {
        // A method that ends in time has its result in the journal, and the next life takes it from
        // there; one that does not is killed with us, and repeated by it. Methods ask us meanwhile.
        End::Told | End::Deposed | End::SteppedDown => {
            tracing::info!("waiting for methods that are running, at most {:?}", settings.stop_wait);
            let idle = async {
                for agent in agents.values() {
                    agent.idle().await;
                }
            };
            let limit = async {
                if tokio::time::timeout(settings.stop_wait, idle).await.is_err() {
                    tracing::warn!("methods are still running: they are killed, and repeated later");
                }
            };
            shell.answer_reads(sources, limit).await;
            Ok(())
        }
        End::Offline | End::Abandoned => {
            leave_all(agents).await;
            Ok(())
        }
        End::NotOffline(refusal) => {
            tracing::error!("not everything could be taken offline: {}", refusal.message);
            leave_all(agents).await;
            Err(LifeError::NotOffline(refusal.message))
        }
    }
}

async fn leave_all(agents: BTreeMap<NodeName, Agent>) {
    for agent in agents.into_values() {
        agent.leave().await;
    }
}

/// Opens the sockets; the first speaks for the first node.
fn listen(
    names: &[NodeName],
    several: bool,
    paths: &Paths,
    shell: &mpsc::Sender<ipc::Asked>,
    teller: &Teller,
) -> Result<PathBuf, ListenError> {
    let first = paths.for_cluster().rgmd_socket();
    if let Some(name) = names.first() {
        ipc::listen(&first, name, shell, teller, None)?;
    }
    for name in names.iter().filter(|_| several) {
        ipc::listen(&paths.for_node(name).rgmd_socket(), name, shell, teller, None)?;
    }
    Ok(first)
}

/// What an agent of this machine works with.
pub fn setup(name: &NodeName, several: bool, asks: &Asks, settings: &Settings, paths: &Paths) -> Setup {
    let paths = if several { paths.for_node(name) } else { paths.for_cluster() };
    let (pmfd, beside) = (settings.pmfd.clone(), beside_rgmd("pmfd"));
    let means = if several {
        Means::KillNode(pmfd.or(beside).unwrap_or_else(|| PathBuf::from("/usr/cluster/lib/sc/pmfd")))
    } else {
        Means::Machine(settings.failfast())
    };
    let beside = beside_rgmd("scha_resource_get").and_then(|file| file.parent().map(Path::to_owned));
    let commands = asks.commands.clone().or(beside.filter(|_| several)).unwrap_or(settings.commands.clone());
    let surroundings = Surroundings {
        path_prefix: (commands != Path::new("/usr/cluster/bin")).then_some(commands),
        run_dir: paths.cluster_run_dir().to_owned(),
        state_dir: paths.cluster_state_dir().to_owned(),
        config: paths.config().to_owned(),
        node: name.to_string(),
    };
    let cgroup = match Root::find() {
        Ok(root) => Some(root.path().join("rgm").join(instance_name(&paths.run_dir())).join("methods")),
        Err(error) => {
            tracing::warn!("{}: a timeout may miss daemons that a method has started", chain(&error));
            None
        }
    };
    Setup { node: name.clone(), paths, surroundings, cgroup, means, deadline: Deadline::never() }
}

/// A file in the directory of this program, if it is there.
fn beside_rgmd(file: &str) -> Option<PathBuf> {
    let path = std::env::current_exe().ok()?.parent()?.join(file);
    path.exists().then_some(path)
}

/// Who answers.
pub fn info(cluster: &str, names: &[NodeName]) -> Info {
    Info {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        node: String::new(),
        nodes: names.iter().map(NodeName::to_string).collect(),
        cluster: cluster.to_owned(),
    }
}

/// A method needs five descriptors while it runs, a connection one: take what there is.
pub fn raise_files_max() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let given = getrlimit(Resource::Nofile);
    let most = Rlimit { current: given.maximum, maximum: given.maximum };
    if let Err(error) = setrlimit(Resource::Nofile, most) {
        tracing::warn!("the limit of open files stays at {:?}: {error}", given.current);
    }
}
