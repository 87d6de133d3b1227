//! A group leaves where it may not be, and takes the best nodes until it has enough.

use super::{By, Layout, Rule, Verdict};
use crate::settle::PASSES_MAX;
use crate::{Level, Rgm};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::cmp::Reverse;
use rgm_types::{Group, GroupName, Hold, Millis, NodeName};

impl Rgm {
    /// Says where groups are meant to be, all of them before anything moves: what a group does now may
    /// hang on where another one is meant to be. Important groups come first: what they take need not
    /// be taken from others afterwards.
    pub(crate) fn place_all(&mut self) {
        let mut places_left = PASSES_MAX * (1 + self.conf.groups.len());
        while !self.unplaced.is_empty() || core::mem::take(&mut self.freed) {
            if self.unplaced.is_empty() {
                self.retry_unplaced();
            }
            for name in self.by_priority() {
                if !self.unplaced.contains(&name) {
                    continue;
                }
                places_left = places_left.saturating_sub(1);
                if places_left == 0 {
                    self.unplaced.clear();
                    let text = format!("resource group {name} finds no place to stay");
                    return self.log(Level::Error, text, "a fault of the manager");
                }
                self.place(&name);
            }
        }
    }

    fn by_priority(&self) -> Vec<GroupName> {
        let priority = |name: &GroupName| self.conf.facts(name).priority;
        let mut names: Vec<GroupName> = self.unplaced.iter().cloned().collect();
        names.sort_by_cached_key(|name| (Reverse(priority(name)), name.clone()));
        names
    }

    /// Sees to it that the group is meant to be where it may be, and on as many nodes as it should.
    /// Groups it looks at come first, if they are to be placed too.
    fn place(&mut self, name: &GroupName) {
        self.unplaced.remove(name);
        let affine = self.conf.affinities(name).iter().map(|a| &a.target);
        let first = affine.chain(self.conf.group_deps(name));
        let first: Vec<GroupName> = first.filter(|g| self.unplaced.contains(*g)).cloned().collect();
        for other in first {
            if self.unplaced.contains(&other) {
                self.place(&other);
            }
        }
        let Some(group) = self.conf.groups.get(name).cloned() else {
            self.lacking.remove(name);
            return;
        };
        self.forget_lost_nodes(&group);
        self.give_way(&group);
        if self.fill(&group) {
            self.lacking.insert(name.clone());
        } else {
            self.lacking.remove(name);
        }
    }

    /// A node that is gone, or no longer in Nodelist, is not where the group is meant to be.
    fn forget_lost_nodes(&mut self, group: &Group) {
        let Some(run) = self.conf.runs.get(&group.name) else { return };
        let nodelist = self.conf.nodes_of(&group.name);
        let lost: Vec<NodeName> =
            run.wanted.iter().filter(|n| !self.is_up(n) || !nodelist.contains(n)).cloned().collect();
        for node in lost {
            self.with_run(&group.name, |run| run.wanted.remove(&node));
        }
    }

    /// Leaves nodes where its Node_rule or a strong affinity does not hold any more, and those it has too many of.
    fn give_way(&mut self, group: &Group) {
        let name = &group.name;
        let layout = Layout::default();
        let nodes: Vec<NodeName> = self.nodes_in(&layout, name).into_iter().flatten().cloned().collect();
        for node in nodes {
            let rule = self.against(&layout, name, &node);
            // What is there already may stay although the other one did not stop.
            let stays = |rule: &Rule| matches!(rule, Rule::Stuck(_)) && !self.is_clear_on(name, &node);
            let crowded = || self.crowded_out(group, &node).map(Rule::Full);
            if let Some(rule) = rule.filter(|rule| !stays(rule)).or_else(crowded) {
                self.log(Level::Warn, format!("resource group {name} leaves node {node}"), &rule.to_string());
                self.with_run(name, |run| run.wanted.remove(&node));
            }
        }
        let most = self.most_primaries(group);
        while self.nodes_in(&layout, name).is_some_and(|nodes| nodes.len() > most) {
            let here = self.verdicts(&layout, group, By::Itself).into_iter().filter(|v| v.rule == Rule::Here);
            let Some(worst) = here.max_by_key(|v| v.rank) else { return };
            let text = format!("resource group {name} leaves node {}", worst.node);
            self.log(Level::Info, text, "it is online on more nodes than Maximum_primaries");
            self.with_run(name, |run| run.wanted.remove(&worst.node));
        }
    }

    /// On how many nodes it may be.
    pub(crate) fn most_primaries(&self, group: &Group) -> usize {
        usize::try_from(self.conf.facts(&group.name).most).unwrap_or(1).max(1)
    }

    /// On how many nodes it should be.
    pub(crate) fn desired_primaries(&self, group: &Group) -> usize {
        let by_operator = self.conf.runs.get(&group.name).and_then(|run| run.primaries);
        let desired = by_operator.map_or_else(|| self.conf.facts(&group.name).desired, i64::from);
        usize::try_from(desired).unwrap_or(0).min(self.most_primaries(group))
    }

    /// It should be on more nodes than it is, and may look for them by itself.
    fn lacks_nodes(&self, group: &Group) -> bool {
        let run = self.conf.runs.get(&group.name);
        let held = matches!(run.and_then(|run| run.hold), Some(Hold::Operator | Hold::NewCluster));
        group.managed
            && (!group.suspended || mutant!(self, PlaceWhileSuspended))
            && !self.closing
            && !held
            && run.map_or(0, |run| run.wanted.len()) < self.desired_primaries(group)
            && self.frozen(&group.name).is_none()
    }

    /// Takes the best nodes one after the other. True: it lacks some.
    fn fill(&mut self, group: &Group) -> bool {
        let name = &group.name;
        while self.lacks_nodes(group) {
            let nowhere = self.nodes_in(&Layout::default(), name).is_none_or(BTreeSet::is_empty);
            if self.motions.get(name).is_some_and(|m| m.quiesced) {
                if nowhere {
                    self.hold(name, Hold::Operator, "it was quiesced");
                }
                return false;
            }
            let leaving = !self.conf.facts(name).scalable && !self.is_gone(group);
            if leaving || self.comes_after_one_that_moves(name) {
                return true;
            }
            match self.best(&Layout::default(), group, By::Itself) {
                Some(best) => self.take(group, &best),
                None if nowhere => {
                    self.give_up(group);
                    return true;
                }
                None => return true,
            }
        }
        false
    }

    /// Groups that a group coming to a node preempts leave it.
    pub(crate) fn make_room(&mut self, name: &GroupName, best: &Verdict) {
        let node = &best.node;
        if let Rule::Preempts(others) = &best.rule {
            for other in others {
                let text = format!("resource group {other} leaves node {node}");
                self.log(
                    Level::Warn,
                    text,
                    &format!("resource group {name} of higher Priority needs the room"),
                );
                self.with_run(other, |run| run.wanted.remove(node));
            }
        }
    }

    fn take(&mut self, group: &Group, best: &Verdict) {
        let (name, node) = (&group.name, &best.node);
        self.make_room(name, best);
        self.log(
            Level::Info,
            format!("resource group {name} is to be online on node {node}"),
            &format!("best of the nodes that may host it: {}", best.rank),
        );
        self.with_run(name, |run| {
            run.wanted.insert(node.clone());
            run.hold = None;
        });
    }

    /// No node may host it; unless one is about to.
    fn give_up(&mut self, group: &Group) {
        let name = &group.name;
        let held = self.conf.runs.get(name).and_then(|run| run.hold) == Some(Hold::NoCandidate);
        if held || self.up_nodes().next().is_none() || self.follows_one_that_moves(name) {
            return;
        }
        self.hold(name, Hold::NoCandidate, "no node of Nodelist may host it");
        let text = format!("rebalance: no primary node is currently found for resource group {name}.");
        if self.waits_for_rule(group) {
            return self.log(Level::Warn, text, "its Node_rule is false where nothing else is in the way");
        }
        self.log(
            Level::Error,
            text,
            "every node is down, barred, full, against its affinities, or failed to start it within Pingpong_interval",
        );
    }

    /// There is a node that could host it, were it not for its Node_rule.
    pub(crate) fn waits_for_rule(&self, group: &Group) -> bool {
        let verdicts = self.verdicts(&Layout::default(), group, By::Itself);
        verdicts.iter().any(|v| matches!(v.rule, Rule::RuledOut(_)))
    }

    /// A group it has to be with is between two nodes.
    fn follows_one_that_moves(&self, name: &GroupName) -> bool {
        let mut friends = self.conf.affinities(name).iter().filter(|a| a.liking.needs_target());
        friends.any(|a| self.is_between_nodes(&a.target))
    }

    /// A group it comes after by RG_dependencies is between two nodes, and may come to one of its own.
    fn comes_after_one_that_moves(&self, name: &GroupName) -> bool {
        let nodelist = self.conf.nodes_of(name);
        let near = |other: &&GroupName| self.conf.nodes_of(other).iter().any(|n| nodelist.contains(n));
        self.conf.group_deps(name).iter().filter(near).any(|other| self.is_between_nodes(other))
    }

    /// It lacks a node, and will look for one as soon as something under way has ended.
    pub(crate) fn is_between_nodes(&self, name: &GroupName) -> bool {
        let Some(group) = self.conf.groups.get(name) else { return false };
        if !self.lacks_nodes(group) || self.up_nodes().next().is_none() {
            return false;
        }
        let held = self.conf.runs.get(name).is_some_and(|run| run.hold.is_some());
        let waits = || self.follows_one_that_moves(name) || self.comes_after_one_that_moves(name);
        !held && (self.unplaced.contains(name) || self.is_leaving(name) || waits())
    }

    pub(crate) fn hold(&mut self, group: &GroupName, hold: Hold, rule: &str) {
        self.with_run(group, |run| {
            run.wanted.clear();
            run.hold = Some(hold);
        });
        self.log(Level::Info, format!("resource group {group} stays offline"), rule);
    }

    /// It is on its way down somewhere.
    fn is_leaving(&self, name: &GroupName) -> bool {
        let layout = Layout::default();
        let leaves = |n: &&NodeName| !self.hosts(&layout, name, n) && !self.is_clear_on(name, n);
        self.up_nodes().filter(leaves).any(|n| !self.rests_on(name, n))
    }

    /// Nothing of it runs anywhere.
    fn is_gone(&self, group: &Group) -> bool {
        self.up_nodes().all(|n| self.is_clear_on(&group.name, n))
    }

    /// The group leaves a node because of a failure: every other node comes before it.
    pub(crate) fn leave(&mut self, group: &GroupName, node: &NodeName) {
        let avoid = &mut self.motion(group).avoid;
        avoid.retain(|n| n != node);
        avoid.push(node.clone());
        self.with_run(group, |run| run.wanted.remove(node));
    }

    /// When a failure that bars a node from a group that lacks one counts no more, and why.
    pub(crate) fn next_retry(&self) -> Option<(Millis, &'static str)> {
        let ends = |name: &GroupName| {
            let (group, run) = self.conf.groups.get(name).zip(self.conf.runs.get(name))?;
            let failures = run.start_failures.iter().map(|f| f.at);
            let times = failures.chain(run.giveovers.iter().map(|g| g.at));
            let span = self.pingpong_interval(group);
            times.map(|at| at.after(span).since(self.clock.wall)).filter(|left| left.0 > 0).min()
        };
        let left = self.lacking.iter().filter_map(ends).min()?;
        Some((self.clock.boot.after(left), "a failure has left Pingpong_interval"))
    }

    /// Groups that lack nodes look again: something changed that may give them one.
    pub(crate) fn retry_unplaced(&mut self) {
        if !mutant!(self, NeverTryAgain) {
            self.unplaced.extend(self.lacking.iter().cloned());
        }
    }
}
