//! `clresource`, `clrs` (reference 7.7); `clreslogicalhostname`, `clrslh`, which is the same for one
//! type; and `clressharedaddress`, which is refused.

mod pick;
mod show;
mod table;

pub(super) use show::{status as status_table, text as show_text};
pub use table::{CLRS, CLRSLH, CLRSSA};

use super::{Call, ClErr, Work, explain as explanation, files, objects};
use crate::config_file::Selection;
use crate::failure::Failure;
use crate::logical_hostname::LogicalHostname;
use crate::names;
use rgm_types::view::{ResourceView, Snapshot};
use rgm_types::{Command, NodeName, ResourceName, ResourceState, Subject};

/// One command for all resources; none for none.
fn together(call: &Call, command: impl FnOnce(Vec<ResourceName>) -> Command) -> Result<Work, Failure> {
    let (resources, failures) = pick::names(call)?;
    let mut work = if resources.is_empty() { Work::default() } else { Work::change(command(resources)) };
    work.failures = failures;
    Ok(work)
}

/// A command for each resource.
fn each(call: &Call, command: impl Fn(ResourceName) -> Command) -> Result<Work, Failure> {
    let (resources, failures) = pick::names(call)?;
    Ok(Work { failures, ..Work::changes(resources.into_iter().map(command)) })
}

fn create(call: &Call) -> Result<Work, Failure> {
    if call.args.has("-i") {
        return match ["-g", "-t", "-d", "-p", "-x", "-y"].iter().find(|option| call.args.has(option)) {
            Some(option) => Err(call.args.misuse(format!("{option}: with -i everything is in the file"))),
            None => files::create_resources(call),
        };
    }
    if let Some(missing) =
        ["-g", "-t", "-a"].iter().find(|option| call.args.has(option) == (**option == "-a"))
    {
        let what = match *missing {
            "-a" => "-a goes with -i FILE".to_owned(),
            option => format!("create needs {}, or -i FILE", call.args.shown(option)),
        };
        return Err(call.args.misuse(what));
    }
    let group = names::group(call.args.needed("-g")?)?;
    let type_name = call.args.needed("-t")?;
    let props = objects::properties(call)?;
    let found = new_names(call)?;
    let create = |name: ResourceName| Command::ResourceCreate {
        name: name.to_string(),
        type_name: type_name.to_owned(),
        group: group.clone(),
        props: props.clone(),
        enable: !call.args.has("-d"),
    };
    Ok(Work { failures: found.failures, ..Work::changes(found.objects.into_iter().map(create)) })
}

fn new_names(call: &Call) -> Result<objects::Found<ResourceName>, Failure> {
    if call.args.operands.iter().any(|o| o == "+") {
        return Err(call
            .args
            .misuse("create needs names of resources that do not exist: + names those that do"));
    }
    Ok(objects::Found::each(&call.args.operands, names::resource))
}

fn create_hostname(call: &Call) -> Result<Work, Failure> {
    let [name] = &call.args.operands[..] else {
        return Err(call.args.misuse("create makes one logical hostname at a time"));
    };
    let mut hosts = call.args.items("-h")?;
    if hosts.is_empty() {
        hosts.push(name.clone());
    }
    let wanted = LogicalHostname {
        name: names::resource(name)?,
        group: names::group(call.args.needed("-g")?)?,
        hosts,
        interfaces: call.args.items("-N")?,
        props: objects::properties(call)?,
        enable: !call.args.has("-d"),
    };
    let changes = wanted.changes(call.snapshot()?, call.args.has("--dry-run"))?;
    Ok(Work { changes, ..Work::default() })
}

fn delete(call: &Call) -> Result<Work, Failure> {
    let force = call.args.has("-F");
    each(call, |name| Command::ResourceDelete { name, force })
}

fn set(call: &Call) -> Result<Work, Failure> {
    let props = objects::properties(call)?;
    if props.is_empty() {
        return Err(call.args.misuse("set needs a property to change: -p NAME=VALUE"));
    }
    each(call, |name| Command::ResourceSet { name, props: props.clone() })
}

fn enable(call: &Call) -> Result<Work, Failure> {
    switch(call, true)
}

fn disable(call: &Call) -> Result<Work, Failure> {
    switch(call, false)
}

fn switch(call: &Call, on: bool) -> Result<Work, Failure> {
    let (nodes, recursive) = (objects::nodes(call)?, call.args.has("-R"));
    together(call, |resources| Command::SetEnabled { resources, nodes, on, recursive })
}

fn monitor(call: &Call) -> Result<Work, Failure> {
    let nodes = objects::nodes(call)?;
    together(call, |resources| Command::SetMonitored { resources, nodes, on: true })
}

fn unmonitor(call: &Call) -> Result<Work, Failure> {
    let nodes = objects::nodes(call)?;
    together(call, |resources| Command::SetMonitored { resources, nodes, on: false })
}

/// Without `-n` on the nodes that have the flag; resources flagged on the same nodes go together.
fn clear(call: &Call) -> Result<Work, Failure> {
    if let Some(flag) = call.args.one("-f")?
        && !flag.eq_ignore_ascii_case("STOP_FAILED")
    {
        return Err(call.args.misuse(format!("-f {flag}: only STOP_FAILED can be cleared")));
    }
    let nodes = objects::nodes(call)?;
    let (named, mut failures) = pick::names(call)?;
    if !nodes.is_empty() && !call.args.has("-R") {
        let clear = || Work::change(Command::ClearStopFailed { resources: named.clone(), nodes });
        let work = if named.is_empty() { Work::default() } else { clear() };
        return Ok(Work { failures, ..work });
    }
    let snapshot = call.snapshot()?;
    let all = if call.args.has("-R") { with_dependents(snapshot, &named) } else { named.clone() };
    let mut places: Vec<(Vec<NodeName>, Vec<ResourceName>)> = Vec::new();
    for name in all {
        let flagged = flagged(snapshot, &name, &nodes);
        match places.iter_mut().find(|(place, _)| *place == flagged) {
            // Of a dependent nobody said that it is flagged.
            _ if flagged.is_empty() && !named.contains(&name) => {}
            _ if flagged.is_empty() => failures.push(not_flagged(snapshot, &name)),
            Some((_, resources)) => resources.push(name),
            None => places.push((flagged, vec![name])),
        }
    }
    let commands = places.into_iter().map(|(nodes, resources)| Command::ClearStopFailed { resources, nodes });
    Ok(Work { failures, ..Work::changes(commands) })
}

/// Where its stop failed, of these nodes or of all.
fn flagged(snapshot: &Snapshot, name: &ResourceName, nodes: &[NodeName]) -> Vec<NodeName> {
    let view = snapshot.resources.iter().find(|r| r.name == *name);
    view.into_iter()
        .flat_map(|r| &r.nodes)
        .filter(|on| on.state == ResourceState::StopFailed)
        .filter(|on| nodes.is_empty() || nodes.contains(&on.node))
        .map(|on| on.node.clone())
        .collect()
}

fn not_flagged(snapshot: &Snapshot, name: &ResourceName) -> Failure {
    if !snapshot.resources.iter().any(|r| r.name == *name) {
        return objects::absent("resource", name.as_str(), "clrs list");
    }
    Failure::cl(
        ClErr::State,
        format!("resource {name} is not in STOP_FAILED"),
        "clrs status shows the states",
    )
}

/// Them, and what depends on them, and so on.
fn with_dependents(snapshot: &Snapshot, names: &[ResourceName]) -> Vec<ResourceName> {
    let mut all = names.to_vec();
    let mut at = 0;
    while let Some(on) = all.get(at).cloned() {
        for view in &snapshot.resources {
            if depends(view, &on) && !all.contains(&view.name) {
                all.push(view.name.clone());
            }
        }
        at += 1;
    }
    all
}

/// By any flavour of dependency; an element may carry a qualifier in braces or behind an `@`.
fn depends(view: &ResourceView, on: &ResourceName) -> bool {
    let flavours = view.props.iter().filter(|p| {
        p.name.as_str().to_ascii_lowercase().starts_with("resource_dependencies")
            || p.name.is("Network_resources_used")
    });
    flavours
        .filter_map(|p| p.value.as_ref()?.list())
        .flatten()
        .any(|element| element.split(['{', '@']).next() == Some(on.as_str()))
}

fn list(call: &Call) -> Result<Work, Failure> {
    let (resources, failures) = pick::views(call)?;
    Work::facts(&resources, failures, || {
        if call.args.has("--json") {
            return crate::json::pretty(&resources);
        }
        Ok(if call.verbose() {
            show::list(&resources)
        } else {
            resources.iter().map(|r| format!("{}\n", r.name)).collect()
        })
    })
}

fn list_props(call: &Call) -> Result<Work, Failure> {
    let kind = show::Kind::of(call)?;
    let only = call.args.items("-p")?;
    let (resources, failures) = pick::views(call)?;
    let types = pick::types(call)?;
    let props = show::known_properties(&resources, &types, kind, &only);
    let print = || show::property_names(&props, call.verbose(), call.args.has("--json"));
    Work::facts(&props, failures, print)
}

fn status(call: &Call) -> Result<Work, Failure> {
    let (resources, failures) = pick::views(call)?;
    Work::facts(&resources, failures, || {
        if call.args.has("--json") {
            return crate::json::pretty(&resources);
        }
        Ok(show::status(&resources, call.verbose()))
    })
}

fn show(call: &Call) -> Result<Work, Failure> {
    let (resources, failures) = pick::views(call)?;
    let only = call.args.items("-p")?;
    let cluster = call.snapshot()?;
    Work::facts(&resources, failures, || match (call.args.has("--json"), only.is_empty()) {
        (true, _) => crate::json::pretty(&resources),
        (false, true) => Ok(show::text(&resources, cluster, call.verbose())),
        (false, false) => show::properties(&resources, cluster, &only),
    })
}

fn explain(call: &Call) -> Result<Work, Failure> {
    let (resources, failures) = pick::names(call)?;
    let subjects = resources.into_iter().map(|name| Subject::Resource(name.to_string()));
    explanation::explain(call, subjects, failures)
}

fn no_shared_address(_: &Call) -> Result<Work, Failure> {
    Err(Failure::cl(
        ClErr::Op,
        "resource type SUNW.SharedAddress: there are no shared addresses on Linux",
        "give a service on one node at a time a logical hostname: clrslh create",
    ))
}

fn export(call: &Call) -> Result<Work, Failure> {
    let (resources, failures) = pick::views(call)?;
    files::export(call, &Selection::Resources(resources.into_iter().map(|r| r.name).collect()), failures)
}

#[cfg(test)]
mod tests;
