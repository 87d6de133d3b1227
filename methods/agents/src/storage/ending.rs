//! Ending those who keep a file system busy.

use super::holders::{Holder, still_holds};
use super::mounts::Mount;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// Asks the processes to end, kills those that have not after so long, and waits as long again. Who
/// has let go of the mount meanwhile is left alone.
pub fn end(holders: &[Holder], mount: &Mount, patience: Duration) -> io::Result<()> {
    let mut left = Vec::new();
    for holder in holders {
        // First the descriptor, then the look: the number may belong to another process by now.
        let Some(pid) = Pid::from_raw(holder.pid) else { continue };
        match pidfd_open(pid, PidfdFlags::empty()) {
            Ok(pidfd) if still_holds(holder.pid, mount) => left.push((holder.pid, pidfd)),
            Ok(_) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for signal in [Signal::TERM, Signal::KILL] {
        for (_, pidfd) in &left {
            match pidfd_send_signal(pidfd, signal) {
                Ok(()) | Err(rustix::io::Errno::SRCH) => {}
                Err(error) => return Err(error.into()),
            }
        }
        wait(&mut left, Instant::now() + patience)?;
    }
    Ok(())
}

/// Waits for their ends; who is left then stays in the list.
fn wait(left: &mut Vec<(i32, OwnedFd)>, end: Instant) -> io::Result<()> {
    while !left.is_empty() {
        let mut polled: Vec<PollFd> = left.iter().map(|(_, fd)| PollFd::new(fd, PollFlags::IN)).collect();
        let time =
            Timespec::try_from(end.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut polled, Some(&time)) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        let mut alive = polled.iter().map(|fd| fd.revents().is_empty()).collect::<Vec<_>>().into_iter();
        left.retain(|_| alive.next().unwrap_or(false));
    }
    Ok(())
}
