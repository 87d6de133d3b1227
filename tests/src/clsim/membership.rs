//! The membership's thread of rgmd, as `rgm_cluster::member` is written around the rules: what it
//! asks etcd, in which order, and what it does with the answers.

use super::accord::Accord;
use super::etcd::{Answer, Request};
use super::machine::Armed;
use super::mutants::Mutant;
use super::rgmd::{Ending, Main, Member, Phase, Purpose, Task, Timer};
use super::world::{MS, SECOND, What, World};
use rgm_cluster::member::{Errand, News, Registration};
use rgm_cluster::rules::{Held, Part, Place, Roll, Tenure};
use rgm_etcd::{Range, Txn};
use rgm_types::Millis;
use std::collections::VecDeque;
use std::time::Duration;

/// As in `rgm_cluster::member`.
const RENEWALS: u32 = 4;
pub(super) const RETRY: u64 = 100 * MS;
/// As `rgm_etcd::Settings` has it.
pub(super) const TIMEOUT: u64 = 3 * SECOND;
/// How long a place is held whose rgmd was told to end.
pub(super) const UPGRADE_WAIT: Duration = Duration::from_secs(20);

impl World {
    pub(super) fn member(&mut self, node: usize) -> Option<&mut Member> {
        self.machines[node].rgmd.as_mut()?.member.as_mut()
    }

    fn phase(&self, node: usize) -> Phase {
        let member = self.machines[node].rgmd.as_ref().and_then(|r| r.member.as_ref());
        member.map_or(Phase::Ended, |m| m.phase)
    }

    fn lease_limit(&self) -> u64 {
        self.plan.ttl_s * SECOND / u64::from(RENEWALS)
    }

    // --- answers and timers ---

    pub(super) fn heard(&mut self, node: usize, id: u64, answer: Option<Answer>) {
        let Some(purpose) = self.machines[node].rgmd.as_mut().and_then(|r| r.asks.remove(&id)) else {
            return;
        };
        match purpose {
            Purpose::Configured => match answer {
                Some(_) => self.timer(node, self.now, Timer::Begin),
                None => self.configure(node),
            },
            Purpose::Grant => self.granted(node, answer),
            Purpose::KeepAlive => self.renewed(node, answer),
            Purpose::Place => self.place(node, answer),
            Purpose::Register { former } => self.registered(node, former, answer),
            Purpose::Look => self.looked(node, answer),
            Purpose::Watch(watch) => self.watch_opened(node, watch, answer.is_some()),
            Purpose::Progress(watch) => match answer {
                Some(_) => self.timer(node, self.now + SECOND, Timer::Quiet(watch)),
                None => self.watch_ends(node, watch),
            },
            Purpose::Part => self.part_done(node, answer.is_some()),
            Purpose::ParkGrant => self.park_granted(node, answer),
            Purpose::ParkHold { lease, ttl_s } => self.park_held(node, lease, ttl_s, answer),
            Purpose::ParkRevoke => self.exits(node),
            Purpose::Evict { epoch, node: other, life } => self.evicts(node, epoch, &other, &life, answer),
            Purpose::Fence(case) => self.fences(node, case, answer),
            Purpose::StrikeFenced(case, tries) => self.strikes_fenced(node, case, tries, answer),
            Purpose::Struck(case, tries, lease) => self.struck_fenced(node, case, tries, lease, answer),
            Purpose::EndMarked(mark) => self.lease_ended(node, mark, answer.is_some()),
            Purpose::FindMarked(mark) => self.found_marked(node, mark, answer),
            Purpose::StrikeMarked(mark) => self.struck(node, mark, answer.is_some()),
            Purpose::FindOwnMark(marked) => self.found_own_mark(node, &marked, answer),
            Purpose::Aside => {}
            Purpose::Load | Purpose::Commit | Purpose::Settle { .. } => self.stored(node, purpose, answer),
        }
    }

    pub(super) fn woken(&mut self, node: usize, timer: Timer) {
        match (timer, self.phase(node)) {
            (Timer::Accord, Phase::Obtaining | Phase::Registering | Phase::Following) => {
                self.look_around(node)
            }
            (Timer::EndMarked(mark), _) => self.end_marked(node, mark),
            (Timer::StrikeMarked(mark), _) => self.find_marked(node, mark),
            (Timer::StandsAgain, _) => self.stands_again(node),
            (Timer::Begin, Phase::Ended) => self.begin_life(node),
            (Timer::Obtain, Phase::Obtaining) => self.obtain(node),
            (Timer::Renew, Phase::Registering | Phase::Following) => self.renew(node),
            (Timer::Register, Phase::Registering) if !self.is_registering(node) => self.register(node),
            (Timer::Look, Phase::Following) if !self.is_looking(node) => self.look(node),
            (Timer::Park { deadline, revoke, until }, Phase::Parking) => {
                self.park_armed(node, deadline, revoke, until);
            }
            (Timer::Quiet(watch), Phase::Following)
                if self.member(node).is_some_and(|m| m.watch == Some(watch)) =>
            {
                self.ask(node, Purpose::Progress(watch), Request::Progress, TIMEOUT);
            }
            _ => {}
        }
    }

    // --- its beginning ---

    pub(super) fn configure(&mut self, node: usize) {
        self.ask(node, Purpose::Configured, Request::Load(None), TIMEOUT);
    }

    /// pmfd is there, and what it has killed is known.
    pub(super) fn begin_member(&mut self, node: usize, former: Option<Millis>) {
        let (ttl, margin) = (Millis(self.plan.ttl_s * 1_000), Millis(self.plan.margin));
        self.ledger.parked.remove(&node);
        let nodes = self.names.iter().cloned().collect();
        let machine = &mut self.machines[node];
        let boot = machine.boot;
        let begun = machine.noted.then(|| machine.boot_clock(self.now));
        let Some(rgmd) = &mut machine.rgmd else { return };
        let registration = Registration {
            incarnation: rgmd.incarnation,
            boot: format!("{boot}"),
            address: self.names[node].to_string(),
            version: "1".to_owned(),
            ttl_ms: ttl.0,
            ..Registration::default()
        };
        rgmd.member = Some(Member {
            phase: Phase::Obtaining,
            tenure: Tenure::new(ttl, margin, former),
            roll: Roll::new(self.keys.clone(), self.names[node].clone(), registration),
            watch: None,
            writing: false,
            withdrawn: false,
            changes: VecDeque::new(),
            errands: VecDeque::new(),
            marked: Vec::new(),
            alone: former.is_none(),
            park: None,
            accord: Accord::new(ttl, margin, nodes, begun),
        });
        self.timer(node, self.now, Timer::Accord);
        self.obtain(node);
    }

    fn obtain(&mut self, node: usize) {
        let now = self.machines[node].boot_clock(self.now);
        let ttl_s = i64::try_from(self.plan.ttl_s).unwrap_or(1);
        let limit = self.lease_limit();
        let Some(member) = self.member(node) else { return };
        if member.park.is_some() {
            return self.exits(node);
        }
        if member.accord.is_over(member.tenure.deadline(), now) {
            return self.over(node, "etcd gave no lease in time");
        }
        member.phase = Phase::Obtaining;
        member.tenure.ask(now);
        self.begins_anew(node);
        self.ask(node, Purpose::Grant, Request::Grant(ttl_s), limit);
    }

    fn is_registering(&self, node: usize) -> bool {
        let asks = self.machines[node].rgmd.as_ref().map(|rgmd| &rgmd.asks);
        let registers = |purpose: &Purpose| matches!(purpose, Purpose::Place | Purpose::Register { .. });
        asks.is_some_and(|asks| asks.values().any(registers))
    }

    fn is_looking(&self, node: usize) -> bool {
        let Some(rgmd) = &self.machines[node].rgmd else { return false };
        let looks = |purpose: &Purpose| matches!(purpose, Purpose::Look | Purpose::Watch(_));
        rgmd.member.as_ref().is_some_and(|member| member.watch.is_some()) || rgmd.asks.values().any(looks)
    }

    /// Whatever it was told, or was doing, under a lease that is over is dropped.
    fn begins_anew(&mut self, node: usize) {
        let Some(rgmd) = self.machines[node].rgmd.as_mut() else { return };
        rgmd.asks.retain(|_, purpose| {
            use Purpose::{Look, Part, Place, Progress, Register, Watch};
            !matches!(purpose, Place | Register { .. } | Look | Watch(_) | Progress(_) | Part)
        });
        let Some(member) = rgmd.member.as_mut() else { return };
        member.writing = false;
        member.changes.clear();
        let watch = member.watch.take();
        watch.into_iter().for_each(|watch| drop(self.watchers.remove(&watch)));
    }

    fn granted(&mut self, node: usize, answer: Option<Answer>) {
        if self.phase(node) != Phase::Obtaining {
            return;
        }
        let Some(Answer::Lease(id, ttl_s)) = answer else {
            return self.timer(node, self.now + 5 * RETRY, Timer::Obtain);
        };
        let now = self.machines[node].boot_clock(self.now);
        let ttl = Millis(u64::try_from(ttl_s).unwrap_or(1) * 1_000);
        let Some(member) = self.member(node) else { return };
        let deadline = member.tenure.granted(id, ttl, now);
        let armed = self.arm_lease(node, deadline);
        if armed == Armed::Fired {
            return self.over(node, "the deadman has fired");
        }
        let Some(member) = self.member(node) else { return };
        member.tenure.armed(armed == Armed::Yes);
        if member.tenure.registers().is_none() {
            self.ask(node, Purpose::Aside, Request::Revoke(id), TIMEOUT);
            return self.timer(node, self.now + 5 * RETRY, Timer::Obtain);
        }
        member.phase = Phase::Registering;
        self.renew_later(node);
        self.register(node);
    }

    fn renew_later(&mut self, node: usize) {
        let Some(at) = self.member(node).map(|m| m.tenure.renew_at(RENEWALS)) else { return };
        let at = self.machines[node].when(at).max(self.now);
        self.timer(node, at, Timer::Renew);
    }

    fn renew(&mut self, node: usize) {
        let now = self.machines[node].boot_clock(self.now);
        let limit = self.lease_limit();
        let Some(member) = self.member(node) else { return };
        let left = member.tenure.left(now).max(member.accord.left(now)).0 * MS;
        if left == 0 {
            return self.lease_over(node, "its lease could not be renewed in time");
        }
        member.tenure.ask(now);
        let lease = member.tenure.lease();
        self.ask(node, Purpose::KeepAlive, Request::KeepAlive(lease), left.min(limit));
    }

    fn renewed(&mut self, node: usize, answer: Option<Answer>) {
        let again = self.now + RETRY.min(self.plan.ttl_s * SECOND / 20);
        if !matches!(self.phase(node), Phase::Registering | Phase::Following) {
            return;
        }
        match answer {
            Some(Answer::Left(left)) if left > 0 => {
                let now = self.machines[node].boot_clock(self.now);
                let Some(deadline) = self.member(node).map(|m| m.tenure.renewed(now)) else { return };
                let armed = self.arm_lease(node, deadline);
                if armed == Armed::Fired {
                    return self.over(node, "the deadman has fired");
                }
                if let Some(member) = self.member(node) {
                    member.tenure.armed(armed == Armed::Yes);
                    if armed == Armed::Yes {
                        member.accord.renewed(member.tenure.sent());
                    }
                }
                if armed == Armed::Yes {
                    self.renew_later(node);
                } else {
                    self.timer(node, again, Timer::Renew);
                }
            }
            Some(_) => {
                let now = self.machines[node].boot_clock(self.now);
                let Some(member) = self.member(node) else { return };
                if member.accord.left(now) > Millis(0) {
                    member.tenure.lost();
                    member.accord.renewed(Millis(1));
                    return self.obtain(node);
                }
                self.lease_over(node, "its lease was gone when it was renewed");
            }
            None => self.timer(node, again, Timer::Renew),
        }
    }

    fn lease_over(&mut self, node: usize, why: &str) {
        match self.phase(node) {
            // Nothing was registered under it, so nothing runs that it vouched for.
            Phase::Registering => self.obtain(node),
            _ => self.over(node, why),
        }
    }

    /// It is no member any more.
    pub(super) fn over(&mut self, node: usize, why: &str) {
        let Some(member) = self.member(node) else { return };
        member.phase = Phase::Ended;
        self.main(node, Main::News(News::Over(why.to_owned())));
        // Whoever waits for the end of its thread waits no longer.
        self.exits(node);
    }

    fn register(&mut self, node: usize) {
        if self.member(node).is_some_and(|m| m.park.is_some()) {
            return self.exits(node);
        }
        let Some(place) = self.member(node).map(|m| m.roll.place()) else { return };
        self.ask(node, Purpose::Place, Request::Range(Range::key(place)), TIMEOUT);
    }

    fn place(&mut self, node: usize, answer: Option<Answer>) {
        if self.phase(node) != Phase::Registering {
            return;
        }
        let Some(Answer::Page(page)) = answer else {
            return self.timer(node, self.now + RETRY, Timer::Register);
        };
        let Some(member) = self.member(node) else { return };
        match member.roll.register(member.tenure.lease(), page.kvs.first()) {
            Place::Taken(other) => {
                self.timer(node, self.now + RETRY, Timer::Register);
                if other.evicted {
                    self.finds_mark(node, other);
                }
            }
            Place::Free { register, former } => {
                self.ask(node, Purpose::Register { former }, Request::Txn(register), TIMEOUT);
            }
        }
    }

    fn registered(&mut self, node: usize, former: Option<i64>, answer: Option<Answer>) {
        if self.phase(node) != Phase::Registering {
            return;
        }
        if !matches!(answer, Some(Answer::Done(ref done)) if done.succeeded) {
            return self.timer(node, self.now + RETRY, Timer::Register);
        }
        // Waited for, and whatever comes of it does not matter.
        if let Some(former) = former {
            self.ask(node, Purpose::Aside, Request::Revoke(former), TIMEOUT);
        }
        let Some(member) = self.member(node) else { return };
        let deadline = member.tenure.registered();
        member.accord.renewed(member.tenure.sent());
        if self.arm_lease(node, deadline) == Armed::Fired {
            return self.over(node, "the deadman has fired");
        }
        if let Some(member) = self.member(node) {
            (member.phase, member.alone) = (Phase::Following, false);
        }
        self.tell(|| format!("n{} is registered", node + 1));
        self.check_place(node);
        self.main(node, Main::News(News::Registered));
        self.look(node);
    }

    // --- following ---

    fn look(&mut self, node: usize) {
        let live = self.keys.live();
        let now = self.machines[node].boot_clock(self.now);
        if let Some(member) = self.member(node) {
            member.roll.bind(member.accord.pact.bond(now));
            member.roll.reads();
        }
        self.ask(node, Purpose::Look, Request::Range(Range::prefix(live)), TIMEOUT);
    }

    fn looked(&mut self, node: usize, answer: Option<Answer>) {
        if self.phase(node) != Phase::Following {
            return;
        }
        let Some(Answer::Page(page)) = answer else {
            return self.timer(node, self.now + RETRY, Timer::Look);
        };
        let now = self.machines[node].boot_clock(self.now);
        let Some(member) = self.member(node) else { return };
        member.roll.bind(member.accord.pact.bond(now));
        let news = member.roll.look(&page);
        self.say(node, news);
        let watch = self.next();
        let request = Request::Watch(watch, page.revision + 1);
        self.ask(node, Purpose::Watch(watch), request, TIMEOUT);
    }

    fn watch_opened(&mut self, node: usize, watch: u64, opened: bool) {
        if self.phase(node) != Phase::Following {
            return;
        }
        if !opened {
            self.watchers.remove(&watch);
            return self.timer(node, self.now + RETRY, Timer::Look);
        }
        let Some(member) = self.member(node) else { return };
        member.changes.clear();
        member.watch = Some(watch);
        self.timer(node, self.now + SECOND, Timer::Quiet(watch));
        // What was told before the answer came is there already.
        let queue = self.watchers.get(&watch).map(|w| w.queue.iter().map(|(ready, _)| *ready).collect());
        let ready: Vec<u64> = queue.unwrap_or_default();
        ready.into_iter().for_each(|at| self.at(at.max(self.now), What::Watched(watch)));
        self.follow(node, true);
    }

    /// What has changed is to be looked at anew.
    fn watch_ends(&mut self, node: usize, watch: u64) {
        if let Some(member) = self.member(node).filter(|m| m.watch == Some(watch)) {
            member.watch = None;
            if !member.writing {
                self.timer(node, self.now + RETRY, Timer::Look);
            }
            self.watchers.remove(&watch);
        }
    }

    fn part_done(&mut self, node: usize, answered: bool) {
        if self.phase(node) != Phase::Following {
            return;
        }
        let Some(member) = self.member(node) else { return };
        member.writing = false;
        if answered && member.watch.is_some() {
            return self.follow(node, false);
        }
        if let Some(watch) = member.watch.take() {
            self.watchers.remove(&watch);
        }
        self.timer(node, self.now + RETRY, Timer::Look);
    }

    /// The loop of `View::watch`: its part, then whatever comes next.
    pub(super) fn follow(&mut self, node: usize, mut part: bool) {
        let now = self.machines[node].boot_clock(self.now);
        while self.phase(node) == Phase::Following {
            let Some(member) = self.member(node) else { return };
            if member.writing || member.watch.is_none() {
                return;
            }
            if part {
                member.roll.bind(member.accord.pact.bond(now));
                self.mind_marks(node);
                let Some(member) = self.member(node) else { return };
                match member.roll.part() {
                    Part::Replaced(why) => return self.over(node, &why),
                    Part::Look => {
                        let watch = member.watch.take();
                        watch.into_iter().for_each(|watch| drop(self.watchers.remove(&watch)));
                        return self.look(node);
                    }
                    Part::Write(txn) => {
                        member.writing = true;
                        let withdrawn = member.withdrawn;
                        self.check_stands(node, withdrawn, &txn);
                        return self.ask(node, Purpose::Part, Request::Txn(txn), TIMEOUT);
                    }
                    Part::Watch => {}
                }
            }
            part = true;
            let Some(member) = self.member(node) else { return };
            if let Some(changes) = member.changes.pop_front() {
                member.roll.bind(member.accord.pact.bond(now));
                let news: Vec<News> = changes.iter().flat_map(|c| member.roll.change(c)).collect();
                self.say(node, news);
            } else if let Some(task) = member.errands.pop_front() {
                let errand = match task {
                    Task::Resign(epoch) => Errand::Resign(epoch),
                    Task::StandBack(epoch, span) => {
                        let again = self.now + u64::try_from(span.as_micros()).unwrap_or(0);
                        self.timer(node, again, Timer::StandsAgain);
                        Errand::StandBack(epoch, span)
                    }
                    Task::Withdraw => {
                        member.withdrawn = true;
                        Errand::Withdraw
                    }
                    Task::Park => Errand::Park(UPGRADE_WAIT),
                };
                let Some(member) = self.member(node) else { return };
                if let Some(span) = member.roll.asked(&errand) {
                    member.park = Some(span);
                    return self.park(node);
                }
            } else {
                return;
            }
        }
    }

    fn say(&mut self, node: usize, news: Vec<News>) {
        news.into_iter().for_each(|news| self.main(node, Main::News(news)));
    }

    // --- its end ---

    /// The main thread asks something of it.
    pub(super) fn errand(&mut self, node: usize, task: Task) {
        let Some(member) = self.member(node) else { return self.exits(node) };
        match (member.phase, &task) {
            (Phase::Ended, Task::Park) => return self.exits(node),
            (Phase::Obtaining | Phase::Registering, Task::Park) => {
                member.park = Some(UPGRADE_WAIT);
                return self.exits(node);
            }
            _ => {}
        }
        member.errands.push_back(task);
        self.follow(node, false);
    }

    fn park(&mut self, node: usize) {
        let now = self.machines[node].boot_clock(self.now);
        let limit = self.lease_limit();
        let Some(member) = self.member(node) else { return };
        member.phase = Phase::Parking;
        member.tenure.ask(now);
        let lease = member.tenure.lease();
        self.ledger.park_asked.insert(node, self.now);
        if self.has(Mutant::ReleaseBeforeStop) {
            return self.ask(node, Purpose::ParkRevoke, Request::Revoke(lease), limit);
        }
        let span = i64::try_from(UPGRADE_WAIT.as_secs()).unwrap_or(1);
        self.ask(node, Purpose::ParkGrant, Request::Grant(span), limit);
    }

    fn park_granted(&mut self, node: usize, answer: Option<Answer>) {
        let Some(Answer::Lease(lease, ttl_s)) = answer else { return self.exits(node) };
        let ttl = Millis(u64::try_from(ttl_s).unwrap_or(1) * 1_000);
        let Some(txn): Option<Txn> = self.member(node).map(|m| m.roll.hold(lease, ttl)) else { return };
        self.ask(node, Purpose::ParkHold { lease, ttl_s }, Request::Txn(txn), TIMEOUT);
    }

    fn park_held(&mut self, node: usize, lease: i64, ttl_s: i64, answer: Option<Answer>) {
        let Some(Answer::Done(done)) = answer else { return self.exits(node) };
        let ttl = Millis(u64::try_from(ttl_s).unwrap_or(1) * 1_000);
        let Some(member) = self.member(node) else { return };
        let until = member.tenure.deadline();
        let Held { deadline, revoke } = member.tenure.hold(done.succeeded, lease, ttl);
        match deadline {
            Some(deadline) => self.park_armed(node, deadline, revoke, until),
            None => self.parked(node, revoke, done.succeeded),
        }
    }

    fn park_armed(&mut self, node: usize, deadline: Millis, revoke: i64, until: Millis) {
        let armed = self.arm_lease(node, deadline);
        if armed == Armed::NoAnswer && self.machines[node].boot_clock(self.now) < until {
            let again = self.now + RETRY;
            return self.timer(node, again, Timer::Park { deadline, revoke, until });
        }
        self.parked(node, revoke, armed == Armed::Yes);
    }

    fn parked(&mut self, node: usize, revoke: i64, holds: bool) {
        if holds {
            self.note_parked(node);
        }
        let limit = self.lease_limit();
        self.ask(node, Purpose::ParkRevoke, Request::Revoke(revoke), limit);
    }

    /// The daemon is told to end, and its place is taken care of, or can't be.
    fn exits(&mut self, node: usize) {
        let parking = self.machines[node].rgmd.as_ref().is_some_and(|r| r.ending == Ending::Parking);
        if parking {
            let back = self.ledger.backs.get(&node).copied().unwrap_or(300 * MS);
            self.end_life(node, back);
        }
    }
}
