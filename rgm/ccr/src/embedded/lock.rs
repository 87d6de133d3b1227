//! One rgmd a store: `<store>.lock`, locked as long as its owner lives, holding its pid.
//!
//! The kernel drops the lock with the process, however it ends; the file stays and is used again.

use super::errors::Explain;
use crate::StoreError;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

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
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // The owner may not have written it yet; then it stays unknown.
                let _ = file.read_to_string(&mut pid);
                return Err(StoreError::Locked { store, by: pid.trim().parse().ok() });
            }
            Err(TryLockError::Error(e)) => return Err(e).explain(&store),
        }
        // The pid is only told to the second one; a disk too full for it is met by the store itself.
        let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
        Ok(Self { _file: file })
    }
}
