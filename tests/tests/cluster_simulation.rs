//! Whole clusters under chance: who may run what, over many plans of what goes wrong.
//!
//! `RGM_SIM_SEEDS=N` plays more of them, `RGM_SIM_SEED=N` one alone; both together, so many from there.

use anyhow::Result;
use rgm_tests::clsim::{self, Defect, Hunt};
use rgm_tests::prove;
use std::time::{Duration, Instant};

/// Plans of a run without the environment saying otherwise.
const SCHEDULES: u64 = 300;

/// None begins after this time.
const TIME_MAX: Duration = Duration::from_secs(40);

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_runs_twice_and_nothing_is_left_behind_whatever_goes_wrong() -> Result<()> {
    let (seed, schedules, until) = match (number("RGM_SIM_SEED"), number("RGM_SIM_SEEDS")) {
        (Some(first), many) => (first, many.unwrap_or(1), None),
        (None, Some(many)) => (0, many, None),
        (None, None) => (0, SCHEDULES, Some(Instant::now() + TIME_MAX)),
    };
    let (stats, failure) = clsim::hunt(&Hunt { seed, schedules, until, threads: 2, defect: Defect::None });
    println!("{stats}");
    if let Some(failure) = failure {
        panic!("{}", prove::keep_plan(&failure)?);
    }
    assert!(stats.methods > stats.schedules, "the world hardly ran anything: {stats}");
    Ok(())
}

#[test]
fn every_kept_plan_breaks_no_rule_any_more() -> Result<()> {
    for (file, plan) in prove::kept_plans()? {
        if let Err(failure) = clsim::replay(&plan) {
            let (finding, story) = (failure.finding, prove::tell(&failure.story));
            panic!("{story}\n{}: {}: {}", file.display(), finding.rule, finding.found);
        }
    }
    Ok(())
}
