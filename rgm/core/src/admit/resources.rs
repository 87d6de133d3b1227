//! Creating, changing and deleting resources (reference 2.2, 2.4, 3.2).

use super::groups::method_paths;
use super::properties::{self, Occasion};
use super::{Change, Effect, Goal, Validation, not_built};
use crate::{Conf, Rgm, ValidateArgs};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    Group, GroupName, Key, Method, PropName, PropSet, Refusal, Resource, ResourceName, ResourceType, SchaErr,
    Switch, Value,
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
        self.check_dependencies(&r, &rt, &mut change.messages)?;
        if enable {
            self.check_enabled_dependencies(&r)?;
        }
        let nodes = self.validation_nodes(&rt, &group, &name)?;
        let args = self.creation_args(&r, &rt, &group);
        change.validate.push(Validation { resource: r.clone(), rt: rt.clone(), nodes, args });
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
        if rt.single_instance
            && let Some(other) = self.conf.resources.values().find(|r| r.type_name == rt.name)
        {
            let message = format!("resource type {} allows one resource, and {} is one", rt.name, other.name);
            return Err(Refusal::new(SchaErr::Exists, message, "use that one"));
        }
        if let Some(n) = self.conf.nodelist(group).iter().find(|n| !rt.installed_on(n)) {
            let message =
                format!("resource type {} is not installed on node {n} of group {}", rt.name, group.name);
            let hint = format!("scrgadm -c -t {} -h NODES names the nodes it is installed on", rt.name);
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
        let rt = self.conf.resource_type(old.type_name.as_str())?.clone();
        let mut new = old.clone();
        let named = self.set_resource(&mut new, &rt, sets, Occasion::Update)?;
        if named.is_empty() {
            return Err(Refusal::new(
                SchaErr::Inval,
                "no property to change is given",
                "write -y NAME=VALUE or -x NAME=VALUE",
            ));
        }
        let mut change = Change::default();
        self.check_dependencies(&new, &rt, &mut change.messages)?;
        if self.conf.nodes.keys().any(|n| new.enabled.on_at(n)) {
            self.check_enabled_dependencies(&new)?;
        }
        let nodes = self.validation_nodes(&rt, &group, name)?;
        let mut args = ValidateArgs { check: method_paths(&rt), ..ValidateArgs::default() };
        add_resource_args(&self.conf, &mut args, &new, &rt, &named);
        keep_what_is_set(&self.conf, &mut args, sets);
        change.validate.push(Validation { resource: new.clone(), rt, nodes, args });
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

    /// Dependencies name resources of the same group, no cycle among them; other flavours are refused.
    fn check_dependencies(
        &self,
        r: &Resource,
        rt: &ResourceType,
        remarks: &mut Vec<String>,
    ) -> Result<(), Refusal> {
        for later in [
            "Resource_dependencies_weak",
            "Resource_dependencies_restart",
            "Resource_dependencies_offline_restart",
        ] {
            if has_elements(r, rt, later) {
                return Err(not_built(&format!("property {later}")));
            }
        }
        if has_true(r, rt, "Scalable") {
            return Err(not_built("scalable resources (Scalable=TRUE)"));
        }
        for name in elements(r, rt, "Resource_dependencies") {
            self.check_dependency(r, &name)?;
        }
        for name in elements(r, rt, "Network_resources_used") {
            match self.conf.resources.get(name.as_str()) {
                Some(_) => self.check_dependency(r, &name)?,
                None => remarks.push(format!(
                    "{name} in Network_resources_used is no resource: taken as a host name or address, without an order of starting"
                )),
            }
        }
        match self.cycle(r, rt) {
            None => Ok(()),
            Some(cycle) => {
                let message = format!("resource {} would depend on itself: {}", r.name, cycle.join(" -> "));
                Err(Refusal::new(SchaErr::Depend, message, "take one of these dependencies out"))
            }
        }
    }

    fn check_dependency(&self, r: &Resource, name: &str) -> Result<(), Refusal> {
        if name.contains(['{', '@']) {
            return Err(not_built(&format!("dependency qualifiers ({name})")));
        }
        if name == r.name.as_str() {
            let message = format!("resource {name} would depend on itself");
            return Err(Refusal::new(SchaErr::Depend, message, "take it out of its own dependencies"));
        }
        let dep = self.conf.resource(name)?;
        if dep.group != r.group {
            return Err(not_built(&format!("dependencies across groups ({name} is in group {})", dep.group)));
        }
        Ok(())
    }

    /// A way from `r` back to itself along strong dependencies, with `r` as it would be.
    fn cycle(&self, r: &Resource, rt: &ResourceType) -> Option<Vec<String>> {
        let firsts =
            ["Resource_dependencies", "Network_resources_used"].into_iter().flat_map(|p| elements(r, rt, p));
        let mut paths: Vec<Vec<String>> = firsts.map(|d| vec![r.name.to_string(), d]).collect();
        let mut seen = BTreeSet::new();
        while let Some(path) = paths.pop() {
            let Some(last) = path.last() else { continue };
            if last == r.name.as_str() {
                return Some(path);
            }
            let Some(next) = self.conf.resources.get(last.as_str()) else { continue };
            if !seen.insert(next.name.clone()) {
                continue;
            }
            let further = self.conf.strong_dependencies(next);
            let longer = |d: &Resource| path.iter().cloned().chain([d.name.to_string()]).collect();
            paths.extend(further.into_iter().map(longer));
        }
        None
    }

    fn check_enabled_dependencies(&self, r: &Resource) -> Result<(), Refusal> {
        let disabled =
            |d: &&Resource| self.conf.nodes.keys().any(|n| r.enabled.on_at(n) && !d.enabled.on_at(n));
        match self.conf.strong_dependencies(r).into_iter().find(disabled) {
            None => Ok(()),
            Some(d) => {
                let message =
                    format!("resource {} depends on resource {}, which is disabled", r.name, d.name);
                Err(Refusal::new(
                    SchaErr::Depend,
                    message,
                    format!("enable it first: scswitch -e -j {}", d.name),
                ))
            }
        }
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
                format!("disable it first: scswitch -n -j {name}"),
            ));
        }
        if let Some(node) = self
            .conf
            .nodes
            .keys()
            .find(|n| !self.cell(name, n).is_clear() || self.cell(name, n).flight.is_some())
        {
            let message = format!("resource {name} is not offline on node {node} yet");
            return Err(Refusal::new(SchaErr::State, message, "wait until it is: scstat -g"));
        }
        let depends = |d: &&Resource| self.conf.strong_dependencies(d).iter().any(|s| s.name == *name);
        if let Some(d) = self.conf.members(&group.name).find(depends) {
            let message = format!("resource {} depends on resource {name}", d.name);
            return Err(Refusal::new(
                SchaErr::Depend,
                message,
                format!("take {name} out of its dependencies first"),
            ));
        }
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

fn in_force(r: &Resource, rt: &ResourceType, prop: &str) -> Option<Value> {
    let decl = rt.prop(prop)?;
    r.props.get(&decl.name).or(decl.default.as_ref()).cloned()
}

fn elements(r: &Resource, rt: &ResourceType, prop: &str) -> Vec<String> {
    in_force(r, rt, prop).and_then(|v| v.list().map(<[String]>::to_vec)).unwrap_or_default()
}

fn has_elements(r: &Resource, rt: &ResourceType, prop: &str) -> bool {
    !elements(r, rt, prop).is_empty()
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
