//! Measurements, side by side with what bounds them, in one run.
//!
//! A row measures one thing and a floor that no implementation can beat on this machine, in turns,
//! so that a change of the machine's mood meets both. What counts is the ratio.

mod core;
mod fixture;
mod helper;
mod isolation;
mod machines;
mod method;
mod pmf;
mod rtr;
mod samples;

use crate::build;
use anyhow::{Context, Result, bail, ensure};
use fixture::Fixture;
use serde::Serialize;
use std::path::Path;

/// One measurement.
#[derive(Serialize)]
pub struct Row {
    /// What is measured.
    pub what: String,
    /// Unit of both numbers.
    pub unit: &'static str,
    /// Ours.
    pub measured: f64,
    /// What it is compared with.
    pub against: Option<Floor>,
    /// What happened on the way that a reader must know.
    pub note: String,
}

/// What a measurement is compared with.
#[derive(Serialize)]
pub struct Floor {
    /// What it is.
    pub what: &'static str,
    /// In the unit of the row.
    pub measured: f64,
    /// Ours divided by it; the other way round where more is better.
    pub ratio: f64,
    /// The largest ratio that is good enough.
    pub goal: f64,
}

/// Makes rows of one subject.
type Subject = (&'static str, fn(&Fixture) -> Result<Vec<Row>>);

/// The subject that needs no daemon.
const CORE: &str = "core";

const SUBJECTS: [Subject; 5] = [
    ("helper", helper::rows),
    ("method", method::rows),
    ("pmf", pmf::rows),
    ("isolation", isolation::rows),
    ("rtr", rtr::rows),
];

/// Measures the subjects named, or all; prints a table, and writes JSON where a file is named.
pub fn bench(names: &[String], json: Option<&Path>) -> Result<()> {
    check(names, known())?;
    let asked = |subject: &str| names.is_empty() || names.iter().any(|name| name == subject);
    let mut rows = if asked(CORE) { core::rows()? } else { Vec::new() };
    if SUBJECTS.iter().any(|(subject, _)| asked(subject)) {
        ensure!(nix::unistd::geteuid().is_root(), "measuring needs root, for cgroups and the daemons");
        let fixture = Fixture::new(&build::release()?)?;
        for (subject, measure) in SUBJECTS.iter().filter(|(subject, _)| asked(subject)) {
            rows.extend(measure(&fixture).with_context(|| format!("measuring {subject}"))?);
        }
    }
    show(&rows, json)
}

/// The same in a cluster of three machines, so many times each.
pub fn bench_cluster(names: &[String], rounds: usize, debug: bool, json: Option<&Path>) -> Result<()> {
    check(names, machines::SUBJECTS.iter().map(|(name, _)| *name))?;
    show(&machines::rows(names, rounds, debug)?, json)
}

fn show(rows: &[Row], json: Option<&Path>) -> Result<()> {
    print_table(rows);
    if let Some(file) = json {
        let text = serde_json::to_vec_pretty(rows)?;
        std::fs::write(file, text).with_context(|| format!("failed to write {}", file.display()))?;
    }
    Ok(())
}

/// Every subject there is.
fn known() -> impl Iterator<Item = &'static str> {
    std::iter::once(CORE).chain(SUBJECTS.iter().map(|(name, _)| *name))
}

fn check(names: &[String], known: impl Iterator<Item = &'static str>) -> Result<()> {
    let known: Vec<&str> = known.collect();
    match names.iter().find(|name| !known.contains(&name.as_str())) {
        Some(name) => bail!("{name}: no such subject; there are {}", known.join(", ")),
        None => Ok(()),
    }
}

fn print_table(rows: &[Row]) {
    println!("{:<52} {:>12} {:>12} {:>8} {:>6}", "what", "measured", "floor", "ratio", "goal");
    for row in rows {
        let measured = format!("{:.1} {}", row.measured, row.unit);
        match &row.against {
            Some(floor) => {
                let bound = format!("{:.1} {}", floor.measured, row.unit);
                let verdict = if floor.ratio <= floor.goal { "" } else { "  missed" };
                println!(
                    "{:<52} {measured:>12} {bound:>12} {:>8.2} {:>6.1}{verdict}",
                    row.what, floor.ratio, floor.goal
                );
                println!("    against {}", floor.what);
            }
            None => println!("{:<52} {measured:>12}", row.what),
        }
        if !row.note.is_empty() {
            println!("    {}", row.note);
        }
    }
}
