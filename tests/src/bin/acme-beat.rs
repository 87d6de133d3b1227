//! An application that can't be two: it writes who it is, and when, at a steady rate.
//!
//! `acme-beat RESOURCE DIR NODE`: appends `NODE PID BEGUN_US NOW_US` to `DIR/RESOURCE.beat` every few
//! milliseconds, each line by one write(2); both times are of `CLOCK_BOOTTIME`. The lines of two that
//! ever ran at the same time are mixed, whatever anybody says about it. Whoever reads the fifo
//! `DIR/RESOURCE.NODE.ready` is told of the first line. A signal ends it.

use anyhow::Result;
use rustix::event::{Timespec, poll};
use rustix::time::{ClockId, clock_gettime};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Between two lines.
const EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [resource, dir, node] = &args[..] else { anyhow::bail!("usage: acme-beat RESOURCE DIR NODE") };
    let dir = Path::new(dir);
    let file = dir.join(format!("{resource}.beat"));
    let mut beats = OpenOptions::new().append(true).create(true).open(file)?;
    let begun = now();
    let mut beat = || -> Result<()> {
        let line = format!("{node} {} {begun} {}\n", std::process::id(), now());
        Ok(beats.write_all(line.as_bytes())?)
    };
    beat()?;
    let ready = dir.join(format!("{resource}.{node}.ready"));
    // Nobody reads when PMF has started it again.
    if let Ok(mut ready) = OpenOptions::new().write(true).custom_flags(nix::libc::O_NONBLOCK).open(ready) {
        ready.write_all(b"up\n")?;
    }
    loop {
        poll(&mut [], Some(&EVERY))?;
        beat()?;
    }
}

fn now() -> i64 {
    let time = clock_gettime(ClockId::Boottime);
    time.tv_sec * 1_000_000 + time.tv_nsec / 1000
}
