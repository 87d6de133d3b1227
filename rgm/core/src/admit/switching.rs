//! Where groups are, and what stands on or off (reference 7.2).

use super::{Change, Effect, Goal};
use crate::Rgm;
use crate::cell::Phase;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    Group, GroupName, Hold, Method, Millis, NodeName, Refusal, Resource, ResourceName, SchaErr, Switch,
};

impl Rgm {
    pub(super) fn admit_switch(&self, groups: &[GroupName], nodes: &[NodeName]) -> Result<Change, Refusal> {
        for n in nodes {
            self.conf.node(n.as_str())?;
            if !self.is_up(n) {
                return Err(Refusal::new(
                    SchaErr::Node,
                    format!("node {n} is not a cluster member now"),
                    "scstat -n shows which are",
                ));
            }
        }
        let can = |g: &Group| g.managed && nodes.iter().all(|n| self.conf.nodelist(g).contains(n));
        let mut change = Change::default();
        for group in self.groups_or_all(groups, can)? {
            Self::refuse_unmanaged(&group)?;
            self.refuse_frozen(&group.name)?;
            let nodelist = self.conf.nodelist(&group);
            if let Some(n) = nodes.iter().find(|n| !nodelist.contains(n)) {
                let message = format!("node {n} is not in Nodelist of resource group {}", group.name);
                let names: Vec<&str> = nodelist.iter().map(NodeName::as_str).collect();
                return Err(Refusal::new(SchaErr::Node, message, format!("Nodelist is {}", names.join(","))));
            }
            let most = self.conf.group_int(&group, "Maximum_primaries");
            let nodes: BTreeSet<NodeName> = nodes.iter().cloned().collect();
            if i64::try_from(nodes.len()).unwrap_or(i64::MAX) > most {
                let message = format!("resource group {} may be online on {most} node at a time", group.name);
                return Err(Refusal::new(SchaErr::Inval, message, "name one node"));
            }
            change.effects.push(Effect::Want { group: group.name.clone(), nodes: nodes.clone() });
            change.goals.push(if nodes.is_empty() {
                Goal::Offline { group: group.name }
            } else {
                Goal::Online { group: group.name, nodes }
            });
        }
        Ok(change)
    }

    pub(super) fn admit_remaster(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.managed && !g.suspended)? {
            Self::refuse_unmanaged(&group)?;
            self.refuse_frozen(&group.name)?;
            let best = self.best_node(&group)?;
            change.effects.push(Effect::Want { group: group.name.clone(), nodes: [best.clone()].into() });
            change.goals.push(Goal::Online { group: group.name, nodes: [best].into() });
        }
        Ok(change)
    }

    fn best_node(&self, group: &Group) -> Result<NodeName, Refusal> {
        let up = self.conf.nodelist(group).into_iter().find(|n| self.is_up(n) && !self.is_barred(n));
        up.ok_or_else(|| {
            let message = format!("no node of Nodelist may host resource group {} now", group.name);
            Refusal::new(SchaErr::Node, message, "scstat -n shows which nodes are up")
        })
    }

    pub(super) fn admit_bring_online(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |_| true)? {
            self.refuse_frozen(&group.name)?;
            if !group.managed {
                self.manage(&group, &mut change);
            }
            for r in self.conf.members(&group.name).filter(|r| !r.deleting) {
                let on = Resource { enabled: Switch::all(true), monitored: Switch::all(true), ..r.clone() };
                if on != *r {
                    change.writes.push(Write::Put(Entry::Resource(on)));
                }
            }
            if self.conf.group_int(&group, "Desired_primaries") == 0 {
                change.goals.push(Goal::Rest { group: group.name });
                continue;
            }
            if self.conf.run(&group.name).wanted.is_empty() {
                let best = self.best_node(&group)?;
                change.effects.push(Effect::Want { group: group.name.clone(), nodes: [best].into() });
            }
            change.goals.push(Goal::Somewhere { group: group.name });
        }
        Ok(change)
    }

    /// Managed, with INIT owed on the Init_nodes of each resource.
    fn manage(&self, group: &Group, change: &mut Change) {
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
                change.effects.push(Effect::Want { group: group.name.clone(), nodes: BTreeSet::new() });
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
                    format!("take it offline first: scswitch -F -g {}", group.name),
                ));
            }
            let enabled = |r: &&Resource| self.conf.nodes.keys().any(|n| r.enabled.on_at(n));
            if let Some(r) = self.conf.members(&group.name).find(enabled) {
                let message = format!("resource {} of resource group {} is enabled", r.name, group.name);
                return Err(Refusal::new(
                    SchaErr::State,
                    message,
                    format!("disable it first: scswitch -n -j {}", r.name),
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

    pub(super) fn admit_offline(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.managed)? {
            Self::refuse_unmanaged(&group)?;
            self.refuse_frozen(&group.name)?;
            change.effects.push(Effect::Want { group: group.name.clone(), nodes: BTreeSet::new() });
            change.goals.push(Goal::Offline { group: group.name });
        }
        Ok(change)
    }

    pub(super) fn admit_restart(&self, groups: &[GroupName], nodes: &[NodeName]) -> Result<Change, Refusal> {
        nodes.iter().try_for_each(|n| self.conf.node(n.as_str()).map(drop))?;
        let mut change = Change::default();
        for group in self.groups_or_all(groups, |g| g.managed)? {
            Self::refuse_unmanaged(&group)?;
            self.refuse_frozen(&group.name)?;
            let current = self.conf.run(&group.name).wanted;
            let on: BTreeSet<NodeName> =
                if nodes.is_empty() { current.clone() } else { nodes.iter().cloned().collect() };
            if let Some(n) = on.iter().find(|n| !current.contains(*n)) {
                let message = format!("resource group {} is not online on node {n}", group.name);
                return Err(Refusal::new(SchaErr::State, message, "scstat -g shows where it is"));
            }
            if on.is_empty() {
                let message = format!("resource group {} is not online", group.name);
                return Err(Refusal::new(
                    SchaErr::State,
                    message,
                    format!("bring it online: scswitch -z -g {}", group.name),
                ));
            }
            change
                .effects
                .push(Effect::Drain { group: group.name.clone(), nodes: on.iter().cloned().collect() });
            change.goals.push(Goal::Online { group: group.name, nodes: on });
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

    pub(super) fn admit_evacuate(&self, nodes: &[NodeName], sticky_secs: u32) -> Result<Change, Refusal> {
        let mut change = Change::default();
        if nodes.is_empty() {
            return Err(Refusal::new(SchaErr::Inval, "no node to evacuate is named", "write -h NODE"));
        }
        for n in nodes {
            self.conf.node(n.as_str())?;
            change
                .effects
                .push(Effect::Bar { node: n.clone(), span: Millis::from_secs(i64::from(sticky_secs)) });
        }
        for group in self.conf.groups.values().filter(|g| g.managed) {
            if self.conf.run(&group.name).wanted.iter().any(|n| nodes.contains(n)) {
                if let Err(refusal) = self.refuse_frozen(&group.name) {
                    change.messages.push(format!("{}; it stays where it is", refusal.message));
                    continue;
                }
                if !self.candidates(group).iter().any(|n| !nodes.contains(n)) {
                    let name = &group.name;
                    change
                        .messages
                        .push(format!("no other node may host resource group {name}: it goes offline"));
                }
                change.effects.push(Effect::Place { group: group.name.clone(), off: nodes.to_vec() });
                change.goals.push(Goal::Rest { group: group.name.clone() });
            }
        }
        Ok(change)
    }
}
