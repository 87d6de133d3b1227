//! One machine: a network namespace, its directories, and the daemons that are kept running there.

use super::leftovers::{Traces, send};
use super::networks;
use super::output::Said;
use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Starts a daemon again whenever it has ended, until a file says that it is to stay down. What it starts
/// finds the boot of its machine, not that of ours.
const KEEPER: &str = r#"mount --bind "$KEEP/boot_id" /proc/sys/kernel/random/boot_id &&
while [ ! -e "$KEEP/down" ]; do "$@"; sleep 0.1; done"#;

/// One machine.
pub struct Machine {
    /// Its node.
    pub name: String,
    /// Its address.
    pub ip: String,
    pub(super) netns: String,
    pub(super) dir: PathBuf,
    pub(super) site: PathBuf,
    pub(super) rgmd_args: Vec<String>,
    pub(super) keepers: Vec<Child>,
}

impl Machine {
    pub(super) fn new(number: usize, prefix: &str, site: &Path) -> Self {
        let name = format!("phys-{number}");
        Self {
            ip: format!("10.77.0.{}", 10 + number),
            netns: format!("{prefix}-{name}"),
            dir: site.join(&name),
            site: site.to_owned(),
            rgmd_args: Vec::new(),
            keepers: Vec::new(),
            name,
        }
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Its network namespace.
    pub fn netns(&self) -> &str {
        &self.netns
    }

    /// Does it have power?
    pub fn has_power(&self) -> bool {
        !self.keepers.is_empty()
    }

    /// Starts its daemons; they are started again whenever they end.
    pub fn power_on(&mut self) -> Result<()> {
        // What a boot clears.
        fs::remove_dir_all(self.dir.join("run"))?;
        fs::create_dir_all(self.dir.join("run"))?;
        fs::write(self.dir.join("boot_id"), fs::read("/proc/sys/kernel/random/uuid")?)?;
        let _up = fs::remove_file(self.dir.join("down"));
        for daemon in ["pmfd", "rgmd"] {
            let log =
                fs::File::options().create(true).append(true).open(self.dir.join(format!("{daemon}.log")))?;
            let mut keeper = self.command(&["unshare", "-m", "bash", "-c", KEEPER, "keeper", daemon]);
            keeper.args(self.rgmd_args.iter().filter(|_| daemon == "rgmd")).current_dir(&self.dir);
            keeper.env("KEEP", &self.dir).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
            self.keepers.push(keeper.spawn()?);
        }
        Ok(())
    }

    /// Every process of the machine dies at once.
    pub(super) fn kill_all(&mut self, traces: &Traces) -> Result<()> {
        fs::write(self.dir.join("down"), "")?;
        for keeper in &mut self.keepers {
            keeper.kill()?;
            keeper.wait()?;
        }
        self.keepers.clear();
        for _ in 0..1000 {
            let mine: Vec<u32> = traces.processes().into_iter().filter(|pid| self.has(*pid)).collect();
            if mine.is_empty() {
                return Ok(());
            }
            for pid in mine {
                let _gone = send(pid, Signal::SIGKILL);
            }
        }
        bail!("{} can't be killed", self.name)
    }

    /// Is this a process of the machine's? etcd has its own life.
    pub(super) fn has(&self, pid: u32) -> bool {
        let dir = self.dir.as_os_str().as_encoded_bytes();
        let environ = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let ours = environ
            .windows(dir.len() + 1)
            .any(|window| window.starts_with(dir) && matches!(window.last(), Some(b'/' | b'\0')));
        ours && fs::read(format!("/proc/{pid}/comm")).unwrap_or_default() != b"etcd\n"
    }

    /// The process of one of its daemons, while there is one.
    pub fn daemon(&self, name: &str) -> Option<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        let comm = format!("{name}\n");
        pids.find(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|found| found == comm) && self.has(*pid)
        })
    }

    /// The last epoch its rgmd has heard of, and whose.
    pub(super) fn presidency(&self) -> Option<(u64, String)> {
        let log = fs::read_to_string(self.dir.join("rgmd.log")).ok()?;
        let said = |line: &&str| line.contains("INFO node ") && line.contains(" is president epoch=");
        let (before, epoch) = log.lines().rfind(said)?.split_once(" is president epoch=")?;
        let name = before.rsplit(' ').next()?;
        Some((epoch.trim().parse().ok()?, name.to_owned()))
    }

    /// How many lines of its rgmd's log say this.
    pub fn says(&self, words: &str) -> usize {
        let log = fs::read_to_string(self.dir.join("rgmd.log")).unwrap_or_default();
        log.lines().filter(|line| line.contains(words)).count()
    }

    /// Sends a signal to one of its daemons.
    pub fn signal(&self, daemon: &str, signal: Signal) -> Result<u32> {
        let pid = self.daemon(daemon).with_context(|| format!("{} has no {daemon}", self.name))?;
        send(pid, signal)?;
        Ok(pid)
    }

    /// Pulls its cable.
    pub fn unplug(&self) -> Result<()> {
        self.ip("link set eth0 down")
    }

    /// Puts it in again.
    pub fn plug_in(&self) -> Result<()> {
        self.ip("link set eth0 up")
    }

    /// The addresses of its interface.
    pub fn addresses(&self) -> Result<String> {
        networks::run(&format!("ip -n {} -o -4 addr show dev eth0", self.netns), &[])
    }

    /// Changes something of its network, in the words of ip(8).
    pub fn ip(&self, line: &str) -> Result<()> {
        run(&format!("ip -n {} {line}", self.netns))
    }

    /// Runs a command line in its network.
    pub fn in_network(&self, line: &str) -> Result<Said> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let output = self.command(&words).stdin(Stdio::null()).output()?;
        Ok(Said::new(line, &output))
    }

    /// Runs a line of shell in its network, in that directory.
    pub fn shell(&self, line: &str, dir: &Path) -> Result<Said> {
        let output = self.command(&["sh", "-c", line]).current_dir(dir).stdin(Stdio::null()).output()?;
        Ok(Said::new(line, &output))
    }

    /// Runs a command line on it.
    pub fn run(&self, line: &str) -> Result<Said> {
        Ok(Said::new(line, &self.speaking(line)?.stdin(Stdio::null()).output()?))
    }

    /// Starts a command line on it.
    pub fn begin(&self, line: &str) -> Result<Child> {
        let mut command = self.speaking(line)?;
        Ok(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?)
    }

    /// A command line that speaks to its rgmd.
    pub fn speaking(&self, line: &str) -> Result<Command> {
        let mut words = line.split_whitespace();
        let name = words.next().context("an empty command line")?;
        let mut command = Command::new(self.site.join("bin").join(name));
        self.surround(&mut command);
        command.args(words);
        Ok(command)
    }

    pub(super) fn command(&self, words: &[&str]) -> Command {
        // Not `ip netns exec`, which mounts a /sys without cgroups.
        let mut command = Command::new("nsenter");
        self.surround(&mut command);
        command.arg(format!("--net=/run/netns/{}", self.netns)).args(words);
        command
    }

    pub(super) fn surround(&self, command: &mut Command) {
        let bin = self.site.join("bin");
        command.env_clear().env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        command.env("RGM_RUN_DIR", self.dir.join("run")).env("RGM_STATE_DIR", self.dir.join("state"));
        command.env("RGM_CONFIG", self.dir.join("rgm.toml"));
        command.env("RGM_RTREG_PATH", self.site.join("rtreg"));
    }
}

pub(super) fn tail(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(80)..].join("\n")
}

pub(super) fn run(line: &str) -> Result<()> {
    networks::run(line, &[]).map(drop)
}
