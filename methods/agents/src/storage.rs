//! `SUNW.HAStoragePlus`: local file systems that move with a group.
//!
//! Mounting, checking and finding by label are left to mount(8), fsck(8) and findfs(8): they know the
//! options that the kernel does not (`loop`, `noauto`, `X-…`, `context=`), the helpers of further types,
//! and every kind of tag. Unmounting is left to umount(8) for the same reason: it takes loop devices
//! down again. There is no lazy unmount: it would let another node mount a file system that this one
//! still writes to.
//!
//! | module | its job |
//! |---|---|
//! | [`methods`] | the methods |
//! | [`monitor`], [`judge`] | the fault monitor: the loop, and what is to be done (pure) |
//! | [`io`] | reads and writes of the fault monitor, in processes that may hang |
//! | [`wanted`], [`entry`] | what the properties ask for; from elements of the list to file systems (pure) |
//! | [`device`] | the device of a file system |
//! | [`held`] | mounting and unmounting: only what is on the resource's record |
//! | [`holders`], [`ending`] | who keeps a file system busy; ending them |
//! | [`mounts`] | what is mounted |
//! | [`tools`] | running programs of the system |

pub mod device;
pub mod ending;
pub mod entry;
pub mod held;
pub mod holders;
pub mod io;
pub mod judge;
pub mod methods;
pub mod monitor;
pub mod mounts;
pub mod tools;
pub mod wanted;

use crate::Run;
use crate::context::Context;
use crate::record::Record;

/// The methods, by the names of their links.
pub const METHODS: &[(&str, Run)] = &[
    ("hastorageplus_prenet_start", methods::prenet_start),
    ("hastorageplus_postnet_stop", methods::postnet_stop),
    ("hastorageplus_validate", methods::validate),
    ("hastorageplus_monitor_start", methods::monitor_start),
    ("hastorageplus_monitor_stop", methods::monitor_stop),
    ("hastorageplus_monitor_check", methods::monitor_check),
    (MONITOR, monitor::run),
    (io::PROBE, io::probe),
];

/// What runs under PMF.
const MONITOR: &str = "hastorageplus_monitor";

/// The file systems that the resource has mounted on this node.
fn record(here: &Context<'_>) -> Record {
    Record::new(here.manager.paths(), here.call, "mounts")
}
