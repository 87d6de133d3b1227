//! Starting a process so that it cannot be lost, as fast as the kernel allows.
//!
//! `std::process::Command` cannot put a child into a cgroup at birth, hands out a pidfd only in a
//! nightly build, and copies the parent's descriptor table, which makes a supervisor of ten
//! thousand processes four times slower. So this file calls `clone3` itself:
//!
//! ```text
//!  parent                                     child (borrows the parent's memory, parent sleeps)
//!  prepare every C string (perhaps long before), then block signals
//!  clone3(VM|VFORK|PIDFD|FILES|INTO_CGROUP) ─►  leave the shared descriptor table, keep only 0,1,2
//!                                               default signals, session, owner, directory
//!  wakes at exec or exit  ◄──────────────────   execve, or write down what failed and _exit
//! ```
//!
//! Nothing is allocated between clone and exec; every descriptor above 2 is closed, so no lock, no
//! socket and no pipe of the parent leaks into a service; all signals are default and unblocked.
//! A failure in the child is reported with its step and errno, and the child is reaped.
//!
//! The program's only `unsafe` code lives below this module: the clone and the child in `clone.rs`,
//! and in `kernel.rs` the few calls which no safe wrapper offers: exit status of a process that is
//! not our child, the groups of a socket's peer, signals by number, locked memory and real time.

mod clone;
mod kernel;

pub use kernel::{
    lock_memory, open_process, peek_exit, peer_owner, poll_exit, schedule_realtime, send_signal,
};

use clone::Plan;
use std::ffi::{CStr, OsStr, OsString};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// A program to start and everything it shall find.
#[derive(Debug)]
pub struct Launch<'a> {
    program: OsString,
    args: Vec<OsString>,
    env: Vec<OsString>,
    search_path: Option<OsString>,
    cwd: Option<PathBuf>,
    owner: Option<Owner>,
    stdio: [Option<BorrowedFd<'a>>; 3],
    cgroup: Option<BorrowedFd<'a>>,
    group: Group,
    files_max: Option<(u64, u64)>,
    unprotected: bool,
    plain: bool,
}

/// Whose rights a process has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// User, as real, effective and saved.
    pub uid: u32,
    /// Group, likewise.
    pub gid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
}

/// What the terminal and `kill -PGID` take the process for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// A member of the caller's process group.
    Inherit,
    /// Leader of a process group of its own.
    Process,
    /// Leader of a session of its own, without a controlling terminal.
    Session,
}

/// A started process.
#[derive(Debug)]
pub struct Launched {
    /// Its number; meaningful until it is reaped.
    pub pid: i32,
    /// The process itself; readable once it has ended.
    pub pidfd: OwnedFd,
}

/// Why a process was not started. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
#[error("start {program:?}: cannot {step}")]
pub struct LaunchError {
    /// What was to be started.
    pub program: OsString,
    /// What was being done.
    pub step: Step,
    /// What the kernel said.
    #[source]
    pub source: io::Error,
}

/// The steps of a start, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// An argument, variable or path holds a NUL byte.
    Prepare,
    /// The clone itself.
    Clone,
    /// Entering the cgroup.
    Cgroup,
    /// Session or process group.
    Group,
    /// Standard input, output, error; closing the rest.
    Files,
    /// Limits, groups, group, user.
    Owner,
    /// Working directory.
    Cwd,
    /// The program itself: missing, not executable, or of an unknown format.
    Exec,
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Prepare => "pass a NUL byte",
            Self::Clone => "create a process",
            Self::Cgroup => "enter its cgroup",
            Self::Group => "make its process group",
            Self::Files => "open its standard files",
            Self::Owner => "become its owner",
            Self::Cwd => "enter its working directory",
            Self::Exec => "execute it",
        })
    }
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this code.
    Code(i32),
    /// This signal killed it.
    Signal(i32),
    /// It has ended; how, only its parent knows.
    Unknown,
}

impl<'a> Launch<'a> {
    /// A program, given as a path, or as a name if [`Launch::search_path`] is set.
    /// Without further words: no arguments, an empty environment, `/dev/null` for all three
    /// standard files, the caller's directory, rights and process group.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            search_path: None,
            cwd: None,
            owner: None,
            stdio: [None; 3],
            cgroup: None,
            group: Group::Inherit,
            files_max: None,
            unprotected: false,
            plain: false,
        }
    }

    /// Adds arguments; `argv[0]` is the program as given.
    #[must_use]
    pub fn args(mut self, args: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Adds one variable.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        let mut entry = name.as_ref().to_os_string();
        entry.push("=");
        entry.push(value);
        self.env.push(entry);
        self
    }

    /// Adds whole `NAME=value` entries as they stand.
    #[must_use]
    pub fn env_entries(mut self, entries: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        self.env.extend(entries.into_iter().map(Into::into));
        self
    }

    /// Looks a program name without `/` up in these directories, as a shell does with `PATH`.
    #[must_use]
    pub fn search_path(mut self, path: impl Into<OsString>) -> Self {
        self.search_path = Some(path.into());
        self
    }

    /// The working directory, entered with the rights of the owner.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cwd = Some(dir.into());
        self
    }

    /// Whose rights it gets.
    #[must_use]
    pub fn owner(mut self, owner: Owner) -> Self {
        self.owner = Some(owner);
        self
    }

    /// Its standard input.
    #[must_use]
    pub fn stdin(mut self, fd: BorrowedFd<'a>) -> Self {
        self.stdio[0] = Some(fd);
        self
    }

    /// Its standard output.
    #[must_use]
    pub fn stdout(mut self, fd: BorrowedFd<'a>) -> Self {
        self.stdio[1] = Some(fd);
        self
    }

    /// Its standard error.
    #[must_use]
    pub fn stderr(mut self, fd: BorrowedFd<'a>) -> Self {
        self.stdio[2] = Some(fd);
        self
    }

    /// The cgroup it is born in: a descriptor of the cgroup's directory.
    #[must_use]
    pub fn cgroup(mut self, dir: BorrowedFd<'a>) -> Self {
        self.cgroup = Some(dir);
        self
    }

    /// Its process group or session.
    #[must_use]
    pub fn group(mut self, group: Group) -> Self {
        self.group = group;
        self
    }

    /// Its limit of open files (soft, hard), where the caller has raised its own.
    #[must_use]
    pub fn files_max(mut self, soft: u64, hard: u64) -> Self {
        self.files_max = Some((soft, hard));
        self
    }

    /// Without its caller's protection from the kernel's killer of processes, which is inherited.
    #[must_use]
    pub fn unprotected(mut self) -> Self {
        self.unprotected = true;
        self
    }

    /// Starts the program. When this returns, it has been executed or does not exist.
    pub fn start(&self) -> Result<Launched, LaunchError> {
        self.prepare()?.start_with(&[], self.stdio, self.cgroup, self.plain)
    }

    /// Does all that can be done before the moment comes: what is kept is one block of bytes.
    /// Standard files and cgroup are not part of it.
    pub fn prepare(&self) -> Result<Prepared, LaunchError> {
        let candidates = self.candidates();
        let cwd = self.cwd.as_deref().map(Path::as_os_str);
        let argv = [&self.program].into_iter().chain(&self.args).map(OsString::as_os_str);
        let mut text = Vec::new();
        let mut add = |word: &OsStr| {
            if word.as_bytes().contains(&0) {
                return Err(LaunchError {
                    program: self.program.clone(),
                    step: Step::Prepare,
                    source: io::Error::from_raw_os_error(libc::EINVAL),
                });
            }
            text.extend_from_slice(word.as_bytes());
            text.push(0);
            Ok(())
        };
        argv.chain(candidates.iter().map(OsString::as_os_str))
            .chain(cwd)
            .chain(self.env.iter().map(OsString::as_os_str))
            .try_for_each(&mut add)?;
        Ok(Prepared {
            text: text.into_boxed_slice(),
            argv: 1 + self.args.len(),
            candidates: candidates.len(),
            has_cwd: cwd.is_some(),
            owner: self.owner.clone(),
            group: self.group,
            files_max: self.files_max,
            unprotected: self.unprotected,
        })
    }

    fn candidates(&self) -> Vec<OsString> {
        let bare = !self.program.as_bytes().contains(&b'/') && !self.program.is_empty();
        match &self.search_path {
            Some(path) if bare => path
                .as_bytes()
                .split(|byte| *byte == b':')
                .map(|dir| if dir.is_empty() { b"." } else { dir })
                .map(|dir| Path::new(OsStr::from_bytes(dir)).join(&self.program).into_os_string())
                .collect(),
            Some(_) | None => vec![self.program.clone()],
        }
    }
}

/// A start of which only the moment is missing, for who must be fast then and often.
#[derive(Debug)]
pub struct Prepared {
    /// Every string the child will need, each with its NUL: arguments, candidates, directory, environment.
    text: Box<[u8]>,
    argv: usize,
    candidates: usize,
    has_cwd: bool,
    owner: Option<Owner>,
    group: Group,
    files_max: Option<(u64, u64)>,
    unprotected: bool,
}

impl Prepared {
    /// Starts the program in a cgroup, with further variables and `/dev/null` for its standard files.
    pub fn start(&self, more_env: &[&CStr], cgroup: Option<BorrowedFd<'_>>) -> Result<Launched, LaunchError> {
        self.start_with(more_env, [None; 3], cgroup, false)
    }

    fn start_with(
        &self,
        more_env: &[&CStr],
        stdio: [Option<BorrowedFd<'_>>; 3],
        cgroup: Option<BorrowedFd<'_>>,
        plain: bool,
    ) -> Result<Launched, LaunchError> {
        let mut plan = Plan::new(self, more_env, stdio);
        let (pid, pidfd) = plan.run(cgroup, plain).map_err(|errno| self.error(Step::Clone, errno))?;
        match plan.failure() {
            None => Ok(Launched { pid, pidfd }),
            Some((step, errno)) => {
                clone::reap(pidfd.as_fd());
                Err(self.error(step, errno))
            }
        }
    }

    fn strings(&self) -> impl Iterator<Item = &CStr> {
        let words = self.text.split_inclusive(|byte| *byte == 0);
        words.filter_map(|word| CStr::from_bytes_with_nul(word).ok())
    }

    fn error(&self, step: Step, errno: i32) -> LaunchError {
        let program = self.strings().next().unwrap_or_default();
        let program = OsStr::from_bytes(program.to_bytes()).to_owned();
        LaunchError { program, step, source: io::Error::from_raw_os_error(errno) }
    }

    /// Its variables.
    pub fn env(&self) -> impl Iterator<Item = &CStr> {
        self.strings().skip(self.argv + self.candidates + usize::from(self.has_cwd))
    }
}

#[cfg(test)]
mod tests;
