//! Commands that an administrator wrote into a property.
//!
//! A command without anything that only a shell understands is executed directly: it saves a process
//! that would live as long as the service does, and what PMF watches is the service itself.

use methods::launch::{Exit, Group, Launch, LaunchError, Launched, poll_exit, send_signal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::pipe::{PipeFlags, pipe_with};
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The shell for what needs one.
const SHELL: &str = "/bin/sh";
/// Of what a command prints, so much of its end is kept.
const OUTPUT_KEPT_MAX: usize = 4096;
/// After KILL the end is awaited this long; an uninterruptible process must not hold us longer.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// A command line, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    argv: Vec<String>,
    first: String,
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// It was killed because its time was up.
    TimedOut,
    /// It could not be run at all.
    NotRun(String),
}

/// How a command ended, and the last line it printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// How it ended.
    pub end: End,
    /// Its last line; empty if it printed nothing.
    pub said: String,
}

impl CommandLine {
    /// Takes a command apart; `None` if there is none.
    pub fn new(text: &str) -> Option<Self> {
        let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        let first = words.first()?.clone();
        let argv = if is_plain(text) && find(&first).is_some() {
            words
        } else {
            vec![SHELL.to_owned(), "-c".to_owned(), text.to_owned()]
        };
        Some(Self { argv, first })
    }

    /// Program and arguments.
    pub fn argv(&self) -> Vec<OsString> {
        self.argv.iter().map(OsString::from).collect()
    }

    /// Why it can't be run here, if that can be seen without running it.
    pub fn trouble(&self) -> Option<String> {
        if !is_plain(&self.first) {
            return None;
        }
        let Some(path) = find(&self.first) else {
            let absent = !self.first.contains('/');
            // A word of the shell's own, perhaps.
            return if absent { None } else { Some(format!("{} is no file", self.first)) };
        };
        let mode = path.metadata().map(|meta| (meta.is_file(), meta.permissions().mode()));
        match mode {
            Ok((true, mode)) if mode & 0o111 != 0 => None,
            Ok((true, _)) => Some(format!("{} is not executable; chmod +x it", path.display())),
            Ok((false, _)) => Some(format!("{} is no file", path.display())),
            Err(error) => Some(format!("{}: {error}", path.display())),
        }
    }

    /// Runs it to its end, or until its time is up, when it is killed with all of its process group.
    pub fn run(&self, limit: Duration) -> Ran {
        let deadline = Instant::now() + limit;
        let ran = |end| Ran { end, said: String::new() };
        let (output, theirs) = match pipe_with(PipeFlags::CLOEXEC) {
            Ok(pipe) => pipe,
            Err(error) => return ran(End::NotRun(error.to_string())),
        };
        let started = match self.start(&theirs) {
            Ok(started) => started,
            Err(error) => return ran(End::NotRun(format!("{error}: {}", error.source))),
        };
        drop(theirs);
        let mut kept = Vec::new();
        let end = wait(&started, &output, deadline, &mut kept);
        Ran { end: end.unwrap_or_else(|error| End::NotRun(error.to_string())), said: last_line(&kept) }
    }

    fn start(&self, output: &OwnedFd) -> Result<Launched, LaunchError> {
        let env = std::env::vars_os().map(|(name, value)| {
            let mut entry = name;
            entry.push("=");
            entry.push(value);
            entry
        });
        let program = self.argv.first().map(String::as_str).unwrap_or_default();
        Launch::new(program)
            .args(self.argv.iter().skip(1))
            .env_entries(env)
            .search_path(std::env::var_os("PATH").unwrap_or_default())
            .stdout(output.as_fd())
            .stderr(output.as_fd())
            .group(Group::Process)
            .start()
    }
}

/// Waits for its end, reading what it prints meanwhile. A daemon that it has left behind may hold the
/// pipe for ever, so the pipe's end is not waited for.
fn wait(started: &Launched, output: &OwnedFd, deadline: Instant, kept: &mut Vec<u8>) -> io::Result<End> {
    let mut open = true;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut fds = vec![PollFd::new(&started.pidfd, PollFlags::IN)];
        if open {
            fds.push(PollFd::new(output, PollFlags::IN));
        }
        poll(&mut fds, Some(&timespec(left)))?;
        let ended = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if open {
            open = drain(output, kept)?;
        }
        if ended {
            return Ok(match poll_exit(started.pidfd.as_fd())? {
                Some(Exit::Code(code)) => End::Code(code),
                Some(Exit::Signal(signal)) => End::Signal(signal),
                Some(Exit::Unknown) | None => End::NotRun("how it ended is not known".to_owned()),
            });
        }
        if left.is_zero() {
            // It may have ended just now; then there is nobody to signal.
            let _gone = send_signal(-started.pid, crate::pmf::KILL);
            poll(&mut [PollFd::new(&started.pidfd, PollFlags::IN)], Some(&timespec(KILLED_WITHIN)))?;
            let _reaped = poll_exit(started.pidfd.as_fd());
            return Ok(End::TimedOut);
        }
    }
}

/// Reads what is there; false at the end of the output.
fn drain(output: &OwnedFd, kept: &mut Vec<u8>) -> io::Result<bool> {
    let mut buffer = [0; OUTPUT_KEPT_MAX];
    loop {
        let mut fd = [PollFd::new(output, PollFlags::IN)];
        if poll(&mut fd, Some(&timespec(Duration::ZERO)))? == 0 {
            return Ok(true);
        }
        let len = rustix::io::read(output, &mut buffer)?;
        if len == 0 {
            return Ok(false);
        }
        kept.extend_from_slice(buffer.get(..len).unwrap_or_default());
        kept.drain(..kept.len().saturating_sub(OUTPUT_KEPT_MAX));
    }
}

fn last_line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output);
    let line = text.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    line.trim().chars().filter(|c| !c.is_control()).collect()
}

/// Would a shell take each word as it stands?
fn is_plain(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || " \t_@%+=:,./-".contains(c);
    let assignment = text.split_whitespace().next().is_some_and(|word| word.contains('='));
    text.chars().all(plain) && !assignment
}

/// The file a program's name stands for.
fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|path| path.exists());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).map(|dir| dir.join(program)).find(|file| is_executable(file))
}

fn is_executable(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: span.subsec_nanos().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str, limit: Duration) -> Ran {
        CommandLine::new(text).unwrap().run(limit)
    }

    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_shell_is_used_only_where_one_is_needed() {
        for (text, direct) in [
            ("/bin/sleep 5", true),
            ("sleep 5", true),
            ("  /bin/sleep   5 ", true),
            ("/bin/sh -c 'exit 1'", false),
            ("sleep 5 &", false),
            ("A=b sleep 5", false),
            ("env A=b sleep 5", true),
            ("exit 100", false),
            ("cat /etc/*", false),
            ("test -f $HOME", false),
        ] {
            let line = CommandLine::new(text).unwrap();
            assert_eq!(
                line.argv[0] != SHELL || text.starts_with(SHELL),
                direct || text.starts_with(SHELL),
                "{text}"
            );
            assert_eq!(line.argv.len() != 3 || line.argv[1] != "-c", direct, "{text}: {:?}", line.argv);
        }
        assert_eq!(CommandLine::new("  "), None);
    }

    #[test]
    fn the_end_and_the_last_line_of_a_command_are_known() {
        let code = |code, said: &str| Ran { end: End::Code(code), said: said.to_owned() };
        assert_eq!(run("true", LONG), code(0, ""));
        assert_eq!(run("echo one; echo two >&2; exit 100", LONG), code(100, "two"));
        assert_eq!(run("kill -9 $$", LONG).end, End::Signal(9));
    }

    #[test]
    fn a_command_whose_time_is_up_is_killed_with_what_it_started() {
        let before = Instant::now();
        let ran = run("echo waiting; sleep 1000 & sleep 1000; wait", Duration::from_millis(300));
        assert_eq!(ran, Ran { end: End::TimedOut, said: "waiting".into() });
        assert!(before.elapsed() < LONG);
    }

    #[test]
    fn a_daemon_that_keeps_the_output_open_is_not_waited_for() {
        let before = Instant::now();
        assert_eq!(run("setsid sleep 20 & echo done", LONG).said, "done");
        assert!(before.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn much_output_does_not_hold_a_command_up() {
        assert_eq!(run("yes line | head -n 200000; echo end", LONG).said, "end");
    }

    #[test]
    fn what_can_be_seen_to_be_wrong_is_said() {
        let trouble = |text: &str| CommandLine::new(text).unwrap().trouble();
        assert_eq!(trouble("/bin/sleep 5"), None);
        assert_eq!(trouble("exit 3"), None);
        assert!(trouble("/nowhere/x -d").unwrap().contains("/nowhere/x is no file"));
        assert!(trouble("/etc/passwd").unwrap().contains("not executable"));
        assert!(trouble("/etc").unwrap().contains("/etc is no file"));
    }
}
