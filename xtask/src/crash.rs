//! The long form of the crash test: `kill -9` of rgmd or pmfd, as often as wanted.

use crate::{build, run};
use anyhow::Result;

/// Kills so many times, at moments drawn from a seed.
pub fn crash(kills: u32, seed: u64) -> Result<()> {
    build::debug()?;
    let mut test = run::cargo();
    test.args(["test", "-p", "rgm-tests", "--test", "crash", "--", "--nocapture"]);
    test.env("RGM_CRASH_ROUNDS", kills.to_string()).env("RGM_CRASH_SEED", seed.to_string());
    run::run(&mut test)
}
