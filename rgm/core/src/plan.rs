//! What comes next for one cell, and what it waits for (reference 2.4, 4.4).
//!
//! Coming up on a node: PRENET_START of all that declare it, then START, each after what it depends
//! on, then MONITOR_START as soon as its own START succeeded. Going down is the mirror: MONITOR_STOP
//! of all, STOP of dependents first, then POSTNET_STOP.
//!
//! Every wait names what it waits for; what waits for nothing that moves is *blocked*, and a group
//! whose cells are all at rest or blocked has come to rest.

use crate::Place;
use crate::cell::{Cell, Phase};
use crate::links::{Dep, Flavour};
use crate::outlook::{Outlook, Scene};
use rgm_types::{GroupName, Method, NodeName, Resource, ResourceName};

/// What a cell should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Desire {
    Up,
    Down,
}

/// What comes next for a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plan {
    /// Nothing: it is what it should be.
    Rest,
    /// Nothing until somebody changes something: see [`Block`].
    Blocked(Block),
    /// Something that is under way, or will be, has to come first.
    Wait(Wait),
    /// Run this method now.
    Run(Method),
    /// The method in between is not declared: count it as done (reference 4.4).
    Pass(Phase),
}

impl Plan {
    /// Nothing more happens by itself.
    pub(crate) fn is_settled(&self) -> bool {
        matches!(self, Self::Rest | Self::Blocked(_))
    }
}

/// Why a cell stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// Its start failed and its group was not moved.
    StartFailed,
    /// A stop failed: of this resource, or of another one of its group.
    StopFailed(Place),
    /// What it depends on in its own group is disabled or could not be started.
    Dependency(ResourceName),
    /// What it depends on in another group is not online (PENDING_ONLINE_BLOCKED).
    Foreign(ResourceName),
    /// What depends on it could not be stopped.
    Dependent(ResourceName),
    /// Another group, that it has to be with or without, can not start or stop.
    Group(GroupName),
    /// The group is not certainly gone from this other node, and can not go.
    Elsewhere(NodeName),
}

/// What has to come first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Its own method, under way.
    Flight,
    /// The group is not yet certainly gone from this other node.
    Elsewhere(NodeName),
    /// INIT or BOOT of this resource on this node.
    Owed(ResourceName),
    /// This resource, in the order of starting or stopping.
    After(ResourceName),
    /// Another group has to be there, or gone, first.
    Group(GroupName),
}

impl<'a> Outlook<'a> {
    /// What comes next for a resource on a node.
    pub(crate) fn plan(&self, r: &'a Resource, node: &'a NodeName) -> Plan {
        if let Some(plan) = self.planned((&r.name, node)) {
            return plan;
        }
        let plan = self.plan_anew(r, node);
        self.note_plan((&r.name, node), plan.clone());
        plan
    }

    fn plan_anew(&self, r: &'a Resource, node: &'a NodeName) -> Plan {
        let empty = Cell::default();
        let cell = self.peek(r, node).unwrap_or(&empty);
        if let Some(plan) = self.plan_first(r, node, cell) {
            return plan;
        }
        match self.desire(r, node) {
            Desire::Up => self.plan_up(r, node, cell),
            Desire::Down => self.plan_down(r, node, cell),
        }
    }

    /// What comes before anything that is wanted of it.
    fn plan_first(&self, r: &'a Resource, node: &'a NodeName, cell: &Cell) -> Option<Plan> {
        if !self.rgm.is_up(node) {
            return Some(Plan::Rest);
        }
        let overlaps =
            || mutant!(self.rgm, OverlapMonitorStart) && cell.running() == Some(Method::MonitorStart);
        if cell.flight.is_some() && !overlaps() {
            return Some(Plan::Wait(Wait::Flight));
        }
        if cell.phase == Phase::StopFailed {
            return Some(Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone()))));
        }
        if cell.phase == Phase::Offline
            && let Some(method) = self.rgm.owes(r, node).or(cell.owed.boot.then_some(Method::Boot))
        {
            return Some(Plan::Run(method));
        }
        None
    }

    /// Its next step is one of starting, and nothing else comes before.
    pub(crate) fn starts_next(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        let empty = Cell::default();
        let cell = self.peek(r, node).unwrap_or(&empty);
        matches!(cell.phase, Phase::Offline | Phase::Prenet)
            && self.plan_first(r, node, cell).is_none()
            && self.desire(r, node) == Desire::Up
    }

    fn plan_up(&self, r: &'a Resource, node: &'a NodeName, cell: &Cell) -> Plan {
        match cell.phase {
            Phase::Offline | Phase::Prenet => self.plan_start(r, node, cell.phase),
            Phase::Started | Phase::Monitored | Phase::MonitorFailed => self.plan_monitor(r, node, cell),
            Phase::StartFailed => Plan::Blocked(Block::StartFailed),
            Phase::Stopped => self.plan_down(r, node, cell),
            Phase::StopFailed => Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone()))),
        }
    }

    /// See [`Outlook::gate`], which asks this once.
    pub(crate) fn gate_anew(&self, r: &'a Resource, node: &'a NodeName) -> Option<Plan> {
        if let Some(place) = self.frozen(&r.group)
            && !mutant!(self.rgm, StartWhileFrozen)
        {
            return Some(Plan::Blocked(Block::StopFailed(place)));
        }
        if let Some(block) = self.dead_dependency(r, node) {
            return Some(Plan::Blocked(block));
        }
        let scene = self.scene(&r.group, node);
        if let Some(other) = scene.elsewhere.as_ref().filter(|_| !mutant!(self.rgm, SkipStopElsewhere)) {
            return Some(if self.stays_on(&r.group, other) {
                Plan::Blocked(Block::Elsewhere(other.clone()))
            } else {
                Plan::Wait(Wait::Elsewhere(other.clone()))
            });
        }
        if let Some(owing) = scene.owing.as_ref().filter(|_| !mutant!(self.rgm, StartBeforeInit)) {
            return Some(Plan::Wait(Wait::Owed(owing.clone())));
        }
        self.held_up(&r.group, node)
    }

    fn plan_start(&self, r: &'a Resource, node: &'a NodeName, phase: Phase) -> Plan {
        if let Some(shut) = self.gate(r, node) {
            return shut;
        }
        if let Some(foreign) = self.foreign_to_come(r, node) {
            return Plan::Wait(Wait::After(foreign));
        }
        if phase == Phase::Offline && self.declares(r, Method::PrenetStart) {
            return match self.early_dependency(r, node) {
                Some(dep) => Plan::Wait(Wait::After(dep)),
                None => Plan::Run(Method::PrenetStart),
            };
        }
        if let Some(first) = self.early(&r.group, node).iter().find(|x| x.name != r.name)
            && !mutant!(self.rgm, StartBeforePrenet)
        {
            return Plan::Wait(Wait::After(first.name.clone()));
        }
        if let Some(dep) = self.rgm.conf.deps_at(&r.name, node).find(|d| self.must_come_first(r, d, node)) {
            return Plan::Wait(Wait::After(dep.on.clone()));
        }
        if self.declares(r, Method::Start) { Plan::Run(Method::Start) } else { Plan::Pass(Phase::Started) }
    }

    /// A dependency in another group that is not online yet, but will be.
    fn foreign_to_come(&self, r: &'a Resource, node: &'a NodeName) -> Option<ResourceName> {
        let foreign = |d: &&Dep| self.resource(&d.on).is_some_and(|other| other.group != r.group);
        let mut deps = self.rgm.conf.deps_at(&r.name, node).filter(foreign);
        deps.find(|d| self.must_come_first(r, d, node)).map(|d| d.on.clone())
    }

    /// START waits for this dependency: strong ones until they serve, weak ones until their attempt
    /// has ended, if they start at the same time.
    pub(crate) fn must_come_first(&self, r: &'a Resource, dep: &'a Dep, node: &'a NodeName) -> bool {
        if self.places(r, dep, node).any(|(other, at)| self.serves(other, at)) {
            return false;
        }
        let coming = |(other, at): (&'a Resource, &'a NodeName)| {
            // Its attempt counts even if nobody wants it any more.
            let starts = self.peek(other, at).and_then(Cell::running);
            matches!(starts, Some(Method::Start | Method::PrenetStart))
                || (!self.phase(other, at).is_up() && !self.is_stuck(other, at))
        };
        self.resource(&dep.on).is_some()
            && !(mutant!(self.rgm, StartBeforeDependency) && dep.flavour > Flavour::Weak)
            && !(mutant!(self.rgm, StartBesideWeakDependency) && dep.flavour == Flavour::Weak)
            && (dep.flavour > Flavour::Weak || self.places(r, dep, node).any(coming))
    }

    /// A dependency of the same group whose PRENET_START comes before that of `r`.
    fn early_dependency(&self, r: &'a Resource, node: &'a NodeName) -> Option<ResourceName> {
        let early = |x: &'a Resource| {
            self.declares(x, Method::PrenetStart)
                && self.phase(x, node) == Phase::Offline
                && !self.is_hopeless(x, node)
        };
        let mut deps = self.rgm.conf.deps_at(&r.name, node).filter_map(|d| self.resource(&d.on));
        deps.find(|x| x.group == r.group && early(x)).map(|x| x.name.clone())
    }

    fn plan_monitor(&self, r: &'a Resource, node: &NodeName, cell: &Cell) -> Plan {
        let monitorable = self.declares(r, Method::MonitorStart);
        let wanted = monitorable && r.monitored.on_at(node);
        let has_monitor = matches!(cell.phase, Phase::Monitored | Phase::MonitorFailed);
        if has_monitor && (!wanted || cell.remonitor) {
            return self.plan_monitor_stop(r);
        }
        if !has_monitor && wanted && !mutant!(self.rgm, NeverMonitor) {
            return match self.frozen(&r.group) {
                Some(place) => Plan::Blocked(Block::StopFailed(place)),
                None => Plan::Run(Method::MonitorStart),
            };
        }
        if cell.owed.update.is_empty() || mutant!(self.rgm, NeverUpdate) {
            Plan::Rest
        } else {
            Plan::Run(Method::Update)
        }
    }

    fn plan_monitor_stop(&self, r: &Resource) -> Plan {
        if self.declares(r, Method::MonitorStop) {
            Plan::Run(Method::MonitorStop)
        } else {
            Plan::Pass(Phase::Started)
        }
    }

    fn plan_down(&self, r: &'a Resource, node: &'a NodeName, cell: &Cell) -> Plan {
        match cell.phase {
            Phase::Offline => Plan::Rest,
            Phase::StopFailed => Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone()))),
            Phase::Monitored if mutant!(self.rgm, SkipMonitorStop) => self.plan_stop(r, node),
            Phase::Monitored | Phase::MonitorFailed => self.plan_monitor_stop(r),
            Phase::Prenet | Phase::Started | Phase::StartFailed => self.plan_stop(r, node),
            Phase::Stopped => self.plan_postnet_stop(r, node),
        }
    }

    fn plan_stop(&self, r: &'a Resource, node: &'a NodeName) -> Plan {
        let scene = self.scene(&r.group, node);
        let monitored = |c: &Cell| matches!(c.phase, Phase::Monitored | Phase::MonitorFailed);
        if let Some((x, _)) = scene.falling.iter().find(|(x, c)| x.name != r.name && monitored(c)) {
            return Plan::Wait(Wait::After(x.name.clone()));
        }
        if let Some(plan) = self.dependent_in_the_way(r, node)
            && !mutant!(self.rgm, StopBeforeDependents)
        {
            return plan;
        }
        if let Some(held) = self.held_down(&r.group, node) {
            return held;
        }
        if self.declares(r, Method::Stop) { Plan::Run(Method::Stop) } else { Plan::Pass(Phase::Stopped) }
    }

    /// What STOP waits for among the instances that depend on this one: all that are on their way
    /// down, and those with an offline-restart dependency in any case.
    fn dependent_in_the_way(&self, r: &'a Resource, node: &'a NodeName) -> Option<Plan> {
        for (x, dep) in self.dependents(r) {
            for at in self.nodes_depending(x, dep, node) {
                let Some(cell) = self.peek(x, at) else { continue };
                let bound = dep.flavour == Flavour::OfflineRestart
                    && !self.is_suspended(x)
                    && !mutant!(self.rgm, OfflineRestartNotFollowed);
                let up = self.desire(x, at) == Desire::Up;
                if !bound && up && cell.running() != Some(Method::Stop) {
                    continue;
                }
                match (cell.phase, cell.running()) {
                    // It waits to be started, and for this one.
                    (Phase::Prenet, None) if up => {}
                    (Phase::StopFailed, _) => {
                        return Some(Plan::Blocked(Block::Dependent(x.name.clone())));
                    }
                    (_, Some(Method::Start | Method::PrenetStart)) => {
                        return Some(Plan::Wait(Wait::After(x.name.clone())));
                    }
                    (Phase::Offline | Phase::Stopped, _) => {}
                    _ => return Some(self.behind(x, at)),
                }
            }
        }
        None
    }

    fn plan_postnet_stop(&self, r: &'a Resource, node: &'a NodeName) -> Plan {
        let scene: alloc::rc::Rc<Scene<'a>> = self.scene(&r.group, node);
        for (x, cell) in scene.falling.iter().filter(|(x, _)| x.name != r.name) {
            match cell.phase {
                _ if mutant!(self.rgm, PostnetBeforeStop) => {}
                Phase::Offline | Phase::Stopped => {}
                Phase::StopFailed => return Plan::Blocked(Block::Dependent(x.name.clone())),
                Phase::Prenet
                | Phase::Started
                | Phase::Monitored
                | Phase::MonitorFailed
                | Phase::StartFailed => return self.behind(x, node),
            }
        }
        if self.declares(r, Method::PostnetStop) {
            Plan::Run(Method::PostnetStop)
        } else {
            Plan::Pass(Phase::Offline)
        }
    }

    /// Waits for another cell's stop, unless that one is itself blocked for good.
    fn behind(&self, x: &'a Resource, node: &'a NodeName) -> Plan {
        match self.plan(x, node) {
            Plan::Blocked(_) => Plan::Blocked(Block::Dependent(x.name.clone())),
            Plan::Rest | Plan::Wait(_) | Plan::Run(_) | Plan::Pass(_) => {
                Plan::Wait(Wait::After(x.name.clone()))
            }
        }
    }
}

#[cfg(test)]
mod tests;
