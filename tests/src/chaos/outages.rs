//! When applications did not beat, for how long, and what was going on then.

use super::desk::Moved;
use super::schedule::{Fault, Kind};
use super::services;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

/// Beats come every 20 ms; a busy machine makes it more.
const SILENCE_US: u64 = 300_000;
/// What a fault did to a service shows so long after it was healed.
const AFTER_US: u64 = 20_000_000;
/// What was done shortly before a fault was still counted.
const BEFORE_US: u64 = 200_000;

/// A fault that was.
#[derive(Debug, Clone)]
pub struct Struck {
    /// Which.
    pub fault: Fault,
    /// From when, microseconds of `CLOCK_BOOTTIME`.
    pub from_us: u64,
    /// Until when.
    pub to_us: u64,
}

/// A service was silent.
#[derive(Debug, Clone)]
struct Silence {
    group: usize,
    node: String,
    from_us: u64,
    span: Duration,
    /// It ended with another process.
    replaced: bool,
}

/// What the witnesses say.
#[derive(Debug, Default)]
pub struct Outages {
    silences: Vec<Silence>,
    /// Services that ran twice at once.
    pub overlaps: Vec<String>,
}

impl Outages {
    /// Reads all witnesses.
    pub fn read(dir: &Path) -> Result<Self> {
        let mut found = Self::default();
        for group in 0..services::GROUPS {
            let beats = services::beats(dir, group);
            if let Err(overlap) = beats.changes() {
                found.overlaps.push(format!("{}: {overlap}", services::resource(group)));
            }
            for pair in beats.all()?.windows(2) {
                let [last, first] = pair else { continue };
                let gap = first.at_us.saturating_sub(last.at_us);
                if gap > SILENCE_US {
                    let (node, span) = (last.node.clone(), Duration::from_micros(gap));
                    let replaced = last.life() != first.life();
                    found.silences.push(Silence { group, node, from_us: last.at_us, span, replaced });
                }
            }
        }
        Ok(found)
    }

    /// The longest one that begins while no more goes wrong than has to be survived. A stop that was killed
    /// is not among it: its group may wait for an operator.
    pub fn longest_within(&self, struck: &[Struck]) -> Duration {
        let beyond: Vec<&Struck> = struck.iter().filter(|s| s.fault.kind.is_beyond()).collect();
        let within = self.silences.iter().filter(|silence| {
            let to_us = silence.from_us + u64::try_from(silence.span.as_micros()).unwrap_or(u64::MAX);
            let stop_killed = |s: &Struck| {
                s.fault.kind == Kind::KillMethod && s.fault.target == silence.group && s.from_us < to_us
            };
            !struck.iter().any(stop_killed)
                && !beyond.iter().any(|b| b.from_us < to_us && silence.from_us < b.to_us + AFTER_US)
        });
        within.map(|silence| silence.span).max().unwrap_or_default()
    }

    /// Faults by kind, and what services had of them.
    pub fn table(&self, struck: &[Struck], moved: &[Moved]) -> String {
        let mut rows: BTreeMap<String, (usize, Vec<Duration>)> = BTreeMap::new();
        for fault in struck {
            rows.entry(fault.fault.kind.words().to_owned()).or_default().0 += 1;
        }
        rows.insert("asked for".to_owned(), (moved.len(), Vec::new()));
        for silence in &self.silences {
            rows.entry(cause(silence, struck, moved)).or_default().1.push(silence.span);
        }
        let mut table =
            format!("{:28} {:>5} {:>8} {:>9} {:>9}\n", "fault", "times", "outages", "median s", "longest s");
        for (words, (times, mut spans)) in rows {
            spans.sort();
            let [median, longest] = [spans.get(spans.len() / 2), spans.last()]
                .map(|span| span.map_or("-".to_owned(), |span| format!("{:.2}", span.as_secs_f64())));
            // Writing to a string does not fail.
            _ = writeln!(table, "{words:28} {times:5} {:8} {median:>9} {longest:>9}", spans.len());
        }
        table
    }
}

/// What was going on when it fell silent: what was done to it, to its machine, or to another one; of
/// several what began last, and what lasts before what is over at once.
fn cause(silence: &Silence, struck: &[Struck], moved: &[Moved]) -> String {
    let at = silence.from_us + BEFORE_US;
    let going_on = |from: u64, to: u64, after: u64| from <= at && silence.from_us <= to.saturating_add(after);
    let of_group = |s: &&Struck| {
        let own = s.fault.kind.is_of_group() && s.fault.target == silence.group;
        own && going_on(s.from_us, s.to_us, BEFORE_US)
    };
    let of_machine = |s: &&Struck| !s.fault.kind.is_of_group() && going_on(s.from_us, s.to_us, AFTER_US);
    let lasts = |s: &&Struck| !s.fault.lasts.is_zero();
    let here = |s: &&Struck| s.fault.hits(&silence.node);
    let asked = moved.iter().any(|m| m.group == silence.group && going_on(m.from_us, m.to_us, BEFORE_US));
    let last =
        |which: &dyn Fn(&&Struck) -> bool| struck.iter().rfind(|s| which(s)).map(|s| s.fault.kind.words());
    let words = last(&of_group)
        .or_else(|| (!silence.replaced).then_some("(all of this machine busy)"))
        .or_else(|| asked.then_some("asked for"))
        .or_else(|| last(&|s| of_machine(s) && here(s) && lasts(s)))
        .or_else(|| last(&|s| of_machine(s) && here(s)))
        .or_else(|| last(&|s| of_machine(s) && lasts(s)))
        .or_else(|| last(&of_machine));
    words.unwrap_or("(nothing)").to_owned()
}
