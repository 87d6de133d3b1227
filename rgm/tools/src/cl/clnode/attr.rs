//! `clnode attr`: what agents and operators say of nodes.

use super::super::layout::Table;
use super::super::{Call, Work, objects};
use crate::applet::{Complete, Opt, value};
use crate::ask;
use crate::failure::Failure;
use crate::scha::attributes::{lifetime, named, values};
use crate::suite::{Operands, Subcommand};
use crate::tables::{DRY_RUN, JSON, NODES};
use rgm_types::view::NodeView;
use rgm_types::{AttrName, Command, Lifetime, NodeName, Query};

const NODE: Opt = value(
    "-n",
    "NODE,...",
    NODES,
    "nodes, + for all; if not given, list prints all, the others mean the one the command runs on",
)
.or("--node");
const LIFETIME: Opt = value(
    "-l",
    "LIFETIME",
    Complete::Words(&["reboot", "forever"]),
    "reboot: until the node leaves the cluster, what set means if it is not said; forever: until it is cleared",
)
.or("--lifetime");

/// The subcommand.
pub const ATTR: Subcommand = Subcommand {
    name: "attr",
    summary: "list, get, set or clear attributes of nodes, which Node_rule of resource groups reads",
    description: &[
        "list [NAME...] prints attributes; a value in force stands before one that it hides. get NAME prints the value in force. set NAME=VALUE... gives values, and is done when the manager has them: what groups do about it follows. clear NAME... takes attributes away, of both lifetimes if none is given.",
        "Groups with a Node_rule that becomes false on a node leave it at once; groups for which it becomes true may come, and with Failback=TRUE go back.",
    ],
    options: &[NODE, LIFETIME, JSON, DRY_RUN],
    needs: &[],
    operands: Operands {
        shown: "list|get|set|clear [NAME[=VALUE]...]",
        optional: false,
        complete: Complete::Words(&["list", "get", "set", "clear"]),
    },
    examples: &[
        ("attr list", "print all"),
        ("attr set maintenance=yes", "say so of this node until it boots"),
        ("attr set -n phys-1,phys-2 -l forever site.rack=b2", "say so of two nodes for good"),
        ("attr get -n phys-2 site.rack", "print a value"),
        ("attr set --dry-run -n phys-2 db-score=0", "print what would follow"),
        ("attr clear -n + maintenance", "say no more of it, of any node"),
    ],
    run,
};

fn run(call: &Call) -> Result<Work, Failure> {
    let (word, rest) = call.args.operands.split_first().map_or(("", &[][..]), |(w, rest)| (w.as_str(), rest));
    match word {
        "list" => list(call, rest),
        "get" => get(call, rest),
        "set" => {
            let lifetime = lifetime(&call.args)?.unwrap_or_default();
            let values = values(&call.args, rest)?;
            change(call, |node| Command::AttrSet { node, lifetime, values: values.clone() })
        }
        "clear" => {
            let lifetime = lifetime(&call.args)?;
            let names = named(&call.args, rest)?;
            change(call, |node| Command::AttrClear { node, lifetime, names: names.clone() })
        }
        other => Err(call.args.misuse(format!("{other:?} is none of list, get, set, clear"))),
    }
}

/// The nodes of `-n`.
fn nodes(call: &Call) -> Result<Vec<NodeName>, Failure> {
    if call.args.all("-n").any(|list| list == "+") {
        return Ok(call.snapshot()?.nodes.iter().map(|n| n.name.clone()).collect());
    }
    objects::known_nodes(call)
}

/// Of each node of `-n`, or of the caller's.
fn change(call: &Call, command: impl Fn(Option<NodeName>) -> Command) -> Result<Work, Failure> {
    let nodes = nodes(call)?;
    if nodes.is_empty() {
        return Ok(Work::change(command(None)));
    }
    Ok(Work::changes(nodes.into_iter().map(|node| command(Some(node)))))
}

fn get(call: &Call, words: &[String]) -> Result<Work, Failure> {
    let names = named(&call.args, words)?;
    let nodes = nodes(call)?;
    let ([name], [] | [_]) = (names.as_slice(), nodes.as_slice()) else {
        return Err(call.args.misuse("get prints one attribute of one node; list prints more"));
    };
    let node = nodes.first().map(|node| node.to_string());
    let value = ask::get(Query::NodeAttr { name: name.clone(), node, lifetime: lifetime(&call.args)? })?;
    Ok(Work::print(crate::scha::answer(&value, call.args.has("--json"))))
}

fn list(call: &Call, words: &[String]) -> Result<Work, Failure> {
    let names: Vec<AttrName> = if words.is_empty() { Vec::new() } else { named(&call.args, words)? };
    let lifetimes = lifetime(&call.args)?.map_or(Lifetime::ALL.to_vec(), |one| vec![one]);
    let nodes = nodes(call)?;
    let views = call.snapshot()?.nodes.iter().filter(|n| nodes.is_empty() || nodes.contains(&n.name));
    let asked = |name: &AttrName| names.is_empty() || names.contains(name);
    if call.args.has("--json") {
        let rows: Vec<serde_json::Value> = views
            .flat_map(|node| rows(node, &lifetimes))
            .filter(|row| asked(row.name))
            .map(|row| {
                let Row { node, name, lifetime, value } = row;
                serde_json::json!({ "node": node, "name": name, "lifetime": lifetime, "value": value })
            })
            .collect();
        return Ok(Work::print(crate::json::pretty(&rows)?));
    }
    let rows = views.flat_map(|node| rows(node, &lifetimes)).filter(|row| asked(row.name));
    let rows = rows.map(|row| {
        vec![row.node.to_string(), row.name.to_string(), row.lifetime.to_string(), row.value.to_owned()]
    });
    let heads = &[("Node", 20), ("Attribute", 24), ("Lifetime", 12), ("Value", 0)];
    Ok(Work::print(Table::list(heads, rows.collect())))
}

/// A line of the list.
struct Row<'a> {
    node: &'a NodeName,
    name: &'a AttrName,
    lifetime: Lifetime,
    value: &'a str,
}

/// The attributes of a node by name; what is in force before what it hides.
fn rows<'a>(node: &'a NodeView, lifetimes: &[Lifetime]) -> Vec<Row<'a>> {
    let attrs = &node.attrs;
    let mut rows = Vec::new();
    for name in attrs.names() {
        for lifetime in lifetimes {
            let value = attrs.of(*lifetime).get(name);
            rows.extend(value.map(|value| Row { node: &node.name, name, lifetime: *lifetime, value }));
        }
    }
    rows
}
