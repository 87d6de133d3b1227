//! How a command says no: one line that names the object and what is wrong, one that says what to do,
//! then what methods or the RTR parser had to say.

use rgm_types::{Refusal, SchaErr};
use std::io::Write;

/// Why a command did not do what was asked, and its exit code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure(Refusal);

impl Failure {
    /// Found by the command itself.
    pub fn new(code: SchaErr, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self(Refusal::new(code, message, hint))
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        self.0.code.code()
    }

    /// All of it, for stderr.
    pub fn text(&self, applet: &str) -> String {
        let Refusal { code: _, message, hint, output } = &self.0;
        let mut text = format!("{applet}: {}\n", one_line(message));
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
        Self(refusal)
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
