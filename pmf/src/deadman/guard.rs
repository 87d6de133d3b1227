//! What is killed: cgroups, all below them included, by one small write each.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use methods::cgroup::{Cgroup, PopulatedWatch};

/// A cgroup to be killed, whether it exists yet or not.
#[derive(Debug)]
pub struct Guard {
    path: PathBuf,
    /// Its `cgroup.kill`, open since it was armed: then the kill needs neither a path nor memory.
    kill: Option<File>,
}

impl Guard {
    /// Prepares the kill of this directory.
    pub fn new(path: &OsStr) -> Self {
        let path = PathBuf::from(path);
        let kill = OpenOptions::new().write(true).open(path.join("cgroup.kill")).ok();
        Self { path, kill }
    }

    /// Why this can't be guarded; none if it can. One that does not exist yet can.
    pub fn objection(path: &OsStr) -> Option<String> {
        let shown = path.to_string_lossy();
        if !path.as_bytes().starts_with(b"/") {
            return Some(format!("{shown} is no absolute path of a cgroup"));
        }
        let cgroup = Cgroup::at(path)?;
        if !cgroup.path().join("cgroup.procs").exists() {
            return Some(format!("{shown} is no cgroup"));
        }
        let own = rustix::process::getpid().as_raw_nonzero().get();
        match cgroup.procs() {
            Ok(procs) if procs.contains(&own) => Some(format!("pmfd itself is in the cgroup {shown}")),
            Ok(_) => None,
            Err(error) => Some(format!("the processes of the cgroup {shown} can't be read: {error}")),
        }
    }

    /// Its directory.
    pub fn path(&self) -> &OsStr {
        self.path.as_os_str()
    }

    /// Kills everything in it and below it. One that does not exist has nothing to kill.
    pub fn kill(&self) -> io::Result<()> {
        // A cgroup that was removed and made anew has another file of that name.
        if self.kill.as_ref().is_some_and(|mut kill| kill.write_all(b"1").is_ok()) {
            return Ok(());
        }
        self.cgroup().map_or(Ok(()), |cgroup| cgroup.kill())
    }

    /// Its processes; zombies are none.
    pub fn procs(&self) -> Vec<i32> {
        self.cgroup().and_then(|cgroup| cgroup.procs().ok()).unwrap_or_default()
    }

    /// Watches it; none if it does not exist.
    pub fn watch(&self) -> io::Result<Option<PopulatedWatch>> {
        self.cgroup().map(|cgroup| cgroup.watch()).transpose()
    }

    /// What is open is still what lies under that path: it was neither made since nor made anew.
    pub fn is_fresh(&self) -> bool {
        let there = fs::metadata(self.path.join("cgroup.kill")).map(|meta| meta.ino());
        let open = self.kill.as_ref().map(|kill| kill.metadata().map(|meta| meta.ino()));
        match (there, open) {
            (Ok(there), Some(Ok(open))) => there == open,
            (Ok(_), _) => false,
            (Err(_), open) => open.is_none(),
        }
    }

    fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::at(&self.path)
    }
}
