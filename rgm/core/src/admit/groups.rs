//! Creating, changing and deleting resource groups (reference 3, 3.2).

use super::properties::{self, Occasion};
use super::{Change, Effect, Goal, Validation, not_built};
use crate::{Rgm, ValidateArgs};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    Group, GroupName, Hold, Key, Method, NodeName, PropName, PropSet, Refusal, Resource, ResourceType,
    SchaErr, Value,
};

/// Properties that say where a group may be: when one of them changes, a group for which no node was
/// left is looked at again.
const PLACING: [&str; 8] = [
    "Nodelist",
    "Maximum_primaries",
    "Desired_primaries",
    "Pingpong_interval",
    "RG_affinities",
    "RG_dependencies",
    "Load_factors",
    "Priority",
];

impl Rgm {
    pub(super) fn admit_group_create(&self, name: &str, sets: &[PropSet]) -> Result<Change, Refusal> {
        let name = GroupName::new(name)
            .map_err(|e| Refusal::new(SchaErr::Inval, format!("resource group name {name:?}: {e}"), ""))?;
        if self.conf.groups.contains_key(&name) {
            let message = format!("resource group {name} already exists");
            return Err(Refusal::new(
                SchaErr::Exists,
                message,
                format!("change it with: scrgadm -c -g {name}"),
            ));
        }
        let mut group = Group { name, managed: false, suspended: false, props: Default::default() };
        properties::set_group(&mut group.props, sets, Occasion::Creation)?;
        if self.conf.nodelist(&group).is_empty() {
            let mut nodes: Vec<_> = self.conf.nodes.values().collect();
            nodes.sort_by_key(|n| n.id);
            let all = nodes.iter().map(|n| n.name.to_string()).collect();
            group.props.insert(PropName::nodelist(), Value::StringArray(all));
        }
        self.check_group(&group)?;
        Ok(Change { writes: vec![Write::Put(Entry::Group(group))], ..Change::default() })
    }

    pub(super) fn admit_group_set(&self, name: &GroupName, sets: &[PropSet]) -> Result<Change, Refusal> {
        let old = self.conf.group(name.as_str())?.clone();
        self.refuse_frozen(name)?;
        let frees = sets
            .iter()
            .any(|s| s.name.eq_ignore_ascii_case("RG_system") && s.value.eq_ignore_ascii_case("FALSE"));
        if !frees {
            self.refuse_system(&old, "changed")?;
        }
        let mut new = old.clone();
        let named = properties::set_group(&mut new.props, sets, Occasion::Update)?;
        if named.is_empty() {
            return Err(Refusal::new(
                SchaErr::Inval,
                "no property to change is given",
                "write -y NAME=VALUE",
            ));
        }
        self.check_group(&new)?;
        let mut change = Change {
            writes: vec![Write::Put(Entry::Group(new.clone()))],
            goals: vec![Goal::Rest { group: name.clone() }],
            ..Change::default()
        };
        if named.iter().any(|n| PLACING.iter().any(|p| n.is(p))) {
            change.effects.push(Effect::Unhold { group: name.clone(), hold: Hold::NoCandidate });
        }
        self.change_nodelist(&old, &new, &mut change)?;
        let members: Vec<Resource> = self.conf.members(name).filter(|r| !r.deleting).cloned().collect();
        for r in members {
            let rt = self.conf.resource_type(r.type_name.as_str())?.clone();
            let group =
                named.iter().filter_map(|n| Some((n.clone(), new.props.get(n)?.to_string()))).collect();
            let args = ValidateArgs { group, check: method_paths(&rt), ..ValidateArgs::default() };
            let nodes = self.conf.init_nodes(&rt, &new).into_iter().filter(|n| self.is_up(n)).collect();
            change.effects.push(Effect::Update { resource: r.name.clone(), props: named.clone() });
            change.validate.push(Validation { resource: r, rt, nodes, args });
        }
        Ok(change)
    }

    /// Rules over several properties of a group.
    fn check_group(&self, group: &Group) -> Result<(), Refusal> {
        let nodes = self.conf.nodelist(group);
        let given = match group.props.get(&PropName::nodelist()) {
            Some(Value::StringArray(list)) => list.clone(),
            _ => Vec::new(),
        };
        given.iter().try_for_each(|n| self.conf.node(n).map(drop))?;
        if nodes.is_empty() {
            return Err(properties::bad_value("Nodelist", "a list of at least one node"));
        }
        if nodes.iter().collect::<BTreeSet<_>>().len() != nodes.len() {
            return Err(properties::bad_value("Nodelist", "a list that names each node once"));
        }
        let mode = self.conf.group_value(group, "RG_mode");
        if mode.as_ref().and_then(Value::text) == Some("Scalable") {
            return Err(not_built("scalable resource groups (RG_mode=Scalable)"));
        }
        if self.conf.group_int(group, "Maximum_primaries") > 1 {
            return Err(properties::bad_value("Maximum_primaries", "1 in a failover resource group"));
        }
        if self.conf.group_int(group, "Desired_primaries") > 1 {
            return Err(properties::bad_value("Desired_primaries", "at most Maximum_primaries, which is 1"));
        }
        for later in ["RG_dependencies", "RG_affinities", "Load_factors"] {
            if self.conf.group_value(group, later).is_some_and(|v| v.list().is_some_and(|l| !l.is_empty())) {
                return Err(not_built(&format!("group property {later}")));
            }
        }
        Ok(())
    }

    /// A node that leaves Nodelist must not host the group; FINI is owed there, INIT on one that joins.
    fn change_nodelist(&self, old: &Group, new: &Group, change: &mut Change) -> Result<(), Refusal> {
        let (before, after) = (self.conf.nodelist(old), self.conf.nodelist(new));
        let left: Vec<NodeName> = before.iter().filter(|n| !after.contains(n)).cloned().collect();
        if let Some(n) = left
            .iter()
            .find(|n| !self.is_clear_on(&old.name, n) || self.conf.run(&old.name).wanted.contains(*n))
        {
            let message =
                format!("resource group {} is online on node {n}, which is to leave Nodelist", old.name);
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("switch it to another node first: scswitch -z -g {} -h NODE", old.name),
            ));
        }
        for r in self.conf.members(&old.name) {
            let Some(rt) = self.conf.type_of(r) else { continue };
            if let Some(n) = after.iter().find(|n| !rt.installed_on(n)) {
                let message =
                    format!("resource type {} of resource {} is not installed on node {n}", rt.name, r.name);
                return Err(Refusal::new(
                    SchaErr::Node,
                    message,
                    "add the node to the type's Installed_nodes first",
                ));
            }
            if old.managed {
                let (was, is) = (self.conf.init_nodes(rt, old), self.conf.init_nodes(rt, new));
                let joined = is.iter().filter(|n| !was.contains(n)).cloned().collect();
                let gone = was.iter().filter(|n| !is.contains(n)).cloned().collect();
                change.effects.push(Effect::Owe {
                    resource: r.name.clone(),
                    nodes: joined,
                    method: Method::Init,
                });
                change.effects.push(Effect::Owe {
                    resource: r.name.clone(),
                    nodes: gone,
                    method: Method::Fini,
                });
            }
        }
        Ok(())
    }

    pub(super) fn admit_group_delete(&self, name: &GroupName) -> Result<Change, Refusal> {
        let group = self.conf.group(name.as_str())?;
        self.refuse_system(group, "deleted")?;
        let members: Vec<&str> = self.conf.members(name).map(|r| r.name.as_str()).collect();
        if !members.is_empty() {
            let message = format!("resource group {name} contains resources: {}", members.join(", "));
            return Err(Refusal::new(SchaErr::State, message, "delete them first: scrgadm -r -j RESOURCE"));
        }
        if group.managed {
            let message = format!("resource group {name} is managed");
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("unmanage it first: scswitch -F -g {name}; scswitch -u -g {name}"),
            ));
        }
        let writes = vec![Write::Delete(Key::Group(name.clone())), Write::Delete(Key::Run(name.clone()))];
        Ok(Change { writes, ..Change::default() })
    }
}

/// Absolute paths of all methods a type declares.
pub(super) fn method_paths(rt: &ResourceType) -> Vec<alloc::string::String> {
    rt.methods.keys().filter_map(|m| rt.method_path(*m)).collect()
}
