//! What a file declares, held against what is: lines for the operator, and the steps behind them.

use super::file::{Declared, DeclaredResource, DeclaredType};
use super::plan::{Phase, Step, batch};
use super::{groups, resources};
use crate::failure::Failure;
use crate::order::needed_first;
use rgm_types::view::{Snapshot, TypeView};
use rgm_types::{AttrName, Command, GroupName, Lifetime, PropSet, ResourceName, TypeName, Value};

/// Everything that differs, in a stable order.
#[derive(Debug, Default)]
pub struct Difference {
    /// Object by object.
    pub objects: Vec<Object>,
    /// What changes it.
    pub steps: Vec<Step>,
    /// Every resource, each behind those it needs.
    order: Vec<ResourceName>,
}

/// An object that differs.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// `+`: it is made; `-`: it goes; `~`: it is changed.
    pub mark: char,
    /// `resource group web-rg`.
    pub name: String,
    /// What of it, a line each.
    pub details: Vec<String>,
}

impl Difference {
    /// Between what is declared and what is; with `prune`, what is not named goes.
    pub fn between(declared: &Declared, snapshot: &Snapshot, prune: bool) -> Result<Self, Failure> {
        let mut difference = Self { order: order(declared, snapshot), ..Self::default() };
        difference.cluster(declared, snapshot);
        difference.limits(declared, snapshot, prune);
        difference.attrs(declared, snapshot, prune);
        for declared in &declared.types {
            difference.rt(declared, snapshot)?;
        }
        for group in &declared.groups {
            groups::compare(&mut difference, group, declared, snapshot);
            for resource in declared.resources.iter().filter(|r| r.group == group.name) {
                resources::compare(&mut difference, resource, declared, snapshot)?;
            }
        }
        if prune {
            difference.prune(declared, snapshot);
        }
        Ok(difference)
    }

    /// For people.
    pub fn text(&self) -> String {
        let line = |object: &Object| {
            let details: String = object.details.iter().flat_map(|detail| ["    ", detail, "\n"]).collect();
            format!("{} {}\n{details}", object.mark, object.name)
        };
        if self.objects.is_empty() {
            "nothing to change\n".to_owned()
        } else {
            self.objects.iter().map(line).collect()
        }
    }

    /// What carries it out; `None` if nothing differs.
    pub fn command(self) -> Option<Command> {
        batch(self.steps, &self.order)
    }

    pub(super) fn object(&mut self, mark: char, name: String, details: Vec<String>) {
        self.objects.push(Object { mark, name, details });
    }

    pub(super) fn step(&mut self, phase: Phase, command: Command) {
        self.steps.push(Step { phase, command });
    }

    fn cluster(&mut self, declared: &Declared, snapshot: &Snapshot) {
        let now =
            |prop: &PropSet| snapshot.props.iter().find(|(name, _)| name.is(&prop.name)).map(|(_, v)| v);
        let (props, details) = differing(&declared.cluster, now);
        if !props.is_empty() {
            self.object('~', format!("cluster {}", snapshot.cluster), details);
            self.step(Phase::Base, Command::ClusterSet { props });
        }
    }

    fn limits(&mut self, declared: &Declared, snapshot: &Snapshot, prune: bool) {
        let show = |limit: &rgm_types::LoadLimit| {
            let hard = limit.hard.map_or_else(|| "none".to_owned(), |hard| hard.to_string());
            format!("soft {}, hard {hard}", limit.soft)
        };
        for (node, name, limit) in &declared.limits {
            let view = snapshot.nodes.iter().find(|view| view.name == *node);
            let now = view.and_then(|view| view.loads.get(name)?.limit);
            if now.as_ref() == Some(limit) {
                continue;
            }
            let (mark, details) = match &now {
                None => ('+', show(limit)),
                Some(now) => ('~', format!("{} -> {}", show(now), show(limit))),
            };
            self.object(mark, format!("load limit {name} of node {node}"), vec![details]);
            self.step(Phase::Base, crate::config_file::limit_set(node, name, limit));
        }
        let named =
            |view: &rgm_types::view::NodeView| declared.limits.iter().any(|(node, ..)| *node == view.name);
        for view in snapshot.nodes.iter().filter(|view| prune && named(view)) {
            let gone = view.loads.iter().filter(|(name, load)| {
                load.limit.is_some()
                    && !declared.limits.iter().any(|(node, n, _)| *node == view.name && n == *name)
            });
            for (name, _) in gone {
                self.object('-', format!("load limit {name} of node {}", view.name), Vec::new());
                let (node, name) = (view.name.clone(), name.clone());
                self.step(Phase::Base, Command::LoadLimitDelete { node, name });
            }
        }
    }

    fn attrs(&mut self, declared: &Declared, snapshot: &Snapshot, prune: bool) {
        for (node, name, value) in &declared.attrs {
            let view = snapshot.nodes.iter().find(|view| view.name == *node);
            let now = view.and_then(|view| view.attrs.forever.get(name));
            if now == Some(value) {
                continue;
            }
            let (mark, details) = match now {
                None => ('+', shown(value)),
                Some(now) => ('~', format!("{} -> {}", shown(now), shown(value))),
            };
            self.object(mark, format!("attribute {name} of node {node}"), vec![details]);
            let values = [(name.clone(), value.clone())].into();
            self.step(Phase::Base, crate::config_file::attrs_set(node, values));
        }
        for view in snapshot.nodes.iter().filter(|_| prune) {
            let mut of_it = declared.attrs.iter().filter(|(node, ..)| *node == view.name).peekable();
            if of_it.peek().is_none() {
                continue;
            }
            let kept: Vec<&AttrName> = of_it.map(|(_, name, _)| name).collect();
            for name in view.attrs.forever.keys().filter(|name| !kept.contains(name)) {
                self.object('-', format!("attribute {name} of node {}", view.name), Vec::new());
                let (node, names) = (Some(view.name.clone()), vec![name.clone()]);
                let lifetime = Some(Lifetime::Forever);
                self.step(Phase::Base, Command::AttrClear { node, lifetime, names });
            }
        }
    }

    fn rt(&mut self, declared: &DeclaredType, snapshot: &Snapshot) -> Result<(), Failure> {
        let Some(view) = type_of(snapshot, &declared.name) else {
            let declaration = declared.declaration()?;
            self.object('+', format!("resource type {}", declaration.name), Vec::new());
            self.step(Phase::Base, Command::TypeRegister { declaration });
            return Ok(());
        };
        let (name, now) = (&view.declaration.name, &view.declaration.installed_nodes);
        if let Some(nodes) = declared.installed_nodes.as_ref().filter(|nodes| *nodes != now) {
            let show = crate::values::installed;
            let details = vec![format!("Installed_nodes: {} -> {}", show(now), show(nodes))];
            self.object('~', format!("resource type {name}"), details);
            let (name, installed_nodes) = (name.to_string(), Some(nodes.clone()));
            self.step(Phase::Base, Command::TypeSet { name, installed_nodes, rt_system: None });
        }
        Ok(())
    }

    /// What is not named goes: groups whole, of named groups the other resources, dependents first, and
    /// types that nothing uses then.
    fn prune(&mut self, declared: &Declared, snapshot: &Snapshot) {
        let group = |name: &GroupName| declared.groups.iter().any(|g| g.name == *name);
        for view in snapshot.groups.iter().filter(|view| !group(&view.name)) {
            self.object('-', format!("resource group {}", view.name), Vec::new());
            self.step(Phase::Delete, Command::GroupDelete { name: view.name.clone(), force: true });
        }
        let gone = |name: &ResourceName, of: &GroupName| {
            group(of) && !declared.resources.iter().any(|r| r.name == *name)
        };
        let items: Vec<(ResourceName, Vec<ResourceName>)> = snapshot
            .resources
            .iter()
            .filter(|r| gone(&r.name, &r.group))
            .map(|r| (r.name.clone(), resources::needs_of(r)))
            .collect();
        for name in needed_first(&items).into_iter().rev() {
            self.object('-', format!("resource {name}"), Vec::new());
            self.step(Phase::Delete, Command::ResourceDelete { name, force: true });
        }
        let used = |name: &TypeName| {
            declared.types.iter().any(|t| name.answers_to(&t.name))
                || declared.resources.iter().any(|r| name.answers_to(&r.type_name))
        };
        for view in &snapshot.types {
            let name = &view.declaration.name;
            if !view.declaration.rt_system && !used(name) {
                self.object('-', format!("resource type {name}"), Vec::new());
                self.step(Phase::Unregister, Command::TypeUnregister { name: name.to_string() });
            }
        }
    }
}

/// Every resource, as it will be, behind those it needs.
fn order(declared: &Declared, snapshot: &Snapshot) -> Vec<ResourceName> {
    let existing = |name: &ResourceName| snapshot.resources.iter().find(|view| view.name == *name);
    let will_need = |r: &DeclaredResource| {
        let mut needs = resources::declared_needs(r);
        needs.extend(existing(&r.name).map(resources::needs_of).unwrap_or_default());
        needs
    };
    let mut items: Vec<(ResourceName, Vec<ResourceName>)> =
        declared.resources.iter().map(|r| (r.name.clone(), will_need(r))).collect();
    let others =
        snapshot.resources.iter().filter(|view| !declared.resources.iter().any(|r| r.name == view.name));
    items.extend(others.map(|view| (view.name.clone(), resources::needs_of(view))));
    needed_first(&items)
}

/// The registered type that is meant.
pub(super) fn type_of<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a TypeView> {
    let exact = snapshot.types.iter().find(|t| t.declaration.name.as_str() == name);
    exact.or_else(|| snapshot.types.iter().find(|t| t.declaration.name.answers_to(name)))
}

/// Properties that are not as they should be, and a line for each.
pub(super) fn differing<'a>(
    given: &[PropSet],
    now: impl Fn(&PropSet) -> Option<&'a Value>,
) -> (Vec<PropSet>, Vec<String>) {
    let mut props = Vec::new();
    let mut details = Vec::new();
    for prop in given {
        let value = now(prop);
        if value.is_some_and(|value| is(value, &prop.value)) {
            continue;
        }
        let old = value.map_or_else(|| "unset".to_owned(), |value| shown(&value.to_string()));
        details.push(format!("{}: {old} -> {}", spelled(prop), shown(&prop.value)));
        props.push(prop.clone());
    }
    (props, details)
}

/// A line for each property of something new.
pub(super) fn listed(props: &[PropSet]) -> Vec<String> {
    props.iter().map(|prop| format!("{} = {}", spelled(prop), shown(&prop.value))).collect()
}

fn spelled(prop: &PropSet) -> String {
    if prop.nodes.is_empty() {
        prop.name.clone()
    } else {
        format!("{}{{{}}}", prop.name, prop.nodes.join(","))
    }
}

fn shown(text: &str) -> String {
    if text.is_empty() { "\"\"".to_owned() } else { crate::cl::layout::plain(text) }
}

/// Does the text mean this value?
fn is(value: &Value, text: &str) -> bool {
    match value {
        Value::String(now) => now == text,
        Value::Int(now) => text.trim().parse() == Ok(*now),
        Value::Boolean(_) | Value::Enum(_) => value.to_string().eq_ignore_ascii_case(text.trim()),
        Value::StringArray(now) => {
            let elements = text.split(',').map(str::trim).filter(|element| !element.is_empty());
            now.iter().map(String::as_str).eq(elements)
        }
    }
}
