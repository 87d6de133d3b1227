//! Who waits for whom on a node (reference 3, 3.1): nothing of a group starts where one is that it may
//! not be with, before one it has to be with is there, or before one it depends on by RG_dependencies;
//! and that one stops after it.
//!
//! What is ordered by dependencies of resources is not ordered the other way round by groups, and what
//! is ordered by RG_dependencies not by affinities: so nobody waits in a circle.

use super::Layout;
use crate::Rgm;
use crate::outlook::Outlook;
use crate::plan::{Block, Plan, Wait};
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use rgm_types::{GroupName, NodeName};

/// Nodes where a group is at rest, and nodes where something of it may run.
pub(crate) type Standing = (BTreeSet<NodeName>, BTreeSet<NodeName>);

/// How a group stands on a node it is meant to be on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Arrival {
    /// Something is still to happen.
    Coming,
    /// It is there; whether all of it is well is another matter.
    There,
    /// Nothing will happen, and it did not start.
    Stuck,
}

impl<'a> Outlook<'a> {
    /// What a start of the group on a node waits for in other groups.
    pub(crate) fn held_up(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        self.held_once(group, node, true, || {
            self.held_by_foe(group, node)
                .filter(|_| !mutant!(self.rgm, StartBesideFoe))
                .or_else(|| self.held_by_friend(group, node))
                .or_else(|| self.held_by_order(group, node))
                .or_else(|| self.rgm.held_by_load(group, node).map(|other| self.until_gone(other, node)))
        })
    }

    /// What a stop of the group on a node waits for: groups on their way down there that depend on it
    /// by RG_dependencies.
    pub(crate) fn held_down(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        self.held_once(group, node, false, || self.held_by_dependent(group, node))
    }

    fn held_once(
        &self,
        group: &'a GroupName,
        node: &'a NodeName,
        up: bool,
        find: impl FnOnce() -> Option<Plan>,
    ) -> Option<Plan> {
        if let Some(known) = self.held.borrow().get(&(group, node, up)) {
            return known.clone();
        }
        // Whoever comes back here while it is being found is not to wait.
        self.held.borrow_mut().insert((group, node, up), None);
        let held = find();
        self.held.borrow_mut().insert((group, node, up), held.clone());
        held
    }

    fn held_by_foe(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        let foe = self.rgm.foes(group).into_iter().find(|foe| !self.rgm.is_clear_on(foe, node))?;
        Some(self.until_gone(foe, node))
    }

    /// A start that waits until another group has gone from the node: in vain where that one failed to
    /// stop, or can not because of a third.
    fn until_gone(&self, other: &'a GroupName, node: &'a NodeName) -> Plan {
        if self.rgm.failed_to_stop(other, node) || self.rests_on(other, node) {
            Plan::Blocked(Block::Group(other.clone()))
        } else {
            Plan::Wait(Wait::Group(other.clone()))
        }
    }

    fn held_by_friend(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        let friends = self.rgm.conf.affinities(group).iter().filter(|a| a.liking.needs_target());
        let held = |target: &'a GroupName| match self.arrival(target, node) {
            Arrival::There => None,
            Arrival::Stuck => Some(Plan::Blocked(Block::Group(target.clone()))),
            Arrival::Coming => Some(Plan::Wait(Wait::Group(target.clone()))),
        };
        let mut targets = friends.map(|a| &a.target).filter(|t| !self.rgm.comes_after(t, group, true));
        targets.find_map(held)
    }

    fn held_by_order(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        let first = |other: &&'a GroupName| {
            self.rgm.hosts(&Layout::default(), other, node)
                && !self.rgm.comes_after(other, group, false)
                && self.arrival(other, node) == Arrival::Coming
        };
        self.rgm.conf.group_deps(group).iter().find(first).map(|g| Plan::Wait(Wait::Group(g.clone())))
    }

    fn held_by_dependent(&self, group: &'a GroupName, node: &'a NodeName) -> Option<Plan> {
        let depends = |other: &&'a GroupName| self.rgm.conf.group_deps(other).contains(group);
        let falling = |other: &&'a GroupName| {
            let draining = self.rgm.motions.get(*other).is_some_and(|m| m.draining.contains(node));
            let leaves = draining || self.rgm.closing || !self.rgm.hosts(&Layout::default(), other, node);
            leaves && !self.rgm.is_clear_on(other, node) && !self.rgm.comes_after(group, other, false)
        };
        let mut others = self.rgm.conf.neighbours(group).filter(depends).filter(falling);
        // One that failed to stop has had its turn.
        let other = others.find(|other| !self.rests_on(other, node))?;
        Some(Plan::Wait(Wait::Group(other.clone())))
    }

    fn arrival(&self, group: &'a GroupName, node: &'a NodeName) -> Arrival {
        let frozen = || self.frozen(group).is_some() && self.rgm.is_clear_on(group, node);
        if !self.rgm.hosts(&Layout::default(), group, node) || frozen() {
            return Arrival::Stuck;
        }
        let plans: Vec<Plan> = self.rgm.conf.members(group).map(|r| self.plan(r, node)).collect();
        if !plans.iter().all(Plan::is_settled) {
            return Arrival::Coming;
        }
        let kept_out =
            plans.iter().any(|p| matches!(p, Plan::Blocked(Block::Group(_) | Block::Elsewhere(_))));
        if kept_out { Arrival::Stuck } else { Arrival::There }
    }

    /// The group is on its way down on a node, and can go no further by itself.
    pub(crate) fn stays_on(&self, group: &'a GroupName, node: &NodeName) -> bool {
        let known = self.rgm.nodes.get_key_value(node);
        known.is_some_and(|(node, _)| self.rests_on(group, node))
    }

    /// Nothing is under way or due for the group on the node.
    fn rests_on(&self, group: &'a GroupName, node: &'a NodeName) -> bool {
        self.rgm.conf.members(group).all(|r| self.plan(r, node).is_settled())
    }
}

impl Rgm {
    /// Nothing is under way or due for the group on the node.
    pub(crate) fn rests_on(&self, group: &GroupName, node: &NodeName) -> bool {
        let known = self.conf.groups.get_key_value(group).zip(self.nodes.get_key_value(node));
        known.is_none_or(|((group, _), (node, _))| self.outlook().rests_on(group, node))
    }

    /// A group that keeps this one from starting on the node, and will not go out of its way.
    pub(crate) fn in_the_way_of(&self, group: &GroupName, node: &NodeName) -> Option<GroupName> {
        let ((group, _), (node, _)) =
            self.conf.groups.get_key_value(group).zip(self.nodes.get_key_value(node))?;
        match self.outlook().held_up(group, node) {
            Some(Plan::Blocked(Block::Group(other))) => Some(other),
            _ => None,
        }
    }

    /// A group was settled: if it has come to rest somewhere, or is gone, others may go on, or learn
    /// that they wait in vain.
    pub(crate) fn tell_neighbours(&mut self, group: &GroupName) {
        self.note_room(group);
        let mut others = self.conf.neighbours(group).chain(self.conf.foreign(group));
        let concerned = others.next().is_some() || self.conf.facts(group).loaded;
        if !concerned || !self.conf.groups.contains_key(group) {
            return;
        }
        let nodes: Vec<NodeName> = self.nodes_of_interest(group).into_iter().cloned().collect();
        let (clear, busy): (BTreeSet<NodeName>, BTreeSet<NodeName>) =
            nodes.iter().cloned().partition(|n| self.is_clear_on(group, n));
        let rests = clear.union(&busy).filter(|n| self.rests_on(group, n)).cloned().collect();
        let standing = (rests, busy);
        if self.motions.get(group).is_some_and(|m| m.standing == standing) {
            return;
        }
        self.motions.entry(group.clone()).or_default().standing = standing;
        let far = self.conf.foreign(group).filter(|_| !mutant!(self, BlockedNotReevaluated));
        let linked = self.conf.neighbours(group).chain(far);
        let others: BTreeSet<GroupName> = linked.chain(self.waiting_for_room(group)).cloned().collect();
        self.dirty.extend(others);
    }

    /// Something of `later` may wait for something of `earlier`: by dependencies of resources, by
    /// RG_dependencies, and by strong affinities if those are to count. What is ordered so can not
    /// be ordered the other way round as well.
    fn comes_after(&self, later: &GroupName, earlier: &GroupName, affinities: bool) -> bool {
        let mut seen: BTreeSet<&GroupName> = BTreeSet::new();
        let mut left = [later].to_vec();
        while let Some(next) = left.pop() {
            if next == earlier {
                return true;
            }
            if !seen.insert(next) {
                continue;
            }
            left.extend(self.conf.group_deps(next));
            let deps = self.conf.members(next).flat_map(|r| self.conf.deps(&r.name));
            let groups = deps.filter_map(|d| self.conf.resources.get(&d.on)).map(|r| &r.group);
            left.extend(groups.filter(|g| *g != next));
            let friends = self.conf.affinities(next).iter().filter(|a| affinities && a.liking.needs_target());
            left.extend(friends.map(|a| &a.target));
        }
        false
    }
}
