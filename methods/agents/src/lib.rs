//! The resource types that come with the manager, so that most services need no shell.
//!
//! One binary, `rgm-agent`, with one link a method: RGM calls the link as any method, and the name it
//! was called by picks the function from [`METHODS`]. A registration file
//! in `rtr/` names the links.
//!
//! | module | its job |
//! |---|---|
//! | [`call`] | the arguments of a method |
//! | [`context`] | what every method has at hand |
//! | [`manager`] | asking rgmd: values, status, `scha_control` |
//! | [`props`] | a property, from the arguments where they have it, else from rgmd |
//! | [`log`] | lines to the system log |
//! | [`pmf`] | starting and stopping under the process monitor facility |
//! | [`command`] | commands that an administrator wrote into a property |
//! | [`probe`] | TCP and HTTP |
//! | [`judge`], [`monitor`] | fault monitors: what findings amount to, and the loop around that |
//! | [`record`] | what a resource's methods have done on this node |
//! | [`gds`] | `SUNW.gds` |
//! | [`address`] | `SUNW.LogicalHostname` |
//! | [`storage`] | `SUNW.HAStoragePlus` |
//! | [`systemd`] | `SUNW.systemd` |
#![forbid(unsafe_code)]

pub mod address;
pub mod call;
pub mod command;
pub mod context;
pub mod gds;
pub mod judge;
pub mod log;
pub mod manager;
pub mod monitor;
pub mod pmf;
pub mod probe;
pub mod props;
pub mod record;
pub mod storage;
pub mod systemd;

use call::Call;
use log::Log;
use rgm_types::Status;
use std::ffi::OsString;
use std::path::Path;

/// Exit code of a method that failed, and of a call that can't be understood.
const FAILED: u8 = 1;

/// Whose failure an operator sees in the status of the resource. The others leave a service as it is.
const TOLD_BY_STATUS: [&str; 4] = ["PRENET_START", "START", "STOP", "POSTNET_STOP"];

/// How a method ends.
pub type Outcome = Result<(), Failed>;

/// What a method does.
pub type Run = fn(&Call) -> Outcome;

/// Every method of every type: the name of its link, and what it does.
pub const METHODS: &[&[(&str, Run)]] = &[gds::METHODS, address::METHODS, storage::METHODS, systemd::METHODS];

/// Why a method failed: a sentence that names what is wrong and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failed(pub String);

impl Failed {
    /// With this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self(reason.into())
    }
}

/// Runs the method whose name this is called by, and returns the exit code. Called as `rgm-agent`,
/// the name is the first word.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter();
    let called = base_name(words.next());
    let found = find(&called).map(|run| (called, run)).or_else(|| {
        let name = base_name(words.next());
        find(&name).map(|run| (name, run))
    });
    let Some((name, run)) = found else {
        let names: Vec<&str> = methods().map(|(name, _)| name).collect();
        eprintln!("rgm-agent: it does what the name says that it is called by: {}", names.join(" "));
        return FAILED;
    };
    match Call::parse(&name, words) {
        Ok(call) => exit_code(&call, run(&call)),
        Err(wrong) => {
            eprintln!("{name}: {wrong}");
            FAILED
        }
    }
}

fn exit_code(call: &Call, outcome: Outcome) -> u8 {
    let Err(failed) = outcome else { return 0 };
    let method = std::env::var("RGM_METHOD").unwrap_or_default();
    if TOLD_BY_STATUS.contains(&method.as_str())
        && let Ok(manager) = manager::Manager::from_env()
    {
        // Where rgmd is away the log has it.
        let _untold = manager.set_status(call, Status::Faulted, &failed.to_string());
    }
    if call.is_validate() {
        // The operator's command shows what VALIDATE prints.
        eprintln!("{failed}");
    } else {
        Log::new(call).error(&failed.to_string());
    }
    FAILED
}

fn methods() -> impl Iterator<Item = (&'static str, Run)> {
    METHODS.iter().flat_map(|methods| methods.iter().copied())
}

fn find(name: &str) -> Option<Run> {
    methods().find(|(known, _)| *known == name).map(|(_, run)| run)
}

/// The last part of a path.
fn base_name(word: Option<OsString>) -> String {
    let word = word.unwrap_or_default();
    Path::new(&word).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
