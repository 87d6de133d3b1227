//! VALIDATE and MONITOR_CHECK: is there such a unit on this node, and does systemd leave it to us?

use super::Target;
use super::bus::Unit;
use crate::call::Call;
use crate::context::Context;
use crate::{Failed, Outcome};
use std::time::Instant;

/// Of the method's timeout, the time that systemd has to answer.
const PERCENT: u32 = 80;

/// VALIDATE.
pub fn validate(call: &Call) -> Outcome {
    check(call, "Validate_timeout")
}

/// MONITOR_CHECK. A node whose systemd does not answer takes no service now.
pub fn monitor_check(call: &Call) -> Outcome {
    check(call, "Monitor_check_timeout")
}

fn check(call: &Call, timeout: &str) -> Outcome {
    let here = Context::new(call)?;
    let target = Target::read(&here)?;
    let deadline = Instant::now() + here.props().standard(timeout)?.seconds()? * PERCENT / 100;
    let unit = target.persist(deadline, |bus| bus.unit(&target.unit, deadline))?;
    trouble(&target.unit, &unit).map_or(Ok(()), |trouble| Err(Failed::new(trouble)))
}

/// Why the unit can't be a resource.
fn trouble(name: &str, unit: &Unit) -> Option<String> {
    match unit.load_state.as_str() {
        "loaded" => {}
        "not-found" => {
            return Some(format!("{name}: systemd has no such unit; systemctl list-unit-files shows which"));
        }
        "masked" => return Some(format!("{name} is masked and can't be started; systemctl unmask {name}")),
        other => return Some(format!("{name} is not loaded but {other}; systemctl status {name} says why")),
    }
    if unit.file_state.starts_with("enabled") {
        return Some(format!(
            "{name} is {}: systemd would start it at boot, on every node at once; systemctl disable {name}",
            unit.file_state
        ));
    }
    if unit.service_type == "oneshot" && !unit.remains {
        return Some(format!(
            "{name} is of Type=oneshot and is inactive as soon as it is done; set RemainAfterExit=yes in it"
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(load_state: &str, file_state: &str, service_type: &str) -> Unit {
        Unit {
            load_state: load_state.into(),
            file_state: file_state.into(),
            service_type: service_type.into(),
            ..Unit::default()
        }
    }

    #[test]
    fn a_unit_is_refused_that_is_not_there_or_belongs_to_somebody_else() {
        for file_state in ["disabled", "static", "indirect", "generated", "transient", "linked", ""] {
            assert_eq!(trouble("a.service", &unit("loaded", file_state, "simple")), None, "{file_state}");
        }
        for (load, file, kind, why) in [
            ("not-found", "", "", "no such unit"),
            ("masked", "masked", "", "unmask"),
            ("bad-setting", "disabled", "", "bad-setting"),
            ("loaded", "enabled", "simple", "systemctl disable"),
            ("loaded", "enabled-runtime", "simple", "systemctl disable"),
            ("loaded", "disabled", "oneshot", "RemainAfterExit"),
        ] {
            let said = trouble("a.service", &unit(load, file, kind)).unwrap();
            assert!(said.contains(why), "{said}");
        }
        let remains = Unit { remains: true, ..unit("loaded", "disabled", "oneshot") };
        assert_eq!(trouble("a.service", &remains), None);
    }
}
