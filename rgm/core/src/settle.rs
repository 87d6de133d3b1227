//! The one place where things are ordered: wanted against observed, group by group.
//!
//! ```text
//!   place    where is the group meant to be?             (place/)
//!   advance  what comes next for each of its cells?      (plan.rs, order.rs)
//!   finish   what was to be done once it came to rest?   (below)
//!   show     which states changed for those who watch?   (show.rs)
//!   answer   which requests have what they wait for?     (ops.rs)
//! ```

use crate::board::Board;
use crate::cell::Cell;
use crate::cell::Phase;
use crate::plan::Plan;
use crate::{Level, Place, Rgm};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::config::Write;
use rgm_types::{GroupName, Key, Method, NodeName, Resource};

/// How often each cell, and each group, may be settled within a step before that counts as a fault
/// of the core. A pass that changes anything moves a cell by a phase, and there are eight phases.
pub(crate) const PASSES_MAX: usize = 16;

impl Rgm {
    /// Brings every group that was touched nearer to what is wanted, until nothing more is to be
    /// ordered now.
    pub(crate) fn settle(&mut self) {
        let cells = self.conf.resources.len() * self.nodes.len();
        let mut passes_left = PASSES_MAX * (1 + self.conf.groups.len() + cells);
        loop {
            self.place_all();
            let Some(group) = self.dirty.pop_first() else { break };
            passes_left -= 1;
            if passes_left == 0 {
                self.log(
                    Level::Error,
                    format!("resource group {group} does not settle"),
                    "a fault of the manager",
                );
                break;
            }
            self.advance(&group);
            self.finish(&group);
            self.tell_neighbours(&group);
            self.show(&group);
            if !self.dirty.contains(&group) {
                self.answer(&group);
            }
        }
        self.answer_shutdown();
    }

    /// Does what comes next for each cell of the group. What can be said of one cell does not depend
    /// on what is ordered for another at the same moment, so all is planned first.
    /// A second look is worth it only after a phase was passed without a method.
    fn advance(&mut self, group: &GroupName) {
        let view = self.outlook();
        let plan = |r, node| (view.plan(r, node), r, node);
        let nodes = self.nodes_of_interest(group);
        let plans = nodes.into_iter().flat_map(|node| self.conf.members(group).map(move |r| (r, node)));
        let plans = plans.map(|(r, node)| plan(r, node));
        let due: Vec<(Plan, Arc<Resource>, NodeName)> = plans
            .filter(|(plan, ..)| matches!(plan, Plan::Run(_) | Plan::Pass(_)))
            .filter_map(|(plan, r, node)| {
                Some((plan, self.conf.resources.get(&r.name).cloned()?, node.clone()))
            })
            .collect();
        let passes = due.iter().any(|(plan, ..)| matches!(plan, Plan::Pass(_)));
        for (plan, r, node) in due {
            match plan {
                Plan::Run(method) => self.launch(&r, &node, method, rule(method)),
                Plan::Pass(phase) => self.pass(&r, &node, phase),
                Plan::Rest | Plan::Blocked(_) | Plan::Wait(_) => {}
            }
        }
        if !passes {
            self.dirty.remove(group);
        }
    }

    /// Nodes that are up and where anything of the group is, or should be.
    pub(crate) fn nodes_of_interest(&self, group: &GroupName) -> Vec<&NodeName> {
        let run = self.conf.runs.get(group);
        let board = self.boards.get(group);
        let wanted = run.into_iter().flat_map(|run| &run.wanted);
        let owed = run.into_iter().flat_map(|run| run.owed.iter().map(|(_, node, _)| node));
        let here = board.into_iter().flat_map(Board::nodes);
        let all: BTreeSet<&NodeName> = wanted.chain(owed).chain(here).collect();
        let known = all.into_iter().filter_map(|n| self.nodes.get_key_value(n));
        known.filter(|(_, node)| node.up).map(|(name, _)| name).collect()
    }

    /// What was to be done once the group, or a part of it, came to rest.
    fn finish(&mut self, group: &GroupName) {
        self.end_restarts(group);
        self.finish_drain(group);
        self.finish_deletions(group);
        if self.motions.get(group).is_some_and(|m| m.quiesced) && self.at_rest(group) {
            self.motion(group).quiesced = false;
        }
    }

    /// A restart is over when its resource is down; coming up again follows by itself.
    fn end_restarts(&mut self, group: &GroupName) {
        let over = |c: &Cell| c.restart.is_some() && c.phase == Phase::Offline && c.flight.is_none();
        let cells = self.boards.get(group).into_iter().flat_map(Board::iter);
        let down: Vec<Place> =
            cells.filter(|(_, _, c)| over(c)).map(|(r, n, _)| (r.clone(), n.clone())).collect();
        for (r, node) in down {
            self.with_cell(&r, &node, |c| c.restart = None);
        }
    }

    fn finish_drain(&mut self, group: &GroupName) {
        let drained: Vec<NodeName> = match self.motions.get(group) {
            Some(m) => m.draining.iter().filter(|n| self.is_clear_on(group, n)).cloned().collect(),
            None => return,
        };
        for node in drained {
            self.motion(group).draining.remove(&node);
        }
    }

    /// A deleted resource goes when it owes nothing any more.
    fn finish_deletions(&mut self, group: &GroupName) {
        let owes = |r: &Resource| {
            let mut of_it = self
                .boards
                .get(group)
                .into_iter()
                .flat_map(Board::iter)
                .filter(|(name, ..)| **name == r.name);
            let owed = self.conf.run(group).owed.iter().any(|(name, ..)| *name == r.name);
            owed || of_it.any(|(_, _, c)| c.flight.is_some() || c.phase != Phase::Offline)
        };
        let gone: Vec<Resource> =
            self.conf.members(group).filter(|r| r.deleting && !owes(r)).cloned().collect();
        for r in gone {
            let places = self.boards.get_mut(group).map(|b| b.forget_resource(&r.name)).unwrap_or_default();
            self.touched.extend(places);
            self.write(Write::Delete(Key::Resource(r.name.clone())));
            self.out.required = true;
            self.log(Level::Info, format!("resource {} is deleted", r.name), "it owes no FINI any more");
            self.stir_around(group);
        }
    }

    /// Nothing of the group runs on the node, or is being started or stopped there.
    pub(crate) fn is_clear_on(&self, group: &GroupName, node: &NodeName) -> bool {
        self.boards.get(group).is_none_or(|b| b.on(node).all(|(_, c)| c.is_clear()))
    }

    /// Nothing is under way or due in the group: what is wanted is reached, or blocked.
    pub(crate) fn at_rest(&self, group: &GroupName) -> bool {
        let view = self.outlook();
        let mut nodes = self.nodes_of_interest(group).into_iter();
        let anything = nodes.any(|n| self.conf.members(group).any(|r| !view.plan(r, n).is_settled()));
        let dying = |(n, node): (&NodeName, &crate::Node)| node.aborting && !self.is_clear_on(group, n);
        !anything && !self.nodes.iter().any(dying) && !self.is_between_nodes(group)
    }
}

/// Why a method runs, in a few words.
fn rule(method: Method) -> &'static str {
    match method {
        Method::PrenetStart => "PRENET_START comes before any START of the group",
        Method::Start => "what it depends on is up, and the group is gone from every other node",
        Method::Stop => "monitors and dependents are down",
        Method::PostnetStop => "every STOP of the group is done",
        Method::MonitorStart => "START succeeded and monitoring is enabled",
        Method::MonitorStop => "monitoring ends before STOP, or was disabled",
        Method::Update => "a property changed while the resource is online",
        Method::Init => "the resource has become managed",
        Method::Fini => "the resource is no longer managed",
        Method::Boot => "the node has joined the cluster",
        Method::Validate => "VALIDATE runs before a change is committed",
        Method::MonitorCheck => "MONITOR_CHECK may veto a giveover",
    }
}
