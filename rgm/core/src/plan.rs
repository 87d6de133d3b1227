//! What comes next for one cell, and what it waits for (reference 4.4).
//!
//! Coming up on a node: PRENET_START of all that declare it, then START, each after what it
//! strongly depends on, then MONITOR_START as soon as its own START succeeded. Going down is the
//! mirror: MONITOR_STOP of all, STOP of dependents first, then POSTNET_STOP.
//!
//! Every wait names what it waits for; what waits for nothing that moves is *blocked*, and a group
//! whose cells are all at rest or blocked has come to rest.

use crate::cell::{Cell, Phase};
use crate::{Place, Rgm};
use rgm_types::{Group, GroupName, Method, NodeName, Resource, ResourceName};

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

/// Why a cell stays where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Block {
    /// Its start failed and its group was not moved.
    StartFailed,
    /// A stop failed: of this resource, or of another one of its group.
    StopFailed(Place),
    /// What it depends on is disabled or could not be started.
    Dependency(ResourceName),
    /// What depends on it could not be stopped.
    Dependent(ResourceName),
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
}

impl Rgm {
    /// What a resource should be on a node.
    pub(crate) fn desire(&self, r: &Resource, node: &NodeName) -> Desire {
        // Asked of every cell in every step: what most cells fail comes first.
        let wanted = || self.conf.runs.get(&r.group).is_some_and(|run| run.wanted.contains(node));
        let enabled = || r.enabled.on_at(node) && !r.deleting;
        let managed = || self.conf.groups.get(&r.group).is_some_and(|g| g.managed);
        let draining = || self.motions.get(&r.group).is_some_and(|m| m.draining.contains(node));
        let restarting = || self.peek(r, node).is_some_and(|c| c.restart.is_some());
        if !self.closing && wanted() && enabled() && managed() && !draining() && !restarting() {
            Desire::Up
        } else {
            Desire::Down
        }
    }

    pub(crate) fn peek(&self, r: &Resource, node: &NodeName) -> Option<&Cell> {
        self.boards.get(&r.group)?.get(&r.name, node)
    }

    fn phase(&self, r: &Resource, node: &NodeName) -> Phase {
        self.peek(r, node).map_or(Phase::Offline, |c| c.phase)
    }

    fn running(&self, r: &Resource, node: &NodeName) -> Option<Method> {
        self.peek(r, node).and_then(Cell::running)
    }

    fn declares(&self, r: &Resource, method: Method) -> bool {
        self.conf.type_of(r).is_some_and(|t| t.has(method))
    }

    /// The place of a failed stop that freezes the group: nothing of it starts anywhere
    /// (reference 5.2).
    pub(crate) fn frozen(&self, group: &GroupName) -> Option<Place> {
        let flagged = self.conf.runs.get(group).and_then(|run| run.stop_failed.first().cloned());
        let seen = || {
            let mut cells = self.boards.get(group)?.iter();
            cells.find(|(_, _, c)| c.phase == Phase::StopFailed).map(|(r, n, _)| (r.clone(), n.clone()))
        };
        flagged.or_else(seen)
    }

    /// What comes next for a resource on a node.
    pub(crate) fn plan(&self, r: &Resource, node: &NodeName) -> Plan {
        let empty = Cell::default();
        let cell = self.peek(r, node).unwrap_or(&empty);
        if !self.is_up(node) {
            return Plan::Rest;
        }
        if cell.flight.is_some() {
            return Plan::Wait(Wait::Flight);
        }
        if cell.phase == Phase::StopFailed {
            return Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone())));
        }
        if cell.phase == Phase::Offline
            && let Some(method) = self.owes(r, node).or(cell.owed.boot.then_some(Method::Boot))
        {
            return Plan::Run(method);
        }
        match self.desire(r, node) {
            Desire::Up => self.plan_up(r, node, cell),
            Desire::Down => self.plan_down(r, node, cell),
        }
    }

    fn plan_up(&self, r: &Resource, node: &NodeName, cell: &Cell) -> Plan {
        match cell.phase {
            Phase::Offline | Phase::Prenet => self.plan_start(r, node, cell.phase),
            Phase::Started | Phase::Monitored | Phase::MonitorFailed => self.plan_monitor(r, node, cell),
            Phase::StartFailed => Plan::Blocked(Block::StartFailed),
            Phase::Stopped => self.plan_down(r, node, cell),
            Phase::StopFailed => Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone()))),
        }
    }

    fn plan_start(&self, r: &Resource, node: &NodeName, phase: Phase) -> Plan {
        if let Some(place) = self.frozen(&r.group) {
            return Plan::Blocked(Block::StopFailed(place));
        }
        if let Some(dep) = self.dead_dependency(r, node) {
            return Plan::Blocked(Block::Dependency(dep));
        }
        let Some(group) = self.conf.groups.get(&r.group) else { return Plan::Rest };
        if let Some(other) = self.not_clear_elsewhere(group, node) {
            return Plan::Wait(Wait::Elsewhere(other));
        }
        if let Some(owing) = self.owing(group, node) {
            return Plan::Wait(Wait::Owed(owing));
        }
        let prenet = |x: &Resource| self.declares(x, Method::PrenetStart);
        let deps = self.conf.strong_dependencies(r);
        if phase == Phase::Offline && prenet(r) {
            let before = |d: &&Resource| prenet(d) && self.phase(d, node) == Phase::Offline;
            return match deps.into_iter().find(before) {
                Some(dep) => Plan::Wait(Wait::After(dep.name.clone())),
                None => Plan::Run(Method::PrenetStart),
            };
        }
        let prenet_first = |x: &&Resource| {
            prenet(x)
                && self.phase(x, node) == Phase::Offline
                && self.desire(x, node) == Desire::Up
                && self.dead_dependency(x, node).is_none()
        };
        if let Some(first) = self.conf.members(&group.name).find(|x| x.name != r.name && prenet_first(x)) {
            return Plan::Wait(Wait::After(first.name.clone()));
        }
        if let Some(dep) = deps.into_iter().find(|d| !self.serves(d, node)) {
            return Plan::Wait(Wait::After(dep.name.clone()));
        }
        if self.declares(r, Method::Start) { Plan::Run(Method::Start) } else { Plan::Pass(Phase::Started) }
    }

    /// It is up and nothing is taking it down.
    fn serves(&self, r: &Resource, node: &NodeName) -> bool {
        self.phase(r, node).is_up()
            && self.desire(r, node) == Desire::Up
            && self.running(r, node) != Some(Method::Stop)
    }

    fn plan_monitor(&self, r: &Resource, node: &NodeName, cell: &Cell) -> Plan {
        let monitorable = self.declares(r, Method::MonitorStart);
        let wanted = monitorable && r.monitored.on_at(node);
        let has_monitor = matches!(cell.phase, Phase::Monitored | Phase::MonitorFailed);
        if has_monitor && (!wanted || cell.remonitor) {
            return self.plan_monitor_stop(r);
        }
        if !has_monitor && wanted {
            return match self.frozen(&r.group) {
                Some(place) => Plan::Blocked(Block::StopFailed(place)),
                None => Plan::Run(Method::MonitorStart),
            };
        }
        if cell.owed.update.is_empty() { Plan::Rest } else { Plan::Run(Method::Update) }
    }

    fn plan_monitor_stop(&self, r: &Resource) -> Plan {
        if self.declares(r, Method::MonitorStop) {
            Plan::Run(Method::MonitorStop)
        } else {
            Plan::Pass(Phase::Started)
        }
    }

    fn plan_down(&self, r: &Resource, node: &NodeName, cell: &Cell) -> Plan {
        match cell.phase {
            Phase::Offline => Plan::Rest,
            Phase::StopFailed => Plan::Blocked(Block::StopFailed((r.name.clone(), node.clone()))),
            Phase::Monitored | Phase::MonitorFailed => self.plan_monitor_stop(r),
            Phase::Prenet | Phase::Started | Phase::StartFailed => self.plan_stop(r, node),
            Phase::Stopped => self.plan_postnet_stop(r, node),
        }
    }

    /// The other resources of the group that are on their way down on this node and not there yet.
    fn falling<'a>(
        &'a self,
        r: &'a Resource,
        node: &'a NodeName,
    ) -> impl Iterator<Item = (&'a Resource, &'a Cell)> + 'a {
        let down = |c: &Cell| matches!(c.phase, Phase::Offline | Phase::Stopped) && c.flight.is_none();
        let cells = self.boards.get(&r.group).into_iter().flat_map(|board| board.on(node));
        let others = cells.filter(move |(name, c)| !down(c) && **name != r.name);
        let others = others.filter_map(|(name, c)| Some((self.conf.resources.get(name)?, c)));
        others.filter(|(x, _)| self.desire(x, node) == Desire::Down)
    }

    fn plan_stop(&self, r: &Resource, node: &NodeName) -> Plan {
        for (x, cell) in self.falling(r, node) {
            let phase = cell.phase;
            if matches!(phase, Phase::Monitored | Phase::MonitorFailed) {
                return Plan::Wait(Wait::After(x.name.clone()));
            }
            let depends = self.conf.strong_dependencies(x).iter().any(|d| d.name == r.name);
            if depends && phase == Phase::StopFailed {
                return Plan::Blocked(Block::Dependent(x.name.clone()));
            }
            if depends && !matches!(phase, Phase::Offline | Phase::Stopped) {
                return self.behind(x, node, Block::Dependent(x.name.clone()));
            }
            if depends && matches!(cell.running(), Some(Method::Start | Method::PrenetStart)) {
                return Plan::Wait(Wait::After(x.name.clone()));
            }
        }
        if self.declares(r, Method::Stop) { Plan::Run(Method::Stop) } else { Plan::Pass(Phase::Stopped) }
    }

    fn plan_postnet_stop(&self, r: &Resource, node: &NodeName) -> Plan {
        for (x, cell) in self.falling(r, node) {
            match cell.phase {
                Phase::Offline | Phase::Stopped => {}
                Phase::StopFailed => return Plan::Blocked(Block::Dependent(x.name.clone())),
                Phase::Prenet
                | Phase::Started
                | Phase::Monitored
                | Phase::MonitorFailed
                | Phase::StartFailed => {
                    return self.behind(x, node, Block::Dependent(x.name.clone()));
                }
            }
        }
        if self.declares(r, Method::PostnetStop) {
            Plan::Run(Method::PostnetStop)
        } else {
            Plan::Pass(Phase::Offline)
        }
    }

    /// Waits for another cell's stop, unless that one is itself blocked for good.
    fn behind(&self, x: &Resource, node: &NodeName, block: Block) -> Plan {
        match self.plan(x, node) {
            Plan::Blocked(_) => Plan::Blocked(block),
            Plan::Rest | Plan::Wait(_) | Plan::Run(_) | Plan::Pass(_) => {
                Plan::Wait(Wait::After(x.name.clone()))
            }
        }
    }

    /// A strong dependency, direct or not, that will not come up by itself.
    fn dead_dependency(&self, r: &Resource, node: &NodeName) -> Option<ResourceName> {
        let dead = |d: &Resource| {
            let failed = matches!(self.phase(d, node), Phase::StartFailed | Phase::StopFailed);
            failed || !d.enabled.on_at(node) || d.deleting || {
                !self.phase(d, node).is_up() && self.dead_dependency(d, node).is_some()
            }
        };
        self.conf.strong_dependencies(r).into_iter().find(|d| dead(d)).map(|d| d.name.clone())
    }

    /// Another node where the group is not certainly gone: while there is one, nothing of a
    /// failover group starts here.
    pub(crate) fn not_clear_elsewhere(&self, group: &Group, node: &NodeName) -> Option<NodeName> {
        let mut cells = self.boards.get(&group.name)?.iter();
        cells.find(|(_, n, c)| *n != node && !c.is_clear()).map(|(_, n, _)| n.clone())
    }

    /// A resource whose INIT, FINI or BOOT must run on this node before anything starts here.
    pub(crate) fn owing(&self, group: &Group, node: &NodeName) -> Option<ResourceName> {
        let owes = |r: &&Resource| {
            let running = matches!(self.running(r, node), Some(Method::Init | Method::Boot | Method::Fini));
            running || self.owes(r, node).is_some() || self.peek(r, node).is_some_and(|c| c.owed.boot)
        };
        self.conf.members(&group.name).find(owes).map(|r| r.name.clone())
    }

    /// FINI or INIT that a resource owes a node; FINI first.
    pub(crate) fn owes(&self, r: &Resource, node: &NodeName) -> Option<Method> {
        let owed = Some(&self.conf.runs.get(&r.group)?.owed).filter(|owed| !owed.is_empty())?;
        let is = |m: &Method| owed.contains(&(r.name.clone(), node.clone(), *m));
        [Method::Fini, Method::Init].into_iter().find(is)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Token;
    use crate::cell::Flight;
    use alloc::collections::{BTreeMap, BTreeSet};
    use alloc::format;
    use alloc::string::{String, ToString};
    use alloc::vec;
    use rgm_types::rt::{InstalledNodes, SysdefinedType};
    use rgm_types::{Entry, GroupRun, InitNodes, Millis, ResourceType, Switch, TypeName};

    const PHASES: [Phase; 8] = [
        Phase::Offline,
        Phase::Prenet,
        Phase::Started,
        Phase::Monitored,
        Phase::MonitorFailed,
        Phase::StartFailed,
        Phase::Stopped,
        Phase::StopFailed,
    ];

    /// A phase that is added has to be added to `PHASES` too.
    fn index(phase: Phase) -> usize {
        match phase {
            Phase::Offline => 0,
            Phase::Prenet => 1,
            Phase::Started => 2,
            Phase::Monitored => 3,
            Phase::MonitorFailed => 4,
            Phase::StartFailed => 5,
            Phase::Stopped => 6,
            Phase::StopFailed => 7,
        }
    }

    fn type_with(methods: &[Method]) -> ResourceType {
        ResourceType {
            name: TypeName::new("svc").unwrap(),
            base: "svc".to_string(),
            vendor: String::new(),
            version: "1".to_string(),
            description: String::new(),
            api_version: 2,
            basedir: "/opt/svc".to_string(),
            failover: true,
            single_instance: false,
            init_nodes: InitNodes::RgPrimaries,
            installed_nodes: InstalledNodes::All,
            sysdefined: SysdefinedType::None,
            pkglist: vec![],
            rt_system: false,
            global_zone: false,
            proxy: false,
            methods: methods.iter().map(|m| (*m, m.word().to_ascii_lowercase())).collect(),
            upgrade: None,
            props: vec![],
        }
    }

    /// One resource on one node, with this cell, meant to be there or not.
    fn plan_of(methods: &[Method], cell: &Cell, wanted: bool) -> Plan {
        let (node, group) = (NodeName::new("n").unwrap(), GroupName::new("g").unwrap());
        let r = Resource {
            name: ResourceName::new("r").unwrap(),
            type_name: TypeName::new("svc").unwrap(),
            type_version: "1".to_string(),
            group: group.clone(),
            props: BTreeMap::new(),
            node_props: BTreeMap::new(),
            enabled: Switch::all(true),
            monitored: Switch::all(true),
            deleting: false,
        };
        let wanted = if wanted { [node.clone()].into() } else { BTreeSet::new() };
        let g = Group { name: group.clone(), managed: true, suspended: false, props: BTreeMap::new() };
        let entries = vec![
            Entry::Type(type_with(methods)),
            Entry::Group(g),
            Entry::Resource(r.clone()),
            Entry::Run(group.clone(), GroupRun { wanted, ..GroupRun::default() }),
        ];
        let mut rgm = Rgm::load(entries, Default::default(), Token(1)).unwrap();
        rgm.nodes.insert(node.clone(), crate::Node { up: true, ..Default::default() });
        *rgm.boards.entry(group).or_default().cell_mut(&r.name, &node) = cell.clone();
        rgm.plan(&r, &node)
    }

    /// The table of the plan: no cell of it is a hole.
    #[test]
    fn every_phase_and_desire_has_a_next_step() {
        let bare = [Method::Start, Method::Stop];
        let early = [Method::PrenetStart, Method::PostnetStop];
        let mut table = String::new();
        for (i, phase) in PHASES.into_iter().enumerate() {
            assert_eq!(index(phase), i);
            let cell = Cell { phase, ..Cell::default() };
            for (name, methods) in
                [("every method", &Method::ALL[..]), ("START STOP", &bare), ("PRENET POSTNET", &early)]
            {
                let (up, down) = (plan_of(methods, &cell, true), plan_of(methods, &cell, false));
                let line = format!("{phase:?} | {name} | {up:?} | {down:?}");
                table.push_str(&line.replace("ResourceName", "").replace("NodeName", ""));
                table.push('\n');
            }
        }
        insta::assert_snapshot!(table);
    }

    #[test]
    fn whatever_is_under_way_is_waited_for() {
        for phase in PHASES {
            for method in Method::ALL {
                let flight = Flight {
                    token: Token(1),
                    method,
                    since: Millis(0),
                    deadline: Millis(1),
                    changed: BTreeSet::new(),
                };
                let cell = Cell { phase, flight: Some(flight), ..Cell::default() };
                for wanted in [true, false] {
                    assert_eq!(plan_of(&Method::ALL, &cell, wanted), Plan::Wait(Wait::Flight));
                }
            }
        }
    }

    /// Debts are paid where nothing runs, and a restart is on its way down.
    #[test]
    fn what_a_cell_owes_comes_first() {
        let mut cell = Cell::default();
        cell.owed.boot = true;
        assert_eq!(plan_of(&Method::ALL, &cell, true), Plan::Run(Method::Boot));
        for (phase, next) in [
            (Phase::Monitored, Method::MonitorStop),
            (Phase::MonitorFailed, Method::MonitorStop),
            (Phase::Started, Method::Stop),
            (Phase::StartFailed, Method::Stop),
            (Phase::Stopped, Method::PostnetStop),
        ] {
            let cell = Cell { phase, restart: Some(crate::cell::Restart::Whole), ..Cell::default() };
            assert_eq!(plan_of(&Method::ALL, &cell, true), Plan::Run(next), "{phase:?}");
        }
    }
}
