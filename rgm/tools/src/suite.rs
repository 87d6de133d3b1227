//! A command with subcommands, as a table: the `cl*` commands (reference 7.4).
//!
//! Like an [`Applet`](crate::applet::Applet) it is all there is: the parser, `--help` of the command
//! and of each subcommand, the manual page and shell completion read it. It also names the function
//! behind each subcommand, so that none can be explained and missing. What every one of them has in
//! common is carried out in [`crate::cl`].

use crate::applet::{Complete, Opt, Spec, flag, value};
use crate::cl::{Call, Work};
use crate::failure::Failure;

/// A command with subcommands.
#[derive(Debug)]
pub struct Suite {
    /// What it is called by.
    pub name: &'static str,
    /// Its short name; the same as `name` where it has none.
    pub short: &'static str,
    /// What it is for, one line without a full stop.
    pub summary: &'static str,
    /// What it does, a paragraph each.
    pub description: &'static [&'static str],
    /// In the order they are explained in.
    pub subcommands: &'static [Subcommand],
    /// Variables and files besides those of every command: name and what for.
    pub places: &'static [(&'static str, &'static str)],
    /// Commands to read about next.
    pub see_also: &'static [&'static str],
    /// Resources of this type only, without vendor and version; empty: of any.
    pub of_type: &'static str,
}

/// A subcommand.
#[derive(Clone, Copy)]
pub struct Subcommand {
    /// The word behind the command.
    pub name: &'static str,
    /// What it does, one line without a full stop.
    pub summary: &'static str,
    /// What else is to be known, a paragraph each.
    pub description: &'static [&'static str],
    /// Its options, but for [`UNIVERSAL`].
    pub options: &'static [Opt],
    /// The options it can't do without.
    pub needs: &'static [&'static str],
    /// The words behind the options.
    pub operands: Operands,
    /// What stands behind the command's name, and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Does it.
    pub run: fn(&Call) -> Result<Work, Failure>,
}

/// The words behind the options.
#[derive(Debug, Clone, Copy)]
pub struct Operands {
    /// As the synopsis shows them; empty: there are none.
    pub shown: &'static str,
    /// It may do without.
    pub optional: bool,
    /// What a shell offers for them.
    pub complete: Complete,
}

/// No operand.
pub const NO_OPERANDS: Operands = Operands { shown: "", optional: true, complete: Complete::Nothing };

/// Names of objects there are, or `+` for all of them.
pub const fn objects(shown: &'static str, kind: &'static str) -> Operands {
    Operands { shown, optional: false, complete: Complete::Names(kind) }
}

/// Likewise; none means all.
pub const fn any_objects(shown: &'static str, kind: &'static str) -> Operands {
    Operands { shown, optional: true, complete: Complete::Names(kind) }
}

/// Names of objects to make.
pub const fn new_objects(shown: &'static str) -> Operands {
    Operands { shown, optional: false, complete: Complete::Nothing }
}

/// Options of every subcommand.
pub const UNIVERSAL: &[Opt] = &[
    flag("-v", "say more").or("--verbose"),
    value(
        "-Z",
        "ZONE",
        Complete::Words(&["global", "all"]),
        "accepted for old scripts: global or all; there are no zones here",
    )
    .or("--zoneclustername"),
    flag("-V", "print the version and end").or("--version"),
    flag("-?", "explain the subcommand and end").or("--help"),
];

/// Exit codes of all of them (reference 7.4).
pub const EXITS: &[(&str, &str)] = &[
    ("0", "done"),
    ("1", "not enough memory"),
    ("3", "the command line can't be understood, or a name or value is invalid"),
    ("5", "rgmd does not answer, or the cluster is reconfiguring: try again"),
    ("6", "permission denied: changes need root"),
    ("9", "the object is in the wrong state"),
    ("10", "a method failed"),
    ("15", "no such property, or it can't be set so"),
    ("18", "internal error"),
    ("35", "a file can't be read or written"),
    ("36", "there is no such object"),
    ("37", "not allowed: something depends on the object, a property forbids it, or it is not possible here"),
    ("38", "the object is busy"),
    ("39", "an object of that name exists already"),
    ("41", "no such resource type, or its registration file is refused"),
    ("130", "interrupted; what was begun goes on in the daemon"),
];

impl Suite {
    /// True if it is called so.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || self.short == name
    }

    /// The subcommand of that name.
    pub fn subcommand(&self, name: &str) -> Option<&'static Subcommand> {
        self.subcommands.iter().find(|s| s.name == name)
    }
}

impl Subcommand {
    /// With other examples.
    pub const fn with_examples(mut self, examples: &'static [(&'static str, &'static str)]) -> Self {
        self.examples = examples;
        self
    }

    /// What its parser goes by, called by this name.
    pub fn spec(&self, name: &'static str) -> Spec {
        Spec { name, word: self.name, options: self.options, universal: UNIVERSAL, forms: &[] }
    }

    /// One line that shows how it is called.
    pub fn synopsis(&self, name: &str) -> String {
        let mut line = format!("{name} {}", self.name);
        for option in self.options {
            let spelled = option.spelled();
            let shown = if self.needs.contains(&option.name) {
                format!(" {spelled}")
            } else {
                format!(" [{spelled}]")
            };
            line.push_str(&shown);
        }
        match self.operands {
            Operands { shown: "", .. } => {}
            Operands { shown, optional: true, .. } => line.push_str(&format!(" [{shown}]")),
            Operands { shown, .. } => line.push_str(&format!(" {shown}")),
        }
        line
    }

    /// All its options.
    pub fn all_options(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        self.options.iter().chain(UNIVERSAL)
    }
}

impl std::fmt::Debug for Subcommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}
