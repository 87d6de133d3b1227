//! What is asked on this node and answered by the president, wherever that is.
//!
//! A read is asked again when the president changes. A change is not, for it may have been made: whoever
//! has it still answers, though it is president no more. Only where that node is gone, or is not reached,
//! whoever asked is told to look. While there is no president everything waits, and is refused when that
//! takes too long.
//!
//! What this node hears of presidents, and what it hears of answers, comes by two ways. So a question is
//! put to one presidency, and no later one of the same node takes it before this node has heard of it.

use crate::ipc::{Answers, Asked};
use rgm_api::rgm::{Outcome, Request};
use rgm_cluster::member::Term;
use rgm_cluster::wire::Wire;
use rgm_types::{NodeName, Progress, Refusal, SchaErr};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a question waits for a president.
const WAIT: Duration = Duration::from_secs(30);

/// Questions under way.
#[derive(Debug, Default)]
pub struct Asks {
    last: u64,
    open: BTreeMap<u64, Open>,
}

#[derive(Debug)]
struct Open {
    request: Request,
    privileged: bool,
    answers: Answers,
    since: Instant,
    /// The node that has it.
    sent: Option<NodeName>,
}

/// More questions than a life asks in a millisecond.
const LIFE_BITS: u32 = 20;

impl Asks {
    /// Of this life of a node, which began at that time. No other one gives a question the same number,
    /// for a president may still work on what a former life has asked, and answers that.
    pub fn new(incarnation: u64) -> Self {
        Self { last: incarnation << LIFE_BITS, ..Self::default() }
    }

    /// Takes a question; it is sent by [`Asks::send`].
    pub fn take(&mut self, asked: Asked) {
        let Asked { request, privileged, answers, .. } = asked;
        self.last += 1;
        let open = Open { request, privileged, answers, since: Instant::now(), sent: None };
        self.open.insert(self.last, open);
    }

    /// Nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sends what was not sent yet, to that president; `send` says whether that was possible.
    pub fn send(&mut self, president: &Term, mut send: impl FnMut(&Wire) -> bool) {
        let epoch = president.epoch;
        for (id, open) in self.open.iter_mut().filter(|(_, open)| open.sent.is_none()) {
            let Open { request, privileged, answers, .. } = &*open;
            let (request, privileged, more) = (request.clone(), *privileged, answers.more());
            if !send(&Wire::Ask { id: *id, epoch, request, privileged, more }) {
                return;
            }
            open.sent = Some(president.node.clone());
        }
    }

    /// Takes out those that nobody had yet: this node, itself, is to answer.
    pub fn drain(&mut self, me: &NodeName) -> Vec<Asked> {
        let (sent, unsent) =
            std::mem::take(&mut self.open).into_iter().partition(|(_, open)| open.sent.is_some());
        self.open = sent;
        let unsent: BTreeMap<u64, Open> = unsent;
        let asked = unsent.into_values().map(|open| {
            let Open { request, privileged, answers, .. } = open;
            Asked { from: me.clone(), request, privileged, answers }
        });
        asked.collect()
    }

    /// What goes on with one of them.
    pub fn progress(&self, id: u64, progress: Progress) {
        if let Some(open) = self.open.get(&id) {
            open.answers.progress(progress);
        }
    }

    /// The answer to one of them; `None`: the one that was asked is not the president.
    pub fn answer(&mut self, id: u64, outcome: Option<Outcome>) {
        let Some(outcome) = outcome else {
            if let Some(open) = self.open.get_mut(&id) {
                open.sent = None;
            }
            return;
        };
        if let Some(open) = self.open.remove(&id) {
            open.answers.last(outcome);
        }
    }

    /// Another one is president, or nobody.
    pub fn ask_again(&mut self) {
        for open in self.open.values_mut().filter(|open| !open.changes()) {
            open.sent = None;
        }
    }

    /// A node is gone, or is not reached: nothing it has is answered any more.
    pub fn cut_off(&mut self, node: &NodeName) {
        let has = |open: &Open| open.sent.as_ref() == Some(node);
        for open in self.open.values_mut().filter(|open| has(open) && !open.changes()) {
            open.sent = None;
        }
        self.refuse(has, || {
            let message = "the president of the cluster was lost while it worked on this";
            let hint = "see with status commands whether it was done; ask again if it was not";
            Refusal::new(SchaErr::Reconf, message, hint)
        });
    }

    /// Refuses those that have waited for a president too long.
    pub fn expire(&mut self) {
        self.refuse(
            |open| open.sent.is_none() && open.since.elapsed() > WAIT,
            || {
                let message = format!("the cluster has had no president for {} s", WAIT.as_secs());
                let hint = "see the log of rgmd on this node: does etcd answer, and are other nodes reached?";
                Refusal::new(SchaErr::Reconf, message, hint)
            },
        );
    }

    fn refuse(&mut self, which: impl Fn(&Open) -> bool, refusal: impl Fn() -> Refusal) {
        let ids: Vec<u64> = self.open.iter().filter(|(_, open)| which(open)).map(|(id, _)| *id).collect();
        for id in ids {
            self.answer(id, Some(Err(refusal())));
        }
    }
}

impl Open {
    /// To ask it again might do it twice.
    fn changes(&self) -> bool {
        match &self.request {
            Request::Change { dry_run, .. }
            | Request::RegisterType { dry_run, .. }
            | Request::Fence { dry_run, .. } => !dry_run,
            Request::ConfirmDead { .. } | Request::Leave {} | Request::Join {} => true,
            Request::Get(_)
            | Request::Snapshot {}
            | Request::Explain { .. }
            | Request::Events { .. }
            | Request::Quorum {}
            | Request::Info {} => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ipc::answers;
    use rgm_types::Command;

    fn take(asks: &mut Asks, request: Request) -> impl FnMut() -> Option<Outcome> + use<> {
        let (answers, last) = answers();
        let from = NodeName::new("a").unwrap();
        asks.take(Asked { from, request, privileged: true, answers });
        last
    }

    fn change() -> Request {
        let command = Command::GroupCreate { name: "g".into(), props: vec![] };
        Request::Change { command, dry_run: false }
    }

    fn president(node: &str) -> Term {
        Term { node: NodeName::new(node).unwrap(), incarnation: 1, epoch: 5 }
    }

    fn sent(asks: &mut Asks, to: &str) -> Vec<u64> {
        let mut ids = Vec::new();
        asks.send(&president(to), |wire| {
            let Wire::Ask { id, epoch: 5, .. } = wire else { panic!("{wire:?}") };
            ids.push(*id);
            true
        });
        ids
    }

    #[test]
    fn what_a_lost_president_had_is_asked_again_unless_it_changes_something() {
        let mut asks = Asks::default();
        let mut read = take(&mut asks, Request::Snapshot {});
        let mut changed = take(&mut asks, change());
        assert_eq!(sent(&mut asks, "b"), [1, 2]);
        assert_eq!(sent(&mut asks, "b"), [] as [u64; 0]);
        asks.cut_off(&president("b").node);
        assert_eq!(changed().unwrap().unwrap_err().code, SchaErr::Reconf);
        assert!(read().is_none());
        assert_eq!(sent(&mut asks, "c"), [1]);
    }

    #[test]
    fn who_is_president_no_more_still_answers_what_it_was_to_change() {
        let mut asks = Asks::default();
        let _read = take(&mut asks, Request::Snapshot {});
        let mut changed = take(&mut asks, change());
        sent(&mut asks, "b");
        asks.ask_again();
        assert_eq!(sent(&mut asks, "c"), [1]);
        asks.cut_off(&president("c").node);
        assert!(changed().is_none());
        asks.answer(2, Some(Err(Refusal::new(SchaErr::Busy, "no", ""))));
        assert_eq!(changed().unwrap().unwrap_err().code, SchaErr::Busy);
    }

    #[test]
    fn the_answer_to_a_former_life_is_none_to_this_one() {
        let [mut former, mut asks] = [1_795_412_463_807, 1_795_412_463_808].map(Asks::new);
        let _gone = take(&mut former, change());
        let mut changed = take(&mut asks, change());
        let (old, new) = (sent(&mut former, "b")[0], sent(&mut asks, "b")[0]);
        asks.answer(old, Some(Err(Refusal::new(SchaErr::Busy, "no", ""))));
        assert!(changed().is_none());
        asks.answer(new, Some(Err(Refusal::new(SchaErr::Busy, "no", ""))));
        assert!(changed().is_some());
    }

    #[test]
    fn what_nobody_had_yet_waits_for_the_next_president() {
        let mut asks = Asks::default();
        let mut changed = take(&mut asks, change());
        asks.send(&president("b"), |_| false);
        asks.cut_off(&president("b").node);
        asks.expire();
        assert!(changed().is_none());
        assert_eq!(sent(&mut asks, "b"), [1]);
        asks.answer(1, None);
        assert_eq!(sent(&mut asks, "b"), [1], "another one was asked");
    }
}
