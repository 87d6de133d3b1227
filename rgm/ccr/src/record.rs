//! How an entry lies in a store: `{"v":1,"entry":{…}}`.
//!
//! The number grows with every change that an older reader could not keep whole. A reader that does
//! not know a number says so, and drops nothing. An entry is written with the lowest number that its
//! readers need, so that a store without what is new can still be read by the version before.

use crate::StoreError;
use rgm_types::Entry;
use serde::{Deserialize, Serialize};

/// The highest format written and read.
pub const FORMAT: u64 = 3;
/// The format of what lies beside the entries: heads, and pieces of a large commit.
pub const LAYOUT: u64 = 1;

/// The format an entry needs: attributes of nodes came with the second one, with the third what
/// resources have not been told of their properties.
fn format_of(entry: &Entry) -> u64 {
    match entry {
        Entry::Attrs(..) => 2,
        Entry::Run(_, run) if !run.updates.is_empty() => 3,
        Entry::Cluster(_)
        | Entry::Node(_)
        | Entry::Type(_)
        | Entry::Group(_)
        | Entry::Resource(_)
        | Entry::Run(..) => 1,
    }
}

/// An entry as bytes, filed under its key as text.
#[expect(clippy::expect_used, reason = "an entry is text, numbers, and maps whose keys are text")]
pub fn encode(entry: &Entry) -> Vec<u8> {
    #[derive(Serialize)]
    struct Record<'a> {
        v: u64,
        entry: &'a Entry,
    }
    serde_json::to_vec(&Record { v: format_of(entry), entry }).expect("an entry is JSON")
}

/// The entry filed under `key` in `store`.
pub fn decode(store: &str, key: &str, bytes: &[u8]) -> Result<Entry, StoreError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Record {
        #[serde(rename = "v")]
        _v: u64,
        entry: Entry,
    }
    let what = format!("entry {key}");
    check_format(store, &what, bytes)?;
    let record: Record = serde_json::from_slice(bytes).map_err(|error| corrupt(store, &what, &error))?;
    if record.entry.key().to_string() != key {
        let reason = format!("{what} holds {}", record.entry.key());
        return Err(StoreError::Corrupt { store: store.to_owned(), reason });
    }
    Ok(record.entry)
}

/// Is it of a format that we know? `what` names it in `store`.
pub fn check_format(store: &str, what: &str, bytes: &[u8]) -> Result<(), StoreError> {
    #[derive(Deserialize)]
    struct Version {
        v: u64,
    }
    let version: Version = serde_json::from_slice(bytes).map_err(|error| corrupt(store, what, &error))?;
    if version.v > FORMAT {
        return Err(StoreError::Newer { store: store.to_owned(), found: version.v, known: FORMAT });
    }
    Ok(())
}

/// It is not what was written.
pub fn corrupt(store: &str, what: &str, error: &serde_json::Error) -> StoreError {
    StoreError::Corrupt { store: store.to_owned(), reason: format!("{what}: {error}") }
}
