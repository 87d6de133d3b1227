//! Waiting for something to become true: the one place where that means looking again and again,
//! for what other processes write, or how they end, can't be waited for together otherwise.

use anyhow::{Result, bail};
use rustix::event::{Timespec, poll};
use std::time::{Duration, Instant};

/// Nothing here takes a second where nothing else runs; a busy machine is slower.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// Looks until there is something to see. What is not seen in time is an error that says `what`.
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let start = Instant::now();
    loop {
        if let Some(seen) = look()? {
            return Ok(seen);
        }
        if start.elapsed() > LIMIT {
            bail!("{what}: did not happen within {} s", LIMIT.as_secs());
        }
        poll(&mut [], Some(&LOOK_EVERY))?;
    }
}

/// Lets that much time pass: for what must happen at a moment that nothing announces.
pub fn pause(span: Duration) -> Result<()> {
    let end = Instant::now() + span;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        poll(&mut [], Some(&left.try_into()?))?;
    }
}
