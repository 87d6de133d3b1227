//! Who depends on whom, as the properties say it (reference 2.4, 3, 3.1): parsed once when the
//! configuration changes, and read in every step.

mod affinity;

pub(crate) use affinity::{Affinity, Liking};

use crate::model::Conf;
use crate::node_rule::{self, NodeRule};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{Group, GroupName, Millis, NodeName, Resource, ResourceName, SysdefinedType};

/// How strongly a resource depends on another one. The order is that of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Flavour {
    /// Resource_dependencies_weak: order only, where both move.
    Weak,
    /// Resource_dependencies, Network_resources_used, implicit network dependencies.
    Strong,
    /// Resource_dependencies_restart: a restart of the other one restarts this one.
    Restart,
    /// Resource_dependencies_offline_restart: this one goes offline with the other one.
    OfflineRestart,
}

impl Flavour {
    /// The properties that name dependencies, with the flavour of each.
    pub(crate) const PROPERTIES: [(&'static str, Self); 5] = [
        ("Resource_dependencies", Self::Strong),
        ("Resource_dependencies_weak", Self::Weak),
        ("Resource_dependencies_restart", Self::Restart),
        ("Resource_dependencies_offline_restart", Self::OfflineRestart),
        ("Network_resources_used", Self::Strong),
    ];
}

/// Where the other resource has to be online (reference 2.4, qualifiers).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// `{FROM_RG_AFFINITIES}`: on the same node within a group, or where the group has `++` or `+++`
    /// for the other's group; else on any node.
    FromAffinities,
    /// `{LOCAL_NODE}`: on the same node.
    LocalNode,
    /// `{ANY_NODE}`: on any node.
    AnyNode,
}

/// One dependency of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Dep {
    /// On which resource.
    pub(crate) on: ResourceName,
    /// How strongly.
    pub(crate) flavour: Flavour,
    /// Where that one has to be online.
    pub(crate) reach: Reach,
    /// Only for this one's instance on that node (`resource@node`).
    pub(crate) at: Option<NodeName>,
}

impl Dep {
    /// Reads `resource[@node][{QUALIFIER}]`; the error is a fragment that fits behind the element.
    pub(crate) fn parse(text: &str, flavour: Flavour) -> Result<Self, String> {
        let (rest, reach) = match text.split_once('{') {
            None => (text, Reach::FromAffinities),
            Some((rest, word)) => (rest, reach(word.strip_suffix('}'))?),
        };
        let (name, at) = match rest.split_once('@') {
            None => (rest, None),
            Some((name, node)) => {
                (name, Some(NodeName::new(node).map_err(|e| format!("names a node badly: {e}"))?))
            }
        };
        let on = ResourceName::new(name).map_err(|e| format!("names no resource: {e}"))?;
        Ok(Self { on, flavour, reach, at })
    }

    /// It holds for an instance on this node.
    pub(crate) fn holds_at(&self, node: &NodeName) -> bool {
        self.at.as_ref().is_none_or(|at| at == node)
    }
}

fn reach(word: Option<&str>) -> Result<Reach, String> {
    match word {
        Some(w) if w.eq_ignore_ascii_case("LOCAL_NODE") => Ok(Reach::LocalNode),
        Some(w) if w.eq_ignore_ascii_case("ANY_NODE") => Ok(Reach::AnyNode),
        Some(w) if w.eq_ignore_ascii_case("FROM_RG_AFFINITIES") => Ok(Reach::FromAffinities),
        Some(w) => Err(format!(
            "has the qualifier {w:?}: write {{LOCAL_NODE}}, {{ANY_NODE}} or {{FROM_RG_AFFINITIES}}"
        )),
        None => Err(String::from("lacks the closing }")),
    }
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(crate) struct Links {
    deps: BTreeMap<ResourceName, Vec<Dep>>,
    dependents: BTreeMap<ResourceName, BTreeSet<ResourceName>>,
    affinities: BTreeMap<GroupName, Vec<Affinity>>,
    group_deps: BTreeMap<GroupName, Vec<GroupName>>,
    /// Groups linked by affinities or RG_dependencies, both ways.
    neighbours: BTreeMap<GroupName, BTreeSet<GroupName>>,
    /// Groups linked by dependencies of their resources, both ways.
    foreign: BTreeMap<GroupName, BTreeSet<GroupName>>,
    /// Groups that a group hangs on: its resources have offline-restart dependencies on theirs.
    hangs_on: BTreeMap<GroupName, BTreeSet<GroupName>>,
    /// The same, the other way: groups that hang on it.
    hanging: BTreeMap<GroupName, BTreeSet<GroupName>>,
    nodelists: BTreeMap<GroupName, Vec<NodeName>>,
    facts: BTreeMap<GroupName, Facts>,
    rules: BTreeMap<GroupName, NodeRule>,
    /// Groups with network addresses that depend on something: what they imply may have to give way.
    knotty: BTreeSet<GroupName>,
}

/// Numbers and flags of a group that are asked for in every step.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Facts {
    /// RG_mode is Scalable.
    pub(crate) scalable: bool,
    /// Maximum_primaries.
    pub(crate) most: i64,
    /// Desired_primaries.
    pub(crate) desired: i64,
    /// Priority.
    pub(crate) priority: i64,
    /// Pingpong_interval.
    pub(crate) pingpong: Millis,
    /// It has Load_factors.
    pub(crate) loaded: bool,
}

impl Links {
    fn forget_resource(&mut self, r: &ResourceName) {
        for dep in self.deps.remove(r).unwrap_or_default() {
            if let Some(set) = self.dependents.get_mut(&dep.on) {
                set.remove(r);
            }
        }
    }

    fn put_resource(&mut self, r: &ResourceName, deps: Vec<Dep>) {
        self.forget_resource(r);
        for dep in &deps {
            self.dependents.entry(dep.on.clone()).or_default().insert(r.clone());
        }
        if !deps.is_empty() {
            self.deps.insert(r.clone(), deps);
        }
    }

    fn targets(&self, group: &GroupName) -> BTreeSet<GroupName> {
        let affine = self.affinities.get(group).into_iter().flatten().map(|a| a.target.clone());
        affine.chain(self.group_deps.get(group).into_iter().flatten().cloned()).collect()
    }

    /// Forgets what the group says of others; what others say of it stays.
    fn put_knotty(&mut self, group: &GroupName, knotty: bool) {
        if knotty {
            self.knotty.insert(group.clone());
        } else {
            self.knotty.remove(group);
        }
    }

    fn forget_group(&mut self, group: &GroupName) {
        self.knotty.remove(group);
        let old = self.targets(group);
        self.affinities.remove(group);
        self.group_deps.remove(group);
        self.nodelists.remove(group);
        self.facts.remove(group);
        self.rules.remove(group);
        let strangers: Vec<GroupName> =
            old.into_iter().filter(|other| !self.targets(other).contains(group)).collect();
        for other in strangers {
            for (a, b) in [(&other, group), (group, &other)] {
                if let Some(set) = self.neighbours.get_mut(a) {
                    set.remove(b);
                }
            }
        }
    }

    /// The resources of a group are linked to those of exactly these others.
    fn put_foreign(&mut self, group: &GroupName, others: BTreeSet<GroupName>) {
        for other in self.foreign.remove(group).unwrap_or_default() {
            self.foreign.get_mut(&other).map(|set| set.remove(group));
        }
        for other in &others {
            self.foreign.entry(other.clone()).or_default().insert(group.clone());
        }
        if !others.is_empty() {
            self.foreign.insert(group.clone(), others);
        }
    }

    /// A group hangs on exactly these others.
    fn put_hanging(&mut self, group: &GroupName, others: BTreeSet<GroupName>) {
        for other in self.hangs_on.remove(group).unwrap_or_default() {
            self.hanging.get_mut(&other).map(|set| set.remove(group));
        }
        for other in &others {
            self.hanging.entry(other.clone()).or_default().insert(group.clone());
        }
        if !others.is_empty() {
            self.hangs_on.insert(group.clone(), others);
        }
    }

    fn put_group(&mut self, group: &GroupName, says: Says) {
        self.forget_group(group);
        self.nodelists.insert(group.clone(), says.nodelist);
        self.facts.insert(group.clone(), says.facts);
        if let Some(rule) = says.rule {
            self.rules.insert(group.clone(), rule);
        }
        if !says.affinities.is_empty() {
            self.affinities.insert(group.clone(), says.affinities);
        }
        if !says.group_deps.is_empty() {
            self.group_deps.insert(group.clone(), says.group_deps);
        }
        for other in self.targets(group) {
            self.neighbours.entry(other.clone()).or_default().insert(group.clone());
            self.neighbours.entry(group.clone()).or_default().insert(other);
        }
    }
}

/// What a group's own properties say.
struct Says {
    facts: Facts,
    nodelist: Vec<NodeName>,
    affinities: Vec<Affinity>,
    group_deps: Vec<GroupName>,
    rule: Option<NodeRule>,
}

impl Conf {
    /// What a resource depends on.
    pub(crate) fn deps(&self, r: &ResourceName) -> &[Dep] {
        self.links.deps.get(r).map_or(&[], Vec::as_slice)
    }

    /// What a resource's instance on a node depends on.
    pub(crate) fn deps_at<'a>(
        &'a self,
        r: &ResourceName,
        node: &'a NodeName,
    ) -> impl Iterator<Item = &'a Dep> + use<'a> {
        self.links.deps.get(r).into_iter().flatten().filter(move |d| d.holds_at(node))
    }

    /// Resources that depend on this one, in any flavour.
    pub(crate) fn dependents(&self, r: &ResourceName) -> impl Iterator<Item = &Resource> + '_ {
        self.links.dependents.get(r).into_iter().flatten().filter_map(|name| self.get_resource(name))
    }

    /// A resource of a group has to find the one it depends on on its own node (reference 2.4,
    /// qualifiers).
    pub(crate) fn is_local(&self, group: &GroupName, dep: &Dep, on: &Resource) -> bool {
        match dep.reach {
            Reach::LocalNode => true,
            Reach::AnyNode => false,
            Reach::FromAffinities => {
                let mut affinities = self.affinities(group).iter();
                *group == on.group || affinities.any(|a| a.target == on.group && a.liking.needs_target())
            }
        }
    }

    /// Groups of the resources that this one depends on, or that depend on it.
    pub(crate) fn linked<'a>(&'a self, r: &'a Resource) -> impl Iterator<Item = &'a GroupName> + 'a {
        let deps = self.deps(&r.name).iter().filter_map(|d| self.get_resource(&d.on));
        deps.chain(self.dependents(&r.name)).map(|other| &other.group)
    }

    /// Other groups that resources of this one depend on, or that depend on them.
    pub(crate) fn foreign(&self, group: &GroupName) -> impl Iterator<Item = &GroupName> + '_ {
        self.links.foreign.get(group).into_iter().flatten()
    }

    /// Other groups that hang on this one, on those, and so on: what goes down here takes down
    /// something of each of them, the last of them first.
    pub(crate) fn hanging(&self, group: &GroupName) -> BTreeSet<GroupName> {
        let (mut all, mut next) = (BTreeSet::new(), alloc::vec![group]);
        while let Some(group) = next.pop() {
            let above = self.links.hanging.get(group).into_iter().flatten();
            next.extend(above.filter(|other| all.insert((*other).clone())));
        }
        all.remove(group);
        all
    }

    /// RG_affinities.
    pub(crate) fn affinities(&self, group: &GroupName) -> &[Affinity] {
        self.links.affinities.get(group).map_or(&[], Vec::as_slice)
    }

    /// Groups that have an affinity for this one, and which.
    pub(crate) fn admirers<'a>(
        &'a self,
        group: &'a GroupName,
    ) -> impl Iterator<Item = (&'a GroupName, Liking)> + 'a {
        let others = self.neighbours(group);
        others.flat_map(move |other| {
            let toward = self.affinities(other).iter().filter(move |a| a.target == *group);
            toward.map(move |a| (other, a.liking))
        })
    }

    /// RG_dependencies.
    pub(crate) fn group_deps(&self, group: &GroupName) -> &[GroupName] {
        self.links.group_deps.get(group).map_or(&[], Vec::as_slice)
    }

    /// Groups linked to this one by RG_affinities or RG_dependencies, whoever declares it.
    pub(crate) fn neighbours(&self, group: &GroupName) -> impl Iterator<Item = &GroupName> + '_ {
        self.links.neighbours.get(group).into_iter().flatten()
    }

    /// Numbers and flags of a configured group.
    pub(crate) fn facts(&self, group: &GroupName) -> Facts {
        self.links.facts.get(group).copied().unwrap_or_default()
    }

    /// Node_rule of a configured group; `None`: every node is a candidate.
    pub(crate) fn rule_of(&self, group: &GroupName) -> Option<&NodeRule> {
        self.links.rules.get(group)
    }

    /// Groups that have a Node_rule.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&GroupName, &NodeRule)> {
        self.links.rules.iter()
    }

    /// Nodelist of a configured group.
    pub(crate) fn nodes_of(&self, group: &GroupName) -> &[NodeName] {
        self.links.nodelists.get(group).map_or(&[], Vec::as_slice)
    }

    /// Reads again what a group and its resources say of others.
    pub(crate) fn relink_group(&mut self, name: &GroupName) {
        self.link_group(name);
        self.loosen(name);
    }

    /// What is implied elsewhere may give way to what is said here, or need not any more.
    fn loosen(&mut self, name: &GroupName) {
        let others: Vec<GroupName> =
            self.links.knotty.iter().filter(|other| *other != name).cloned().collect();
        others.iter().for_each(|other| self.link_network(other));
    }

    fn link_group(&mut self, name: &GroupName) {
        let Some(group) = self.groups.get(name) else { return self.links.forget_group(name) };
        let loaded = !self.parsed(group, "Load_factors", |t| Some(t.len())).is_empty();
        let says = Says {
            facts: Facts {
                scalable: self.is_scalable(group),
                most: self.group_int(group, "Maximum_primaries"),
                desired: self.group_int(group, "Desired_primaries"),
                priority: self.group_int(group, "Priority"),
                pingpong: Millis::from_secs(self.group_int(group, "Pingpong_interval")),
                loaded,
            },
            nodelist: self.nodelist(group),
            affinities: self.parsed(group, "RG_affinities", |t| Affinity::parse(t).ok()),
            group_deps: self.parsed(group, "RG_dependencies", |t| GroupName::new(t).ok()),
            rule: self.group_value(group, "Node_rule").and_then(|v| node_rule::parse(v.text()?).ok()?),
        };
        let deps: Vec<(ResourceName, Vec<Dep>)> =
            self.members(name).map(|r| (r.name.clone(), self.declared_deps(r))).collect();
        self.links.put_group(name, says);
        deps.into_iter().for_each(|(r, deps)| self.links.put_resource(&r, deps));
        self.link_network(name);
        self.link_foreign(name);
    }

    /// A resource of a group is no more. What gave way to it in its own group need not any more, either.
    pub(crate) fn unlink_resource(&mut self, r: &ResourceName, group: &GroupName) {
        self.links.forget_resource(r);
        self.relink_group(group);
    }

    fn link_foreign(&mut self, name: &GroupName) {
        let linked = self.members(name).flat_map(|r| self.linked(r));
        let others = linked.filter(|group| *group != name).cloned().collect();
        let deps = self.members(name).flat_map(|r| self.deps(&r.name));
        let anchors = deps.filter(|d| d.flavour == Flavour::OfflineRestart);
        let anchors = anchors.filter_map(|d| self.resources.get(&d.on)).map(|other| &other.group);
        let anchors = anchors.filter(|group| *group != name).cloned().collect();
        self.links.put_foreign(name, others);
        self.links.put_hanging(name, anchors);
    }

    fn parsed<T>(&self, group: &Group, property: &str, read: impl Fn(&str) -> Option<T>) -> Vec<T> {
        let value = self.group_value(group, property);
        let list = value.as_ref().and_then(|v| v.list()).unwrap_or_default();
        list.iter().filter_map(|t| read(t)).collect()
    }

    /// What a resource's own properties say. An element that names no resource is a host name or an
    /// address (Network_resources_used), and admission lets nothing else through.
    pub(crate) fn declared_deps(&self, r: &Resource) -> Vec<Dep> {
        let of = |(property, flavour): (&str, Flavour)| -> Vec<Dep> {
            let elements = self.list(r, property).iter();
            elements.filter_map(|t| Dep::parse(t, flavour).ok()).collect()
        };
        Flavour::PROPERTIES.into_iter().flat_map(of).filter(|d| d.on != r.name).collect()
    }

    /// Implicit_network_dependencies: every other resource depends strongly on each network address of
    /// its failover group, unless that one depends on it.
    fn link_network(&mut self, name: &GroupName) {
        let nets: Vec<ResourceName> = self.implied_nets(name).map(|net| net.name.clone()).collect();
        let below: BTreeMap<&ResourceName, BTreeSet<ResourceName>> =
            nets.iter().map(|net| (net, self.everything_below(net))).collect();
        self.links.put_knotty(name, below.values().any(|below| !below.is_empty()));
        if nets.is_empty() {
            return;
        }
        let others = self.members(name).filter(|r| !self.is_net(r));
        let linked = others.map(|r| {
            let mut deps = self.declared_deps(r);
            for net in &nets {
                let known = |d: &Dep| d.on == *net && d.flavour >= Flavour::Strong && d.at.is_none();
                let circle = below.get(net).is_some_and(|below| below.contains(&r.name));
                if !deps.iter().any(known) && !circle {
                    let (on, flavour, reach) = (net.clone(), Flavour::Strong, Reach::FromAffinities);
                    deps.push(Dep { on, flavour, reach, at: None });
                }
            }
            (r.name.clone(), deps)
        });
        let linked: Vec<(ResourceName, Vec<Dep>)> = linked.collect();
        linked.into_iter().for_each(|(r, deps)| self.links.put_resource(&r, deps));
    }

    fn is_net(&self, r: &Resource) -> bool {
        self.type_of(r).is_some_and(|t| t.sysdefined != SysdefinedType::None)
    }

    /// The network addresses of a group that everything else in it may depend on without a word.
    fn implied_nets(&self, group: &GroupName) -> impl Iterator<Item = &Resource> {
        let implied = |group: &Group| {
            self.group_flag(group, "Implicit_network_dependencies") && !self.is_scalable(group)
        };
        let implied = self.groups.get(group).is_some_and(|group| implied(group));
        self.members(group).filter(move |r| implied && self.is_net(r))
    }

    /// Everything a network address depends on, directly or not: as declared, and as may be implied in
    /// any group. Of a circle with several that are implied all give way, so that it does not matter in
    /// which order groups came to be.
    fn everything_below(&self, net: &ResourceName) -> BTreeSet<ResourceName> {
        let (mut found, mut left) = (BTreeSet::new(), Vec::from([net.clone()]));
        while let Some(next) = left.pop() {
            let Some(r) = self.resources.get(&next) else { continue };
            let declared = self.declared_deps(r).into_iter().map(|d| d.on);
            let implied = self.implied_nets(&r.group).filter(|_| !self.is_net(r)).map(|net| net.name.clone());
            let new: Vec<ResourceName> =
                declared.chain(implied).filter(|r| found.insert(r.clone())).collect();
            left.extend(new);
        }
        found
    }
}

#[cfg(test)]
mod tests;
