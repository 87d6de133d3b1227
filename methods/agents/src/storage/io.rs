//! Reads and writes of the fault monitor.
//!
//! Each runs in a process of its own: where a disk does not answer it hangs in the kernel, and not even
//! SIGKILL ends it. The monitor waits only as long as it may, and leaves the process behind.

use crate::call::Call;
use crate::{Failed, Outcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The name under which this program reads or writes once.
pub const PROBE: &str = "hastorageplus_io";
/// What direct reads and writes must be aligned to, on every device we know.
const BLOCK: usize = 4096;
/// Begins the name of the file that is written.
const FILE: &str = ".rgm-io-";

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trial {
    /// The file system.
    pub dir: String,
    /// Its block device.
    pub device: Option<String>,
    /// A file is written, too.
    pub write: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It worked.
    Well,
    /// It did not, for this reason.
    Failed(String),
    /// It does not end.
    Hangs,
}

/// A process that reads or writes.
#[derive(Debug)]
pub struct Prober {
    trial: Trial,
    hung: Option<Child>,
}

#[repr(align(4096))]
struct Aligned([u8; BLOCK]);

impl Prober {
    /// For this file system.
    pub fn new(trial: Trial) -> Self {
        Self { trial, hung: None }
    }

    /// Whether a file is written, too.
    pub fn set_write(&mut self, write: bool) {
        self.trial.write = write;
    }

    /// Tries it, for no longer than this. While an earlier trial hangs there is no other.
    pub fn run(&mut self, call: &Call, limit: Duration) -> io::Result<Tried> {
        if let Some(mut hung) = self.hung.take() {
            if !ends_within(&hung, limit)? {
                self.hung = Some(hung);
                return Ok(Tried::Hangs);
            }
            hung.wait()?;
        }
        let mut child = self.start(call)?;
        if !ends_within(&child, limit)? {
            child.kill()?;
            // An ordinary process is gone at once; one that hangs in the kernel stays.
            if !ends_within(&child, KILLED_WITHIN)? {
                self.hung = Some(child);
            } else {
                child.wait()?;
            }
            return Ok(Tried::Hangs);
        }
        let mut said = String::new();
        if let Some(output) = &mut child.stdout {
            output.read_to_string(&mut said)?;
        }
        let status = child.wait()?;
        Ok(match (status.code(), said.trim()) {
            (Some(0), "") => Tried::Well,
            (Some(0), said) => Tried::Failed(said.to_owned()),
            (Some(_) | None, said) => Tried::Failed(format!("the trial ended with {status} {said}")),
        })
    }

    fn start(&self, call: &Call) -> io::Result<Child> {
        let Trial { dir, device, write } = &self.trial;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(PROBE);
        for (flag, value) in [("-R", &call.resource), ("-T", &call.type_name), ("-G", &call.group)] {
            command.arg(flag).arg(value);
        }
        command.arg("-x").arg(format!("dir={dir}")).arg("-x").arg(format!("write={write}"));
        if let Some(device) = device {
            command.arg("-x").arg(OsString::from(format!("device={device}")));
        }
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).spawn()
    }
}

/// SIGKILL takes effect at once, or the process hangs in the kernel.
const KILLED_WITHIN: Duration = Duration::from_millis(200);

fn ends_within(child: &Child, limit: Duration) -> io::Result<bool> {
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pidfd_open(pid.ok_or(io::ErrorKind::InvalidInput)?, PidfdFlags::empty())?;
    let end = Instant::now() + limit;
    loop {
        let left =
            Timespec::try_from(end.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&left)) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// What the process does: it prints what is wrong.
pub fn probe(call: &Call) -> Outcome {
    let value = |name: &str| {
        let mut given = call.extension.iter();
        given.find(|(given, _)| given == name).map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    let device = Some(value("device")).filter(|device| !device.is_empty());
    let write = value("write") == "true";
    if let Err(error) = attempt(Path::new(value("dir")), device, write, &call.resource) {
        println!("{error}");
    }
    Ok(())
}

/// Reads from the device past the cache, or lists the directory; writes, and reads it back.
fn attempt(dir: &Path, device: Option<&str>, write: bool, name: &str) -> Result<(), Failed> {
    let failed = |what: &str, error: io::Error| Failed::new(format!("cannot {what}: {error}"));
    match device {
        Some(device) => read_block(device).map_err(|error| failed(&format!("read {device}"), error))?,
        None => {
            fs::read_dir(dir).map(drop).map_err(|error| failed(&format!("read {}", dir.display()), error))?
        }
    }
    if write {
        write_file(&dir.join(format!("{FILE}{name}")))
            .map_err(|error| failed(&format!("write to {}", dir.display()), error))?;
    }
    Ok(())
}

fn read_block(device: &str) -> io::Result<()> {
    let flags = i32::try_from(OFlags::DIRECT.bits()).map_err(io::Error::other)?;
    let mut file = File::options().read(true).custom_flags(flags).open(device)?;
    file.read_exact(&mut Box::new(Aligned([0; BLOCK])).0)
}

fn write_file(path: &Path) -> io::Result<()> {
    let pattern = [0x5a; BLOCK];
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    file.write_all(&pattern)?;
    file.sync_all()?;
    let mut found = [0; BLOCK];
    file.seek(SeekFrom::Start(0))?;
    file.read_exact(&mut found)?;
    if found != pattern {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "what is read is not what was written"));
    }
    fs::remove_file(path)
}
