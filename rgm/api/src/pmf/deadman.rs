//! The words of the deadman: a deadline that must be renewed, or everything here is killed.

use serde::{Deserialize, Serialize};
use std::net::IpAddr;

use super::Text;

/// The ending of the files in a node's run directory that tell which addresses a resource has put up
/// here: `RUN/NODE/RESOURCE.addresses`, a JSON list of [`HeldAddress`].
pub const ADDRESSES: &str = "addresses";

/// An address that a resource has put up, or was about to: written down before it is put up, struck
/// out once it is gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// The address.
    pub ip: IpAddr,
    /// Length of its subnet's prefix.
    pub prefix_len: u8,
    /// Name of the interface.
    pub netif: String,
    /// Number of the interface.
    pub index: u32,
}

/// What follows the kill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Failfast {
    /// Nothing.
    Kill,
    /// The machine is rebooted at once, nothing is synced. Where that is refused, nothing.
    Reboot,
    /// A watchdog, fed while the deadman is armed, is fed no more.
    Watchdog {
        /// Such as `/dev/watchdog`.
        device: Text,
    },
}

/// How things are with the deadman. All times are milliseconds since boot, suspend included
/// (`CLOCK_BOOTTIME`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadmanView {
    /// When this was said.
    pub now_boot_ms: u64,
    /// The deadline it is armed with.
    pub armed: Option<Armed>,
    /// The last time it fired since boot.
    pub fired: Option<Fired>,
}

/// An armed deadman.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Armed {
    /// When everything is killed.
    pub deadline_boot_ms: u64,
    /// When the deadline was last set.
    pub renewed_boot_ms: u64,
    /// What follows.
    pub failfast: Failfast,
    /// Cgroups that are killed besides those of the tags.
    pub cgroups: Vec<Text>,
}

/// A deadman that has fired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// The deadline that passed.
    pub deadline_boot_ms: u64,
    /// When that was noticed.
    pub fired_boot_ms: u64,
    /// When everything had been killed: from then on no process did anything but end.
    pub killed_boot_ms: u64,
    /// When the last process was gone; none: some are left.
    pub empty_boot_ms: Option<u64>,
    /// Nothing may be started before this.
    pub acknowledged: bool,
    /// Addresses that were taken down.
    pub addresses: u32,
    /// Processes that do not die, as `PID (NAME) STATE`; at most some.
    pub stuck: Vec<String>,
    /// What could not be done, in sentences; at most some.
    pub failures: Vec<String>,
}
