//! `scha_resource_get`, which shell methods call dozens of times, against the least a program can do.

use super::Row;
use super::fixture::Fixture;
use super::samples::{Samples, floor};
use anyhow::{Result, ensure};
use std::process::{Command, Stdio};

const ROUNDS: usize = 500;

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    fixture.register("helper", "START = /bin/true;\nSTOP = /bin/true;")?;
    fixture.group("helper-rg", "Bench.helper", 1)?;
    let cluster = fixture.cluster()?;
    let (mut ours, mut least) = (Samples::default(), Samples::default());
    for _ in 0..ROUNDS {
        let mut get = cluster.command("scha_resource_get");
        get.args(["-O", "START_TIMEOUT", "-R", "helper-rg-0", "-G", "helper-rg"]).stdout(Stdio::null());
        ensure!(ours.time(|| get.status())?.success(), "scha_resource_get fails");
        least.time(|| Command::new("/bin/true").status())?;
    }
    let (ours, least) = (ours.median_us(), least.median_us());
    Ok(vec![Row {
        what: "scha_resource_get, a whole call".into(),
        unit: "us",
        measured: ours,
        against: Some(floor("/bin/true", least, ours, 2.0)),
        note: format!("medians of {ROUNDS} calls each, in turns"),
    }])
}
