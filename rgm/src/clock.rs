//! The clocks, read.

use rgm_types::{Clock, Millis};
use rustix::time::{ClockId, clock_gettime};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// What is added to the boot clock: see [`count_as_cluster`].
static AHEAD: AtomicU64 = AtomicU64::new(0);

/// Both clocks now.
pub fn now() -> Clock {
    let ahead = Millis(AHEAD.load(Ordering::Relaxed));
    Clock { boot: read(ClockId::Boottime).after(ahead), wall: read(ClockId::Realtime) }
}

/// From now on the boot clock shows what the wall clock shows now, and goes on as a boot clock does.
/// A president begins so: what a former one, on another machine, wrote into the journals of the nodes
/// is then in its time, as nearly as the machines' clocks agree.
pub fn count_as_cluster() {
    let ahead = read(ClockId::Realtime).since(read(ClockId::Boottime));
    AHEAD.store(ahead.0, Ordering::Relaxed);
}

/// The boot clock of this machine, as the kernel has it.
pub fn since_boot() -> Millis {
    read(ClockId::Boottime)
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
