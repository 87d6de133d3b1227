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
//! **The end.** Once etcd answers it again the president asks everybody to leave (*Leave r*). Whoever
//! lives by its lease again, or does not live by the agreement, does so and says it (*Left r*); when all
//! have, nobody is to be waited for any more, and promises are void (*Released r*). Where that does not
//! come about they end by themselves.
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
    /// By the president: do you live without it?
    Leave,
    /// To the president: yes.
    Left,
    /// By the president: everybody does, and no promise up to this round holds any more.
    Released,
}

/// A word of the agreement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    /// Of which presidency.
    pub epoch: u64,
    /// Which round of it.
    pub round: u64,
    /// T, in milliseconds.
    pub span: Millis,
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

/// What a node is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bond {
    /// Nothing.
    Free,
    /// To stand for no election and to take nobody for dead, who or whatever that was promised to.
    Quiet,
    /// The same; promised to this president.
    Promised(Term),
}

/// This node's part in it. All times are those of its own `CLOCK_BOOTTIME`.
#[derive(Debug)]
pub struct Pact {
    /// Every configured node.
    nodes: BTreeSet<NodeName>,
    /// T.
    span: Millis,
    margin: Millis,
    /// When this daemon began, whose former life may have promised something.
    begun_at: Option<Millis>,
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
    span: Millis,
    promised: BTreeSet<NodeName>,
    agreed_at: Option<Millis>,
    /// Who lives without it. A round that is left is never agreed.
    left: Option<BTreeSet<NodeName>>,
}

impl Pact {
    /// Nothing is promised.
    pub fn new(span: Millis, margin: Millis) -> Self {
        let nodes = BTreeSet::new();
        Self { nodes, span, margin, begun_at: None, promise: None, lead: None, rounds: 0 }
    }

    /// What T is: the time to live of a lease. A node promises nothing for longer.
    pub fn set_span(&mut self, span: Millis) {
        self.span = span;
    }

    /// All nodes that are configured, as a president has to know them.
    pub fn set_nodes(&mut self, nodes: BTreeSet<NodeName>) {
        self.nodes = nodes;
    }

    /// This daemon begins, and a former life of it left word that it had promised something: whatever
    /// that was, it has been kept a time T from now.
    pub fn begun(&mut self, now: Millis) {
        self.begun_at = Some(now);
    }

    /// What binds this node.
    pub fn bond(&self, now: Millis) -> Bond {
        match &self.promise {
            Some(promise) if now < promise.until => Bond::Promised(promise.to.clone()),
            Some(_) | None if self.begun_at.is_some_and(|at| now < at.after(self.span)) => Bond::Quiet,
            Some(_) | None => Bond::Free,
        }
    }

    /// Until when the agreement lets this node live.
    pub fn alive_until(&self) -> Option<Millis> {
        self.promise.as_ref()?.alive_until
    }

    /// As president while etcd does not answer: what is to be asked of whom now.
    pub fn ask(&mut self, term: &Term, now: Millis) -> Vec<Letter> {
        let again = self.lead.as_ref().filter(|lead| lead.term == *term && lead.left.is_none());
        let step = match again {
            // The last round may never have been agreed: this one follows none.
            None => 2,
            Some(lead) => {
                // Only the second round lets anybody live: it follows at once.
                let wait = if self.alive_until().is_some() { self.span.0 / 4 } else { 0 };
                u64::from(lead.agreed_at.is_some_and(|at| now >= at.after(Millis(wait))))
            }
        };
        if step > 0 {
            self.rounds += step;
            let (round, span, promised) = (self.rounds, self.span, BTreeSet::new());
            self.lead = Some(Lead { term: term.clone(), round, span, promised, agreed_at: None, left: None });
        }
        let Some(lead) = self.lead.as_ref().filter(|lead| lead.agreed_at.is_none()) else { return vec![] };
        let word = lead.word(Said::Ask);
        let silent = self.nodes.difference(&lead.promised);
        silent.map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }

    /// As president that etcd answers again: what is to be asked of whom now. Nothing: it is over.
    pub fn leave(&mut self) -> Vec<Letter> {
        let Some(lead) = &mut self.lead else { return vec![] };
        let word = lead.word(Said::Leave);
        let left = lead.left.get_or_insert_default();
        let others = self.nodes.difference(left);
        others.map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }

    /// As president: no more of it.
    pub fn cease(&mut self) {
        self.lead = None;
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
            Said::Leave => self.leaves(from, word, alone, now).into_iter().collect(),
            Said::Left => self.left(from, word),
            Said::Released => {
                self.promise
                    .take_if(|promise| promise.is_of(from, word) && promise.round.number <= word.round);
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
        if word.span > self.span {
            return None;
        }
        let until = now.after(word.span);
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
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.is_asked(word)) else { return vec![] };
        lead.promised.insert(from.clone());
        let silent = self.nodes.difference(&lead.promised).count();
        if lead.agreed_at.is_some()
            || lead.left.is_some()
            || silent > usize::from(mutant!(AgreeWithOneSilent))
        {
            return vec![];
        }
        lead.agreed_at = Some(now);
        let word = Word { said: Said::Agreed, ..word.clone() };
        self.nodes.iter().map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }

    fn agreed(&mut self, from: &NodeName, word: &Word, now: Millis) {
        let life = word.span.since(self.margin);
        let Some(promise) = self.promise.as_mut().filter(|promise| now < promise.until) else { return };
        let this = promise.is_of(from, word) && promise.round.number == word.round;
        let former = promise.former.filter(|former| this && former.number + 1 == word.round);
        let from = |former: Round| if mutant!(LiveFromAgreement) { now } else { former.at };
        promise.alive_until = promise.alive_until.max(former.map(|former| from(former).after(life)));
    }

    /// Whether it leaves: whoever lives by the agreement alone does not, nor does it before its deadman
    /// has certainly fired.
    fn leaves(&mut self, from: &NodeName, word: &Word, alone: bool, now: Millis) -> Option<Letter> {
        let dead = |until: Millis| until.after(self.margin);
        // What a former life of this daemon was allowed.
        let former = self.begun_at.map(|at| at.after(self.span));
        let alive = self.alive_until().max(former);
        if alone && alive.is_some_and(|until| now < dead(until)) {
            return None;
        }
        if let Some(promise) = &mut self.promise {
            // Nor does it by a round whose agreement is still on its way.
            (promise.alive_until, promise.former) = (None, None);
        }
        Some(Letter { to: from.clone(), word: Word { said: Said::Left, ..word.clone() } })
    }

    fn left(&mut self, from: &NodeName, word: &Word) -> Vec<Letter> {
        let Some(lead) = self.lead.as_mut().filter(|lead| lead.is_asked(word)) else { return vec![] };
        let Some(left) = &mut lead.left else { return vec![] };
        left.insert(from.clone());
        if !self.nodes.is_subset(left) {
            return vec![];
        }
        self.lead = None;
        let word = Word { said: Said::Released, ..word.clone() };
        self.nodes.iter().map(|node| Letter { to: node.clone(), word: word.clone() }).collect()
    }
}

impl Promise {
    fn is_of(&self, from: &NodeName, word: &Word) -> bool {
        self.to.node == *from && self.to.epoch == word.epoch
    }
}

impl Lead {
    fn word(&self, said: Said) -> Word {
        Word { epoch: self.term.epoch, round: self.round, span: self.span, said }
    }

    fn is_asked(&self, word: &Word) -> bool {
        self.term.epoch == word.epoch && self.round == word.round
    }
}

#[cfg(test)]
mod tests;
