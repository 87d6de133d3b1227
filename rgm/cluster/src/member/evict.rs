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
//! What may be written is decided by [`Writ`].

use super::{RETRY, Registration};
use crate::rules::{Void, Writ, patience, strike as strike_of};
use rgm_etcd::{Client, Error, Keys, Kv, Range, Txn};
use rgm_types::NodeName;
use tokio::time::sleep;

/// A president, as far as etcd is concerned.
#[derive(Debug, Clone)]
pub struct Warrant {
    /// etcd.
    pub client: Client,
    /// Which presidency.
    pub writ: Writ,
}

/// Why it was not done.
#[derive(Debug, thiserror::Error)]
pub enum WarrantError {
    /// It is not wanted any more.
    #[error(transparent)]
    Void(#[from] Void),
    /// It may have been done.
    #[error("etcd did not answer")]
    Etcd(#[from] Error),
}

impl Warrant {
    /// Is it still president, and that life of the node still registered?
    pub async fn check(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        self.writ.find(&self.live().await?, node, life)?;
        Ok(())
    }

    /// Is it still president?
    pub async fn presides(&self) -> Result<(), WarrantError> {
        Ok(self.writ.presides(&self.live().await?)?)
    }

    /// Marks that life of a node: it must end itself, and counts as dead when it must have.
    pub async fn evict(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        match self.writ.evict(&self.live().await?, node, life)? {
            Some(mark) => self.done(mark).await,
            None => Ok(()),
        }
    }

    /// That life of a node is dead for certain: its registration is removed, for everybody to see.
    pub async fn remove(&self, node: &NodeName, life: &Registration) -> Result<(), WarrantError> {
        let (remove, lease) = self.writ.remove(&self.live().await?, node, life)?;
        self.done(remove).await?;
        // Behind the registration, which it would take with it whoever is president.
        let _expires = self.client.revoke(lease).await;
        Ok(())
    }

    /// All that lives.
    async fn live(&self) -> Result<Vec<Kv>, Error> {
        Ok(self.client.range(Range::prefix(self.writ.keys.live())).await?.kvs)
    }

    async fn done(&self, txn: Txn) -> Result<(), WarrantError> {
        match self.client.txn(txn).await?.succeeded {
            true => Ok(()),
            false => Err(Void::Changed.into()),
        }
    }
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
    let found = client.range(Range::key(keys.member(node.as_str()))).await?.kvs.into_iter().next();
    match strike_of(marked, found.as_ref()) {
        Some(txn) => client.txn(txn).await.map(drop),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
