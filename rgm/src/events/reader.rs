//! Reading the event log: see [`super`]. Blocking, in pieces; runs beside the daemon's own thread.

use super::{file_of, files};
use rgm_api::rgm::EventsGone;
use rgm_types::view::EventRecord;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Lines looked at in one piece: some milliseconds.
const PIECE: usize = 2000;

/// Where the event log can be read.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: PathBuf,
    written: watch::Receiver<u64>,
}

/// How far somebody has read, and what is wanted.
#[derive(Debug)]
pub struct Cursor {
    dir: PathBuf,
    /// Number of the last event that was read; `None`: whatever comes first.
    after: Option<u64>,
    about: Option<String>,
    open: Option<Open>,
    /// The file that was read to its end last.
    done: u64,
}

#[derive(Debug)]
struct Open {
    first: u64,
    file: BufReader<File>,
    /// Where the next line begins.
    at: u64,
}

/// What was read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// These were wanted, and are kept no longer; they came before `events`.
    pub gone: Option<EventsGone>,
    /// Oldest first.
    pub events: Vec<EventRecord>,
    /// There was no more.
    pub end: bool,
}

impl Reader {
    pub(super) fn new(dir: &Path, written: watch::Receiver<u64>) -> Self {
        Self { dir: dir.to_owned(), written }
    }

    /// Number of the last event there is.
    pub fn last(&self) -> u64 {
        *self.written.borrow()
    }

    /// Waits until there is more than there was when this was asked last, or [`Self::read`] was; false
    /// if there never will be.
    pub async fn more(&mut self) -> bool {
        self.written.changed().await.is_ok()
    }

    /// Begins to read behind this number.
    pub fn read(&mut self, after: Option<u64>, about: Option<String>) -> Cursor {
        self.written.mark_unchanged();
        Cursor { dir: self.dir.clone(), after, about, open: None, done: 0 }
    }
}

impl Cursor {
    /// The next piece, at most up to the end of a file. `last` is the number of the last event there is.
    pub fn next(&mut self, last: u64) -> io::Result<Piece> {
        let mut piece = Piece::default();
        // Listed before it is read: when a later file is there, nothing is added to this one any more.
        let firsts = files(&self.dir)?;
        if self.after.is_some_and(|after| after >= last) || !self.begin(&firsts, &mut piece)? {
            piece.end = true;
            return Ok(piece);
        }
        let Some(open) = &mut self.open else { return Ok(piece) };
        for _ in 0..PIECE {
            let Some(line) = open.line()? else {
                piece.end = firsts.last() <= Some(&open.first);
                if !piece.end {
                    self.done = open.first;
                    self.open = None;
                }
                break;
            };
            // What is no record was damaged; its number is missing.
            let Ok(event) = serde_json::from_slice::<EventRecord>(&line) else { continue };
            if event.seq > last {
                // Not wholly written: it may be cut away again.
                open.put_back(&line)?;
                piece.end = true;
                break;
            }
            if self.after.is_some_and(|after| event.seq <= after) {
                continue;
            }
            self.after = Some(event.seq);
            if self.about.as_ref().is_none_or(|object| event.names(object)) {
                piece.events.push(event);
            }
        }
        Ok(piece)
    }

    /// Opens the file that the next event is in, if none is open; false if there is none.
    fn begin(&mut self, firsts: &[u64], piece: &mut Piece) -> io::Result<bool> {
        if self.open.is_some() {
            return Ok(true);
        }
        let wanted = self.after.map(|after| after.saturating_add(1));
        let mut later = firsts.iter().filter(|first| **first > self.done);
        let fitting = later.clone().rfind(|first| wanted.is_some_and(|wanted| **first <= wanted));
        let Some(first) = fitting.or_else(|| later.next()).copied() else { return Ok(false) };
        match File::open(file_of(&self.dir, first)) {
            Ok(file) => self.open = Some(Open { first, file: BufReader::new(file), at: 0 }),
            // It was too old, meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        }
        if let Some(wanted) = wanted.filter(|wanted| *wanted < first) {
            piece.gone = Some(EventsGone { first: wanted, last: first - 1 });
            self.after = Some(first - 1);
        }
        Ok(true)
    }
}

impl Open {
    /// The next whole line.
    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        self.file.read_until(b'\n', &mut bytes)?;
        if bytes.last() != Some(&b'\n') {
            // The rest is not there yet, or what is there is cut away again.
            self.file.seek(SeekFrom::Start(self.at))?;
            return Ok(None);
        }
        self.at += bytes.len() as u64;
        Ok(Some(bytes))
    }

    /// The line read last is read again.
    fn put_back(&mut self, line: &[u8]) -> io::Result<()> {
        self.at -= line.len() as u64;
        self.file.seek(SeekFrom::Start(self.at)).map(drop)
    }
}
