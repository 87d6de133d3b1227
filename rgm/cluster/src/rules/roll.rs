//! Who is there and who is president, as etcd tells it; and what this node writes there itself.

use crate::member::pact::Bond;
use crate::member::{Errand, News, Registration, Term};
use rgm_etcd::{Change, ChangeKind, Compare, Keys, Kv, Op, Page, Txn};
use rgm_types::{Millis, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// What lies under the president's key.
#[derive(Debug, Serialize, Deserialize)]
struct Chair {
    node: NodeName,
    incarnation: u64,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Roll {
    keys: Keys,
    node: NodeName,
    mine: Registration,
    members: BTreeMap<NodeName, Registration>,
    term: Option<Term>,
    /// A presidency of this epoch, or an older one, is not taken, and given up where it was.
    declined: u64,
    /// What it is bound to, with others, while etcd does not answer.
    bond: Bond,
    /// It was, and what it has seen may be older than that: another one that lived by it may have
    /// registered anew since.
    stale: bool,
    /// Registrations that went meanwhile: of their nodes something may run.
    missing: BTreeSet<NodeName>,
    /// It stands for no election for a while.
    back: bool,
}

/// What a node finds where it is to be registered.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// Nobody, or its own former life: it registers so. That life's lease ends then.
    Free {
        /// Done if nobody was faster.
        register: Txn,
        /// Of the former life.
        former: Option<i64>,
    },
    /// Another boot, another machine, or a life that was evicted and is not gone yet: it is waited for.
    Taken(Registration),
}

/// This node's part in what it sees.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// None any more, and why.
    Replaced(String),
    /// All there is is to be looked at anew.
    Look,
    /// This is to be done in etcd.
    Write(Txn),
    /// Nothing until something changes.
    Watch,
}

impl Roll {
    /// Nothing seen yet, nothing registered.
    pub fn new(keys: Keys, node: NodeName, mine: Registration) -> Self {
        let (members, missing, bond) = (BTreeMap::new(), BTreeSet::new(), Bond::Free);
        Self { keys, node, mine, members, term: None, declined: 0, bond, stale: false, missing, back: false }
    }

    /// The key of this node's place.
    pub fn place(&self) -> Vec<u8> {
        self.keys.member(self.node.as_str())
    }

    /// How long its lease lives.
    pub fn lasts(&mut self, ttl: Millis) {
        self.mine.ttl_ms = ttl.0;
    }

    /// It is of this very life.
    pub fn is_mine_too(&self, life: &Registration) -> bool {
        self.is_same_boot(life) && life.incarnation == self.mine.incarnation
    }

    /// It is of a life of this boot.
    pub fn is_same_boot(&self, life: &Registration) -> bool {
        life.boot == self.mine.boot
    }

    /// Lives that were evicted and are not gone yet.
    pub fn marked(&self) -> Vec<(NodeName, Registration)> {
        let marked = self.members.iter().filter(|(_, life)| life.evicted);
        marked.map(|(node, life)| (node.clone(), life.clone())).collect()
    }

    /// How this node registers under a lease, given what lies at its place.
    pub fn register(&mut self, lease: i64, found: Option<&Kv>) -> Place {
        self.mine.lease = lease;
        let former = found.and_then(|kv| serde_json::from_slice::<Registration>(&kv.value).ok());
        let other = former.clone().filter(|former| former.evicted || former.boot != self.mine.boot);
        if let Some(other) = other.filter(|_| !mutant!(TakePlaceOfTheLiving)) {
            return Place::Taken(other);
        }
        let revision = found.map_or(0, |kv| kv.mod_revision);
        let register = only_if(Compare::ModRevision(self.place(), revision), self.put_mine(lease));
        // A presidency of that life ends with its lease.
        let former = former.map(|former| former.lease).filter(|former| *former != lease);
        Place::Free { register, former }
    }

    /// Holds the place for the next daemon: puts the registration, if it is still this node's, under
    /// another lease, which lives so long.
    pub fn hold(&mut self, lease: i64, ttl: Millis) -> Txn {
        (self.mine.ttl_ms, self.mine.parked) = (ttl.0, true);
        let ours = Compare::Lease(self.place(), std::mem::replace(&mut self.mine.lease, lease));
        only_if(ours, self.put_mine(lease))
    }

    fn put_mine(&self, lease: i64) -> Op {
        let value = serde_json::to_vec(&self.mine).unwrap_or_default();
        Op::Put { key: self.place(), value, lease }
    }

    /// All there is now.
    pub fn look(&mut self, page: &Page) -> Vec<News> {
        let known = std::mem::take(&mut self.members);
        self.missing.clear();
        self.term = None;
        page.kvs.iter().for_each(|kv| self.put(&kv.key, &kv.value, kv.create_revision));
        let gone: Vec<_> = known.into_iter().filter(|(node, _)| !self.members.contains_key(node)).collect();
        let mut news: Vec<News> =
            gone.into_iter().filter_map(|(node, registration)| self.went(node, registration)).collect();
        // Whoever is deposed learns it before it is led to a life that knows of no other president.
        news.push(self.president());
        news.push(News::Members(self.members.clone()));
        news
    }

    /// One thing has changed.
    pub fn change(&mut self, change: &Change) -> Vec<News> {
        let mut news = Vec::new();
        if change.kind == ChangeKind::Put {
            self.put(&change.key, &change.value, change.create_revision);
        } else if self.keys.is_president(&change.key) {
            self.term = None;
        } else if let Some(node) = self.member(&change.key) {
            let registration = self.members.remove(&node);
            news.extend(registration.and_then(|registration| self.went(node, registration)));
        }
        news.push(if self.keys.is_president(&change.key) {
            self.president()
        } else {
            News::Members(self.members.clone())
        });
        news
    }

    /// A registration is gone. Whoever is bound believes no death: it is told of later.
    fn went(&mut self, node: NodeName, registration: Registration) -> Option<News> {
        let believes = self.bond == Bond::Free && (!self.stale || mutant!(BelieveWhatWasSeenBound));
        if believes || mutant!(BelieveDeathWhileBound) {
            return Some(News::Gone(node));
        }
        self.missing.insert(node.clone());
        self.members.insert(node, registration);
        None
    }

    /// Who is president. Whoever is bound does not become it, even if it stood for election before.
    fn president(&mut self) -> News {
        let mine = self.term.as_ref().filter(|term| self.is_mine(term));
        let bound = match &self.bond {
            Bond::Free => false,
            Bond::Quiet => true,
            Bond::Promised(to) => mine.is_some_and(|term| term != to),
        };
        let epoch = mine.map_or(0, |term| term.epoch);
        if bound && !mutant!(PresideWhileBound) {
            self.declined = self.declined.max(epoch);
        }
        let declined = epoch > 0 && epoch <= self.declined;
        News::President(self.term.clone().filter(|_| !declined))
    }

    /// What this node is bound to now.
    pub fn bind(&mut self, bond: Bond) {
        let was = std::mem::replace(&mut self.bond, bond);
        self.stale |= was != Bond::Free && self.bond == Bond::Free;
    }

    /// All there is is about to be read, with everything that happened until now.
    pub fn reads(&mut self) {
        self.stale &= self.bond != Bond::Free;
    }

    /// Who lies under the president's key, as far as it was seen.
    pub fn term(&self) -> Option<&Term> {
        self.term.as_ref()
    }

    fn put(&mut self, key: &[u8], value: &[u8], created: i64) {
        if self.keys.is_president(key) {
            let chair: Option<Chair> = serde_json::from_slice(value).ok();
            let epoch = u64::try_from(created).unwrap_or(0);
            self.term = chair.map(|Chair { node, incarnation }| Term { node, incarnation, epoch });
        } else if let Some(node) = self.member(key) {
            match serde_json::from_slice(value) {
                Ok(registration) => {
                    self.missing.remove(&node);
                    self.members.insert(node, registration);
                }
                Err(error) => tracing::error!("the registration of node {node} is not understood: {error}"),
            }
        }
    }

    fn member(&self, key: &[u8]) -> Option<NodeName> {
        let name = self.keys.member_of(key)?;
        NodeName::new(name).inspect_err(|error| tracing::error!("node {name} is registered: {error}")).ok()
    }

    /// Something is asked of this membership. For how long its place is to be held, if it ends then.
    pub fn asked(&mut self, errand: &Errand) -> Option<Duration> {
        match errand {
            Errand::Resign(epoch) => self.declined = self.declined.max(*epoch),
            Errand::StandBack(epoch, _) => {
                self.declined = self.declined.max(*epoch);
                self.back = true;
            }
            Errand::Withdraw => self.declined = u64::MAX,
            Errand::Park(span) => return Some(*span),
            Errand::Nodes(_) | Errand::Leave => {}
        }
        None
    }

    /// It has stood back long enough.
    pub fn stand(&mut self) {
        self.back = false;
    }

    /// What is to be done now. Who is first where several write their names is seen by the watch.
    pub fn part(&self) -> Part {
        if let Some(why) = self.replaced() {
            return Part::Replaced(why);
        }
        if self.stale && self.bond == Bond::Free {
            return Part::Look;
        }
        let willing = self.declined < u64::MAX || mutant!(CampaignWithdrawn);
        let free = self.bond == Bond::Free || mutant!(CampaignWhileBound);
        let stands = willing && free && !self.back;
        match &self.term {
            None if stands => Part::Write(self.campaign()),
            Some(term) if self.is_mine(term) && term.epoch <= self.declined => {
                Part::Write(self.resign(term.epoch))
            }
            None | Some(_) => Part::Watch,
        }
    }

    /// Whether this node's registration is not its own any more.
    fn replaced(&self) -> Option<String> {
        match self.members.get(&self.node) {
            None => Some("its registration is gone".to_owned()),
            Some(other) if other.incarnation != self.mine.incarnation => {
                Some(format!("another rgmd registered in its place, at {}", other.address))
            }
            Some(mark) if mark.evicted => {
                Some("its president did not reach it and has evicted it".to_owned())
            }
            Some(_) => None,
        }
    }

    fn is_mine(&self, term: &Term) -> bool {
        term.node == self.node && term.incarnation == self.mine.incarnation
    }

    /// Its name where no president's is.
    fn campaign(&self) -> Txn {
        let key = self.keys.president();
        let chair = Chair { node: self.node.clone(), incarnation: self.mine.incarnation };
        let value = serde_json::to_vec(&chair).unwrap_or_default();
        only_if(Compare::absent(key.clone()), Op::Put { key, value, lease: self.mine.lease })
    }

    fn resign(&self, epoch: u64) -> Txn {
        let key = self.keys.president();
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        only_if(Compare::CreateRevision(key.clone(), epoch), Op::delete(key))
    }
}

fn only_if(holds: Compare, op: Op) -> Txn {
    Txn { compare: vec![holds], success: vec![op], failure: vec![] }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(incarnation: u64, boot: &str, lease: i64) -> Registration {
        let (boot, address, version) = (boot.to_owned(), "a:1".to_owned(), "1".to_owned());
        Registration { incarnation, boot, address, lease, version, ..Registration::default() }
    }

    fn roll() -> Roll {
        Roll::new(Keys::new("/t"), NodeName::new("a").unwrap(), registration(5, "boot", 0))
    }

    fn kv(key: Vec<u8>, value: &impl Serialize, revision: i64) -> Kv {
        let value = serde_json::to_vec(value).unwrap();
        Kv { key, value, create_revision: revision, mod_revision: revision, version: 1, lease: 1 }
    }

    fn page(roll: &Roll, president: Option<u64>) -> Page {
        let mut kvs = vec![kv(roll.place(), &registration(5, "boot", 7), 3)];
        let chair = president.map(|incarnation| Chair { node: roll.node.clone(), incarnation });
        kvs.extend(chair.map(|chair| kv(roll.keys.president(), &chair, 9)));
        Page { kvs, revision: 9, more: false }
    }

    #[test]
    fn a_place_is_taken_over_from_a_former_life_and_from_no_other_boot() {
        let mut roll = roll();
        let mut found = kv(roll.place(), &registration(4, "boot", 3), 8);
        let Place::Free { register, former } = roll.register(7, Some(&found)) else { panic!("taken") };
        assert_eq!(register.compare, [Compare::ModRevision(roll.place(), 8)]);
        assert_eq!(former, Some(3));
        found = kv(roll.place(), &registration(4, "another", 3), 8);
        assert!(matches!(roll.register(7, Some(&found)), Place::Taken(_)));
        assert!(matches!(roll.register(7, None), Place::Free { former: None, .. }));
    }

    #[test]
    fn a_place_that_is_held_for_the_next_daemon_says_so_and_for_how_long() {
        let mut roll = roll();
        roll.register(7, None);
        let Some(Op::Put { value, lease, .. }) = roll.hold(8, Millis(20_000)).success.pop() else {
            panic!("nothing is put")
        };
        let held: Registration = serde_json::from_slice(&value).unwrap();
        assert_eq!((held.parked, held.ttl_ms, held.lease, lease), (true, 20_000, 8, 8));
    }

    #[test]
    fn the_place_of_an_evicted_life_is_nobodys_until_it_is_gone_and_that_life_has_no_part_any_more() {
        let mut roll = roll();
        let evicted = Registration { evicted: true, ..registration(5, "boot", 7) };
        let found = kv(roll.place(), &evicted, 8);
        assert_eq!(roll.register(8, Some(&found)), Place::Taken(evicted));
        assert_eq!(roll.marked(), []);
        roll.look(&Page { kvs: vec![found], revision: 9, more: false });
        assert_eq!(roll.marked().len(), 1);
        assert!(matches!(roll.part(), Part::Replaced(why) if why.contains("evicted")));
    }

    #[test]
    fn a_node_that_stands_back_gives_up_its_presidency_and_stands_again_later() {
        let mut roll = roll();
        roll.look(&page(&roll, Some(5)));
        assert_eq!(roll.asked(&Errand::StandBack(9, Duration::from_secs(1))), None);
        assert_eq!(roll.part(), Part::Write(roll.resign(9)));
        roll.look(&page(&roll, None));
        assert_eq!(roll.part(), Part::Watch);
        roll.stand();
        assert!(matches!(roll.part(), Part::Write(_)));
    }

    #[test]
    fn a_node_stands_where_nobody_presides_unless_it_has_withdrawn() {
        let mut roll = roll();
        roll.look(&page(&roll, None));
        assert!(matches!(roll.part(), Part::Write(_)));
        assert_eq!(roll.asked(&Errand::Withdraw), None);
        assert_eq!(roll.part(), Part::Watch);
    }

    #[test]
    fn a_presidency_that_is_declined_is_given_up_and_a_later_one_is_not() {
        let mut roll = roll();
        roll.look(&page(&roll, Some(5)));
        assert_eq!(roll.part(), Part::Watch);
        roll.asked(&Errand::Resign(8));
        assert_eq!(roll.part(), Part::Watch, "that was an earlier one");
        roll.asked(&Errand::Resign(9));
        assert_eq!(roll.part(), Part::Write(roll.resign(9)));
    }

    #[test]
    fn whoever_waits_with_others_believes_no_death_and_takes_no_presidency() {
        let mut roll = roll();
        let other = NodeName::new("b").unwrap();
        let president = Term { node: other, incarnation: 1, epoch: 4 };
        roll.look(&page(&roll, None));
        roll.bind(Bond::Promised(president));
        assert_eq!(roll.part(), Part::Watch, "it stands for no election");
        let mut news = roll.look(&Page { kvs: vec![], revision: 12, more: false });
        assert!(!news.iter().any(|news| matches!(news, News::Gone(_))), "{news:?}");
        // What it wrote before it promised may still come about.
        news = roll.look(&page(&roll, Some(5)));
        assert!(news.contains(&News::President(None)), "{news:?}");
        assert_eq!(roll.part(), Part::Write(roll.resign(9)));
        roll.look(&Page { kvs: vec![], revision: 13, more: false });
        roll.bind(Bond::Free);
        assert_eq!(roll.part(), Part::Look, "it may be back");
        roll.reads();
        news = roll.look(&Page { kvs: vec![], revision: 13, more: false });
        assert_eq!(news.first(), Some(&News::Gone(roll.node.clone())));
        assert!(matches!(roll.part(), Part::Replaced(_)));
    }

    #[test]
    fn a_death_that_is_heard_of_after_a_promise_and_may_be_of_before_is_looked_up_first() {
        let mut roll = roll();
        let other = roll.keys.member("b");
        let mut both = page(&roll, Some(5));
        both.kvs.push(kv(other.clone(), &registration(1, "other", 8), 4));
        roll.look(&both);
        roll.bind(Bond::Quiet);
        roll.bind(Bond::Free);
        let (kind, value) = (ChangeKind::Delete, vec![]);
        let gone = Change { kind, key: other, value, create_revision: 0, mod_revision: 12, lease: 0 };
        let mut news = roll.change(&gone);
        assert!(!news.iter().any(|news| matches!(news, News::Gone(_))), "{news:?}");
        assert_eq!(roll.part(), Part::Look);
        roll.reads();
        news = roll.look(&both);
        assert!(!news.iter().any(|news| matches!(news, News::Gone(_))), "{news:?}");
        news = roll.change(&gone);
        assert_eq!(news.first(), Some(&News::Gone(NodeName::new("b").unwrap())));
    }

    #[test]
    fn a_presidency_outlasts_the_promise_that_was_made_to_it() {
        let mut roll = roll();
        roll.look(&page(&roll, Some(5)));
        let mine = roll.term().unwrap().clone();
        roll.bind(Bond::Promised(mine.clone()));
        assert!(roll.look(&page(&roll, Some(5))).contains(&News::President(Some(mine))));
        assert_eq!(roll.part(), Part::Watch);
    }

    #[test]
    fn whose_registration_is_gone_is_told_and_this_node_has_no_part_then() {
        let mut roll = roll();
        let mut news = roll.look(&page(&roll, None));
        assert_eq!(news.len(), 2);
        assert!(roll.replaced().is_none());
        news = roll.look(&Page { kvs: vec![], revision: 12, more: false });
        assert_eq!(news.first(), Some(&News::Gone(roll.node.clone())));
        assert!(matches!(roll.part(), Part::Replaced(_)));
    }
}
