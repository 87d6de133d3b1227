//! The deadman: a deadline that rgmd must move again and again, or everything here is killed.
//!
//! On a cluster of machines others take over what runs here once they have not heard of this node for
//! long enough. They can't ask whether it has stopped, so it must have: whatever becomes of rgmd
//! (killed, stopped, wedged), of the network and of the disks. This is the last line of defence, and
//! it stands alone:
//!
//! * A thread of its own waits for the deadline, so nothing that the rest of pmfd does, a write to a
//!   journal on a disk that hangs, say, stands in the way. [`expiry`] is all it runs.
//! * What the kill needs is made when it is armed: open `cgroup.kill` files, a netlink socket, some
//!   descriptors to spare. The kill of all tags is one write of one byte, that of all methods another.
//! * When it is first armed, pmfd's memory is locked, the thread gets a real-time class and the kernel
//!   is asked to kill anything but pmfd where memory is short ([`harden`]).
//! * The clock is `CLOCK_BOOTTIME`: a machine that was suspended fires when it wakes up.
//! * The deadline and what is to be killed stand in the run directory ([`record`]): the next pmfd of
//!   this boot takes them up before anything else, and fires at once if it is late.
//!
//! ```text
//!            arm                    deadline passed                  Forget
//!  asleep ────────► armed ─────────────────────────────► dead ───────────────► asleep
//!            ◄────── │ ▲ arm, disarm                      │ ▲
//!            Disarm  └─┘                                  └─┘ whoever is born is killed
//! ```
//!
//! *Dead* is what the state is from the very moment of the deadline, whether the thread has run yet or
//! not: a machine that wakes up late starts nothing for anybody first. While dead, the cgroups are
//! watched, and what an rgmd that was stopped for a while starts there is killed on sight.
//!
//! What it can't do: end a process that hangs in the kernel (it is named in the log and in the
//! status), unmount anything, or act while the kernel itself hangs. For those there are
//! [`Failfast::Reboot`] and [`Failfast::Watchdog`].

pub mod addresses;
pub mod expiry;
pub mod guard;
pub mod harden;
mod plan;
pub mod record;
mod shared;
pub mod watchdog;

pub use plan::Own;

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::thread::JoinHandle;

use methods::cgroup::Root;
use rgm_api::pmf::{Armed, DeadmanView, Failfast, Text};
use tracing::Level;

use crate::daemon::now;
use guard::Guard;
use plan::Plan;
use record::Page;
use shared::{ASLEEP, DEAD, Shared, drain, lock};
use watchdog::Watchdog;

/// Why it was not armed, disarmed or forgotten.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It has fired, and nobody has acknowledged it.
    #[error("the deadman has fired: a deadline has passed, nothing may run here until that is acknowledged")]
    Fired,
    /// The request makes no sense.
    #[error("{0}")]
    Invalid(String),
    /// It could not be done.
    #[error("{0}")]
    Failed(String),
}

/// The side of the deadman that serves requests.
#[derive(Debug)]
pub struct Deadman {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Whether pmfd is still to be made hard to starve.
    harden: bool,
    /// A watchdog that is about to bite. Never closed: some take any close for a good-bye.
    unfed: Option<Arc<Watchdog>>,
}

/// How this node's processes are recognised.
#[derive(Debug, Clone)]
pub struct Marks {
    /// The cgroup above those of its tags and its methods, below the root of all cgroups.
    pub all: String,
    /// Without cgroups: with what the variable begins that marks a process of any tag.
    pub tag: String,
    /// Without cgroups: variables that all its methods have.
    pub method: Vec<String>,
}

impl Deadman {
    /// As the last pmfd of this boot has left it. Where its deadline has passed, it fires now.
    pub fn open(run_dir: &Path, marks: Marks, harden: bool) -> io::Result<Self> {
        let shared = Shared::new(run_dir, marks)?;
        let mut deadman = Self { shared: Arc::new(shared), thread: None, harden, unfed: None };
        let deadline_ms = deadman.load();
        if deadline_ms <= now().0 {
            deadman.resume(deadline_ms)?;
        }
        Ok(deadman)
    }

    /// Takes up the deadline of the last pmfd, which is certain to be gone by now.
    pub fn adopt(&mut self) -> io::Result<()> {
        if self.thread.is_some() {
            return Ok(());
        }
        match self.load() {
            ASLEEP => Ok(()),
            deadline_ms => self.resume(deadline_ms),
        }
    }

    /// Reads the record; returns the deadline that is to be heeded.
    fn load(&mut self) -> u64 {
        let mut known = self.shared.known();
        match known.record.read() {
            Ok(page) => known.page = page.unwrap_or_else(Page::blank),
            Err(error) => {
                // Better ended for nothing than running twice.
                let line = format!("what the last pmfd was armed with is unreadable: {error}");
                self.shared.tell(Level::ERROR, line);
                known.page = Page::blank();
                known.page.deadline_ms = Some(now().0);
                let all = Root::find().ok().map(|root| root.path().join(&self.shared.marks.all));
                known.page.own = all.map(|path| Text::from(path.into_os_string()));
            }
        }
        let dead = known.page.fired.as_ref().is_some_and(|fired| !fired.acknowledged);
        if dead { 1 } else { known.page.deadline_ms.unwrap_or(ASLEEP).max(1) }
    }

    /// Goes on with what was loaded.
    fn resume(&mut self, deadline_ms: u64) -> io::Result<()> {
        let page = self.shared.known().page.clone();
        let own = page.own.map_or(Own::Marks, |path| Own::Cgroup(PathBuf::from(path.as_os_str())));
        let mut plan = Plan::new(page.failfast, page.cgroups, own);
        if deadline_ms > now().0
            && let Err(error) = plan.wake_watchdog(None)
        {
            self.shared.tell(Level::ERROR, error);
        }
        *self.shared.plan() = Arc::new(plan);
        self.shared.deadline_ms.store(deadline_ms, SeqCst);
        self.start()?;
        self.shared.set_timer(deadline_ms)
    }

    /// Arms it, or moves its deadline.
    pub fn arm(
        &mut self,
        deadline_ms: u64,
        failfast: Failfast,
        cgroups: Vec<Text>,
        own: Own,
    ) -> Result<(), Refused> {
        if self.is_dead() {
            return Err(Refused::Fired);
        }
        self.start().map_err(|error| Refused::Failed(format!("cannot watch a deadline: {error}")))?;
        let old = self.shared.plan().clone();
        let same = old.failfast == failfast && old.cgroups == cgroups && old.own == own;
        let same = same && self.shared.deadline_ms.load(SeqCst) != ASLEEP;
        let plan = if same && old.guards.iter().all(Guard::is_fresh) {
            Arc::clone(&old)
        } else {
            if let Some(objection) = cgroups.iter().find_map(|path| Guard::objection(path.as_os_str())) {
                return Err(Refused::Invalid(objection));
            }
            let mut plan = Plan::new(failfast, cgroups, own);
            let known = old.watchdog.as_ref().or(self.unfed.as_ref());
            plan.wake_watchdog(known).map_err(Refused::Failed)?;
            Arc::new(plan)
        };
        // No deadline is earlier than the beginning of time, which has a meaning of its own.
        self.change(&old, &plan, deadline_ms.clamp(1, ASLEEP - 1))
    }

    /// Nobody renews any more, and that is meant.
    pub fn disarm(&mut self) -> Result<(), Refused> {
        let old = self.shared.plan().clone();
        self.change(&old, &Arc::new(Plan::nothing()), ASLEEP)
    }

    fn change(&self, old: &Arc<Plan>, new: &Arc<Plan>, deadline_ms: u64) -> Result<(), Refused> {
        let kept = self.shared.move_deadline(deadline_ms, new)?;
        if !Arc::ptr_eq(old, new) {
            self.put_to_sleep(old);
            self.shared.poke(&self.shared.wake);
        }
        kept.map_err(|error| {
            Refused::Failed(format!("done, but the next pmfd would not know: cannot write it down: {error}"))
        })
    }

    /// What a firing has ended is known to be ended.
    pub fn forget(&mut self, fired_ms: u64) -> Result<(), Refused> {
        let mut known = self.shared.known();
        let Some(fired) = known.page.fired.as_mut().filter(|fired| fired.fired_boot_ms == fired_ms) else {
            return Err(Refused::Invalid(format!("it did not fire at {fired_ms} ms since boot")));
        };
        if fired.acknowledged {
            return Ok(());
        }
        fired.acknowledged = true;
        let page = known.page.clone();
        if let Err(error) = known.record.write(&page) {
            known.page.fired.iter_mut().for_each(|fired| fired.acknowledged = false);
            return Err(Refused::Failed(format!("it can't be written down: {error}")));
        }
        drop(known);
        let plan = std::mem::replace(&mut *self.shared.plan(), Arc::new(Plan::nothing()));
        self.unfed = plan.watchdog.clone().or(self.unfed.take());
        if let Err(error) = self.shared.save_files() {
            tracing::warn!("the deadman: no descriptors to spare: {error}");
        }
        self.shared.deadline_ms.store(ASLEEP, SeqCst);
        self.shared.poke(&self.shared.wake);
        Ok(())
    }

    /// The deadline has passed, and nobody has acknowledged it.
    pub fn is_dead(&self) -> bool {
        self.shared.deadline_ms.load(SeqCst) <= now().0
    }

    /// As [`Deadman::is_dead`], and it was noticed.
    pub fn has_fired(&self) -> bool {
        self.shared.deadline_ms.load(SeqCst) == DEAD
    }

    /// How things are.
    pub fn view(&self) -> DeadmanView {
        let known = self.shared.known();
        let plan = self.shared.plan().clone();
        let deadline_ms = self.shared.deadline_ms.load(SeqCst);
        let armed = (deadline_ms != ASLEEP && deadline_ms != DEAD).then(|| Armed {
            deadline_boot_ms: deadline_ms,
            renewed_boot_ms: known.page.renewed_ms,
            failfast: plan.failfast.clone(),
            cgroups: plan.cgroups.clone(),
        });
        DeadmanView { now_boot_ms: now().0, armed, fired: known.page.fired.clone() }
    }

    /// Readable when there is something for the log.
    pub fn news(&self) -> &OwnedFd {
        &self.shared.news
    }

    /// What is for the log.
    pub fn take_lines(&self) -> Vec<(Level, String)> {
        drain(&self.shared.news);
        std::mem::take(&mut *lock(&self.shared.lines))
    }

    /// Kills what it guards, and is disarmed: everything is to end.
    pub fn end(&mut self) {
        let plan = self.shared.plan().clone();
        for guard in &plan.guards {
            if let Err(error) = guard.kill() {
                tracing::error!("cannot kill {}: {error}", guard.path().display());
            }
        }
        // That it has fired is for the next pmfd to know, too.
        if !self.is_dead() {
            self.put_to_sleep(&plan);
            self.shared.deadline_ms.store(ASLEEP, SeqCst);
            self.shared.known().record.remove();
        }
    }

    /// Removes a record that tells nothing.
    pub fn tidy(&mut self) {
        let mut known = self.shared.known();
        if known.page.deadline_ms.is_none() && known.page.fired.is_none() {
            known.record.remove();
        }
    }

    fn put_to_sleep(&self, old: &Plan) {
        let new = self.shared.plan().watchdog.clone();
        let Some(watchdog) = &old.watchdog else { return };
        if new.is_none_or(|new| new.device() != watchdog.device())
            && let Err(error) = watchdog.put_to_sleep()
        {
            tracing::error!("cannot put {} to sleep: {error}; it will bite", watchdog.device().display());
        }
    }

    /// Starts the thread, unless it runs.
    fn start(&mut self) -> io::Result<()> {
        if self.thread.as_ref().is_some_and(|thread| !thread.is_finished()) {
            return Ok(());
        }
        self.shared.save_files()?;
        let (shared, harden) = (Arc::clone(&self.shared), self.harden);
        let named = |name: &str| std::thread::Builder::new().name(name.to_owned()).stack_size(STACK_BYTES);
        self.thread = Some(named("deadman").spawn(move || {
            let line = if harden { harden::thread() } else { None };
            line.into_iter().for_each(|line| shared.tell(Level::INFO, line));
            expiry::run(&shared);
        })?);
        if std::mem::take(&mut self.harden) {
            let shared = Arc::clone(&self.shared);
            let run = move || harden::process().into_iter().for_each(|line| shared.tell(Level::INFO, line));
            drop(named("harden").spawn(run)?);
        }
        Ok(())
    }
}

/// All of it is locked in memory.
const STACK_BYTES: usize = 256 << 10;
