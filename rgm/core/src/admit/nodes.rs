//! Nodes that are added to the configuration, and taken out of it (reference 7.8).

use super::Change;
use crate::Rgm;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{InstalledNodes, Key, NodeConf, NodeName, Refusal, SchaErr};

impl Rgm {
    pub(super) fn admit_node_add(&self, node: &NodeName) -> Result<Change, Refusal> {
        if self.conf.nodes.contains_key(node) {
            let message = format!("node {node} is configured already");
            return Err(Refusal::new(SchaErr::Exists, message, "clnode list prints those there are"));
        }
        // An id is never given twice while the others keep theirs.
        let id = self.conf.nodes.values().map(|node| node.id).max().unwrap_or(0) + 1;
        let conf = NodeConf { name: node.clone(), id, load_limits: BTreeMap::new() };
        let hint = format!("node {node} joins as soon as its rgmd runs");
        Ok(Change { writes: vec![Write::Put(Entry::Node(conf))], messages: vec![hint], ..Change::default() })
    }

    /// Nothing may run there, and nothing may name it.
    pub(super) fn admit_node_remove(&self, node: &NodeName) -> Result<Change, Refusal> {
        self.conf.node(node.as_str())?;
        let refuse = |message: String, hint: String| Err(Refusal::new(SchaErr::State, message, hint));
        if self.is_up(node) {
            let message = format!("node {node} is a member of the cluster");
            return refuse(message, format!("clnode evacuate {node}; then end rgmd and pmfd there"));
        }
        let hosts = self.conf.groups.values().find(|group| self.conf.nodes_of(&group.name).contains(node));
        if let Some(group) = hosts {
            let message = format!("resource group {} names node {node} in its Nodelist", group.name);
            return refuse(message, format!("clrg remove-node -n {node} {}", group.name));
        }
        let installed = self.conf.types.values().find(|rt| match &rt.installed_nodes {
            InstalledNodes::All => false,
            InstalledNodes::Only(nodes) => nodes.contains(node),
        });
        if let Some(rt) = installed {
            let message = format!("resource type {} is installed on node {node}", rt.name);
            return refuse(message, format!("clrt remove-node -n {node} {}", rt.name));
        }
        let attrs = self.conf.attrs_of(node).map(|_| Write::Delete(Key::Attrs(node.clone())));
        let writes = attrs.into_iter().chain([Write::Delete(Key::Node(node.clone()))]).collect();
        Ok(Change { writes, ..Change::default() })
    }
}
