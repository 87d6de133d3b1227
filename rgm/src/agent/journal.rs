//! What a node must not forget while it is up, whatever happens to its daemon.
//!
//! A file of lines in the run directory, each a checksum, a blank and one JSON object:
//!
//! ```text
//! 3f0c…  {"begin":{"version":1,"boot":"97937c5a-…","node":"phys-1"}}
//! 91ab…  {"records":[["dns-rs",{"phase":"offline","flight":{"token":7,…},…}]]}
//! 0e77…  {"ended":[7,{"ending":{"exited":0},…}]}
//! ```
//!
//! * One line is one `write(2)`: the records of a step are there together or not at all.
//! * A method's start needs no line of its own: the record of its resource says which method is
//!   under way, and is written before the method is started. A method that is not in a record
//!   (VALIDATE, MONITOR_CHECK) changes nothing, so nobody asks for it after a crash.
//! * A result is kept until the record of its resource names its method no longer: only then has the
//!   core drawn its conclusions from it, and they lie in that very record.
//! * No fsync: the journal is for a killed daemon. A journal of another boot is of no use, for
//!   nothing it tells of runs any more; so it is dropped.
//! * The file appears when the node has joined, or has something to remember. Until then it is fresh.
//! * A torn last line is a write the kill cut off: nothing after it was done, so it is dropped. Any
//!   other line that does not agree with its checksum is skipped, and told.
//! * What is forgotten by later lines is weeded out by writing the file anew under another name.

use rgm_core::cell::Cell;
use rgm_core::event::{MethodResult, Token};
use rgm_types::{NodeName, ResourceName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Format of the file.
const VERSION: u32 = 1;
/// Written anew when it has grown to this, and to four times what is worth keeping.
const COMPACT_LEN_MIN: u64 = 1 << 20;
/// See [`COMPACT_LEN_MIN`].
const COMPACT_FACTOR: u64 = 4;
/// Digits of a checksum.
const SUM_LEN: usize = 16;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Line {
    Begin { version: u32, boot: String, node: NodeName },
    Records(Vec<(ResourceName, Option<Cell>)>),
    Ended(Token, MethodResult),
}

/// See the module.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    boot: String,
    node: NodeName,
    /// `None`: nothing was worth remembering yet, or the last write failed; the next one starts anew.
    file: Option<File>,
    len: u64,
    compact_at: u64,
    kept: Kept,
}

/// What the lines come to.
#[derive(Debug, Default, PartialEq)]
struct Kept {
    cells: BTreeMap<ResourceName, Cell>,
    results: BTreeMap<Token, MethodResult>,
    /// Methods that records name as under way.
    flights: BTreeSet<Token>,
}

/// What was found of a former life.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing of this boot.
    Nothing,
    /// A journal; these lines of it (counted from 1) are damaged.
    Life {
        /// Lines that were skipped.
        damaged: Vec<usize>,
    },
}

impl Journal {
    /// Reads what a former life has left in `path`, if it was on this boot.
    pub fn open(path: &Path, boot: &str, node: &NodeName) -> io::Result<(Self, Found)> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let (kept, found) = read(&text, boot, node)?;
        let (path, boot, node) = (path.to_owned(), boot.to_owned(), node.clone());
        let mut journal = Self { path, boot, node, file: None, len: 0, compact_at: 0, kept };
        if found == Found::Nothing {
            journal.remove()?;
        } else {
            // What is torn or damaged goes, so that what is appended stands on lines of its own.
            // Where that fails, the next note tries again, and until then nothing new is started.
            let _later = journal.rewrite();
        }
        Ok((journal, found))
    }

    /// The last record of each resource.
    pub fn cells(&self) -> &BTreeMap<ResourceName, Cell> {
        &self.kept.cells
    }

    /// The result of a method that a record still names as under way.
    pub fn result(&self, token: Token) -> Option<&MethodResult> {
        self.kept.results.get(&token)
    }

    /// Notes records of one step.
    ///
    /// On an error they are in force and will be written with whatever comes next, but a crash before
    /// that would forget them.
    pub fn records(&mut self, records: Vec<(ResourceName, Option<Cell>)>) -> io::Result<()> {
        self.note(Line::Records(records))
    }

    /// Notes how a method ended, if a record names it. For errors see [`Self::records`].
    pub fn ended(&mut self, token: Token, result: &MethodResult) -> io::Result<()> {
        if !self.kept.flights.contains(&token) {
            return Ok(());
        }
        self.note(Line::Ended(token, result.clone()))
    }

    /// The node has joined: from now on it is not fresh, even if there is nothing else to remember.
    pub fn begin(&mut self) -> io::Result<()> {
        if self.file.is_some() { Ok(()) } else { self.rewrite() }
    }

    /// Everything noted is in the file.
    pub fn is_written(&self) -> bool {
        self.file.is_some() || self.kept == Kept::default()
    }

    /// Forgets everything: nothing of it is true any more.
    pub fn remove(&mut self) -> io::Result<()> {
        self.kept = Kept::default();
        self.file = None;
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    fn note(&mut self, line: Line) -> io::Result<()> {
        let bytes = encode(&line);
        self.kept.apply(line);
        match self.file.as_mut() {
            Some(file) if self.len < self.compact_at => {
                if let Err(error) = write_whole(file, &bytes) {
                    self.file = None;
                    return Err(error);
                }
                self.len += bytes.len() as u64;
                Ok(())
            }
            Some(_) | None => self.rewrite(),
        }
    }

    fn rewrite(&mut self) -> io::Result<()> {
        self.file = None;
        let begin = Line::Begin { version: VERSION, boot: self.boot.clone(), node: self.node.clone() };
        let mut bytes = encode(&begin);
        let cells = self.kept.cells.iter().map(|(name, cell)| (name.clone(), Some(cell.clone())));
        bytes.extend(encode(&Line::Records(cells.collect())));
        for (token, result) in &self.kept.results {
            bytes.extend(encode(&Line::Ended(*token, result.clone())));
        }
        let new = self.path.with_extension("new");
        let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&new)?;
        write_whole(&mut file, &bytes)?;
        fs::rename(&new, &self.path)?;
        self.file = Some(file);
        self.len = bytes.len() as u64;
        self.compact_at = COMPACT_LEN_MIN.max(self.len.saturating_mul(COMPACT_FACTOR));
        Ok(())
    }
}

impl Kept {
    fn apply(&mut self, line: Line) {
        match line {
            Line::Begin { .. } => {}
            Line::Records(records) => {
                for (resource, cell) in records {
                    self.record(resource, cell);
                }
            }
            Line::Ended(token, result) => {
                if self.flights.contains(&token) {
                    self.results.insert(token, result);
                }
            }
        }
    }

    fn record(&mut self, resource: ResourceName, cell: Option<Cell>) {
        let flight = |cell: &Cell| cell.flight.as_ref().map(|f| f.token);
        let now = cell.as_ref().and_then(flight);
        let before = match cell {
            Some(cell) => self.cells.insert(resource, cell),
            None => self.cells.remove(&resource),
        };
        if let Some(token) = before.as_ref().and_then(flight).filter(|token| Some(*token) != now) {
            self.flights.remove(&token);
            self.results.remove(&token);
        }
        self.flights.extend(now);
    }
}

fn read(text: &[u8], boot: &str, node: &NodeName) -> io::Result<(Kept, Found)> {
    let mut kept = Kept::default();
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').enumerate();
    let begin = lines.next().map(|(_, line)| decode(line)).transpose()?.flatten();
    match begin {
        Some(Line::Begin { version, boot: then, node: whose }) if then == boot && whose == *node => {
            if version != VERSION {
                return Err(foreign(&format!("it is of format {version}, this version knows {VERSION}")));
            }
        }
        Some(_) | None => return Ok((kept, Found::Nothing)),
    }
    let mut damaged = Vec::new();
    for (index, text) in lines {
        match decode(text)? {
            Some(line) => kept.apply(line),
            None if text.ends_with(b"\n") => damaged.push(index + 1),
            // The last one, torn.
            None => {}
        }
    }
    Ok((kept, Found::Life { damaged }))
}

/// Written whole, by another version of this program. To skip it would be to forget what runs.
fn foreign(what: &str) -> io::Error {
    let help = "start the version that wrote it, or reboot the node";
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}; {help}"))
}

#[expect(clippy::expect_used, reason = "records have text as keys; a property test writes all kinds")]
fn encode(line: &Line) -> Vec<u8> {
    let json = serde_json::to_vec(line).expect("a line is JSON");
    let mut bytes = format!("{:016x} ", methods::cgroup::hash(&json)).into_bytes();
    bytes.extend(json);
    bytes.push(b'\n');
    bytes
}

/// `None`: torn or damaged. An error: whole, and not understood.
fn decode(line: &[u8]) -> io::Result<Option<Line>> {
    let Some(json) = agreeing(line) else { return Ok(None) };
    serde_json::from_slice(json).map(Some).map_err(|error| foreign(&format!("it is not understood: {error}")))
}

/// The JSON of a line that agrees with its checksum.
fn agreeing(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_suffix(b"\n")?;
    let (sum, json) = (line.get(..SUM_LEN)?, line.get(SUM_LEN + 1..)?);
    let sum = u64::from_str_radix(std::str::from_utf8(sum).ok()?, 16).ok()?;
    (sum == methods::cgroup::hash(json)).then_some(json)
}

/// All of it in one `write(2)`: a rest would have to be written by a second one.
fn write_whole(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    match file.write(bytes)? {
        len if len == bytes.len() => Ok(()),
        _ => Err(io::ErrorKind::StorageFull.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rgm_core::cell::{Flight, Phase};
    use rgm_core::event::Ending;
    use rgm_types::{Method, Millis};

    fn node() -> NodeName {
        NodeName::new("phys-1").unwrap()
    }

    fn open(path: &Path) -> (Journal, Found) {
        Journal::open(path, "boot-1", &node()).unwrap()
    }

    fn cell(phase: Phase, token: Option<u64>) -> Cell {
        let flight = token.map(|token| Flight {
            token: Token(token),
            method: Method::Start,
            since: Millis(1),
            deadline: Millis(2),
            changed: Default::default(),
        });
        Cell { phase, flight, ..Cell::default() }
    }

    fn resource(number: u8) -> ResourceName {
        ResourceName::new(&format!("r{number}")).unwrap()
    }

    fn result(text: &str) -> MethodResult {
        MethodResult { ending: Ending::Exited(0), used: Millis(5), output: vec![text.to_owned()] }
    }

    #[test]
    fn a_journal_tells_the_next_life_what_the_last_one_noted() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, found) = open(&path);
        assert_eq!(found, Found::Nothing);
        journal.records(vec![(resource(1), Some(cell(Phase::Offline, Some(7))))]).unwrap();
        journal.ended(Token(7), &result("done")).unwrap();
        let (journal, found) = open(&path);
        assert_eq!(found, Found::Life { damaged: vec![] });
        assert_eq!(journal.cells().get(&resource(1)), Some(&cell(Phase::Offline, Some(7))));
        assert_eq!(journal.result(Token(7)), Some(&result("done")));
    }

    #[test]
    fn nothing_worth_remembering_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = open(&path);
        journal.ended(Token(1), &result("VALIDATE")).unwrap();
        assert!(!path.exists() && journal.is_written());
    }

    #[test]
    fn a_result_is_kept_exactly_until_a_record_no_longer_names_its_method() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, _) = open(&dir.path().join("journal"));
        journal.records(vec![(resource(1), Some(cell(Phase::Offline, Some(7))))]).unwrap();
        journal.ended(Token(7), &result("done")).unwrap();
        journal.records(vec![(resource(2), Some(cell(Phase::Started, None)))]).unwrap();
        assert!(journal.result(Token(7)).is_some());
        journal.records(vec![(resource(1), Some(cell(Phase::Started, None)))]).unwrap();
        assert!(journal.result(Token(7)).is_none());
    }

    #[test]
    fn a_journal_of_another_boot_or_node_is_dropped() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        for (boot, name) in [("boot-2", node()), ("boot-1", NodeName::new("phys-2").unwrap())] {
            open(&path).0.records(vec![(resource(1), Some(cell(Phase::Started, None)))]).unwrap();
            let (journal, found) = Journal::open(&path, boot, &name).unwrap();
            assert_eq!((found, journal.cells().len()), (Found::Nothing, 0));
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_damaged_line_is_told_and_costs_only_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = open(&path);
        for number in 1..=3 {
            journal.records(vec![(resource(number), Some(cell(Phase::Started, None)))]).unwrap();
        }
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, text.replacen("\"r2\"", "\"r9\"", 1)).unwrap();
        let (journal, found) = open(&path);
        assert_eq!(found, Found::Life { damaged: vec![3] });
        assert_eq!(journal.cells().keys().cloned().collect::<Vec<_>>(), [resource(1), resource(3)]);
    }

    #[test]
    fn a_grown_journal_is_weeded_and_says_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, _) = open(&path);
        let long = Cell { status_msg: "x".repeat(100_000), ..cell(Phase::Started, None) };
        for _ in 0..40 {
            journal.records(vec![(resource(1), Some(long.clone()))]).unwrap();
        }
        assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
        assert_eq!(open(&path).0.cells().get(&resource(1)), Some(&long));
    }

    #[test]
    fn a_write_that_failed_is_made_good_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("run");
        let path = place.join("journal");
        let (mut journal, _) = open(&path);
        assert!(journal.records(vec![(resource(1), Some(cell(Phase::Started, None)))]).is_err());
        assert!(!journal.is_written());
        fs::create_dir(&place).unwrap();
        journal.records(vec![(resource(2), Some(cell(Phase::Offline, Some(3))))]).unwrap();
        assert_eq!(open(&path).0.cells().len(), 2);
    }

    /// What may happen to a journal.
    #[derive(Debug, Clone)]
    enum Step {
        Records(Vec<(u8, Option<u64>)>),
        Ended(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let record = (0u8..4, proptest::option::of(0u64..8));
        let step = prop_oneof![
            proptest::collection::vec(record, 1..4).prop_map(Step::Records),
            (0u64..32).prop_map(Step::Ended),
        ];
        proptest::collection::vec(step, 1..20)
    }

    fn perform(journal: &mut Journal, step: &Step) {
        match step {
            Step::Records(records) => {
                // No token is ever that of two resources.
                let record = |(number, token): &(u8, Option<u64>)| {
                    let flight = token.map(|token| token * 4 + u64::from(*number));
                    (resource(*number), (*token != Some(0)).then(|| cell(Phase::Offline, flight)))
                };
                journal.records(records.iter().map(record).collect()).unwrap();
            }
            Step::Ended(token) => journal.ended(Token(*token), &result("line")).unwrap(),
        }
    }

    proptest! {
        /// A kill may cut the last write anywhere: what was whole before it counts, and no more.
        #[test]
        fn whatever_is_cut_off_the_end_the_steps_before_it_are_remembered(
            steps in steps(), cut in 1usize..200,
        ) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("journal");
            let (mut journal, _) = open(&path);
            let mut ends = vec![];
            for step in &steps {
                perform(&mut journal, step);
                let kept = Kept { cells: journal.kept.cells.clone(), results: journal.kept.results.clone(), flights: journal.kept.flights.clone() };
                ends.push((fs::metadata(&path).map_or(0, |m| m.len()), kept));
            }
            let text = fs::read(&path).unwrap_or_default();
            let left = text.len().saturating_sub(cut);
            fs::write(&path, &text[..left]).unwrap();
            let (again, found) = open(&path);
            if found != Found::Nothing {
                let expected = ends.iter().rfind(|(end, _)| *end <= left as u64).map(|(_, kept)| kept);
                let nothing = Kept::default();
                prop_assert_eq!(&again.kept, expected.unwrap_or(&nothing));
                prop_assert_eq!(found, Found::Life { damaged: vec![] });
            }
        }
    }
}
