//! Values as both dialects of the administration show them: `<NULL>` for nothing, `<All>` for every
//! node, lists separated by blanks.

use rgm_types::view::{GroupView, ResourceView};
use rgm_types::{InitNodes, InstalledNodes, PropType, Value};

/// Nothing there.
pub const NULL: &str = "<NULL>";
/// Every node.
pub const ALL: &str = "<All>";

/// A text, which may be empty.
pub fn or_null(text: &str) -> String {
    if text.is_empty() { NULL.to_owned() } else { text.to_owned() }
}

/// A truth.
pub fn truth(on: bool) -> &'static str {
    if on { "True" } else { "False" }
}

/// A list.
pub fn words(list: &[impl ToString]) -> String {
    or_null(&list.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
}

/// Any value.
pub fn shown_value(value: Option<&Value>) -> String {
    match value {
        None => NULL.to_owned(),
        Some(Value::String(text) | Value::Enum(text)) => or_null(text),
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Boolean(on)) => truth(*on).to_owned(),
        Some(Value::StringArray(list)) => words(list),
    }
}

/// A property of a group.
pub fn group_value(view: &GroupView, name: &str) -> String {
    let found = view.props.iter().find(|(n, _)| n.is(name)).map(|(_, value)| value);
    match found {
        Some(Value::StringArray(list)) if list.as_slice() == ["*"] => ALL.to_owned(),
        found => shown_value(found),
    }
}

/// A property of a resource.
pub fn resource_value(view: &ResourceView, name: &str) -> String {
    let prop = view.props.iter().find(|p| p.name.is(name));
    shown_value(prop.and_then(|p| p.value.as_ref()))
}

/// The project of a resource, else that of its group.
pub fn project(view: &ResourceView, group: Option<&GroupView>) -> String {
    match resource_value(view, "Resource_project_name") {
        own if own != NULL => own,
        _ => group.map_or_else(|| "default".to_owned(), |g| group_value(g, "RG_project_name")),
    }
}

/// Where a type's Init runs.
pub fn init_nodes(init_nodes: InitNodes) -> &'static str {
    match init_nodes {
        InitNodes::RgPrimaries => "All potential masters",
        InitNodes::RtInstalledNodes => "All nodes",
    }
}

/// Where a type may be used.
pub fn installed(nodes: &InstalledNodes) -> String {
    match nodes {
        InstalledNodes::All => ALL.to_owned(),
        InstalledNodes::Only(nodes) => words(nodes),
    }
}

/// A data type.
pub fn type_word(prop_type: PropType) -> &'static str {
    match prop_type {
        PropType::String => "string",
        PropType::Int => "int",
        PropType::Boolean => "boolean",
        PropType::Enum => "enum",
        PropType::StringArray => "stringarray",
    }
}
