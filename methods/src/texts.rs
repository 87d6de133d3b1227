//! The log lines about methods, in the words log-parsing users know (reference 4.6).

use std::time::Duration;

/// The method a line is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// Path or name of the method, as the type declares it.
    pub method: &'a str,
    /// Resource.
    pub resource: &'a str,
    /// Group.
    pub group: &'a str,
    /// Node.
    pub node: &'a str,
    /// What the method may use.
    pub timeout: Duration,
}

impl About<'_> {
    /// It is being started.
    pub fn launching(&self) -> String {
        let Self { method, resource, group, node, timeout } = self;
        let secs = timeout.as_secs();
        format!(
            "launching method <{method}> for resource <{resource}>, resource group <{group}>, node <{node}>, \
             timeout <{secs}> seconds"
        )
    }

    /// It exited with 0.
    pub fn completed(&self, used: Duration) -> String {
        let Self { method, resource, group, node, .. } = self;
        format!(
            "method <{method}> completed successfully for resource <{resource}>, resource group <{group}>, \
             node <{node}>, time used: {}",
            self.share(used)
        )
    }

    /// It exited with another code.
    pub fn failed(&self, code: i32, used: Duration) -> String {
        self.went_wrong("failed", &format!("exit code <{code}>, time used: {}", self.share(used)))
    }

    /// A signal ended it.
    pub fn signalled(&self, signal: i32, used: Duration) -> String {
        self.went_wrong(
            "failed",
            &format!("terminated by signal <{signal}>, time used: {}", self.share(used)),
        )
    }

    /// Its time was up, so it was killed.
    pub fn timed_out(&self) -> String {
        self.went_wrong("timed out", &format!("killed after <{}> seconds", self.timeout.as_secs()))
    }

    /// It was ended on request, before its time was up.
    pub fn killed(&self, used: Duration) -> String {
        self.went_wrong("was killed on request", &format!("time used: {}", self.share(used)))
    }

    /// It could not be started.
    pub fn not_started(&self, why: &str) -> String {
        self.went_wrong("could not be started", why)
    }

    fn went_wrong(&self, what: &str, details: &str) -> String {
        let Self { method, resource, group, .. } = self;
        format!("Method <{method}> {what} on resource <{resource}> in resource group <{group}> [{details}]")
    }

    fn share(&self, used: Duration) -> String {
        let percent = used.as_millis().saturating_mul(100) / self.timeout.as_millis().max(1);
        format!("{percent}% of timeout <{} seconds>", self.timeout.as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STOP: About<'_> = About {
        method: "dns_svc_stop",
        resource: "dns-rs",
        group: "dns-rg",
        node: "phys-1",
        timeout: Duration::from_secs(300),
    };

    #[test]
    fn every_line_reads_as_its_readers_expect() {
        let check = |line: String, expected: &str| assert_eq!(line, expected);
        check(
            STOP.launching(),
            "launching method <dns_svc_stop> for resource <dns-rs>, resource group <dns-rg>, node <phys-1>, timeout <300> seconds",
        );
        check(
            STOP.completed(Duration::from_millis(9_500)),
            "method <dns_svc_stop> completed successfully for resource <dns-rs>, resource group <dns-rg>, node <phys-1>, time used: 3% of timeout <300 seconds>",
        );
        check(
            STOP.failed(1, Duration::ZERO),
            "Method <dns_svc_stop> failed on resource <dns-rs> in resource group <dns-rg> [exit code <1>, time used: 0% of timeout <300 seconds>]",
        );
        check(
            STOP.signalled(9, Duration::from_secs(150)),
            "Method <dns_svc_stop> failed on resource <dns-rs> in resource group <dns-rg> [terminated by signal <9>, time used: 50% of timeout <300 seconds>]",
        );
        check(
            STOP.timed_out(),
            "Method <dns_svc_stop> timed out on resource <dns-rs> in resource group <dns-rg> [killed after <300> seconds]",
        );
        check(
            STOP.killed(Duration::from_secs(3)),
            "Method <dns_svc_stop> was killed on request on resource <dns-rs> in resource group <dns-rg> [time used: 1% of timeout <300 seconds>]",
        );
    }

    #[test]
    fn a_timeout_of_zero_divides_nothing() {
        assert!(About { timeout: Duration::ZERO, ..STOP }.completed(Duration::from_secs(1)).contains('%'));
    }
}
