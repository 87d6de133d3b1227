//! `clnode` (reference 7.8).

mod attr;
mod fence;
mod table;

pub use table::CLNODE;

use super::layout::{Sheet, Table};
use super::objects::{self, Found};
use super::{Call, ClErr, Named, Work, files};
use crate::config_file::Selection;
use crate::failure::Failure;
use crate::names;
use crate::scswitch::keep_away;
use rgm_types::view::{NodeView, Snapshot};
use rgm_types::{Command, NodeName, PropSet};

/// The nodes a call is about.
fn nodes(call: &Call) -> Result<Found<&NodeView>, Failure> {
    let views = &call.snapshot()?.nodes;
    Ok(match call.named() {
        Named::All => Found { objects: views.iter().collect(), failures: Vec::new() },
        Named::These(names) => Found::each(&names, |name| {
            let view = views.iter().find(|view| view.name.as_str() == name);
            view.ok_or_else(|| objects::absent("node", name, "clnode list"))
        }),
    })
}

fn list(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = nodes(call)?;
    let print = if call.args.has("--json") {
        crate::json::pretty(&objects)?
    } else if call.verbose() {
        let rows = objects.iter().map(|n| vec![n.name.to_string(), "cluster".to_owned()]).collect();
        Table::list(&[("Node", 20), ("Type", 0)], rows)
    } else {
        objects.iter().map(|n| format!("{}\n", n.name)).collect()
    };
    Ok(Work { failures, ..Work::print(print) })
}

fn status(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = nodes(call)?;
    let print = if call.args.has("--json") { crate::json::pretty(&objects)? } else { status_table(&objects) };
    Ok(Work { failures, ..Work::print(print) })
}

/// `clnode status`, to the column.
pub fn status_table(nodes: &[&NodeView]) -> String {
    let state = |up| if up { "Online" } else { "Offline" }.to_owned();
    let heads = &[("Node Name", 48), ("Status", 0)];
    let rows = nodes.iter().map(|n| vec![n.name.to_string(), state(n.up)]).collect();
    format!("\n=== Cluster Nodes ===\n\n--- Node Status ---\n\n{}\n", Table::list(heads, rows))
}

fn show(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = nodes(call)?;
    let print = if call.args.has("--json") { crate::json::pretty(&objects)? } else { show_sheet(&objects) };
    Ok(Work { failures, ..Work::print(print) })
}

/// `clnode show`.
pub fn show_sheet(nodes: &[&NodeView]) -> String {
    let mut sheet = Sheet::titled("Cluster Nodes");
    for node in nodes {
        sheet.head(0, "Node Name", node.name.as_str());
        sheet.line(2, "Node ID", &node.id.to_string());
        if let Some(left) = node.evacuated_for {
            sheet.line(2, "Evacuated for", &format!("{} s", left.0.div_ceil(1000)));
        }
        for (name, load) in &node.loads {
            let limit = load.limit.map(|limit| {
                let hard = limit.hard.map_or_else(|| "none".to_owned(), |hard| hard.to_string());
                format!(", soft limit {}, hard limit {hard}", limit.soft)
            });
            sheet.line(2, &format!("Load {name}"), &format!("{}{}", load.load, limit.unwrap_or_default()));
        }
    }
    sheet.text()
}

fn show_rev(_: &Call) -> Result<Work, Failure> {
    Ok(Work::print(format!("{}\n", env!("CARGO_PKG_VERSION"))))
}

fn export(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = nodes(call)?;
    files::export(call, &Selection::Nodes(objects.iter().map(|n| n.name.clone()).collect()), failures)
}

fn evacuate(call: &Call) -> Result<Work, Failure> {
    let sticky_secs = keep_away(&call.args, "-T")?;
    let Found { objects, failures } = nodes(call)?;
    if objects.is_empty() {
        return Ok(Work { failures, ..Work::default() });
    }
    let nodes = objects.iter().map(|n| n.name.clone()).collect();
    Ok(Work { failures, ..Work::change(Command::Evacuate { nodes, sticky_secs }) })
}

/// What `-p` says of a load limit.
#[derive(Default)]
struct Limit {
    name: String,
    soft: Option<u64>,
    hard: Option<i64>,
}

impl Limit {
    fn of(call: &Call) -> Result<Self, Failure> {
        let mut limit = Self::default();
        for PropSet { name, value, .. } in objects::properties(call)? {
            let number = || {
                value.parse().map_err(|_| {
                    Failure::cl(
                        ClErr::Prop,
                        format!("property {name}: {value:?} is no whole number from 0 up"),
                        "",
                    )
                })
            };
            match name.to_ascii_lowercase().as_str() {
                "limitname" => limit.name.clone_from(&value),
                "softlimit" => limit.soft = Some(number()?),
                "hardlimit" if value.is_empty() => limit.hard = Some(-1),
                "hardlimit" => {
                    let number: u64 = number()?;
                    limit.hard = Some(i64::try_from(number).unwrap_or(i64::MAX));
                }
                _ => {
                    let hint = "a load limit has limitname, softlimit and hardlimit";
                    return Err(Failure::cl(ClErr::Prop, format!("property {name}: there is none"), hint));
                }
            }
        }
        if limit.name.is_empty() {
            return Err(call.args.misuse("it is not said which load limit: -p limitname=NAME"));
        }
        Ok(limit)
    }
}

fn create_loadlimit(call: &Call) -> Result<Work, Failure> {
    limits(call, |snapshot, node, limit| match has(snapshot, node, &limit.name) {
        true => Err(Failure::cl(
            ClErr::Exist,
            format!("node {node} has a load limit {} already", limit.name),
            "clnode set-loadlimit changes it",
        )),
        false => Ok(set_command(node, limit)),
    })
}

fn set_loadlimit(call: &Call) -> Result<Work, Failure> {
    limits(call, |snapshot, node, limit| match has(snapshot, node, &limit.name) {
        true => Ok(set_command(node, limit)),
        false => Err(no_limit(node, &limit.name)),
    })
}

fn delete_loadlimit(call: &Call) -> Result<Work, Failure> {
    limits(call, |snapshot, node, limit| match has(snapshot, node, &limit.name) {
        true => Ok(Command::LoadLimitDelete { node: node.clone(), name: limit.name.clone() }),
        false => Err(no_limit(node, &limit.name)),
    })
}

fn set_command(node: &NodeName, limit: &Limit) -> Command {
    let Limit { name, soft, hard } = limit;
    Command::LoadLimitSet { node: node.clone(), name: name.clone(), soft: *soft, hard: *hard }
}

fn no_limit(node: &NodeName, name: &str) -> Failure {
    let message = format!("node {node} has no load limit {name}");
    Failure::cl(ClErr::Noent, message, "clnode show prints those there are")
}

fn has(snapshot: &Snapshot, node: &NodeName, name: &str) -> bool {
    let view = snapshot.nodes.iter().find(|view| view.name == *node);
    view.and_then(|view| view.loads.get(name)).is_some_and(|load| load.limit.is_some())
}

fn limits(
    call: &Call,
    command: impl Fn(&Snapshot, &NodeName, &Limit) -> Result<Command, Failure>,
) -> Result<Work, Failure> {
    let limit = Limit::of(call)?;
    let snapshot = call.snapshot()?;
    let Found { objects, failures } = nodes(call)?;
    let mut work = Work { failures, ..Work::default() };
    for node in objects {
        match command(snapshot, &node.name, &limit) {
            Ok(command) => work.changes.push(crate::ask::Change::Command(command)),
            Err(failure) => work.failures.push(failure),
        }
    }
    Ok(work)
}

fn add(call: &Call) -> Result<Work, Failure> {
    membership(call, |node| Command::NodeAdd { node })
}

fn remove(call: &Call) -> Result<Work, Failure> {
    membership(call, |node| Command::NodeRemove { node })
}

fn membership(call: &Call, command: impl Fn(NodeName) -> Command) -> Result<Work, Failure> {
    let mut work = Work::default();
    for name in &call.args.operands {
        work.changes.push(crate::ask::Change::Command(command(names::node(name)?)));
    }
    Ok(work)
}

fn no_clearing(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "a node that was removed leaves nothing behind that would have to be cleared",
        "clnode remove NODE",
    ))
}

fn no_properties(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "a node has no properties to set",
        "load limits are set with clnode set-loadlimit, settings of its daemon in rgm.toml",
    ))
}

#[cfg(test)]
mod tests;
