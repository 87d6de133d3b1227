//! The fault monitor: woken by the kernel's news of links and addresses, it looks how the addresses
//! are and does what [`Judge`] says.
//!
//! A giveover that is granted ends it, for that begins with MONITOR_STOP. So whoever goes on was
//! refused, and asks again later.

use super::held::{self, Held};
use super::judge::{Judge, Policy, Verdict, look};
use super::methods::tell;
use super::netlink::{Link, Netlink, News};
use super::wanted::cannot_look;
use super::{ONLINE, choose::Place, record, rivals};
use crate::call::Call;
use crate::context::Context;
use crate::log::Log;
use crate::monitor::process::persist;
use crate::record::Record;
use crate::{Failed, Outcome};
use rgm_types::{ControlOp, Status};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// The neighbours are told once more after so long (RFC 5227, ANNOUNCE_INTERVAL): a switch may have
/// lost the first announcement.
const ANNOUNCE_AGAIN: Duration = Duration::from_secs(2);

struct Monitor<'a> {
    here: &'a Context<'a>,
    log: Log,
    record: Record,
    netlink: Netlink,
    news: News,
    policy: Policy,
    judge: Judge,
    said: Option<(Status, String)>,
    asked: Option<Instant>,
}

/// Runs until it is killed.
pub fn run(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let mut monitor = Monitor {
        here: &here,
        log: Log::new(call),
        record: record(&here),
        netlink: Netlink::open().map_err(|error| cannot_look(&error))?,
        news: News::open().map_err(|error| cannot_look(&error))?,
        policy: persist(&here, || policy(&here)),
        judge: Judge::default(),
        said: None,
        asked: None,
    };
    let begun = Instant::now();
    let mut again = true;
    loop {
        let mut wait = monitor.once(begun.elapsed())?;
        if again {
            wait = wait.min(ANNOUNCE_AGAIN);
        }
        let told = rivals::wait(monitor.news.as_fd(), Instant::now() + wait);
        if told.map_err(|error| cannot_look(&error))? {
            monitor.news.drain().map_err(|error| cannot_look(&error))?;
        }
        if again && begun.elapsed() >= ANNOUNCE_AGAIN {
            again = false;
            monitor.announce()?;
        }
    }
}

impl Monitor<'_> {
    /// Looks, does what is to be done, and returns how long to wait for news.
    fn once(&mut self, now: Duration) -> Result<Duration, Failed> {
        // Where rgmd is away for a moment, what it said last holds.
        self.policy = policy(self.here).unwrap_or(self.policy);
        let held: Vec<Held> = self.record.load()?;
        let links = self.netlink.links().map_err(|error| cannot_look(&error))?;
        let addresses = self.netlink.addresses().map_err(|error| cannot_look(&error))?;
        match self.judge.weigh(now, &look(&held, &links, &addresses), self.policy) {
            Verdict::Well => self.well(),
            Verdict::Back => {
                self.announce()?;
                self.well();
            }
            Verdict::PutBack(taken, why) => {
                self.say(Status::Degraded, &format!("{why}; putting it back"));
                match self.put_back(&taken, &links) {
                    Ok(()) => self.well(),
                    Err(failed) => self.give_over(&format!("{why}; {failed}")),
                }
            }
            Verdict::Wait(why, left) => {
                let wait = self.policy.link_wait.as_secs();
                self.say(Status::Degraded, &format!("{why}; waiting {wait} s for it to come back"));
                return Ok(left.min(self.policy.interval));
            }
            Verdict::GiveOver(why) => self.give_over(&why),
        }
        Ok(self.policy.interval)
    }

    fn well(&mut self) {
        self.asked = None;
        self.say(Status::Ok, ONLINE);
    }

    /// Puts addresses back where they were, unless somebody else has them by now.
    fn put_back(&mut self, taken: &[Held], links: &[Link]) -> Result<(), Failed> {
        let places: Vec<Place> = taken
            .iter()
            .filter_map(|held| {
                let link = links.iter().find(|link| link.name == held.netif)?.clone();
                Some(Place { ip: held.ip, prefix_len: held.prefix_len, link })
            })
            .collect();
        places.iter().try_for_each(held::nobody_has)?;
        held::put_up(&places, &self.record, &self.log)
    }

    /// Asks for another node, not more often than the addresses are looked at.
    fn give_over(&mut self, why: &str) {
        if self.asked.is_some_and(|then| then.elapsed() < self.policy.interval) {
            return;
        }
        self.asked = Some(Instant::now());
        self.say(Status::Faulted, &format!("{why}; asking for another node"));
        let Context { manager, call, .. } = self.here;
        let check = manager.control(call, ControlOp::CheckGiveover);
        if let Err(failure) = check.and_then(|()| manager.control(call, ControlOp::Giveover)) {
            self.say(Status::Faulted, &format!("{why}; no other node: {failure}"));
        }
    }

    fn announce(&mut self) -> Result<(), Failed> {
        let links = self.netlink.links().map_err(|error| cannot_look(&error))?;
        for held in self.record.load::<Held>()? {
            if let Some(link) = links.iter().find(|link| link.name == held.netif && link.carrier) {
                held::announce(link, held.ip, &self.log);
            }
        }
        Ok(())
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

fn policy(here: &Context<'_>) -> Result<Policy, Failed> {
    let props = here.props();
    Ok(Policy {
        link_wait: props.extension("Link_down_timeout")?.seconds()?,
        retry_count: props.standard("Retry_count")?.int()?,
        retry_interval: props.standard("Retry_interval")?.seconds()?,
        interval: props.standard("Thorough_probe_interval")?.seconds()?,
    })
}
