//! Small disks for machines, that can be filled: file systems in memory.

use super::networks::run;
use anyhow::Result;
use std::path::{Path, PathBuf};

/// Disks; they go when it is dropped.
#[derive(Debug, Default)]
pub struct Disks(Vec<PathBuf>);

impl Disks {
    /// Puts one of that size into a directory.
    pub fn mount(&mut self, dir: &Path, megabytes: u32) -> Result<()> {
        run(&format!("mount -t tmpfs -o size={megabytes}m,mode=755 none {}", dir.display()), &[])?;
        self.0.push(dir.to_owned());
        Ok(())
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for dir in &self.0 {
            // Whoever still has a file there keeps it until it ends.
            let _gone = run(&format!("umount -l {}", dir.display()), &[]);
        }
    }
}
