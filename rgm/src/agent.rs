//! The node agent: runs what the core orders on one node, and keeps what the node must not forget.
//!
//! ```text
//!   ToNode ──► records ─► journal
//!              run     ─► method in a cgroup of its own ─► its end: journal ─► FromNode::Ended
//!              abort   ─► nothing of this node runs any more ─► FromNode::Down
//!   pmfd  ───► gave up a resource's process ─────────────────────────► FromNode::Exceeded
//! ```
//!
//! It decides nothing. It is idempotent by token: what runs is not run again, what has ended is
//! reported again. What it is told is done when [`Link::send`] returns, but for the methods
//! themselves, which run on; their ends are reported in the order they come.

pub mod deadline;
pub mod end;
pub mod journal;
pub mod order;
pub mod pmf;
pub mod start;

use deadline::Deadline;
use journal::Journal;
use methods::rtr::Surroundings;
use methods::run::Killer;
use rgm_api::Paths;
use rgm_api::chain;
use rgm_api::pmf::Failfast;
use rgm_cluster::{FromNode, Link, Outlet, ToNode};
use rgm_core::cell::Phase;
use rgm_core::event::{Cause, Ending, MethodResult, NodeReport, Order, Token};
use rgm_types::{Method, Millis, NodeName, ResourceName};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::task::{AbortHandle, spawn_local};
use tokio::time::sleep;

/// How soon a node that counts as dead looks whether it does.
const DEATH_WAIT: Duration = Duration::from_millis(50);
/// What is said of a method whose daemon was killed.
const LOST: &str = "the daemon that ran it was killed; the method was killed, too";

/// What an agent works with.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Its node.
    pub node: NodeName,
    /// Where the files of this node lie.
    pub paths: Paths,
    /// What its methods find.
    pub surroundings: Surroundings,
    /// The cgroup above those of its methods; `None` where the machine has no cgroups.
    pub cgroup: Option<PathBuf>,
    /// What an abort of the node means.
    pub means: Means,
    /// When it must be dead.
    pub deadline: Deadline,
}

/// How everything on a node is stopped at once, and so who starts its pmfd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Means {
    /// A node of a cluster on one machine: kill all it supervises, and let it join again. Its pmfd
    /// is this program, started and started again by us.
    KillNode(PathBuf),
    /// The machine is the node. Its pmfd is the system's.
    Machine(Failfast),
}

/// A handle of the agent. All handles are the same agent.
#[derive(Debug, Clone)]
pub struct Agent(Rc<Inner>);

#[derive(Debug)]
struct Inner {
    setup: Setup,
    outlet: Outlet,
    state: RefCell<State>,
    /// A method has ended.
    ended: Notify,
}

#[derive(Debug)]
struct State {
    journal: Journal,
    /// The node has just booted, and the core does not know it yet.
    fresh: bool,
    running: BTreeMap<Token, Flying>,
    /// What PMF gave up and the core has not taken yet, by number.
    exceeded: BTreeMap<u64, (ResourceName, String)>,
    /// What the core has taken and pmfd does not know of yet.
    taken: BTreeSet<u64>,
    /// Everything of the node is being killed, or it is to end: nothing is started, nothing reported.
    down: bool,
    /// The last write to the journal failed, and that was said.
    journal_failed: bool,
}

/// A method that runs.
#[derive(Debug)]
struct Flying {
    killer: Killer,
    task: AbortHandle,
}

impl Link for Agent {
    fn send(&mut self, message: ToNode) {
        if self.0.state.borrow().down {
            // Orders and records of before; a report is owed once the node is there again.
            if message == ToNode::Report {
                self.0.outlet.send(FromNode::Down);
            }
            return;
        }
        match message {
            ToNode::Report => self.report(),
            ToNode::Welcome => {
                self.0.state.borrow_mut().fresh = false;
                self.write(Journal::begin);
            }
            ToNode::Records(records) => self.write(|journal| journal.records(records)),
            ToNode::Run(order) => {
                // It was welcomed, also where that word was lost on the way.
                self.0.state.borrow_mut().fresh = false;
                self.run(order);
            }
            ToNode::Kill(token) => {
                if let Some(flying) = self.0.state.borrow().running.get(&token) {
                    flying.killer.kill();
                }
            }
            ToNode::Abort(cause) => self.abort(&cause),
            ToNode::Taken(seq) => self.taken(seq),
        }
    }
}

impl Agent {
    /// Waits until no method runs.
    pub async fn idle(&self) {
        while !self.0.state.borrow().running.is_empty() {
            self.0.ended.notified().await;
        }
    }

    /// Starts nothing any more and begins anew with the next daemon, if nothing of the cluster runs
    /// here; otherwise what does.
    pub fn close(&self) -> Result<(), Vec<ResourceName>> {
        let mut state = self.0.state.borrow_mut();
        let cells = state.journal.cells().iter();
        let up = cells.filter(|(_, cell)| cell.phase != Phase::Offline || cell.flight.is_some());
        let up: Vec<ResourceName> = up.map(|(resource, _)| resource.clone()).collect();
        if !up.is_empty() || !state.running.is_empty() {
            return Err(up);
        }
        state.down = true;
        if let Err(error) = state.journal.remove() {
            tracing::error!("the journal of {} can't be removed: {error}", self.0.setup.node);
        }
        Ok(())
    }

    fn report(&self) {
        let state = self.0.state.borrow();
        let fresh = state.fresh;
        let cells: Vec<_> = state.journal.cells().iter().map(|(r, c)| (r.clone(), c.clone())).collect();
        let flights = cells.iter().filter_map(|(_, cell)| Some(cell.flight.as_ref()?.token));
        let over: Vec<Token> = flights.filter(|token| !state.running.contains_key(token)).collect();
        let node = self.0.setup.node.clone();
        self.0.outlet.send(FromNode::Joined(NodeReport { node, fresh, cells }));
        for token in over {
            let result = state.journal.result(token).cloned().unwrap_or_else(lost);
            self.tell_end(FromNode::Ended { token, result });
        }
        for (seq, (resource, tag)) in &state.exceeded {
            let (seq, resource, tag) = (*seq, resource.clone(), tag.clone());
            self.0.outlet.send(FromNode::Exceeded { seq, resource, tag });
        }
    }

    /// Runs a method, unless it runs or has run already.
    fn run(&self, order: Order) {
        let token = order.token;
        let known = {
            let state = self.0.state.borrow();
            if state.running.contains_key(&token) {
                return;
            }
            state.journal.result(token).cloned()
        };
        let refused = known.or_else(|| self.dead(&order));
        let refused = refused.or_else(|| self.unwritten(order.method)).or_else(|| order::checked(&order));
        if let Some(result) = refused {
            return self.ended(token, result);
        }
        match order::launch(&order, &self.0.setup) {
            Ok(running) => {
                let killer = running.killer();
                let agent = self.clone();
                let task = spawn_local(async move {
                    let result = order::follow(&order, running, &agent.0.setup).await;
                    agent.ended(token, result);
                });
                let flying = Flying { killer, task: task.abort_handle() };
                self.0.state.borrow_mut().running.insert(token, flying);
            }
            Err(result) => self.ended(token, result),
        }
    }

    /// Behind the node's deadline nothing is started. That is told only if the node lives on after all:
    /// then as of a method that ended with its daemon, since whoever ordered it waits for its end.
    fn dead(&self, order: &Order) -> Option<MethodResult> {
        if !self.0.setup.deadline.has_passed() {
            return None;
        }
        let (method, resource) = (order.method, &order.resource);
        tracing::error!("{method} of resource {resource} is not run: this node counts as dead");
        Some(lost())
    }

    /// Where the journal can't be written, nothing is brought up: after a crash nobody would know of
    /// it, and it might be started a second time elsewhere. Everything else goes on.
    fn unwritten(&self, method: Method) -> Option<MethodResult> {
        use Method::{Boot, Init, MonitorStart, PrenetStart, Start};
        let brings_up = matches!(method, PrenetStart | Start | MonitorStart | Init | Boot);
        if !brings_up || self.0.state.borrow().journal.is_written() {
            return None;
        }
        let journal = self.0.setup.paths.run_dir().join("journal");
        let why = format!("{} can't be written; make room there and try again", journal.display());
        Some(MethodResult { ending: Ending::NotStarted, used: Millis(0), output: vec![why] })
    }

    /// A method has ended: into the journal first, so that it is known even if we end here.
    fn ended(&self, token: Token, result: MethodResult) {
        self.0.state.borrow_mut().running.remove(&token);
        self.write(|journal| journal.ended(token, &result));
        self.0.ended.notify_waiters();
        self.tell_end(FromNode::Ended { token, result });
    }

    /// Behind the node's deadline whatever ends was killed with everything else, which is no failure of
    /// the method: nothing is told of it, in a report either, unless the node turns out to live on.
    fn tell_end(&self, message: FromNode) {
        if self.0.setup.deadline.has_passed() {
            drop(spawn_local(self.clone().tell_alive(message)));
        } else {
            self.0.outlet.send(message);
        }
    }

    async fn tell_alive(self, message: FromNode) {
        while self.0.setup.deadline.has_passed() {
            sleep(DEATH_WAIT).await;
        }
        self.0.outlet.send(message);
    }

    /// Writes to the journal. What could not be written is with the next that can.
    fn write(&self, what: impl FnOnce(&mut Journal) -> std::io::Result<()>) {
        let mut state = self.0.state.borrow_mut();
        let written = what(&mut state.journal);
        let failed_before = std::mem::replace(&mut state.journal_failed, written.is_err());
        if let (Err(error), false) = (written, failed_before) {
            let dir = self.0.setup.paths.run_dir();
            tracing::error!(
                "the journal in {} can't be written ({error}): nothing is started on {} until it can",
                dir.display(),
                self.0.setup.node
            );
        }
    }

    fn abort(&self, cause: &Cause) {
        let (node, event, rule) = (&self.0.setup.node, &cause.event, &cause.rule);
        tracing::error!(event, rule, "node {node} is aborted: everything on it is stopped at once");
        match &self.0.setup.means {
            Means::KillNode(_) => drop(spawn_local(self.clone().fall_and_rise())),
            Means::Machine(failfast) => {
                end::machine(failfast, &self.0.setup, &mut self.0.state.borrow_mut().journal);
            }
        }
    }

    /// The node of a cluster on one machine goes down, and comes back as after a boot.
    async fn fall_and_rise(self) {
        self.kill_all().await;
        self.0.outlet.send(FromNode::Down);
        if let Err(error) = self.start_pmfd(true).await {
            tracing::error!(node = %self.0.setup.node, "{}", chain(&error));
        }
        {
            let mut state = self.0.state.borrow_mut();
            state.down = false;
            state.fresh = true;
        }
        self.report();
    }
}

/// Of a method that is in a record, does not run, and has no result.
fn lost() -> MethodResult {
    MethodResult { ending: Ending::Lost, used: Millis(0), output: vec![LOST.to_owned()] }
}
