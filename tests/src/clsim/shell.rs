//! The shell around the core of a president, as `rgm/src/shell` and `rgm/src/perform` are written: one
//! step after the other, each committed before anything of it is done.

use super::etcd::{Commit, Committed, Request};
use super::membership::TIMEOUT;
use super::mutants::Mutant;
use super::plan::Half;
use super::rgmd::{Asked, Main, Purpose, Step};
use super::world::{MS, What, World};
use rgm_cluster::{Arrived, FromNode, ToNode};
use rgm_core::{Action, Event, Out, RequestId};
use rgm_types::{Command, Done, Millis, NodeName, Refusal, Write};
use std::collections::BTreeMap;

impl World {
    pub(super) fn arrived(&mut self, node: usize, Arrived { node: from, message }: Arrived) {
        let joined = matches!(message, FromNode::Joined(_));
        let Some(rgmd) = self.rgmd(node) else { return };
        let Some(president) = rgmd.president.as_mut() else { return };
        if joined {
            rgmd.duty.taken(&from);
        }
        if let Some(gathering) = &mut president.gathering {
            gathering.absorb(from, message);
            if let Some(gathering) = president.gathering.take_if(|g| g.is_complete()) {
                let (nodes, stash) = gathering.into_parts();
                president.stash = stash;
                self.step(node, Event::Formed { nodes }, None);
            }
            return;
        }
        let (event, taken) = match message {
            FromNode::Joined(report) => (Event::NodeUp(report), None),
            FromNode::Ended { token, result } => (Event::MethodEnded { node: from, token, result }, None),
            FromNode::Exceeded { seq, resource, tag } => {
                let taken = Some((from.clone(), seq));
                (Event::PmfExceeded { node: from, resource, tag }, taken)
            }
            FromNode::Down => (Event::NodeDown { node: from }, None),
        };
        self.step(node, event, taken);
    }

    pub(super) fn tick(&mut self, node: usize) {
        let clock = self.president_clock(node);
        let Some(president) = self.president(node) else { return };
        if president.gathering.is_some() {
            return;
        }
        match president.core.next_deadline() {
            Some((when, _)) if when <= clock.boot => {
                president.ticked = clock.boot;
                self.step(node, Event::Tick, None);
            }
            Some(_) => self.tick_later(node),
            None => {}
        }
    }

    fn tick_later(&mut self, node: usize) {
        let Some(rgmd) = self.rgmd(node) else { return };
        let (ahead, life) = (rgmd.ahead, rgmd.life);
        let Some(president) = rgmd.president.as_ref() else { return };
        let epoch = president.epoch;
        let Some((when, _)) = president.core.next_deadline() else { return };
        let at = self.machines[node].when(when.since(Millis(ahead))).max(self.now + 10 * MS);
        self.at(at, What::Main { node, life, main: Main::Tick(epoch) });
    }

    pub(super) fn asked(&mut self, node: usize, command: Command, colour: Option<String>) {
        let opening = self.ledger.opening.front() == Some(&command);
        let from = self.names[node].clone();
        if !self.sits(node) || self.machines[node].rgmd.as_ref().is_some_and(|r| r.safe) {
            if opening {
                self.ledger.opening_under_way = false;
            }
            return;
        }
        if let Some(colour) = &colour {
            self.ledger.colour_asked(colour);
        }
        let Some(president) = self.president(node) else { return };
        president.next_request += 1;
        let id = RequestId(president.next_request);
        let other = colour.map_or(Asked::Other, Asked::Colour);
        president.open.insert(id, if opening { Asked::Opening(command.clone()) } else { other });
        self.step(node, Event::Request { id, from, command }, None);
    }

    fn step(&mut self, node: usize, event: Event, taken: Option<(NodeName, u64)>) {
        let clock = self.president_clock(node);
        self.stats.steps += 1;
        self.tell(|| format!("n{} steps: {}", node + 1, short(&event)));
        let Some(president) = self.president(node) else { return };
        let out = president.core.step(clock, &event);
        self.check_core(node, &out);
        let Some(president) = self.president(node) else { return };
        if out.writes.is_empty() {
            return self.perform(node, out, &event, taken);
        }
        let mut writes = president.pending.clone();
        writes.extend(out.writes.iter().cloned());
        president.step = Some(Step { out, event, taken, author: 0, writes, tries: 0 });
        self.try_commit(node);
    }

    fn try_commit(&mut self, node: usize) {
        let author = self.next();
        let unguarded = self.has(Mutant::CommitUnguarded);
        let Some(rgmd) = self.rgmd(node) else { return };
        rgmd.blocked = true;
        let Some(president) = rgmd.president.as_mut() else { return };
        let (epoch, expected) = (i64::try_from(president.epoch).unwrap_or(0), president.generation);
        let Some(step) = president.step.as_mut() else { return };
        (step.author, step.tries) = (author, step.tries + 1);
        let guard = (!unguarded).then_some(epoch);
        let commit = Commit { author, guard, epoch, expected, writes: step.writes.clone() };
        self.ask(node, Purpose::Commit, Request::Commit(commit), TIMEOUT);
        self.half(node, Half::Commit);
    }

    pub(super) fn settle(&mut self, node: usize, tries: u32) {
        let Some(president) = self.president(node) else { return };
        let (author, guard) =
            (president.step.as_ref().map_or(0, |s| s.author), i64::try_from(president.epoch).unwrap_or(0));
        self.ask(node, Purpose::Settle { tries }, Request::Settle(author, guard), TIMEOUT);
    }

    pub(super) fn committed(&mut self, node: usize, done: Committed) {
        match done {
            Committed::Yes(generation) => {
                let Some(president) = self.president(node) else { return };
                president.generation = generation;
                president.pending.clear();
                self.half(node, Half::Records);
                self.go_on(node);
            }
            Committed::No
                if self.president(node).and_then(|p| p.step.as_ref()).is_some_and(|s| s.tries < 2) =>
            {
                self.try_commit(node);
            }
            Committed::No | Committed::Full => self.not_committed(node, true, false),
            Committed::Deposed | Committed::Stale => self.not_committed(node, true, true),
        }
    }

    /// What was required did not come about, for certain perhaps; what was not is kept for the next one,
    /// unless somebody else may decide by now.
    pub(super) fn not_committed(&mut self, node: usize, certain: bool, outdated: bool) {
        let Some(president) = self.president(node) else { return };
        let Some(step) = president.step.as_mut() else { return };
        if step.out.required || outdated {
            let asked = if let Event::Request { id, .. } = &step.event { Some(*id) } else { None };
            let asked = asked.and_then(|id| president.open.get(&id).cloned());
            if let Some(Asked::Colour(colour)) = asked.filter(|_| certain) {
                self.ledger.colour_refused(&colour);
            }
            self.rise(node);
            return self.unblock(node);
        }
        president.pending = keep_last(std::mem::take(&mut step.writes));
        self.go_on(node);
    }

    fn go_on(&mut self, node: usize) {
        if let Some(Step { out, event, taken, .. }) = self.president(node).and_then(|p| p.step.take()) {
            self.perform(node, out, &event, taken);
        }
        self.unblock(node);
    }

    /// Everything behind the commit, in its order.
    fn perform(&mut self, node: usize, out: Out, event: &Event, taken: Option<(NodeName, u64)>) {
        let Some(epoch) = self.president(node).map(|p| p.epoch) else { return };
        let mut records: BTreeMap<NodeName, Vec<_>> = BTreeMap::new();
        for (to, resource, cell) in out.records {
            records.entry(to).or_default().push((resource, cell));
        }
        let late = self.has(Mutant::RunUnrecorded);
        let mut early = Vec::new();
        for (to, records) in records {
            if late {
                early.push((to, records))
            } else {
                self.order(node, epoch, &to, ToNode::Records(records))
            }
        }
        if !late {
            self.half(node, Half::Actions);
        }
        for action in out.actions {
            if let Action::Run(order) = &action {
                self.check_order(node, epoch, order);
            }
            let (to, message) = match action {
                Action::Run(order) => (order.node.clone(), ToNode::Run(order)),
                Action::Kill { node: to, token } => (to, ToNode::Kill(token)),
                Action::AbortNode { node: to, cause } => (to, ToNode::Abort(cause)),
            };
            self.order(node, epoch, &to, message);
        }
        if late {
            self.half(node, Half::Actions);
        }
        early.into_iter().for_each(|(to, records)| self.order(node, epoch, &to, ToNode::Records(records)));
        for (id, answer) in out.replies {
            self.reply(node, id, &answer);
        }
        if let Some((to, seq)) = taken {
            self.order(node, epoch, &to, ToNode::Taken(seq));
        }
        let joined: Vec<NodeName> = match event {
            Event::Formed { nodes } => nodes.iter().map(|report| report.node.clone()).collect(),
            Event::NodeUp(report) => vec![report.node.clone()],
            _ => Vec::new(),
        };
        joined.iter().for_each(|to| self.order(node, epoch, to, ToNode::Welcome));
        self.tick_later(node);
        self.after(node);
    }

    /// What was kept while nodes reported comes next; then the opening goes on.
    pub(super) fn after(&mut self, node: usize) {
        let Some(president) = self.president(node) else { return };
        let epoch = president.epoch;
        if president.step.is_none()
            && let Some(Arrived { node: from, message }) = president.stash.pop_front()
        {
            self.main(node, Main::Inbox(epoch, from, message));
        }
        self.go_on_opening(node);
    }

    fn reply(&mut self, node: usize, id: RequestId, answer: &Result<Done, Refusal>) {
        let ok = answer.is_ok();
        self.tell(|| {
            format!("n{} answers {id:?}: {:?}", node + 1, answer.as_ref().err().map(|r| &r.message))
        });
        let Some(president) = self.president(node) else { return };
        match president.open.remove(&id) {
            None => self.find("INV-08", format!("{id:?} was answered twice, or never asked")),
            Some(Asked::Opening(command)) => self.opening_answered(&command, ok),
            Some(Asked::Colour(colour)) => self.check_answer(&colour, ok),
            Some(Asked::Other) => {}
        }
    }

    /// Killed in the middle of a step, if that is due.
    fn half(&mut self, node: usize, here: Half) {
        if let Some((half, back)) = self.weather.half
            && half == here
        {
            self.weather.half = None;
            self.end_life(node, back);
        }
    }
}

/// Of several writes to one entry only the last counts.
fn keep_last(writes: Vec<Write>) -> Vec<Write> {
    let mut seen = std::collections::BTreeSet::new();
    let mut kept: Vec<Write> = writes.into_iter().rev().filter(|write| seen.insert(write.key())).collect();
    kept.reverse();
    kept
}

fn short(event: &Event) -> String {
    match event {
        Event::Formed { nodes } => {
            let nodes: Vec<String> = nodes
                .iter()
                .map(|r| format!("{}{}", r.node, if r.fresh { " (fresh)" } else { "" }))
                .collect();
            format!("formed of {}", nodes.join(", "))
        }
        Event::NodeUp(report) => format!("{} is up, fresh: {}", report.node, report.fresh),
        Event::NodeDown { node } => format!("{node} is down"),
        other => format!("{other:?}").chars().take(160).collect(),
    }
}
