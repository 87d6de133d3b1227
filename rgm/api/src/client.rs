//! A blocking caller over a Unix socket.
//!
//! Made for commands that live a millisecond: one connect, one write and, for an ordinary answer,
//! one read; nothing but std and the buffers of the two messages.

use crate::frame::{self, Answer, Decoder, INVALID_PARAMETER, Interface, METHOD_NOT_FOUND, REPLY_LEN_MAX};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Bytes asked for in one read: an ordinary answer fits, and it lies on the stack.
const READ_LEN: usize = 16 << 10;

/// Why a call brought no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError<Refusal> {
    /// The daemon understood, and said no.
    #[error("refused")]
    Refused(Refusal),
    /// Nobody listens there.
    #[error("no daemon answers on {}", socket.display())]
    Unreachable {
        /// Socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection broke before the answer: what was asked may or may not have been done.
    #[error("the daemon on {} went away before it answered", socket.display())]
    Lost {
        /// Socket.
        socket: PathBuf,
        /// Why; end of stream is `UnexpectedEof`.
        #[source]
        source: io::Error,
    },
    /// No answer within the time given: what was asked may or may not have been done.
    #[error("the daemon on {} did not answer in time", socket.display())]
    TimedOut {
        /// Socket.
        socket: PathBuf,
    },
    /// An answer that can't be understood, or that says the call could not be.
    #[error("the daemon on {} speaks otherwise: {reason}", socket.display())]
    Protocol {
        /// Socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// A connection to a daemon. One call at a time.
#[derive(Debug)]
pub struct Client {
    stream: UnixStream,
    socket: PathBuf,
    decoder: Decoder,
    deadline: Option<Instant>,
}

impl Client {
    /// Connects.
    pub fn connect<Refusal>(socket: &Path) -> Result<Self, CallError<Refusal>> {
        match UnixStream::connect(socket) {
            Ok(stream) => Ok(Self::over(stream, socket)),
            Err(source) => Err(CallError::Unreachable { socket: socket.to_owned(), source }),
        }
    }

    /// A client over a stream that is connected already; `socket` names it in errors.
    pub fn over(stream: UnixStream, socket: &Path) -> Self {
        let decoder = Decoder::new(REPLY_LEN_MAX);
        Self { stream, socket: socket.to_owned(), decoder, deadline: None }
    }

    /// From now on, calls end with [`CallError::TimedOut`] once this long has passed, all of them
    /// together. After that the connection is of no use: a late answer would belong to the old call.
    pub fn set_time_limit(&mut self, limit: Option<Duration>) {
        self.deadline = limit.and_then(|limit| Instant::now().checked_add(limit));
    }

    /// Asks, and waits for the one answer.
    pub fn call<R: Interface>(&mut self, request: &R) -> Result<R::Reply, CallError<R::Refusal>> {
        self.send(&frame::encode_call(request, false))?;
        let (reply, continues) = self.answer::<R>()?;
        if continues {
            return Err(self.protocol("an answer continues that was not asked to".to_owned()));
        }
        Ok(reply)
    }

    /// Asks with `more`: hands over each answer that another follows, and returns the last one.
    pub fn call_more<R: Interface>(
        &mut self,
        request: &R,
        mut each: impl FnMut(R::Reply),
    ) -> Result<R::Reply, CallError<R::Refusal>> {
        self.send(&frame::encode_call(request, true))?;
        loop {
            let (reply, continues) = self.answer::<R>()?;
            if !continues {
                return Ok(reply);
            }
            each(reply);
        }
    }

    fn send<Refusal>(&mut self, message: &[u8]) -> Result<(), CallError<Refusal>> {
        if let Some(left) = self.time_left()? {
            self.stream.set_write_timeout(Some(left)).map_err(|e| self.broken(e))?;
        }
        self.stream.write_all(message).map_err(|e| self.broken(e))
    }

    fn answer<R: Interface>(&mut self) -> Result<(R::Reply, bool), CallError<R::Refusal>> {
        self.fill()?;
        let answer = match self.decoder.pop() {
            Ok(message) => frame::decode_answer::<R>(message.unwrap_or_default()),
            Err(too_long) => Err(too_long.to_string()),
        };
        match answer.map_err(|reason| self.protocol(reason))? {
            Answer::Reply { reply, continues } => Ok((reply, continues)),
            Answer::Refused(refusal) => Err(CallError::Refused(refusal)),
            Answer::Error { name, parameters } => Err(self.protocol(explain_error(&name, &parameters))),
        }
    }

    /// Reads until a whole message is there.
    fn fill<Refusal>(&mut self) -> Result<(), CallError<Refusal>> {
        let mut buffer = [0; READ_LEN];
        while !self.decoder.has_message().map_err(|e| self.protocol(e.to_string()))? {
            if let Some(left) = self.time_left()? {
                self.stream.set_read_timeout(Some(left)).map_err(|e| self.broken(e))?;
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(self.broken(io::ErrorKind::UnexpectedEof.into())),
                Ok(len) => self.decoder.push(buffer.get(..len).unwrap_or_default()),
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                Err(e) => return Err(self.broken(e)),
            }
        }
        Ok(())
    }

    fn time_left<Refusal>(&self) -> Result<Option<Duration>, CallError<Refusal>> {
        let Some(deadline) = self.deadline else { return Ok(None) };
        match deadline.saturating_duration_since(Instant::now()) {
            Duration::ZERO => Err(CallError::TimedOut { socket: self.socket.clone() }),
            left => Ok(Some(left)),
        }
    }

    fn broken<Refusal>(&self, source: io::Error) -> CallError<Refusal> {
        let socket = self.socket.clone();
        if matches!(source.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) {
            return CallError::TimedOut { socket };
        }
        CallError::Lost { socket, source }
    }

    fn protocol<Refusal>(&self, reason: String) -> CallError<Refusal> {
        CallError::Protocol { socket: self.socket.clone(), reason }
    }
}

/// In words, what a daemon means that did not understand.
fn explain_error(name: &str, parameters: &str) -> String {
    match name {
        METHOD_NOT_FOUND => {
            format!("it knows no such method {parameters}; it may be older than this command")
        }
        INVALID_PARAMETER => {
            format!("it does not take these parameters {parameters}; is it of another version?")
        }
        _ => format!("{name} {parameters}"),
    }
}
