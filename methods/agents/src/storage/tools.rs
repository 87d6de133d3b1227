//! Programs of the system that do the work: mount, umount, fsck, findfs.

use std::ffi::OsStr;
use std::process::{Command, Output, Stdio};

/// How a program ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Its exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// What it printed, on one line.
    pub said: String,
}

/// Runs a program to its end. The error is a sentence.
pub fn run<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<Ended, String> {
    let output = start(program, args)?;
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].concat();
    let text = String::from_utf8_lossy(&text).into_owned();
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(Ended { code: output.status.code(), said: lines.join("; ") })
}

/// What a program printed that must succeed. The error is what it said instead.
pub fn output<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<String, String> {
    let ended = run(program, args)?;
    if ended.code == Some(0) { Ok(ended.said) } else { Err(ended.said) }
}

fn start<S: AsRef<OsStr>>(program: &str, args: &[S]) -> Result<Output, String> {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null());
    command.output().map_err(|error| format!("cannot run {program}: {error}"))
}
