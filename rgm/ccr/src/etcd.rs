//! The store in etcd: the same contract, for a cluster of several machines.
//!
//! ```text
//! conf/generation      {"v":1,"generation":7,"author":"…"}     what was committed last
//! conf/e/group/dns-rg  {"v":1,"entry":{…}}                     an entry, as in the embedded store
//! conf/p/type/X/000001 …                                       the rest of an entry of over 400 KiB
//! conf/batch/8-…/000000 {"v":1,"ops":[…]}                      a piece of a large commit, for a moment
//! ```
//!
//! **A commit** is one transaction of etcd. It compares the revision of `conf/generation`, so that no
//! two commits build on the same state, and the president's election key ([`Guard`]), so that a
//! deposed president changes nothing, however late its request arrives.
//!
//! **A large commit** is written down first, in pieces under a name of its own, and then committed by
//! one transaction that names them in `conf/generation`. From there on it is done: whoever reads lays
//! the pieces over the entries. They are applied afterwards, in portions, by this store or the next
//! one that commits; the last transaction of that removes them.
//!
//! **A commit that got no answer** may have been done, or may be done yet. The store looks: the head
//! names the commit that wrote it. Is the head still as it was, the store writes it once more under
//! another author; what was on its way then compares the wrong revision and fails. Only when etcd
//! stays away for longer than [`rgm_etcd::Settings::timeout`] meanwhile, the answer is
//! [`StoreError::Unsettled`], and the next request begins with finding out.
//!
//! The store has a thread of its own with the connections; a call blocks its caller until the answer.

mod engine;
mod head;
mod raw;

use crate::{Repository, StoreError};
use engine::Engine;
use rgm_etcd::{Client, Settings};
use rgm_types::{Entry, Generation, Write};
use std::sync::mpsc as answer;
use std::thread::JoinHandle;
use tokio::sync::mpsc;

/// Who may write: whoever holds the election key in this incarnation of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Guard {
    /// The key, whole.
    pub key: Vec<u8>,
    /// The revision that created it: a later president's has another one.
    pub create_revision: i64,
}

/// Everything, as it was at one revision of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// That revision: a watch from the next one on misses nothing.
    pub revision: i64,
    /// The generation in force.
    pub generation: Generation,
    /// The entries, ordered by key.
    pub entries: Vec<Entry>,
}

/// See the module.
#[derive(Debug)]
pub struct EtcdStore {
    name: String,
    /// `None` only while it is dropped.
    jobs: Option<mpsc::UnboundedSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Answer<T> = answer::SyncSender<Result<T, StoreError>>;

enum Job {
    Open(Answer<()>),
    Load(Answer<Snapshot>),
    Commit(Generation, Vec<Write>, Answer<Generation>),
}

impl EtcdStore {
    /// Opens the configuration below the settings' prefix, which must be set. Nothing is written
    /// without a guard; with one, what a former president left unfinished is brought to its end.
    pub fn open(settings: &Settings, guard: Option<Guard>) -> Result<Self, StoreError> {
        let name = format!("etcd {} at {}", settings.prefix, settings.endpoints.join(", "));
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError::Failed {
            store: name.clone(),
            source,
        };
        if settings.prefix.is_empty() {
            return Err(failed("the settings name no prefix".into()));
        }
        let client = Client::new(settings).map_err(|error| failed(error.into()))?;
        let engine = Engine::new(client, settings, name.clone(), guard);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.into()))?;
        let (jobs, queue) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new()
            .name("ccr-etcd".to_owned())
            .spawn(move || runtime.block_on(serve(engine, queue)))
            .map_err(|error| failed(error.into()))?;
        let store = Self { name, jobs: Some(jobs), thread: Some(thread) };
        store.ask(Job::Open)?;
        Ok(store)
    }

    /// Everything, and the revision to watch from.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.ask(Job::Load)
    }

    fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        let (sender, receiver) = answer::sync_channel(1);
        let ended = || StoreError::Failed { store: self.name.clone(), source: "its thread has ended".into() };
        self.jobs.as_ref().ok_or_else(ended)?.send(job(sender)).map_err(|_| ended())?;
        receiver.recv().map_err(|_| ended())?
    }
}

impl Repository for EtcdStore {
    fn load(&self) -> Result<(Generation, Vec<Entry>), StoreError> {
        let Snapshot { generation, entries, .. } = self.snapshot()?;
        Ok((generation, entries))
    }

    fn commit(&mut self, expected: Generation, writes: &[Write]) -> Result<Generation, StoreError> {
        self.ask(|answer| Job::Commit(expected, writes.to_vec(), answer))
    }
}

impl Drop for EtcdStore {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It ends when it has done what it is at; a panic of it was already told.
            let _ = thread.join();
        }
    }
}

async fn serve(mut engine: Engine, mut queue: mpsc::UnboundedReceiver<Job>) {
    while let Some(job) = queue.recv().await {
        // Whoever asked may have gone: then nobody wants the answer.
        match job {
            Job::Open(answer) => drop(answer.send(engine.open().await)),
            Job::Load(answer) => drop(answer.send(engine.load().await)),
            Job::Commit(expected, writes, answer) => {
                let done = engine.commit(expected, &writes).await;
                drop(answer.send(done));
                // It is committed whether or not this succeeds; the next commit tries again.
                drop(engine.tidy().await);
            }
        }
    }
}
