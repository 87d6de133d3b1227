//! A fault monitor: looks at its service now and then, tells operators what it sees, and asks RGM to
//! repair it.
//!
//! ```text
//!  every Thorough_probe_interval, or woken ─► look ─► weigh ─► status
//!                                                       └─► RESOURCE_RESTART, GIVEOVER
//! ```
//!
//! It runs under PMF from Monitor_start to Monitor_stop. What it asks of RGM mostly ends it: a restart
//! and a giveover begin with Monitor_stop. So whoever gets an answer was refused, and nothing that
//! must be remembered across a restart is kept here; RGM counts the restarts.

pub mod process;

use crate::Failed;
use crate::call::Call;
use crate::judge::{Finding, Judge, Policy, Remedy, State, Why};
use crate::log::Log;
use crate::manager::Manager;
use crate::props::Props;
use rgm_types::{ControlOp, Status};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// First wait for a service that comes up; each further one is twice as long.
const COMING_UP_WAIT: Duration = Duration::from_millis(100);

/// So many restarts are counted for one look. More would not change what is done about them.
const COUNTED_MAX: u32 = 100;

/// What a monitor needs of the resource's properties.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Thorough_probe_interval.
    pub interval: Duration,
    /// When is what done?
    pub policy: Policy,
}

impl Settings {
    /// As set.
    pub fn read(props: &Props<'_>) -> Result<Self, Failed> {
        let policy = Policy {
            retry_count: props.standard("Retry_count")?.int()?,
            retry_interval: props.standard("Retry_interval")?.seconds()?,
            failover_enabled: props.extension("Failover_enabled")?.is_true(),
            start_timeout: props.standard("Start_timeout")?.seconds()?,
        };
        Ok(Self { interval: props.standard("Thorough_probe_interval")?.seconds()?, policy })
    }
}

/// A fault monitor at work.
#[derive(Debug)]
pub struct Monitor<'a> {
    call: &'a Call,
    manager: &'a Manager,
    log: Log,
    settings: Settings,
    judge: Judge,
    begun: Instant,
    /// RGM has refused a giveover since the service last worked.
    refused: bool,
    said: Option<(Status, String)>,
}

impl<'a> Monitor<'a> {
    /// Of this call's resource.
    pub fn new(call: &'a Call, manager: &'a Manager, log: Log, settings: Settings) -> Self {
        let judge = Judge::new(settings.policy);
        Self { call, manager, log, settings, judge, begun: Instant::now(), refused: false, said: None }
    }

    /// Looks again and again, before its time when woken, and never ends by itself.
    pub fn run(&mut self, wakes: &Receiver<()>, mut look: impl FnMut() -> Finding) {
        let mut coming_up = COMING_UP_WAIT;
        loop {
            let finding = look();
            let state = self.judge.weigh(self.begun.elapsed(), &finding);
            self.act(state, &finding);
            let wait = if matches!(state, State::Restarted(_) | State::ComingUp) {
                coming_up = (coming_up * 2).min(self.settings.interval);
                coming_up
            } else {
                coming_up = COMING_UP_WAIT;
                self.settings.interval
            };
            if wakes.recv_timeout(wait) == Err(RecvTimeoutError::Disconnected) {
                // Nobody wakes us any more; the looks go on.
                std::thread::park_timeout(wait);
            }
            // One look is enough for all that has happened.
            wakes.try_iter().for_each(drop);
        }
    }

    fn act(&mut self, state: State, finding: &Finding) {
        let said = finding.said();
        match state {
            State::Well => {
                self.refused = false;
                self.say(Status::Ok, said);
            }
            State::Restarted(times) => {
                self.say(Status::Degraded, said);
                (0..times.min(COUNTED_MAX)).for_each(|_| self.count_restart());
                self.judge_restarts(said);
            }
            State::ComingUp => self.say(Status::Degraded, &format!("the service is coming up: {said}")),
            State::Unknown => self.say(Status::Degraded, &format!("not known whether it works: {said}")),
            State::Weak(sum) => {
                self.say(Status::Degraded, &format!("{said} ({sum} of 100 for a restart)"));
            }
            State::Failed(why) => self.repair(why, said),
        }
    }

    /// So that restarts count, whoever made them.
    fn count_restart(&self) {
        if let Err(failure) = self.manager.control(self.call, ControlOp::ResourceIsRestarted) {
            self.log.warning(&format!("the restart is not counted: {failure}"));
        }
    }

    /// Restarts of all kinds together may be more than Retry_count allows, even where whoever makes
    /// them has not given up.
    fn judge_restarts(&mut self, said: &str) {
        let most = self.settings.policy.retry_count;
        if most >= 0 && self.restarts().is_ok_and(|restarts| restarts > most) {
            self.repair(Why::Gone, said);
        }
    }

    fn repair(&mut self, why: Why, said: &str) {
        let restarts = match self.restarts() {
            Ok(restarts) => restarts,
            // rgmd is away for a moment. The service is as bad in the next one.
            Err(failed) => return self.log.warning(&format!("{said}; not repaired now: {failed}")),
        };
        let Policy { retry_count, retry_interval, .. } = self.settings.policy;
        let (op, doing) = match self.settings.policy.remedy(why, restarts, self.refused) {
            Remedy::Restart => (ControlOp::ResourceRestart, "it is restarted".to_owned()),
            Remedy::GiveOver => (ControlOp::Giveover, "another node is to take it".to_owned()),
            Remedy::None => {
                let left = format!(
                    "{said}; restarted {restarts} times within {} s, Retry_count is {retry_count}, and \
                     Failover_enabled is FALSE: nothing is done",
                    retry_interval.as_secs()
                );
                return self.say(Status::Faulted, &left);
            }
        };
        self.say(Status::Faulted, &format!("{said}; {doing}"));
        match self.manager.control(self.call, op) {
            Ok(()) => {}
            Err(failure) => {
                self.refused |= op == ControlOp::Giveover;
                self.say(Status::Faulted, &format!("{said}; {} was refused: {failure}", op.word()));
            }
        }
    }

    /// Restarts that RGM has counted within Retry_interval.
    fn restarts(&self) -> Result<i64, Failed> {
        let wrong = |error: &dyn std::fmt::Display| Failed::new(format!("NUM_RESOURCE_RESTARTS: {error}"));
        let count = self.manager.resource(&self.call.resource, "NUM_RESOURCE_RESTARTS");
        count.map_err(|failure| wrong(&failure))?.parse().map_err(|error| wrong(&error))
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
        // Where rgmd is away it is told with the next look.
        if self.manager.set_status(self.call, status, message).is_ok() {
            self.said = said;
        }
    }
}
