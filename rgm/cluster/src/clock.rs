//! The clock that goes on while the machine sleeps.

use rgm_types::Millis;
use rustix::time::{ClockId, clock_gettime};

/// `CLOCK_BOOTTIME`.
pub fn since_boot() -> Millis {
    let time = clock_gettime(ClockId::Boottime);
    let secs = u64::try_from(time.tv_sec).unwrap_or(0);
    Millis(secs * 1000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000)
}
