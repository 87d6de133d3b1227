//! A client of etcd's v3 interface: keys, transactions, leases, watches. No policy.
//!
//! The messages are written by hand ([`prost`] derives their encoding), so building this needs
//! neither protoc nor etcd's sources. [`Client`] tries the endpoints in turn under one time limit a
//! request, logs in again when its token has become invalid, and tells in its [`Error`] whether a
//! request that failed may have been done. [`Keys`] says where everything of a cluster lies.
//!
//! A client belongs to the tokio runtime that uses it first: its connections live there. A program
//! with two runtimes makes two clients.
//!
//! With the feature `server` the module `server` starts real etcd processes.
#![forbid(unsafe_code)]

mod client;
mod endpoints;
mod error;
mod keys;
mod request;
#[cfg(feature = "server")]
pub mod server;
mod settings;
mod watch;
mod wire;

pub use client::{Client, EndpointStatus, Lease, Member};
pub use error::Error;
pub use keys::Keys;
pub use request::{Compare, Kv, Op, OpDone, Page, Range, Span, Txn, TxnDone};
pub use settings::{Password, Settings};
pub use watch::{Change, ChangeKind, Watch, WatchEnd};
