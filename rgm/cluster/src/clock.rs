//! The clocks, read.

use rgm_types::Millis;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`: it goes on while the machine sleeps.
pub fn since_boot() -> Millis {
    read(ClockId::Boottime)
}

/// What this machine takes for the time of day, since 1970.
pub fn wall() -> Millis {
    read(ClockId::Realtime)
}

fn read(clock: ClockId) -> Millis {
    let time = clock_gettime(clock);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Millis(secs * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000)
}
