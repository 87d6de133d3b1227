//! The configuration as the core reads it: entries by name, values in force, who belongs to whom.

use crate::links::Links;
use crate::value;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::config::{ClusterConf, Entry, Generation, Key, Write};
use rgm_types::{
    Attrs, Group, GroupName, GroupRun, InitNodes, Method, Millis, NodeConf, NodeName, PropName, Refusal,
    Resource, ResourceName, ResourceType, SchaErr, TypeName, Value, props,
};

/// Everything the repository holds.
#[derive(Debug, Clone, Default)]
pub struct Conf {
    pub(crate) generation: Generation,
    pub(crate) cluster: ClusterConf,
    pub(crate) nodes: BTreeMap<NodeName, NodeConf>,
    pub(crate) types: BTreeMap<TypeName, Arc<ResourceType>>,
    /// Groups and resources are shared: whoever looks at one while it changes things holds it.
    pub(crate) groups: BTreeMap<GroupName, Arc<Group>>,
    pub(crate) resources: BTreeMap<ResourceName, Arc<Resource>>,
    pub(crate) runs: BTreeMap<GroupName, GroupRun>,
    attrs: BTreeMap<NodeName, Attrs>,
    /// Resources of each group. Derived.
    members: BTreeMap<GroupName, BTreeMap<ResourceName, Arc<Resource>>>,
    /// Who depends on whom. Derived.
    pub(crate) links: Links,
}

/// Why a repository's entries make no configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// An entry refers to one that is not there.
    #[error("the configuration is damaged: resource {resource} belongs to {what}, which does not exist")]
    Dangling {
        /// The entry that refers.
        resource: ResourceName,
        /// What it refers to.
        what: String,
    },
}

/// How Failover_mode answers failures (reference 2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailoverMode {
    /// Failures are shown, nothing is moved.
    None,
    /// A failed start moves the group.
    Soft,
    /// As Soft, and a failed stop takes the node down.
    Hard,
    /// As None; a monitor may restart only its own resource.
    RestartOnly,
    /// As None; a monitor may do nothing.
    LogOnly,
}

impl Conf {
    /// Builds it from a repository's entries.
    pub fn load(entries: Vec<Entry>, generation: Generation) -> Result<Self, LoadError> {
        let mut conf = Self { generation, ..Self::default() };
        for entry in entries {
            conf.put(&Write::Put(entry));
        }
        conf.groups.keys().cloned().collect::<Vec<_>>().iter().for_each(|g| conf.relink_group(g));
        for r in conf.resources.values() {
            let dangling = |what: String| Err(LoadError::Dangling { resource: r.name.clone(), what });
            if !conf.groups.contains_key(&r.group) {
                return dangling(alloc::format!("resource group {}", r.group));
            }
            if !conf.types.contains_key(&r.type_name) {
                return dangling(alloc::format!("resource type {}", r.type_name));
            }
        }
        Ok(conf)
    }

    /// Carries out one write, and reads again what it says of others.
    pub fn apply(&mut self, write: &Write) {
        let deleted = match write {
            Write::Delete(Key::Resource(r)) => self.resources.get(r).map(|r| r.group.clone()),
            Write::Put(_) | Write::Delete(_) => None,
        };
        self.put(write);
        match write {
            Write::Put(Entry::Group(g)) => self.relink_group(&g.name),
            Write::Put(Entry::Resource(r)) => self.relink_group(&r.group),
            Write::Delete(Key::Group(g)) => self.relink_group(g),
            Write::Delete(Key::Resource(r)) => {
                deleted.into_iter().for_each(|group| self.unlink_resource(r, &group));
            }
            Write::Put(
                Entry::Cluster(_) | Entry::Node(_) | Entry::Type(_) | Entry::Run(..) | Entry::Attrs(..),
            )
            | Write::Delete(Key::Cluster | Key::Node(_) | Key::Type(_) | Key::Run(_) | Key::Attrs(_)) => {}
        }
    }

    fn put(&mut self, write: &Write) {
        match write {
            Write::Put(Entry::Cluster(c)) => self.cluster.clone_from(c),
            Write::Put(Entry::Node(n)) => drop(self.nodes.insert(n.name.clone(), n.clone())),
            Write::Put(Entry::Type(t)) => drop(self.types.insert(t.name.clone(), Arc::new(t.clone()))),
            Write::Put(Entry::Group(g)) => drop(self.groups.insert(g.name.clone(), Arc::new(g.clone()))),
            Write::Put(Entry::Resource(r)) => {
                let r = Arc::new(r.clone());
                self.members.entry(r.group.clone()).or_default().insert(r.name.clone(), Arc::clone(&r));
                self.resources.insert(r.name.clone(), r);
            }
            Write::Put(Entry::Run(g, run)) => drop(self.runs.insert(g.clone(), run.clone())),
            Write::Put(Entry::Attrs(n, attrs)) => drop(self.attrs.insert(n.clone(), attrs.clone())),
            Write::Delete(Key::Cluster) => self.cluster = ClusterConf::default(),
            Write::Delete(Key::Node(n)) => drop(self.nodes.remove(n)),
            Write::Delete(Key::Type(t)) => drop(self.types.remove(t)),
            Write::Delete(Key::Group(g)) => {
                self.groups.remove(g);
                self.members.remove(g);
            }
            Write::Delete(Key::Resource(r)) => {
                if let Some(old) = self.resources.remove(r) {
                    self.members.entry(old.group.clone()).or_default().remove(r);
                }
            }
            Write::Delete(Key::Run(g)) => drop(self.runs.remove(g)),
            Write::Delete(Key::Attrs(n)) => drop(self.attrs.remove(n)),
        }
    }

    pub(crate) fn get_group(&self, name: &GroupName) -> Option<&Group> {
        self.groups.get(name).map(Arc::as_ref)
    }

    pub(crate) fn get_resource(&self, name: &ResourceName) -> Option<&Resource> {
        self.resources.get(name).map(Arc::as_ref)
    }

    /// The group of that name.
    pub fn group(&self, name: &str) -> Result<&Group, Refusal> {
        self.groups.get(name).map(Arc::as_ref).ok_or_else(|| {
            let names: Vec<&str> = self.groups.keys().map(GroupName::as_str).collect();
            Refusal::new(
                SchaErr::Rg,
                alloc::format!("resource group {name} does not exist"),
                known("groups", &names),
            )
        })
    }

    /// The resource of that name.
    pub fn resource(&self, name: &str) -> Result<&Resource, Refusal> {
        self.resources.get(name).map(Arc::as_ref).ok_or_else(|| {
            let names: Vec<&str> = self.resources.keys().map(ResourceName::as_str).collect();
            Refusal::new(
                SchaErr::Rsrc,
                alloc::format!("resource {name} does not exist"),
                known("resources", &names),
            )
        })
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Result<&NodeConf, Refusal> {
        self.nodes.get(name).ok_or_else(|| {
            let names: Vec<&str> = self.nodes.keys().map(NodeName::as_str).collect();
            Refusal::new(SchaErr::Node, alloc::format!("node {name} does not exist"), known("nodes", &names))
        })
    }

    /// The one registered type that `text` means: its full name, or an unambiguous abbreviation
    /// (reference 1.9).
    pub fn resource_type(&self, text: &str) -> Result<&Arc<ResourceType>, Refusal> {
        if let Some(exact) = self.types.get(text) {
            return Ok(exact);
        }
        let matches: Vec<&Arc<ResourceType>> =
            self.types.values().filter(|t| t.name.answers_to(text)).collect();
        match matches.as_slice() {
            [one] => Ok(one),
            [] => {
                let names: Vec<&str> = self.types.keys().map(TypeName::as_str).collect();
                let message = alloc::format!("resource type {text} is not registered");
                Err(Refusal::new(SchaErr::Rt, message, known("types", &names)))
            }
            several => {
                let names: Vec<&str> = several.iter().map(|t| t.name.as_str()).collect();
                let message = alloc::format!("resource type {text} is ambiguous: {}", names.join(", "));
                Err(Refusal::new(SchaErr::Rt, message, "give the full name"))
            }
        }
    }

    /// The type of a resource. `load` and admission see to it that there is one.
    pub(crate) fn type_of(&self, resource: &Resource) -> Option<&ResourceType> {
        self.types.get(&resource.type_name).map(Arc::as_ref)
    }

    /// Resources of a group, by name.
    pub fn members(&self, group: &GroupName) -> impl Iterator<Item = &Resource> + '_ {
        self.members.get(group).into_iter().flat_map(BTreeMap::values).map(Arc::as_ref)
    }

    /// What must not be forgotten about a running group.
    pub fn run(&self, group: &GroupName) -> GroupRun {
        self.runs.get(group).cloned().unwrap_or_default()
    }

    /// The attributes of a node, if it has any.
    pub(crate) fn attrs_of(&self, node: &NodeName) -> Option<&Attrs> {
        self.attrs.get(node)
    }

    /// The value in force of a group property.
    pub fn group_value(&self, group: &Group, name: &str) -> Option<Value> {
        let spec = props::group(name)?;
        group.props.get(&spec.prop_name()).cloned().or_else(|| value::table_default(spec))
    }

    fn group_list(&self, group: &Group, name: &str) -> Vec<String> {
        match self.group_value(group, name) {
            Some(Value::StringArray(list)) => list,
            _ => Vec::new(),
        }
    }

    pub(crate) fn group_int(&self, group: &Group, name: &str) -> i64 {
        self.group_value(group, name).and_then(|v| v.int()).unwrap_or(0)
    }

    pub(crate) fn group_flag(&self, group: &Group, name: &str) -> bool {
        self.group_value(group, name).and_then(|v| v.boolean()).unwrap_or(false)
    }

    /// RG_mode is Scalable: it may be online on several nodes.
    pub(crate) fn is_scalable(&self, group: &Group) -> bool {
        self.group_value(group, "RG_mode").as_ref().and_then(Value::text) == Some("Scalable")
    }

    /// The value in force of a cluster property.
    pub(crate) fn cluster_value(&self, name: &str) -> Option<Value> {
        let spec = props::cluster(name)?;
        self.cluster.props.get(&spec.prop_name()).cloned().or_else(|| value::table_default(spec))
    }

    /// Nodelist: potential primaries, most preferred first.
    pub fn nodelist(&self, group: &Group) -> Vec<NodeName> {
        self.group_list(group, "Nodelist").iter().filter_map(|n| NodeName::new(n).ok()).collect()
    }

    /// The value in force of a resource property, on a node where it may differ.
    pub fn value(&self, resource: &Resource, name: &str, node: Option<&NodeName>) -> Option<Value> {
        self.value_at(resource, name, node).cloned()
    }

    fn value_at<'a>(
        &'a self,
        resource: &'a Resource,
        name: &str,
        node: Option<&NodeName>,
    ) -> Option<&'a Value> {
        let decl = self.type_of(resource)?.prop(name)?;
        let of_node = node.and_then(|n| resource.node_props.get(&decl.name)?.get(n));
        of_node.or_else(|| resource.props.get(&decl.name)).or(decl.default.as_ref())
    }

    pub(crate) fn int(&self, resource: &Resource, name: &str) -> Option<i64> {
        self.value(resource, name, None)?.int()
    }

    pub(crate) fn list<'a>(&'a self, resource: &'a Resource, name: &str) -> &'a [String] {
        match self.value_at(resource, name, None) {
            Some(Value::StringArray(list)) => list,
            _ => &[],
        }
    }

    /// How long a method may take.
    pub(crate) fn timeout(&self, resource: &Resource, method: Method) -> Millis {
        Millis::from_secs(self.int(resource, method.timeout_property()).unwrap_or(3600))
    }

    /// Failover_mode.
    pub(crate) fn failover_mode(&self, resource: &Resource) -> FailoverMode {
        let word = self.value(resource, "Failover_mode", None);
        match word.as_ref().and_then(Value::text) {
            Some("SOFT") => FailoverMode::Soft,
            Some("HARD") => FailoverMode::Hard,
            Some("RESTART_ONLY") => FailoverMode::RestartOnly,
            Some("LOG_ONLY") => FailoverMode::LogOnly,
            _ => FailoverMode::None,
        }
    }

    /// Nodes where INIT, FINI, BOOT and VALIDATE of a type's resources in a group run.
    pub(crate) fn init_nodes(&self, rt: &ResourceType, group: &Group) -> Vec<NodeName> {
        match rt.init_nodes {
            InitNodes::RgPrimaries => self.nodelist(group),
            InitNodes::RtInstalledNodes => {
                self.nodes.keys().filter(|n| rt.installed_on(n)).cloned().collect()
            }
        }
    }

    /// Every property of a group with its value in force.
    pub fn group_props(&self, group: &Group) -> BTreeMap<PropName, Value> {
        let value = |spec: &props::SystemProp| Some((spec.prop_name(), self.group_value(group, spec.name)?));
        props::GROUP.iter().filter_map(value).collect()
    }
}

/// "groups are: a, b", for a hint; only the first few.
fn known(what: &str, names: &[&str]) -> String {
    const SHOWN_MAX: usize = 8;
    if names.is_empty() {
        return alloc::format!("there are no {what} yet");
    }
    let more = if names.len() > SHOWN_MAX { ", …" } else { "" };
    let shown: Vec<&str> = names.iter().copied().take(SHOWN_MAX).collect();
    alloc::format!("{what} are: {}{more}", shown.join(", ")).to_string()
}
