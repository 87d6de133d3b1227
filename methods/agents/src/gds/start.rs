//! START: run Start_command under PMF, and succeed when the service is there.

use super::service::Probe;
use crate::call::Call;
use crate::context::Context;
use crate::judge::Finding;
use crate::log::Log;
use crate::pmf::{KILL, Left, service_tag};
use crate::{Failed, Outcome};
use rgm_api::pmf::{Event, Kind};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A service of which nothing can be asked has started when it has stayed up this long. What ends
/// sooner has a mistake in its configuration, and START is there to find that.
const STAYS_UP: Duration = Duration::from_secs(1);
/// First and longest wait between two questions.
const WAIT: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));
/// Of Start_timeout, what a service has to come up; in the rest it is cleared away.
const PERCENT: u32 = 90;

/// The method.
pub fn start(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let log = here.log()?;
    let within = here.props().standard("Start_timeout")?.seconds()?;
    let deadline = Instant::now() + within * PERCENT / 100;
    let tag = service_tag(call);
    let probe = here.probe()?;
    let command = here.command("Start_command")?.ok_or_else(|| Failed::new("Start_command is empty"))?;
    let (sender, events) = channel();
    here.pmf.watch(&tag, sender);
    let anew = here.pmf.start(call, &tag, &command.argv(), here.pmf_policy()?)?;
    if !anew {
        log.notice("it already runs under PMF");
    }
    let up = if probe.is_mere_life() {
        stays_up(&here, &tag, anew, &events)
    } else {
        answers(&here, &tag, &probe, &events, deadline)
    };
    match up {
        Ok(said) => {
            log.notice(&format!("started: {said}"));
            Ok(())
        }
        Err(failed) => Err(clear_away(&here, &tag, failed, within, &log)),
    }
}

/// Waits a moment whether the service ends at once.
fn stays_up(here: &Context<'_>, tag: &str, anew: bool, events: &Receiver<Event>) -> Result<String, Failed> {
    let end = Instant::now() + STAYS_UP;
    while let Ok(event) = events.recv_timeout(end.saturating_duration_since(Instant::now())) {
        if event.kind != Kind::Created {
            break;
        }
    }
    match here.pmf.view(tag)? {
        Some(view) if view.restarts == 0 || !anew => Ok("its processes run".to_owned()),
        Some(_) | None => Err(Failed::new(
            "the service ended at once; Start_command must leave a process that runs as long as the service",
        )),
    }
}

/// Waits until the service answers.
fn answers(
    here: &Context<'_>,
    tag: &str,
    probe: &Probe,
    events: &Receiver<Event>,
    deadline: Instant,
) -> Result<String, Failed> {
    let mut wait = WAIT.0;
    loop {
        if here.pmf.view(tag)?.is_none() {
            return Err(Failed::new(
                "the service does not stay up: it ended more often than Retry_count allows",
            ));
        }
        let finding = probe.ask(deadline.saturating_duration_since(Instant::now()));
        if let Finding::Well(said) = finding {
            return Ok(said);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Failed::new(format!("the service runs, but {}", finding.said())));
        }
        // An end of the service is a reason to look at once.
        let _woken = events.recv_timeout(wait.min(left));
        wait = (wait * 2).min(WAIT.1);
    }
}

/// Nothing must be left that comes up later, when nobody waits for it.
fn clear_away(here: &Context<'_>, tag: &str, failed: Failed, within: Duration, log: &Log) -> Failed {
    match here.pmf.stop(tag, Some(KILL), within * (100 - PERCENT) / 200) {
        Ok(Left::Nothing) => failed,
        Ok(Left::Processes) => {
            log.error("processes are left after SIGKILL");
            failed
        }
        Err(error) => {
            log.error(&error.to_string());
            failed
        }
    }
}
