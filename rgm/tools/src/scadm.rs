//! The administration: scrgadm, scswitch, scstat, by the name it is called by; and what explains all
//! commands to people and shells.

use crate::applet::Applet;
use crate::args::Args;
use crate::completion::{Shell, completion};
use crate::failure::Failure;
use crate::scha::{base_name, no_such_applet, run_table};
use crate::{ask, man, scrgadm, scstat, scswitch, tables};
use rgm_types::SchaErr;
use std::ffi::OsString;

/// The names this binary answers to: the links to make to it.
pub const LINKS: [&str; 3] = ["scrgadm", "scswitch", "scstat"];

type Run = fn(&Args) -> Result<String, Failure>;

fn find(name: &str) -> Option<(&'static Applet, Run)> {
    Some(match name {
        "scrgadm" => (&tables::SCRGADM, scrgadm::run),
        "scswitch" => (&tables::SCSWITCH, scswitch::run),
        "scstat" => (&tables::SCSTAT, scstat::run),
        _ => return None,
    })
}

/// Does what the name says that it is called by, and returns the exit code. Called as `scadm`, the
/// name is the first word.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter();
    let called = base_name(words.next());
    if let Some((applet, run)) = find(&called) {
        return run_table(applet, words.collect(), run);
    }
    let words: Vec<OsString> = words.collect();
    let name = words.first().map(|w| w.to_string_lossy().into_owned()).unwrap_or_default();
    if let Some((applet, run)) = find(&name) {
        return run_table(applet, words.into_iter().skip(1).collect(), run);
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
    let known: Vec<&str> = tables::ALL.iter().map(|a| a.name).collect();
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
