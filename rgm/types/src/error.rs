//! What can go wrong, as exit codes of `scha_*` and the administration (reference 7.4, 8.8).

use core::fmt;
use serde::{Deserialize, Serialize};

/// `scha_err_t`, and behind it what only the administration says (`CL_E…`). The number is the exit
/// code of the command that failed with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[repr(u8)]
#[expect(missing_docs, reason = "`meaning` says it; reference 8.8 has the table")]
pub enum SchaErr {
    Nomem = 1,
    Handle = 2,
    Inval = 3,
    Tag = 4,
    Reconf = 5,
    Access = 6,
    Seqid = 7,
    Depend = 8,
    State = 9,
    Method = 10,
    Node = 11,
    Rg = 12,
    Rt = 13,
    Rsrc = 14,
    Prop = 15,
    Checks = 16,
    Rstatus = 17,
    Internal = 18,
    Timeout = 31,
    Fail = 32,
    NotAllowed = 37,
    Busy = 38,
    Exists = 39,
}

impl SchaErr {
    /// Every one.
    pub const ALL: [Self; 23] = [
        Self::Nomem,
        Self::Handle,
        Self::Inval,
        Self::Tag,
        Self::Reconf,
        Self::Access,
        Self::Seqid,
        Self::Depend,
        Self::State,
        Self::Method,
        Self::Node,
        Self::Rg,
        Self::Rt,
        Self::Rsrc,
        Self::Prop,
        Self::Checks,
        Self::Rstatus,
        Self::Internal,
        Self::Timeout,
        Self::Fail,
        Self::NotAllowed,
        Self::Busy,
        Self::Exists,
    ];

    /// The exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The symbol of the C interface.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Nomem => "SCHA_ERR_NOMEM",
            Self::Handle => "SCHA_ERR_HANDLE",
            Self::Inval => "SCHA_ERR_INVAL",
            Self::Tag => "SCHA_ERR_TAG",
            Self::Reconf => "SCHA_ERR_RECONF",
            Self::Access => "SCHA_ERR_ACCESS",
            Self::Seqid => "SCHA_ERR_SEQID",
            Self::Depend => "SCHA_ERR_DEPEND",
            Self::State => "SCHA_ERR_STATE",
            Self::Method => "SCHA_ERR_METHOD",
            Self::Node => "SCHA_ERR_NODE",
            Self::Rg => "SCHA_ERR_RG",
            Self::Rt => "SCHA_ERR_RT",
            Self::Rsrc => "SCHA_ERR_RSRC",
            Self::Prop => "SCHA_ERR_PROP",
            Self::Checks => "SCHA_ERR_CHECKS",
            Self::Rstatus => "SCHA_ERR_RSTATUS",
            Self::Internal => "SCHA_ERR_INTERNAL",
            Self::Timeout => "SCHA_ERR_TIMEOUT",
            Self::Fail => "SCHA_ERR_FAIL",
            Self::NotAllowed => "CL_EOP",
            Self::Busy => "CL_EBUSY",
            Self::Exists => "CL_EEXIST",
        }
    }

    /// What it means, in general.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Nomem => "not enough memory",
            Self::Handle => "invalid resource management handle",
            Self::Inval => "invalid input argument",
            Self::Tag => "invalid tag",
            Self::Reconf => "cluster is reconfiguring",
            Self::Access => "permission denied",
            Self::Seqid => "the object was changed meanwhile",
            Self::Depend => "object dependency problem",
            Self::State => "object is in wrong state",
            Self::Method => "resource method failed",
            Self::Node => "no such node",
            Self::Rg => "no such resource group",
            Self::Rt => "no such resource type",
            Self::Rsrc => "no such resource",
            Self::Prop => "invalid property",
            Self::Checks => "sanity checks failed",
            Self::Rstatus => "bad resource status",
            Self::Internal => "internal error",
            Self::Timeout => "operation timed out",
            Self::Fail => "failover attempt failed",
            Self::NotAllowed => "operation not allowed",
            Self::Busy => "object is busy",
            Self::Exists => "object exists",
        }
    }
}

impl fmt::Display for SchaErr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.meaning())
    }
}
