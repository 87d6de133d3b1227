//! Making pmfd hard to starve: while it is armed it must not wait for memory or for the processor.
//!
//! Done once, when it is armed for the first time, as far as it is permitted. What pmfd starts has
//! none of this: locked memory and the real-time class are not inherited, and
//! [`methods::launch::Launch::unprotected`] gives up the protection from the kernel's killer.

use std::fs;
use std::io;

use methods::launch::{lock_memory, schedule_realtime};

/// Above interrupt threads (50), below what the kernel itself can't do without (99).
const PRIORITY: i32 = 60;

/// Lets this thread run before others; if that is not permitted, a line that says so.
pub fn thread() -> Option<String> {
    refused("it gets no real-time class and may have to wait for a processor", schedule_realtime(PRIORITY))
}

/// Keeps the memory of this process. It takes a while, so not the thread that must be in time does it.
pub fn process() -> Vec<String> {
    let unspared = "it can't be kept from the killer of processes when memory is short";
    let steps = [
        refused(unspared, fs::write("/proc/self/oom_score_adj", "-1000")),
        refused("its memory can't be locked, so it may have to wait for a disk", lock_memory()),
    ];
    steps.into_iter().flatten().collect()
}

fn refused(text: &str, done: io::Result<()>) -> Option<String> {
    done.err().map(|error| format!("the deadman: {text}: {error}"))
}
