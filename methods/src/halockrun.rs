//! `halockrun`: run a program while holding a lock on a file (reference 8.10).
//!
//! The lock is an fcntl(2) lock of the whole file and belongs to this process, not to the program: it
//! is gone when the program has ended, however it ended, and a daemon it leaves behind does not keep it.

use crate::tool::{Early, end, shell_code};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;

const HELP: &str = "\
halockrun - run a program while holding a lock on a file

usage: halockrun [-nsv] [-e EXITCODE] LOCKFILE PROGRAM [ARGUMENT...]

  -n           do not wait: exit 1 if the lock is held by someone else
  -s           take a shared lock instead of an exclusive one
  -v           say on stderr what is being done
  -e EXITCODE  exit code for errors of halockrun itself, instead of 99
  -h, --help   print this

The lock file is created if it does not exist. The exit code is that of the program.

example: halockrun -n /var/run/dns.lock /opt/SUNWsample/bin/rebuild_zones
";

/// Exit code of errors of its own.
pub const OWN_ERRORS: u8 = 99;
/// Exit code where `-n` finds the lock held.
pub const BUSY: u8 = 1;

/// The whole tool; `args` are those after the program's name. Returns its exit code.
pub fn main_with(args: impl Iterator<Item = OsString>) -> u8 {
    let mut own_errors = OWN_ERRORS;
    let parsed = Options::parse(args, &mut own_errors);
    parsed.and_then(|options| options.run()).unwrap_or_else(|early| end("halockrun", HELP, early, own_errors))
}

#[derive(Debug)]
struct Options {
    wait: bool,
    shared: bool,
    verbose: bool,
    lock_file: OsString,
    command: Vec<OsString>,
}

impl Options {
    fn parse(args: impl Iterator<Item = OsString>, own_errors: &mut u8) -> Result<Self, Early> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_args(args);
        let mut options = Self {
            wait: true,
            shared: false,
            verbose: false,
            lock_file: OsString::new(),
            command: Vec::new(),
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('n') => options.wait = false,
                Short('s') => options.shared = true,
                Short('v') => options.verbose = true,
                Short('e') => *own_errors = parser.value()?.parse()?,
                Short('h') | Long("help") => return Err(Early::Help),
                Value(lock_file) => {
                    options.lock_file = lock_file;
                    let mut command = parser.raw_args()?;
                    let program =
                        command.next().ok_or_else(|| Early::Wrong("no program is given".to_string()))?;
                    options.command.push(program);
                    options.command.extend(command);
                    return Ok(options);
                }
                Short(_) | Long(_) => return Err(arg.unexpected().into()),
            }
        }
        Err(Early::Wrong("no lock file is given".to_string()))
    }

    fn run(&self) -> Result<u8, Early> {
        let name = self.lock_file.to_string_lossy();
        self.say(&format!("locking {name}"));
        let Some(_lock) = self.lock()? else {
            self.say(&format!("{name} is locked by someone else"));
            return Ok(BUSY);
        };
        let (program, args) = self.command.split_first().ok_or(Early::Help)?;
        self.say(&format!("{name} is locked; running {}", program.to_string_lossy()));
        let status = Command::new(program)
            .args(args)
            .status()
            .map_err(|error| Early::Wrong(format!("cannot run {}: {error}", program.to_string_lossy())))?;
        self.say(&format!("{}: {status}; unlocking {name}", program.to_string_lossy()));
        Ok(shell_code(status.code().map_or_else(
            || status.signal().map_or(crate::launch::Exit::Unknown, crate::launch::Exit::Signal),
            crate::launch::Exit::Code,
        )))
    }

    /// The locked file; closing it unlocks. `None` if it is busy and we do not wait.
    fn lock(&self) -> Result<Option<File>, Early> {
        let wrong = |what: &str, error: &dyn std::fmt::Display| {
            Early::Wrong(format!("cannot {what} {}: {error}", self.lock_file.to_string_lossy()))
        };
        // Not truncated: the file may hold something, and a lock changes nothing of it.
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&self.lock_file)
            .map_err(|error| wrong("open", &error))?;
        let kind = if self.shared { libc::F_RDLCK } else { libc::F_WRLCK };
        let whole = libc::flock {
            l_type: i16::try_from(kind).unwrap_or_default(),
            l_whence: i16::try_from(libc::SEEK_SET).unwrap_or_default(),
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        loop {
            let how = if self.wait { FcntlArg::F_SETLKW(&whole) } else { FcntlArg::F_SETLK(&whole) };
            match fcntl(&file, how) {
                Ok(_) => return Ok(Some(file)),
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN | Errno::EACCES) if !self.wait => return Ok(None),
                Err(error) => return Err(wrong("lock", &error)),
            }
        }
    }

    fn say(&self, what: &str) {
        if self.verbose {
            eprintln!("halockrun: {what}");
        }
    }
}
