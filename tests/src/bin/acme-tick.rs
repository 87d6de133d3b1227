//! The application of the test data service: does nothing, and swears who did it where.
//!
//! `acme-tick RESOURCE DIR`: appends `up NODE PID` to `DIR/RESOURCE.witness` once it holds the lock
//! `DIR/RESOURCE.lock`, or `overlap NODE PID` if another one holds it. Whoever reads the fifo
//! `DIR/RESOURCE.NODE.ready` is told that it is up. SIGTERM ends it, with a line `down NODE PID`.

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

fn main() -> Result<()> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGTERM);
    signals.thread_block()?;
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [resource, dir] = &args[..] else { anyhow::bail!("usage: acme-tick RESOURCE DIR") };
    let (dir, node) = (Path::new(dir), std::env::var("RGM_NODE").context("RGM_NODE")?);
    let mut witness =
        OpenOptions::new().append(true).create(true).open(dir.join(format!("{resource}.witness")))?;
    let mut swear =
        |what: &str| writeln_whole(&mut witness, &format!("{what} {node} {}", std::process::id()));
    // Held until this process is gone, however it goes.
    let lock = File::create(dir.join(format!("{resource}.lock")))?;
    match lock.try_lock() {
        Ok(()) => swear("up")?,
        Err(TryLockError::WouldBlock) => swear("overlap")?,
        Err(TryLockError::Error(error)) => return Err(error).context("lock"),
    }
    // Nobody reads when PMF has started it again.
    let ready = OpenOptions::new()
        .write(true)
        .custom_flags(nix::libc::O_NONBLOCK)
        .open(dir.join(format!("{resource}.{node}.ready")));
    if let Ok(mut ready) = ready {
        ready.write_all(b"up\n")?;
    }
    signals.wait()?;
    swear("down")
}

/// One write, so that lines of two processes do not mix.
fn writeln_whole(file: &mut File, line: &str) -> Result<()> {
    Ok(file.write_all(format!("{line}\n").as_bytes())?)
}
