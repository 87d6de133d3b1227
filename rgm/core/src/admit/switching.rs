//! Where an operator wants groups to be (reference 3.1, 5.4, 7.2): switch, online, offline, remaster,
//! restart, evacuate.
//!
//! Groups named in one command are judged together, as if all of it had happened already. An operator
//! overrules preferences and what failed before; strong affinities, hard load limits, Nodelist,
//! Node_rule, membership and ERROR_STOP_FAILED hold for everybody.

use super::{Change, Effect, Goal};
use crate::Rgm;
use crate::links::Liking;
use crate::place::{By, Layout, Rule, Verdict};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{Bring, Group, GroupName, Millis, NodeName, Refusal, SchaErr, Switch};

type Nodes = BTreeSet<NodeName>;

impl Effect {
    /// The group is held offline.
    pub(super) fn off(group: &GroupName) -> Self {
        Self::Want { group: group.clone(), nodes: Nodes::new(), primaries: None }
    }
}

impl Rgm {
    pub(super) fn admit_switch(
        &self,
        groups: &[GroupName],
        nodes: &[NodeName],
        with: Bring,
    ) -> Result<Change, Refusal> {
        self.check_members(nodes)?;
        let can = |g: &Group| g.managed && nodes.iter().all(|n| self.conf.nodes_of(&g.name).contains(n));
        let list = self.targets_first(self.groups_or_all(groups, can)?);
        let nodes: Nodes = nodes.iter().cloned().collect();
        let mut change = Change::default();
        let mut layout = Layout::default();
        for group in &list {
            self.bring(group, with, &mut change)?;
            self.refuse_frozen(&group.name)?;
            self.check_nodes(group, &nodes)?;
            if !groups.is_empty() {
                layout.put(&group.name, nodes.clone());
            }
        }
        for group in list {
            layout.put(&group.name, nodes.clone());
            let judged = nodes.iter().try_for_each(|n| self.check_place(&mut layout, &group, n, &mut change));
            match judged {
                Err(refusal) if !groups.is_empty() => return Err(refusal),
                Err(refusal) => {
                    layout.put(&group.name, self.conf.run(&group.name).wanted);
                    change.messages.push(format!("{}: it stays where it is", refusal.message));
                }
                Ok(()) => self.put(&group, &nodes, &mut change),
            }
        }
        self.foresee(layout, &mut change);
        Ok(change)
    }

    /// These nodes, and no others.
    fn put(&self, group: &Group, nodes: &Nodes, change: &mut Change) {
        let primaries = u32::try_from(nodes.len()).ok();
        let desired = self.conf.group_int(group, "Desired_primaries");
        let primaries = primaries.filter(|n| *n > 0 && i64::from(*n) != desired);
        let (group, nodes) = (group.name.clone(), nodes.clone());
        change.effects.push(Effect::Want { group: group.clone(), nodes: nodes.clone(), primaries });
        change.goals.push(if nodes.is_empty() {
            Goal::Offline { group }
        } else {
            Goal::Online { group, nodes }
        });
    }

    /// Members of the cluster.
    fn check_members(&self, nodes: &[NodeName]) -> Result<(), Refusal> {
        for n in nodes {
            self.conf.node(n.as_str())?;
            if !self.is_up(n) {
                let message = format!("node {n} is not a cluster member now");
                return Err(Refusal::new(SchaErr::Node, message, "clnode status shows which are"));
            }
        }
        Ok(())
    }

    /// Nodes of Nodelist, and not too many.
    fn check_nodes(&self, group: &Group, nodes: &Nodes) -> Result<(), Refusal> {
        let nodelist = self.conf.nodes_of(&group.name);
        if let Some(n) = nodes.iter().find(|n| !nodelist.contains(n)) {
            let message = format!("node {n} is not in Nodelist of resource group {}", group.name);
            let names: Vec<&str> = nodelist.iter().map(NodeName::as_str).collect();
            return Err(Refusal::new(SchaErr::Node, message, format!("Nodelist is {}", names.join(","))));
        }
        let most = self.most_primaries(group);
        if nodes.len() > most {
            let (name, s) = (&group.name, if most == 1 { "" } else { "s" });
            let message = format!("resource group {name} may be online on {most} node{s} at a time");
            let hint = if most == 1 { String::from("name one node") } else { format!("name at most {most}") };
            return Err(Refusal::new(SchaErr::Inval, message, hint));
        }
        Ok(())
    }

    /// What holds for everybody. Groups that have to make room leave.
    fn check_place(
        &self,
        layout: &mut Layout,
        group: &Group,
        node: &NodeName,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        let rule = self.against(layout, &group.name, node).or_else(|| {
            let mut without = layout.clone();
            let mut others = self.nodes_in(layout, &group.name).cloned().unwrap_or_default();
            others.remove(node);
            without.put(&group.name, others);
            let room = self.room(&without, group, node);
            let preempted = room.preempted();
            let preempts = || (!preempted.is_empty()).then(|| Rule::Preempts(preempted.to_vec()));
            room.full.clone().map(Rule::Full).or_else(preempts)
        });
        match rule {
            Some(Rule::Preempts(others)) => {
                others.iter().for_each(|other| self.send_away(layout, other, node, change));
                Ok(())
            }
            Some(rule) => Err(against(group, node, &rule)),
            None => Ok(()),
        }
    }

    /// A group of lower Priority leaves a node.
    fn send_away(&self, layout: &mut Layout, other: &GroupName, node: &NodeName, change: &mut Change) {
        let mut left = self.nodes_in(layout, other).cloned().unwrap_or_default();
        left.remove(node);
        layout.put(other, left);
        change.effects.push(Effect::Leave { group: other.clone(), nodes: [node.clone()].into() });
        change.goals.push(Goal::Rest { group: other.clone() });
        change.messages.push(format!("resource group {other} of lower Priority leaves node {node}"));
    }

    /// What moves besides, because of strong affinities: said, and waited for.
    fn foresee(&self, mut layout: Layout, change: &mut Change) {
        let mut moved: Vec<GroupName> = layout.changed().map(|(g, _)| g.clone()).collect();
        while let Some(target) = moved.pop() {
            let sources: BTreeSet<GroupName> = self.conf.admirers(&target).map(|(g, _)| g.clone()).collect();
            for source in sources {
                let Some(group) = self.conf.groups.get(&source) else { continue };
                let now = self.nodes_in(&layout, &source).cloned().unwrap_or_default();
                let may =
                    |n: &&NodeName| !matches!(self.against(&layout, &source, n), Some(Rule::Against(_)));
                let stays: Nodes = now.iter().filter(may).cloned().collect();
                if stays == now {
                    continue;
                }
                let wanted = now.len();
                layout.put(&source, stays);
                self.choose(&mut layout, group, wanted, By::Itself);
                let then = self.nodes_in(&layout, &source).cloned().unwrap_or_default();
                change.messages.push(moves_too(group, &target, &then));
                change.goals.push(Goal::Rest { group: source.clone() });
                moved.push(source);
            }
        }
    }

    /// Takes the best nodes until there are so many; what they preempt.
    fn choose(&self, layout: &mut Layout, group: &Group, count: usize, by: By) -> Vec<Verdict> {
        let mut taken = Vec::new();
        let mut nodes = self.nodes_in(layout, &group.name).cloned().unwrap_or_default();
        while nodes.len() < count.min(self.most_primaries(group)) {
            let Some(best) = self.best(layout, group, by) else { break };
            nodes.insert(best.node.clone());
            layout.put(&group.name, nodes.clone());
            taken.push(best);
        }
        taken
    }

    pub(super) fn admit_remaster(&self, groups: &[GroupName]) -> Result<Change, Refusal> {
        let list = self.targets_first(self.groups_or_all(groups, |g| g.managed && !g.suspended)?);
        let mut change = Change::default();
        let mut layout = Layout::default();
        for group in &list {
            Self::refuse_unmanaged(group)?;
            self.refuse_frozen(&group.name)?;
            layout.put(&group.name, Nodes::new());
        }
        for group in list {
            let desired = usize::try_from(self.conf.group_int(&group, "Desired_primaries")).unwrap_or(0);
            let taken = self.choose(&mut layout, &group, desired, By::Operator);
            if taken.is_empty() && desired > 0 {
                let refusal = self.no_node(&layout, &group);
                if !groups.is_empty() {
                    return Err(refusal);
                }
                change.messages.push(refusal.message);
                self.keep_or_leave(&mut layout, &group, &mut change);
                continue;
            }
            self.settle_room(&mut layout, &taken, &mut change);
            let nodes: Nodes = taken.into_iter().map(|v| v.node).collect();
            change.effects.push(Effect::Want {
                group: group.name.clone(),
                nodes: nodes.clone(),
                primaries: None,
            });
            change.goals.push(Goal::Online { group: group.name, nodes });
        }
        self.foresee(layout, &mut change);
        Ok(change)
    }

    /// A group for which no node was found stays where it is, unless others need its place now.
    fn keep_or_leave(&self, layout: &mut Layout, group: &Group, change: &mut Change) {
        let now = self.conf.run(&group.name).wanted;
        let mut trial = layout.clone();
        trial.put(&group.name, now.clone());
        let (mut unchanged, mut none) = (trial.clone(), Change::default());
        let mut may = |n: &NodeName| {
            let judged = self.check_place(&mut unchanged, group, n, &mut none);
            judged.is_ok() && none.effects.is_empty()
        };
        if now.iter().all(&mut may) {
            *layout = trial;
        } else {
            change.effects.push(Effect::Leave { group: group.name.clone(), nodes: now });
            change.goals.push(Goal::Rest { group: group.name.clone() });
        }
    }

    fn settle_room(&self, layout: &mut Layout, taken: &[Verdict], change: &mut Change) {
        for verdict in taken {
            if let Rule::Preempts(others) = &verdict.rule {
                others.iter().for_each(|other| self.send_away(layout, other, &verdict.node, change));
            }
        }
    }

    /// Why a group can be brought online nowhere.
    fn no_node(&self, layout: &Layout, group: &Group) -> Refusal {
        let verdicts = self.verdicts(layout, group, By::Operator);
        let output = verdicts.iter().map(|v| format!("node {}: {}", v.node, v.rule)).collect();
        let message = format!("no node of Nodelist may host resource group {} now", group.name);
        let hint = String::from("clnode status shows which nodes are up");
        Refusal { output, ..Refusal::new(SchaErr::Node, message, hint) }
    }

    pub(super) fn admit_bring_online(
        &self,
        groups: &[GroupName],
        nodes: &[NodeName],
        with: Bring,
    ) -> Result<Change, Refusal> {
        self.check_members(nodes)?;
        let can = |g: &Group| {
            (g.managed || with.manage) && nodes.iter().all(|n| self.conf.nodes_of(&g.name).contains(n))
        };
        let list = self.targets_first(self.groups_or_all(groups, can)?);
        let mut change = Change::default();
        let mut layout = Layout::default();
        for group in list {
            self.bring(&group, with, &mut change)?;
            self.refuse_frozen(&group.name)?;
            if nodes.is_empty() {
                self.bring_by_rules(&mut layout, group, !groups.is_empty(), &mut change)?;
                continue;
            }
            let mut then = self.conf.run(&group.name).wanted;
            then.extend(nodes.iter().cloned());
            self.check_nodes(&group, &then)?;
            layout.put(&group.name, then.clone());
            nodes.iter().try_for_each(|n| self.check_place(&mut layout, &group, n, &mut change))?;
            self.put(&group, &then, &mut change);
        }
        self.foresee(layout, &mut change);
        Ok(change)
    }

    /// Desired_primaries nodes, those it is on among them.
    fn bring_by_rules(
        &self,
        layout: &mut Layout,
        group: Group,
        named: bool,
        change: &mut Change,
    ) -> Result<(), Refusal> {
        let name = group.name.clone();
        let desired = usize::try_from(self.conf.group_int(&group, "Desired_primaries")).unwrap_or(0);
        let now = self.conf.run(&name).wanted;
        if desired == 0 {
            change.goals.push(Goal::Rest { group: name });
            return Ok(());
        }
        let taken = self.choose(layout, &group, desired, By::Operator);
        if taken.is_empty() && now.is_empty() {
            let refusal = self.no_node(layout, &group);
            if named {
                return Err(refusal);
            }
            change.messages.push(refusal.message);
            change.messages.extend(refusal.output);
            change.effects.push(Effect::Seek { group: name.clone() });
            change.goals.push(Goal::Rest { group: name });
            return Ok(());
        }
        if !taken.is_empty() {
            self.settle_room(layout, &taken, change);
            let nodes = taken.into_iter().map(|v| v.node).chain(now).collect();
            change.effects.push(Effect::Want { group: name.clone(), nodes, primaries: None });
        }
        change.goals.push(Goal::Somewhere { group: name });
        Ok(())
    }

    /// What is done before a group is brought online.
    fn bring(&self, group: &Group, with: Bring, change: &mut Change) -> Result<(), Refusal> {
        if !group.managed && with.manage {
            self.manage(group, change);
        } else {
            Self::refuse_unmanaged(group)?;
        }
        for r in self.conf.members(&group.name).filter(|r| !r.deleting) {
            let mut on = r.clone();
            if with.enable {
                on.enabled = Switch::all(true);
            }
            if with.monitor {
                on.monitored = Switch::all(true);
            }
            if on != *r {
                change.writes.push(Write::Put(Entry::Resource(on)));
            }
        }
        Ok(())
    }

    pub(super) fn admit_offline(&self, groups: &[GroupName], nodes: &[NodeName]) -> Result<Change, Refusal> {
        nodes.iter().try_for_each(|n| self.conf.node(n.as_str()).map(drop))?;
        let mut change = Change::default();
        let mut layout = Layout::default();
        for group in self.groups_or_all(groups, |g| g.managed)? {
            Self::refuse_unmanaged(&group)?;
            self.refuse_frozen(&group.name)?;
            let now = self.conf.run(&group.name).wanted;
            let off = |n: &NodeName| nodes.is_empty() || nodes.contains(n);
            let then: Nodes = now.iter().filter(|n| !off(n)).cloned().collect();
            layout.put(&group.name, then.clone());
            if then.is_empty() {
                change.effects.push(Effect::off(&group.name));
                change.goals.push(Goal::Offline { group: group.name });
            } else if then != now {
                self.put(&group, &then, &mut change);
            }
        }
        self.foresee(layout, &mut change);
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
                return Err(Refusal::new(SchaErr::State, message, "clrg status shows where it is"));
            }
            if on.is_empty() {
                let message = format!("resource group {} is not online", group.name);
                return Err(Refusal::new(
                    SchaErr::State,
                    message,
                    format!("bring it online: clrg online {}", group.name),
                ));
            }
            change
                .effects
                .push(Effect::Drain { group: group.name.clone(), nodes: on.iter().cloned().collect() });
            change.goals.push(Goal::Online { group: group.name, nodes: on });
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
            let span = Millis::from_secs(i64::from(sticky_secs));
            change.effects.push(Effect::Bar { node: n.clone(), span });
        }
        let there = |g: &Group| {
            let run = self.conf.runs.get(&g.name);
            g.managed && run.is_some_and(|run| run.wanted.iter().any(|n| nodes.contains(n)))
        };
        let mut layout = Layout::default();
        for group in self.targets_first(self.groups_or_all(&[], there)?) {
            let name = &group.name;
            if let Err(refusal) = self.refuse_frozen(name) {
                change.messages.push(format!("{}; it stays where it is", refusal.message));
                continue;
            }
            let (leaves, stays): (Nodes, Nodes) =
                self.conf.run(name).wanted.into_iter().partition(|n| nodes.contains(n));
            let offline = stays.is_empty();
            layout.put(name, stays);
            let mut verdicts = self.verdicts(&layout, &group, By::Itself);
            verdicts.retain(|v| v.eligible() && !nodes.contains(&v.node));
            if let Some(best) = verdicts.into_iter().min_by_key(|v| v.rank) {
                let mut then = self.nodes_in(&layout, name).cloned().unwrap_or_default();
                then.insert(best.node);
                layout.put(name, then);
            } else if offline {
                let text = format!("no other node may host resource group {name}: it goes offline");
                change.messages.push(text);
            }
            change.effects.push(Effect::Leave { group: name.clone(), nodes: leaves });
            change.goals.push(Goal::Rest { group: group.name });
        }
        Ok(change)
    }

    /// Groups others look at before those others; important ones first.
    fn targets_first(&self, groups: Vec<Group>) -> Vec<Group> {
        let mut left = groups;
        left.sort_by_key(|g| core::cmp::Reverse(self.conf.group_int(g, "Priority")));
        let mut sorted: Vec<Group> = Vec::new();
        while !left.is_empty() {
            let looks = |g: &Group| {
                let affine = self.conf.affinities(&g.name).iter().map(|a| &a.target);
                let mut targets = affine.chain(self.conf.group_deps(&g.name));
                targets.any(|t| *t != g.name && left.iter().any(|other| other.name == *t))
            };
            // Weak affinities may go round in a circle: then any one is the first.
            let at = left.iter().position(|g| !looks(g)).unwrap_or(0);
            sorted.push(left.remove(at));
        }
        sorted
    }
}

fn against(group: &Group, node: &NodeName, rule: &Rule) -> Refusal {
    let name = &group.name;
    let message = format!("resource group {name} can not be online on node {node}: {rule}");
    let hint = match rule {
        Rule::Against(a) if a.liking == Liking::StrongNegative => {
            format!("take {0} off {node} first: clrg offline {0}", a.target)
        }
        Rule::Against(a) => format!("switch both: -g {},{name}", a.target),
        Rule::RuledOut(_) => format!(
            "set the attribute, clnode attr set -n {node} NAME=VALUE, or change the rule, clrg set -p Node_rule=RULE {name}"
        ),
        Rule::Stuck(other) => format!("clear STOP_FAILED of {other} first"),
        Rule::Full(_) => String::from("free some of that load, or raise the limit"),
        Rule::Here
        | Rule::Fits
        | Rule::Preempts(_)
        | Rule::Down
        | Rule::Aborting
        | Rule::Evacuated(_)
        | Rule::Leaving
        | Rule::StartFailures(_)
        | Rule::GaveUp(_)
        | Rule::Outranked(_) => String::new(),
    };
    Refusal::new(SchaErr::State, message, hint)
}

fn moves_too(group: &Group, target: &GroupName, then: &Nodes) -> String {
    let names: Vec<&str> = then.iter().map(NodeName::as_str).collect();
    let name = &group.name;
    if names.is_empty() {
        return format!(
            "resource group {name} goes offline: its strong affinity for {target} leaves it no node"
        );
    }
    format!("resource group {name} goes to {} because of its strong affinity for {target}", names.join(","))
}
