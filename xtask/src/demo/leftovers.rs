//! What the demo may have left behind.

use crate::cluster::processes_of;
use anyhow::{Result, ensure};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Places where this system lies when it is installed and used for real, and where named writes by
/// itself: the demo has no business there.
const NOT_OURS: [&str; 6] = [
    "/run/rgm",
    "/var/lib/rgm",
    "/usr/cluster",
    "/opt/SUNWsample",
    "/run/named/named.pid",
    "/run/named/session.key",
];

/// Where cgroups of version 2 may be mounted.
const CGROUPS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// How it was before.
pub struct Before {
    mounts: BTreeSet<String>,
    addresses: BTreeSet<String>,
    files: BTreeSet<PathBuf>,
    cgroups: BTreeSet<PathBuf>,
}

impl Before {
    /// Looks.
    pub fn look() -> Result<Self> {
        Ok(Self { mounts: mounts()?, addresses: addresses()?, files: files(), cgroups: cgroups_now() })
    }

    /// An error that names the first thing that is there now and was not before.
    pub fn nothing_left(&self, dir: &Path, cgroups: &BTreeSet<PathBuf>, kept: bool) -> Result<String> {
        let processes = processes_of(dir);
        ensure!(processes.is_empty(), "processes are left: {processes:?}");
        let new: Vec<String> = mounts()?.difference(&self.mounts).cloned().collect();
        ensure!(new.is_empty(), "mounts are left: {new:?}");
        let new: Vec<String> = addresses()?.difference(&self.addresses).cloned().collect();
        ensure!(new.is_empty(), "addresses are left: {new:?}");
        let new: Vec<PathBuf> = files().difference(&self.files).cloned().collect();
        ensure!(new.is_empty(), "files are left: {new:?}");
        ensure!(kept || !dir.exists(), "{} is left", dir.display());
        let made = cgroups.iter().flat_map(|group| group.ancestors());
        let made = made
            .filter_map(|group| group.strip_prefix("/").ok())
            .flat_map(|group| CGROUPS.map(|root| Path::new(root).join(group)));
        let left: BTreeSet<PathBuf> =
            made.filter(|dir| dir.exists() && !self.cgroups.contains(dir)).collect();
        ensure!(left.is_empty(), "cgroups are left: {left:?}");
        Ok(format!(
            "of {} cgroups, {} mounts, {} addresses looked at",
            cgroups.len(),
            self.mounts.len(),
            self.addresses.len()
        ))
    }
}

fn mounts() -> Result<BTreeSet<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo")?;
    // Network namespaces have names of their own, by which they are looked for.
    let points = text.lines().filter_map(|line| line.split(' ').nth(4));
    Ok(points.filter(|point| !point.starts_with("/run/netns")).map(str::to_owned).collect())
}

/// Local addresses, of both families.
fn addresses() -> Result<BTreeSet<String>> {
    let trie = fs::read_to_string("/proc/net/fib_trie")?;
    let lines: Vec<&str> = trie.lines().collect();
    let four = lines
        .windows(2)
        .filter(|pair| pair[1].contains("/32 host LOCAL"))
        .map(|pair| pair[0].trim().to_owned());
    let six = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    Ok(four.chain(six.lines().map(str::to_owned)).collect())
}

fn files() -> BTreeSet<PathBuf> {
    NOT_OURS.iter().map(PathBuf::from).filter(|path| path.exists()).collect()
}

/// Directories of all cgroups.
fn cgroups_now() -> BTreeSet<PathBuf> {
    let mut dirs: Vec<PathBuf> = CGROUPS.map(PathBuf::from).to_vec();
    let mut seen = BTreeSet::new();
    while let Some(dir) = dirs.pop() {
        let entries = fs::read_dir(&dir).into_iter().flatten().flatten();
        dirs.extend(entries.filter(|e| e.file_type().is_ok_and(|t| t.is_dir())).map(|e| e.path()));
        seen.insert(dir);
    }
    seen
}
