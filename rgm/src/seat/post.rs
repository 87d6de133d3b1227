//! Where everything of a node in a cluster of many machines passes: news of the members, the links,
//! the words of the node's own agent, and what is asked on its sockets.
//!
//! ```text
//!   membership ─► members, president ─┐        ┌─► agent of this node     (orders of the president)
//!   links ──────► orders, words, asks ┼─ Post ─┼─► the core's inbox       (while president)
//!   agent ──────► words ──────────────┤        ├─► links                  (to the president, wherever)
//!   sockets ────► questions ──────────┘        └─► questions' answers
//! ```

mod warden;

pub use warden::Means;

use super::asks::Asks;
use super::line::{FarLine, OwnLine};
use crate::agent::Agent;
use crate::clock;
use crate::ipc::{Answer, Answers, Asked};
use crate::shell::Calm;
use rgm_api::rgm::Request;
use rgm_cluster::member::{News, Registration, Term};
use rgm_cluster::net::{Hub, NetEvent, Peer};
use rgm_cluster::rules::{Duty, Obeyed, Reply};
use rgm_cluster::wire::Wire;
use rgm_cluster::{FromNode, Inbox, Link as _, Outlet, ToNode};
use rgm_types::{NodeName, Refusal, SchaErr};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, UnboundedReceiver};
use tokio::task::spawn_local;
use warden::Cases;

/// How often questions that wait are looked at, and nodes that end themselves.
const MIND: Duration = Duration::from_millis(200);

/// A presidency of this node, and where questions to it go.
type Seated = (u64, Sender<Asked>);

/// See the module. All handles are the same post.
#[derive(Clone)]
pub struct Post(Rc<Inner>);

struct Inner {
    hub: Hub,
    means: Means,
    /// This node was elected, or is no member any more.
    turn: Notify,
    state: RefCell<State>,
}

struct State {
    agent: Option<Agent>,
    duty: Duty,
    chair: Option<Chair>,
    cases: Cases,
    /// How long to stand for no election behind this presidency.
    stand_back: Option<Duration>,
    asks: Asks,
}

/// This node is president.
pub struct Chair {
    /// For what nodes say.
    pub outlet: Box<dyn Fn(&NodeName) -> Outlet>,
    /// What is asked.
    pub asked: Sender<Asked>,
    /// Told when it is no longer.
    pub deposed: Rc<Notify>,
    /// Nothing is decided while it is kept.
    pub calm: Rc<Calm>,
}

impl Post {
    /// Of this life of a node.
    pub fn new(me: &NodeName, incarnation: u64, hub: Hub, means: Means) -> Self {
        let duty = Duty::new(me.clone(), incarnation);
        let (cases, asks) = (Cases::default(), Asks::new(incarnation));
        let state = State { agent: None, duty, chair: None, cases, stand_back: None, asks };
        Self(Rc::new(Inner { hub, means, turn: Notify::new(), state: RefCell::new(state) }))
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
                    Some(news) = news.recv() => {
                        if matches!(news, News::President(_)) {
                            // What a president said before it resigned is its answer, not its loss.
                            while let Ok(event) = links.try_recv() {
                                post.net(event);
                            }
                        }
                        post.news(news);
                    }
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
        spawn_local(self.clone().mind());
    }

    /// Waits until this node is president and has no chair yet, or is no member any more.
    pub async fn turn(&self) -> Result<u64, String> {
        loop {
            if let Some(turn) = self.0.state.borrow().duty.turn() {
                return turn;
            }
            self.0.turn.notified().await;
        }
    }

    /// Takes the president's chair, before the core is loaded.
    pub fn sit(&self, epoch: u64, chair: Chair, names: &[NodeName]) {
        let mut state = self.0.state.borrow_mut();
        let State { duty, asks, .. } = &mut *state;
        duty.sit(epoch, names);
        for asked in asks.drain(duty.me()) {
            let post = self.clone();
            spawn_local(async move { post.ask(asked).await });
        }
        state.chair = Some(chair);
    }

    /// The core is loaded, and has asked for reports. Of a node that is no member nothing runs.
    pub fn call_the_roll(&self) {
        let state = self.0.state.borrow();
        state.duty.absent().iter().for_each(|name| state.arrived(name, FromNode::Down));
    }

    /// Gives the chair up. What waits is asked of the next president. How long this node is to stand
    /// for no election, where that is better for all.
    pub fn rise(&self, waiting: Vec<Asked>) -> Option<Duration> {
        let mut state = self.0.state.borrow_mut();
        state.chair = None;
        state.duty.rise();
        waiting.into_iter().for_each(|asked| state.asks.take(asked));
        state.stand_back.take()
    }

    /// The line to another node, of a president of this epoch.
    pub fn line(&self, epoch: u64, node: &NodeName) -> FarLine {
        FarLine { post: self.clone(), epoch, node: node.clone() }
    }

    /// This node's agent, as long as it obeys the president of this epoch.
    pub fn own_line(&self, epoch: u64) -> OwnLine {
        OwnLine { post: self.clone(), epoch }
    }

    /// The president of that epoch says something to another node.
    pub(super) fn tell(&self, epoch: u64, node: &NodeName, message: ToNode) {
        let number = self.0.state.borrow_mut().duty.sends(epoch, node, message == ToNode::Report);
        if let Some(number) = number {
            self.send_order(epoch, node, number, message);
        }
    }

    fn send_order(&self, epoch: u64, node: &NodeName, report: u64, message: ToNode) {
        if !self.0.hub.send(node, &Wire::Order { epoch, report, message }.encode()) {
            // That is told of, too; nothing may follow what was lost.
            self.0.state.borrow_mut().duty.lost(node);
        }
    }

    /// The core has taken a report.
    pub(super) fn reported(&self, node: &NodeName) {
        self.0.state.borrow_mut().duty.taken(node);
    }

    /// The president of that epoch says something to its own node.
    pub(super) fn tell_own(&self, epoch: u64, message: ToNode) {
        let agent = {
            let mut state = self.0.state.borrow_mut();
            let obeys = state.duty.own_order(epoch, message == ToNode::Report);
            state.agent.clone().filter(|_| obeys)
        };
        if let Some(mut agent) = agent {
            agent.send(message);
        }
    }

    // --- what arrives ---

    /// News of the cluster.
    fn news(&self, news: News) {
        let told = {
            let mut state = self.0.state.borrow_mut();
            let told = state.duty.news(&news);
            if let Some(chair) = state.chair.as_ref().filter(|_| told.deposed) {
                chair.deposed.notify_one();
            }
            told.down.iter().for_each(|node| state.arrived(node, FromNode::Down));
            told
        };
        told.again.iter().for_each(|node| self.greet(node));
        match news {
            News::Members(_) => self.set_peers(),
            News::President(term) if told.changed => self.president(term.as_ref()),
            News::FailSafe(on) => {
                if let Some(chair) = &self.0.state.borrow().chair {
                    chair.calm.keep(on);
                }
            }
            News::Gone(node) => self.0.state.borrow_mut().asks.cut_off(&node),
            News::Registered | News::President(_) | News::Over(_) => {}
        }
        self.0.turn.notify_waiters();
    }

    fn set_peers(&self) {
        let state = self.0.state.borrow();
        let peers = state.duty.others().into_iter().map(|(node, registration)| {
            let Registration { address, incarnation, .. } = registration.clone();
            Peer { node: node.clone(), address, incarnation }
        });
        self.0.hub.set_peers(peers.collect());
    }

    fn president(&self, term: Option<&Term>) {
        match term {
            Some(Term { node, epoch, .. }) => tracing::info!(epoch, "node {node} is president"),
            None => tracing::warn!("the cluster has no president"),
        }
        self.0.state.borrow_mut().asks.ask_again();
        self.send_asks();
    }

    fn is_member(&self, node: &NodeName, incarnation: u64) -> bool {
        self.0.state.borrow().duty.is_member(node, incarnation)
    }

    /// What happened to a link.
    fn net(&self, event: NetEvent) {
        match event {
            NetEvent::Up { node, incarnation } | NetEvent::Message { node, incarnation, .. }
                if !self.is_member(&node, incarnation) => {}
            NetEvent::Up { node, .. } => {
                tracing::info!("node {node} is reached");
                self.greet(&node);
                self.send_asks();
            }
            NetEvent::Down { node, why } => {
                tracing::warn!("node {node} is not reached: {why}");
                let mut state = self.0.state.borrow_mut();
                let waited = state.duty.waits();
                if let Some(ended) = state.duty.down(&node) {
                    state.arrived(&ended, FromNode::Down);
                }
                state.asks.cut_off(&node);
                drop(state);
                if waited {
                    // To a life that has ended no other link is made.
                    self.set_peers();
                }
            }
            NetEvent::Message { node, bytes, .. } => match Wire::decode(&bytes) {
                Ok(wire) => self.wire(&node, wire),
                Err(error) => tracing::error!("node {node} sent what is not understood: {error}"),
            },
        }
    }

    /// A node is reached: the president, if this is it, asks for its report.
    fn greet(&self, node: &NodeName) {
        let (number, epoch) = {
            let duty = &mut self.0.state.borrow_mut().duty;
            (duty.up(node), duty.chair())
        };
        if let Some((number, epoch)) = number.zip(epoch) {
            self.send_order(epoch, node, number, ToNode::Report);
        }
    }

    fn wire(&self, node: &NodeName, wire: Wire) {
        match wire {
            Wire::Order { epoch, report, message } => self.order(node, epoch, report, message),
            Wire::Word { epoch, report, message } => {
                let mut state = self.0.state.borrow_mut();
                if state.duty.counts(node, epoch, report, matches!(message, FromNode::Joined(_))) {
                    state.arrived(node, message);
                }
            }
            Wire::Ask { id, epoch, request, privileged, more } => {
                let (answers, back) = Answers::new(more);
                let asked = Asked { from: node.clone(), request, privileged, answers };
                let chair = self.seated().filter(|(held, _)| epoch == 0 || epoch == *held);
                spawn_local(self.clone().asked_from(id, chair, asked, back));
            }
            Wire::Progress { id, progress } => self.0.state.borrow().asks.progress(id, progress),
            Wire::Answer { id, outcome } => self.0.state.borrow_mut().asks.answer(id, outcome),
        }
    }

    /// An order of a president to this node's agent.
    fn order(&self, from: &NodeName, epoch: u64, report: u64, message: ToNode) {
        let mut state = self.0.state.borrow_mut();
        match state.duty.order(from, epoch, report, message == ToNode::Report) {
            Obeyed::TooLate(boss, highest) => {
                tracing::warn!(
                    "an order of node {from}, president of epoch {epoch}, is too late: {boss} is, of {highest}"
                );
                return;
            }
            Obeyed::Yes { deposed } => {
                if let Some(chair) = state.chair.as_ref().filter(|_| deposed) {
                    chair.deposed.notify_one();
                }
            }
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
        let reply = state.duty.says(matches!(message, FromNode::Joined(_)));
        let Some(Reply { to, epoch, report }) = reply else { return };
        if to != *state.duty.me() {
            // Lost where the link is down: it is said again behind the next report.
            let _lost = self.0.hub.send(&to, &Wire::Word { epoch, report, message }.encode());
        } else if state.duty.chair() == Some(epoch) {
            state.arrived(&to, message);
        }
    }

    // --- questions ---

    /// Something is asked on this node.
    async fn ask(&self, asked: Asked) {
        match self.seated() {
            // A chair given up meanwhile refuses what waits for it.
            Some(chair) => drop(self.put(chair, asked).await),
            None => {
                self.0.state.borrow_mut().asks.take(asked);
                self.send_asks();
            }
        }
    }

    /// Epoch of the chair, and where questions go.
    fn seated(&self) -> Option<Seated> {
        let state = self.0.state.borrow();
        state.duty.chair().zip(state.chair.as_ref().map(|chair| chair.asked.clone()))
    }

    /// Puts a question to the president, this node. False: it is none any more.
    async fn put(&self, (epoch, chair): Seated, asked: Asked) -> bool {
        if matches!(asked.request, Request::Fence { .. } | Request::ConfirmDead { .. }) {
            spawn_local(self.clone().about_fencing(epoch, asked));
            return true;
        }
        chair.send(asked).await.is_ok()
    }

    /// Sends what waits for a president, if it is reached, and refuses what has waited too long.
    fn send_asks(&self) {
        let mut state = self.0.state.borrow_mut();
        let State { asks, duty, .. } = &mut *state;
        asks.expire();
        let Some(president) = duty.elsewhere() else { return };
        asks.send(president, |wire| self.0.hub.send(&president.node, &wire.encode()));
    }

    /// Sends what could not be sent, and believes in no life that must be over, now and then.
    async fn mind(self) {
        loop {
            tokio::time::sleep(MIND).await;
            if !self.0.state.borrow().asks.is_empty() {
                self.send_asks();
            }
            if self.0.state.borrow().duty.waits() {
                let mut state = self.0.state.borrow_mut();
                let over = state.duty.overdue(clock::since_boot());
                over.iter().for_each(|node| state.arrived(node, FromNode::Down));
                drop(state);
                self.set_peers();
            }
        }
    }

    /// A question from another node, answered there: by the presidency that it was put to.
    async fn asked_from(
        self,
        id: u64,
        chair: Option<Seated>,
        asked: Asked,
        mut back: UnboundedReceiver<Answer>,
    ) {
        let node = asked.from.clone();
        let say = |wire: Wire| self.0.hub.send(&node, &wire.encode());
        let taken = match chair {
            Some(chair) => self.put(chair, asked).await,
            None => false,
        };
        if !taken {
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

impl State {
    /// To the president, which this node is.
    fn arrived(&self, node: &NodeName, message: FromNode) {
        if let Some(chair) = &self.chair {
            (chair.outlet)(node).send(message);
        }
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
