//! What the thread that waits for the deadline and the one that serves requests both know.
//!
//! The deadline is one atomic word. Whoever changes it does so against the value it has seen, so of a
//! renewal and a firing at the same moment exactly one comes about.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rgm_api::pmf::Fired;
use rustix::event::{EventfdFlags, eventfd};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use rustix::time::{timerfd_create, timerfd_settime};
use tracing::Level;

use super::addresses;
use super::plan::Plan;
use super::record::{Page, Record};
use super::{Marks, Refused};
use crate::daemon::now;

/// What the thread knows.
#[derive(Debug)]
pub(super) struct Shared {
    /// The deadline; [`ASLEEP`], or [`DEAD`] once it was noticed to have passed.
    pub(super) deadline_ms: AtomicU64,
    /// Expires at the deadline.
    pub(super) timer: OwnedFd,
    /// Tells the thread that something else has changed.
    pub(super) wake: OwnedFd,
    /// Tells the loop that there are lines for the log, or that it has fired.
    pub(super) news: OwnedFd,
    /// To the kernel's addresses.
    pub(super) netlink: Option<OwnedFd>,
    pub(super) run_dir: PathBuf,
    pub(super) marks: Marks,
    /// Held for a moment, never across a system call that may wait.
    pub(super) plan: Mutex<Arc<Plan>>,
    /// Held while the record is written.
    pub(super) known: Mutex<Known>,
    pub(super) lines: Mutex<Vec<(Level, String)>>,
    /// Closed when it fires, so that there are descriptors to open what was not open before.
    pub(super) spare: Mutex<Vec<File>>,
}

#[derive(Debug)]
pub(super) struct Known {
    pub(super) record: Record,
    pub(super) page: Page,
}

/// Not armed.
pub(super) const ASLEEP: u64 = u64::MAX;
/// Fired.
pub(super) const DEAD: u64 = 0;
/// For a file of each kind that firing opens, and some more.
const SPARE_FILES: usize = 8;

impl Shared {
    /// Not armed, over what the last pmfd has left in this directory.
    pub(super) fn new(run_dir: &Path, marks: Marks) -> io::Result<Self> {
        let record = Record::new(run_dir);
        Ok(Self {
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
        })
    }

    pub(super) fn plan(&self) -> MutexGuard<'_, Arc<Plan>> {
        lock(&self.plan)
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        lock(&self.known)
    }

    /// Writes a deadline down and heeds it from now on. The inner error: it is heeded, but not written.
    pub(super) fn move_deadline(
        &self,
        deadline_ms: u64,
        plan: &Arc<Plan>,
    ) -> Result<io::Result<()>, Refused> {
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

    pub(super) fn set_timer(&self, deadline_ms: u64) -> io::Result<()> {
        let never = deadline_ms == ASLEEP;
        let seconds = if never { 0 } else { i64::try_from(deadline_ms / 1000).unwrap_or(i64::MAX) };
        let nanos = if never { 0 } else { i64::try_from(deadline_ms % 1000 * 1_000_000).unwrap_or(0) };
        let none = Timespec { tv_sec: 0, tv_nsec: 0 };
        let spec = Itimerspec { it_interval: none, it_value: Timespec { tv_sec: seconds, tv_nsec: nanos } };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &spec)?;
        Ok(())
    }

    /// Takes descriptors that can be given back when others are needed.
    pub(super) fn save_files(&self) -> io::Result<()> {
        let spare: io::Result<Vec<File>> = (0..SPARE_FILES).map(|_| File::open("/dev/null")).collect();
        *lock(&self.spare) = spare?;
        Ok(())
    }

    pub(super) fn tell(&self, level: Level, line: String) {
        lock(&self.lines).push((level, line));
        self.poke(&self.news);
    }

    pub(super) fn poke(&self, eventfd: &OwnedFd) {
        // Refused only where it is as high as can be, and so has been poked.
        let _poked = rustix::io::write(eventfd, &1_u64.to_ne_bytes());
    }

    /// Changes what is known of the firing, and writes it down.
    pub(super) fn note(&self, change: impl FnOnce(&mut Fired)) {
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

pub(super) fn drain(fd: &OwnedFd) {
    // Empty is fine, too.
    let _count = rustix::io::read(fd, &mut [0_u8; 8]);
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
