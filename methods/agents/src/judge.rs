//! What a fault monitor makes of what it finds: when a service counts as failed, and what is to be
//! done about it. Pure, so that every rule can be tried in a microsecond.
//!
//! As in Sun's data service library (reference 6.6), each probe brings a number from 0, well, to 100,
//! complete failure. Failures add up within Retry_interval; at 100 the service has failed. Then it is
//! restarted here, up to Retry_count times within Retry_interval; after that its group is given over.

use std::time::Duration;

/// A complete failure.
pub const COMPLETE: u32 = 100;

/// What one look at the service has found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It works.
    Well(String),
    /// It does not work so well: 1 to 100.
    Failed(u32, String),
    /// It asks to be moved at once.
    MoveAway(String),
    /// It ended, and was started again by whoever keeps it running, so many times since the last look.
    Restarted(u32, String),
    /// It is not there any more: whoever kept it running has given it up.
    Gone(String),
    /// Nothing can be said of it now. No answer is not a failure.
    Unknown(String),
}

impl Finding {
    /// What was seen, as a sentence without its full stop.
    pub fn said(&self) -> &str {
        match self {
            Self::Well(said)
            | Self::Failed(_, said)
            | Self::Restarted(_, said)
            | Self::MoveAway(said)
            | Self::Gone(said)
            | Self::Unknown(said) => said,
        }
    }
}

/// What the findings so far amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It works.
    Well,
    /// It has just been started again, so many times.
    Restarted(u32),
    /// It was started again a moment ago and need not work yet.
    ComingUp,
    /// Failures that do not add up to a complete one.
    Weak(u32),
    /// Nothing is known.
    Unknown,
    /// It has failed.
    Failed(Why),
}

/// Why a service counts as failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Failed probes added up.
    Probes,
    /// It asked to be moved.
    MoveAway,
    /// It was given up.
    Gone,
}

/// What to do about a failed service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Stop and start it here.
    Restart,
    /// Ask for another node.
    GiveOver,
    /// Nothing may be done.
    None,
}

/// What an administrator has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Retry_count; negative: no limit.
    pub retry_count: i64,
    /// Retry_interval.
    pub retry_interval: Duration,
    /// May the group be given over?
    pub failover_enabled: bool,
    /// How long the service may take to come up.
    pub start_timeout: Duration,
}

/// The probe history. Moments are counted from an arbitrary one.
#[derive(Debug)]
pub struct Judge {
    policy: Policy,
    failures: Vec<(Duration, u32)>,
    up_before: Option<Duration>,
}

impl Judge {
    /// With an empty history.
    pub fn new(policy: Policy) -> Self {
        Self { policy, failures: Vec::new(), up_before: None }
    }

    /// Takes in what was found.
    pub fn weigh(&mut self, now: Duration, finding: &Finding) -> State {
        self.failures.retain(|(at, _)| now.saturating_sub(*at) < self.policy.retry_interval);
        let coming_up = self.up_before.is_some_and(|end| now < end);
        match finding {
            Finding::Gone(_) => State::Failed(Why::Gone),
            Finding::Restarted(times, _) => {
                self.failures.clear();
                self.up_before = Some(now + self.policy.start_timeout);
                State::Restarted(*times)
            }
            Finding::Well(_) => {
                self.up_before = None;
                State::Well
            }
            Finding::Unknown(_) => State::Unknown,
            Finding::Failed(..) | Finding::MoveAway(_) if coming_up => State::ComingUp,
            Finding::MoveAway(_) => State::Failed(Why::MoveAway),
            Finding::Failed(weight, _) => {
                self.failures.push((now, (*weight).min(COMPLETE)));
                let sum: u32 = self.failures.iter().map(|(_, weight)| weight).sum();
                if sum >= COMPLETE { State::Failed(Why::Probes) } else { State::Weak(sum) }
            }
        }
    }
}

impl Policy {
    /// What to do about a failed service that was restarted so often within Retry_interval. `refused`:
    /// RGM has refused to give it over since it last worked; then serving badly here is better than
    /// not at all.
    pub fn remedy(&self, why: Why, restarts: i64, refused: bool) -> Remedy {
        let no_use_here = match why {
            Why::Probes => false,
            Why::MoveAway | Why::Gone => true,
        };
        if no_use_here && self.failover_enabled && !refused {
            Remedy::GiveOver
        } else if self.retry_count < 0 || restarts < self.retry_count {
            Remedy::Restart
        } else if self.failover_enabled {
            Remedy::GiveOver
        } else {
            Remedy::None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        retry_count: 2,
        retry_interval: Duration::from_secs(300),
        failover_enabled: true,
        start_timeout: Duration::from_secs(60),
    };

    /// Weighs findings at these seconds; `0` is well.
    fn states(findings: &[(u64, u32)]) -> Vec<State> {
        let mut judge = Judge::new(POLICY);
        let weigh = |&(at, weight): &(u64, u32)| {
            let finding = match weight {
                0 => Finding::Well(String::new()),
                weight => Finding::Failed(weight, String::new()),
            };
            judge.weigh(Duration::from_secs(at), &finding)
        };
        findings.iter().map(weigh).collect()
    }

    const FAILED: State = State::Failed(Why::Probes);

    #[test]
    fn failures_add_up_to_a_complete_one_within_retry_interval() {
        assert_eq!(states(&[(0, 100)]), [FAILED]);
        assert_eq!(states(&[(0, 50), (60, 50)]), [State::Weak(50), FAILED]);
        assert_eq!(
            states(&[(0, 25), (60, 25), (120, 25), (180, 25)]),
            [State::Weak(25), State::Weak(50), State::Weak(75), FAILED]
        );
        assert_eq!(states(&[(0, 99), (60, 1)]), [State::Weak(99), FAILED]);
        assert_eq!(states(&[(0, 5000)]), [FAILED], "more than complete is complete");
    }

    #[test]
    fn failures_older_than_retry_interval_do_not_count() {
        assert_eq!(states(&[(0, 50), (299, 50)]), [State::Weak(50), FAILED]);
        assert_eq!(states(&[(0, 50), (300, 50)]), [State::Weak(50), State::Weak(50)]);
        assert_eq!(
            states(&[(0, 60), (200, 30), (310, 30), (480, 30)]),
            [State::Weak(60), State::Weak(90), State::Weak(60), State::Weak(90)]
        );
    }

    #[test]
    fn a_good_answer_does_not_wipe_out_the_bad_ones_around_it() {
        assert_eq!(states(&[(0, 50), (60, 0), (120, 50)]), [State::Weak(50), State::Well, FAILED]);
    }

    #[test]
    fn a_failed_service_stays_failed_as_long_as_nothing_is_done() {
        assert_eq!(states(&[(0, 100), (60, 10), (299, 1)]), [FAILED; 3]);
    }

    #[test]
    fn nothing_is_held_against_a_service_that_was_just_started_again() {
        let mut judge = Judge::new(POLICY);
        let at = Duration::from_secs;
        let failed = Finding::Failed(100, String::new());
        assert_eq!(judge.weigh(at(0), &Finding::Failed(60, String::new())), State::Weak(60));
        let restarted = Finding::Restarted(1, String::new());
        assert_eq!(judge.weigh(at(10), &restarted), State::Restarted(1));
        assert_eq!(judge.weigh(at(11), &failed), State::ComingUp);
        assert_eq!(judge.weigh(at(69), &failed), State::ComingUp);
        assert_eq!(
            judge.weigh(at(70), &Finding::Failed(60, String::new())),
            State::Weak(60),
            "start_timeout"
        );
        judge.weigh(at(80), &restarted);
        assert_eq!(judge.weigh(at(81), &Finding::Well(String::new())), State::Well);
        assert_eq!(judge.weigh(at(82), &failed), FAILED, "it was up");
        judge.weigh(at(90), &restarted);
        assert_eq!(judge.weigh(at(91), &Finding::Gone(String::new())), State::Failed(Why::Gone));
    }

    #[test]
    fn no_answer_is_not_a_failure() {
        let mut judge = Judge::new(POLICY);
        for second in 0..1000 {
            let unknown = Finding::Unknown(String::new());
            assert_eq!(judge.weigh(Duration::from_secs(second), &unknown), State::Unknown);
        }
    }

    #[test]
    fn a_service_is_restarted_retry_count_times_and_then_given_over() {
        for (restarts, remedy) in [(0, Remedy::Restart), (1, Remedy::Restart), (2, Remedy::GiveOver)] {
            assert_eq!(POLICY.remedy(Why::Probes, restarts, false), remedy, "{restarts}");
        }
        let unlimited = Policy { retry_count: -1, ..POLICY };
        assert_eq!(unlimited.remedy(Why::Probes, 1000, false), Remedy::Restart);
    }

    #[test]
    fn what_was_given_up_or_asks_for_it_is_given_over_at_once_unless_nobody_takes_it() {
        for why in [Why::Gone, Why::MoveAway] {
            assert_eq!(POLICY.remedy(why, 0, false), Remedy::GiveOver);
            assert_eq!(POLICY.remedy(why, 0, true), Remedy::Restart);
            assert_eq!(POLICY.remedy(why, 2, true), Remedy::GiveOver, "perhaps now");
        }
    }

    #[test]
    fn without_failover_it_is_only_ever_restarted() {
        let here = Policy { failover_enabled: false, ..POLICY };
        for why in [Why::Probes, Why::Gone, Why::MoveAway] {
            assert_eq!(here.remedy(why, 1, false), Remedy::Restart);
            assert_eq!(here.remedy(why, 2, false), Remedy::None);
        }
    }
}
