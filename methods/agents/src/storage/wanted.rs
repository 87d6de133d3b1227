//! What the properties of a resource ask for.

use super::device::Device;
use super::entry::{FileSystem, parse};
use super::mounts::{self, Mount};
use crate::Failed;
use crate::context::Context;
use crate::props::Props;
use std::fs;

/// The file system table where `VfstabFile` names no other.
const FSTAB: &str = "/etc/fstab";

/// A file system, and its device on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is to be mounted where.
    pub file_system: FileSystem,
    /// Where it lies.
    pub device: Device,
}

/// Every file system of the resource, in the order they are mounted.
pub fn read(here: &Context<'_>) -> Result<Vec<Wanted>, Failed> {
    let props = here.props();
    let file_systems = file_systems(&props)?;
    if file_systems.is_empty() && !props.extension("GlobalDevicePaths")?.is_set() {
        return Err(Failed::new("FilesystemMountPoints is empty; name at least one file system"));
    }
    let with_device = |file_system: FileSystem| match Device::find(&file_system) {
        Ok(device) => Ok(Wanted { file_system, device }),
        Err(wrong) => Err(Failed::new(format!("{}: {wrong}", file_system.dir.display()))),
    };
    file_systems.into_iter().map(with_device).collect()
}

fn file_systems(props: &Props<'_>) -> Result<Vec<FileSystem>, Failed> {
    let table = props.extension("VfstabFile")?;
    let table = if table.is_set() { table.text.as_str() } else { FSTAB };
    let fstab = || fs::read_to_string(table).map_err(|error| format!("{table}: {error}"));
    let list = props.extension("FilesystemMountPoints")?;
    parse(&list.list(), fstab).map_err(|wrong| Failed::new(format!("FilesystemMountPoints: {wrong}")))
}

impl Wanted {
    /// Could it be mounted here? Its directory is there, and its device does not carry this machine.
    pub fn fits(&self, all: &[Mount]) -> Result<(), Failed> {
        let dir = &self.file_system.dir;
        let failed = |why: String| Err(Failed::new(format!("{}: {why}", dir.display())));
        match fs::metadata(dir) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return failed("it is no directory".to_owned()),
            Err(error) => return failed(format!("{error}; mkdir it on every node")),
        }
        let root = mounts::at(all, "/".as_ref());
        if let (Device::Block { number, path }, Some(root)) = (&self.device, root)
            && root.device == *number
        {
            return failed(format!("{} is the root file system of this node", path.display()));
        }
        Ok(())
    }

    /// May it be mounted now? Nothing else is at its directory, and its device is mounted nowhere.
    pub fn is_free(&self, all: &[Mount]) -> Result<(), Failed> {
        let dir = &self.file_system.dir;
        if let Some(other) = mounts::at(all, dir) {
            return Err(Failed::new(format!(
                "{} is mounted on {} already, and not by this resource; unmount it there",
                other.source,
                dir.display()
            )));
        }
        if let Some(other) = self.device.mounted(all) {
            return Err(Failed::new(format!(
                "{} is mounted on {} already, and not by this resource; unmount it there",
                self.file_system.device,
                other.dir.display()
            )));
        }
        Ok(())
    }
}
