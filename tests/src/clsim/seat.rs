//! rgmd's main thread: the seat, and the shell around the core while it presides, as `rgm/src/seat` and
//! `rgm/src/shell` are written around the rules and the core.

use super::etcd::{Answer, Commit, Committed, Request};
use super::membership::TIMEOUT;
use super::mutants::Mutant;
use super::net::Letter;
use super::plan::Half;
use super::rgmd::{Asked, Ending, Main, President, Purpose, Rgmd, Step, Task};
use super::world::{MS, SECOND, What, World};
use rgm_cluster::member::News;
use rgm_cluster::rules::{Gathering, Obeyed, Reply};
use rgm_cluster::{Arrived, FromNode, ToNode};
use rgm_core::{Action, Event, Out, RequestId, Rgm, Token};
use rgm_types::{Clock, Command, Done, Generation, Millis, NodeName, Refusal, Write};
use std::collections::{BTreeMap, VecDeque};

/// Tokens of one presidency.
const EPOCH_BITS: u32 = 28;
/// How long methods may take to end when the daemon is told to.
const STOP_WAIT: u64 = 5 * SECOND;

impl World {
    pub(super) fn rgmd(&mut self, node: usize) -> Option<&mut Rgmd> {
        self.machines[node].rgmd.as_mut()
    }

    fn president(&mut self, node: usize) -> Option<&mut President> {
        self.rgmd(node)?.president.as_mut()
    }

    /// A core is at work there.
    pub(super) fn sits(&self, node: usize) -> bool {
        let rgmd = self.machines[node].rgmd.as_ref();
        rgmd.and_then(|r| r.president.as_ref()).is_some_and(|p| p.loaded && p.gathering.is_none())
    }

    fn president_clock(&self, node: usize) -> Clock {
        let ahead = self.machines[node].rgmd.as_ref().map_or(0, |r| r.ahead);
        self.machines[node].clock(self.now, ahead)
    }

    // --- what comes ---

    pub(super) fn take(&mut self, node: usize, main: Main) {
        let Some(rgmd) = self.rgmd(node) else { return };
        if rgmd.blocked {
            return rgmd.waiting.push_back(main);
        }
        let decides = matches!(main, Main::Inbox(..) | Main::Tick(_));
        if rgmd.safe && decides {
            return rgmd.kept.push_back(main);
        }
        match main {
            Main::News(News::FailSafe(safe)) => {
                rgmd.safe = safe;
                let kept = if safe { VecDeque::new() } else { std::mem::take(&mut rgmd.kept) };
                kept.into_iter().for_each(|main| self.main(node, main));
                if !safe && self.sits(node) {
                    // What was refused meanwhile is asked again.
                    self.go_on_opening(node);
                }
            }
            Main::News(news) => self.news(node, &news),
            Main::Up { node: peer, incarnation } => self.up(node, &peer, incarnation),
            Main::Down { node: peer } => {
                if let Some(ended) = self.rgmd(node).and_then(|rgmd| rgmd.duty.down(&peer)) {
                    self.inbox(node, ended, FromNode::Down);
                }
                if self.has(Mutant::DownWithoutLink) {
                    self.inbox(node, peer, FromNode::Down);
                }
            }
            Main::Letter { node: peer, incarnation, letter } => {
                if self.rgmd(node).is_some_and(|r| r.duty.is_member(&peer, incarnation)) {
                    self.letter(node, &peer, letter);
                }
            }
            Main::Word(message) => self.word(node, message),
            Main::Ended { token, result } => self.tell_end(node, token, result),
            Main::Inbox(epoch, from, message) => self.in_shell(node, epoch, |world| {
                world.arrived(node, Arrived { node: from, message });
            }),
            Main::Tick(epoch) => self.in_shell(node, epoch, |world| world.tick(node)),
            Main::Deposed(epoch) => {
                if self.president(node).is_some_and(|p| p.epoch == epoch) {
                    self.rise(node, false);
                }
            }
            Main::Asked(command, colour) => self.asked(node, command, colour),
            Main::Terminate => self.terminate(node),
            Main::Idle => self.idle(node),
        }
    }

    /// The shell of that epoch does something, unless it has noticed that it is deposed.
    fn in_shell(&mut self, node: usize, epoch: u64, what: impl FnOnce(&mut Self)) {
        let notices = self.chance.percent(50);
        let Some(president) = self.president(node).filter(|p| p.epoch == epoch && p.loaded) else { return };
        if president.deposed && notices {
            return self.rise(node, false);
        }
        what(self);
    }

    fn news(&mut self, node: usize, news: &News) {
        let Some(rgmd) = self.rgmd(node) else { return };
        let told = rgmd.duty.news(news);
        if told.deposed {
            self.depose(node);
        }
        for down in told.down {
            self.inbox(node, down, FromNode::Down);
        }
        told.again.iter().for_each(|again| self.greet(node, again));
        self.take_turn(node);
    }

    /// Lives that must be over are believed in no more.
    pub(super) fn mind_leaving(&mut self, node: usize) {
        let now = self.machines[node].clock(self.now, 0).boot;
        let over = self.rgmd(node).map(|rgmd| rgmd.duty.overdue(now)).unwrap_or_default();
        over.into_iter().for_each(|ended| self.inbox(node, ended, FromNode::Down));
    }

    /// The shell is told, and notices in a moment.
    fn depose(&mut self, node: usize) {
        if let Some(president) = self.president(node) {
            president.deposed = true;
            let epoch = president.epoch;
            let Some(life) = self.rgmd(node).map(|r| r.life) else { return };
            let at = self.now + self.soon(30);
            self.at(at, What::Main { node, life, main: Main::Deposed(epoch) });
        }
    }

    fn up(&mut self, node: usize, peer: &NodeName, incarnation: u64) {
        if self.rgmd(node).is_some_and(|r| r.duty.is_member(peer, incarnation)) {
            self.greet(node, peer);
        }
    }

    fn greet(&mut self, node: usize, peer: &NodeName) {
        let Some(rgmd) = self.rgmd(node) else { return };
        let (report, epoch) = (rgmd.duty.up(peer), rgmd.duty.chair());
        if let Some((report, epoch)) = report.zip(epoch) {
            let letter = Letter::Order { epoch, report, message: ToNode::Report };
            self.send(node, peer, letter);
        }
    }

    fn send(&mut self, node: usize, to: &NodeName, letter: Letter) {
        let index = self.index(to);
        if !self.post(node, index, letter)
            && let Some(rgmd) = self.rgmd(node)
        {
            rgmd.duty.lost(to);
        }
    }

    fn letter(&mut self, node: usize, from: &NodeName, letter: Letter) {
        match letter {
            Letter::Order { epoch, report, message } => {
                let Some(rgmd) = self.rgmd(node) else { return };
                match rgmd.duty.order(from, epoch, report, message == ToNode::Report) {
                    Obeyed::TooLate(..) => {}
                    Obeyed::Yes { deposed } => {
                        if deposed {
                            self.depose(node);
                        }
                        self.agent(node, epoch, message);
                    }
                }
            }
            Letter::Aside(_) => {}
            Letter::Word { epoch, report, message } => {
                let joined = matches!(message, FromNode::Joined(_));
                if self.rgmd(node).is_some_and(|r| r.duty.counts(from, epoch, report, joined)) {
                    self.inbox(node, from.clone(), message);
                }
            }
        }
    }

    /// The agent of a node says something.
    pub(super) fn word(&mut self, node: usize, message: FromNode) {
        let joined = matches!(message, FromNode::Joined(_));
        let Some(rgmd) = self.rgmd(node) else { return };
        let Some(Reply { to, epoch, report }) = rgmd.duty.says(joined) else { return };
        let chair = rgmd.duty.chair();
        if to != *rgmd.duty.me() {
            let index = self.index(&to);
            if joined {
                self.note_report(node, epoch);
            }
            self.post(node, index, Letter::Word { epoch, report, message });
        } else if chair == Some(epoch) {
            if joined {
                self.note_report(node, epoch);
            }
            self.inbox(node, to, message);
        }
    }

    fn inbox(&mut self, node: usize, from: NodeName, message: FromNode) {
        if let Some(epoch) = self.president(node).map(|p| p.epoch) {
            self.main(node, Main::Inbox(epoch, from, message));
        }
    }

    // --- presiding ---

    fn take_turn(&mut self, node: usize) {
        let Some(rgmd) = self.rgmd(node) else { return };
        if rgmd.president.is_some() || rgmd.ending != Ending::No {
            return;
        }
        match rgmd.duty.turn() {
            Some(Ok(epoch)) => self.preside(node, epoch),
            Some(Err(why)) => self.perish(node, &why),
            None => {}
        }
    }

    fn preside(&mut self, node: usize, epoch: u64) {
        self.tell(|| format!("n{} presides, epoch {epoch}", node + 1));
        self.stats.presidencies += 1;
        self.check_epoch(node, epoch);
        let plain = self.machines[node].clock(self.now, 0);
        let names = self.names.clone();
        let Some(rgmd) = self.rgmd(node) else { return };
        rgmd.ahead = plain.wall.since(plain.boot).0;
        rgmd.duty.sit(epoch, &names);
        rgmd.blocked = true;
        rgmd.president = Some(President {
            epoch,
            core: Rgm::default(),
            loaded: false,
            generation: Generation(0),
            gathering: None,
            stash: VecDeque::new(),
            pending: Vec::new(),
            deposed: false,
            next_request: 0,
            open: BTreeMap::new(),
            step: None,
            ticked: Millis(0),
        });
        let guard = i64::try_from(epoch).unwrap_or(0);
        self.ask(node, Purpose::Load, Request::Load(Some(guard)), TIMEOUT);
    }

    /// An answer of the store, for which the main thread has waited.
    pub(super) fn stored(&mut self, node: usize, purpose: Purpose, answer: Option<Answer>) {
        match (purpose, answer) {
            (Purpose::Load, Some(Answer::Loaded { generation, entries, deposed: false })) => {
                let Some(president) = self.president(node) else { return };
                match Rgm::load(entries, generation, Token(president.epoch << EPOCH_BITS)) {
                    Ok(core) => (president.core, president.generation) = (core, generation),
                    Err(error) => return self.find("INV-05", error.to_string()),
                }
                self.call_the_roll(node);
                self.unblock(node);
            }
            (Purpose::Load, _) => {
                self.rise(node, true);
                self.unblock(node);
            }
            (Purpose::Commit, Some(Answer::Committed(done))) => self.committed(node, done),
            (Purpose::Commit, _) => self.settle(node, 0),
            (Purpose::Settle { .. }, Some(Answer::Committed(done))) => self.committed(node, done),
            (Purpose::Settle { tries: 0 }, _) => self.settle(node, 1),
            // Nobody knows.
            (Purpose::Settle { .. }, _) => self.not_committed(node, false, false),
            _ => {}
        }
    }

    fn unblock(&mut self, node: usize) {
        let Some(rgmd) = self.rgmd(node) else { return };
        rgmd.blocked = false;
        let waiting = std::mem::take(&mut rgmd.waiting);
        waiting.into_iter().for_each(|main| self.main(node, main));
        self.main(node, Main::Idle);
        self.take_turn(node);
    }

    fn call_the_roll(&mut self, node: usize) {
        let names = self.names.clone();
        let Some(president) = self.president(node) else { return };
        president.loaded = true;
        president.gathering = Some(Gathering::of(names.iter().cloned()));
        let epoch = president.epoch;
        for name in &names {
            self.order(node, epoch, name, ToNode::Report);
        }
        let absent = self.rgmd(node).map(|r| r.duty.absent()).unwrap_or_default();
        absent.into_iter().for_each(|name| self.inbox(node, name, FromNode::Down));
    }

    /// The president of that epoch says something to a node, its own perhaps.
    fn order(&mut self, node: usize, epoch: u64, to: &NodeName, message: ToNode) {
        let own = self.names[node] == *to;
        let report = message == ToNode::Report;
        let Some(rgmd) = self.rgmd(node) else { return };
        if own {
            if rgmd.duty.own_order(epoch, report) {
                self.agent(node, epoch, message);
            }
        } else if let Some(report) = rgmd.duty.sends(epoch, to, report) {
            self.send(node, to, Letter::Order { epoch, report, message });
        }
    }

    /// Gives the chair up, at its own wish perhaps.
    pub(super) fn rise(&mut self, node: usize, stepped_down: bool) {
        self.ledger.opening_under_way = false;
        let Some(rgmd) = self.rgmd(node) else { return };
        let Some(president) = rgmd.president.take() else { return };
        rgmd.duty.rise();
        let epoch = president.epoch;
        self.tell(|| format!("n{} presides no more, epoch {epoch}", node + 1));
        if stepped_down {
            self.errand(node, Task::Resign(epoch));
        }
        self.take_turn(node);
    }

    // --- the shell ---

    fn arrived(&mut self, node: usize, Arrived { node: from, message }: Arrived) {
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

    fn tick(&mut self, node: usize) {
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

    fn asked(&mut self, node: usize, command: Command, colour: Option<String>) {
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

    fn settle(&mut self, node: usize, tries: u32) {
        let Some(president) = self.president(node) else { return };
        let (author, guard) =
            (president.step.as_ref().map_or(0, |s| s.author), i64::try_from(president.epoch).unwrap_or(0));
        self.ask(node, Purpose::Settle { tries }, Request::Settle(author, guard), TIMEOUT);
    }

    fn committed(&mut self, node: usize, done: Committed) {
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
    fn not_committed(&mut self, node: usize, certain: bool, outdated: bool) {
        let Some(president) = self.president(node) else { return };
        let Some(step) = president.step.as_mut() else { return };
        if step.out.required || outdated {
            let asked = if let Event::Request { id, .. } = &step.event { Some(*id) } else { None };
            let asked = asked.and_then(|id| president.open.get(&id).cloned());
            if let Some(Asked::Colour(colour)) = asked.filter(|_| certain) {
                self.ledger.colour_refused(&colour);
            }
            self.rise(node, true);
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
    fn after(&mut self, node: usize) {
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

    // --- the end ---

    fn terminate(&mut self, node: usize) {
        let until = self.now + STOP_WAIT;
        let Some(rgmd) = self.rgmd(node) else { return };
        if rgmd.ending != Ending::No {
            return;
        }
        if rgmd.member.is_none() {
            let back = self.ledger.backs.get(&node).copied().unwrap_or(300 * MS);
            return self.end_life(node, back);
        }
        rgmd.ending = Ending::Idle { until };
        self.rise(node, false);
        self.errand(node, Task::Withdraw);
        self.main(node, Main::Idle);
    }

    /// Once no method runs here, or it takes too long, its place is parked.
    fn idle(&mut self, node: usize) {
        let now = self.now;
        let idle = self.machines[node].site.running.is_empty();
        let Some(rgmd) = self.rgmd(node) else { return };
        let Ending::Idle { until } = rgmd.ending else { return };
        if idle || now >= until {
            rgmd.ending = Ending::Parking;
            return self.errand(node, Task::Park);
        }
        let life = rgmd.life;
        self.at(now + 50 * MS, What::Main { node, life, main: Main::Idle });
    }

    /// It is no member: everything here ends, and the daemon with it.
    fn perish(&mut self, node: usize, why: &str) {
        self.tell(|| format!("n{} perishes: {why}", node + 1));
        let now = self.machines[node].boot_clock(self.now);
        let since = self.now;
        let Some(rgmd) = self.rgmd(node) else { return };
        rgmd.ending = Ending::Idle { until: u64::MAX };
        let life = rgmd.life;
        self.arm(node, now);
        self.at(self.now + 50 * MS, What::Dying { node, life, since });
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
