//! The simulator: the real core, a made-up world around it, and a seed.
//!
//! A world has nodes with journals, a repository that may refuse a commit, methods that end when
//! and how chance has it, operators who ask for anything, daemons that are killed between any two
//! steps of their work. It keeps its own record of what may be running where, so that the rules are
//! checked against the truth and not against what the core believes.
//!
//! The same seed gives the same run. A run that finds something names its seed and its last events.

mod chance;
mod plot;
mod rules;
mod site;
mod world;

pub use chance::Chance;
pub use world::{Failure, Stats, run};
