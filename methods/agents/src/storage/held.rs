//! Mounting and unmounting: only what is on the record of the resource.

use super::device::Device;
use super::ending;
use super::holders::{self, Holder};
use super::mounts::{self, Mount};
use super::tools;
use super::wanted::Wanted;
use crate::Failed;
use crate::log::Log;
use crate::record::Record;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Rounds of ending holders: somebody may come while others are ended.
const ROUNDS_MAX: u32 = 5;
/// Holders named in one line.
const NAMED_MAX: usize = 5;
/// fsck(8): no errors, and errors corrected.
const CHECKED: [Option<i32>; 2] = [Some(0), Some(1)];

/// A file system that this resource has mounted, or was about to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Where.
    pub dir: String,
    /// `MAJOR:MINOR` of what is mounted there, once it is.
    pub number: Option<String>,
    /// It can be written to.
    pub writable: bool,
    /// The file of its block device.
    pub device: Option<String>,
}

/// What is done with processes that keep a file system busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Policy {
    /// They are named, and left alone.
    Name,
    /// They are asked to end, and killed if they have not after so long.
    Kill(Duration),
}

/// Checks and mounts each file system that is not mounted yet; all, or it fails.
pub fn mount_all(wanted: &[Wanted], check: &[String], record: &Record, log: &Log) -> Result<(), Failed> {
    for one in wanted {
        let all = read()?;
        one.fits(&all)?;
        let mut held: Vec<Held> = record.load()?;
        let dir = one.file_system.dir.display().to_string();
        if held.iter().any(|held| held.dir == dir && held.mount(&all).is_some()) {
            continue;
        }
        one.is_free(&all)?;
        fsck(one, check, log)?;
        held.retain(|held| held.dir != dir);
        let device = match &one.device {
            Device::Block { path, .. } => Some(path.display().to_string()),
            Device::File(_) | Device::None => None,
        };
        held.push(Held { dir, number: None, writable: true, device });
        record.save(&held)?;
        let mounted = mount(one)?;
        log.notice(&format!("{} is mounted on {}", mounted.source, mounted.dir.display()));
        if let Some(last) = held.last_mut() {
            last.number = Some(mounted.device);
            last.writable = !mounted.read_only;
        }
        record.save(&held)?;
    }
    Ok(())
}

/// Unmounts what is on the record, the last first. `tell` hears why one can't be unmounted yet.
pub fn unmount_all(
    record: &Record,
    policy: Policy,
    log: &Log,
    tell: &mut dyn FnMut(&str),
) -> Result<(), Failed> {
    let mut held: Vec<Held> = record.load()?;
    while let Some(last) = held.last() {
        if let Some(mount) = last.mount(&read()?) {
            unmount(mount, policy, log, tell)?;
            log.notice(&format!("{} is unmounted", last.dir));
        }
        held.pop();
        record.save(&held)?;
    }
    Ok(())
}

impl Held {
    /// The mount, if it is there and is the one that was made.
    pub fn mount<'a>(&self, all: &'a [Mount]) -> Option<&'a Mount> {
        let mount = mounts::at(all, self.dir.as_ref())?;
        self.number.as_ref().is_none_or(|number| *number == mount.device).then_some(mount)
    }
}

fn read() -> Result<Vec<Mount>, Failed> {
    mounts::read().map_err(|error| Failed::new(format!("cannot read what is mounted: {error}")))
}

/// Checks the file system on a device before it is mounted: with the command given, or fsck -p.
fn fsck(wanted: &Wanted, check: &[String], log: &Log) -> Result<(), Failed> {
    let Some(path) = wanted.device.path() else { return Ok(()) };
    let kind = &wanted.file_system.kind;
    let device = path.display().to_string();
    let (program, mut args) = match check.split_first() {
        Some((program, args)) => (program.as_str(), args.to_vec()),
        None if kind == "auto" => ("fsck", vec!["-T".to_owned(), "-p".to_owned()]),
        None => ("fsck", ["-T", "-p", "-t", kind].map(str::to_owned).to_vec()),
    };
    args.push(device.clone());
    let ended = tools::run(program, &args).map_err(Failed::new)?;
    if !CHECKED.contains(&ended.code) {
        let code = ended.code.map_or_else(|| "a signal".to_owned(), |code| format!("code {code}"));
        return Err(Failed::new(format!(
            "{program} of {device} ended with {code}: {}; repair the file system by hand",
            ended.said
        )));
    }
    if ended.code == Some(1) {
        log.warning(&format!("{program} has repaired {device}: {}", ended.said));
    }
    Ok(())
}

fn mount(wanted: &Wanted) -> Result<Mount, Failed> {
    let file_system = &wanted.file_system;
    let dir = file_system.dir.display().to_string();
    let args = ["-t", &file_system.kind, "-o", &file_system.options, &file_system.device, &dir];
    tools::output("mount", &args).map_err(|said| Failed::new(format!("mount {dir}: {said}")))?;
    let all = read()?;
    let mounted = mounts::at(&all, &file_system.dir).cloned();
    mounted.ok_or_else(|| Failed::new(format!("mount {dir} said nothing, and nothing is mounted there")))
}

fn unmount(mount: &Mount, policy: Policy, log: &Log, tell: &mut dyn FnMut(&str)) -> Result<(), Failed> {
    let dir = mount.dir.display().to_string();
    let mut said = String::new();
    for _ in 0..ROUNDS_MAX {
        match tools::output("umount", &[&dir]) {
            Ok(_) => return is_nowhere_else(mount),
            Err(why) => said = why,
        }
        if read()?.iter().all(|other| other.id != mount.id) {
            // Somebody else was faster.
            return is_nowhere_else(mount);
        }
        let busy = holders::find(mount);
        let (protected, mortal): (Vec<Holder>, Vec<Holder>) =
            busy.into_iter().partition(|holder| holder.protection.is_some());
        let named = describe(&mortal, &protected);
        log.warning(&format!("{dir} is busy: {named}"));
        tell(&format!("{dir} is busy: {named}"));
        match policy {
            Policy::Kill(patience) if !mortal.is_empty() => {
                ending::end(&mortal, mount, patience)
                    .map_err(|error| Failed::new(format!("cannot end who holds {dir}: {error}")))?;
            }
            Policy::Kill(_) | Policy::Name => {
                return Err(Failed::new(format!(
                    "{dir} can't be unmounted ({said}): {}",
                    reason(mount, &named)?
                )));
            }
        }
    }
    Err(Failed::new(format!(
        "{dir} can't be unmounted ({said}), though who held it was ended {ROUNDS_MAX} times"
    )))
}

/// Where no process holds it, what else may.
fn reason(mount: &Mount, named: &str) -> Result<String, Failed> {
    let below: Vec<String> = read()?
        .iter()
        .filter(|one| one.parent == mount.id)
        .map(|one| one.dir.display().to_string())
        .collect();
    Ok(match (below.is_empty(), named.is_empty()) {
        (false, _) => format!("mounted below it: {}; unmount that first", below.join(" ")),
        (true, false) => named.to_owned(),
        (true, true) => "no process holds it; look for swap files, loop devices and exports on it".to_owned(),
    })
}

fn describe(mortal: &[Holder], protected: &[Holder]) -> String {
    let mortal = mortal.iter().map(Holder::to_string);
    let protected = protected
        .iter()
        .map(|holder| format!("{holder}, not to be killed: {}", holder.protection.unwrap_or_default()));
    let mut all: Vec<String> = protected.chain(mortal).collect();
    let more = all.len().saturating_sub(NAMED_MAX);
    all.truncate(NAMED_MAX);
    if more > 0 {
        all.push(format!("and {more} more"));
    }
    all.join("; ")
}

/// A file system that this machine still has mounted somewhere is still written to: another node must
/// not mount it.
fn is_nowhere_else(mount: &Mount) -> Result<(), Failed> {
    let here = read()?.into_iter().find(|other| other.device == mount.device).map(|other| other.dir);
    if let Some(dir) = here {
        return Err(still_mounted(&mount.dir, &format!("on {}", dir.display())));
    }
    match mounts::elsewhere(&mount.device).first_key_value() {
        Some((pid, dir)) => {
            let place = format!("on {} in the mount namespace of process {pid}", dir.display());
            Err(still_mounted(&mount.dir, &place))
        }
        None => Ok(()),
    }
}

fn still_mounted(dir: &Path, place: &str) -> Failed {
    Failed::new(format!(
        "{} is unmounted, but the file system is still mounted {place}; unmount it there before another node mounts it",
        dir.display()
    ))
}
