//! The core under chance: every rule after every step, over many seeds.
//!
//! `RGM_SIM_SEEDS=N` runs more of them, `RGM_SIM_SEED=N` one alone, with its story.

use rgm_tests::sim;

/// Seeds of a run without the environment saying otherwise.
const SEEDS: u64 = 400;

/// Events of chance in a run.
const STEPS: usize = 300;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_rule_holds_in_every_schedule() {
    let seeds: Vec<u64> = match number("RGM_SIM_SEED") {
        Some(one) => vec![one],
        None => (0..number("RGM_SIM_SEEDS").unwrap_or(SEEDS)).collect(),
    };
    let (mut steps, mut methods, mut crashes) = (0, 0, 0);
    for seed in seeds {
        match sim::run(seed, STEPS) {
            Ok(stats) => {
                steps += stats.steps;
                methods += stats.methods;
                crashes += stats.crashes;
            }
            Err(failure) => panic!(
                "seed {} step {}: {}\n{}",
                failure.seed,
                failure.step,
                failure.found,
                failure.story.join("\n")
            ),
        }
    }
    println!("{steps} steps, {methods} methods, {crashes} crashes");
    assert!(methods > steps / 20, "the world hardly ran anything: {methods} methods in {steps} steps");
}
