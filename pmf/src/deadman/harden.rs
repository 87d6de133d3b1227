//! Making pmfd hard to starve: while it is armed it must not wait for memory or for the processor.
//!
//! Done once, when it is armed for the first time, as far as it is permitted. What pmfd starts has
//! none of this: locked memory and the real-time class are not inherited, and
//! [`methods::launch::Launch::unprotected`] gives up the protection from the kernel's killer.

use std::fs;

use methods::launch::{lock_memory, schedule_realtime};

/// Above interrupt threads (50), below what the kernel itself can't do without (99).
const PRIORITY: i32 = 60;

/// Does what is permitted, for this thread and its process; a line for each thing that is not.
pub fn harden() -> Vec<String> {
    let steps = [
        ("its memory can't be locked, so it may have to wait for a disk", lock_memory()),
        ("it gets no real-time class, so it may have to wait for a processor", schedule_realtime(PRIORITY)),
        (
            "it can't be kept from the killer of processes when memory is short",
            fs::write("/proc/self/oom_score_adj", "-1000"),
        ),
    ];
    let refused = steps.into_iter().filter_map(|(text, done)| Some((text, done.err()?)));
    refused.map(|(text, error)| format!("the deadman: {text}: {error}")).collect()
}
