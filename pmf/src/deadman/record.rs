//! What a pmfd that was killed must know of its deadman: one page in the run directory.
//!
//! The page is written in place, always the same 4096 bytes that were written when the file was made.
//! So a full file system can't refuse it, and since the kernel copies one page without looking for
//! signals, a pmfd killed at any moment leaves the old page or the new one.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rgm_api::pmf::{Failfast, Fired, Text};
use serde::{Deserialize, Serialize};

use crate::journal::current_boot_id;

/// What is written down.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page {
    boot_id: String,
    /// The deadline; none: not armed.
    pub deadline_ms: Option<u64>,
    /// When it was set.
    pub renewed_ms: u64,
    /// What follows the kill.
    pub failfast: Failfast,
    /// Cgroups of the caller.
    pub cgroups: Vec<Text>,
    /// The cgroup above those of all tags; none: there are no cgroups.
    pub own: Option<Text>,
    /// The last firing.
    pub fired: Option<Fired>,
}

impl Page {
    /// Of a deadman that was never armed.
    pub fn blank() -> Self {
        Self {
            boot_id: current_boot_id(),
            deadline_ms: None,
            renewed_ms: 0,
            failfast: Failfast::Kill,
            cgroups: Vec::new(),
            own: None,
            fired: None,
        }
    }
}

/// The file.
#[derive(Debug)]
pub struct Record {
    path: PathBuf,
    file: Option<File>,
}

const PAGE_BYTES: usize = 4096;

impl Record {
    /// In this directory. The file is made now, while there may be room for it.
    pub fn new(run_dir: &Path) -> Self {
        let path = run_dir.join("pmfd.deadman");
        let file = open(&path).ok();
        Self { path, file }
    }

    /// What is written there; none if nothing is, or of another boot. An error if it makes no sense.
    pub fn read(&self) -> io::Result<Option<Page>> {
        let Some(file) = &self.file else { return Ok(None) };
        let mut page = vec![0; PAGE_BYTES];
        let len = file.read_at(&mut page, 0)?;
        let text = page.get(..len).unwrap_or_default();
        let text = text.split(|byte| matches!(byte, b'\n' | 0)).next().unwrap_or_default();
        if text.is_empty() {
            return Ok(None);
        }
        let page: Page = serde_json::from_slice(text).map_err(io::Error::other)?;
        Ok((page.boot_id == current_boot_id()).then_some(page))
    }

    /// Writes this instead.
    pub fn write(&mut self, page: &Page) -> io::Result<()> {
        let mut text = to_text(page)?;
        if text.len() >= PAGE_BYTES
            && let Some(fired) = &page.fired
        {
            let fired = Fired { stuck: Vec::new(), failures: Vec::new(), ..fired.clone() };
            text = to_text(&Page { fired: Some(fired), ..page.clone() })?;
        }
        if text.len() >= PAGE_BYTES {
            return Err(io::Error::other("too many cgroups; name one above them"));
        }
        text.resize(PAGE_BYTES, b'\n');
        if self.file.is_none() {
            self.file = Some(open(&self.path)?);
        }
        self.file.as_ref().map_or(Ok(()), |file| file.write_all_at(&text, 0))
    }

    /// Removes the file: there is nothing to know.
    pub fn remove(&mut self) {
        self.file = None;
        // What stays says the same.
        let _left = fs::remove_file(&self.path);
    }
}

fn to_text(page: &Page) -> io::Result<Vec<u8>> {
    serde_json::to_vec(page).map_err(io::Error::other)
}

/// Opens it, and takes the room it will ever need.
fn open(path: &Path) -> io::Result<File> {
    let file =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    let len = file.metadata()?.len();
    let missing = PAGE_BYTES.saturating_sub(usize::try_from(len).unwrap_or(PAGE_BYTES));
    file.write_all_at(&vec![0; missing], len)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_read_as_it_was_written_and_an_older_longer_one_leaves_no_trace() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::new(dir.path());
        assert_eq!(record.read().unwrap(), None);
        let mut page = Page::blank();
        page.cgroups = vec!["/sys/fs/cgroup/a".into(); 20];
        record.write(&page).unwrap();
        page.cgroups.clear();
        page.deadline_ms = Some(7);
        record.write(&page).unwrap();
        assert_eq!(Record::new(dir.path()).read().unwrap(), Some(page));
    }

    #[test]
    fn a_page_of_another_boot_is_nothing_and_one_that_makes_no_sense_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::new(dir.path());
        record.write(&Page { boot_id: "another".into(), ..Page::blank() }).unwrap();
        assert_eq!(record.read().unwrap(), None);
        fs::write(dir.path().join("pmfd.deadman"), "{\"deadline_ms\":").unwrap();
        assert!(Record::new(dir.path()).read().is_err());
    }

    #[test]
    fn what_was_stuck_gives_way_to_the_rest_and_too_many_cgroups_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let mut record = Record::new(dir.path());
        let mut page = Page::blank();
        page.fired = Some(Fired {
            deadline_boot_ms: 1,
            fired_boot_ms: 2,
            killed_boot_ms: 2,
            empty_boot_ms: None,
            acknowledged: false,
            addresses: 0,
            stuck: vec!["x".repeat(PAGE_BYTES)],
            failures: Vec::new(),
        });
        record.write(&page).unwrap();
        let fired = record.read().unwrap().unwrap().fired.unwrap();
        assert_eq!((fired.fired_boot_ms, fired.stuck.len()), (2, 0));
        page.cgroups = vec!["x".repeat(PAGE_BYTES).as_str().into()];
        assert!(record.write(&page).is_err());
        assert_eq!(record.read().unwrap().unwrap().fired.unwrap().fired_boot_ms, 2);
    }
}
