//! `SUNW.LogicalHostname`: addresses that move with a group.
//!
//! | module | its job |
//! |---|---|
//! | [`methods`] | the methods |
//! | [`monitor`], [`judge`] | the fault monitor: the loop, and what is to be done (pure) |
//! | [`wanted`], [`hosts`] | what the properties ask for; from names to addresses |
//! | [`choose`] | which interface, which subnet (pure) |
//! | [`held`] | putting addresses up and taking them away: only those on the resource's record |
//! | [`netlink`] | the kernel's interfaces and addresses |
//! | [`rivals`], [`arp`], [`ndp`] | does a neighbour have the address; telling neighbours that it is here |

pub mod arp;
pub mod choose;
pub mod held;
pub mod hosts;
pub mod judge;
pub mod methods;
pub mod monitor;
pub mod ndp;
pub mod netlink;
pub mod rivals;
pub mod wanted;

use crate::Run;
use crate::context::Context;
use crate::record::Record;

/// The methods, by the names of their links.
pub const METHODS: &[(&str, Run)] = &[
    ("hafoip_prenet_start", methods::prenet_start),
    ("hafoip_start", methods::start),
    ("hafoip_stop", methods::stop),
    ("hafoip_postnet_stop", methods::stop),
    ("hafoip_validate", methods::validate),
    ("hafoip_monitor_start", methods::monitor_start),
    ("hafoip_monitor_stop", methods::monitor_stop),
    ("hafoip_monitor_check", methods::monitor_check),
    (MONITOR, monitor::run),
];

/// What runs under PMF.
const MONITOR: &str = "hafoip_monitor";
/// The status message of addresses that are well, as scripts know it.
const ONLINE: &str = "LogicalHostname online.";

/// The addresses that the resource has put up on this node.
fn record(here: &Context<'_>) -> Record {
    Record::new(here.manager.paths(), here.call, rgm_api::pmf::ADDRESSES)
}
