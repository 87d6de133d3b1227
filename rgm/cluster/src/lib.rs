//! Links between the president, who decides, and the node agents, who perform.
//!
//! ```text
//!                       Link::send(ToNode)
//!      president  ───────────────────────────►  node agent
//!        Inbox    ◄───────────────────────────    Outlet::send(FromNode)
//! ```
//!
//! Both directions keep their order. Nothing else is promised: a link may break at any time, and is
//! then mended by asking for a report ([`ToNode::Report`]), after which the node says again whatever
//! may have been lost. That is also how a president that has just started learns what there is, so
//! there is no second path.
//!
//! **One machine.** The president and the agents of a cluster on one machine live in one process: an
//! agent is itself the [`Link`], and what is sent is done when `send` returns. Records are in the
//! journal before the step that made them goes on, so a daemon killed between two instructions has
//! told nobody more than its journals know.
//!
//! **Many machines.** [`net`] carries bytes between nodes over mutual TLS, with certificates that
//! [`cert`] makes; the far end hands what it gets to the very same agent, and what comes back is poured
//! into the [`Outlet`] of that node, in the words of [`wire`]. Who is president, and who is alive, is a
//! matter of leases there: [`member`]. In one process the president is the process, and every node is
//! alive that has not said otherwise.
//! What all this decides, it decides by [`rules`], which are pure.
#![forbid(unsafe_code)]

#[macro_use]
pub mod mutants;

pub mod cert;
mod clock;
mod inbox;
pub mod member;
mod message;
pub mod net;
pub mod rules;
pub mod wire;

pub use inbox::{Arrived, Inbox, Outlet, channel};
pub use message::{FromNode, ToNode};

/// The president's end of a link to one node.
pub trait Link {
    /// Hands a message over, behind those sent before. Never waits; what can't be delivered is lost,
    /// and the report that follows the repair of the link tells.
    fn send(&mut self, message: ToNode);

    /// A report of the node was taken: what was asked of it before may not have arrived, and is known.
    fn reported(&mut self) {}
}
