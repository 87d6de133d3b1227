//! What the methods of a resource have done on this node, so that only that is ever undone.
//!
//! A file of the run directory: it is gone after a boot, as is what it tells of. Whatever is to be
//! done is written down before it is done, so after a kill at any moment the record may tell of
//! something that is not there, and never lacks something that is.

use crate::Failed;
use crate::call::Call;
use rgm_api::Paths;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The record of one resource on one node.
#[derive(Debug, Clone)]
pub struct Record {
    file: PathBuf,
}

impl Record {
    /// `RUN/NODE/RESOURCE.KIND`.
    pub fn new(paths: &Paths, call: &Call, kind: &str) -> Self {
        Self { file: paths.run_dir().join(format!("{}.{kind}", call.resource)) }
    }

    /// What is written there; nothing where there is no such file.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Vec<T>, Failed> {
        let bytes = match fs::read(&self.file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(self.failed("read", error)),
        };
        serde_json::from_slice(&bytes).map_err(|error| self.failed("understand", error))
    }

    /// Writes this instead. Nothing: there is no file any more.
    pub fn save<T: Serialize>(&self, entries: &[T]) -> Result<(), Failed> {
        let saved = if entries.is_empty() { self.remove() } else { self.write(entries) };
        saved.map_err(|error| self.failed("write", error))
    }

    fn remove(&self) -> io::Result<()> {
        match fs::remove_file(&self.file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn write<T: Serialize>(&self, entries: &[T]) -> io::Result<()> {
        let mut name = self.file.clone().into_os_string();
        name.push(".new");
        fs::write(&name, serde_json::to_vec(entries).map_err(io::Error::other)?)?;
        fs::rename(&name, &self.file)
    }

    fn failed(&self, what: &str, error: impl std::fmt::Display) -> Failed {
        Failed::new(format!("cannot {what} {}: {error}", self.file.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded_and_nothing_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record { file: dir.path().join("r.things") };
        assert_eq!(record.load::<u32>().unwrap(), [0; 0]);
        record.save(&[1_u32, 2]).unwrap();
        assert_eq!(record.load::<u32>().unwrap(), [1, 2]);
        record.save::<u32>(&[]).unwrap();
        record.save::<u32>(&[]).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_record_that_makes_no_sense_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let record = Record { file: dir.path().join("r.things") };
        fs::write(&record.file, "[1,").unwrap();
        assert!(record.load::<u32>().unwrap_err().0.contains("r.things"));
    }
}
