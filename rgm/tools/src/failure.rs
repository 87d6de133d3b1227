//! How a command says no: one line that names the object and what is wrong, one that says what to do,
//! then what methods or the RTR parser had to say.

use crate::cl::ClErr;
use rgm_types::{Refusal, SchaErr};
use std::io::Write;

/// Why a command did not do what was asked, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    refusal: Refusal,
    /// The exit code of a `cl*` command, where the code of the refusal does not say it.
    exit: Option<ClErr>,
    found_by: Finder,
}

/// Who found out that it does not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finder {
    Command,
    Daemon,
}

impl Failure {
    /// Found by the command itself.
    pub fn new(code: SchaErr, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { refusal: Refusal::new(code, message, hint), exit: None, found_by: Finder::Command }
    }

    /// Found by a `cl*` command itself.
    pub fn cl(exit: ClErr, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { exit: Some(exit), ..Self::new(exit.scha(), message, hint) }
    }

    /// With lines to show below it.
    pub fn showing<'a>(mut self, lines: impl Iterator<Item = &'a str>) -> Self {
        self.refusal.output.extend(lines.map(str::to_owned));
        self
    }

    /// With another exit code of the `cl*` commands.
    pub fn exiting(self, exit: ClErr) -> Self {
        Self { exit: Some(exit), ..self }
    }

    /// True if rgmd said no.
    pub fn is_refusal(&self) -> bool {
        self.found_by == Finder::Daemon
    }

    /// True if what was asked was begun, and did not end as it should.
    pub fn is_begun(&self) -> bool {
        self.refusal.begun
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.refusal.code.code()
    }

    /// The exit code of a `cl*` command.
    pub fn cl_code(&self) -> ClErr {
        // What was begun was allowed; it is in the state of waiting for something else.
        let waits = self.refusal.begun && self.refusal.code == SchaErr::Depend;
        let told = if waits { ClErr::State } else { self.refusal.code.into() };
        self.exit.unwrap_or(told)
    }

    /// All of it, for stderr.
    pub fn text(&self, applet: &str) -> String {
        self.lines(&format!("{applet}: "))
    }

    /// All of it as the `cl*` commands say it (reference 7.4): with an id that says who found out, and
    /// what kind of failure it is: `1` and the exit code, or `2` and the number of the manager's word.
    pub fn cl_text(&self, called: &str) -> String {
        let (who, kind) = match self.found_by {
            Finder::Command => (1, self.cl_code().code()),
            Finder::Daemon => (2, self.code()),
        };
        self.lines(&format!("{called}:  (C{who}{kind:05}) "))
    }

    fn lines(&self, begun: &str) -> String {
        let Refusal { message, hint, output, .. } = &self.refusal;
        let mut text = format!("{begun}{}\n", one_line(message));
        if !hint.is_empty() {
            text.push_str(&format!("  {}\n", one_line(hint)));
        }
        for line in output {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// Prints it; there is nobody to tell if that fails.
    pub fn print(&self, applet: &str) {
        let _ = std::io::stderr().write_all(self.text(applet).as_bytes());
    }

    /// The same for a `cl*` command.
    pub fn print_cl(&self, called: &str) {
        let _ = std::io::stderr().write_all(self.cl_text(called).as_bytes());
    }
}

/// What was typed may contain anything; a line stays a line all the same.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { refusal, exit: None, found_by: Finder::Daemon }
    }
}

/// Prints to stdout in one piece. A reader that went away (`| head`) wanted no more; a full disk is said.
pub fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::new(
            SchaErr::Internal,
            format!("standard output: {e}"),
            "what was asked may have been done; only its output is lost",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newer_commands_say_it_with_an_id_and_an_exit_code_of_their_own() {
        let refused = Failure::from(Refusal::new(SchaErr::Rg, "resource group a: no", "clrg list"));
        assert_eq!(refused.cl_text("clrg"), "clrg:  (C200012) resource group a: no\n  clrg list\n");
        assert_eq!((refused.code(), refused.cl_code()), (12, ClErr::Noent));
        let depends = Refusal::new(SchaErr::Depend, "resource web depends on resource fs", "");
        assert_eq!(Failure::from(depends.clone()).cl_code(), ClErr::Op);
        assert_eq!(Failure::from(Refusal { begun: true, ..depends }).cl_code(), ClErr::State);
        let own = Failure::cl(ClErr::Io, "x.xml: no such file", "");
        assert_eq!(own.cl_text("clrs"), "clrs:  (C100035) x.xml: no such file\n");
        assert_eq!(own.cl_code().code(), 35);
    }

    #[test]
    fn message_and_hint_are_a_line_each_whatever_was_typed_and_output_stays_as_it_is() {
        let mut refusal = Refusal::new(SchaErr::Rg, "resource group a\nb\x1b[2J: no", "try\tcafé");
        refusal.output = vec!["  | Start = ;".into(), "  |         ^".into()];
        let text = Failure::from(refusal).text("scswitch");
        assert_eq!(
            text,
            "scswitch: resource group a\\nb\\u{1b}[2J: no\n  try\\tcafé\n  | Start = ;\n  |         ^\n"
        );
    }
}
