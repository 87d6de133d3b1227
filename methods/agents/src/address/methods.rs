//! The methods.

use super::held::{self, Held, can_send};
use super::netlink::Netlink;
use super::wanted::{Wanted, cannot_look};
use super::{ONLINE, choose::Place, record};
use crate::call::{Call, Purpose};
use crate::context::Context;
use crate::log::Log;
use crate::monitor::process;
use crate::{Failed, Outcome};
use rgm_types::Status;

/// Properties on which it depends where the addresses go, and that may be changed.
const PLACING: [&str; 2] = ["CheckNameService", "Prefix_length"];

/// VALIDATE: the names have addresses, each has an interface here, and at creation nobody has them yet.
pub fn validate(call: &Call) -> Outcome {
    let places_change = call.extension.iter().any(|(name, _)| PLACING.contains(&name.as_str()));
    if call.purpose == Some(Purpose::Update) && !places_change {
        return Ok(());
    }
    let (places, mut netlink) = places(&Context::new(call)?)?;
    match call.purpose {
        Some(Purpose::Creation) => held::check(&places, &[], &mut netlink, true),
        Some(Purpose::Update) | None => Ok(()),
    }
}

/// PRENET_START: may the addresses come here? A neighbour that has one of them says so now, before
/// anything else of the group is started.
pub fn prenet_start(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let held: Vec<Held> = record(&here).load()?;
    let (places, mut netlink) = places(&here)?;
    held::check(&places, &held, &mut netlink, true)
}

/// START: all of them, or none.
pub fn start(call: &Call) -> Outcome {
    let (here, log) = (Context::new(call)?, Log::new(call));
    let record = record(&here);
    let (places, _) = places(&here)?;
    if let Err(failed) = held::put_up(&places, &record, &log) {
        return match held::take_away(&record, &log) {
            Ok(()) => Err(failed),
            Err(more) => Err(Failed::new(format!("{failed}; and then: {more}"))),
        };
    }
    tell(&here, &log, Status::Ok, ONLINE);
    Ok(())
}

/// STOP and POSTNET_STOP: whatever the resource has put up is taken away.
pub fn stop(call: &Call) -> Outcome {
    let (here, log) = (Context::new(call)?, Log::new(call));
    held::take_away(&record(&here), &log)?;
    tell(&here, &log, Status::Offline, "LogicalHostname offline.");
    Ok(())
}

/// MONITOR_CHECK: this node could take the addresses over.
pub fn monitor_check(call: &Call) -> Outcome {
    let (places, _) = places(&Context::new(call)?)?;
    places.iter().try_for_each(|place| can_send(&place.link))
}

/// MONITOR_START.
pub fn monitor_start(call: &Call) -> Outcome {
    process::launch(&Context::new(call)?, super::MONITOR)
}

/// MONITOR_STOP.
pub fn monitor_stop(call: &Call) -> Outcome {
    process::end(&Context::new(call)?)
}

/// Sets the status; that it can't be set is no failure of the addresses.
pub fn tell(here: &Context<'_>, log: &Log, status: Status, message: &str) {
    if let Err(failure) = here.manager.set_status(here.call, status, message) {
        log.warning(&format!("cannot set the status {}: {failure}", status.word()));
    }
}

/// Where the addresses go on this node.
fn places(here: &Context<'_>) -> Result<(Vec<Place>, Netlink), Failed> {
    let mut netlink = Netlink::open().map_err(|error| cannot_look(&error))?;
    let places = Wanted::read(here)?.places(&mut netlink)?;
    Ok((places, netlink))
}
