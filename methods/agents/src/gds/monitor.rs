//! The fault monitor of a service, and the methods that start, stop and renew it.

use super::service::Probe;
use crate::Outcome;
use crate::call::Call;
use crate::context::Context;
use crate::judge::Finding;
use crate::monitor::{Monitor, Settings, process};
use crate::pmf::{Pmf, service_tag};
use rgm_api::pmf::{Event, Kind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

/// The name under which this program is the fault monitor.
pub const PROBE: &str = "gds_probe";

/// MONITOR_START.
pub fn start(call: &Call) -> Outcome {
    process::launch(&Context::new(call)?, PROBE)
}

/// MONITOR_STOP.
pub fn stop(call: &Call) -> Outcome {
    process::end(&Context::new(call)?)
}

/// UPDATE: the monitor begins anew with the new values, and PMF learns how often it may restart the
/// service. Commands are used from the next start on.
pub fn update(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let (policy, tag) = (here.pmf_policy()?, service_tag(call));
    if let Some(view) = here.pmf.view(&tag)?
        && (view.retries, view.period_min) != (policy.retries, policy.period_min)
    {
        here.pmf.modify(&tag, policy)?;
    }
    process::renew(&here, PROBE)
}

/// The fault monitor itself. It never ends by itself.
pub fn probe(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let (sender, wakes) = channel();
    let (probe, settings) = process::persist(&here, || {
        let probe = here.probe()?;
        Ok((probe, Settings::read(&here.props())?))
    });
    let log = process::persist(&here, || here.log());
    let tag = service_tag(call);
    let (events_in, events) = channel();
    here.pmf.watch(&tag, events_in);
    std::thread::spawn(move || wake(&events, &sender));
    let mut watched = Watched { pmf: &here.pmf, tag, probe, restarts: None };
    Monitor::new(call, &here.manager, log, settings).run(&wakes, || watched.look());
    Ok(())
}

/// PMF sees an end the moment it happens; the monitor need not find it.
fn wake(events: &Receiver<Event>, wakes: &Sender<()>) {
    for event in events {
        if event.kind != Kind::Created && wakes.send(()).is_err() {
            break;
        }
    }
}

/// The service under its tag.
struct Watched<'a> {
    pmf: &'a Pmf,
    tag: String,
    probe: Probe,
    /// Restarts at the last look. They count for Retry_interval only, so there may be fewer at the next.
    restarts: Option<u64>,
}

impl Watched<'_> {
    fn look(&mut self) -> Finding {
        let view = match self.pmf.view(&self.tag) {
            Ok(Some(view)) => view,
            Ok(None) => {
                let said = "the service is gone: it ended more often than Retry_count allows";
                return Finding::Gone(said.to_owned());
            }
            // PMF goes on; only its answer is missing.
            Err(failed) => return Finding::Unknown(failed.to_string()),
        };
        let before = self.restarts.replace(view.restarts).unwrap_or(view.restarts);
        let new = u32::try_from(view.restarts.saturating_sub(before)).unwrap_or(u32::MAX);
        if new > 0 {
            return Finding::Restarted(new, "the service ended; PMF has started it again".to_owned());
        }
        self.probe.ask(Duration::MAX)
    }
}
