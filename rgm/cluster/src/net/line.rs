//! A connection as the rest of the program sees it: a bounded queue, and what is known of its life.

use super::frame::{self, Kind};
use super::{Ended, LinkSettings};
use crate::clock;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a message takes besides its bytes, about, wherever it waits: empty ones are bounded, too.
pub(super) const MESSAGE_COST: usize = 64;

/// No clock is as far ahead as this.
const UNKNOWN: i64 = i64::MIN;

/// The sending end. What is sent on it goes over this very connection or is lost with it.
#[derive(Debug, Clone)]
pub(super) struct Line {
    queue: UnboundedSender<Vec<u8>>,
    pulse: Arc<Pulse>,
}

/// What both ends know of the connection.
#[derive(Debug)]
pub(super) struct Pulse {
    /// Bytes that are sent and not written yet. The queue is bounded by them: a bound on messages
    /// would say little of memory.
    queued: AtomicUsize,
    queue_bytes_max: usize,
    message_len_max: usize,
    /// When the other side was last heard, on the clock that goes on while the machine sleeps.
    heard_ms: AtomicU64,
    /// How far the other side's clock is ahead, as its last beat said; [`UNKNOWN`] before.
    ahead_ms: AtomicI64,
    /// Nothing is read, because what was read is not taken: silence proves nothing then.
    paused: AtomicBool,
    broken: OnceLock<Ended>,
    breaking: Notify,
}

/// A line, and what its connection reads from.
pub(super) fn line(settings: &LinkSettings) -> (Line, UnboundedReceiver<Vec<u8>>) {
    let (queue, receiver) = unbounded_channel();
    let pulse = Pulse {
        queued: AtomicUsize::new(0),
        queue_bytes_max: settings.queue_bytes_max,
        message_len_max: settings.message_len_max,
        heard_ms: AtomicU64::new(clock::since_boot().0),
        ahead_ms: AtomicI64::new(UNKNOWN),
        paused: AtomicBool::new(false),
        broken: OnceLock::new(),
        breaking: Notify::new(),
    };
    (Line { queue, pulse: Arc::new(pulse) }, receiver)
}

impl Line {
    /// Puts a message behind those sent before. What finds no room breaks the connection: nobody
    /// would otherwise learn that something is missing between two messages.
    pub fn send(&self, kind: Kind, message: &[u8]) -> bool {
        let pulse = &self.pulse;
        if pulse.broken.get().is_some() {
            return false;
        }
        if message.len() > pulse.message_len_max {
            pulse.break_off(Ended::TooLong { len: message.len(), max: pulse.message_len_max });
            return false;
        }
        let len = MESSAGE_COST + message.len();
        if pulse.queued.fetch_add(len, Ordering::Relaxed) + len > pulse.queue_bytes_max {
            pulse.queued.fetch_sub(len, Ordering::Relaxed);
            pulse.break_off(Ended::Full { max: pulse.queue_bytes_max });
            return false;
        }
        self.queue.send(frame::encode(kind, message)).is_ok()
    }

    /// See [`Pulse`].
    pub fn pulse(&self) -> &Arc<Pulse> {
        &self.pulse
    }
}

impl Pulse {
    fn break_off(&self, why: Ended) {
        if self.broken.set(why).is_ok() {
            self.breaking.notify_one();
        }
    }

    /// Until this side breaks the connection.
    pub async fn broken(&self) -> Ended {
        loop {
            if let Some(why) = self.broken.get() {
                return why.clone();
            }
            self.breaking.notified().await;
        }
    }

    /// A message of this length is written.
    pub fn written(&self, len: usize) {
        self.queued.fetch_sub(MESSAGE_COST + len, Ordering::Relaxed);
    }

    /// Bytes that are sent and not written yet.
    pub fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// The other side was heard just now.
    pub fn hear(&self) {
        self.heard_ms.store(clock::since_boot().0, Ordering::Relaxed);
    }

    /// A beat was heard. Its way takes time, so a clock seems to be ahead by that much less.
    pub fn beat(&self, payload: &[u8]) {
        let Ok(theirs) = payload.try_into().map(u64::from_be_bytes) else { return };
        let ahead = i128::from(theirs) - i128::from(clock::wall().0);
        self.ahead_ms.store(i64::try_from(ahead).unwrap_or(UNKNOWN), Ordering::Relaxed);
    }

    /// How far the other side's clock is ahead, in milliseconds.
    pub fn ahead_ms(&self) -> Option<i64> {
        Some(self.ahead_ms.load(Ordering::Relaxed)).filter(|ahead| *ahead != UNKNOWN)
    }

    /// Nothing is read for a while, or it is read again.
    pub fn pause(&self, paused: bool) {
        self.hear();
        self.paused.store(paused, Ordering::Relaxed);
    }

    /// How long the other side has been silent.
    pub fn silent_for(&self) -> Duration {
        if self.paused.load(Ordering::Relaxed) {
            return Duration::ZERO;
        }
        Duration::from_millis(clock::since_boot().0.saturating_sub(self.heard_ms.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_finds_no_room_breaks_the_line_and_none_gets_past_it() {
        let settings = LinkSettings { queue_bytes_max: 140, ..LinkSettings::default() };
        let (line, mut queue) = line(&settings);
        assert!(line.send(Kind::Message, b"0123456789"));
        assert!(!line.send(Kind::Message, b"0123456789"));
        assert!(!line.send(Kind::Message, b"1"), "it would have found room");
        assert_eq!(line.pulse().broken.get(), Some(&Ended::Full { max: 140 }));
        assert_eq!(line.pulse().queued(), 74);
        assert_eq!(queue.try_recv().map(|frame| frame.len()), Ok(15));
        assert!(queue.try_recv().is_err());
    }
}
