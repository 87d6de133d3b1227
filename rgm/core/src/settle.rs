//! The one place where things are ordered: wanted against observed, group by group.
//!
//! ```text
//!   place    where is the group meant to be?             (place.rs)
//!   advance  what comes next for each of its cells?      (plan.rs, order.rs)
//!   finish   what was to be done once it came to rest?   (below)
//!   show     which states changed for those who watch?   (show.rs)
//!   answer   which requests have what they wait for?     (ops.rs)
//! ```

use crate::cell::Cell;
use crate::cell::Phase;
use crate::plan::Plan;
use crate::{Level, Place, Rgm};
use alloc::format;
use alloc::vec::Vec;
use rgm_types::config::Write;
use rgm_types::{GroupName, Key, Method, NodeName, Resource};

/// How often each cell, and each group, may be settled within a step before that counts as a fault
/// of the core. A pass that changes anything moves a cell by a phase, and there are eight phases.
const PASSES_MAX: usize = 16;

impl Rgm {
    /// Brings every group that was touched nearer to what is wanted, until nothing more is to be
    /// ordered now.
    pub(crate) fn settle(&mut self) {
        let cells = self.conf.resources.len() * self.nodes.len();
        let mut passes_left = PASSES_MAX * (1 + self.conf.groups.len() + cells);
        while let Some(group) = self.dirty.pop_first() {
            passes_left -= 1;
            if passes_left == 0 {
                self.log(
                    Level::Error,
                    format!("resource group {group} does not settle"),
                    "a fault of the manager",
                );
                break;
            }
            self.place(&group);
            self.advance(&group);
            self.finish(&group);
            self.show(&group);
            if !self.dirty.contains(&group) {
                self.answer(&group);
            }
        }
        self.answer_shutdown();
    }

    /// Orders what comes next for each cell of the group.
    fn advance(&mut self, group: &GroupName) {
        let members: Vec<Resource> = self.conf.members(group).cloned().collect();
        let nodes: Vec<NodeName> = self.up_nodes().cloned().collect();
        for node in &nodes {
            for r in &members {
                match self.plan(r, node) {
                    Plan::Run(method) => self.launch(r, node, method, rule(method)),
                    Plan::Pass(phase) => self.pass(r, node, phase),
                    Plan::Rest | Plan::Blocked(_) | Plan::Wait(_) => {}
                }
            }
        }
    }

    /// What was to be done once the group, or a part of it, came to rest.
    fn finish(&mut self, group: &GroupName) {
        self.end_restarts(group);
        self.finish_drain(group);
        self.finish_deletions(group);
        if self.at_rest(group) && self.motions.get(group).is_some_and(|m| m.quiesced) {
            self.motion(group).quiesced = false;
        }
    }

    /// A restart is over when its resource is down; coming up again follows by itself.
    fn end_restarts(&mut self, group: &GroupName) {
        let over = |c: &Cell| c.restart.is_some() && c.phase == Phase::Offline && c.flight.is_none();
        let cells = self.cells.get(group).into_iter().flatten();
        let down: Vec<Place> = cells.filter(|(_, c)| over(c)).map(|(place, _)| place.clone()).collect();
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
            let mut of_it =
                self.cells.get(group).into_iter().flatten().filter(|((name, _), _)| *name == r.name);
            let owed = self.conf.run(group).owed.iter().any(|(name, ..)| *name == r.name);
            owed || of_it.any(|(_, c)| c.flight.is_some() || c.phase != Phase::Offline)
        };
        let gone: Vec<Resource> =
            self.conf.members(group).filter(|r| r.deleting && !owes(r)).cloned().collect();
        for r in gone {
            let places: Vec<Place> = match self.cells.get_mut(group) {
                Some(cells) => {
                    let places = cells.keys().filter(|(name, _)| *name == r.name).cloned().collect();
                    cells.retain(|(name, _), _| *name != r.name);
                    places
                }
                None => Vec::new(),
            };
            self.touched.extend(places);
            self.write(Write::Delete(Key::Resource(r.name.clone())));
            self.out.required = true;
            self.log(Level::Info, format!("resource {} is deleted", r.name), "it owes no FINI any more");
            self.dirty.insert(group.clone());
        }
    }

    /// Nothing of the group runs on the node, or is being started or stopped there.
    pub(crate) fn is_clear_on(&self, group: &GroupName, node: &NodeName) -> bool {
        self.cells.get(group).into_iter().flatten().filter(|((_, n), _)| n == node).all(|(_, c)| c.is_clear())
    }

    /// Nothing is under way or due in the group: what is wanted is reached, or blocked.
    pub(crate) fn at_rest(&self, group: &GroupName) -> bool {
        let moving =
            |r: &Resource, node: &NodeName| !matches!(self.plan(r, node), Plan::Rest | Plan::Blocked(_));
        let anything = self.conf.members(group).any(|r| self.up_nodes().any(|n| moving(r, n)));
        let dying = |(n, node): (&NodeName, &crate::Node)| node.aborting && !self.is_clear_on(group, n);
        !anything && !self.nodes.iter().any(dying)
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
