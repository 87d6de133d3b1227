//! What rgmds say to each other over a link.
//!
//! Every word of a president, and every word to one, carries the *epoch* of its presidency, which
//! grows from one president to the next. A node obeys no epoch older than one it has heard of, and a
//! president takes only answers to itself.

use crate::{FromNode, ToNode};
use rgm_api::rgm::{Outcome, Request};
use rgm_types::Progress;
use serde::{Deserialize, Serialize};

/// A message on a link.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wire {
    /// From the president, to the node's agent.
    Order {
        /// Which presidency.
        epoch: u64,
        /// Counts the reports asked for: the answer has the number of [`ToNode::Report`], and for
        /// anything else it is that of the last one.
        report: u64,
        /// What.
        message: ToNode,
    },
    /// From a node's agent, to the president.
    Word {
        /// To which presidency.
        epoch: u64,
        /// [`FromNode::Joined`]: the number it was asked for under.
        report: u64,
        /// What.
        message: FromNode,
    },
    /// Somebody on a node asks the president something.
    Ask {
        /// Names the question in its answers; given by the node that asks, and never again by it.
        id: u64,
        /// Which presidency is asked, for a question whose president is lost is not asked again if it
        /// changes something. 0: of a version that does not say; any.
        #[serde(default)]
        epoch: u64,
        /// What is asked.
        request: Request,
        /// Who asks may change something.
        privileged: bool,
        /// Who asks wants to know what goes on until the answer.
        more: bool,
    },
    /// What goes on until the answer.
    Progress {
        /// Of which question.
        id: u64,
        /// What goes on.
        progress: Progress,
    },
    /// The answer.
    Answer {
        /// To which question.
        id: u64,
        /// What it is; `None`: whoever was asked is not the president, or not in that presidency.
        outcome: Option<Outcome>,
    },
}

impl Wire {
    /// As bytes.
    #[expect(clippy::expect_used, reason = "words are text, numbers, and maps whose keys are text")]
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a word is JSON")
    }

    /// From bytes; the error says what is not understood.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("a message of another version: {error}"))
    }
}
