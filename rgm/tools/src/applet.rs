//! What a command is: its options, the forms it may be called in, and the words that explain it.
//!
//! One table a command ([`crate::tables`]) is all there is: the parser (`args`), `--help` (`help`), the
//! man page ([`crate::man`]) and shell completion ([`crate::completion`]) read
//! it, so they can't tell different stories. A table is constant data: it costs a start-up nothing.

/// One command.
#[derive(Debug)]
pub struct Applet {
    /// What it is called by.
    pub name: &'static str,
    /// Section of the manual.
    pub section: u8,
    /// What it is for, one line without a full stop.
    pub summary: &'static str,
    /// What it does, a paragraph each.
    pub description: &'static [&'static str],
    /// Every option it knows, but for those of `universal`.
    pub options: &'static [Opt],
    /// [`UNIVERSAL`], or as many of them as it knows.
    pub universal: &'static [Opt],
    /// The ways to call it. The first one whose key is given applies.
    pub forms: &'static [Form],
    /// Command line and what it does.
    pub examples: &'static [(&'static str, &'static str)],
    /// Exit code and what it means.
    pub exits: &'static [(&'static str, &'static str)],
    /// Variables and files: name and what for.
    pub places: &'static [(&'static str, &'static str)],
    /// Commands to read about next.
    pub see_also: &'static [&'static str],
}

/// One option.
#[derive(Debug, Clone, Copy)]
pub struct Opt {
    /// As it is written: `-g`, `--json`.
    pub name: &'static str,
    /// The same as a word, `--resourcegroup`; empty where there is none.
    pub long: &'static str,
    /// What its value is called; empty where it takes none.
    pub value: &'static str,
    /// What a shell offers for the value.
    pub complete: Complete,
    /// What it does.
    pub help: &'static str,
}

/// What a shell offers for the value of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Complete {
    /// Nothing.
    Nothing,
    /// These words.
    Words(&'static [&'static str]),
    /// Files.
    Files,
    /// Names of configured objects: `nodes`, `groups`, `resources`, `types`.
    Names(&'static str),
}

/// One way to call a command.
#[derive(Debug)]
pub struct Form {
    /// The options that make it this form; empty where there is only one.
    pub key: &'static [&'static str],
    /// The options it can't do without.
    pub needs: &'static [&'static str],
    /// The options it may have.
    pub may: &'static [&'static str],
    /// Words after the options, as the synopsis shows them; empty where there are none.
    pub operands: &'static str,
    /// What it does.
    pub effect: &'static str,
}

/// What a parser goes by: of a command, or of one of its subcommands.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The command.
    pub name: &'static str,
    /// The subcommand; empty where there are none.
    pub word: &'static str,
    /// Its own options.
    pub options: &'static [Opt],
    /// Options of every command of its kind.
    pub universal: &'static [Opt],
    /// See [`Applet::forms`]; empty for a subcommand, which has one.
    pub forms: &'static [Form],
}

impl Spec {
    /// The option written so.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.options.iter().chain(self.universal).find(|o| o.is(name))
    }

    /// How to be told more.
    pub fn help_call(&self) -> String {
        match self.word {
            "" => format!("{} --help", self.name),
            word => format!("{} {word} --help", self.name),
        }
    }
}

/// Options of every command.
pub const UNIVERSAL: &[Opt] = &[HELP, flag("--version", "print the version and end")];
/// What commands of other packages have of them.
pub const ONLY_HELP: &[Opt] = &[HELP];
const HELP: Opt = flag("--help", "explain the command");

/// An option without a value.
pub const fn flag(name: &'static str, help: &'static str) -> Opt {
    Opt { name, long: "", value: "", complete: Complete::Nothing, help }
}

/// An option with a value.
pub const fn value(name: &'static str, value: &'static str, complete: Complete, help: &'static str) -> Opt {
    Opt { name, long: "", value, complete, help }
}

impl Applet {
    /// All options.
    pub fn all_options(&self) -> impl Iterator<Item = &'static Opt> + use<> {
        self.options.iter().chain(self.universal)
    }

    /// What its parser goes by.
    pub fn spec(&self) -> Spec {
        Spec {
            name: self.name,
            word: "",
            options: self.options,
            universal: self.universal,
            forms: self.forms,
        }
    }

    /// The option of that name.
    pub fn option(&self, name: &str) -> Option<&'static Opt> {
        self.all_options().find(|o| o.name == name)
    }

    /// One line that shows how a form is called.
    pub fn synopsis(&self, form: &Form) -> String {
        let mut line = String::from(self.name);
        for name in form.key.iter().chain(form.needs) {
            line.push(' ');
            line.push_str(&self.spelled(name));
        }
        for name in form.may {
            line.push_str(&format!(" [{}]", self.spelled(name)));
        }
        if !form.operands.is_empty() {
            line.push(' ');
            line.push_str(form.operands);
        }
        line
    }

    /// An option with the name of its value.
    fn spelled(&self, name: &str) -> String {
        match self.option(name) {
            Some(option) => option.spelled(),
            None => name.to_owned(),
        }
    }
}

impl Opt {
    /// With a word that means the same.
    pub const fn or(mut self, long: &'static str) -> Self {
        self.long = long;
        self
    }

    /// True if this is how it is written.
    pub fn is(&self, name: &str) -> bool {
        self.name == name || (!self.long.is_empty() && self.long == name)
    }

    /// As a list of options shows it: both names, and the name of its value.
    pub fn listed(&self) -> String {
        if self.long.is_empty() {
            return self.spelled();
        }
        match self.value {
            "" => format!("{}, {}", self.name, self.long),
            value => format!("{} {value}, {}={value}", self.name, self.long),
        }
    }

    /// With the name of its value.
    pub fn spelled(&self) -> String {
        if self.value.is_empty() { self.name.to_owned() } else { format!("{} {}", self.name, self.value) }
    }
}
