//! Membership: this node's lease, its registration, and the election of the president, in etcd.
//!
//! ```text
//!  lease ── grant ─► deadman armed ─► registered ─► renewed every TTL / 4 ─► deadman moved each time
//!  watch ── members/… , president ─► News ─► rgmd's loop
//!                    └─ no president: whoever writes its name there first, under its lease, is it
//! ```
//!
//! **What may be believed.** A node registers only after its deadman is armed, and its deadman fires
//! before its lease can expire: counted from the moment the last renewal that succeeded was *sent*,
//! less a margin. So of a node whose registration is gone nothing runs ([`News::Gone`]), whatever
//! became of its rgmd. A rgmd that comes back finds its place held by the lease of its former life: until
//! it has put it under its own, the deadline of that life stays in force. A clock that runs at another
//! rate by 200 ppm is covered by the margin many times.
//!
//! **Epochs.** The revision at which a president's key was made is its epoch: unique, growing, and
//! what guards its commits.
//!
//! **etcd away.** Where no node can renew its lease, all of them together may agree to wait: [`pact`].
//!
//! All of it runs on a thread of its own, so that nothing rgmd does can hold up a renewal.

mod accord;
mod evict;
mod lease;
pub mod pact;
mod view;

use accord::Accord;
pub use accord::Words;
pub use evict::{Warrant, WarrantError};
use lease::{Lease, Over};
use rgm_etcd::{Client, Keys};
use rgm_types::{Millis, NodeName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::LocalSet;

/// How often a lease is renewed within its time to live.
const RENEWALS: u32 = 4;
/// How soon what etcd did not answer is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What a node registers of itself, as JSON.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Tells this life of its rgmd from all others.
    pub incarnation: u64,
    /// Boot id of its machine.
    pub boot: String,
    /// Where its links are taken, `HOST:PORT`.
    pub address: String,
    /// Its lease.
    pub lease: i64,
    /// Version of its program.
    pub version: String,
    /// Time to live of that lease.
    #[serde(default = "long")]
    pub ttl_ms: u64,
    /// Its daemon was told to end, and another one is awaited.
    #[serde(default)]
    pub parked: bool,
    /// Its president does not reach it: it must end itself, and is gone when it must have.
    #[serde(default)]
    pub evicted: bool,
}

impl Registration {
    /// Whether it is of the same life, under the same lease.
    pub fn is_life(&self, other: &Self) -> bool {
        (self.incarnation, self.lease) == (other.incarnation, other.lease)
    }
}

/// Longer than any lease of a version that does not say how long its is.
fn long() -> u64 {
    120_000
}

/// Who is president.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// Which node.
    pub node: NodeName,
    /// Which life of it.
    pub incarnation: u64,
    /// Which presidency.
    pub epoch: u64,
}

/// What is heard of the cluster, in the order in which it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// This node is registered.
    Registered,
    /// Who is registered now.
    Members(BTreeMap<NodeName, Registration>),
    /// A registration is gone: nothing of that node runs.
    Gone(NodeName),
    /// Who is president now, if anybody.
    President(Option<Term>),
    /// etcd does not answer, and all nodes have agreed to wait for it; or that is over.
    FailSafe(bool),
    /// This node's lease is over, and why: it is dead to the others, or will be in a moment.
    Over(String),
}

/// What rgmd asks of its membership.
#[derive(Debug)]
pub enum Errand {
    /// Be president no more of this epoch; another election may make it so again.
    Resign(u64),
    /// These are all nodes that are configured: a president has to know them.
    Nodes(BTreeSet<NodeName>),
    /// The same, and stand for no election for that long: another one may do better.
    StandBack(u64, Duration),
    /// Be president no more, and stand for no election: this daemon is about to end.
    Withdraw,
    /// Nothing runs here any more, nor will: give the place up, then end.
    Leave,
    /// The daemon ends for a moment, services run on: hold the place for that long, then end.
    Park(Duration),
}

/// What kills everything on this node unless it is told otherwise: pmfd.
pub trait Deadman: Send {
    /// Everything must be dead at that point of `CLOCK_BOOTTIME`, unless another is named before.
    fn arm(&mut self, deadline: Millis) -> Result<(), ArmError>;
}

/// Why the deadman was not armed.
#[derive(Debug, thiserror::Error)]
pub enum ArmError {
    /// It has fired: everything here is dead, and this life of rgmd must not go on as if it were not.
    #[error("the deadman has fired")]
    Fired,
    /// It does not answer.
    #[error("pmfd does not take the deadline of this node")]
    Failed(#[source] io::Error),
}

/// What a membership is made of.
pub struct Setup {
    /// This node.
    pub node: NodeName,
    /// This life of its rgmd.
    pub incarnation: u64,
    /// Boot id of this machine.
    pub boot: String,
    /// Where its links are taken.
    pub address: String,
    /// Time to live of its lease; etcd may give a longer one.
    pub ttl: Duration,
    /// How much earlier this node must be dead than its lease may expire.
    pub margin: Duration,
    /// etcd.
    pub client: Client,
    /// Where in it.
    pub keys: Keys,
    /// How it speaks with other nodes while etcd does not answer.
    pub words: Words,
    /// Its deadman.
    pub deadman: Box<dyn Deadman>,
    /// What that is armed for by a former life, of which something may still run.
    pub former: Option<Millis>,
}

/// A membership at work. It ends when an errand ends it, or with its lease.
#[derive(Debug)]
pub struct Member {
    errands: UnboundedSender<Errand>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Member {
    /// Starts it. What happens comes by the second one.
    pub fn start(setup: Setup) -> io::Result<(Self, UnboundedReceiver<News>)> {
        let (news, heard) = unbounded_channel();
        let (errands, asked) = unbounded_channel();
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build()?;
        let thread = std::thread::Builder::new().name("member".to_owned());
        let thread = thread.spawn(move || LocalSet::new().block_on(&runtime, live(setup, news, asked)))?;
        Ok((Self { errands, thread: Some(thread) }, heard))
    }

    /// Asks something of it.
    pub fn ask(&self, errand: Errand) {
        // It may have ended with its lease, which was said.
        let _ended = self.errands.send(errand);
    }

    /// Waits for its end, after an errand that ends it.
    pub fn join(mut self) {
        if let Some(thread) = self.thread.take() {
            // A panic of it was printed by its thread.
            let _ended = thread.join();
        }
    }
}

async fn live(setup: Setup, news: UnboundedSender<News>, mut errands: UnboundedReceiver<Errand>) {
    let Setup { node, incarnation, boot, address, ttl, margin, client, keys, words, deadman, former } = setup;
    let (span, early) = (lease::millis(ttl), lease::millis(margin));
    let accord = Rc::new(Accord::new(node.clone(), incarnation, span, early, deadman));
    let mut lease = Lease::new(client.clone(), Rc::clone(&accord), ttl, margin, former);
    let version = env!("CARGO_PKG_VERSION").to_owned();
    // Nothing of a former life runs: whatever became of that one, it is over.
    let alone = former.is_none();
    let mine = Registration { incarnation, boot, address, version, ..Registration::default() };
    let mut view = view::View::new(client, keys, news.clone(), node, mine, alone, Rc::clone(&accord));
    let ended = tokio::select! {
        ended = member(&mut lease, &mut view, &news, &mut errands, &accord) => ended,
        never = accord.run(words, &news) => match never {},
    };
    match ended {
        Ok(Ended::Parked(None)) => {}
        Ok(Ended::Left) => {
            if let Err(error) = lease.give_up().await {
                tracing::warn!("the lease of this node ends by itself: {error}");
            }
        }
        Ok(Ended::Parked(Some(span))) => {
            if let Err(error) = lease.extend(span, &mut view).await {
                tracing::warn!("the place of this node can't be held for {span:?}: {error}");
            }
        }
        Err(over) => {
            let _nobody = news.send(News::Over(over));
        }
    }
}

/// What has ended a membership.
enum Ended {
    /// Its place is to be held for so long, where it has one.
    Parked(Option<Duration>),
    /// Its place is given up.
    Left,
}

/// A member until an errand ends it; or until it is none any more, and why.
async fn member(
    lease: &mut Lease,
    view: &mut view::View,
    news: &UnboundedSender<News>,
    errands: &mut UnboundedReceiver<Errand>,
    accord: &Accord,
) -> Result<Ended, String> {
    loop {
        let id = tokio::select! {
            obtained = lease.obtain() => obtained?,
            _ = parking(errands, accord) => return Ok(Ended::Parked(None)),
        };
        let ttl = lease.ttl();
        tokio::select! {
            registered = view.register(id, ttl) => registered?,
            // Nothing was registered under it, so nothing runs that it vouched for.
            _ = lease.renewals() => {
                tracing::warn!("a lease ended before this node was registered; another one is obtained");
                continue;
            }
            _ = parking(errands, accord) => return Ok(Ended::Parked(None)),
        }
        lease.registered()?;
        let _nobody = news.send(News::Registered);
        tokio::select! {
            over = lease.renewals() => match over {
                Over::Lost => {}
                Over::Ended(why) => return Err(why),
            },
            end = view.follow(errands) => return match end {
                view::End::Replaced(why) => Err(why),
                view::End::Parked(span) => Ok(Ended::Parked(Some(span))),
                view::End::Left => Ok(Ended::Left),
            },
        }
    }
}

/// Waits for the errand that ends it. Nobody presides meanwhile.
async fn parking(errands: &mut UnboundedReceiver<Errand>, accord: &Accord) {
    loop {
        match errands.recv().await {
            Some(Errand::Park(_) | Errand::Leave) => return,
            Some(Errand::Nodes(nodes)) => accord.set_nodes(nodes),
            Some(Errand::Resign(_) | Errand::StandBack(..) | Errand::Withdraw) => {}
            // The daemon has gone without a word.
            None => std::future::pending().await,
        }
    }
}
