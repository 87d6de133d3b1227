//! Chaos: a cluster of real machines, everything that can go wrong with them, and what is left of it.
//!
//! ```text
//!  seed ─► Schedule ─┬─► faults ──► Stage: processes, links, disks, power    (struck, held, healed)
//!                    └─► asks ────► Desk: operators, and what they were told
//!
//!  afterwards: everything is healed ─► every group is online ─► Verdict
//!     witness   no application ever ran twice at once
//!     desk      every command was answered, and every Note is what the answers say
//!     records   the core decides the same again for each presidency
//! ```
//!
//! The witness of a service is its application: it writes who and when it is to one file, wherever it
//! runs. What RGM believes is not asked.

mod desk;
mod outages;
mod schedule;
mod services;
mod stage;
mod verdict;

use crate::kit::machines::{Options, Site};
use crate::kit::mounts::in_own_mounts;
use crate::kit::wait::pause;
use anyhow::{Context, Result};
use desk::Desk;
use outages::Struck;
use rustix::time::{ClockId, clock_gettime};
use schedule::{At, Kind, Schedule, Size};
use stage::Open;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Machines with a member of etcd.
const VOTERS: usize = 3;
/// Of the disk of each machine's rgmd and pmfd, and of its etcd, which writes 64 MB ahead twice.
const STATE_MB: u32 = 8;
const ETCD_MB: u32 = 192;
/// Between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What is to be done.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// How long faults go on.
    pub time: Duration,
    /// All of them come from it.
    pub seed: u64,
    /// Machines.
    pub machines: usize,
}

/// Does it; an error if anything of what must hold did not. What it prints tells the rest.
pub fn run(plan: &Plan) -> Result<()> {
    in_own_mounts(|| {
        let options = Options {
            machines: plan.machines,
            voters: VOTERS,
            disks: Some((STATE_MB, ETCD_MB)),
            rgmd_args: vec!["--record".to_owned(), "record".to_owned()],
            ..Options::default()
        };
        let mut site = Site::build(&options)?;
        let ran = site.start().and_then(|()| live(&mut site, plan));
        let ended = ran.and_then(|()| site.end());
        ended.map_err(|error| match keep(&site, plan.seed) {
            Ok(kept) => error.context(format!("seed {}; logs are in {}", plan.seed, kept.display())),
            Err(lost) => error.context(format!("seed {}; logs are lost: {lost}", plan.seed)),
        })
    })
}

fn live(site: &mut Site, plan: &Plan) -> Result<()> {
    services::create(site).context("before any fault")?;
    verdict::wait_for_all(site, false).context("before any fault")?;
    let size = Size { machines: plan.machines, voters: VOTERS, groups: services::GROUPS };
    let schedule = Schedule::draw(plan.seed, plan.time, size);
    let begun_us = now_us();
    println!("seed {}, {} machines, {} s", plan.seed, plan.machines, plan.time.as_secs());
    let desk = Desk::new(File::create(site.dir().join("commands.log"))?);
    let mut play = Play { site, begun: Instant::now(), open: Vec::new(), struck: Vec::new(), desk };
    play.through(&schedule, plan.time)?;
    let Play { struck, mut desk, .. } = play;
    println!("{:7.1} s  everything is healed", seconds(begun_us));
    verdict::all_is_well(site, &struck, &mut desk)
}

struct Play<'a> {
    site: &'a mut Site,
    begun: Instant,
    open: Vec<(Open, usize)>,
    struck: Vec<Struck>,
    desk: Desk,
}

impl Play<'_> {
    /// Until the time is up and everything is healed.
    fn through(&mut self, schedule: &Schedule, time: Duration) -> Result<()> {
        let (mut faults, mut asks) = (schedule.faults.iter().peekable(), schedule.asks.iter().peekable());
        while self.begun.elapsed() < time || faults.peek().is_some() || !self.open.is_empty() {
            let now = u64::try_from(self.begun.elapsed().as_millis())?;
            self.hold_and_heal()?;
            while let Some(At { what, .. }) = faults.next_if(|at| at.ms <= now) {
                self.strike(*what)?;
            }
            while let Some(At { what: (ask, machine), .. }) = asks.next_if(|at| at.ms <= now) {
                self.desk.ask(self.site, *ask, *machine)?;
            }
            self.desk.look(self.site)?;
            pause(LOOK)?;
        }
        Ok(())
    }

    fn strike(&mut self, fault: schedule::Fault) -> Result<()> {
        println!("{:7.1} s  {fault}", self.begun.elapsed().as_secs_f64());
        let from_us = now_us();
        if matches!(fault.kind, Kind::KillMethod | Kind::FreezeMethod) {
            self.desk.ask(self.site, schedule::Ask::Restart(fault.target), 0)?;
        }
        for number in fault.cuts(VOTERS) {
            self.desk.cut(number);
        }
        let open = Open::strike(self.site, fault).with_context(|| fault.to_string())?;
        self.open.push((open, self.struck.len()));
        self.struck.push(Struck { fault, from_us, to_us: u64::MAX });
        Ok(())
    }

    fn hold_and_heal(&mut self) -> Result<()> {
        for (mut open, number) in std::mem::take(&mut self.open) {
            let fault = open.fault;
            if !open.hold(self.site).with_context(|| fault.to_string())? {
                self.open.push((open, number));
                continue;
            }
            open.heal(self.site).with_context(|| format!("healing: {fault}"))?;
            if !fault.lasts.is_zero() {
                println!("{:7.1} s    healed: {fault}", self.begun.elapsed().as_secs_f64());
            }
            if let Some(struck) = self.struck.get_mut(number) {
                struck.to_us = now_us();
            }
        }
        Ok(())
    }
}

impl schedule::Fault {
    /// Numbers of the machines that it hits.
    fn machines(&self, voters: usize) -> Vec<usize> {
        match self.kind {
            kind if kind.is_of_group() => Vec::new(),
            kind if kind.is_beyond() || kind == Kind::Apart => vec![self.target, (self.target + 1) % voters],
            _one => vec![self.target],
        }
    }

    /// Numbers of the machines whose power it cuts.
    fn cuts(&self, voters: usize) -> Vec<usize> {
        let cuts = matches!(self.kind, Kind::Power | Kind::PowerOfTwo);
        if cuts { self.machines(voters) } else { Vec::new() }
    }

    /// Does it hit the machine of that node? Without most of etcd all are hit.
    fn hits(&self, node: &str) -> bool {
        self.kind.is_beyond()
            || self.machines(VOTERS).into_iter().any(|number| node == format!("phys-{}", number + 1))
    }
}

/// Microseconds of `CLOCK_BOOTTIME`, as the witnesses have them.
fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1_000).unwrap_or(0)
}

fn seconds(since_us: u64) -> f64 {
    Duration::from_micros(now_us().saturating_sub(since_us)).as_secs_f64()
}

/// Puts everything that was written aside.
fn keep(site: &Site, seed: u64) -> Result<PathBuf> {
    let kept = tempfile::Builder::new().prefix(&format!("rgm-chaos-{seed}-")).tempdir()?.keep();
    copy(site.dir(), &kept)?;
    Ok(kept)
}

/// Copies plain files; stores of etcd, programs and what else there is are nobody's evidence.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)?.flatten() {
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let is_evidence = !["bin", "data", "tls"].iter().any(|other| name == **other);
        if kind.is_dir() && is_evidence {
            copy(&entry.path(), &to.join(name))?;
        } else if kind.is_file() {
            fs::copy(entry.path(), to.join(name))?;
        }
    }
    Ok(())
}
