//! A service's repair while another group is busy: from SIGKILL to its successor, with nothing else
//! going on, and while the Start of another group's resource takes 20 seconds.

use super::Row;
use super::fixture::Fixture;
use super::pmf::Service;
use super::samples::{Samples, floor};
use anyhow::{Context, Result, ensure};
use std::process::Stdio;

const ROUNDS: usize = 100;

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    let mut service = Service::new(fixture, "isolated-service")?;
    let [script, fifo] = &service.command;
    let run = format!("exec pmfadm -c isolated.svc -n -1 {} {}", script.display(), fifo.display());
    let start = fixture.script("isolated-start", &format!("#!/bin/sh\n{run}\n"))?;
    let stop = fixture.script("isolated-stop", "#!/bin/sh\npmfadm -s isolated.svc -w 10 KILL\nexit 0\n")?;
    let slow = fixture.script("slow-start", "#!/bin/sh\nexec sleep 20\n")?;
    let methods = format!("START = {};\nSTOP = {};", start.display(), stop.display());
    fixture.register("isolated", &methods)?;
    fixture.register("slow", &format!("START = {};\nSTOP = /bin/true;", slow.display()))?;
    fixture.group("isolated-rg", "Bench.isolated", 1)?;
    fixture.group("slow-rg", "Bench.slow", 1)?;
    fixture.cluster()?.run(&["scswitch", "-Z", "-g", "isolated-rg"])?;

    let mut pid = service.wait()?;
    let (mut alone, mut beside) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        pid = service.kill(&fixture.waiter, pid, &mut alone)?;
    }
    let mut busy = fixture.cluster()?.command("scswitch");
    let mut busy = busy.args(["-Z", "-g", "slow-rg"]).stdout(Stdio::null()).spawn()?;
    fixture.waiter.until("the slow Start runs", std::time::Duration::from_secs(10), || {
        let state =
            fixture.cluster()?.run(&["scha_resource_get", "-O", "RESOURCE_STATE", "-R", "slow-rg-0"])?;
        Ok((state.trim() == "STARTING").then_some(()))
    })?;
    for _ in 0..ROUNDS {
        pid = service.kill(&fixture.waiter, pid, &mut beside)?;
    }
    ensure!(busy.try_wait()?.is_none(), "the slow Start ended before the measurement did");
    busy.wait().context("scswitch is lost")?;
    // Before and after, so that a change of the machine's mood shows on both sides.
    for _ in 0..ROUNDS {
        pid = service.kill(&fixture.waiter, pid, &mut alone)?;
    }
    let (alone, beside) = (alone.median_us(), beside.median_us());
    Ok(vec![Row {
        what: "SIGKILL to successor, while another Start takes 20 s".into(),
        unit: "us",
        measured: beside,
        against: Some(floor("the same, with nothing else going on", alone, beside, 1.1)),
        note: format!("medians of {ROUNDS} kills, and of {ROUNDS} before and {ROUNDS} after"),
    }])
}
