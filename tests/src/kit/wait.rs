//! Waiting for something to become true: the one place where that means looking again and again,
//! for what other processes write, or how they end, can't be waited for together otherwise.

use anyhow::{Result, bail};
use rustix::event::{Timespec, poll};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// Nothing here takes a second where nothing else runs; a busy machine is slower.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 2_000_000 };

/// How soon a pause notices that it is to end.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// Somebody wants this program to end.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on SIGINT and SIGTERM end a wait with an error instead of this program, so that whoever
/// waits can clean up. What is started meanwhile is not affected.
pub fn heed_interrupts() -> Result<()> {
    let (told, ready) = mpsc::channel();
    std::thread::Builder::new().name("interrupts".to_owned()).spawn(move || {
        let heed = || -> Result<()> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async {
                let mut interrupt = signal(SignalKind::interrupt())?;
                let mut terminate = signal(SignalKind::terminate())?;
                told.send(())?;
                loop {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                    INTERRUPTED.store(true, Ordering::SeqCst);
                }
            })
        };
        heed()
    })?;
    Ok(ready.recv()?)
}

/// An error if somebody wants this program to end, and it heeds that.
fn go_on(what: &str) -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        bail!("interrupted while waiting: {what}");
    }
    Ok(())
}

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
        go_on(what)?;
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
        go_on("a pause")?;
        poll(&mut [], Some(&left.min(LOOK_AGAIN).try_into()?))?;
    }
}
