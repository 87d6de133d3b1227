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
        let mut text = format!("{applet}: {message}\n");
        if !hint.is_empty() {
            text.push_str(&format!("  {hint}\n"));
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
