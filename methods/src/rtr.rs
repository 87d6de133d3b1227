//! Methods as Sun's resource types expect them to be called (reference 4.1).
//!
//! ```text
//! METHOD   -R resource -T type -G group
//! VALIDATE -c|-u -R resource -T type -G group [-r std=val]… [-x ext=val]… [-X ext{node}=val]… [-g rgprop=val]…
//! ```
//!
//! Every flag and its value are two arguments: agents that `shift` by two rely on it. Values are handed
//! over as they stand, lists joined by commas by the caller.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// Where agents find the system's tools. A method sets its own PATH; what it calls before that is here.
pub const PATH: &str = "/usr/cluster/bin:/usr/bin:/bin:/usr/sbin:/sbin";

/// A method to be called for a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Resource, after `-R`.
    pub resource: String,
    /// Full name of its type, version included where the type is upgrade-aware; after `-T`.
    pub type_name: String,
    /// Its group, after `-G`.
    pub group: String,
    /// Only for VALIDATE: what is to be validated.
    pub validate: Option<ValidateArgs>,
}

/// What VALIDATE is given: every property at creation, the changed ones otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ValidateArgs {
    /// `-c`, the resource is being created; otherwise `-u`.
    pub creating: bool,
    /// System-defined properties, `-r name=value`.
    pub standard: Vec<(String, String)>,
    /// Extension properties, `-x name=value`.
    pub extension: Vec<(String, String)>,
    /// Extension properties of single nodes: name, node, value; `-X name{node}=value`.
    pub per_node: Vec<(String, String, String)>,
    /// Properties of the group, `-g name=value`.
    pub group: Vec<(String, String)>,
}

/// The node a method is called on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Directory of this system's commands, put before [`PATH`] where they are not installed in
    /// `/usr/cluster/bin`.
    pub path_prefix: Option<PathBuf>,
    /// `RGM_RUN_DIR`.
    pub run_dir: PathBuf,
    /// `RGM_STATE_DIR`.
    pub state_dir: PathBuf,
    /// `RGM_CONFIG`.
    pub config: PathBuf,
    /// `RGM_NODE`: the node a command called by the method speaks for.
    pub node: String,
}

impl Call {
    /// The arguments after the program.
    pub fn args(&self) -> Vec<OsString> {
        let mut args: Vec<String> = Vec::new();
        if let Some(validate) = &self.validate {
            args.push(if validate.creating { "-c" } else { "-u" }.into());
        }
        for (flag, value) in [("-R", &self.resource), ("-T", &self.type_name), ("-G", &self.group)] {
            args.extend([flag.into(), value.clone()]);
        }
        if let Some(validate) = &self.validate {
            validate.append(&mut args);
        }
        args.into_iter().map(OsString::from).collect()
    }

    /// The whole environment, as `NAME=value` entries: nothing of the daemon's own is inherited.
    /// `LANG=C` because agents read what tools print.
    pub fn environment(&self, method: rgm_types::Method, here: &Surroundings) -> Vec<OsString> {
        let mut path = here.path_prefix.as_ref().map(|dir| dir.clone().into_os_string()).unwrap_or_default();
        if !path.is_empty() {
            path.push(":");
        }
        path.push(PATH);
        vec![
            entry("PATH", &path),
            entry("LANG", "C"),
            entry("RGM_RUN_DIR", &here.run_dir),
            entry("RGM_STATE_DIR", &here.state_dir),
            entry("RGM_CONFIG", &here.config),
            entry("RGM_NODE", &here.node),
            entry("RGM_RESOURCE", &self.resource),
            entry("RGM_GROUP", &self.group),
            entry("RGM_METHOD", method.word()),
        ]
    }

    /// The tag of its lines in the log: `[RT,RG,RS]`.
    pub fn tag(&self) -> String {
        format!("[{},{},{}]", self.type_name, self.group, self.resource)
    }
}

impl ValidateArgs {
    fn append(&self, args: &mut Vec<String>) {
        let mut add = |flag: &str, value: String| args.extend([flag.to_string(), value]);
        self.standard.iter().for_each(|(name, value)| add("-r", format!("{name}={value}")));
        self.extension.iter().for_each(|(name, value)| add("-x", format!("{name}={value}")));
        for (name, node, value) in &self.per_node {
            add("-X", format!("{name}{{{node}}}={value}"));
        }
        self.group.iter().for_each(|(name, value)| add("-g", format!("{name}={value}")));
    }
}

fn entry(name: &str, value: impl AsRef<OsStr>) -> OsString {
    let mut entry = OsString::from(name);
    entry.push("=");
    entry.push(value);
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_types::Method;

    fn call(validate: Option<ValidateArgs>) -> Call {
        Call { resource: "r".into(), type_name: "SUNW.sample:1".into(), group: "g".into(), validate }
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| ((*a).into(), (*b).into())).collect()
    }

    #[test]
    fn a_method_gets_resource_type_and_group() {
        assert_eq!(call(None).args(), ["-R", "r", "-T", "SUNW.sample:1", "-G", "g"]);
    }

    #[test]
    fn validate_gets_every_property_as_an_argument_of_its_own() {
        let validate = ValidateArgs {
            creating: true,
            standard: pairs(&[("Retry_count", "2"), ("R_description", "")]),
            extension: pairs(&[("Confdir_list", "/a b,/c=d")]),
            per_node: vec![("Port".into(), "2".into(), "53".into())],
            group: pairs(&[("Nodelist", "n1,n2")]),
        };
        assert_eq!(
            call(Some(validate)).args(),
            [
                "-c",
                "-R",
                "r",
                "-T",
                "SUNW.sample:1",
                "-G",
                "g",
                "-r",
                "Retry_count=2",
                "-r",
                "R_description=",
                "-x",
                "Confdir_list=/a b,/c=d",
                "-X",
                "Port{2}=53",
                "-g",
                "Nodelist=n1,n2",
            ]
        );
    }

    #[test]
    fn an_update_is_told_from_a_creation() {
        assert_eq!(call(Some(ValidateArgs::default())).args().first(), Some(&OsString::from("-u")));
    }

    #[test]
    fn the_environment_is_exactly_this() {
        let here = Surroundings {
            path_prefix: Some("/dev/bin".into()),
            run_dir: "/run/rgm".into(),
            state_dir: "/var/lib/rgm".into(),
            config: "/etc/rgm/rgm.toml".into(),
            node: "phys-1".into(),
        };
        assert_eq!(
            call(None).environment(Method::MonitorStart, &here),
            [
                "PATH=/dev/bin:/usr/cluster/bin:/usr/bin:/bin:/usr/sbin:/sbin",
                "LANG=C",
                "RGM_RUN_DIR=/run/rgm",
                "RGM_STATE_DIR=/var/lib/rgm",
                "RGM_CONFIG=/etc/rgm/rgm.toml",
                "RGM_NODE=phys-1",
                "RGM_RESOURCE=r",
                "RGM_GROUP=g",
                "RGM_METHOD=MONITOR_START",
            ]
        );
        let installed = Surroundings { path_prefix: None, ..here };
        let path = format!("PATH={PATH}");
        assert_eq!(call(None).environment(Method::Stop, &installed).first(), Some(&OsString::from(path)));
    }

    #[test]
    fn the_tag_names_type_group_and_resource() {
        assert_eq!(call(None).tag(), "[SUNW.sample:1,g,r]");
    }
}
