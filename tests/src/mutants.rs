//! Seeded bugs: the simulator must catch each of them, and soon.

use crate::clsim::{self, Defect};
use crate::prove;
use crate::sim::{self, Hunt, Sabotage, Scale};
use anyhow::Result;
use rgm_core::mutants::Mutant;
use std::time::Instant;

/// The seeds of every hunt begin here, whatever seed the proof was given.
const SEED: u64 = 1_000_000;

/// A mutant that lives through so many has got away. Not a time: what is caught on a quiet machine is
/// caught on a loaded one.
const SCHEDULES_MAX: u64 = 2_000;
/// The same for clusters of machines: most of what goes wrong there is held up by another line of defence.
const PLANS_MAX: u64 = 4_000;

/// Hunts all of them and prints the table. False: one got away.
pub fn hunt_all(threads: usize) -> Result<bool> {
    let (mut caught, mut longest) = (0, 0);
    println!(
        "{:<28} {:<10} {:>7} {:>9} {:>7}  what is wrong",
        "mutant", "caught by", "events", "schedules", "ms"
    );
    for mutant in Mutant::ALL {
        let begun = Instant::now();
        let (stats, failure) = sim::hunt(&Hunt {
            seed: SEED,
            schedules: SCHEDULES_MAX,
            until: None,
            scale: Scale::Small,
            threads,
            sabotage: Some(Sabotage::new(|core| core.mutate(*mutant))),
        });
        caught += usize::from(failure.is_some());
        longest = longest.max(stats.schedules);
        println!(
            "{:<28} {:<10} {:>7} {:>9} {:>7}  {}",
            format!("{mutant:?}"),
            failure.as_ref().map_or("NOBODY", |f| f.finding.rule.as_str()),
            stats.steps,
            stats.schedules,
            begun.elapsed().as_millis(),
            mutant.sentence()
        );
    }
    println!("mutants: {caught} of {} caught", Mutant::ALL.len());
    Ok(is_sound(longest, threads)? && caught == Mutant::ALL.len())
}

/// The same schedules find nothing in the manager as it is: else catching a mutant would say little.
fn is_sound(schedules: u64, threads: usize) -> Result<bool> {
    let hunt = Hunt { seed: SEED, schedules, until: None, scale: Scale::Small, threads, sabotage: None };
    let (stats, failure) = sim::hunt(&hunt);
    match &failure {
        Some(failure) => println!("without a mutant: {}", prove::keep(failure)?),
        None => println!("without a mutant: nothing found in {} schedules", stats.schedules),
    }
    Ok(failure.is_none())
}

/// Hunts the defects of membership, seat and pmfd, in clusters of many machines.
pub fn hunt_clusters(threads: usize) -> Result<bool> {
    let around = clsim::Mutant::ALL.iter().map(|m| (format!("{m:?}"), Defect::Around(*m), m.sentence()));
    let rules = RULES.iter().map(|m| (format!("{m:?}"), Defect::Rules(*m), m.sentence()));
    let all: Vec<_> = around.chain(rules).collect();
    let (mut caught, mut longest) = (0, 0);
    for (name, defect, sentence) in &all {
        let begun = Instant::now();
        let (stats, failure) = hunt_cluster(PLANS_MAX, threads, *defect);
        caught += usize::from(failure.is_some());
        longest = longest.max(stats.schedules);
        println!(
            "{name:<28} {:<10} {:>7} {:>9} {:>7}  {sentence}",
            failure.as_ref().map_or("NOBODY", |f| f.finding.rule.as_str()),
            stats.events,
            stats.schedules,
            begun.elapsed().as_millis(),
        );
    }
    println!("mutants of clusters: {caught} of {} caught", all.len());
    let (stats, failure) = hunt_cluster(longest, threads, Defect::None);
    match &failure {
        Some(failure) => println!("without a mutant: {}", prove::keep_plan(failure)?),
        None => println!("without a mutant: nothing found in {} plans", stats.schedules),
    }
    Ok(failure.is_none() && caught == all.len())
}

fn hunt_cluster(schedules: u64, threads: usize, defect: Defect) -> (clsim::Stats, Option<clsim::Failure>) {
    clsim::hunt(&clsim::Hunt { seed: SEED, schedules, until: None, threads, defect })
}

/// Those defects of the rules that harm a cluster soon. Of the others the tests of the rules tell.
const RULES: [rgm_cluster::mutants::Mutant; 12] = {
    use rgm_cluster::mutants::Mutant;
    [
        Mutant::DeadlineFromAnswer,
        Mutant::BelieveEtcdAlone,
        Mutant::IgnoreMargin,
        Mutant::ForgetFormerDeadline,
        Mutant::ParkWithoutDeadman,
        Mutant::TakePlaceOfTheLiving,
        Mutant::CampaignWithdrawn,
        Mutant::ObeyOlderEpoch,
        Mutant::BelieveOlderReport,
        Mutant::CallWithoutLink,
        Mutant::AgreeWithOneSilent,
        Mutant::BelieveDeathWhileBound,
    ]
};
