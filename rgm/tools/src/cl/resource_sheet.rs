//! A resource as `clrg show` and `clrs show` print it (reference 7.6, 7.7).

use super::layout::Sheet;
use crate::values::{or_null, project, shown_value, truth, type_word};
use rgm_types::view::{PropView, ResourceView, Snapshot};

/// What has a line of its own above the properties.
const OWN_LINE: [&str; 5] = ["Type", "Type_version", "Group", "R_description", "Resource_project_name"];

/// A resource of a cluster, `indent` columns in.
pub fn print(sheet: &mut Sheet, indent: usize, view: &ResourceView, cluster: &Snapshot, verbose: bool) {
    let below = indent + 2;
    sheet.head(indent, "Resource", view.name.as_str());
    for label in OWN_LINE {
        sheet.line(below, label, &own_value(view, cluster, label));
    }
    for on in &view.nodes {
        sheet.line(below, &format!("Enabled{{{}}}", on.node), truth(on.enabled));
    }
    for on in &view.nodes {
        if let Some(monitored) = on.monitored {
            sheet.line(below, &format!("Monitored{{{}}}", on.node), truth(monitored));
        }
    }
    let props = || view.props.iter().filter(|p| !OWN_LINE.iter().any(|own| p.name.is(own)));
    if !verbose || props().next().is_none() {
        return;
    }
    sheet.section(below, "Standard and extension properties");
    let declared = cluster.types.iter().find(|t| t.declaration.name == view.type_name);
    for prop in props() {
        let declaration = declared.and_then(|t| t.declaration.prop(prop.name.as_str()));
        property(sheet, below, prop, declaration.is_some_and(|d| d.per_node));
    }
}

fn own_value(view: &ResourceView, cluster: &Snapshot, label: &str) -> String {
    match label {
        "Type" => view.type_name.to_string(),
        "Type_version" => or_null(&view.type_version),
        "Group" => view.group.to_string(),
        "R_description" => view.description.clone(),
        _ => project(view, cluster.groups.iter().find(|g| g.name == view.group)),
    }
}

/// A line of its own, by name in any case.
pub fn own_line(view: &ResourceView, cluster: &Snapshot, name: &str) -> Option<(&'static str, String)> {
    let label = OWN_LINE.into_iter().find(|label| label.eq_ignore_ascii_case(name))?;
    Some((label, own_value(view, cluster, label)))
}

/// A property with all that is known of it.
fn property(sheet: &mut Sheet, indent: usize, prop: &PropView, per_node: bool) {
    sheet.head(indent, prop.name.as_str(), &shown_value(prop.value.as_ref()));
    let below = indent + 2;
    for (node, value) in &prop.per_node {
        sheet.line(below, &format!("Value{{{node}}}"), &shown_value(Some(value)));
    }
    sheet.line(below, "Class", if prop.extension { "extension" } else { "standard" });
    sheet.line(below, "Description", &or_null(&prop.description));
    sheet.line(below, "Per-node", truth(per_node));
    sheet.line(below, "Type", type_word(prop.prop_type));
}

/// The line of a property, and one for each node where its value is another one.
pub fn property_lines(sheet: &mut Sheet, indent: usize, prop: &PropView) {
    if prop.per_node.is_empty() || prop.value.is_some() {
        sheet.line(indent, prop.name.as_str(), &shown_value(prop.value.as_ref()));
    }
    for (node, value) in &prop.per_node {
        sheet.line(indent, &format!("{}{{{node}}}", prop.name), &shown_value(Some(value)));
    }
}
