//! Carrying out changes of several operands so that one that is refused does not stop the others.
//!
//! Groups or resources that one command can take together are sent together: what may run at the same
//! time then does. Only where that is refused as a whole, each is asked for on its own (a dry run),
//! and those that go are sent. Commands of one object each are sent one after the other; those that
//! are refused because of what depends on what are tried again as long as another one went through,
//! so that the order in which the objects are named does not matter.

use super::Call;
use crate::ask::{self, Change};
use crate::failure::{self, Failure};
use crate::progress;
use rgm_types::{Command, GroupName, ResourceName, SchaErr};
use std::collections::BTreeMap;

/// Carries changes out, and returns what went wrong, in the order of the operands.
pub fn out(call: &Call, mut changes: Vec<Change>) -> Result<Vec<Failure>, Failure> {
    let dry_run = call.args.has("--dry-run");
    match changes.pop() {
        None => Ok(Vec::new()),
        Some(only) if changes.is_empty() => together(call, only, dry_run),
        Some(last) => {
            changes.push(last);
            if dry_run { foreseen(call, changes) } else { one_by_one(call, changes) }
        }
    }
}

/// The operands of one command.
fn together(call: &Call, change: Change, dry_run: bool) -> Result<Vec<Failure>, Failure> {
    let Change::Command(mut command) = change else { return single(call, change, dry_run) };
    let count = operands(&mut command).map_or(0, |list| list.len());
    if count < 2 {
        return single(call, Change::Command(command), dry_run);
    }
    match ask::change(Change::Command(command.clone()), true, None) {
        Err(failure) if failure.is_refusal() => {}
        _ => return single(call, Change::Command(command), dry_run),
    }
    let mut failures = Vec::new();
    let mut good = Vec::new();
    for at in 0..count {
        match ask::change(Change::Command(only(&command, &[at])), true, None) {
            Ok(_) => good.push(at),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.is_empty() {
        // Each goes, but not all of them: the manager says why.
        return single(call, Change::Command(command), dry_run);
    }
    if !good.is_empty() {
        failures.extend(single(call, Change::Command(only(&command, &good)), dry_run)?);
    }
    Ok(failures)
}

fn single(call: &Call, change: Change, dry_run: bool) -> Result<Vec<Failure>, Failure> {
    match progress::change(call.voice(), change, dry_run) {
        Ok(text) => failure::print(&text).map(|()| Vec::new()),
        Err(failure) => Ok(vec![failure]),
    }
}

fn one_by_one(call: &Call, changes: Vec<Change>) -> Result<Vec<Failure>, Failure> {
    let mut failed: BTreeMap<usize, Failure> = BTreeMap::new();
    let mut left: Vec<usize> = (0..changes.len()).collect();
    while !left.is_empty() {
        let tried = left.len();
        let mut again = Vec::new();
        for at in left {
            let Some(change) = changes.get(at) else { continue };
            failed.remove(&at);
            for failure in single(call, change.clone(), false)? {
                if failure.code() == SchaErr::Depend.code() && !failure.is_begun() {
                    again.push(at);
                }
                failed.insert(at, failure);
            }
        }
        left = if again.len() < tried { again } else { Vec::new() };
    }
    Ok(failed.into_values().collect())
}

/// A dry run of several commands: of all of them as one, or else of each.
fn foreseen(call: &Call, changes: Vec<Change>) -> Result<Vec<Failure>, Failure> {
    let commands: Option<Vec<Command>> = changes
        .iter()
        .map(|change| match change {
            Change::Command(command) => Some(command.clone()),
            Change::Register { .. } => None,
        })
        .collect();
    if let Some(commands) = commands
        && let Ok(text) = progress::change(call.voice(), Change::Command(Command::Batch { commands }), true)
    {
        return failure::print(&text).map(|()| Vec::new());
    }
    let mut failures = Vec::new();
    for change in changes {
        failures.extend(single(call, change, true)?);
    }
    Ok(failures)
}

/// The operands of a command that takes several.
enum Operands<'a> {
    Groups(&'a mut Vec<GroupName>),
    Resources(&'a mut Vec<ResourceName>),
}

impl Operands<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Groups(list) => list.len(),
            Self::Resources(list) => list.len(),
        }
    }

    fn keep(self, at: &[usize]) {
        match self {
            Self::Groups(list) => keep(list, at),
            Self::Resources(list) => keep(list, at),
        }
    }
}

fn keep<T: Clone>(list: &mut Vec<T>, at: &[usize]) {
    *list = at.iter().filter_map(|i| list.get(*i).cloned()).collect();
}

/// The command for some of its operands.
fn only(command: &Command, at: &[usize]) -> Command {
    let mut command = command.clone();
    if let Some(list) = operands(&mut command) {
        list.keep(at);
    }
    command
}

fn operands(command: &mut Command) -> Option<Operands<'_>> {
    match command {
        Command::Switch { groups, .. }
        | Command::Remaster { groups }
        | Command::Online { groups, .. }
        | Command::Offline { groups, .. }
        | Command::Restart { groups, .. }
        | Command::Manage { groups }
        | Command::Unmanage { groups }
        | Command::Quiesce { groups, .. }
        | Command::Suspend { groups, .. }
        | Command::Resume { groups } => Some(Operands::Groups(groups)),
        Command::SetEnabled { resources, .. }
        | Command::SetMonitored { resources, .. }
        | Command::ClearStopFailed { resources, .. } => Some(Operands::Resources(resources)),
        Command::TypeRegister { .. }
        | Command::TypeSet { .. }
        | Command::TypeUnregister { .. }
        | Command::GroupCreate { .. }
        | Command::GroupSet { .. }
        | Command::GroupDelete { .. }
        | Command::ResourceCreate { .. }
        | Command::ResourceSet { .. }
        | Command::ResourceDelete { .. }
        | Command::Evacuate { .. }
        | Command::ClusterSet { .. }
        | Command::LoadLimitSet { .. }
        | Command::LoadLimitDelete { .. }
        | Command::NodeAdd { .. }
        | Command::NodeRemove { .. }
        | Command::AttrSet { .. }
        | Command::AttrClear { .. }
        | Command::Batch { .. }
        | Command::Control { .. }
        | Command::SetStatus { .. } => None,
    }
}
