//! A declared group, held against what is.

use super::diff::{Difference, differing, listed};
use super::file::{Declared, DeclaredGroup, State};
use super::plan::Phase;
use super::resources;
use rgm_types::view::{GroupView, Snapshot};
use rgm_types::{Bring, Command, GroupState, PropSet};

/// Adds what differs.
pub fn compare(difference: &mut Difference, group: &DeclaredGroup, declared: &Declared, snapshot: &Snapshot) {
    let name = format!("resource group {}", group.name);
    let Some(view) = snapshot.groups.iter().find(|view| view.name == group.name) else {
        let mut details = listed(&group.props);
        details.extend(group.state.map(|state| format!("state = {}", state.word())));
        difference.object('+', name, details);
        create(difference, group);
        return;
    };
    let now = |prop: &PropSet| view.props.iter().find(|(name, _)| name.is(&prop.name)).map(|(_, v)| v);
    let (props, mut details) = differing(&group.props, now);
    if !props.is_empty() {
        difference.step(Phase::SetGroups, Command::GroupSet { name: group.name.clone(), props });
    }
    if let Some(state) = group.state.filter(|state| !is_in(view, *state)) {
        details.push(format!("state: {} -> {}", now_word(view), state.word()));
        change_state(difference, group, view, state, declared, snapshot);
    }
    if !details.is_empty() {
        difference.object('~', name, details);
    }
}

/// What it says of other groups is said when all of them are there.
fn create(difference: &mut Difference, group: &DeclaredGroup) {
    let between = |prop: &&PropSet| {
        ["RG_dependencies", "RG_affinities"].iter().any(|name| prop.name.eq_ignore_ascii_case(name))
    };
    let (later, props): (Vec<PropSet>, Vec<PropSet>) =
        group.props.iter().cloned().partition(|prop| between(&prop));
    difference.step(Phase::CreateGroups, Command::GroupCreate { name: group.name.to_string(), props });
    if !later.is_empty() {
        difference.step(Phase::SetGroups, Command::GroupSet { name: group.name.clone(), props: later });
    }
    let groups = vec![group.name.clone()];
    match group.state {
        Some(State::Online) => difference.step(Phase::Online, online(groups)),
        Some(State::Offline) => difference.step(Phase::Manage, Command::Manage { groups }),
        Some(State::Unmanaged) | None => {}
    }
}

fn online(groups: Vec<rgm_types::GroupName>) -> Command {
    Command::Online { groups, nodes: Vec::new(), with: Bring { manage: true, ..Bring::default() } }
}

fn change_state(
    difference: &mut Difference,
    group: &DeclaredGroup,
    view: &GroupView,
    state: State,
    declared: &Declared,
    snapshot: &Snapshot,
) {
    let groups = vec![group.name.clone()];
    match state {
        State::Online => difference.step(Phase::Online, online(groups)),
        State::Offline if !view.managed => difference.step(Phase::Manage, Command::Manage { groups }),
        State::Offline => {
            difference.step(Phase::TakeOffline, Command::Offline { groups, nodes: Vec::new() });
        }
        State::Unmanaged => {
            difference
                .step(Phase::TakeOffline, Command::Offline { groups: groups.clone(), nodes: Vec::new() });
            let members = snapshot.resources.iter().filter(|r| r.group == group.name);
            members.for_each(|r| resources::disable_meanwhile(difference, r, declared));
            difference.step(Phase::Unmanage, Command::Unmanage { groups });
        }
    }
}

fn is_in(view: &GroupView, state: State) -> bool {
    match state {
        State::Unmanaged => !view.managed,
        State::Online => view.managed && view.nodes.iter().any(|on| is_up(on.state)),
        State::Offline => view.managed && view.nodes.iter().all(|on| on.state == GroupState::Offline),
    }
}

fn is_up(state: GroupState) -> bool {
    match state {
        GroupState::Online
        | GroupState::OnlineFaulted
        | GroupState::PendingOnline
        | GroupState::PendingOnlineBlocked => true,
        GroupState::Unmanaged
        | GroupState::Offline
        | GroupState::PendingOffline
        | GroupState::ErrorStopFailed => false,
    }
}

fn now_word(view: &GroupView) -> String {
    if !view.managed {
        return "unmanaged".to_owned();
    }
    let busy = view.nodes.iter().map(|on| on.state).find(|state| *state != GroupState::Offline);
    busy.map_or_else(|| "offline".to_owned(), |state| state.phrase().to_lowercase())
}

impl State {
    /// As the file has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Unmanaged => "unmanaged",
        }
    }
}
