//! What an operator waits for: a switchover, beside what its methods take by themselves; a change
//! of a property until every node answers with it.

use super::{DEFAULT, Yard, row_ms};
use crate::bench::Row;
use crate::bench::samples::{Samples, floor};
use anyhow::{Context, Result};
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use std::fs;
use std::process::Command;
use std::time::Instant;

/// Resources of the group.
const RESOURCES: usize = 10;
const ROUNDS: usize = 15;
/// What does nothing, as most of the methods that are shell scripts do it.
const SCRIPT: &str = "#!/bin/sh\nexit 0\n";
/// What was set for a switchover.
const GOAL: f64 = 1.5;

pub fn rows(yard: &Yard) -> Result<Vec<Row>> {
    yard.play(&DEFAULT, |site| {
        let method = register(site)?;
        for group in ["side", "chain"] {
            site.ok(&format!("clrg create {group}"))?;
            for number in 0..RESOURCES {
                let before = match number {
                    1.. if group == "chain" => format!("-p Resource_dependencies=chain-{}", number - 1),
                    _ => String::new(),
                };
                site.ok(&format!("clrs create -g {group} -t ACME.noop {before} {group}-{number}"))?;
            }
            site.ok(&format!("clrg online -M -n {} {group}", site.machine(0)?.name))?;
        }
        let chain = switch(site, "chain", "one after the other", || spawn(&method, 2 * RESOURCES))?;
        let side = switch(site, "side", "two at a time", || {
            // As many at a time as the machine the goal is set for has cores; first all STOP, then all START.
            (0..2).try_for_each(|_| two_at_a_time(&method))
        })?;
        Ok(vec![chain, side, property(site)?])
    })
}

/// `ACME.noop`, whose methods do nothing; returns the file of them.
fn register(site: &Site) -> Result<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let method = site.dir().join("noop");
    fs::write(&method, SCRIPT)?;
    fs::set_permissions(&method, fs::Permissions::from_mode(0o755))?;
    let rtr = format!(
        "RESOURCE_TYPE = noop; VENDOR_ID = ACME; RT_VERSION = \"1\"; FAILOVER = TRUE;\n\
         RT_BASEDIR = {}; START = noop; STOP = noop;\n\
         {{ PROPERTY = Note; EXTENSION; STRING; DEFAULT = \"\"; TUNABLE = ANYTIME; }}\n",
        site.dir().display()
    );
    fs::write(site.dir().join("rtreg/ACME.noop"), rtr)?;
    site.ok("clrt register ACME.noop")?;
    Ok(method)
}

/// A group to and fro, in turns with its methods alone.
fn switch(site: &Site, group: &str, how: &'static str, alone: impl Fn() -> Result<()>) -> Result<Row> {
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for round in 0..ROUNDS {
        let line = format!("clrg switch -n {} {group}", site.machine(1 + round % 2)?.name);
        ours.time(|| site.ok(&line))?;
        bare.time(&alone)?;
    }
    let [ours_ms, bare_ms] = [&ours, &bare].map(Samples::median_ms);
    Ok(Row {
        what: format!("switchover of {RESOURCES} no-op resources, {how}"),
        unit: "ms",
        measured: ours_ms,
        against: Some(floor("the same methods without a cluster", bare_ms, ours_ms, GOAL)),
        note: format!("{}; the methods alone {}", ours.spread_ms(), bare.spread_ms()),
    })
}

fn spawn(method: &std::path::Path, count: usize) -> Result<()> {
    (0..count).try_for_each(|_| Command::new(method).status().map(drop)).context("it can't be run")
}

fn two_at_a_time(method: &std::path::Path) -> Result<()> {
    std::thread::scope(|scope| {
        let threads = [0, 1].map(|_| scope.spawn(|| spawn(method, RESOURCES / 2)));
        threads.into_iter().try_for_each(|thread| thread.join().ok().context("a thread died")?)
    })
}

/// A change on one node, until each of them answers with it.
fn property(site: &Site) -> Result<Row> {
    let mut spans = Samples::default();
    for round in 0..ROUNDS {
        let began = Instant::now();
        site.machine(round % 3)?.run(&format!("clrs set -p Note=n{round} side-0"))?.ok()?;
        for machine in &site.machines {
            until("the node knows it", || {
                let said = machine.run("scha_resource_get -O Extension -R side-0 Note")?.ok()?;
                Ok(said.lines().any(|line| line == format!("n{round}")).then_some(()))
            })?;
        }
        spans.add(began.elapsed());
    }
    Ok(row_ms("a property changed, and read on every node".into(), &spans, None, "; four commands"))
}
