//! Numbers of one kind, measured many times.

use super::Floor;
use std::time::{Duration, Instant};

/// What was measured, in seconds.
#[derive(Default)]
pub struct Samples(Vec<f64>);

impl Samples {
    /// One more.
    pub fn add(&mut self, span: Duration) {
        self.0.push(span.as_secs_f64());
    }

    /// How long this takes.
    pub fn time<T>(&mut self, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let made = act();
        self.add(start.elapsed());
        made
    }

    /// The middle one, in microseconds.
    pub fn median_us(&self) -> f64 {
        let sorted = self.sorted();
        sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN) * 1e6
    }

    /// The middle one, in milliseconds.
    pub fn median_ms(&self) -> f64 {
        self.median_us() / 1e3
    }

    /// How many there are, and how far apart, in milliseconds.
    pub fn spread_ms(&self) -> String {
        let sorted = self.sorted();
        let [least, most] = [sorted.first(), sorted.last()].map(|end| end.copied().unwrap_or(f64::NAN) * 1e3);
        format!("median of {}, {least:.0}..{most:.0} ms", sorted.len())
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

/// A floor for something of which less is better.
pub fn floor(what: &'static str, measured: f64, ours: f64, goal: f64) -> Floor {
    Floor { what, measured, ratio: ours / measured, goal }
}

/// A bound that was set, where less is better.
pub fn goal(bound: f64, ours: f64) -> Floor {
    Floor { what: "the bound that was set", measured: bound, ratio: ours / bound, goal: 1.0 }
}
