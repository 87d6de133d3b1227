//! The fault monitor: told by the kernel when something is mounted or unmounted, and trying to read
//! and write now and then.
//!
//! A restart or giveover that is granted ends it, for both begin with MONITOR_STOP. So whoever goes on
//! was refused, and asks again with the next look.

use super::held::Held;
use super::io::{Prober, Trial, Tried};
use super::judge::{Finding, Judge, Verdict};
use super::methods::{ONLINE, tell};
use super::{mounts, record};
use crate::call::Call;
use crate::context::Context;
use crate::log::Log;
use crate::monitor::process::persist;
use crate::{Failed, Outcome};
use rgm_types::{ControlOp, Status};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs::File;
use std::time::{Duration, Instant};

/// Between a failure and the second look at it.
const AGAIN: Duration = Duration::from_secs(1);

/// What the resource's properties say.
#[derive(Debug, Clone, Copy)]
struct Settings {
    interval: Duration,
    retry_count: i64,
    io_timeout: Duration,
    write: bool,
}

struct Monitor<'a> {
    here: &'a Context<'a>,
    log: Log,
    settings: Settings,
    probers: Vec<(Held, Prober)>,
    judge: Judge,
    said: Option<(Status, String)>,
}

/// Runs until it is killed.
pub fn run(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let settings = persist(&here, || Settings::read(&here));
    let held: Vec<Held> = record(&here).load()?;
    let probers = held.into_iter().map(|held| (held.clone(), Prober::new(trial(&held, settings)))).collect();
    let log = Log::new(call);
    let mut monitor = Monitor { here: &here, log, settings, probers, judge: Judge::default(), said: None };
    let news = File::open("/proc/self/mountinfo")
        .map_err(|error| Failed::new(format!("cannot watch what is mounted: {error}")))?;
    let mut next_trial = Instant::now();
    loop {
        let try_io = Instant::now() >= next_trial;
        let wait = monitor.once(try_io)?;
        if try_io {
            next_trial = Instant::now() + wait;
        }
        let wait = next_trial.saturating_duration_since(Instant::now());
        wait_for(&news, wait)
            .map_err(|error| Failed::new(format!("cannot watch what is mounted: {error}")))?;
    }
}

impl Monitor<'_> {
    /// Looks, does what is to be done, and returns how long to wait for the next trial.
    fn once(&mut self, try_io: bool) -> Result<Duration, Failed> {
        // Where rgmd is away for a moment, what it said last holds.
        self.settings = Settings::read(self.here).unwrap_or(self.settings);
        let findings = self.look(try_io)?;
        if !try_io && findings.iter().all(|finding| *finding == Finding::Well) {
            // Something else was mounted or unmounted: that says nothing about reading and writing.
            return Ok(self.settings.interval);
        }
        let may_restart = findings.iter().any(|one| matches!(one, Finding::Gone(_))) && self.may_restart();
        match self.judge.weigh(&findings, may_restart) {
            Verdict::Well => self.say(Status::Ok, ONLINE),
            Verdict::Again(why) => {
                self.say(Status::Degraded, &format!("{why}; trying once more"));
                return Ok(AGAIN.min(self.settings.interval));
            }
            Verdict::Restart(why) => self.ask(ControlOp::ResourceRestart, &why, "mounting it again"),
            Verdict::GiveOver(why) => self.ask(ControlOp::Giveover, &why, "asking for another node"),
        }
        Ok(self.settings.interval)
    }

    fn look(&mut self, try_io: bool) -> Result<Vec<Finding>, Failed> {
        let all =
            mounts::read().map_err(|error| Failed::new(format!("cannot read what is mounted: {error}")))?;
        let (call, limit, write) = (self.here.call, self.settings.io_timeout, self.settings.write);
        let one = |(held, prober): &mut (Held, Prober)| {
            let dir = held.dir.as_str();
            match held.mount(&all) {
                None => Finding::Gone(format!("{dir} is not mounted any more")),
                Some(mount) if held.writable && mount.read_only => {
                    Finding::ReadOnly(format!("{dir} has turned read-only"))
                }
                Some(_) if !try_io => Finding::Well,
                Some(_) => {
                    prober.set_write(write && held.writable);
                    tried(prober.run(call, limit), dir, limit)
                }
            }
        };
        // One that hangs must not keep the others from being looked at.
        Ok(std::thread::scope(|scope| {
            let threads: Vec<_> =
                self.probers.iter_mut().map(|entry| scope.spawn(move || one(entry))).collect();
            let ended = threads.into_iter().map(std::thread::ScopedJoinHandle::join);
            ended
                .map(|end| end.unwrap_or_else(|_| Finding::Fails("a trial ended early".to_owned())))
                .collect()
        }))
    }

    fn may_restart(&self) -> bool {
        let Context { manager, call, .. } = self.here;
        let count = manager.resource(&call.resource, "NUM_RESOURCE_RESTARTS");
        let restarts = count.ok().and_then(|text| text.parse::<i64>().ok()).unwrap_or_default();
        self.settings.retry_count < 0 || restarts < self.settings.retry_count
    }

    fn ask(&mut self, op: ControlOp, why: &str, doing: &str) {
        self.say(Status::Faulted, &format!("{why}; {doing}"));
        if let Err(failure) = self.here.manager.control(self.here.call, op) {
            self.say(Status::Faulted, &format!("{why}; {} was refused: {failure}", op.word()));
        }
    }

    /// Tells operators, once for each change.
    fn say(&mut self, status: Status, message: &str) {
        let said = Some((status, message.to_owned()));
        if self.said == said {
            return;
        }
        match status {
            Status::Ok | Status::Offline => self.log.notice(message),
            Status::Degraded | Status::Unknown => self.log.warning(message),
            Status::Faulted => self.log.error(message),
        }
        tell(self.here, &self.log, status, message);
        self.said = said;
    }
}

impl Settings {
    fn read(here: &Context<'_>) -> Result<Self, Failed> {
        let props = here.props();
        Ok(Self {
            interval: props.standard("Thorough_probe_interval")?.seconds()?,
            retry_count: props.standard("Retry_count")?.int()?,
            io_timeout: props.extension("IOTimeout")?.seconds()?,
            write: props.extension("IOOption")?.text.eq_ignore_ascii_case("ReadWrite"),
        })
    }
}

fn trial(held: &Held, settings: Settings) -> Trial {
    Trial { dir: held.dir.clone(), device: held.device.clone(), write: settings.write && held.writable }
}

fn tried(tried: std::io::Result<Tried>, dir: &str, limit: Duration) -> Finding {
    match tried {
        Ok(Tried::Well) => Finding::Well,
        Ok(Tried::Failed(why)) => Finding::Fails(format!("{dir}: {why}")),
        Ok(Tried::Hangs) => Finding::Hangs(format!("{dir} does not answer within {} s", limit.as_secs())),
        Err(error) => Finding::Fails(format!("{dir}: it could not be tried: {error}")),
    }
}

/// Until something is mounted or unmounted, or the time is over.
fn wait_for(news: &File, limit: Duration) -> std::io::Result<()> {
    let limit = Timespec::try_from(limit).map_err(std::io::Error::other)?;
    match poll(&mut [PollFd::new(news, PollFlags::PRI)], Some(&limit)) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
