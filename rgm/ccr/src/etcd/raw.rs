//! The writes of a commit as operations on keys, cut to what etcd takes; and entries from what lies
//! there.
//!
//! etcd refuses a transaction of more than 128 operations or 1.5 MiB, and a value has to fit in one.
//! So an entry that is too large goes on in further keys (`conf/p/…`), and operations are packed
//! into portions.

use crate::{StoreError, record};
use rgm_etcd::{Keys, Op, Span};
use rgm_types::{Entry, Key, Write};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Operations of one portion: etcd's 128 less what goes with them.
const OPS_MAX: usize = 120;
/// Bytes of one portion's values and keys, with room below etcd's 1.5 MiB for what is around them.
const PORTION_BYTES: usize = 1 << 20;
/// Bytes of one value. In the JSON of a batch it may double: quotes and backslashes are escaped.
const VALUE_BYTES: usize = 400 << 10;
/// Bytes of an operation beside its value: generous.
const OP_BYTES: usize = 256;

/// One operation on the keys of an entry, which is named by its key as text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum RawOp {
    /// The entry begins so. All of it, mostly.
    Put { entry: String, value: String },
    /// It goes on so.
    Part { entry: String, number: usize, value: String },
    /// It has no more parts than that.
    Trim { entry: String, parts: usize },
    /// There is no such entry.
    Delete { entry: String },
}

/// What a commit does, in an order without importance: of several writes of one entry, the last.
pub fn ops(writes: &[Write]) -> Vec<RawOp> {
    let last: BTreeMap<Key, &Write> = writes.iter().map(|write| (write.key(), write)).collect();
    let mut ops = Vec::new();
    for (key, write) in last {
        let entry = key.to_string();
        let mut parts = 0;
        match write {
            Write::Put(content) => {
                // An entry's record is JSON, so it is text.
                let text = String::from_utf8_lossy(&record::encode(content)).into_owned();
                let (first, rest) = cut(&text);
                ops.push(RawOp::Put { entry: entry.clone(), value: first.to_owned() });
                let mut rest = rest;
                while !rest.is_empty() {
                    let (value, behind) = cut(rest);
                    parts += 1;
                    ops.push(RawOp::Part { entry: entry.clone(), number: parts, value: value.to_owned() });
                    rest = behind;
                }
            }
            Write::Delete(_) => ops.push(RawOp::Delete { entry: entry.clone() }),
        }
        ops.push(RawOp::Trim { entry, parts });
    }
    ops
}

/// The longest beginning that fits in a value, and what is behind it.
fn cut(text: &str) -> (&str, &str) {
    let mut end = text.len().min(VALUE_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.split_at(end)
}

/// Packed so that each portion fits in one transaction.
pub fn portions(ops: &[RawOp]) -> Vec<&[RawOp]> {
    let mut portions = Vec::new();
    let (mut start, mut bytes) = (0, 0);
    for (at, op) in ops.iter().enumerate() {
        let size = op.size();
        if at > start && (at - start == OPS_MAX || bytes + size > PORTION_BYTES) {
            portions.push(&ops[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += size;
    }
    if start < ops.len() {
        portions.push(&ops[start..]);
    }
    portions
}

/// Packed into the pieces of a batch.
#[expect(clippy::expect_used, reason = "operations are text and numbers")]
pub fn pieces(ops: &[RawOp]) -> Vec<Vec<u8>> {
    let mut pieces = Vec::new();
    let (mut texts, mut bytes) = (Vec::new(), 0);
    for op in ops {
        let text = serde_json::to_string(op).expect("an operation is JSON");
        if bytes + text.len() > PORTION_BYTES && !texts.is_empty() {
            pieces.push(piece(&texts));
            (texts, bytes) = (Vec::new(), 0);
        }
        bytes += text.len() + 1;
        texts.push(text);
    }
    pieces.push(piece(&texts));
    pieces
}

fn piece(texts: &[String]) -> Vec<u8> {
    format!("{{\"v\":{},\"ops\":[{}]}}", record::LAYOUT, texts.join(",")).into_bytes()
}

/// The operations of a piece, called `name` in `store`.
pub fn read_piece(store: &str, name: &str, bytes: &[u8]) -> Result<Vec<RawOp>, StoreError> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Piece {
        #[serde(rename = "v")]
        _v: u64,
        ops: Vec<RawOp>,
    }
    record::check_format(store, name, bytes)?;
    let piece: Piece = serde_json::from_slice(bytes).map_err(|error| record::corrupt(store, name, &error))?;
    Ok(piece.ops)
}

impl RawOp {
    fn size(&self) -> usize {
        OP_BYTES
            + match self {
                Self::Put { value, .. } | Self::Part { value, .. } => value.len(),
                Self::Trim { .. } | Self::Delete { .. } => 0,
            }
    }

    /// As etcd does it.
    pub fn op(&self, keys: &Keys) -> Op {
        match self {
            Self::Put { entry, value } => Op::put(keys.entry(entry), value.as_bytes()),
            Self::Part { entry, number, value } => Op::put(keys.part(entry, *number), value.as_bytes()),
            Self::Trim { entry, parts: 0 } => Op::Delete(Span::Prefix(keys.parts(entry))),
            Self::Trim { entry, parts } => {
                Op::Delete(Span::Behind { prefix: keys.parts(entry), key: keys.part(entry, *parts) })
            }
            Self::Delete { entry } => Op::delete(keys.entry(entry)),
        }
    }
}

/// What lies in etcd: an entry's key as text, and its values by their numbers, the first one 0.
#[derive(Debug, Default)]
pub struct Raw(BTreeMap<String, BTreeMap<usize, Vec<u8>>>);

impl Raw {
    /// Takes a key; those that belong to no entry are left.
    pub fn insert(&mut self, keys: &Keys, key: &[u8], value: Vec<u8>) {
        let place = keys.entry_of(key).map(|entry| (entry, 0)).or_else(|| keys.part_of(key));
        if let Some((entry, number)) = place {
            self.0.entry(entry.to_owned()).or_default().insert(number, value);
        }
    }

    /// What it is once that was done.
    pub fn apply(&mut self, op: RawOp) {
        match op {
            RawOp::Put { entry, value } => {
                self.0.entry(entry).or_default().insert(0, value.into_bytes());
            }
            RawOp::Part { entry, number, value } => {
                self.0.entry(entry).or_default().insert(number, value.into_bytes());
            }
            RawOp::Trim { entry, parts } => {
                if let Some(values) = self.0.get_mut(&entry) {
                    values.retain(|number, _| *number <= parts);
                }
            }
            RawOp::Delete { entry } => {
                if let Some(values) = self.0.get_mut(&entry) {
                    values.remove(&0);
                }
            }
        }
    }

    /// The entries, ordered by key.
    pub fn entries(self, store: &str) -> Result<Vec<Entry>, StoreError> {
        let mut entries = BTreeMap::new();
        for (key, values) in self.0.into_iter().filter(|(_, values)| !values.is_empty()) {
            if !values.keys().copied().eq(0..values.len()) {
                let reason = format!("entry {key}: a part is missing");
                return Err(StoreError::Corrupt { store: store.to_owned(), reason });
            }
            let bytes = values.into_values().collect::<Vec<_>>().concat();
            let entry = record::decode(store, &key, &bytes)?;
            entries.insert(entry.key(), entry);
        }
        Ok(entries.into_values().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::group;

    fn apply(raw: &mut Raw, ops: &[RawOp]) {
        ops.iter().for_each(|op| raw.apply(op.clone()));
    }

    #[test]
    fn an_entry_of_any_length_comes_back_whole_and_a_shorter_one_leaves_nothing_of_it() {
        for length in [0, VALUE_BYTES, 3 * VALUE_BYTES, 1] {
            let entry = group(1, &"\u{e9}\"".repeat(length / 3));
            let mut raw = Raw::default();
            apply(&mut raw, &ops(&[Write::Put(group(1, &"x".repeat(2 * VALUE_BYTES)))]));
            apply(&mut raw, &ops(&[Write::Put(entry.clone())]));
            assert!(raw.entries("s").unwrap() == [entry], "{length}");
        }
    }

    #[test]
    fn the_last_write_of_an_entry_counts() {
        let (a, b) = (group(1, "a"), group(1, "b"));
        let (put_a, put_b, delete) = (Write::Put(a.clone()), Write::Put(b.clone()), Write::Delete(a.key()));
        for (writes, left) in [
            (vec![put_a.clone(), put_b.clone()], vec![b]),
            (vec![put_b.clone(), delete.clone()], vec![]),
            (vec![delete, put_b, put_a], vec![a]),
        ] {
            let mut raw = Raw::default();
            apply(&mut raw, &ops(&writes));
            assert_eq!(raw.entries("s").unwrap(), left, "{writes:?}");
        }
    }

    #[test]
    fn portions_and_pieces_hold_everything_and_keep_their_limits() {
        let long = "\"".repeat(300_000);
        let writes: Vec<Write> =
            (0..200).map(|n| Write::Put(group(n, if n % 50 == 0 { &long } else { "short" }))).collect();
        let ops = ops(&writes);
        let portions = portions(&ops);
        assert!(portions.concat() == ops);
        for portion in portions {
            let bytes: usize = portion.iter().map(RawOp::size).sum();
            assert!(portion.len() <= OPS_MAX && bytes <= PORTION_BYTES, "{} {bytes}", portion.len());
        }
        let mut read = Vec::new();
        for piece in pieces(&ops) {
            assert!(piece.len() < PORTION_BYTES + 1000, "{}", piece.len());
            read.extend(read_piece("s", "p", &piece).unwrap());
        }
        assert!(read == ops);
    }

    #[test]
    fn a_missing_part_is_told() {
        let mut raw = Raw::default();
        let mut ops = ops(&[Write::Put(group(1, &"x".repeat(3 * VALUE_BYTES)))]);
        ops.remove(1);
        apply(&mut raw, &ops);
        assert!(raw.entries("s").unwrap_err().to_string().contains("a part is missing"));
    }
}
