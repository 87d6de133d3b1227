//! The roll of the cluster, kept in etcd: what is seen there is told, and this node does its part.

use super::accord::Accord;
use super::{Errand, News, RETRY, Registration};
use crate::rules::{Part, Place, Roll};
use rgm_etcd::{Client, Error, Keys, Range, Txn, WatchEnd};
use rgm_types::NodeName;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

/// Why it is followed no longer.
pub enum End {
    /// The registration of this node is another's, or gone.
    Replaced(String),
    /// An errand ends the membership; its place is to be held for that long.
    Parked(Duration),
}

/// See the module.
pub struct View {
    client: Client,
    keys: Keys,
    news: UnboundedSender<News>,
    node: NodeName,
    accord: Rc<Accord>,
    roll: Roll,
}

impl View {
    /// Nothing seen yet, nothing registered.
    pub fn new(
        client: Client,
        keys: Keys,
        news: UnboundedSender<News>,
        node: NodeName,
        mine: Registration,
        accord: Rc<Accord>,
    ) -> Self {
        let roll = Roll::new(keys.clone(), node.clone(), mine);
        Self { client, keys, news, node, accord, roll }
    }

    /// Registers this node under a lease, in the place of a former life of it on this boot. While
    /// another machine, or another boot, has the name, that is waited for.
    pub async fn register(&mut self, lease: i64) {
        let mut said = None;
        loop {
            match self.try_register(lease).await {
                Ok(Ok(true)) => return,
                // Somebody was faster.
                Ok(Ok(false)) => {}
                Ok(Err(other)) => {
                    if said.as_ref() != Some(&other) {
                        tracing::warn!(
                            "node {} is registered by another boot or another machine, at {}; waiting until \
                             that registration ends",
                            self.node,
                            other.address
                        );
                        said = Some(other);
                    }
                }
                Err(error) => tracing::warn!("this node can't be registered in etcd: {error}"),
            }
            sleep(RETRY).await;
        }
    }

    /// Once: whether it is, or who has the name otherwise.
    async fn try_register(&mut self, lease: i64) -> Result<Result<bool, Registration>, Error> {
        let found = self.client.range(Range::key(self.roll.place())).await?.kvs.into_iter().next();
        let (register, former) = match self.roll.register(lease, found.as_ref()) {
            Place::Taken(other) => return Ok(Err(other)),
            Place::Free { register, former } => (register, former),
        };
        let done = self.done(register).await?;
        if let Some(former) = former.filter(|_| done) {
            let _expires = self.client.revoke(former).await;
        }
        Ok(Ok(done))
    }

    /// Puts the registration under another lease, if it is still this node's. False: it is not.
    pub async fn hold(&mut self, lease: i64) -> Result<bool, Error> {
        let hold = self.roll.hold(lease);
        self.done(hold).await
    }

    /// Does it if what it compares holds; says whether it did.
    async fn done(&self, txn: Txn) -> Result<bool, Error> {
        Ok(self.client.txn(txn).await?.succeeded)
    }

    /// Tells what happens until this node has no part in it any more.
    pub async fn follow(&mut self, errands: &mut UnboundedReceiver<Errand>) -> End {
        loop {
            let end = match self.look().await {
                Ok(revision) => self.watch(revision + 1, errands).await,
                Err(error) => Err(error),
            };
            match end {
                Ok(end) => return end,
                Err(error) => tracing::debug!("etcd is looked at anew: {error}"),
            }
            sleep(RETRY).await;
        }
    }

    /// All there is now; the revision it was read at.
    async fn look(&mut self) -> Result<i64, Error> {
        let page = self.client.range(Range::prefix(self.keys.live())).await?;
        let bound = self.roll.bind(self.accord.bond());
        self.tell(bound);
        let news = self.roll.look(&page);
        self.tell(news);
        self.accord.set_term(self.roll.term());
        Ok(page.revision)
    }

    async fn watch(&mut self, revision: i64, errands: &mut UnboundedReceiver<Errand>) -> Result<End, Error> {
        let mut watch = self.client.watch(&self.keys.live(), revision).await?;
        loop {
            let bound = self.roll.bind(self.accord.bond());
            self.tell(bound);
            match self.roll.part() {
                Part::Replaced(why) => return Ok(End::Replaced(why)),
                Part::Write(txn) => drop(self.done(txn).await?),
                Part::Watch => {}
            }
            tokio::select! {
                changes = watch.next() => match changes {
                    Ok(changes) => for change in &changes {
                        let news = self.roll.change(change);
                        self.tell(news);
                        self.accord.set_term(self.roll.term());
                    },
                    Err(WatchEnd::Compacted(_)) => return Err(Error::Compacted),
                    Err(WatchEnd::Broken(error)) => return Err(error),
                },
                () = self.accord.stirs() => {}
                Some(errand) = errands.recv() => {
                    if let Errand::Nodes(nodes) = &errand {
                        self.accord.set_nodes(nodes.clone());
                    }
                    if let Some(span) = self.roll.asked(&errand) {
                        return Ok(End::Parked(span));
                    }
                }
            }
        }
    }

    fn tell(&self, news: Vec<News>) {
        // Nobody listens any more: the daemon ends.
        news.into_iter().for_each(|news| drop(self.news.send(news)));
    }
}
