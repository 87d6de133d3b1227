//! The tables of all commands, one [`Applet`] each.

mod admin;
mod attributes;
mod daemons;
mod helpers;
mod scha;

pub(crate) use admin::{ADMIN_PLACES, DRY_RUN, GROUPS, JSON, NODES, RESOURCES, TYPES};
pub use admin::{SCRGADM, SCSTAT, SCSWITCH};
pub use attributes::{SCHA_NODE_ATTR_CLEAR, SCHA_NODE_ATTR_GET, SCHA_NODE_ATTR_SET};
pub use daemons::{PMFADM, PMFD, RGMD, RTRCHECK, SCADM};
pub use helpers::{HALOCKRUN, HATIMERUN, SCDS_SYSLOG};
pub use scha::{
    SCHA_CLUSTER_GET, SCHA_CONTROL, SCHA_RESOURCE_GET, SCHA_RESOURCE_SETSTATUS, SCHA_RESOURCEGROUP_GET,
    SCHA_RESOURCETYPE_GET,
};

use crate::applet::Applet;
use crate::cl;
use crate::suite::Suite;

/// Every command of the system, those of other packages included: what is explained to a user.
pub const ALL: [&Applet; 20] = [
    &SCRGADM,
    &SCSWITCH,
    &SCSTAT,
    &SCHA_RESOURCE_GET,
    &SCHA_RESOURCEGROUP_GET,
    &SCHA_RESOURCETYPE_GET,
    &SCHA_CLUSTER_GET,
    &SCHA_CONTROL,
    &SCHA_RESOURCE_SETSTATUS,
    &SCHA_NODE_ATTR_GET,
    &SCHA_NODE_ATTR_SET,
    &SCHA_NODE_ATTR_CLEAR,
    &HATIMERUN,
    &HALOCKRUN,
    &SCDS_SYSLOG,
    &PMFADM,
    &PMFD,
    &RGMD,
    &RTRCHECK,
    &SCADM,
];

/// Every command with subcommands.
pub const SUITES: [&Suite; 8] =
    [&cl::CLRT, &cl::CLRG, &cl::CLRS, &cl::CLRSLH, &cl::CLRSSA, &cl::CLNODE, &cl::CLQUORUM, &cl::CLUSTER];

/// The command with subcommands that is called so.
pub fn find_suite(name: &str) -> Option<&'static Suite> {
    SUITES.into_iter().find(|s| s.is(name))
}

/// The command of that name.
pub fn find(name: &str) -> Option<&'static Applet> {
    ALL.into_iter().find(|a| a.name == name)
}

type Rows = &'static [(&'static str, &'static str)];

/// Where commands find the daemon.
const PLACES: Rows = &[
    ("RGM_RUN_DIR", "directory of the daemon's sockets; /run/rgm where not set"),
    ("RGM_NODE", "the node a command speaks for, where one machine carries several"),
];

/// Exit codes of commands that only read.
const EXITS_READ: Rows = &[
    ("0", "the answer is on standard output"),
    ("3", "the command line can't be understood"),
    ("4", "unknown tag"),
    ("5", "rgmd does not answer, or the cluster is reconfiguring: try again"),
    ("11", "no such node"),
    ("12", "no such resource group"),
    ("13", "no such resource type, or the type does not provide this"),
    ("14", "no such resource"),
    ("15", "no such property"),
    ("18", "internal error"),
];
