//! Strong affinities (reference 3.1) and Node_rule: where a group may not be, and who has to leave.

use super::{Layout, Rule};
use crate::Rgm;
use crate::cell::Phase;
use crate::links::Liking;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use rgm_types::{GroupName, NodeName};

impl Rgm {
    /// The Node_rule of this group, or the strong affinity, of this group or of another one, because of
    /// which it may not be there.
    pub(crate) fn against(&self, layout: &Layout, group: &GroupName, node: &NodeName) -> Option<Rule> {
        let ruled_out = self.ruled_out(group, node);
        if ruled_out.is_some() {
            return ruled_out;
        }
        for a in self.conf.affinities(group) {
            match a.liking {
                Liking::StrongPositive | Liking::Delegating
                    if !self.hosts(layout, &a.target, node) && !mutant!(self, IgnoreStrongPositive) =>
                {
                    return Some(Rule::Against(a.clone()));
                }
                Liking::StrongNegative
                    if self.hosts(layout, &a.target, node) && !mutant!(self, IgnoreStrongNegative) =>
                {
                    return Some(Rule::Against(a.clone()));
                }
                Liking::StrongPositive
                | Liking::Delegating
                | Liking::StrongNegative
                | Liking::WeakPositive
                | Liking::WeakNegative => {}
            }
        }
        let stuck = |g: &GroupName| self.failed_to_stop(g, node);
        self.foes(group).into_iter().find(|g| stuck(g)).map(|g| Rule::Stuck(g.clone()))
    }

    /// Groups that would have to leave the node if this one came.
    pub(crate) fn evicted_by<'a>(
        &'a self,
        layout: &'a Layout,
        group: &'a GroupName,
        node: &'a NodeName,
    ) -> impl Iterator<Item = &'a GroupName> + 'a {
        let foes = self.conf.admirers(group).filter(|(_, liking)| *liking == Liking::StrongNegative);
        foes.map(|(source, _)| source).filter(move |source| self.hosts(layout, source, node))
    }

    /// Groups this one has to be with, directly or because others have to.
    pub(crate) fn followed_by<'a>(&'a self, group: &'a GroupName) -> BTreeSet<&'a GroupName> {
        let mut found = BTreeSet::new();
        let mut left = [group].to_vec();
        while let Some(next) = left.pop() {
            let affinities = self.conf.affinities(next).iter();
            let targets = affinities.filter(|a| a.liking.needs_target()).map(|a| &a.target);
            left.extend(targets.filter(|target| found.insert(*target)));
        }
        found
    }

    /// Groups this one is never to be with, whoever says so.
    pub(super) fn foes<'a>(&'a self, group: &'a GroupName) -> Vec<&'a GroupName> {
        let own = self.conf.affinities(group).iter();
        let own = own.filter(|a| a.liking == Liking::StrongNegative).map(|a| &a.target);
        let others = self.conf.admirers(group).filter(|(_, liking)| *liking == Liking::StrongNegative);
        own.chain(others.map(|(source, _)| source)).collect()
    }

    pub(crate) fn failed_to_stop(&self, group: &GroupName, node: &NodeName) -> bool {
        self.boards.get(group).is_some_and(|b| b.on(node).any(|(_, c)| c.phase == Phase::StopFailed))
    }
}
