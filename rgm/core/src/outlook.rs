//! What can be said of cells at one moment: what they should be, whether they will ever come up,
//! what goes on around them. Each question is answered once, so that looking at a whole group costs
//! as much as the group is large, however its members depend on each other.

use crate::board::Board;
use crate::cell::{Cell, Phase};
use crate::links::{Dep, Flavour};
use crate::plan::{Block, Desire, Plan, Wait};
use crate::{Motion, Place, Rgm};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::RefCell;
use rgm_types::{Group, GroupName, GroupRun, Method, NodeName, Resource, ResourceName};

/// A cell's place, borrowed.
type Spot<'a> = (&'a ResourceName, &'a NodeName);

/// A group's place, borrowed.
type Ground<'a> = (&'a GroupName, &'a NodeName);

/// A group coming up (true) or going down on a node.
pub(crate) type Passage<'a> = (&'a GroupName, &'a NodeName, bool);

/// See the module. It is made anew for each moment, and holds nothing that could grow old.
pub(crate) struct Outlook<'a> {
    pub(crate) rgm: &'a Rgm,
    plans: RefCell<BTreeMap<Spot<'a>, Plan>>,
    gates: RefCell<BTreeMap<Spot<'a>, Option<Plan>>>,
    desires: RefCell<BTreeMap<Spot<'a>, Desire>>,
    hopeless: RefCell<BTreeMap<Spot<'a>, bool>>,
    frozen: RefCell<BTreeMap<&'a GroupName, Option<Place>>>,
    scenes: RefCell<BTreeMap<Ground<'a>, Rc<Scene<'a>>>>,
    early: RefCell<BTreeMap<Ground<'a>, Rc<[&'a Resource]>>>,
    /// What groups wait for on a node. See `place/held.rs`.
    pub(crate) held: RefCell<BTreeMap<Passage<'a>, Option<Plan>>>,
    corners: RefCell<BTreeMap<&'a GroupName, Corner<'a>>>,
}

/// Everything there is of one group, found once.
#[derive(Clone, Copy)]
struct Corner<'a> {
    group: Option<&'a Group>,
    run: Option<&'a GroupRun>,
    motion: Option<&'a Motion>,
    board: Option<&'a Board>,
}

/// What goes on with a group on a node, as far as all its members have to know.
pub(crate) struct Scene<'a> {
    /// Another node where a failover group is not certainly gone.
    pub(crate) elsewhere: Option<NodeName>,
    /// A resource whose INIT, FINI or BOOT must run here before anything starts.
    pub(crate) owing: Option<ResourceName>,
    /// Resources that are on their way down and not there yet.
    pub(crate) falling: Vec<(&'a Resource, &'a Cell)>,
}

impl Rgm {
    /// A look at this moment.
    pub(crate) fn outlook(&self) -> Outlook<'_> {
        Outlook {
            rgm: self,
            plans: RefCell::default(),
            gates: RefCell::default(),
            desires: RefCell::default(),
            hopeless: RefCell::default(),
            frozen: RefCell::default(),
            scenes: RefCell::default(),
            early: RefCell::default(),
            held: RefCell::default(),
            corners: RefCell::default(),
        }
    }

    /// What a resource should be on a node.
    pub(crate) fn desire(&self, r: &Resource, node: &NodeName) -> Desire {
        let known = self.conf.resources.get(&r.name).zip(self.nodes.get_key_value(node));
        known.map_or(Desire::Down, |(r, (node, _))| self.outlook().desire(r, node))
    }

    pub(crate) fn peek(&self, r: &Resource, node: &NodeName) -> Option<&Cell> {
        self.boards.get(&r.group)?.get(&r.name, node)
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

    /// Another node where the group is not certainly gone: while there is one, nothing of a failover
    /// group starts here; nor of a scalable one that is leaving there, if it runs, or is about to, on as
    /// many other nodes as Maximum_primaries.
    pub(crate) fn not_clear_elsewhere(&self, group: &Group, node: &NodeName) -> Option<NodeName> {
        let cells = self.boards.get(&group.name)?.iter();
        let mut busy = cells.filter(|(_, n, c)| *n != node && !c.is_clear()).map(|(_, n, _)| n);
        if !self.conf.facts(&group.name).scalable {
            return busy.next().cloned();
        }
        let wanted = self.conf.runs.get(&group.name).map(|run| &run.wanted);
        let leaving: BTreeSet<&NodeName> = busy.filter(|n| wanted.is_none_or(|w| !w.contains(*n))).collect();
        let others = wanted.into_iter().flatten().filter(|n| *n != node).count() + leaving.len();
        leaving.into_iter().next().filter(|_| others >= self.most_primaries(group)).cloned()
    }

    /// A resource whose INIT, FINI or BOOT must run on this node before anything starts here.
    pub(crate) fn owing(&self, group: &Group, node: &NodeName) -> Option<ResourceName> {
        let anything = self.conf.runs.get(&group.name).is_some_and(|run| !run.owed.is_empty())
            || self.boards.get(&group.name).is_some_and(|b| b.on(node).any(|(_, c)| is_owing(c)));
        let owes = |r: &&Resource| self.peek(r, node).is_some_and(is_owing) || self.owes(r, node).is_some();
        anything.then(|| self.conf.members(&group.name).find(owes).map(|r| r.name.clone())).flatten()
    }

    /// FINI or INIT that a resource owes a node; FINI first.
    pub(crate) fn owes(&self, r: &Resource, node: &NodeName) -> Option<Method> {
        let owed = Some(&self.conf.runs.get(&r.group)?.owed).filter(|owed| !owed.is_empty())?;
        let is = |m: &Method| owed.contains(&(r.name.clone(), node.clone(), *m));
        [Method::Fini, Method::Init].into_iter().find(is)
    }
}

fn is_owing(cell: &Cell) -> bool {
    cell.owed.boot || matches!(cell.running(), Some(Method::Init | Method::Boot | Method::Fini))
}

impl<'a> Outlook<'a> {
    pub(crate) fn planned(&self, spot: Spot<'a>) -> Option<Plan> {
        let known = self.plans.borrow().get(&spot).cloned();
        if known.is_none() {
            // Whoever comes back here while it is being found waits for it.
            self.note_plan(spot, Plan::Wait(Wait::Flight));
        }
        known
    }

    pub(crate) fn note_plan(&self, spot: Spot<'a>, plan: Plan) {
        self.plans.borrow_mut().insert(spot, plan);
    }

    pub(crate) fn resource(&self, name: &ResourceName) -> Option<&'a Resource> {
        self.rgm.conf.get_resource(name)
    }

    fn corner(&self, group: &'a GroupName) -> Corner<'a> {
        if let Some(known) = self.corners.borrow().get(group) {
            return *known;
        }
        let rgm = self.rgm;
        let corner = Corner {
            group: rgm.conf.get_group(group),
            run: rgm.conf.runs.get(group),
            motion: rgm.motions.get(group),
            board: rgm.boards.get(group),
        };
        self.corners.borrow_mut().insert(group, corner);
        corner
    }

    /// The cell of a resource on a node, if it says anything.
    pub(crate) fn peek(&self, r: &'a Resource, node: &NodeName) -> Option<&'a Cell> {
        self.corner(&r.group).board?.get(&r.name, node)
    }

    pub(crate) fn phase(&self, r: &'a Resource, node: &NodeName) -> Phase {
        self.peek(r, node).map_or(Phase::Offline, |c| c.phase)
    }

    /// Configuration and the group's place say that it should run here, whatever goes on with it.
    fn is_meant(&self, r: &'a Resource, node: &NodeName) -> bool {
        let Corner { group, run, .. } = self.corner(&r.group);
        let wanted = run.is_some_and(|run| run.wanted.contains(node));
        let managed = group.is_some_and(|g| g.managed);
        !self.rgm.closing && wanted && r.enabled.on_at(node) && !r.deleting && managed
    }

    fn is_draining(&self, r: &'a Resource, node: &NodeName) -> bool {
        self.corner(&r.group).motion.is_some_and(|m| m.draining.contains(node))
    }

    pub(crate) fn declares(&self, r: &Resource, method: Method) -> bool {
        self.rgm.conf.type_of(r).is_some_and(|t| t.has(method))
    }

    /// Suspend_automatic_recovery of its group: nothing is done to it by itself.
    pub(crate) fn is_suspended(&self, r: &'a Resource) -> bool {
        self.corner(&r.group).group.is_some_and(|g| g.suspended)
    }

    /// See [`Rgm::frozen`].
    pub(crate) fn frozen(&self, group: &'a GroupName) -> Option<Place> {
        if let Some(known) = self.frozen.borrow().get(group) {
            return known.clone();
        }
        let place = self.rgm.frozen(group);
        self.frozen.borrow_mut().insert(group, place.clone());
        place
    }

    /// What a resource should be on a node.
    pub(crate) fn desire(&self, r: &'a Resource, node: &'a NodeName) -> Desire {
        let spot = (&r.name, node);
        if let Some(known) = self.desires.borrow().get(&spot) {
            return *known;
        }
        let up = self.is_meant(r, node) && !self.is_draining(r, node) && {
            let restarts = self.peek(r, node).is_some_and(|c| c.restart.is_some());
            !restarts && self.is_anchored(r, node)
        };
        let desire = if up { Desire::Up } else { Desire::Down };
        self.desires.borrow_mut().insert(spot, desire);
        desire
    }

    /// Nothing that it has an offline-restart dependency on has gone from under it.
    fn is_anchored(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        let mut anchors =
            self.rgm.conf.deps_at(&r.name, node).filter(|d| d.flavour == Flavour::OfflineRestart).peekable();
        let phase = self.phase(r, node);
        let runs = phase.is_up() || phase == Phase::StartFailed;
        let ignores = mutant!(self.rgm, OfflineRestartNotFollowed);
        if anchors.peek().is_none() || !runs || self.is_suspended(r) || ignores {
            return true;
        }
        anchors.all(|d| self.places(r, d, node).any(|(other, at)| self.serves(other, at)))
    }

    /// It is up and nothing is taking it down.
    pub(crate) fn serves(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        let Some(cell) = self.peek(r, node) else { return false };
        cell.phase.is_up() && cell.running() != Some(Method::Stop) && self.desire(r, node) == Desire::Up
    }

    /// It will not come up by itself, or not as things are.
    pub(crate) fn is_hopeless(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        let spot = (&r.name, node);
        if let Some(known) = self.hopeless.borrow().get(&spot) {
            return *known;
        }
        // Whoever comes back here while it is being found hopes.
        self.hopeless.borrow_mut().insert(spot, false);
        let hopeless = self.is_hopeless_anew(r, node);
        self.hopeless.borrow_mut().insert(spot, hopeless);
        hopeless
    }

    fn is_hopeless_anew(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        if !self.rgm.is_up(node) || !self.is_meant(r, node) || self.frozen(&r.group).is_some() {
            return true;
        }
        let cell = self.peek(r, node);
        let failed = cell.is_some_and(|c| c.phase == Phase::StartFailed && c.restart.is_none());
        (failed && !self.is_draining(r, node)) || self.dead_dependency(r, node).is_some()
    }

    /// A dependency, other than a weak one, that is not online and will not be by itself.
    pub(crate) fn dead_dependency(&self, r: &'a Resource, node: &'a NodeName) -> Option<Block> {
        let strong = self.rgm.conf.deps_at(&r.name, node).filter(|d| d.flavour > Flavour::Weak);
        let dead = |d: &&'a Dep| {
            let missing = || {
                let mut places = self.places(r, d, node);
                places.all(|(other, at)| !self.serves(other, at) && self.is_stuck(other, at))
            };
            self.resource(&d.on).is_some() && missing()
        };
        let dep = { strong }.find(dead)?;
        let foreign = self.resource(&dep.on).is_some_and(|other| other.group != r.group);
        let name = dep.on.clone();
        Some(if foreign { Block::Foreign(name) } else { Block::Dependency(name) })
    }

    /// It is down for good, or can go no further by itself.
    pub(crate) fn is_stuck(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        let down = || !self.phase(r, node).is_up() && self.is_hopeless(r, node);
        // Its group is to come down before it comes up again, and can not.
        let kept_up = || self.is_draining(r, node) && self.stays_on(&r.group, node);
        down() || self.is_blocked(r, node) || kept_up()
    }

    /// Of what is about to start, no more is asked than whether it may: not in which order.
    fn is_blocked(&self, r: &'a Resource, node: &'a NodeName) -> bool {
        if !self.starts_next(r, node) {
            return matches!(self.plan(r, node), Plan::Blocked(_));
        }
        matches!(self.gate(r, node), Some(Plan::Blocked(_)))
    }

    /// What keeps a resource from starting on a node, whatever the others of its group there do.
    pub(crate) fn gate(&self, r: &'a Resource, node: &'a NodeName) -> Option<Plan> {
        let spot = (&r.name, node);
        if let Some(known) = self.gates.borrow().get(&spot) {
            return known.clone();
        }
        // Whoever comes back here while it is being found waits for it.
        self.gates.borrow_mut().insert(spot, Some(Plan::Wait(Wait::Flight)));
        let gate = self.gate_anew(r, node);
        self.gates.borrow_mut().insert(spot, gate.clone());
        gate
    }

    /// Where the instances are that an instance on `node` may depend on by `dep`.
    pub(crate) fn places(
        &self,
        r: &Resource,
        dep: &'a Dep,
        node: &'a NodeName,
    ) -> impl Iterator<Item = (&'a Resource, &'a NodeName)> + use<'a> {
        let other = self.resource(&dep.on);
        let local = other.is_none_or(|other| self.rgm.conf.is_local(&r.group, dep, other));
        let here = other.filter(|_| local).map(|other| (other, node));
        let nodes = other
            .filter(|_| !local)
            .map(|other| self.rgm.conf.nodes_of(&other.group).iter().map(move |at| (other, at)));
        here.into_iter().chain(nodes.into_iter().flatten())
    }

    /// Resources that depend on this one, once for each dependency.
    pub(crate) fn dependents(
        &self,
        r: &'a Resource,
    ) -> impl Iterator<Item = (&'a Resource, &'a Dep)> + use<'a> {
        let conf = &self.rgm.conf;
        conf.dependents(&r.name)
            .flat_map(move |x| conf.deps(&x.name).iter().filter(move |d| d.on == r.name).map(move |d| (x, d)))
    }

    /// Nodes where instances of `x` may depend, by `dep`, on an instance on `node`: none where
    /// another instance serves as well.
    pub(crate) fn nodes_depending(
        &self,
        x: &'a Resource,
        dep: &'a Dep,
        node: &'a NodeName,
    ) -> Vec<&'a NodeName> {
        let Some(on) = self.resource(&dep.on) else { return Vec::new() };
        if self.rgm.conf.is_local(&x.group, dep, on) {
            return if dep.holds_at(node) { [node].into() } else { Vec::new() };
        }
        let nodes = self.rgm.conf.nodes_of(&on.group).iter();
        if { nodes }.any(|at| at != node && self.serves(on, at)) {
            return Vec::new();
        }
        let nodes = self.corner(&x.group).board.into_iter().flat_map(crate::board::Board::nodes);
        nodes.filter(|at| dep.holds_at(at)).collect()
    }

    /// What goes on with a group on a node.
    pub(crate) fn scene(&self, group: &'a GroupName, node: &'a NodeName) -> Rc<Scene<'a>> {
        if let Some(known) = self.scenes.borrow().get(&(group, node)) {
            return Rc::clone(known);
        }
        let conf = self.rgm.conf.groups.get(group);
        let scene = Rc::new(Scene {
            elsewhere: conf.and_then(|g| self.rgm.not_clear_elsewhere(g, node)),
            owing: conf.and_then(|g| self.rgm.owing(g, node)),
            falling: self.falling(group, node),
        });
        self.scenes.borrow_mut().insert((group, node), Rc::clone(&scene));
        scene
    }

    /// Resources whose PRENET_START comes before any START of the group on the node.
    ///
    /// Whether they are hopeless is asked here, so nothing that finds out about hope may ask for this.
    pub(crate) fn early(&self, group: &'a GroupName, node: &'a NodeName) -> Rc<[&'a Resource]> {
        if let Some(known) = self.early.borrow().get(&(group, node)) {
            return Rc::clone(known);
        }
        let early: Rc<[&'a Resource]> =
            self.rgm.conf.members(group).filter(|x| self.is_early(x, node)).collect();
        self.early.borrow_mut().insert((group, node), Rc::clone(&early));
        early
    }

    /// Its PRENET_START is to come, and nothing in another group holds it up.
    fn is_early(&self, x: &'a Resource, node: &'a NodeName) -> bool {
        if !self.declares(x, Method::PrenetStart)
            || self.phase(x, node) != Phase::Offline
            || self.desire(x, node) == Desire::Down
            || (self.is_hopeless(x, node) && !mutant!(self.rgm, WaitForTheHopeless))
        {
            return false;
        }
        if self.peek(x, node).and_then(Cell::running) == Some(Method::PrenetStart) {
            return true;
        }
        self.rgm.conf.deps_at(&x.name, node).all(|d| match self.resource(&d.on) {
            Some(other) if other.group != x.group => !self.must_come_first(x, d, node),
            Some(other) => {
                !self.declares(other, Method::PrenetStart)
                    || self.phase(other, node) != Phase::Offline
                    || self.is_hopeless(other, node)
                    || self.is_early(other, node)
            }
            None => true,
        })
    }

    fn falling(&self, group: &'a GroupName, node: &'a NodeName) -> Vec<(&'a Resource, &'a Cell)> {
        let down = |c: &Cell| matches!(c.phase, Phase::Offline | Phase::Stopped) && c.flight.is_none();
        let cells = self.corner(group).board.into_iter().flat_map(|board| board.on(node));
        let moving = cells.filter(|(_, c)| !down(c));
        let known = moving.filter_map(|(name, c)| Some((self.resource(name)?, c)));
        known.filter(|(x, _)| self.desire(x, node) == Desire::Down).collect()
    }
}
