//! What goes into the core and what comes out: the contract between the core and its shells.
//!
//! ```text
//!   select a source ─► Event ─► Rgm::step(clock, &event) ─► Out ─► commit ─► journal ─► act ─► reply
//! ```
//!
//! A shell carries out an [`Out`] strictly in the order of its fields. The same core is driven by
//! the daemon, the simulator and the model checker; none of them decides anything.

use crate::cell::Cell;
pub use crate::ids::{RequestId, Token};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::config::Write;
pub use rgm_types::view::Level;
use rgm_types::{
    Command, Done, GroupName, Method, Millis, NodeName, Progress, PropName, Refusal, ResourceName, TypeName,
};
use serde::{Deserialize, Serialize};

/// A fact handed to the core.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
pub enum Event {
    /// The first event after loading: the nodes that are there now. Of a configured node that is
    /// not among them it must be certain that nothing of it runs.
    Formed {
        /// One report a node.
        nodes: Vec<NodeReport>,
    },
    /// A node joined later.
    NodeUp(NodeReport),
    /// A node is gone for certain: nothing of it runs any more.
    NodeDown {
        /// Which.
        node: NodeName,
    },
    /// Somebody asks for a change.
    Request {
        /// Named so in the reply.
        id: RequestId,
        /// The node the caller speaks for.
        from: NodeName,
        /// What is asked.
        command: Command,
    },
    /// A method that was ordered has ended, or never ran.
    MethodEnded {
        /// Where.
        node: NodeName,
        /// Which execution.
        token: Token,
        /// How.
        result: MethodResult,
    },
    /// PMF restarted a resource's process as often as it may and gave up.
    PmfExceeded {
        /// Where.
        node: NodeName,
        /// Whose process.
        resource: ResourceName,
        /// Its nametag.
        tag: String,
    },
    /// The whole cluster is to end: every group offline on every node. Answered when nothing runs.
    Shutdown {
        /// Named so in the reply.
        id: RequestId,
    },
    /// A deadline that `Rgm::next_deadline` named has come.
    Tick,
}

/// What a node knows of itself when it joins or comes back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Which node.
    pub node: NodeName,
    /// True after a boot of the node: nothing runs there and BOOT is owed. False when only its
    /// daemon came back: `cells` are what its journal holds. For every flight in them a
    /// [`Event::MethodEnded`] follows: with the result if the journal has it, else
    /// [`Ending::Lost`] after the method's processes were killed.
    pub fresh: bool,
    /// The journal's last record of each resource.
    pub cells: Vec<(ResourceName, Cell)>,
}

/// How a method ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Exit status; zero is success.
    Exited(i32),
    /// Killed by a signal that the manager did not send.
    Signalled(i32),
    /// Killed because its time was up.
    TimedOut,
    /// It could not be executed.
    NotStarted,
    /// Killed on an operator's order (quiesce -k).
    Killed,
    /// The daemon that ran it was killed: whether it did its work is unknown.
    Lost,
}

/// The end of a method.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodResult {
    /// How.
    pub ending: Ending,
    /// How long it took.
    pub used: Millis,
    /// Its last lines, stdout and stderr in the order they came; bounded by the runner. For
    /// `NotStarted`, why.
    pub output: Vec<String>,
}

/// What the shell has to do about one event, **in the order of the fields**.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Out {
    /// 1. One atomic transaction, durable before anything below happens. Refused or failed with
    ///    `required`: nothing below happens, every waiting request is refused and the core is
    ///    loaded anew from the repository and the nodes' journals. Without `required` the shell
    ///    goes on and puts these writes before those of the next commit.
    pub writes: Vec<Write>,
    /// See `writes`.
    pub required: bool,
    /// 2. Journal records: handed to the node concerned and written there before it acts on the
    ///    actions below. `None`: the record is dropped. No fsync: a journal ends with its boot.
    pub records: Vec<(NodeName, ResourceName, Option<Cell>)>,
    /// 3. Started in this order, not waited for.
    pub actions: Vec<Action>,
    /// 4. To the log, in this order.
    pub log: Vec<LogLine>,
    /// 5. To requests that asked for more.
    pub progress: Vec<(RequestId, Progress)>,
    /// 6. Last: nobody learns of a state that a crash could undo.
    pub replies: Vec<(RequestId, Result<Done, Refusal>)>,
}

/// Something to be done at a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Action {
    /// Run a method; answer with [`Event::MethodEnded`].
    Run(Order),
    /// Kill a running method's process tree; its end is reported as [`Ending::Killed`].
    Kill {
        /// Where.
        node: NodeName,
        /// Which execution.
        token: Token,
    },
    /// Stop everything on the node at once, by the surest means there is (reboot; in a development
    /// cluster, kill all it supervises), and report [`Event::NodeDown`] when that is certain.
    AbortNode {
        /// Which.
        node: NodeName,
        /// Why.
        cause: Cause,
    },
}

/// One method to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Names this execution. An order that comes twice is carried out once.
    pub token: Token,
    /// Where.
    pub node: NodeName,
    /// `-R`.
    pub resource: ResourceName,
    /// `-G`.
    pub group: GroupName,
    /// `-T`, the full name.
    pub type_name: TypeName,
    /// Which method.
    pub method: Method,
    /// Absolute path of its file.
    pub path: String,
    /// Killed after this long.
    pub timeout: Millis,
    /// VALIDATE only: its further arguments.
    pub validate: Option<Arc<ValidateArgs>>,
    /// UPDATE only: names of the properties that changed.
    pub changed: Vec<PropName>,
    /// Why it is run.
    pub cause: Cause,
}

/// The further arguments of VALIDATE (reference 4.1), names in declared capitalisation.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ValidateArgs {
    /// True: `-c`, all properties. False: `-u`, those that change.
    pub creation: bool,
    /// `-r name=value`.
    pub standard: Vec<(PropName, String)>,
    /// `-x name=value`.
    pub extension: Vec<(PropName, String)>,
    /// `-X name{node id}=value`.
    pub extension_node: Vec<(PropName, u32, String)>,
    /// `-g name=value`.
    pub group: Vec<(PropName, String)>,
    /// Absolute paths of all methods the type declares: their files are checked on the node before
    /// VALIDATE itself is run. `Order::path` is empty where the type declares no VALIDATE: then
    /// this check is all there is to do.
    pub check: Vec<String>,
}

/// Why something is done or refused: the event that led to it and the rule that applied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The event, as an operator would tell it.
    pub event: String,
    /// The rule, in a few words.
    pub rule: String,
}

/// One line of the log of decisions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How much it matters.
    pub level: Level,
    /// What happened.
    pub text: String,
    /// Why.
    pub cause: Cause,
}
