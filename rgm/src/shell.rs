//! The loop around the core: it selects, and hands on; it decides nothing.
//!
//! ```text
//!  nodes ──┐
//!  sockets ┼─► one event ─► core.step ─► record ─► perform ─► (the next one)
//!  signals ┤                                │
//!  time  ──┘                                └─ commit failed: refuse who waits, load anew, gather
//! ```
//!
//! A start and the repair after a failed commit are the same: the core is loaded from the repository,
//! the nodes are asked for their reports, and the first event is what they said ([`Gathering`]).

mod calm;
mod hands;
mod requests;
#[cfg(test)]
mod tests;

pub use calm::Calm;
pub use hands::Hands;

use crate::clock;
use crate::events::tap::Tap;
use crate::ipc::Asked;
use crate::log::together;
use crate::perform::perform;
use crate::recorder::Recorder;
use rgm_api::chain;
use rgm_api::rgm::Info;
use rgm_ccr::StoreError;
use rgm_cluster::rules::Gathering;
use rgm_cluster::{Arrived, FromNode, Inbox, ToNode};
use rgm_core::event::{Event, RequestId, Token};
use rgm_core::{LoadError, Rgm};
use rgm_types::{Millis, NodeName, Refusal, SchaErr, Write};
use std::rc::Rc;
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::sync::Notify;
use tokio::sync::mpsc::Receiver;

/// Facts whose commit failed twice within this are tried again only this much later: they come again by
/// themselves, and the disk may stay full.
const RELOAD_WAIT: Millis = Millis(1000);
/// Shortest time between two ticks, whatever the core says: a deadline it does not take care of must
/// not eat the processor.
const TICK_WAIT: Millis = Millis(10);
/// Tokens of one life of the core: far more than can be used until the clock gives the next range.
const TOKEN_BITS: u32 = 20;
/// Tokens of one presidency: they may have to last for years.
const EPOCH_BITS: u32 = 28;

/// Where events come from.
pub struct Sources {
    /// The nodes.
    pub inbox: Inbox,
    /// The sockets.
    pub asked: Receiver<Asked>,
    /// SIGINT.
    pub interrupt: Signal,
    /// SIGTERM.
    pub terminate: Signal,
    /// What the daemon says of itself, for the event log.
    pub tap: Tap,
    /// Another one is president now.
    pub deposed: Rc<Notify>,
    /// Nothing is decided meanwhile: what nodes say waits, and changes are refused.
    pub calm: Rc<Calm>,
}

/// Why the loop has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every group is offline, as asked by a signal.
    Offline,
    /// Some group could not be taken offline.
    NotOffline(Refusal),
    /// A signal asked this daemon to end, and nothing else.
    Told,
    /// A second signal: at once.
    Abandoned,
    /// Another one is president.
    Deposed,
    /// As president of many machines it could not carry out what it had decided: another one may, from
    /// what was stored.
    SteppedDown,
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnSignal {
    /// Everything is to end: a cluster on one machine.
    TakeOffline,
    /// Only this daemon is to end.
    EndDaemon,
}

/// Whose decisions these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// This process's, as long as it lives: all nodes are on one machine.
    Alone,
    /// A president's, as long as it is one: of this epoch.
    Elected(u64),
}

/// See the module.
pub struct Shell {
    core: Rgm,
    hands: Hands,
    /// Writes that could not be committed and were not required.
    pending: Vec<Write>,
    /// Until the nodes have reported.
    gathering: Option<Gathering>,
    recorder: Recorder,
    info: Info,
    on_signal: OnSignal,
    rule: Rule,
    next_request: u64,
    first_token: u64,
    /// When the commit of a fact last failed (boot clock).
    failed_at: Option<Millis>,
    /// What nodes say behind their reports waits until then.
    held_until: Option<Millis>,
    /// The core could not even be formed: when to try again.
    reload_at: Option<Millis>,
    ticked_at: Millis,
    end: Option<End>,
}

impl Shell {
    /// Loads the core from the repository, and asks the nodes for their reports.
    pub fn start(
        hands: Hands,
        recorder: Recorder,
        info: Info,
        on_signal: OnSignal,
        rule: Rule,
    ) -> Result<Self, StartError> {
        let mut shell = Self {
            core: Rgm::default(),
            hands,
            pending: Vec::new(),
            gathering: None,
            recorder,
            info,
            on_signal,
            rule,
            next_request: 1,
            first_token: 0,
            failed_at: None,
            held_until: None,
            reload_at: None,
            ticked_at: Millis(0),
            end: None,
        };
        shell.load()?;
        Ok(shell)
    }

    /// Until a signal asks for the end.
    pub async fn run(&mut self, sources: &mut Sources) -> End {
        loop {
            let formed = self.gathering.is_none();
            let halted = self.reload_at.is_some();
            let calm = sources.calm.is_kept();
            let open = !calm && !halted && (!formed || self.held_until.is_none());
            let mut event = tokio::select! {
                arrived = sources.inbox.next(), if open => self.arrived(arrived),
                Some(asked) = sources.asked.recv(), if calm || formed || halted => {
                    if calm { self.only_read(asked, away) } else { self.asked(asked) }
                }
                _ = sources.interrupt.recv() => self.signalled(),
                _ = sources.terminate.recv() => self.signalled(),
                event = wake(self.next_deadline().filter(|_| !calm)) => self.woken(event),
                () = sources.calm.changed() => None,
                () = sources.deposed.notified() => {
                    self.end = Some(End::Deposed);
                    None
                }
                () = sources.tap.more() => {
                    self.hands.said();
                    None
                }
            };
            while let Some(next) = event {
                self.step(next);
                event = if self.end.is_some() { None } else { self.stashed() };
            }
            if let Some(end) = self.end.take().or_else(|| self.hands.taken_offline()) {
                return end;
            }
        }
    }

    /// Answers reads, and refuses changes, until a signal says otherwise or the future is ready.
    pub async fn answer_reads(&mut self, sources: &mut Sources, until: impl Future<Output = ()>) {
        tokio::pin!(until);
        loop {
            tokio::select! {
                Some(asked) = sources.asked.recv() => drop(self.only_read(asked, ending)),
                _ = sources.interrupt.recv() => return,
                _ = sources.terminate.recv() => return,
                () = &mut until => return,
            }
        }
    }

    /// Commits what could not be committed before, and writes down the last words.
    pub fn settle_accounts(&mut self) {
        if let Err(error) = self.hands.commit_rest(&self.pending) {
            tracing::error!("{}", chain(&error));
        }
        tracing::info!("rgmd, process {}, ends", std::process::id());
        self.hands.said();
    }

    /// The end of a presidency: who waits is told.
    pub fn give_up(mut self, refusal: &Refusal) {
        self.hands.refuse_all(refusal);
    }

    fn step(&mut self, event: Fact) {
        let Fact { event, taken } = event;
        let clock = clock::now();
        let out = self.core.step(clock, &event);
        self.recorder.step(clock, &event, &out);
        self.hands.mark(clock);
        let _lines = together();
        match perform(out, &mut self.pending, &mut self.hands) {
            Ok(()) => {
                self.hands.performed(&event, taken);
                self.mind_nodes();
            }
            Err(error) => self.failed(&error, &event, clock.boot),
        }
    }

    /// A node was added, or taken out: whoever presides next reaches them all.
    fn mind_nodes(&mut self) {
        if self.gathering.is_none() && !self.core.nodes().cloned().eq(self.hands.nodes()) {
            tracing::info!("the nodes are others now: another presidency begins");
            self.end = Some(End::SteppedDown);
        }
    }

    fn arrived(&mut self, Arrived { node, message }: Arrived) -> Option<Fact> {
        if let Some(gathering) = &mut self.gathering {
            if matches!(message, FromNode::Joined(_)) {
                self.hands.reported(&node);
            }
            gathering.absorb(node, message);
            return self.formed();
        }
        Some(match message {
            FromNode::Joined(report) => {
                self.hands.reported(&node);
                Event::NodeUp(report).into()
            }
            FromNode::Ended { token, result } => Event::MethodEnded { node, token, result }.into(),
            FromNode::Exceeded { seq, resource, tag } => {
                let taken = Some((node.clone(), seq));
                Fact { event: Event::PmfExceeded { node, resource, tag }, taken }
            }
            FromNode::Down => Event::NodeDown { node }.into(),
        })
    }

    /// The first event, once every node has reported.
    fn formed(&mut self) -> Option<Fact> {
        let gathering = self.gathering.take_if(|gathering| gathering.is_complete())?;
        let (nodes, stash) = gathering.into_parts();
        self.hands.stash(stash);
        Some(Event::Formed { nodes }.into())
    }

    /// What arrived while others had not reported yet.
    fn stashed(&mut self) -> Option<Fact> {
        let waits = self.gathering.is_some() || self.held_until.is_some() || self.reload_at.is_some();
        let arrived = (!waits).then(|| self.hands.unstash()).flatten()?;
        self.arrived(arrived)
    }

    fn signalled(&mut self) -> Option<Fact> {
        match (self.on_signal, self.hands.is_closing()) {
            (OnSignal::EndDaemon, _) => self.end = Some(End::Told),
            (OnSignal::TakeOffline, true) => self.end = Some(End::Abandoned),
            (OnSignal::TakeOffline, false) => {
                let id = self.next_id();
                self.hands.close_with(id);
                tracing::info!("every group is taken offline; a second signal ends at once");
                return Some(Event::Shutdown { id }.into());
            }
        }
        None
    }

    fn next_deadline(&self) -> Option<Millis> {
        let earliest = self.ticked_at.after(TICK_WAIT);
        let tick = self.core.next_deadline().map(|(when, _)| when.max(earliest));
        self.reload_at.or_else(|| [self.held_until, tick].into_iter().flatten().min())
    }

    /// A deadline has come, of the core or of ours.
    fn woken(&mut self, now: Millis) -> Option<Fact> {
        if self.reload_at.take_if(|when| *when <= now).is_some() {
            self.reload();
            return None;
        }
        if self.held_until.take_if(|when| *when <= now).is_some() {
            return self.stashed();
        }
        self.next_deadline().filter(|when| *when <= now)?;
        self.ticked_at = now;
        Some(Event::Tick.into())
    }

    /// A required commit failed: nothing of the step was done. Who waits is refused, and the core is
    /// loaded anew from what is there, for it has taken the step already.
    fn failed(&mut self, error: &StoreError, event: &Event, now: Millis) {
        let reason = chain(error);
        tracing::error!("{reason}");
        let (code, hint) = if matches!(error, StoreError::Unsettled { .. }) {
            (SchaErr::Reconf, "see with status commands whether it was done; ask again if it was not")
        } else {
            (SchaErr::Internal, "nothing was changed; mend it and try again")
        };
        self.hands.refuse_all(&Refusal::new(code, reason, hint));
        if let Rule::Elected(_) = self.rule {
            // What the core believes is not so. Whoever is elected next loads what is there.
            self.end = Some(End::SteppedDown);
            return;
        }
        match event {
            // Whoever asked may ask again.
            Event::Request { .. } | Event::Shutdown { .. } => self.reload(),
            Event::Formed { .. } => {
                self.reload();
                self.gathering = None;
                self.reload_at = Some(now.after(RELOAD_WAIT));
            }
            Event::NodeUp(_)
            | Event::NodeDown { .. }
            | Event::MethodEnded { .. }
            | Event::PmfExceeded { .. }
            | Event::Tick => {
                let again = self.failed_at.replace(now).is_some_and(|last| now.since(last) <= RELOAD_WAIT);
                self.held_until = again.then(|| now.after(RELOAD_WAIT));
                self.reload();
            }
        }
    }

    fn reload(&mut self) {
        if let Err(error) = self.load() {
            tracing::error!("the core can't be loaded anew: {}", chain(&error));
            self.reload_at = Some(clock::now().boot.after(RELOAD_WAIT));
        }
    }

    fn load(&mut self) -> Result<(), StartError> {
        let (generation, entries) = self.hands.load()?;
        // Larger than every token of a former life on this boot, and of this one's former cores.
        self.first_token = match self.rule {
            Rule::Alone => (clock::now().boot.0 << TOKEN_BITS).max(self.first_token + (1 << TOKEN_BITS)),
            Rule::Elected(epoch) => epoch << EPOCH_BITS,
        };
        let token = Token(self.first_token);
        self.recorder.load(&entries, generation, token);
        self.core = Rgm::load(entries, generation, token)?;
        self.gathering = Some(Gathering::of(self.hands.nodes()));
        self.hands.tell_all(&ToNode::Report);
        Ok(())
    }

    fn next_id(&mut self) -> RequestId {
        self.next_request += 1;
        RequestId(self.next_request)
    }
}

/// Why there is no core.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The repository can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What it holds makes no configuration.
    #[error(transparent)]
    Load(#[from] LoadError),
}

/// An event, and what is to be told to have been taken once it was performed.
struct Fact {
    event: Event,
    taken: Option<(NodeName, u64)>,
}

impl From<Event> for Fact {
    fn from(event: Event) -> Self {
        Self { event, taken: None }
    }
}

/// What is said to whoever wants a change while this daemon ends.
fn ending() -> Refusal {
    let message = "rgmd on this node is being stopped or upgraded";
    Refusal::new(SchaErr::Reconf, message, "try again in a moment")
}

/// The same, in fail-safe mode.
fn away() -> Refusal {
    let message = "etcd does not answer; in fail-safe mode services run on, and nothing is changed or moved";
    Refusal::new(SchaErr::Reconf, message, "see `etcdctl endpoint status`; ask again once etcd answers")
}

/// Waits for a point of the boot clock; for ever where there is none. Says what time it is then: the
/// clock that waits stands still while the machine sleeps, so it may be earlier, or much later.
async fn wake(when: Option<Millis>) -> Millis {
    let Some(when) = when else { return std::future::pending().await };
    let left = when.since(clock::now().boot);
    if left.0 > 0 {
        tokio::time::sleep(Duration::from_millis(left.0)).await;
    }
    clock::now().boot
}
