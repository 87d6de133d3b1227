//! One rgmd a run directory. The kernel drops the lock with its owner, however that ends.
//!
//! Not always at once: a process that is being started shares our descriptors until it executes its
//! program. If we are killed in that moment it holds our lock a little longer than we live.

use rustix::event::{Timespec, poll};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a lock is waited for whose owner is dead. Executing a program takes a millisecond.
const LET_GO_WITHIN: Duration = Duration::from_secs(10);
/// Between two looks at it.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };

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
        let until = Instant::now() + LET_GO_WITHIN;
        loop {
            let mut options = OpenOptions::new();
            let options = options.read(true).write(true).create(true).truncate(false).mode(0o644);
            let mut file = options.open(path).map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let owner = owner(&mut file);
                    if Instant::now() < until && owner.is_some_and(is_dead) {
                        pause();
                        continue;
                    }
                    return Err(held(owner, path));
                }
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

/// The process that took it last; it may not have written that yet.
fn owner(file: &mut File) -> Option<u32> {
    let mut pid = String::new();
    file.read_to_string(&mut pid).ok()?;
    pid.trim().parse().ok()
}

fn is_dead(pid: u32) -> bool {
    !Path::new("/proc").join(pid.to_string()).exists()
}

fn pause() {
    // Cut short by a signal, it is only a look more.
    let _cut_short = poll(&mut [], Some(&LOOK_EVERY));
}

fn held(owner: Option<u32>, path: &Path) -> LockError {
    let owner = owner.map_or_else(String::new, |pid| format!(" (process {pid})"));
    LockError::Held { owner, dir: path.parent().unwrap_or(path).to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holds the lock in a process of its own, until its standard input ends.
    fn held_by_another(path: &Path, pid_written: &str) -> std::process::Child {
        let script = "exec 9>>\"$0\" && flock 9 && echo \"$1\" >\"$0\" && echo held && read -r _";
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).arg(path).arg(pid_written);
        let piped = std::process::Stdio::piped;
        let mut child = command.stdin(piped()).stdout(piped()).spawn().unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0; 5]).unwrap();
        child
    }

    /// A daemon that is killed while it starts a process leaves its lock with that process, for the
    /// moment until that one executes its program.
    #[test]
    fn a_lock_of_a_dead_owner_is_waited_for_and_one_of_a_live_owner_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rgmd.lock");
        let mut dead = std::process::Command::new("true").spawn().unwrap();
        dead.wait().unwrap();
        let mut other = held_by_another(&path, &dead.id().to_string());
        let waits = std::thread::spawn({
            let path = path.clone();
            move || Lock::take(&path).map(drop)
        });
        drop(other.stdin.take());
        other.wait().unwrap();
        waits.join().unwrap().unwrap();

        let mut live = held_by_another(&path, &std::process::id().to_string());
        let refused = Lock::take(&path).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(live.stdin.take());
        live.wait().unwrap();
    }

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
