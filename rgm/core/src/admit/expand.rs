//! Commands that are several: batches, and deletions by force (reference 3.2).

use crate::Rgm;
use crate::links::{Dep, Flavour};
use alloc::string::ToString;
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::{Command, GroupName, PropOp, PropSet, Refusal, Resource, ResourceName, SchaErr};

/// Whether a command only writes configuration, or moves something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Validated, then committed.
    Configuration,
    /// Starts and stops things.
    Switching,
}

/// What kind of command it is.
pub(crate) fn kind(command: &Command) -> Kind {
    match command {
        Command::TypeRegister { .. }
        | Command::TypeSet { .. }
        | Command::TypeUnregister { .. }
        | Command::GroupCreate { .. }
        | Command::GroupSet { .. }
        | Command::GroupDelete { .. }
        | Command::ResourceCreate { .. }
        | Command::ResourceSet { .. }
        | Command::ResourceDelete { .. }
        | Command::ClusterSet { .. }
        | Command::LoadLimitSet { .. }
        | Command::LoadLimitDelete { .. }
        | Command::NodeAdd { .. }
        | Command::NodeRemove { .. }
        | Command::AttrSet { .. }
        | Command::AttrClear { .. } => Kind::Configuration,
        Command::Switch { .. }
        | Command::Remaster { .. }
        | Command::Online { .. }
        | Command::Offline { .. }
        | Command::Restart { .. }
        | Command::Manage { .. }
        | Command::Unmanage { .. }
        | Command::SetEnabled { .. }
        | Command::SetMonitored { .. }
        | Command::ClearStopFailed { .. }
        | Command::Quiesce { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::Evacuate { .. }
        | Command::Batch { .. }
        | Command::Control { .. }
        | Command::SetStatus { .. } => Kind::Switching,
    }
}

impl Rgm {
    /// The plain commands that a command stands for, in their order.
    pub(crate) fn expand(&self, command: &Command) -> Result<Vec<Command>, Refusal> {
        if let Command::Batch { commands } = command {
            let plain = commands.iter().map(|c| {
                let nested = matches!(c, Command::Batch { .. });
                if nested || matches!(c, Command::Control { .. } | Command::SetStatus { .. }) {
                    let message = "a batch holds commands of the administration, and no other batch";
                    return Err(Refusal::new(SchaErr::Inval, message, ""));
                }
                self.expand(c)
            });
            return Ok(plain.collect::<Result<Vec<_>, _>>()?.concat());
        }
        if let Command::GroupDelete { name, force: true } = command {
            return self.delete_whole_group(name);
        }
        if let Command::ResourceDelete { name, force: true } = command {
            return self.delete_by_force(name);
        }
        Ok(vec![command.clone()])
    }

    /// Offline, everything disabled, unmanaged, resources deleted, dependents first, then the group.
    fn delete_whole_group(&self, name: &GroupName) -> Result<Vec<Command>, Refusal> {
        let group = self.conf.group(name.as_str())?;
        let groups = vec![name.clone()];
        let members: Vec<ResourceName> = self.conf.members(name).map(|r| r.name.clone()).collect();
        let mut commands = Vec::new();
        for r in &members {
            let outside = |x: &Resource| x.group != *name;
            commands.extend(self.released(r, outside));
        }
        if group.managed {
            commands.push(Command::Offline { groups: groups.clone(), nodes: Vec::new() });
        }
        if !members.is_empty() {
            let resources = members.clone();
            commands.push(Command::SetEnabled { resources, nodes: Vec::new(), on: false, recursive: false });
        }
        if group.managed {
            commands.push(Command::Unmanage { groups });
        }
        let delete = |name| Command::ResourceDelete { name, force: false };
        commands.extend(self.dependents_first(members).into_iter().map(delete));
        commands.push(Command::GroupDelete { name: name.clone(), force: false });
        Ok(commands)
    }

    fn delete_by_force(&self, name: &ResourceName) -> Result<Vec<Command>, Refusal> {
        self.existing(name)?;
        let mut commands = self.released(name, |_| true);
        let resources = vec![name.clone()];
        commands.push(Command::SetEnabled { resources, nodes: Vec::new(), on: false, recursive: false });
        commands.push(Command::ResourceDelete { name: name.clone(), force: false });
        Ok(commands)
    }

    /// Takes a resource out of the dependencies of others.
    fn released(&self, name: &ResourceName, of: impl Fn(&Resource) -> bool) -> Vec<Command> {
        let mut commands = Vec::new();
        for x in self.conf.dependents(name).filter(|x| of(x)) {
            let mut props = Vec::new();
            for (property, flavour) in Flavour::PROPERTIES {
                let named =
                    |text: &&alloc::string::String| Dep::parse(text, flavour).is_ok_and(|d| d.on == *name);
                let elements: Vec<&str> =
                    self.conf.list(x, property).iter().filter(named).map(|t| t.as_str()).collect();
                if !elements.is_empty() {
                    props.push(PropSet {
                        name: property.to_string(),
                        class: Default::default(),
                        nodes: Vec::new(),
                        op: PropOp::Remove,
                        value: elements.join(","),
                    });
                }
            }
            if !props.is_empty() {
                commands.push(Command::ResourceSet { name: x.name.clone(), props });
            }
        }
        commands
    }

    /// An order in which nothing is deleted that another one still depends on.
    fn dependents_first(&self, mut members: Vec<ResourceName>) -> Vec<ResourceName> {
        let mut order: Vec<ResourceName> = Vec::new();
        while !members.is_empty() {
            let needed = |r: &ResourceName, left: &[ResourceName]| {
                left.iter().any(|x| self.conf.deps(x).iter().any(|d| d.on == *r))
            };
            let free = members.iter().position(|r| !needed(r, &members)).unwrap_or(0);
            order.push(members.remove(free));
        }
        order
    }
}
