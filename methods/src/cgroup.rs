//! Control groups, version 2: the one place a process cannot leave by forking.
//!
//! A cgroup holds all descendants of what was started in it, `setsid` and double fork included, and
//! ends them all at once. No controller is used, so the hierarchy may lie at `/sys/fs/cgroup` or be
//! mounted beside version 1 at `/sys/fs/cgroup/unified`: it is found through `/proc/self/mountinfo`.
//! Where none can be made (no mount, read-only, no right), [`Root::find`] says why and the caller
//! falls back to process groups or to `/proc`.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::launch;

/// The directory below which this program may make cgroups.
#[derive(Debug, Clone)]
pub struct Root {
    path: PathBuf,
}

/// One cgroup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    path: PathBuf,
}

/// Why no cgroup can be made.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// Nothing of type `cgroup2` is mounted.
    #[error("no cgroup v2 hierarchy is mounted")]
    NotMounted,
    /// It is there, but not for us.
    #[error("no cgroup can be made in {}", path.display())]
    Refused {
        /// The last place tried.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl Root {
    /// Finds a place where cgroups can be made: the top of the hierarchy, or else below the cgroup we
    /// are in ourselves. The top comes first, for what is started must outlive our own cgroup's end.
    pub fn find() -> Result<Self, Unavailable> {
        let mounts = fs::read("/proc/self/mountinfo").map_err(|_| Unavailable::NotMounted)?;
        let top = mount_point(&mounts).ok_or(Unavailable::NotMounted)?;
        let own = fs::read("/proc/self/cgroup").ok().and_then(|text| own_cgroup(&text));
        let own = own.map(|own| top.join(own));
        let mut refused = None;
        for path in [Some(top), own].into_iter().flatten() {
            match probe(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(source) => refused = Some(Unavailable::Refused { path, source }),
            }
        }
        Err(refused.unwrap_or(Unavailable::NotMounted))
    }

    /// A place found by a former process of ours.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes a cgroup and those above it. `name` is relative, like `rgm/INSTANCE/pmf/TAG`.
    pub fn create(&self, name: &str) -> io::Result<Cgroup> {
        let path = self.path.join(name);
        // Another instance may be removing its last cgroup, and so a common parent, at this moment.
        for _ in 0..CREATE_ATTEMPTS_MAX {
            match fs::create_dir_all(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                other => return other.map(|()| Cgroup { path }),
            }
        }
        Err(io::Error::new(io::ErrorKind::NotFound, format!("{} vanishes while it is made", path.display())))
    }

    /// The cgroup of that name, whether it exists or not.
    pub fn named(&self, name: &str) -> Cgroup {
        Cgroup { path: self.path.join(name) }
    }

    /// An existing cgroup of that name.
    pub fn open(&self, name: &str) -> Option<Cgroup> {
        Cgroup::at(self.path.join(name))
    }

    /// Removes a cgroup and then those above it that are empty, up to the root.
    pub fn remove(&self, cgroup: &Cgroup) -> io::Result<()> {
        cgroup.remove()?;
        for above in cgroup.path.ancestors().skip(1).take_while(|above| *above != self.path) {
            if fs::remove_dir(above).is_err() {
                break;
            }
        }
        Ok(())
    }
}

impl Cgroup {
    /// The cgroup with this directory, if it exists.
    pub fn at(path: impl Into<PathBuf>) -> Option<Self> {
        let path = path.into();
        path.is_dir().then_some(Self { path })
    }

    /// Its directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A descriptor of its directory, for [`launch::Launch::cgroup`].
    pub fn dir(&self) -> io::Result<OwnedFd> {
        use rustix::fs::{Mode, OFlags, open};
        Ok(open(&self.path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
    }

    /// The processes in it and below it; zombies are none. Empty, too, if it does not exist.
    pub fn procs(&self) -> io::Result<Vec<i32>> {
        let mut pids = Vec::new();
        collect_procs(&self.path, &mut pids)?;
        Ok(pids)
    }

    /// Sends a signal to each process once; KILL is sent to all at one moment.
    pub fn signal(&self, signal: i32) -> io::Result<()> {
        if signal == KILL {
            return self.kill();
        }
        for pid in self.procs()? {
            launch::send_signal(pid, signal)?;
        }
        Ok(())
    }

    /// Ends everything in it and below it, whatever forks meanwhile. Afterwards the kernel kills
    /// whoever is born into this cgroup: make a new one for the next start.
    pub fn kill(&self) -> io::Result<()> {
        match fs::write(self.path.join("cgroup.kill"), "1") {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => {}
            other => return other,
        }
        // Before 5.14: again and again until nobody new has appeared.
        let mut seen = Vec::new();
        loop {
            let new: Vec<i32> = self.procs()?.into_iter().filter(|pid| !seen.contains(pid)).collect();
            if new.is_empty() {
                return Ok(());
            }
            for pid in &new {
                launch::send_signal(*pid, KILL)?;
            }
            seen.extend(new);
        }
    }

    /// Whether any process is in it or below it.
    pub fn is_populated(&self) -> io::Result<bool> {
        match File::open(self.path.join("cgroup.events")) {
            Ok(events) => PopulatedWatch { events }.is_populated(),
            Err(error) if is_gone(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Watches for the end of its last process.
    pub fn watch(&self) -> io::Result<PopulatedWatch> {
        Ok(PopulatedWatch { events: File::open(self.path.join("cgroup.events"))? })
    }

    /// Removes it and the cgroups its processes have made below it. Fails while a process is left.
    pub fn remove(&self) -> io::Result<()> {
        remove_tree(&self.path)
    }
}

/// An open `cgroup.events`: `poll` reports `PRI` on it when something has changed.
#[derive(Debug)]
pub struct PopulatedWatch {
    events: File,
}

impl PopulatedWatch {
    /// Whether any process is left. Reading also arms the next `PRI`.
    pub fn is_populated(&self) -> io::Result<bool> {
        use std::os::unix::fs::FileExt;
        let mut text = [0; 256];
        match self.events.read_at(&mut text, 0) {
            Ok(len) => Ok(says_populated(&String::from_utf8_lossy(text.get(..len).unwrap_or_default()))),
            // The cgroup itself has been removed.
            Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

impl AsFd for PopulatedWatch {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

/// A name for the cgroups of the daemon whose sockets lie in `dir`: the same after each of its
/// restarts, another for every other node of a development cluster and every test beside it.
pub fn instance_name(dir: &Path) -> String {
    let absolute = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_path_buf());
    let name: String = absolute
        .file_name()
        .map(OsStr::to_string_lossy)
        .unwrap_or_default()
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(INSTANCE_NAME_CHARS)
        .collect();
    format!("{name}-{:016x}", hash(absolute.as_os_str().as_bytes()))
}

/// FNV-1a: names that any version of this program computes alike.
pub fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}

const KILL: i32 = 9;
const CREATE_ATTEMPTS_MAX: u32 = 100;
const INSTANCE_NAME_CHARS: usize = 32;

/// Where the first cgroup2 file system is mounted.
fn mount_point(mountinfo: &[u8]) -> Option<PathBuf> {
    mountinfo.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let point = words.by_ref().nth(4)?;
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        (kind == b"cgroup2").then(|| unescape(point))
    })
}

/// Blanks in a mount point are written as octal numbers.
fn unescape(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((first, tail)) = rest.split_first() {
        let octal = (*first == b'\\').then(|| tail.get(..3)).flatten();
        let code = octal.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(std::ffi::OsString::from_vec(bytes))
}

/// Our own cgroup, relative to the top.
fn own_cgroup(text: &[u8]) -> Option<PathBuf> {
    let line = text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::/"))?;
    (!line.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(line)))
}

/// Tries it out: makes a cgroup, looks that it can be entered, and removes it.
fn probe(path: &Path) -> io::Result<()> {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let name = format!("rgm-probe-{}-{}", std::process::id(), COUNT.fetch_add(1, Relaxed));
    let trial = path.join(name);
    fs::create_dir(&trial)?;
    let enterable = fs::OpenOptions::new().write(true).open(trial.join("cgroup.procs"));
    fs::remove_dir(&trial)?;
    enterable.map(drop)
}

fn says_populated(events: &str) -> bool {
    events.lines().any(|line| line == "populated 1")
}

fn collect_procs(path: &Path, pids: &mut Vec<i32>) -> io::Result<()> {
    let mut text = Vec::with_capacity(PROCS_BYTES);
    match File::open(path.join("cgroup.procs")).and_then(|mut file| file.read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if is_gone(&error) => return Ok(()),
        Err(error) => return Err(error),
    }
    // Zero stands for a process of another pid namespace, which has no number here.
    let numbers = text
        .split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok()?.parse::<i32>().ok());
    pids.extend(numbers.filter(|pid| *pid > 0));
    for below in children(path) {
        collect_procs(&below, pids)?;
    }
    Ok(())
}

/// A first guess at the size of a process list.
const PROCS_BYTES: usize = 256;

/// The cgroups directly below. A directory without any has two links, so most are not even read.
fn children(path: &Path) -> Vec<PathBuf> {
    if fs::metadata(path).map_or(0, |meta| meta.nlink()) <= 2 {
        return Vec::new();
    }
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let dirs = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| entry.path()).collect()
}

fn remove_tree(path: &Path) -> io::Result<()> {
    for below in children(path) {
        remove_tree(&below)?;
    }
    match fs::remove_dir(path) {
        Err(error) if is_gone(&error) => Ok(()),
        other => other,
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ENODEV)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::launch::{Group, Launch};
    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    /// A cgroup of this test alone, killed and removed however the test ends.
    struct Scratch(Root, Cgroup);

    impl Scratch {
        fn new(name: &str) -> Option<Self> {
            let root = Root::find().ok()?;
            let cgroup = root.create(&format!("rgm-test-{}/{name}", std::process::id())).unwrap();
            Some(Self(root, cgroup))
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let watch = self.1.watch().unwrap();
            self.1.kill().unwrap();
            wait_empty(&watch);
            self.0.remove(&self.1).unwrap();
        }
    }

    fn wait_empty(watch: &PopulatedWatch) {
        while watch.is_populated().unwrap() {
            let ready =
                poll(&mut [PollFd::new(watch, PollFlags::PRI)], Some(&Timespec { tv_sec: 10, tv_nsec: 0 }));
            assert_eq!(ready, Ok(1), "the cgroup empties within ten seconds");
        }
    }

    #[test]
    fn the_hierarchy_is_found_wherever_it_is_mounted() {
        let check = |line: &[u8], point: &str| assert_eq!(mount_point(line), Some(PathBuf::from(point)));
        check(b"31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "/sys/fs/cgroup/unified");
        check(
            b"29 22 0:26 / /sys/fs/cgroup rw shared:4 master:1 - cgroup2 cgroup2 rw,nsdelegate\n",
            "/sys/fs/cgroup",
        );
        check(b"29 22 0:26 / /a\\040b rw - cgroup2 none rw\n", "/a b");
        assert_eq!(mount_point(b"29 22 0:26 / /sys/fs/cgroup rw - cgroup cgroup rw\n\ngarbage"), None);
    }

    #[test]
    fn our_own_cgroup_is_the_line_of_version_2() {
        assert_eq!(
            own_cgroup(b"1:cpu:/x\n0::/system.slice/a.service\n"),
            Some("system.slice/a.service".into())
        );
        assert_eq!(own_cgroup(b"0::/\n"), None);
    }

    #[test]
    fn instances_in_different_directories_have_different_names() {
        let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        assert_eq!(instance_name(a.path()), instance_name(&a.path().join(".")));
        assert_ne!(instance_name(a.path()), instance_name(b.path()));
    }

    #[test]
    fn a_daemon_that_double_forks_and_calls_setsid_is_still_found_and_killed() {
        let Some(scratch) = Scratch::new("daemon") else { return };
        let dir = scratch.1.dir().unwrap();
        let parent = Launch::new("/bin/sh")
            .args(["-c", "setsid sh -c 'sleep 1000 & sleep 1000 & exec sleep 1000' & exit 0"])
            .env("PATH", "/usr/bin:/bin")
            .cgroup(dir.as_fd())
            .group(Group::Session)
            .start()
            .unwrap();
        poll(&mut [PollFd::new(&parent.pidfd, PollFlags::IN)], None).unwrap();
        assert!(launch::poll_exit(parent.pidfd.as_fd()).unwrap().is_some());
        let watch = scratch.1.watch().unwrap();
        assert!(watch.is_populated().unwrap());
        assert!(!scratch.1.procs().unwrap().is_empty());
        scratch.1.signal(KILL).unwrap();
        wait_empty(&watch);
        assert_eq!(scratch.1.procs().unwrap(), Vec::<i32>::new());
        assert!(!scratch.1.is_populated().unwrap());
    }

    #[test]
    fn processes_in_cgroups_below_count_too_and_removal_takes_those_cgroups() {
        let Some(scratch) = Scratch::new("nested") else { return };
        let below = scratch.0.create(&format!("rgm-test-{}/nested/a/b", std::process::id())).unwrap();
        let started =
            Launch::new("/bin/sleep").args(["1000"]).cgroup(below.dir().unwrap().as_fd()).start().unwrap();
        assert_eq!(scratch.1.procs().unwrap(), vec![started.pid]);
        assert!(scratch.1.remove().is_err(), "a populated cgroup stays");
    }

    #[test]
    fn removing_the_last_cgroup_removes_the_empty_ones_above() {
        let Ok(root) = Root::find() else { return };
        let name = format!("rgm-test-above-{}", std::process::id());
        let cgroup = root.create(&format!("{name}/pmf/tag")).unwrap();
        root.remove(&cgroup).unwrap();
        assert!(root.open(&name).is_none());
    }
}
