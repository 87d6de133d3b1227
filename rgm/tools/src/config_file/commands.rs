//! A configuration as commands: what makes it in a cluster where nothing of it is.
//!
//! Types, groups, what groups say of each other, resources behind those they need, then switches, and
//! at last the states of groups: nothing is online for it, and what was managed is managed.

use super::{Configuration, Group, Resource};
use crate::order::{needed_first, needs};
use rgm_types::props::{self, SystemProp};
use rgm_types::{
    AttrName, Command, GroupName, Lifetime, LoadLimit, NodeName, PropClass, PropName, PropOp, PropSet,
    ResourceName, ResourceType, Value,
};
use std::collections::BTreeMap;

/// Properties by which groups name each other: set once all of them are there.
const BETWEEN_GROUPS: [&str; 2] = ["RG_dependencies", "RG_affinities"];

impl Configuration {
    /// What makes it, in this order, and best as one batch. Types that are not in it are among `known`.
    pub fn commands<'a>(&'a self, known: impl Iterator<Item = &'a ResourceType> + Clone) -> Vec<Command> {
        let types = || self.types.iter().chain(known.clone());
        let mut commands = Vec::new();
        if let Some((_, given)) = &self.cluster {
            let props = differing(given, props::CLUSTER);
            commands.extend((!props.is_empty()).then_some(Command::ClusterSet { props }));
        }
        for node in &self.nodes {
            commands.extend(node.limits.iter().map(|(name, limit)| limit_set(&node.name, name, limit)));
            commands.extend((!node.attrs.is_empty()).then(|| attrs_set(&node.name, node.attrs.clone())));
        }
        commands.extend(self.types.iter().map(|rt| Command::TypeRegister { declaration: rt.clone() }));
        commands.extend(self.groups.iter().map(create_group));
        commands.extend(self.groups.iter().filter_map(between_groups));
        let ordered = self.ordered();
        commands.extend(ordered.iter().map(|r| create_resource(r, types().find(|t| t.name == r.type_name))));
        commands.extend(switches(&ordered));
        let groups = |which: fn(&Group) -> bool| -> Vec<GroupName> {
            self.groups.iter().filter(|g| which(g)).map(|g| g.name.clone()).collect()
        };
        let (managed, suspended) = (groups(|g| g.managed), groups(|g| g.suspended));
        commands.extend((!managed.is_empty()).then_some(Command::Manage { groups: managed }));
        commands
            .extend((!suspended.is_empty()).then_some(Command::Suspend { groups: suspended, kill: false }));
        commands
    }

    /// Only what is selected of it.
    #[must_use]
    pub fn only(mut self, resources: &[ResourceName], groups: &[GroupName]) -> Self {
        self.cluster = None;
        self.nodes.clear();
        self.resources.retain(|r| resources.contains(&r.name));
        self.groups.retain(|g| groups.contains(&g.name));
        self.types.retain(|t| self.resources.iter().any(|r| r.type_name == t.name));
        self
    }

    /// Resources, each behind those it needs.
    fn ordered(&self) -> Vec<&Resource> {
        let given =
            |r: &Resource| needs(r.props.iter().filter_map(|p| Some((p.name.as_str(), p.value.as_ref()?))));
        let items: Vec<(ResourceName, Vec<ResourceName>)> =
            self.resources.iter().map(|r| (r.name.clone(), given(r))).collect();
        let find = |name: &ResourceName| self.resources.iter().find(|r| r.name == *name);
        needed_first(&items).iter().filter_map(find).collect()
    }
}

/// Makes this load limit.
pub fn limit_set(node: &NodeName, name: &str, limit: &LoadLimit) -> Command {
    let hard = limit.hard.map_or(-1, |hard| i64::try_from(hard).unwrap_or(i64::MAX));
    Command::LoadLimitSet {
        node: node.clone(),
        name: name.to_owned(),
        soft: Some(limit.soft),
        hard: Some(hard),
    }
}

/// Gives a node these lasting attributes.
pub fn attrs_set(node: &NodeName, values: BTreeMap<AttrName, String>) -> Command {
    Command::AttrSet { node: Some(node.clone()), lifetime: Lifetime::Forever, values }
}

fn create_group(group: &Group) -> Command {
    let mut props = differing(&group.props, props::GROUP);
    props.retain(|prop| !BETWEEN_GROUPS.contains(&prop.name.as_str()));
    Command::GroupCreate { name: group.name.to_string(), props }
}

fn between_groups(group: &Group) -> Option<Command> {
    let mut props = differing(&group.props, props::GROUP);
    props.retain(|prop| BETWEEN_GROUPS.contains(&prop.name.as_str()));
    (!props.is_empty()).then(|| Command::GroupSet { name: group.name.clone(), props })
}

/// Those that are not at the default of the table.
fn differing(given: &BTreeMap<PropName, Value>, table: &[SystemProp]) -> Vec<PropSet> {
    let inherited = |name: &PropName, value: &Value| {
        let spec = table.iter().find(|spec| name.is(spec.name));
        spec.and_then(|spec| spec.default).is_some_and(|default| default == value.to_string())
    };
    let differing = given.iter().filter(|(name, value)| !inherited(name, value));
    differing.map(|(name, value)| set(name, PropClass::Standard, Vec::new(), value)).collect()
}

fn set(name: &PropName, class: PropClass, nodes: Vec<String>, value: &Value) -> PropSet {
    PropSet { name: name.to_string(), class, nodes, op: PropOp::Set, value: value.to_string() }
}

fn create_resource(r: &Resource, rt: Option<&ResourceType>) -> Command {
    let mut props = Vec::new();
    for prop in &r.props {
        let class = if prop.extension { PropClass::Extension } else { PropClass::Standard };
        let default = rt.and_then(|t| t.prop(prop.name.as_str())).and_then(|decl| decl.default.as_ref());
        let value = prop.value.as_ref().filter(|value| Some(*value) != default);
        props.extend(value.map(|value| set(&prop.name, class, Vec::new(), value)));
        let per_node = prop.per_node.iter();
        props.extend(per_node.map(|(node, value)| set(&prop.name, class, vec![node.to_string()], value)));
    }
    Command::ResourceCreate {
        name: r.name.to_string(),
        type_name: r.type_name.to_string(),
        group: r.group.clone(),
        props,
        enable: false,
    }
}

/// A new resource is disabled and monitored everywhere.
fn switches(resources: &[&Resource]) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    for r in resources {
        let enabled: Vec<NodeName> =
            r.switches.iter().filter(|(_, enabled, _)| *enabled).map(|(node, ..)| node.clone()).collect();
        if enabled.is_empty() {
            continue;
        }
        let nodes = if enabled.len() == r.switches.len() { Vec::new() } else { enabled };
        // Neighbours with the same switches go together.
        match commands.last_mut() {
            Some(Command::SetEnabled { resources, nodes: same, .. }) if *same == nodes => {
                resources.push(r.name.clone());
            }
            _ => {
                let resources = vec![r.name.clone()];
                commands.push(Command::SetEnabled { resources, nodes, on: true, recursive: false });
            }
        }
    }
    for r in resources {
        let off: Vec<NodeName> = r
            .switches
            .iter()
            .filter(|(.., monitored)| *monitored == Some(false))
            .map(|(node, ..)| node.clone())
            .collect();
        if !off.is_empty() {
            let nodes = if off.len() == r.switches.len() { Vec::new() } else { off };
            commands.push(Command::SetMonitored { resources: vec![r.name.clone()], nodes, on: false });
        }
    }
    commands
}
