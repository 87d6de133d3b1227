//! Seeded bugs: the simulator must catch each of them, and soon.

use crate::prove;
use crate::sim::{self, Hunt, Sabotage, Scale};
use anyhow::Result;
use rgm_core::mutants::Mutant;
use std::time::Instant;

/// The seeds of every hunt begin here, whatever seed the proof was given.
const SEED: u64 = 1_000_000;

/// A mutant that lives through so many has got away. Not a time: what is caught on a quiet machine is
/// caught on a loaded one.
const SCHEDULES_MAX: u64 = 500;

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
