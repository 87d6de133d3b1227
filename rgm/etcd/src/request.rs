//! What can be asked of keys, and what comes back.

use crate::keys::end_of;
use crate::wire;

/// A key and what lies there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kv {
    /// Key.
    pub key: Vec<u8>,
    /// Value.
    pub value: Vec<u8>,
    /// The revision that created it; another one after it was deleted and made anew.
    pub create_revision: i64,
    /// The revision that wrote it last.
    pub mod_revision: i64,
    /// How often it was written since it was created.
    pub version: i64,
    /// The lease it goes with; 0 without.
    pub lease: i64,
}

/// Which keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Span {
    /// This one.
    Key(Vec<u8>),
    /// All that begin so; every key where it is empty.
    Prefix(Vec<u8>),
    /// All that begin with `prefix` and come behind `key`.
    Behind {
        /// What they begin with.
        prefix: Vec<u8>,
        /// The last one that is not wanted.
        key: Vec<u8>,
    },
}

/// A question for keys. They come in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Range {
    /// Which ones.
    pub span: Span,
    /// How many at most; 0 is all.
    pub limit: i64,
    /// As they were at that revision; 0 is now.
    pub revision: i64,
    /// Whatever the endpoint knows, without asking the others: answered without a leader too, and
    /// maybe old.
    pub serializable: bool,
}

impl Range {
    /// Those, all of them, as they are now.
    pub fn of(span: Span) -> Self {
        Self { span, limit: 0, revision: 0, serializable: false }
    }

    /// That key, as it is now.
    pub fn key(key: impl Into<Vec<u8>>) -> Self {
        Self::of(Span::Key(key.into()))
    }

    /// All keys that begin so, as they are now.
    pub fn prefix(prefix: impl Into<Vec<u8>>) -> Self {
        Self::of(Span::Prefix(prefix.into()))
    }

    /// So many at most.
    #[must_use]
    pub fn limit(mut self, limit: i64) -> Self {
        self.limit = limit;
        self
    }

    /// As they were at that revision.
    #[must_use]
    pub fn at(mut self, revision: i64) -> Self {
        self.revision = revision;
        self
    }
}

/// What a [`Range`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The keys, in their order.
    pub kvs: Vec<Kv>,
    /// The store's revision when it was asked, whatever revision was asked for.
    pub revision: i64,
    /// There are more than the limit let through.
    pub more: bool,
}

/// A condition of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Compare {
    /// The key was created by that revision; 0: there is no such key.
    CreateRevision(Vec<u8>, i64),
    /// The key was written last by that revision; 0: there is no such key.
    ModRevision(Vec<u8>, i64),
    /// The key has that value.
    Value(Vec<u8>, Vec<u8>),
    /// The key goes with that lease.
    Lease(Vec<u8>, i64),
    /// There is such a key.
    Present(Vec<u8>),
}

impl Compare {
    /// There is no such key.
    pub fn absent(key: impl Into<Vec<u8>>) -> Self {
        Self::CreateRevision(key.into(), 0)
    }
}

/// One operation of a transaction. No key may be written twice by one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Make it so.
    Put {
        /// Key.
        key: Vec<u8>,
        /// Value.
        value: Vec<u8>,
        /// The lease it goes with; 0 without.
        lease: i64,
    },
    /// Remove them.
    Delete(Span),
    /// Read them, as this transaction sees them.
    Get(Span),
}

impl Op {
    /// Make it so, without a lease.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { key: key.into(), value: value.into(), lease: 0 }
    }

    /// Remove the key.
    pub fn delete(key: impl Into<Vec<u8>>) -> Self {
        Self::Delete(Span::Key(key.into()))
    }

    /// Read the key.
    pub fn get(key: impl Into<Vec<u8>>) -> Self {
        Self::Get(Span::Key(key.into()))
    }
}

/// If everything in `compare` holds do `success`, otherwise `failure`; all of it at one revision.
/// etcd takes 128 operations and 1.5 MiB unless it was started with other limits.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Txn {
    /// Conditions.
    pub compare: Vec<Compare>,
    /// Done when all of them hold.
    pub success: Vec<Op>,
    /// Done when one does not.
    pub failure: Vec<Op>,
}

impl Txn {
    /// Does it write anything? One that does not may be repeated.
    pub(crate) fn writes(&self) -> bool {
        self.success.iter().chain(&self.failure).any(|op| !matches!(op, Op::Get(_)))
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnDone {
    /// Did the conditions hold?
    pub succeeded: bool,
    /// The store's revision behind it.
    pub revision: i64,
    /// An answer for each operation that was done, in their order.
    pub responses: Vec<OpDone>,
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpDone {
    /// Written.
    Put,
    /// So many keys removed.
    Deleted(i64),
    /// What was there.
    Got(Vec<Kv>),
}

impl From<wire::KeyValue> for Kv {
    fn from(kv: wire::KeyValue) -> Self {
        let wire::KeyValue { key, create_revision, mod_revision, version, value, lease } = kv;
        Self { key, value, create_revision, mod_revision, version, lease }
    }
}

impl Span {
    /// First key and the one behind the last; none for a single key.
    pub(crate) fn bounds(self) -> (Vec<u8>, Vec<u8>) {
        match self {
            Self::Key(key) => (key, Vec::new()),
            // The empty key stands for nothing, the zero byte is the first one there can be.
            Self::Prefix(prefix) if prefix.is_empty() => (vec![0], vec![0]),
            Self::Prefix(prefix) => {
                let end = end_of(&prefix);
                (prefix, end)
            }
            Self::Behind { prefix, mut key } => {
                key.push(0);
                (key, end_of(&prefix))
            }
        }
    }
}

impl From<Range> for wire::RangeRequest {
    fn from(range: Range) -> Self {
        let Range { span, limit, revision, serializable } = range;
        let (key, range_end) = span.bounds();
        Self { key, range_end, limit, revision, serializable }
    }
}

impl From<Compare> for wire::Compare {
    fn from(compare: Compare) -> Self {
        use wire::compare::Union;
        use wire::{CompareResult as Result, CompareTarget as Target};
        let (result, target, key, union) = match compare {
            Compare::CreateRevision(key, is) => {
                (Result::Equal, Target::Create, key, Union::CreateRevision(is))
            }
            Compare::ModRevision(key, is) => (Result::Equal, Target::Mod, key, Union::ModRevision(is)),
            Compare::Value(key, is) => (Result::Equal, Target::Value, key, Union::Value(is)),
            Compare::Lease(key, is) => (Result::Equal, Target::Lease, key, Union::Lease(is)),
            Compare::Present(key) => (Result::NotEqual, Target::Create, key, Union::CreateRevision(0)),
        };
        Self { result: result.into(), target: target.into(), key, union: Some(union) }
    }
}

impl From<Op> for wire::RequestOp {
    fn from(op: Op) -> Self {
        use wire::request_op::Request;
        let request = match op {
            Op::Put { key, value, lease } => Request::Put(wire::PutRequest { key, value, lease }),
            Op::Delete(span) => {
                let (key, range_end) = span.bounds();
                Request::DeleteRange(wire::DeleteRangeRequest { key, range_end })
            }
            Op::Get(span) => Request::Range(Range::of(span).into()),
        };
        Self { request: Some(request) }
    }
}

impl From<Txn> for wire::TxnRequest {
    fn from(txn: Txn) -> Self {
        let ops = |ops: Vec<Op>| ops.into_iter().map(Into::into).collect();
        Self {
            compare: txn.compare.into_iter().map(Into::into).collect(),
            success: ops(txn.success),
            failure: ops(txn.failure),
        }
    }
}

impl From<wire::RangeResponse> for Page {
    fn from(answer: wire::RangeResponse) -> Self {
        Self {
            kvs: answer.kvs.into_iter().map(Kv::from).collect(),
            revision: answer.header.unwrap_or_default().revision,
            more: answer.more,
        }
    }
}

impl From<wire::TxnResponse> for TxnDone {
    fn from(answer: wire::TxnResponse) -> Self {
        use wire::response_op::Response;
        let done = |op: wire::ResponseOp| match op.response {
            Some(Response::Range(range)) => OpDone::Got(Page::from(range).kvs),
            Some(Response::DeleteRange(answer)) => OpDone::Deleted(answer.deleted),
            Some(Response::Put(_)) | None => OpDone::Put,
        };
        Self {
            succeeded: answer.succeeded,
            revision: answer.header.unwrap_or_default().revision,
            responses: answer.responses.into_iter().map(done).collect(),
        }
    }
}
