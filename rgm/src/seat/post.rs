//! Where everything of a node in a cluster of many machines passes: news of the members, the links,
//! the words of the node's own agent, and what is asked on its sockets.
//!
//! ```text
//!   membership ─► members, president ─┐        ┌─► agent of this node     (orders of the president)
//!   links ──────► orders, words, asks ┼─ Post ─┼─► the core's inbox       (while president)
//!   agent ──────► words ──────────────┤        ├─► links                  (to the president, wherever)
//!   sockets ────► questions ──────────┘        └─► questions' answers
//! ```

use super::asks::Asks;
use super::line::Line;
use crate::agent::Agent;
use crate::ipc::{Answer, Answers, Asked};
use rgm_api::rgm::Request;
use rgm_cluster::member::{News, Registration, Term};
use rgm_cluster::net::{Hub, NetEvent, Peer};
use rgm_cluster::wire::Wire;
use rgm_cluster::{FromNode, Inbox, Link, Outlet, ToNode};
use rgm_types::{NodeName, Refusal, SchaErr};
use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::task::spawn_local;

/// How often questions that wait are looked at.
const MIND: Duration = Duration::from_millis(200);

/// See the module. All handles are the same post.
#[derive(Clone)]
pub struct Post(Rc<Inner>);

struct Inner {
    me: NodeName,
    incarnation: u64,
    hub: Hub,
    /// This node was elected, or is no member any more.
    turn: Notify,
    state: RefCell<State>,
}

#[derive(Default)]
struct State {
    agent: Option<Agent>,
    registered: bool,
    members: BTreeMap<NodeName, Registration>,
    connected: BTreeMap<NodeName, bool>,
    term: Option<Term>,
    /// The president that this node obeys: whose orders were the last of the highest epoch.
    boss: Option<(NodeName, u64)>,
    /// Epoch and number of the reports that its agent was asked for and has not given yet.
    reports: VecDeque<(u64, u64)>,
    chair: Option<Chair>,
    asks: Asks,
    over: Option<String>,
}

impl State {
    /// Of a later epoch than any that this node has obeyed, its own among them.
    fn is_later(&self, term: &Term) -> bool {
        self.boss.as_ref().is_none_or(|(_, highest)| term.epoch > *highest)
    }
}

/// This node is president.
pub struct Chair {
    /// Of which epoch.
    pub epoch: u64,
    /// For what nodes say.
    pub outlet: Box<dyn Fn(&NodeName) -> Outlet>,
    /// What is asked.
    pub asked: Sender<Asked>,
    /// Told when it is no longer.
    pub deposed: Rc<Notify>,
    /// To the other nodes.
    pub lines: BTreeMap<NodeName, Line>,
}

impl Post {
    /// Of this life of a node.
    pub fn new(me: &NodeName, incarnation: u64, hub: Hub) -> Self {
        let (turn, state) = (Notify::new(), RefCell::default());
        Self(Rc::new(Inner { me: me.clone(), incarnation, hub, turn, state }))
    }

    /// Whom orders are for.
    pub fn set_agent(&self, agent: Agent) {
        self.0.state.borrow_mut().agent = Some(agent);
    }

    /// Takes whatever comes, from now on.
    pub fn attend(
        &self,
        mut news: UnboundedReceiver<News>,
        mut links: UnboundedReceiver<NetEvent>,
        mut words: Inbox,
        mut asked: Receiver<Asked>,
    ) {
        let post = self.clone();
        spawn_local(async move {
            loop {
                // News first: who is a member decides what of the rest counts.
                tokio::select! {
                    biased;
                    Some(news) = news.recv() => post.news(news),
                    Some(event) = links.recv() => post.net(event),
                    said = words.next() => post.word(said.message),
                }
            }
        });
        let post = self.clone();
        spawn_local(async move {
            while let Some(asked) = asked.recv().await {
                post.ask(asked).await;
            }
        });
        spawn_local(self.clone().mind_asks());
    }

    /// Waits until this node is president and has no chair yet, or is no member any more.
    pub async fn turn(&self) -> Result<u64, String> {
        loop {
            {
                let state = self.0.state.borrow();
                if let Some(why) = &state.over {
                    return Err(why.clone());
                }
                let mine = state.term.as_ref().filter(|term| self.is_mine(term));
                // Not again of an epoch that it has given up: a presidency is one core, counted once. And
                // not of one that another president has overtaken.
                let open =
                    mine.filter(|term| state.registered && state.chair.is_none() && state.is_later(term));
                if let Some(term) = open {
                    return Ok(term.epoch);
                }
            }
            self.0.turn.notified().await;
        }
    }

    /// Takes the president's chair, before the core is loaded.
    pub fn sit(&self, mut chair: Chair, names: &[NodeName]) {
        let mut state = self.0.state.borrow_mut();
        state.boss = Some((self.0.me.clone(), chair.epoch));
        for name in names.iter().filter(|name| **name != self.0.me) {
            let connected = state.connected.get(name).copied().unwrap_or(false);
            let line = Line::new(&self.0.hub, name, chair.epoch, connected);
            chair.lines.insert(name.clone(), line);
        }
        state.chair = Some(chair);
        for asked in state.asks.drain(&self.0.me) {
            let post = self.clone();
            spawn_local(async move { post.ask(asked).await });
        }
    }

    /// The core is loaded, and has asked for reports. Of a node that is no member nothing runs.
    pub fn call_the_roll(&self) {
        let state = self.0.state.borrow();
        let Some(chair) = &state.chair else { return };
        for name in chair.lines.keys().filter(|name| !state.members.contains_key(*name)) {
            chair.arrived(name, FromNode::Down);
        }
    }

    /// Gives the chair up. What waits is asked of the next president.
    pub fn rise(&self, waiting: Vec<Asked>) {
        let mut state = self.0.state.borrow_mut();
        state.chair = None;
        state.term = state.term.take().filter(|term| !self.is_mine(term));
        waiting.into_iter().for_each(|asked| state.asks.take(asked));
    }

    /// The line to a node, of the present chair.
    pub fn line(&self, node: &NodeName) -> Option<Line> {
        self.0.state.borrow().chair.as_ref()?.lines.get(node).cloned()
    }

    /// This node's agent, as long as it obeys the president of this epoch.
    pub fn own_line(&self, epoch: u64) -> OwnLine {
        OwnLine { post: self.clone(), epoch }
    }

    fn is_mine(&self, term: &Term) -> bool {
        term.node == self.0.me && term.incarnation == self.0.incarnation
    }

    // --- what arrives ---

    /// News of the cluster.
    fn news(&self, news: News) {
        match news {
            News::Registered => self.0.state.borrow_mut().registered = true,
            News::Members(members) => self.members(members),
            News::Gone(node) => {
                let mut state = self.0.state.borrow_mut();
                // Nothing it said before, and that is still on its way, counts any more.
                state.members.remove(&node);
                if let Some(chair) = &state.chair {
                    chair.arrived(&node, FromNode::Down);
                }
            }
            News::President(term) => self.president(term),
            News::Over(why) => {
                let mut state = self.0.state.borrow_mut();
                if let Some(chair) = &state.chair {
                    chair.deposed.notify_one();
                }
                state.over = Some(why);
            }
        }
        self.0.turn.notify_waiters();
    }

    fn members(&self, members: BTreeMap<NodeName, Registration>) {
        let others = members.iter().filter(|(name, _)| **name != self.0.me);
        let peers = others.map(|(name, registration)| Peer {
            node: name.clone(),
            address: registration.address.clone(),
            incarnation: registration.incarnation,
        });
        self.0.hub.set_peers(peers.collect());
        self.0.state.borrow_mut().members = members;
    }

    fn president(&self, term: Option<Term>) {
        let mut state = self.0.state.borrow_mut();
        if state.term == term {
            return;
        }
        match &term {
            Some(Term { node, epoch, .. }) => tracing::info!(epoch, "node {node} is president"),
            None => tracing::warn!("the cluster has no president"),
        }
        let kept = term.as_ref().is_some_and(|term| self.is_mine(term));
        if let Some(chair) = state
            .chair
            .as_ref()
            .filter(|chair| !kept || term.as_ref().is_none_or(|term| term.epoch != chair.epoch))
        {
            chair.deposed.notify_one();
        }
        state.term = term;
        state.asks.cut_off();
        drop(state);
        self.send_asks();
    }

    fn is_member(&self, node: &NodeName, incarnation: u64) -> bool {
        let state = self.0.state.borrow();
        state.members.get(node).is_some_and(|member| member.incarnation == incarnation)
    }

    /// What happened to a link.
    fn net(&self, event: NetEvent) {
        match event {
            NetEvent::Up { node, incarnation } | NetEvent::Message { node, incarnation, .. }
                if !self.is_member(&node, incarnation) => {}
            NetEvent::Up { node, .. } => {
                tracing::info!("node {node} is reached");
                self.0.state.borrow_mut().connected.insert(node.clone(), true);
                if let Some(line) = self.line(&node) {
                    line.up();
                }
                self.send_asks();
            }
            NetEvent::Down { node, why } => {
                tracing::warn!("node {node} is not reached: {why}");
                self.0.state.borrow_mut().connected.insert(node.clone(), false);
                if let Some(line) = self.line(&node) {
                    line.down();
                }
                let mut state = self.0.state.borrow_mut();
                if state.term.as_ref().is_some_and(|term| term.node == node) {
                    state.asks.cut_off();
                }
            }
            NetEvent::Message { node, bytes, .. } => match Wire::decode(&bytes) {
                Ok(wire) => self.wire(&node, wire),
                Err(error) => tracing::error!("node {node} sent what is not understood: {error}"),
            },
        }
    }

    fn wire(&self, node: &NodeName, wire: Wire) {
        match wire {
            Wire::Order { epoch, report, message } => self.order(node, epoch, report, message),
            Wire::Word { epoch, report, message } => {
                let state = self.0.state.borrow();
                let chair = state.chair.as_ref().filter(|chair| chair.epoch == epoch);
                let Some((chair, line)) = chair.and_then(|chair| Some((chair, chair.lines.get(node)?)))
                else {
                    return;
                };
                if !matches!(message, FromNode::Joined(_)) || line.report_came(report) {
                    chair.arrived(node, message);
                }
            }
            Wire::Ask { id, request, privileged, more } => {
                spawn_local(self.clone().asked_from(node.clone(), id, request, privileged, more));
            }
            Wire::Progress { id, progress } => self.0.state.borrow().asks.progress(id, progress),
            Wire::Answer { id, outcome } => self.0.state.borrow_mut().asks.answer(id, outcome),
        }
    }

    /// An order of a president to this node's agent.
    fn order(&self, from: &NodeName, epoch: u64, report: u64, message: ToNode) {
        let mut state = self.0.state.borrow_mut();
        if let Some((boss, highest)) = &state.boss
            && *highest > epoch
        {
            tracing::warn!(
                "an order of node {from}, president of epoch {epoch}, is too late: {boss} is, of {highest}"
            );
            return;
        }
        state.boss = Some((from.clone(), epoch));
        if message == ToNode::Report {
            state.reports.push_back((epoch, report));
        }
        if let Some(chair) = state.chair.as_ref().filter(|chair| chair.epoch < epoch) {
            chair.deposed.notify_one();
        }
        let agent = state.agent.clone();
        drop(state);
        if let Some(mut agent) = agent {
            agent.send(message);
        }
    }

    /// The agent of this node says something: to whoever it obeys.
    fn word(&self, message: FromNode) {
        let mut state = self.0.state.borrow_mut();
        let Some((boss, epoch)) = state.boss.clone() else { return };
        // The agent answers one after the other. What it reported to a former president says nothing of
        // what that one has ordered since.
        let joined = matches!(message, FromNode::Joined(_));
        let (asked_by, report) = joined.then(|| state.reports.pop_front()).flatten().unwrap_or((epoch, 0));
        if asked_by != epoch {
            return;
        }
        if boss != self.0.me {
            // Lost where the link is down: it is said again behind the next report.
            let _lost = self.0.hub.send(&boss, &Wire::Word { epoch, report, message }.encode());
        } else if let Some(chair) = state.chair.as_ref().filter(|chair| chair.epoch == epoch) {
            chair.arrived(&boss, message);
        }
    }

    // --- questions ---

    /// Something is asked on this node.
    async fn ask(&self, asked: Asked) {
        let chair = self.0.state.borrow().chair.as_ref().map(|chair| chair.asked.clone());
        match chair {
            // A chair given up meanwhile refuses what waits for it.
            Some(chair) => drop(chair.send(asked).await),
            None => {
                self.0.state.borrow_mut().asks.take(asked);
                self.send_asks();
            }
        }
    }

    /// Sends what waits for a president, if it is reached, and refuses what has waited too long.
    fn send_asks(&self) {
        let mut state = self.0.state.borrow_mut();
        let State { asks, term, .. } = &mut *state;
        asks.expire();
        let Some(term) = term.as_ref().filter(|term| !self.is_mine(term)) else { return };
        asks.send(|wire| self.0.hub.send(&term.node, &wire.encode()));
    }

    /// Sends what could not be sent, now and then.
    async fn mind_asks(self) {
        loop {
            tokio::time::sleep(MIND).await;
            if !self.0.state.borrow().asks.is_empty() {
                self.send_asks();
            }
        }
    }

    /// A question from another node, answered there.
    async fn asked_from(self, node: NodeName, id: u64, request: Request, privileged: bool, more: bool) {
        let chair = self.0.state.borrow().chair.as_ref().map(|chair| chair.asked.clone());
        let say = |wire: Wire| self.0.hub.send(&node, &wire.encode());
        let Some(chair) = chair else {
            say(Wire::Answer { id, outcome: None });
            return;
        };
        let (answers, mut back) = Answers::new(more);
        if chair.send(Asked { from: node.clone(), request, privileged, answers }).await.is_err() {
            say(Wire::Answer { id, outcome: None });
            return;
        }
        loop {
            let goes_on = match back.recv().await {
                Some(Answer::Progress(progress)) => say(Wire::Progress { id, progress }),
                Some(Answer::Last(outcome)) => {
                    say(Wire::Answer { id, outcome: Some(outcome) });
                    false
                }
                None => {
                    say(Wire::Answer { id, outcome: Some(Err(given_up())) });
                    false
                }
            };
            if !goes_on {
                return;
            }
        }
    }
}

/// The line of a president to the agent of its own node.
pub struct OwnLine {
    post: Post,
    epoch: u64,
}

impl Link for OwnLine {
    fn send(&mut self, message: ToNode) {
        let agent = {
            let mut state = self.post.0.state.borrow_mut();
            if state.boss.as_ref().is_none_or(|(_, highest)| *highest != self.epoch) {
                return;
            }
            if message == ToNode::Report {
                state.reports.push_back((self.epoch, 0));
            }
            state.agent.clone()
        };
        if let Some(mut agent) = agent {
            agent.send(message);
        }
    }
}

impl Chair {
    fn arrived(&self, node: &NodeName, message: FromNode) {
        (self.outlet)(node).send(message);
    }
}

/// To whoever waits for a president that is none any more.
pub fn given_up() -> Refusal {
    let message = "this node is not the president of the cluster any more";
    Refusal::new(
        SchaErr::Reconf,
        message,
        "see with status commands whether it was done; ask again if it was not",
    )
}
