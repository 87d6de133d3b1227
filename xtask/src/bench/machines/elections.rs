//! Does a lease outlast the loss of etcd's leader? A node that can't renew in time ends everything it
//! runs, so a lease must be longer than an election takes, with detection and repetition.

use super::{DEFAULT, FAST, Pace, Yard, row_ms};
use crate::bench::Row;
use crate::bench::samples::Samples;
use crate::leader;
use anyhow::{Context, Result};
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use rgm_tests::kit::wait::pause;
use std::fs;
use std::time::{Duration, Instant};

/// Losses for each round of other measurements.
const TIMES: usize = 4;
/// By then every node has renewed, with a leader there; or has said that it is lost.
const SETTLED: Duration = Duration::from_millis(500);
/// What rgmd says when its node is lost.
const LOST: &str = "this node is no member of the cluster any more";

/// Shorter than an etcd at its defaults allows.
const SHORT: Pace = Pace {
    name: "ttl 3 s, etcd as installed",
    member: "ttl = \"3s\"\nmargin = \"400ms\"",
    etcd_ms: None,
    goal_ms: 3_000.0,
};
/// A lease with room for an election of an etcd that is set to be quick, and for a lost try.
const ROOMY: Pace = Pace {
    name: "ttl 3 s, election of etcd 500 ms",
    member: "ttl = \"3s\"\nmargin = \"400ms\"",
    etcd_ms: Some((50, 500)),
    goal_ms: 3_000.0,
};
/// A shorter one with the same etcd.
const TIGHT: Pace = Pace {
    name: "ttl 2 s, election of etcd 500 ms",
    member: "ttl = \"2s\"\nmargin = \"300ms\"",
    etcd_ms: Some((50, 500)),
    goal_ms: 3_000.0,
};

pub fn rows(yard: &Yard) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for pace in [&DEFAULT, &SHORT, &ROOMY, &TIGHT, &FAST] {
        rows.extend(yard.play(pace, |site| elections(yard, pace, site))?);
    }
    Ok(rows)
}

fn elections(yard: &Yard, pace: &Pace, site: &mut Site) -> Result<Vec<Row>> {
    let mut spans = Samples::default();
    let before = losses(site)?;
    for _ in 0..yard.rounds * TIMES {
        let victim = until("etcd has a leader", || leader::of_etcd(site))?;
        let began = Instant::now();
        site.etcd.kill(victim)?;
        until("etcd has another leader", || leader::of_etcd(site))?;
        spans.add(began.elapsed());
        site.etcd.spawn(victim)?;
        site.etcd.wait()?;
        pause(SETTLED)?;
        site.wait_for_nodes(&[true, true, true])?;
    }
    let lost = losses(site)? - before;
    let what = format!("etcd without a leader, {}", pace.name);
    let note = format!("; nodes that lost their lease: {lost} of {}", 3 * yard.rounds * TIMES);
    Ok(vec![row_ms(what, &spans, None, &note)])
}

/// How often a node has lost its lease so far.
fn losses(site: &Site) -> Result<usize> {
    let count = |machine: &rgm_tests::kit::machine::Machine| -> Result<usize> {
        let log = site.dir().join(&machine.name).join("rgmd.log");
        let text = fs::read_to_string(&log).with_context(|| log.display().to_string())?;
        Ok(text.lines().filter(|line| line.contains(LOST)).count())
    };
    site.machines.iter().map(count).sum()
}
