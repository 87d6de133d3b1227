//! `clresourcegroup`, `clrg` (reference 7.6).

mod pick;
mod show;
mod table;

pub(super) use show::{status as status_table, text as show_text};
pub use table::CLRG;

use super::objects::{self, list_property};
use super::{Call, ClErr, Named, Work, explain as explanation, files};
use crate::config_file::Selection;
use crate::failure::Failure;
use crate::names;
use crate::scswitch::keep_away;
use rgm_types::view::GroupView;
use rgm_types::{Bring, Command, GroupName, GroupState, NodeName, PropClass, PropOp, PropSet, Subject};

/// The groups a call is about; `+` means those the subcommand applies to.
fn groups(
    call: &Call,
    applies: impl Fn(&GroupView) -> bool,
) -> Result<(Vec<GroupName>, Vec<Failure>), Failure> {
    match call.named() {
        Named::All => {
            let groups = call.snapshot()?.groups.iter().filter(|g| applies(g));
            Ok((groups.map(|g| g.name.clone()).collect(), Vec::new()))
        }
        Named::These(names) => {
            let found = objects::Found::each(&names, names::group);
            Ok((found.objects, found.failures))
        }
    }
}

/// One command for all groups. None is never sent for none: some commands take that for all.
fn together(
    call: &Call,
    applies: impl Fn(&GroupView) -> bool,
    command: impl FnOnce(Vec<GroupName>) -> Command,
) -> Result<Work, Failure> {
    let (groups, failures) = groups(call, applies)?;
    let mut work = if groups.is_empty() { Work::default() } else { Work::change(command(groups)) };
    work.failures = failures;
    Ok(work)
}

/// A command for each group.
fn each(call: &Call, command: impl Fn(GroupName) -> Command) -> Result<Work, Failure> {
    let (groups, failures) = groups(call, any)?;
    Ok(Work { failures, ..Work::changes(groups.into_iter().map(command)) })
}

fn any(_: &GroupView) -> bool {
    true
}
fn managed(view: &GroupView) -> bool {
    view.managed
}
fn unmanaged(view: &GroupView) -> bool {
    !view.managed
}
fn may_run_on(view: &GroupView, nodes: &[NodeName]) -> bool {
    nodes.iter().all(|n| view.nodes.iter().any(|on| on.node == *n))
}
fn runs_on(view: &GroupView, nodes: &[NodeName]) -> bool {
    let here = |node: &NodeName| nodes.is_empty() || nodes.contains(node);
    view.nodes.iter().any(|on| is_up(on.state) && here(&on.node))
}

/// Something of it may be running.
fn is_up(state: GroupState) -> bool {
    match state {
        GroupState::Unmanaged | GroupState::Offline => false,
        GroupState::PendingOnline
        | GroupState::PendingOnlineBlocked
        | GroupState::Online
        | GroupState::OnlineFaulted
        | GroupState::PendingOffline
        | GroupState::ErrorStopFailed => true,
    }
}

fn create(call: &Call) -> Result<Work, Failure> {
    if call.args.has("-i") {
        return match ["-n", "-p", "-S"].iter().find(|option| call.args.has(option)) {
            Some(option) => Err(call.args.misuse(format!("{option}: with -i everything is in the file"))),
            None => files::create_groups(call),
        };
    }
    let mut props = properties(call)?;
    let nodes = objects::nodes(call)?;
    if !nodes.is_empty() {
        if given(&props, "Nodelist") {
            return Err(call.args.misuse("-n and -p Nodelist= say the same: give one of them"));
        }
        props.push(list_property("Nodelist", PropOp::Set, &nodes));
    }
    if call.args.has("-S") {
        let count = if nodes.is_empty() { call.snapshot()?.nodes.len() } else { nodes.len() };
        scalable(&mut props, count);
    }
    if call.args.operands.iter().any(|o| o == "+") {
        return Err(call
            .args
            .misuse("create needs names of groups that do not exist: + names those that do"));
    }
    let found = objects::Found::each(&call.args.operands, names::group);
    let create = |name: GroupName| Command::GroupCreate { name: name.to_string(), props: props.clone() };
    Ok(Work { failures: found.failures, ..Work::changes(found.objects.into_iter().map(create)) })
}

fn given(props: &[PropSet], name: &str) -> bool {
    props.iter().any(|p| p.name.eq_ignore_ascii_case(name))
}

/// `-S`, as far as the properties do not say otherwise.
fn scalable(props: &mut Vec<PropSet>, count: usize) {
    let count = count.to_string();
    for (name, value) in
        [("RG_mode", "Scalable"), ("Maximum_primaries", &count), ("Desired_primaries", &count)]
    {
        if !given(props, name) {
            let (class, op) = (PropClass::Standard, PropOp::Set);
            props.push(PropSet { name: name.into(), class, nodes: Vec::new(), op, value: value.into() });
        }
    }
}

/// The properties of `-p`: a group has none that differs from node to node.
fn properties(call: &Call) -> Result<Vec<PropSet>, Failure> {
    let props = objects::properties(call)?;
    match props.iter().find(|p| !p.nodes.is_empty()) {
        Some(prop) => Err(Failure::cl(
            ClErr::Prop,
            format!("property {}: a group has no properties for single nodes", prop.name),
            "leave {…} out",
        )),
        None => Ok(props),
    }
}

fn delete(call: &Call) -> Result<Work, Failure> {
    let force = call.args.has("-F");
    each(call, |name| Command::GroupDelete { name, force })
}

fn set(call: &Call) -> Result<Work, Failure> {
    let props = properties(call)?;
    each(call, |name| Command::GroupSet { name, props: props.clone() })
}

fn add_node(call: &Call) -> Result<Work, Failure> {
    nodelist(call, PropOp::Add)
}

fn remove_node(call: &Call) -> Result<Work, Failure> {
    nodelist(call, PropOp::Remove)
}

fn nodelist(call: &Call, op: PropOp) -> Result<Work, Failure> {
    let props = vec![list_property("Nodelist", op, &objects::nodes(call)?)];
    each(call, |name| Command::GroupSet { name, props: props.clone() })
}

fn manage(call: &Call) -> Result<Work, Failure> {
    together(call, unmanaged, |groups| Command::Manage { groups })
}

fn unmanage(call: &Call) -> Result<Work, Failure> {
    together(call, managed, |groups| Command::Unmanage { groups })
}

/// `-M`, `-e`, `-m`.
fn bring(call: &Call) -> Bring {
    let args = &call.args;
    Bring { manage: args.has("-M"), enable: args.has("-e"), monitor: args.has("-m") }
}

fn online(call: &Call) -> Result<Work, Failure> {
    let (nodes, with) = (objects::nodes(call)?, bring(call));
    let applies = |view: &GroupView| (view.managed || with.manage) && may_run_on(view, &nodes);
    together(call, applies, |groups| Command::Online { groups, nodes: nodes.clone(), with })
}

fn switch(call: &Call) -> Result<Work, Failure> {
    let (nodes, with) = (objects::nodes(call)?, bring(call));
    let applies = |view: &GroupView| (view.managed || with.manage) && may_run_on(view, &nodes);
    together(call, applies, |groups| Command::Switch { groups, nodes: nodes.clone(), with })
}

fn offline(call: &Call) -> Result<Work, Failure> {
    let nodes = objects::nodes(call)?;
    let applies = |view: &GroupView| view.managed && (nodes.is_empty() || runs_on(view, &nodes));
    together(call, applies, |groups| Command::Offline { groups, nodes: nodes.clone() })
}

fn remaster(call: &Call) -> Result<Work, Failure> {
    together(call, |view| view.managed && !view.suspended, |groups| Command::Remaster { groups })
}

fn restart(call: &Call) -> Result<Work, Failure> {
    let nodes = objects::nodes(call)?;
    let applies = |view: &GroupView| runs_on(view, &nodes);
    together(call, applies, |groups| Command::Restart { groups, nodes: nodes.clone() })
}

fn evacuate(call: &Call) -> Result<Work, Failure> {
    if call.args.operands.iter().any(|o| o != "+") {
        return Err(call.args.misuse("evacuate moves all groups off a node: its operand is +"));
    }
    let sticky_secs = keep_away(&call.args, "-T")?;
    Ok(Work::change(Command::Evacuate { nodes: objects::nodes(call)?, sticky_secs }))
}

fn quiesce(call: &Call) -> Result<Work, Failure> {
    let kill = call.args.has("-k");
    together(call, managed, |groups| Command::Quiesce { groups, kill })
}

fn suspend(call: &Call) -> Result<Work, Failure> {
    let kill = call.args.has("-k");
    together(call, any, |groups| Command::Suspend { groups, kill })
}

fn resume(call: &Call) -> Result<Work, Failure> {
    together(call, any, |groups| Command::Resume { groups })
}

fn list(call: &Call) -> Result<Work, Failure> {
    let (groups, failures) = pick::groups(call)?;
    Work::facts(&groups, failures, || {
        if call.args.has("--json") {
            return crate::json::pretty(&groups);
        }
        Ok(if call.verbose() {
            show::list(&groups)
        } else {
            groups.iter().map(|g| format!("{}\n", g.name)).collect()
        })
    })
}

fn status(call: &Call) -> Result<Work, Failure> {
    let (groups, failures) = pick::groups(call)?;
    Work::facts(&groups, failures, || {
        if call.args.has("--json") { crate::json::pretty(&groups) } else { Ok(show::status(&groups)) }
    })
}

fn show(call: &Call) -> Result<Work, Failure> {
    let (groups, failures) = pick::groups(call)?;
    let only = call.args.items("-p")?;
    let cluster = call.snapshot()?;
    Work::facts(&groups, failures, || match (call.args.has("--json"), only.is_empty()) {
        (true, _) => show::json(&groups, cluster),
        (false, true) => Ok(show::text(&groups, cluster, call.verbose())),
        (false, false) => show::properties(&groups, &only),
    })
}

fn explain(call: &Call) -> Result<Work, Failure> {
    let (groups, failures) = groups(call, any)?;
    let subjects = groups.into_iter().map(|name| Subject::Group(name.to_string()));
    explanation::explain(call, subjects, failures)
}

fn export(call: &Call) -> Result<Work, Failure> {
    let (groups, failures) = pick::groups(call)?;
    files::export(call, &Selection::Groups(groups.into_iter().map(|g| g.name).collect()), failures)
}

#[cfg(test)]
mod tests;
