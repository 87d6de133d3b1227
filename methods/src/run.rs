//! Run one method: started in a cgroup of its own, heard line by line, ended in time.
//!
//! ```text
//!  start ─► Running ─ wait ─┬─ it ends by itself ───────────────► Exited, Signalled
//!                           └─ deadline, or Killer ─► diagnostics ─► SIGABRT to its process group
//!                                ─► a short grace ─► SIGKILL to the whole tree ─► TimedOut, Killed
//! ```
//!
//! The end of a method is the end of its process, seen through a pidfd; a daemon it left behind may
//! hold its output for years and is not waited for, nor killed. All waiting is done by the caller's
//! tokio runtime: no thread, no polling, no helper process per method.

use crate::cgroup::{Cgroup, Root};
use crate::launch::{Exit, Group, Launch, LaunchError, poll_exit, send_signal};
use crate::pipe::Output;
use crate::{diagnostics, leftovers, proc, watch};
use rustix::process::{Signal, pidfd_send_signal};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long a method may take to die of SIGABRT, which lets it dump core, before SIGKILL.
pub const ABORT_GRACE: Duration = Duration::from_secs(1);
/// How long the end is awaited after SIGKILL. Only a process stuck in the kernel takes longer, and
/// nobody shall wait for that one.
pub const KILL_WAIT: Duration = Duration::from_secs(2);
/// How long gathering diagnostics may hold up the kill.
pub const DIAGNOSTICS_WAIT: Duration = Duration::from_secs(2);
/// Cgroups of one name that may hold survivors of earlier runs.
const SAME_NAME_MAX: u32 = 1000;

/// A method to run.
#[derive(Debug, Clone)]
pub struct Order {
    /// Its file.
    pub program: PathBuf,
    /// Arguments after the program.
    pub args: Vec<OsString>,
    /// The whole environment, as `NAME=value` entries.
    pub env: Vec<OsString>,
    /// What marks its lines in the log.
    pub tag: String,
    /// How long it may run.
    pub timeout: Duration,
    /// Where its cgroup is made; `None` where the machine has no cgroups. Then a timeout reaches its
    /// process group and its descendants, but not a daemon that has left both.
    pub cgroup: Option<Place>,
}

/// Name and place of a cgroup.
#[derive(Debug, Clone)]
pub struct Place {
    /// The cgroup of all methods of this daemon; made if it does not exist.
    pub parent: PathBuf,
    /// One path component, best a different one for each run.
    pub name: String,
}

/// How a method ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MethodResult {
    /// With this code; 0 is success.
    Exited(i32),
    /// By this signal, which we did not send.
    Signalled(i32),
    /// Its time was up and it was killed.
    TimedOut,
    /// A [`Killer`] ended it.
    Killed,
    /// It never ran.
    NotStarted(String),
}

/// What is known of a method that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// How.
    pub result: MethodResult,
    /// How long it ran.
    pub duration: Duration,
    /// The last lines it printed.
    pub output: Vec<String>,
    /// What it was doing when it was killed, several lines; and who could not be killed.
    pub diagnostics: Option<String>,
}

impl Outcome {
    /// It exited with 0.
    pub fn is_success(&self) -> bool {
        self.result == MethodResult::Exited(0)
    }
    /// Of a method that was not started.
    pub fn not_started(error: &StartError) -> Self {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        let result = MethodResult::NotStarted(why);
        Self { result, duration: Duration::ZERO, output: Vec::new(), diagnostics: None }
    }
}

/// Why a method was not started. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// No cgroup for it.
    #[error("make cgroup {} for the method", path.display())]
    Cgroup {
        /// Its directory.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Out of descriptors.
    #[error("watch the method")]
    Watch(#[source] io::Error),
    /// The file could not be executed.
    #[error(transparent)]
    Launch(#[from] LaunchError),
}

/// A method that runs. Dropped before its end, it is killed with all its processes.
#[derive(Debug)]
pub struct Running {
    /// Its process.
    pub pid: i32,
    tree: Tree,
    /// Behind the tree, for what is dropped is killed first and then awaited.
    leader: Leader,
    output: Output,
    tag: String,
    command: String,
    timeout: Duration,
    since: Instant,
    asked: Arc<Notify>,
}

/// Ends a method early (`scswitch -Q -k`).
#[derive(Debug, Clone)]
pub struct Killer(Arc<Notify>);

impl Killer {
    /// Ends it as a timeout would. A method that has ended already is left alone.
    pub fn kill(&self) {
        self.0.notify_one();
    }
}

/// Starts a method. Must be called inside a tokio runtime; returns when it has been executed.
pub fn start(order: &Order) -> Result<Running, StartError> {
    start_with(order, None)
}

/// The same for a program that is told on its standard input what to do.
pub fn start_reading(order: &Order, input: BorrowedFd<'_>) -> Result<Running, StartError> {
    start_with(order, Some(input))
}

fn start_with(order: &Order, input: Option<BorrowedFd<'_>>) -> Result<Running, StartError> {
    let (output, theirs) = Output::new().map_err(StartError::Watch)?;
    let cgroup = order.cgroup.as_ref().map(make_cgroup).transpose()?;
    let mut tree = Tree { pid: 0, cgroup, ended: true };
    let dir = tree.dir()?;
    let since = Instant::now();
    let mut launch = Launch::new(&order.program)
        .args(&order.args)
        .env_entries(&order.env)
        .cwd("/")
        .stdout(theirs.as_fd())
        .stderr(theirs.as_fd())
        .group(Group::Process);
    if let Some(dir) = &dir {
        launch = launch.cgroup(dir.as_fd());
    }
    if let Some(input) = input {
        launch = launch.stdin(input);
    }
    let launched = match launch.start() {
        Ok(launched) => launched,
        Err(error) => {
            tree.settle();
            return Err(error.into());
        }
    };
    tree.pid = launched.pid;
    tree.ended = false;
    let pidfd = watch::readable(launched.pidfd).map_err(StartError::Watch)?;
    Ok(Running {
        pid: launched.pid,
        tree,
        leader: Leader(Some(pidfd)),
        output,
        tag: order.tag.clone(),
        command: order.program.display().to_string(),
        timeout: order.timeout,
        since,
        asked: Arc::default(),
    })
}

/// Why waiting for a method stopped.
enum Stop {
    Ended,
    Deadline,
    Asked,
}

impl Running {
    /// A handle that ends it early.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.asked))
    }

    /// Waits for its end, hands on what it prints line by line, and kills it when its time is up.
    pub async fn wait(mut self, mut lines: impl FnMut(&str)) -> Outcome {
        let left = self.timeout.saturating_sub(self.since.elapsed());
        match self.until(left, true, &mut lines).await {
            Stop::Ended => self.ended_by_itself(&mut lines),
            Stop::Deadline => self.end(MethodResult::TimedOut, &mut lines).await,
            Stop::Asked => self.end(MethodResult::Killed, &mut lines).await,
        }
    }

    /// Takes output until the method has ended, the span is over, or somebody asks for the end.
    async fn until(&mut self, span: Duration, may_ask: bool, lines: &mut impl FnMut(&str)) -> Stop {
        let deadline = tokio::time::sleep(span);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                biased;
                () = self.leader.ended() => return Stop::Ended,
                () = self.asked.notified(), if may_ask => return Stop::Asked,
                () = &mut deadline => return Stop::Deadline,
                () = self.output.read(lines), if self.output.is_open() => {}
            }
        }
    }

    fn ended_by_itself(mut self, lines: &mut impl FnMut(&str)) -> Outcome {
        let duration = self.since.elapsed();
        let result = match self.reap() {
            Ok(Some(Exit::Code(code))) => MethodResult::Exited(code),
            Ok(Some(Exit::Signal(signal))) => MethodResult::Signalled(signal),
            // Somebody else has taken our child out of the process table: nobody knows, so no success.
            Ok(Some(Exit::Unknown) | None) | Err(_) => MethodResult::Signalled(0),
        };
        self.output.drain(lines);
        self.tree.settle();
        let output = self.output.lines.last();
        let Self { output: pipe, tag, .. } = self;
        pipe.keep_reading(tag);
        Outcome { result, duration, output, diagnostics: None }
    }

    /// Kills it and all its processes, and says what it was doing.
    async fn end(mut self, result: MethodResult, lines: &mut impl FnMut(&str)) -> Outcome {
        let mut told = format!("{} (pid {}) after {:?}\n", self.command, self.pid, self.since.elapsed());
        told.push_str(&self.collect().await);
        let family = self.tree.family();
        if let Err(error) = send_signal(-self.pid, libc::SIGABRT) {
            told.push_str(&format!("cannot send SIGABRT to process group {}: {error}\n", self.pid));
        }
        self.until(ABORT_GRACE, false, lines).await;
        self.tree.kill(&family);
        let stop = self.until(KILL_WAIT, false, lines).await;
        let duration = self.since.elapsed();
        self.tree.emptied().await;
        self.output.drain(lines);
        for line in self.output.lines.last() {
            told.push_str(&format!("last output: {line}\n"));
        }
        for pid in self.tree.survivors(matches!(stop, Stop::Ended)) {
            told.push_str(&format!("process {pid} could not be killed: it is stuck in the kernel\n"));
        }
        self.tree.remove();
        let output = self.output.lines.last();
        // Where it is stuck, it is taken out of the process table whenever that ends.
        let _exit = self.reap();
        self.tree.ended = true;
        Outcome { result, duration, output, diagnostics: Some(told) }
    }

    /// On a thread of its own, for /proc may hold whoever looks at a process stuck in the kernel.
    async fn collect(&self) -> String {
        let (tell, told) = oneshot::channel();
        let (pid, cgroup) = (self.pid, self.tree.cgroup.clone());
        let looking = std::thread::Builder::new().name("diagnostics".into()).spawn(move || {
            // Nobody listens any more where it took too long.
            let _late = tell.send(diagnostics::collect(pid, cgroup.as_ref()));
        });
        let looked = looking.is_ok();
        match tokio::time::timeout(DIAGNOSTICS_WAIT, told).await {
            Ok(Ok(text)) => text,
            _ if looked => format!("its processes could not be examined within {DIAGNOSTICS_WAIT:?}\n"),
            _ => "its processes could not be examined: no thread could be made\n".to_string(),
        }
    }

    fn reap(&mut self) -> io::Result<Option<Exit>> {
        let exit = self.leader.reap();
        self.tree.ended = matches!(exit, Ok(Some(_)));
        exit
    }
}

/// The process of a method, our child. `None`: it was taken out of the process table. Dropped before,
/// it is taken out whenever it ends.
#[derive(Debug)]
struct Leader(Option<AsyncFd<OwnedFd>>);

impl Leader {
    /// Waits for its end. A pidfd that cannot be watched any more counts as ended: it is looked at
    /// again.
    async fn ended(&self) {
        if let Some(pidfd) = &self.0 {
            let _ready = pidfd.readable().await;
        }
    }

    fn reap(&mut self) -> io::Result<Option<Exit>> {
        let Some(pidfd) = &self.0 else { return Ok(Some(Exit::Unknown)) };
        let exit = poll_exit(pidfd.get_ref().as_fd())?;
        if exit.is_some() {
            self.0 = None;
        }
        Ok(exit)
    }
}

impl Drop for Leader {
    fn drop(&mut self) {
        if !matches!(self.reap(), Ok(None)) {
            return;
        }
        // Without a runtime our own end is near, and init takes it over.
        if let (Some(pidfd), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // Nothing depends on this but the process table.
                let _ready = pidfd.readable().await;
                let _exit = poll_exit(pidfd.get_ref().as_fd());
            });
        }
    }
}

/// The processes of a method.
#[derive(Debug)]
struct Tree {
    pid: i32,
    cgroup: Option<Cgroup>,
    /// There is nothing left to kill when this is dropped.
    ended: bool,
}

impl Tree {
    fn dir(&self) -> Result<Option<OwnedFd>, StartError> {
        let Some(cgroup) = &self.cgroup else { return Ok(None) };
        let failed = |source| StartError::Cgroup { path: cgroup.path().into(), source };
        cgroup.dir().map(Some).map_err(failed)
    }

    /// Without a cgroup: its descendants as they are now, held by pidfd, for once their parent is
    /// gone they cannot be found any more.
    fn family(&self) -> Vec<OwnedFd> {
        if self.cgroup.is_some() {
            return Vec::new();
        }
        let open = |pid| crate::launch::open_process(pid).ok().flatten();
        proc::family(self.pid).into_iter().filter_map(open).collect()
    }

    /// Errors are not told here: who survives is looked up afterwards.
    fn kill(&self, family: &[OwnedFd]) {
        let _group = send_signal(-self.pid, libc::SIGKILL);
        if let Some(cgroup) = &self.cgroup {
            let _tree = cgroup.kill();
        }
        for member in family {
            let _gone = pidfd_send_signal(member, Signal::KILL);
        }
    }

    /// Waits until its cgroup is empty, at most [`KILL_WAIT`].
    async fn emptied(&self) {
        let Some(watch) = self.cgroup.as_ref().and_then(|cgroup| cgroup.watch().ok()) else { return };
        let Ok(watch) = watch::priority(watch) else { return };
        let empty = async {
            while watch.get_ref().0.is_populated().unwrap_or(false) {
                match watch.ready(Interest::PRIORITY).await {
                    Ok(mut ready) => ready.clear_ready(),
                    Err(_) => return,
                }
            }
        };
        // Who is left then is told.
        let _late = tokio::time::timeout(KILL_WAIT, empty).await;
    }

    fn survivors(&self, leader_ended: bool) -> Vec<i32> {
        match &self.cgroup {
            Some(cgroup) => cgroup.procs().unwrap_or_default(),
            None if leader_ended => Vec::new(),
            None => vec![self.pid],
        }
    }

    fn remove(&self) {
        // Where somebody survived, it stays until the owner reaps empty ones.
        let _populated = self.cgroup.as_ref().map(Cgroup::remove);
    }

    fn settle(&self) {
        if let Some(cgroup) = &self.cgroup {
            leftovers::settle(cgroup);
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        if !self.ended {
            self.kill(&self.family());
        }
    }
}

/// A fresh cgroup: one that has seen a kill would kill the newcomer too. Where an earlier run of the
/// same name left a process behind, a number makes the difference.
fn make_cgroup(place: &Place) -> Result<Cgroup, StartError> {
    let failed = |path: PathBuf, source| StartError::Cgroup { path, source };
    for number in 1..=SAME_NAME_MAX {
        let name = if number == 1 { place.name.clone() } else { format!("{}.{number}", place.name) };
        let path = place.parent.join(&name);
        let mut made = fs::create_dir(&path);
        if made.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            made = fs::create_dir_all(&place.parent).and_then(|()| fs::create_dir(&path));
        }
        match made {
            Ok(()) => return Ok(Root::at(&place.parent).named(&name)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(path, error)),
        }
    }
    let path = place.parent.join(&place.name);
    Err(failed(
        path,
        io::Error::new(io::ErrorKind::AlreadyExists, "too many earlier runs left processes behind"),
    ))
}
