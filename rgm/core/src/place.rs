//! Where a group is meant to be when nobody said so (reference 5.4).
//!
//! Failover groups only, so far: one node. Affinities, several primaries and load limits rank the
//! same candidates and find their place in [`Rgm::candidates`].

use crate::{Level, Rgm};
use alloc::format;
use alloc::vec::Vec;
use rgm_types::{Group, GroupName, Hold, Millis, NodeName};

/// START failures within Pingpong_interval that a node may have and still be chosen (reference 5.6 a).
const START_FAILURES_MAX: usize = 1;

impl Rgm {
    /// Chooses a node for a group that should be online and is meant to be nowhere.
    pub(crate) fn place(&mut self, name: &GroupName) {
        let Some(group) = self.conf.groups.get(name).cloned() else { return };
        self.forget_lost_nodes(&group);
        let run = self.conf.run(name);
        let desired = self.conf.group_int(&group, "Desired_primaries");
        let settled = run.wanted.len() as u64 >= u64::try_from(desired).unwrap_or(0);
        if !group.managed || group.suspended || self.closing || run.hold.is_some() || settled {
            return;
        }
        if self.frozen(name).is_some() || !self.is_gone(&group) {
            return;
        }
        if self.motions.get(name).is_some_and(|m| m.quiesced) {
            self.hold(name, Hold::Operator, "it was quiesced");
            return;
        }
        match self.candidates(&group).first().cloned() {
            Some(node) => {
                let text = format!("resource group {name} is to be online on node {node}");
                self.log(
                    Level::Info,
                    text,
                    "first node of Nodelist that may host it; those it just left come last",
                );
                self.with_run(name, |run| run.wanted.insert(node));
            }
            None if self.up_nodes().next().is_none() => {}
            None => {
                self.hold(name, Hold::NoCandidate, "no node of Nodelist may host it");
                let text =
                    format!("rebalance: no primary node is currently found for resource group {name}.");
                self.log(
                    Level::Error,
                    text,
                    "every node is down, barred, or failed to start it within Pingpong_interval",
                );
            }
        }
    }

    pub(crate) fn hold(&mut self, group: &GroupName, hold: Hold, rule: &str) {
        self.with_run(group, |run| {
            run.wanted.clear();
            run.hold = Some(hold);
        });
        self.log(Level::Info, format!("resource group {group} stays offline"), rule);
    }

    /// A node that is gone, or no longer in Nodelist and empty, is not where the group is meant to be.
    fn forget_lost_nodes(&mut self, group: &Group) {
        let nodelist = self.conf.nodelist(group);
        let run = self.conf.run(&group.name);
        let lost: Vec<NodeName> =
            run.wanted.iter().filter(|n| !self.is_up(n) || !nodelist.contains(n)).cloned().collect();
        for node in lost {
            self.with_run(&group.name, |run| run.wanted.remove(&node));
        }
    }

    /// Nothing of it runs anywhere.
    fn is_gone(&self, group: &Group) -> bool {
        self.up_nodes().all(|n| self.is_clear_on(&group.name, n))
    }

    /// The group leaves a node because of a failure: every other node comes before it.
    pub(crate) fn leave(&mut self, group: &GroupName, node: &NodeName) {
        let avoid = &mut self.motion(group).avoid;
        avoid.retain(|n| n != node);
        avoid.push(node.clone());
        self.with_run(group, |run| run.wanted.remove(node));
    }

    /// Nodes the group may be placed on by itself, best first.
    pub(crate) fn candidates(&self, group: &Group) -> Vec<NodeName> {
        let avoid = self.motions.get(&group.name).map(|m| m.avoid.clone()).unwrap_or_default();
        let may = |n: &NodeName| {
            self.is_up(n) && !self.is_barred(n) && self.start_failures(group, n) <= START_FAILURES_MAX
        };
        let mut nodes: Vec<NodeName> = self.conf.nodelist(group).into_iter().filter(may).collect();
        nodes.sort_by_key(|n| avoid.iter().position(|a| a == n));
        nodes
    }

    pub(crate) fn is_barred(&self, node: &NodeName) -> bool {
        self.nodes
            .get(node)
            .is_some_and(|n| n.aborting || n.barred_until.is_some_and(|t| self.clock.boot < t))
    }

    fn start_failures(&self, group: &Group, node: &NodeName) -> usize {
        let run = self.conf.run(&group.name);
        run.start_failures.iter().filter(|f| f.node == *node && self.within_pingpong(group, f.at)).count()
    }

    /// Whether a wall clock time lies within the last Pingpong_interval. A time in the future is a
    /// clock that was set back: it counts, until the group's history is pruned.
    pub(crate) fn within_pingpong(&self, group: &Group, at: Millis) -> bool {
        self.clock.wall.since(at) < Millis::from_secs(self.conf.group_int(group, "Pingpong_interval"))
    }
}
