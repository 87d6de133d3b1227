//! The fault monitor of a unit, and the methods that start, stop and renew it.
//!
//! It is woken by what systemd says about the unit and by the end of its main process, and looks every
//! Thorough_probe_interval besides. systemd may repair the unit by itself (`Restart=`); each of these
//! restarts counts.

use super::Target;
use super::bus::{Bus, Error, Unit, listen};
use crate::Outcome;
use crate::call::Call;
use crate::context::Context;
use crate::judge::{COMPLETE, Finding};
use crate::monitor::{Monitor, Settings, process};
use methods::launch::open_process;
use rustix::event::{PollFd, PollFlags, poll};
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

/// The name under which this program is the fault monitor.
pub const PROBE: &str = "systemd_probe";
/// Between two attempts to listen to a systemd that is away.
const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// MONITOR_START.
pub fn start(call: &Call) -> Outcome {
    process::launch(&Context::new(call)?, PROBE)
}

/// MONITOR_STOP.
pub fn stop(call: &Call) -> Outcome {
    process::end(&Context::new(call)?)
}

/// UPDATE: the monitor begins anew with the new values.
pub fn update(call: &Call) -> Outcome {
    process::renew(&Context::new(call)?, PROBE)
}

/// The fault monitor itself. It never ends by itself.
pub fn probe(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let (target, limit, settings) = process::persist(&here, || {
        let limit = here.props().extension("Probe_timeout")?.seconds()?;
        Ok((Target::read(&here)?, limit, Settings::read(&here.props())?))
    });
    let log = process::persist(&here, || here.log());
    let (sender, wakes) = channel();
    watch_unit(target.clone(), sender.clone());
    let mut watched = Watched { target, limit, wakes: sender, bus: None, main_pid: 0, restarts: None };
    Monitor::new(call, &here.manager, log, settings).run(&wakes, || watched.look());
    Ok(())
}

/// Wakes the monitor with everything that systemd says about the unit.
fn watch_unit(target: Target, wakes: Sender<()>) {
    std::thread::spawn(move || {
        let mut interested = true;
        while interested {
            let _away = listen(&target.address, &target.unit, || {
                interested = wakes.send(()).is_ok();
                interested
            });
            std::thread::park_timeout(LISTEN_AGAIN);
        }
    });
}

/// Wakes the monitor when the process ends.
fn watch_process(pid: u32, wakes: Sender<()>) {
    let Some(process) = open(pid) else { return };
    std::thread::spawn(move || {
        while poll(&mut [PollFd::new(&process, PollFlags::IN)], None) == Err(rustix::io::Errno::INTR) {}
        // A monitor that is gone has nobody to wake.
        let _gone = wakes.send(());
    });
}

/// The unit, and what was last known of it.
struct Watched {
    target: Target,
    limit: Duration,
    wakes: Sender<()>,
    bus: Option<Bus>,
    main_pid: u32,
    restarts: Option<u32>,
}

impl Watched {
    fn look(&mut self) -> Finding {
        let deadline = Instant::now() + self.limit;
        match self.ask(deadline) {
            Ok(unit) => self.judge(&unit),
            Err(error) => {
                // A connection that is silent is not used again.
                self.bus = None;
                let process = match self.main_pid {
                    0 => "its main process is not known".to_owned(),
                    pid if runs(pid) => format!("its main process {pid} runs"),
                    pid => format!("its main process {pid} has ended"),
                };
                Finding::Unknown(format!(
                    "systemd does not answer for {}: {error}; {process}",
                    self.target.unit
                ))
            }
        }
    }

    fn ask(&mut self, deadline: Instant) -> Result<Unit, Error> {
        let bus = match self.bus.take() {
            Some(bus) => bus,
            None => Bus::open(&self.target.address, deadline)?,
        };
        self.bus.insert(bus).unit(&self.target.unit, deadline)
    }

    fn judge(&mut self, unit: &Unit) -> Finding {
        if unit.main_pid != self.main_pid {
            self.main_pid = unit.main_pid;
            if unit.main_pid != 0 {
                watch_process(unit.main_pid, self.wakes.clone());
            }
        }
        let before = self.restarts.replace(unit.restarts).unwrap_or(unit.restarts);
        let new = unit.restarts.saturating_sub(before);
        finding(&self.target.unit, unit, new)
    }
}

/// What the state of a unit says; it was started again by systemd so many times since the last look.
fn finding(name: &str, unit: &Unit, restarts: u32) -> Finding {
    let said = format!("{name} is {}", unit.state());
    if restarts > 0 {
        return Finding::Restarted(restarts, format!("{name} ended; systemd has started it again"));
    }
    match unit.active_state.as_str() {
        "active" | "reloading" | "refreshing" => match unit.main_pid {
            0 => Finding::Well(said),
            pid => Finding::Well(format!("{said}, main process {pid}")),
        },
        "inactive" | "failed" => Finding::Failed(COMPLETE, said),
        // On its way to one of these. systemd bounds that, and tells when it is there.
        _ => Finding::Unknown(said),
    }
}

fn runs(pid: u32) -> bool {
    let now = rustix::event::Timespec { tv_sec: 0, tv_nsec: 0 };
    open(pid).is_some_and(|process| {
        poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&now)).is_ok_and(|ended| ended == 0)
    })
}

/// The process, if there is one.
fn open(pid: u32) -> Option<OwnedFd> {
    open_process(i32::try_from(pid).ok()?).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_unit_that_is_down_has_failed() {
        let unit =
            |active: &str| Unit { active_state: active.into(), sub_state: "x".into(), ..Unit::default() };
        for active in ["active", "reloading", "refreshing"] {
            assert!(matches!(finding("a.service", &unit(active), 0), Finding::Well(_)), "{active}");
        }
        for active in ["activating", "deactivating", "maintenance", "a later version's word", ""] {
            assert!(matches!(finding("a.service", &unit(active), 0), Finding::Unknown(_)), "{active}");
        }
        for active in ["inactive", "failed"] {
            assert!(
                matches!(finding("a.service", &unit(active), 0), Finding::Failed(COMPLETE, _)),
                "{active}"
            );
        }
        assert!(matches!(finding("a.service", &unit("active"), 2), Finding::Restarted(2, _)));
    }

    #[test]
    fn a_process_runs_until_it_has_ended() {
        assert!(runs(std::process::id()));
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        assert!(!runs(pid));
    }
}
