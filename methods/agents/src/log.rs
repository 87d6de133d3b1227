//! Lines to the system log, under the tag that agents have (reference 4.6).

use crate::call::Call;
use methods::scds_syslog::{Severity, say};

/// How much is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// What hurts the service.
    Errors,
    /// Everything.
    All,
}

/// The log of one method or fault monitor.
#[derive(Debug, Clone)]
pub struct Log {
    tag: String,
    level: Level,
}

impl Log {
    /// Of this call: `SC[SUNW.gds,dns-rg,dns-rs,gds_svc_start]`.
    pub fn new(call: &Call) -> Self {
        let Call { type_name, group, resource, method, .. } = call;
        Self { tag: format!("SC[{type_name},{group},{resource},{method}]"), level: Level::All }
    }

    /// No more than that.
    #[must_use]
    pub fn at(self, level: Level) -> Self {
        Self { level, ..self }
    }

    /// The service is hurt, or a method failed.
    pub fn error(&self, message: &str) {
        self.line(Level::Errors, Severity::Err, message);
    }

    /// Somebody may need to look.
    pub fn warning(&self, message: &str) {
        self.line(Level::All, Severity::Warning, message);
    }

    /// Something has changed.
    pub fn notice(&self, message: &str) {
        self.line(Level::All, Severity::Notice, message);
    }

    fn line(&self, level: Level, severity: Severity, message: &str) {
        if level <= self.level {
            say(severity, &self.tag, message);
        }
    }
}
