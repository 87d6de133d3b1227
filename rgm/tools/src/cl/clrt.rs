//! `clresourcetype`, `clrt` (reference 7.5).

mod show;
mod table;

pub(super) use show::text as show_text;
pub use table::CLRT;

use super::objects::{self, Found};
use super::{Call, ClErr, Named, Work, files};
use crate::ask::Change;
use crate::config_file::Selection;
use crate::failure::Failure;
use crate::{names, properties, register as registration};
use rgm_types::view::TypeView;
use rgm_types::{Command, InstalledNodes, NodeName, PropSet};

/// `register`: each from its file.
fn register(call: &Call) -> Result<Work, Failure> {
    let given = call.args.one("-f")?;
    let wanted = TypeChange::of(call)?;
    let mut work = Work::default();
    let names = match call.named() {
        Named::These(names) => names,
        Named::All => unregistered(call, given)?,
    };
    for name in &names {
        match registration::change(name, given, wanted.installed_nodes.clone()) {
            Ok(change) => work.changes.push(change),
            Err(failure) => work.failures.push(failure),
        }
        if let Some(rt_system) = wanted.rt_system
            && !call.args.has("--dry-run")
        {
            let (name, rt_system) = (name.clone(), Some(rt_system));
            work.changes.push(Change::Command(Command::TypeSet { name, installed_nodes: None, rt_system }));
        }
    }
    Ok(work)
}

/// The types that have a file and are not registered.
fn unregistered(call: &Call, given: Option<&str>) -> Result<Vec<String>, Failure> {
    let known = &call.snapshot()?.types;
    let mut names: Vec<String> = registration::declared_in(given)?
        .into_iter()
        .filter(|name| !known.iter().any(|t| t.declaration.name == *name))
        .map(|name| name.to_string())
        .collect();
    names.dedup();
    Ok(names)
}

fn unregister(call: &Call) -> Result<Work, Failure> {
    change_each(call, |view| Ok(Some(Command::TypeUnregister { name: view.declaration.name.to_string() })))
}

fn set(call: &Call) -> Result<Work, Failure> {
    let TypeChange { installed_nodes, rt_system } = TypeChange::of(call)?;
    if installed_nodes.is_none() && rt_system.is_none() {
        return Err(call.args.misuse("set needs something to change: -N, -n NODE,... or -p NAME=VALUE"));
    }
    change_each(call, |view| {
        let installed_nodes = installed_nodes.clone();
        Ok(Some(Command::TypeSet { name: view.declaration.name.to_string(), installed_nodes, rt_system }))
    })
}

fn add_node(call: &Call) -> Result<Work, Failure> {
    let added = objects::known_nodes(call)?;
    change_each(call, |view| {
        let InstalledNodes::Only(now) = &view.declaration.installed_nodes else { return Ok(None) };
        let mut nodes = now.clone();
        nodes.extend(added.iter().filter(|n| !now.contains(n)).cloned());
        Ok(Some(installed_on(view, nodes)))
    })
}

fn remove_node(call: &Call) -> Result<Work, Failure> {
    let removed = objects::known_nodes(call)?;
    let all: Vec<NodeName> = call.snapshot()?.nodes.iter().map(|n| n.name.clone()).collect();
    change_each(call, |view| {
        let mut nodes = match &view.declaration.installed_nodes {
            InstalledNodes::All => all.clone(),
            InstalledNodes::Only(nodes) => nodes.clone(),
        };
        nodes.retain(|n| !removed.contains(n));
        if nodes.is_empty() {
            return Err(Failure::cl(
                ClErr::Op,
                format!("resource type {}: it would be installed on no node", view.declaration.name),
                "clrt unregister takes it away altogether",
            ));
        }
        Ok(Some(installed_on(view, nodes)))
    })
}

fn installed_on(view: &TypeView, nodes: Vec<NodeName>) -> Command {
    let name = view.declaration.name.to_string();
    Command::TypeSet { name, installed_nodes: Some(InstalledNodes::Only(nodes)), rt_system: None }
}

fn change_each(
    call: &Call,
    change: impl Fn(&TypeView) -> Result<Option<Command>, Failure>,
) -> Result<Work, Failure> {
    let Found { objects, failures } = objects::types(call)?;
    let mut work = Work { failures, ..Work::default() };
    for view in objects {
        match change(view) {
            Ok(command) => work.changes.extend(command.map(Change::Command)),
            Err(failure) => work.failures.push(failure),
        }
    }
    Ok(work)
}

/// What `-N`, `-n` and `-p` say.
struct TypeChange {
    installed_nodes: Option<InstalledNodes>,
    rt_system: Option<bool>,
}

impl TypeChange {
    fn of(call: &Call) -> Result<Self, Failure> {
        let mut change = Self { installed_nodes: None, rt_system: None };
        if call.args.has("-N") {
            change.installed_nodes = Some(InstalledNodes::All);
        }
        let nodes = objects::nodes(call)?;
        if !nodes.is_empty() {
            change.set_nodes(call, InstalledNodes::Only(nodes))?;
        }
        for prop in objects::properties(call)? {
            change.set(call, &prop)?;
        }
        Ok(change)
    }

    fn set(&mut self, call: &Call, prop: &PropSet) -> Result<(), Failure> {
        match prop.name.to_ascii_lowercase().as_str() {
            "rt_system" => self.rt_system = Some(properties::boolean(prop)?),
            "installed_nodes" if prop.value == "*" => self.set_nodes(call, InstalledNodes::All)?,
            "installed_nodes" => {
                let nodes: Result<Vec<NodeName>, Failure> = prop.value.split(',').map(names::node).collect();
                self.set_nodes(call, InstalledNodes::Only(nodes?))?;
            }
            _ => {
                return Err(Failure::cl(
                    ClErr::Prop,
                    format!("property {}: an administrator can't set it", prop.name),
                    "of a type only Installed_nodes and RT_system can be set",
                ));
            }
        }
        Ok(())
    }

    fn set_nodes(&mut self, call: &Call, nodes: InstalledNodes) -> Result<(), Failure> {
        match self.installed_nodes.replace(nodes) {
            None => Ok(()),
            Some(_) => {
                Err(call.args.misuse("the nodes are given more than once: -N, -n, -p Installed_nodes="))
            }
        }
    }
}

fn list(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = shown(call)?;
    Work::facts(&objects, failures, || {
        if call.args.has("--json") {
            return crate::json::pretty(&objects);
        }
        Ok(if call.verbose() {
            show::list(&objects)
        } else {
            objects.iter().map(|t| format!("{}\n", t.declaration.name)).collect()
        })
    })
}

fn list_props(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = shown(call)?;
    let only = call.args.items("-p")?;
    let print = || show::properties(&objects, &only, call.verbose(), call.args.has("--json"));
    Work::facts(&objects, failures, print)
}

fn show(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = shown(call)?;
    Work::facts(&objects, failures, || {
        if call.args.has("--json") {
            return crate::json::pretty(&objects);
        }
        Ok(show::text(&objects, call.verbose()))
    })
}

/// The types a call is about, as far as they are installed on its nodes.
fn shown(call: &Call) -> Result<Found<&TypeView>, Failure> {
    let mut found = objects::types(call)?;
    let nodes = objects::known_nodes(call)?;
    if !nodes.is_empty() {
        found.objects.retain(|t| nodes.iter().any(|n| t.declaration.installed_on(n)));
    }
    Ok(found)
}

fn export(call: &Call) -> Result<Work, Failure> {
    let Found { objects, failures } = objects::types(call)?;
    let names = objects.iter().map(|t| t.declaration.name.clone()).collect();
    files::export(call, &Selection::Types(names), failures)
}

#[cfg(test)]
mod tests;
