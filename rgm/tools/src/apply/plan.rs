//! The commands of a difference in a safe order, as one batch.
//!
//! What a change needs offline or disabled is so before it, and comes back behind it; what is needed is
//! made before what needs it; what is deleted goes before what is made. Neighbours that differ in their
//! objects only go together: what may start at the same time then does.

use rgm_types::{Command, ResourceName};

/// When a command's turn comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Types, cluster properties, load limits, attributes of nodes.
    Base,
    /// What the file does not name, if it is to go.
    Delete,
    /// Groups that are to be offline.
    TakeOffline,
    /// What is to be disabled, or must be while it is changed.
    Disable,
    /// Groups that the manager is to leave alone.
    Unmanage,
    /// New groups.
    CreateGroups,
    /// Changed groups, and what new ones say of others.
    SetGroups,
    /// New resources.
    CreateResources,
    /// Changed ones.
    SetResources,
    /// Monitors.
    Monitor,
    /// What is to be enabled, or was before it was changed.
    Enable,
    /// Groups that are to be managed, and offline.
    Manage,
    /// Groups that are to be online.
    Online,
    /// Types that nothing uses any more.
    Unregister,
}

/// A command and its turn.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// Its turn.
    pub phase: Phase,
    /// What is done.
    pub command: Command,
}

/// All of it as one command; `None` if there is nothing to do. `order` has every resource, each behind
/// those it needs.
pub fn batch(mut steps: Vec<Step>, order: &[ResourceName]) -> Option<Command> {
    steps.sort_by_key(|step| (step.phase, rank(step, order)));
    let mut commands: Vec<Command> = Vec::new();
    for step in steps {
        let merged = commands.last_mut().is_some_and(|last| merge(last, &step.command));
        if !merged {
            commands.push(step.command);
        }
    }
    (!commands.is_empty()).then_some(Command::Batch { commands })
}

/// What is needed is made and enabled first, and disabled last.
fn rank(step: &Step, order: &[ResourceName]) -> usize {
    let at = |name: &str| order.iter().position(|known| known.as_str() == name).unwrap_or(order.len());
    if let Command::ResourceCreate { name, .. } = &step.command {
        return at(name);
    }
    let Command::SetEnabled { resources, on, .. } = &step.command else { return 0 };
    let first = resources.first().map_or(0, |name| at(name.as_str()));
    if *on { first } else { order.len() - first.min(order.len()) }
}

/// Puts what `next` does into `last`, if they differ in their objects only.
fn merge(last: &mut Command, next: &Command) -> bool {
    match (last, next) {
        (
            Command::SetEnabled { resources, nodes, on, recursive },
            Command::SetEnabled { resources: more, nodes: n, on: o, recursive: r },
        ) if (&*nodes, *on, *recursive) == (n, *o, *r) => add(resources, more),
        (
            Command::SetMonitored { resources, nodes, on },
            Command::SetMonitored { resources: more, nodes: n, on: o },
        ) if (&*nodes, *on) == (n, *o) => add(resources, more),
        (Command::Online { groups, nodes, with }, Command::Online { groups: more, nodes: n, with: w })
            if (&*nodes, *with) == (n, *w) =>
        {
            add(groups, more)
        }
        (Command::Offline { groups, nodes }, Command::Offline { groups: more, nodes: n }) if nodes == n => {
            add(groups, more)
        }
        (Command::Manage { groups }, Command::Manage { groups: more })
        | (Command::Unmanage { groups }, Command::Unmanage { groups: more }) => add(groups, more),
        _ => false,
    }
}

fn add<T: Clone + PartialEq>(list: &mut Vec<T>, more: &[T]) -> bool {
    for item in more {
        if !list.contains(item) {
            list.push(item.clone());
        }
    }
    true
}
