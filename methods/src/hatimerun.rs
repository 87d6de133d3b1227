//! `hatimerun`: run a program under a timeout (reference 8.9).
//!
//! The program leads a process group of its own, and the whole group gets the signal. Its end, the
//! deadline and a SIGTERM to hatimerun itself are awaited together in one poll(2).

use crate::launch::{Exit, Group, Launch, Launched, poll_exit, send_signal};
use crate::tool::{Early, end, rest, shell_code, signal};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::ffi::OsString;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

const HELP: &str = "\
hatimerun - run a program under a timeout

usage: hatimerun -t SECONDS [-adv] [-e EXITCODE] [-x PERCENT] PROGRAM [ARGUMENT...]
       hatimerun -t SECONDS [-dv] [-e EXITCODE] [-k SIGNAL] [-x PERCENT] PROGRAM [ARGUMENT...]

  -t SECONDS   how long the program may run
  -a           on timeout leave the program running instead of killing it
  -k SIGNAL    on timeout send this signal (a name or number) instead of KILL
  -e EXITCODE  exit code on timeout, instead of 99
  -d           start the clock when the program has been executed, not before
  -x PERCENT   say on stderr if the program used more than this part of its time
  -v           say on stderr what is being done
  -h, --help   print this

The program leads a process group of its own and the group gets the signal. Without a timeout the
exit code is that of the program; errors of hatimerun itself, and a SIGTERM, exit with 98.

example: hatimerun -t 10 -k TERM nslookup www.example.org
";

/// Exit code on timeout, where `-e` names no other.
pub const TIMED_OUT: u8 = 99;
/// Exit code of errors of its own and of an end by SIGTERM.
pub const OWN_ERRORS: u8 = 98;
/// After KILL the end is awaited this long, so that whoever called us finds it gone. A process in
/// an uninterruptible wait must not hold us longer.
const KILLED_WITHIN: Duration = Duration::from_secs(1);

/// The whole tool; `args` are those after the program's name. Returns its exit code.
pub fn main_with(args: impl Iterator<Item = OsString>) -> u8 {
    Options::parse(args)
        .and_then(|options| options.run())
        .unwrap_or_else(|early| end("hatimerun", HELP, early, OWN_ERRORS))
}

#[derive(Debug)]
struct Options {
    timeout: Duration,
    leave: bool,
    signal: i32,
    timeout_code: u8,
    clock_from_exec: bool,
    report_above_percent: Option<u32>,
    verbose: bool,
    command: Vec<OsString>,
}

/// What the poll ended with.
enum Event {
    Ended,
    Deadline,
    Terminated,
}

impl Options {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, Early> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_args(args);
        let mut timeout = None;
        let mut kill = None;
        let mut options = Self {
            timeout: Duration::ZERO,
            leave: false,
            signal: libc::SIGKILL,
            timeout_code: TIMED_OUT,
            clock_from_exec: false,
            report_above_percent: None,
            verbose: false,
            command: Vec::new(),
        };
        while let Some(arg) = parser.next()? {
            match arg {
                Short('t') => timeout = Some(parser.value()?.parse::<u32>()?),
                Short('a') => options.leave = true,
                Short('k') => kill = Some(signal(&parser.value()?)?),
                Short('e') => options.timeout_code = parser.value()?.parse()?,
                Short('d') => options.clock_from_exec = true,
                Short('x') => options.report_above_percent = Some(parser.value()?.parse()?),
                Short('v') => options.verbose = true,
                Short('h') | Long("help") => return Err(Early::Help),
                Value(program) => {
                    options.command = rest(program, &mut parser)?;
                    break;
                }
                Short(_) | Long(_) => return Err(arg.unexpected().into()),
            }
        }
        let wrong = |what: &str| Err(Early::Wrong(what.to_string()));
        match timeout {
            None => return wrong("-t SECONDS is missing"),
            Some(0) => return wrong("-t: the timeout must be at least 1 second"),
            Some(secs) => options.timeout = Duration::from_secs(secs.into()),
        }
        if options.leave && kill.is_some() {
            return wrong("-a and -k exclude each other: a program left running gets no signal");
        }
        options.signal = kill.unwrap_or(libc::SIGKILL);
        if options.command.is_empty() { wrong("no program is given") } else { Ok(options) }
    }

    fn run(&self) -> Result<u8, Early> {
        let wrong = |error: &dyn std::fmt::Display| Early::Wrong(error.to_string());
        // Blocked before the start: a SIGTERM in between would end us and leave the program alone.
        let mut term = SigSet::empty();
        term.add(Signal::SIGTERM);
        term.thread_block().map_err(|error| wrong(&error))?;
        let terminated = SignalFd::with_flags(&term, SfdFlags::SFD_CLOEXEC).map_err(|error| wrong(&error))?;
        let before = Instant::now();
        let started = self.start()?;
        let since = if self.clock_from_exec { Instant::now() } else { before };
        self.say(&format!("started as process {}, {} seconds", started.pid, self.timeout.as_secs()));
        match self.wait(&started, &terminated, since).map_err(|error| wrong(&error))? {
            Event::Ended => {
                let exit = poll_exit(started.pidfd.as_fd()).map_err(|error| wrong(&error))?;
                self.report_use(since.elapsed());
                let code = shell_code(exit.unwrap_or(Exit::Unknown));
                self.say(&format!("ended with {code}"));
                Ok(code)
            }
            Event::Deadline if self.leave => {
                self.say("timed out, left running");
                Ok(self.timeout_code)
            }
            Event::Deadline => {
                self.say(&format!("timed out, killing its process group with signal {}", self.signal));
                self.kill(&started);
                Ok(self.timeout_code)
            }
            Event::Terminated => {
                self.say(&format!("got SIGTERM, killing the program with signal {}", self.signal));
                self.kill(&started);
                Ok(OWN_ERRORS)
            }
        }
    }

    fn start(&self) -> Result<Launched, Early> {
        let (program, args) = self.command.split_first().ok_or(Early::Help)?;
        let env = std::env::vars_os().map(|(name, value)| {
            let mut entry = name;
            entry.push("=");
            entry.push(value);
            entry
        });
        let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
        let launch = Launch::new(program)
            .args(args)
            .env_entries(env)
            .search_path(std::env::var_os("PATH").unwrap_or_else(|| "/usr/bin:/bin".into()))
            .stdin(stdin.as_fd())
            .stdout(stdout.as_fd())
            .stderr(stderr.as_fd())
            .group(Group::Process);
        launch.start().map_err(|error| Early::Wrong(format!("cannot {error}: {}", error.source)))
    }

    /// Waits for the first of the three.
    fn wait(&self, started: &Launched, terminated: &SignalFd, since: Instant) -> std::io::Result<Event> {
        loop {
            let left = self.timeout.saturating_sub(since.elapsed());
            let mut fds = [
                PollFd::new(&started.pidfd, PollFlags::IN),
                PollFd::from_borrowed_fd(terminated.as_fd(), PollFlags::IN),
            ];
            match poll(&mut fds, Some(&timespec(left))) {
                // An end that is already there counts, even where the time is up as well.
                Ok(_) if !fds[0].revents().is_empty() => return Ok(Event::Ended),
                Ok(_) if !fds[1].revents().is_empty() => return Ok(Event::Terminated),
                Ok(_) if since.elapsed() >= self.timeout => return Ok(Event::Deadline),
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn kill(&self, started: &Launched) {
        if let Err(error) = send_signal(-started.pid, self.signal) {
            eprintln!(
                "hatimerun: cannot send signal {} to process group {}: {error}",
                self.signal, started.pid
            );
        }
        if self.signal == libc::SIGKILL {
            // Gone or not after that time: the exit code is the same.
            let _gone =
                poll(&mut [PollFd::new(&started.pidfd, PollFlags::IN)], Some(&timespec(KILLED_WITHIN)));
        }
    }

    fn report_use(&self, used: Duration) {
        let percent = used.as_millis().saturating_mul(100) / self.timeout.as_millis().max(1);
        if let Some(limit) = self.report_above_percent
            && percent > u128::from(limit)
        {
            let program = self.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            let secs = self.timeout.as_secs();
            eprintln!(
                "hatimerun: {program} used {percent}% of its timeout of {secs} seconds, more than {limit}%"
            );
        }
    }

    fn say(&self, what: &str) {
        if self.verbose {
            let program = self.command.first().map(|program| program.to_string_lossy()).unwrap_or_default();
            eprintln!("hatimerun: {program}: {what}");
        }
    }
}

fn timespec(span: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(span.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(span.subsec_nanos()),
    }
}
