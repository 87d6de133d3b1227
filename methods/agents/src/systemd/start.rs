//! START: start the unit, and succeed when it is active.

use super::Target;
use super::bus::Job;
use crate::call::Call;
use crate::context::Context;
use crate::{Failed, Outcome};
use std::time::Instant;

/// Of Start_timeout, the time that systemd has; the rest is for the answer.
const PERCENT: u32 = 95;

/// The method.
pub fn start(call: &Call) -> Outcome {
    let here = Context::new(call)?;
    let target = Target::read(&here)?;
    let unit = &target.unit;
    let deadline = Instant::now() + here.props().standard("Start_timeout")?.seconds()? * PERCENT / 100;
    let (result, after) = target.persist(deadline, |bus| {
        if bus.unit(unit, deadline)?.active_state != "active" {
            bus.reset_failed(unit, deadline)?;
        }
        Ok((bus.run(Job::Start, unit, deadline)?, bus.unit(unit, deadline)?))
    })?;
    if result != "done" {
        return Err(Failed::new(format!(
            "{unit} did not start: its job ended with {result}, it is {}; journalctl -u {unit} may say why",
            after.state()
        )));
    }
    if after.active_state != "active" {
        return Err(Failed::new(format!(
            "{unit} is {} after its start; journalctl -u {unit} may say why",
            after.state()
        )));
    }
    here.log()?.notice(&format!("{unit} is {}, main process {}", after.state(), after.main_pid));
    Ok(())
}
