//! pmfd: the loop, and what it holds.
//!
//! One thread, one epoll: requests, ends of processes and deadlines come one after the other, each
//! becomes an event of `pmf_core`, and what that decides is performed in order. Nothing is polled
//! and nothing wakes up while nothing happens. Of each tag one living process is watched by a pidfd;
//! when it ends, another one of the tag is looked for, and if there is none, the tag has failed.
//! So a tag costs one descriptor, however many processes it has.

use std::collections::{BTreeMap, VecDeque};
use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;

use methods::launch::Prepared;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use pmf_core::{Core, Event, TagId};
use rgm_api::pmf as api;
use rgm_types::Millis;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::time::{ClockId, clock_gettime};

use crate::conns::Conns;
use crate::deadman::Deadman;
use crate::forks::Forks;
use crate::journal::{Journal, Spec};
use crate::perform::own_environment;
use crate::place::{Place, Places};

/// Everything pmfd has.
#[derive(Debug)]
pub struct Daemon {
    pub(crate) core: Core,
    pub(crate) entries: BTreeMap<TagId, Entry>,
    pub(crate) places: Places,
    pub(crate) forks: Forks,
    pub(crate) journal: Journal,
    pub(crate) conns: Conns,
    pub(crate) deadman: Deadman,
    /// It has fired, and the tags have been told.
    pub(crate) is_doomed: bool,
    pub(crate) epoll: OwnedFd,
    pub(crate) signals: SignalFd,
    pub(crate) listener: UnixListener,
    /// Descriptors a started process may have: soft and hard, as pmfd itself was given them.
    pub(crate) files_max: (u64, u64),
    /// What a started process may have of pmfd's own variables.
    pub(crate) environment: Vec<CString>,
    /// Ended, and not reaped yet.
    pub(crate) dead: Vec<Watched>,
    /// What the tag being created is to run, and the start of it.
    pub(crate) incoming: Option<(Spec, Prepared)>,
    /// Why the last start failed, for whoever asked for it.
    pub(crate) start_error: Option<String>,
    /// Connections whose call has been answered and that may have sent the next one.
    pub(crate) answered: VecDeque<u64>,
    /// Events told again until acknowledged.
    pub(crate) pending: BTreeMap<u64, api::Event>,
    pub(crate) last_seq: u64,
    pub(crate) ending: bool,
}

/// What is known of a tag's processes.
#[derive(Debug)]
pub struct Entry {
    /// A [`Spec`] as JSON: a third of the memory, and seldom read again.
    pub(crate) spec: Box<[u8]>,
    /// The start of its command, all but done.
    pub(crate) prepared: Box<Prepared>,
    /// Started with the variables of pmfd itself, too.
    pub(crate) inherits: bool,
    pub(crate) level: Option<u32>,
    pub(crate) place: Place,
    /// The place is good for another start.
    pub(crate) reusable: bool,
    pub(crate) started_at: Millis,
    pub(crate) main: Option<(i32, u64)>,
    pub(crate) watched: Option<Watched>,
    pub(crate) action: Option<Watched>,
    pub(crate) action_place: Option<Place>,
    pub(crate) owner: Option<Box<api::Owner>>,
}

/// A process that is watched.
#[derive(Debug)]
pub struct Watched {
    pub(crate) pid: i32,
    pub(crate) pidfd: OwnedFd,
}

/// What a wake-up of epoll is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// The watched process of a tag.
    Member(TagId),
    /// The action program of a tag.
    Action(TagId),
    /// A connection.
    Conn(u64),
    /// The socket.
    Listener,
    /// A signal to pmfd.
    Signals,
    /// Reports of forks.
    Forks,
    /// The deadman has something to tell.
    Deadman,
}

impl Token {
    /// As epoll keeps it: the kind in the lowest three bits.
    pub fn encode(self) -> u64 {
        match self {
            Self::Member(id) => id.0 << 3,
            Self::Action(id) => id.0 << 3 | 1,
            Self::Conn(id) => id << 3 | 2,
            Self::Listener => 3,
            Self::Signals => 4,
            Self::Forks => 5,
            Self::Deadman => 6,
        }
    }

    fn decode(word: u64) -> Option<Self> {
        let id = word >> 3;
        match word & 7 {
            0 => Some(Self::Member(TagId(id))),
            1 => Some(Self::Action(TagId(id))),
            2 => Some(Self::Conn(id)),
            3 => Some(Self::Listener),
            4 => Some(Self::Signals),
            5 => Some(Self::Forks),
            6 => Some(Self::Deadman),
            _ => None,
        }
    }
}

const EVENTS_AT_ONCE: usize = 64;

impl Daemon {
    /// A daemon without tags.
    pub fn new(
        places: Places,
        journal: Journal,
        deadman: Deadman,
        listener: UnixListener,
        files_max: (u64, u64),
    ) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut mask = SigSet::empty();
        mask.extend([Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]);
        if places.lacks_cgroups() {
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            mask.add(Signal::SIGCHLD);
        }
        mask.thread_block()?;
        let signals = SignalFd::with_flags(&mask, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        listener.set_nonblocking(true)?;
        let readable = EventFlags::IN;
        epoll::add(&epoll, &listener, EventData::new_u64(Token::Listener.encode()), readable)?;
        epoll::add(&epoll, deadman.news(), EventData::new_u64(Token::Deadman.encode()), readable)?;
        epoll::add(&epoll, signals.as_fd(), EventData::new_u64(Token::Signals.encode()), readable)?;
        Ok(Self {
            core: Core::new(),
            entries: BTreeMap::new(),
            places,
            forks: Forks::default(),
            journal,
            conns: Conns::default(),
            deadman,
            is_doomed: false,
            epoll,
            signals,
            listener,
            files_max,
            environment: own_environment(),
            dead: Vec::new(),
            incoming: None,
            start_error: None,
            answered: VecDeque::new(),
            pending: BTreeMap::new(),
            last_seq: 0,
            ending: false,
        })
    }

    /// Runs until told to end.
    pub fn run(&mut self) -> io::Result<()> {
        let mut ready = Vec::with_capacity(EVENTS_AT_ONCE);
        while !self.ending {
            ready.clear();
            let timeout = self.core.next_deadline().map(|(at, _)| until(at));
            match epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut ready), timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &ready {
                // Whoever died before the end was asked for is not started again behind it.
                if self.ending {
                    return Ok(());
                }
                let (data, flags) = (event.data, event.flags);
                if let Some(token) = Token::decode(data.u64()) {
                    self.wake(token, flags);
                }
            }
            if self.ending {
                return Ok(());
            }
            self.heed_deadman();
            if self.core.next_deadline().is_some_and(|(at, _)| at <= now()) {
                self.feed(Event::Tick);
            }
            while let Some(id) = self.answered.pop_front() {
                self.serve_all(id);
            }
        }
        Ok(())
    }

    fn wake(&mut self, token: Token, flags: EventFlags) {
        // First of all, for what is told now may be the end of those it has killed.
        self.heed_deadman();
        match token {
            Token::Member(id) => self.member_ended(id),
            Token::Action(id) => self.action_ended(id),
            Token::Conn(id) => {
                if flags.contains(EventFlags::OUT) {
                    self.conns.flush(id, &self.epoll);
                }
                if self.conns.read(id) {
                    self.serve_all(id);
                } else {
                    self.conns.close(id);
                    self.feed(Event::HungUp(pmf_core::RequestId(id)));
                }
            }
            Token::Listener => self.conns.accept(&self.listener, &self.epoll),
            Token::Signals => self.signalled(),
            Token::Forks => self.forks.listen(),
            Token::Deadman => self.log_deadman(),
        }
    }

    /// Told to stop, pmfd leaves its tags running: the next one takes them over.
    fn signalled(&mut self) {
        while let Ok(Some(signal)) = self.signals.read_signal() {
            match i32::try_from(signal.ssi_signo).map(Signal::try_from) {
                Ok(Ok(Signal::SIGCHLD)) => self.reap_orphans(),
                Ok(Ok(Signal::SIGHUP)) => {}
                _ => {
                    tracing::info!("told to stop; {} tags are left running", self.entries.len());
                    self.ending = true;
                }
            }
        }
    }
}

/// Milliseconds since boot, suspend included.
pub fn now() -> Millis {
    let time = clock_gettime(ClockId::Boottime);
    let (seconds, nanos) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    Millis(seconds * 1000 + nanos / 1_000_000)
}

/// The time left until then, rounded up so that it has come when we wake.
fn until(at: Millis) -> rustix::event::Timespec {
    let left = at.since(now()).0;
    let left = if left == 0 { 0 } else { left.saturating_add(1).min(LONGEST_SLEEP_MS) };
    let seconds = i64::try_from(left / 1000).unwrap_or(i64::MAX);
    let nanos = i64::try_from(left % 1000 * 1_000_000).unwrap_or(0);
    rustix::event::Timespec { tv_sec: seconds, tv_nsec: nanos }
}

/// One day: within what every system call takes as a timeout.
const LONGEST_SLEEP_MS: u64 = 86_400_000;
