//! Where sockets, state and configuration lie: the one place such paths come from.
//!
//! | variable | default | what lies there |
//! |---|---|---|
//! | `RGM_RUN_DIR` | `/run/rgm` | sockets; gone after a boot |
//! | `RGM_STATE_DIR` | `/var/lib/rgm` | the configuration repository, the event log |
//! | `RGM_CONFIG` | `/etc/rgm/rgm.toml` | settings |
//! | `RGM_NODE` | none | which node of a cluster on one machine is meant |
//!
//! Where a node is named, its own files lie in a directory of its name below the other two. One
//! rgmd serves all nodes of a cluster on one machine: `RUN/rgmd.sock` speaks for the first,
//! `RUN/NODE/rgmd.sock` for each.

use rgm_types::{NameError, NodeName};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// Variable: directory of the sockets.
pub const RUN_DIR: &str = "RGM_RUN_DIR";
/// Variable: directory of what must survive a boot.
pub const STATE_DIR: &str = "RGM_STATE_DIR";
/// Variable: file of the settings.
pub const CONFIG: &str = "RGM_CONFIG";
/// Variable: the node meant.
pub const NODE: &str = "RGM_NODE";

/// Why the environment gives no paths.
#[derive(Debug, thiserror::Error)]
pub enum PathsError {
    /// `RGM_NODE` can't be a node's name.
    #[error("{NODE}={text:?} names no node; unset it, or give a node's name")]
    Node {
        /// As set.
        text: String,
        /// Why not.
        #[source]
        source: NameError,
    },
    /// A relative path, and no working directory to make it absolute with.
    #[error("{}: not an absolute path, and the working directory is unknown", path.display())]
    Relative {
        /// As set.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// The paths of a cluster on this machine, or of one node of it. All absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    run_dir: PathBuf,
    state_dir: PathBuf,
    config: PathBuf,
    node: Option<NodeName>,
}

impl Paths {
    /// As the environment says.
    pub fn from_env() -> Result<Self, PathsError> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// As the given variables say; empty ones count as unset.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, PathsError> {
        let var = |name| var(name).filter(|value| !value.is_empty());
        let path = |name, default: &str| {
            let path = var(name).map_or_else(|| PathBuf::from(default), PathBuf::from);
            std::path::absolute(&path).map_err(|source| PathsError::Relative { path, source })
        };
        let node = |text: OsString| {
            let text = text.to_string_lossy().into_owned();
            NodeName::new(&text).map_err(|source| PathsError::Node { text, source })
        };
        Ok(Self {
            run_dir: path(RUN_DIR, "/run/rgm")?,
            state_dir: path(STATE_DIR, "/var/lib/rgm")?,
            config: path(CONFIG, "/etc/rgm/rgm.toml")?,
            node: var(NODE).map(node).transpose()?,
        })
    }

    /// The same cluster, as seen from this node.
    #[must_use]
    pub fn for_node(&self, node: &NodeName) -> Self {
        Self { node: Some(node.clone()), ..self.clone() }
    }

    /// The same cluster, no node named.
    #[must_use]
    pub fn for_cluster(&self) -> Self {
        Self { node: None, ..self.clone() }
    }

    /// The node named, if any.
    pub fn node(&self) -> Option<&NodeName> {
        self.node.as_ref()
    }

    /// `RGM_RUN_DIR` itself, whichever node is named.
    pub fn cluster_run_dir(&self) -> &Path {
        &self.run_dir
    }

    /// `RGM_STATE_DIR` itself, whichever node is named.
    pub fn cluster_state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where the sockets of the node lie: `RUN/NODE`, or `RUN` where none is named.
    pub fn run_dir(&self) -> PathBuf {
        self.of_node(&self.run_dir)
    }

    /// Where what the node must remember lies: `STATE/NODE`, or `STATE` where none is named.
    pub fn state_dir(&self) -> PathBuf {
        self.of_node(&self.state_dir)
    }

    /// The file of the settings.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The socket on which rgmd speaks for the node.
    pub fn rgmd_socket(&self) -> PathBuf {
        self.run_dir().join("rgmd.sock")
    }

    /// The socket of the node's pmfd.
    pub fn pmfd_socket(&self) -> PathBuf {
        self.run_dir().join("pmfd.sock")
    }

    /// The embedded configuration repository: one for the cluster.
    pub fn ccr_file(&self) -> PathBuf {
        self.state_dir.join("ccr.redb")
    }

    /// The directory of the event log: one for the cluster.
    pub fn events_dir(&self) -> PathBuf {
        self.state_dir.join("events")
    }

    /// What a process must find in its environment to mean the same paths.
    pub fn to_env(&self) -> Vec<(&'static str, OsString)> {
        let mut vars = vec![
            (RUN_DIR, self.run_dir.clone().into_os_string()),
            (STATE_DIR, self.state_dir.clone().into_os_string()),
            (CONFIG, self.config.clone().into_os_string()),
        ];
        vars.extend(self.node.iter().map(|node| (NODE, OsString::from(node.as_str()))));
        vars
    }

    /// The nodes that have a directory with a socket of this file name here, sorted.
    pub fn nodes_with(&self, socket: &str) -> Vec<String> {
        let entries = std::fs::read_dir(&self.run_dir).into_iter().flatten().flatten();
        let mut nodes: Vec<String> = entries
            .filter(|entry| entry.path().join(socket).exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect();
        nodes.sort();
        nodes
    }

    /// What an operator may check when nobody answers on a socket of this file name.
    pub fn advice(&self, socket: &str) -> String {
        let node = self.node.as_ref().map_or_else(String::new, |node| format!(" {NODE}={node}"));
        let nodes = match self.nodes_with(socket) {
            nodes if nodes.is_empty() => String::new(),
            nodes => format!("; nodes with sockets there: {}", nodes.join(", ")),
        };
        format!("{RUN_DIR}={}{node}{nodes}", self.run_dir.display())
    }

    fn of_node(&self, dir: &Path) -> PathBuf {
        self.node.as_ref().map_or_else(|| dir.to_owned(), |node| dir.join(node.as_str()))
    }
}
