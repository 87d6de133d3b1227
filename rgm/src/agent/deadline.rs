//! Until when a node may start something.
//!
//! A node of many machines must be dead at the deadline that pmfd holds. pmfd kills what is there then,
//! and what is born later as soon as it sees it; so that there is nothing to see, the agent itself
//! starts nothing any more. A daemon that was stopped for a while finds the deadline behind it.

use crate::clock;
use rgm_types::Millis;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A point of `CLOCK_BOOTTIME`. All handles are the same.
#[derive(Debug, Clone)]
pub struct Deadline(Arc<AtomicU64>);

impl Deadline {
    /// Of a node that only its machine can end.
    pub fn never() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }

    /// Of a node that no deadman watches yet: it may start nothing.
    pub fn passed() -> Self {
        Self(Arc::default())
    }

    /// It is that now.
    pub fn set(&self, deadline: Millis) {
        self.0.store(deadline.0, Ordering::SeqCst);
    }

    /// How long until then; none: there is no such moment.
    pub fn left(&self) -> Option<Millis> {
        let deadline = self.0.load(Ordering::SeqCst);
        (deadline < u64::MAX).then(|| Millis(deadline).since(clock::since_boot()))
    }

    /// It lies behind us.
    pub fn has_passed(&self) -> bool {
        clock::since_boot().0 >= self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_lies_behind_until_it_is_set_and_again_when_its_time_has_come() {
        let deadline = Deadline::passed();
        assert!(deadline.has_passed() && !Deadline::never().has_passed());
        let now = clock::since_boot();
        deadline.clone().set(now.after(Millis(3_600_000)));
        assert!(!deadline.has_passed());
        deadline.set(now);
        assert!(deadline.has_passed());
    }
}
