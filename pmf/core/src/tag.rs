//! One tag: what is remembered of it, and how its failures are counted.

use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::Millis;
use serde::{Deserialize, Serialize};

/// Most restarts within a period that can be asked for, other than infinitely many.
pub const RETRIES_MAX: i32 = 100;
/// Longest name of a tag, in bytes.
const NAME_BYTES_MAX: usize = 1024;

/// How often a command is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// Restarts allowed within the period; -1: as many as it takes.
    retries: i32,
    /// Minutes over which failures are counted; -1: for ever.
    period_min: i32,
}

/// Why a policy makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// Neither -1 nor 0 to 100.
    #[error("retries must be -1 (infinite) or between 0 and {RETRIES_MAX}, not {0}")]
    Retries(i32),
    /// Neither -1 nor a number of minutes.
    #[error("the period must be -1 (infinite) or a number of minutes, not {0}")]
    Period(i32),
}

impl Policy {
    /// A policy, if both numbers are in range.
    pub fn new(retries: i32, period_min: i32) -> Result<Self, PolicyError> {
        if !(-1..=RETRIES_MAX).contains(&retries) {
            return Err(PolicyError::Retries(retries));
        }
        if period_min < -1 {
            return Err(PolicyError::Period(period_min));
        }
        Ok(Self { retries, period_min })
    }

    /// Restarts allowed within the period; -1: as many as it takes.
    pub fn retries(&self) -> i32 {
        self.retries
    }

    /// Minutes over which failures are counted; -1: for ever.
    pub fn period_min(&self) -> i32 {
        self.period_min
    }

    /// Whether one more restart is allowed after that many failures within the period.
    fn allows(&self, failures: usize) -> bool {
        usize::try_from(self.retries).map_or(true, |retries| failures <= retries)
    }

    /// Whether a failure is so old that it no longer counts.
    fn forgets(&self, failure: Millis, now: Millis) -> bool {
        u64::try_from(self.period_min)
            .is_ok_and(|minutes| now.since(failure).0 > minutes.saturating_mul(MINUTE_MS))
    }
}

const MINUTE_MS: u64 = 60_000;

/// Why a name is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TagNameError {
    /// No character at all.
    #[error("a nametag must not be empty")]
    Empty,
    /// A blank or control character would tear lists of tags apart.
    #[error("a nametag must not contain white space or control characters")]
    Blank,
    /// More than 1024 bytes.
    #[error("a nametag must not be longer than {NAME_BYTES_MAX} bytes")]
    Long,
}

/// Whether a text can name a tag.
pub fn check_name(name: &str) -> Result<(), TagNameError> {
    if name.is_empty() {
        Err(TagNameError::Empty)
    } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
        Err(TagNameError::Blank)
    } else if name.len() > NAME_BYTES_MAX {
        Err(TagNameError::Long)
    } else {
        Ok(())
    }
}

/// What a tag is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its start has been ordered; whether it happened is not known yet.
    Starting {
        /// No process of this tag has ever run.
        first: bool,
    },
    /// A monitored process runs.
    Running,
    /// All processes are gone for too many times; the action program runs.
    Acting,
    /// No process; it is started again at this time.
    Waiting {
        /// When.
        until: Millis,
    },
}

/// A tag, as it is also written to disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// Its name, unique on the node.
    pub name: String,
    /// Chosen by whoever created it, so that a request repeated after a lost answer is recognised.
    pub token: u64,
    /// The effective user who created it and, root apart, alone may manipulate it.
    pub uid: u32,
    /// How often it is restarted.
    pub policy: Policy,
    /// An action program is to be asked when the retries are exceeded.
    pub has_action: bool,
    /// What it is doing.
    pub phase: Phase,
    /// It is not to be started again.
    pub stopping: bool,
    /// When it failed, oldest first; none that no longer counts is kept longer than needed.
    pub failures: Vec<Millis>,
    /// Restarts since the failures were last forgotten on request.
    pub restarts: u64,
    /// The last start that an action program caused by ending with 0.
    pub revived: Option<Millis>,
}

impl Tag {
    /// Restarts that count against the retries now.
    pub fn restarts_in_period(&self, now: Millis) -> u64 {
        if self.policy.retries < 0 {
            return self.restarts;
        }
        self.failures.iter().filter(|failure| !self.policy.forgets(**failure, now)).count() as u64
    }

    /// Notes a failure, and says whether a restart is allowed.
    pub(crate) fn fail(&mut self, now: Millis) -> bool {
        if self.policy.retries < 0 {
            return true;
        }
        let policy = self.policy;
        self.failures.retain(|failure| !policy.forgets(*failure, now));
        self.failures.push(now);
        policy.allows(self.failures.len())
    }

    /// Forgets every failure.
    pub(crate) fn forgive(&mut self) {
        self.failures.clear();
        self.restarts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_are_minus_one_or_up_to_a_hundred_and_the_period_is_minus_one_or_minutes() {
        for (retries, period, valid) in [
            (0, -1, true),
            (-1, -1, true),
            (100, 0, true),
            (101, 1, false),
            (-2, 1, false),
            (1, -2, false),
            (1, i32::MAX, true),
        ] {
            assert_eq!(Policy::new(retries, period).is_ok(), valid, "-n {retries} -t {period}");
        }
    }

    #[test]
    fn a_failure_counts_up_to_the_whole_period_and_not_longer() {
        let policy = Policy::new(1, 2).unwrap();
        assert!(!policy.forgets(Millis(1000), Millis(121_000)));
        assert!(policy.forgets(Millis(1000), Millis(121_001)));
        assert!(!Policy::new(1, -1).unwrap().forgets(Millis(0), Millis(u64::MAX)));
    }

    #[test]
    fn names_used_in_the_field_are_taken_and_torn_ones_refused() {
        assert_eq!(check_name("nfs-rg,nfs-rs,0.svc"), Ok(()));
        assert_eq!(check_name("res.named"), Ok(()));
        assert_eq!(check_name(&"x".repeat(512)), Ok(()));
        assert_eq!(check_name(""), Err(TagNameError::Empty));
        assert_eq!(check_name("a b"), Err(TagNameError::Blank));
        assert_eq!(check_name("a\n"), Err(TagNameError::Blank));
        assert_eq!(check_name(&"x".repeat(1025)), Err(TagNameError::Long));
    }
}
