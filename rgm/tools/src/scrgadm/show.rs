//! `scrgadm -p`, to the column of reference 7.1. Scripts read it.

use crate::args::Args;
use crate::ask;
use crate::failure::Failure;
use crate::values::{
    NULL, group_value, init_nodes, installed, or_null, project, resource_value, shown_value, truth,
    type_word, words,
};
use rgm_types::view::{GroupView, PropView, ResourceOnNode, ResourceView, Snapshot, TypeView};
use rgm_types::{GroupName, SchaErr, TypeName};
use serde::Serialize;
use std::collections::BTreeMap;

/// The column of values, unless a label is too long for it.
const VALUE_COLUMN: usize = 49;

/// Properties of a resource that have a line of their own.
const OWN_LINE: [&str; 8] = [
    "R_description",
    "Resource_project_name",
    "Type",
    "Type_version",
    "Resource_dependencies",
    "Resource_dependencies_weak",
    "Resource_dependencies_restart",
    "Resource_dependencies_offline_restart",
];

/// What is printed of everything.
#[derive(Debug, Serialize)]
struct Shown {
    types: Vec<TypeView>,
    groups: Vec<GroupView>,
    resources: Vec<ResourceView>,
}

/// Prints what the command line asks for.
pub fn run(args: &Args) -> Result<String, Failure> {
    let shown = shown(ask::snapshot()?, args)?;
    if args.has("--json") {
        return crate::json::pretty(&shown);
    }
    Ok(text(&shown, args.count("-v")))
}

/// Without a name everything; otherwise what is named, groups with their resources.
fn shown(snapshot: Snapshot, args: &Args) -> Result<Shown, Failure> {
    let owned = |name: &str| args.list(name, |text| Ok(text.to_owned()));
    let (types, groups, resources) = (owned("-t")?, owned("-g")?, owned("-j")?);
    if types.is_empty() && groups.is_empty() && resources.is_empty() {
        let Snapshot { types, groups, resources, .. } = snapshot;
        return Ok(Shown { types, groups, resources });
    }
    let is = |name: &str, named: &[String]| named.iter().any(|n| n == name);
    let answers = |name: &TypeName, named: &[String]| named.iter().any(|n| name.answers_to(n));
    let has_type = |n: &str| snapshot.types.iter().any(|t| t.declaration.name.answers_to(n));
    let has_group = |n: &str| snapshot.groups.iter().any(|g| g.name.as_str() == n);
    let has_resource = |n: &str| snapshot.resources.iter().any(|r| r.name.as_str() == n);
    known(&types, has_type, SchaErr::Rt, "resource type")?;
    known(&groups, has_group, SchaErr::Rg, "resource group")?;
    known(&resources, has_resource, SchaErr::Rsrc, "resource")?;
    Ok(Shown {
        types: snapshot.types.into_iter().filter(|t| answers(&t.declaration.name, &types)).collect(),
        groups: snapshot.groups.into_iter().filter(|g| is(g.name.as_str(), &groups)).collect(),
        resources: snapshot
            .resources
            .into_iter()
            .filter(|r| is(r.name.as_str(), &resources) || is(r.group.as_str(), &groups))
            .collect(),
    })
}

fn known(named: &[String], is: impl Fn(&str) -> bool, code: SchaErr, kind: &str) -> Result<(), Failure> {
    match named.iter().find(|n| !is(n)) {
        Some(n) => Err(Failure::new(
            code,
            format!("{kind} {n}: there is none of that name"),
            "scrgadm -p lists them",
        )),
        None => Ok(()),
    }
}

fn text(shown: &Shown, verbosity: usize) -> String {
    let mut out = String::new();
    for view in &shown.types {
        resource_type(view, verbosity).print(&mut out);
    }
    let mut by_group: BTreeMap<&GroupName, Vec<&ResourceView>> = BTreeMap::new();
    for resource in &shown.resources {
        by_group.entry(&resource.group).or_default().push(resource);
    }
    for view in &shown.groups {
        group(view, verbosity).print(&mut out);
        for resource in by_group.remove(&view.name).unwrap_or_default() {
            print_resource(&mut out, resource, Some(view), verbosity);
        }
    }
    for resource in by_group.into_values().flatten() {
        print_resource(&mut out, resource, None, verbosity);
    }
    out
}

/// Lines whose values stand in one column.
struct Block {
    lines: Vec<(String, String)>,
}

impl Block {
    fn new(label: String, value: &str) -> Self {
        Self { lines: vec![(label, value.to_owned())] }
    }

    fn add(&mut self, prefix: &str, label: &str, value: impl Into<String>) {
        self.lines.push((format!("{prefix} {label}:"), value.into()));
    }

    /// Begins with an empty line.
    fn print(&self, out: &mut String) {
        out.push('\n');
        self.print_lines(out);
    }

    fn print_lines(&self, out: &mut String) {
        let column = self.column();
        for line in &self.lines {
            print_line(out, line, column);
        }
    }

    fn column(&self) -> usize {
        let longest = self.lines.iter().map(|(label, _)| label.chars().count() + 1).max();
        longest.unwrap_or(0).max(VALUE_COLUMN)
    }
}

fn print_line(out: &mut String, (label, value): &(String, String), column: usize) {
    out.push_str(&format!("{label:<column$}{value}\n"));
}

fn resource_type(view: &TypeView, verbosity: usize) -> Block {
    let rt = &view.declaration;
    let mut block = Block::new("Res Type name:".to_owned(), rt.name.as_str());
    if verbosity == 0 {
        return block;
    }
    let prefix = format!("  ({})", rt.name);
    block.add(&prefix, "Res Type description", or_null(&rt.description));
    block.add(&prefix, "Res Type base directory", or_null(&rt.basedir));
    block.add(&prefix, "Res Type single instance", truth(rt.single_instance));
    block.add(&prefix, "Res Type init nodes", init_nodes(rt.init_nodes));
    block.add(&prefix, "Res Type failover", truth(rt.failover));
    block.add(&prefix, "Res Type version", or_null(&rt.version));
    block.add(&prefix, "Res Type API version", rt.api_version.to_string());
    block.add(&prefix, "Res Type installed on nodes", installed(&rt.installed_nodes));
    block.add(&prefix, "Res Type packages", words(&rt.pkglist));
    block
}

fn group(view: &GroupView, verbosity: usize) -> Block {
    let mut block = Block::new("Res Group name:".to_owned(), view.name.as_str());
    if verbosity == 0 {
        return block;
    }
    let prefix = format!("  ({})", view.name);
    let managed = if view.managed { "Managed" } else { "Unmanaged" };
    block.add(&prefix, "Res Group RG_description", group_value(view, "RG_description"));
    block.add(&prefix, "Res Group mode", group_value(view, "RG_mode"));
    block.add(&prefix, "Res Group management state", managed);
    for name in [
        "RG_project_name",
        "RG_affinities",
        "Auto_start_on_new_cluster",
        "Failback",
        "Nodelist",
        "Maximum_primaries",
        "Desired_primaries",
        "RG_dependencies",
    ] {
        block.add(&prefix, &format!("Res Group {name}"), group_value(view, name));
    }
    block.add(&prefix, "Res Group network dependencies", group_value(view, "Implicit_network_dependencies"));
    for name in ["Global_resources_used", "Pingpong_interval", "Pathprefix"] {
        block.add(&prefix, &format!("Res Group {name}"), group_value(view, name));
    }
    block.add(&prefix, "Res Group system", group_value(view, "RG_system"));
    block.add(&prefix, "Res Group Suspend_automatic_recovery", truth(view.suspended));
    block
}

fn print_resource(out: &mut String, view: &ResourceView, group: Option<&GroupView>, verbosity: usize) {
    let mut block = Block::new(format!("  ({}) Res name:", view.group), view.name.as_str());
    if verbosity > 0 {
        let prefix = format!("    ({}:{})", view.group, view.name);
        block.add(&prefix, "Res R_description", view.description.as_str());
        block.add(&prefix, "Res resource type", view.type_name.as_str());
        block.add(&prefix, "Res type version", or_null(&view.type_version));
        block.add(&prefix, "Res resource group name", view.group.as_str());
        block.add(&prefix, "Res resource project name", project(view, group));
        for on in &view.nodes {
            add_switches(&mut block, view, on);
        }
        for (name, label) in [
            ("Resource_dependencies", "Res strong dependencies"),
            ("Resource_dependencies_weak", "Res weak dependencies"),
            ("Resource_dependencies_restart", "Res restart dependencies"),
        ] {
            block.add(&prefix, label, resource_value(view, name));
        }
        let offline_restart = resource_value(view, "Resource_dependencies_offline_restart");
        if offline_restart != NULL {
            block.add(&prefix, "Res offline restart dependencies", offline_restart);
        }
    }
    if verbosity < 2 {
        return block.print(out);
    }
    print_properties(out, block, view);
}

/// The lines of a resource; each property's name stands among them, its own lines in a column of theirs.
fn print_properties(out: &mut String, mut block: Block, view: &ResourceView) {
    let props = view.props.iter().filter(|p| !OWN_LINE.iter().any(|own| p.name.is(own)));
    let prefix = format!("    ({}:{})", view.group, view.name);
    let names = block.lines.len();
    props.clone().for_each(|prop| block.add(&prefix, "Res property name", prop.name.as_str()));
    let column = block.column();
    let (own, names) = block.lines.split_at(names);
    out.push('\n');
    own.iter().for_each(|line| print_line(out, line, column));
    for (name, prop) in names.iter().zip(props) {
        print_line(out, name, column);
        property(view, prop).print_lines(out);
    }
}

fn add_switches(block: &mut Block, view: &ResourceView, on: &ResourceOnNode) {
    let prefix = format!("    ({}:{}{{{}}})", view.group, view.name, on.node);
    block.add(&prefix, "Res enabled", truth(on.enabled));
    if let Some(monitored) = on.monitored {
        block.add(&prefix, "Res monitor enabled", truth(monitored));
    }
}

fn property(view: &ResourceView, prop: &PropView) -> Block {
    let prefix = format!("      ({}:{}:{}", view.group, view.name, prop.name);
    let class = if prop.extension { "extension" } else { "standard" };
    let mut block = Block { lines: Vec::new() };
    block.add(&format!("{prefix})"), "Res property class", class);
    block.add(&format!("{prefix})"), "Res property description", or_null(&prop.description));
    block.add(&format!("{prefix})"), "Res property type", type_word(prop.prop_type));
    if prop.per_node.is_empty() || prop.value.is_some() {
        block.add(&format!("{prefix})"), "Res property value", shown_value(prop.value.as_ref()));
    }
    for (node, value) in &prop.per_node {
        block.add(&format!("{prefix}{{{node}}})"), "Res property value", shown_value(Some(value)));
    }
    block
}

#[cfg(test)]
mod tests;
