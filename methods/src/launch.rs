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
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsRawFd;

    /// Runs it with a pipe as standard output, by clone3 and by the plain way, and returns both outputs.
    fn outputs(launch: impl Fn() -> Launch<'static>) -> [String; 2] {
        [false, true].map(|plain| {
            let (mut reader, writer) = std::io::pipe().unwrap();
            let mut launch: Launch<'_> = launch().stdout(writer.as_fd());
            launch.plain = plain;
            let started = launch.start().unwrap();
            drop(launch);
            drop(writer);
            let mut text = String::new();
            reader.read_to_string(&mut text).unwrap();
            wait(&started);
            text
        })
    }

    fn wait(started: &Launched) -> Exit {
        rustix::event::poll(
            &mut [rustix::event::PollFd::new(&started.pidfd, rustix::event::PollFlags::IN)],
            Some(&rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 }),
        )
        .unwrap();
        poll_exit(started.pidfd.as_fd()).unwrap().expect("ended within ten seconds")
    }

    fn both(text: &str) -> [String; 2] {
        [text.to_string(), text.to_string()]
    }

    #[test]
    fn arguments_and_environment_arrive_exactly_as_given() {
        let out = outputs(|| {
            Launch::new("/bin/sh")
                .args(["-c", "echo \"$1|$2|$A\"; env | grep -c HOME", "sh", "a b", ""])
                .env("A", "x=y")
        });
        assert_eq!(out, both("a b||x=y\n0\n"));
    }

    #[test]
    fn a_child_has_three_descriptors_and_no_more() {
        let keep = std::fs::File::open("/dev/null").unwrap();
        rustix::io::fcntl_setfd(&keep, rustix::io::FdFlags::empty()).unwrap();
        let script = "i=0; while [ $i -lt 200 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done";
        let out = outputs(|| Launch::new("/bin/sh").args(["-c", script]));
        assert_eq!(out, both("0\n1\n2\n"), "descriptor {} must not leak", keep.as_raw_fd());
    }

    #[test]
    fn a_prepared_start_serves_again_and_again_with_further_variables() {
        let script = "echo \"$1$A$B\"; [ \"$1$A$B\" = 012 ]";
        let start = Launch::new("sh")
            .args(["-c", script, "sh", "0"])
            .search_path("/no/such:/bin")
            .env("A", "1")
            .cwd("/")
            .prepare()
            .unwrap();
        assert_eq!(start.env().collect::<Vec<_>>(), [c"A=1"]);
        for (more, code) in [(c"B=2", 0), (c"B=3", 1), (c"B=2", 0)] {
            assert_eq!(wait(&start.start(&[more], None).unwrap()), Exit::Code(code), "{more:?}");
        }
    }

    #[test]
    fn an_exit_that_was_looked_at_can_still_be_reaped_once() {
        let started = Launch::new("/bin/sh").args(["-c", "exit 7"]).start().unwrap();
        let mut ready = [rustix::event::PollFd::new(&started.pidfd, rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut ready, None).unwrap();
        for _ in 0..2 {
            assert_eq!(peek_exit(started.pidfd.as_fd()).unwrap(), Some(Exit::Code(7)));
        }
        assert_eq!(poll_exit(started.pidfd.as_fd()).unwrap(), Some(Exit::Code(7)));
        assert!(open_process(started.pid).unwrap().is_none(), "it is out of the process table");
    }

    #[test]
    fn the_callers_own_rights_need_no_change_and_those_of_others_are_taken_on() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let ids = |uid, groups: &[u32]| {
            let owner = Owner { uid, gid: 7, groups: groups.to_vec() };
            outputs(move || Launch::new("/usr/bin/id").owner(owner.clone()))
        };
        for out in ids(0, &[8]) {
            assert!(out.starts_with("uid=0(") && out.contains("gid=7(") && out.contains("8("), "{out}");
        }
        for out in ids(4321, &[]) {
            assert!(out.starts_with("uid=4321 gid=7(") && !out.contains("8("), "{out}");
        }
    }

    #[test]
    fn our_own_descriptors_survive_the_start() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let started = Launch::new("/bin/true").start().unwrap();
        wait(&started);
        std::io::Write::write_all(&mut &writer, b"here").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "here");
    }

    #[test]
    fn ignored_and_blocked_signals_are_default_again_in_the_child() {
        let out = outputs(|| Launch::new("/bin/grep").args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"]));
        for text in out {
            for line in text.lines() {
                assert!(line.ends_with("0000000000000000"), "{line}");
            }
            assert_eq!(text.lines().count(), 2, "{text}");
        }
    }

    #[test]
    fn output_and_error_can_share_one_pipe() {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let started = Launch::new("/bin/sh")
            .args(["-c", "echo out; echo err >&2"])
            .stdout(writer.as_fd())
            .stderr(writer.as_fd())
            .start()
            .unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        wait(&started);
        assert_eq!(text, "out\nerr\n");
    }

    #[test]
    fn a_missing_program_is_an_error_with_its_step_and_leaves_no_child() {
        for plain in [false, true] {
            let mut launch = Launch::new("/no/such/program");
            launch.plain = plain;
            let error = launch.start().unwrap_err();
            assert_eq!(error.step, Step::Exec);
            assert_eq!(error.source.raw_os_error(), Some(libc::ENOENT));
        }
    }

    #[test]
    fn a_missing_directory_is_told_from_a_missing_program() {
        let error = Launch::new("/bin/true").cwd("/no/such/directory").start().unwrap_err();
        assert_eq!(error.step, Step::Cwd);
    }

    #[test]
    fn a_nul_byte_is_refused_before_anything_starts() {
        let error = Launch::new("/bin/echo").args(["a\0b"]).start().unwrap_err();
        assert_eq!(error.step, Step::Prepare);
    }

    #[test]
    fn a_bare_name_is_found_in_the_search_path_only() {
        let out = outputs(|| Launch::new("echo").args(["found"]).search_path("/no/such:/usr/bin:/bin"));
        assert_eq!(out, both("found\n"));
        assert!(Launch::new("echo").start().is_err());
    }

    #[test]
    fn a_script_without_an_interpreter_line_runs_under_the_shell() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        std::fs::write(&script, "echo \"ran $1\"\n").unwrap();
        std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(outputs(|| Launch::new(script.clone()).args(["x"])), both("ran x\n"));
    }

    #[test]
    fn a_session_leader_is_its_own_process_group() {
        let out = outputs(|| {
            Launch::new("/bin/sh")
                .args(["-c", "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo own"])
                .group(Group::Session)
                .env("PATH", "/bin")
        });
        assert_eq!(out, both("own\n"));
    }

    #[test]
    fn limits_and_directory_are_as_asked() {
        let out =
            outputs(|| Launch::new("/bin/sh").args(["-c", "ulimit -n; pwd"]).files_max(99, 100).cwd("/usr"));
        assert_eq!(out, both("99\n/usr\n"));
    }

    #[test]
    fn root_can_start_a_process_of_another_owner() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let owner = Owner { uid: 65534, gid: 65533, groups: vec![65532] };
        let out = outputs(|| {
            Launch::new("/bin/sh")
                .args(["-c", "id -u; id -g; id -G"])
                .env("PATH", "/usr/bin:/bin")
                .owner(owner.clone())
        });
        assert_eq!(out, both("65534\n65533\n65533 65532\n"));
    }

    #[test]
    fn exit_code_and_signal_are_told_apart() {
        let code = Launch::new("/bin/sh").args(["-c", "exit 7"]).start().unwrap();
        assert_eq!(wait(&code), Exit::Code(7));
        let signal = Launch::new("/bin/sh").args(["-c", "kill -9 $$"]).start().unwrap();
        assert_eq!(wait(&signal), Exit::Signal(9));
    }

    #[test]
    fn a_process_that_is_gone_has_no_descriptor() {
        let started = Launch::new("/bin/true").start().unwrap();
        wait(&started);
        assert!(open_process(started.pid).unwrap().is_none());
    }

    #[test]
    fn the_peer_of_a_socket_is_ourselves() {
        let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
        let (owner, pid) = peer_owner(here.as_fd()).unwrap();
        assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
        assert_eq!(pid, i32::try_from(std::process::id()).unwrap());
    }
}
