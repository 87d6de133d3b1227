//! Descriptors that the tokio runtime waits for: the one place where they are registered.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Anything that owns a descriptor and keeps it for life.
#[derive(Debug)]
pub struct Watched<T>(pub T);

impl<T: AsFd> AsRawFd for Watched<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

/// Waits for input, or for the end of a process whose pidfd it is.
pub fn readable(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    register(fd, Interest::READABLE)
}

/// Waits for what poll(2) calls `PRI`, as `cgroup.events` gives it.
pub fn priority<T: AsFd>(owner: T) -> io::Result<AsyncFd<Watched<T>>> {
    register(Watched(owner), Interest::PRIORITY)
}

#[expect(
    deprecated,
    reason = "its successor is unsafe, for owners whose descriptor may change; ours never does"
)]
fn register<T: AsRawFd>(owner: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(owner, interest)
}
