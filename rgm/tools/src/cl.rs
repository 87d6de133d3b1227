//! What all commands with subcommands have in common (reference 7.4): taking the command line apart,
//! carrying out what a subcommand makes of it, and saying what went wrong.
//!
//! A subcommand turns a [`Call`] into [`Work`]: what to print, what to change, what is wrong already.
//! It does nothing itself, so a test sees the commands it would send. All operands are worked on,
//! whatever becomes of the others; the exit code is that of the first failure.

mod carry;
mod clnode;
mod clquorum;
mod clrg;
mod clrs;
mod clrt;
mod cluster;
mod exit;
mod explain;
mod files;
pub mod layout;
pub mod objects;
mod resource_sheet;

pub use clnode::CLNODE;
pub use clquorum::CLQUORUM;
pub use clrg::CLRG;
pub use clrs::{CLRS, CLRSLH, CLRSSA};
pub use clrt::CLRT;
pub use cluster::CLUSTER;
pub use exit::ClErr;

use crate::args::Args;
use crate::ask::{self, Change};
use crate::failure::{self, Failure};
use crate::suite::{Subcommand, Suite};
use crate::{help, progress};
use rgm_types::view::Snapshot;
use rgm_types::{Command, SchaErr};
use std::cell::OnceCell;
use std::ffi::OsString;

/// A call of a subcommand.
#[derive(Debug)]
pub struct Call {
    /// The command it belongs to.
    pub suite: &'static Suite,
    /// The name that the command was called by.
    pub called: &'static str,
    /// Its command line.
    pub args: Args,
    snapshot: OnceCell<Snapshot>,
}

/// What a call comes to.
#[derive(Debug, Default)]
pub struct Work {
    /// To print.
    pub print: String,
    /// To carry out, one after the other. Each of them is tried.
    pub changes: Vec<Change>,
    /// What is wrong already, operand by operand.
    pub failures: Vec<Failure>,
}

/// The objects that a call is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Named {
    /// `+`, or no operand.
    All,
    /// These.
    These(Vec<String>),
}

impl Call {
    /// For tests: a call with these arguments.
    #[cfg(test)]
    pub fn of_args(suite: &'static Suite, args: Args) -> Self {
        Self { suite, called: suite.short, args, snapshot: OnceCell::new() }
    }

    /// What the daemon knows; asked for once.
    pub fn snapshot(&self) -> Result<&Snapshot, Failure> {
        if self.snapshot.get().is_none() {
            let _ = self.snapshot.set(ask::snapshot()?);
        }
        self.snapshot.get().ok_or_else(|| Failure::new(SchaErr::Internal, "a snapshot was lost", ""))
    }

    /// The objects it is about.
    pub fn named(&self) -> Named {
        if self.args.operands.is_empty() || self.args.operands.iter().any(|o| o == "+") {
            return Named::All;
        }
        let mut names: Vec<String> = Vec::new();
        for name in &self.args.operands {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Named::These(names)
    }

    /// `-v`.
    pub fn verbose(&self) -> bool {
        self.args.has("-v")
    }

    /// How its changes speak.
    fn voice(&self) -> progress::Voice {
        progress::Voice { applet: self.called, status: "clrg status", verbose: self.verbose() }
    }

    /// What every subcommand asks of its command line.
    fn check(&self, subcommand: &Subcommand) -> Result<(), Failure> {
        if let Some(missing) = subcommand.needs.iter().find(|n| !self.args.has(n)) {
            return Err(self.args.misuse(format!("{} needs {}", subcommand.name, self.args.shown(missing))));
        }
        match self.args.operands.first() {
            Some(word) if subcommand.operands.shown.is_empty() => {
                Err(self.args.misuse(format!("{word:?} is neither an option nor the value of one")))
            }
            None if !subcommand.operands.optional => {
                Err(self.args.misuse(format!("{} needs {}", subcommand.name, subcommand.operands.shown)))
            }
            Some(_) | None => self.check_zone(),
        }
    }

    fn check_zone(&self) -> Result<(), Failure> {
        match self.args.all("-Z").find(|zone| !["global", "all"].contains(zone)) {
            Some(zone) => Err(Failure::cl(
                ClErr::Op,
                format!("-Z {zone}: there are no zone clusters on Linux"),
                "leave -Z out, or say -Z global",
            )),
            None => Ok(()),
        }
    }
}

impl Work {
    /// Nothing but something to print.
    pub fn print(text: String) -> Self {
        Self { print: text, ..Self::default() }
    }

    /// Facts about these objects. Where none was found of those that were named, there is nothing to print.
    pub fn facts<T>(
        objects: &[T],
        failures: Vec<Failure>,
        print: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<Self, Failure> {
        let print = if objects.is_empty() && !failures.is_empty() { String::new() } else { print()? };
        Ok(Self { print, failures, ..Self::default() })
    }

    /// A change.
    pub fn change(command: Command) -> Self {
        Self::changes([command])
    }

    /// Changes.
    pub fn changes(commands: impl IntoIterator<Item = Command>) -> Self {
        Self { changes: commands.into_iter().map(Change::Command).collect(), ..Self::default() }
    }
}

/// Does what the command line says, and returns the exit code.
pub fn main(suite: &'static Suite, called: &str, words: Vec<OsString>) -> u8 {
    let called = if called == suite.name { suite.name } else { suite.short };
    let failures = match run(suite, called, words) {
        Ok(failures) => failures,
        Err(failure) => vec![failure],
    };
    for failure in &failures {
        failure.print_cl(called);
    }
    failures.first().map_or(0, |failure| failure.cl_code().code())
}

fn run(suite: &'static Suite, called: &'static str, words: Vec<OsString>) -> Result<Vec<Failure>, Failure> {
    let mut words = words.into_iter();
    let word = words.next().unwrap_or_default().to_string_lossy().into_owned();
    match word.as_str() {
        "-?" | "--help" => return failure::print(&help::suite(suite)).map(|()| Vec::new()),
        "-V" | "--version" => return failure::print(&help::version(called)).map(|()| Vec::new()),
        _ => {}
    }
    let subcommand = suite.subcommand(&word).ok_or_else(|| no_subcommand(suite, called, &word))?;
    let args = Args::parse_by(subcommand.spec(called), words)?;
    if args.has("-?") {
        return failure::print(&help::subcommand(suite, subcommand)).map(|()| Vec::new());
    }
    if args.has("-V") {
        return failure::print(&help::version(called)).map(|()| Vec::new());
    }
    let call = Call { suite, called, args, snapshot: OnceCell::new() };
    call.check(subcommand)?;
    let Work { print, changes, mut failures } = (subcommand.run)(&call)?;
    failure::print(&print)?;
    failures.extend(carry::out(&call, changes)?);
    Ok(failures)
}

fn no_subcommand(suite: &Suite, called: &str, word: &str) -> Failure {
    let known: Vec<&str> = suite.subcommands.iter().map(|s| s.name).collect();
    let message = match word {
        "" => "it is not said what to do".to_owned(),
        word => format!("there is no subcommand {word:?}"),
    };
    Failure::cl(ClErr::Inval, message, format!("one of: {}; see {called} --help", known.join(" ")))
}

/// For tests: what a command line comes to in a cluster like this.
#[cfg(test)]
pub fn work(suite: &'static Suite, words: &[&str], snapshot: Snapshot) -> Result<Work, Failure> {
    let (word, rest) = words.split_first().unwrap();
    let subcommand = suite.subcommand(word).ok_or_else(|| no_subcommand(suite, suite.short, word))?;
    let args = Args::parse_by(subcommand.spec(suite.short), rest.iter().map(Into::into))?;
    let call = Call { suite, called: suite.short, args, snapshot: OnceCell::from(snapshot) };
    call.check(subcommand)?;
    (subcommand.run)(&call)
}
