//! States as they are shown (reference 5.1 to 5.3).

use core::fmt;
use serde::{Deserialize, Serialize};

/// State of a resource on a node, set by the manager from the methods it ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "reference 5.1 has the table")]
pub enum ResourceState {
    Offline,
    Starting,
    Online,
    OnlineNotMonitored,
    MonitorFailed,
    StartFailed,
    StopFailed,
    Stopping,
}

impl ResourceState {
    /// The word `scha_resource_get` prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Offline => "OFFLINE",
            Self::Starting => "STARTING",
            Self::Online => "ONLINE",
            Self::OnlineNotMonitored => "ONLINE_NOT_MONITORED",
            Self::MonitorFailed => "MONITOR_FAILED",
            Self::StartFailed => "START_FAILED",
            Self::StopFailed => "STOP_FAILED",
            Self::Stopping => "STOPPING",
        }
    }
    /// The words `scstat` prints.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Offline => "Offline",
            Self::Starting => "Starting",
            Self::Online => "Online",
            Self::OnlineNotMonitored => "Online not monitored",
            Self::MonitorFailed => "Monitor failed",
            Self::StartFailed => "Start failed",
            Self::StopFailed => "Stop failed",
            Self::Stopping => "Stopping",
        }
    }
}

/// State of a group on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "reference 5.2 has the table")]
pub enum GroupState {
    Unmanaged,
    Offline,
    PendingOnline,
    PendingOnlineBlocked,
    Online,
    OnlineFaulted,
    PendingOffline,
    ErrorStopFailed,
}

impl GroupState {
    /// The word `scha_resourcegroup_get` prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Unmanaged => "UNMANAGED",
            Self::Offline => "OFFLINE",
            Self::PendingOnline => "PENDING_ONLINE",
            Self::PendingOnlineBlocked => "PENDING_ONLINE_BLOCKED",
            Self::Online => "ONLINE",
            Self::OnlineFaulted => "ONLINE_FAULTED",
            Self::PendingOffline => "PENDING_OFFLINE",
            Self::ErrorStopFailed => "ERROR_STOP_FAILED",
        }
    }
    /// The words `scstat` prints (reference 7.3).
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Unmanaged => "Unmanaged",
            Self::Offline => "Offline",
            Self::PendingOnline => "Pending online",
            Self::PendingOnlineBlocked => "Pending online blocked",
            Self::Online => "Online",
            Self::OnlineFaulted => "Online faulted",
            Self::PendingOffline => "Pending offline",
            Self::ErrorStopFailed => "Error--stop failed",
        }
    }
}

/// Status of a resource on a node, set by its agent; by the manager around methods (reference 5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "reference 5.3 has the list")]
pub enum Status {
    Ok,
    Degraded,
    Faulted,
    Unknown,
    Offline,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ok, Self::Degraded, Self::Faulted, Self::Unknown, Self::Offline];

    /// The word `scha_resource_setstatus` takes and `scha_resource_get` prints.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Degraded => "DEGRADED",
            Self::Faulted => "FAULTED",
            Self::Unknown => "UNKNOWN",
            Self::Offline => "OFFLINE",
        }
    }
    /// The word `scstat` prints.
    pub fn phrase(self) -> &'static str {
        match self {
            Self::Ok => "Online",
            Self::Degraded => "Degraded",
            Self::Faulted => "Faulted",
            Self::Unknown => "Unknown",
            Self::Offline => "Offline",
        }
    }
    /// The status of that word, in any case.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.word().eq_ignore_ascii_case(text))
    }
}

macro_rules! shown_as_word {
    ($($t:ty),*) => {$(
        impl fmt::Display for $t {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }
    )*};
}
shown_as_word!(ResourceState, GroupState, Status);
