//! Faults, done to real processes, links and disks; and their healing.
//!
//! ```text
//!  struck ──► held: a slow disk goes on and off, a rolling restart goes from machine to machine,
//!    │        a method is waited for
//!    └──────► healed
//! ```
//!
//! A link that loses everything in one direction has a queue that takes no packet. It is slow where its
//! queue takes few: the kernel here need not have netem.

use super::schedule::{Fault, Kind};
use super::services;
use crate::kit::leftovers::send;
use crate::kit::machine::Machine;
use crate::kit::machines::Site;
use crate::kit::networks;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a disk or a process of etcd works and does not, in fits.
const FIT: Duration = Duration::from_millis(200);
/// A method that is to be hit is waited for.
const METHOD_WAIT: Duration = Duration::from_secs(2);
/// A queue that takes no packet: none is as small as its bucket.
const NOTHING_PASSES: &str = "tbf rate 1kbit burst 10 latency 1ms";
/// A queue in which packets wait for some hundred milliseconds, and are lost where it is long.
const LITTLE_PASSES: &str = "tbf rate 200kbit burst 2000 latency 400ms";

/// A fault that is not healed yet.
pub struct Open {
    /// Which.
    pub fault: Fault,
    since: Instant,
    /// Processes that are frozen.
    frozen: Vec<u32>,
    /// How often it has done what it does again and again.
    fits: u32,
}

impl Open {
    /// Strikes.
    pub fn strike(site: &mut Site, fault: Fault) -> Result<Self> {
        let mut open = Self { fault, since: Instant::now(), frozen: Vec::new(), fits: 0 };
        let target = fault.target;
        let other = (target + 1) % site.etcd.size();
        match fault.kind {
            Kind::KillRgmd => _ = signal(site, target, "rgmd", Signal::SIGKILL),
            Kind::KillPmfd => _ = signal(site, target, "pmfd", Signal::SIGKILL),
            Kind::FreezeRgmd => open.frozen.extend(signal(site, target, "rgmd", Signal::SIGSTOP)),
            Kind::FreezePmfd => open.frozen.extend(signal(site, target, "pmfd", Signal::SIGSTOP)),
            Kind::KillApplication => _ = application(site, target, Signal::SIGKILL),
            Kind::FreezeApplication => open.frozen.extend(application(site, target, Signal::SIGSTOP)),
            Kind::KillMethod | Kind::FreezeMethod | Kind::RollingRestart | Kind::SlowEtcd => {}
            Kind::KillEtcd => site.etcd.kill(target)?,
            Kind::FreezeEtcd => site.etcd.pause(target)?,
            Kind::FullEtcd => fill(&site.machine(target)?.dir().join("etcd"))?,
            Kind::FullState => fill(&site.machine(target)?.dir().join("state"))?,
            Kind::Unplug => site.machine(target)?.unplug()?,
            Kind::Deaf => site.shape_to(target, Some(NOTHING_PASSES))?,
            Kind::Mute => site.machine(target)?.shape(Some(NOTHING_PASSES))?,
            Kind::SlowLink => site.machine(target)?.shape(Some(LITTLE_PASSES))?,
            Kind::Apart => apart(site.machine(target)?, site.machine(other)?)?,
            Kind::Power => site.cut_power(target)?,
            Kind::KillTwoEtcd => {
                site.etcd.kill(target)?;
                site.etcd.kill(other)?;
            }
            Kind::FreezeTwoEtcd => {
                site.etcd.pause(target)?;
                site.etcd.pause(other)?;
            }
            Kind::UnplugTwo => {
                site.machine(target)?.unplug()?;
                site.machine(other)?.unplug()?;
            }
            Kind::PowerOfTwo => {
                site.cut_power(target)?;
                site.cut_power(other)?;
            }
        }
        Ok(open)
    }

    /// Goes on with it; true once it is over.
    pub fn hold(&mut self, site: &Site) -> Result<bool> {
        let (kind, target, age) = (self.fault.kind, self.fault.target, self.since.elapsed());
        match kind {
            Kind::SlowEtcd if age > FIT * self.fits => {
                self.fits += 1;
                // Three of four fits it does nothing.
                if self.fits.is_multiple_of(4) {
                    site.etcd.resume(target)?
                } else {
                    site.etcd.pause(target)?
                }
            }
            Kind::RollingRestart => {
                let machines = u32::try_from(site.machines.len())?;
                if self.fits < machines && age > self.fault.lasts / machines * self.fits {
                    _ = signal(site, usize::try_from(self.fits)?, "rgmd", Signal::SIGTERM);
                    self.fits += 1;
                }
            }
            Kind::KillMethod | Kind::FreezeMethod if self.fits == 0 => return self.await_method(site),
            Kind::KillMethod
            | Kind::FreezeMethod
            | Kind::SlowEtcd
            | Kind::KillRgmd
            | Kind::KillPmfd
            | Kind::KillApplication
            | Kind::FreezeApplication
            | Kind::FreezeRgmd
            | Kind::FreezePmfd
            | Kind::KillEtcd
            | Kind::FreezeEtcd
            | Kind::FullEtcd
            | Kind::FullState
            | Kind::Unplug
            | Kind::Deaf
            | Kind::Mute
            | Kind::SlowLink
            | Kind::Apart
            | Kind::Power
            | Kind::KillTwoEtcd
            | Kind::FreezeTwoEtcd
            | Kind::UnplugTwo
            | Kind::PowerOfTwo => {}
        }
        Ok(age >= self.fault.lasts)
    }

    /// Hits a method of the resource as soon as one runs; true once that is over.
    fn await_method(&mut self, site: &Site) -> Result<bool> {
        let Some(pid) = method(site.dir(), &services::resource(self.fault.target)) else {
            return Ok(self.since.elapsed() > METHOD_WAIT);
        };
        self.fits = 1;
        self.since = Instant::now();
        if self.fault.kind == Kind::KillMethod {
            _ = send(pid, Signal::SIGKILL);
            return Ok(true);
        }
        if send(pid, Signal::SIGSTOP).is_ok() {
            self.frozen.push(pid);
        }
        Ok(false)
    }

    /// Heals.
    pub fn heal(&self, site: &mut Site) -> Result<()> {
        let target = self.fault.target;
        let other = (target + 1) % site.etcd.size();
        for pid in &self.frozen {
            // It may be gone.
            _ = send(*pid, Signal::SIGCONT);
        }
        match self.fault.kind {
            Kind::KillRgmd
            | Kind::KillPmfd
            | Kind::KillApplication
            | Kind::KillMethod
            | Kind::FreezeMethod
            | Kind::FreezeApplication
            | Kind::FreezeRgmd
            | Kind::FreezePmfd
            | Kind::RollingRestart => {}
            Kind::KillEtcd => site.etcd.spawn(target)?,
            Kind::FreezeEtcd | Kind::SlowEtcd => site.etcd.resume(target)?,
            Kind::FullEtcd => {
                empty(&site.machine(target)?.dir().join("etcd"))?;
                // It ends by itself when it can't write.
                site.etcd.kill(target)?;
                site.etcd.spawn(target)?;
            }
            Kind::FullState => empty(&site.machine(target)?.dir().join("state"))?,
            Kind::Unplug => site.machine(target)?.plug_in()?,
            Kind::Deaf => site.shape_to(target, None)?,
            Kind::Mute | Kind::SlowLink => site.machine(target)?.shape(None)?,
            Kind::Apart => {
                site.machine(target)?.shape(None)?;
                site.machine(other)?.shape(None)?;
            }
            Kind::Power => site.give_power(target)?,
            Kind::KillTwoEtcd => {
                site.etcd.spawn(target)?;
                site.etcd.spawn(other)?;
            }
            Kind::FreezeTwoEtcd => {
                site.etcd.resume(target)?;
                site.etcd.resume(other)?;
            }
            Kind::UnplugTwo => {
                site.machine(target)?.plug_in()?;
                site.machine(other)?.plug_in()?;
            }
            Kind::PowerOfTwo => {
                site.give_power(target)?;
                site.give_power(other)?;
            }
        }
        Ok(())
    }
}

/// Sends a signal to a daemon of a machine; `None`: it has none at the moment.
fn signal(site: &Site, number: usize, daemon: &str, signal: Signal) -> Option<u32> {
    site.machine(number).ok()?.signal(daemon, signal).ok()
}

/// Sends a signal to the application of a resource; `None`: it does not run.
fn application(site: &Site, number: usize, signal: Signal) -> Option<u32> {
    let pid = services::last_beat(site.dir(), number)?.pid;
    let comm = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    (comm == "acme-beat\n" && send(pid, signal).is_ok()).then_some(pid)
}

/// A method of a resource that runs.
fn method(dir: &Path, resource: &str) -> Option<u32> {
    let methods = format!("{}/beat/", dir.display());
    let entries = fs::read_dir("/proc").ok()?.flatten();
    let mut pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&methods) && line.split('\0').any(|word| word == resource)
    })
}

/// Writes into the file system of this directory until nothing more fits.
fn fill(dir: &Path) -> Result<()> {
    let mut file = fs::File::create(filler(dir)).context("a file that fills a disk")?;
    let piece = [0; 4096];
    while file.write_all(&piece).is_ok() {}
    Ok(())
}

fn empty(dir: &Path) -> Result<()> {
    fs::remove_file(filler(dir)).context("a file that filled a disk")
}

fn filler(dir: &Path) -> PathBuf {
    dir.join("filler")
}

impl Machine {
    /// What it sends goes through such a queue, or through none of ours any more.
    fn shape(&self, queue: Option<&str>) -> Result<()> {
        tc(self.netns(), "eth0", queue)
    }
}

/// Two machines reach everybody but each other.
fn apart(one: &Machine, other: &Machine) -> Result<()> {
    for (from, to) in [(one, other), (other, one)] {
        let tc = |what: &str| networks::run(&format!("tc -n {} {what}", from.netns()), &[]).map(drop);
        tc("qdisc replace dev eth0 root handle 1: htb default 1")?;
        tc("class add dev eth0 parent 1: classid 1:1 htb rate 10gbit")?;
        tc("class add dev eth0 parent 1: classid 1:2 htb rate 10gbit")?;
        tc(&format!("qdisc add dev eth0 parent 1:2 handle 20: {NOTHING_PASSES}"))?;
        tc(&format!("filter add dev eth0 parent 1: protocol ip u32 match ip dst {}/32 flowid 1:2", to.ip))?;
    }
    Ok(())
}

impl Site {
    /// The same for what a machine is sent.
    fn shape_to(&self, number: usize, queue: Option<&str>) -> Result<()> {
        tc(&self.lan(), &format!("port{number}"), queue)
    }
}

fn tc(netns: &str, device: &str, queue: Option<&str>) -> Result<()> {
    let what = queue.map_or_else(
        || format!("qdisc del dev {device} root"),
        |queue| format!("qdisc replace dev {device} root {queue}"),
    );
    networks::run(&format!("tc -n {netns} {what}"), &[]).map(drop)
}
