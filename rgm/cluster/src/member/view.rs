//! Who is there and who is president, followed in etcd; and this node's part in it.

use super::{Errand, News, RETRY, Registration, Term};
use rgm_etcd::{Change, ChangeKind, Client, Compare, Error, Keys, Op, Range, Txn, WatchEnd};
use rgm_types::NodeName;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::sleep;

/// What lies under the president's key.
#[derive(Debug, Serialize, Deserialize)]
struct Chair {
    node: NodeName,
    incarnation: u64,
}

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
    mine: Registration,
    members: BTreeMap<NodeName, Registration>,
    term: Option<Term>,
    /// A presidency of this epoch, or an older one, is not taken, and given up where it was.
    declined: u64,
}

impl View {
    /// Nothing seen yet, nothing registered.
    pub fn new(
        client: Client,
        keys: Keys,
        news: UnboundedSender<News>,
        node: NodeName,
        mine: Registration,
    ) -> Self {
        Self { client, keys, news, node, mine, members: BTreeMap::new(), term: None, declined: 0 }
    }

    /// Registers this node under a lease, in the place of a former life of it on this boot. While
    /// another machine, or another boot, has the name, that is waited for.
    pub async fn register(&mut self, lease: i64) {
        self.mine.lease = lease;
        let mut said = None;
        loop {
            match self.try_register().await {
                Ok(None) => return,
                Ok(Some(other)) => {
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

    /// Once; says who has the name otherwise.
    async fn try_register(&self) -> Result<Option<Registration>, Error> {
        let key = self.keys.member(self.node.as_str());
        let found = self.client.range(Range::key(key.clone())).await?.kvs.into_iter().next();
        let former = found.as_ref().and_then(|kv| serde_json::from_slice::<Registration>(&kv.value).ok());
        if let Some(other) = former.clone().filter(|other| other.boot != self.mine.boot) {
            return Ok(Some(other));
        }
        let revision = found.map_or(0, |kv| kv.mod_revision);
        let put = Op::Put { key: key.clone(), value: self.value(), lease: self.mine.lease };
        if !self.done(Compare::ModRevision(key, revision), put).await? {
            return Ok(former);
        }
        if let Some(former) = former.filter(|former| former.lease != self.mine.lease) {
            // A presidency of that life ends with its lease.
            let _expires = self.client.revoke(former.lease).await;
        }
        Ok(None)
    }

    /// Puts the registration under another lease, if it is still this node's. False: it is not.
    pub async fn hold(&mut self, lease: i64) -> Result<bool, Error> {
        let key = self.keys.member(self.node.as_str());
        let ours = Compare::Lease(key.clone(), std::mem::replace(&mut self.mine.lease, lease));
        self.done(ours, Op::Put { key, value: self.value(), lease }).await
    }

    /// Does it if that holds; says whether it did.
    async fn done(&self, holds: Compare, op: Op) -> Result<bool, Error> {
        let txn = Txn { compare: vec![holds], success: vec![op], failure: vec![] };
        Ok(self.client.txn(txn).await?.succeeded)
    }

    fn value(&self) -> Vec<u8> {
        serde_json::to_vec(&self.mine).unwrap_or_default()
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
        let known = std::mem::take(&mut self.members);
        self.term = None;
        page.kvs.iter().for_each(|kv| self.put(&kv.key, &kv.value, kv.create_revision));
        for gone in known.keys().filter(|node| !self.members.contains_key(*node)) {
            self.tell(News::Gone(gone.clone()));
        }
        self.tell(News::Members(self.members.clone()));
        self.tell(News::President(self.term.clone()));
        Ok(page.revision)
    }

    async fn watch(&mut self, revision: i64, errands: &mut UnboundedReceiver<Errand>) -> Result<End, Error> {
        let mut watch = self.client.watch(&self.keys.live(), revision).await?;
        loop {
            if let Some(why) = self.replaced() {
                return Ok(End::Replaced(why));
            }
            match &self.term {
                None if self.declined < u64::MAX => self.campaign().await?,
                Some(term) if self.is_mine(term) && term.epoch <= self.declined => {
                    self.resign(term.epoch).await?;
                }
                None | Some(_) => {}
            }
            tokio::select! {
                changes = watch.next() => match changes {
                    Ok(changes) => changes.iter().for_each(|change| self.change(change)),
                    Err(WatchEnd::Compacted(_)) => return Err(Error::Compacted),
                    Err(WatchEnd::Broken(error)) => return Err(error),
                },
                Some(errand) = errands.recv() => match errand {
                    Errand::Resign(epoch) => self.declined = self.declined.max(epoch),
                    Errand::Withdraw => self.declined = u64::MAX,
                    Errand::Park(span) => return Ok(End::Parked(span)),
                },
            }
        }
    }

    fn change(&mut self, change: &Change) {
        if change.kind == ChangeKind::Put {
            self.put(&change.key, &change.value, change.create_revision);
        } else if self.keys.is_president(&change.key) {
            self.term = None;
        } else if let Some(node) = self.member(&change.key) {
            self.members.remove(&node);
            self.tell(News::Gone(node));
        }
        if self.keys.is_president(&change.key) {
            self.tell(News::President(self.term.clone()));
        } else {
            self.tell(News::Members(self.members.clone()));
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8], created: i64) {
        if self.keys.is_president(key) {
            let chair: Option<Chair> = serde_json::from_slice(value).ok();
            let epoch = u64::try_from(created).unwrap_or(0);
            self.term = chair.map(|Chair { node, incarnation }| Term { node, incarnation, epoch });
        } else if let Some(node) = self.member(key) {
            match serde_json::from_slice(value) {
                Ok(registration) => drop(self.members.insert(node, registration)),
                Err(error) => tracing::error!("the registration of node {node} is not understood: {error}"),
            }
        }
    }

    fn member(&self, key: &[u8]) -> Option<NodeName> {
        let name = self.keys.member_of(key)?;
        NodeName::new(name).inspect_err(|error| tracing::error!("node {name} is registered: {error}")).ok()
    }

    fn is_mine(&self, term: &Term) -> bool {
        term.node == self.node && term.incarnation == self.mine.incarnation
    }

    /// Whether this node's registration is not its own any more.
    fn replaced(&self) -> Option<String> {
        match self.members.get(&self.node) {
            None => Some("its registration is gone".to_owned()),
            Some(other) if other.incarnation != self.mine.incarnation => {
                Some(format!("another rgmd registered in its place, at {}", other.address))
            }
            Some(_) => None,
        }
    }

    /// Writes its name where no president's is. Who is first is seen by the watch.
    async fn campaign(&self) -> Result<(), Error> {
        let key = self.keys.president();
        let chair = Chair { node: self.node.clone(), incarnation: self.mine.incarnation };
        let chair = serde_json::to_vec(&chair).unwrap_or_default();
        let put = Op::Put { key: key.clone(), value: chair, lease: self.mine.lease };
        self.done(Compare::absent(key), put).await.map(drop)
    }

    async fn resign(&self, epoch: u64) -> Result<(), Error> {
        let key = self.keys.president();
        let epoch = i64::try_from(epoch).unwrap_or(i64::MAX);
        self.done(Compare::CreateRevision(key.clone(), epoch), Op::delete(key)).await.map(drop)
    }

    fn tell(&self, news: News) {
        // Nobody listens any more: the daemon ends.
        let _nobody = self.news.send(news);
    }
}
