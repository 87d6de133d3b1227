//! Callback methods (reference 4.3).

use core::fmt;
use serde::{Deserialize, Serialize};

/// A callback method a resource type may declare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "each is described where it is called; reference 4.3 has the table")]
pub enum Method {
    PrenetStart,
    Start,
    Stop,
    PostnetStop,
    MonitorStart,
    MonitorStop,
    MonitorCheck,
    Validate,
    Update,
    Init,
    Fini,
    Boot,
}

impl Method {
    /// Every method, in the order canonical files print them.
    pub const ALL: [Self; 12] = [
        Self::PrenetStart,
        Self::Start,
        Self::Stop,
        Self::PostnetStop,
        Self::MonitorStart,
        Self::MonitorStop,
        Self::MonitorCheck,
        Self::Validate,
        Self::Update,
        Self::Init,
        Self::Fini,
        Self::Boot,
    ];

    /// The name in a file, in `scha_*` tags and in log lines.
    pub fn word(self) -> &'static str {
        match self {
            Self::PrenetStart => "PRENET_START",
            Self::Start => "START",
            Self::Stop => "STOP",
            Self::PostnetStop => "POSTNET_STOP",
            Self::MonitorStart => "MONITOR_START",
            Self::MonitorStop => "MONITOR_STOP",
            Self::MonitorCheck => "MONITOR_CHECK",
            Self::Validate => "VALIDATE",
            Self::Update => "UPDATE",
            Self::Init => "INIT",
            Self::Fini => "FINI",
            Self::Boot => "BOOT",
        }
    }

    /// The canonical name of its timeout property.
    pub fn timeout_property(self) -> &'static str {
        match self {
            Self::PrenetStart => "Prenet_start_timeout",
            Self::Start => "Start_timeout",
            Self::Stop => "Stop_timeout",
            Self::PostnetStop => "Postnet_stop_timeout",
            Self::MonitorStart => "Monitor_start_timeout",
            Self::MonitorStop => "Monitor_stop_timeout",
            Self::MonitorCheck => "Monitor_check_timeout",
            Self::Validate => "Validate_timeout",
            Self::Update => "Update_timeout",
            Self::Init => "Init_timeout",
            Self::Fini => "Fini_timeout",
            Self::Boot => "Boot_timeout",
        }
    }

    /// The method of that name, in any case.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.word().eq_ignore_ascii_case(text))
    }

    /// The method whose timeout property has that name, in any case.
    pub fn from_timeout_property(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|m| m.timeout_property().eq_ignore_ascii_case(text))
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}
