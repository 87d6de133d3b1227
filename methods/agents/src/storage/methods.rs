//! The methods.

use super::held::{self, Held, Policy};
use super::wanted::{self, Wanted};
use super::{mounts, record};
use crate::call::{Call, Purpose};
use crate::command::CommandLine;
use crate::context::Context;
use crate::log::Log;
use crate::monitor::process;
use crate::pmf::{KILL, Left, monitor_tag};
use crate::{Failed, Outcome};
use rgm_types::Status;
use std::fs;
use std::time::Duration;

/// The status message of file systems that are well.
pub const ONLINE: &str = "File systems mounted.";
/// A monitor that is killed is gone at once, unless a trial hangs.
const KILLED_WITHIN: Duration = Duration::from_secs(5);
/// The longest that holders have for ending by themselves, and for being killed.
const PATIENCE_MAX: Duration = Duration::from_secs(10);
/// Of Postnet_stop_timeout, one part in so many is for either.
const PATIENCE_PART: u32 = 4;

/// VALIDATE: directories and devices are there, and not in use when the resource is created.
pub fn validate(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let all = read()?;
    let wanted = wanted::read(&here)?;
    wanted.iter().try_for_each(|one| one.fits(&all))?;
    if call.purpose == Some(Purpose::Creation) {
        wanted.iter().try_for_each(|one| one.is_free(&all))?;
    }
    let check = here.props().extension("FilesystemCheckCommand")?.text;
    match CommandLine::new(&check).and_then(|command| command.trouble()) {
        Some(trouble) => Err(Failed::new(format!("FilesystemCheckCommand: {trouble}"))),
        None => Ok(()),
    }
}

/// PRENET_START: checks and mounts; all of them, or none.
pub fn prenet_start(call: &Call) -> Outcome {
    let (here, log) = (Context::new(call)?, Log::new(call));
    let wanted = wanted::read(&here)?;
    if here.props().extension("GlobalDevicePaths")?.is_set() {
        log.notice("GlobalDevicePaths has no effect: there are no device groups on Linux");
    }
    let check = here.props().extension("FilesystemCheckCommand")?.text;
    let check: Vec<String> = check.split_whitespace().map(str::to_owned).collect();
    let record = record(&here);
    let before: Vec<Held> = record.load()?;
    if let Err(failed) = held::mount_all(&wanted, &check, &record, &log) {
        let undone = if before.is_empty() {
            held::unmount_all(&record, Policy::Name, &log, &mut |_| {})
        } else {
            Ok(())
        };
        return match undone {
            Ok(()) => Err(failed),
            Err(more) => Err(Failed::new(format!("{failed}; and then: {more}"))),
        };
    }
    tell(&here, &log, Status::Ok, ONLINE);
    Ok(())
}

/// POSTNET_STOP: unmounts whatever the resource has mounted.
pub fn postnet_stop(call: &Call) -> Outcome {
    let (here, log) = (Context::new(call)?, Log::new(call));
    let mut busy = |why: &str| tell(&here, &log, Status::Degraded, why);
    if let Err(failed) = held::unmount_all(&record(&here), policy(&here)?, &log, &mut busy) {
        tell(&here, &log, Status::Faulted, &failed.to_string());
        return Err(failed);
    }
    tell(&here, &log, Status::Offline, "File systems unmounted.");
    Ok(())
}

/// MONITOR_CHECK: this node could mount them.
pub fn monitor_check(call: &Call) -> Outcome {
    let all = read()?;
    let wanted: Vec<Wanted> = wanted::read(&Context::new(call)?)?;
    wanted.iter().try_for_each(|one| one.fits(&all))
}

/// MONITOR_START. While a trial of an earlier monitor hangs in the kernel there can't be another one.
pub fn monitor_start(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    match here.pmf.view(&monitor_tag(call))? {
        Some(view) if view.stopping => Err(Failed::new(
            "the last fault monitor still hangs in the kernel, reading or writing; look at the disk",
        )),
        Some(_) | None => process::launch(&here, super::MONITOR),
    }
}

/// MONITOR_STOP. A trial that hangs in the kernel ends when the kernel lets go of it; it is left.
pub fn monitor_stop(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let tag = monitor_tag(call);
    if here.pmf.stop(&tag, Some(KILL), KILLED_WITHIN)? == Left::Nothing {
        return Ok(());
    }
    let pids = here.pmf.view(&tag)?.map(|view| view.pids).unwrap_or_default();
    if !pids.iter().all(|pid| hangs(*pid)) {
        return Err(Failed::new(format!("the fault monitor is still there after SIGKILL: {pids:?}")));
    }
    Log::new(call).warning(&format!("{pids:?} of the fault monitor hang in the kernel, and are left"));
    Ok(())
}

/// Does the kernel keep it from being killed?
fn hangs(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with(['D', 'Z', 'X']))
}

/// Sets the status; that it can't be set is no failure of the file systems.
pub fn tell(here: &Context<'_>, log: &Log, status: Status, message: &str) {
    if let Err(failure) = here.manager.set_status(here.call, status, message) {
        log.warning(&format!("cannot set the status {}: {failure}", status.word()));
    }
}

fn policy(here: &Context<'_>) -> Result<Policy, Failed> {
    let props = here.props();
    if props.extension("MountPointHolders")?.text.eq_ignore_ascii_case("NAME") {
        return Ok(Policy::Name);
    }
    let timeout = props.standard("Postnet_stop_timeout")?.seconds()?;
    Ok(Policy::Kill((timeout / PATIENCE_PART).min(PATIENCE_MAX)))
}

fn read() -> Result<Vec<mounts::Mount>, Failed> {
    mounts::read().map_err(|error| Failed::new(format!("cannot read what is mounted: {error}")))
}
