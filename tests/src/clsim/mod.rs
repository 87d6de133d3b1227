//! The simulator of a whole cluster of many machines.
//!
//! Each machine has clocks that drift and jump, a pmfd with its deadman, and a rgmd with the rules of
//! `rgm_cluster::rules` and, while it presides, the real core. etcd is modelled as a service:
//! revisions, leases that end by its own clock, transactions, watches that tell late. Chance writes a
//! [`Plan`] of what goes wrong: machines without power, frozen, partitioned in every shape, daemons
//! killed and stopped at any moment, etcd slow, full or without a leader. After every event it is asked
//! whether two machines run the same, for the simulator alone knows what runs where.
//!
//! | file | what |
//! |---|---|
//! | `plan`, `faults` | what chance puts into a plan; what happens then, and how everything heals |
//! | `world`, `machine`, `etcd`, `net` | time, machines, the modelled service, links |
//! | `membership`, `accord`, `eviction`, `seat`, `agent` | what is written around the rules in rgm-cluster and rgmd |
//! | `truth` | what must hold |
//! | `hunt`, `mutants` | many plans, the smallest one that finds the same; deliberate defects |

#![expect(clippy::wildcard_enum_match_arm, reason = "most events mean nothing to most parts")]
#![expect(clippy::large_enum_variant, reason = "what is large is what comes most")]
#![expect(missing_docs, reason = "a simulator's parts, named by what they model")]
#![expect(clippy::indexing_slicing, reason = "nodes are numbers the world itself has given")]

mod accord;
mod agent;
mod etcd;
mod eviction;
mod faults;
mod hunt;
mod machine;
mod membership;
mod mutants;
mod net;
mod plan;
mod rgmd;
mod seat;
mod service;
mod shell;
mod truth;
mod world;

pub use hunt::{Defect, Failure, Hunt, hunt, replay, shrink};
pub use mutants::Mutant;
pub use plan::Plan;
pub use world::Stats;
