//! Whether a president may decide: not while all nodes wait for etcd together.

use std::cell::Cell;
use tokio::sync::Notify;

/// See the module.
#[derive(Debug, Default)]
pub struct Calm {
    kept: Cell<bool>,
    changed: Notify,
}

impl Calm {
    /// Nothing is decided, from now on; or it is again.
    pub fn keep(&self, kept: bool) {
        self.kept.set(kept);
        self.changed.notify_one();
    }

    /// Nothing is decided.
    pub fn is_kept(&self) -> bool {
        self.kept.get()
    }

    /// Waits for a change.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}
