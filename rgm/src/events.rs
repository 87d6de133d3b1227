//! The event log: every decision with its cause, and what the daemon says of itself and of methods.
//!
//! ```text
//!  core ── log lines of a step ─┐
//!                               ├─► writer ─► STATE/events/SEQ.jsonl ─► reader ─► followers (ipc)
//!  agents, shell ── tap ────────┘      └──── "written up to" ──────────────▲
//! ```
//!
//! Files of JSON lines ([`rgm_types::view::EventRecord`]), each called by the number of its first line.
//!
//! * The lines of a step are one `write(2)`, done before anybody is told of the step: what a reply has
//!   acknowledged is there after a kill -9. There is no fsync: a power cut may take the last second.
//! * What is kept is bounded: a file that has grown to [`writer::FILE_LEN_MAX`] is followed by a new
//!   one, and of old ones only [`writer::FILES_MAX`] stay.
//! * The log never stops the daemon. A line that can't be written still counts: the numbers go on,
//!   and once there is room again a line says which are missing and why.
//! * A torn last line is a write that a crash cut off; it is cut away when the log is opened. Any other
//!   line that is no record is passed over by readers.
//! * Followers read the files, and are only told that there is more: one that lags costs the daemon
//!   nothing, and one that lags further than what is kept is told what it missed.

pub mod follow;
mod reader;
pub mod tap;
mod writer;

pub use reader::Reader;
pub use writer::EventLog;

use std::path::{Path, PathBuf};

/// The file whose first line has this number.
fn file_of(dir: &Path, first: u64) -> PathBuf {
    dir.join(format!("{first:020}.jsonl"))
}

/// Numbers of the first lines of all files, ascending.
fn files(dir: &Path) -> std::io::Result<Vec<u64>> {
    let mut firsts = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".jsonl"));
        firsts.extend(number.and_then(|number| number.parse::<u64>().ok()));
    }
    firsts.sort_unstable();
    Ok(firsts)
}

#[cfg(test)]
mod tests;
