//! Creating, changing and deleting resources (reference 2.2, 2.4, 3.2).

use super::groups::method_paths;
use super::properties::{self, Occasion};
use super::{Change, Effect, Goal, Validation, not_built};
use crate::{Conf, Rgm, ValidateArgs};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    Group, GroupName, Key, Method, PropName, PropSet, Refusal, Resource, ResourceName, ResourceType, SchaErr,
    Switch, SysdefinedType, Value,
};

impl Rgm {
    pub(super) fn admit_resource_create(
        &self,
        name: &str,
        type_name: &str,
        group: &GroupName,
        sets: &[PropSet],
        enable: bool,
    ) -> Result<Change, Refusal> {
        let name = ResourceName::new(name)
            .map_err(|e| Refusal::new(SchaErr::Inval, format!("resource name {name:?}: {e}"), ""))?;
        if let Some(old) = self.conf.resources.get(&name) {
            let message = format!("resource {name} already exists in resource group {}", old.group);
            return Err(Refusal::new(SchaErr::Exists, message, "resource names are unique in the cluster"));
        }
        let rt = self.conf.resource_type(type_name)?.clone();
        let group = self.conf.group(group.as_str())?.clone();
        self.refuse_frozen(&group.name)?;
        self.refuse_system(&group, "given resources")?;
        self.check_type_fits(&rt, &group)?;
        let mut r = Resource {
            name: name.clone(),
            type_name: rt.name.clone(),
            type_version: rt.version.clone(),
            group: group.name.clone(),
            props: Default::default(),
            node_props: Default::default(),
            enabled: Switch::all(enable),
            monitored: Switch::all(true),
            deleting: false,
        };
        self.set_resource(&mut r, &rt, sets, Occasion::Creation)?;
        if let Some(missing) = properties::missing(&r, &rt) {
            let message = format!("property {missing} of type {} has no default and must be given", rt.name);
            return Err(Refusal::new(SchaErr::Prop, message, format!("write -x {missing}=VALUE")));
        }
        let mut change = Change::default();
        check_scalable(&self.conf, &r, &rt)?;
        self.check_dependencies(&r, &mut change.messages)?;
        if enable {
            self.check_enabled_dependencies(&r)?;
        }
        let nodes = self.validation_nodes(&rt, &group, &name)?;
        let args = self.creation_args(&r, &rt, &group);
        change.validate.push(Validation { resource: r.clone(), rt: rt.clone(), nodes, args: args.into() });
        if group.managed && rt.has(Method::Init) {
            let nodes = self.conf.init_nodes(&rt, &group);
            change.effects.push(Effect::Owe { resource: name.clone(), nodes, method: Method::Init });
        }
        change.writes.push(Write::Put(Entry::Resource(r)));
        change.goals.push(resources_goal(&group.name, &name));
        Ok(change)
    }

    fn check_type_fits(&self, rt: &ResourceType, group: &Group) -> Result<(), Refusal> {
        if rt.proxy {
            return Err(not_built("proxy resources"));
        }
        let (name, scalable) = (&group.name, self.conf.is_scalable(group));
        if rt.sysdefined == SysdefinedType::RtrSharedAddress {
            return Err(not_built("shared addresses (SUNW.SharedAddress)"));
        }
        if scalable && (rt.failover || rt.sysdefined != SysdefinedType::None) {
            let message = format!("resource type {} is for failover groups, and {name} is scalable", rt.name);
            return Err(Refusal::new(
                SchaErr::Inval,
                message,
                "put it into a resource group of RG_mode Failover",
            ));
        }
        if rt.single_instance
            && let Some(other) = self.conf.resources.values().find(|r| r.type_name == rt.name)
        {
            let message = format!("resource type {} allows one resource, and {} is one", rt.name, other.name);
            return Err(Refusal::new(SchaErr::Exists, message, "use that one"));
        }
        if let Some(n) = self.conf.nodelist(group).iter().find(|n| !rt.installed_on(n)) {
            let message =
                format!("resource type {} is not installed on node {n} of group {}", rt.name, group.name);
            let hint = format!("clrt add-node -n NODES {} adds nodes it is installed on", rt.name);
            return Err(Refusal::new(SchaErr::Node, message, hint));
        }
        Ok(())
    }

    /// Up nodes that VALIDATE runs on. At least one: unchecked, nothing is accepted.
    fn validation_nodes(
        &self,
        rt: &ResourceType,
        group: &Group,
        r: &ResourceName,
    ) -> Result<Vec<rgm_types::NodeName>, Refusal> {
        let nodes: Vec<_> = self.conf.init_nodes(rt, group).into_iter().filter(|n| self.is_up(n)).collect();
        if nodes.is_empty() {
            let message = format!("resource {r} can not be validated: no node of group {} is up", group.name);
            return Err(Refusal::new(SchaErr::Node, message, "bring up one of its nodes first"));
        }
        Ok(nodes)
    }

    /// `-c`: every standard, extension and group property (reference 4.1).
    fn creation_args(&self, r: &Resource, rt: &ResourceType, group: &Group) -> ValidateArgs {
        let mut args = ValidateArgs { creation: true, check: method_paths(rt), ..ValidateArgs::default() };
        let names: BTreeSet<PropName> = rt.props.iter().map(|d| d.name.clone()).collect();
        add_resource_args(&self.conf, &mut args, r, rt, &names);
        args.group = self.conf.group_props(group).into_iter().map(|(n, v)| (n, v.to_string())).collect();
        args
    }

    pub(super) fn admit_resource_set(
        &self,
        name: &ResourceName,
        sets: &[PropSet],
    ) -> Result<Change, Refusal> {
        let old = self.existing(name)?;
        let group = self.conf.group(old.group.as_str())?.clone();
        self.refuse_frozen(&group.name)?;
        self.refuse_system(&group, "changed")?;
        let mut change = Change::default();
        let (version, sets) = split_version(sets);
        let (mut new, rt) = match version {
            Some(version) => self.with_version(&old, version, &mut change.messages)?,
            None => (old.clone(), self.conf.resource_type(old.type_name.as_str())?.clone()),
        };
        let mut named = self.set_resource(&mut new, &rt, &sets, Occasion::Update)?;
        if new.type_name != old.type_name {
            named.extend(PropName::new("Type_version"));
            if let Some(missing) = properties::missing(&new, &rt) {
                let message =
                    format!("property {missing} of type {} has no default and must be given", rt.name);
                return Err(Refusal::new(SchaErr::Prop, message, format!("write -x {missing}=VALUE")));
            }
        } else if named.is_empty() && version.is_some() {
            return Ok(change);
        }
        if named.is_empty() {
            return Err(Refusal::new(
                SchaErr::Inval,
                "no property to change is given",
                "write -y NAME=VALUE or -x NAME=VALUE",
            ));
        }
        check_scalable(&self.conf, &new, &rt)?;
        self.check_dependencies(&new, &mut change.messages)?;
        if self.conf.nodes.keys().any(|n| new.enabled.on_at(n)) {
            self.check_enabled_dependencies(&new)?;
        }
        let nodes = self.validation_nodes(&rt, &group, name)?;
        let mut args = ValidateArgs { check: method_paths(&rt), ..ValidateArgs::default() };
        add_resource_args(&self.conf, &mut args, &new, &rt, &named);
        keep_what_is_set(&self.conf, &mut args, &sets);
        if let Some(version) = named.iter().find(|n| n.is("Type_version")) {
            args.standard.push((version.clone(), new.type_version.clone()));
        }
        change.validate.push(Validation { resource: new.clone(), rt, nodes, args: args.into() });
        change.writes.push(Write::Put(Entry::Resource(new)));
        change.effects.push(Effect::Update { resource: name.clone(), props: named });
        change.goals.push(resources_goal(&group.name, name));
        Ok(change)
    }

    /// A resource that is not about to vanish.
    pub(super) fn existing(&self, name: &ResourceName) -> Result<Resource, Refusal> {
        let r = self.conf.resource(name.as_str())?;
        if r.deleting {
            let message = format!("resource {name} is being deleted");
            return Err(Refusal::new(SchaErr::Rsrc, message, "its FINI methods still run"));
        }
        Ok(r.clone())
    }

    pub(super) fn admit_resource_delete(&self, name: &ResourceName) -> Result<Change, Refusal> {
        let r = self.existing(name)?;
        let group = self.conf.group(r.group.as_str())?.clone();
        self.refuse_frozen(&group.name)?;
        self.refuse_system(&group, "stripped of resources")?;
        if let Some(node) = self.conf.nodes.keys().find(|n| r.enabled.on_at(n)) {
            let message = format!("resource {name} is enabled on node {node}");
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("disable it first: clrs disable {name}"),
            ));
        }
        if let Some(node) = self
            .conf
            .nodes
            .keys()
            .find(|n| !self.cell(name, n).is_clear() || self.cell(name, n).flight.is_some())
        {
            let message = format!("resource {name} is not offline on node {node} yet");
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("wait until it is: clrs status {name}"),
            ));
        }
        self.refuse_depended_on(name)?;
        let mut change = Change::default();
        let rt = self.conf.resource_type(r.type_name.as_str())?;
        if group.managed && rt.has(Method::Fini) {
            let nodes = self.conf.init_nodes(rt, &group);
            change.effects.push(Effect::Owe { resource: name.clone(), nodes, method: Method::Fini });
            change.writes.push(Write::Put(Entry::Resource(Resource { deleting: true, ..r })));
            change.goals.push(resources_goal(&group.name, name));
        } else {
            change.writes.push(Write::Delete(Key::Resource(name.clone())));
        }
        Ok(change)
    }
}

fn resources_goal(group: &GroupName, name: &ResourceName) -> Goal {
    Goal::Resources { group: group.clone(), resources: [name.clone()].into() }
}

/// What is said of Type_version, and of everything else.
fn split_version(sets: &[PropSet]) -> (Option<&str>, Vec<PropSet>) {
    let (version, others): (Vec<&PropSet>, Vec<&PropSet>) =
        sets.iter().partition(|s| s.name.eq_ignore_ascii_case("Type_version") && s.nodes.is_empty());
    (version.last().map(|s| s.value.as_str()), others.into_iter().cloned().collect())
}

/// Scalable=TRUE: it runs on several nodes at a time.
fn check_scalable(conf: &Conf, r: &Resource, rt: &ResourceType) -> Result<(), Refusal> {
    if !has_true(r, rt, "Scalable") {
        return Ok(());
    }
    if rt.failover {
        let message =
            format!("resource {} can not be Scalable: its type {} has FAILOVER=TRUE", r.name, rt.name);
        return Err(Refusal::new(SchaErr::Inval, message, "leave Scalable out, or set it to FALSE"));
    }
    let group = conf.group(r.group.as_str())?;
    if conf.is_scalable(group) {
        return Ok(());
    }
    let message =
        format!("resource {} can not be Scalable: resource group {} is a failover group", r.name, group.name);
    Err(Refusal::new(SchaErr::Inval, message, "create the group with RG_mode=Scalable"))
}

fn in_force(r: &Resource, rt: &ResourceType, prop: &str) -> Option<Value> {
    let decl = rt.prop(prop)?;
    r.props.get(&decl.name).or(decl.default.as_ref()).cloned()
}

fn has_true(r: &Resource, rt: &ResourceType, prop: &str) -> bool {
    in_force(r, rt, prop).and_then(|v| v.boolean()) == Some(true)
}

/// `-u`: of a per-node property, the value for all nodes or those for single ones, as they are set.
fn keep_what_is_set(conf: &Conf, args: &mut ValidateArgs, sets: &[PropSet]) {
    let of = |p: &PropName| sets.iter().filter(|s| p.is(&s.name)).collect::<Vec<_>>();
    let is_at = |n: &String, id: u32| conf.nodes.get(n.as_str()).is_some_and(|node| node.id == id);
    args.extension.retain(|(p, _)| of(p).iter().any(|s| s.nodes.is_empty()));
    args.extension_node.retain(|(p, id, _)| of(p).iter().any(|s| s.nodes.iter().any(|n| is_at(n, *id))));
}

/// The named properties of a resource as VALIDATE is given them.
fn add_resource_args(
    conf: &Conf,
    args: &mut ValidateArgs,
    r: &Resource,
    rt: &ResourceType,
    names: &BTreeSet<PropName>,
) {
    for decl in rt.props.iter().filter(|d| names.contains(&d.name)) {
        if let Some(value) = r.props.get(&decl.name).or(decl.default.as_ref()) {
            let list = if decl.extension { &mut args.extension } else { &mut args.standard };
            list.push((decl.name.clone(), value.to_string()));
        }
        let given = r.node_props.get(&decl.name).into_iter().flatten();
        let of_node = given.filter_map(|(node, value)| Some((conf.nodes.get(node)?.id, value)));
        args.extension_node.extend(of_node.map(|(id, value)| (decl.name.clone(), id, value.to_string())));
    }
}
