//! What president and node agents say to each other.

use rgm_core::cell::Cell;
use rgm_core::event::{Cause, MethodResult, NodeReport, Order, Token};
use rgm_types::ResourceName;
use serde::{Deserialize, Serialize};

/// To a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "nearly all of them are orders")]
pub enum ToNode {
    /// Say what there is: [`FromNode::Joined`], and behind it everything that was not taken yet: the
    /// ends of methods that no longer run, and what PMF gave up.
    Report,
    /// The core has taken the report, and everything it ordered because of it was sent: from now on a
    /// fresh node is no longer fresh.
    Welcome,
    /// Write these into the journal, in one piece, before anything sent later is acted on.
    Records(Vec<(ResourceName, Option<Cell>)>),
    /// Run a method; answered by [`FromNode::Ended`]. A token seen before is not run again.
    Run(Order),
    /// Kill a running method.
    Kill(Token),
    /// End everything there at once; answered by [`FromNode::Down`] when that is certain.
    Abort(Cause),
    /// What PMF said under this number was taken: do not say it again.
    Taken(u64),
}

/// From a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum FromNode {
    /// It is there. Always the first word of a node.
    Joined(NodeReport),
    /// A method has ended, or never ran.
    Ended {
        /// Which execution.
        token: Token,
        /// How.
        result: MethodResult,
    },
    /// PMF restarted a resource's process as often as it may and gave up.
    Exceeded {
        /// Number under which it is taken.
        seq: u64,
        /// Whose process.
        resource: ResourceName,
        /// Its nametag.
        tag: String,
    },
    /// Nothing of it runs any more.
    Down,
}
