//! The simulator: the real core, a made-up world around it, and a schedule of everything that happens.
//!
//! A world has nodes with journals, links that hold back and lose messages, a repository that may
//! refuse a commit, methods that end when and how chance has it, operators who ask for anything, and
//! daemons that are killed between any two parts of a step. It keeps its own record of what may be
//! running where, and reads the configuration with its own eyes, so that the rules are checked
//! against the truth and not against what the core believes.
//!
//! Chance only writes schedules (`schedule.rs`); a schedule alone says what happens. So a run that
//! finds something can be cut down, kept as a file and replayed. `docs/proof.md` says how to read one.
//!
//! | file | what |
//! |---|---|
//! | `plot`, `asks` | what chance puts into a schedule: clusters, events; commands |
//! | `world`, `life`, `site`, `repo` | what happens then |
//! | `order_rules`, `decision_rules`, `rest_rules`, `memory` | what must hold |
//! | `hunt`, `shrink` | many schedules; the smallest one that still finds the same |

#![expect(clippy::wildcard_enum_match_arm, reason = "to a rule, most commands and methods mean nothing")]

mod asks;
pub(crate) mod cast;
mod chance;
mod decision_rules;
mod hunt;
mod life;
mod memory;
mod order_rules;
mod plot;
pub(crate) mod repo;
mod rest_rules;
mod schedule;
mod shrink;
pub(crate) mod site;
mod stats;
mod world;

pub use chance::Chance;
pub use hunt::{Failure, Hunt, Scale, hunt, replay};
pub use schedule::{Cut, Heading, Heard, Schedule, Step};
pub use shrink::shrink;
pub use stats::Stats;
pub use world::{Finding, Sabotage, World};
