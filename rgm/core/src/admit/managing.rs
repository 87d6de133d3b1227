//! What the manager does with groups at all: managed or not, suspended, quiesced, freed of STOP_FAILED
//! (reference 5.2, 5.9, 7.2).

use super::{Change, Effect, Goal};
use crate::Rgm;
use crate::cell::Phase;
use alloc::format;
use rgm_types::config::{Entry, Write};
use rgm_types::{Group, GroupName, Hold, Method, NodeName, Refusal, Resource, ResourceName, SchaErr};

impl Rgm {
    /// Managed, with INIT owed on the Init_nodes of each resource.
    pub(super) fn manage(&self, group: &Group, change: &mut Change) {
        change.writes.push(Write::Put(Entry::Group(Group { managed: true, ..group.clone() })));
        self.owe_all(group, Method::Init, change);
    }

    fn owe_all(&self, group: &Group, method: Method, change: &mut Change) {
        for r in self.conf.members(&group.name) {
            let Some(rt) = self.conf.type_of(r).filter(|t| t.has(method)) else { continue };
            let nodes = self.conf.init_nodes(rt, group);
            change.effects.push(Effect::Owe { resource: r.name.clone(), nodes, method });
        }
    }

    pub(super) fn admit_manage(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| !g.managed)? {
            if !group.managed {
                change.effects.push(Effect::off(&group.name));
                self.manage(&group, &mut change);
            }
            change.goals.push(Goal::Rest { group: group.name });
        }
        Ok(change)
    }

    pub(super) fn admit_unmanage(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.managed)? {
            if !group.managed {
                continue;
            }
            self.refuse_frozen(&group.name)?;
            self.refuse_system(&group, "unmanaged")?;
            let busy = self.conf.nodes.keys().find(|n| !self.is_clear_on(&group.name, n));
            if busy.is_some() || self.group_is_wanted_online(&group) {
                let message = format!("resource group {} is not offline", group.name);
                return Err(Refusal::new(
                    SchaErr::State,
                    message,
                    format!("take it offline first: clrg offline {}", group.name),
                ));
            }
            let enabled = |r: &&Resource| self.conf.nodes.keys().any(|n| r.enabled.on_at(n));
            if let Some(r) = self.conf.members(&group.name).find(enabled) {
                let message = format!("resource {} of resource group {} is enabled", r.name, group.name);
                return Err(Refusal::new(
                    SchaErr::State,
                    message,
                    format!("disable it first: clrs disable {}", r.name),
                ));
            }
            change.writes.push(Write::Put(Entry::Group(Group { managed: false, ..group.clone() })));
            self.owe_all(&group, Method::Fini, &mut change);
            change.goals.push(Goal::Rest { group: group.name });
        }
        Ok(change)
    }

    /// Meant to be online although nothing of it is enabled.
    fn group_is_wanted_online(&self, group: &Group) -> bool {
        !self.conf.run(&group.name).wanted.is_empty()
    }

    pub(super) fn admit_quiesce(&self, groups: &[GroupName], kill: bool) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.managed)? {
            change.effects.push(Effect::Quiesce { group: group.name.clone(), kill });
            change.goals.push(Goal::Rest { group: group.name });
        }
        Ok(change)
    }

    pub(super) fn admit_suspend(&self, groups: &[GroupName], kill: bool) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |_| true)? {
            change.writes.push(Write::Put(Entry::Group(Group { suspended: true, ..group.clone() })));
            change.effects.push(Effect::Quiesce { group: group.name, kill });
        }
        Ok(change)
    }

    pub(super) fn admit_resume(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.suspended)? {
            change.writes.push(Write::Put(Entry::Group(Group { suspended: false, ..group.clone() })));
            change.effects.push(Effect::Unhold { group: group.name.clone(), hold: Hold::NoCandidate });
            change.goals.push(Goal::Rest { group: group.name });
        }
        Ok(change)
    }

    pub(super) fn admit_clear(&self, names: &[ResourceName], nodes: &[NodeName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for name in names {
            let r = self.conf.resource(name.as_str())?.clone();
            for node in nodes {
                self.conf.node(node.as_str())?;
                let flagged = self.conf.run(&r.group).stop_failed.contains(&(name.clone(), node.clone()));
                if flagged || self.cell(name, node).phase == Phase::StopFailed {
                    change.effects.push(Effect::Clear { resource: name.clone(), node: node.clone() });
                } else {
                    change.messages.push(format!("resource {name} is not in STOP_FAILED on node {node}"));
                }
            }
            change.goals.push(Goal::Resources { group: r.group, resources: [name.clone()].into() });
        }
        Ok(change)
    }
}
