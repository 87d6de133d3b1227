//! The cells of one group, node by node. A cell that says nothing but "offline" is not kept.

use crate::Place;
use crate::cell::Cell;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use rgm_types::{NodeName, ResourceName};

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board(BTreeMap<NodeName, BTreeMap<ResourceName, Cell>>);

impl Board {
    /// The cell of a resource on a node, if it says anything.
    pub(crate) fn get(&self, r: &ResourceName, node: &NodeName) -> Option<&Cell> {
        self.0.get(node)?.get(r)
    }

    /// The cell of a resource on a node, to be changed.
    pub(crate) fn cell_mut(&mut self, r: &ResourceName, node: &NodeName) -> &mut Cell {
        self.0.entry(node.clone()).or_default().entry(r.clone()).or_default()
    }

    /// Forgets a cell that says nothing any more.
    pub(crate) fn prune(&mut self, r: &ResourceName, node: &NodeName) {
        let Some(cells) = self.0.get_mut(node) else { return };
        if cells.get(r).is_some_and(|c| *c == Cell::default()) {
            cells.remove(r);
        }
        if cells.is_empty() {
            self.0.remove(node);
        }
    }

    /// Something is said of this node.
    pub(crate) fn has_node(&self, node: &NodeName) -> bool {
        self.0.contains_key(node)
    }

    /// Nodes of which something is said.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &NodeName> {
        self.0.keys()
    }

    /// What is said of one node.
    pub(crate) fn on(&self, node: &NodeName) -> impl Iterator<Item = (&ResourceName, &Cell)> {
        self.0.get(node).into_iter().flatten()
    }

    /// All there is.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ResourceName, &NodeName, &Cell)> {
        self.0.iter().flat_map(|(node, cells)| cells.iter().map(move |(r, cell)| (r, node, cell)))
    }

    /// A resource is no more; where it stood.
    pub(crate) fn forget_resource(&mut self, r: &ResourceName) -> Vec<Place> {
        let stood = self.iter().filter(|(name, ..)| *name == r).map(|(_, node, _)| node.clone());
        let nodes: Vec<NodeName> = stood.collect();
        self.0.values_mut().for_each(|cells| drop(cells.remove(r)));
        self.0.retain(|_, cells| !cells.is_empty());
        nodes.into_iter().map(|node| (r.clone(), node)).collect()
    }

    /// A node is gone.
    pub(crate) fn forget_node(&mut self, node: &NodeName) {
        self.0.remove(node);
    }
}
