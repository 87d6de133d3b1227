//! The operators: what they ask for while everything goes wrong, and what they were told.
//!
//! Each Note is another one. What a resource's Note may be at the end follows from the answers: the last
//! that was answered with success, or one asked for behind it whose answer was that nobody knows; never
//! one that was refused, never an older one.

use super::schedule::Ask;
use super::services::{group, resource};
use crate::kit::machines::Site;
use anyhow::{Context, Result};
use rgm_types::SchaErr;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// An answer takes so long at most: the cluster may have no president for a while, methods have their
/// timeouts, and a daemon that is frozen answers when it goes on.
const ANSWER_WAIT: Duration = Duration::from_secs(180);
/// So many operators are there.
const OPERATORS: usize = 4;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// It was done.
    Done,
    /// It was refused, and nothing of it was done.
    Refused,
    /// Nobody was there who could have done it.
    Unreached,
    /// Nobody knows whether it was done, and the operator was told so.
    Unknown,
    /// The machine of the operator had no power any more.
    Gone,
}

impl Answer {
    fn of(code: Option<i32>, said: &str) -> Self {
        match code {
            None => Self::Gone,
            Some(0) => Self::Done,
            Some(code) if code != i32::from(SchaErr::Reconf.code()) => Self::Refused,
            Some(_) if said.contains("cannot reach rgmd") => Self::Unreached,
            Some(_) => Self::Unknown,
        }
    }
}

/// A change of a Note, and what came of it; `None`: no answer yet.
#[derive(Debug)]
struct Note {
    value: String,
    answer: Option<Answer>,
}

struct Asked {
    line: String,
    ask: Ask,
    /// Number of its Note.
    note: usize,
    machine: usize,
    child: Child,
    /// That machine has lost its power since.
    cut: bool,
    since: Instant,
    from_us: u64,
}

/// A group was moved or restarted, for that was asked for.
#[derive(Debug, Clone, Copy)]
pub struct Moved {
    /// Its number.
    pub group: usize,
    /// From when, microseconds of `CLOCK_BOOTTIME`.
    pub from_us: u64,
    /// Until it was answered.
    pub to_us: u64,
}

/// See the module.
pub struct Desk {
    under_way: Vec<Asked>,
    notes: BTreeMap<usize, Vec<Note>>,
    /// Moves that were asked for.
    pub moved: Vec<Moved>,
    /// How many there were of each answer.
    pub answers: BTreeMap<Answer, usize>,
    /// What is wrong with some.
    pub faults: Vec<String>,
    log: File,
}

impl Desk {
    /// Nobody has asked anything yet. Everything is written down there.
    pub fn new(log: File) -> Self {
        let (under_way, moved, faults) = (Vec::new(), Vec::new(), Vec::new());
        Self { under_way, notes: BTreeMap::new(), moved, answers: BTreeMap::new(), faults, log }
    }

    /// Somebody asks on a machine, or on the next one that has power, unless all are busy.
    pub fn ask(&mut self, site: &Site, ask: Ask, machine: usize) -> Result<()> {
        let mut machines = site.machines.iter().enumerate().cycle().skip(machine).take(site.machines.len());
        let Some((machine, terminal)) = machines.find(|(_, machine)| machine.has_power()) else {
            return Ok(());
        };
        // One after the other asks something of a group: what it is asked for at once has no order.
        let busy = self.under_way.iter().any(|asked| asked.ask.group() == ask.group());
        if busy || self.under_way.len() >= OPERATORS {
            return Ok(());
        }
        let (line, note) = self.line(site, ask)?;
        let mut command = terminal.speaking(&line)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let child = command.spawn()?;
        let (since, from_us) = (Instant::now(), super::now_us());
        self.under_way.push(Asked { line, ask, note, machine, child, cut: false, since, from_us });
        Ok(())
    }

    /// Nobody waits for an answer any more.
    pub fn is_quiet(&self) -> bool {
        self.under_way.is_empty()
    }

    /// A machine has lost its power, and with it who asked there.
    pub fn cut(&mut self, machine: usize) {
        self.under_way.iter_mut().filter(|asked| asked.machine == machine).for_each(|asked| asked.cut = true);
    }

    /// What the Note of the resource of a group may be now.
    pub fn may_be(&self, number: usize) -> Vec<&str> {
        let notes = self.notes.get(&number).map_or(&[][..], Vec::as_slice);
        let done = notes.iter().rposition(|note| note.answer == Some(Answer::Done));
        let last = done.and_then(|done| notes.get(done)).map_or("", |note| &note.value);
        let behind = notes.get(done.map_or(0, |done| done + 1)..).unwrap_or_default();
        let open =
            behind.iter().filter(|note| !matches!(note.answer, Some(Answer::Refused | Answer::Unreached)));
        std::iter::once(last).chain(open.map(|note| note.value.as_str())).collect()
    }

    fn line(&mut self, site: &Site, ask: Ask) -> Result<(String, usize)> {
        Ok(match ask {
            Ask::Note(number) => {
                let notes = self.notes.entry(number).or_default();
                let value = format!("n{}", notes.len() + 1);
                let line = format!("clrs set -p Note={value} {}", resource(number));
                notes.push(Note { value, answer: None });
                (line, notes.len() - 1)
            }
            Ask::Switch(number, machine) => {
                (format!("clrg switch -n {} {}", site.machine(machine)?.name, group(number)), 0)
            }
            Ask::Restart(number) => (format!("clrg restart {}", group(number)), 0),
        })
    }

    /// Takes what answers have come.
    pub fn look(&mut self, site: &Site) -> Result<()> {
        for mut asked in std::mem::take(&mut self.under_way) {
            match asked.child.try_wait()? {
                None if asked.since.elapsed() < ANSWER_WAIT => self.under_way.push(asked),
                None => {
                    let name = &site.machine(asked.machine)?.name;
                    self.faults.push(format!(
                        "{} on {name}: no answer in {} s",
                        asked.line,
                        ANSWER_WAIT.as_secs()
                    ));
                    asked.child.kill()?;
                    asked.child.wait()?;
                }
                Some(status) => {
                    let mut said = String::new();
                    let stderr = asked.child.stderr.as_mut().context("it was piped")?;
                    stderr.read_to_string(&mut said)?;
                    let name = &site.machine(asked.machine)?.name;
                    let span = asked.since.elapsed().as_secs_f64();
                    let said = said.trim_end().replace('\n', " | ");
                    writeln!(
                        self.log,
                        "{:.3} {name}: {} → {status} after {span:.1} s {said}",
                        asked.from_us as f64 / 1e6,
                        asked.line
                    )?;
                    let answer = Answer::of(status.code(), &said);
                    self.answered(&asked, answer);
                }
            }
        }
        Ok(())
    }

    fn answered(&mut self, asked: &Asked, answer: Answer) {
        if answer == Answer::Gone && !asked.cut {
            self.faults.push(format!("{}: the command died", asked.line));
        }
        *self.answers.entry(answer).or_default() += 1;
        match asked.ask {
            Ask::Note(number) => {
                let note = self.notes.get_mut(&number).and_then(|notes| notes.get_mut(asked.note));
                if let Some(note) = note {
                    note.answer = Some(answer);
                }
            }
            Ask::Switch(group, _) | Ask::Restart(group) => {
                self.moved.push(Moved { group, from_us: asked.from_us, to_us: super::now_us() });
            }
        }
    }
}
