//! The clocks, read.

use rgm_types::{Clock, Millis};
use rustix::time::{ClockId, clock_gettime};
use std::io;

/// Both clocks now.
pub fn now() -> Clock {
    Clock { boot: read(ClockId::Boottime), wall: read(ClockId::Realtime) }
}

/// What tells one boot of this machine from all others.
pub fn boot_id() -> io::Result<String> {
    std::fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim().to_owned())
}

fn read(clock: ClockId) -> Millis {
    let time = clock_gettime(clock);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Millis(secs * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000)
}
