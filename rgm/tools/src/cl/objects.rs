//! The objects a command line names: nodes, types, groups and resources, found among those there are.

use super::{Call, ClErr, Named};
use crate::failure::Failure;
use crate::names;
use crate::properties;
use rgm_types::view::{Snapshot, TypeView};
use rgm_types::{NodeName, PropClass, PropOp, PropSet};

/// What was found, and what was not.
#[derive(Debug)]
pub struct Found<T> {
    /// In the order they were named.
    pub objects: Vec<T>,
    /// One for each name that nothing has.
    pub failures: Vec<Failure>,
}

impl<T> Found<T> {
    /// Looks each name up.
    pub fn each(names: &[String], find: impl Fn(&str) -> Result<T, Failure>) -> Self {
        let mut found = Self { objects: Vec::new(), failures: Vec::new() };
        for name in names {
            match find(name) {
                Ok(object) => found.objects.push(object),
                Err(failure) => found.failures.push(failure),
            }
        }
        found
    }
}

/// The nodes of `-n`, none if it is not there.
pub fn nodes(call: &Call) -> Result<Vec<NodeName>, Failure> {
    call.args.items("-n")?.iter().map(|text| names::node(text)).collect()
}

/// The same, of a cluster that has them.
pub fn known_nodes(call: &Call) -> Result<Vec<NodeName>, Failure> {
    let nodes = nodes(call)?;
    if nodes.is_empty() {
        return Ok(nodes);
    }
    let snapshot = call.snapshot()?;
    match nodes.iter().find(|n| !snapshot.nodes.iter().any(|v| v.name == **n)) {
        Some(unknown) => Err(absent("node", unknown.as_str(), "clnode list")),
        None => Ok(nodes),
    }
}

/// The type that is meant by a name, which may leave vendor and version out.
pub fn type_named<'a>(snapshot: &'a Snapshot, text: &str) -> Result<&'a TypeView, Failure> {
    let mut meant: Vec<&TypeView> =
        snapshot.types.iter().filter(|t| t.declaration.name.answers_to(text)).collect();
    if let Some(exact) = meant.iter().find(|t| t.declaration.name.as_str() == text) {
        return Ok(exact);
    }
    match (meant.pop(), meant.is_empty()) {
        (None, _) => Err(absent("resource type", text, "clrt list")),
        (Some(only), true) => Ok(only),
        (Some(last), false) => {
            meant.push(last);
            let all: Vec<&str> = meant.iter().map(|t| t.declaration.name.as_str()).collect();
            Err(Failure::cl(
                ClErr::Inval,
                format!("resource type {text}: several types may be meant: {}", all.join(" ")),
                "name the one you mean with its version",
            ))
        }
    }
}

/// The types a call is about.
pub fn types(call: &Call) -> Result<Found<&TypeView>, Failure> {
    let snapshot = call.snapshot()?;
    Ok(match call.named() {
        Named::All => Found { objects: snapshot.types.iter().collect(), failures: Vec::new() },
        Named::These(names) => Found::each(&names, |name| type_named(snapshot, name)),
    })
}

/// There is no such thing.
pub fn absent(kind: &str, name: &str, lister: &str) -> Failure {
    Failure::cl(
        ClErr::Noent,
        format!("{kind} {name}: there is none of that name"),
        format!("{lister} prints those there are"),
    )
}

/// There is no property of that name.
pub fn no_property(name: &str) -> Failure {
    Failure::cl(ClErr::Prop, format!("property {name}: there is none of that name"), "show -v prints all")
}

/// The states of `-s`, which must be among these.
pub fn states(call: &Call, known: &[&str]) -> Result<Vec<String>, Failure> {
    let states: Vec<String> = call.args.items("-s")?.iter().map(|s| s.to_ascii_lowercase()).collect();
    match states.iter().find(|s| !known.contains(&s.as_str())) {
        Some(state) => Err(Failure::cl(
            ClErr::Inval,
            format!("-s {state}: there is no such state"),
            format!("one of: {}", known.join(" ")),
        )),
        None => Ok(states),
    }
}

/// The properties of `-p`, `-x` and `-y`, in that order.
pub fn properties(call: &Call) -> Result<Vec<PropSet>, Failure> {
    let args = &call.args;
    let any = args.all("-p").map(properties::any);
    any.chain(args.all("-x").map(properties::extension))
        .chain(args.all("-y").map(properties::standard))
        .collect()
}

/// A list property made of names.
pub fn list_property(name: &str, op: PropOp, elements: &[impl ToString]) -> PropSet {
    let elements: Vec<String> = elements.iter().map(ToString::to_string).collect();
    PropSet {
        name: name.to_owned(),
        class: PropClass::Standard,
        nodes: Vec::new(),
        op,
        value: elements.join(","),
    }
}
