//! What the daemon says of itself and of methods, on its way from the log to the event log.
//!
//! A layer of the log takes it wherever it is said; the shell is woken and writes it down.

use crate::clock;
use crate::log::Line;
use rgm_types::Millis;
use rgm_types::view::Level;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer};

/// Lines that wait to be written. The shell takes them at every turn of its loop; more of them come
/// together only while a method prints faster than we write, and those are in the other logs.
const WAITING_MAX: usize = 4096;

/// A line that waits to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// When, wall clock.
    pub at: Millis,
    /// How much it matters.
    pub level: Level,
    /// What.
    pub text: String,
}

/// Lines that wait. A layer of the log must be `Sync`, hence the lock, which nobody ever waits for.
#[derive(Debug, Clone, Default)]
pub struct Tap(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    waiting: Mutex<Waiting>,
    more: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<Said>,
    dropped: u64,
}

impl Tap {
    /// Takes what waits, oldest first.
    pub fn take(&self) -> Vec<Said> {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let dropped = std::mem::take(&mut waiting.dropped);
        let mut lines = std::mem::take(&mut waiting.lines);
        drop(waiting);
        if dropped > 0 {
            let text = format!("{dropped} lines were said faster than they could be kept; the log has them");
            lines.push(Said { at: clock::now().wall, level: Level::Warn, text });
        }
        lines
    }

    /// Until there is something to take.
    pub async fn more(&self) {
        self.0.more.notified().await;
    }

    fn put(&self, line: Said) {
        let mut waiting = self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.lines.len() < WAITING_MAX {
            waiting.lines.push(line);
        } else {
            waiting.dropped += 1;
        }
        drop(waiting);
        self.0.more.notify_one();
    }
}

impl<S: Subscriber> Layer<S> for Tap {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let metadata = event.metadata();
        // The core's lines come another way, whole.
        if metadata.target() == crate::log::DECISION {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        let level = match *metadata.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warn,
            tracing::Level::INFO => Level::Info,
            tracing::Level::DEBUG | tracing::Level::TRACE => return,
        };
        let text = line.tag.map_or_else(String::new, |tag| tag + " ") + &line.text + &line.fields;
        self.put(Said { at: clock::now().wall, level, text });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt;

    fn said(what: impl FnOnce()) -> Vec<(Level, String)> {
        let tap = Tap::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(tap.clone()), what);
        tap.take().into_iter().map(|line| (line.level, line.text)).collect()
    }

    #[test]
    fn what_is_said_is_kept_with_tag_and_fields_and_what_the_core_decided_comes_another_way() {
        let lines = said(|| {
            tracing::info!(tag = "[T,g,r]", "out of memory");
            tracing::warn!(node = "a", "slow");
            tracing::debug!("a detail");
            tracing::error!(target: crate::log::DECISION, rule = "why", "what");
        });
        let expected = [(Level::Info, "[T,g,r] out of memory"), (Level::Warn, "slow node=\"a\"")];
        assert_eq!(lines, expected.map(|(level, text)| (level, text.to_owned())));
    }

    #[test]
    fn who_talks_too_fast_is_cut_short_and_that_is_said() {
        let lines = said(|| (0..WAITING_MAX + 7).for_each(|n| tracing::info!("{n}")));
        assert_eq!(lines.len(), WAITING_MAX + 1);
        assert!(lines.last().unwrap().1.starts_with("7 lines"));
    }
}
