//! `-y`, `-x` and `-p`: `PROPERTY[{NODE,...}][+|-]=VALUE`.

use crate::failure::Failure;
use rgm_types::{PropClass, PropName, PropOp, PropSet, SchaErr};

/// The value of `-y`.
pub fn standard(text: &str) -> Result<PropSet, Failure> {
    let prop = property(text, PropClass::Standard)?;
    if prop.nodes.is_empty() {
        return Ok(prop);
    }
    Err(wrong(text, "only extension properties can be set for single nodes", "use -x"))
}

/// The value of `-x`.
pub fn extension(text: &str) -> Result<PropSet, Failure> {
    property(text, PropClass::Extension)
}

/// The value of `-p`: whichever it is.
pub fn any(text: &str) -> Result<PropSet, Failure> {
    property(text, PropClass::Any)
}

/// The value of a boolean property.
pub fn boolean(prop: &PropSet) -> Result<bool, Failure> {
    match prop.value.to_ascii_uppercase().as_str() {
        "TRUE" => Ok(true),
        "FALSE" => Ok(false),
        _ => Err(wrong(&prop.value, &format!("{} is neither TRUE nor FALSE", prop.name), "")),
    }
}

fn property(text: &str, class: PropClass) -> Result<PropSet, Failure> {
    let hint = "write PROPERTY=VALUE";
    let (left, value) = text.split_once('=').ok_or_else(|| wrong(text, "there is no =", hint))?;
    let (left, op) = match (left.strip_suffix('+'), left.strip_suffix('-')) {
        (Some(left), _) => (left, PropOp::Add),
        (None, Some(left)) => (left, PropOp::Remove),
        (None, None) => (left, PropOp::Set),
    };
    let (name, nodes) = match left.split_once('{') {
        None => (left, Vec::new()),
        Some((name, nodes)) => (name, node_list(text, nodes)?),
    };
    PropName::new(name).map_err(|e| wrong(text, &e.to_string(), hint))?;
    Ok(PropSet { name: name.to_owned(), class, nodes, op, value: value.to_owned() })
}

fn node_list(text: &str, nodes: &str) -> Result<Vec<String>, Failure> {
    let hint = "write PROPERTY{NODE,...}=VALUE";
    let nodes = nodes.strip_suffix('}').ok_or_else(|| wrong(text, "the { is not closed", hint))?;
    let nodes: Vec<String> = nodes.split(',').map(str::to_owned).collect();
    if nodes.iter().any(String::is_empty) {
        return Err(wrong(text, "there is an empty node name between { and }", hint));
    }
    Ok(nodes)
}

fn wrong(text: &str, what: &str, hint: &str) -> Failure {
    Failure::new(SchaErr::Prop, format!("property {text:?}: {what}"), hint)
}
