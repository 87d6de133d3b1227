//! The hot helpers: what methods and fault monitors call dozens of times.
//!
//! One call is: the name it was called by, its options, one connect, one write, one read, one print.
//! Nothing else belongs on this way.

pub mod attributes;
mod control;
mod get;
mod show;

pub use show::answer;

use crate::applet::Applet;
use crate::args::Args;
use crate::failure::{self, Failure};
use crate::{help, tables};
use rgm_types::SchaErr;
use std::ffi::OsString;
use std::path::Path;

type Run = fn(&Args) -> Result<String, Failure>;

/// What an applet is made of.
enum Kind {
    /// Its command line is read by its table; what it returns is printed.
    Table(&'static Applet, Run),
    /// It reads its command line itself.
    Words(fn(Vec<OsString>) -> u8),
}

/// The links to make to it.
pub const LINKS: [&str; 9] = [
    "scha_resource_get",
    "scha_resourcegroup_get",
    "scha_resourcetype_get",
    "scha_cluster_get",
    "scha_control",
    "scha_resource_setstatus",
    "scha_node_attr_get",
    "scha_node_attr_set",
    "scha_node_attr_clear",
];
/// It answers to these too, which are also programs of their own.
pub const HELPERS: [&str; 3] = ["hatimerun", "halockrun", "scds_syslog"];

/// The names it answers to, and what they do.
fn find(name: &str) -> Option<Kind> {
    Some(match name {
        "scha_resource_get" => Kind::Table(&tables::SCHA_RESOURCE_GET, get::resource),
        "scha_resourcegroup_get" => Kind::Table(&tables::SCHA_RESOURCEGROUP_GET, get::group),
        "scha_resourcetype_get" => Kind::Table(&tables::SCHA_RESOURCETYPE_GET, get::resource_type),
        "scha_cluster_get" => Kind::Table(&tables::SCHA_CLUSTER_GET, get::cluster),
        "scha_control" => Kind::Table(&tables::SCHA_CONTROL, control::control),
        "scha_resource_setstatus" => Kind::Table(&tables::SCHA_RESOURCE_SETSTATUS, control::set_status),
        "scha_node_attr_get" => Kind::Table(&tables::SCHA_NODE_ATTR_GET, attributes::get),
        "scha_node_attr_set" => Kind::Table(&tables::SCHA_NODE_ATTR_SET, attributes::set),
        "scha_node_attr_clear" => Kind::Table(&tables::SCHA_NODE_ATTR_CLEAR, attributes::clear),
        "hatimerun" => Kind::Words(|words| methods::hatimerun::main_with(words.into_iter())),
        "halockrun" => Kind::Words(|words| methods::halockrun::main_with(words.into_iter())),
        "scds_syslog" => Kind::Words(|words| methods::scds_syslog::main_with(words.into_iter())),
        _ => return None,
    })
}

/// Does what the name says that it is called by, and returns the exit code. Called as `scha`, the
/// name is the first word.
pub fn main(words: impl IntoIterator<Item = OsString>) -> u8 {
    let mut words = words.into_iter();
    let called = base_name(words.next());
    if let Some(kind) = find(&called) {
        return run(&kind, words.collect());
    }
    let name = words.next().unwrap_or_default().to_string_lossy().into_owned();
    match find(&name) {
        Some(kind) => run(&kind, words.collect()),
        None => no_such_applet(&called, &name, &[&LINKS[..], &HELPERS].concat()),
    }
}

fn run(kind: &Kind, words: Vec<OsString>) -> u8 {
    match kind {
        Kind::Table(applet, run) => run_table(applet, words, *run),
        Kind::Words(run) => run(words),
    }
}

/// Takes a command line apart, runs a command, prints what it says, and returns its exit code.
pub fn run_table(applet: &'static Applet, words: Vec<OsString>, run: Run) -> u8 {
    let done = Args::parse(applet, words).and_then(|args| {
        if args.has("--help") {
            return failure::print(&help::help(applet));
        }
        if args.has("--version") {
            return failure::print(&help::version(applet.name));
        }
        failure::print(&run(&args)?)
    });
    exit_code(applet.name, done)
}

fn exit_code(name: &str, done: Result<(), Failure>) -> u8 {
    match done {
        Ok(()) => 0,
        Err(failure) => {
            failure.print(name);
            failure.code()
        }
    }
}

/// Says which names a binary answers to.
pub fn no_such_applet(binary: &str, name: &str, links: &[&str]) -> u8 {
    if name == "--help" {
        let text = format!("{binary} does what the name says that it is called by: {}\n", links.join(" "));
        return exit_code(binary, failure::print(&text));
    }
    let message = match name {
        "" => "it is not said which command is meant".to_owned(),
        name => format!("there is no command {name:?}"),
    };
    exit_code(binary, Err(Failure::new(SchaErr::Inval, message, format!("one of: {}", links.join(" ")))))
}

/// The last part of the path a program was called by.
pub fn base_name(word: Option<OsString>) -> String {
    let word = word.unwrap_or_default();
    Path::new(&word).file_name().unwrap_or_default().to_string_lossy().into_owned()
}
