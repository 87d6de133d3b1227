//! A method that does nothing, through the whole of rgmd: command, decision, commit, order, cgroup,
//! process, end, report. Against spawning and waiting for the same file and nothing else.

use super::Row;
use super::fixture::Fixture;
use super::samples::{Samples, floor};
use anyhow::{Context, Result};
use std::process::Command;

/// Resources of one group: they depend on nothing, so their methods may run side by side.
const RESOURCES: usize = 100;
const ROUNDS: usize = 5;
const METHOD: &str = "/bin/true";

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    fixture.register("noop", &format!("START = {METHOD};\nSTOP = {METHOD};"))?;
    fixture.group("noop-rg", "Bench.noop", RESOURCES)?;
    let cluster = fixture.cluster()?;
    cluster.run(&["scswitch", "-Z", "-g", "noop-rg"])?;
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        // Stop and Start of every resource.
        ours.time(|| cluster.run(&["scswitch", "-R", "-h", "phys-1", "-g", "noop-rg"]))?;
        bare.time(|| spawn_side_by_side(2 * RESOURCES))?;
    }
    let per_method = |samples: &Samples| samples.median_us() / (2 * RESOURCES) as f64;
    let (ours, bare) = (per_method(&ours), per_method(&bare));
    Ok(vec![Row {
        what: format!("no-op method through rgmd, {RESOURCES} resources at once"),
        unit: "us",
        measured: ours,
        against: Some(floor("spawn-and-wait of the same file, two at a time", bare, ours, 1.3)),
        note: format!("{:.0} methods a second; bare {:.0}", 1e6 / ours, 1e6 / bare),
    }])
}

/// As many at a time as the machine the goal is set for has cores.
fn spawn_side_by_side(count: usize) -> Result<()> {
    let half = |_| {
        std::thread::spawn(move || (0..count / 2).try_for_each(|_| Command::new(METHOD).status().map(drop)))
    };
    for thread in [0, 1].map(half) {
        thread.join().ok().context("a thread died")??;
    }
    Ok(())
}
