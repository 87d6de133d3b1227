//! The one task that owns the links: who is a peer, who was refused, when a certificate ends.

use super::accept::{Door, Hall, Refused};
use super::dial::credentials;
use super::link::{Condition, Link};
use super::talk::Connection;
use super::{Me, NetEvent, Peer, Seat, Seats};
use rgm_types::NodeName;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{Sender, UnboundedSender, channel, unbounded_channel};
use tokio::sync::watch;
use tokio::time::{Instant, interval};
use tracing::{error, info, warn};

/// A refusal that goes on is said again after this time.
const SAID_AGAIN: Duration = Duration::from_secs(3600);
/// Refusals that are remembered. Strangers could make them many.
const REFUSALS_MAX: usize = 256;
/// A certificate that ends within this time is warned about.
const ENDING: Duration = Duration::from_secs(30 * 86_400);
/// How often.
const ENDING_SAID: Duration = Duration::from_secs(86_400);

/// See the module.
#[derive(Debug)]
pub(super) struct Switchboard {
    pub me: Arc<Me>,
    pub wanted: watch::Receiver<Vec<Peer>>,
    pub seats: watch::Sender<Seats>,
    pub events: UnboundedSender<NetEvent>,
    pub posts: BTreeMap<NodeName, Post>,
    pub refusals: BTreeMap<Refused, Instant>,
}

/// The task of one node. It stays when the node goes: the next connection of a node that comes back
/// is thus opened behind the `Down` of its last one. There are no more of them than there were names.
#[derive(Debug)]
pub(super) struct Post {
    peer: watch::Sender<Option<Peer>>,
    offers: Sender<Connection>,
    condition: watch::Receiver<Condition>,
}

impl Switchboard {
    /// Until nobody holds a [`super::Hub`] any more.
    pub async fn run(mut self, listener: TcpListener) {
        let (refused, mut refusals) = unbounded_channel();
        let hall = Hall { me: self.me.clone(), seats: self.seats.subscribe(), refused };
        let door = tokio::spawn(Door { listener, hall }.keep());
        let mut days = interval(ENDING_SAID);
        self.arrange();
        loop {
            tokio::select! {
                changed = self.wanted.changed() => match changed {
                    Ok(()) => self.arrange(),
                    Err(_) => break,
                },
                Some(refused) = refusals.recv() => self.tell(refused),
                _ = days.tick() => drop(tokio::spawn(warn_of_ending(self.me.clone()))),
            }
        }
        door.abort();
    }

    /// Makes the peers those that are wanted.
    fn arrange(&mut self) {
        let wanted = self.wanted.borrow_and_update().clone();
        let wanted: BTreeMap<NodeName, Peer> =
            wanted.into_iter().filter(|p| p.node != self.me.node).map(|p| (p.node.clone(), p)).collect();
        for node in wanted.keys() {
            if !self.posts.contains_key(node) {
                let post = self.post();
                self.posts.insert(node.clone(), post);
            }
        }
        let mut seats = BTreeMap::new();
        for (node, post) in &self.posts {
            let peer = wanted.get(node).cloned();
            post.peer.send_if_modified(|old| std::mem::replace(old, peer.clone()) != peer);
            if let Some(peer) = peer {
                let (offers, condition) = (post.offers.clone(), post.condition.clone());
                seats.insert(node.clone(), Seat { peer, offers, condition });
            }
        }
        self.seats.send_replace(Arc::new(seats));
    }

    fn post(&self) -> Post {
        let (peer, peer_of_link) = watch::channel(None);
        let (offers, offers_of_link) = channel(1);
        let (condition_of_link, condition) = watch::channel(Condition::fresh());
        tokio::spawn(
            Link {
                me: self.me.clone(),
                peer: peer_of_link,
                offers: offers_of_link,
                events: self.events.clone(),
                condition: condition_of_link,
            }
            .run(),
        );
        Post { peer, offers, condition }
    }

    /// Each cause once, and again after a while if it goes on.
    fn tell(&mut self, refused: Refused) {
        let now = Instant::now();
        self.refusals.retain(|_, said| now.duration_since(*said) < SAID_AGAIN);
        if self.refusals.contains_key(&refused) || self.refusals.len() >= REFUSALS_MAX {
            return;
        }
        let Refused { who, why, passing } = &refused;
        if *passing {
            info!(who, why, "connection refused");
        } else {
            warn!(who, why, "connection refused");
        }
        self.refusals.insert(refused, now);
    }
}

/// Once a day. Those of others are their own matter: they warn, too.
async fn warn_of_ending(me: Arc<Me>) {
    let credentials = match credentials(&me).await {
        Ok(credentials) => credentials,
        Err(error) => {
            error!(%error, "this node's certificate can't be used: no link can be made");
            return;
        }
    };
    let now = SystemTime::now();
    for (file, end) in credentials.ending(now, ENDING) {
        let (file, shown) = (file.display(), humantime::format_rfc3339_seconds(end));
        if end < now {
            error!(%file, end = %shown, "a certificate has expired: issue a new one with cluster cert issue");
        } else {
            warn!(%file, end = %shown, "a certificate expires soon: issue a new one with cluster cert issue");
        }
    }
}
