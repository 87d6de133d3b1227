//! A record of everything that went into the core and what came out of it.
//!
//! One JSON object a line: how the core was loaded, then each event with its clock and its result.
//! The core is deterministic, so a fresh one that is given the same events must say the same; where
//! it does not, [`replay`] tells the first difference. A record of a failure in the field is so a test.

use rgm_core::Rgm;
use rgm_core::event::{Event, Out, Token};
use rgm_types::{Clock, Entry, Generation};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::Path;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[expect(clippy::large_enum_variant, reason = "one at a time")]
enum Line {
    Load { entries: Vec<Entry>, generation: Generation, first_token: Token },
    Step { clock: Clock, event: Event, out: Out },
}

/// Writes a record. A record that can't be written is given up, and the daemon goes on.
#[derive(Debug)]
pub struct Recorder {
    file: Option<File>,
}

/// Why a record was not replayed to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It can't be read.
    #[error("cannot read the record")]
    Unreadable(#[source] io::Error),
    /// A line is not one of a record.
    #[error("line {line} is not of a record: {reason}")]
    Line {
        /// Which, counted from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The core decided otherwise.
    #[error("line {line}: the core now says\n  {now}\nit then said\n  {then}")]
    Differs {
        /// Which, counted from 1.
        line: usize,
        /// As recorded.
        then: String,
        /// As of now.
        now: String,
    },
}

impl Recorder {
    /// A record that is not made.
    pub fn off() -> Self {
        Self { file: None }
    }

    /// Starts a record in a file that is made new.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Some(File::create(path)?) })
    }

    /// The core was loaded so.
    pub fn load(&mut self, entries: &[Entry], generation: Generation, first_token: Token) {
        if self.file.is_some() {
            self.write(&Line::Load { entries: entries.to_vec(), generation, first_token });
        }
    }

    /// It took a step.
    pub fn step(&mut self, clock: Clock, event: &Event, out: &Out) {
        if self.file.is_some() {
            self.write(&Line::Step { clock, event: event.clone(), out: out.clone() });
        }
    }

    fn write(&mut self, line: &Line) {
        let Some(file) = self.file.as_mut() else { return };
        let written = serde_json::to_vec(line).map_err(io::Error::other).and_then(|mut bytes| {
            bytes.push(b'\n');
            file.write_all(&bytes)
        });
        if let Err(error) = written {
            tracing::error!("the record ends here: {error}");
            self.file = None;
        }
    }
}

/// Gives a fresh core what a record says, and counts the steps that gave the same result.
pub fn replay(path: &Path) -> Result<usize, ReplayError> {
    let file = File::open(path).map_err(ReplayError::Unreadable)?;
    let mut core: Option<Rgm> = None;
    let mut steps = 0;
    for (index, text) in io::BufReader::new(file).lines().enumerate() {
        let line = index + 1;
        let text = text.map_err(ReplayError::Unreadable)?;
        let wrong = |reason: String| ReplayError::Line { line, reason };
        match serde_json::from_str(&text).map_err(|error| wrong(error.to_string()))? {
            Line::Load { entries, generation, first_token } => {
                let loaded = Rgm::load(entries, generation, first_token);
                core = Some(loaded.map_err(|error| wrong(error.to_string()))?);
            }
            Line::Step { clock, event, out } => {
                let core = core.as_mut().ok_or_else(|| wrong("nothing was loaded before it".into()))?;
                let now = core.step(clock, &event);
                if now != out {
                    let (then, now) = (format!("{out:?}"), format!("{now:?}"));
                    return Err(ReplayError::Differs { line, then, now });
                }
                steps += 1;
            }
        }
    }
    Ok(steps)
}
