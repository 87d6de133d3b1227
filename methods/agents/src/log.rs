//! Lines to the system log, under the tag that agents have (reference 4.6).

use crate::call::Call;
use methods::scds_syslog::{Severity, say};

/// The log of one method or fault monitor.
#[derive(Debug, Clone)]
pub struct Log {
    tag: String,
}

impl Log {
    /// Of this call: `SC[SUNW.gds,dns-rg,dns-rs,gds_svc_start]`.
    pub fn new(call: &Call) -> Self {
        let Call { type_name, group, resource, method, .. } = call;
        Self { tag: format!("SC[{type_name},{group},{resource},{method}]") }
    }

    /// The service is hurt, or a method failed.
    pub fn error(&self, message: &str) {
        say(Severity::Err, &self.tag, message);
    }

    /// Somebody may need to look.
    pub fn warning(&self, message: &str) {
        say(Severity::Warning, &self.tag, message);
    }

    /// Something has changed.
    pub fn notice(&self, message: &str) {
        say(Severity::Notice, &self.tag, message);
    }
}
