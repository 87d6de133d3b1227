//! The agreement of all nodes while etcd does not answer, as `rgm_cluster::member::accord` is written
//! around the pact.

use super::machine::Armed;
use super::net::Letter;
use super::rgmd::{Main, Member, Timer};
use super::world::{MS, World};
use rgm_cluster::member::News;
use rgm_cluster::member::pact::{self, Bond, Pact, Said, Word};
use rgm_types::{Millis, NodeName};
use std::collections::{BTreeSet, VecDeque};

/// As in the product.
const LOOK: u64 = 100 * MS;
const LATE: Millis = Millis(300);
const RENEWALS: u64 = 4;

/// This node's part, beside the pact.
#[derive(Debug)]
pub struct Accord {
    pub pact: Pact,
    span: Millis,
    /// The deadline by the lease.
    by_lease: Millis,
    /// When the last renewal that succeeded was sent.
    renewed: Millis,
    led_at: Option<Millis>,
    bond: Bond,
    safe: bool,
}

impl Accord {
    /// Nothing is agreed; a former life may have promised something.
    pub fn new(span: Millis, margin: Millis, nodes: BTreeSet<NodeName>, begun: Option<Millis>) -> Self {
        let mut pact = Pact::new(span, margin);
        pact.set_nodes(nodes);
        begun.into_iter().for_each(|now| pact.begun(now));
        let [by_lease, renewed] = [Millis(0); 2];
        Self { pact, span, by_lease, renewed, led_at: None, bond: Bond::Free, safe: false }
    }

    pub fn renewed(&mut self, sent: Millis) {
        self.renewed = sent;
    }

    pub fn left(&self, now: Millis) -> Millis {
        self.pact.alive_until().unwrap_or_default().since(now)
    }

    pub fn is_over(&self, by_lease: Millis, now: Millis) -> bool {
        let had = self.pact.alive_until().is_some();
        had && self.left(now) == Millis(0) && by_lease.since(now) == Millis(0)
    }

    fn is_late(&self, now: Millis) -> bool {
        let due = self.renewed.after(Millis(self.span.0 / RENEWALS)).after(LATE);
        self.renewed > Millis(0) && now > due
    }
}

impl World {
    /// Arms the deadman for this deadline of the lease, or a later one that was agreed.
    pub(super) fn arm_lease(&mut self, node: usize, by_lease: Millis) -> Armed {
        let Some(member) = self.member(node) else { return Armed::NoAnswer };
        member.accord.by_lease = by_lease;
        let agreed = member.accord.pact.alive_until().unwrap_or_default();
        let machine = &mut self.machines[node];
        machine.agreed = machine.agreed.max(agreed);
        let armed = self.arm(node, by_lease.max(agreed));
        self.check_place(node);
        armed
    }

    /// The deadman may be armed for longer than a lease lasts: everybody waits with this node.
    pub(super) fn is_agreed(&self, node: usize) -> bool {
        let machine = &self.machines[node];
        machine.pmfd.deadline.is_some_and(|deadline| deadline <= machine.agreed)
    }

    /// It is looked whether there is something to say.
    pub(super) fn look_around(&mut self, node: usize) {
        self.timer(node, self.now + LOOK, Timer::Accord);
        let now = self.machines[node].boot_clock(self.now);
        let me = self.names[node].clone();
        let Some(letters) = self.member_with_incarnation(node, |member, incarnation| {
            let mine = member.roll.term().filter(|t| t.node == me && t.incarnation == incarnation).cloned();
            let accord = &mut member.accord;
            let late = accord.is_late(now);
            let waits = late || accord.led_at.is_some_and(|at| now < at.after(accord.span));
            match mine.filter(|_| waits) {
                None => {
                    accord.led_at = None;
                    accord.pact.cease();
                    Vec::new()
                }
                Some(term) if late => {
                    accord.led_at = Some(now);
                    accord.pact.ask(&term, now)
                }
                Some(_) => {
                    let letters = accord.pact.leave();
                    if letters.is_empty() {
                        accord.led_at = None;
                    }
                    letters
                }
            }
        }) else {
            return;
        };
        self.say_words(node, letters);
    }

    fn member_with_incarnation<T>(
        &mut self,
        node: usize,
        what: impl FnOnce(&mut Member, u64) -> T,
    ) -> Option<T> {
        let rgmd = self.machines[node].rgmd.as_mut()?;
        let incarnation = rgmd.incarnation;
        rgmd.member.as_mut().map(|member| what(member, incarnation))
    }

    /// A word of another node has come.
    pub(super) fn hear_word(&mut self, node: usize, from: &NodeName, word: &Word) {
        let letters = self.take_word(node, from, word);
        self.say_words(node, letters);
    }

    fn take_word(&mut self, node: usize, from: &NodeName, word: &Word) -> Vec<pact::Letter> {
        let now = self.machines[node].boot_clock(self.now);
        let noted = self.machines[node].noted;
        let Some(member) = self.member(node) else { return Vec::new() };
        let accord = &mut member.accord;
        let alone = match word.said {
            Said::Ask => accord.is_late(now) && noted,
            Said::Promise | Said::Agreed | Said::Leave | Said::Left | Said::Released => {
                accord.renewed == Millis(0) || accord.is_late(now)
            }
        };
        let before = accord.pact.alive_until();
        let letters = accord.pact.hear(from, word, member.roll.term(), alone, now);
        let (after, by_lease) = (accord.pact.alive_until(), accord.by_lease);
        if after != before {
            self.arm_lease(node, by_lease);
        }
        letters
    }

    fn say_words(&mut self, node: usize, letters: Vec<pact::Letter>) {
        let mut letters: VecDeque<pact::Letter> = letters.into();
        let me = self.names[node].clone();
        while let Some(pact::Letter { to, word }) = letters.pop_front() {
            if to == me {
                letters.extend(self.take_word(node, &me, &word));
            } else {
                let to = self.index(&to);
                self.post(node, to, Letter::Aside(word));
            }
        }
        self.minds(node);
    }

    /// What has changed is told, and what must outlive this daemon is noted.
    fn minds(&mut self, node: usize) {
        let now = self.machines[node].boot_clock(self.now);
        let Some(member) = self.member(node) else { return };
        let accord = &mut member.accord;
        let bond = accord.pact.bond(now);
        let stirs = std::mem::replace(&mut accord.bond, bond.clone()) != bond;
        let long = accord.renewed.after(Millis(accord.span.0 / 4 * 3));
        let late = accord.is_late(now);
        let safe = late && now > long && accord.left(now) > Millis(0);
        let changed = std::mem::replace(&mut accord.safe, safe) != safe;
        self.machines[node].noted = bond != Bond::Free || late;
        if changed {
            self.tell(|| format!("n{} waits for etcd with all others: {safe}", node + 1));
            self.stats.waits += u64::from(safe);
            self.main(node, Main::News(News::FailSafe(safe)));
        }
        if stirs {
            self.follow(node, true);
        }
    }
}
