//! The groups that `list`, `status` and `show` print: those named, as far as the filters take them.

use super::is_up;
use super::table::STATES;
use crate::cl::objects::{self, Found};
use crate::cl::{Call, Named};
use crate::failure::Failure;
use rgm_types::view::{GroupView, Snapshot};
use rgm_types::{GroupState, NodeName};

/// Them, with the nodes that are asked for only; and a failure for each name that no group has.
pub fn groups(call: &Call) -> Result<(Vec<GroupView>, Vec<Failure>), Failure> {
    let snapshot = call.snapshot()?;
    let found = named(call, snapshot);
    let filter = Filter::of(call)?;
    let picked = found.objects.into_iter().filter_map(|view| filter.take(snapshot, view));
    Ok((picked.collect(), found.failures))
}

fn named<'a>(call: &Call, snapshot: &'a Snapshot) -> Found<&'a GroupView> {
    match call.named() {
        Named::All => Found { objects: snapshot.groups.iter().collect(), failures: Vec::new() },
        Named::These(names) => Found::each(&names, |name| {
            let view = snapshot.groups.iter().find(|g| g.name.as_str() == name);
            view.ok_or_else(|| objects::absent("resource group", name, "clrg list"))
        }),
    }
}

struct Filter {
    nodes: Vec<NodeName>,
    resources: Vec<String>,
    types: Vec<String>,
    states: Vec<String>,
}

impl Filter {
    fn of(call: &Call) -> Result<Self, Failure> {
        Ok(Self {
            nodes: objects::known_nodes(call)?,
            resources: call.args.items("-r")?,
            types: call.args.items("-t")?,
            states: objects::states(call, STATES)?,
        })
    }

    fn take(&self, snapshot: &Snapshot, view: &GroupView) -> Option<GroupView> {
        let mut view = view.clone();
        if !self.nodes.is_empty() {
            view.nodes.retain(|on| self.nodes.contains(&on.node));
        }
        let here = !view.nodes.is_empty() || self.nodes.is_empty();
        let resources = snapshot.resources.iter().filter(|r| r.group == view.name);
        let has_resource = self.resources.is_empty()
            || view.resources.iter().any(|r| self.resources.iter().any(|n| n == r.as_str()));
        let has_type = self.types.is_empty()
            || resources.into_iter().any(|r| self.types.iter().any(|t| r.type_name.answers_to(t)));
        let in_state = self.states.is_empty() || self.states.iter().any(|s| is_in(&view, s));
        (here && has_resource && has_type && in_state).then_some(view)
    }
}

fn is_in(view: &GroupView, state: &str) -> bool {
    let any = |state: GroupState| view.nodes.iter().any(|on| on.state == state);
    match state {
        "offline" => view.managed && !view.nodes.iter().any(|on| is_up(on.state)),
        "not_online" => !any(GroupState::Online),
        word => view.nodes.iter().any(|on| on.state.word().eq_ignore_ascii_case(word)),
    }
}
