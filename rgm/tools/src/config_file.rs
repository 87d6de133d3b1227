//! The configuration in a file: what `export` writes and `-i` reads, as clconfiguration(5CL) has it.
//!
//! ```text
//!  Snapshot ─► Configuration ─► XML            export
//!  XML ─► Configuration ─► commands            import: what makes it in an empty cluster
//! ```
//!
//! A file describes all of the configuration and nothing of what is going on: cluster properties, load
//! limits, lasting attributes of nodes, types whole (so that no registration file is needed), groups,
//! resources, switches. It has
//! every property with its value in force; of those, import gives explicitly what is not the default.
//! Export, import into an empty cluster of the same nodes, and export give the same bytes.

mod commands;
mod export;
mod import;
mod xml;

pub use commands::{attrs_set, limit_set};

#[cfg(test)]
mod tests;

use rgm_types::view::{GroupView, PropView, ResourceView, Snapshot};
use rgm_types::{
    AttrName, GroupName, LoadLimit, NodeName, PropName, ResourceName, ResourceType, TypeName, Value,
};
use std::collections::BTreeMap;

/// Which objects are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// Everything there is.
    All,
    /// Nodes, their load limits and lasting attributes.
    Nodes(Vec<NodeName>),
    /// These types.
    Types(Vec<TypeName>),
    /// These groups, their resources not included.
    Groups(Vec<GroupName>),
    /// These resources.
    Resources(Vec<ResourceName>),
}

/// What a file describes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Configuration {
    /// Cluster name, and its properties; `None`: a file of single objects.
    pub cluster: Option<(String, BTreeMap<PropName, Value>)>,
    /// Nodes by id.
    pub nodes: Vec<Node>,
    /// Types.
    pub types: Vec<ResourceType>,
    /// Groups.
    pub groups: Vec<Group>,
    /// Resources.
    pub resources: Vec<Resource>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Name.
    pub name: NodeName,
    /// Node id.
    pub id: u32,
    /// Load limits by name.
    pub limits: BTreeMap<String, LoadLimit>,
    /// Attributes that last until they are cleared.
    pub attrs: BTreeMap<AttrName, String>,
}

/// A group.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Name.
    pub name: GroupName,
    /// Managed.
    pub managed: bool,
    /// Suspend_automatic_recovery.
    pub suspended: bool,
    /// Every property.
    pub props: BTreeMap<PropName, Value>,
}

/// A resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Resource {
    /// Name.
    pub name: ResourceName,
    /// Its group.
    pub group: GroupName,
    /// Full name of its type.
    pub type_name: TypeName,
    /// Properties that have a value.
    pub props: Vec<Prop>,
    /// Switches on each node of the group's Nodelist: On_off_switch, and Monitored_switch where the type
    /// has a monitor.
    pub switches: Vec<(NodeName, bool, Option<bool>)>,
}

/// A property of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct Prop {
    /// Name.
    pub name: PropName,
    /// Extension or standard.
    pub extension: bool,
    /// Value in force; `None`: only single nodes have one.
    pub value: Option<Value>,
    /// Values given for single nodes.
    pub per_node: BTreeMap<NodeName, Value>,
}

/// What is selected of what there is, as a file.
pub fn export(snapshot: &Snapshot, selection: &Selection) -> String {
    export::document(&Configuration::of(snapshot, selection)).to_string()
}

/// What a file describes.
pub fn import(text: &str) -> Result<Configuration, ImportError> {
    import::configuration(&xml::Element::parse(text)?)
}

/// Why a file is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct ImportError {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl Configuration {
    /// What is selected of what there is.
    pub fn of(snapshot: &Snapshot, selection: &Selection) -> Self {
        let all = *selection == Selection::All;
        let node =
            |name: &NodeName| all || matches!(selection, Selection::Nodes(names) if names.contains(name));
        let rt =
            |name: &TypeName| all || matches!(selection, Selection::Types(names) if names.contains(name));
        let group =
            |name: &GroupName| all || matches!(selection, Selection::Groups(names) if names.contains(name));
        let resource = |name: &ResourceName| {
            all || matches!(selection, Selection::Resources(names) if names.contains(name))
        };
        let limits = |loads: &BTreeMap<String, rgm_types::view::LoadView>| {
            loads.iter().filter_map(|(name, load)| Some((name.clone(), load.limit?))).collect()
        };
        Self {
            cluster: all.then(|| (snapshot.cluster.clone(), snapshot.props.clone())),
            nodes: snapshot
                .nodes
                .iter()
                .filter(|n| node(&n.name))
                .map(|n| Node {
                    name: n.name.clone(),
                    id: n.id,
                    limits: limits(&n.loads),
                    attrs: n.attrs.forever.clone(),
                })
                .collect(),
            types: {
                let types = snapshot.types.iter().map(|t| &t.declaration);
                types.filter(|t| rt(&t.name)).cloned().collect()
            },
            groups: snapshot.groups.iter().filter(|g| group(&g.name)).map(Group::of).collect(),
            resources: snapshot.resources.iter().filter(|r| resource(&r.name)).map(Resource::of).collect(),
        }
    }
}

impl Group {
    fn of(view: &GroupView) -> Self {
        let GroupView { name, managed, suspended, props, .. } = view;
        Self { name: name.clone(), managed: *managed, suspended: *suspended, props: props.clone() }
    }
}

impl Resource {
    fn of(view: &ResourceView) -> Self {
        let prop = |p: &PropView| Prop {
            name: p.name.clone(),
            extension: p.extension,
            value: p.value.clone(),
            per_node: p.per_node.clone(),
        };
        let given = |p: &&PropView| p.value.is_some() || !p.per_node.is_empty();
        Self {
            name: view.name.clone(),
            group: view.group.clone(),
            type_name: view.type_name.clone(),
            props: view.props.iter().filter(given).map(prop).collect(),
            switches: view.nodes.iter().map(|on| (on.node.clone(), on.enabled, on.monitored)).collect(),
        }
    }
}
