//! How long from SIGKILL of a supervised process to its successor's first instruction: pmfd beside a
//! bare loop that does nothing but wait on a pidfd and start again; and what a tag costs in memory.
//!
//! The kernel itself tells when the successor has been executed, so the program started does not
//! matter and no clock of ours is in the way. Needs root. Prints one JSON object:
//!
//! `cargo run --release -p pmf --example respawn -- [ROUNDS] [TAGS]`

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, bail};
use methods::launch::{Group, Launch, poll_exit, send_signal};
use rgm_api::client::Client;
use rgm_api::pmf::{Job, Refusal, Reply, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Its name as the kernel keeps it: at most fifteen bytes.
const VICTIM: &str = "pmf-victim";

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1);
    if args.next().as_deref() == Some("floor") {
        return floor(&args.next().context("floor needs a program")?);
    }
    let number = |place: usize, default: usize| {
        std::env::args().nth(place).map_or(Ok(default), |text| text.parse::<usize>())
    };
    let (rounds, tags) = (number(1, 200)?, number(2, 10_000)?);
    let dir = tempfile::tempdir()?;
    let victim = dir.path().join(VICTIM);
    fs::copy("/bin/sleep", &victim)?;
    let executed = Executed(pmf::forks::connect().context("the kernel does not tell of processes")?);

    let mut bare = Command::new(std::env::current_exe()?).arg("floor").arg(&victim).spawn()?;
    let floor = measure(&executed, rounds);
    send_signal(i32::try_from(bare.id())?, 9)?;
    bare.wait()?;
    let floor_us = floor?;

    let pmfd = Pmfd::start(dir.path())?;
    pmfd.create("measured", &victim, -1)?;
    let one_us = measure(&executed, rounds)?;
    let empty_kib = pmfd.memory_kib()?;
    for tag in 0..tags {
        pmfd.create(&format!("tag-rg,tag-rs-{tag},0.svc"), Path::new("/bin/sleep"), 2)?;
    }
    let full_kib = pmfd.memory_kib()?;
    executed.forget();
    let many_us = measure_known(&executed, rounds, pmfd.pid_of("measured")?)?;
    println!(
        "{{\"rounds\":{rounds},\"floor_us\":{floor_us:.1},\"pmfd_us\":{one_us:.1},\"ratio\":{:.2},\
         \"tags\":{tags},\"pmfd_with_tags_us\":{many_us:.1},\"ratio_with_tags\":{:.2},\
         \"memory_per_tag_kib\":{:.2}}}",
        one_us / floor_us,
        many_us / floor_us,
        (full_kib - empty_kib) / tags as f64,
    );
    Ok(())
}

/// The bare loop.
fn floor(program: &str) -> anyhow::Result<()> {
    let launch = Launch::new(program).args(["1000"]).group(Group::Session);
    loop {
        let started = launch.start()?;
        poll(&mut [PollFd::new(&started.pidfd, PollFlags::IN)], None)?;
        poll_exit(started.pidfd.as_fd())?;
    }
}

/// Reports of executed programs.
struct Executed(OwnedFd);

impl Executed {
    /// The next process that executes the victim, and when it did, in ns of the monotonic clock.
    fn next(&self) -> anyhow::Result<(i32, u64)> {
        loop {
            let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
            if poll(&mut [PollFd::new(&self.0, PollFlags::IN)], Some(&patience))? == 0 {
                bail!("no successor within ten seconds");
            }
            let mut message = [0_u8; 512];
            let read = rustix::net::recv(&self.0, &mut message[..], rustix::net::RecvFlags::DONTWAIT);
            let Ok((len, _)) = read else { continue };
            // Behind the netlink and connector headers: what, cpu, time, process, thread group.
            let Some(event) = message.get(36..len) else { continue };
            let word = |at: usize| {
                event.get(at..at + 4).and_then(|word| word.try_into().ok()).map(u32::from_ne_bytes)
            };
            let time = event.get(8..16).and_then(|time| time.try_into().ok()).map(u64::from_ne_bytes);
            let (Some(2), Some(pid), Some(time)) = (word(0), word(16), time) else { continue };
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            if name.trim() == VICTIM {
                return Ok((i32::try_from(pid)?, time));
            }
        }
    }

    /// Drops what has been reported so far.
    fn forget(&self) {
        let mut message = [0_u8; 512];
        while !matches!(
            rustix::net::recv(&self.0, &mut message[..], rustix::net::RecvFlags::DONTWAIT),
            Err(rustix::io::Errno::AGAIN)
        ) {}
    }
}

fn measure(executed: &Executed, rounds: usize) -> anyhow::Result<f64> {
    let (pid, _) = executed.next()?;
    measure_known(executed, rounds, pid)
}

/// The median time from the kill to the successor, in µs.
fn measure_known(executed: &Executed, rounds: usize, mut pid: i32) -> anyhow::Result<f64> {
    let mut times = Vec::with_capacity(rounds);
    for _ in 0..rounds {
        // Past the start of the victim itself, and past the time in which pmfd takes its death for a
        // stillbirth, so that all that is measured is supervision.
        poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 15_000_000 }))?;
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        send_signal(pid, 9)?;
        let (successor, at) = executed.next()?;
        let killed = u64::try_from(now.tv_sec)? * 1_000_000_000 + u64::try_from(now.tv_nsec)?;
        times.push(at.saturating_sub(killed));
        pid = successor;
    }
    times.sort_unstable();
    let median = times.get(rounds / 2).context("no rounds")?;
    Ok(*median as f64 / 1000.0)
}

/// A pmfd of our own; ended with all its processes when dropped.
struct Pmfd {
    dir: PathBuf,
    child: Child,
}

impl Pmfd {
    fn start(dir: &Path) -> anyhow::Result<Self> {
        let program = std::env::current_exe()?.with_file_name("../pmfd");
        let log = fs::File::create(dir.join("log"))?;
        let mut command = Command::new(&program);
        let command = command.env("RGM_RUN_DIR", dir.join("run")).env("RGM_STATE_DIR", dir.join("state"));
        let child = command.env_remove("RGM_NODE").stderr(log).spawn();
        let child = child.with_context(|| format!("build {} first", program.display()))?;
        let pmfd = Self { dir: dir.to_owned(), child };
        while UnixStream::connect(pmfd.socket()).is_err() {
            poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }))?;
        }
        Ok(pmfd)
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("run/pmfd.sock")
    }

    fn create(&self, tag: &str, program: &Path, retries: i32) -> anyhow::Result<()> {
        let job = Job {
            argv: vec![program.as_os_str().to_owned().into(), "1000".into()],
            cwd: "/".into(),
            search_path: Some("/usr/bin:/bin".into()),
            inherit_env: true,
            env: vec!["PATH=/usr/bin:/bin".into()],
            action: None,
            retries,
            period_min: 5,
            level: None,
            owner: None,
        };
        let request = Request::Create { tag: tag.to_owned(), token: 1, job: Box::new(job) };
        Client::connect::<Refusal>(&self.socket())?.call(&request)?;
        Ok(())
    }

    fn pid_of(&self, tag: &str) -> anyhow::Result<i32> {
        let request = Request::List { tag: Some(tag.to_owned()) };
        match Client::connect::<Refusal>(&self.socket())?.call(&request)? {
            Reply::Tags(tags) => {
                tags.first().and_then(|tag| tag.pids.first()).copied().context("it does not run")
            }
            Reply::Done {} | Reply::Found(_) | Reply::Event(_) => bail!("an odd answer"),
        }
    }

    /// Memory of pmfd's own, shared parts counted by share.
    fn memory_kib(&self) -> anyhow::Result<f64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.child.id()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:")).context("no Pss")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }
}

impl Drop for Pmfd {
    fn drop(&mut self) {
        let ended = Client::connect::<Refusal>(&self.socket())
            .and_then(|mut client| client.call(&Request::Shutdown { kill: true }));
        if let Err(error) = ended {
            eprintln!("pmfd can't be ended: {error}");
        }
        if let Err(error) = self.child.wait() {
            eprintln!("pmfd can't be waited for: {error}");
        }
    }
}
