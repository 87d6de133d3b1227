//! What stands around the core: nodes with their journals and what really runs, and a repository.

use rgm_core::cell::Cell;
use rgm_core::{Order, Token};
use rgm_types::config::{Entry, Generation, Write};
use rgm_types::{Key, Method, ResourceName};
use std::collections::{BTreeMap, BTreeSet};

/// A node.
#[derive(Debug, Default)]
pub(super) struct SimNode {
    pub(super) up: bool,
    /// Told to abort; it will be gone soon.
    pub(super) aborting: bool,
    /// The last record of each resource.
    pub(super) journal: BTreeMap<ResourceName, Cell>,
    /// Methods under way.
    pub(super) flights: BTreeMap<Token, Order>,
    /// Resources of which something may run, whatever anybody believes.
    pub(super) alive: BTreeSet<ResourceName>,
    /// Resources whose last START succeeded and whose STOP was not yet begun.
    pub(super) serving: BTreeSet<ResourceName>,
}

impl SimNode {
    /// Power off: nothing runs any more, nothing is remembered.
    pub(super) fn power_off(&mut self) {
        *self = Self::default();
    }

    /// What a method's end did to the truth.
    pub(super) fn method_ended(&mut self, order: &Order, ok: bool, has_stop: bool) {
        let r = &order.resource;
        if ok && order.method == Method::Start {
            self.serving.insert(r.clone());
        }
        let last_stop = if has_stop { Method::Stop } else { Method::PostnetStop };
        if ok && order.method == last_stop {
            self.alive.remove(r);
        }
    }
}

/// The repository: what was committed, and nothing else.
#[derive(Debug, Default)]
pub(super) struct Repo {
    pub(super) entries: BTreeMap<Key, Entry>,
    pub(super) generation: Generation,
}

impl Repo {
    pub(super) fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Put(entry) => drop(self.entries.insert(entry.key(), entry.clone())),
                Write::Delete(key) => drop(self.entries.remove(key)),
            }
        }
        self.generation.0 += 1;
    }
}
