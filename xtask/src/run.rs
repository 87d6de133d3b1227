//! Other programs, called with a word about what failed.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{SigSet, Signal};
use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

/// The root of the source tree.
pub fn root() -> PathBuf {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    here.parent().map_or_else(|| here.clone(), PathBuf::from)
}

/// The cargo that runs this program, in the root of the source tree.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo says of this package to this program: dependencies that look at it would be built anew.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if ["CARGO_PKG_", "CARGO_MANIFEST_"].iter().any(|ours| text.starts_with(ours)) {
            command.env_remove(&name);
        }
    }
    command.current_dir(root());
    command
}

/// Runs it, its output shown; an error unless it succeeds.
pub fn run(command: &mut Command) -> Result<()> {
    let status = spawn(command)?.wait()?;
    if !status.success() {
        bail!("{}: {status}", line(command));
    }
    Ok(())
}

/// Runs it and returns what it printed; an error, with what it complained about, unless it succeeds.
pub fn read(command: &mut Command) -> Result<String> {
    let output = output(command)?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{}: {}\n{}", line(command), output.status, complaint.trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs it and returns everything it said.
pub fn output(command: &mut Command) -> Result<Output> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    Ok(spawn(command)?.wait_with_output()?)
}

/// Starts it. Signals that this program keeps for itself while it waits ([`crate::wait`]) are not
/// kept from the child: it is started by a thread that does not hold them back.
pub fn spawn(command: &mut Command) -> Result<Child> {
    let spawn = |command: &mut Command| -> Result<Child> {
        interrupts().thread_unblock()?;
        Ok(command.spawn()?)
    };
    let spawned = std::thread::scope(|scope| scope.spawn(|| spawn(command)).join());
    let spawned = spawned.unwrap_or_else(|_| bail!("the thread that starts it died"));
    spawned.with_context(|| format!("failed to run {}", line(command)))
}

/// What a user sends to end this program.
pub fn interrupts() -> SigSet {
    [Signal::SIGINT, Signal::SIGTERM].into_iter().collect()
}

/// Is there a program of that name?
pub fn found(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into(), "/sbin".into()])
        .any(|dir| dir.join(program).is_file())
}

/// The command as it would be typed.
pub fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}
