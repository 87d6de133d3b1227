//! The pipe a method prints into.

use crate::output::Lines;
use crate::watch;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pipe::{PipeFlags, pipe_with};
use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Read at once; also as much as one method may print before others get their turn.
const READ_BYTES: usize = 16 * 1024;
/// How much of what is already there is read once a method has ended: a full pipe of the largest
/// size. More would be somebody else still writing.
const DRAIN_BYTES_MAX: usize = 1024 * 1024;

/// Our end of the pipe, and the lines read from it. Closed when nobody holds the other end any more.
#[derive(Debug)]
pub(crate) struct Output {
    pipe: Option<AsyncFd<OwnedFd>>,
    pub(crate) lines: Lines,
}

impl Output {
    /// Ours, and the end for the method. Only ours is non-blocking: a method may not expect that.
    pub(crate) fn new() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&ours, OFlags::NONBLOCK)?;
        let pipe = Some(watch::readable(ours)?);
        Ok((Self { pipe, lines: Lines::default() }, theirs))
    }

    /// Somebody may still print.
    pub(crate) fn is_open(&self) -> bool {
        self.pipe.is_some()
    }

    /// Waits for output and takes it. Nothing is lost if this is dropped while it waits.
    pub(crate) async fn read(&mut self, log: &mut impl FnMut(&str)) {
        let Some(pipe) = &self.pipe else { return std::future::pending().await };
        let Ok(mut ready) = pipe.readable().await else {
            self.pipe = None;
            return;
        };
        let mut buffer = [0; READ_BYTES];
        match ready.try_io(|pipe| Ok(rustix::io::read(pipe.get_ref(), &mut buffer)?)) {
            Ok(Ok(len @ 1..)) => self.lines.push(buffer.get(..len).unwrap_or_default(), log),
            Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(Ok(0) | Err(_)) => self.pipe = None,
            Err(_would_block) => {}
        }
    }

    /// Takes what is there, without waiting, and ends the last line.
    pub(crate) fn drain(&mut self, log: &mut impl FnMut(&str)) {
        let mut buffer = [0; READ_BYTES];
        let mut drained = 0;
        while let Some(pipe) = &self.pipe
            && drained < DRAIN_BYTES_MAX
        {
            match rustix::io::read(pipe.get_ref(), &mut buffer) {
                Ok(len @ 1..) => {
                    self.lines.push(buffer.get(..len).unwrap_or_default(), log);
                    drained += len;
                }
                Err(rustix::io::Errno::AGAIN) => break,
                Err(rustix::io::Errno::INTR) => {}
                Ok(0) | Err(_) => self.pipe = None,
            }
        }
        self.lines.finish(log);
    }

    /// A process the method left behind may hold the pipe as its output, and would die of SIGPIPE on
    /// its first word if it were closed. So reading goes on, into the log, until the last holder has
    /// closed it.
    pub(crate) fn keep_reading(mut self, tag: String) {
        if self.is_open() {
            tokio::spawn(async move {
                let mut log = |line: &str| tracing::info!(tag, "{line}");
                while self.is_open() {
                    self.read(&mut log).await;
                }
                self.lines.finish(&mut log);
            });
        }
    }
}
