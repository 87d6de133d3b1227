//! What commands ask of rgmd, and what it answers.
//!
//! One request a connection at a time. A request with `more` gets any number of [`Reply::Progress`],
//! or of [`Reply::Event`], messages marked `continues` before its last one. The node a caller speaks for is the node whose
//! socket it connected to.

mod connection;
mod quorum;

pub use connection::{Connection, Failure, Told};
pub use quorum::{Endpoint, Health, Life, LinkView, Member, President, Quorum, Voter};

use crate::Interface;
use rgm_types::view::{EventRecord, Explanation, Snapshot};
use rgm_types::{Command, Done, GetValue, InstalledNodes, NodeName, Progress, Query, Refusal, Subject};
use serde::{Deserialize, Serialize};

/// A request to rgmd: `{"method": …, "parameters": …}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", content = "parameters", deny_unknown_fields)]
pub enum Request {
    /// Read one value (`scha_*_get`). Anyone.
    #[serde(rename = "org.rgm.Get")]
    Get(Query),
    /// Read everything. Anyone. Answered by [`Reply::Snapshot`].
    #[serde(rename = "org.rgm.Snapshot")]
    Snapshot {},
    /// Why is it so? Anyone. Answered by [`Reply::Explanation`].
    #[serde(rename = "org.rgm.Explain")]
    Explain {
        /// What.
        subject: Subject,
    },
    /// What was decided, and why? Anyone, with `more`. Answered by any number of [`Reply::Event`] and
    /// [`Reply::EventsGone`], oldest first, and at last by [`Reply::EventsEnd`].
    #[serde(rename = "org.rgm.Events")]
    Events {
        /// Only later ones than this number; without it, all that are kept.
        #[serde(default)]
        after: Option<u64>,
        /// Only those that name this object.
        #[serde(default)]
        about: Option<String>,
        /// Go on with those to come, until the caller hangs up.
        #[serde(default)]
        follow: bool,
    },
    /// Change something. Root only. Answered by [`Reply::Done`].
    #[serde(rename = "org.rgm.Change")]
    Change {
        /// What.
        command: Command,
        /// Only say what would be done, or refused.
        #[serde(default)]
        dry_run: bool,
    },
    /// Register a resource type from the text of its file. Root only. Answered by [`Reply::Done`].
    #[serde(rename = "org.rgm.RegisterType")]
    RegisterType {
        /// Name of the file, for diagnostics.
        file: String,
        /// Its text.
        text: String,
        /// Installed_nodes; all where not given.
        #[serde(default)]
        installed_nodes: Option<InstalledNodes>,
        /// Only say what would be done, or refused.
        #[serde(default)]
        dry_run: bool,
    },
    /// Cut a node off by its fence devices. Root only. Answered by [`Reply::Done`] when they have
    /// confirmed it.
    #[serde(rename = "org.rgm.Fence")]
    Fence {
        /// Which node.
        node: NodeName,
        /// Only say which devices would be asked, in which order.
        #[serde(default)]
        dry_run: bool,
    },
    /// Somebody has seen that a node is dead, which the president does not reach. Root only. Answered
    /// by [`Reply::Done`].
    #[serde(rename = "org.rgm.ConfirmDead")]
    ConfirmDead {
        /// Which node.
        node: NodeName,
    },
    /// How does the node that is asked see the cluster of many machines it belongs to? Anyone. Answered
    /// by [`Reply::Quorum`], by that node itself.
    #[serde(rename = "org.rgm.Quorum")]
    Quorum {},
    /// Leave the cluster of many machines in good order: nothing of it may run on the node that is asked.
    /// Root only. Answered by [`Reply::Done`] when it does.
    #[serde(rename = "org.rgm.Leave")]
    Leave {},
    /// Be a member again, on the node that is asked. Root only. Answered by [`Reply::Done`]; it takes a
    /// moment, and may take long: see [`Quorum::waits_for`].
    #[serde(rename = "org.rgm.Join")]
    Join {},
    /// Who are you? Anyone. Answered by [`Reply::Info`].
    #[serde(rename = "org.rgm.Info")]
    Info {},
}

impl Interface for Request {
    type Reply = Reply;
    type Refusal = Refusal;
    const METHODS: &'static [&'static str] = &[
        "org.rgm.Get",
        "org.rgm.Snapshot",
        "org.rgm.Explain",
        "org.rgm.Events",
        "org.rgm.Change",
        "org.rgm.RegisterType",
        "org.rgm.Fence",
        "org.rgm.ConfirmDead",
        "org.rgm.Quorum",
        "org.rgm.Leave",
        "org.rgm.Join",
        "org.rgm.Info",
    ];
    const REFUSED: &'static str = REFUSED;
}

/// The parameters of an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To [`Request::Get`].
    Value(GetValue),
    /// To [`Request::Snapshot`].
    Snapshot(Snapshot),
    /// To [`Request::Explain`].
    Explanation(Explanation),
    /// Before the last answer of a request with `more`.
    Progress(Progress),
    /// To [`Request::Events`].
    Event(EventRecord),
    /// To [`Request::Events`]: those were asked for, and are kept no longer.
    EventsGone(EventsGone),
    /// To [`Request::Events`]: all that there are were told.
    EventsEnd(EventsEnd),
    /// To [`Request::Change`], [`Request::RegisterType`], [`Request::Fence`], [`Request::ConfirmDead`],
    /// [`Request::Leave`] and [`Request::Join`].
    Done(Done),
    /// To [`Request::Quorum`].
    Quorum(Quorum),
    /// To [`Request::Info`].
    Info(Info),
}

/// A running rgmd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// Version of the program.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// The node this socket speaks for.
    pub node: String,
    /// Every configured node.
    pub nodes: Vec<String>,
    /// Cluster name.
    pub cluster: String,
}

/// Events that are kept no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsGone {
    /// Number of the first.
    pub first: u64,
    /// Number of the last.
    pub last: u64,
}

/// The end of the events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventsEnd {
    /// Number of the last event there is, whether it was told or not; 0: there is none.
    pub last: u64,
}

/// The name of the error that carries a [`Refusal`].
pub const REFUSED: &str = "org.rgm.Refused";

/// The last word of a call: an answer, or a refusal.
pub type Outcome = Result<Reply, Refusal>;
