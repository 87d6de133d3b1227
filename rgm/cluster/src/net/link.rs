//! The link to one other node: a connection is made or awaited, used until it ends, and made again.
//!
//! Everything of a node happens in one task, one thing after the other. So the order that
//! [`NetEvent`] promises needs no further care: `Up`, the messages of that connection, `Down`.

use super::dial::dial;
use super::line::{Line, MESSAGE_COST, line};
use super::talk::{Connection, Talk, talk};
use super::{Ended, LinkSettings, Me, NetEvent, Peer};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::mpsc::{Receiver, UnboundedSender};
use tokio::sync::{Semaphore, watch};
use tokio::time::sleep;
use tracing::{info, warn};

/// Before the first connection is tried again. One that is refused because the other side does not
/// know this node yet is taken soon after.
const REDIAL_FIRST: Duration = Duration::from_millis(50);
/// A partition that is over is found within this time; more seldom tries would save nothing.
const REDIAL_MAX: Duration = Duration::from_millis(400);
/// Reasons that are remembered as said.
const SAID_MAX: usize = 16;

/// The task of one node.
#[derive(Debug)]
pub(super) struct Link {
    /// This node.
    pub me: Arc<Me>,
    /// The other one; nothing while it is no peer.
    pub peer: watch::Receiver<Option<Peer>>,
    /// Connections that it made.
    pub offers: Receiver<Connection>,
    /// Where what happens goes.
    pub events: UnboundedSender<NetEvent>,
    /// What senders and operators see.
    pub condition: watch::Sender<Condition>,
}

/// How a link is.
#[derive(Debug, Clone)]
pub(super) struct Condition {
    /// The connection, while there is one.
    pub line: Option<Line>,
    /// Since when it is so.
    pub since: SystemTime,
    /// Why there is none.
    pub why_down: Option<String>,
}

impl Condition {
    /// Before anything happened.
    pub fn fresh() -> Self {
        Self { line: None, since: SystemTime::now(), why_down: Some("not connected yet".to_owned()) }
    }
}

impl Link {
    /// Until the hub has ended.
    pub async fn run(mut self) {
        let room = Arc::new(Semaphore::new(self.me.settings.unread_bytes_max()));
        let mut pause = Duration::ZERO;
        let mut offer = None;
        loop {
            let Some(peer) = self.peer.borrow_and_update().clone() else {
                (pause, offer) = (Duration::ZERO, None);
                if self.peer.changed().await.is_err() {
                    return;
                }
                continue;
            };
            let connection = match offer.take() {
                Some(connection) => connection,
                None => tokio::select! {
                    changed = self.peer.changed() => match changed {
                        Ok(()) => continue,
                        Err(_) => return,
                    },
                    connection = connect(&self.me, &peer, &self.condition, &mut self.offers, pause) => connection,
                },
            };
            if connection.incarnation == peer.incarnation {
                offer = self.use_up(&peer, connection, &room).await;
                pause = REDIAL_FIRST;
            }
        }
    }

    /// From `Up` to `Down`. A connection that takes the place of this one is handed back.
    async fn use_up(
        &mut self,
        peer: &Peer,
        connection: Connection,
        room: &Arc<Semaphore>,
    ) -> Option<Connection> {
        let Peer { node, address, incarnation } = peer.clone();
        let (line, queue) = line(&self.me.settings);
        let pulse = line.pulse().clone();
        info!(%node, address, incarnation, "link is up");
        self.condition.send_replace(Condition { line: Some(line), since: SystemTime::now(), why_down: None });
        // Whoever is told so may send at once.
        let _nobody = self.events.send(NetEvent::Up { node: node.clone(), incarnation });
        let (settings, events, asides) = (&self.me.settings, &self.events, &self.me.asides);
        let talk = talk(connection, Talk { settings, pulse: &pulse, queue, events, asides, room });
        let mut newer = None;
        let why = tokio::select! {
            biased;
            why = gone(&mut self.peer) => why,
            Some(offer) = self.offers.recv() => { newer = Some(offer); Ended::Replaced },
            why = talk => why,
        };
        let (planned, why) = (why.planned(), why.to_string());
        self.condition.send_replace(Condition {
            line: None,
            since: SystemTime::now(),
            why_down: Some(why.clone()),
        });
        if planned {
            info!(%node, incarnation, why, "link is down");
        } else {
            warn!(%node, incarnation, why, "link is down");
        }
        let _nobody = self.events.send(NetEvent::Down { node, why });
        newer
    }
}

/// Until the node is no peer any more, or not as it was.
async fn gone(peer: &mut watch::Receiver<Option<Peer>>) -> Ended {
    match peer.changed().await {
        Err(_) => Ended::Over,
        Ok(()) if peer.borrow().is_none() => Ended::NotPeer,
        Ok(()) => Ended::Changed,
    }
}

/// A connection to the node. The one with the smaller name dials, so there never are two of them,
/// made at the same time from both ends, of which each end keeps another.
async fn connect(
    me: &Arc<Me>,
    peer: &Peer,
    condition: &watch::Sender<Condition>,
    offers: &mut Receiver<Connection>,
    mut pause: Duration,
) -> Connection {
    if me.node > peer.node {
        match offers.recv().await {
            Some(connection) => return connection,
            None => return std::future::pending().await,
        }
    }
    let mut said = BTreeSet::new();
    loop {
        sleep(pause).await;
        let why = match dial(me, peer).await {
            Ok(connection) => return connection,
            Err(why) => why.to_string(),
        };
        if said.len() < SAID_MAX && said.insert(why.clone()) {
            warn!(node = %peer.node, address = peer.address, why, "no link can be made; it is tried again and again");
        }
        condition.send_modify(|condition| condition.why_down = Some(why));
        pause = (pause * 2).clamp(REDIAL_FIRST, REDIAL_MAX);
    }
}

/// Bytes of messages that may wait to be taken, as a semaphore counts them.
impl LinkSettings {
    fn unread_bytes_max(&self) -> usize {
        // A message longer than that would wait for ever.
        self.unread_bytes_max.max(MESSAGE_COST + self.message_len_max).min(Semaphore::MAX_PERMITS)
    }
}
