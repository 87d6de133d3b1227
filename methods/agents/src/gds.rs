//! `SUNW.gds`: any service that a command can start.
//!
//! | method | what it does |
//! |---|---|
//! | [`start`] | runs Start_command under PMF, and waits until the service answers |
//! | [`stop`] | Stop_command, Stop_signal, KILL, until nothing is left |
//! | [`validate`] | VALIDATE and MONITOR_CHECK: can the commands run here? |
//! | [`monitor`] | the fault monitor and its methods |
//! | [`service`] | what the properties say about the service, and asking it once |

pub mod monitor;
pub mod service;
pub mod start;
pub mod stop;
pub mod validate;

use crate::Run;

/// The methods, by the names of their links.
pub const METHODS: &[(&str, Run)] = &[
    ("gds_svc_start", start::start),
    ("gds_svc_stop", stop::stop),
    ("gds_validate", validate::validate),
    ("gds_update", monitor::update),
    ("gds_monitor_start", monitor::start),
    ("gds_monitor_stop", monitor::stop),
    ("gds_monitor_check", validate::monitor_check),
    (monitor::PROBE, monitor::probe),
];
