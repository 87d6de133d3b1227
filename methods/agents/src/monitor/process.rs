//! The process of a fault monitor: this program under another name, kept running by PMF.

use crate::call::Call;
use crate::context::Context;
use crate::log::Log;
use crate::pmf::{KILL, Left, Policy, monitor_tag};
use crate::{Failed, Outcome};
use std::ffi::OsString;
use std::time::Duration;

/// A monitor that is killed is gone at once, unless the machine is very busy.
const KILLED_WITHIN: Duration = Duration::from_secs(30);
/// First and longest wait for an rgmd that is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));

/// Starts this program as a fault monitor, under that name.
pub fn launch(here: &Context<'_>, name: &str) -> Outcome {
    let Call { resource, type_name, group, .. } = here.call;
    let program =
        std::env::current_exe().map_err(|error| Failed::new(format!("where is rgm-agent? {error}")))?;
    let words = [name, "-R", resource, "-T", type_name, "-G", group].map(OsString::from);
    let argv: Vec<OsString> = [program.into_os_string()].into_iter().chain(words).collect();
    let props = here.props();
    let interval = props.extension("Monitor_retry_interval")?.int()?;
    let policy = Policy {
        retries: i32::try_from(props.extension("Monitor_retry_count")?.int()?).unwrap_or(i32::MAX).max(-1),
        period_min: if interval < 0 { -1 } else { i32::try_from(interval).unwrap_or(i32::MAX) },
        level: None,
    };
    here.pmf.start(here.call, &monitor_tag(here.call), &argv, policy).map(drop)
}

/// Ends the fault monitor.
pub fn end(here: &Context<'_>) -> Outcome {
    match here.pmf.stop(&monitor_tag(here.call), Some(KILL), KILLED_WITHIN)? {
        Left::Nothing => Ok(()),
        Left::Processes => Err(Failed::new("the fault monitor is still there after SIGKILL")),
    }
}

/// Lets a fault monitor that runs begin anew, with the values that are set now.
pub fn renew(here: &Context<'_>, name: &str) -> Outcome {
    if here.pmf.view(&monitor_tag(here.call))?.is_none() {
        return Ok(());
    }
    end(here)?;
    launch(here, name)
}

/// Until rgmd answers: a monitor that gave up would leave its service alone.
pub fn persist<T>(here: &Context<'_>, read: impl Fn() -> Result<T, Failed>) -> T {
    let mut wait = AWAY.0;
    loop {
        match read() {
            Ok(value) => return value,
            Err(failed) => Log::new(here.call).warning(&format!("{failed}; trying again")),
        }
        std::thread::park_timeout(wait);
        wait = (wait * 2).min(AWAY.1);
    }
}
