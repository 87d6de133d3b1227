//! `rgm.toml`: what an administrator may say about this node's daemon.
//!
//! Everything has a default, so that there need not be such a file. A key that is not known is
//! refused: a misspelt one would otherwise be silently without effect.

pub mod fence;

use fence::Fence;
use rgm_api::pmf;
use rgm_cluster::net::Identity;
use rgm_types::NodeName;
use serde::{Deserialize, Deserializer};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The settings, defaults filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Name of a cluster that is made new. An existing one keeps its name.
    pub cluster: String,
    /// Name of this node; the host's name where not given.
    pub node: Option<NodeName>,
    /// What to do when a node must stop everything at once. A node of a cluster on one machine is
    /// always killed, never rebooted.
    pub failfast: Failfast,
    /// The device of the watchdog, where that is what `failfast` says.
    pub watchdog: PathBuf,
    /// Log to syslog where there is one. The standard error is always logged to.
    pub syslog: bool,
    /// Least level that is logged.
    pub log_level: LogLevel,
    /// Directory of the commands, first in the PATH of methods.
    pub commands: PathBuf,
    /// The pmfd that a cluster on one machine starts; beside rgmd's own file where not given.
    pub pmfd: Option<PathBuf>,
    /// How long a node's daemon that is told to end waits for methods that are running.
    #[serde(deserialize_with = "span")]
    pub stop_wait: Duration,
    /// etcd, which makes this node one of a cluster of many machines. Without it the cluster is this
    /// machine, and its configuration lies here.
    pub etcd: Option<rgm_etcd::Settings>,
    /// Certificates of the links to the other nodes: what `cluster cert` makes.
    pub tls: Option<Identity>,
    /// This node's part in a cluster of many machines.
    pub member: Member,
    /// The devices that cut nodes off, by the names of the nodes.
    pub fence: Fence,
}

/// See [`Settings::member`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Member {
    /// Where links of other nodes are taken.
    pub listen: SocketAddr,
    /// What the other nodes are told to connect to, `HOST` or `HOST:PORT`; the host's name where not
    /// given.
    pub address: Option<String>,
    /// How long a node that is not heard of may be alive. Whole seconds. It has to outlast an election
    /// of etcd, or the loss of etcd's leader ends every node: at least three of its election timeouts
    /// and `margin`. With etcd's default of one second that makes 5 s, with half a second 3 s.
    #[serde(deserialize_with = "span")]
    pub ttl: Duration,
    /// How much earlier a node that can't renew its lease ends itself: what the kill takes, and more.
    #[serde(deserialize_with = "span")]
    pub margin: Duration,
    /// How long the place of a node is held whose daemon was told to end: for its next version.
    #[serde(deserialize_with = "span")]
    pub upgrade_wait: Duration,
    /// How long the president waits for a node that is registered and that it does not reach, before it
    /// evicts it; twice `ttl` where not given.
    #[serde(deserialize_with = "some_span")]
    pub unreached_wait: Option<Duration>,
    /// The same before it fences it, where it has fence devices; as long where not given.
    #[serde(deserialize_with = "some_span")]
    pub fence_wait: Option<Duration>,
}

impl Member {
    /// See the field.
    pub fn unreached_wait(&self) -> Duration {
        self.unreached_wait.unwrap_or(self.ttl * 2)
    }

    /// See the field.
    pub fn fence_wait(&self) -> Duration {
        self.fence_wait.unwrap_or(self.unreached_wait())
    }
}

impl Default for Member {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], PORT)),
            address: None,
            ttl: Duration::from_secs(5),
            margin: Duration::from_millis(500),
            upgrade_wait: Duration::from_secs(60),
            unreached_wait: None,
            fence_wait: None,
        }
    }
}

/// Where links are taken unless the settings say otherwise.
const PORT: u16 = 7433;

/// The surest means to stop everything on a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Failfast {
    /// Reboot at once, without syncing or stopping anything.
    Reboot,
    /// Kill everything supervised, and end.
    Kill,
    /// The same, and feed a watchdog no more, which resets the machine; until then it is fed.
    Watchdog,
}

/// See [`Settings::log_level`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cluster: "rgm".to_owned(),
            node: None,
            failfast: Failfast::Reboot,
            watchdog: PathBuf::from("/dev/watchdog"),
            syslog: true,
            log_level: LogLevel::Info,
            commands: PathBuf::from("/usr/cluster/bin"),
            pmfd: None,
            stop_wait: Duration::from_secs(30),
            etcd: None,
            tls: None,
            member: Member::default(),
            fence: Fence::default(),
        }
    }
}

/// Why the settings are not taken.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file is there, and can't be read.
    #[error("cannot read the settings in {}", path.display())]
    Unreadable {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not what it should be; the reason shows line and column.
    #[error("the settings in {} are not understood: {reason}", path.display())]
    Wrong {
        /// File.
        path: PathBuf,
        /// What is wrong, several lines.
        reason: String,
    },
}

impl Settings {
    /// The settings in that file; the defaults where there is none.
    pub fn load(path: &Path) -> Result<Self, SettingsError> {
        match std::fs::read_to_string(path) {
            Ok(text) => {
                Self::parse(&text).map_err(|reason| SettingsError::Wrong { path: path.to_owned(), reason })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(source) => Err(SettingsError::Unreadable { path: path.to_owned(), source }),
        }
    }

    /// What is wrong on this machine with what they name, where that is known before it is needed.
    pub fn check(&self, path: &Path) -> Result<(), SettingsError> {
        let mut faults = fence::faults(&self.fence, path);
        // Not opened: that would wake it up.
        let device = (self.failfast == Failfast::Watchdog).then(|| self.watchdog.metadata());
        if let Some(why) = device.and_then(|found| match found {
            Ok(found) if found.is_dir() => Some("it is a directory".to_owned()),
            Ok(_) => None,
            Err(error) => Some(error.to_string()),
        }) {
            faults.push(format!(
                "watchdog: {}: {why}; load its driver, such as `modprobe softdog`, or give watchdog = \"DEVICE\"",
                self.watchdog.display()
            ));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(SettingsError::Wrong { path: path.to_owned(), reason: faults.join("\n") })
    }

    /// What pmfd is told to do when this node must stop everything at once.
    pub fn failfast(&self) -> pmf::Failfast {
        match self.failfast {
            Failfast::Reboot => pmf::Failfast::Reboot,
            Failfast::Kill => pmf::Failfast::Kill,
            Failfast::Watchdog => {
                pmf::Failfast::Watchdog { device: self.watchdog.clone().into_os_string().into() }
            }
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        let settings: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        if settings.cluster.is_empty() {
            return Err("cluster: the name is empty".to_owned());
        }
        if settings.etcd.is_some() && settings.tls.is_none() {
            return Err("etcd: a cluster of many machines needs certificates: [tls] with ca, cert and key; \
                        `cluster cert init` and `cluster cert issue` make them"
                .to_owned());
        }
        if settings.member.margin * 2 > settings.member.ttl {
            return Err("member: the margin is at most half of ttl".to_owned());
        }
        if settings.member.unreached_wait() < settings.member.ttl {
            return Err("member: unreached_wait is at least ttl: a daemon that is started anew must have \
                        the time to be reached again"
                .to_owned());
        }
        if settings.failfast == Failfast::Watchdog && settings.etcd.is_none() {
            return Err("failfast: a watchdog guards a node of a cluster of many machines: give [etcd], or \
                        \"reboot\" or \"kill\""
                .to_owned());
        }
        let files = [Some(&settings.commands), Some(&settings.watchdog), settings.pmfd.as_ref()];
        if let Some(path) = files.into_iter().flatten().find(|path| !path.is_absolute()) {
            return Err(format!("{}: not an absolute path", path.display()));
        }
        Ok(settings)
    }
}

fn span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text)
        .map_err(|error| serde::de::Error::custom(format!("{text:?} is no span like \"30s\": {error}")))
}

fn some_span<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    span(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_says_nothing_gives_the_defaults() {
        assert_eq!(Settings::parse("# nothing\n"), Ok(Settings::default()));
        assert_eq!(Settings::load(Path::new("/no/such/rgm.toml")).unwrap(), Settings::default());
    }

    #[test]
    fn every_key_is_taken() {
        let text = r#"
            cluster = "planets"
            node = "phys-1"
            failfast = "watchdog"
            watchdog = "/dev/watchdog1"
            syslog = false
            log_level = "debug"
            commands = "/opt/rgm/bin"
            pmfd = "/opt/rgm/sbin/pmfd"
            stop_wait = "1m 30s"
            [etcd]
            endpoints = ["https://e:2379"]
            [tls]
            ca = "/ca"
            cert = "/cert"
            key = "/key"
            [member]
            listen = "10.0.0.1:7000"
            address = "phys-1"
            ttl = "7s"
            margin = "1s"
            upgrade_wait = "30s"
            unreached_wait = "20s"
            fence_wait = "2s"
            [[fence.phys-2.device]]
            agent = "fence_virsh"
        "#;
        let expected = Settings {
            cluster: "planets".to_owned(),
            node: Some(NodeName::new("phys-1").unwrap()),
            failfast: Failfast::Watchdog,
            watchdog: "/dev/watchdog1".into(),
            syslog: false,
            log_level: LogLevel::Debug,
            commands: "/opt/rgm/bin".into(),
            pmfd: Some("/opt/rgm/sbin/pmfd".into()),
            stop_wait: Duration::from_secs(90),
            etcd: Some(rgm_etcd::Settings {
                endpoints: vec!["https://e:2379".to_owned()],
                ..Default::default()
            }),
            tls: Some(Identity { ca: "/ca".into(), cert: "/cert".into(), key: "/key".into() }),
            member: Member {
                listen: SocketAddr::from(([10, 0, 0, 1], 7000)),
                address: Some("phys-1".to_owned()),
                ttl: Duration::from_secs(7),
                margin: Duration::from_secs(1),
                upgrade_wait: Duration::from_secs(30),
                unreached_wait: Some(Duration::from_secs(20)),
                fence_wait: Some(Duration::from_secs(2)),
            },
            fence: Fence::from([(
                NodeName::new("phys-2").unwrap(),
                fence::Fenced {
                    delay: Duration::ZERO,
                    device: vec![fence::Device {
                        agent: "/usr/sbin/fence_virsh".into(),
                        level: 1,
                        action: fence::Action::Reboot,
                        timeout: Duration::from_secs(60),
                        options: fence::Options::default(),
                    }],
                },
            )]),
        };
        assert_eq!(Settings::parse(text), Ok(expected));
    }

    #[test]
    fn what_is_not_understood_is_refused_with_its_place() {
        let check = |text: &str, word: &str| {
            let reason = Settings::parse(text).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        };
        check("failfats = \"kill\"", "failfats");
        check("\n\nfailfast = \"maybe\"", "line 3");
        check("stop_wait = \"soon\"", "30s");
        check("node = \"-x\"", "starts with");
        check("cluster = \"\"", "empty");
        check("commands = \"bin\"", "absolute");
        check("watchdog = \"watchdog1\"", "absolute");
        check("failfast = \"watchdog\"", "[etcd]");
        check("[etcd]\nendpoints = ['http://e:2379']", "certificates");
        check("[member]\nmargin = '3s'", "half of ttl");
        check("[member]\nunreached_wait = '3s'", "at least ttl");
    }
}
