//! States of resources and groups as they are shown (reference 5.1, 5.2), and who is told when they
//! change.

use crate::cell::{Cell, Phase};
use crate::plan::{Block, Desire, Plan};
use crate::{Level, Rgm};
use alloc::format;
use alloc::vec::Vec;
use rgm_types::{Group, GroupName, GroupState, Method, NodeName, Progress, Resource, ResourceState, Status};

impl Rgm {
    /// The state of a resource on a node.
    pub(crate) fn resource_state(&self, r: &Resource, node: &NodeName) -> ResourceState {
        let monitorable = self.conf.type_of(r).is_some_and(|t| t.has(Method::MonitorStart));
        self.cell(&r.name, node).state(monitorable, self.desire(r, node) == Desire::Down)
    }

    /// The state of a group on a node.
    pub fn group_state(&self, group: &Group, node: &NodeName) -> GroupState {
        if !group.managed {
            return GroupState::Unmanaged;
        }
        let cells = || self.conf.members(&group.name).filter_map(|r| Some((r, self.peek(r, node)?)));
        if cells().any(|(_, c)| c.phase == Phase::StopFailed) {
            return GroupState::ErrorStopFailed;
        }
        let draining = self.motions.get(&group.name).is_some_and(|m| m.draining.contains(node));
        let run = self.conf.runs.get(&group.name);
        let meant = run.is_some_and(|run| run.wanted.contains(node)) && self.is_up(node) && !self.closing;
        if !meant || draining {
            let clear = cells().all(|(_, c)| c.is_clear());
            return if clear && !draining { GroupState::Offline } else { GroupState::PendingOffline };
        }
        let came_up = self.motions.get(&group.name).is_some_and(|m| m.came_up.contains(node));
        if !came_up && self.not_clear_elsewhere(group, node).is_some() {
            return GroupState::Offline;
        }
        let coming = |r: &Resource| match self.plan(r, node) {
            Plan::Rest | Plan::Blocked(_) => false,
            Plan::Run(m) => m != Method::Update,
            Plan::Pass(_) | Plan::Wait(_) => {
                self.peek(r, node).and_then(Cell::running) != Some(Method::Update)
            }
        };
        if !came_up && self.conf.members(&group.name).any(coming) {
            return GroupState::PendingOnline;
        }
        let stuck = |r: &Resource| matches!(self.plan(r, node), Plan::Blocked(Block::StopFailed(_)));
        if !came_up && self.conf.members(&group.name).any(stuck) {
            return GroupState::Offline;
        }
        let hurt = |(r, c): (&Resource, &Cell)| {
            r.enabled.on_at(node) && (c.phase == Phase::StartFailed || c.status == Status::Faulted)
        };
        if cells().any(hurt) { GroupState::OnlineFaulted } else { GroupState::Online }
    }

    /// Notes which states of the group changed, logs them and tells those who wait.
    pub(crate) fn show(&mut self, name: &GroupName) {
        let Some(group) = self.conf.groups.get(name).cloned() else {
            self.shown.retain(|(g, _), _| g != name);
            return;
        };
        let nodes: Vec<NodeName> = self.conf.nodes.keys().cloned().collect();
        for node in nodes {
            let state = self.group_state(&group, &node);
            self.note_arrival(name, &node, state);
            let old = self.shown.insert((name.clone(), node.clone()), state);
            if old == Some(state)
                || (old.is_none() && matches!(state, GroupState::Unmanaged | GroupState::Offline))
            {
                continue;
            }
            let text = format!("resource group {name} state on node {node} change to RG_{state}");
            self.log(Level::Info, text, "the state follows its resources");
            self.tell_ops(name, &Progress::GroupState { group: name.clone(), node, state });
        }
    }

    /// Remembers that a group was seen online on a node, until it is offline there again.
    fn note_arrival(&mut self, name: &GroupName, node: &NodeName, state: GroupState) {
        let arrived = matches!(state, GroupState::Online | GroupState::OnlineFaulted);
        let gone = matches!(state, GroupState::Offline | GroupState::Unmanaged | GroupState::PendingOffline);
        let motion = self.motions.entry(name.clone()).or_default();
        if arrived {
            motion.came_up.insert(node.clone());
            motion.avoid.retain(|left| left == node);
        } else if gone {
            motion.came_up.remove(node);
        }
    }
}
