//! Fail-safe mode: what all nodes agree on while etcd does not answer.
//!
//! A node lives by its lease, and its deadman ends it before the lease can expire. If etcd itself is
//! away, no lease is renewed, and everything would end everywhere although every machine is well. So
//! the nodes may agree to wait for etcd together:
//!
//! ```text
//!   president                                     every configured node, itself among them
//!   Ask r       ────────────────────────────────► for a time T from now I stand for no election,
//!               ◄──────────────────── Promise r   and take no node for dead
//!   Agreed r    ────────────────────────────────► everybody has promised r
//!   Ask r + 1 …
//! ```
//!
//! **How long that lets a node live.** Round *r* is asked for only once *r − 1* is agreed, or has another number. So every
//! promise of round *r* was made after this node sent its own of round *r − 1*, and none of them ends
//! before T has passed since then: until then, less the margin, it may live. No two clocks are
//! compared. One node that is silent, and there is no agreement: each ends at its deadline.
//!
//! **Who promises.** Whoever knows the asker as president and finds that etcd does not answer either,
//! or has promised already and still keeps it. A node that is elected while it keeps a promise declines.
//! A promise outlives the daemon that made it: see [`Pact::begun`].

use super::Term;
use rgm_types::{Millis, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What is said about it, between nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// By the president: do you wait with me?
    Ask,
    /// To the president: until T from now.
    Promise,
    /// By the president: everybody has promised.
    Agreed,
}

/// A word of the agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Of which presidency.
    pub epoch: u64,
    /// Which round of it.
    pub round: u64,
    /// What.
    pub said: Said,
}

/// A word to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// To whom.
    pub to: NodeName,
    /// What.
    pub word: Word,
}

/// This node's part in it. All times are those of its own `CLOCK_BOOTTIME`.
#[derive(Debug)]
pub struct Pact {
    /// Every configured node.
    nodes: BTreeSet<NodeName>,
    /// T.
    span: Millis,
    margin: Millis,
    /// No election is stood for before: a former life of this daemon may have promised that.
    quiet_until: Millis,
    promise: Option<Promise>,
    lead: Option<Lead>,
    /// Rounds are counted by this daemon, whatever presidency they are of.
    rounds: u64,
}

/// What this node has promised.
#[derive(Debug)]
struct Promise {
    to: Term,
    until: Millis,
    round: Round,
    /// The round before.
    former: Option<Round>,
    /// What everybody's promises allow this node.
    alive_until: Option<Millis>,
}

#[derive(Debug, Clone, Copy)]
struct Round {
    number: u64,
    /// When it was promised first.
    at: Millis,
}

/// As president.
#[derive(Debug)]
struct Lead {
    term: Term,
    round: u64,
    promised: BTreeSet<NodeName>,
    agreed_at: Option<Millis>,
}

impl Pact {
    /// Nothing is promised.
    pub fn new(nodes: BTreeSet<NodeName>, span: Millis, margin: Millis) -> Self {
        Self { nodes, span, margin, quiet_until: Millis(0), promise: None, lead: None, rounds: 0 }
    }

    /// This daemon begins, and a former life of it left word that it had promised something: whatever
    /// that was, it has been kept a time T from now.
    pub fn begun(&mut self, now: Millis) {
        self.quiet_until = now.after(self.span);
    }

    /// Every promise lasts that long: as a lease does.
    pub fn set_span(&mut self, span: Millis) {
        self.span = span;
    }

    /// This node may stand for election, and believe that whoever is registered no more is dead.
    pub fn is_free(&self, now: Millis) -> bool {
        now >= self.free_at()
    }

    /// When it is.
    pub fn free_at(&self) -> Millis {
        let until = self.promise.as_ref().map_or(Millis(0), |promise| promise.until);
        until.max(self.quiet_until)
    }

    /// It has a promise to keep, made in this life.
    pub fn is_bound(&self, now: Millis) -> bool {
        self.promise.as_ref().is_some_and(|promise| now < promise.until)
    }

    /// This presidency may be this node's, as far as promises go.
    pub fn allows(&self, term: &Term, now: Millis) -> bool {
        self.is_free(now) || self.promise.as_ref().is_some_and(|promise| promise.to == *term)
    }

    /// Until when the agreement lets this node live.
    pub fn alive_until(&self) -> Option<Millis> {
        self.promise.as_ref()?.alive_until
    }

    /// As president while etcd does not answer: what is to be asked of whom now.
    pub fn ask(&mut self, term: &Term, now: Millis) -> Vec<Letter> {
        let again = self.lead.as_ref().filter(|lead| lead.term == *term);
        let step = match again {
            // The last round may never have been agreed: this one follows none.
            None => 2,
            Some(lead) => {
                u64::from(lead.agreed_at.is_some_and(|at| now >= at.after(Millis(self.span.0 / 4))))
            }
        };
        if step > 0 {
            self.rounds += step;
            let (round, promised) = (self.rounds, BTreeSet::new());
            self.lead = Some(Lead { term: term.clone(), round, promised, agreed_at: None });
        }
        let Some(lead) = self.lead.as_ref().filter(|lead| lead.agreed_at.is_none()) else { return vec![] };
        let word = Word { epoch: lead.term.epoch, round: lead.round, said: Said::Ask };
        let silent = self.nodes.difference(&lead.promised);
        silent.map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }

    /// As president: no more of it.
    pub fn cease(&mut self) {
        self.lead = None;
    }

    /// Who has not promised the round that is asked for.
    pub fn silent(&self) -> Vec<NodeName> {
        let lead = self.lead.as_ref().filter(|lead| lead.agreed_at.is_none());
        lead.map_or_else(Vec::new, |lead| self.nodes.difference(&lead.promised).cloned().collect())
    }

    /// A word has come. `president` is who this node knows as president, `alone` that etcd does not
    /// answer it. What is to be said to whom because of it.
    pub fn hear(
        &mut self,
        from: &NodeName,
        word: &Word,
        president: Option<&Term>,
        alone: bool,
        now: Millis,
    ) -> Vec<Letter> {
        match word.said {
            Said::Ask => self.asked(from, word, president, alone, now).into_iter().collect(),
            Said::Promise => self.promised(from, word, now),
            Said::Agreed => {
                self.agreed(from, word, now);
                vec![]
            }
        }
    }

    fn asked(
        &mut self,
        from: &NodeName,
        word: &Word,
        president: Option<&Term>,
        alone: bool,
        now: Millis,
    ) -> Option<Letter> {
        let is_theirs = |term: &Term| term.node == *from && term.epoch == word.epoch;
        let until = now.after(self.span);
        match self.promise.take_if(|promise| now < promise.until) {
            Some(kept) if is_theirs(&kept.to) && word.round >= kept.round.number => {
                let newer = word.round > kept.round.number;
                let round = if newer { Round { number: word.round, at: now } } else { kept.round };
                let former = if newer { Some(kept.round) } else { kept.former };
                self.promise = Some(Promise { until, round, former, ..kept });
            }
            Some(kept) => {
                self.promise = Some(kept);
                return None;
            }
            None => {
                let to = president.filter(|term| alone && is_theirs(term))?.clone();
                let round = Round { number: word.round, at: now };
                self.promise = Some(Promise { to, until, round, former: None, alive_until: None });
            }
        }
        Some(Letter { to: from.clone(), word: Word { said: Said::Promise, ..word.clone() } })
    }

    fn promised(&mut self, from: &NodeName, word: &Word, now: Millis) -> Vec<Letter> {
        let of_this = |lead: &&mut Lead| lead.term.epoch == word.epoch && lead.round == word.round;
        let Some(lead) = self.lead.as_mut().filter(of_this) else { return vec![] };
        lead.promised.insert(from.clone());
        if lead.agreed_at.is_some() || !self.nodes.is_subset(&lead.promised) {
            return vec![];
        }
        lead.agreed_at = Some(now);
        let word = Word { said: Said::Agreed, ..word.clone() };
        self.nodes.iter().map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }

    fn agreed(&mut self, from: &NodeName, word: &Word, now: Millis) {
        let life = Millis(self.span.0.saturating_sub(self.margin.0));
        let Some(promise) = self.promise.as_mut().filter(|promise| now < promise.until) else { return };
        let theirs = promise.to.node == *from && promise.to.epoch == word.epoch;
        let this = theirs && promise.round.number == word.round;
        let former = promise.former.filter(|former| this && former.number + 1 == word.round);
        promise.alive_until = promise.alive_until.max(former.map(|former| former.at.after(life)));
    }
}

#[cfg(test)]
mod tests;
