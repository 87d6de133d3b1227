//! `scstat`: status (reference 7.3).

mod show;

use crate::args::Args;
use crate::ask;
use crate::failure::Failure;
use crate::names;
use rgm_types::view::{GroupView, NodeView, ResourceView, Snapshot};
use rgm_types::{NodeName, SchaErr};
use serde::Serialize;

/// What is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    nodes: bool,
    groups: bool,
    /// Dashes around the sections.
    dashes: bool,
    verbose: bool,
}

/// Shows what the command line asks for.
pub fn run(args: &Args) -> Result<String, Failure> {
    let wanted = wanted(args)?;
    let only = names::nodes(args)?;
    let snapshot = limited(ask::snapshot()?, &only)?;
    if args.has("--json") {
        return json(&snapshot, &wanted);
    }
    Ok(show::text(&snapshot, &wanted))
}

fn wanted(args: &Args) -> Result<Wanted, Failure> {
    let absent = [
        ("-D", "device groups"),
        ("-W", "a cluster interconnect"),
        ("-i", "IPMP groups"),
        ("-q", "quorum votes"),
    ];
    if let Some((option, what)) = absent.into_iter().find(|(o, _)| args.has(o)) {
        let message = format!("{option}: {what} do not exist on this cluster");
        let hint = match option {
            "-q" => "clquorum status shows those of a cluster of many machines",
            _ => "scstat -n -g shows what does",
        };
        return Err(Failure::new(SchaErr::NotAllowed, message, hint));
    }
    args.form()?;
    let everything = args.has("-p") || !(args.has("-n") || args.has("-g"));
    Ok(Wanted {
        nodes: everything || args.has("-n"),
        groups: everything || args.has("-g"),
        dashes: everything,
        verbose: args.has("-v"),
    })
}

/// Only what concerns these nodes; everything if there are none.
fn limited(mut snapshot: Snapshot, only: &[NodeName]) -> Result<Snapshot, Failure> {
    if only.is_empty() {
        return Ok(snapshot);
    }
    if let Some(unknown) = only.iter().find(|n| !snapshot.nodes.iter().any(|v| v.name == **n)) {
        return Err(Failure::new(
            SchaErr::Node,
            format!("node {unknown}: there is no node of that name"),
            "scstat -n lists the nodes",
        ));
    }
    snapshot.nodes.retain(|n| only.contains(&n.name));
    for group in &mut snapshot.groups {
        group.nodes.retain(|n| only.contains(&n.node));
    }
    for resource in &mut snapshot.resources {
        resource.nodes.retain(|n| only.contains(&n.node));
    }
    snapshot.groups.retain(|g| !g.nodes.is_empty());
    snapshot.resources.retain(|r| !r.nodes.is_empty());
    Ok(snapshot)
}

/// `--json`: the same facts, with all their fields.
#[derive(Serialize)]
struct Stat<'a> {
    cluster: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<&'a [NodeView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [GroupView]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<&'a [ResourceView]>,
}

fn json(snapshot: &Snapshot, wanted: &Wanted) -> Result<String, Failure> {
    crate::json::pretty(&Stat {
        cluster: &snapshot.cluster,
        nodes: wanted.nodes.then_some(&snapshot.nodes),
        groups: wanted.groups.then_some(&snapshot.groups),
        resources: wanted.groups.then_some(&snapshot.resources),
    })
}

#[cfg(test)]
mod tests;
