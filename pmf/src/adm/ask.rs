//! Asking pmfd, across its restart if need be.
//!
//! A pmfd that is killed comes back within a moment and knows all it knew. A request whose answer
//! was lost is then repeated: a creation is recognised by its token, a stop is the same twice, a
//! signal may be sent a second time.

use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use rgm_api::Paths;
use rgm_api::client::{CallError, Client};
use rgm_api::pmf::{Refusal, RefusalKind, Reply, Request};

/// How long a killed pmfd may take to come back.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no answer that helps.
#[derive(Debug)]
pub enum Asked {
    /// pmfd has said no.
    Refused(Refusal),
    /// pmfd has not said anything.
    Unanswered(String),
}

/// Asks, and waits for the answer.
pub fn ask(paths: &Paths, request: &Request) -> Result<Reply, Asked> {
    let begun = Instant::now();
    let mut back_before: Option<Instant> = None;
    loop {
        let repeated = back_before.is_some();
        let error = match try_once(&paths.pmfd_socket(), &shortened(request, begun.elapsed())) {
            Ok(reply) => return Ok(reply),
            Err(CallError::Refused(refusal)) if repeated && is_done(request, &refusal) => {
                return Ok(Reply::Done {});
            }
            Err(CallError::Refused(refusal)) => return Err(Asked::Refused(refusal)),
            Err(error) => error,
        };
        let may_come_back = match &error {
            CallError::Lost { .. } => true,
            // A socket without a listener is left by a killed pmfd; no socket, by one that was stopped.
            CallError::Unreachable { source, .. } => {
                source.kind() == io::ErrorKind::ConnectionRefused || repeated
            }
            CallError::Refused(_) | CallError::TimedOut { .. } | CallError::Protocol { .. } => false,
        };
        let until = *back_before.get_or_insert_with(|| Instant::now() + BACK_WITHIN);
        if !may_come_back || !wait_for_socket(&paths.pmfd_socket(), until) {
            return Err(Asked::Unanswered(error.to_string()));
        }
        if matches!(error, CallError::Lost { .. }) {
            back_before = Some(Instant::now() + BACK_WITHIN);
        }
    }
}

fn try_once(socket: &Path, request: &Request) -> Result<Reply, CallError<Refusal>> {
    Client::connect(socket)?.call(request)
}

/// The tag was gone when the request was repeated: what it asked for has happened.
fn is_done(request: &Request, refusal: &Refusal) -> bool {
    refusal.kind == RefusalKind::NoSuchTag && matches!(request, Request::Stop { .. } | Request::Kill { .. })
}

/// The request, with the time left to wait.
fn shortened(request: &Request, elapsed: Duration) -> Request {
    let mut request = request.clone();
    if let Request::Kill { wait_s, .. } | Request::Stop { wait_s, .. } = &mut request
        && *wait_s > 0
    {
        let elapsed = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
        *wait_s = wait_s.saturating_sub(elapsed).max(1);
    }
    request
}

/// Waits until somebody listens there; false if nobody does in time.
fn wait_for_socket(socket: &Path, until: Instant) -> bool {
    let Some(dir) = socket.parent() else { return false };
    let Ok(changes) = Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK) else { return false };
    if changes.add_watch(dir, AddWatchFlags::IN_CREATE | AddWatchFlags::IN_ATTRIB).is_err() {
        return false;
    }
    loop {
        // Looked at after the watch began, so that a socket made in between is not missed.
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        let timeout = PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX);
        let mut wait = [PollFd::new(changes.as_fd(), PollFlags::POLLIN)];
        if poll(&mut wait, timeout).is_err() {
            return false;
        }
        let _drained = changes.read_events();
    }
}
