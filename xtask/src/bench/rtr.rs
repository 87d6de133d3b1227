//! How fast registration files are read: `rtrcheck` of a large one, start-up included.

use super::Row;
use super::fixture::Fixture;
use super::samples::Samples;
use crate::run;
use anyhow::Result;
use std::fmt::Write;
use std::process::Command;

/// Enough that start-up does not count, and few enough to stay a plausible file.
const ENTRIES: usize = 20_000;
const ROUNDS: usize = 5;

pub fn rows(fixture: &Fixture) -> Result<Vec<Row>> {
    let mut text = std::fs::read_to_string(run::root().join("samples/SUNW.sample"))?;
    for n in 0..ENTRIES {
        writeln!(
            text,
            "\n# Property number {n}.\n{{\n    PROPERTY = Extension_{n};\n    EXTENSION;\n    INT;\n    MIN = 1;\n    MAX = 3600;\n    DEFAULT = 60;\n    TUNABLE = ANYTIME;\n    DESCRIPTION = \"made for measuring\";\n}}"
        )?;
    }
    let file = fixture.dir().join("large.rtr");
    std::fs::write(&file, &text)?;
    let mut reading = Samples::default();
    for _ in 0..ROUNDS {
        reading.time(|| run::read(Command::new(fixture.program("rtrcheck")).arg(&file)))?;
    }
    let us = reading.median_us();
    Ok(vec![Row {
        what: "rtrcheck of a large registration file".into(),
        unit: "MB/s",
        measured: text.len() as f64 / us,
        against: None,
        note: format!("{} bytes, {ENTRIES} properties, {:.0} ms", text.len(), us / 1e3),
    }])
}
