//! One order: from its arguments to the method's result.

use super::Setup;
use methods::check::method_file;
use methods::rtr::{Call, ValidateArgs};
use methods::run::{self, Outcome, Place, Running};
use methods::texts::About;
use rgm_core::event::{self, Ending, MethodResult, Order};
use rgm_types::{Method, Millis};
use std::path::Path;
use std::time::Duration;

/// VALIDATE: are the files of all methods of the type fit to be run on this node? A result, where
/// that is the end of the order.
pub fn checked(order: &Order) -> Option<MethodResult> {
    let files = order.validate.as_ref().map_or(&[][..], |validate| &validate.check);
    let faults: Vec<String> = files
        .iter()
        .filter_map(|file| method_file(Path::new(file), None).err())
        .map(|e| e.to_string())
        .collect();
    if !faults.is_empty() {
        return Some(MethodResult { ending: Ending::NotStarted, used: Millis(0), output: faults });
    }
    let nothing_to_run = order.method == Method::Validate && order.path.is_empty();
    nothing_to_run.then(|| MethodResult { ending: Ending::Exited(0), used: Millis(0), output: Vec::new() })
}

/// Starts the method, or says why not.
pub fn launch(order: &Order, setup: &Setup) -> Result<Running, MethodResult> {
    let call = call(order);
    let mut env = call.environment(order.method, &setup.surroundings);
    if setup.paths.node().is_none() {
        // The node of a machine of its own needs no name to be found.
        env.retain(|entry| !entry.as_encoded_bytes().starts_with(b"RGM_NODE="));
    }
    tracing::info!("{}", about(order, setup).launching());
    let place = setup.cgroup.as_ref();
    run::start(&run::Order {
        program: order.path.clone().into(),
        args: call.args(),
        env,
        tag: call.tag(),
        timeout: Duration::from_millis(order.timeout.0),
        cgroup: place.map(|parent| Place { parent: parent.clone(), name: order.token.0.to_string() }),
    })
    .map_err(|error| result(order, Outcome::not_started(&error), setup))
}

/// Waits for its end; what it prints goes to the log meanwhile.
pub async fn follow(order: &Order, running: Running, setup: &Setup) -> MethodResult {
    let tag = call(order).tag();
    let outcome = running.wait(|line| tracing::info!(tag, "{line}")).await;
    for line in outcome.diagnostics.iter().flat_map(|text| text.lines()) {
        tracing::warn!(tag, "{line}");
    }
    result(order, outcome, setup)
}

fn result(order: &Order, outcome: Outcome, setup: &Setup) -> MethodResult {
    let (about, used) = (about(order, setup), outcome.duration);
    let mut output = outcome.output;
    let ending = match outcome.result {
        run::MethodResult::Exited(0) => {
            tracing::info!("{}", about.completed(used));
            Ending::Exited(0)
        }
        run::MethodResult::Exited(code) => {
            tracing::error!("{}", about.failed(code, used));
            Ending::Exited(code)
        }
        run::MethodResult::Signalled(signal) => {
            tracing::error!("{}", about.signalled(signal, used));
            Ending::Signalled(signal)
        }
        run::MethodResult::TimedOut => {
            tracing::error!("{}", about.timed_out());
            Ending::TimedOut
        }
        run::MethodResult::Killed => {
            tracing::warn!("{}", about.killed(used));
            Ending::Killed
        }
        run::MethodResult::NotStarted(why) => {
            tracing::error!("{}", about.not_started(&why));
            output = vec![why];
            Ending::NotStarted
        }
    };
    MethodResult { ending, used: Millis(u64::try_from(used.as_millis()).unwrap_or(u64::MAX)), output }
}

fn about<'a>(order: &'a Order, setup: &'a Setup) -> About<'a> {
    About {
        method: order.path.rsplit('/').next().unwrap_or_default(),
        resource: order.resource.as_str(),
        group: order.group.as_str(),
        node: setup.node.as_str(),
        timeout: Duration::from_millis(order.timeout.0),
    }
}

fn call(order: &Order) -> Call {
    Call {
        resource: order.resource.to_string(),
        type_name: order.type_name.to_string(),
        group: order.group.to_string(),
        validate: order.validate.as_deref().map(arguments),
    }
}

fn arguments(args: &event::ValidateArgs) -> ValidateArgs {
    let pairs = |list: &[(rgm_types::PropName, String)]| {
        list.iter().map(|(name, value)| (name.to_string(), value.clone())).collect()
    };
    let per_node = args.extension_node.iter();
    ValidateArgs {
        creating: args.creation,
        standard: pairs(&args.standard),
        extension: pairs(&args.extension),
        per_node: per_node
            .map(|(name, node, value)| (name.to_string(), node.to_string(), value.clone()))
            .collect(),
        group: pairs(&args.group),
    }
}
