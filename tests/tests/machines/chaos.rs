//! The short form of `cargo xtask chaos`. `RGM_CHAOS_SEED` chooses another one.

use anyhow::Result;
use rgm_tests::chaos::{Plan, run};
use std::time::Duration;

/// With its beginning, its end and the replays it takes about a minute and a half.
const TIME: Duration = Duration::from_secs(70);
const SEED: u64 = 1;

#[test]
fn whatever_goes_wrong_nothing_runs_twice_nothing_is_lost_and_everything_comes_back() -> Result<()> {
    let seed = std::env::var("RGM_CHAOS_SEED").map_or(Ok(SEED), |text| text.parse())?;
    run(&Plan { time: TIME, seed, machines: 3 })
}
