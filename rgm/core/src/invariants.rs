//! What must always hold, whatever happens. Each rule has an id and a sentence, and is checked
//! after every step of every simulation.

use crate::board::Board;
use crate::cell::Phase;
use crate::links::Flavour;
use crate::plan::{Plan, Wait};
use crate::{Place, Rgm};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{GroupName, Method, NodeName, Resource};

/// A rule that does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Id of the rule.
    pub rule: &'static str,
    /// What was found.
    pub found: String,
}

impl Rgm {
    /// Every rule that does not hold in this state.
    pub fn violations(&self) -> Vec<Violation> {
        let mut found = Vec::new();
        self.one_primary(&mut found);
        self.starts_wait(&mut found);
        self.frozen_is_frozen(&mut found);
        self.nobody_waits_for_nothing(&mut found);
        self.flights_are_known(&mut found);
        found
    }

    /// INV-01: a resource of a failover group is never possibly running on two nodes.
    fn one_primary(&self, found: &mut Vec<Violation>) {
        let failover =
            |name: &GroupName| self.conf.groups.get(name).is_none_or(|g| !self.conf.is_scalable(g));
        for (group, board) in self.boards.iter().filter(|(name, _)| failover(name)) {
            let busy: BTreeSet<&NodeName> =
                board.iter().filter(|(_, _, c)| !c.is_clear()).map(|(_, n, _)| n).collect();
            if busy.len() > 1 {
                found.push(Violation { rule: "INV-01", found: format!("group {group} may run on {busy:?}") });
            }
        }
    }

    /// INV-03: START waits for what the resource depends on.
    fn starts_wait(&self, found: &mut Vec<Violation>) {
        for r in self.conf.resources.values() {
            for node in self.nodes.keys() {
                if self.cell(&r.name, node).running() != Some(Method::Start) {
                    continue;
                }
                let strong = self.conf.deps_at(&r.name, node).filter(|d| d.flavour > Flavour::Weak);
                let of_group =
                    strong.filter_map(|d| self.conf.resources.get(&d.on)).filter(|d| d.group == r.group);
                for dep in of_group {
                    let cell = self.cell(&dep.name, node);
                    // One that is restarted leaves those that start on it alone.
                    let restarts = cell.restart.is_some() || cell.flight.is_some();
                    let possible = cell.phase.is_up() || restarts || !dep.enabled.on_at(node);
                    if !possible && cell.phase == Phase::Offline {
                        let what = format!("{} starts on {node} before {}", r.name, dep.name);
                        found.push(Violation { rule: "INV-03", found: what });
                    }
                }
            }
        }
    }

    /// INV-04: after STOP_FAILED nothing of that group starts anywhere. Starts ordered before are
    /// younger than no failure, so only those whose flight began after it would show; the shells
    /// check that from the order of events, and here it is the plan that must not want to.
    fn frozen_is_frozen(&self, found: &mut Vec<Violation>) {
        for r in self.conf.resources.values().filter(|r| self.frozen(&r.group).is_some()) {
            let view = self.outlook();
            for node in self.nodes.keys() {
                if let Plan::Run(Method::PrenetStart | Method::Start | Method::MonitorStart) =
                    view.plan(r, node)
                {
                    found.push(Violation {
                        rule: "INV-04",
                        found: format!("{} would start on {node}", r.name),
                    });
                }
            }
        }
    }

    /// INV-08: every operation ends. A cell that waits, where nothing is under way that could end it,
    /// waits for ever: nothing in its group, or anywhere if other groups have to do with it.
    fn nobody_waits_for_nothing(&self, found: &mut Vec<Violation>) {
        if self.nodes.values().any(|n| n.aborting) {
            return;
        }
        let flies = |b: &Board| b.iter().any(|(_, _, c)| c.flight.is_some());
        let anything = self.boards.values().any(flies);
        let view = self.outlook();
        for group in self.conf.groups.keys() {
            let alone = self.conf.neighbours(group).next().is_none()
                && self.loads.factors(group).is_empty()
                && self.conf.members(group).all(|r| self.is_unlinked(r));
            if if alone { self.boards.get(group).is_some_and(flies) } else { anything } {
                continue;
            }
            for (r, node) in self.conf.members(group).flat_map(|r| self.nodes.keys().map(move |n| (r, n))) {
                if let Plan::Wait(wait) = view.plan(r, node)
                    && wait != Wait::Flight
                    // A group may be waited for because of its load.
                    && !(anything && matches!(wait, Wait::Group(_)))
                {
                    found.push(Violation {
                        rule: "INV-08",
                        found: format!("{} on {node} waits: {wait:?}", r.name),
                    });
                }
            }
        }
    }

    /// Neither depends on a resource of another group nor is depended on by one.
    fn is_unlinked(&self, r: &Resource) -> bool {
        let deps = self.conf.deps(&r.name).iter().filter_map(|d| self.conf.get_resource(&d.on));
        { deps }.chain(self.conf.dependents(&r.name)).all(|other| other.group == r.group)
    }

    /// INV-09: a method under way and the token that will end it know each other.
    fn flights_are_known(&self, found: &mut Vec<Violation>) {
        let places = self
            .boards
            .values()
            .flat_map(Board::iter)
            .filter_map(|(r, n, c)| Some((r, n, c.flight.as_ref()?.token)));
        for (r, n, token) in places {
            let known = self.tokens.get(&token);
            let same = |p: &Place| p == &(r.clone(), n.clone());
            if !matches!(known, Some(crate::order::Flown::Cell { resource, node, .. }) if same(&(resource.clone(), node.clone())))
            {
                found.push(Violation {
                    rule: "INV-09",
                    found: format!("nobody ends the method of {r} on {n}"),
                });
            }
        }
    }
}
