//! Fail-safe mode at work: see [`super::pact`].

use super::pact::{Bond, Letter, Pact, Said, Word};
use super::{ArmError, Deadman, News, RENEWALS, Term};
use crate::clock;
use crate::net::Hub;
use rgm_types::{Millis, NodeName};
use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, VecDeque};
use std::convert::Infallible;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is looked whether there is something to say.
const LOOK: Duration = Duration::from_millis(100);
/// A renewal that is late by this is taken for one that fails.
const LATE: Millis = Millis(300);

/// What an accord is made of.
pub struct Words {
    /// To other nodes.
    pub hub: Hub,
    /// From them.
    pub heard: UnboundedReceiver<(NodeName, Vec<u8>)>,
    /// A file that is there while this node may have promised something.
    pub note: PathBuf,
}

/// This node's part in the agreement of all nodes, and its deadman, which both lease and agreement move.
pub struct Accord {
    me: NodeName,
    incarnation: u64,
    /// Time to live of a lease.
    span: Cell<Millis>,
    pact: RefCell<Pact>,
    deadman: RefCell<Box<dyn Deadman>>,
    /// The deadline by the lease.
    by_lease: Cell<Millis>,
    /// When the last renewal that succeeded was sent.
    renewed: Cell<Millis>,
    term: RefCell<Option<Term>>,
    /// This president has asked for agreement, last then.
    led_at: Cell<Option<Millis>>,
    bond: RefCell<Bond>,
    stir: Notify,
    safe: Cell<bool>,
}

/// Whether the file of [`Words::note`] is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Note {
    Absent,
    Changing,
    There,
}

impl Accord {
    /// Nothing is agreed.
    pub fn new(
        me: NodeName,
        incarnation: u64,
        ttl: Millis,
        margin: Millis,
        deadman: Box<dyn Deadman>,
    ) -> Self {
        Self {
            me,
            incarnation,
            span: Cell::new(ttl),
            pact: RefCell::new(Pact::new(ttl, margin)),
            deadman: RefCell::new(deadman),
            by_lease: Cell::new(Millis(0)),
            renewed: Cell::new(Millis(0)),
            term: RefCell::default(),
            led_at: Cell::default(),
            bond: RefCell::new(Bond::Free),
            stir: Notify::new(),
            safe: Cell::default(),
        }
    }

    // --- what lease and view need ---

    /// Arms the deadman for this deadline of the lease, or a later one that was agreed.
    pub fn arm(&self, by_lease: Millis) -> Result<(), ArmError> {
        self.by_lease.set(by_lease);
        let agreed = self.pact.borrow().alive_until().unwrap_or_default();
        self.deadman.borrow_mut().arm(by_lease.max(agreed))
    }

    /// A lease was granted with this time to live.
    pub fn set_span(&self, ttl: Millis) {
        self.span.set(ttl);
        self.pact.borrow_mut().set_span(ttl);
    }

    /// The lease was renewed; when that was asked for.
    pub fn renewed(&self, sent: Millis) {
        self.renewed.set(sent);
    }

    /// The lease is gone.
    pub fn lost(&self) {
        self.renewed.set(Millis(1));
    }

    /// Time that the agreement leaves this node.
    pub fn left(&self, now: Millis) -> Millis {
        self.pact.borrow().alive_until().unwrap_or_default().since(now)
    }

    /// This node had a place, and everything on it must be dead by now.
    pub fn is_over(&self, by_lease: Millis) -> bool {
        let now = clock::since_boot();
        let had = self.pact.borrow().alive_until().is_some();
        had && self.left(now) == Millis(0) && by_lease.since(now) == Millis(0)
    }

    /// What this node is bound to.
    pub fn bond(&self) -> Bond {
        self.pact.borrow().bond(clock::since_boot())
    }

    /// Who is president, as etcd said last.
    pub fn set_term(&self, term: Option<&Term>) {
        *self.term.borrow_mut() = term.cloned();
    }

    /// All nodes that are configured.
    pub fn set_nodes(&self, nodes: BTreeSet<NodeName>) {
        self.pact.borrow_mut().set_nodes(nodes);
    }

    /// Waits until this node is bound to something else than before.
    pub async fn stirs(&self) {
        self.stir.notified().await;
    }

    // --- at work ---

    /// Takes part, for ever.
    pub async fn run(&self, words: Words, news: &UnboundedSender<News>) -> Infallible {
        let Words { hub, mut heard, note } = words;
        let mut state = Note::Absent;
        if note.exists() {
            tracing::warn!(
                "this node may have promised to wait for etcd with the others: it stands for no election for {} ms",
                self.span.get().0
            );
            self.pact.borrow_mut().begun(clock::since_boot());
            state = Note::There;
        }
        let mut changes: JoinSet<(Note, io::Result<()>)> = JoinSet::new();
        let (mut failing, mut before) = (false, state);
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let letters = tokio::select! {
                Some((from, bytes)) = heard.recv() => self.hear(&from, &bytes, state),
                Some(Ok((wanted, changed))) = changes.join_next() => {
                    state = if changed.is_ok() { wanted } else { before };
                    if let Err(error) = &changed && !failing {
                        tracing::error!("{}: {error}; this node can't agree to wait for etcd", note.display());
                    }
                    failing = changed.is_err();
                    Vec::new()
                }
                _ = looks.tick() => self.lead(),
            };
            self.send(letters, state, &hub);
            let bound = self.minds(news);
            let wanted = if bound || self.is_late() { Note::There } else { Note::Absent };
            if state != Note::Changing && state != wanted {
                before = std::mem::replace(&mut state, Note::Changing);
                let note = note.clone();
                changes.spawn_blocking(move || (wanted, write(&note, wanted)));
            }
        }
    }

    /// etcd does not answer this node, or not in time.
    fn is_late(&self) -> bool {
        let renewed = self.renewed.get();
        let due = renewed.after(Millis(self.span.get().0 / u64::from(RENEWALS))).after(LATE);
        renewed > Millis(0) && clock::since_boot() > due
    }

    /// What a president asks of the others now: as long as etcd does not answer it, and then for as
    /// long as others may need to find it again.
    fn lead(&self) -> Vec<Letter> {
        let now = clock::since_boot();
        let term = self.term.borrow();
        let mine = |term: &&Term| term.node == self.me && term.incarnation == self.incarnation;
        let late = self.is_late();
        let waits = late || self.led_at.get().is_some_and(|at| now < at.after(self.span.get()));
        let mut pact = self.pact.borrow_mut();
        let Some(term) = term.as_ref().filter(mine).filter(|_| waits) else {
            self.led_at.set(None);
            pact.cease();
            return Vec::new();
        };
        if late {
            self.led_at.set(Some(now));
            return pact.ask(term, now);
        }
        let letters = pact.leave();
        if letters.is_empty() {
            self.led_at.set(None);
        }
        letters
    }

    fn hear(&self, from: &NodeName, bytes: &[u8], note: Note) -> Vec<Letter> {
        match serde_json::from_slice::<Word>(bytes) {
            Ok(word) => self.take(from, &word, note),
            Err(error) => {
                tracing::error!("node {from} said what is not understood: {error}");
                Vec::new()
            }
        }
    }

    /// A word to this node. Nothing is promised that a crash of the daemon could make forgotten.
    fn take(&self, from: &NodeName, word: &Word, note: Note) -> Vec<Letter> {
        let now = clock::since_boot();
        let alone = match word.said {
            Said::Ask => self.is_late() && note == Note::There,
            // Of what a former life of this daemon has left running nobody knows what it lives by.
            Said::Promise | Said::Agreed | Said::Leave | Said::Left | Said::Released => {
                self.renewed.get() == Millis(0) || self.is_late()
            }
        };
        let mut pact = self.pact.borrow_mut();
        let before = pact.alive_until();
        let letters = pact.hear(from, word, self.term.borrow().as_ref(), alone, now);
        let after = pact.alive_until();
        drop(pact);
        if after != before
            && let Err(error) = self.arm(self.by_lease.get())
        {
            tracing::error!("the deadline of this node stays as it is: {error}");
        }
        letters
    }

    fn send(&self, letters: Vec<Letter>, note: Note, hub: &Hub) {
        let mut letters: VecDeque<Letter> = letters.into();
        while let Some(Letter { to, word }) = letters.pop_front() {
            if to == self.me {
                letters.extend(self.take(&self.me, &word, note));
            } else {
                let bytes = serde_json::to_vec(&word).unwrap_or_default();
                // Whoever is not reached is silent.
                let _lost = hub.say(&to, &bytes);
            }
        }
    }

    /// Tells what has changed; whether this node is bound to something.
    fn minds(&self, news: &UnboundedSender<News>) -> bool {
        let bond = self.bond();
        let bound = bond != Bond::Free;
        if *self.bond.borrow() != bond {
            *self.bond.borrow_mut() = bond;
            self.stir.notify_one();
        }
        // An election of etcd is waited for in silence.
        let long = self.renewed.get().after(Millis(self.span.get().0 / 4 * 3));
        let now = clock::since_boot();
        let safe = self.is_late() && now > long && self.left(now) > Millis(0);
        if self.safe.replace(safe) != safe {
            if safe {
                tracing::error!(
                    "fail-safe mode: etcd does not answer, and all nodes wait for it together; services run on, \
                     nothing is changed or moved"
                );
            } else {
                tracing::info!("fail-safe mode is over");
            }
            // Nobody listens any more: the daemon ends.
            let _nobody = news.send(News::FailSafe(safe));
        }
        bound
    }
}

fn write(note: &Path, wanted: Note) -> io::Result<()> {
    match wanted {
        Note::There => {
            File::create(note)?.sync_all()?;
            note.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
        }
        Note::Absent | Note::Changing => std::fs::remove_file(note),
    }
}
