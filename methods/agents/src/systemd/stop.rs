//! STOP: stop the unit. Succeeds when it is inactive and no process of it is left; also when there is
//! no such unit any more. A systemd that does not answer is no success: what still runs is not known.

use super::Target;
use super::bus::{Bus, Error, Job};
use crate::call::Call;
use crate::context::Context;
use crate::pmf::KILL;
use crate::{Failed, Outcome};
use std::time::{Duration, Instant};

/// Of Stop_timeout, the time for a gentle end, and for one by SIGKILL.
const GENTLE_PERCENT: u32 = 80;
const KILL_PERCENT: u32 = 15;
/// Between two looks at processes that were killed.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// What systemd says about a unit that it does not know.
const NO_SUCH_UNIT: &str = "org.freedesktop.systemd1.NoSuchUnit";
const NOT_LOADED: &str = "org.freedesktop.systemd1.UnitNotLoaded";

/// The method.
pub fn stop(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let log = here.log()?;
    let target = Target::read(&here)?;
    let unit = &target.unit;
    let within = here.props().standard("Stop_timeout")?.seconds()?;
    let gentle = Instant::now() + within * GENTLE_PERCENT / 100;
    let last = gentle + within * KILL_PERCENT / 100;
    let left = match target.persist(gentle, |bus| gently(bus, unit, gentle)) {
        Ok(left) if left.is_empty() => {
            log.notice(&format!("{unit} is stopped"));
            return Ok(());
        }
        Ok(left) => format!("processes {left:?} are left"),
        Err(failed) => failed.to_string(),
    };
    log.warning(&format!("{left}; now SIGKILL"));
    let left = target.persist(last, |bus| by_force(bus, unit, last))?;
    if left.is_empty() {
        log.notice(&format!("{unit} is stopped by SIGKILL"));
        return Ok(());
    }
    Err(Failed::new(format!("{unit}: processes {left:?} are still there after SIGKILL")))
}

/// The processes that a stop has left.
fn gently(bus: &Bus, unit: &str, deadline: Instant) -> Result<Vec<u32>, Error> {
    match bus.run(Job::Stop, unit, deadline) {
        Ok(_) => left(bus, unit, deadline),
        Err(Error::Refused { name, .. }) if name == NO_SUCH_UNIT || name == NOT_LOADED => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Kills, until nothing is left or the time is up.
fn by_force(bus: &Bus, unit: &str, deadline: Instant) -> Result<Vec<u32>, Error> {
    loop {
        let pids = left(bus, unit, deadline)?;
        if pids.is_empty() {
            return Ok(pids);
        }
        match bus.kill(unit, KILL, deadline) {
            // There is nobody to kill any more.
            Ok(()) | Err(Error::Refused { .. }) => {}
            Err(error) => return Err(error),
        }
        if Instant::now() >= deadline {
            return Ok(pids);
        }
        std::thread::park_timeout(LOOK_EVERY);
    }
}

/// The processes of the unit; of one that is on its way down, at least its main one.
fn left(bus: &Bus, unit: &str, deadline: Instant) -> Result<Vec<u32>, Error> {
    let pids = match bus.processes(unit, deadline) {
        Ok(pids) => pids,
        Err(Error::Refused { .. }) => Vec::new(),
        Err(error) => return Err(error),
    };
    let now = bus.unit(unit, deadline)?;
    let down = matches!(now.active_state.as_str(), "inactive" | "failed");
    Ok(if pids.is_empty() && !down { vec![now.main_pid] } else { pids })
}
