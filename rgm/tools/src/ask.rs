//! Asking rgmd.

use crate::failure::Failure;
use rgm_api::paths::Paths;
use rgm_api::rgm::{self, Connection, Info, Quorum, Told};
use rgm_types::view::{EventRecord, Explanation, Level, Snapshot};
use rgm_types::{Command, Done, GetValue, InstalledNodes, NodeName, Progress, Query, SchaErr, Subject};
use std::collections::VecDeque;

/// A change to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "a handful at a time")]
pub enum Change {
    /// Anything but a registration.
    Command(Command),
    /// The registration of a type.
    Register {
        /// Where its text is from, for diagnostics.
        file: String,
        /// The text.
        text: String,
        /// Where the type may be used; everywhere if not said.
        installed_nodes: Option<InstalledNodes>,
    },
}

/// Reads one value.
pub fn get(query: Query) -> Result<GetValue, Failure> {
    Ok(open()?.get(query)?)
}

/// Reads everything.
pub fn snapshot() -> Result<Snapshot, Failure> {
    Ok(open()?.snapshot()?)
}

/// Asks why something is as it is.
pub fn explanation(subject: Subject) -> Result<Explanation, Failure> {
    Ok(open()?.explain(subject)?)
}

/// The last decisions that name an object, oldest first, at most so many. A line of the log that names
/// no rule is the story of a method; it is left out unless something went wrong.
pub fn decisions(about: &str, count: usize) -> Result<Vec<EventRecord>, Failure> {
    let mut last = VecDeque::new();
    open()?.events(None, Some(about), false, &mut |told| {
        if let Told::Event(event) = told
            && (!event.rule.is_empty() || event.level <= Level::Warn)
        {
            last.push_back(event);
        }
        if last.len() > count {
            last.pop_front();
        }
    })?;
    Ok(last.into())
}

/// Cuts a node off, or says what would be asked of which device.
pub fn fence(node: NodeName, dry_run: bool) -> Result<Done, Failure> {
    Ok(open()?.fence(node, dry_run)?)
}

/// Says that a node is dead.
pub fn confirm_dead(node: NodeName) -> Result<Done, Failure> {
    Ok(open()?.confirm_dead(node)?)
}

/// Reads the event log: see [`Connection::events`].
pub fn events(
    after: Option<u64>,
    about: Option<&str>,
    follow: bool,
    each: &mut dyn FnMut(Told),
) -> Result<u64, Failure> {
    Ok(open()?.events(after, about, follow, each)?)
}

/// How the node sees its cluster of many machines.
pub fn quorum() -> Result<Quorum, Failure> {
    Ok(open()?.quorum()?)
}

/// Lets this node leave its cluster, where nothing runs on it.
pub fn leave() -> Result<Done, Failure> {
    Ok(open()?.leave()?)
}

/// Lets this node be a member of its cluster again.
pub fn join() -> Result<Done, Failure> {
    Ok(open()?.join()?)
}

/// Who is it?
pub fn info() -> Result<Info, Failure> {
    Ok(open()?.info()?)
}

/// Changes something, or says what the change would do. `progress` is told what goes on meanwhile.
pub fn change(
    change: Change,
    dry_run: bool,
    progress: Option<&mut dyn FnMut(Progress)>,
) -> Result<Done, Failure> {
    let mut rgmd = open()?;
    Ok(match change {
        Change::Command(command) => rgmd.change(command, dry_run, progress)?,
        Change::Register { file, text, installed_nodes } => {
            rgmd.register_type(&file, &text, installed_nodes, dry_run)?
        }
    })
}

fn open() -> Result<Connection, Failure> {
    let paths = Paths::from_env().map_err(|e| Failure::new(SchaErr::Inval, e.to_string(), ""))?;
    Ok(Connection::open(&paths)?)
}

impl From<rgm::Failure> for Failure {
    fn from(failure: rgm::Failure) -> Self {
        match failure {
            rgm::Failure::Refused(refusal) => refusal.into(),
            rgm::Failure::Unreachable { .. }
            | rgm::Failure::Lost { .. }
            | rgm::Failure::TimedOut { .. }
            | rgm::Failure::Protocol { .. } => Self::new(failure.code(), failure.to_string(), ""),
        }
    }
}
