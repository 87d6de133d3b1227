//! `hatimerun`, `halockrun` and `scds_syslog` as shell agents call them.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, end the test when something is amiss")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const HATIMERUN: &str = env!("CARGO_BIN_EXE_hatimerun");
const HALOCKRUN: &str = env!("CARGO_BIN_EXE_halockrun");
const SCDS_SYSLOG: &str = env!("CARGO_BIN_EXE_scds_syslog");

/// Far longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A tool with its arguments; `$1` of its scripts is the directory.
struct Tool(Command);

impl Tool {
    fn new(tool: &str, args: &[&str]) -> Self {
        let mut command = Command::new(tool);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command)
    }
    fn script(tool: &str, args: &[&str], script: &str, dir: &Path) -> Self {
        let mut new = Self::new(tool, args);
        new.0.args(["/bin/sh", "-c", script, "sh"]).arg(dir);
        new
    }
    fn run(mut self) -> (i32, String) {
        let Output { status, stderr, .. } = self.0.output().unwrap();
        (status.code().unwrap(), String::from_utf8(stderr).unwrap())
    }
    fn code(mut self) -> i32 {
        // Not through a pipe: who is left running may hold it.
        self.0.stderr(Stdio::null()).status().unwrap().code().unwrap()
    }
    fn spawn(mut self) -> Child {
        self.0.stderr(Stdio::null()).spawn().unwrap()
    }
}

/// Waits for a condition, giving the processor to others in between.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

fn pid_in(path: &Path) -> i32 {
    let read = || fs::read_to_string(path).ok()?.strip_suffix('\n')?.parse::<i32>().ok();
    until("a pid is written", || read().is_some());
    read().unwrap()
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

fn send(pid: i32, signal: i32) {
    methods::launch::send_signal(pid, signal).unwrap();
}

fn dir() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_path_buf();
    (dir, path)
}

#[test]
fn hatimerun_passes_on_how_the_program_ended() {
    let (_keep, dir) = dir();
    let code = |script: &str| Tool::script(HATIMERUN, &["-t", "60"], script, &dir).code();
    assert_eq!(code("exit 0"), 0);
    assert_eq!(code("exit 7"), 7);
    assert_eq!(code("kill -9 $$"), 128 + 9);
}

#[test]
fn hatimerun_hands_arguments_environment_and_files_to_the_program() {
    let out = Command::new(HATIMERUN)
        .args(["-t", "60", "sh", "-c", "read line; echo \"$line $A $*\"; echo err >&2", "sh", "-v", "-t"])
        .env("A", "b")
        .stdin(fs::File::open("/proc/sys/kernel/ostype").unwrap())
        .output()
        .unwrap();
    assert_eq!(String::from_utf8(out.stdout).unwrap(), "Linux b -v -t\n");
    assert_eq!(String::from_utf8(out.stderr).unwrap(), "err\n");
}

#[test]
fn hatimerun_kills_the_whole_process_group_on_timeout() {
    let (_keep, dir) = dir();
    let script = "trap '' TERM; sleep 2001 & echo $! > $1/child; wait";
    assert_eq!(Tool::script(HATIMERUN, &["-t", "3"], script, &dir).code(), 99);
    let child = pid_in(&dir.join("child"));
    until("the child is killed, too", || !is_alive(child));
}

#[test]
fn hatimerun_exits_with_the_code_asked_for_on_timeout_only() {
    let (_keep, dir) = dir();
    assert_eq!(Tool::script(HATIMERUN, &["-t1", "-d", "-e", "42"], "sleep 2002", &dir).code(), 42);
    assert_eq!(Tool::script(HATIMERUN, &["-t60", "-e42"], "exit 3", &dir).code(), 3);
    assert_eq!(Tool::new(HATIMERUN, &["-e", "42", "-t", "60", "/no/such/program"]).code(), 98);
}

#[test]
fn hatimerun_leaves_the_program_running_if_asked_to() {
    let (_keep, dir) = dir();
    assert_eq!(
        Tool::script(HATIMERUN, &["-a", "-t", "3"], "echo $$ > $1/pid; exec sleep 2003", &dir).code(),
        99
    );
    let pid = pid_in(&dir.join("pid"));
    assert!(is_alive(pid));
    send(pid, libc::SIGKILL);
}

#[test]
fn hatimerun_sends_the_signal_asked_for_by_name_or_number() {
    let tools = ["TERM", "term", "15"].map(|signal| {
        let (keep, dir) = dir();
        let script = "trap 'echo 15 > $1/got; exit' TERM; while :; do sleep 0.01; done";
        (Tool::script(HATIMERUN, &["-t", "3", "-k", signal], script, &dir).spawn(), keep)
    });
    for (mut tool, dir) in tools {
        assert_eq!(tool.wait().unwrap().code(), Some(99));
        assert_eq!(pid_in(&dir.path().join("got")), 15);
    }
}

#[test]
fn hatimerun_kills_the_program_when_it_is_terminated_itself() {
    let (_keep, dir) = dir();
    let mut tool = Tool::script(HATIMERUN, &["-t", "60"], "echo $$ > $1/pid; exec sleep 2004", &dir).spawn();
    let pid = pid_in(&dir.join("pid"));
    send(i32::try_from(tool.id()).unwrap(), libc::SIGTERM);
    assert_eq!(tool.wait().unwrap().code(), Some(98));
    until("the program is killed", || !is_alive(pid));
}

#[test]
fn hatimerun_does_not_wait_for_a_daemon() {
    let (_keep, dir) = dir();
    assert_eq!(Tool::script(HATIMERUN, &["-t", "60"], "sleep 2005 & echo $! > $1/pid", &dir).code(), 0);
    let pid = pid_in(&dir.join("pid"));
    assert!(is_alive(pid));
    send(pid, libc::SIGKILL);
}

#[test]
fn hatimerun_says_on_stderr_what_it_is_asked_to() {
    let (_keep, dir) = dir();
    let (code, said) = Tool::script(HATIMERUN, &["-v", "-t", "60"], "exit 5", &dir).run();
    assert_eq!(code, 5);
    assert!(said.contains("/bin/sh: started as process") && said.contains("ended with 5"), "{said}");
    let (code, said) = Tool::script(HATIMERUN, &["-x", "0", "-t", "9"], "sleep 0.2", &dir).run();
    assert_eq!(code, 0);
    assert!(said.contains("of its timeout of 9 seconds, more than 0%"), "{said}");
    let (_, said) = Tool::script(HATIMERUN, &["-x", "100", "-t", "60"], "exit 0", &dir).run();
    assert_eq!(said, "");
}

#[test]
fn hatimerun_refuses_a_wrong_call_with_98() {
    let check = |args: &[&str], expected: &str| {
        let (code, said) = Tool::new(HATIMERUN, args).run();
        assert_eq!(code, 98, "{args:?}: {said}");
        assert!(said.contains(expected) && said.lines().count() == 1, "{args:?}: {said}");
    };
    check(&["true"], "-t SECONDS is missing");
    check(&["-t", "0", "true"], "at least 1 second");
    check(&["-t", "soon", "true"], "soon");
    check(&["-t", "5"], "no program");
    check(&["-t", "5", "-a", "-k", "TERM", "true"], "-a and -k exclude each other");
    check(&["-t", "5", "-k", "LOUD", "true"], "no signal LOUD");
    check(&["-t", "5", "-e", "256", "true"], "256");
    check(&["-t", "5", "-q", "true"], "-q");
    check(&["-t", "5", "/no/such/program"], "No such file");
}

#[test]
fn halockrun_holds_the_lock_as_long_as_the_program_runs() {
    let (_keep, dir) = dir();
    let lock = dir.join("lock");
    let lock = lock.to_str().unwrap();
    let holder = "echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.01; done";
    let mut first = Tool::script(HALOCKRUN, &[lock], holder, &dir).spawn();
    pid_in(&dir.join("pid"));
    assert_eq!(Tool::script(HALOCKRUN, &["-n", lock], "exit 0", &dir).code(), 1);
    assert_eq!(Tool::script(HALOCKRUN, &["-ns", lock], "exit 0", &dir).code(), 1);
    assert_eq!(
        Tool::script(HALOCKRUN, &["-n", "-e", "7", lock], "exit 0", &dir).code(),
        1,
        "-e is not for this"
    );
    let mut second = Tool::script(HALOCKRUN, &[lock], "echo 2 > $1/second", &dir).spawn();
    assert!(!dir.join("second").exists());
    fs::write(dir.join("go"), "").unwrap();
    assert!(first.wait().unwrap().success() && second.wait().unwrap().success());
    assert_eq!(pid_in(&dir.join("second")), 2, "who waits gets the lock in the end");
    assert_eq!(Tool::script(HALOCKRUN, &["-n", lock], "exit 0", &dir).code(), 0);
}

#[test]
fn halockrun_shares_a_lock_among_readers_but_not_with_a_writer() {
    let (_keep, dir) = dir();
    let lock = dir.join("lock");
    let lock = lock.to_str().unwrap();
    let holder = "echo $$ > $1/pid; until [ -e $1/go ]; do sleep 0.01; done";
    let mut first = Tool::script(HALOCKRUN, &["-s", lock], holder, &dir).spawn();
    pid_in(&dir.join("pid"));
    assert_eq!(Tool::script(HALOCKRUN, &["-s", "-n", lock], "exit 4", &dir).code(), 4);
    assert_eq!(Tool::script(HALOCKRUN, &["-n", lock], "exit 4", &dir).code(), 1);
    fs::write(dir.join("go"), "").unwrap();
    assert!(first.wait().unwrap().success());
}

#[test]
fn halockrun_releases_the_lock_though_a_daemon_is_left_behind() {
    let (_keep, dir) = dir();
    let lock = dir.join("lock");
    let lock = lock.to_str().unwrap();
    assert_eq!(Tool::script(HALOCKRUN, &[lock], "sleep 2006 & echo $! > $1/pid", &dir).code(), 0);
    assert_eq!(Tool::script(HALOCKRUN, &["-n", lock], "exit 0", &dir).code(), 0);
    send(pid_in(&dir.join("pid")), libc::SIGKILL);
}

#[test]
fn halockrun_passes_on_the_exit_code_and_keeps_99_for_itself() {
    let (_keep, dir) = dir();
    let lock = dir.join("lock");
    fs::write(&lock, "kept").unwrap();
    let name = lock.to_str().unwrap();
    assert_eq!(Tool::script(HALOCKRUN, &[name], "exit 7", &dir).code(), 7);
    assert_eq!(Tool::script(HALOCKRUN, &[name], "kill -9 $$", &dir).code(), 128 + 9);
    assert_eq!(fs::read_to_string(&lock).unwrap(), "kept");
    let check = |args: &[&str], code: i32, expected: &str| {
        let (got, said) = Tool::new(HALOCKRUN, args).run();
        assert_eq!(got, code, "{args:?}: {said}");
        assert!(said.contains(expected), "{args:?}: {said}");
    };
    check(&[name, "/no/such/program"], 99, "cannot run /no/such/program: No such file");
    check(&["/no/such/dir/lock", "true"], 99, "cannot open /no/such/dir/lock: No such file");
    check(&["-e", "5", "/no/such/dir/lock", "true"], 5, "cannot open");
    check(&["-q", name, "true"], 99, "-q");
    check(&[name], 99, "no program");
    check(&[], 99, "no lock file");
    check(&["-v", name, "true"], 0, "is locked; running true");
}

#[test]
fn every_tool_explains_itself_with_an_example() {
    for tool in [HATIMERUN, HALOCKRUN, SCDS_SYSLOG] {
        let out = Command::new(tool).arg("--help").output().unwrap();
        let help = String::from_utf8(out.stdout).unwrap();
        assert!(out.status.success() && help.contains("usage:") && help.contains("example:"), "{help}");
    }
}

#[test]
fn scds_syslog_falls_back_to_stderr_and_refuses_a_wrong_call() {
    let (code, said) = Tool::new(SCDS_SYSLOG, &["-p", "loud", "-m", "x"]).run();
    assert_eq!(code, 1);
    assert!(said.contains("no priority loud"), "{said}");
    let (code, said) =
        Tool::new(SCDS_SYSLOG, &["-p", "daemon.info", "-t", "[T,G,R]", "-m", "%s is %d", "port", "53"]).run();
    assert_eq!(code, 0);
    if !Path::new("/dev/log").exists() && !Path::new("/var/run/syslog").exists() {
        assert_eq!(said, "[T,G,R]: port is 53\n");
    }
}
