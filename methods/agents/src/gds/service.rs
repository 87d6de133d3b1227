//! What the properties say about a service, and asking it once whether it works.

use crate::Failed;
use crate::call::Call;
use crate::command::{CommandLine, End, Ran};
use crate::context::Context;
use crate::judge::{COMPLETE, Finding};
use crate::pmf::{Policy, minutes};
use crate::probe::http::Url;
use crate::probe::{self, TIMED_OUT};
use std::num::NonZero;
use std::time::Duration;

/// A probe command ends with this to be moved to another node at once.
const MOVE_AWAY: i32 = 201;
/// What a shell ends with where it could not run a command.
const NOT_RUN: [i32; 2] = [126, 127];

impl Context<'_> {
    /// A property that holds a command, its variables filled in; none if it is empty.
    pub fn command(&self, name: &str) -> Result<Option<CommandLine>, Failed> {
        Ok(CommandLine::new(&self.command_text(name)?))
    }

    /// The same as text.
    fn command_text(&self, name: &str) -> Result<String, Failed> {
        let text = self.props().extension(name)?.text;
        let Call { resource, group, type_name, .. } = self.call;
        let mut filled =
            text.replace("%RS_NAME", resource).replace("%RG_NAME", group).replace("%RT_NAME", type_name);
        for variable in ["%HOSTNAMES", "$hostnames"] {
            if filled.contains(variable) {
                filled = filled.replace(variable, &self.hosts()?.join(","));
            }
        }
        Ok(filled)
    }

    /// How often PMF starts the service again.
    pub fn pmf_policy(&self) -> Result<Policy, Failed> {
        let props = self.props();
        let level = props.extension("Child_mon_level")?.int()?;
        Ok(Policy {
            retries: i32::try_from(props.standard("Retry_count")?.int()?).unwrap_or(i32::MAX).max(-1),
            period_min: minutes(props.standard("Retry_interval")?.seconds()?),
            level: u32::try_from(level).ok(),
        })
    }

    /// How the service is asked.
    pub fn probe(&self) -> Result<Probe, Failed> {
        let props = self.props();
        let limit = props.extension("Probe_timeout")?.seconds()?;
        let text = self.command_text("Probe_command")?;
        let how = match (Url::parse(&text), CommandLine::new(&text)) {
            (Some(url), _) => How::Http(url.map_err(|wrong| Failed::new(format!("Probe_command: {wrong}")))?),
            (None, Some(command)) => How::Command(command),
            (None, None) if props.extension("Network_aware")?.is_true() => self.ports()?,
            (None, None) => How::Alive,
        };
        Ok(Probe { how, limit })
    }

    /// Every port on every host.
    fn ports(&self) -> Result<How, Failed> {
        let list = self.props().standard("Port_list")?;
        let ports: Vec<u16> = list.list().into_iter().map(port).collect::<Result<Vec<_>, _>>()?.concat();
        if ports.is_empty() {
            return Ok(How::Alive);
        }
        let hosts = self.hosts()?;
        let every = hosts.iter().flat_map(|host| ports.iter().map(|port| (host.clone(), *port)));
        Ok(How::Ports(every.collect()))
    }

    /// Where clients find the service: Network_resources_used, else the logical hosts of the group,
    /// else this host.
    fn hosts(&self) -> Result<Vec<String>, Failed> {
        let used = self.props().standard("Network_resources_used")?;
        let mut hosts: Vec<String> =
            used.list().into_iter().flat_map(|name| self.hosts_of(name, true)).collect();
        if hosts.is_empty() {
            let members = self.manager.group(&self.call.group, "RESOURCE_LIST").unwrap_or_default();
            hosts = members.split(',').flat_map(|name| self.hosts_of(name, false)).collect();
        }
        if hosts.is_empty() {
            hosts.push("localhost".to_owned());
        }
        Ok(hosts)
    }

    /// The hosts of a resource of network addresses. What is no resource is a host itself, if that is
    /// what it is `used` as.
    fn hosts_of(&self, name: &str, used: bool) -> Vec<String> {
        let Ok(type_name) = self.manager.resource(name, "TYPE") else {
            return if used { vec![name.to_owned()] } else { Vec::new() };
        };
        let logical = self.manager.resource_type(&type_name, "IS_LOGICAL_HOSTNAME");
        if !used && !logical.is_ok_and(|answer| answer == "TRUE") {
            return Vec::new();
        }
        let hosts = self.manager.extension(name, "HostnameList").unwrap_or_default();
        hosts.split(',').filter(|host| !host.is_empty()).map(str::to_owned).collect()
    }
}

/// The number of a port that can be connected to: `80/tcp` or `80/tcp6`. UDP has nothing to connect to.
pub fn port(element: &str) -> Result<Vec<u16>, Failed> {
    let wrong = |what: &str| {
        Failed::new(format!(
            "Port_list: {element:?} {what}; each element is PORT/tcp, PORT/tcp6, PORT/udp or PORT/udp6, as 80/tcp"
        ))
    };
    let (number, protocol) = element.split_once('/').ok_or_else(|| wrong("names no protocol"))?;
    let number: NonZero<u16> = number.trim().parse().map_err(|_| wrong("has no port from 1 to 65535"))?;
    match protocol.trim().to_ascii_lowercase().as_str() {
        "tcp" | "tcp6" => Ok(vec![number.get()]),
        "udp" | "udp6" => Ok(Vec::new()),
        _ => Err(wrong("names no protocol that is known")),
    }
}

/// A question to the service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    how: How,
    limit: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum How {
    /// By a command of its own.
    Command(CommandLine),
    /// By HTTP GET.
    Http(Url),
    /// By a connection to each port.
    Ports(Vec<(String, u16)>),
    /// There is nothing to ask; it is enough that it runs.
    Alive,
}

impl Probe {
    /// Is there nothing to ask?
    pub fn is_mere_life(&self) -> bool {
        self.how == How::Alive
    }

    /// The command that asks, if it is one.
    pub fn command(&self) -> Option<&CommandLine> {
        match &self.how {
            How::Command(command) => Some(command),
            How::Http(_) | How::Ports(_) | How::Alive => None,
        }
    }

    /// Asks once, no longer than Probe_timeout and the time given.
    pub fn ask(&self, most: Duration) -> Finding {
        let limit = self.limit.min(most);
        match &self.how {
            How::Command(command) => of_command(&command.run(limit), limit),
            How::Http(url) => probe::http::get(url, limit),
            How::Ports(ports) => of_ports(ports, limit),
            How::Alive => Finding::Well("its processes run".to_owned()),
        }
    }
}

/// The worst of what the ports say.
fn of_ports(ports: &[(String, u16)], limit: Duration) -> Finding {
    let all = ports.iter().map(|(host, port)| probe::tcp(host, *port, limit));
    let worst = all.max_by_key(|finding| match finding {
        Finding::Well(_) => 0,
        Finding::Unknown(_) => 1,
        Finding::Failed(weight, _) => 1 + weight,
        Finding::MoveAway(_) | Finding::Restarted(..) | Finding::Gone(_) => u32::MAX,
    });
    worst.unwrap_or_else(|| Finding::Unknown("there is no port to ask at".to_owned()))
}

/// 0: well; 1 to 100: so bad; 201: move it at once. A command that did not run says nothing.
fn of_command(ran: &Ran, limit: Duration) -> Finding {
    let said = if ran.said.is_empty() { String::new() } else { format!(": {}", ran.said) };
    match &ran.end {
        End::Code(0) => Finding::Well("its probe succeeds".to_owned()),
        End::Code(MOVE_AWAY) => Finding::MoveAway(format!("its probe asks for another node{said}")),
        End::Code(code) if NOT_RUN.contains(code) => {
            Finding::Unknown(format!("Probe_command can't be run (exit {code}){said}"))
        }
        End::Code(code) => {
            let weight = u32::try_from(*code).unwrap_or(COMPLETE).min(COMPLETE);
            Finding::Failed(weight, format!("its probe ends with {code}{said}"))
        }
        End::Signal(signal) => Finding::Unknown(format!("its probe was killed by signal {signal}{said}")),
        End::TimedOut => {
            Finding::Failed(TIMED_OUT, format!("its probe does not end within {} s{said}", limit.as_secs()))
        }
        End::NotRun(error) => Finding::Unknown(format!("Probe_command can't be run: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_code_of_a_probe_says_how_bad_it_is() {
        let finding = |end: End| of_command(&Ran { end, said: "why".into() }, Duration::from_secs(30));
        assert!(matches!(finding(End::Code(0)), Finding::Well(_)));
        for (code, weight) in [(1, 1), (50, 50), (100, 100), (101, 100), (200, 100), (255, 100)] {
            let found = finding(End::Code(code));
            assert!(
                matches!(&found, Finding::Failed(w, said) if *w == weight && said.ends_with(": why")),
                "{found:?}"
            );
        }
        assert!(matches!(finding(End::Code(201)), Finding::MoveAway(_)));
        assert!(matches!(finding(End::TimedOut), Finding::Failed(50, _)));
        for end in [End::Code(127), End::Code(126), End::Signal(9), End::NotRun("no file".into())] {
            assert!(matches!(finding(end.clone()), Finding::Unknown(_)), "{end:?}");
        }
    }

    #[test]
    fn a_port_has_a_number_and_a_protocol() {
        for (element, ports) in
            [("80/tcp", vec![80]), ("80/tcp6", vec![80]), ("53/udp", vec![]), ("53/UDP6", vec![])]
        {
            assert_eq!(port(element), Ok(ports), "{element}");
        }
        for (element, why) in [
            ("80", "\"80\" names no protocol"),
            ("tcp/80", "no port from 1"),
            ("http/tcp", "no port from 1"),
            ("0/tcp", "no port from 1"),
            ("70000/tcp", "no port from 1"),
            ("/tcp", "no port from 1"),
            ("80/", "no protocol that is known"),
            ("80/sctp", "no protocol that is known"),
            ("80/tcp/udp", "no protocol that is known"),
        ] {
            let said = port(element).unwrap_err().to_string();
            assert!(said.contains(why) && said.contains("PORT/udp6, as 80/tcp"), "{element}: {said}");
        }
    }
}
