//! Leaving the cluster in good order, and being let in again.
//!
//! A node may leave when nothing of the cluster runs on it. Its agent starts nothing from then on; the
//! registration is given up, the deadman disarmed, and rgmd begins anew, outside: it runs, says so to
//! whoever asks, and is a member again only when somebody wants it. A file in the state directory
//! remembers that over a boot.

use super::quorum::Lookout;
use crate::agent::Agent;
use rgm_api::rgm::{Outcome, Reply};
use rgm_types::{Done, Refusal, ResourceName, SchaErr};
use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io;
use std::path::PathBuf;
use std::rc::Rc;
use tokio::sync::Notify;

/// Why a node that has left is no member.
const OUTSIDE: &str = "it has left the cluster; `cluster join` lets it in again";

/// See the module. All handles are the same.
#[derive(Clone)]
pub struct Gate(Rc<Inner>);

struct Inner {
    /// This file is there: the node has left.
    note: PathBuf,
    lookout: Lookout,
    /// Since this node has one.
    agent: RefCell<Option<Agent>>,
    /// Told to a president that it is to be none.
    deposed: RefCell<Option<Rc<Notify>>>,
    leaving: Cell<bool>,
    stir: Notify,
}

impl Gate {
    /// Of this node.
    pub fn new(note: PathBuf, lookout: &Lookout) -> Self {
        let (agent, deposed, leaving) = (RefCell::default(), RefCell::default(), Cell::new(false));
        Self(Rc::new(Inner { note, lookout: lookout.clone(), agent, deposed, leaving, stir: Notify::new() }))
    }

    /// Waits until this node may be a member.
    pub async fn pass(&self) {
        while self.0.note.exists() {
            self.0.lookout.waits(OUTSIDE.to_owned());
            self.0.stir.notified().await;
        }
        self.0.lookout.waits(String::new());
    }

    /// What runs on this node is run by that agent.
    pub fn set_agent(&self, agent: &Agent) {
        *self.0.agent.borrow_mut() = Some(agent.clone());
    }

    /// This node presides until it is told so.
    pub fn set_deposed(&self, deposed: &Rc<Notify>) {
        *self.0.deposed.borrow_mut() = Some(Rc::clone(deposed));
    }

    /// Waits until this node is to leave.
    pub async fn left(&self) {
        while !self.0.leaving.get() {
            self.0.stir.notified().await;
        }
    }

    /// Somebody wants this node to leave.
    pub async fn leave(&self, privileged: bool) -> Outcome {
        if !privileged {
            return Err(no_access());
        }
        let Inner { note, lookout, agent, deposed, leaving, stir } = &*self.0;
        // Whoever leaves while etcd is away can't say good-bye, and the others count on it to wait with them.
        lookout.is_member().await?;
        let Some(agent) = agent.borrow().clone() else { return Err(no_member()) };
        if leaving.get() {
            return Ok(Reply::Done(Done::default()));
        }
        write(note).map_err(|error| {
            let message = format!("{}: {error}", note.display());
            Refusal::new(SchaErr::Internal, message, "the node would not remember that it has left")
        })?;
        if let Err(up) = agent.close() {
            forget(note)?;
            return Err(not_bare(&up));
        }
        tracing::info!("this node leaves the cluster");
        leaving.set(true);
        stir.notify_one();
        if let Some(deposed) = &*deposed.borrow() {
            deposed.notify_one();
        }
        Ok(Reply::Done(Done::default()))
    }

    /// Somebody wants this node to be a member.
    pub fn join(&self, privileged: bool) -> Outcome {
        if !privileged {
            return Err(no_access());
        }
        if self.0.leaving.get() {
            let message = "this node is just leaving the cluster";
            return Err(Refusal::new(SchaErr::Reconf, message, "try again in a moment"));
        }
        forget(&self.0.note)?;
        self.0.stir.notify_one();
        Ok(Reply::Done(Done::default()))
    }
}

fn write(note: &PathBuf) -> io::Result<()> {
    File::create(note)?.sync_all()?;
    note.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

fn forget(note: &PathBuf) -> Result<(), Refusal> {
    match fs::remove_file(note) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            let message = format!("{}: {error}", note.display());
            Err(Refusal::new(SchaErr::Internal, message, "as long as it is there the node is no member"))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

fn no_access() -> Refusal {
    Refusal::new(SchaErr::Access, "only root may let a node leave or join", "run as root")
}

/// To who is none.
pub fn no_member() -> Refusal {
    let message = "this node is no member of the cluster now";
    Refusal::new(SchaErr::State, message, "`clquorum status` says why")
}

fn not_bare(up: &[ResourceName]) -> Refusal {
    let names: Vec<&str> = up.iter().map(ResourceName::as_str).collect();
    let message = format!("not everything of the cluster has ended on this node: {}", names.join(", "));
    let hint = "see `clrs status`; what could not be stopped: `clrs clear`, once it has ended";
    Refusal::new(SchaErr::State, message, hint)
}
