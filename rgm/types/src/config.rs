//! What the configuration repository holds, entry by entry.
//!
//! An entry is the unit of change: a write puts or deletes whole entries, and all writes of one
//! step are one transaction. `GroupRun` is the little that must outlive its node: where a group is
//! meant to be, what must not be forgotten about failures.

use crate::{
    Attrs, GroupName, Method, Millis, NodeName, PropName, ResourceName, ResourceType, TypeName, Value,
};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// A switch that may stand differently on each node (On_off_switch, Monitored_switch).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Everywhere, later nodes included.
    pub on: bool,
    /// Nodes where it stands otherwise.
    pub except: BTreeSet<NodeName>,
}

impl Switch {
    /// The same on every node.
    pub fn all(on: bool) -> Self {
        Self { on, except: BTreeSet::new() }
    }
    /// How it stands on a node.
    pub fn on_at(&self, node: &NodeName) -> bool {
        self.on != self.except.contains(node)
    }
    /// Puts it on one node.
    pub fn set_at(&mut self, node: &NodeName, on: bool) {
        if on == self.on {
            self.except.remove(node);
        } else {
            self.except.insert(node.clone());
        }
    }
}

/// A configured resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Resource {
    /// Name, unique in the cluster.
    pub name: ResourceName,
    /// Full name of its type.
    pub type_name: TypeName,
    /// Type_version.
    pub type_version: String,
    /// Its group.
    pub group: GroupName,
    /// Properties given explicitly, standard and extension; the others follow the type's default.
    pub props: BTreeMap<PropName, Value>,
    /// Values of per-node extension properties given for one node.
    pub node_props: BTreeMap<PropName, BTreeMap<NodeName, Value>>,
    /// On_off_switch.
    pub enabled: Switch,
    /// Monitored_switch.
    pub monitored: Switch,
    /// Deleted by the administrator; FINI is still owed somewhere.
    pub deleting: bool,
}

/// A configured group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Name.
    pub name: GroupName,
    /// False: the manager leaves it alone.
    pub managed: bool,
    /// Suspend_automatic_recovery.
    pub suspended: bool,
    /// Properties given explicitly; the others have the default of [`crate::props::GROUP`].
    /// Nodelist is always explicit.
    pub props: BTreeMap<PropName, Value>,
}

/// A START failure that counts for Pingpong_interval (reference 5.6 a).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StartFailure {
    /// Where.
    pub node: NodeName,
    /// When, wall clock.
    pub at: Millis,
}

/// A giveover that counts for Pingpong_interval (reference 5.6 b).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Giveover {
    /// The resource that asked.
    pub resource: ResourceName,
    /// The node it left.
    pub node: NodeName,
    /// When, wall clock.
    pub at: Millis,
}

/// Why a managed group is left offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// An operator took it offline; an operator brings it back.
    Operator,
    /// No node was left to try; a node that joins, or an operator, makes it try again.
    NoCandidate,
    /// The whole cluster booted and Auto_start_on_new_cluster is FALSE.
    NewCluster,
}

/// What must not be forgotten about a running group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRun {
    /// Nodes it is meant to be online on now. An event's consequence, not configuration: a boot of
    /// the whole cluster starts from Auto_start_on_new_cluster again.
    pub wanted: BTreeSet<NodeName>,
    /// Why it is left offline although nothing forbids it to start; `None`: it is not.
    pub hold: Option<Hold>,
    /// Failed starts within Pingpong_interval, oldest first.
    pub start_failures: Vec<StartFailure>,
    /// Giveovers within Pingpong_interval, oldest first.
    pub giveovers: Vec<Giveover>,
    /// Resources whose stop failed, and where.
    pub stop_failed: BTreeSet<(ResourceName, NodeName)>,
    /// INIT and FINI that resources still owe a node since they became managed or unmanaged.
    pub owed: BTreeSet<(ResourceName, NodeName, Method)>,
    /// Properties that changed while a resource was up on a node, and of which its UPDATE was not told
    /// for certain. The node's journal says so too, if the president lived to have it written there.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub updates: BTreeSet<(ResourceName, NodeName, PropName)>,
    /// On how many nodes an operator's switch put it, in place of Desired_primaries; `None`: no such
    /// word is in force. A boot of the whole cluster, a remaster or a change of Desired_primaries ends it.
    #[serde(default)]
    pub primaries: Option<u32>,
}

/// A configured node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConf {
    /// Name.
    pub name: NodeName,
    /// Node id, 1 upwards.
    pub id: u32,
    /// Load limits by name (reference 3).
    #[serde(default)]
    pub load_limits: BTreeMap<String, LoadLimit>,
}

/// How much load of one kind a node takes (reference 3). Load is what Load_factors of the groups
/// online on it add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadLimit {
    /// Avoided to exceed; 0: any load is over it.
    pub soft: u64,
    /// Never exceeded; `None`: no limit.
    pub hard: Option<u64>,
}

/// The name of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Key {
    /// Properties of the cluster itself.
    Cluster,
    /// A node.
    Node(NodeName),
    /// A resource type.
    Type(TypeName),
    /// A group.
    Group(GroupName),
    /// A resource.
    Resource(ResourceName),
    /// What must not be forgotten about a running group.
    Run(GroupName),
    /// The attributes of a node. There is no such entry where there is none of them.
    Attrs(NodeName),
}

/// `kind/name`, as the stores file it.
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster => f.write_str("cluster"),
            Self::Node(n) => write!(f, "node/{n}"),
            Self::Type(n) => write!(f, "type/{n}"),
            Self::Group(n) => write!(f, "group/{n}"),
            Self::Resource(n) => write!(f, "resource/{n}"),
            Self::Run(n) => write!(f, "run/{n}"),
            Self::Attrs(n) => write!(f, "attrs/{n}"),
        }
    }
}

impl core::str::FromStr for Key {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text == "cluster" {
            return Ok(Self::Cluster);
        }
        let (kind, name) =
            text.split_once('/').ok_or_else(|| alloc::format!("no entry is called {text:?}"))?;
        match kind {
            "node" => NodeName::new(name).map(Self::Node),
            "type" => TypeName::new(name).map(Self::Type),
            "group" => GroupName::new(name).map(Self::Group),
            "resource" => ResourceName::new(name).map(Self::Resource),
            "run" => GroupName::new(name).map(Self::Run),
            "attrs" => NodeName::new(name).map(Self::Attrs),
            _ => return Err(alloc::format!("no kind of entry is called {kind:?}")),
        }
        .map_err(|e| e.to_string())
    }
}

/// Properties of the cluster itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterConf {
    /// Its name.
    pub name: String,
    /// Properties given explicitly; the others have the default of [`crate::props::CLUSTER`].
    #[serde(default)]
    pub props: BTreeMap<PropName, Value>,
}

/// One entry of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Entry {
    /// See [`Key::Cluster`].
    Cluster(ClusterConf),
    /// See [`Key::Node`].
    Node(NodeConf),
    /// See [`Key::Type`].
    Type(ResourceType),
    /// See [`Key::Group`].
    Group(Group),
    /// See [`Key::Resource`].
    Resource(Resource),
    /// See [`Key::Run`].
    Run(GroupName, GroupRun),
    /// See [`Key::Attrs`].
    Attrs(NodeName, Attrs),
}

impl Entry {
    /// The name it is filed under.
    pub fn key(&self) -> Key {
        match self {
            Self::Cluster(_) => Key::Cluster,
            Self::Node(n) => Key::Node(n.name.clone()),
            Self::Type(t) => Key::Type(t.name.clone()),
            Self::Group(g) => Key::Group(g.name.clone()),
            Self::Resource(r) => Key::Resource(r.name.clone()),
            Self::Run(g, _) => Key::Run(g.clone()),
            Self::Attrs(n, _) => Key::Attrs(n.clone()),
        }
    }
}

/// One change of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "writes are few and moved rarely")]
pub enum Write {
    /// Make the entry so.
    Put(Entry),
    /// The entry is no more.
    Delete(Key),
}

impl Write {
    /// The entry it is about.
    pub fn key(&self) -> Key {
        match self {
            Self::Put(e) => e.key(),
            Self::Delete(k) => k.clone(),
        }
    }
}

/// A store's counter: every commit raises it by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Generation(pub u64);
