//! Many plans, each from its seed, until one finds something.

use super::mutants::Mutant;
use super::plan::Plan;
use super::world::{Stats, World};
use crate::search::Seeds;
use crate::sim::Finding;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A plan that broke a rule.
#[derive(Debug, Clone)]
pub struct Failure {
    pub finding: Finding,
    pub plan: Plan,
    /// The last events, if it was a replay.
    pub story: Vec<String>,
}

/// A defect of the rules, or of what is around them.
#[derive(Debug, Clone, Copy)]
pub enum Defect {
    None,
    Around(Mutant),
    #[cfg(feature = "mutants")]
    Rules(rgm_cluster::mutants::Mutant),
}

/// What a hunt is after.
#[derive(Debug, Clone)]
pub struct Hunt {
    pub seed: u64,
    /// No plan begins after this many …
    pub schedules: u64,
    /// … or after this time, if there is one.
    pub until: Option<Instant>,
    pub threads: usize,
    pub defect: Defect,
}

/// Plays plans until something is found or enough have been played.
pub fn hunt(hunt: &Hunt) -> (Stats, Option<Failure>) {
    let Hunt { seed, schedules, until, threads, defect } = *hunt;
    let seeds = Seeds { first: seed, most: schedules, until, threads };
    let find = |seed| {
        let plan = Plan::of(seed);
        let (seen, result, _) = play(&plan, defect, false);
        (seen, result.err().map(|finding| Failure { finding, plan, story: Vec::new() }))
    };
    seeds.search(find, Stats::add)
}

/// Plays a plan that was kept.
pub fn replay(plan: &Plan) -> Result<Stats, Box<Failure>> {
    let (stats, result, story) = play(plan, Defect::None, true);
    result.map(|()| stats).map_err(|finding| Box::new(Failure { finding, plan: plan.clone(), story }))
}

/// One plan. What the product panics at is a finding too.
fn play(plan: &Plan, defect: Defect, story: bool) -> (Stats, Result<(), Finding>, Vec<String>) {
    let around = if let Defect::Around(mutant) = defect { Some(mutant) } else { None };
    #[cfg(feature = "mutants")]
    rgm_cluster::mutants::mutate(if let Defect::Rules(mutant) = defect { Some(mutant) } else { None });
    let mut world = World::new(plan, around, story);
    let played = catch_unwind(AssertUnwindSafe(|| world.play()));
    #[cfg(feature = "mutants")]
    rgm_cluster::mutants::mutate(None);
    let result = played.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        Err(Finding { rule: "PANIC".to_owned(), found: text.to_owned() })
    });
    (world.stats(), result, world.story())
}

/// Leaves out what a finding does not need, for as long as that.
pub fn shrink(plan: &Plan, finding: &Finding, budget: Duration) -> Plan {
    let end = Instant::now() + budget;
    let mut best = plan.clone();
    let still = |plan: &Plan| play(plan, Defect::None, false).1.is_err_and(|f| f.rule == finding.rule);
    let mut size = best.faults.len().div_ceil(2);
    while size > 0 {
        let mut from = best.faults.len();
        while from > 0 && Instant::now() < end {
            from = from.saturating_sub(size);
            let to = (from + size).min(best.faults.len());
            let mut fewer = best.clone();
            fewer.faults.drain(from..to);
            if still(&fewer) {
                best = fewer;
            }
        }
        size /= 2;
    }
    best
}
