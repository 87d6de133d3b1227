//! The roll of the cluster, kept in etcd: what is seen there is told, and this node does its part.

use super::accord::Accord;
use super::{Errand, News, RETRY, Registration, evict};
use crate::rules::{Part, Place, Roll};
use rgm_etcd::{Client, Error, Keys, Range, Txn, WatchEnd};
use rgm_types::{Millis, NodeName};
use std::collections::BTreeSet;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep, sleep_until};

/// Why it is followed no longer.
pub enum End {
    /// The registration of this node is another's, or gone.
    Replaced(String),
    /// An errand ends the membership; its place is to be held for that long.
    Parked(Duration),
    /// The same; its place is given up.
    Left,
}

/// See the module.
pub struct View {
    client: Client,
    keys: Keys,
    news: UnboundedSender<News>,
    node: NodeName,
    /// Nothing runs here of any life.
    alone: bool,
    accord: Rc<Accord>,
    roll: Roll,
    /// Lives of nodes whose marks are removed when their time has come.
    marked: BTreeSet<(NodeName, u64)>,
    /// When it stands for election again.
    stands_again: Option<Instant>,
}

impl View {
    /// Nothing seen yet, nothing registered.
    pub fn new(
        client: Client,
        keys: Keys,
        news: UnboundedSender<News>,
        node: NodeName,
        mine: Registration,
        alone: bool,
        accord: Rc<Accord>,
    ) -> Self {
        let roll = Roll::new(keys.clone(), node.clone(), mine);
        let marked = BTreeSet::new();
        Self { client, keys, news, node, alone, accord, roll, marked, stands_again: None }
    }

    /// Registers this node under a lease, in the place of a former life of it on this boot. While
    /// another machine, or another boot, has the name, that is waited for; so is the end of a former life
    /// that was evicted, unless it is certain that nothing of it runs here. The error: it was this life.
    pub async fn register(&mut self, lease: i64, ttl: Millis) -> Result<(), String> {
        self.roll.lasts(ttl);
        let mut said = None;
        loop {
            match self.try_register(lease).await {
                Ok(Ok(true)) => {
                    self.alone = false;
                    return Ok(());
                }
                // Somebody was faster.
                Ok(Ok(false)) => {}
                Ok(Err(other)) => {
                    if other.evicted {
                        self.wait_for_mark(&other).await?;
                    }
                    if said.as_ref() != Some(&other) {
                        tracing::warn!("{}; waiting until that registration ends", self.taken(&other));
                        said = Some(other);
                    }
                }
                Err(error) => tracing::warn!("this node can't be registered in etcd: {error}"),
            }
            sleep(RETRY).await;
        }
    }

    /// Who has the name of this node.
    fn taken(&self, other: &Registration) -> String {
        let (node, address) = (&self.node, &other.address);
        match other.evicted {
            true => format!("a life of node {node} was evicted, at {address}, and must have ended first"),
            false => format!("node {node} is registered by another boot or another machine, at {address}"),
        }
    }

    /// A life of this node was evicted.
    async fn wait_for_mark(&mut self, marked: &Registration) -> Result<(), String> {
        if self.roll.is_mine_too(marked) {
            return Err("its president did not reach it and has evicted it".to_owned());
        }
        self.mind_mark(self.node.clone(), marked);
        if self.alone && self.roll.is_same_boot(marked) {
            self.strike(marked).await;
        }
        Ok(())
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
    pub async fn hold(&mut self, lease: i64, ttl: Millis) -> Result<bool, Error> {
        let hold = self.roll.hold(lease, ttl);
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
                Ok(Some(end)) => return end,
                Ok(None) => continue,
                Err(error) => tracing::debug!("etcd is looked at anew: {error}"),
            }
            sleep(RETRY).await;
        }
    }

    /// All there is now; the revision it was read at.
    async fn look(&mut self) -> Result<i64, Error> {
        self.roll.bind(self.accord.bond());
        self.roll.reads();
        let page = self.client.range(Range::prefix(self.keys.live())).await?;
        self.roll.bind(self.accord.bond());
        let news = self.roll.look(&page);
        self.tell(news);
        self.accord.set_term(self.roll.term());
        Ok(page.revision)
    }

    /// What changes from there on; `None`: all there is is to be looked at anew.
    async fn watch(
        &mut self,
        revision: i64,
        errands: &mut UnboundedReceiver<Errand>,
    ) -> Result<Option<End>, Error> {
        let mut watch = self.client.watch(&self.keys.live(), revision).await?;
        loop {
            self.roll.bind(self.accord.bond());
            for (node, marked) in self.roll.marked() {
                self.mind_mark(node, &marked);
            }
            match self.roll.part() {
                Part::Replaced(why) => return Ok(Some(End::Replaced(why))),
                Part::Look => return Ok(None),
                Part::Write(txn) => drop(self.done(txn).await?),
                Part::Watch => {}
            }
            tokio::select! {
                changes = watch.next() => match changes {
                    Ok(changes) => for change in &changes {
                        // What was promised since the watch was waited for counts.
                        self.roll.bind(self.accord.bond());
                        let news = self.roll.change(change);
                        self.tell(news);
                        self.accord.set_term(self.roll.term());
                    },
                    Err(WatchEnd::Compacted(_)) => return Err(Error::Compacted),
                    Err(WatchEnd::Broken(error)) => return Err(error),
                },
                () = self.accord.stirs() => {}
                () = until(self.stands_again) => {
                    self.roll.stand();
                    self.stands_again = None;
                }
                Some(errand) = errands.recv() => {
                    if let Errand::Nodes(nodes) = &errand {
                        self.accord.set_nodes(nodes.clone());
                    }
                    if let Errand::StandBack(_, span) = &errand {
                        self.stands_again = Some(Instant::now() + *span);
                    }
                    if matches!(errand, Errand::Leave) {
                        return Ok(Some(End::Left));
                    }
                    if let Some(span) = self.roll.asked(&errand) {
                        return Ok(Some(End::Parked(span)));
                    }
                }
            }
        }
    }

    /// Sees to it that a mark is removed, when its time has come.
    fn mind_mark(&mut self, node: NodeName, marked: &Registration) {
        if self.marked.insert((node.clone(), marked.incarnation)) {
            drop(spawn_local(evict::bury(self.client.clone(), self.keys.clone(), node, marked.clone())));
        }
    }

    /// Nothing of this node's life that was evicted runs any more.
    async fn strike(&self, marked: &Registration) {
        if let Err(error) = evict::strike(&self.client, &self.keys, &self.node, marked).await {
            tracing::warn!("the mark of the former life of this node can't be removed: {error}");
        }
    }

    fn tell(&self, news: Vec<News>) {
        // Nobody listens any more: the daemon ends.
        news.into_iter().for_each(|news| drop(self.news.send(news)));
    }
}

/// Until then; for ever where there is no such moment.
async fn until(when: Option<Instant>) {
    match when {
        Some(when) => sleep_until(when).await,
        None => std::future::pending().await,
    }
}
