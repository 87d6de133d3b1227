//! From the command line to a running pmfd.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use methods::cgroup::{Root, instance_name};
use rgm_api::Paths;
use rgm_api::client::{CallError, Client};
use rgm_api::pmf::{Refusal, Request};
use rustix::fs::FlockOperation;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::daemon::Daemon;
use crate::deadman::{Deadman, Marks};
use crate::journal::{Journal, Saved};
use crate::place::Places;

/// What `pmfd --help` prints.
pub const HELP: &str = "\
pmfd - keep processes running under a nametag

Usage: pmfd [--no-cgroup] [--plain]   supervise, in the foreground
       pmfd --stop-all                end the running pmfd and every process it supervises

On SIGTERM pmfd ends and leaves its processes running; the next pmfd takes them over.

Options:
  --no-cgroup   find processes through /proc, as where no cgroup v2 can be made
  --plain       once a deadline of the cluster must be watched: do not lock memory, take a
                real-time class for that, and keep from the kernel's killer of processes
  --help        print this

Environment:
  RGM_RUN_DIR   directory of the socket pmfd.sock (default /run/rgm)
  RGM_STATE_DIR directory of the journal (default /var/lib/rgm)
  RGM_NODE      node of a cluster on one machine: a subdirectory of both
  RGM_LOG       what is logged: error, warn, info (default), debug

Example:
  RGM_RUN_DIR=/tmp/run RGM_STATE_DIR=/tmp/state pmfd &
";

/// What is asked for on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// To supervise.
    Run {
        /// Without cgroups.
        no_cgroup: bool,
        /// Not hard to starve.
        plain: bool,
    },
    /// To end another pmfd and all it supervises.
    StopAll,
    /// Help.
    Help,
}

/// How long a birth may take on a very busy machine.
const BIRTH_WITHIN: Duration = Duration::from_secs(2);

/// Understands the command line.
pub fn parse(mut args: lexopt::Parser) -> Result<Asked, lexopt::Error> {
    use lexopt::Arg::{Long, Short, Value};
    let (mut no_cgroup, mut plain, mut stop_all) = (false, false, false);
    while let Some(arg) = args.next()? {
        match arg {
            Long("no-cgroup") => no_cgroup = true,
            Long("plain") => plain = true,
            Long("stop-all") => stop_all = true,
            Long("help") => return Ok(Asked::Help),
            other @ (Long(_) | Short(_) | Value(_)) => return Err(other.unexpected()),
        }
    }
    Ok(if stop_all { Asked::StopAll } else { Asked::Run { no_cgroup, plain } })
}

/// Supervises until told to end.
pub fn run(paths: &Paths, no_cgroup: bool, plain: bool) -> anyhow::Result<()> {
    let (run_dir, state_dir) = (paths.run_dir(), paths.state_dir());
    let make = |dir: &Path| fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()));
    make(&run_dir)?;
    // A deadline that has passed comes before everything else, before all that needs a disk too.
    let mut deadman =
        Deadman::open(&run_dir, marks(paths), !plain).context("cannot watch over a deadline")?;
    make(&state_dir)?;
    let _lock = lock(&state_dir.join("pmfd.lock"))?;
    deadman.adopt().context("cannot watch over a deadline")?;
    let journal_path = state_dir.join("pmfd.journal");
    let mut saved = Journal::load(&journal_path)
        .with_context(|| format!("cannot read the journal {}", journal_path.display()))?;
    let root = if no_cgroup { None } else { cgroup_root(&saved) };
    let places = Places::new(root, &instance_name(&run_dir));
    saved.cgroup_root = places.root().map(Into::into);
    let journal = Journal::create(&journal_path, &saved)
        .with_context(|| format!("cannot write the journal {}", journal_path.display()))?;
    let files_max = raise_files_max();
    let socket = paths.pmfd_socket();
    let listener = listen(&socket)?;
    let mut daemon =
        Daemon::new(places, journal, deadman, listener, files_max).context("cannot wait for events")?;
    daemon.adopt(saved);
    sd_notify::notify(&[sd_notify::NotifyState::Ready]).context("cannot tell systemd")?;
    tracing::info!("ready on {}", socket.display());
    let result = daemon.run();
    // A missing socket says at once that nobody listens; a left one makes callers wait.
    let _already_gone = fs::remove_file(&socket);
    daemon.deadman.tidy();
    drop(daemon);
    result.context("cannot go on")
}

/// How this node's processes are recognised.
fn marks(paths: &Paths) -> Marks {
    let here = [rgm_api::paths::RUN_DIR, rgm_api::paths::NODE];
    let variables = paths.to_env().into_iter().filter(|(name, _)| here.contains(name));
    let variables = variables.map(|(name, value)| format!("{name}={}", value.to_string_lossy()));
    let method = variables.chain(["RGM_METHOD=".to_owned()]).collect();
    let all = format!("rgm/{}", instance_name(&paths.run_dir()));
    Marks { tag: format!("{all}/pmf/"), all, method }
}

/// Ends the pmfd that is running, and all it supervises.
pub fn stop_all(paths: &Paths) -> anyhow::Result<()> {
    let socket = paths.pmfd_socket();
    let mut client = Client::connect::<Refusal>(&socket)?;
    match client.call(&Request::Shutdown { kill: true }) {
        Ok(_) => Ok(()),
        Err(CallError::Refused(refusal)) => bail!("{}", refusal.message),
        Err(error) => Err(error.into()),
    }
}

/// One pmfd per state directory. The kernel releases the lock however the process ends; a child that
/// a killed pmfd was just giving birth to shares it for a moment more.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .with_context(|| format!("cannot open {}", path.display()))?;
    let until = Instant::now() + BIRTH_WITHIN;
    while rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() > until {
            bail!("another pmfd holds {}; stop it first", path.display());
        }
        let pause = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        rustix::event::poll(&mut [], Some(&pause))?;
    }
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())?;
    Ok(file)
}

/// Where the former pmfd had its cgroups, else where some can be made.
fn cgroup_root(saved: &Saved) -> Option<Root> {
    let former = saved.cgroup_root.as_ref().filter(|path| path.is_dir());
    if let Some(former) = former.filter(|_| !saved.tags.is_empty()) {
        return Some(Root::at(former));
    }
    match Root::find() {
        Ok(root) => Some(root),
        Err(error) => {
            let error = anyhow::Error::from(error);
            tracing::warn!(
                "{error:#}: processes are found through /proc, and a daemon that leaves its session, \
                 its parent and its environment may be missed"
            );
            None
        }
    }
}

/// Takes as many descriptors as allowed: one per tag. Returns what was given, for those we start.
fn raise_files_max() -> (u64, u64) {
    let given = getrlimit(Resource::Nofile);
    let (soft, hard) = (given.current.unwrap_or(u64::MAX), given.maximum.unwrap_or(u64::MAX));
    if setrlimit(Resource::Nofile, Rlimit { current: given.maximum, maximum: given.maximum }).is_err() {
        tracing::warn!("the limit of open files stays at {soft}: so many tags at most");
    }
    (soft, hard)
}

fn listen(socket: &Path) -> anyhow::Result<UnixListener> {
    if UnixStream::connect(socket).is_ok() {
        bail!("another pmfd answers on {}; stop it first, or set RGM_RUN_DIR", socket.display());
    }
    let _stale = fs::remove_file(socket);
    let listener =
        UnixListener::bind(socket).with_context(|| format!("cannot listen on {}", socket.display()))?;
    // Anybody may query; who may do more is decided by the peer's user.
    fs::set_permissions(socket, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
