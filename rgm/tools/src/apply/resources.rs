//! A declared resource, held against what is.

use super::diff::{Difference, differing, listed, type_of};
use super::file::{Declared, DeclaredResource, Where};
use super::plan::Phase;
use crate::cl::ClErr;
use crate::failure::Failure;
use crate::order::{self, DEPENDENCIES};
use rgm_types::view::{ResourceView, Snapshot};
use rgm_types::{Command, NodeName, PropSet, ResourceName, Tunable, Value};

/// Adds what differs.
pub fn compare(
    difference: &mut Difference,
    resource: &DeclaredResource,
    declared: &Declared,
    snapshot: &Snapshot,
) -> Result<(), Failure> {
    let Some(view) = snapshot.resources.iter().find(|view| view.name == resource.name) else {
        create(difference, resource);
        return Ok(());
    };
    check_is_the_same(resource, view)?;
    let (props, mut details) = differing(&resource.props, |prop| value_of(view, prop));
    if !props.is_empty() {
        if props.iter().any(|prop| only_while_disabled(view, prop, snapshot)) {
            with_dependents(view, snapshot).iter().for_each(|r| disable_meanwhile(difference, r, declared));
        }
        difference.step(Phase::SetResources, Command::ResourceSet { name: resource.name.clone(), props });
    }
    let enabled = |node: &NodeName| view.nodes.iter().any(|on| on.node == *node && on.enabled);
    if let Some(line) = switched(view, "enabled", &resource.enabled, enabled) {
        details.push(line);
        let (on, off) = places(view, &resource.enabled, enabled);
        let set = |nodes, on| Command::SetEnabled {
            resources: vec![resource.name.clone()],
            nodes,
            on,
            recursive: false,
        };
        off.into_iter().for_each(|nodes| difference.step(Phase::Disable, set(nodes, false)));
        on.into_iter().for_each(|nodes| difference.step(Phase::Enable, set(nodes, true)));
    }
    let has_monitor = view.nodes.iter().any(|on| on.monitored.is_some());
    let monitored =
        |node: &NodeName| view.nodes.iter().any(|on| on.node == *node && on.monitored == Some(true));
    if has_monitor && let Some(line) = switched(view, "monitored", &resource.monitored, monitored) {
        details.push(line);
        let (on, off) = places(view, &resource.monitored, monitored);
        let set = |nodes, on| Command::SetMonitored { resources: vec![resource.name.clone()], nodes, on };
        off.into_iter().for_each(|nodes| difference.step(Phase::Monitor, set(nodes, false)));
        on.into_iter().for_each(|nodes| difference.step(Phase::Monitor, set(nodes, true)));
    }
    if !details.is_empty() {
        difference.object('~', format!("resource {}", resource.name), details);
    }
    Ok(())
}

fn create(difference: &mut Difference, resource: &DeclaredResource) {
    let mut details = vec![format!("type = {}", resource.type_name), format!("group = {}", resource.group)];
    details.extend(listed(&resource.props));
    for (what, place) in [("enabled", &resource.enabled), ("monitored", &resource.monitored)] {
        details.extend((*place != Where::Everywhere).then(|| format!("{what} = {}", place.text())));
    }
    difference.object('+', format!("resource {}", resource.name), details);
    let command = Command::ResourceCreate {
        name: resource.name.to_string(),
        type_name: resource.type_name.clone(),
        group: resource.group.clone(),
        props: resource.props.clone(),
        enable: false,
    };
    difference.step(Phase::CreateResources, command);
    let resources = || vec![resource.name.clone()];
    let monitor = |nodes, on| Command::SetMonitored { resources: resources(), nodes, on };
    // A new one is monitored everywhere, and enabled nowhere.
    if resource.monitored != Where::Everywhere {
        difference.step(Phase::Monitor, monitor(Vec::new(), false));
    }
    if let Where::On(nodes) = &resource.monitored {
        difference.step(Phase::Monitor, monitor(nodes.clone(), true));
    }
    let nodes = match &resource.enabled {
        Where::Nowhere => return,
        Where::Everywhere => Vec::new(),
        Where::On(nodes) => nodes.clone(),
    };
    let (resources, recursive) = (resources(), false);
    difference.step(Phase::Enable, Command::SetEnabled { resources, nodes, on: true, recursive });
}

/// Disabled now, and as it is meant to be when everything is changed.
pub fn disable_meanwhile(difference: &mut Difference, view: &ResourceView, declared: &Declared) {
    let meant = declared.resources.iter().find(|r| r.name == view.name).map(|r| &r.enabled);
    let enabled: Vec<NodeName> =
        view.nodes.iter().filter(|on| on.enabled).map(|on| on.node.clone()).collect();
    if enabled.is_empty() {
        return;
    }
    let set =
        |nodes, on| Command::SetEnabled { resources: vec![view.name.clone()], nodes, on, recursive: false };
    difference.step(Phase::Disable, set(Vec::new(), false));
    let again = match meant {
        Some(Where::Nowhere) => return,
        Some(Where::Everywhere) => Vec::new(),
        Some(Where::On(nodes)) => nodes.clone(),
        None if enabled.len() == view.nodes.len() => Vec::new(),
        None => enabled,
    };
    difference.step(Phase::Enable, set(again, true));
}

/// The resources that it needs, as it is declared.
pub fn declared_needs(resource: &DeclaredResource) -> Vec<ResourceName> {
    let named = resource.props.iter().filter(|prop| is_dependency(&prop.name));
    let names = named.flat_map(|prop| prop.value.split(',')).map(order::named).map(ResourceName::new);
    names.filter_map(Result::ok).collect()
}

/// The resources that it needs.
pub fn needs_of(view: &ResourceView) -> Vec<ResourceName> {
    order::needs(view.props.iter().filter_map(|p| Some((p.name.as_str(), p.value.as_ref()?))))
}

fn is_dependency(name: &str) -> bool {
    DEPENDENCIES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Its type and its group can't be changed.
fn check_is_the_same(resource: &DeclaredResource, view: &ResourceView) -> Result<(), Failure> {
    let (what, now, wanted) = if view.group != resource.group {
        ("group", view.group.to_string(), resource.group.to_string())
    } else if !view.type_name.answers_to(&resource.type_name) {
        ("type", view.type_name.to_string(), resource.type_name.clone())
    } else {
        return Ok(());
    };
    Err(Failure::cl(
        ClErr::Op,
        format!("resource {}: its {what} is {now}, and can't be changed to {wanted}", resource.name),
        "delete it first, or give another name to the new one",
    ))
}

fn value_of<'a>(view: &'a ResourceView, prop: &PropSet) -> Option<&'a Value> {
    let known = view.props.iter().find(|p| p.name.is(&prop.name))?;
    let on_node = |node: &String| {
        let given = known.per_node.iter().find(|(name, _)| name.as_str() == node).map(|(_, value)| value);
        given.or(known.value.as_ref())
    };
    let Some(first) = prop.nodes.first() else { return known.value.as_ref() };
    let value = on_node(first);
    // What differs from node to node is not what is wanted on all of them.
    value.filter(|value| prop.nodes.iter().all(|node| on_node(node) == Some(*value)))
}

fn only_while_disabled(view: &ResourceView, prop: &PropSet, snapshot: &Snapshot) -> bool {
    let rt = type_of(snapshot, view.type_name.as_str());
    rt.and_then(|t| t.declaration.prop(&prop.name)).is_some_and(|decl| decl.tunable == Tunable::WhenDisabled)
}

/// It, and the enabled ones that can't be enabled without it.
fn with_dependents<'a>(view: &'a ResourceView, snapshot: &'a Snapshot) -> Vec<&'a ResourceView> {
    let leans = |other: &ResourceView, on: &ResourceName| {
        let strong = ["Resource_dependencies", "Resource_dependencies_restart", "Network_resources_used"];
        let props = other.props.iter().filter(|p| strong.iter().any(|name| p.name.is(name)));
        order::needs(props.filter_map(|p| Some((p.name.as_str(), p.value.as_ref()?)))).contains(on)
    };
    let mut all = vec![view];
    let mut at = 0;
    while let Some(on) = all.get(at).map(|view| view.name.clone()) {
        for other in &snapshot.resources {
            if leans(other, &on) && !all.iter().any(|known| known.name == other.name) {
                all.push(other);
            }
        }
        at += 1;
    }
    // Dependents first.
    all.reverse();
    all
}

/// A line, if a switch is not as it should be somewhere.
fn switched(
    view: &ResourceView,
    what: &str,
    wanted: &Where,
    now: impl Fn(&NodeName) -> bool,
) -> Option<String> {
    let nodes = || view.nodes.iter().map(|on| &on.node);
    if nodes().all(|node| now(node) == wanted.on_at(node)) {
        return None;
    }
    let on: Vec<NodeName> = nodes().filter(|node| now(node)).cloned().collect();
    let is = if on.is_empty() {
        Where::Nowhere
    } else if on.len() == view.nodes.len() {
        Where::Everywhere
    } else {
        Where::On(on)
    };
    Some(format!("{what}: {} -> {}", is.text(), wanted.text()))
}

/// Where it is to be switched on, and where off; an empty list of nodes means all.
fn places(
    view: &ResourceView,
    wanted: &Where,
    now: impl Fn(&NodeName) -> bool,
) -> (Option<Vec<NodeName>>, Option<Vec<NodeName>>) {
    let differing = |on: bool| -> Option<Vec<NodeName>> {
        let nodes = view.nodes.iter().map(|n| &n.node).filter(|n| wanted.on_at(n) == on && now(n) != on);
        let nodes: Vec<NodeName> = nodes.cloned().collect();
        (!nodes.is_empty()).then_some(nodes)
    };
    match wanted {
        Where::Everywhere => (differing(true).map(|_| Vec::new()), None),
        Where::Nowhere => (None, differing(false).map(|_| Vec::new())),
        Where::On(_) => (differing(true), differing(false)),
    }
}

impl Where {
    fn text(&self) -> String {
        match self {
            Self::Everywhere => "true".to_owned(),
            Self::Nowhere => "false".to_owned(),
            Self::On(nodes) => nodes.iter().map(NodeName::as_str).collect::<Vec<_>>().join(","),
        }
    }
}
