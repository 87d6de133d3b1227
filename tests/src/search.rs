//! Seeds, one after the other and several at a time, until one finds something.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Which seeds are played.
#[derive(Debug, Clone, Copy)]
pub struct Seeds {
    /// The first one; the next ones follow.
    pub first: u64,
    /// None behind so many …
    pub most: u64,
    /// … or after this time, if there is one.
    pub until: Option<Instant>,
    /// How many at a time.
    pub threads: usize,
}

impl Seeds {
    /// Plays them until one fails: what all have seen, added up, and that failure.
    pub fn search<S: Default + Send, F: Send>(
        self,
        play: impl Fn(u64) -> (S, Option<F>) + Sync,
        add: impl Fn(&mut S, S) + Sync,
    ) -> (S, Option<F>) {
        let next = AtomicU64::new(0);
        let (total, found) = (Mutex::new(S::default()), Mutex::new(None));
        let work = || {
            let mut stats = S::default();
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                if i >= self.most || self.until.is_some_and(|until| Instant::now() >= until) {
                    break;
                }
                let (seen, failure) = play(self.first.wrapping_add(i));
                add(&mut stats, seen);
                if let Some(failure) = failure {
                    next.store(u64::MAX / 2, Ordering::Relaxed);
                    found.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
                    break;
                }
            }
            add(&mut total.lock().unwrap_or_else(PoisonError::into_inner), stats);
        };
        std::thread::scope(|scope| (0..self.threads.max(1)).for_each(|_| drop(scope.spawn(work))));
        let total = total.into_inner().unwrap_or_else(PoisonError::into_inner);
        (total, found.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
