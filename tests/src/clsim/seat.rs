//! rgmd's main thread: the seat, as `rgm/src/seat` is written around the rules.

use super::etcd::{Answer, Request};
use super::membership::TIMEOUT;
use super::mutants::Mutant;
use super::net::Letter;
use super::rgmd::{Ending, Main, President, Purpose, Rgmd, Task};
use super::world::{MS, SECOND, What, World};
use rgm_cluster::member::News;
use rgm_cluster::rules::{Gathering, Obeyed, Reply};
use rgm_cluster::{Arrived, FromNode, ToNode};
use rgm_core::{Rgm, Token};
use rgm_types::{Clock, Generation, Millis, NodeName};
use std::collections::{BTreeMap, VecDeque};

/// Tokens of one presidency.
const EPOCH_BITS: u32 = 28;
/// How long methods may take to end when the daemon is told to.
const STOP_WAIT: u64 = 5 * SECOND;

impl World {
    pub(super) fn rgmd(&mut self, node: usize) -> Option<&mut Rgmd> {
        self.machines[node].rgmd.as_mut()
    }

    pub(super) fn president(&mut self, node: usize) -> Option<&mut President> {
        self.rgmd(node)?.president.as_mut()
    }

    /// A core is at work there.
    pub(super) fn sits(&self, node: usize) -> bool {
        let rgmd = self.machines[node].rgmd.as_ref();
        rgmd.and_then(|r| r.president.as_ref()).is_some_and(|p| p.loaded && p.gathering.is_none())
    }

    pub(super) fn president_clock(&self, node: usize) -> Clock {
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
            Main::Mind(epoch) => self.mind_members(node, epoch),
            Main::Fenced(case, tries) => self.strike_fenced(node, case, tries),
            Main::Deposed(epoch) => {
                if self.president(node).is_some_and(|p| p.epoch == epoch) {
                    self.rise(node);
                }
            }
            Main::Asked(command, colour) => self.asked(node, command, colour),
            Main::Terminate => self.terminate(node),
            Main::Idle => self.idle(node),
        }
    }

    /// The shell of that epoch does something, unless it has noticed that it is deposed.
    pub(super) fn in_shell(&mut self, node: usize, epoch: u64, what: impl FnOnce(&mut Self)) {
        let notices = self.chance.percent(50);
        let Some(president) = self.president(node).filter(|p| p.epoch == epoch && p.loaded) else { return };
        if president.deposed && notices {
            return self.rise(node);
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
    pub(super) fn depose(&mut self, node: usize) {
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

    pub(super) fn inbox(&mut self, node: usize, from: NodeName, message: FromNode) {
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
                self.rise(node);
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

    pub(super) fn unblock(&mut self, node: usize) {
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
        self.mind_members_later(node, epoch);
    }

    /// The president of that epoch says something to a node, its own perhaps.
    pub(super) fn order(&mut self, node: usize, epoch: u64, to: &NodeName, message: ToNode) {
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

    /// Gives the chair up, and the key with it, unless it is about to withdraw.
    pub(super) fn rise(&mut self, node: usize) {
        self.ledger.opening_under_way = false;
        let Some(rgmd) = self.rgmd(node) else { return };
        let Some(president) = rgmd.president.take() else { return };
        rgmd.duty.rise();
        let ends = rgmd.ending != Ending::No;
        let epoch = president.epoch;
        self.tell(|| format!("n{} presides no more, epoch {epoch}", node + 1));
        match self.stood_back(node) {
            Some(span) => self.errand(node, Task::StandBack(epoch, span)),
            None if ends => {}
            None => self.errand(node, Task::Resign(epoch)),
        }
        self.take_turn(node);
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
        self.rise(node);
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
    pub(super) fn perish(&mut self, node: usize, why: &str) {
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
