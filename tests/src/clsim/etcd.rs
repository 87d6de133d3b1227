//! etcd as a service: revisions, leases, transactions, watches. What it promises and no more: it is
//! linearizable, and a lease does not end before its time to live has passed since its last renewal.

use crate::sim::repo::Repo;
use rgm_etcd::{Change, ChangeKind, Compare, Keys, Kv, Op, OpDone, Page, Range, Span, Txn, TxnDone};
use rgm_types::{Entry, Generation, Write};
use std::collections::{BTreeMap, BTreeSet};

/// What is asked of it.
#[derive(Debug, Clone)]
pub enum Request {
    Grant(i64),
    KeepAlive(i64),
    Revoke(i64),
    Range(Range),
    Txn(Txn),
    /// Everything behind that revision is to be told, by this number.
    Watch(u64, i64),
    Progress,
    /// The configuration, and whether this guard still holds.
    Load(Option<i64>),
    Commit(Commit),
    /// What became of that commit; from now on it can't come about any more.
    Settle(u64, i64),
}

/// A change of the configuration.
#[derive(Debug, Clone)]
pub struct Commit {
    pub author: u64,
    /// The revision of the president's key that it compares.
    pub guard: Option<i64>,
    /// Whose it is.
    pub epoch: i64,
    pub expected: Generation,
    pub writes: Vec<Write>,
}

/// What it answers.
#[derive(Debug, Clone)]
pub enum Answer {
    Lease(i64, i64),
    Left(i64),
    Page(Page),
    Done(TxnDone),
    Loaded { generation: Generation, entries: Vec<Entry>, deposed: bool },
    Committed(Committed),
    Nothing,
}

/// What became of a commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Committed {
    Yes(Generation),
    Deposed,
    /// On another state than there is.
    Stale,
    /// Certainly not.
    No,
    Full,
}

/// A lease.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lease {
    pub ttl_s: i64,
    /// Counts its renewals: an expiry that was due before one of them is void.
    pub version: u64,
    /// It does not end before.
    pub until: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Etcd {
    pub revision: i64,
    pub kvs: BTreeMap<Vec<u8>, Kv>,
    pub leases: BTreeMap<i64, Lease>,
    /// Every change there was, in pieces of one revision.
    pub history: Vec<Vec<Change>>,
    pub repo: Repo,
    pub full: bool,
    next_lease: i64,
    done: BTreeMap<u64, Generation>,
    void: BTreeSet<u64>,
}

impl Etcd {
    /// Asks for nothing that ends with a lease.
    pub fn lease(&mut self, ttl_s: i64) -> i64 {
        self.next_lease += 1;
        self.leases.insert(self.next_lease, Lease { ttl_s, version: 0, until: 0 });
        self.next_lease
    }

    /// Renews a lease; zero if there is none.
    pub fn keep_alive(&mut self, id: i64) -> i64 {
        let Some(lease) = self.leases.get_mut(&id) else { return 0 };
        lease.version += 1;
        lease.ttl_s
    }

    /// Ends a lease with everything that goes with it.
    pub fn revoke(&mut self, id: i64) {
        if self.leases.remove(&id).is_none() {
            return;
        }
        let keys: Vec<Vec<u8>> =
            self.kvs.values().filter(|kv| kv.lease == id).map(|kv| kv.key.clone()).collect();
        if !keys.is_empty() {
            self.write(keys.into_iter().map(Op::delete).collect());
        }
    }

    /// The keys of a span.
    pub fn range(&self, range: &Range) -> Page {
        Page { kvs: self.get(&range.span), revision: self.revision, more: false }
    }

    fn get(&self, span: &Span) -> Vec<Kv> {
        let within = |key: &[u8]| match span {
            Span::Key(one) => key == one,
            Span::Prefix(prefix) => key.starts_with(prefix),
            Span::Behind { prefix, key: last } => key.starts_with(prefix) && key > last.as_slice(),
        };
        self.kvs.values().filter(|kv| within(&kv.key)).cloned().collect()
    }

    fn holds(&self, compare: &Compare) -> bool {
        let kv = |key: &Vec<u8>| self.kvs.get(key);
        match compare {
            Compare::CreateRevision(key, is) => kv(key).map_or(0, |kv| kv.create_revision) == *is,
            Compare::ModRevision(key, is) => kv(key).map_or(0, |kv| kv.mod_revision) == *is,
            Compare::Value(key, is) => kv(key).is_some_and(|kv| kv.value == *is),
            Compare::Lease(key, is) => kv(key).map_or(0, |kv| kv.lease) == *is,
            Compare::Present(key) => kv(key).is_some(),
        }
    }

    /// A put under a lease that has ended is refused as a whole: `None`.
    pub fn txn(&mut self, txn: Txn) -> Option<TxnDone> {
        let succeeded = txn.compare.iter().all(|compare| self.holds(compare));
        let ops = if succeeded { txn.success } else { txn.failure };
        let lost =
            |op: &Op| matches!(op, Op::Put { lease, .. } if *lease != 0 && !self.leases.contains_key(lease));
        if ops.iter().any(lost) {
            return None;
        }
        let responses = self.write(ops);
        Some(TxnDone { succeeded, revision: self.revision, responses })
    }

    fn write(&mut self, ops: Vec<Op>) -> Vec<OpDone> {
        let next = self.revision + 1;
        let (mut changes, mut responses) = (Vec::new(), Vec::new());
        for op in ops {
            responses.push(match op {
                Op::Get(span) => OpDone::Got(self.get(&span)),
                Op::Put { key, value, lease } => {
                    let old = self.kvs.get(&key);
                    let create_revision = old.map_or(next, |kv| kv.create_revision);
                    let version = old.map_or(1, |kv| kv.version + 1);
                    let kv =
                        Kv { key: key.clone(), value, create_revision, mod_revision: next, version, lease };
                    changes.push(change(ChangeKind::Put, &kv, next));
                    self.kvs.insert(key, kv);
                    OpDone::Put
                }
                Op::Delete(span) => {
                    let gone = self.get(&span);
                    for kv in &gone {
                        self.kvs.remove(&kv.key);
                        changes.push(change(ChangeKind::Delete, kv, next));
                    }
                    OpDone::Deleted(i64::try_from(gone.len()).unwrap_or(0))
                }
            });
        }
        if !changes.is_empty() {
            self.revision = next;
            self.history.push(changes);
        }
        responses
    }

    /// The revision that made the president's key; 0 while there is none.
    pub fn epoch(&self, keys: &Keys) -> i64 {
        self.kvs.get(&keys.president()).map_or(0, |kv| kv.create_revision)
    }

    /// A change of the configuration.
    pub fn commit(&mut self, keys: &Keys, commit: &Commit) -> Committed {
        if self.void.contains(&commit.author) {
            return Committed::No;
        }
        if commit.guard.is_some_and(|guard| guard != self.epoch(keys)) {
            return Committed::Deposed;
        }
        if commit.expected != self.repo.generation {
            return Committed::Stale;
        }
        if self.full {
            return Committed::Full;
        }
        self.repo.commit(&commit.writes);
        self.done.insert(commit.author, self.repo.generation);
        Committed::Yes(self.repo.generation)
    }

    /// What became of a commit that got no answer.
    pub fn settle(&mut self, keys: &Keys, author: u64, guard: i64) -> Committed {
        if let Some(generation) = self.done.get(&author) {
            return Committed::Yes(*generation);
        }
        self.void.insert(author);
        if self.epoch(keys) == guard { Committed::No } else { Committed::Deposed }
    }
}

fn change(kind: ChangeKind, kv: &Kv, revision: i64) -> Change {
    let put = kind == ChangeKind::Put;
    Change {
        kind,
        key: kv.key.clone(),
        value: if put { kv.value.clone() } else { Vec::new() },
        create_revision: if put { kv.create_revision } else { 0 },
        mod_revision: revision,
        lease: if put { kv.lease } else { 0 },
    }
}
