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
pub mod record;
pub mod watchdog;

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use rgm_api::pmf::{Armed, DeadmanView, Failfast, Fired, Text};
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};
use tracing::Level;

use crate::daemon::now;
use guard::Guard;
use record::{Page, Record};
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
    /// Whether pmfd is to be made hard to starve once it is armed.
    harden: bool,
    /// A watchdog that is about to bite. Never closed: some take any close for a good-bye.
    unfed: Option<Arc<Watchdog>>,
}

/// How the processes of the tags are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// In the cgroup above those of all tags.
    Cgroup(PathBuf),
    /// Through `/proc`: this machine has no cgroups.
    Marks,
}

/// How processes are recognised where there are no cgroups.
#[derive(Debug, Clone)]
pub struct Marks {
    /// With what the variable begins that marks a process of any tag.
    pub tag: String,
    /// Variables that all methods of this node have.
    pub method: Vec<String>,
}

/// What the thread knows.
#[derive(Debug)]
struct Shared {
    /// The deadline; [`ASLEEP`], or [`DEAD`] once it was noticed to have passed.
    deadline_ms: AtomicU64,
    /// Expires at the deadline.
    timer: OwnedFd,
    /// Tells the thread that something else has changed.
    wake: OwnedFd,
    /// Tells the loop that there are lines for the log, or that it has fired.
    news: OwnedFd,
    /// To the kernel's addresses.
    netlink: Option<OwnedFd>,
    run_dir: PathBuf,
    marks: Marks,
    /// Held for a moment, never across a system call that may wait.
    plan: Mutex<Arc<Plan>>,
    /// Held while the record is written.
    known: Mutex<Known>,
    lines: Mutex<Vec<(Level, String)>>,
    /// Closed when it fires, so that there are descriptors to open what was not open before.
    spare: Mutex<Vec<File>>,
}

/// What is done at the deadline.
#[derive(Debug)]
struct Plan {
    failfast: Failfast,
    cgroups: Vec<Text>,
    own: Own,
    guards: Vec<Guard>,
    watchdog: Option<Arc<Watchdog>>,
}

#[derive(Debug)]
struct Known {
    record: Record,
    page: Page,
}

const ASLEEP: u64 = u64::MAX;
const DEAD: u64 = 0;
/// For a file of each kind that firing opens, and some more.
const SPARE_FILES: usize = 8;

impl Deadman {
    /// As the last pmfd of this boot has left it. Where its deadline has passed, it fires now.
    pub fn open(run_dir: &Path, marks: Marks, harden: bool) -> io::Result<Self> {
        let record = Record::new(run_dir);
        let shared = Shared {
            deadline_ms: AtomicU64::new(ASLEEP),
            timer: timerfd_create(TimerfdClockId::Boottime, TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK)?,
            wake: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            news: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            netlink: addresses::open().ok(),
            run_dir: run_dir.to_owned(),
            marks,
            plan: Mutex::new(Arc::new(Plan::nothing())),
            known: Mutex::new(Known { record, page: Page::blank() }),
            lines: Mutex::default(),
            spare: Mutex::default(),
        };
        let mut deadman = Self { shared: Arc::new(shared), thread: None, harden, unfed: None };
        if deadman.load() <= now().0 {
            deadman.resume()?;
        }
        Ok(deadman)
    }

    /// Takes up the deadline of the last pmfd, which is certain to be gone by now.
    pub fn adopt(&mut self) -> io::Result<()> {
        if self.thread.is_none() && self.load() != ASLEEP {
            self.resume()?;
        }
        Ok(())
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
                known.page.deadline_ms = Some(1);
            }
        }
        let dead = known.page.fired.as_ref().is_some_and(|fired| !fired.acknowledged);
        if dead { 1 } else { known.page.deadline_ms.unwrap_or(ASLEEP) }
    }

    /// Goes on with what was loaded.
    fn resume(&mut self) -> io::Result<()> {
        let deadline_ms = self.load();
        let page = self.shared.known().page.clone();
        let own = page.own.map_or(Own::Marks, |path| Own::Cgroup(PathBuf::from(path.as_os_str())));
        let mut plan = Plan::new(page.failfast, page.cgroups, own);
        if deadline_ms > now().0
            && let Err(error) = plan.wake_watchdog(None)
        {
            self.shared.tell(Level::ERROR, error);
        }
        *self.shared.plan() = Arc::new(plan);
        self.shared.deadline_ms.store(deadline_ms.max(1), SeqCst);
        self.start()?;
        self.shared.set_timer(deadline_ms.max(1))
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
        let plan = if same && self.shared.deadline_ms.load(SeqCst) != ASLEEP {
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
        let plan = std::mem::replace(&mut *self.shared.plan(), Arc::new(Plan::nothing()));
        for guard in &plan.guards {
            if let Err(error) = guard.kill() {
                tracing::error!("cannot kill {}: {error}", guard.path().display());
            }
        }
        if !self.has_fired() {
            self.put_to_sleep(&plan);
        }
        self.shared.deadline_ms.store(ASLEEP, SeqCst);
        self.shared.known().record.remove();
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
        let harden = self.harden;
        let spare: io::Result<Vec<File>> = (0..SPARE_FILES).map(|_| File::open("/dev/null")).collect();
        *lock(&self.shared.spare) = spare?;
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("deadman".to_owned()).stack_size(STACK_BYTES);
        self.thread = Some(thread.spawn(move || expiry::run(&shared, harden))?);
        Ok(())
    }
}

/// All of it is locked in memory.
const STACK_BYTES: usize = 256 << 10;

impl Plan {
    fn nothing() -> Self {
        let (cgroups, guards) = (Vec::new(), Vec::new());
        Self { failfast: Failfast::Kill, cgroups, own: Own::Marks, guards, watchdog: None }
    }

    fn new(failfast: Failfast, cgroups: Vec<Text>, own: Own) -> Self {
        let mut guards: Vec<Guard> = cgroups.iter().map(|path| Guard::new(path.as_os_str())).collect();
        if let Own::Cgroup(path) = &own {
            guards.push(Guard::new(path.as_os_str()));
        }
        Self { failfast, cgroups, own, guards, watchdog: None }
    }

    fn describe(&self, page: &mut Page) {
        page.failfast = self.failfast.clone();
        page.cgroups.clone_from(&self.cgroups);
        page.own = match &self.own {
            Own::Cgroup(path) => Some(Text::from(path.clone().into_os_string())),
            Own::Marks => None,
        };
    }

    /// Opens the watchdog, unless it is the one known: it can't be opened twice.
    fn wake_watchdog(&mut self, known: Option<&Arc<Watchdog>>) -> Result<(), String> {
        let Failfast::Watchdog { device } = &self.failfast else { return Ok(()) };
        let known = known.filter(|known| known.device() == device);
        self.watchdog = Some(match known {
            Some(known) => Arc::clone(known),
            None => Arc::new(Watchdog::open(device).map_err(|error| {
                format!("cannot open the watchdog {}: {error}; give its device", device.display())
            })?),
        });
        Ok(())
    }
}

impl Shared {
    fn plan(&self) -> MutexGuard<'_, Arc<Plan>> {
        lock(&self.plan)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Writes a deadline down and heeds it from now on. The inner error: it is heeded, but not written.
    fn move_deadline(&self, deadline_ms: u64, plan: &Arc<Plan>) -> Result<io::Result<()>, Refused> {
        let mut known = self.known();
        let before = self.deadline_ms.load(SeqCst);
        let time = now().0;
        if before <= time {
            return Err(Refused::Fired);
        }
        let former = known.page.clone();
        plan.describe(&mut known.page);
        known.page.deadline_ms = (deadline_ms != ASLEEP).then_some(deadline_ms);
        known.page.renewed_ms = time;
        let page = known.page.clone();
        let kept = known.record.write(&page);
        // Deadline and plan change as one: whoever finds the deadline passed then takes the plan.
        let mut current = self.plan();
        if self.deadline_ms.compare_exchange(before, deadline_ms, SeqCst, SeqCst).is_err() {
            known.page = former;
            return Err(Refused::Fired);
        }
        *current = Arc::clone(plan);
        drop(current);
        self.set_timer(deadline_ms).map_err(|error| Refused::Failed(format!("no timer: {error}")))?;
        Ok(kept)
    }

    fn set_timer(&self, deadline_ms: u64) -> io::Result<()> {
        let never = deadline_ms == ASLEEP;
        let seconds = if never { 0 } else { i64::try_from(deadline_ms / 1000).unwrap_or(i64::MAX) };
        let nanos = if never { 0 } else { i64::try_from(deadline_ms % 1000 * 1_000_000).unwrap_or(0) };
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: none, it_value: Timespec { tv_sec: seconds, tv_nsec: nanos } };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    fn tell(&self, level: Level, line: String) {
        lock(&self.lines).push((level, line));
        self.poke(&self.news);
    }

    fn poke(&self, eventfd: &OwnedFd) {
        // Refused only where it is as high as can be, and so has been poked.
        let _poked = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
    }

    /// Changes what is known of the firing, and writes it down.
    fn note(&self, change: impl FnOnce(&mut Fired)) {
        let mut known = self.known();
        if let Some(fired) = known.page.fired.as_mut() {
            change(fired);
        }
        let page = known.page.clone();
        if let Err(error) = known.record.write(&page) {
            self.tell(Level::ERROR, format!("that it fired can't be written down: {error}"));
        }
    }
}

fn drain(fd: &OwnedFd) {
    // Empty is fine, too.
    let _count = rustix::io::read(fd, &mut [0_u8; 8]);
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
