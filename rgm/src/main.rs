//! rgmd, the resource group manager daemon: the shell around the core.
//!
//! ```text
//!            life        lock, repository, agents, sockets; and putting them away
//!              │
//!  ipc ──► shell ──► core.step ──► recorder ──► perform ──► repository · agents · log · answers
//!              ▲                                                            │
//!              └────────────── rgm-cluster links ◄──────────────────────────┘
//! ```
//!
//! One thread that decides, one tokio runtime. The shell decides nothing; each module says in its first
//! lines what it is for.
#![forbid(unsafe_code)]

mod agent;
mod clock;
mod events;
mod ipc;
mod life;
mod lock;
mod log;
mod nodes;
mod perform;
mod ready;
mod recorder;
mod seat;
mod settings;
mod shell;

use anyhow::Context;
use clap::Parser;
use rgm_api::Paths;
use rgm_types::NodeName;
use settings::Settings;
use std::path::PathBuf;
use std::process::ExitCode;
use tokio::task::LocalSet;

/// Threads for what would hold up the one that decides: killing a node, reading the event log. As many
/// as may kill at once, and some that read.
const BLOCKING_THREADS_MAX: usize = 20;

const AFTER_HELP: &str = "\
Environment:
  RGM_RUN_DIR    sockets, journals (default /run/rgm)
  RGM_STATE_DIR  the configuration repository, the event log (default /var/lib/rgm)
  RGM_CONFIG     settings (default /etc/rgm/rgm.toml; it need not exist)
  RGM_LOG        what is logged: error, warn, info, debug, trace (default: log_level of the settings)

Signals:
  SIGINT, SIGTERM   With --dev-nodes: every group is taken offline, then everything ends; a second
                    signal ends everything at once. Otherwise: this daemon ends, resources run on.

Example:
  RGM_RUN_DIR=/tmp/run RGM_STATE_DIR=/tmp/state rgmd --dev-nodes phys-1,phys-2";

/// Manages resource groups on this node, or on several nodes on this machine
#[derive(Debug, Default, Parser)]
#[command(name = "rgmd", version, after_help = AFTER_HELP)]
pub struct Asks {
    /// Run a whole cluster of these nodes on this machine, in the foreground, pmfds included
    #[arg(long, value_name = "NODE,NODE…", value_delimiter = ',')]
    dev_nodes: Option<Vec<NodeName>>,
    /// Name of the cluster, when it is made new [default: cluster of the settings]
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Directory of the commands, first in the PATH of methods
    #[arg(long, value_name = "DIR")]
    commands: Option<PathBuf>,
    /// Record what goes into the core and what comes out, as lines of JSON
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Give a fresh core what a record says, and compare what comes out; then end
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dev_nodes", "record", "check_config"])]
    replay: Option<PathBuf>,
    /// Only check the settings
    #[arg(long)]
    check_config: bool,
}

fn main() -> ExitCode {
    match run(&Asks::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rgmd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(asks: &Asks) -> anyhow::Result<()> {
    if let Some(path) = &asks.replay {
        let replayed = recorder::replay(path).with_context(|| format!("replay of {}", path.display()));
        println!("{} steps, each as it was", replayed?);
        return Ok(());
    }
    let paths = Paths::from_env()?.for_cluster();
    let settings = Settings::load(paths.config())?;
    if asks.check_config {
        settings.check(paths.config())?;
        println!("{}: good", paths.config().display());
        return Ok(());
    }
    let tap = events::tap::Tap::default();
    log::start(&settings, tap.clone());
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().max_blocking_threads(BLOCKING_THREADS_MAX).build();
    let runtime = runtime.context("cannot wait for events")?;
    LocalSet::new().block_on(&runtime, life::live(asks, &settings, &paths, tap))?;
    Ok(())
}
