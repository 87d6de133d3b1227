//! Load (reference 3): what Load_factors of the groups on a node add up to, held against its limits.
//!
//! The sums are kept as configuration and places change, so that judging a node costs as much as the
//! group has factors.

use crate::Rgm;
use crate::model::Conf;
use crate::place::Layout;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::config::Write;
use rgm_types::{Entry, Group, GroupName, Key, LoadLimit, NodeName, Value};

/// Highest value of a load factor or limit: sums of them stay far from overflowing.
pub(crate) const LOAD_MAX: u64 = 1_000_000_000;

/// Group load on a node, in thousandths of what the node takes.
const FULL: u64 = 1000;

/// What a group puts on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Burden {
    factors: Vec<(String, u64)>,
    nodes: BTreeSet<NodeName>,
}

/// Loads of all nodes, by the places groups are meant to have.
#[derive(Debug, Clone, Default)]
pub(crate) struct Loads {
    burdens: BTreeMap<GroupName, Burden>,
    sums: BTreeMap<NodeName, BTreeMap<String, u64>>,
    on: BTreeMap<NodeName, BTreeSet<GroupName>>,
    /// Groups that are no longer meant to be on a node, and were not yet seen gone.
    leaving: BTreeMap<NodeName, BTreeSet<GroupName>>,
}

/// Room for a group on a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Room {
    /// The hard limit that would be exceeded.
    pub(crate) full: Option<String>,
    /// Groups that would have to leave.
    preempted: Vec<GroupName>,
    /// Load above soft limits.
    pub(crate) over: u64,
    /// How full it would be, or how empty: the less, the better.
    pub(crate) crowd: u64,
}

impl Room {
    /// Groups that would have to leave.
    pub(crate) fn preempted(&self) -> &[GroupName] {
        &self.preempted
    }
}

impl Loads {
    /// Everything anew.
    pub(crate) fn of(conf: &Conf) -> Self {
        let mut loads = Self::default();
        conf.groups.keys().for_each(|g| loads.update(conf, g));
        loads
    }

    /// Something was written.
    pub(crate) fn follow(&mut self, conf: &Conf, write: &Write) {
        match write {
            Write::Put(Entry::Group(Group { name, .. }) | Entry::Run(name, _))
            | Write::Delete(Key::Group(name) | Key::Run(name)) => self.update(conf, name),
            Write::Put(
                Entry::Cluster(_) | Entry::Node(_) | Entry::Type(_) | Entry::Resource(_) | Entry::Attrs(..),
            )
            | Write::Delete(Key::Cluster | Key::Node(_) | Key::Type(_) | Key::Resource(_) | Key::Attrs(_)) => {
            }
        }
    }

    /// A group, or where it is meant to be, has changed.
    fn update(&mut self, conf: &Conf, name: &GroupName) {
        if !conf.facts(name).loaded && !self.burdens.contains_key(name) {
            return;
        }
        let factors = conf.groups.get(name).map(|g| factors(conf, g)).unwrap_or_default();
        let old = self.burdens.remove(name).unwrap_or_default();
        if factors.is_empty() && old.factors.is_empty() {
            return;
        }
        for node in &old.nodes {
            self.add(node, &old.factors, u64::saturating_sub);
            self.on.get_mut(node).map(|on| on.remove(name));
            self.leaving.entry(node.clone()).or_default().insert(name.clone());
        }
        let nodes = conf.runs.get(name).map(|run| run.wanted.clone()).unwrap_or_default();
        for node in &nodes {
            self.add(node, &factors, u64::saturating_add);
            self.on.entry(node.clone()).or_default().insert(name.clone());
            self.leaving.get_mut(node).map(|leaving| leaving.remove(name));
        }
        if !factors.is_empty() {
            self.burdens.insert(name.clone(), Burden { factors, nodes });
        }
    }

    fn add(&mut self, node: &NodeName, factors: &[(String, u64)], sum: fn(u64, u64) -> u64) {
        let sums = self.sums.entry(node.clone()).or_default();
        for (name, load) in factors {
            let old = sums.entry(name.clone()).or_default();
            *old = sum(*old, *load);
        }
        sums.retain(|_, load| *load > 0);
    }

    /// What a group puts on each node it is on.
    pub(crate) fn factors(&self, group: &GroupName) -> &[(String, u64)] {
        self.burdens.get(group).map_or(&[], |b| b.factors.as_slice())
    }

    /// The loads of a node, by name.
    pub(crate) fn of_node(&self, node: &NodeName) -> impl Iterator<Item = (&String, u64)> {
        self.sums.get(node).into_iter().flatten().map(|(name, load)| (name, *load))
    }

    fn load(&self, node: &NodeName, name: &str) -> u64 {
        self.sums.get(node).and_then(|sums| sums.get(name)).copied().unwrap_or(0)
    }
}

/// Load_factors of a group.
fn factors(conf: &Conf, group: &Group) -> Vec<(String, u64)> {
    let value = conf.group_value(group, "Load_factors");
    let list = value.as_ref().and_then(Value::list).unwrap_or_default();
    list.iter().filter_map(|text| parse_factor(text).ok()).collect()
}

/// Reads `name@number`; the error is a fragment that fits behind the element.
pub(crate) fn parse_factor(text: &str) -> Result<(String, u64), String> {
    let (name, load) = text.split_once('@').ok_or("lacks the @ between name and number")?;
    check_name(name)?;
    let load = load.parse::<u64>().ok().filter(|load| *load <= LOAD_MAX);
    let load = load.ok_or_else(|| format!("needs a number from 0 to {LOAD_MAX} behind the @"))?;
    Ok((name.to_string(), load))
}

/// Names of loads are like those of properties.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    rgm_types::PropName::new(name).map(drop).map_err(|e| format!("names no load: {e}"))
}

impl Rgm {
    /// Whether a node has room for a group, and what that would take.
    pub(crate) fn room(&self, layout: &Layout, group: &Group, node: &NodeName) -> Room {
        let factors = self.loads.factors(&group.name);
        let mut room = Room::default();
        let Some(limits) = self.conf.nodes.get(node).map(|n| &n.load_limits).filter(|l| !l.is_empty()) else {
            return room;
        };
        if factors.is_empty() || self.hosts(layout, &group.name, node) {
            return room;
        }
        let concentrate = self.conf.cluster_value("Concentrate_load").and_then(|v| v.boolean()) == Some(true);
        let mut short: Vec<(&str, u64)> = Vec::new();
        for (name, more) in factors {
            let Some(limit) = limits.get(name) else { continue };
            let load = self.load_in(layout, node, name).saturating_add(*more);
            room.over += load.saturating_sub(limit.soft);
            let part = load.saturating_mul(FULL) / capacity(limit, load);
            room.crowd = room.crowd.max(if concentrate { FULL.saturating_sub(part) } else { part });
            if let Some(hard) = limit.hard.filter(|hard| load > *hard && !mutant!(self, ExceedHardLimit)) {
                short.push((name, load - hard));
            }
        }
        if let Some((name, _)) = short.first() {
            room.full = Some((*name).to_string());
            if let Some(preempted) = self.preemption(layout, group, node, short) {
                room.full = None;
                room.preempted = preempted;
            }
        }
        room
    }

    /// Groups that should have left the node, and failed to stop there: they still weigh.
    fn stuck_on<'a>(&'a self, node: &'a NodeName) -> impl Iterator<Item = &'a GroupName> + 'a {
        let leaving = self.loads.leaving.get(node).into_iter().flatten();
        leaving.filter(move |g| self.failed_to_stop(g, node))
    }

    /// The load that a group which has not come up on the node yet has no room for there, because of
    /// what is stuck.
    pub(crate) fn crowded_out(&self, group: &Group, node: &NodeName) -> Option<String> {
        if self.stuck_on(node).next().is_none() || !self.is_clear_on(&group.name, node) {
            return None;
        }
        let mut without = Layout::default();
        without.put(&group.name, BTreeSet::new());
        self.room(&without, group, node).full
    }

    fn load_in(&self, layout: &Layout, node: &NodeName, name: &str) -> u64 {
        let mut load = self.loads.load(node, name);
        let stuck = self.stuck_on(node).flat_map(|g| self.loads.factors(g));
        load += stuck.filter(|(n, _)| n == name).map(|(_, load)| *load).sum::<u64>();
        for (group, nodes) in layout.changed() {
            let Some((_, factor)) = self.loads.factors(group).iter().find(|(n, _)| n == name) else {
                continue;
            };
            let is = self.conf.runs.get(group).is_some_and(|run| run.wanted.contains(node));
            load = match (is, nodes.contains(node)) {
                (false, true) => load.saturating_add(*factor),
                (true, false) => load.saturating_sub(*factor),
                (true, true) | (false, false) => load,
            };
        }
        load
    }

    /// Groups of lower Priority that would have to leave the node to make up for what is short: those
    /// that may be preempted at no cost first, then the least important; none more than needed.
    fn preemption(
        &self,
        layout: &Layout,
        group: &Group,
        node: &NodeName,
        mut short: Vec<(&str, u64)>,
    ) -> Option<Vec<GroupName>> {
        let mut gone = Vec::new();
        for victim in self.preemptible(layout, group, node) {
            let mut helps = false;
            for (name, missing) in short.iter_mut().filter(|(_, missing)| *missing > 0) {
                let factors = self.loads.factors(&victim.name).iter();
                let freed: u64 = factors.filter(|(n, _)| n == name).map(|(_, load)| *load).sum();
                helps |= freed > 0;
                *missing = missing.saturating_sub(freed);
            }
            if helps {
                gone.push(victim.name.clone());
            }
            if short.iter().all(|(_, missing)| *missing == 0) {
                return Some(gone);
            }
        }
        None
    }

    /// Groups on the node that may have to leave it for this one, whoever costs least first. None that it
    /// has to be with itself, nor that another one has to be with which is of no lower Priority.
    fn preemptible(&self, layout: &Layout, group: &Group, node: &NodeName) -> Vec<&Group> {
        let priority = self.conf.group_int(group, "Priority");
        let there = self.loads.on.get(node).into_iter().flatten();
        let groups = there.filter(|g| self.hosts(layout, g, node)).filter_map(|g| self.conf.get_group(g));
        let (mut lower, others): (Vec<&Group>, Vec<&Group>) =
            groups.partition(|g| self.conf.group_int(g, "Priority") < priority);
        let with = others.iter().map(|g| &g.name).chain([&group.name]);
        let followed: BTreeSet<&GroupName> = with.flat_map(|g| self.followed_by(g)).collect();
        lower.retain(|g| !self.has_mode(g, "Never") && !followed.contains(&g.name));
        lower.sort_by_key(|g| {
            (!self.has_mode(g, "No_Cost"), self.conf.group_int(g, "Priority"), g.name.clone())
        });
        lower
    }

    fn has_mode(&self, group: &Group, word: &str) -> bool {
        self.conf.group_value(group, "Preemption_mode").as_ref().and_then(Value::text) == Some(word)
    }

    /// Preemption_mode is No_Cost.
    pub(crate) fn is_free_to_preempt(&self, group: &GroupName) -> bool {
        self.conf.groups.get(group).is_some_and(|g| self.has_mode(g, "No_Cost"))
    }

    /// A group that is still leaving the node, and without whose room a hard limit is exceeded.
    pub(crate) fn held_by_load(&self, group: &GroupName, node: &NodeName) -> Option<&GroupName> {
        let leaving = self.loads.leaving.get(node)?.iter().filter(|g| *g != group);
        let mut leaving = leaving.filter(|g| !self.is_clear_on(g, node)).peekable();
        leaving.peek().filter(|_| !mutant!(self, StartBeforeRoom))?;
        let limits = &self.conf.nodes.get(node)?.load_limits;
        let hard = |name: &String| limits.get(name).and_then(|limit| limit.hard);
        let others: Vec<&GroupName> = leaving.collect();
        for (name, _) in self.loads.factors(group) {
            let Some(hard) = hard(name) else { continue };
            let still =
                |g: &&&GroupName| self.loads.factors(g).iter().any(|(n, load)| n == name && *load > 0);
            let of = |g: &&GroupName| -> u64 {
                self.loads.factors(g).iter().filter(|(n, _)| n == name).map(|(_, load)| *load).sum()
            };
            let load = self.loads.load(node, name) + others.iter().map(of).sum::<u64>();
            if load > hard
                && let Some(other) = others.iter().find(still)
            {
                return Some(other);
            }
        }
        None
    }

    /// A group that was leaving is gone: those that wait for its room may go on.
    pub(crate) fn note_room(&mut self, name: &GroupName) {
        let gone = |(node, leaving): (&NodeName, &BTreeSet<GroupName>)| {
            (leaving.contains(name) && self.is_clear_on(name, node)).then(|| node.clone())
        };
        let nodes: Vec<NodeName> = self.loads.leaving.iter().filter_map(gone).collect();
        for node in nodes {
            self.loads.leaving.get_mut(&node).map(|leaving| leaving.remove(name));
            self.dirty.extend(self.loads.on.get(&node).into_iter().flatten().cloned());
        }
    }

    /// What the node has room for has changed: groups that are meant to be there, and wait for room,
    /// may go on, or have to look for another node.
    pub(crate) fn stir_loaded(&mut self, node: &NodeName) {
        let here: Vec<GroupName> = self.loads.on.get(node).into_iter().flatten().cloned().collect();
        here.iter().for_each(|g| self.stir(g));
    }

    /// Groups on the nodes that this one is leaving.
    pub(crate) fn waiting_for_room<'a>(&'a self, name: &'a GroupName) -> impl Iterator<Item = &'a GroupName> {
        let leaving = self.loads.leaving.iter().filter(|(_, leaving)| leaving.contains(name));
        leaving.flat_map(|(node, _)| self.loads.on.get(node)).flatten().filter(move |g| *g != name)
    }

    /// What is still running where its group is not meant to be: known again after a restart.
    pub(crate) fn find_leaving(&mut self) {
        for (group, burden) in &self.loads.burdens {
            let Some(board) = self.boards.get(group) else { continue };
            let nodes = self.nodes.keys().filter(|n| board.has_node(n) && !burden.nodes.contains(*n));
            for node in nodes.filter(|n| board.on(n).any(|(_, c)| !c.is_clear())) {
                self.loads.leaving.entry(node.clone()).or_default().insert(group.clone());
            }
        }
    }
}

/// What a node takes of a load, for comparing nodes.
fn capacity(limit: &LoadLimit, load: u64) -> u64 {
    let hard = limit.hard.unwrap_or(0);
    if limit.soft > 0 { limit.soft } else { hard.max(load) }.max(1)
}
