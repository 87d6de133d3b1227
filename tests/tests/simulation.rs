//! The core under chance: every rule after every event, over many schedules.
//!
//! `RGM_SIM_SEEDS=N` runs more of them, `RGM_SIM_SEED=N` one alone; both together, so many from there.

use anyhow::Result;
use rgm_tests::prove;
use rgm_tests::sim::{self, Hunt, Scale};
use std::time::{Duration, Instant};

/// Schedules of a run without the environment saying otherwise.
const SCHEDULES: u64 = 200;

/// None begins after this time; on a machine with nothing else to do they take a third of it.
const TIME_MAX: Duration = Duration::from_secs(60);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_rule_holds_in_every_schedule() -> Result<()> {
    let (seed, schedules, until) = match (number("RGM_SIM_SEED"), number("RGM_SIM_SEEDS")) {
        (Some(first), many) => (first, many.unwrap_or(1), None),
        (None, Some(many)) => (0, many, None),
        (None, None) => (0, SCHEDULES, Some(Instant::now() + TIME_MAX)),
    };
    let (stats, failure) =
        sim::hunt(&Hunt { seed, schedules, until, scale: Scale::Any, threads: 2, sabotage: None });
    println!("{stats}");
    if let Some(failure) = failure {
        panic!("{}", prove::keep(&failure)?);
    }
    assert!(stats.methods > stats.steps / 20, "the world hardly ran anything: {stats}");
    Ok(())
}

#[test]
fn every_kept_schedule_breaks_no_rule_any_more() -> Result<()> {
    for (file, schedule) in prove::kept()? {
        if let Err(failure) = sim::replay(&schedule) {
            let (finding, story) = (failure.finding, prove::tell(&failure.story));
            panic!("{story}\n{}: {}: {}", file.display(), finding.rule, finding.found);
        }
    }
    Ok(())
}
