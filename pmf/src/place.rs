//! Places: where the processes of one start live, and how to find them all again.
//!
//! A place is a cgroup `rgm/INSTANCE/pmf/HASH-N` (hash of the tag, and a number). Where no cgroup can
//! be made, it is a mark in the environment, which forks and daemons inherit; a process that belongs
//! to the session of the command, or descends from one that is found, counts too. That misses a
//! daemon which clears its environment, leaves the session and loses its parent all at once.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fmt;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use methods::cgroup::{self, Cgroup, Root};
use methods::launch;
use serde::{Deserialize, Serialize};

/// One place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    tag_hash: u64,
    number: u64,
    /// Leader of the session that was started there, where that is needed to find the others.
    session: i32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}-{}", self.tag_hash, self.number)
    }
}

/// All places of a pmfd.
#[derive(Debug)]
pub struct Places {
    root: Option<Root>,
    base: String,
    next_number: u64,
    /// Left, and not yet empty.
    stale: BTreeSet<Place>,
}

/// Variable by which processes are found where there are no cgroups.
const MARK: &str = "RGM_PMF_PLACE";
/// How long the end of everything may take before it is given up.
const END_WITHIN_S: i64 = 10;

impl Places {
    /// Places below `root`, or without cgroups. `instance` names this pmfd among all others.
    pub fn new(root: Option<Root>, instance: &str) -> Self {
        Self { root, base: format!("rgm/{instance}/pmf"), next_number: 1, stale: BTreeSet::new() }
    }

    /// The root of the cgroups, if there are any.
    pub fn root(&self) -> Option<&Path> {
        self.root.as_ref().map(Root::path)
    }

    /// The cgroup above those of all places.
    pub fn above_all(&self) -> Option<PathBuf> {
        self.root.as_ref().map(|root| root.path().join(&self.base))
    }

    /// Whether a process can only be found through `/proc`.
    pub fn lacks_cgroups(&self) -> bool {
        self.root.is_none()
    }

    /// A new, empty place.
    pub fn fresh(&mut self, tag: &str) -> io::Result<Place> {
        self.sweep();
        loop {
            let place =
                Place { tag_hash: cgroup::hash(tag.as_bytes()), number: self.next_number, session: 0 };
            self.next_number += 1;
            let Some(root) = &self.root else { return Ok(place) };
            let name = self.name(place);
            if root.open(&name).is_none() {
                root.create(&name)?;
                return Ok(place);
            }
        }
    }

    /// Takes over a place from a former pmfd.
    pub fn adopt(&mut self, place: Place) {
        self.next_number = self.next_number.max(place.number + 1);
    }

    /// Remembers which session was started in a place.
    pub fn started(&self, place: &mut Place, pid: i32) {
        if self.root.is_none() {
            place.session = pid;
        }
    }

    /// For the start of a process there: the directory of its cgroup.
    pub fn dir(&self, place: Place) -> io::Result<Option<OwnedFd>> {
        self.cgroup(place).map(|cgroup| cgroup.dir()).transpose()
    }

    /// For the start of a process there: a variable, where there is no cgroup.
    pub fn mark(&self, place: Place) -> Option<CString> {
        let mark = || CString::new(format!("{MARK}={}", self.name(place))).ok();
        if self.root.is_none() { mark() } else { None }
    }

    /// The processes there, zombies not counted.
    pub fn procs(&self, place: Place) -> io::Result<Vec<i32>> {
        match self.cgroup(place) {
            Some(cgroup) => cgroup.procs(),
            None => Ok(self.search(place)),
        }
    }

    /// Whether no process is there, for certain: the fastest way to know, and it may miss an end that
    /// [`Places::procs`] has noticed.
    pub fn is_empty(&self, place: Place) -> bool {
        self.cgroup(place).is_some_and(|cgroup| cgroup.is_populated().is_ok_and(|populated| !populated))
    }

    /// Signals all processes there. A place that was killed must not be used again.
    pub fn signal(&self, place: Place, signal: i32) -> io::Result<()> {
        match self.cgroup(place) {
            Some(cgroup) => cgroup.signal(signal),
            None => self.search(place).into_iter().try_for_each(|pid| launch::send_signal(pid, signal)),
        }
    }

    /// Leaves a place; it is removed now or, if processes are left there, once they are gone.
    pub fn leave(&mut self, place: Place) {
        if !self.remove(place) {
            self.stale.insert(place);
        }
    }

    /// Takes up the places of a former pmfd that belong to no tag any more.
    pub fn find_stale(&mut self, used: &BTreeSet<Place>) {
        let Some(root) = &self.root else { return };
        let Ok(entries) = fs::read_dir(root.path().join(&self.base)) else { return };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let place = name.to_str().and_then(|name| {
                let (hash, number) = name.split_once('-')?;
                let tag_hash = u64::from_str_radix(hash, 16).ok()?;
                Some(Place { tag_hash, number: number.parse().ok()?, session: 0 })
            });
            if let Some(place) = place {
                self.adopt(place);
                if !used.iter().any(|used| used.tag_hash == place.tag_hash && used.number == place.number) {
                    self.leave(place);
                }
            }
        }
    }

    /// Ends every process in every place, and removes them all.
    pub fn end(&mut self, used: impl IntoIterator<Item = Place>) -> io::Result<()> {
        let Some(root) = &self.root else {
            let used: Vec<Place> = used.into_iter().chain(self.stale.iter().copied()).collect();
            while used.iter().any(|place| !self.search(*place).is_empty()) {
                for place in &used {
                    self.signal(*place, KILL)?;
                }
            }
            return Ok(());
        };
        let Some(all) = root.open(&self.base) else { return Ok(()) };
        let watch = all.watch()?;
        all.kill()?;
        let within = rustix::event::Timespec { tv_sec: END_WITHIN_S, tv_nsec: 0 };
        while watch.is_populated()? {
            let mut wait = [rustix::event::PollFd::new(&watch, rustix::event::PollFlags::PRI)];
            if rustix::event::poll(&mut wait, Some(&within))? == 0 {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "killed processes do not end"));
            }
        }
        root.remove(&all)
    }

    fn sweep(&mut self) {
        let left: Vec<Place> = self.stale.iter().copied().collect();
        for place in left {
            if self.remove(place) {
                self.stale.remove(&place);
            }
        }
    }

    fn remove(&self, place: Place) -> bool {
        match (&self.root, self.cgroup(place)) {
            (Some(root), Some(cgroup)) => root.remove(&cgroup).is_ok(),
            _ => self.search(place).is_empty(),
        }
    }

    fn name(&self, place: Place) -> String {
        format!("{}/{place}", self.base)
    }

    fn cgroup(&self, place: Place) -> Option<Cgroup> {
        self.root.as_ref().map(|root| root.named(&self.name(place)))
    }

    /// Looks through `/proc`, which is no snapshot: a process that ended while we looked may have left
    /// a child that was not listed yet, and one that is executing a program at this moment shows no
    /// environment. Then it is looked at again, before all are said to be gone.
    fn search(&self, place: Place) -> Vec<i32> {
        let mark = format!("{MARK}={}", self.name(place));
        let (mut changes, mut executing) = (0, 0);
        loop {
            let is_marked = |variables: &[u8]| has_variable(variables, |one| one == mark.as_bytes());
            let look = Look::new(is_marked, place.session);
            if look.found.is_empty() && look.executing && executing < EXECUTING_MAX {
                executing += 1;
                // A moment for it to come out of execve; nothing tells when it has.
                let _passed = rustix::event::poll(&mut [], Some(&EXECUTING_PAUSE));
            } else if look.found.is_empty() && look.changing && changes < CHANGES_MAX {
                changes += 1;
            } else {
                return look.found.into_iter().collect();
            }
        }
    }
}

/// How often it is looked again because a process ended meanwhile: on a busy machine always one does.
const CHANGES_MAX: u32 = 20;
/// How often it is looked again because of an orphan that executes a program: two seconds in all.
const EXECUTING_MAX: u32 = 400;
const EXECUTING_PAUSE: rustix::event::Timespec = rustix::event::Timespec { tv_sec: 0, tv_nsec: 5_000_000 };

/// One look through `/proc`.
struct Look {
    /// The processes with a mark or of a session, and their descendants.
    found: BTreeSet<i32>,
    /// A process has ended meanwhile.
    changing: bool,
    /// An orphan shows neither arguments nor environment.
    executing: bool,
}

impl Look {
    fn new(is_marked: impl Fn(&[u8]) -> bool, session: i32) -> Self {
        // Orphans are children of ours; any other process has a parent that is found as well.
        let own = rustix::process::getpid().as_raw_nonzero().get();
        let mut look = Self { found: BTreeSet::new(), changing: false, executing: false };
        let mut all = Vec::new();
        for pid in all_pids() {
            let Some(stat) = Stat::read(pid) else {
                look.changing = true;
                continue;
            };
            if stat.zombie {
                look.changing |= stat.parent == own;
                continue;
            }
            let variables = text_of(pid, "environ");
            if is_marked(&variables) || (session != 0 && stat.session == session) {
                look.found.insert(pid);
            } else if stat.parent == own && variables.is_empty() {
                look.executing |= text_of(pid, "cmdline").is_empty();
            }
            all.push(stat);
        }
        look.add_descendants(&all);
        look
    }

    fn add_descendants(&mut self, all: &[Stat]) {
        loop {
            let before = self.found.len();
            let found = &self.found;
            let children = all.iter().filter(|stat| found.contains(&stat.parent)).map(|stat| stat.pid);
            let children: Vec<i32> = children.collect();
            self.found.extend(children);
            if self.found.len() == before {
                return;
            }
        }
    }
}

/// What `/proc/PID/stat` says of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stat {
    /// Process.
    pub pid: i32,
    /// Its parent.
    pub parent: i32,
    /// Its session.
    pub session: i32,
    /// When it started, in clock ticks since boot: with the pid, its identity.
    pub start: u64,
    /// It is dead, and nobody has reaped it yet.
    pub zombie: bool,
}

impl Stat {
    /// Reads it, if the process exists.
    pub fn read(pid: i32) -> Option<Self> {
        let text = fs::read(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
        // The name may contain anything, a closing parenthesis too: fields start behind the last one.
        let name_end = text.iter().rposition(|byte| *byte == b')')?;
        let fields = std::str::from_utf8(text.get(name_end + 1..)?).ok()?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        Some(Self {
            pid,
            parent: fields.get(1)?.parse().ok()?,
            session: fields.get(3)?.parse().ok()?,
            start: fields.get(19)?.parse().ok()?,
            zombie: matches!(*fields.first()?, "Z" | "X"),
        })
    }
}

const KILL: i32 = 9;

fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

fn text_of(pid: i32, file: &str) -> Vec<u8> {
    let path: PathBuf = ["/proc", &pid.to_string(), file].iter().collect();
    fs::read(path).unwrap_or_default()
}

fn has_variable(variables: &[u8], is_it: impl Fn(&[u8]) -> bool) -> bool {
    variables.split(|byte| *byte == 0).any(is_it)
}

/// Where there are no cgroups: the processes of all tags, whose mark begins like this, those that have
/// all of the `variables` (`NAME=value`, or `NAME=` with any value; none: nobody), and the descendants
/// of both. This one is none of them.
pub fn marked(mark: &str, variables: &[String]) -> Vec<i32> {
    let mark = format!("{MARK}={mark}");
    let look = Look::new(
        |found| {
            let has = |variable: &String| {
                let (variable, any) = (variable.as_bytes(), variable.ends_with('='));
                has_variable(found, |one| one == variable || (any && one.starts_with(variable)))
            };
            has_variable(found, |one| one.starts_with(mark.as_bytes()))
                || (!variables.is_empty() && variables.iter().all(has))
        },
        0,
    );
    let own = rustix::process::getpid().as_raw_nonzero().get();
    look.found.into_iter().filter(|pid| *pid != own).collect()
}

/// A process for an operator: `PID (NAME) STATE`. None: it is gone.
pub fn describe(pid: i32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let name_end = text.rfind(')')?;
    let (name, rest) = (text.get(..=name_end)?, text.get(name_end + 1..)?);
    let state = rest.split_ascii_whitespace().next().filter(|state| !matches!(*state, "Z" | "X"))?;
    Some(format!("{name} {state}"))
}

/// The process `pid`, provided that it is in `place`: opened first, looked up afterwards, so that a
/// number used again meanwhile cannot deceive.
pub fn open_member(places: &Places, place: Place, pid: i32) -> io::Result<Option<OwnedFd>> {
    let Some(pidfd) = launch::open_process(pid)? else { return Ok(None) };
    let still = launch::poll_exit(pidfd.as_fd())?.is_none() && places.procs(place)?.contains(&pid);
    Ok(still.then_some(pidfd))
}
