//! `cargo xtask prove`: the proof as a program. Arguments: seconds, seed.

use anyhow::{Context, Result};
use rgm_tests::prove::{Plan, prove};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> Result<ExitCode> {
    let mut numbers =
        std::env::args().skip(1).map(|a| a.parse::<u64>().with_context(|| format!("{a} is no number")));
    let seconds = numbers.next().context("how many seconds?")??;
    let seed = numbers.next().transpose()?.unwrap_or(1);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    // What the core panics at is a finding; where, is told with it.
    std::panic::set_hook(Box::new(|_| {}));
    let begun = Instant::now();
    let sound = prove(&Plan { time: Duration::from_secs(seconds), seed, threads, mutants: true })?;
    println!(
        "{} after {} s, seed {seed}",
        if sound { "nothing found" } else { "FOUND" },
        begun.elapsed().as_secs()
    );
    Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
