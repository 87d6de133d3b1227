//! Clusters of several machines, each a network namespace with daemons and an etcd of its own.

#[path = "machines/takeover.rs"]
mod takeover;
