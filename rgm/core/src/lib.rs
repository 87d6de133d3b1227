//! THE resource group manager: decides, never performs.
//!
//! # How a step goes
//!
//! [`Rgm::step`] takes one [`Event`] and gives one [`Out`]. Two phases, never mixed:
//!
//! 1. **Absorb** (`handlers/`): the fact is written down: a method ended so, a node is gone, a
//!    group is meant to be there. Nothing is ordered here.
//! 2. **Settle** (`settle.rs`): for every group the fact concerns, what is wanted is compared with
//!    what is observed, and what is missing is ordered. Work under way is state
//!    ([`cell::Flight`]), so settling twice orders nothing new.
//!
//! What is **wanted** of a resource on a node follows from configuration (managed, enabled,
//! monitored) and from where its group is meant to be ([`rgm_types::GroupRun::wanted`]). What is
//! **observed** is its [`cell::Cell`]. `plan.rs` says, for one cell, what comes next and what it
//! waits for; `place.rs` says where a group is meant to be when nobody said so.
//!
//! There is no second path for recovery: a daemon that comes back loads the configuration, gets the
//! nodes' reports as the first event, and settles.
//!
//! # What it is not
//!
//! No clock, no file, no socket, no thread, no random number: `no_std`, maps ordered, ids counted.
//! The same events give the same bytes, which is what simulator, replay and model checker live on.
#![no_std]
#![forbid(unsafe_code)]
extern crate alloc;

#[macro_use]
pub mod mutants;

mod admit;
mod board;
pub mod cell;
mod digest;
mod dry_run;
pub mod event;
mod explain;
mod get;
mod handlers;
mod ids;
pub mod invariants;
mod links;
mod load;
pub mod model;
mod node_rule;
mod ops;
mod order;
mod outlook;
mod place;
mod plan;
mod settle;
mod show;
mod snapshot;
mod value;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::string::String;
use alloc::vec::Vec;
use board::Board;
use cell::Cell;
pub use event::{
    Action, Cause, Ending, Event, Level, LogLine, MethodResult, NodeReport, Order, Out, RequestId, Token,
    ValidateArgs,
};
pub use model::{Conf, LoadError};
use rgm_types::config::{ClusterConf, Entry, Generation, Key, Write};
use rgm_types::{Clock, GroupName, GroupRun, GroupState, Millis, NodeConf, NodeName, ResourceName};

/// A cell's place: which resource, on which node.
pub(crate) type Place = (ResourceName, NodeName);

/// A node as the core knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    /// Member of the cluster.
    up: bool,
    /// Told to abort; not yet known to be gone.
    aborting: bool,
    /// Evacuated: nothing is placed here by itself before this time (boot clock).
    barred_until: Option<Millis>,
}

/// What is going on with a group, besides its cells.
#[derive(Debug, Clone, Default)]
pub(crate) struct Motion {
    /// Nodes where everything of it goes down before it may come up again (restart).
    draining: BTreeSet<NodeName>,
    /// Nodes it left because of a failure since it was last online, in that order: tried last.
    avoid: Vec<NodeName>,
    /// No recovery by itself until it has come to rest (quiesce).
    quiesced: bool,
    /// Nodes it has been seen online on since it was last offline there.
    came_up: BTreeSet<NodeName>,
    /// Where it was last seen at rest, and where not gone: others may wait for that.
    standing: place::Standing,
    /// The configuration change of it that is being validated.
    lock: Option<RequestId>,
    /// Changes that wait for that one.
    queue: VecDeque<handlers::Job>,
}

/// The whole state of the manager.
#[derive(Debug, Clone, Default)]
pub struct Rgm {
    conf: Conf,
    nodes: BTreeMap<NodeName, Node>,
    boards: BTreeMap<GroupName, Board>,
    motions: BTreeMap<GroupName, Motion>,
    ops: BTreeMap<RequestId, ops::Op>,
    tokens: BTreeMap<Token, order::Flown>,
    /// When each of them counts as timed out.
    deadlines: BTreeSet<(Millis, Token)>,
    next_token: u64,
    shown: BTreeMap<GroupName, BTreeMap<NodeName, GroupState>>,
    closing: bool,
    /// A copy on which a command is tried.
    rehearsing: bool,
    /// Groups to be settled.
    dirty: BTreeSet<GroupName>,
    /// Groups to be placed before anything is settled.
    unplaced: BTreeSet<GroupName>,
    /// Groups that lack a node and look for one by themselves.
    lacking: BTreeSet<GroupName>,
    /// A node may have become possible for them.
    freed: bool,
    loads: load::Loads,
    clock: Clock,
    cause: Option<Cause>,
    touched: BTreeSet<Place>,
    out: Out,
    /// Where each entry that this step writes stands among its writes.
    written: BTreeMap<Key, usize>,
    #[cfg(feature = "mutants")]
    mutant: Option<mutants::Mutant>,
}

impl Rgm {
    /// The first configuration of an empty repository.
    pub fn genesis(cluster: &str, nodes: &[NodeName]) -> Vec<Write> {
        let cluster = Entry::Cluster(ClusterConf { name: String::from(cluster), props: Default::default() });
        let node = |(id, name): (u32, &NodeName)| {
            Entry::Node(NodeConf { name: name.clone(), id, load_limits: Default::default() })
        };
        let nodes = (1..).zip(nodes).map(node);
        core::iter::once(cluster).chain(nodes).map(Write::Put).collect()
    }

    /// Builds the core from a repository. Its first event must be [`Event::Formed`].
    /// `first_token` is larger than every token of a former life on this boot.
    pub fn load(entries: Vec<Entry>, generation: Generation, first_token: Token) -> Result<Self, LoadError> {
        let conf = Conf::load(entries, generation)?;
        let nodes = conf.nodes.keys().map(|n| (n.clone(), Node::default())).collect();
        let loads = load::Loads::of(&conf);
        Ok(Self { conf, nodes, loads, next_token: first_token.0, ..Self::default() })
    }

    /// Every configured node.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeName> + '_ {
        self.conf.nodes.keys()
    }

    /// Takes one event and says what to do about it. See [`Out`] for the order that is law.
    pub fn step(&mut self, clock: Clock, event: &Event) -> Out {
        self.clock = clock;
        self.absorb(event);
        self.settle();
        self.emit()
    }

    /// What a command is called in a sentence: `switch of …`.
    pub fn in_words(command: &rgm_types::Command) -> String {
        handlers::tell::command(command)
    }

    /// When [`Event::Tick`] is due (boot clock), and why.
    pub fn next_deadline(&self) -> Option<(Millis, &'static str)> {
        let methods = self.deadlines.first().map(|(d, _)| (*d, "a method that must have ended by now"));
        let bars = self
            .nodes
            .values()
            .filter_map(|n| n.barred_until)
            .map(|t| (t, "an evacuated node is free again"));
        methods.into_iter().chain(bars).chain(self.next_retry()).min()
    }

    // --- the state, read ---

    pub(crate) fn cell(&self, resource: &ResourceName, node: &NodeName) -> Cell {
        let board = self.conf.resources.get(resource).and_then(|r| self.boards.get(&r.group));
        board.and_then(|b| b.get(resource, node)).cloned().unwrap_or_default()
    }

    pub(crate) fn is_up(&self, node: &NodeName) -> bool {
        self.nodes.get(node).is_some_and(|n| n.up)
    }

    pub(crate) fn up_nodes(&self) -> impl Iterator<Item = &NodeName> + '_ {
        self.nodes.iter().filter(|(_, n)| n.up).map(|(name, _)| name)
    }

    // --- the state, written: every change of it goes through here ---

    /// Changes a cell, and sees to its journal record and its group's settling.
    pub(crate) fn with_cell<T>(
        &mut self,
        resource: &ResourceName,
        node: &NodeName,
        change: impl FnOnce(&mut Cell) -> T,
    ) -> Option<T> {
        let group = self.conf.resources.get(resource)?.group.clone();
        let cell = self.boards.entry(group.clone()).or_default().cell_mut(resource, node);
        let seen = |c: &Cell| (c.phase, c.running(), c.restart.is_some());
        let before = seen(cell);
        let result = change(cell);
        let moved = seen(cell) != before;
        self.touched.insert((resource.clone(), node.clone()));
        self.stir(&group);
        if moved && !mutant!(self, BlockedNotReevaluated) {
            self.ripple(resource);
        }
        Some(result)
    }

    /// The group is to be looked at: something of it may have to move.
    pub(crate) fn stir(&mut self, group: &GroupName) {
        self.dirty.insert(group.clone());
        self.unplaced.insert(group.clone());
    }

    /// A resource has moved: so may those in other groups that it depends on, or that depend on it.
    fn ripple(&mut self, resource: &ResourceName) {
        let Some(r) = self.conf.resources.get(resource) else { return };
        let far = self.conf.linked(r).filter(|g| **g != r.group).cloned();
        let far: Vec<GroupName> = far.chain(self.conf.hanging(&r.group)).collect();
        self.dirty.extend(far);
    }

    /// Where the group is meant to be, or what it is allowed to do, has changed: so may have what its
    /// neighbours are to do.
    pub(crate) fn stir_around(&mut self, group: &GroupName) {
        self.stir(group);
        let near: Vec<GroupName> = self.conf.neighbours(group).cloned().collect();
        near.iter().for_each(|g| self.stir(g));
        self.dirty.extend(self.conf.foreign(group).cloned());
    }

    /// Changes what must not be forgotten about a group.
    pub(crate) fn with_run<T>(&mut self, group: &GroupName, change: impl FnOnce(&mut GroupRun) -> T) {
        let old = self.conf.run(group);
        let mut new = old.clone();
        change(&mut new);
        if new != old {
            self.freed |= !old.wanted.is_subset(&new.wanted);
            self.write(Write::Put(Entry::Run(group.clone(), new)));
            self.stir_around(group);
        }
    }

    pub(crate) fn motion(&mut self, group: &GroupName) -> &mut Motion {
        self.stir(group);
        self.motions.entry(group.clone()).or_default()
    }

    /// Changes the configuration now and in the repository.
    pub(crate) fn write(&mut self, write: Write) {
        self.conf.apply(&write);
        self.loads.follow(&self.conf, &write);
        if mutant!(self, KeepWriteToItself) && matches!(write, Write::Put(Entry::Group(_))) {
            return;
        }
        let next = self.out.writes.len();
        let at = *self.written.entry(write.key()).or_insert(next);
        match self.out.writes.get_mut(at) {
            // Of several writes of a step to one entry the last one counts.
            Some(earlier) => *earlier = write,
            None => self.out.writes.push(write),
        }
    }

    // --- the output ---

    pub(crate) fn cause(&self, rule: &str) -> Cause {
        let event = self.cause.as_ref().map(|c| c.event.clone()).unwrap_or_default();
        Cause { event, rule: String::from(rule) }
    }

    pub(crate) fn log(&mut self, level: Level, text: String, rule: &str) {
        let cause = self.cause(rule);
        self.out.log.push(LogLine { level, text, cause });
    }

    /// Completes the output of this step: journal records of the cells it touched, its generation.
    fn emit(&mut self) -> Out {
        for (resource, node) in core::mem::take(&mut self.touched) {
            let known = self.conf.resources.contains_key(&resource);
            let group = self.conf.resources.get(&resource).map(|r| &r.group);
            if let Some(board) = group.and_then(|g| self.boards.get_mut(g)) {
                board.prune(&resource, &node);
            }
            let cell = known.then(|| self.cell(&resource, &node)).filter(|c| *c != Cell::default());
            self.out.records.push((node, resource, cell));
        }
        if !self.out.writes.is_empty() {
            self.conf.generation.0 += 1;
        }
        self.cause = None;
        self.written.clear();
        core::mem::take(&mut self.out)
    }
}
