//! Lists of names on a command line.

use crate::args::Args;
use crate::failure::Failure;
use rgm_types::{AttrName, GroupName, NameError, NodeName, ResourceName, SchaErr};

/// The groups of `-g`.
pub fn groups(args: &Args) -> Result<Vec<GroupName>, Failure> {
    args.list("-g", group)
}

/// The nodes of `-h`.
pub fn nodes(args: &Args) -> Result<Vec<NodeName>, Failure> {
    args.list("-h", node)
}

/// The resources of `-j`.
pub fn resources(args: &Args) -> Result<Vec<ResourceName>, Failure> {
    args.list("-j", resource)
}

/// A group.
pub fn group(text: &str) -> Result<GroupName, Failure> {
    GroupName::new(text).map_err(|e| invalid("resource group", text, &e))
}

/// A resource.
pub fn resource(text: &str) -> Result<ResourceName, Failure> {
    ResourceName::new(text).map_err(|e| invalid("resource", text, &e))
}

/// A node.
pub fn node(text: &str) -> Result<NodeName, Failure> {
    NodeName::new(text).map_err(|e| invalid("node", text, &e))
}

/// An attribute of a node.
pub fn attribute(text: &str) -> Result<AttrName, Failure> {
    AttrName::new(text).map_err(|e| invalid("attribute", text, &e))
}

fn invalid(kind: &str, text: &str, error: &NameError) -> Failure {
    Failure::new(
        SchaErr::Inval,
        format!("{kind} {text}: {error}"),
        "separate the names of a list by commas only",
    )
}
