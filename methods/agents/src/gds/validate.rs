//! VALIDATE and MONITOR_CHECK: can the service run on this node?

use super::service::port;
use crate::call::Call;
use crate::command::End;
use crate::context::Context;
use crate::{Failed, Outcome};

/// The properties in which resources are named that this one needs.
const DEPENDENCIES: [&str; 4] = [
    "Resource_dependencies",
    "Resource_dependencies_weak",
    "Resource_dependencies_restart",
    "Resource_dependencies_offline_restart",
];
/// Of Validate_timeout, what Validate_command may take.
const PERCENT: u32 = 80;

/// VALIDATE.
pub fn validate(call: &Call) -> Outcome {
    check(&Context::new(call)?, "Validate_timeout")
}

/// MONITOR_CHECK: the same, on a node that may be given the service.
pub fn monitor_check(call: &Call) -> Outcome {
    check(&Context::new(call)?, "Monitor_check_timeout")
}

fn check(here: &Context<'_>, timeout: &str) -> Outcome {
    let start = here.command("Start_command")?.ok_or_else(|| Failed::new("Start_command is empty"))?;
    let stop = here.command("Stop_command")?;
    let probe = here.probe()?;
    let validate = here.command("Validate_command")?;
    for element in here.props().standard("Port_list")?.list() {
        port(element)?;
    }
    if let Some(storage) = storage_elsewhere(here)? {
        here.log()?.notice(&format!("the commands are not looked at: {storage} is not online on this node"));
        return Ok(());
    }
    let commands = [
        ("Start_command", Some(&start)),
        ("Stop_command", stop.as_ref()),
        ("Probe_command", probe.command()),
        ("Validate_command", validate.as_ref()),
    ];
    for (name, command) in commands {
        if let Some(trouble) = command.and_then(|command| command.trouble()) {
            return Err(Failed::new(format!("{name}: {trouble}")));
        }
    }
    let Some(validate) = validate else { return Ok(()) };
    let ran = validate.run(here.props().standard(timeout)?.seconds()? * PERCENT / 100);
    let why = match ran.end {
        End::Code(0) => return Ok(()),
        End::Code(code) => format!("ended with {code}"),
        End::Signal(signal) => format!("was killed by signal {signal}"),
        End::TimedOut => "did not end in time".to_owned(),
        End::NotRun(error) => format!("can't be run: {error}"),
    };
    Err(Failed::new(format!("Validate_command {why}: {}", ran.said)))
}

/// A file system that the service needs and that is not here now: the commands may lie on it.
fn storage_elsewhere(here: &Context<'_>) -> Result<Option<String>, Failed> {
    for property in DEPENDENCIES {
        let value = here.props().standard(property)?;
        for element in value.list() {
            let name = element.split(['{', '@']).next().unwrap_or(element);
            let is_storage = here
                .manager
                .resource(name, "TYPE")
                .is_ok_and(|type_name| type_name.contains("HAStoragePlus"));
            let state = here.manager.resource(name, "RESOURCE_STATE").unwrap_or_default();
            if is_storage && !state.starts_with("ONLINE") {
                return Ok(Some(name.to_owned()));
            }
        }
    }
    Ok(None)
}
