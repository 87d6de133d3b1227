//! What the store's thread does.

use super::head::{Batch, Head, author};
use super::raw::{self, Raw, RawOp};
use super::{Guard, Snapshot};
use crate::StoreError;
use rgm_etcd::{Client, Compare, Error, Keys, Kv, Op, OpDone, Range, Settings, Span, Txn, TxnDone};
use rgm_types::{Generation, Write};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// Keys read at once.
const PAGE_KEYS: i64 = 1000;
/// Pieces one commit may have: the transaction that commits them compares each, and etcd takes 128
/// comparisons. It is some 100 MB.
const PIECES_MAX: usize = 100;
/// How often a commit is tried anew when its comparison fails although nothing of what it was decided
/// on has changed: something of another store was finished meanwhile.
const TRIES: usize = 5;

pub struct Engine {
    client: Client,
    keys: Keys,
    name: String,
    guard: Option<Guard>,
    limit: Duration,
    /// As it was seen last. A commit on an old one fails its comparison, and looks.
    head: Option<Head>,
    /// A commit that got no answer.
    unsettled: Option<Attempt>,
}

/// A commit that was sent.
#[derive(Debug, Clone)]
struct Attempt {
    author: String,
    /// What it would make of the head.
    next: Generation,
    /// The revision of the head that it compares.
    before: i64,
    error: Error,
}

/// What a look at the head shows.
struct Seen {
    head: Head,
    deposed: bool,
}

/// What one try to commit came to.
enum Tried {
    Done(Generation),
    /// Certainly not done, and nothing speaks against trying once more; the error, if there was one.
    NotDone(Option<Error>),
}

/// What became of an [`Attempt`].
enum Outcome {
    Done(Generation),
    NotDone,
    /// Another president has written since, and this one never can again: it may have been done before.
    Overtaken,
}

impl Engine {
    pub fn new(client: Client, settings: &Settings, name: String, guard: Option<Guard>) -> Self {
        let (keys, limit) = (settings.keys(), settings.timeout);
        Self { client, keys, name, guard, limit, head: None, unsettled: None }
    }

    /// Finds out whether etcd is there; the holder of the election also finishes what is unfinished.
    pub async fn open(&mut self) -> Result<(), StoreError> {
        let seen = self.look().await?;
        if self.guard.is_none() {
            return Ok(());
        }
        if seen.deposed {
            return Err(self.deposed());
        }
        match self.clean(&seen.head).await {
            // Whoever reads lays the batch over the entries: only changes need room.
            Err(StoreError::Full { .. }) => Ok(()),
            done => done,
        }
    }

    /// Everything, at one revision.
    pub async fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.settle_first().await?;
        loop {
            match self.sweep().await {
                // It took so long that etcd forgot the revision.
                Err(Error::Compacted) => {}
                Err(error) => return Err(self.explain(error)),
                Ok(read) => {
                    let (revision, head, raw) = read?;
                    let generation = head.generation;
                    self.head = Some(head);
                    return Ok(Snapshot { revision, generation, entries: raw.entries(&self.name)? });
                }
            }
        }
    }

    pub async fn commit(&mut self, expected: Generation, writes: &[Write]) -> Result<Generation, StoreError> {
        self.settle_first().await?;
        let ops = raw::ops(writes);
        let deadline = Instant::now() + 2 * self.limit;
        let mut why = None;
        for _ in 0..TRIES {
            let head = self.head_of(expected).await?;
            match self.try_commit(&head, &ops).await? {
                Tried::Done(generation) => return Ok(generation),
                Tried::NotDone(error) => why = error,
            }
            if Instant::now() > deadline {
                break;
            }
        }
        Err(why.map_or_else(|| self.busy(), |error| self.explain(error)))
    }

    /// Finishes a batch; removes the pieces of commits that never came about.
    async fn clean(&mut self, head: &Head) -> Result<(), StoreError> {
        if head.batch.is_some() {
            return self.tidy().await;
        }
        let clean = self.guarded(head.revision, vec![Op::Delete(Span::Prefix(self.keys.batches()))]);
        self.client.txn(clean).await.map(drop).map_err(|error| self.explain(error))
    }

    /// Applies a batch that was committed.
    pub async fn tidy(&mut self) -> Result<(), StoreError> {
        let Some(Head { batch: Some(batch), .. }) = &self.head else { return Ok(()) };
        let Some(Head { revision, .. }) = self.head else { return Ok(()) };
        let batch = batch.clone();
        let Some(ops) = self.pieces(&batch).await? else { return Ok(()) };
        for portion in raw::portions(&ops) {
            let ops = portion.iter().map(|op| op.op(&self.keys)).collect();
            if !self.apply(revision, ops).await? {
                return Ok(());
            }
        }
        let Some(head) = &self.head else { return Ok(()) };
        let head = Head { batch: None, ..head.clone() };
        let last = vec![
            Op::put(self.keys.generation(), head.encode()),
            Op::Delete(Span::Prefix(self.keys.batches())),
        ];
        let txn = self.guarded(revision, last);
        let done = self.client.txn(txn).await.map_err(|error| self.explain(error))?;
        self.head = done.succeeded.then_some(Head { revision: done.revision, ..head });
        Ok(())
    }

    /// One portion of it. Not done: somebody else has finished it, or may by now write here.
    async fn apply(&mut self, revision: i64, ops: Vec<Op>) -> Result<bool, StoreError> {
        let txn = self.guarded(revision, ops);
        let done = self.client.txn(txn).await.map_err(|error| self.explain(error))?;
        if !done.succeeded {
            self.head = None;
        }
        Ok(done.succeeded)
    }

    /// The head to commit on, with no batch pending.
    async fn head_of(&mut self, expected: Generation) -> Result<Head, StoreError> {
        for _ in 0..TRIES {
            let head = match &self.head {
                Some(head) if head.generation == expected => head.clone(),
                Some(_) | None => {
                    let Seen { head, deposed } = self.look().await?;
                    if deposed {
                        return Err(self.deposed());
                    }
                    head
                }
            };
            if head.generation != expected {
                return Err(StoreError::Stale { expected, found: head.generation });
            }
            if head.batch.is_none() {
                return Ok(head);
            }
            self.tidy().await?;
        }
        Err(self.busy())
    }

    async fn try_commit(&mut self, head: &Head, ops: &[RawOp]) -> Result<Tried, StoreError> {
        let author = author();
        let generation = Generation(head.generation.0 + 1);
        let mut next = Head { generation, author: author.clone(), batch: None, revision: 0 };
        let portions = raw::portions(ops);
        let mut txn = match portions.as_slice() {
            [] => self.guarded(head.revision, Vec::new()),
            [all] => self.guarded(head.revision, all.iter().map(|op| op.op(&self.keys)).collect()),
            _ => {
                let batch = self.write_batch(format!("{}-{author}", generation.0), ops).await?;
                let mut txn = self.guarded(head.revision, Vec::new());
                // Another store that finishes its own batch removes ours: see `tidy`.
                let pieces = (0..batch.pieces).map(|number| self.keys.piece(&batch.name, number));
                txn.compare.extend(pieces.map(Compare::Present));
                next.batch = Some(batch);
                txn
            }
        };
        txn.success.push(Op::put(self.keys.generation(), next.encode()));
        match self.client.txn(txn).await {
            Ok(done) if done.succeeded => {
                self.head = Some(Head { revision: done.revision, ..next });
                Ok(Tried::Done(generation))
            }
            Ok(refused) => match self.answers(refused)? {
                Seen { deposed: true, .. } => Err(self.deposed()),
                Seen { .. } => Ok(Tried::NotDone(None)),
            },
            Err(error) if error.outcome_unknown() => {
                let attempt = Attempt { author, next: generation, before: head.revision, error };
                self.settle_now(attempt).await
            }
            Err(error) => Err(self.explain(error)),
        }
    }

    /// Finds out right away what became of a commit that got no answer.
    async fn settle_now(&mut self, attempt: Attempt) -> Result<Tried, StoreError> {
        self.unsettled = Some(attempt.clone());
        match self.settle(&attempt).await {
            Ok(Outcome::Done(generation)) => Ok(Tried::Done(generation)),
            Ok(Outcome::NotDone) if matches!(attempt.error, Error::NoSpace { .. }) => {
                Err(StoreError::Full { store: self.name.clone(), source: io::Error::other(attempt.error) })
            }
            Ok(Outcome::NotDone) => Ok(Tried::NotDone(Some(attempt.error))),
            Ok(Outcome::Overtaken) => {
                Err(StoreError::Unsettled { store: self.name.clone(), source: Box::new(self.deposed()) })
            }
            Err(deposed @ StoreError::Deposed { .. }) => Err(deposed),
            Err(error) => Err(StoreError::Unsettled { store: self.name.clone(), source: Box::new(error) }),
        }
    }

    /// Finds out what became of an earlier one, before anything else.
    async fn settle_first(&mut self) -> Result<(), StoreError> {
        match self.unsettled.clone() {
            None => Ok(()),
            Some(attempt) => match self.settle(&attempt).await {
                // Whoever was deposed may still read.
                Ok(_) | Err(StoreError::Deposed { .. }) => Ok(()),
                Err(error) => Err(error),
            },
        }
    }

    async fn settle(&mut self, attempt: &Attempt) -> Result<Outcome, StoreError> {
        let deadline = Instant::now() + self.limit;
        loop {
            let Seen { head, deposed } = self.look().await?;
            if head.author == attempt.author {
                self.unsettled = None;
                return Ok(Outcome::Done(attempt.next));
            }
            // The guard's key never comes back as it was: what compares it fails for good.
            if deposed {
                self.unsettled = None;
                let untouched = head.revision == attempt.before;
                return if untouched { Err(self.deposed()) } else { Ok(Outcome::Overtaken) };
            }
            // A transaction that etcd refused for lack of space is not on its way any more.
            if head.revision != attempt.before || matches!(attempt.error, Error::NoSpace { .. }) {
                self.unsettled = None;
                return Ok(Outcome::NotDone);
            }
            let barrier = Head { author: author(), ..head };
            let txn = self.guarded(attempt.before, vec![Op::put(self.keys.generation(), barrier.encode())]);
            match self.client.txn(txn).await {
                // The next look tells.
                Ok(_) => {}
                Err(Error::Unknown { .. }) if Instant::now() < deadline => {}
                Err(error) => return Err(self.explain(error)),
            }
        }
    }

    /// Writes the pieces down. They mean nothing until they are committed.
    async fn write_batch(&mut self, name: String, ops: &[RawOp]) -> Result<Batch, StoreError> {
        let pieces = raw::pieces(ops);
        if pieces.len() > PIECES_MAX {
            return Err(self.failed(
                format!("one change of {} MiB is more than etcd takes; make it in several", pieces.len())
                    .into(),
            ));
        }
        let batch = Batch { name, pieces: pieces.len() };
        for (number, piece) in pieces.into_iter().enumerate() {
            let put = Op::put(self.keys.piece(&batch.name, number), piece);
            let txn = Txn { compare: self.held(), success: vec![put], failure: Vec::new() };
            let deadline = Instant::now() + self.limit;
            // Writing a piece twice does no harm.
            let done = loop {
                match self.client.txn(txn.clone()).await {
                    Err(Error::Unknown { .. }) if Instant::now() < deadline => {}
                    Err(source @ Error::NoSpace { .. }) => {
                        return Err(StoreError::Full {
                            store: self.name.clone(),
                            source: io::Error::other(source),
                        });
                    }
                    done => break done.map_err(|error| self.explain(error))?,
                }
            };
            if !done.succeeded {
                return Err(self.deposed());
            }
        }
        Ok(batch)
    }

    /// What the pieces of a batch say; `None`: somebody else has finished it meanwhile.
    async fn pieces(&mut self, batch: &Batch) -> Result<Option<Vec<RawOp>>, StoreError> {
        let mut ops = Vec::new();
        for number in 0..batch.pieces {
            let Some(kv) = self.read(self.keys.piece(&batch.name, number)).await? else {
                let pending = self.look().await?.head.batch;
                return if pending.as_ref() == Some(batch) {
                    Err(self.lost(batch, number))
                } else {
                    Ok(None)
                };
            };
            ops.extend(raw::read_piece(&self.name, &piece_name(batch, number), &kv.value)?);
        }
        Ok(Some(ops))
    }

    fn lost(&self, batch: &Batch, number: usize) -> StoreError {
        let reason = format!("{} is missing", piece_name(batch, number));
        StoreError::Corrupt { store: self.name.clone(), reason }
    }

    /// Reads head, entries and the pending batch, page by page, at one revision.
    async fn sweep(&self) -> Result<Result<(i64, Head, Raw), StoreError>, Error> {
        let mut page = self.client.range(Range::prefix(self.keys.conf()).limit(PAGE_KEYS)).await?;
        let (revision, mut kvs) = (page.revision, Vec::new());
        loop {
            kvs.append(&mut page.kvs);
            let Some(last) = kvs.last().filter(|_| page.more) else { break };
            let behind = Span::Behind { prefix: self.keys.conf(), key: last.key.clone() };
            page = self.client.range(Range::of(behind).limit(PAGE_KEYS).at(revision)).await?;
        }
        Ok(self.lay(&kvs).map(|(head, raw)| (revision, head, raw)))
    }

    /// The entries with a pending batch laid over them.
    fn lay(&self, kvs: &[Kv]) -> Result<(Head, Raw), StoreError> {
        let find = |key: Vec<u8>| kvs.iter().find(|kv| kv.key == key);
        let head = Head::decode(&self.name, find(self.keys.generation()))?;
        let mut raw = Raw::default();
        for kv in kvs {
            raw.insert(&self.keys, &kv.key, kv.value.clone());
        }
        if let Some(batch) = &head.batch {
            for number in 0..batch.pieces {
                let piece =
                    find(self.keys.piece(&batch.name, number)).ok_or_else(|| self.lost(batch, number))?;
                for op in raw::read_piece(&self.name, &piece_name(batch, number), &piece.value)? {
                    raw.apply(op);
                }
            }
        }
        Ok((head, raw))
    }

    /// Reads the head, and whether we may still write. The guard goes first: what compares it can't
    /// be done behind its end, so a head that is read later shows all that ever was. (As two questions,
    /// because an etcd without space refuses every transaction.)
    async fn look(&mut self) -> Result<Seen, StoreError> {
        let mut held = None;
        if let Some(guard) = &self.guard {
            held = self.read(guard.key.clone()).await?;
        }
        let head = self.read(self.keys.generation()).await?;
        self.seen(head, held)
    }

    async fn read(&self, key: Vec<u8>) -> Result<Option<Kv>, StoreError> {
        let page = self.client.range(Range::key(key)).await.map_err(|error| self.explain(error))?;
        Ok(page.kvs.into_iter().next())
    }

    /// What the answers to [`Engine::questions`] say.
    fn answers(&mut self, done: TxnDone) -> Result<Seen, StoreError> {
        let mut answers = done.responses.into_iter().map(|answer| match answer {
            OpDone::Got(kvs) => kvs.into_iter().next(),
            OpDone::Put | OpDone::Deleted(_) => None,
        });
        let head = answers.next().flatten();
        self.seen(head, answers.next().flatten())
    }

    fn seen(&mut self, head: Option<Kv>, held: Option<Kv>) -> Result<Seen, StoreError> {
        let head = Head::decode(&self.name, head.as_ref())?;
        let held = held.map(|kv| kv.create_revision);
        self.head = Some(head.clone());
        let deposed = self.guard.as_ref().is_some_and(|guard| held != Some(guard.create_revision));
        Ok(Seen { head, deposed })
    }

    fn questions(&self) -> Vec<Op> {
        let guard = self.guard.iter().map(|guard| guard.key.clone());
        std::iter::once(self.keys.generation()).chain(guard).map(Op::get).collect()
    }

    /// A transaction that is done only while the head is as it was at that revision and we hold the
    /// election; otherwise it looks.
    fn guarded(&self, revision: i64, success: Vec<Op>) -> Txn {
        let mut compare = self.held();
        compare.push(Compare::ModRevision(self.keys.generation(), revision));
        Txn { compare, success, failure: self.questions() }
    }

    fn held(&self) -> Vec<Compare> {
        self.guard
            .iter()
            .map(|guard| Compare::CreateRevision(guard.key.clone(), guard.create_revision))
            .collect()
    }

    fn deposed(&self) -> StoreError {
        StoreError::Deposed { store: self.name.clone() }
    }

    fn busy(&self) -> StoreError {
        self.failed("somebody else keeps changing it".into())
    }

    fn failed(&self, source: Box<dyn std::error::Error + Send + Sync>) -> StoreError {
        StoreError::Failed { store: self.name.clone(), source }
    }

    fn explain(&self, error: Error) -> StoreError {
        let store = self.name.clone();
        match error {
            Error::Away { .. } | Error::Unknown { .. } => StoreError::Away { store, source: Box::new(error) },
            Error::NoSpace { .. } => StoreError::Full { store, source: io::Error::other(error) },
            Error::Settings { .. }
            | Error::Refused { .. }
            | Error::Denied { .. }
            | Error::Tls { .. }
            | Error::Compacted => self.failed(error.into()),
        }
    }
}

fn piece_name(batch: &Batch, number: usize) -> String {
    format!("batch {}, piece {number}", batch.name)
}
