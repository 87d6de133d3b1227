//! What a cluster may have left behind.

use anyhow::{Result, ensure};
use methods::cgroup::{Root, instance_name};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::path::{Path, PathBuf};

/// Rounds of killing: somebody may start something while being killed.
const ROUNDS_MAX: usize = 100;

/// Where the processes and cgroups of one cluster are found.
#[derive(Debug, Clone)]
pub struct Traces {
    dir: PathBuf,
    cgroups: Vec<PathBuf>,
}

impl Traces {
    /// Of the cluster whose directory this is, with these run directories; they must exist.
    pub fn new(dir: &Path, run_dirs: &[PathBuf]) -> Self {
        let root = Root::find().ok();
        let below = |run: &PathBuf| Some(root.as_ref()?.path().join("rgm").join(instance_name(run)));
        Self { dir: dir.to_owned(), cgroups: run_dirs.iter().filter_map(below).collect() }
    }

    /// Every process with the cluster's directory in its environment or on its command line, or in
    /// one of its cgroups, this one and the dead apart.
    pub fn processes(&self) -> Vec<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| *pid != std::process::id() && (self.is_named_by(*pid) || self.holds(*pid)))
            .collect()
    }

    /// An error that names what there still is.
    pub fn nothing_left(&self) -> Result<()> {
        let told: Vec<String> = self.processes().into_iter().map(describe).collect();
        ensure!(told.is_empty(), "processes are left: {told:?}");
        let cgroups: Vec<&PathBuf> = self.cgroups.iter().filter(|cgroup| cgroup.exists()).collect();
        ensure!(cgroups.is_empty(), "cgroups are left: {cgroups:?}");
        let run = self.dir.join("run");
        let files: Vec<PathBuf> =
            fs::read_dir(&run).into_iter().flatten().flatten().map(|f| f.path()).collect();
        ensure!(!run.exists(), "{} is left, with {files:?}", run.display());
        Ok(())
    }

    /// Kills whatever is there, and removes its cgroups.
    pub fn erase(&self) {
        for _ in 0..ROUNDS_MAX {
            let processes = self.processes();
            if processes.is_empty() {
                break;
            }
            for pid in processes {
                let _gone = send(pid, Signal::SIGKILL);
            }
        }
        self.cgroups.iter().for_each(|cgroup| remove_below(cgroup));
    }

    fn is_named_by(&self, pid: u32) -> bool {
        let dir = self.dir.as_os_str().as_encoded_bytes();
        let names = |file: &str| {
            let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            bytes.windows(dir.len()).any(|window| window == dir)
        };
        names("environ") || names("cmdline")
    }

    fn holds(&self, pid: u32) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let own = text.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
        self.cgroups.iter().any(|cgroup| {
            let name = cgroup.file_name().map(|name| format!("/rgm/{}", name.to_string_lossy()));
            name.is_some_and(|name| own.starts_with(&name)) && !is_dead(pid)
        })
    }
}

/// Sends a signal to a process.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    Ok(kill(Pid::from_raw(i32::try_from(pid)?), signal)?)
}

/// Its parent has only not looked at it yet.
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['Z', 'X']))
}

fn describe(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    format!("{pid}: {}", String::from_utf8_lossy(&line).replace('\0', " "))
}

fn remove_below(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_below(&entry.path());
        }
    }
    let _busy = fs::remove_dir(dir);
}
