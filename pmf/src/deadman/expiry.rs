//! What happens at the deadline: the whole of a thread of its own.
//!
//! The order is what counts. First the kill: a byte into files that are open. Then, where it is
//! configured, the reboot, for everything after it may hang with a disk or a network. Then the
//! addresses. Only then come the record, lines for the log (which another thread writes) and the wait
//! for the last process to be gone.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use methods::launch::send_signal;
use rgm_api::pmf::{Failfast, Fired};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing::Level;

use super::guard::Guard;
use super::plan::{Own, Plan};
use super::shared::{DEAD, Shared, drain, lock};
use super::{Marks, addresses};
use crate::daemon::now;
use crate::place;

/// The least time in which a watchdog may be set to bite is one second.
const FEED_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 500_000_000 };
/// How often a dead node is looked at where nothing tells of a birth: a cgroup made anew, say.
const LOOK_EVERY: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
/// Looking through `/proc` is more work.
const SEARCH_EVERY: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// A killed process that is still there after this is stuck.
const STUCK_AFTER_MS: u64 = 1_000;
/// As many stuck processes and failures are told.
const TOLD_MAX: usize = 16;
const KILL: i32 = 9;

/// Waits for the deadline, and does what is to be done then; for ever.
pub(super) fn run(shared: &Shared) {
    let mut hungry = false;
    loop {
        let deadline_ms = shared.deadline_ms.load(SeqCst);
        if deadline_ms <= now().0 {
            // Unless it was moved at this very moment.
            if shared.deadline_ms.compare_exchange(deadline_ms, DEAD, SeqCst, SeqCst).is_ok() {
                fire(shared, deadline_ms);
                stay_dead(shared);
            }
            continue;
        }
        let watchdog = shared.plan().watchdog.clone();
        if let Some(watchdog) = &watchdog
            && let Err(error) = watchdog.feed()
        {
            if !hungry {
                let device = watchdog.device().display();
                shared.tell(Level::ERROR, format!("cannot feed {device}: {error}; it will bite"));
            }
            hungry = true;
        }
        let mut fds = [PollFd::new(&shared.timer, PollFlags::IN), PollFd::new(&shared.wake, PollFlags::IN)];
        wait(shared, &mut fds, watchdog.is_some().then_some(&FEED_EVERY));
    }
}

fn wait(shared: &Shared, fds: &mut [PollFd<'_>], limit: Option<&Timespec>) {
    // However it ends, the clock is looked at; an error must not make it spin.
    if poll(fds, limit).is_err_and(|error| error != rustix::io::Errno::INTR) {
        let _paused = poll(&mut [], Some(&LOOK_EVERY));
    }
    drain(&shared.timer);
    drain(&shared.wake);
}

fn fire(shared: &Shared, deadline_ms: u64) {
    let plan = Arc::clone(&shared.plan());
    let fired_ms = now().0;
    lock(&shared.spare).clear();
    let mut failures = Vec::new();
    kill(&plan, &shared.marks, &mut failures);
    let killed_ms = now().0;
    if plan.failfast == Failfast::Reboot {
        // It returns only where it is refused.
        let refused = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
        failures.extend(refused.err().map(|errno| format!("the reboot was refused: {errno}")));
    }
    let taken = addresses::take_down(&shared.run_dir, shared.netlink.as_ref());
    failures.extend(taken.failures);
    failures.truncate(TOLD_MAX);
    // A pmfd that was restarted meanwhile fires a second time; the first one counts.
    let before = shared.known().page.fired.clone().filter(|fired| !fired.acknowledged);
    let fired = Fired {
        deadline_boot_ms: before.as_ref().map_or(deadline_ms, |fired| fired.deadline_boot_ms),
        fired_boot_ms: before.as_ref().map_or(fired_ms, |fired| fired.fired_boot_ms),
        killed_boot_ms: before.as_ref().map_or(killed_ms, |fired| fired.killed_boot_ms),
        empty_boot_ms: None,
        acknowledged: false,
        addresses: before.map_or(0, |fired| fired.addresses) + taken.count,
        stuck: Vec::new(),
        failures,
    };
    tell_fired(shared, &plan, &fired);
    let mut known = shared.known();
    known.page.deadline_ms = None;
    known.page.fired = Some(fired);
    drop(known);
    shared.note(|_| {});
}

fn tell_fired(shared: &Shared, plan: &Plan, fired: &Fired) {
    let late = fired.fired_boot_ms.saturating_sub(fired.deadline_boot_ms);
    let took = fired.killed_boot_ms.saturating_sub(fired.fired_boot_ms);
    let how = match plan.own {
        Own::Cgroup(_) => "every tag and every method",
        Own::Marks => "every tag and every method that could be found without cgroups",
    };
    shared.tell(
        Level::ERROR,
        format!(
            "the deadman has fired: its deadline was not moved in time (noticed {late} ms after it). \
             Killed within {took} ms: {how}; addresses taken down: {}. Nothing is started until this is acknowledged",
            fired.addresses
        ),
    );
    for failure in &fired.failures {
        shared.tell(Level::ERROR, format!("the deadman: {failure}"));
    }
}

/// Kills all of it, in cgroups first.
fn kill(plan: &Plan, marks: &Marks, failures: &mut Vec<String>) {
    for guard in &plan.guards {
        if let Err(error) = guard.kill() {
            failures.push(format!("cannot kill {}: {error}", guard.path().display()));
        }
    }
    for pid in unguarded(plan, marks) {
        if let Err(error) = send_signal(pid, KILL) {
            failures.push(format!("cannot kill process {pid}: {error}"));
        }
    }
}

/// The processes that are in no cgroup of ours, for there are none.
fn unguarded(plan: &Plan, marks: &Marks) -> Vec<i32> {
    match plan.own {
        Own::Cgroup(_) => Vec::new(),
        Own::Marks => place::marked(&marks.tag, &marks.method),
    }
}

/// Sees that everything goes, and that nothing comes, until the firing is acknowledged.
fn stay_dead(shared: &Shared) {
    let begun = now().0;
    let plan = Arc::clone(&shared.plan());
    let mut stuck: Vec<String> = Vec::new();
    let mut is_empty = false;
    while shared.deadline_ms.load(SeqCst) == DEAD {
        // Opened before they are read, so that no change is missed; one that can't be is no empty one.
        let (mut watches, mut populated) = (Vec::new(), false);
        for guard in &plan.guards {
            match guard.watch() {
                Ok(watch) => watches.extend(watch),
                Err(_) => populated = true,
            }
        }
        populated |= watches.iter().any(|watch| watch.is_populated().unwrap_or(true));
        if populated || !unguarded(&plan, &shared.marks).is_empty() {
            kill(&plan, &shared.marks, &mut Vec::new());
            if is_empty {
                shared.tell(Level::WARN, "what was started after the deadline has been killed".to_owned());
            }
            is_empty = false;
            if now().0.saturating_sub(begun) >= STUCK_AFTER_MS {
                note_stuck(shared, &plan, &mut stuck);
            }
        } else if !is_empty {
            is_empty = true;
            note_empty(shared);
        }
        let search = is_empty && plan.own == Own::Marks;
        let mut fds = vec![PollFd::new(&shared.wake, PollFlags::IN)];
        fds.extend(watches.iter().map(|watch| PollFd::new(watch, PollFlags::PRI)));
        wait(shared, &mut fds, Some(if search { &SEARCH_EVERY } else { &LOOK_EVERY }));
    }
}

fn note_empty(shared: &Shared) {
    let time = now().0;
    let mut after = None;
    shared.note(|fired| {
        fired.stuck.clear();
        if fired.empty_boot_ms.is_none() {
            fired.empty_boot_ms = Some(time);
            after = Some(time.saturating_sub(fired.deadline_boot_ms));
        }
    });
    if let Some(after) = after {
        shared.tell(Level::WARN, format!("the last process was gone {after} ms after the deadline"));
    }
}

/// Names the processes that have been killed and are still there.
fn note_stuck(shared: &Shared, plan: &Plan, known: &mut Vec<String>) {
    let pids = plan.guards.iter().flat_map(Guard::procs).chain(unguarded(plan, &shared.marks));
    let stuck: Vec<String> = pids.filter_map(place::describe).take(TOLD_MAX).collect();
    if stuck == *known {
        return;
    }
    shared.note(|fired| fired.stuck.clone_from(&stuck));
    if !stuck.is_empty() {
        shared.tell(
            Level::ERROR,
            format!("killed, and still there; only a reboot ends them: {}", stuck.join(", ")),
        );
    }
    known.clone_from(&stuck);
}
