//! One rgmd a store: `<store>.lock`, locked as long as its owner lives, holding its pid.
//!
//! The kernel drops the lock with the process, however it ends; the file stays and is used again.
//! Where the process is killed while it starts another one, that one shares the lock until it executes
//! its program: the lock of an owner that is dead is waited for.

use super::errors::Explain;
use crate::StoreError;
use rustix::event::{Timespec, poll};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a lock is waited for whose owner is dead. Executing a program takes a millisecond.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

/// Held until dropped.
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Locks the store in `path`, or says who has it.
    pub fn take(path: &Path) -> Result<Self, StoreError> {
        let store = path.display().to_string();
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&name).explain(&store)?;
        let until = Instant::now() + LET_GO_WITHIN;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(e)) => return Err(e).explain(&store),
            }
            let by = owner(&mut file);
            if Instant::now() > until || by.is_none_or(is_alive) {
                return Err(StoreError::Locked { store, by });
            }
            let _cut_short = poll(&mut [], Some(&LOOK_EVERY));
        }
        // The pid is only told to the second one; a disk too full for it is met by the store itself.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}

/// The process that took it last; it may not have written that yet.
fn owner(file: &mut File) -> Option<u32> {
    let mut pid = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

fn is_alive(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}
