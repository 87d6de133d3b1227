//! One rgmd a run directory. The kernel drops the lock with its owner, however that ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Held until dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

/// Why the run directory is not ours.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another one has it.
    #[error("another rgmd{owner} serves {}; stop it first, or set RGM_RUN_DIR", dir.display())]
    Held {
        /// Its process, if known.
        owner: String,
        /// Run directory.
        dir: PathBuf,
    },
    /// The file can't be made.
    #[error("cannot lock {}", path.display())]
    Failed {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Lock {
    /// Takes the lock, or says who has it.
    pub fn take(path: &Path) -> Result<Self, LockError> {
        let failed = |source| LockError::Failed { path: path.to_owned(), source };
        loop {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let mut file = options.open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(held(&mut file, path)),
                Err(TryLockError::Error(source)) => return Err(failed(source)),
            }
            // Its last owner may have removed it between our two calls: then it locks nothing.
            if is_at(&file, path) {
                // The number is only told to the second one.
                let _untold = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                return Ok(Self { _file: file, path: path.to_owned() });
            }
        }
    }
}

impl Drop for Lock {
    /// Leaves no file behind.
    fn drop(&mut self) {
        let _gone = fs::remove_file(&self.path);
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().is_ok_and(|ours| fs::metadata(path).is_ok_and(|there| same(ours, there)))
}

fn held(file: &mut File, path: &Path) -> LockError {
    let mut pid = String::new();
    // Its owner may not have written it yet.
    let _unknown = file.read_to_string(&mut pid);
    let pid: Option<u32> = pid.trim().parse().ok();
    let owner = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
    LockError::Held { owner, dir: path.parent().unwrap_or(path).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_by_one_and_leaves_nothing_behind() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rgmd.lock");
        let lock = Lock::take(&path).unwrap();
        let refused = Lock::take(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(lock);
        assert!(!path.exists());
        Lock::take(&path).unwrap();
    }
}
