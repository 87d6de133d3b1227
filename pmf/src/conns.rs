//! Connections: bytes in and out without ever blocking, one call at a time on each.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};

use rgm_api::frame::{BadCall, Call, Decoder, decode_call};
use rgm_api::pmf::Request;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::daemon::Token;

/// More callers at once than a node's methods ever are; beyond that, they wait in the socket's queue.
const CONNECTIONS_MAX: usize = 2048;
/// A request is an argument list and an environment, which the kernel bounds at 2 MiB, doubled by escapes.
const REQUEST_LEN_MAX: usize = 4 << 20;
/// A watcher that reads so slowly is cut off; it comes back and is told again what matters.
const UNREAD_LEN_MAX: usize = 64 << 20;
const READ_LEN: usize = 16 << 10;

/// One connection.
#[derive(Debug)]
pub struct Conn {
    /// The socket itself.
    pub stream: UnixStream,
    /// Effective user at the other end.
    pub uid: u32,
    /// Wants to be told events.
    pub watching: bool,
    decoder: Decoder,
    unsent: Vec<u8>,
    /// Waits until more can be sent.
    stuffed: bool,
    /// A call has not been answered yet.
    busy: bool,
}

/// All connections by number; numbers are never used again.
#[derive(Debug, Default)]
pub struct Conns {
    open: BTreeMap<u64, Conn>,
    last: u64,
}

impl Conns {
    /// Takes in who waits at the socket.
    pub fn accept(&mut self, listener: &UnixListener, epoll: &OwnedFd) {
        while self.open.len() < CONNECTIONS_MAX {
            match listener.accept() {
                Ok((stream, _)) => {
                    if let Err(error) = self.add(stream, epoll) {
                        tracing::warn!("a connection could not be taken: {error}");
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) => {
                    tracing::warn!("no connection could be accepted: {error}");
                    return;
                }
            }
        }
    }

    fn add(&mut self, stream: UnixStream, epoll: &OwnedFd) -> io::Result<()> {
        stream.set_nonblocking(true)?;
        let uid = rustix::net::sockopt::socket_peercred(&stream)?.uid.as_raw();
        self.last += 1;
        epoll::add(epoll, &stream, EventData::new_u64(Token::Conn(self.last).encode()), EventFlags::IN)?;
        let decoder = Decoder::new(REQUEST_LEN_MAX);
        let conn =
            Conn { stream, uid, watching: false, decoder, unsent: Vec::new(), stuffed: false, busy: false };
        self.open.insert(self.last, conn);
        Ok(())
    }

    /// A connection.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Conn> {
        self.open.get_mut(&id)
    }

    /// Who wants to be told events.
    pub fn watchers(&self) -> Vec<u64> {
        self.open.iter().filter(|(_, conn)| conn.watching).map(|(id, _)| *id).collect()
    }

    /// Reads what has come. False: the other end is gone.
    pub fn read(&mut self, id: u64) -> bool {
        let Some(conn) = self.open.get_mut(&id) else { return true };
        let mut buffer = [0; READ_LEN];
        loop {
            match conn.stream.read(&mut buffer) {
                Ok(0) => return false,
                Ok(len) => conn.decoder.push(buffer.get(..len).unwrap_or_default()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
            // Checked on the way, so that nobody can fill the memory with one endless message.
            if conn.decoder.has_message().is_err() {
                return false;
            }
        }
    }

    /// The next call, once the last one has been answered. It must be answered by [`Conns::send`].
    pub fn next_call(&mut self, id: u64) -> Option<Result<Call<Request>, BadCall>> {
        let conn = self.open.get_mut(&id)?;
        if conn.busy {
            return None;
        }
        let message = conn.decoder.pop().ok().flatten()?;
        let call = decode_call::<Request>(message);
        conn.busy = true;
        Some(call)
    }

    /// Sends an answer; `last`: the call has been answered with it.
    pub fn send(&mut self, id: u64, message: &[u8], last: bool, epoll: &OwnedFd) {
        let Some(conn) = self.open.get_mut(&id) else { return };
        conn.busy &= !last;
        let was_empty = conn.unsent.is_empty();
        conn.unsent.extend_from_slice(message);
        if was_empty {
            self.flush(id, epoll);
        } else if conn.unsent.len() > UNREAD_LEN_MAX {
            tracing::warn!("a watcher does not read; its connection is cut");
            self.close(id);
        }
    }

    /// Sends what could not be sent before.
    pub fn flush(&mut self, id: u64, epoll: &OwnedFd) {
        let Some(conn) = self.open.get_mut(&id) else { return };
        let mut sent = 0;
        let gone = loop {
            match conn.stream.write(conn.unsent.get(sent..).unwrap_or_default()) {
                Ok(0) => break false,
                Ok(len) => sent += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break error.kind() != io::ErrorKind::WouldBlock,
            }
        };
        let was_whole = sent == conn.unsent.len();
        conn.unsent.drain(..sent);
        if gone {
            // Reading finds the end, and whoever waits for this caller is told.
            conn.unsent.clear();
            return;
        }
        if conn.stuffed == was_whole {
            conn.stuffed = !was_whole;
            let flags = if was_whole { EventFlags::IN } else { EventFlags::IN | EventFlags::OUT };
            let data = EventData::new_u64(Token::Conn(id).encode());
            if let Err(error) = epoll::modify(epoll, &conn.stream, data, flags) {
                tracing::warn!("a connection can't be watched: {error}");
            }
        }
        conn.unsent.shrink_to(READ_LEN);
    }

    /// Closes a connection.
    pub fn close(&mut self, id: u64) {
        self.open.remove(&id);
    }
}
