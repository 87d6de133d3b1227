//! What a command said.

use anyhow::{Context, Result, ensure};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;

/// What a command said, and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The command line.
    pub line: String,
    /// Its exit code; 128 and the number of the signal that ended it.
    pub code: i32,
    /// Its standard output.
    pub out: String,
    /// Its standard error.
    pub err: String,
}

impl Said {
    /// What `line` said.
    pub fn new(line: &str, output: &Output) -> Self {
        let signal = || output.status.signal().map_or(-1, |signal| 128 + signal);
        Self {
            line: line.to_owned(),
            code: output.status.code().unwrap_or_else(signal),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Its output, if it succeeded.
    pub fn ok(self) -> Result<String> {
        ensure!(self.code == 0, "{}: exit {}\n{}{}", self.line, self.code, self.out, self.err);
        Ok(self.out)
    }

    /// Its complaint, if it ended with this code and printed nothing else.
    pub fn refused(self, code: i32) -> Result<String> {
        let Self { line, code: got, out, err } = self;
        ensure!(got == code, "{line}: exit {got} instead of {code}\n{out}{err}");
        ensure!(out.is_empty(), "{line}: it was refused, and printed {out}");
        Some(err).filter(|err| !err.is_empty()).with_context(|| format!("{line}: not a word about why"))
    }
}
