//! The file: TOML, every key known.
//!
//! ```toml
//! [types."ACME.db"]                  # registered where it is not
//! file = "/opt/acme/ACME.db"         # where not given: found as clrt register finds it
//!
//! [groups.db-rg]
//! state = "online"                   # online, offline or unmanaged; where not given: as it is
//! properties = { Nodelist = ["phys-1", "phys-2"], Pingpong_interval = 600 }
//!
//! [groups.db-rg.resources.db]
//! type = "ACME.db"
//! enabled = true                     # or the nodes where it is; true where not given
//! monitored = ["phys-1"]
//! properties = { Port = 5432, "Debug{phys-1}" = true }
//!
//! [nodes.phys-1.loads]
//! memory = { soft = 16, hard = 32 }
//!
//! [nodes.phys-1.attributes]          # those that last until they are cleared
//! "site.rack" = "b2"
//!
//! [cluster]
//! Concentrate_load = true
//! ```

use crate::cl::ClErr;
use crate::failure::Failure;
use crate::{properties, register};
use rgm_types::{
    AttrName, GroupName, InstalledNodes, LoadLimit, NodeName, PropOp, PropSet, ResourceName, ResourceType,
};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    cluster: BTreeMap<String, toml::Value>,
    nodes: BTreeMap<NodeName, Node>,
    types: BTreeMap<String, Type>,
    groups: BTreeMap<GroupName, Group>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Node {
    loads: BTreeMap<String, Limit>,
    attributes: BTreeMap<AttrName, toml::Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Limit {
    #[serde(default)]
    soft: u64,
    hard: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Type {
    file: Option<String>,
    installed_nodes: Option<Vec<NodeName>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Group {
    state: Option<State>,
    properties: BTreeMap<String, toml::Value>,
    resources: BTreeMap<ResourceName, Resource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(rename = "type")]
    type_name: String,
    #[serde(default)]
    enabled: Where,
    #[serde(default)]
    monitored: Where,
    #[serde(default)]
    properties: BTreeMap<String, toml::Value>,
}

/// What a group is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Online on as many nodes as it wants.
    Online,
    /// Managed, and nowhere online.
    Offline,
    /// Left alone by the manager.
    Unmanaged,
}

/// On which nodes a switch is on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Where {
    /// On all.
    #[default]
    Everywhere,
    /// On none.
    Nowhere,
    /// On these.
    On(Vec<NodeName>),
}

impl<'de> Deserialize<'de> for Where {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        let value = toml::Value::deserialize(deserializer)?;
        match value.as_bool() {
            Some(true) => Ok(Self::Everywhere),
            Some(false) => Ok(Self::Nowhere),
            None if value.is_array() => value.try_into().map(Self::On).map_err(D::Error::custom),
            None => Err(D::Error::custom("it is true, false, or a list of nodes")),
        }
    }
}

impl Where {
    /// How the switch stands on a node.
    pub fn on_at(&self, node: &NodeName) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Nowhere => false,
            Self::On(nodes) => nodes.contains(node),
        }
    }
}

/// What a file declares.
#[derive(Debug, Default)]
pub struct Declared {
    /// Cluster properties.
    pub cluster: Vec<PropSet>,
    /// Load limits.
    pub limits: Vec<(NodeName, String, LoadLimit)>,
    /// Lasting attributes of nodes.
    pub attrs: Vec<(NodeName, AttrName, String)>,
    /// Types: the name given, their declaration where they are to be registered, Installed_nodes.
    pub types: Vec<DeclaredType>,
    /// Groups, by name.
    pub groups: Vec<DeclaredGroup>,
    /// Resources, by group and name.
    pub resources: Vec<DeclaredResource>,
}

/// A type.
#[derive(Debug)]
pub struct DeclaredType {
    /// As it was named.
    pub name: String,
    /// Its registration file, if one is named.
    pub file: Option<String>,
    /// Installed_nodes, if given.
    pub installed_nodes: Option<InstalledNodes>,
}

/// A group.
#[derive(Debug)]
pub struct DeclaredGroup {
    /// Name.
    pub name: GroupName,
    /// What it is meant to do; `None`: what it does.
    pub state: Option<State>,
    /// Properties given.
    pub props: Vec<PropSet>,
}

/// A resource.
#[derive(Debug)]
pub struct DeclaredResource {
    /// Name.
    pub name: ResourceName,
    /// Its group.
    pub group: GroupName,
    /// Its type, as it was named.
    pub type_name: String,
    /// On_off_switch.
    pub enabled: Where,
    /// Monitored_switch.
    pub monitored: Where,
    /// Properties given.
    pub props: Vec<PropSet>,
}

/// Reads a file.
pub fn read(path: &str) -> Result<Declared, Failure> {
    let text = if path == "-" {
        std::io::read_to_string(std::io::stdin())
    } else {
        std::fs::read_to_string(Path::new(path))
    };
    let text = text.map_err(|e| Failure::cl(ClErr::Io, format!("{path}: {e}"), ""))?;
    parse(&text).map_err(|reason| {
        let message = format!("{path}: it is not understood");
        Failure::cl(ClErr::Inval, message, "nothing was changed").showing(reason.lines())
    })
}

/// What a text declares.
pub fn parse(text: &str) -> Result<Declared, String> {
    let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut declared = Declared { cluster: props(&file.cluster)?, ..Declared::default() };
    for (node, Node { loads, attributes }) in file.nodes {
        for (name, value) in attributes {
            let text = value.as_str().map(str::to_owned);
            let text = text.or_else(|| value.as_integer().map(|number| number.to_string()));
            let value = text.ok_or_else(|| {
                format!("node {node}: attribute {name}: it is a text or a number, not {value}")
            })?;
            declared.attrs.push((node.clone(), name, value));
        }
        let limit =
            |(name, Limit { soft, hard }): (String, Limit)| (node.clone(), name, LoadLimit { soft, hard });
        declared.limits.extend(loads.into_iter().map(limit));
    }
    for (name, Type { file, installed_nodes }) in file.types {
        let installed_nodes = installed_nodes.map(InstalledNodes::Only);
        declared.types.push(DeclaredType { name, file, installed_nodes });
    }
    for (name, group) in file.groups {
        for (resource, r) in group.resources {
            if let Some(twice) = declared.resources.iter().find(|other| other.name == resource) {
                return Err(format!("resource {resource} is in group {} and in group {name}", twice.group));
            }
            declared.resources.push(DeclaredResource {
                props: props(&r.properties).map_err(|e| format!("resource {resource}: {e}"))?,
                name: resource,
                group: name.clone(),
                type_name: r.type_name,
                enabled: r.enabled,
                monitored: r.monitored,
            });
        }
        let props = props(&group.properties).map_err(|e| format!("group {name}: {e}"))?;
        declared.groups.push(DeclaredGroup { name, state: group.state, props });
    }
    Ok(declared)
}

impl DeclaredType {
    /// Its declaration, from its registration file.
    pub fn declaration(&self) -> Result<ResourceType, Failure> {
        let change = register::change(&self.name, self.file.as_deref(), self.installed_nodes.clone())?;
        register::declaration(&change).ok_or_else(|| {
            Failure::cl(
                ClErr::Type,
                format!("resource type {}: its registration file has errors", self.name),
                "rtrcheck shows them",
            )
        })
    }
}

/// `NAME` or `NAME{NODE,...}`, and a value.
fn props(given: &BTreeMap<String, toml::Value>) -> Result<Vec<PropSet>, String> {
    given
        .iter()
        .map(|(name, value)| {
            let text = words(value)
                .ok_or_else(|| format!("property {name}: a text, number, boolean or list of them"))?;
            let prop = properties::any(&format!("{name}={text}")).ok().filter(|prop| prop.op == PropOp::Set);
            prop.ok_or_else(|| format!("property {name}: that is no name of a property"))
        })
        .collect()
}

/// As a command line has it: lists joined by commas.
fn words(value: &toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(if *truth { "TRUE" } else { "FALSE" }.to_owned()),
        toml::Value::Array(list) => {
            let words: Option<Vec<String>> =
                list.iter().map(|element| words(element).filter(|_| !element.is_array())).collect();
            words.map(|words| words.join(","))
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) | toml::Value::Table(_) => None,
    }
}
