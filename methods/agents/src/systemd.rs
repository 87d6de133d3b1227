//! `SUNW.systemd`: a unit of this node's systemd as a resource.
//!
//! | method | what it does |
//! |---|---|
//! | [`start`] | starts the unit, and waits for the end of the job and for `active` |
//! | [`stop`] | stops it, and waits until it is inactive and no process of it is left |
//! | [`validate`] | VALIDATE and MONITOR_CHECK: is there such a unit, and does systemd leave it to us? |
//! | [`monitor`] | watches its state and its main process |
//! | [`bus`] | the conversation with systemd |
//!
//! systemd is spoken to over D-Bus, not through systemctl: a job is known by its name, so its result is
//! the result of our own request; a change is told when it happens; and systemd's answer "no" can be
//! told from no answer. The last is what matters most: a systemd that is busy, or executes itself
//! anew, says nothing about its services, and they are left alone.

pub mod bus;
pub mod monitor;
pub mod start;
pub mod stop;
pub mod validate;

use crate::context::Context;
use crate::{Failed, Run};
use bus::Bus;
use std::time::{Duration, Instant};

/// The methods, by the names of their links.
pub const METHODS: &[(&str, Run)] = &[
    ("systemd_start", start::start),
    ("systemd_stop", stop::stop),
    ("systemd_validate", validate::validate),
    ("systemd_update", monitor::update),
    ("systemd_monitor_start", monitor::start),
    ("systemd_monitor_stop", monitor::stop),
    ("systemd_monitor_check", validate::monitor_check),
    (monitor::PROBE, monitor::probe),
];

/// Between two attempts to speak to a systemd that does not answer.
const AGAIN: Duration = Duration::from_millis(500);

/// Name of the unit, and where its systemd is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// `nginx.service`.
    pub unit: String,
    /// Address of the bus; empty: the system's.
    pub address: String,
}

impl Target {
    /// As the properties say. A name without a suffix is a service.
    pub fn read(here: &Context<'_>) -> Result<Self, Failed> {
        let name = here.props().extension("Unit")?.text.trim().to_owned();
        let unit = if name.contains('.') { name } else { format!("{name}.service") };
        Ok(Self { unit, address: here.props().extension("Bus_address")?.text })
    }

    /// Speaks to systemd until it answers; whatever it answers is the result. An error says that it
    /// did not answer in time.
    pub fn persist<T>(
        &self,
        deadline: Instant,
        mut ask: impl FnMut(&Bus) -> Result<T, bus::Error>,
    ) -> Result<T, Failed> {
        loop {
            let answer = Bus::open(&self.address, deadline).and_then(|bus| ask(&bus));
            let silent = match answer {
                Ok(answer) => return Ok(answer),
                Err(error @ bus::Error::Refused { .. }) => {
                    return Err(Failed::new(format!("{}: systemd: {error}", self.unit)));
                }
                Err(error @ bus::Error::Silent(_)) => error,
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Failed::new(format!("{}: systemd does not answer: {silent}", self.unit)));
            }
            std::thread::park_timeout(AGAIN.min(left));
        }
    }
}
