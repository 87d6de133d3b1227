//! What whole-program tests stand on.
//!
//! ```text
//!  DevCluster   rgmd --dev-nodes phys-1,phys-2 in a directory of its own, and commands to it
//!    │ Tick     ACME.tick, a data service whose methods do what a test tells them
//!    │ agents   the types that come with the manager
//!    │ Witness  what its application wrote: who ran where, and whether two ever ran at once
//!    └ leftovers  what a cluster may have left behind
//! ```
//!
//! Everything is real: daemons, sockets, methods, cgroups. A test is a function of a running cluster
//! ([`DevCluster::play`]); however it ends, nothing of the cluster stays.

pub mod agents;
pub mod beat;
pub mod cluster;
pub mod disks;
pub mod fence;
pub mod leftovers;
pub mod machine;
pub mod machines;
pub mod mounts;
pub mod networks;
pub mod output;
pub mod programs;
pub mod tick;
pub mod wait;
pub mod witness;

pub use cluster::{DevCluster, NODES};
pub use output::Said;
pub use wait::until;
