//! Points of time, for people.

use rgm_types::Millis;
use std::time::{Duration, UNIX_EPOCH};

/// A moment of the wall clock, to the second: `2026-11-22T07:38:09Z`.
pub fn utc(at: Millis) -> String {
    match UNIX_EPOCH.checked_add(Duration::from_millis(at.0)) {
        Some(time) if at.0 <= LAST => humantime::format_rfc3339_seconds(time).to_string(),
        _ => format!("{} ms after 1970", at.0),
    }
}

/// The end of the year 9999, beyond which there is no such form.
const LAST: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_a_date_and_a_time_as_long_as_years_have_four_digits() {
        assert_eq!(utc(Millis(1_795_333_089_999)), "2026-11-22T07:38:09Z");
        assert_eq!(utc(Millis(0)), "1970-01-01T00:00:00Z");
        assert_eq!(utc(Millis(LAST)), "9999-12-31T23:59:59Z");
        assert_eq!(utc(Millis(u64::MAX)), format!("{} ms after 1970", u64::MAX));
    }
}
