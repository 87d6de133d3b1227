//! Tags, retry window and state machine of the process monitor facility.
