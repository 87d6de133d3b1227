//! The cluster of two nodes that demo and measurements run in, and what is known about its processes.

use crate::install;
use crate::run;
use crate::wait::Waiter;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Its nodes, in the order the group prefers them.
pub const NODES: [&str; 2] = ["phys-1", "phys-2"];
/// Daemons get this long to come up, and to end.
const DAEMON_LIMIT: Duration = Duration::from_secs(30);

/// A cluster on this machine: `rgmd --dev-nodes`.
pub struct Cluster {
    dir: PathBuf,
    rgmd: Option<Child>,
    /// Cgroups in which processes of this cluster were seen.
    pub cgroups_seen: BTreeSet<PathBuf>,
}

impl Cluster {
    /// Not started yet; everything of it will lie below `dir`, where the programs are installed.
    pub fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), rgmd: None, cgroups_seen: BTreeSet::new() }
    }

    /// A command of this system, speaking to this cluster.
    pub fn command(&self, name: &str) -> Command {
        let bin = install::bin_dir(&self.dir);
        let mut path = OsString::from(&bin);
        path.push(":/usr/sbin:/usr/bin:/sbin:/bin");
        let mut command = Command::new(bin.join(name));
        command.env("PATH", path).env_remove("RGM_NODE");
        command.env("RGM_RUN_DIR", self.dir.join("run")).env("RGM_STATE_DIR", self.dir.join("state"));
        command.env("RGM_CONFIG", self.dir.join("rgm.toml"));
        command
    }

    /// Runs a command line and returns what it printed.
    pub fn run(&self, line: &[&str]) -> Result<String> {
        let (name, args) = line.split_first().context("an empty command line")?;
        run::read(self.command(name).args(args))
    }

    /// Runs a command line that must be refused, and returns what it complained about.
    pub fn refused(&self, line: &[&str]) -> Result<String> {
        let (name, args) = line.split_first().context("an empty command line")?;
        let output = run::output(self.command(name).args(args))?;
        ensure!(!output.status.success(), "{} was not refused", line.join(" "));
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// `scha_resourcegroup_get -O RG_STATE_NODE`.
    pub fn group_state(&self, group: &str, node: &str) -> Result<String> {
        let state = self.run(&["scha_resourcegroup_get", "-O", "RG_STATE_NODE", "-G", group, node])?;
        Ok(state.trim_end().to_owned())
    }

    /// Was it started, and not ended since?
    pub fn is_running(&self) -> bool {
        self.rgmd.is_some()
    }

    /// Starts rgmd, and returns what it says when it is ready.
    pub fn start(&mut self, waiter: &Waiter) -> Result<String> {
        for dir in ["run", "state"] {
            fs::create_dir_all(self.dir.join(dir))?;
        }
        // The commands are not where they are installed for real.
        let commands = install::bin_dir(&self.dir);
        fs::write(self.dir.join("rgm.toml"), format!("commands = {commands:?}\n"))?;
        let log = fs::File::options().create(true).append(true).open(self.log())?;
        let said = self.dir.join("rgmd.out");
        let mut command = self.command("rgmd");
        command.args(["--dev-nodes", &NODES.join(",")]);
        command.stdin(Stdio::null()).stdout(fs::File::create(&said)?).stderr(log);
        let rgmd = self.rgmd.insert(run::spawn(&mut command)?);
        waiter.until("rgmd says that it is ready", DAEMON_LIMIT, || {
            if let Some(status) = rgmd.try_wait()? {
                bail!("rgmd ended with {status} instead of getting ready");
            }
            let text = fs::read_to_string(&said)?;
            Ok(text.lines().find(|line| line.contains("ready")).map(str::to_owned))
        })
    }

    /// kill -9 of rgmd.
    pub fn kill_rgmd(&mut self) -> Result<u32> {
        let mut rgmd = self.rgmd.take().context("rgmd does not run")?;
        rgmd.kill()?;
        rgmd.wait()?;
        Ok(rgmd.id())
    }

    /// Ends the cluster as an operator does, and waits until the last of its processes is gone.
    pub fn end(&mut self, waiter: &Waiter) -> Result<String> {
        let mut rgmd = self.rgmd.take().context("rgmd does not run")?;
        send(rgmd.id(), Signal::SIGTERM)?;
        let status = waiter.until("rgmd ends after SIGTERM", DAEMON_LIMIT, || Ok(rgmd.try_wait()?))?;
        ensure!(status.success(), "rgmd ended with {status}");
        waiter.until("the last process of the cluster ends", DAEMON_LIMIT, || {
            Ok(processes_of(&self.dir).is_empty().then_some(()))
        })?;
        Ok(format!("rgmd: {status}"))
    }

    /// The process of the node's pmfd.
    pub fn pmfd_of(&self, node: &str) -> Result<u32> {
        let mine = format!("RGM_NODE={node}");
        let pmfd = |pid: &u32| {
            let of_node = || vars(*pid).contains(&mine) || command_line(*pid).contains(&node.to_owned());
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim_end() == "pmfd")
                && of_node()
        };
        processes_of(&self.dir).into_iter().find(pmfd).with_context(|| format!("{node} has no pmfd"))
    }

    /// Remembers the cgroups that were made for the processes that run now.
    pub fn note_cgroups(&mut self) {
        let ours = cgroup_of("self");
        let theirs = processes_of(&self.dir).into_iter().map(|pid| cgroup_of(&pid.to_string()));
        self.cgroups_seen.extend(theirs.filter(|group| *group != ours).flatten());
    }

    /// The end of the logs, for whoever must find out what went wrong.
    pub fn last_words(&self) -> String {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
        format!("the last lines of {}:\n{}", self.log().display(), tail.join("\n"))
    }

    /// After a failure: nothing of it stays, whatever state it is in.
    pub fn destroy(&mut self) {
        if let Some(rgmd) = &mut self.rgmd {
            let _ = rgmd.kill();
            let _ = rgmd.wait();
        }
        // A supervisor may start something while it is being killed: until a look finds nobody.
        for _ in 0..100 {
            let processes = processes_of(&self.dir);
            if processes.is_empty() {
                break;
            }
            for pid in processes {
                let _ = send(pid, Signal::SIGKILL);
            }
        }
    }

    fn log(&self) -> PathBuf {
        self.dir.join("rgmd.log")
    }
}

/// Sends a signal.
pub fn send(pid: u32, signal: Signal) -> Result<()> {
    let target = Pid::from_raw(i32::try_from(pid)?);
    kill(target, signal).with_context(|| format!("failed to send {signal} to process {pid}"))
}

/// Every process whose environment or command line names this directory.
pub fn processes_of(dir: &Path) -> Vec<u32> {
    let dir = dir.to_string_lossy();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != std::process::id())
        .filter(|pid| vars(*pid).iter().chain(&command_line(*pid)).any(|word| word.contains(dir.as_ref())))
        .collect()
}

/// Its cgroup of version 2.
fn cgroup_of(process: &str) -> Option<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{process}/cgroup")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("0::")).map(PathBuf::from)
}

fn vars(pid: u32) -> Vec<String> {
    words(&format!("/proc/{pid}/environ"))
}

fn command_line(pid: u32) -> Vec<String> {
    words(&format!("/proc/{pid}/cmdline"))
}

fn words(file: &str) -> Vec<String> {
    let bytes = fs::read(file).unwrap_or_default();
    bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}
