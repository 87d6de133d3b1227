//! Time as the core sees it: a number handed in, never read.

use serde::{Deserialize, Serialize};

/// A span or a point of time in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// A span of whole seconds, as properties give it. A negative number is no span: zero.
    pub fn from_secs(secs: i64) -> Self {
        Self(u64::try_from(secs).unwrap_or(0).saturating_mul(1000))
    }
    /// This point of time, later by a span.
    #[must_use]
    pub fn after(self, span: Self) -> Self {
        Self(self.0.saturating_add(span.0))
    }
    /// The span since an earlier point; zero if that lies in the future.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// Both clocks at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Clock {
    /// Since boot, suspend included (`CLOCK_BOOTTIME`): deadlines and windows of this boot.
    pub boot: Millis,
    /// Since 1970 (`CLOCK_REALTIME`): history that outlives a boot, and what people read. It may jump.
    pub wall: Millis,
}
