//! A method that does nothing, through rgmd: decision, journal, order, cgroup, process, end, report.
//! Against spawning and waiting for the same file and nothing else, in turns.
//!
//! What a request costs besides (its command's process, the commit) is no cost of a method. So the
//! methods one after the other are counted as the difference between a long chain and a short one.

use super::Row;
use super::fixture::Fixture;
use super::samples::{Samples, floor};
use crate::cluster::Cluster;
use anyhow::{Context, Result};
use std::process::Command;
use std::time::Instant;

/// Resources of one group that depend on nothing, so their methods may run side by side.
const SIDE: usize = 100;
/// Resources of one group of which each depends on the one before.
const CHAIN: usize = 21;
const ROUNDS: usize = 15;
const METHOD: &str = "/bin/true";
/// What the goal is.
const GOAL: f64 = 1.3;

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    fixture.register("noop", &format!("START = {METHOD};\nSTOP = {METHOD};"))?;
    fixture.group("side-rg", "Bench.noop", SIDE)?;
    fixture.group("short-rg", "Bench.noop", 1)?;
    fixture.group("chain-rg", "Bench.noop", CHAIN)?;
    let cluster = fixture.cluster()?;
    for n in 1..CHAIN {
        let (name, before) = (format!("chain-rg-{n}"), format!("Resource_dependencies=chain-rg-{}", n - 1));
        cluster.run(&["scrgadm", "-c", "-j", &name, "-y", &before])?;
    }
    cluster.run(&["scswitch", "-Z"])?;
    Ok(vec![one_by_one(&cluster)?, side_by_side(&cluster)?])
}

/// Stop and Start of every resource of a group.
fn restart(cluster: &Cluster, group: &str) -> Result<()> {
    cluster.run(&["scswitch", "-R", "-h", "phys-1", "-g", group]).map(drop)
}

fn one_by_one(cluster: &Cluster) -> Result<Row> {
    const METHODS: usize = 2 * (CHAIN - 1);
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let start = Instant::now();
        restart(cluster, "short-rg")?;
        let request = start.elapsed();
        let start = Instant::now();
        restart(cluster, "chain-rg")?;
        ours.add(start.elapsed().saturating_sub(request));
        bare.time(|| spawn(METHODS))?;
    }
    Ok(row("one after the other", "spawn-and-wait of the same file", METHODS, [&ours, &bare]))
}

fn side_by_side(cluster: &Cluster) -> Result<Row> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        ours.time(|| restart(cluster, "side-rg"))?;
        // As many at a time as the machine the goal is set for has cores.
        bare.time(|| -> Result<()> {
            let half = |_| std::thread::spawn(|| spawn(SIDE));
            for thread in [0, 1].map(half) {
                thread.join().ok().context("a thread died")??;
            }
            Ok(())
        })?;
    }
    let how = format!("{SIDE} at once");
    Ok(row(&how, "spawn-and-wait of the same file, two at a time", 2 * SIDE, [&ours, &bare]))
}

fn row(how: &str, floor_is: &'static str, methods: usize, [ours, bare]: [&Samples; 2]) -> Row {
    let [ours, bare] = [ours, bare].map(|samples| samples.median_us() / methods as f64);
    Row {
        what: format!("no-op method through rgmd, {how}"),
        unit: "us",
        measured: ours,
        against: Some(floor(floor_is, bare, ours, GOAL)),
        note: format!("{:.0} methods a second; bare {:.0}; {ROUNDS} rounds in turns", 1e6 / ours, 1e6 / bare),
    }
}

fn spawn(count: usize) -> Result<()> {
    (0..count).try_for_each(|_| Command::new(METHOD).status().map(drop)).context("it can't be run")
}
