//! What can be asked of the manager, and how it says no.
//!
//! A [`Command`] changes something and is decided by the president; a [`Query`] reads.

use crate::{
    AttrName, GroupName, GroupState, InstalledNodes, Lifetime, Method, Millis, NodeName, PropType,
    ResourceName, ResourceType, SchaErr, Status,
};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// Whether an administrator named a property as standard (`-y`), extension (`-x`) or left it open (`-p`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropClass {
    /// Whichever it is.
    #[default]
    Any,
    /// System-defined.
    Standard,
    /// Extension.
    Extension,
}

/// What to do with a property's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PropOp {
    /// Make it this.
    #[default]
    Set,
    /// Add these elements to a list (`+=`).
    Add,
    /// Remove these elements from a list (`-=`).
    Remove,
}

/// One `name[{node}][+|-]=value` of a command line, unchecked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PropSet {
    /// Property name, any case.
    pub name: String,
    /// Class the administrator named.
    #[serde(default)]
    pub class: PropClass,
    /// Nodes a per-node property is set for; empty means all.
    #[serde(default)]
    pub nodes: Vec<String>,
    /// What to do.
    #[serde(default)]
    pub op: PropOp,
    /// The value as written; lists separated by commas.
    pub value: String,
}

/// `scha_control -O` (reference 8.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "reference 8.6 has the table")]
pub enum ControlOp {
    Restart,
    ResourceRestart,
    ResourceIsRestarted,
    Giveover,
    CheckGiveover,
    CheckRestart,
    IgnoreFailedStart,
    ResourceDisable,
    ChangeStateOnline,
    ChangeStateOffline,
}

impl ControlOp {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Restart,
        Self::ResourceRestart,
        Self::ResourceIsRestarted,
        Self::Giveover,
        Self::CheckGiveover,
        Self::CheckRestart,
        Self::IgnoreFailedStart,
        Self::ResourceDisable,
        Self::ChangeStateOnline,
        Self::ChangeStateOffline,
    ];
    /// The word after `-O`.
    pub fn word(self) -> &'static str {
        match self {
            Self::Restart => "RESTART",
            Self::ResourceRestart => "RESOURCE_RESTART",
            Self::ResourceIsRestarted => "RESOURCE_IS_RESTARTED",
            Self::Giveover => "GIVEOVER",
            Self::CheckGiveover => "CHECK_GIVEOVER",
            Self::CheckRestart => "CHECK_RESTART",
            Self::IgnoreFailedStart => "IGNORE_FAILED_START",
            Self::ResourceDisable => "RESOURCE_DISABLE",
            Self::ChangeStateOnline => "CHANGE_STATE_ONLINE",
            Self::ChangeStateOffline => "CHANGE_STATE_OFFLINE",
        }
    }
    /// The operation of that word, in any case.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.word().eq_ignore_ascii_case(text))
    }
}

/// What is done to a group before it is brought online (`clrg online -M -e -m`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bring {
    /// `-M`: manage it.
    #[serde(default)]
    pub manage: bool,
    /// `-e`: enable its resources.
    #[serde(default)]
    pub enable: bool,
    /// `-m`: enable their monitors.
    #[serde(default)]
    pub monitor: bool,
}

impl Bring {
    /// All of it (`scswitch -Z`).
    pub const ALL: Self = Self { manage: true, enable: true, monitor: true };
}

/// A change asked for. Lists of groups or resources that are empty mean "all" only where said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named after the options they carry")]
pub enum Command {
    /// Register a type (`scrgadm -a -t`). The declaration was parsed from its file by the daemon.
    TypeRegister { declaration: ResourceType },
    /// Change what an administrator may change of a type (`scrgadm -c -t`).
    TypeSet {
        name: String,
        #[serde(default)]
        installed_nodes: Option<InstalledNodes>,
        #[serde(default)]
        rt_system: Option<bool>,
    },
    /// Unregister (`scrgadm -r -t`).
    TypeUnregister { name: String },
    /// Create a group, unmanaged (`scrgadm -a -g`). Nodelist is a property; without it, all nodes.
    GroupCreate { name: String, props: Vec<PropSet> },
    /// Change group properties (`scrgadm -c -g`).
    GroupSet { name: GroupName, props: Vec<PropSet> },
    /// Delete an empty, unmanaged group (`scrgadm -r -g`). With `force` (`clrg delete -F`) it is taken
    /// offline, its resources are disabled and deleted, and it is unmanaged first.
    GroupDelete {
        name: GroupName,
        #[serde(default)]
        force: bool,
    },
    /// Create a resource (`scrgadm -a -j`).
    ResourceCreate {
        name: String,
        type_name: String,
        group: GroupName,
        props: Vec<PropSet>,
        #[serde(default)]
        enable: bool,
    },
    /// Change resource properties (`scrgadm -c -j`).
    ResourceSet { name: ResourceName, props: Vec<PropSet> },
    /// Delete a disabled resource (`scrgadm -r -j`). With `force` (`clrs delete -F`) it is disabled
    /// first, and taken out of the dependencies of others.
    ResourceDelete {
        name: ResourceName,
        #[serde(default)]
        force: bool,
    },
    /// Bring groups online on exactly these nodes; none means offline everywhere (`scswitch -z -g -h`,
    /// `clrg switch -n`). No groups: every managed one that can.
    Switch {
        groups: Vec<GroupName>,
        nodes: Vec<NodeName>,
        #[serde(default)]
        with: Bring,
    },
    /// Bring groups to their most preferred masters (`scswitch -z [-g]`). No groups: every managed one.
    Remaster { groups: Vec<GroupName> },
    /// Bring groups online where they are not yet: on these nodes, in addition to where they are; no
    /// nodes: where the usual rules put them (`scswitch -Z [-g]`, `clrg online`). No groups: every one
    /// (managed ones where `with.manage` is not set).
    Online {
        groups: Vec<GroupName>,
        #[serde(default)]
        nodes: Vec<NodeName>,
        #[serde(default)]
        with: Bring,
    },
    /// Offline on these masters, still managed; no nodes: on all (`scswitch -F -g`, `clrg offline`).
    Offline {
        groups: Vec<GroupName>,
        #[serde(default)]
        nodes: Vec<NodeName>,
    },
    /// Stop and start again on these current primaries (`scswitch -R -h -g`).
    Restart { groups: Vec<GroupName>, nodes: Vec<NodeName> },
    /// `scswitch -o -g`.
    Manage { groups: Vec<GroupName> },
    /// `scswitch -u -g`.
    Unmanage { groups: Vec<GroupName> },
    /// On_off_switch (`scswitch -e|-n -j [-h]`). No nodes: everywhere. `recursive` (`-R`): also what
    /// they depend on (to enable), or what depends on them (to disable).
    SetEnabled {
        resources: Vec<ResourceName>,
        nodes: Vec<NodeName>,
        on: bool,
        #[serde(default)]
        recursive: bool,
    },
    /// Monitored_switch (`scswitch -e|-n -M -j [-h]`). No nodes: everywhere.
    SetMonitored { resources: Vec<ResourceName>, nodes: Vec<NodeName>, on: bool },
    /// Clear STOP_FAILED (`scswitch -c -h -j -f STOP_FAILED`).
    ClearStopFailed { resources: Vec<ResourceName>, nodes: Vec<NodeName> },
    /// End recovery loops; with `kill` the running methods too (`scswitch -Q [-g] [-k]`). No groups: every one.
    Quiesce { groups: Vec<GroupName>, kill: bool },
    /// Suspend automatic recovery (`scswitch -s [-g] [-k]`). No groups: every one.
    Suspend { groups: Vec<GroupName>, kill: bool },
    /// Resume automatic recovery (`scswitch -r [-g]`). No groups: every one.
    Resume { groups: Vec<GroupName> },
    /// Move everything off these nodes and keep it off for a while (`scswitch -S -h [-K]`).
    Evacuate { nodes: Vec<NodeName>, sticky_secs: u32 },
    /// Change cluster properties (`cluster set -p`).
    ClusterSet { props: Vec<PropSet> },
    /// Make or change a load limit of a node (`clnode create-loadlimit`, `set-loadlimit`). What is not
    /// given stays, or is soft 0 and no hard limit; `hard` below 0 takes the hard limit away.
    LoadLimitSet {
        node: NodeName,
        name: String,
        #[serde(default)]
        soft: Option<u64>,
        #[serde(default)]
        hard: Option<i64>,
    },
    /// `clnode delete-loadlimit`.
    LoadLimitDelete { node: NodeName, name: String },
    /// Configure one more node (`clnode add`). Its rgmd joins by itself.
    NodeAdd { node: NodeName },
    /// Configure a node no more, that is down and named by nothing (`clnode remove`).
    NodeRemove { node: NodeName },
    /// Give attributes of a node these values (`scha_node_attr_set`, `clnode attr set`). No node: the
    /// caller's. Answered as soon as they are written; what groups do about it follows.
    AttrSet {
        #[serde(default)]
        node: Option<NodeName>,
        #[serde(default)]
        lifetime: Lifetime,
        values: BTreeMap<AttrName, String>,
    },
    /// Take attributes of a node away (`scha_node_attr_clear`, `clnode attr clear`), of this lifetime or
    /// of both. One that is not there is not missed.
    AttrClear {
        #[serde(default)]
        node: Option<NodeName>,
        #[serde(default)]
        lifetime: Option<Lifetime>,
        names: Vec<AttrName>,
    },
    /// Several commands as one operation, in this order: neighbours that only change configuration are
    /// validated together and committed in one transaction; a refusal of any of them, as far as it can
    /// be foreseen, leaves nothing changed. Not nested.
    Batch { commands: Vec<Command> },
    /// `scha_control`.
    Control { op: ControlOp, group: String, resource: String },
    /// `scha_resource_setstatus`. No message clears the old one.
    SetStatus { group: String, resource: String, status: Status, message: Option<String> },
}

/// A read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are named after the options they carry")]
pub enum Query {
    /// `scha_resource_get -O tag -R resource [-G group] args…`.
    Resource {
        tag: String,
        resource: String,
        #[serde(default)]
        group: Option<String>,
        #[serde(default)]
        args: Vec<String>,
    },
    /// `scha_resourcegroup_get -O tag -G group args…`.
    Group {
        tag: String,
        group: String,
        #[serde(default)]
        args: Vec<String>,
    },
    /// `scha_resourcetype_get -O tag -T type`.
    Type { tag: String, type_name: String },
    /// `scha_cluster_get -O tag args…`.
    Cluster {
        tag: String,
        #[serde(default)]
        args: Vec<String>,
    },
    /// `scha_node_attr_get name`: the value in force, or that of a lifetime. No node: the caller's.
    NodeAttr {
        name: AttrName,
        #[serde(default)]
        node: Option<String>,
        #[serde(default)]
        lifetime: Option<Lifetime>,
    },
}

/// What [`crate::view::Explanation`] is asked for (`clrg explain`, `clrs explain`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A group, by name.
    Group(String),
    /// A resource, by name.
    Resource(String),
}

/// The answer to a [`Query`], one variant per output format (reference 8.1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GetValue {
    /// `%s\n`; enums and booleans too, as their word.
    Text(String),
    /// `%d\n` or `%u\n`.
    Number(i64),
    /// One line an element, none for an empty list.
    List(Vec<String>),
    /// The type's word on the first line, the value in the format of its type behind it.
    Extension {
        /// Data type.
        prop_type: PropType,
        /// A list has many, everything else one.
        lines: Vec<String>,
    },
    /// Two lines: status word, message.
    Status {
        /// Status.
        status: Status,
        /// Message, empty where none.
        message: String,
    },
}

/// A call refused or failed: which object, what is wrong, what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}")]
#[serde(deny_unknown_fields)]
pub struct Refusal {
    /// The exit code's meaning.
    pub code: SchaErr,
    /// One line: names the object and says what is wrong.
    pub message: String,
    /// One line: what to do. May be empty.
    #[serde(default)]
    pub hint: String,
    /// What methods printed (VALIDATE), line by line, for the operator.
    #[serde(default)]
    pub output: Vec<String>,
    /// What was asked was begun, and did not end as it should. False: nothing was done.
    #[serde(default, skip_serializing_if = "core::ops::Not::not")]
    pub begun: bool,
}

impl Refusal {
    /// A refusal without output.
    pub fn new(code: SchaErr, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: hint.into(), output: Vec::new(), begun: false }
    }
}

/// What goes on while a long call is carried out, for the operator's terminal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(missing_docs, reason = "the fields are what they are called")]
pub enum Progress {
    /// A method was started.
    MethodStarted { node: NodeName, resource: ResourceName, method: Method, timeout_secs: u64 },
    /// It ended.
    MethodEnded { node: NodeName, resource: ResourceName, method: Method, ok: bool, used: Millis },
    /// A group changed its state on a node.
    GroupState { group: GroupName, node: NodeName, state: GroupState },
}

/// A method that would run, in a dry run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlannedStep {
    /// Steps of one wave run at the same time; the next wave waits for them.
    pub wave: u32,
    /// Where.
    pub node: NodeName,
    /// Of which resource.
    pub resource: ResourceName,
    /// Which method.
    pub method: Method,
}

/// The answer to a [`Command`] that was carried out, or would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Done {
    /// Remarks for the operator, a line each; usually none.
    pub messages: Vec<String>,
    /// Dry run only: the methods that would run.
    #[serde(default)]
    pub plan: Vec<PlannedStep>,
}
