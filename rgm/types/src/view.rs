//! What is, in one piece: what `scstat`, `scrgadm -p`, `--json` and later the web page show.
//!
//! Made by the core, read by everyone else; every field of it is a fact of the moment it was made.

use crate::{
    Attrs, GroupName, GroupState, LoadLimit, Method, Millis, NodeName, PropName, PropType, ResourceName,
    ResourceState, ResourceType, Status, TypeName, Value,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// The whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Cluster name.
    pub cluster: String,
    /// Cluster properties with their values in force.
    pub props: BTreeMap<PropName, Value>,
    /// Generation of the configuration it was made from.
    pub generation: u64,
    /// Nodes by id.
    pub nodes: Vec<NodeView>,
    /// Types by name.
    pub types: Vec<TypeView>,
    /// Groups by name.
    pub groups: Vec<GroupView>,
    /// Resources by name.
    pub resources: Vec<ResourceView>,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeView {
    /// Name.
    pub name: NodeName,
    /// Node id.
    pub id: u32,
    /// Member of the cluster now.
    pub up: bool,
    /// Its load limits, and loads without a limit, by name.
    pub loads: BTreeMap<String, LoadView>,
    /// For how long nothing is placed here by itself, because it was evacuated.
    pub evacuated_for: Option<Millis>,
    /// Its attributes.
    #[serde(default)]
    pub attrs: Attrs,
}

/// A load of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadView {
    /// What Load_factors of the groups online here add up to.
    pub load: u64,
    /// Its limit, if it has one.
    pub limit: Option<LoadLimit>,
}

/// A type and who uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeView {
    /// As registered.
    pub declaration: ResourceType,
    /// Its resources.
    pub resources: Vec<ResourceName>,
}

/// A group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Name.
    pub name: GroupName,
    /// Managed.
    pub managed: bool,
    /// Suspend_automatic_recovery.
    pub suspended: bool,
    /// Every property with its value in force.
    pub props: BTreeMap<PropName, Value>,
    /// Its resources.
    pub resources: Vec<ResourceName>,
    /// Its state on each node of Nodelist, in that order.
    pub nodes: Vec<GroupOnNode>,
}

/// A group on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupOnNode {
    /// Node.
    pub node: NodeName,
    /// State there.
    pub state: GroupState,
}

/// A resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceView {
    /// Name.
    pub name: ResourceName,
    /// Its group.
    pub group: GroupName,
    /// Full name of its type.
    pub type_name: TypeName,
    /// Type_version.
    pub type_version: String,
    /// R_description.
    pub description: String,
    /// Every property with its value in force.
    pub props: Vec<PropView>,
    /// On each node of the group's Nodelist, in that order.
    pub nodes: Vec<ResourceOnNode>,
}

/// A property of a resource.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PropView {
    /// Name.
    pub name: PropName,
    /// Extension or standard.
    pub extension: bool,
    /// Data type.
    pub prop_type: PropType,
    /// Help text.
    pub description: String,
    /// Value in force; `None` for a declared property without default that was never given.
    pub value: Option<Value>,
    /// Values given for single nodes.
    pub per_node: BTreeMap<NodeName, Value>,
}

/// A resource on a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceOnNode {
    /// Node.
    pub node: NodeName,
    /// On_off_switch.
    pub enabled: bool,
    /// Monitored_switch; `None` if the type has no monitor.
    pub monitored: Option<bool>,
    /// State.
    pub state: ResourceState,
    /// Status.
    pub status: Status,
    /// Status_msg.
    pub status_msg: String,
    /// The method that runs now and since when (boot clock).
    pub running: Option<(Method, Millis)>,
}

/// Why an object is as it is, and what comes next: a few lines for an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// `resource group web`, `resource db`.
    pub object: String,
    /// Where it is and in what state, one sentence.
    pub summary: String,
    /// Every node of Nodelist, in that order, and the rule that takes it or passes it over.
    pub nodes: Vec<NodeVerdict>,
    /// What led here: failures, holds, operators' words; oldest first.
    pub reasons: Vec<String>,
    /// What it waits for.
    pub waits: Vec<Pending>,
    /// What an operator can do next; commands ready to type.
    pub advice: Vec<String>,
}

/// What a node is to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeVerdict {
    /// Node.
    pub node: NodeName,
    /// What the object does there, as a status command says it.
    pub state: String,
    /// The usual rules would take it.
    pub eligible: bool,
    /// The rule that takes it or passes it over.
    pub rule: String,
}

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pending {
    /// What, as a sentence.
    pub what: String,
    /// How long still, where that is known.
    pub left: Option<Millis>,
}

/// How much a log line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// A service is hurt.
    Error,
    /// A human may need to look.
    Warn,
    /// A state change.
    Info,
    /// A decision and its reason.
    Debug,
}

impl Level {
    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
        }
    }
}

/// One line of the event log: what was decided or happened, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventRecord {
    /// Counted from 1 over all lives of the daemon. A number that is missing belongs to a line that
    /// could not be written; the next line says so.
    pub seq: u64,
    /// When, wall clock: it may jump, `seq` does not.
    pub at: Millis,
    /// How much it matters.
    pub level: Level,
    /// What.
    pub text: String,
    /// The event that led to it; empty for what the daemon says of itself and of methods.
    #[serde(default)]
    pub event: String,
    /// The rule that applied; empty likewise.
    #[serde(default)]
    pub rule: String,
}

impl EventRecord {
    /// True if it names this object, as a word of its own.
    pub fn names(&self, object: &str) -> bool {
        let part_of_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':');
        [&self.text, &self.event, &self.rule].into_iter().any(|text| {
            text.match_indices(object).any(|(at, found)| {
                let (before, behind) = (text.get(..at), text.get(at + found.len()..));
                let before = before.and_then(|t| t.chars().next_back());
                // A full stop or a colon behind a name is punctuation where no name goes on behind it.
                let mut behind = behind.unwrap_or_default().chars().skip_while(|c| matches!(c, '.' | ':'));
                let open = behind.next();
                !before.is_some_and(part_of_name) && !open.is_some_and(part_of_name)
            })
        })
    }
}
