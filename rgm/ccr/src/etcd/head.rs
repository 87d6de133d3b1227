//! `conf/generation`: what was committed last, and by which commit.
//!
//! Every commit compares the revision at which this key was written last, and writes it. So of all
//! commits decided on one state at most one succeeds; and writing it once more, unchanged but for
//! its author, makes all those fail that were sent before and may still be on their way.

use crate::{StoreError, record};
use rgm_etcd::Kv;
use rgm_types::Generation;
use serde::{Deserialize, Serialize};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// What the key holds; the default is what holds as long as it is missing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    pub generation: Generation,
    /// The commit that wrote it: no two are ever called the same.
    pub author: String,
    /// The commit's writes still lie there, to be applied.
    pub batch: Option<Batch>,
    /// The revision it was written at; 0 while it is missing.
    pub revision: i64,
}

/// A commit too large for one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Batch {
    /// Its name in the keys of its pieces.
    pub name: String,
    /// How many they are.
    pub pieces: usize,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    v: u64,
    generation: Generation,
    author: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    batch: Option<Batch>,
}

impl Head {
    /// As it lies in etcd, the revision apart.
    #[expect(clippy::expect_used, reason = "it is numbers and text")]
    pub fn encode(&self) -> Vec<u8> {
        let Self { generation, author, batch, revision: _ } = self.clone();
        serde_json::to_vec(&Record { v: record::LAYOUT, generation, author, batch }).expect("a head is JSON")
    }

    /// What that key holds in `store`.
    pub fn decode(store: &str, kv: Option<&Kv>) -> Result<Self, StoreError> {
        let Some(kv) = kv else { return Ok(Self::default()) };
        record::check_format(store, "generation", &kv.value)?;
        let Record { v: _, generation, author, batch } = serde_json::from_slice(&kv.value)
            .map_err(|error| record::corrupt(store, "generation", &error))?;
        Ok(Self { generation, author, batch, revision: kv.mod_revision })
    }
}

/// A name that nobody else has, nor ever had.
pub fn author() -> String {
    // Distinct within the process by the counter, between processes by what seeds their hash maps.
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let random = RandomState::new().build_hasher().finish();
    format!("{random:016x}-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}
