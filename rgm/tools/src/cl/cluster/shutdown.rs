//! `cluster shutdown`: every group offline, then the daemon, and with it the cluster.

use crate::ask::{self, Change};
use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rgm_types::Command;
use std::io::{BufRead, IsTerminal, Write};
use std::time::{Duration, Instant};

/// Between looks at whether the daemon has gone.
const LOOK_MS: u16 = 100;
/// Every group is offline by then: what is left is to end processes.
const END_WAIT: Duration = Duration::from_secs(120);

/// Ends the cluster of this machine.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let grace = grace(call)?;
    confirmed(call)?;
    let info = ask::info()?;
    let message = call.args.one("-m")?.unwrap_or("the cluster is being shut down");
    say(&format!("{}: {message}; cluster {} ends in {} s", call.called, info.cluster, grace.as_secs()));
    wait(grace, || false);
    let managed: Vec<_> =
        call.snapshot()?.groups.iter().filter(|g| g.managed).map(|g| g.name.clone()).collect();
    if !managed.is_empty() {
        ask::change(Change::Command(Command::Offline { groups: managed, nodes: Vec::new() }), false, None)?;
    }
    let pid =
        i32::try_from(info.pid).map(Pid::from_raw).map_err(|_| not_ended("rgmd has no process here"))?;
    kill(pid, Signal::SIGTERM).map_err(|error| not_ended(&format!("rgmd, process {pid}: {error}")))?;
    match wait(END_WAIT, || kill(pid, None).is_err()) {
        true => Ok(Work::default()),
        false => Err(not_ended(&format!("rgmd, process {pid}, has not ended within {END_WAIT:?}"))),
    }
}

fn grace(call: &Call) -> Result<Duration, Failure> {
    let Some(text) = call.args.one("-g")? else { return Ok(Duration::from_secs(60)) };
    let secs = text.parse().map_err(|_| call.args.misuse(format!("-g {text}: it is a number of seconds")))?;
    Ok(Duration::from_secs(secs))
}

fn confirmed(call: &Call) -> Result<(), Failure> {
    if call.args.has("-y") {
        return Ok(());
    }
    if !std::io::stdin().is_terminal() {
        return Err(call.args.misuse("shutdown asks before it begins, and nobody is there to answer: -y"));
    }
    let _nobody =
        write!(std::io::stderr(), "Every resource group goes offline. Do you want to continue? [y/n] ");
    let mut line = String::new();
    let read = std::io::stdin().lock().read_line(&mut line);
    if read.is_ok() && line.trim().eq_ignore_ascii_case("y") {
        return Ok(());
    }
    Err(Failure::cl(ClErr::Op, "not confirmed", "nothing was changed"))
}

/// To whoever waits.
pub fn say(text: &str) {
    let _nobody = writeln!(std::io::stderr(), "{text}");
}

/// Until the condition holds, at most so long; says whether it does.
pub fn wait(limit: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if condition() {
            return true;
        }
        let left = limit.saturating_sub(begun.elapsed());
        if left.is_zero() {
            return false;
        }
        let millis = u16::try_from(left.as_millis()).unwrap_or(LOOK_MS).clamp(1, LOOK_MS);
        let _woken = nix::poll::poll(&mut [], millis);
    }
}

fn not_ended(message: &str) -> Failure {
    Failure::cl(ClErr::State, message, "every group is offline; end rgmd by hand")
}
