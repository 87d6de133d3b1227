//! Admission: may this be done, and what exactly would be done? One pure function,
//! [`Rgm::admit`], that the command and its dry run both call; it changes nothing.

mod affinities;
mod attributes;
mod cluster;
mod dependencies;
mod expand;
mod groups;
mod managing;
mod nodes;
mod properties;
mod resources;
mod switches;
mod switching;
mod types;
mod versions;

pub(crate) use expand::kind;

use crate::{Rgm, ValidateArgs};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::config::Write;
use rgm_types::{
    AttrName, Command, Group, GroupName, Hold, Lifetime, Method, Millis, NodeName, PropName, Refusal,
    Resource, ResourceName, ResourceType, SchaErr,
};

/// What admission lets through.
#[derive(Debug, Clone, Default)]
pub(crate) struct Change {
    /// VALIDATEs that must succeed first.
    pub(crate) validate: Vec<Validation>,
    /// What is written.
    pub(crate) writes: Vec<Write>,
    /// What is done besides.
    pub(crate) effects: Vec<Effect>,
    /// When the caller gets its answer.
    pub(crate) goals: Vec<Goal>,
    /// Remarks for the caller.
    pub(crate) messages: Vec<String>,
}

impl Change {
    /// This one, then the other.
    pub(crate) fn append(&mut self, other: Self) {
        self.validate.extend(other.validate);
        self.writes.extend(other.writes);
        self.effects.extend(other.effects);
        self.goals.extend(other.goals);
        self.messages.extend(other.messages);
    }
}

/// One VALIDATE on each of these nodes.
#[derive(Debug, Clone)]
pub(crate) struct Validation {
    pub(crate) resource: Resource,
    pub(crate) rt: Arc<ResourceType>,
    pub(crate) nodes: Vec<NodeName>,
    pub(crate) args: Arc<ValidateArgs>,
}

/// What is done besides writing configuration.
#[derive(Debug, Clone)]
pub(crate) enum Effect {
    /// The group is meant to be online on exactly these nodes; on none, it is held offline.
    /// `primaries`: on so many from now on, instead of Desired_primaries.
    Want { group: GroupName, nodes: BTreeSet<NodeName>, primaries: Option<u32> },
    /// It leaves these nodes, and looks for others by the usual rules.
    Leave { group: GroupName, nodes: BTreeSet<NodeName> },
    /// It looks for nodes by the usual rules, whatever held it.
    Seek { group: GroupName },
    /// Everything of the group goes down on these nodes, then up again.
    Drain { group: GroupName, nodes: Vec<NodeName> },
    /// A method is owed by a resource on these nodes.
    Owe { resource: ResourceName, nodes: Vec<NodeName>, method: Method },
    /// UPDATE is owed wherever the resource is online.
    Update { resource: ResourceName, props: BTreeSet<PropName> },
    /// STOP_FAILED is cleared.
    Clear { resource: ResourceName, node: NodeName },
    /// No recovery until the group has come to rest; running methods are killed.
    Quiesce { group: GroupName, kill: bool },
    /// Nothing is placed on the node by itself for a while.
    Bar { node: NodeName, span: Millis },
    /// A hold is lifted.
    Unhold { group: GroupName, hold: Hold },
    /// An attribute of a node has another value, or none: told.
    Attr { node: NodeName, name: AttrName, lifetime: Lifetime, value: Option<String> },
    /// Node_rule of the group has become true or false on the node.
    Judge { group: GroupName, node: NodeName },
}

/// What a caller waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Goal {
    /// The group online on these nodes.
    Online { group: GroupName, nodes: BTreeSet<NodeName> },
    /// The group online somewhere.
    Somewhere { group: GroupName },
    /// The group offline everywhere.
    Offline { group: GroupName },
    /// The group at rest, wherever that is.
    Rest { group: GroupName },
    /// These resources at rest.
    Resources { group: GroupName, resources: BTreeSet<ResourceName> },
}

impl Goal {
    pub(crate) fn group(&self) -> &GroupName {
        match self {
            Self::Online { group, .. }
            | Self::Somewhere { group }
            | Self::Offline { group }
            | Self::Rest { group }
            | Self::Resources { group, .. } => group,
        }
    }

    /// It says where a group is to be, so that a later word on that takes its place.
    pub(crate) fn places(&self) -> bool {
        matches!(self, Self::Online { .. } | Self::Somewhere { .. } | Self::Offline { .. })
    }
}

impl Rgm {
    /// What the command would do, or why it is refused. `Control` and `SetStatus` are a running
    /// service's own and admitted where they are handled.
    pub(crate) fn admit(&self, command: &Command) -> Result<Change, Refusal> {
        match command {
            Command::TypeRegister { declaration } => self.admit_type_register(declaration),
            Command::TypeSet { name, installed_nodes, rt_system } => {
                self.admit_type_set(name, installed_nodes.as_ref(), *rt_system)
            }
            Command::TypeUnregister { name } => self.admit_type_unregister(name),
            Command::GroupCreate { name, props } => self.admit_group_create(name, props),
            Command::GroupSet { name, props } => self.admit_group_set(name, props),
            Command::GroupDelete { name, .. } => self.admit_group_delete(name),
            Command::ResourceCreate { name, type_name, group, props, enable } => {
                self.admit_resource_create(name, type_name, group, props, *enable)
            }
            Command::ResourceSet { name, props } => self.admit_resource_set(name, props),
            Command::ResourceDelete { name, .. } => self.admit_resource_delete(name),
            Command::Switch { groups, nodes, with } => self.admit_switch(groups, nodes, *with),
            Command::Remaster { groups } => self.admit_remaster(groups),
            Command::Online { groups, nodes, with } => self.admit_bring_online(groups, nodes, *with),
            Command::Offline { groups, nodes } => self.admit_offline(groups, nodes),
            Command::Restart { groups, nodes } => self.admit_restart(groups, nodes),
            Command::Manage { groups } => self.admit_manage(groups),
            Command::Unmanage { groups } => self.admit_unmanage(groups),
            Command::SetEnabled { resources, nodes, on, recursive } => {
                self.admit_enable(resources, nodes, *on, *recursive)
            }
            Command::SetMonitored { resources, nodes, on } => self.admit_monitor(resources, nodes, *on),
            Command::ClearStopFailed { resources, nodes } => self.admit_clear(resources, nodes),
            Command::Quiesce { groups, kill } => self.admit_quiesce(groups, *kill),
            Command::Suspend { groups, kill } => self.admit_suspend(groups, *kill),
            Command::Resume { groups } => self.admit_resume(groups),
            Command::Evacuate { nodes, sticky_secs } => self.admit_evacuate(nodes, *sticky_secs),
            Command::ClusterSet { props } => self.admit_cluster_set(props),
            Command::LoadLimitSet { node, name, soft, hard } => {
                self.admit_load_limit_set(node, name, *soft, *hard)
            }
            Command::LoadLimitDelete { node, name } => self.admit_load_limit_delete(node, name),
            Command::NodeAdd { node } => self.admit_node_add(node),
            Command::NodeRemove { node } => self.admit_node_remove(node),
            Command::AttrSet { node, lifetime, values } => {
                self.admit_attr_set(node.as_ref(), *lifetime, values)
            }
            Command::AttrClear { node, lifetime, names } => {
                self.admit_attr_clear(node.as_ref(), *lifetime, names)
            }
            // Expanded before anything of them is admitted.
            Command::Batch { .. } => Ok(Change::default()),
            Command::Control { .. } | Command::SetStatus { .. } => Ok(Change::default()),
        }
    }

    /// Refuses what may not be done to a group while a failed stop of it is not cleared
    /// (reference 5.2).
    fn refuse_frozen(&self, group: &GroupName) -> Result<(), Refusal> {
        match self.frozen(group) {
            None => Ok(()),
            Some((r, n)) => Err(Refusal::new(
                SchaErr::State,
                format!(
                    "resource group {group} is in ERROR_STOP_FAILED: a stop of resource {r} failed on node {n}"
                ),
                format!("make sure nothing of {r} runs on {n}, then: clrs clear -n {n} -f STOP_FAILED {r}"),
            )),
        }
    }

    fn refuse_unmanaged(group: &Group) -> Result<(), Refusal> {
        if group.managed {
            return Ok(());
        }
        Err(Refusal::new(
            SchaErr::State,
            format!("resource group {} is unmanaged", group.name),
            format!("manage it first: clrg manage {0}, or all at once: clrg online -emM {0}", group.name),
        ))
    }

    fn refuse_system(&self, group: &Group, what: &str) -> Result<(), Refusal> {
        if !self.conf.group_flag(group, "RG_system") {
            return Ok(());
        }
        Err(Refusal::new(
            SchaErr::NotAllowed,
            format!("resource group {} has RG_system=TRUE and may not be {what}", group.name),
            format!("set it free first: clrg set -p RG_system=FALSE {}", group.name),
        ))
    }

    /// The groups named, or if none is, those of all that `take` takes.
    fn groups_or_all(
        &self,
        names: &[GroupName],
        take: impl Fn(&Group) -> bool,
    ) -> Result<Vec<Group>, Refusal> {
        if names.is_empty() {
            return Ok(self.conf.groups.values().map(Arc::as_ref).filter(|g| take(g)).cloned().collect());
        }
        names.iter().map(|n| self.conf.group(n.as_str()).cloned()).collect()
    }
}

/// Something the manager knows of but does not do yet.
pub(crate) fn not_built(what: &str) -> Refusal {
    Refusal::new(SchaErr::NotAllowed, format!("{what}: not supported by this version"), "leave it out")
}
