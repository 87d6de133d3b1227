//! A resource on a node: the cell of the board the core plays on.
//!
//! What is *wanted* of a cell follows from configuration and from where its group is meant to be
//! (`plan.rs`). What is *observed* is its [`Phase`], the last thing that certainly happened, and
//! its [`Flight`], the method under way. There are no "starting" or "stopping" phases: a phase with
//! a flight is a transition, so no transition can exist without the method that will end it.
//!
//! ```text
//!            PRENET_START        START            MONITOR_START
//!   Offline ─────────────► Prenet ────► Started ◄──────────────► Monitored
//!      ▲                     │             │ ▲    MONITOR_STOP       │ fails
//!      │ POSTNET_STOP        │ fails       │ └──────────────── MonitorFailed
//!      │                     ▼        fails│
//!   Stopped ◄──── STOP ── StartFailed ◄────┘      any stop fails: StopFailed, left by an operator
//! ```
//!
//! The same structure is what a node writes into its journal and reports when it comes back.

use crate::ids::Token;
use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{Method, Millis, PropName, ResourceState, Status};
use serde::{Deserialize, Serialize};

/// The last thing that certainly happened to a resource on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Nothing of it runs.
    #[default]
    Offline,
    /// PRENET_START done, START not yet run.
    Prenet,
    /// START done; no monitor.
    Started,
    /// START and MONITOR_START done.
    Monitored,
    /// START done, MONITOR_START failed.
    MonitorFailed,
    /// PRENET_START or START failed: parts of it may run.
    StartFailed,
    /// STOP done, POSTNET_STOP not yet run.
    Stopped,
    /// MONITOR_STOP, STOP or POSTNET_STOP failed: it may run; an operator has to look.
    StopFailed,
}

impl Phase {
    /// START succeeded and STOP was not yet called.
    pub fn is_up(self) -> bool {
        matches!(self, Self::Started | Self::Monitored | Self::MonitorFailed)
    }
}

/// A method under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Flight {
    /// Which execution.
    pub token: Token,
    /// Which method.
    pub method: Method,
    /// When it was ordered, boot clock.
    pub since: Millis,
    /// When it counts as timed out even without an answer, boot clock.
    pub deadline: Millis,
    /// UPDATE only: the properties it was told of.
    pub changed: BTreeSet<PropName>,
}

/// Methods that must still run here, besides INIT and FINI, which the repository remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owed {
    /// BOOT, because the node has joined.
    pub boot: bool,
    /// UPDATE, because these properties changed.
    pub update: BTreeSet<PropName>,
}

/// How far down a restart goes (reference 4.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Restart {
    /// The resource alone: STOP and START, where its type has both.
    Alone,
    /// Through Offline: what was begun is unknown.
    Whole,
}

/// What is observed of one resource on one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cell {
    /// The last thing that certainly happened.
    pub phase: Phase,
    /// The method under way.
    pub flight: Option<Flight>,
    /// Methods that must still run.
    pub owed: Owed,
    /// It must go down before it may be up again.
    pub restart: Option<Restart>,
    /// Its monitor must go through MONITOR_STOP before it counts as monitored.
    pub remonitor: bool,
    /// IGNORE_FAILED_START was called from within the START that is under way or just failed.
    pub ignore_failed_start: bool,
    /// The last INIT, BOOT or UPDATE that failed, until one of the same kind succeeds.
    pub failed: BTreeSet<Method>,
    /// Status, by its agent or by the manager.
    pub status: Status,
    /// Status_msg.
    pub status_msg: String,
    /// The agent set the status since the manager last did.
    pub status_by_agent: bool,
    /// RESOURCE_RESTART and RESOURCE_IS_RESTARTED calls, boot clock, oldest first.
    pub restarts: Vec<Millis>,
    /// RESTART calls of this resource, boot clock, oldest first.
    pub rg_restarts: Vec<Millis>,
}

impl Default for Cell {
    fn default() -> Self {
        Self {
            phase: Phase::Offline,
            flight: None,
            owed: Owed::default(),
            restart: None,
            remonitor: false,
            ignore_failed_start: false,
            failed: BTreeSet::new(),
            status: Status::Offline,
            status_msg: String::new(),
            status_by_agent: false,
            restarts: Vec::new(),
            rg_restarts: Vec::new(),
        }
    }
}

impl Cell {
    /// The method under way, if any.
    pub fn running(&self) -> Option<Method> {
        self.flight.as_ref().map(|f| f.method)
    }

    /// Nothing of it runs and nothing is under way that starts or stops it. INIT, FINI, BOOT do not count.
    pub fn is_clear(&self) -> bool {
        self.phase == Phase::Offline
            && !matches!(
                self.running(),
                Some(
                    Method::PrenetStart
                        | Method::Start
                        | Method::Stop
                        | Method::PostnetStop
                        | Method::MonitorStart
                        | Method::MonitorStop
                )
            )
    }

    /// The state that is shown (reference 5.1). `monitorable`: the type has a monitor. `falling`: it
    /// is on its way down, and not only its monitor.
    pub fn state(&self, monitorable: bool, falling: bool) -> ResourceState {
        match (self.phase, self.running()) {
            (_, Some(Method::PrenetStart | Method::Start)) => ResourceState::Starting,
            (_, Some(Method::Stop | Method::PostnetStop)) => ResourceState::Stopping,
            (_, Some(Method::MonitorStop)) if falling => ResourceState::Stopping,
            (Phase::Offline, _) => ResourceState::Offline,
            (Phase::Prenet, _) => ResourceState::Starting,
            (Phase::Started, _) if monitorable => ResourceState::OnlineNotMonitored,
            (Phase::Started | Phase::Monitored, _) => ResourceState::Online,
            (Phase::MonitorFailed, _) => ResourceState::MonitorFailed,
            (Phase::StartFailed, _) => ResourceState::StartFailed,
            (Phase::Stopped, _) => ResourceState::Stopping,
            (Phase::StopFailed, _) => ResourceState::StopFailed,
        }
    }
}
