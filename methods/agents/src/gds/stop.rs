//! STOP: end the service, gently if it lets us. Succeeds only when nothing of it is left; also when it
//! never ran (reference 4.5).
//!
//! ```text
//!  0 %                                                          80 %               95 %
//!  ├─ Stop_command, then Stop_signal to whatever is left ───────┼─ SIGKILL ─────────┤ failed
//! ```

use crate::call::Call;
use crate::command::End;
use crate::context::Context;
use crate::log::Log;
use crate::pmf::{KILL, Left, service_tag};
use crate::{Failed, Outcome};
use std::time::{Duration, Instant};

/// Of Stop_timeout, the time for a gentle end, and for one by SIGKILL.
const GENTLE_PERCENT: u32 = 80;
const KILL_PERCENT: u32 = 15;

/// The method.
pub fn stop(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let log = here.log()?;
    let tag = service_tag(call);
    let begun = Instant::now();
    // Before anything else: what ends now is not to be started again.
    if here.pmf.release(&tag)? == Left::Nothing {
        log.notice("it was not running");
        return Ok(());
    }
    let within = here.props().standard("Stop_timeout")?.seconds()?;
    let gentle = within * GENTLE_PERCENT / 100;
    run_stop_command(&here, gentle, &log)?;
    let signal = i32::try_from(here.props().extension("Stop_signal")?.int()?).ok();
    if here.pmf.stop(&tag, signal, gentle.saturating_sub(begun.elapsed()))? == Left::Nothing {
        log.notice("stopped");
        return Ok(());
    }
    log.warning(&format!("still there after {} s; now SIGKILL", begun.elapsed().as_secs()));
    if here.pmf.stop(&tag, Some(KILL), within * KILL_PERCENT / 100)? == Left::Nothing {
        log.notice("stopped by SIGKILL");
        return Ok(());
    }
    let pids = here.pmf.view(&tag)?.map(|view| view.pids).unwrap_or_default();
    Err(Failed::new(format!(
        "processes {pids:?} are still there after SIGKILL; ps -o pid,stat,wchan shows where they hang"
    )))
}

fn run_stop_command(here: &Context<'_>, limit: Duration, log: &Log) -> Outcome {
    let Some(command) = here.command("Stop_command")? else { return Ok(()) };
    let ran = command.run(limit);
    match &ran.end {
        End::Code(0) => {}
        // What it was to end is ended by signals.
        End::Code(code) => log.warning(&format!("Stop_command ended with {code}: {}", ran.said)),
        End::Signal(signal) => {
            log.warning(&format!("Stop_command was killed by signal {signal}: {}", ran.said))
        }
        End::TimedOut => {
            log.warning(&format!("Stop_command did not end within {} s: {}", limit.as_secs(), ran.said))
        }
        End::NotRun(error) => log.warning(&format!("Stop_command can't be run: {error}")),
    }
    Ok(())
}
