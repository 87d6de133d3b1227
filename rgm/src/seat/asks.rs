//! What is asked on this node and answered by the president, wherever that is.
//!
//! A read that was cut off by the end of a president is asked again of the next one. A change is not:
//! it may have been made, so whoever asked is told to look. While there is no president everything
//! waits, and is refused when that takes too long.

use crate::ipc::{Answers, Asked};
use rgm_api::rgm::{Outcome, Request};
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
    /// The president has it.
    sent: bool,
}

impl Asks {
    /// Takes a question; it is sent by [`Asks::send`].
    pub fn take(&mut self, asked: Asked) {
        let Asked { request, privileged, answers, .. } = asked;
        self.last += 1;
        let open = Open { request, privileged, answers, since: Instant::now(), sent: false };
        self.open.insert(self.last, open);
    }

    /// Nothing is under way.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Sends what was not sent yet; `send` says whether that was possible.
    pub fn send(&mut self, mut send: impl FnMut(&Wire) -> bool) {
        for (id, open) in self.open.iter_mut().filter(|(_, open)| !open.sent) {
            let Open { request, privileged, answers, .. } = &*open;
            let (request, privileged, more) = (request.clone(), *privileged, answers.more());
            open.sent = send(&Wire::Ask { id: *id, request, privileged, more });
            if !open.sent {
                return;
            }
        }
    }

    /// Takes out those that nobody had yet: this node, itself, is to answer.
    pub fn drain(&mut self, me: &NodeName) -> Vec<Asked> {
        let (sent, unsent) = std::mem::take(&mut self.open).into_iter().partition(|(_, open)| open.sent);
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
                open.sent = false;
            }
            return;
        };
        if let Some(open) = self.open.remove(&id) {
            open.answers.last(outcome);
        }
    }

    /// The president that had them is gone, or is not reached.
    pub fn cut_off(&mut self) {
        let changes = |open: &Open| match &open.request {
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
        };
        for open in self.open.values_mut().filter(|open| !changes(open)) {
            open.sent = false;
        }
        self.refuse(
            |open| open.sent,
            || {
                let message = "the president of the cluster was lost while it worked on this";
                let hint = "see with status commands whether it was done; ask again if it was not";
                Refusal::new(SchaErr::Reconf, message, hint)
            },
        );
    }

    /// Refuses those that have waited for a president too long.
    pub fn expire(&mut self) {
        self.refuse(
            |open| !open.sent && open.since.elapsed() > WAIT,
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

    fn sent(asks: &mut Asks) -> Vec<u64> {
        let mut ids = Vec::new();
        asks.send(|wire| {
            let Wire::Ask { id, .. } = wire else { panic!("{wire:?}") };
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
        assert_eq!(sent(&mut asks), [1, 2]);
        assert_eq!(sent(&mut asks), [] as [u64; 0]);
        asks.cut_off();
        assert_eq!(changed().unwrap().unwrap_err().code, SchaErr::Reconf);
        assert!(read().is_none());
        assert_eq!(sent(&mut asks), [1]);
    }

    #[test]
    fn what_nobody_had_yet_waits_for_the_next_president() {
        let mut asks = Asks::default();
        let mut changed = take(&mut asks, change());
        asks.send(|_| false);
        asks.cut_off();
        asks.expire();
        assert!(changed().is_none());
        assert_eq!(sent(&mut asks), [1]);
        asks.answer(1, None);
        assert_eq!(sent(&mut asks), [1], "another one was asked");
    }
}
