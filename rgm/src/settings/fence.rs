//! `[fence.NODE]` of `rgm.toml`: the devices that cut a node off, whatever it does.

use rgm_types::NodeName;
use rustix::fs::{Access, access};
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where Debian's package `fence-agents` puts them.
const AGENTS: &str = "/usr/sbin";
/// Longest input of an agent: it fits into a pipe that nobody reads yet.
const INPUT_LEN_MAX: usize = 4096;

/// The devices of each node.
pub type Fence = BTreeMap<NodeName, Fenced>;

/// How a node is cut off.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fenced {
    /// How long the president hesitates before it fences this node by itself.
    #[serde(deserialize_with = "super::span")]
    pub delay: Duration,
    /// Its devices.
    pub device: Vec<Device>,
}

/// A device, as its agent is told of it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Device {
    /// The agent: a name in `/usr/sbin`, or a whole path.
    #[serde(deserialize_with = "agent")]
    pub agent: PathBuf,
    /// All devices of a level must confirm; if one does not, those of the next level are asked.
    #[serde(default = "first_level")]
    pub level: u32,
    /// What is asked of it.
    #[serde(default)]
    pub action: Action,
    /// How long it may take.
    #[serde(default = "minute", deserialize_with = "super::span")]
    pub timeout: Duration,
    /// What the agent is told besides: where the device is, which of its plugs, passwords.
    #[serde(default)]
    pub options: Options,
}

/// What can be asked of a device.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Off, and on again.
    #[default]
    Reboot,
    /// Off; somebody gives it power again.
    Off,
}

/// Options of an agent. Their values, which may be passwords, do not show in messages.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Options(BTreeMap<String, String>);

impl Options {
    /// As lines of an agent's input.
    pub fn lines(&self) -> String {
        self.0.iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<'de> Deserialize<'de> for Options {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let wrong = |name: &str, what: &str| serde::de::Error::custom(format!("option {name}: {what}"));
        let mut options = BTreeMap::new();
        for (name, value) in BTreeMap::<String, toml::Value>::deserialize(deserializer)? {
            let value = match value {
                toml::Value::String(text) => text,
                toml::Value::Integer(number) => number.to_string(),
                toml::Value::Boolean(on) => u8::from(on).to_string(),
                toml::Value::Float(_)
                | toml::Value::Datetime(_)
                | toml::Value::Array(_)
                | toml::Value::Table(_) => return Err(wrong(&name, "it is a text, a whole number, or true")),
            };
            if matches!(name.as_str(), "action" | "option") {
                return Err(wrong(&name, "what is asked of a device is said beside its options: action"));
            }
            if name.is_empty() || name.contains(['=', '\n', '#', ' ']) || value.contains(['\n', '\0']) {
                return Err(wrong(&name, "name and value are one line, without \"=\" in the name"));
            }
            options.insert(name, value);
        }
        let options = Self(options);
        match options.lines().len() > INPUT_LEN_MAX {
            true => Err(serde::de::Error::custom(format!("more than {INPUT_LEN_MAX} bytes of options"))),
            false => Ok(options),
        }
    }
}

impl Fenced {
    /// Its levels, in the order in which they are tried.
    pub fn levels(&self) -> Vec<Vec<&Device>> {
        let numbers: BTreeSet<u32> = self.device.iter().map(|device| device.level).collect();
        let level = |number| self.device.iter().filter(move |device| device.level == number).collect();
        numbers.into_iter().map(level).collect()
    }
}

/// What is wrong on this machine with agents, and with the file that holds their passwords.
pub fn faults(fence: &Fence, file: &Path) -> Vec<String> {
    let devices = fence.iter().flat_map(|(node, fenced)| fenced.device.iter().map(move |d| (node, d)));
    let mut faults: Vec<String> = devices
        .filter_map(|(node, Device { agent, .. })| {
            let fault = access(agent, Access::EXEC_OK).err()?;
            let agent = agent.display();
            Some(format!(
                "fence.{node}: the agent {agent} can't be run: {fault}; Debian's package is fence-agents"
            ))
        })
        .collect();
    let open = std::fs::metadata(file).is_ok_and(|found| {
        use std::os::unix::fs::PermissionsExt;
        found.permissions().mode() & 0o077 != 0
    });
    if open && fence.values().any(|fenced| !fenced.device.is_empty()) {
        let file = file.display();
        faults.push(format!(
            "{file} may hold passwords of fence devices, and others than root may read it: chmod 600 {file}"
        ));
    }
    faults
}

fn agent<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PathBuf, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_str() {
        "" => Err(serde::de::Error::custom("agent: the name is empty")),
        name if !name.contains('/') => Ok(Path::new(AGENTS).join(name)),
        path if path.starts_with('/') => Ok(PathBuf::from(path)),
        _ => Err(serde::de::Error::custom(format!("agent: {text}: neither a name nor an absolute path"))),
    }
}

fn first_level() -> u32 {
    1
}

fn minute() -> Duration {
    Duration::from_secs(60)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Fence, String> {
        #[derive(Deserialize)]
        struct File {
            fence: Fence,
        }
        toml::from_str::<File>(text).map(|file| file.fence).map_err(|error| error.to_string())
    }

    const FILE: &str = r#"
        [fence.phys-1]
        delay = "3s"
        [[fence.phys-1.device]]
        level = 2
        agent = "/opt/agents/pdu"
        action = "off"
        timeout = "20s"
        options = { plug = 7 }
        [[fence.phys-1.device]]
        agent = "fence_ipmilan"
        options = { ip = "10.0.9.1", lanplus = true, password = "hush" }
    "#;

    #[test]
    fn levels_come_by_their_numbers_and_what_is_not_said_has_a_default() {
        let fence = parse(FILE).unwrap();
        let fenced = fence.values().next().unwrap();
        assert_eq!(fenced.delay, Duration::from_secs(3));
        let [first, second] = &fenced.levels()[..] else { panic!("{fenced:?}") };
        let ([first], [second]) = (&first[..], &second[..]) else { panic!("{fenced:?}") };
        assert_eq!(first.agent, Path::new("/usr/sbin/fence_ipmilan"));
        assert_eq!((first.action, first.timeout), (Action::Reboot, Duration::from_secs(60)));
        assert_eq!(first.options.lines(), "ip=10.0.9.1\nlanplus=1\npassword=hush\n");
        assert_eq!((second.action, second.timeout), (Action::Off, Duration::from_secs(20)));
        assert_eq!(second.options.lines(), "plug=7\n");
    }

    #[test]
    fn no_password_shows_in_what_is_printed_of_the_settings() {
        let shown = format!("{:?}", parse(FILE).unwrap());
        assert!(shown.contains("password") && !shown.contains("hush"), "{shown}");
    }

    #[test]
    fn what_no_agent_could_be_told_is_refused() {
        let check = |device: &str, word: &str| {
            let reason = parse(&format!("[[fence.a.device]]\n{device}")).unwrap_err();
            assert!(reason.contains(word), "{reason}");
        };
        check("options = {}", "agent");
        check("agent = ''", "empty");
        check("agent = 'bin/pdu'", "absolute");
        check("agent = 'x'\naction = 'on'", "on");
        check("agent = 'x'\nplug = 1", "plug");
        check("agent = 'x'\noptions = { action = 'off' }", "beside");
        check("agent = 'x'\noptions = { a = \"b\\nc\" }", "one line");
        check("agent = 'x'\noptions = { a = [1] }", "whole number");
    }

    #[test]
    fn an_agent_that_is_not_there_and_a_file_that_others_read_are_faults() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let (agent, file) = (dir.path().join("agent"), dir.path().join("rgm.toml"));
        std::fs::write(&agent, "").unwrap();
        std::fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&agent, 0o600);
        mode(&file, 0o644);
        let fence = parse(&format!("[[fence.a.device]]\nagent = {agent:?}")).unwrap();
        let found = faults(&fence, &file);
        assert!(
            found.len() == 2 && found[0].contains("fence.a") && found[1].contains("chmod 600"),
            "{found:?}"
        );
        mode(&agent, 0o700);
        mode(&file, 0o600);
        assert_eq!(faults(&fence, &file), [] as [String; 0]);
    }
}
