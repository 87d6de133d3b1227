//! From SIGKILL of a supervised process to the first instruction of its successor, against a bare
//! loop that waits on a pidfd and spawns; and what a tag costs in memory.

use super::Row;
use super::fixture::Fixture;
use super::samples::{Samples, floor};
use crate::cluster::send;
use crate::run;
use crate::wait::Waiter;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const ROUNDS: usize = 200;
const TAGS: usize = 10_000;
/// A service runs for so long before it is killed.
const LIFE_MIN: Duration = Duration::from_millis(20);

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    Ok(vec![restart(fixture)?, memory(fixture)?])
}

/// It is that old in time on any machine.
const LIFE_LIMIT: Duration = Duration::from_secs(5);

/// Says its pid as the first thing it does, through a FIFO, and stays.
pub struct Service {
    says: BufReader<File>,
    /// What to run.
    pub command: [PathBuf; 2],
}

impl Service {
    /// Nothing is running yet.
    pub fn new(fixture: &Fixture, name: &str) -> Result<Self> {
        let fifo = fixture.dir().join(format!("{name}.fifo"));
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU)?;
        // For reading and writing: it is never at its end, whoever comes and goes.
        let says = BufReader::new(File::options().read(true).write(true).open(&fifo)?);
        let script = fixture.script(name, "#!/bin/sh\necho $$ >\"$1\"\nexec sleep infinity\n")?;
        Ok(Self { says, command: [script, fifo] })
    }

    /// Waits for the next one to say its pid.
    pub fn wait(&mut self) -> Result<u32> {
        let mut line = String::new();
        self.says.read_line(&mut line)?;
        line.trim().parse().with_context(|| format!("{line:?} is no pid"))
    }

    /// Kills it and waits for its successor. Not at once: pmfd takes a process that ends as soon as it
    /// began for one that can't run, and gives it time.
    pub fn kill(&mut self, waiter: &Waiter, pid: u32, samples: &mut Samples) -> Result<u32> {
        let born = Instant::now();
        waiter
            .until("it has run for a while", LIFE_LIMIT, || Ok((born.elapsed() > LIFE_MIN).then_some(())))?;
        let start = Instant::now();
        send(pid, Signal::SIGKILL)?;
        let next = self.wait()?;
        samples.add(start.elapsed());
        Ok(next)
    }
}

/// A pmfd of its own.
struct Pmfd<'a> {
    fixture: &'a Fixture,
    dir: PathBuf,
    daemon: Child,
}

impl<'a> Pmfd<'a> {
    fn start(fixture: &'a Fixture, name: &str) -> Result<Self> {
        let dir = fixture.dir().join(name);
        std::fs::create_dir_all(dir.join("run"))?;
        std::fs::create_dir_all(dir.join("state"))?;
        let daemon = run::spawn(&mut command(fixture, &dir, "pmfd"))?;
        let socket = dir.join("run/pmfd.sock");
        let limit = Duration::from_secs(10);
        fixture.waiter.until("pmfd listens", limit, || Ok(socket.exists().then_some(())))?;
        Ok(Self { fixture, dir, daemon })
    }

    fn pmfadm(&self) -> Command {
        command(self.fixture, &self.dir, "pmfadm")
    }
}

impl Drop for Pmfd<'_> {
    fn drop(&mut self) {
        let stopped = command(self.fixture, &self.dir, "pmfd").arg("--stop-all").status();
        if !stopped.is_ok_and(|status| status.success()) {
            let _ = self.daemon.kill();
        }
        let _ = self.daemon.wait();
    }
}

fn command(fixture: &Fixture, dir: &Path, program: &str) -> Command {
    let mut command = Command::new(fixture.program(program));
    command.env("RGM_RUN_DIR", dir.join("run")).env("RGM_STATE_DIR", dir.join("state"));
    command.env_remove("RGM_NODE").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn restart(fixture: &Fixture) -> Result<Row> {
    let mut supervised = Service::new(fixture, "pmf-service")?;
    let mut bare = Service::new(fixture, "bare-service")?;
    let pmfd = Pmfd::start(fixture, "pmf-restart")?;
    let started = pmfd.pmfadm().args(["-c", "bench", "-n", "-1"]).args(&supervised.command).status()?;
    ensure!(started.success(), "pmfadm -c fails");
    let keeper = keep_up(&bare.command)?;

    let (mut ours, mut least) = (Samples::default(), Samples::default());
    let (mut pid, mut bare_pid) = (supervised.wait()?, bare.wait()?);
    for _ in 0..ROUNDS {
        pid = supervised.kill(&fixture.waiter, pid, &mut ours)?;
        bare_pid = bare.kill(&fixture.waiter, bare_pid, &mut least)?;
    }
    // The keeper ends when it finds nothing to run.
    std::fs::remove_file(&bare.command[0])?;
    send(bare_pid, Signal::SIGKILL)?;
    keeper.join().ok().context("the bare loop died")?;

    let (ours, least) = (ours.median_us(), least.median_us());
    Ok(Row {
        what: "SIGKILL to the successor's first word, PMF".into(),
        unit: "us",
        measured: ours,
        against: Some(floor("a bare pidfd loop", least, ours, 1.2)),
        note: format!("medians of {ROUNDS} kills each, in turns; both start the same shell script"),
    })
}

/// Spawn, wait on the pidfd, reap, again.
fn keep_up(command: &[PathBuf; 2]) -> Result<std::thread::JoinHandle<()>> {
    let command = command.clone();
    let spawn = move || Command::new(&command[0]).arg(&command[1]).stdin(Stdio::null()).spawn();
    let mut child = spawn()?;
    Ok(std::thread::spawn(move || {
        while wait_on_pidfd(&mut child).is_ok() {
            match spawn() {
                Ok(next) => child = next,
                Err(_) => break,
            }
        }
    }))
}

fn wait_on_pidfd(child: &mut Child) -> Result<()> {
    let pid = rustix::process::Pid::from_child(child);
    let pidfd = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty())?;
    let mut ready = [rustix::event::PollFd::new(&pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut ready, None)?;
    child.wait()?;
    Ok(())
}

/// Before and after it has so many tags.
fn memory(fixture: &Fixture) -> Result<Row> {
    let pmfd = Pmfd::start(fixture, "pmf-memory")?;
    let before = resident(pmfd.daemon.id())?;
    for tag in 0..TAGS {
        let status = pmfd.pmfadm().args(["-c", &format!("t{tag}"), "/bin/sleep", "infinity"]).status()?;
        ensure!(status.success(), "pmfadm -c fails at tag {tag}");
    }
    let after = resident(pmfd.daemon.id())?;
    Ok(Row {
        what: format!("memory of pmfd a tag, at {TAGS} tags"),
        unit: "B",
        measured: (after - before) / TAGS as f64,
        against: None,
        note: "resident; what pmfd needs without a tag is taken off".into(),
    })
}

/// Resident memory, in bytes.
fn resident(pid: u32) -> Result<f64> {
    let file = Path::new("/proc").join(pid.to_string()).join("status");
    let text = std::fs::read_to_string(&file)?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024.0)
}
