//! The resources a call is about: those named, as far as `-g`, `-t`, `-n`, `-s` and the command itself
//! take them.

use super::table::STATES;
use crate::cl::objects::{self, Found};
use crate::cl::{Call, ClErr, Named};
use crate::failure::Failure;
use crate::names as well_formed;
use rgm_types::view::{ResourceView, Snapshot, TypeView};
use rgm_types::{ResourceName, ResourceState, Status};

/// Their names, for a change. Where the command line says all, the daemon is not asked who they are.
pub fn names(call: &Call) -> Result<(Vec<ResourceName>, Vec<Failure>), Failure> {
    let scope = Scope::of(call)?;
    if let (Named::These(names), true) = (call.named(), scope.is_everything()) {
        let found = Found::each(&names, well_formed::resource);
        return Ok((found.objects, found.failures));
    }
    let found = scope.find(call, call.snapshot()?);
    Ok((found.objects.iter().map(|r| r.name.clone()).collect(), found.failures))
}

/// All about them, with the nodes that are asked for only.
pub fn views(call: &Call) -> Result<(Vec<ResourceView>, Vec<Failure>), Failure> {
    let snapshot = call.snapshot()?;
    let found = Scope::of(call)?.find(call, snapshot);
    let nodes = objects::known_nodes(call)?;
    let states = objects::states(call, STATES)?;
    let picked = found.objects.into_iter().filter_map(|view| {
        let mut view = view.clone();
        view.nodes.retain(|on| nodes.is_empty() || nodes.contains(&on.node));
        let in_state = states.is_empty() || states.iter().any(|state| is_in(&view, state));
        let here = nodes.is_empty() || !view.nodes.is_empty();
        (here && in_state).then_some(view)
    });
    Ok((picked.collect(), found.failures))
}

/// The types of `-t`, where no resource is named.
pub fn types(call: &Call) -> Result<Vec<&TypeView>, Failure> {
    let named = call.args.items("-t")?;
    if !call.args.operands.is_empty() {
        return Ok(Vec::new());
    }
    let snapshot = call.snapshot()?;
    named.iter().map(|name| objects::type_named(snapshot, name)).collect()
}

/// Which resources a command line can be about.
struct Scope {
    groups: Vec<String>,
    types: Vec<String>,
    of_type: &'static str,
}

impl Scope {
    fn of(call: &Call) -> Result<Self, Failure> {
        let of_type = call.suite.of_type;
        Ok(Self { groups: call.args.items("-g")?, types: call.args.items("-t")?, of_type })
    }

    fn is_everything(&self) -> bool {
        self.groups.is_empty() && self.types.is_empty() && self.of_type.is_empty()
    }

    fn find<'a>(&self, call: &Call, snapshot: &'a Snapshot) -> Found<&'a ResourceView> {
        match call.named() {
            Named::All => {
                let all = snapshot.resources.iter().filter(|view| self.stray(view).is_none());
                Found { objects: all.collect(), failures: Vec::new() }
            }
            Named::These(names) => Found::each(&names, |name| {
                let view = snapshot.resources.iter().find(|r| r.name.as_str() == name);
                let lister = format!("{} list", call.called);
                let view = view.ok_or_else(|| objects::absent("resource", name, &lister))?;
                match self.stray(view) {
                    None => Ok(view),
                    Some(why) => Err(Failure::cl(
                        ClErr::Noent,
                        format!("resource {name} {why}"),
                        "clrs list -v shows type and group of each",
                    )),
                }
            }),
        }
    }

    /// Why a resource is not among them.
    fn stray(&self, view: &ResourceView) -> Option<String> {
        let of = |types: &[&str]| types.iter().any(|t| view.type_name.answers_to(t));
        let types: Vec<&str> = self.types.iter().map(String::as_str).collect();
        if !self.groups.is_empty() && !self.groups.iter().any(|g| g == view.group.as_str()) {
            return Some(format!("is in group {}", view.group));
        }
        if (!types.is_empty() && !of(&types)) || !(self.of_type.is_empty() || of(&[self.of_type])) {
            return Some(format!("is of type {}", view.type_name));
        }
        None
    }
}

/// True if it is in a state of `-s`.
fn is_in(view: &ResourceView, state: &str) -> bool {
    let status = |status: Status| view.nodes.iter().any(|on| on.status == status);
    let all_offline = view.nodes.iter().all(|on| on.state == ResourceState::Offline);
    match state {
        "degraded" => status(Status::Degraded),
        "faulted" => status(Status::Faulted),
        "unknown" => status(Status::Unknown),
        "detached" => all_offline && view.nodes.iter().all(|on| !on.enabled),
        "offline" => all_offline,
        "not_online" => !view.nodes.iter().any(|on| is_online(on.state)),
        word => view.nodes.iter().any(|on| on.state.word().eq_ignore_ascii_case(word)),
    }
}

fn is_online(state: ResourceState) -> bool {
    match state {
        ResourceState::Online | ResourceState::OnlineNotMonitored | ResourceState::MonitorFailed => true,
        ResourceState::Offline
        | ResourceState::Starting
        | ResourceState::StartFailed
        | ResourceState::StopFailed
        | ResourceState::Stopping => false,
    }
}
