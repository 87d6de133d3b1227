//! What the application of the data service wrote about itself.

use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::path::{Path, PathBuf};

/// One line of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// It came up (`up`), ended by itself (`down`), or found another one at work (`overlap`).
    pub what: String,
    /// Node it was started on.
    pub node: String,
    /// Its process.
    pub pid: u32,
}

/// The file one resource's applications append to.
#[derive(Debug, Clone)]
pub struct Witness {
    file: PathBuf,
}

impl Witness {
    /// Of this resource, in this directory.
    pub fn new(dir: &Path, resource: &str) -> Self {
        Self { file: dir.join(format!("{resource}.witness")) }
    }

    /// All it has seen, oldest first.
    pub fn sights(&self) -> Result<Vec<Sight>> {
        let text = fs::read_to_string(&self.file).unwrap_or_default();
        text.lines()
            .map(|line| parse(line).with_context(|| format!("{}: {line}", self.file.display())))
            .collect()
    }

    /// An error if two applications of the resource ever ran at the same time.
    pub fn one_at_a_time(&self) -> Result<()> {
        let overlaps: Vec<Sight> =
            self.sights()?.into_iter().filter(|sight| sight.what == "overlap").collect();
        ensure!(overlaps.is_empty(), "it ran twice at once: {overlaps:?}");
        Ok(())
    }

    /// Node and process of the one that came up last.
    pub fn last_up(&self) -> Result<Option<(String, u32)>> {
        let up = self.sights()?.into_iter().rfind(|sight| sight.what == "up");
        Ok(up.map(|sight| (sight.node, sight.pid)))
    }

    /// How often it came up on a node.
    pub fn starts(&self, node: &str) -> Result<usize> {
        Ok(self.sights()?.iter().filter(|sight| sight.what == "up" && sight.node == node).count())
    }
}

fn parse(line: &str) -> Result<Sight> {
    let words: Vec<&str> = line.split(' ').collect();
    let [what, node, pid] = words[..] else { bail!("not a line of a witness") };
    Ok(Sight { what: what.to_owned(), node: node.to_owned(), pid: pid.parse()? })
}
