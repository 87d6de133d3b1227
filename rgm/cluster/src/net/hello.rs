//! What two nodes say before anything else, and whom they take.
//!
//! ```text
//!  dials                                   listens
//!    ── Hello ──────────────────────────────►  judge, or Refused
//!    ◄────────────────────────────── Hello ──
//!  judge, or Refused
//!    ── Welcome ────────────────────────────►
//! ```
//!
//! Both sides judge by the same function, and whoever refuses says why, so that it stands in both
//! logs. None of them counts as connected before the other has taken it.
//!
//! **Formats.** What the frames after the hello mean has a number. Each side names the newest that it
//! speaks and the oldest that it still understands; the newest that both can is used. So the nodes of
//! a cluster are upgraded one after the other. A hello itself may only grow by fields that an older
//! one leaves unread.

use super::{Me, Peer};
use crate::cert::Facts;
use rgm_types::NodeName;
use serde::{Deserialize, Serialize};

/// The format this program speaks, and the oldest it understands.
pub(super) const FORMAT: u32 = 1;
pub(super) const FORMAT_MIN: u32 = 1;
/// A hello is short: names, and three numbers. So is a reason.
pub(super) const HELLO_LEN_MAX: usize = 4096;

/// Who one is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    /// Newest format it speaks.
    pub format: u32,
    /// Oldest format it understands.
    pub format_min: u32,
    /// Its cluster.
    pub cluster: String,
    /// Its name.
    pub node: NodeName,
    /// Which of its lives this is.
    pub incarnation: u64,
}

/// Why a node is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// Its certificate is another cluster's.
    #[error("its certificate is of {}, not of cluster {ours}", cluster_shown(.theirs))]
    CertifiedCluster { theirs: Option<String>, ours: String },
    /// It says that it belongs elsewhere.
    #[error("it belongs to cluster {theirs}, not to cluster {ours}")]
    Cluster { theirs: String, ours: String },
    /// It claims another's name.
    #[error("it says that it is node {claimed}, but its certificate is {}", node_shown(.certified))]
    Name { claimed: NodeName, certified: Option<NodeName> },
    /// It claims this node's name.
    #[error("it says that it is node {0}, which is this node itself")]
    Myself(NodeName),
    /// It is another than was dialled.
    #[error("it is node {found}, where node {dialled} was expected: an address is wrong")]
    Other { found: NodeName, dialled: NodeName },
    /// Of two nodes the one with the smaller name dials.
    #[error("it dials, though its name {0} is the greater one: upgrade the older one")]
    Direction(NodeName),
    /// It is no member.
    #[error("node {0} is not a member of this cluster now")]
    NotPeer(NodeName),
    /// It is of a life before the one that is known.
    #[error("its incarnation {theirs} of node {node} is over: {known} is known")]
    Old { node: NodeName, theirs: u64, known: u64 },
    /// Nothing is known of this life yet.
    #[error("its incarnation {theirs} of node {node} is not known yet: {known} is")]
    New { node: NodeName, theirs: u64, known: u64 },
    /// No format is understood by both.
    #[error("it speaks formats {} to {}, and this node {FORMAT_MIN} to {FORMAT}: upgrade the older one", .theirs.0, .theirs.1)]
    Format { theirs: (u32, u32) },
}

fn cluster_shown(cluster: &Option<String>) -> String {
    cluster.as_ref().map_or("no cluster".to_owned(), |name| format!("cluster {name}"))
}

fn node_shown(node: &Option<NodeName>) -> String {
    node.as_ref().map_or("no node's".to_owned(), |name| format!("that of node {name}"))
}

impl Hello {
    /// Of this node.
    pub fn of(me: &Me) -> Self {
        Self {
            format: FORMAT,
            format_min: FORMAT_MIN,
            cluster: me.cluster.clone(),
            node: me.node.clone(),
            incarnation: me.incarnation,
        }
    }
}

impl Refusal {
    /// True if it may well be over in a moment: members learn of each other one after the other.
    pub fn passing(&self) -> bool {
        matches!(self, Self::NotPeer(_) | Self::New { .. })
    }
}

/// Is this a node to speak with? `known` is what is known of the node that it says it is.
pub(super) fn judge(me: &Me, shown: &Facts, hello: &Hello, known: Option<&Peer>) -> Result<(), Refusal> {
    if shown.cluster.as_deref() != Some(me.cluster.as_str()) {
        return Err(Refusal::CertifiedCluster { theirs: shown.cluster.clone(), ours: me.cluster.clone() });
    }
    if hello.cluster != me.cluster {
        return Err(Refusal::Cluster { theirs: hello.cluster.clone(), ours: me.cluster.clone() });
    }
    if shown.node.as_ref() != Some(&hello.node) {
        return Err(Refusal::Name { claimed: hello.node.clone(), certified: shown.node.clone() });
    }
    if hello.node == me.node {
        return Err(Refusal::Myself(hello.node.clone()));
    }
    if hello.format_min > FORMAT || hello.format < FORMAT_MIN {
        return Err(Refusal::Format { theirs: (hello.format_min, hello.format) });
    }
    let node = hello.node.clone();
    let Some(known) = known else { return Err(Refusal::NotPeer(node)) };
    if known.node != node {
        return Err(Refusal::Other { found: node, dialled: known.node.clone() });
    }
    let (theirs, known) = (hello.incarnation, known.incarnation);
    match theirs.cmp(&known) {
        std::cmp::Ordering::Less => Err(Refusal::Old { node, theirs, known }),
        std::cmp::Ordering::Greater => Err(Refusal::New { node, theirs, known }),
        std::cmp::Ordering::Equal => Ok(()),
    }
}
