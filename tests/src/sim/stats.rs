//! What runs have seen, added up.

use super::schedule::{Cut, Heard, Step};
use rgm_core::{Ending, Rgm};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::hash::{DefaultHasher, Hasher};

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Schedules played.
    pub schedules: u64,
    /// Events the core took.
    pub steps: u64,
    /// Methods that began.
    pub methods: u64,
    /// Requests answered.
    pub answers: u64,
    /// Faults, by kind.
    pub faults: BTreeMap<&'static str, u64>,
    /// Digests of the states the core was in.
    pub states: HashSet<u64>,
}

impl Stats {
    pub(super) fn saw(&mut self, step: &Step) {
        if let Some(fault) = fault(step) {
            *self.faults.entry(fault).or_default() += 1;
        }
    }

    pub(super) fn digest(&mut self, core: &Rgm) {
        self.states.insert(digest(core));
    }

    /// Adds what another run saw.
    pub fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.steps += other.steps;
        self.methods += other.methods;
        self.answers += other.answers;
        for (kind, n) in other.faults {
            *self.faults.entry(kind).or_default() += n;
        }
        self.states.extend(other.states);
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} schedules, {} steps, {} methods, {} answers, {} distinct states",
            self.schedules,
            self.steps,
            self.methods,
            self.answers,
            self.states.len()
        )?;
        let faults: Vec<String> = self.faults.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        write!(f, "{} faults: {}", self.faults.values().sum::<u64>(), faults.join(", "))
    }
}

/// Equal for states from which the same events lead to the same.
pub(crate) fn digest(core: &Rgm) -> u64 {
    let mut text = Hashing(DefaultHasher::new());
    // A hasher takes everything.
    let _ = core.digest(&mut text);
    text.0.finish()
}

struct Hashing(DefaultHasher);

impl fmt::Write for Hashing {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        self.0.write(s.as_bytes());
        Ok(())
    }
}

/// What a step counts as, if it is something that goes wrong.
fn fault(step: &Step) -> Option<&'static str> {
    match step {
        Step::End { ending: Ending::TimedOut, .. } => Some("timeouts"),
        Step::End { ending, .. } if *ending != Ending::Exited(0) => Some("failed methods"),
        Step::End { heard: Heard::Late, .. } => Some("late results"),
        Step::End { heard: Heard::Twice, .. } => Some("doubled results"),
        Step::Hold { .. } => Some("held links"),
        Step::Release { lost: true, .. } => Some("lost messages"),
        Step::Crash { .. } => Some("node crashes"),
        Step::Join { .. } => Some("joins"),
        Step::Report { .. } => Some("doubled reports"),
        Step::Aborted { .. } => Some("aborts"),
        Step::KillDaemons { .. } => Some("daemon kills"),
        Step::Cut { at: Cut::Commit | Cut::Records | Cut::Actions | Cut::Replies, .. } => {
            Some("kills within a step")
        }
        Step::President => Some("president changes"),
        Step::Depose { .. } => Some("president changes within a step"),
        Step::Blackout => Some("blackouts"),
        Step::RefuseCommit => Some("refused commits"),
        Step::Pass { jump, .. } if *jump != 0 => Some("clock jumps"),
        Step::PmfExceeded { .. } => Some("processes given up"),
        Step::ShutDown => Some("shutdowns"),
        Step::Ask { .. }
        | Step::DryRun { .. }
        | Step::End { .. }
        | Step::Calm
        | Step::Hear
        | Step::Release { .. }
        | Step::Pass { .. }
        | Step::Heal => None,
    }
}
