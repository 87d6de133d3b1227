//! Failback (reference 3, 5.8): a group goes to a node that has become possible, if it likes that one
//! better than one it is on.

use super::{By, Layout, Rule};
use crate::{Level, Rgm};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use rgm_types::{GroupName, NodeName};

impl Rgm {
    /// Looks whether the group should go to this node, which has joined or where a group has come
    /// online that it has a strong positive affinity for.
    pub(crate) fn fail_back(&mut self, name: &GroupName, node: &NodeName) {
        let Some(group) = self.conf.groups.get(name) else { return };
        let quiesced = self.motions.get(name).is_some_and(|m| m.quiesced);
        if !group.managed || group.suspended || quiesced || !self.conf.group_flag(group, "Failback") {
            return;
        }
        if self.owing(group, node).is_some() || self.frozen(name).is_some() {
            return;
        }
        let now: BTreeSet<NodeName> = self.conf.run(name).wanted;
        if now.is_empty() || now.len() < self.desired_primaries(group) {
            return;
        }
        let mut without = Layout::default();
        without.put(name, BTreeSet::new());
        let verdicts = self.verdicts(&without, group, By::Itself);
        let Some(new) = verdicts.iter().find(|v| v.node == *node && v.rule == Rule::Fits) else { return };
        let Some(old) = verdicts.iter().filter(|v| now.contains(&v.node)).max_by_key(|v| v.rank) else {
            return;
        };
        if now.contains(node) || new.rank >= old.rank {
            return;
        }
        let (old, text) = (old.node.clone(), format!("resource group {name} goes back to node {node}"));
        self.log(Level::Info, text, &format!("Failback is TRUE and it likes the node better than {old}"));
        self.with_run(name, |run| {
            run.wanted.remove(&old);
            run.wanted.insert(node.clone());
        });
    }

    /// A group has come online on a node: those that have to be with it may go back there.
    pub(crate) fn call_followers(&mut self, name: &GroupName, node: &NodeName) {
        let followers = self.conf.admirers(name).filter(|(_, liking)| liking.needs_target());
        let followers: Vec<GroupName> = followers.map(|(g, _)| g.clone()).collect();
        followers.iter().for_each(|follower| self.fail_back(follower, node));
    }
}
