//! Writing the event log: see [`super`].

use super::tap::{Said, Tap};
use super::{Reader, file_of, files};
use crate::clock;
use rgm_core::event::LogLine;
use rgm_types::view::{EventRecord, Level};
use rgm_types::{Clock, Millis};
use std::cell::RefCell;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use tokio::sync::watch;

/// A file that has grown to this is followed by a new one: it is read at once when the log is opened.
pub const FILE_LEN_MAX: u64 = 4 << 20;
/// Files that are kept: 32 MiB in all, some 150,000 lines.
pub const FILES_MAX: usize = 8;
/// A log that can't be opened is tried again only this much later.
const OPEN_WAIT: Millis = Millis(1000);

/// Writes the event log. A log that can't be written is said once, and the daemon goes on. All handles
/// write the same log.
#[derive(Debug, Clone)]
pub struct EventLog(Rc<RefCell<Writer>>);

#[derive(Debug)]
struct Writer {
    dir: PathBuf,
    tap: Tap,
    /// Said before the step that is being performed.
    earlier: Vec<Said>,
    /// `None`: it could not be opened, or not yet.
    open: Option<Open>,
    /// When to try to open it again (boot clock).
    retry_at: Millis,
    /// Lines that could not be written since the last one that was.
    lost: Option<Lost>,
    /// Number of the last line that can be read.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
struct Open {
    file: File,
    len: u64,
    /// Number of the next line.
    next: u64,
}

#[derive(Debug)]
struct Lost {
    count: u64,
    reason: String,
}

impl EventLog {
    /// The log in that directory, opened if it can be. `tap` is what goes into it besides decisions.
    pub fn open(dir: &Path, tap: Tap) -> Self {
        Self(Rc::new(RefCell::new(Writer::open(dir, tap))))
    }

    /// For whoever wants to read it.
    pub fn reader(&self) -> Reader {
        let writer = self.0.borrow();
        Reader::new(&writer.dir, writer.written.subscribe())
    }

    /// What has been said until now comes before what is decided next.
    pub fn mark(&self) {
        let mut writer = self.0.borrow_mut();
        let said = writer.tap.take();
        writer.earlier.extend(said);
    }

    /// Writes down what was decided in one step, between what was said before it and behind it.
    pub fn decided(&self, clock: Clock, lines: &[LogLine]) {
        self.0.borrow_mut().decided(clock, lines);
    }

    /// Writes down what was said.
    pub fn said(&self, clock: Clock) {
        self.decided(clock, &[]);
    }
}

impl Writer {
    fn open(dir: &Path, tap: Tap) -> Self {
        let (written, _) = watch::channel(0);
        let dir = dir.to_owned();
        let mut log =
            Self { dir, tap, earlier: Vec::new(), open: None, retry_at: Millis(0), lost: None, written };
        log.try_open(clock::now().boot);
        log
    }

    fn decided(&mut self, clock: Clock, lines: &[LogLine]) {
        let earlier = std::mem::take(&mut self.earlier).into_iter().map(spoken);
        let decided = lines.iter().map(|line| record(clock.wall, line));
        let later = self.tap.take().into_iter().map(spoken);
        self.append(clock, earlier.chain(decided).chain(later).collect());
    }

    fn append(&mut self, clock: Clock, mut records: Vec<EventRecord>) {
        if records.is_empty() {
            return;
        }
        if self.open.is_none() && clock.boot >= self.retry_at {
            self.try_open(clock.boot);
        }
        let count = records.len() as u64;
        let Some(open) = &mut self.open else { return self.count_lost(count) };
        let missing = self.lost.as_ref().map_or(0, |lost| lost.count);
        if let Some(lost) = &self.lost {
            records.insert(0, gap(clock.wall, open.next, lost));
        }
        match open.write(open.next + missing, &mut records) {
            Ok(last) => {
                self.lost = None;
                self.written.send_replace(last);
                if open.len >= FILE_LEN_MAX {
                    open.turn(&self.dir);
                }
            }
            Err(error) => {
                self.fail(clock.boot, &error);
                self.count_lost(count);
            }
        }
    }

    fn try_open(&mut self, now: Millis) {
        match Open::last(&self.dir) {
            Ok(open) => {
                self.written.send_replace(open.next.saturating_sub(1));
                self.open = Some(open);
            }
            Err(error) => self.fail(now, &error),
        }
    }

    /// It is closed, and opened again later: that cuts away what was written by half.
    fn fail(&mut self, now: Millis, error: &io::Error) {
        self.open = None;
        self.retry_at = now.after(OPEN_WAIT);
        if self.lost.is_none() {
            tracing::error!("the event log in {} is not written: {error}", self.dir.display());
            self.lost = Some(Lost { count: 0, reason: error.to_string() });
        }
    }

    fn count_lost(&mut self, count: u64) {
        if let Some(lost) = &mut self.lost {
            lost.count += count;
        }
    }
}

impl Open {
    /// The last file, ready for the next line; a new one if there is none that can be gone on with.
    fn last(dir: &Path) -> io::Result<Self> {
        fs::create_dir_all(dir)?;
        let Some(first) = files(dir)?.pop() else { return Self::create(dir, 1) };
        let path = file_of(dir, first);
        let good = fs::read(&path).and_then(|bytes| {
            let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let file = OpenOptions::new().append(true).open(&path)?;
            if end < bytes.len() {
                file.set_len(end as u64)?;
            }
            Ok(Self { file, len: end as u64, next: next_after(&bytes, first) })
        });
        match good {
            Ok(open) if open.len >= FILE_LEN_MAX => Self::create(dir, open.next),
            Ok(open) => Ok(open),
            Err(error) if error.kind() == io::ErrorKind::StorageFull => Err(error),
            Err(error) => {
                tracing::error!("{} can't be gone on with: {error}", path.display());
                // There are no more lines in a file than bytes.
                let len = fs::symlink_metadata(&path).map_or(1, |metadata| metadata.len().max(1));
                Self::create(dir, first.saturating_add(len))
            }
        }
    }

    fn create(dir: &Path, first: u64) -> io::Result<Self> {
        let path = file_of(dir, first);
        let file = OpenOptions::new().append(true).create_new(true).mode(0o644).open(path)?;
        Ok(Self { file, len: 0, next: first })
    }

    /// Writes records, the first with this number, and returns the last number. After an error, part
    /// of them may stand there.
    fn write(&mut self, first: u64, records: &mut [EventRecord]) -> io::Result<u64> {
        let mut bytes = Vec::with_capacity(records.len() * 256);
        self.next = first;
        for record in records.iter_mut() {
            record.seq = self.next;
            self.next += 1;
            bytes.extend(serde_json::to_vec(record).map_err(io::Error::other)?);
            bytes.push(b'\n');
        }
        self.file.write_all(&bytes)?;
        self.len += bytes.len() as u64;
        Ok(self.next - 1)
    }

    /// Goes on in a new file, and the oldest ones go. Where there can be no new one, this one grows on.
    fn turn(&mut self, dir: &Path) {
        let Ok(new) = Self::create(dir, self.next) else { return };
        *self = new;
        let firsts = files(dir).unwrap_or_default();
        let old = firsts.len().saturating_sub(FILES_MAX);
        for first in firsts.into_iter().take(old) {
            // What can't be removed now is tried again with the next turn.
            let _later = fs::remove_file(file_of(dir, first));
        }
    }
}

/// The number after the last one of a file. No number is given twice: behind the last record each
/// damaged line has had one, and where there is no record, there are no more lines than bytes.
fn next_after(bytes: &[u8], first: u64) -> u64 {
    let mut damaged = 0;
    // Behind the last line end stands nothing, or what a crash cut off.
    for line in bytes.split(|byte| *byte == b'\n').rev().skip(1).filter(|line| !line.is_empty()) {
        match serde_json::from_slice::<EventRecord>(line) {
            Ok(record) => return record.seq.max(first) + damaged + 1,
            Err(_) => damaged += 1,
        }
    }
    first.saturating_add(bytes.len() as u64)
}

fn record(at: Millis, line: &LogLine) -> EventRecord {
    let (event, rule) = (line.cause.event.clone(), line.cause.rule.clone());
    EventRecord { seq: 0, at, level: line.level, text: line.text.clone(), event, rule }
}

fn spoken(Said { at, level, text }: Said) -> EventRecord {
    EventRecord { seq: 0, at, level, text, event: String::new(), rule: String::new() }
}

fn gap(at: Millis, first: u64, lost: &Lost) -> EventRecord {
    let (last, reason) = ((first + lost.count).saturating_sub(1), &lost.reason);
    let text = match lost.count {
        0 => format!("the event log could not be written for a while: {reason}"),
        1 => format!("event {first} could not be written: {reason}"),
        _ => format!("events {first} to {last} could not be written: {reason}"),
    };
    spoken(Said { at, level: Level::Warn, text })
}
