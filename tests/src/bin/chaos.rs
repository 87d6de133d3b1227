//! `cargo xtask chaos`: everything that can go wrong with a cluster of machines. Arguments: seconds,
//! seed, machines.

use anyhow::{Context, Result};
use rgm_tests::chaos::{Plan, run};
use std::process::ExitCode;
use std::time::Duration;

fn main() -> Result<ExitCode> {
    let mut numbers =
        std::env::args().skip(1).map(|a| a.parse::<u64>().with_context(|| format!("{a} is no number")));
    let seconds = numbers.next().context("how many seconds?")??;
    let seed = numbers.next().transpose()?.unwrap_or(1);
    let machines = usize::try_from(numbers.next().transpose()?.unwrap_or(3))?;
    let ran = run(&Plan { time: Duration::from_secs(seconds), seed, machines });
    Ok(ran.map_or_else(
        |error| {
            println!("FAILED: {error:#}");
            ExitCode::FAILURE
        },
        |()| ExitCode::SUCCESS,
    ))
}
