//! Taking a node out of the cluster against its will: one that its president does not reach, or one
//! that is known to be dead.
//!
//! ```text
//!  registered ── evict ──► marked ── its lease ended, waited for ──► gone
//!       └──────┬───────────────┘                                      ▲
//!              └── remove: a fence device, or a human, says it is dead ┘
//! ```
//!
//! **Marked.** Its registration is replaced by itself with `evicted`, which goes with no lease. The node
//! sees that and ends itself at once. Should it not see it, its lease is ended too, so that it can't be
//! renewed: counted from the answer to that, its deadman fires within the lease's time to live. Every
//! member ends the lease, waits ([`patience`]), and removes the mark, so the mark outlives any president;
//! nobody registers under that name before. That it is gone then means what it always means.
//!
//! Both are done for the president of an epoch only, and to one life of a node only, however long ago
//! somebody decided it.

use super::{RETRY, Registration};
use rgm_etcd::{Client, Compare, Error, Keys, Kv, Op, Range, Txn};
use rgm_types::NodeName;
use std::time::Duration;
use tokio::time::sleep;

/// A president, as far as etcd is concerned.
#[derive(Debug, Clone)]
pub struct Warrant {
    /// etcd.
    pub client: Client,
    /// Where in it.
    pub keys: Keys,
    /// Which presidency.
    pub epoch: u64,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum WarrantError {
    /// Another one is president.
    #[error("this node is not the president of the cluster any more")]
    Deposed,
    /// It left, or has begun another life.
    #[error("its registration is another one now")]
    Changed,
    /// It may have been done.
    #[error("etcd did not answer")]
    Etcd(#[from] Error),
}

impl Warrant {
    /// Is it still president, and that life of the node still registered?
    pub async fn check(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        self.found(node, life).await.map(drop)
    }

    /// Is it still president?
    pub async fn presides(&self) -> Result<(), WarrantError> {
        self.living().await.map(drop)
    }

    /// Marks that life of a node: it must end itself, and counts as dead when it must have.
    pub async fn evict(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        let (found, revision) = self.found(node, life).await?;
        if found.evicted {
            return Ok(());
        }
        let marked = Registration { evicted: true, ..found };
        let value = serde_json::to_vec(&marked).unwrap_or_default();
        self.done(node, revision, Op::put(self.keys.member(node.as_str()), value)).await
    }

    /// That life of a node is dead for certain: its registration is removed, for everybody to see.
    pub async fn remove(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        let (found, revision) = self.found(node, life).await?;
        self.done(node, revision, Op::delete(self.keys.member(node.as_str()))).await?;
        // Behind the registration, which it would take with it whoever is president.
        let _expires = self.client.revoke(found.lease).await;
        Ok(())
    }

    async fn found(&self, node: &NodeName, life: &Registration) -> Result<(Registration, i64), WarrantError> {
        let member = self.keys.member(node.as_str());
        let mut living = self.living().await?.into_iter();
        let kv = living.find(|kv| kv.key == member).ok_or(WarrantError::Changed)?;
        let found: Registration = serde_json::from_slice(&kv.value).map_err(|_| WarrantError::Changed)?;
        match found.is_life(life) {
            true => Ok((found, kv.mod_revision)),
            false => Err(WarrantError::Changed),
        }
    }

    /// All that lives, as this president finds it.
    async fn living(&self) -> Result<Vec<Kv>, WarrantError> {
        let page = self.client.range(Range::prefix(self.keys.live())).await?;
        let chair = page.kvs.iter().find(|kv| self.keys.is_president(&kv.key));
        match chair.is_some_and(|kv| kv.create_revision == self.revision()) {
            true => Ok(page.kvs),
            false => Err(WarrantError::Deposed),
        }
    }

    async fn done(&self, node: &NodeName, revision: i64, op: Op) -> Result<(), WarrantError> {
        let compare = vec![
            Compare::CreateRevision(self.keys.president(), self.revision()),
            Compare::ModRevision(self.keys.member(node.as_str()), revision),
        ];
        let txn = Txn { compare, success: vec![op], failure: vec![] };
        match self.client.txn(txn).await?.succeeded {
            true => Ok(()),
            false => Err(WarrantError::Changed),
        }
    }

    fn revision(&self) -> i64 {
        i64::try_from(self.epoch).unwrap_or(i64::MAX)
    }
}

/// How long a node lives at most once its lease was ended. Half as long again as the lease: a leader of
/// etcd that does not know yet that it is none may renew it for one of its election timeouts, of which
/// three fit into a lease.
pub fn patience(marked: &Registration) -> Duration {
    Duration::from_millis(marked.ttl_ms + marked.ttl_ms / 2)
}

/// Removes a mark when its node must be dead. Any number of nodes may do so at the same time.
pub async fn bury(client: Client, keys: Keys, node: NodeName, marked: Registration) {
    while let Err(error) = client.revoke(marked.lease).await {
        tracing::warn!("the lease of node {node}, which is evicted, can't be ended: {error}");
        sleep(RETRY * 5).await;
    }
    sleep(patience(&marked)).await;
    while let Err(error) = strike(&client, &keys, &node, &marked).await {
        tracing::warn!("node {node}, which was evicted, can't be struck out: {error}");
        sleep(RETRY * 5).await;
    }
}

/// Removes the mark of that life now, if it is still there.
pub async fn strike(
    client: &Client,
    keys: &Keys,
    node: &NodeName,
    marked: &Registration,
) -> Result<(), Error> {
    let key = keys.member(node.as_str());
    let found = client.range(Range::key(key.clone())).await?.kvs.into_iter().next();
    let Some(kv) = found else { return Ok(()) };
    let there: Option<Registration> = serde_json::from_slice(&kv.value).ok();
    if !there.is_some_and(|there| there.evicted && there.is_life(marked)) {
        return Ok(());
    }
    let compare = vec![Compare::ModRevision(key.clone(), kv.mod_revision)];
    client.txn(Txn { compare, success: vec![Op::delete(key)], failure: vec![] }).await.map(drop)
}

#[cfg(test)]
mod tests;
