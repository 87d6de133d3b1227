//! Waiting for something to become true. The one place where that means looking again and again:
//! what a name server answers, or what another process has written, can't be waited for otherwise.

use crate::run::interrupts;
use anyhow::{Result, bail};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{Duration, Instant};

/// Between two looks.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// Waits, and notices when the user wants to stop.
pub struct Waiter {
    interrupts: SignalFd,
}

impl Waiter {
    /// From now on SIGINT and SIGTERM end a wait with an error instead of this program, so that
    /// whoever waits can clean up.
    pub fn new() -> Result<Self> {
        let signals = interrupts();
        signals.thread_block()?;
        let interrupts = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)?;
        Ok(Self { interrupts })
    }

    /// Looks until there is something to see, or `limit` has passed.
    pub fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let start = Instant::now();
        loop {
            if let Some(seen) = look()? {
                return Ok(seen);
            }
            if start.elapsed() > limit {
                bail!("{what}: did not happen within {} s", limit.as_secs());
            }
            let interrupted = poll(&mut [PollFd::new(&self.interrupts, PollFlags::IN)], Some(&LOOK_EVERY))?;
            if interrupted > 0 {
                bail!("interrupted while waiting: {what}");
            }
        }
    }
}
