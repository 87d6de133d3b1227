//! Everything at a glance, for those who show it.

use crate::Rgm;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::view::{
    GroupOnNode, GroupView, LoadView, NodeView, PropView, ResourceOnNode, ResourceView, Snapshot, TypeView,
};
use rgm_types::{Group, Method, NodeName, PropName, Resource, ResourceType, Value, props};

impl Rgm {
    /// What is, now.
    pub fn snapshot(&self) -> Snapshot {
        let mut nodes: Vec<NodeView> =
            self.conf.nodes.values().map(|n| self.node_view(&n.name, n.id)).collect();
        nodes.sort_by_key(|n| n.id);
        Snapshot {
            cluster: self.conf.cluster.name.clone(),
            props: self.cluster_props(),
            generation: self.conf.generation.0,
            nodes,
            types: self.conf.types.values().map(|t| self.type_view(t)).collect(),
            groups: self.conf.groups.values().map(|g| self.group_view(g)).collect(),
            resources: self.conf.resources.values().filter_map(|r| self.resource_view(r)).collect(),
        }
    }

    fn node_view(&self, name: &NodeName, id: u32) -> NodeView {
        let bar = self.nodes.get(name).and_then(|n| n.barred_until);
        let evacuated_for = bar.map(|until| until.since(self.clock.boot)).filter(|left| left.0 > 0);
        let attrs = self.conf.attrs_of(name).cloned().unwrap_or_default();
        NodeView {
            name: name.clone(),
            id,
            up: self.is_up(name),
            loads: self.loads(name),
            evacuated_for,
            attrs,
        }
    }

    fn cluster_props(&self) -> BTreeMap<PropName, Value> {
        let value = |spec: &props::SystemProp| Some((spec.prop_name(), self.conf.cluster_value(spec.name)?));
        props::CLUSTER.iter().filter_map(value).collect()
    }

    /// Limits and loads of a node, and loads without a limit.
    fn loads(&self, node: &NodeName) -> BTreeMap<String, LoadView> {
        let mut loads: BTreeMap<String, LoadView> = BTreeMap::new();
        for (name, load) in self.loads.of_node(node) {
            loads.insert(name.clone(), LoadView { load, limit: None });
        }
        for (name, limit) in self.conf.nodes.get(node).into_iter().flat_map(|n| &n.load_limits) {
            loads.entry(name.clone()).or_insert(LoadView { load: 0, limit: None }).limit = Some(*limit);
        }
        loads
    }

    fn type_view(&self, rt: &ResourceType) -> TypeView {
        let users = self.conf.resources.values().filter(|r| r.type_name == rt.name);
        TypeView { declaration: rt.clone(), resources: users.map(|r| r.name.clone()).collect() }
    }

    fn group_view(&self, group: &Group) -> GroupView {
        let on_node = |node: NodeName| GroupOnNode { state: self.group_state(group, &node), node };
        GroupView {
            name: group.name.clone(),
            managed: group.managed,
            suspended: group.suspended,
            props: self.conf.group_props(group),
            resources: self.conf.members(&group.name).map(|r| r.name.clone()).collect(),
            nodes: self.conf.nodelist(group).into_iter().map(on_node).collect(),
        }
    }

    fn resource_view(&self, r: &Resource) -> Option<ResourceView> {
        let rt = self.conf.type_of(r)?;
        let group = self.conf.groups.get(&r.group)?;
        let description = self.conf.value(r, "R_description", None).map(|v| alloc::format!("{v}"));
        let prop = |d: &rgm_types::PropDecl| PropView {
            name: d.name.clone(),
            extension: d.extension,
            prop_type: d.prop_type,
            description: d.description.clone(),
            value: self.conf.value(r, d.name.as_str(), None),
            per_node: r.node_props.get(&d.name).cloned().unwrap_or_default(),
        };
        Some(ResourceView {
            name: r.name.clone(),
            group: r.group.clone(),
            type_name: r.type_name.clone(),
            type_version: r.type_version.clone(),
            description: description.unwrap_or_default(),
            props: rt.props.iter().map(prop).collect(),
            nodes: self.conf.nodelist(group).iter().map(|n| self.resource_on_node(r, rt, n)).collect(),
        })
    }

    fn resource_on_node(&self, r: &Resource, rt: &ResourceType, node: &NodeName) -> ResourceOnNode {
        let cell = self.cell(&r.name, node);
        ResourceOnNode {
            node: node.clone(),
            enabled: r.enabled.on_at(node),
            monitored: rt.has(Method::MonitorStart).then(|| r.monitored.on_at(node)),
            state: self.resource_state(r, node),
            status: cell.status,
            status_msg: cell.status_msg,
            running: cell.flight.map(|f| (f.method, f.since)),
        }
    }
}
