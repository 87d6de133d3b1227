//! How long from SIGKILL of a supervised process to its successor's first instruction: pmfd beside a
//! bare loop that does nothing but wait on a pidfd and start again; and what a tag costs in memory.
//!
//! Both supervise the same file with the same arguments and environment, both run all the time, and
//! their rounds take turns, so that whatever else the machine does hits both alike. The kernel
//! itself tells when the successor has been executed, so the program started does not matter and no
//! clock of ours is in the way. Medians; needs root. Prints one JSON object:
//!
//! `cargo run --release -p pmf --bins --example respawn -- [ROUNDS] [TAGS]`

use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use anyhow::{Context, bail};
use methods::launch::{Group, Launch, poll_exit, send_signal};
use pmf::place::Stat;
use rgm_api::client::Client;
use rgm_api::pmf::{Job, Refusal, Request};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Its name as the kernel keeps it: at most fifteen bytes.
const VICTIM: &str = "pmf-victim";
const TAG: &str = "measured";
const PATH: &str = "/usr/bin:/bin";

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

    let bare = Bare::start(dir.path(), &victim)?;
    let pmfd = Pmfd::start(dir.path())?;
    let mut sides = [executed.next(bare.child.id())?, {
        pmfd.create(TAG, &victim, -1)?;
        executed.next(pmfd.child.id())?
    }];
    let supervisors = [bare.child.id(), pmfd.child.id()];
    let few = measure(&executed, rounds, supervisors, &mut sides)?;
    let empty_kib = pmfd.memory_kib()?;
    for tag in 0..tags {
        pmfd.create(&format!("tag-rg,tag-rs-{tag},0.svc"), Path::new("/bin/sleep"), 2)?;
    }
    let full_kib = pmfd.memory_kib()?;
    executed.forget();
    let many = measure(&executed, rounds, supervisors, &mut sides)?;
    println!(
        "{{\"rounds\":{rounds},\"load\":{},\"floor_us\":{:.1},\"pmfd_us\":{:.1},\"ratio\":{:.2},\
         \"tags\":{tags},\"floor_with_tags_us\":{:.1},\"pmfd_with_tags_us\":{:.1},\
         \"ratio_with_tags\":{:.2},\"memory_per_tag_kib\":{:.2}}}",
        load()?,
        few[0],
        few[1],
        few[1] / few[0],
        many[0],
        many[1],
        many[1] / many[0],
        (full_kib - empty_kib) / tags as f64,
    );
    Ok(())
}

/// The bare loop. What it starts gets the same environment as what pmfd starts.
fn floor(program: &str) -> anyhow::Result<()> {
    let environment = std::env::vars_os().map(|(name, value)| [name, value].join("=".as_ref()));
    let launch = Launch::new(program).args(["1000"]).env_entries(environment).group(Group::Session);
    loop {
        let started = launch.start()?;
        poll(&mut [PollFd::new(&started.pidfd, PollFlags::IN)], None)?;
        poll_exit(started.pidfd.as_fd())?;
    }
}

/// How many processes want to run on average over the last minute.
fn load() -> anyhow::Result<f64> {
    let text = fs::read_to_string("/proc/loadavg")?;
    Ok(text.split(' ').next().context("no load")?.parse()?)
}

/// Reports of executed programs.
struct Executed(OwnedFd);

impl Executed {
    /// The next child of a supervisor that executes the victim, and when it did, in ns of the
    /// monotonic clock.
    fn next(&self, supervisor: u32) -> anyhow::Result<(i32, u64)> {
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
            let pid = i32::try_from(pid)?;
            let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let ours = Stat::read(pid).is_some_and(|stat| u32::try_from(stat.parent) == Ok(supervisor));
            if ours && name.trim() == VICTIM {
                return Ok((pid, time));
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

/// The median times from the kill to the successor, in µs, of both sides in turns.
fn measure(
    executed: &Executed,
    rounds: usize,
    supervisors: [u32; 2],
    sides: &mut [(i32, u64); 2],
) -> anyhow::Result<[f64; 2]> {
    let mut times = [Vec::with_capacity(rounds), Vec::with_capacity(rounds)];
    for _ in 0..rounds {
        for ((times, supervisor), side) in times.iter_mut().zip(supervisors).zip(sides.iter_mut()) {
            // Past the start of the victim itself, and past the time in which pmfd takes its death
            // for a stillbirth, so that all that is measured is supervision.
            poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 15_000_000 }))?;
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
            send_signal(side.0, 9)?;
            *side = executed.next(supervisor)?;
            let killed = u64::try_from(now.tv_sec)? * 1_000_000_000 + u64::try_from(now.tv_nsec)?;
            times.push(side.1.saturating_sub(killed));
        }
    }
    let mut medians = [0.0; 2];
    for (median, times) in medians.iter_mut().zip(&mut times) {
        times.sort_unstable();
        *median = *times.get(rounds / 2).context("no rounds")? as f64 / 1000.0;
    }
    Ok(medians)
}

/// The environment of a supervisor.
fn supervisor(program: &Path, dir: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("RGM_RUN_DIR", dir.join("run")).env("RGM_STATE_DIR", dir.join("state"));
    command.env_remove("RGM_NODE").env("PATH", PATH);
    command
}

/// The bare loop as a process; ended with what it has started when dropped.
struct Bare {
    victim: PathBuf,
    child: Child,
}

impl Bare {
    fn start(dir: &Path, victim: &Path) -> anyhow::Result<Self> {
        let child = supervisor(&std::env::current_exe()?, dir).arg("floor").arg(victim).spawn()?;
        Ok(Self { victim: victim.to_owned(), child })
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the bare loop can't be ended: {error}");
        }
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok()) {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if command.split(|byte| *byte == 0).next() == Some(self.victim.as_os_str().as_bytes())
                && let Err(error) = send_signal(pid, 9)
            {
                eprintln!("process {pid} can't be ended: {error}");
            }
        }
    }
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
        let child = supervisor(&program, dir).stderr(log).spawn();
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
            search_path: Some(PATH.into()),
            inherit_env: true,
            env: vec![std::ffi::OsString::from(format!("PATH={PATH}")).into()],
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
