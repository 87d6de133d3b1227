//! Nodes that their president does not reach, as `rgm/src/seat/post/warden.rs` and
//! `rgm_cluster::member::evict` are written around the rules.

use super::etcd::{Answer, Request};
use super::membership::{RETRY, TIMEOUT};
use super::mutants::Mutant;
use super::rgmd::{Ending, Main, Phase, Purpose, Timer};
use super::world::{MS, What, World};
use rgm_cluster::member::Registration;
use rgm_cluster::rules::{Missing, Writ, patience, strike};
use rgm_etcd::{Range, Txn};
use rgm_types::{Millis, NodeName};
use std::time::Duration;

/// As in the product.
const LOOK: u64 = 200 * MS;
const STRIKES_MAX: u32 = 10;
const STRIKE_WAIT: u64 = 500 * MS;

/// A life of a node that is fenced, and by which presidency.
#[derive(Debug, Clone)]
pub struct Case {
    epoch: u64,
    node: NodeName,
    life: Registration,
}

impl World {
    // --- the president ---

    /// From now on it is looked whom that president does not reach.
    pub(super) fn mind_members_later(&mut self, node: usize, epoch: u64) {
        if self.plan.unreached > 0
            && let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life)
        {
            self.at(self.now + LOOK, What::Main { node, life, main: Main::Mind(epoch) });
        }
    }

    pub(super) fn mind_members(&mut self, node: usize, epoch: u64) {
        let now = self.machines[node].clock(self.now, 0).boot;
        let Some(seen) = self.rgmd(node).map(|rgmd| rgmd.duty.missing(epoch, now)) else { return };
        let Some((missing, wide)) = seen else { return };
        for (other, Missing { life, span }) in missing {
            if span.0 < self.plan.unreached {
                continue;
            }
            if !wide {
                return self.stand_back(node);
            }
            if self.plan.fence {
                self.fence(node, epoch, &other, &life);
            }
            self.evict(node, epoch, other, life);
        }
        self.mind_members_later(node, epoch);
    }

    /// Another one may reach more.
    fn stand_back(&mut self, node: usize) {
        self.tell(|| format!("n{} reaches too few to preside", node + 1));
        let span = Duration::from_millis(self.plan.unreached);
        if let Some(rgmd) = self.rgmd(node) {
            rgmd.stand_back = Some(span);
        }
        self.depose(node);
    }

    fn evict(&mut self, node: usize, epoch: u64, other: NodeName, life: Registration) {
        let (now, again) = (self.now, self.plan.unreached * MS);
        let Some(rgmd) = self.rgmd(node) else { return };
        let tried = rgmd.tried.entry((other.clone(), life.incarnation)).or_insert(0);
        if *tried > 0 && now - *tried < again {
            return;
        }
        *tried = now;
        let live = Request::Range(Range::prefix(self.keys.live()));
        self.ask(node, Purpose::Evict { epoch, node: other, life }, live, TIMEOUT);
    }

    /// All that lives was read, so that a node can be evicted.
    pub(super) fn evicts(
        &mut self,
        node: usize,
        epoch: u64,
        other: &NodeName,
        life: &Registration,
        answer: Option<Answer>,
    ) {
        let Some(Answer::Page(page)) = answer else { return };
        let writ = Writ { keys: self.keys.clone(), epoch };
        if let Ok(Some(mark)) = writ.evict(&page.kvs, other, life) {
            self.tell(|| format!("n{} evicts {other}", node + 1));
            self.stats.evictions += 1;
            self.ask(node, Purpose::Aside, Request::Txn(mark), TIMEOUT);
        }
    }

    // --- its fence devices ---

    /// Each life is fenced once: no plan lasts until a device is asked again.
    fn fence(&mut self, node: usize, epoch: u64, other: &NodeName, life: &Registration) {
        let Some(rgmd) = self.rgmd(node) else { return };
        if !rgmd.fenced.insert((other.clone(), life.incarnation)) {
            return;
        }
        let case = Case { epoch, node: other.clone(), life: life.clone() };
        let live = Request::Range(Range::prefix(self.keys.live()));
        self.ask(node, Purpose::Fence(case), live, TIMEOUT);
    }

    /// It was looked whether that is still to be done.
    pub(super) fn fences(&mut self, node: usize, case: Case, answer: Option<Answer>) {
        let Some(Answer::Page(page)) = answer else { return };
        let still = self.writ(&case).find(&page.kvs, &case.node, &case.life).is_ok();
        if let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life).filter(|_| still) {
            let at = self.now + self.soon(1_000);
            self.at(at, What::Fence { by: node, life, case });
        }
    }

    /// The device does it, whatever has become of who asked it, and confirms.
    pub(super) fn fenced(&mut self, by: usize, life: u64, case: Case) {
        self.tell(|| format!("{} is fenced", case.node));
        self.stats.fencings += 1;
        let target = self.index(&case.node);
        let off = 300 * MS + self.soon(3_000);
        self.power_off(target, off);
        let at = self.now + self.soon(3 * usize::try_from(self.plan.ttl_s).unwrap_or(1) * 1_000);
        self.at(at, What::Main { node: by, life, main: Main::Fenced(case, 1) });
    }

    /// That life is dead for certain.
    pub(super) fn strike_fenced(&mut self, node: usize, case: Case, tries: u32) {
        let live = Request::Range(Range::prefix(self.keys.live()));
        self.ask(node, Purpose::StrikeFenced(case, tries), live, TIMEOUT);
    }

    pub(super) fn strikes_fenced(&mut self, node: usize, case: Case, tries: u32, answer: Option<Answer>) {
        let Some(Answer::Page(page)) = answer else { return self.strike_again(node, case, tries) };
        if let Ok((remove, lease)) = self.writ(&case).remove(&page.kvs, &case.node, &case.life) {
            self.tell(|| format!("n{} strikes {} out", node + 1, case.node));
            self.ask(node, Purpose::Struck(case, tries, lease), Request::Txn(remove), TIMEOUT);
        }
    }

    pub(super) fn struck_fenced(
        &mut self,
        node: usize,
        case: Case,
        tries: u32,
        lease: i64,
        answer: Option<Answer>,
    ) {
        match answer {
            Some(Answer::Done(done)) if done.succeeded => {
                self.ask(node, Purpose::Aside, Request::Revoke(lease), TIMEOUT);
            }
            Some(_) => {}
            None => self.strike_again(node, case, tries),
        }
    }

    fn strike_again(&mut self, node: usize, case: Case, tries: u32) {
        if tries < STRIKES_MAX
            && let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life)
        {
            let main = Main::Fenced(case, tries + 1);
            self.at(self.now + STRIKE_WAIT, What::Main { node, life, main });
        }
    }

    fn writ(&self, case: &Case) -> Writ {
        Writ { keys: self.keys.clone(), epoch: case.epoch }
    }

    // --- any member ---

    /// Sees to every mark there is.
    pub(super) fn mind_marks(&mut self, node: usize) {
        let marked = self.member(node).map(|member| member.roll.marked()).unwrap_or_default();
        marked.into_iter().for_each(|(other, life)| self.mind_mark(node, other, life));
    }

    fn mind_mark(&mut self, node: usize, other: NodeName, life: Registration) {
        let Some(member) = self.member(node) else { return };
        if member.marked.iter().any(|(n, l)| *n == other && l.incarnation == life.incarnation) {
            return;
        }
        member.marked.push((other, life));
        let mark = member.marked.len() - 1;
        if self.has(Mutant::LeaveLease) {
            return self.lease_ended(node, mark, true);
        }
        self.end_marked(node, mark);
    }

    fn marked(&self, node: usize, mark: usize) -> Option<(NodeName, Registration)> {
        let member = self.machines[node].rgmd.as_ref()?.member.as_ref()?;
        member.marked.get(mark).filter(|_| member.phase != Phase::Ended).cloned()
    }

    /// The lease of a marked life is to end.
    pub(super) fn end_marked(&mut self, node: usize, mark: usize) {
        let Some((_, life)) = self.marked(node, mark) else { return };
        self.ask(node, Purpose::EndMarked(mark), Request::Revoke(life.lease), TIMEOUT);
    }

    pub(super) fn lease_ended(&mut self, node: usize, mark: usize, answered: bool) {
        let Some((_, life)) = self.marked(node, mark) else { return };
        if !answered {
            return self.timer(node, self.now + 5 * RETRY, Timer::EndMarked(mark));
        }
        let must_be_over = Millis(u64::try_from(patience(&life).as_millis()).unwrap_or(0));
        let now = self.machines[node].boot_clock(self.now);
        let at = self.machines[node].when(now.after(must_be_over));
        let at = if self.has(Mutant::StrikeAtOnce) { self.now } else { at };
        self.timer(node, at, Timer::StrikeMarked(mark));
    }

    pub(super) fn find_marked(&mut self, node: usize, mark: usize) {
        let Some((other, _)) = self.marked(node, mark) else { return };
        let place = self.keys.member(other.as_str());
        self.ask(node, Purpose::FindMarked(mark), Request::Range(Range::key(place)), TIMEOUT);
    }

    pub(super) fn found_marked(&mut self, node: usize, mark: usize, answer: Option<Answer>) {
        let Some((_, life)) = self.marked(node, mark) else { return };
        let Some(Answer::Page(page)) = answer else { return self.struck(node, mark, false) };
        if let Some(txn) = strike(&life, page.kvs.first()) {
            self.tell(|| format!("n{} strikes a mark", node + 1));
            self.ask(node, Purpose::StrikeMarked(mark), Request::Txn(txn), TIMEOUT);
        }
    }

    pub(super) fn struck(&mut self, node: usize, mark: usize, answered: bool) {
        if !answered {
            self.timer(node, self.now + 5 * RETRY, Timer::StrikeMarked(mark));
        }
    }

    /// A node finds a life of its own evicted where it is to register.
    pub(super) fn finds_mark(&mut self, node: usize, marked: Registration) {
        let name = self.names[node].clone();
        let Some(member) = self.member(node) else { return };
        if member.roll.is_mine_too(&marked) {
            return self.over(node, "it was evicted");
        }
        let strikes = member.alone && member.roll.is_same_boot(&marked);
        let place = Request::Range(Range::key(member.roll.place()));
        self.mind_mark(node, name, marked.clone());
        if strikes {
            self.ask(node, Purpose::FindOwnMark(marked), place, TIMEOUT);
        }
    }

    /// Nothing of the life that it was runs any more.
    pub(super) fn found_own_mark(&mut self, node: usize, marked: &Registration, answer: Option<Answer>) {
        let Some(Answer::Page(page)) = answer else { return };
        let txn: Option<Txn> = strike(marked, page.kvs.first());
        if let Some(txn) = txn {
            self.ask(node, Purpose::Aside, Request::Txn(txn), TIMEOUT);
        }
    }

    /// It has stood back long enough.
    pub(super) fn stands_again(&mut self, node: usize) {
        if let Some(member) = self.member(node) {
            member.roll.stand();
            self.follow(node, true);
        }
    }

    /// It gives the chair up: for how long it stands for no election, where that is better for all.
    pub(super) fn stood_back(&mut self, node: usize) -> Option<Duration> {
        self.rgmd(node).filter(|rgmd| rgmd.ending == Ending::No).and_then(|rgmd| rgmd.stand_back.take())
    }
}
