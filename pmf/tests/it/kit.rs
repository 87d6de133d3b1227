//! A pmfd of one test, and ways to talk to it. Nothing of it is left when it goes out of scope.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rgm_api::client::Client;
use rgm_api::pmf::{Event, Refusal, Reply, Request, TagView};
use tempfile::TempDir;

/// Far beyond what anything takes, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Node {
    pub dir: TempDir,
    pmfd: Option<Child>,
    flags: Vec<&'static str>,
    inside: Option<Inside>,
}

/// Namespaces of a node's own, which live as long as a process in them.
struct Inside {
    holder: Child,
    /// The options by which `unshare` made them and `nsenter` finds them.
    kinds: &'static str,
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.holder.kill().unwrap();
        self.holder.wait().unwrap();
    }
}

/// What pmfadm did.
#[derive(Debug)]
pub struct Done {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Node {
    pub fn new() -> Self {
        Self::with_flags(&[])
    }

    pub fn without_cgroups() -> Self {
        Self::with_flags(&["--no-cgroup"])
    }

    fn with_flags(flags: &[&'static str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut node = Self { dir, pmfd: None, flags: flags.to_vec(), inside: None };
        node.start();
        node
    }

    /// In namespaces of these kinds (`-m`, `-n`), after this script has run there in the node's
    /// directory. Root only.
    pub fn inside(kinds: &'static str, script: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let script = format!("cd {} && {script} && echo > inside && exec sleep 1000", dir.path().display());
        let holder = Command::new("unshare").args([kinds, "sh", "-c", &script]).spawn().unwrap();
        let inside = Some(Inside { holder, kinds });
        let mut node = Self { dir, pmfd: None, flags: Vec::new(), inside };
        eventually("the namespaces are set up", || node.path("inside").exists());
        node.start();
        node
    }

    /// Runs a script inside, in the node's directory.
    pub fn script_inside(&self, script: &str) -> Done {
        let script = format!("cd {} && {script}", self.dir.path().display());
        run(self.command("sh").args(["-c", &script]))
    }

    fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(Inside { holder, kinds }) = &self.inside else { return Command::new(program) };
        let mut command = Command::new("nsenter");
        command.args(["-t", &holder.id().to_string(), kinds]).arg(program);
        command
    }

    pub fn socket(&self) -> PathBuf {
        let path = self.path("run/pmfd.sock");
        let Some(Inside { holder, .. }) = &self.inside else { return path };
        Path::new(&format!("/proc/{}/root", holder.id())).join(path.strip_prefix("/").unwrap())
    }

    /// Starts pmfd, the first one or the next.
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command(env!("CARGO_BIN_EXE_pmfd"));
        command.args(&self.flags).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let pmfd = self.environment(&mut command).spawn().unwrap();
        self.pmfd = Some(pmfd);
        eventually("pmfd listens", || UnixStream::connect(self.socket()).is_ok());
    }

    pub fn kill_pmfd(&mut self) {
        let mut pmfd = self.pmfd.take().unwrap();
        pmfd.kill().unwrap();
        pmfd.wait().unwrap();
    }

    pub fn pmfd_pid(&self) -> i32 {
        i32::try_from(self.pmfd.as_ref().unwrap().id()).unwrap()
    }

    /// Tells pmfd to stop, and waits until it has.
    pub fn terminate_pmfd(&mut self) {
        signal(self.pmfd_pid(), 15);
        assert!(self.pmfd.take().unwrap().wait().unwrap().success());
    }

    pub fn environment<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env("RGM_RUN_DIR", self.path("run"))
            .env("RGM_STATE_DIR", self.path("state"))
            .env_remove("RGM_NODE")
            .env_remove("RGM_RESOURCE")
            .env_remove("RGM_GROUP")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// pmfadm, not started yet.
    pub fn adm_command(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_pmfadm"));
        command.args(args).stdin(Stdio::null());
        self.environment(&mut command);
        command
    }

    pub fn adm(&self, args: &[&str]) -> Done {
        run(&mut self.adm_command(args))
    }

    /// pmfadm by another user.
    pub fn adm_as(&self, uid: u32, args: &[&str]) -> Done {
        // Where it was built, that user may not look.
        let copy = self.path("pmfadm");
        if !copy.exists() {
            fs::copy(env!("CARGO_BIN_EXE_pmfadm"), &copy).unwrap();
        }
        let mut command = Command::new(copy);
        command.args(args).uid(uid).gid(uid).current_dir("/");
        run(self.environment(&mut command))
    }

    pub fn ok(&self, args: &[&str]) -> String {
        let done = self.adm(args);
        assert_eq!(done.code, 0, "pmfadm {args:?}: {done:?}\n{}", self.log());
        done.out
    }

    pub fn view(&self, tag: &str) -> TagView {
        serde_json::from_str(&self.ok(&["-l", tag, "--json"])).unwrap()
    }

    pub fn pids(&self, tag: &str) -> Vec<i32> {
        self.view(tag).pids
    }

    pub fn is_registered(&self, tag: &str) -> bool {
        self.adm(&["-q", tag]).code == 0
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    /// The lines that the processes of a test have written.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    pub fn eventually_lines(&self, name: &str, count: usize) {
        eventually(&format!("{count} lines in {name}"), || self.lines(name).len() >= count);
    }

    pub fn eventually_gone(&self, tag: &str) {
        eventually(&format!("{tag} is gone"), || !self.is_registered(tag));
    }

    /// An executable script.
    pub fn script(&self, name: &str, body: &str) -> String {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\ncd {}\n{body}\n", self.dir.path().display())).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A command that notes its pid in `runs` and then lives.
    pub fn living(&self) -> String {
        self.script("living", "echo $$ >> runs\nexec sleep 1000")
    }

    /// A command that notes its pid in `runs` and ends, with exit code 0.
    pub fn dying(&self) -> String {
        self.script("dying", "echo $$ >> runs")
    }

    pub fn client(&self) -> Client {
        Client::connect::<Refusal>(&self.socket()).unwrap()
    }

    /// Reads events until one is as wanted.
    pub fn event(&self, wanted: impl Fn(&Event) -> bool + Send + 'static) -> Event {
        let (sender, receiver) = std::sync::mpsc::channel();
        let mut client = self.client();
        client.set_time_limit(Some(PATIENCE));
        std::thread::spawn(move || {
            // Ends when the receiver has heard enough and pmfd has ended, or by the time limit.
            let _ended = client.call_more(&Request::Watch {}, |reply| {
                if let Reply::Event(event) = reply
                    && wanted(&event)
                {
                    let _heard = sender.send(event);
                }
            });
        });
        receiver.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("log of pmfd:\n{}", self.log());
        }
        if self.pmfd.is_none() {
            self.start();
        }
        let stopped = run(self.environment(self.command(env!("CARGO_BIN_EXE_pmfd")).arg("--stop-all")));
        let mut pmfd = self.pmfd.take().unwrap();
        if stopped.code != 0 {
            pmfd.kill().unwrap();
        }
        pmfd.wait().unwrap();
        assert!(stopped.code == 0 || std::thread::panicking(), "{stopped:?}");
    }
}

pub fn run(command: &mut Command) -> Done {
    let output = command.output().unwrap();
    Done {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Waits until it is so; fails with the words when it never is.
pub fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < until, "not within {PATIENCE:?}: {what}");
        let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
        rustix::event::poll(&mut [], Some(&pause)).unwrap();
    }
}

pub fn signal(pid: i32, signal: i32) {
    methods::launch::send_signal(pid, signal).unwrap();
}

/// Exists, and is no zombie.
pub fn lives(pid: i32) -> bool {
    pmf::place::Stat::read(pid).is_some_and(|stat| !stat.zombie)
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn has_cgroups() -> bool {
    methods::cgroup::Root::find().is_ok()
}

/// Runs a check with cgroups and without.
pub fn both_ways(check: impl Fn(Node)) {
    check(Node::new());
    check(Node::without_cgroups());
}

pub fn os(path: &Path) -> &OsStr {
    path.as_os_str()
}
