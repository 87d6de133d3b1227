//! An agent's start: what a former life has left is found, and ended or kept.

use super::end::kill_below;
use super::journal::{Found, Journal};
use super::pmf::PmfdError;
use super::{Agent, Inner, Setup, State};
use crate::clock;
use methods::leftovers::kill_unfinished;
use rgm_cluster::Outlet;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::sync::Notify;
use tokio::task::spawn_local;

/// Why an agent can't work.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A directory of its own can't be made.
    #[error("cannot make the directory {}", path.display())]
    Dir {
        /// Directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The journal can't be read or written.
    #[error("cannot use the journal {}", path.display())]
    Journal {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Methods of a former life can't be killed, so nothing may be started.
    #[error("cannot kill what a former rgmd has left running below {}", path.display())]
    Leftovers {
        /// Cgroup.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No pmfd.
    #[error(transparent)]
    Pmfd(#[from] PmfdError),
}

impl Agent {
    /// Takes over a node: kills the methods of a former life, reads the journal, and sees to pmfd.
    /// Must be called inside a `LocalSet`.
    pub async fn start(setup: Setup, outlet: Outlet) -> Result<Self, StartError> {
        for path in [setup.paths.run_dir(), setup.paths.state_dir()] {
            fs::create_dir_all(&path).map_err(|source| StartError::Dir { path, source })?;
        }
        let path = setup.paths.run_dir().join("journal");
        let failed = |source| StartError::Journal { path: path.clone(), source };
        let boot = clock::boot_id().map_err(failed)?;
        let (journal, found) = Journal::open(&path, &boot, &setup.node).map_err(failed)?;
        if let Found::Life { damaged } = &found {
            for line in damaged {
                tracing::error!("line {line} of {} was damaged and is skipped", path.display());
            }
        }
        let fresh = found == Found::Nothing;
        end_former(&setup, fresh)?;
        let state = State {
            journal,
            fresh,
            running: BTreeMap::new(),
            exceeded: BTreeMap::new(),
            taken: BTreeSet::new(),
            down: false,
            journal_failed: false,
        };
        let agent = Self(Rc::new(Inner { setup, outlet, state: RefCell::new(state), ended: Notify::new() }));
        agent.start_pmfd(fresh).await?;
        if fresh {
            agent.end_supervised().await;
        }
        spawn_local(agent.clone().attend_pmfd());
        Ok(agent)
    }
}

/// Methods of a former life must be gone before the next one starts; what ended methods have left
/// running is an application, and stays, unless the node has just booted.
fn end_former(setup: &Setup, fresh: bool) -> Result<(), StartError> {
    let Some(path) = &setup.cgroup else { return Ok(()) };
    let failed = |source| StartError::Leftovers { path: path.clone(), source };
    if fresh {
        return kill_below(path).map_err(failed);
    }
    for killed in kill_unfinished(path).map_err(failed)? {
        let (node, token) = (&setup.node, &killed.name);
        tracing::warn!(%node, token, "killed a method of a former life of this daemon");
        if !killed.stuck.is_empty() {
            tracing::error!(%node, token, "processes {:?} are stuck in the kernel", killed.stuck);
        }
    }
    Ok(())
}
