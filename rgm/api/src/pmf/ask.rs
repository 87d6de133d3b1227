//! Asking pmfd, across its restart if need be.
//!
//! A pmfd that is killed comes back within a moment and knows all it knew. A request whose answer
//! was lost is then repeated: a creation is recognised by its token, a stop is the same twice, a
//! signal may be sent a second time.

use super::{Refusal, RefusalKind, Reply, Request};
use crate::Paths;
use crate::client::{CallError, Client};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init};
use std::io;
use std::mem::MaybeUninit;
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a killed pmfd may take to come back.
const BACK_WITHIN: Duration = Duration::from_secs(10);

/// Why there is no answer that helps.
#[derive(Debug, thiserror::Error)]
pub enum Asked {
    /// pmfd has said no.
    #[error("{}", .0.message)]
    Refused(Refusal),
    /// The time given is over: what was asked for goes on.
    #[error("pmfd did not answer in time")]
    TimedOut,
    /// pmfd has not said anything.
    #[error("{0}")]
    Unanswered(String),
}

/// Asks, and waits for the answer; with a limit no longer than that.
pub fn ask(paths: &Paths, request: &Request, limit: Option<Duration>) -> Result<Reply, Asked> {
    let begun = Instant::now();
    let mut back_before: Option<Instant> = None;
    loop {
        let repeated = back_before.is_some();
        let left = limit.map(|limit| limit.saturating_sub(begun.elapsed()));
        let error = match try_once(&paths.pmfd_socket(), &shortened(request, begun.elapsed()), left) {
            Ok(reply) => return Ok(reply),
            Err(CallError::Refused(refusal)) if repeated && is_done(request, &refusal) => {
                return Ok(Reply::Done {});
            }
            Err(CallError::Refused(refusal)) => return Err(Asked::Refused(refusal)),
            Err(CallError::TimedOut { .. }) => return Err(Asked::TimedOut),
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

fn try_once(socket: &Path, request: &Request, left: Option<Duration>) -> Result<Reply, CallError<Refusal>> {
    let mut client = Client::connect(socket)?;
    client.set_time_limit(left);
    client.call(request)
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
pub fn wait_for_socket(socket: &Path, until: Instant) -> bool {
    let Some(dir) = socket.parent() else { return false };
    let Ok(changes) = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK) else { return false };
    if add_watch(&changes, dir, WatchFlags::CREATE | WatchFlags::ATTRIB).is_err() {
        return false;
    }
    loop {
        // Looked at after the watch began, so that a socket made in between is not missed.
        if std::os::unix::net::UnixStream::connect(socket).is_ok() {
            return true;
        }
        let left = until.saturating_duration_since(Instant::now());
        let Ok(left) = Timespec::try_from(left) else { return false };
        let mut wait = [PollFd::new(&changes, PollFlags::IN)];
        if !poll(&mut wait, Some(&left)).is_ok_and(|ready| ready > 0) {
            return false;
        }
        let mut buffer = [const { MaybeUninit::uninit() }; 1024];
        let mut reader = Reader::new(&changes, &mut buffer);
        while reader.next().is_ok() {}
    }
}
