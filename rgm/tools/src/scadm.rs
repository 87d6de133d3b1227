//! The administration: scrgadm, scswitch, scstat and the `cl*` commands, by the name it is called by;
//! and what explains all commands to people and shells.

use crate::applet::Applet;
use crate::args::Args;
use crate::completion::{Shell, completion};
use crate::failure::Failure;
use crate::scha::{base_name, no_such_applet, run_table};
use crate::suite::Suite;
use crate::{ask, cl, man, scrgadm, scstat, scswitch, tables};
use rgm_types::SchaErr;
use std::ffi::OsString;

/// The names this binary answers to: the links to make to it.
pub const LINKS: [&str; 17] = [
    "scrgadm",
    "scswitch",
    "scstat",
    "clresourcetype",
    "clrt",
    "clresourcegroup",
    "clrg",
    "clresource",
    "clrs",
    "clreslogicalhostname",
    "clrslh",
    "clressharedaddress",
    "clrssa",
    "clnode",
    "clquorum",
    "clq",
    "cluster",
];

type Run = fn(&Args) -> Result<String, Failure>;

/// A command of one of the two dialects.
enum Kind {
    Applet(&'static Applet, Run),
    Suite(&'static Suite),
}

fn find(name: &str) -> Option<Kind> {
    Some(match name {
        "scrgadm" => Kind::Applet(&tables::SCRGADM, scrgadm::run),
        "scswitch" => Kind::Applet(&tables::SCSWITCH, scswitch::run),
        "scstat" => Kind::Applet(&tables::SCSTAT, scstat::run),
        name => Kind::Suite(tables::find_suite(name)?),
    })
}

fn run(kind: &Kind, called: &str, words: Vec<OsString>) -> u8 {
    match kind {
        Kind::Applet(applet, run) => run_table(applet, words, *run),
        Kind::Suite(suite) => cl::main(suite, called, words),
    }
}

/// Does what the name says that it is called by, and returns the exit code. Called as `scadm`, the
/// name is the first word.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter();
    let called = base_name(words.next());
    if let Some(kind) = find(&called) {
        return run(&kind, &called, words.collect());
    }
    let words: Vec<OsString> = words.collect();
    let name = words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some(kind) = find(&name) {
        return run(&kind, &name, words.into_iter().skip(1).collect());
    }
    match name.as_str() {
        "man" | "completion" | "names" | "--help" | "--version" => run_table(&tables::SCADM, words, explain),
        _ => no_such_applet(&called, &name, &LINKS),
    }
}

fn explain(args: &Args) -> Result<String, Failure> {
    let words: Vec<&str> = args.operands.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["man", name] => man::man_page(name).ok_or_else(|| no_command(name)),
        ["completion", shell, name] => {
            let shell = Shell::from_name(shell).ok_or_else(|| {
                args.misuse(format!("shell {shell}: there is completion for bash, zsh and fish"))
            })?;
            completion(shell, name).ok_or_else(|| no_command(name))
        }
        ["names", kind] => names(args, kind),
        _ => Err(args.misuse("it takes man COMMAND, completion SHELL COMMAND or names KIND")),
    }
}

fn no_command(name: &str) -> Failure {
    let suites = tables::SUITES.iter().flat_map(|s| [s.name, s.short]);
    let known: Vec<&str> = tables::ALL.iter().map(|a| a.name).chain(suites).collect();
    Failure::new(
        SchaErr::Inval,
        format!("there is no command {name}"),
        format!("one of: {}", known.join(" ")),
    )
}

fn names(args: &Args, kind: &str) -> Result<String, Failure> {
    let snapshot = ask::snapshot()?;
    let names: Vec<String> = match kind {
        "nodes" => snapshot.nodes.iter().map(|n| n.name.to_string()).collect(),
        "groups" => snapshot.groups.iter().map(|g| g.name.to_string()).collect(),
        "resources" => snapshot.resources.iter().map(|r| r.name.to_string()).collect(),
        "types" => snapshot.types.iter().map(|t| t.declaration.name.to_string()).collect(),
        _ => return Err(args.misuse(format!("names {kind}: it is nodes, groups, resources or types"))),
    };
    Ok(names.iter().flat_map(|n| [n, "\n"]).collect())
}
