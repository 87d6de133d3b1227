//! What the shell does to the world: the repository, the nodes, those who wait for an answer.

use super::End;
use crate::clock;
use crate::events::EventLog;
use crate::ipc::Answers;
use crate::log;
use crate::perform::{Effects, Records};
use rgm_api::rgm::Reply;
use rgm_ccr::{Repository, StoreError};
use rgm_cluster::{Arrived, Link, ToNode};
use rgm_core::event::{Action, Event, LogLine, RequestId};
use rgm_types::{Clock, Done, Entry, Generation, NodeName, Progress, Refusal, Write};
use std::collections::{BTreeMap, VecDeque};

/// See the module.
pub struct Hands {
    repository: Box<dyn Repository>,
    generation: Generation,
    links: BTreeMap<NodeName, Box<dyn Link>>,
    events: EventLog,
    stepped_at: Clock,
    waiting: BTreeMap<RequestId, Waiting>,
    /// The request that takes everything offline, and its answer.
    closing: Option<RequestId>,
    closed: Option<Result<Done, Refusal>>,
    /// What arrived while nodes were reporting.
    stash: VecDeque<Arrived>,
}

/// Somebody who waits for an answer.
pub(super) struct Waiting {
    pub(super) answers: Answers,
    /// Remarks made before the core was asked.
    pub(super) remarks: Vec<String>,
    /// What was asked, in words, where that is worth a line in the log.
    pub(super) asked: Option<String>,
}

impl Waiting {
    /// What came of it, to the log.
    fn log(&self, id: RequestId, answer: &Result<Done, Refusal>) {
        let (id, Some(asked)) = (id.0, &self.asked) else { return };
        match answer {
            Ok(_) => tracing::info!("request {id}, {asked}: done"),
            Err(refusal) => tracing::info!("request {id}, {asked}: refused: {}", refusal.message),
        }
    }
}

impl Hands {
    /// Hands that reach these nodes.
    pub fn new(
        repository: Box<dyn Repository>,
        links: BTreeMap<NodeName, Box<dyn Link>>,
        events: EventLog,
    ) -> Self {
        Self {
            repository,
            generation: Generation(0),
            links,
            events,
            stepped_at: Clock::default(),
            waiting: BTreeMap::new(),
            closing: None,
            closed: None,
            stash: VecDeque::new(),
        }
    }

    pub(super) fn load(&mut self) -> Result<(Generation, Vec<Entry>), StoreError> {
        let (generation, entries) = self.repository.load()?;
        self.generation = generation;
        Ok((generation, entries))
    }

    pub(super) fn commit_rest(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        if writes.is_empty() { Ok(()) } else { self.commit(writes) }
    }

    pub(super) fn nodes(&self) -> impl Iterator<Item = NodeName> {
        self.links.keys().cloned()
    }

    pub(super) fn tell_all(&mut self, message: &ToNode) {
        self.links.values_mut().for_each(|link| link.send(message.clone()));
    }

    /// A node has reported.
    pub(super) fn reported(&mut self, node: &NodeName) {
        if let Some(link) = self.links.get_mut(node) {
            link.reported();
        }
    }

    fn tell(&mut self, node: &NodeName, message: ToNode) {
        match self.links.get_mut(node) {
            Some(link) => link.send(message),
            None => tracing::error!("there is no link to node {node}"),
        }
    }

    /// A step was performed: those it came from may forget it.
    pub(super) fn performed(&mut self, event: &Event, taken: Option<(NodeName, u64)>) {
        if let Some((node, seq)) = taken {
            self.tell(&node, ToNode::Taken(seq));
        }
        let joined = match event {
            Event::Formed { nodes } => nodes.as_slice(),
            Event::NodeUp(report) => std::slice::from_ref(report),
            Event::NodeDown { .. }
            | Event::Request { .. }
            | Event::MethodEnded { .. }
            | Event::PmfExceeded { .. }
            | Event::Shutdown { .. }
            | Event::Tick => &[],
        };
        joined.iter().for_each(|report| self.tell(&report.node, ToNode::Welcome));
    }

    pub(super) fn stash(&mut self, stash: VecDeque<Arrived>) {
        self.stash = stash;
    }

    pub(super) fn unstash(&mut self) -> Option<Arrived> {
        self.stash.pop_front()
    }

    /// What was said so far was said before the step that is performed next, which was taken then.
    pub(super) fn mark(&mut self, clock: Clock) {
        self.events.mark();
        self.stepped_at = clock;
    }

    /// The daemon said something.
    pub(super) fn said(&mut self) {
        self.events.said(clock::now());
    }

    pub(super) fn wait(&mut self, id: RequestId, waiting: Waiting) {
        self.waiting.insert(id, waiting);
    }

    pub(super) fn refuse_all(&mut self, refusal: &Refusal) {
        for id in self.waiting.keys().copied().collect::<Vec<_>>() {
            self.reply(id, Err(refusal.clone()));
        }
        if self.closing.is_some() {
            self.closed = Some(Err(refusal.clone()));
        }
    }

    pub(super) fn close_with(&mut self, id: RequestId) {
        self.closing = Some(id);
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.is_some()
    }

    /// The end, once everything was taken offline, or could not be.
    pub(super) fn taken_offline(&mut self) -> Option<End> {
        Some(match self.closed.take()? {
            Ok(_) => End::Offline,
            Err(refusal) => End::NotOffline(refusal),
        })
    }
}

impl Effects for Hands {
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        self.generation = self.repository.commit(self.generation, writes)?;
        Ok(())
    }

    fn records(&mut self, node: NodeName, records: Records) {
        self.tell(&node, ToNode::Records(records));
    }

    fn act(&mut self, action: Action) {
        match action {
            Action::Run(order) => self.tell(&order.node.clone(), ToNode::Run(order)),
            Action::Kill { node, token } => self.tell(&node, ToNode::Kill(token)),
            Action::AbortNode { node, cause } => self.tell(&node, ToNode::Abort(cause)),
        }
    }

    fn log(&mut self, lines: &[LogLine]) {
        lines.iter().for_each(log::decision);
        self.events.decided(self.stepped_at, lines);
    }

    fn progress(&mut self, id: RequestId, progress: Progress) {
        if let Some(waiting) = self.waiting.get(&id) {
            waiting.answers.progress(progress);
        }
    }

    fn reply(&mut self, id: RequestId, answer: Result<Done, Refusal>) {
        if self.closing == Some(id) {
            self.closed = Some(answer);
            return;
        }
        let Some(waiting) = self.waiting.remove(&id) else { return };
        waiting.log(id, &answer);
        // Whoever has the answer finds it, and all that led to it, in the event log.
        self.said();
        let Waiting { answers, mut remarks, .. } = waiting;
        answers.last(answer.map(|mut done| {
            remarks.append(&mut done.messages);
            Reply::Done(Done { messages: remarks, ..done })
        }));
    }
}
