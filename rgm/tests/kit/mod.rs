//! A real rgmd in directories of its own, a resource type made of shell scripts, and waiting with a
//! deadline. Whatever a test leaves behind is killed when its [`Place`] is dropped.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that can't go on ends so")]

use methods::cgroup::{Cgroup, Root, instance_name};
use rgm_api::Paths;
use rgm_api::client::Client;
use rgm_api::pmf;
use rgm_api::rgm::{Connection, Failure};
use rgm_types::view::Snapshot;
use rgm_types::{Command as Change, GroupName, NodeName, PropSet, ResourceName, ResourceState};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Nothing in these tests takes nearly this long.
const DEADLINE: Duration = Duration::from_secs(60);

/// Where a test's rgmd lives.
pub struct Place {
    dir: TempDir,
    args: Vec<String>,
}

/// A running rgmd.
pub struct Daemon {
    child: Child,
    /// The line that says it is ready.
    pub ready: String,
}

impl Place {
    /// For a cluster of these nodes on this machine.
    pub fn cluster(nodes: &str) -> Self {
        Self::new(&["--dev-nodes", nodes])
    }

    /// For whatever these arguments say.
    pub fn new(args: &[&str]) -> Self {
        let place = Self {
            dir: tempfile::tempdir().unwrap(),
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        };
        fs::set_permissions(place.dir.path(), Permissions::from_mode(0o755)).unwrap();
        fs::create_dir(place.path("m")).unwrap();
        place
    }

    /// Further arguments of the daemons to come.
    pub fn add_args(&mut self, args: &[&str]) {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn paths(&self) -> Paths {
        Paths::from_vars(|name| match name {
            "RGM_RUN_DIR" => Some(self.path("run").into()),
            "RGM_STATE_DIR" => Some(self.path("state").into()),
            "RGM_CONFIG" => Some(self.path("rgm.toml").into()),
            _ => None::<OsString>,
        })
        .unwrap()
    }

    /// rgmd, ready to be run, with further arguments.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rgmd"));
        command.args(args).env_clear().envs(self.paths().to_env()).env("RGM_LOG", "debug");
        command.stdin(Stdio::null());
        command
    }

    /// Starts rgmd, and waits until it is ready.
    pub fn start(&self) -> Daemon {
        bin_dir();
        let log = File::options().create(true).append(true).open(self.path("log")).unwrap();
        let mut command = self.command(&[]);
        let mut child = command.args(&self.args).stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut ready = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut ready).unwrap();
        assert!(ready.starts_with("rgmd: ready"), "{ready:?}\n{}", self.log());
        Daemon { child, ready }
    }

    /// Starts the pmfd of a machine that is a node itself, as its system would.
    pub fn start_pmfd(&self) {
        let mut command = Command::new(bin_dir().join("pmfd"));
        command.env_clear().envs(self.paths().to_env()).stdin(Stdio::null());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut pmfd = command.spawn().unwrap();
        let socket = self.paths().pmfd_socket();
        until("pmfd answers", || UnixStream::connect(&socket).is_ok());
        // It ends with the place; somebody has to take it away then.
        std::thread::spawn(move || pmfd.wait());
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    pub fn connect(&self) -> Connection {
        Connection::open(&self.paths()).unwrap()
    }

    /// A connection that speaks for a node.
    pub fn connect_to(&self, node: &str) -> Connection {
        Connection::open(&self.paths().for_node(&NodeName::new(node).unwrap())).unwrap()
    }

    pub fn change(&self, change: Change) -> Result<(), Failure> {
        self.connect().change(change, false, None).map(drop)
    }

    /// Writes a method; `$T` is the directory of the test, PATH has pmfadm.
    pub fn method(&self, name: &str, body: &str) {
        let path = self.path("m").join(name);
        let (dir, bin) = (self.dir.path().display(), bin_dir().display());
        let text = format!("#!/bin/sh\nT={dir}\nPATH={bin}:/usr/bin:/bin\nexport PATH\n{body}\n");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    /// Registers a type with the methods `start` and `stop`, and makes one enabled resource `r` of it
    /// in a managed group `g` that is offline. Where there is a method `boot`, that is one of the type.
    pub fn configure(&self, failover_mode: &str) {
        let base = self.path("m");
        let boot = if base.join("boot").exists() { "BOOT = boot;\n" } else { "" };
        let text = format!(
            "RESOURCE_TYPE = t;\nRT_VERSION = \"1\";\nRT_BASEDIR = {};\nSTART = start;\nSTOP = stop;\n{boot}\
             {{ PROPERTY = Start_timeout; DEFAULT = 50; }}\n{{ PROPERTY = Stop_timeout; DEFAULT = 50; }}\n\
             {{ PROPERTY = Failover_mode; DEFAULT = {failover_mode}; }}\n",
            base.display()
        );
        self.connect().register_type("t", &text, None, false).unwrap();
        self.change(Change::GroupCreate { name: "g".into(), props: vec![] }).unwrap();
        let (name, type_name) = ("r".to_owned(), "t".to_owned());
        let props: Vec<PropSet> = vec![];
        self.change(Change::ResourceCreate { name, type_name, group: group(), props, enable: true }).unwrap();
        self.change(Change::Manage { groups: vec![group()] }).unwrap();
    }

    pub fn online(&self, node: &str) -> Result<(), Failure> {
        let nodes = vec![NodeName::new(node).unwrap()];
        self.change(Change::Switch { groups: vec![group()], nodes, with: Default::default() })
    }

    pub fn offline(&self) -> Result<(), Failure> {
        self.change(Change::Offline { groups: vec![group()], nodes: vec![] })
    }

    /// Where `r` is online.
    pub fn is_online_on(&self, node: &str) -> bool {
        self.connect().snapshot().is_ok_and(|snapshot| {
            state(&snapshot, node) == ResourceState::OnlineNotMonitored
                || state(&snapshot, node) == ResourceState::Online
        })
    }

    /// What a method has written to a file of the test, as words.
    pub fn words(&self, file: &str) -> Vec<String> {
        let text = fs::read_to_string(self.path(file)).unwrap_or_default();
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Processes that pmfd supervises on a node.
    pub fn supervised(&self, node: &str) -> Vec<i32> {
        self.supervised_at(&self.paths().for_node(&NodeName::new(node).unwrap()).pmfd_socket())
    }

    /// Processes that the pmfd of this socket supervises.
    pub fn supervised_at(&self, socket: &Path) -> Vec<i32> {
        let mut client = Client::connect::<pmf::Refusal>(socket).unwrap();
        match client.call(&pmf::Request::List { tag: None }).unwrap() {
            pmf::Reply::Tags(tags) => tags.into_iter().flat_map(|tag| tag.pids).collect(),
            other @ (pmf::Reply::Done {}
            | pmf::Reply::Found(_)
            | pmf::Reply::Event(_)
            | pmf::Reply::Deadman(_)) => {
                panic!("{other:?}")
            }
        }
    }

    /// The process of a node's pmfd, if one answers.
    pub fn pmfd_pid(&self, node: &str) -> Option<i32> {
        let socket = self.paths().for_node(&NodeName::new(node).unwrap()).pmfd_socket();
        let stream = UnixStream::connect(socket).ok()?;
        Some(rustix::net::sockopt::socket_peercred(&stream).unwrap().pid.as_raw_nonzero().get())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.log());
        }
        let run = self.path("run");
        for dir in fs::read_dir(&run).into_iter().flatten().flatten().map(|e| e.path()).chain([run.clone()]) {
            if let Ok(mut client) = Client::connect::<pmf::Refusal>(&dir.join("pmfd.sock")) {
                let _gone = client.call(&pmf::Request::Shutdown { kill: true });
            }
            if let Some(cgroup) = cgroup_of(&dir) {
                let _gone = cgroup.kill();
                until("its cgroup empties", || !cgroup.is_populated().unwrap_or(false));
                let _removed = cgroup.remove();
            }
        }
    }
}

impl Daemon {
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Waits for its end.
    pub fn wait(mut self) -> ExitStatus {
        let pidfd = rustix::process::pidfd_open(self.pid(), rustix::process::PidfdFlags::empty()).unwrap();
        readable(&pidfd, DEADLINE);
        self.child.wait().unwrap()
    }

    pub fn kill(self) {
        self.signal(Signal::KILL);
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The cgroup of the node whose run directory this is.
pub fn cgroup_of(dir: &Path) -> Option<Cgroup> {
    Root::find().ok()?.open(&format!("rgm/{}", instance_name(dir)))
}

fn readable(fd: &impl std::os::fd::AsFd, limit: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let limit = Timespec { tv_sec: limit.as_secs().try_into().unwrap(), tv_nsec: 0 };
    assert_eq!(poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&limit)), Ok(1), "it ends in time");
}

/// Looks at a condition until it holds; a test that waits for ever fails instead.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    let step = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}");
        rustix::event::poll(&mut [], Some(&step)).unwrap();
    }
}

pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that nobody has taken away yet is as dead.
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with('Z'))
}

pub fn group() -> GroupName {
    GroupName::new("g").unwrap()
}

pub fn resource() -> ResourceName {
    ResourceName::new("r").unwrap()
}

pub fn state(snapshot: &Snapshot, node: &str) -> ResourceState {
    let views = snapshot.resources.iter().filter(|view| view.name == resource());
    let mut on_nodes = views.flat_map(|view| &view.nodes);
    on_nodes.find(|on| on.node.as_str() == node).map_or(ResourceState::Offline, |on| on.state)
}

/// The directory of pmfd and pmfadm: that of rgmd. Built now where only this package was.
fn bin_dir() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let dir = Path::new(env!("CARGO_BIN_EXE_rgmd")).parent().unwrap();
        if !dir.join("pmfd").exists() {
            let built = Command::new(env!("CARGO")).args(["build", "-p", "pmf", "--bins"]).status().unwrap();
            assert!(built.success());
        }
        dir.to_owned()
    })
}

/// A small file system that only this thread and its children see.
pub struct Tmpfs(pub TempDir);

impl Tmpfs {
    /// Made and mounted, so large.
    pub fn mount(size: &str) -> Self {
        use nix::mount::{MsFlags, mount};
        let none = None::<&str>;
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let size = format!("size={size}");
        mount(Some("tmpfs"), dir.path(), Some("tmpfs"), MsFlags::empty(), Some(size.as_str())).unwrap();
        Self(dir)
    }

    /// Fills it to the last page, with this file.
    pub fn fill(&self) -> PathBuf {
        let path = self.0.path().join("ballast");
        let mut file = File::create(&path).unwrap();
        while std::io::Write::write(&mut file, &[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _unmounted = nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}
