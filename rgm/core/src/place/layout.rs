//! Where groups are meant to be, with what somebody would change of that.

use crate::Rgm;
use alloc::collections::{BTreeMap, BTreeSet};
use rgm_types::{GroupName, NodeName};

/// Groups that would be elsewhere than [`rgm_types::GroupRun::wanted`] says. Empty: as it is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout(BTreeMap<GroupName, BTreeSet<NodeName>>);

impl Layout {
    /// The group would be on exactly these nodes.
    pub(crate) fn put(&mut self, group: &GroupName, nodes: BTreeSet<NodeName>) {
        self.0.insert(group.clone(), nodes);
    }

    /// What differs.
    pub(crate) fn changed(&self) -> impl Iterator<Item = (&GroupName, &BTreeSet<NodeName>)> {
        self.0.iter()
    }
}

impl Rgm {
    /// The nodes a group is meant to be on.
    pub(crate) fn nodes_in<'a>(
        &'a self,
        layout: &'a Layout,
        group: &GroupName,
    ) -> Option<&'a BTreeSet<NodeName>> {
        layout.0.get(group).or_else(|| self.conf.runs.get(group).map(|run| &run.wanted))
    }

    /// The group is online on the node, or meant to be.
    pub(crate) fn hosts(&self, layout: &Layout, group: &GroupName, node: &NodeName) -> bool {
        self.is_up(node) && self.nodes_in(layout, group).is_some_and(|nodes| nodes.contains(node))
    }
}
