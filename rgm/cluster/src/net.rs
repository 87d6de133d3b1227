//! Links between nodes: messages over mutual TLS.
//!
//! ```text
//!   caller                  thread "links"
//!   ───────                 ─────────────────────────────────────────────────────
//!   set_peers ────────────► switchboard ──► link (one task a node): dial or wait,
//!                              ▲               Up, talk, Down, again
//!                           refusals           │  ▲
//!                              │               │  │ connections of those that dial
//!                           door ──────────────┼──┘
//!   send ─── bounded queue ────────────────────┤
//!   events ◄───────────────────────────────────┘
//! ```
//!
//! The node with the smaller name dials; one connection carries both directions. It counts as up when
//! both sides have taken each other (`hello`), and as down as soon as either of them sees its end,
//! nothing was heard for [`LinkSettings::silence`], or a queue is full. Then it is made anew.
//!
//! **A thread of its own.** Whoever uses a link may be busy for a while: with a slow disk, with an
//! etcd that does not answer. Its node must not look dead because of that: beats go on. They show
//! that the process runs and that the way is open, and nothing more.
//!
//! **What is promised.** Of each node: [`NetEvent::Up`], then messages of that connection in the order
//! in which they were sent, without a gap, then [`NetEvent::Down`]; nothing of a connection comes after
//! its `Down`. A message that was sent may be lost, but then a `Down` follows, on both sides.

mod accept;
mod dial;
mod frame;
mod hello;
mod line;
mod link;
mod switchboard;
mod talk;
mod tls;

pub use tls::{Identity, IdentityError};

use crate::cert::Facts;
use frame::Kind;
use link::Condition;
use rgm_types::NodeName;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use switchboard::Switchboard;
use talk::Connection;
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, UnboundedSender};
use tokio::sync::{OwnedSemaphorePermit, oneshot, watch};

/// What a [`Hub`] is started with.
#[derive(Debug, Clone)]
pub struct HubSetup {
    /// Name of the cluster, as in the certificates.
    pub cluster: String,
    /// This node, as in its certificate.
    pub me: NodeName,
    /// Which of its lives this is: a greater number each time it joins.
    pub incarnation: u64,
    /// Where others reach it; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// Who it is.
    pub identity: Identity,
    /// How long to wait, how much to keep.
    pub settings: LinkSettings,
    /// Where asides go, whoever is busy with the events: see [`Hub::say`].
    pub asides: UnboundedSender<(NodeName, Vec<u8>)>,
}

/// How long to wait, and how much to keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSettings {
    /// A beat is sent so often where nothing else is.
    pub heartbeat: Duration,
    /// A peer that is silent for so long is down; so is one that does not acknowledge for so long.
    pub silence: Duration,
    /// A connection that is not made within this time is given up.
    pub handshake: Duration,
    /// Longest message.
    pub message_len_max: usize,
    /// Bytes that may be sent to a peer and not be written yet, some more counted for each message;
    /// beyond it the link is broken.
    pub queue_bytes_max: usize,
    /// Bytes that a peer sent and nobody has taken from the events yet, counted likewise; beyond it
    /// nothing is read.
    pub unread_bytes_max: usize,
}

impl Default for LinkSettings {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(250),
            silence: Duration::from_secs(1),
            handshake: Duration::from_secs(2),
            message_len_max: 16 << 20,
            queue_bytes_max: 32 << 20,
            unread_bytes_max: 32 << 20,
        }
    }
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its name, as in its certificate.
    pub node: NodeName,
    /// Host and port. An address is better than a name: a resolver that hangs would hold up a link.
    pub address: String,
    /// Which of its lives.
    pub incarnation: u64,
}

/// What happens to links. The module says in which order.
#[derive(Debug)]
pub enum NetEvent {
    /// Messages can be sent, and will come.
    Up {
        /// Peer.
        node: NodeName,
        /// Which of its lives.
        incarnation: u64,
    },
    /// The connection is over; what was sent and not answered may be lost.
    Down {
        /// Peer.
        node: NodeName,
        /// Why, in words.
        why: String,
    },
    /// It said something.
    Message {
        /// Peer.
        node: NodeName,
        /// Which of its lives.
        incarnation: u64,
        /// What.
        bytes: Payload,
    },
}

/// The bytes of a message. As long as they are kept, they count as unread: drop them soon.
#[derive(Debug)]
pub struct Payload {
    bytes: Vec<u8>,
    _room: OwnedSemaphorePermit,
}

impl Payload {
    fn new(bytes: Vec<u8>, room: OwnedSemaphorePermit) -> Self {
        Self { bytes, _room: room }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

/// How a link is.
#[derive(Debug, Clone)]
pub struct LinkStatus {
    /// Peer.
    pub node: NodeName,
    /// Its address.
    pub address: String,
    /// Is there a connection?
    pub up: bool,
    /// Since when it is so.
    pub since: SystemTime,
    /// How long ago the peer was last heard.
    pub heard_ago: Option<Duration>,
    /// Why there is none.
    pub why_down: Option<String>,
    /// Bytes that wait to be written.
    pub queued: usize,
    /// How far the clock of the peer is ahead of this node's, in milliseconds, about.
    pub ahead_ms: Option<i64>,
}

/// Why no hub was started.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// The certificate or key can't be used.
    #[error("this node's certificate can't be used")]
    Identity(#[from] IdentityError),
    /// The certificate is not this node's.
    #[error("{}: it is the certificate of {found}, not of node {node} of cluster {cluster}", file.display())]
    NotOurs {
        /// File.
        file: std::path::PathBuf,
        /// Its subject.
        found: String,
        /// This node.
        node: NodeName,
        /// Its cluster.
        cluster: String,
    },
    /// The address can't be listened at.
    #[error("{listen} can't be listened at for links")]
    Listen {
        /// Address.
        listen: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no thread to be had.
    #[error("the thread of the links can't be started")]
    Thread(#[source] io::Error),
}

/// All links of this node. When its last clone is dropped, they end.
#[derive(Debug, Clone)]
pub struct Hub {
    address: SocketAddr,
    wanted: watch::Sender<Vec<Peer>>,
    seats: watch::Receiver<Seats>,
}

/// This node.
#[derive(Debug)]
struct Me {
    cluster: String,
    node: NodeName,
    incarnation: u64,
    identity: Identity,
    settings: LinkSettings,
    asides: UnboundedSender<(NodeName, Vec<u8>)>,
}

/// Those that are peers now.
type Seats = Arc<BTreeMap<NodeName, Seat>>;

#[derive(Debug)]
struct Seat {
    peer: Peer,
    offers: Sender<Connection>,
    condition: watch::Receiver<Condition>,
}

impl Hub {
    /// Reads the certificate, listens, and returns. What happens goes to `events`; when that channel
    /// ends, the links have ended.
    pub async fn start(setup: HubSetup, events: UnboundedSender<NetEvent>) -> Result<Self, NetError> {
        let (ready, started) = oneshot::channel();
        let (wanted, wanted_of_board) = watch::channel(Vec::new());
        let (seats_of_board, seats) = watch::channel(Seats::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(NetError::Thread)?;
        let work = async move {
            let opened = open(setup).await;
            match opened {
                Err(error) => drop(ready.send(Err(error))),
                Ok((listener, address, me)) => {
                    drop(ready.send(Ok(address)));
                    let board = Switchboard {
                        me: Arc::new(me),
                        wanted: wanted_of_board,
                        seats: seats_of_board,
                        events,
                        posts: BTreeMap::new(),
                        refusals: BTreeMap::new(),
                    };
                    board.run(listener).await;
                }
            }
        };
        let thread = std::thread::Builder::new().name("links".to_owned());
        thread.spawn(move || runtime.block_on(work)).map_err(NetError::Thread)?;
        let lost = |_| NetError::Thread(io::Error::other("it has ended"));
        let address = started.await.map_err(lost)??;
        Ok(Self { address, wanted, seats })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who belongs to it now. New ones are connected; links to those that are gone, or whose
    /// incarnation or address is another now, are ended. Only these may come in. What is under way
    /// may still arrive, up to their `Down`.
    pub fn set_peers(&self, peers: Vec<Peer>) {
        self.wanted.send_if_modified(|old| std::mem::replace(old, peers.clone()) != peers);
    }

    /// Sends a message behind those sent before. Never waits. False: it is not connected, or the
    /// message found no room in the queue; then the link is broken on purpose, and comes up anew.
    pub fn send(&self, to: &NodeName, message: &[u8]) -> bool {
        self.put(Kind::Message, to, message)
    }

    /// Sends an aside: it takes the same way, but on the other side it goes to [`HubSetup::asides`] and
    /// waits for nobody who takes events. For few and short words.
    pub fn say(&self, to: &NodeName, word: &[u8]) -> bool {
        self.put(Kind::Aside, to, word)
    }

    fn put(&self, kind: Kind, to: &NodeName, bytes: &[u8]) -> bool {
        let seats = self.seats.borrow();
        let Some(seat) = seats.get(to) else { return false };
        seat.condition.borrow().line.as_ref().is_some_and(|line| line.send(kind, bytes))
    }

    /// How all links are.
    pub fn status(&self) -> Vec<LinkStatus> {
        let seats = self.seats.borrow();
        seats.values().map(Seat::status).collect()
    }
}

impl Seat {
    fn status(&self) -> LinkStatus {
        let condition = self.condition.borrow();
        let pulse = condition.line.as_ref().map(|line| line.pulse());
        LinkStatus {
            node: self.peer.node.clone(),
            address: self.peer.address.clone(),
            up: pulse.is_some(),
            since: condition.since,
            heard_ago: pulse.map(|pulse| pulse.silent_for()),
            why_down: condition.why_down.clone(),
            queued: pulse.map_or(0, |pulse| pulse.queued()),
            ahead_ms: pulse.and_then(|pulse| pulse.ahead_ms()),
        }
    }
}

async fn open(setup: HubSetup) -> Result<(TcpListener, SocketAddr, Me), NetError> {
    let HubSetup { cluster, me: node, incarnation, listen, identity, settings, asides } = setup;
    let me = Me { cluster, node, incarnation, identity, settings, asides };
    let credentials = me.identity.load()?;
    // What other nodes will ask for, asked for here, where it can be mended.
    let shown = tls::Shown::default();
    credentials.server(&shown)?;
    check_own(&me, &credentials.own)?;
    let failed = |source| NetError::Listen { listen, source };
    let listener = TcpListener::bind(listen).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok((listener, address, me))
}

fn check_own(me: &Me, own: &Facts) -> Result<(), NetError> {
    if own.cluster.as_ref() == Some(&me.cluster) && own.node.as_ref() == Some(&me.node) {
        return Ok(());
    }
    Err(NetError::NotOurs {
        file: me.identity.cert.clone(),
        found: own.subject.clone(),
        node: me.node.clone(),
        cluster: me.cluster.clone(),
    })
}

/// Why a connection has ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Ended {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke: {0}")]
    Broke(String),
    #[error("it was silent for {0:?}")]
    Silent(Duration),
    #[error(
        "more than {max} bytes wait to be sent to it: it takes them too slowly, so the link is made anew"
    )]
    Full { max: usize },
    #[error("a message of {len} bytes was to be sent to it; {max} are the most, so the link is made anew")]
    TooLong { len: usize, max: usize },
    #[error("{0}")]
    Frame(String),
    #[error("it made a new connection")]
    Replaced,
    #[error("it is no member any more")]
    NotPeer,
    #[error("its incarnation or address is another now")]
    Changed,
    #[error("this node has ended its links")]
    Over,
}

impl Ended {
    /// True if this node ended it because it was told to.
    fn planned(&self) -> bool {
        matches!(self, Self::NotPeer | Self::Changed | Self::Over)
    }
}
