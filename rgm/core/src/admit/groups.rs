//! Creating, changing and deleting resource groups (reference 3, 3.2).

use super::properties::{self, Occasion};
use super::{Change, Effect, Goal, Validation};
use crate::load;
use crate::node_rule::{self, Fault};
use crate::{Rgm, ValidateArgs};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    Group, GroupName, GroupRun, Key, Method, NodeName, PropName, PropSet, Refusal, Resource, ResourceType,
    SchaErr, Value, props,
};

impl Rgm {
    pub(super) fn admit_group_create(&self, name: &str, sets: &[PropSet]) -> Result<Change, Refusal> {
        let name = GroupName::new(name)
            .map_err(|e| Refusal::new(SchaErr::Inval, format!("resource group name {name:?}: {e}"), ""))?;
        if self.conf.groups.contains_key(&name) {
            let message = format!("resource group {name} already exists");
            return Err(Refusal::new(
                SchaErr::Exists,
                message,
                format!("change it with: clrg set -p PROPERTY=VALUE {name}"),
            ));
        }
        let mut group = Group { name, managed: false, suspended: false, props: Default::default() };
        let named = properties::set_group(&mut group.props, sets, Occasion::Creation)?;
        let mode = props::group("RG_mode").map(props::SystemProp::prop_name);
        let mode = mode.filter(|mode| !named.contains(mode));
        if let Some(mode) = mode.filter(|_| self.conf.group_int(&group, "Maximum_primaries") > 1) {
            group.props.insert(mode, Value::Enum(String::from("Scalable")));
        }
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
        if named.iter().any(|p| p.is("Desired_primaries")) && self.conf.run(name).primaries.is_some() {
            let run = GroupRun { primaries: None, ..self.conf.run(name) };
            change.writes.push(Write::Put(Entry::Run(name.clone(), run)));
        }
        self.change_nodelist(&old, &new, &mut change)?;
        let members: Vec<Resource> = self.conf.members(name).filter(|r| !r.deleting).cloned().collect();
        for r in members {
            let rt = self.conf.resource_type(r.type_name.as_str())?.clone();
            let group =
                named.iter().filter_map(|n| Some((n.clone(), new.props.get(n)?.to_string()))).collect();
            let args = ValidateArgs { group, check: method_paths(&rt), ..ValidateArgs::default() }.into();
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
        self.check_primaries(group)?;
        self.check_path_prefix(group)?;
        check_node_rule(group)?;
        self.check_load(group)?;
        self.check_affinities(group)?;
        self.check_group_dependencies(group)
    }

    fn check_primaries(&self, group: &Group) -> Result<(), Refusal> {
        let most = self.conf.group_int(group, "Maximum_primaries");
        if !self.conf.is_scalable(group) && most > 1 {
            return Err(properties::bad_value("Maximum_primaries", "1 in a failover resource group"));
        }
        if self.conf.group_int(group, "Desired_primaries") > most {
            let range = format!("at most Maximum_primaries, which is {most}");
            return Err(properties::bad_value("Desired_primaries", &range));
        }
        Ok(())
    }

    /// Pathprefix belongs to one group.
    fn check_path_prefix(&self, group: &Group) -> Result<(), Refusal> {
        let prefix = |g: &Group| self.conf.group_value(g, "Pathprefix").filter(|v| v.text() != Some(""));
        let Some(own) = prefix(group) else { return Ok(()) };
        let mut others = self.conf.groups.values().filter(|g| g.name != group.name);
        match others.find(|g| prefix(g).as_ref() == Some(&own)) {
            None => Ok(()),
            Some(other) => {
                let message = format!("Pathprefix {own} is that of resource group {}", other.name);
                Err(Refusal::new(SchaErr::Inval, message, "each resource group has its own directory"))
            }
        }
    }

    /// Load_factors are well written, and where the group is there is room for them.
    fn check_load(&self, group: &Group) -> Result<(), Refusal> {
        let mut factors = BTreeMap::new();
        for text in self.group_elements(group, "Load_factors") {
            let (name, load) =
                load::parse_factor(&text).map_err(|e| bad_element("Load_factors", &text, &e))?;
            if factors.insert(name, load).is_some() {
                return Err(bad_element("Load_factors", &text, "names a load twice"));
            }
        }
        let old = self.loads.factors(&group.name);
        for node in self.conf.run(&group.name).wanted {
            let Some(limits) = self.conf.nodes.get(&node).map(|n| &n.load_limits) else { continue };
            for (name, hard) in limits.iter().filter_map(|(name, limit)| Some((name, limit.hard?))) {
                let sum = self.loads.of_node(&node).find(|(n, _)| *n == name).map_or(0, |(_, load)| load);
                let before = old.iter().find(|(n, _)| n == name).map_or(0, |(_, load)| *load);
                let after = factors.get(name).copied().unwrap_or(0);
                if after > before && sum - before + after > hard {
                    let message = format!(
                        "resource group {} is online on node {node}, whose hard limit of {name}, {hard}, would be exceeded",
                        group.name
                    );
                    return Err(Refusal::new(SchaErr::State, message, "switch groups away from it first"));
                }
            }
        }
        Ok(())
    }

    pub(super) fn group_elements(&self, group: &Group, property: &str) -> Vec<String> {
        let value = self.conf.group_value(group, property);
        value.as_ref().and_then(Value::list).unwrap_or_default().to_vec()
    }

    /// A node that leaves Nodelist must not be the last one that hosts the group; FINI is owed there, INIT
    /// on one that joins.
    fn change_nodelist(&self, old: &Group, new: &Group, change: &mut Change) -> Result<(), Refusal> {
        let (before, after) = (self.conf.nodelist(old), self.conf.nodelist(new));
        let left: Vec<NodeName> = before.iter().filter(|n| !after.contains(n)).cloned().collect();
        let wanted = self.conf.run(&old.name).wanted;
        let last = wanted.iter().all(|n| left.contains(n));
        let hosts = |n: &&NodeName| if wanted.contains(*n) { last } else { !self.is_clear_on(&old.name, n) };
        if let Some(n) = left.iter().find(hosts) {
            let message =
                format!("resource group {} is online on node {n}, which is to leave Nodelist", old.name);
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("switch it to another node first: clrg switch -n NODE {}", old.name),
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
        if let Some((other, property)) = self.who_names(name) {
            let message = format!("{property} of resource group {other} names resource group {name}");
            let hint = format!("take it out first: clrg set -p {property}=… {other}");
            return Err(Refusal::new(SchaErr::Depend, message, hint));
        }
        let members: Vec<&str> = self.conf.members(name).map(|r| r.name.as_str()).collect();
        if !members.is_empty() {
            let message = format!("resource group {name} contains resources: {}", members.join(", "));
            return Err(Refusal::new(SchaErr::State, message, "delete them first: clrs delete RESOURCE"));
        }
        if group.managed {
            let message = format!("resource group {name} is managed");
            return Err(Refusal::new(
                SchaErr::State,
                message,
                format!("unmanage it first: clrg offline {name}; clrg unmanage {name}"),
            ));
        }
        let writes = vec![Write::Delete(Key::Group(name.clone())), Write::Delete(Key::Run(name.clone()))];
        Ok(Change { writes, ..Change::default() })
    }
}

/// Node_rule can be read; where not, the place is shown under it.
fn check_node_rule(group: &Group) -> Result<(), Refusal> {
    let rule = props::group("Node_rule").and_then(|spec| group.props.get(&spec.prop_name()));
    let text = rule.and_then(Value::text).unwrap_or_default();
    let Err(Fault { column, what }) = node_rule::parse(text) else { return Ok(()) };
    let message = format!("Node_rule of resource group {}, column {column}: {what}", group.name);
    let hint = "write for example: role = standby and (score >= 10 or not_defined(score))";
    let output = vec![text.to_string(), format!("{:>column$}", "^")];
    Err(Refusal { output, ..Refusal::new(SchaErr::Inval, message, hint) })
}

/// Absolute paths of all methods a type declares.
pub(super) fn method_paths(rt: &ResourceType) -> Vec<alloc::string::String> {
    rt.methods.keys().filter_map(|m| rt.method_path(*m)).collect()
}

pub(super) fn bad_element(property: &str, element: &str, fragment: &str) -> Refusal {
    Refusal::new(SchaErr::Inval, format!("element {element} of {property} {fragment}"), "")
}
