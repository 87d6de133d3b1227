//! What a president may write about the place of another node, and what anybody may about a mark there.
//!
//! Both are done for the president of an epoch only, and to one life of a node only, however long ago
//! somebody decided it: what was looked at is compared again where it is written.

use crate::member::Registration;
use rgm_etcd::{Compare, Keys, Kv, Op, Txn};
use rgm_types::NodeName;
use std::time::Duration;

/// A presidency, as etcd has it.
#[derive(Debug, Clone)]
pub struct Writ {
    /// Where in etcd.
    pub keys: Keys,
    /// Which one.
    pub epoch: u64,
}

/// Why it is not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Void {
    /// Another one is president.
    #[error("this node is not the president of the cluster any more")]
    Deposed,
    /// It left, or has begun another life.
    #[error("its registration is another one now")]
    Changed,
}

impl Writ {
    /// Of all that lives: it is still president.
    pub fn presides(&self, live: &[Kv]) -> Result<(), Void> {
        let chair = live.iter().find(|kv| self.keys.is_president(&kv.key));
        chair.filter(|kv| kv.create_revision == self.revision()).map(drop).ok_or(Void::Deposed)
    }

    /// It is, and that life of a node is still registered: as what, and since which revision.
    pub fn find(
        &self,
        live: &[Kv],
        node: &NodeName,
        life: &Registration,
    ) -> Result<(Registration, i64), Void> {
        self.presides(live)?;
        let place = self.keys.member(node.as_str());
        let kv = live.iter().find(|kv| kv.key == place).ok_or(Void::Changed)?;
        let found: Registration = serde_json::from_slice(&kv.value).map_err(|_| Void::Changed)?;
        found.is_life(life).then_some((found, kv.mod_revision)).ok_or(Void::Changed)
    }

    /// Marks that life of a node: it must end itself, and counts as dead when it must have. `None`: it is.
    pub fn evict(&self, live: &[Kv], node: &NodeName, life: &Registration) -> Result<Option<Txn>, Void> {
        let (found, revision) = self.find(live, node, life)?;
        if found.evicted {
            return Ok(None);
        }
        let marked = Registration { evicted: true, ..found };
        let value = serde_json::to_vec(&marked).unwrap_or_default();
        Ok(Some(self.only_if_so(node, revision, Op::put(self.keys.member(node.as_str()), value))))
    }

    /// Removes that life of a node, which is dead for certain; and its lease, to be ended behind that.
    pub fn remove(&self, live: &[Kv], node: &NodeName, life: &Registration) -> Result<(Txn, i64), Void> {
        let (found, revision) = self.find(live, node, life)?;
        let delete = Op::delete(self.keys.member(node.as_str()));
        Ok((self.only_if_so(node, revision, delete), found.lease))
    }

    fn only_if_so(&self, node: &NodeName, revision: i64, op: Op) -> Txn {
        let compare = vec![
            Compare::CreateRevision(self.keys.president(), self.revision()),
            Compare::ModRevision(self.keys.member(node.as_str()), revision),
        ];
        Txn { compare, success: vec![op], failure: vec![] }
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

/// Removes the mark of a life, if that is what lies at its place.
pub fn strike(marked: &Registration, found: Option<&Kv>) -> Option<Txn> {
    let kv = found?;
    let there: Registration = serde_json::from_slice(&kv.value).ok()?;
    (there.evicted && there.is_life(marked)).then(|| {
        let compare = vec![Compare::ModRevision(kv.key.clone(), kv.mod_revision)];
        Txn { compare, success: vec![Op::delete(kv.key.clone())], failure: vec![] }
    })
}
