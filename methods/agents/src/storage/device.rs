//! The device of a file system.

use super::entry::FileSystem;
use super::mounts::Mount;
use super::tools;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

/// Where a file system lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Device {
    /// On a block device of this number.
    Block {
        /// Its file.
        path: PathBuf,
        /// `MAJOR:MINOR`.
        number: String,
    },
    /// In a file, by a loop device that mount(8) makes.
    File(PathBuf),
    /// Nowhere on this machine's disks: in memory, on another machine, on other file systems.
    None,
}

impl Device {
    /// Of this file system. The error is a sentence.
    pub fn find(file_system: &FileSystem) -> Result<Self, String> {
        let FileSystem { device, kind, options, .. } = file_system;
        if needs_no_device(kind) {
            return Ok(Self::None);
        }
        let path = if Path::new(device).is_absolute() {
            PathBuf::from(device)
        } else if device.contains('=') {
            PathBuf::from(
                tools::output("findfs", &[device])
                    .map_err(|said| format!("no device on this node is {device}: {said}"))?,
            )
        } else {
            return Err(format!("{device} is no path, and no LABEL= or UUID= of a device"));
        };
        let found = fs::metadata(&path).map_err(|error| format!("device {}: {error}", path.display()))?;
        if found.file_type().is_block_device() {
            let (major, minor) = (rustix::fs::major(found.rdev()), rustix::fs::minor(found.rdev()));
            return Ok(Self::Block { path, number: format!("{major}:{minor}") });
        }
        let in_file = options.split(',').any(|option| option == "loop" || option.starts_with("loop="));
        if found.is_file() && in_file {
            return Ok(Self::File(path));
        }
        Err(format!("{} is no block device", path.display()))
    }

    /// Its file, where it has one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Block { path, .. } | Self::File(path) => Some(path),
            Self::None => None,
        }
    }

    /// Where it is mounted now.
    pub fn mounted<'a>(&self, mounts: &'a [Mount]) -> Option<&'a Mount> {
        mounts.iter().find(|mount| match self {
            Self::Block { path, number } => mount.device == *number || Path::new(&mount.source) == path,
            Self::File(path) => backing_file(&mount.source).is_some_and(|file| file == *path),
            Self::None => false,
        })
    }
}

/// The file behind a loop device.
fn backing_file(source: &str) -> Option<PathBuf> {
    let name = Path::new(source).file_name()?.to_str()?.strip_prefix("loop")?;
    let file = fs::read_to_string(format!("/sys/block/loop{name}/loop/backing_file")).ok()?;
    Some(file.trim_end().into())
}

/// The kernel marks types that need none with `nodev`.
fn needs_no_device(kind: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let mut nodev = known.lines().filter_map(|line| line.strip_prefix("nodev\t"));
    nodev.any(|name| name == kind) || ["nfs", "nfs4", "cifs", "smb3", "ceph", "9p"].contains(&kind)
}
