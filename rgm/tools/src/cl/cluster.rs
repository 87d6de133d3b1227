//! `cluster` (reference 7.8), and what goes beyond it: the event log and declarative files.

mod cert;
mod check;
mod events;
mod found;
mod member;
mod shutdown;
mod status;
mod table;

pub use events::line;
pub use table::CLUSTER;

use super::clnode::show_sheet;
use super::layout::Sheet;
use super::{Call, ClErr, Work, clrg, clrs, clrt, files, objects};
use crate::apply;
use crate::config_file::Selection;
use crate::failure::Failure;
use crate::tables;
use rgm_types::view::{NodeView, Snapshot, TypeView};
use rgm_types::{Command, PropOp};

/// Kinds of objects that are configured, as `-t` names them, with their short names.
const KINDS: [(&str, &str); 4] =
    [("node", "node"), ("resourcetype", "rt"), ("resourcegroup", "rg"), ("resource", "rs")];
/// Those that have a state, in the order in which it is shown. (A type has none.)
const STATEFUL: [(&str, &str); 5] = [
    ("node", "node"),
    ("quorum", "clquorum"),
    ("resourcetype", "rt"),
    ("resourcegroup", "rg"),
    ("resource", "rs"),
];
/// Kinds that a cluster of the tradition has, and none here.
const ABSENT: [&str; 18] = [
    "device",
    "did",
    "devicegroup",
    "dg",
    "interconnect",
    "intr",
    "nasdevice",
    "nas",
    "snmphost",
    "snmpmib",
    "snmpuser",
    "telemetryattribute",
    "ta",
    "ipmp",
    "lhost",
    "shost",
    "access",
    "zonecluster",
];

/// The kinds of `-t`; all of them if it is not given.
fn kinds(call: &Call, all: &[(&'static str, &str)]) -> Result<Vec<&'static str>, Failure> {
    let wanted = call.args.items("-t")?;
    if wanted.is_empty() {
        return Ok(all.iter().map(|(name, _)| *name).collect());
    }
    let kind = |text: &String| {
        let known = all.iter().find(|(name, short)| name == text || short == text);
        match known {
            Some((name, _)) => Ok(*name),
            None if STATEFUL.iter().any(|(name, short)| name == text || short == text) => Err(Failure::cl(
                ClErr::Op,
                format!("-t {text}: its settings stand in rgm.toml, and in etcd"),
                "cluster status -t quorum, or clquorum status, prints its state",
            )),
            None if ABSENT.contains(&text.as_str()) => Err(Failure::cl(
                ClErr::Op,
                format!("-t {text}: there are none on this cluster"),
                "-t node,rt,rg,rs",
            )),
            None => Err(call
                .args
                .misuse(format!("-t {text}: it is node, resourcetype, resourcegroup or resource"))),
        }
    };
    wanted.iter().map(kind).collect()
}

fn list(call: &Call) -> Result<Work, Failure> {
    Ok(Work::print(format!("{}\n", call.snapshot()?.cluster)))
}

fn list_cmds(call: &Call) -> Result<Work, Failure> {
    let suites = tables::SUITES.iter().map(|suite| (suite.name, suite.summary));
    let applets = tables::ALL.iter().map(|applet| (applet.name, applet.summary));
    let mut names: Vec<(&str, &str)> = suites.chain(applets).collect();
    names.sort_unstable();
    let line = |(name, summary): (&str, &str)| {
        if call.verbose() { format!("{name:<26}{summary}\n") } else { format!("{name}\n") }
    };
    Ok(Work::print(names.into_iter().map(line).collect()))
}

fn all_nodes(snapshot: &Snapshot) -> Vec<&NodeView> {
    snapshot.nodes.iter().collect()
}

fn show(call: &Call) -> Result<Work, Failure> {
    let global = call.args.items("-t")?.iter().any(|kind| kind == "global");
    let kinds = if global { Vec::new() } else { kinds(call, &KINDS)? };
    let snapshot = call.snapshot()?;
    if call.args.has("--json") {
        return Ok(Work::print(crate::json::pretty(snapshot)?));
    }
    let mut text = String::new();
    if global || call.args.items("-t")?.is_empty() {
        text.push_str(&global_sheet(snapshot));
    }
    for kind in kinds {
        text.push_str(&match kind {
            "node" => show_sheet(&all_nodes(snapshot)),
            "resourcetype" => {
                let types: Vec<&TypeView> = snapshot.types.iter().collect();
                clrt::show_text(&types, call.verbose())
            }
            "resourcegroup" => clrg::show_text(&snapshot.groups, snapshot, call.verbose()),
            // Those of groups are shown with them.
            _ if call.args.items("-t")?.is_empty() => String::new(),
            _ => clrs::show_text(&snapshot.resources, snapshot, call.verbose()),
        });
    }
    Ok(Work::print(text))
}

fn global_sheet(snapshot: &Snapshot) -> String {
    let mut sheet = Sheet::titled("Cluster");
    sheet.head(0, "Cluster Name", &snapshot.cluster);
    for (name, value) in &snapshot.props {
        sheet.line(2, name.as_str(), &value.to_string());
    }
    let nodes: Vec<&str> = snapshot.nodes.iter().map(|n| n.name.as_str()).collect();
    sheet.line(2, "Node List", &nodes.join(", "));
    sheet.text()
}

fn set(call: &Call) -> Result<Work, Failure> {
    let props = objects::properties(call)?;
    match props.iter().find(|prop| !prop.nodes.is_empty() || prop.op != PropOp::Set) {
        Some(prop) => Err(Failure::cl(
            ClErr::Prop,
            format!("property {}: it has one value for the whole cluster", prop.name),
            "write NAME=VALUE",
        )),
        None => Ok(Work::change(Command::ClusterSet { props })),
    }
}

fn export(call: &Call) -> Result<Work, Failure> {
    files::export(call, &Selection::All, Vec::new())
}

/// A cluster of many machines; or all that a file describes, as one operation, in a cluster where
/// nothing of it is.
fn create(call: &Call) -> Result<Work, Failure> {
    if !call.args.items("-n")?.is_empty() {
        return found::run(call);
    }
    if call.args.one("-i")?.is_none() {
        return Err(call.args.misuse("create needs -n, to make a cluster of many machines, or -i"));
    }
    let conf = files::import(call)?;
    let known: Vec<_> = call.snapshot()?.types.iter().map(|t| t.declaration.clone()).collect();
    let commands = conf.commands(known.iter());
    Ok(if commands.is_empty() { Work::default() } else { Work::change(Command::Batch { commands }) })
}

fn apply(call: &Call) -> Result<Work, Failure> {
    let [file] = call.args.operands.as_slice() else {
        return Err(call.args.misuse("apply needs one FILE"));
    };
    let declared = apply::read(file)?;
    let difference = apply::Difference::between(&declared, call.snapshot()?, call.args.has("--prune"))?;
    let print = difference.text();
    Ok(match difference.command() {
        Some(command) => Work { print, ..Work::change(command) },
        None => Work::print(print),
    })
}

fn check_configuration(call: &Call) -> Result<Work, Failure> {
    check::run(call)
}

fn certificates(call: &Call) -> Result<Work, Failure> {
    cert::run(call)
}

fn list_checks(call: &Call) -> Result<Work, Failure> {
    Ok(Work::print(check::list(call.verbose())))
}

fn tell_events(call: &Call) -> Result<Work, Failure> {
    events::run(call)
}

fn shut_down(call: &Call) -> Result<Work, Failure> {
    shutdown::run(call)
}

fn no_rename(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "a cluster keeps the name it was made with",
        "cluster export it, make a new one with rgmd --cluster NAME, and cluster create -i the file",
    ))
}

fn no_heartbeat(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "there are no heartbeats: the nodes of this cluster are on one machine",
        "clnode status says which of them are up",
    ))
}

fn no_netprops(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "there is no private network: the nodes of this cluster are on one machine",
        "",
    ))
}

#[cfg(test)]
mod tests;
