//! Cluster configuration repository: one contract, and the stores that keep it: [`Embedded`] on this
//! machine, [`EtcdStore`] for a cluster of several.
//!
//! The repository holds entries ([`Entry`], one a type, group, resource, …) under one counter, the
//! generation. Whoever changes something names the generation the change was decided on; if another
//! commit came between, the change is refused and has to be decided anew. A commit is one
//! transaction: all of its writes are there for good, or none of them ever was.
//!
//! [`conformance`] is that contract as tests; every store passes it.
#![forbid(unsafe_code)]

pub mod conformance;
mod embedded;
mod etcd;
mod record;

pub use embedded::Embedded;
pub use etcd::{EtcdStore, Guard, Snapshot};

use rgm_types::{Entry, Generation, Write};
use serde::Serialize;
use std::io;

/// Where the configuration is kept.
pub trait Repository {
    /// Everything, ordered by key, and its generation. An empty store is of generation 0.
    fn load(&self) -> Result<(Generation, Vec<Entry>), StoreError>;

    /// Does all writes, in their order, or none; returns the new generation, one above the old.
    ///
    /// When it returns, the new state survives whatever happens to this machine. Refused with
    /// [`StoreError::Stale`] unless `expected` is the generation in force. On any error nothing has
    /// changed and the store goes on serving what it had; a later commit may succeed. (Only if the
    /// medium broke in the middle of the commit *and* this process ends before it works again, the
    /// next start may find the transaction done, whole. And [`StoreError::Unsettled`] leaves it open:
    /// [`Repository::load`] tells, as soon as it succeeds again.)
    fn commit(&mut self, expected: Generation, writes: &[Write]) -> Result<Generation, StoreError>;
}

/// Why a store did not do what was asked. `store` names it: the path of its file.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody else committed in between.
    #[error(
        "the configuration has changed meanwhile (generation {}, decided on {})",
        found.0, expected.0
    )]
    Stale {
        /// The generation the change was decided on.
        expected: Generation,
        /// The generation in force.
        found: Generation,
    },
    /// No space for it.
    #[error("no space left to store the configuration in {store}; make room there and try again")]
    Full {
        /// Store.
        store: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Not what was once written there.
    #[error(
        "the configuration in {store} is damaged: {reason}; it was left as it is: put a copy from a \
         backup in its place, or move it away to start with an empty configuration"
    )]
    Corrupt {
        /// Store.
        store: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Written by a later version of this program.
    #[error(
        "the configuration in {store} is of format {found}, this version knows {known}; \
         start the version that wrote it"
    )]
    Newer {
        /// Store.
        store: String,
        /// Format found.
        found: u64,
        /// Highest format known.
        known: u64,
    },
    /// Another process has it.
    #[error("the configuration in {store} is in use by another rgmd{}", pid_text(*.by))]
    Locked {
        /// Store.
        store: String,
        /// Its process, if known.
        by: Option<u32>,
    },
    /// This process may not read and write it.
    #[error("no permission to read and write the configuration in {store}; run as root")]
    Denied {
        /// Store.
        store: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// Another president was elected: whoever decided this decides no more.
    #[error("this node is no longer the president; nothing was changed in {store}")]
    Deposed {
        /// Store.
        store: String,
    },
    /// No answer; nothing was changed.
    #[error(
        "no endpoint of {store} answers, so the configuration can't be read or changed; bring back \
         most of etcd's members, or the network to them"
    )]
    Away {
        /// Store.
        store: String,
        /// What each endpoint did.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It stopped answering in the middle of a commit.
    #[error(
        "{store} stopped answering in the middle of the change; whether it was made shows when it \
         answers again"
    )]
    Unsettled {
        /// Store.
        store: String,
        /// What kept it from being found out.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It was to be filled, and holds something.
    #[error(
        "the target holds a configuration already ({entries} entries, generation {}); nothing was copied: \
         name another prefix for this cluster, or remove that configuration first", generation.0
    )]
    NotEmpty {
        /// Its entries.
        entries: usize,
        /// Its generation.
        generation: Generation,
    },
    /// Anything else the system may say.
    #[error("the configuration in {store} can't be reached")]
    Failed {
        /// Store.
        store: String,
        /// What it said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl StoreError {
    /// Somebody else has decided meanwhile, or may: what was to be stored was decided on something else
    /// than there is.
    pub fn is_outdated(&self) -> bool {
        matches!(self, Self::Deposed { .. } | Self::Stale { .. })
    }
}

fn pid_text(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" (process {pid})"))
}

/// What a store holds, as JSON: to read, to keep aside, to compare.
pub fn dump(store: &dyn Repository) -> Result<String, StoreError> {
    #[derive(Serialize)]
    struct Dump {
        generation: Generation,
        entries: Vec<Entry>,
    }
    let (generation, entries) = store.load()?;
    serde_json::to_string_pretty(&Dump { generation, entries })
        .map_err(|e| StoreError::Failed { store: "memory".to_owned(), source: e.into() })
}

/// Copies everything into an empty store, in one commit: how a site grows from the store on one
/// machine to one for several; and what comes with it. A target that holds anything is refused.
pub fn copy(
    from: &dyn Repository,
    to: &mut dyn Repository,
    besides: Vec<Entry>,
) -> Result<Generation, StoreError> {
    let (generation, found) = to.load()?;
    if generation != Generation(0) || !found.is_empty() {
        return Err(StoreError::NotEmpty { entries: found.len(), generation });
    }
    let (_, entries) = from.load()?;
    let writes: Vec<Write> = entries.into_iter().chain(besides).map(Write::Put).collect();
    to.commit(generation, &writes)
}
