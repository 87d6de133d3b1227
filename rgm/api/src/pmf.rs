//! The words of pmfd.
//!
//! `pmfadm` speaks them for shell methods, rgmd to learn at once that a resource's process has
//! failed too often. Everyone may query; only a tag's owner and root may manipulate it: pmfd takes
//! the user from the socket, not from the message.

mod ask;
mod deadman;

pub use ask::{Asked, ask, wait_for_socket};
pub use deadman::{ADDRESSES, Armed, DeadmanView, Failfast, Fired, HeldAddress};

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::frame::Interface;

/// Variable: the resource for which something runs. Set for methods and for what PMF starts.
pub const RESOURCE: &str = "RGM_RESOURCE";
/// Variable: its group.
pub const GROUP: &str = "RGM_GROUP";

/// A request to pmfd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "method", content = "parameters", deny_unknown_fields)]
pub enum Request {
    /// Start a command and keep it running. Answered with [`Reply::Done`] once it is executed.
    #[serde(rename = "org.pmf.Create")]
    Create {
        /// Name of the tag, unique on the node.
        tag: String,
        /// Chosen at random by the caller. A request repeated with the same token, because the first
        /// answer was lost, succeeds without a second start.
        token: u64,
        /// What to run, and how.
        job: Box<Job>,
    },
    /// Signal all processes of a tag, and go on monitoring.
    #[serde(rename = "org.pmf.Kill")]
    Kill {
        /// Tag.
        tag: String,
        /// Number of the signal.
        signal: i32,
        /// Seconds until the answer [`RefusalKind::TimedOut`] while processes are left; 0: answer at
        /// once, -1: wait for ever.
        wait_s: i64,
    },
    /// Never start the command again; signal its processes if a signal is given.
    #[serde(rename = "org.pmf.Stop")]
    Stop {
        /// Tag.
        tag: String,
        /// Number of the signal.
        signal: Option<i32>,
        /// As for [`Request::Kill`].
        wait_s: i64,
    },
    /// Is there such a tag? Answered with [`Reply::Found`].
    #[serde(rename = "org.pmf.Query")]
    Query {
        /// Tag.
        tag: String,
    },
    /// Describe one tag, or all that belong to the caller (root: all). Answered with [`Reply::Tags`].
    #[serde(rename = "org.pmf.List")]
    List {
        /// Tag; none: all.
        tag: Option<String>,
    },
    /// Change how often a tag is restarted, and forget its failures.
    #[serde(rename = "org.pmf.Modify")]
    Modify {
        /// Tag.
        tag: String,
        /// Restarts allowed; none: as before.
        retries: Option<i32>,
        /// Period in minutes; none: as before.
        period_min: Option<i32>,
    },
    /// With `more`: first all [`Kind::Exceeded`] of owned tags that nobody has acknowledged, then
    /// every event as it happens, each as [`Reply::Event`]. Never ends by itself.
    #[serde(rename = "org.pmf.Watch")]
    Watch {},
    /// The event of this number has been taken care of; do not tell it again. Root only.
    #[serde(rename = "org.pmf.Ack")]
    Ack {
        /// Number of the event.
        seq: u64,
    },
    /// End pmfd; with `kill`, end every process it supervises first. Root, or the user pmfd runs as.
    #[serde(rename = "org.pmf.Shutdown")]
    Shutdown {
        /// Nothing is to be left.
        kill: bool,
    },
    /// Arms the deadman, or moves its deadline, to later or to earlier. If it is not moved again in
    /// time, everything under every tag and in the cgroups given is killed, logical addresses go down,
    /// and `failfast` follows. Answered with [`Reply::Deadman`]; refused with [`RefusalKind::Fired`]
    /// where the last deadline has passed. Root, or the user pmfd runs as, as for the next two.
    #[serde(rename = "org.pmf.Deadman")]
    Deadman {
        /// Milliseconds since boot, suspend included (`CLOCK_BOOTTIME`).
        deadline_boot_ms: u64,
        /// What follows the kill.
        failfast: Failfast,
        /// Directories of further cgroups, with all below them: that of the methods.
        cgroups: Vec<Text>,
    },
    /// Nobody needs to renew any more.
    #[serde(rename = "org.pmf.Disarm")]
    Disarm {},
    /// What the firing of this moment has ended is known to be ended: things may be started again.
    #[serde(rename = "org.pmf.Forget")]
    Forget {
        /// [`Fired::fired_boot_ms`], so that a later firing is not forgotten by mistake.
        fired_boot_ms: u64,
    },
    /// How things are with the deadman. Answered with [`Reply::Deadman`], to everyone.
    #[serde(rename = "org.pmf.DeadmanStatus")]
    DeadmanStatus {},
}

impl Interface for Request {
    type Reply = Reply;
    type Refusal = Refusal;
    const METHODS: &'static [&'static str] = &[
        "org.pmf.Create",
        "org.pmf.Kill",
        "org.pmf.Stop",
        "org.pmf.Query",
        "org.pmf.List",
        "org.pmf.Modify",
        "org.pmf.Watch",
        "org.pmf.Ack",
        "org.pmf.Shutdown",
        "org.pmf.Deadman",
        "org.pmf.Disarm",
        "org.pmf.Forget",
        "org.pmf.DeadmanStatus",
    ];
    const REFUSED: &'static str = "org.pmf.Refused";
}

/// What a tag runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// The command and its arguments; a command without `/` is looked up in `search_path`.
    pub argv: Vec<Text>,
    /// Working directory.
    pub cwd: Text,
    /// Where to look for the command.
    pub search_path: Option<Text>,
    /// Start from pmfd's own environment.
    pub inherit_env: bool,
    /// `NAME=value` entries on top of that.
    pub env: Vec<Text>,
    /// Run by `/bin/sh` with the arguments `failed` and the tag when the retries are exceeded.
    pub action: Option<Text>,
    /// Restarts allowed within the period; -1: as many as it takes.
    pub retries: i32,
    /// Minutes over which failures are counted; -1: for ever.
    pub period_min: i32,
    /// Monitor processes down to this many forks from the command only; none: all.
    pub level: Option<u32>,
    /// The resource this is run for.
    pub owner: Option<Owner>,
}

/// A resource on whose behalf a tag exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Resource.
    pub resource: String,
    /// Its group.
    pub group: String,
}

/// The parameters of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// To every request that changes something.
    Done {},
    /// To [`Request::Query`]: whether the tag is registered.
    Found(bool),
    /// To [`Request::List`], by name.
    Tags(Vec<TagView>),
    /// To [`Request::Watch`].
    Event(Event),
    /// To [`Request::Deadman`] and [`Request::DeadmanStatus`].
    Deadman(Box<DeadmanView>),
}

/// A tag as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagView {
    /// Name.
    pub tag: String,
    /// Command and arguments.
    pub argv: Vec<Text>,
    /// Action program.
    pub action: Option<Text>,
    /// Restarts allowed.
    pub retries: i32,
    /// Period in minutes.
    pub period_min: i32,
    /// Depth of monitored forks; none: all.
    pub level: Option<u32>,
    /// Restarts that count now.
    pub restarts: u64,
    /// Effective user who created it.
    pub uid: u32,
    /// What it is doing: `running`, `acting` (its action program runs) or `waiting` (to be restarted).
    pub phase: String,
    /// It will not be started again.
    pub stopping: bool,
    /// Monitored processes, and those of the action program.
    pub pids: Vec<i32>,
    /// The resource it runs for.
    pub owner: Option<Owner>,
}

/// Something happened to a tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Grows from event to event, restarts of pmfd included.
    pub seq: u64,
    /// Tag.
    pub tag: String,
    /// The resource it runs for.
    pub owner: Option<Owner>,
    /// What.
    pub kind: Kind,
}

/// What can happen to a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It was created, and its command runs.
    Created,
    /// Its command was started again.
    Restarted,
    /// It failed too often and is gone. Told again to each watcher until [`Request::Ack`], if it has
    /// an owner.
    Exceeded,
    /// It was stopped and is gone.
    Removed,
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// In a word.
    pub kind: RefusalKind,
    /// In a sentence.
    pub message: String,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// There is no such tag.
    NoSuchTag,
    /// There is one already.
    TagExists,
    /// The tag belongs to somebody else.
    NotOwner,
    /// The time given is over, and processes are left.
    TimedOut,
    /// The request makes no sense.
    Invalid,
    /// It made sense, and could not be done.
    Failed,
    /// The deadman has fired, and nobody has acknowledged it: nothing may run here.
    Fired,
}

/// Bytes as the kernel takes them, mostly text: JSON text where they are UTF-8, else a list of
/// numbers, so that nothing is lost of an argument in another encoding.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Text(pub Vec<u8>);

impl Text {
    /// As the system's own kind of text.
    pub fn as_os_str(&self) -> &OsStr {
        OsStr::from_bytes(&self.0)
    }

    /// For people to read.
    pub fn display(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<OsString> for Text {
    fn from(text: OsString) -> Self {
        Self(text.into_vec())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serializer.serialize_str(text),
            Err(_) => serializer.collect_seq(&self.0),
        }
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Text;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("text, or a list of bytes")
            }
            fn visit_str<E>(self, text: &str) -> Result<Text, E> {
                Ok(Text::from(text))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Text, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element()? {
                    bytes.push(byte);
                }
                Ok(Text(bytes))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{decode_call, encode_call};

    fn job() -> Job {
        Job {
            argv: vec!["named".into(), "-c".into(), Text(vec![0x66, 0xfc, 0x72])],
            cwd: "/".into(),
            search_path: Some("/usr/sbin".into()),
            inherit_env: true,
            env: vec!["A=b".into()],
            action: Some("/opt/act -x".into()),
            retries: -1,
            period_min: -1,
            level: Some(1),
            owner: Some(Owner { resource: "dns-rs".into(), group: "dns-rg".into() }),
        }
    }

    #[test]
    fn every_request_survives_the_wire() {
        let tag = || "a.named".to_string();
        for request in [
            Request::Create { tag: tag(), token: u64::MAX, job: Box::new(job()) },
            Request::Kill { tag: tag(), signal: 9, wait_s: -1 },
            Request::Stop { tag: tag(), signal: None, wait_s: 80 },
            Request::Query { tag: tag() },
            Request::List { tag: None },
            Request::Modify { tag: tag(), retries: Some(2), period_min: None },
            Request::Watch {},
            Request::Ack { seq: 7 },
            Request::Shutdown { kill: true },
            Request::Deadman {
                deadline_boot_ms: u64::MAX,
                failfast: Failfast::Watchdog { device: "/dev/watchdog".into() },
                cgroups: vec!["/sys/fs/cgroup/rgm/x/methods".into()],
            },
            Request::Disarm {},
            Request::Forget { fired_boot_ms: 7 },
            Request::DeadmanStatus {},
        ] {
            let mut bytes = encode_call(&request, false);
            bytes.pop();
            assert_eq!(decode_call::<Request>(&bytes).map(|call| call.request), Ok(request));
        }
    }

    #[test]
    fn unknown_fields_are_refused() {
        let bytes = br#"{"method":"org.pmf.Query","parameters":{"tag":"a","force":true}}"#;
        assert!(decode_call::<Request>(bytes).is_err());
    }
}
