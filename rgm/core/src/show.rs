//! States of resources and groups as they are shown (reference 5.1, 5.2), and who is told when they
//! change.

use crate::board::Board;
use crate::cell::{Cell, Phase};
use crate::plan::{Block, Desire, Plan};
use crate::{Level, Rgm};
use alloc::collections::BTreeSet;
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
        let Some((name, (node, _))) = self
            .conf
            .groups
            .get_key_value(&group.name)
            .map(|(name, _)| name)
            .zip(self.nodes.get_key_value(node))
        else {
            return GroupState::Offline;
        };
        let cells = || self.conf.members(name).filter_map(|r| Some((r, self.peek(r, node)?)));
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
        let view = self.outlook();
        let coming = |r: &Resource, plan: &Plan| match plan {
            Plan::Rest | Plan::Blocked(_) => false,
            Plan::Run(m) => *m != Method::Update,
            Plan::Pass(_) | Plan::Wait(_) => {
                self.peek(r, node).and_then(Cell::running) != Some(Method::Update)
            }
        };
        if !came_up && self.conf.members(name).any(|r| coming(r, &view.plan(r, node))) {
            return GroupState::PendingOnline;
        }
        let plans: Vec<Plan> = self.conf.members(name).map(|r| view.plan(r, node)).collect();
        let stuck = |plan: &Plan| {
            matches!(plan, Plan::Blocked(Block::StopFailed(_) | Block::Group(_) | Block::Elsewhere(_)))
        };
        if !came_up && plans.iter().any(stuck) {
            return GroupState::Offline;
        }
        if plans.iter().any(|plan| matches!(plan, Plan::Blocked(Block::Foreign(_)))) {
            return GroupState::PendingOnlineBlocked;
        }
        let hurt = |(r, c): (&Resource, &Cell)| {
            r.enabled.on_at(node) && (c.phase == Phase::StartFailed || c.status == Status::Faulted)
        };
        if cells().any(hurt) { GroupState::OnlineFaulted } else { GroupState::Online }
    }

    /// Notes which states of the group changed, logs them and tells those who wait.
    pub(crate) fn show(&mut self, name: &GroupName) {
        if !self.conf.groups.contains_key(name) {
            self.shown.remove(name);
            return;
        }
        for node in self.nodes_shown(name) {
            let Some(group) = self.conf.groups.get(name) else { break };
            let state = self.group_state(group, &node);
            self.note_arrival(name, &node, state);
            let old = self.shown.entry(name.clone()).or_default().insert(node.clone(), state);
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

    /// Nodes where the group's state may be other than it was when it was last looked at.
    fn nodes_shown(&self, name: &GroupName) -> Vec<NodeName> {
        let run = self.conf.runs.get(name);
        let board = self.boards.get(name);
        let managed = self.conf.groups.get(name).is_some_and(|g| g.managed);
        let quiet = if managed { GroupState::Offline } else { GroupState::Unmanaged };
        let shown = self.shown.get(name);
        let may_differ = |n: &&NodeName| {
            shown.and_then(|nodes| nodes.get(*n)) != Some(&quiet)
                || run.is_some_and(|run| run.wanted.contains(*n))
                || board.is_some_and(|b| b.has_node(n))
        };
        let known = self.conf.nodes_of(name).iter().chain(board.into_iter().flat_map(Board::nodes));
        let known: BTreeSet<&NodeName> = known.chain(run.into_iter().flat_map(|run| &run.wanted)).collect();
        known.into_iter().filter(may_differ).cloned().collect()
    }

    /// Remembers that a group was seen online on a node, until it is offline there again.
    fn note_arrival(&mut self, name: &GroupName, node: &NodeName, state: GroupState) {
        let arrived = matches!(
            state,
            GroupState::Online | GroupState::OnlineFaulted | GroupState::PendingOnlineBlocked
        );
        let blocked = state == GroupState::PendingOnlineBlocked;
        let gone = matches!(state, GroupState::Offline | GroupState::Unmanaged | GroupState::PendingOffline);
        let motion = self.motions.entry(name.clone()).or_default();
        if arrived {
            let news = if blocked {
                motion.came_up.remove(node);
                false
            } else {
                motion.came_up.insert(node.clone())
            };
            motion.avoid.retain(|left| left == node);
            if news {
                self.call_followers(name, node);
            }
        } else if gone {
            motion.came_up.remove(node);
        }
    }
}
