//! The cgroups of methods that have ended, or whose daemon has.
//!
//! A method may leave a process behind: an agent that starts its application without PMF. So when a
//! method has ended by itself and its cgroup is not empty, the cgroup is kept and marked with an
//! extended attribute. After a crash of the daemon the mark tells a running application, which nobody
//! may touch, from a method of the former life, which must be gone before the next one starts.

use crate::cgroup::Cgroup;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{XattrFlags, getxattr, setxattr};
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

/// On the cgroup of a method that has ended by itself. In the name space only root may write.
const MARK: &str = "trusted.rgm.method-ended";
/// How long killed processes are awaited. Longer waits mean a process stuck in the kernel.
const KILLED_WITHIN: Duration = Duration::from_secs(5);

/// A method of a former life and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Killed {
    /// Name of its cgroup, as it was given to the run.
    pub name: String,
    /// Processes that are stuck in the kernel and have not died yet; usually none.
    pub stuck: Vec<i32>,
}

/// Kills the methods which a former life of the daemon left running below `parent`, waits until they
/// are gone, at most some seconds, and removes their cgroups. Processes that ended methods have left
/// behind stay untouched. No `parent`, nothing to do.
pub fn kill_unfinished(parent: &Path) -> io::Result<Vec<Killed>> {
    let mut unfinished = Vec::new();
    for (name, cgroup) in below(parent)? {
        if is_marked(&cgroup) {
            continue;
        }
        let watch = cgroup.watch()?;
        if watch.is_populated()? {
            cgroup.kill()?;
            unfinished.push((name, cgroup, watch));
        }
    }
    let deadline = Instant::now() + KILLED_WITHIN;
    let mut killed = Vec::new();
    for (name, cgroup, watch) in unfinished {
        while watch.is_populated()? && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            let left = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(0),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            match poll(&mut [PollFd::new(&watch, PollFlags::PRI)], Some(&left)) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        killed.push(Killed { name, stuck: cgroup.procs()? });
    }
    reap_empty(parent)?;
    Ok(killed)
}

/// Removes the cgroups below `parent` that are empty by now, and says how many are left.
pub fn reap_empty(parent: &Path) -> io::Result<usize> {
    Ok(below(parent)?.into_iter().filter(|(_, cgroup)| cgroup.remove().is_err()).count())
}

/// A method has ended by itself: removes its cgroup, or marks it where it left processes behind.
pub(crate) fn settle(cgroup: &Cgroup) {
    if fs::remove_dir(cgroup.path()).is_err() {
        // Without the right to mark it, the processes die with the next start of the daemon as if the
        // method had not ended; nothing better is known then.
        let _unmarked = setxattr(cgroup.path(), MARK, b"1", XattrFlags::empty());
    }
}

fn is_marked(cgroup: &Cgroup) -> bool {
    getxattr(cgroup.path(), MARK, &mut [0_u8; 8]).is_ok()
}

fn below(parent: &Path) -> io::Result<Vec<(String, Cgroup)>> {
    let entries = match fs::read_dir(parent) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry?;
        if let Some(cgroup) = entry.file_type()?.is_dir().then(|| Cgroup::at(entry.path())).flatten() {
            found.push((entry.file_name().to_string_lossy().into_owned(), cgroup));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(found)
}
