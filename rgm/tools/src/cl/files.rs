//! `export` of every command, and files to make things from (`-i`).

use super::{Call, ClErr, Named, Work};
use crate::applet::{Complete, Opt, value};
use crate::config_file::{self, Configuration, Selection};
use crate::failure::Failure;
use rgm_types::{Command, GroupName};
use std::path::Path;

/// The file of `export`.
pub const OUTPUT: Opt =
    value("-o", "FILE", Complete::Files, "write to this file; - or nothing means standard output")
        .or("--output");
/// The file to make things from.
pub const INPUT: Opt = value(
    "-i",
    "FILE",
    Complete::Files,
    "make what this file, which export has written, says of them; - means standard input",
)
.or("--input");

/// What is selected, on standard output or in the file of `-o`.
pub fn export(call: &Call, selection: &Selection, failures: Vec<Failure>) -> Result<Work, Failure> {
    let text = config_file::export(call.snapshot()?, selection);
    match call.args.one("-o")? {
        None | Some("-") => Ok(Work { failures, ..Work::print(text) }),
        Some(file) => {
            std::fs::write(file, text).map_err(|error| unusable(file, &error))?;
            Ok(Work { failures, ..Work::default() })
        }
    }
}

/// What the file of `-i` describes.
pub fn import(call: &Call) -> Result<Configuration, Failure> {
    let file = call.args.needed("-i")?;
    let text = match file {
        "-" => std::io::read_to_string(std::io::stdin()),
        file => std::fs::read_to_string(Path::new(file)),
    };
    let text = text.map_err(|error| unusable(file, &error))?;
    config_file::import(&text).map_err(|error| {
        Failure::cl(ClErr::Inval, format!("{file}: {error}"), "it is to be a file that export has written")
    })
}

fn unusable(file: &str, error: &std::io::Error) -> Failure {
    Failure::cl(ClErr::Io, format!("{file}: {error}"), "")
}

/// The groups named, as the file has them.
pub fn create_groups(call: &Call) -> Result<Work, Failure> {
    let conf = import(call)?;
    let known = conf.groups.iter().map(|g| g.name.clone());
    let (groups, failures) = named(call, "resource group", known)?;
    created(call, conf.only(&[], &groups), failures)
}

/// The resources named, as the file has them; with `-a` their groups and types, too, where there are none.
pub fn create_resources(call: &Call) -> Result<Work, Failure> {
    let conf = import(call)?;
    let known = conf.resources.iter().map(|r| r.name.clone());
    let (resources, failures) = named(call, "resource", known)?;
    let snapshot = call.snapshot()?;
    let mut groups: Vec<GroupName> = Vec::new();
    if call.args.has("-a") {
        let of = conf.resources.iter().filter(|r| resources.contains(&r.name)).map(|r| r.group.clone());
        groups.extend(of.filter(|name| !snapshot.groups.iter().any(|g| g.name == *name)));
    }
    let mut conf = conf.only(&resources, &groups);
    let auto = call.args.has("-a");
    conf.types.retain(|t| auto && !snapshot.types.iter().any(|known| known.declaration.name == t.name));
    created(call, conf, failures)
}

fn created(call: &Call, conf: Configuration, failures: Vec<Failure>) -> Result<Work, Failure> {
    let known: Vec<_> = call.snapshot()?.types.iter().map(|t| t.declaration.clone()).collect();
    let commands = conf.commands(known.iter());
    let work = if commands.is_empty() { Work::default() } else { Work::change(Command::Batch { commands }) };
    Ok(Work { failures, ..work })
}

/// Those of the names in the file that the call is about.
fn named<T: std::fmt::Display>(
    call: &Call,
    kind: &str,
    known: impl Iterator<Item = T>,
) -> Result<(Vec<T>, Vec<Failure>), Failure> {
    let known: Vec<T> = known.collect();
    let Named::These(names) = call.named() else { return Ok((known, Vec::new())) };
    let missing = names.iter().filter(|name| !known.iter().any(|k| k.to_string() == **name));
    let file = call.args.needed("-i")?;
    let failures = missing
        .map(|name| Failure::cl(ClErr::Noent, format!("{kind} {name}: it is not in {file}"), ""))
        .collect();
    Ok((known.into_iter().filter(|k| names.iter().any(|name| k.to_string() == *name)).collect(), failures))
}
