//! Who keeps a file system busy.
//!
//! A process does if its directory, root, program, an open or mapped file, or a socket it listens on
//! lies on the mount. That is asked of the kernel by the number of the mount (`STATX_MNT_ID`), or of
//! the device where a kernel does not tell, and never guessed from a path: a path prefix matches
//! everything, sooner or later.

use super::mounts::Mount;
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Paths named of one process.
const PATHS_MAX: usize = 3;
/// The manager's own daemons.
const DAEMONS: [&str; 2] = ["rgmd", "pmfd"];

/// A process that keeps a file system busy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// The process.
    pub pid: i32,
    /// Its command line, or its name.
    pub command: String,
    /// What it holds; the first few.
    pub paths: Vec<PathBuf>,
    /// Why it may not be killed.
    pub protection: Option<&'static str>,
}

/// Every process that holds the mount.
pub fn find(mount: &Mount) -> Vec<Holder> {
    let protected = Protected::read();
    let sockets = sockets_on(mount);
    pids()
        .filter_map(|pid| {
            let paths = held_by(pid, mount, &sockets);
            let protection = protected.reason(pid);
            (!paths.is_empty()).then(|| Holder { pid, command: command(pid), paths, protection })
        })
        .collect()
}

/// Does it still hold the mount?
pub fn still_holds(pid: i32, mount: &Mount) -> bool {
    !held_by(pid, mount, &sockets_on(mount)).is_empty()
}

/// Every process.
pub fn pids() -> impl Iterator<Item = i32> {
    names("/proc").into_iter().filter_map(|name| name.parse().ok())
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let paths: Vec<String> = self.paths.iter().map(|path| path.display().to_string()).collect();
        write!(f, "{} ({}) with {}", self.pid, self.command, paths.join(", "))
    }
}

fn held_by(pid: i32, mount: &Mount, sockets: &BTreeSet<String>) -> Vec<PathBuf> {
    let dir = format!("/proc/{pid}");
    let single = ["cwd", "root", "exe"].map(|name| format!("{dir}/{name}"));
    let below = |sub: &str| {
        let sub = format!("{dir}/{sub}");
        names(&sub).into_iter().map(move |name| format!("{sub}/{name}")).collect::<Vec<_>>()
    };
    let links = single.into_iter().chain(below("fd")).chain(below("map_files"));
    let mut paths: Vec<PathBuf> = Vec::new();
    for link in links {
        let target = fs::read_link(&link).unwrap_or_default();
        let held = lies_on(&link, mount) || sockets.contains(&*target.to_string_lossy());
        if held && !paths.contains(&target) {
            paths.push(target);
        }
        if paths.len() == PATHS_MAX {
            break;
        }
    }
    paths
}

/// Does what the path leads to lie on the mount? A server that does not answer is not asked.
fn lies_on(path: impl AsRef<Path>, mount: &Mount) -> bool {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::MNT_ID;
    let Ok(found) = statx(CWD, path.as_ref(), AtFlags::STATX_DONT_SYNC, mask) else { return false };
    if StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::MNT_ID) {
        return found.stx_mnt_id == mount.id;
    }
    format!("{}:{}", found.stx_dev_major, found.stx_dev_minor) == mount.device
}

/// The sockets whose names lie on the mount, as `/proc/PID/fd` shows them: `socket:[INODE]`.
fn sockets_on(mount: &Mount) -> BTreeSet<String> {
    let text = fs::read_to_string("/proc/thread-self/net/unix").unwrap_or_default();
    let named = text.lines().filter_map(|line| {
        let mut fields = line.split_whitespace();
        let (inode, path) = (fields.nth(6)?, fields.next()?);
        (path.starts_with('/') && lies_on(path, mount)).then(|| format!("socket:[{inode}]"))
    });
    named.collect()
}

/// Processes whose end would end more than the service.
struct Protected {
    own: BTreeSet<i32>,
    daemons: BTreeSet<i32>,
    above: BTreeSet<i32>,
}

impl Protected {
    fn read() -> Self {
        let own = i32::try_from(std::process::id()).unwrap_or_default();
        let daemons: BTreeSet<i32> = pids().filter(|pid| is_daemon(*pid)).collect();
        let above = daemons.iter().flat_map(|pid| ancestors(*pid)).collect();
        Self { own: std::iter::once(own).chain(ancestors(own)).collect(), daemons, above }
    }

    fn reason(&self, pid: i32) -> Option<&'static str> {
        match pid {
            1 => Some("it is the first process of this machine"),
            _ if self.daemons.contains(&pid) => Some("it is a daemon of the manager"),
            _ if self.own.contains(&pid) => Some("it is this method, or runs it"),
            _ if self.above.contains(&pid) => Some("it runs a daemon of the manager"),
            _ => None,
        }
    }
}

fn is_daemon(pid: i32) -> bool {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    let exe = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
    let exe = exe.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A program that was replaced while it runs is shown as deleted.
    let exe = exe.trim_end_matches(" (deleted)");
    DAEMONS.contains(&name.trim()) || DAEMONS.contains(&exe)
}

/// Its parent, and so on.
fn ancestors(pid: i32) -> Vec<i32> {
    let mut found = Vec::new();
    let mut next = parent(pid);
    while let Some(pid) = next.filter(|pid| *pid > 0 && !found.contains(pid)) {
        found.push(pid);
        next = parent(pid);
    }
    found
}

fn parent(pid: i32) -> Option<i32> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

fn command(pid: i32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
    if line.is_empty() {
        return fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned();
    }
    line.chars().take(80).collect()
}

fn names(dir: &str) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::mounts;
    use super::*;
    use std::os::unix::net::UnixListener;
    use std::process::{Command, Stdio};

    fn mount_of(path: &Path) -> Mount {
        let mounts = mounts::read().unwrap();
        mounts.into_iter().find(|mount| lies_on(path, mount)).unwrap()
    }

    #[test]
    fn a_process_holds_the_mount_of_its_files_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let open = fs::File::create(dir.path().join("open")).unwrap();
        let mut child =
            Command::new("sleep").arg("1000").stdin(Stdio::from(open)).current_dir("/proc").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let mount = mount_of(dir.path());
        assert!(held_by(pid, &mount, &BTreeSet::new()).contains(&dir.path().join("open")));
        assert!(still_holds(pid, &mount_of(Path::new("/proc"))), "its directory");
        let sys = mount_of(Path::new("/sys"));
        assert!(!still_holds(pid, &sys));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!still_holds(pid, &mount));
    }

    #[test]
    fn a_socket_is_held_by_whoever_listens_on_it() {
        let dir = tempfile::tempdir().unwrap();
        let _listener = UnixListener::bind(dir.path().join("socket")).unwrap();
        assert!(!sockets_on(&mount_of(dir.path())).is_empty());
        assert!(sockets_on(&mount_of(Path::new("/proc"))).is_empty());
    }

    #[test]
    fn this_process_what_runs_it_and_the_first_one_are_protected() {
        let protected = Protected::read();
        let own = i32::try_from(std::process::id()).unwrap();
        for pid in [1, own, parent(own).unwrap()] {
            assert!(protected.reason(pid).is_some(), "{pid}");
        }
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert_eq!(protected.reason(pid), None);
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn the_managers_daemons_are_known_by_their_names() {
        let dir = tempfile::tempdir().unwrap();
        let copy = dir.path().join("pmfd");
        fs::copy("/bin/sleep", &copy).unwrap();
        let mut child = Command::new(&copy).arg("1000").spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        assert!(is_daemon(pid));
        assert!(Protected::read().reason(pid).is_some_and(|reason| reason.contains("daemon")));
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
