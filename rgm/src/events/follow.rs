//! Telling the event log to whoever asks, on a connection of theirs.

use super::Reader;
use super::reader::{Cursor, Piece};
use rgm_api::frame;
use rgm_api::rgm::{EventsEnd, Reply, Request};
use rgm_types::{Refusal, SchaErr};
use std::cell::Cell;
use std::io;
use std::rc::Rc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::spawn_blocking;

/// Connections that read the log at one time.
const READERS_MAX: usize = 64;

/// Tells the event log.
#[derive(Debug, Clone)]
pub struct Teller {
    reader: Reader,
    busy: Rc<Cell<usize>>,
}

/// What somebody wants to be told.
#[derive(Debug)]
pub struct Wanted {
    /// Only later ones than this number.
    pub after: Option<u64>,
    /// Only those that name this object.
    pub about: Option<String>,
    /// Those to come, too.
    pub follow: bool,
}

impl Teller {
    /// A teller of what this one reads.
    pub fn new(reader: Reader) -> Self {
        Self { reader, busy: Rc::default() }
    }

    /// Tells what is wanted; false if the caller has gone, or the daemon ends.
    pub async fn tell(&self, stream: &mut UnixStream, wanted: Wanted, more: bool) -> bool {
        let refusal = if !more || wanted.about.as_deref() == Some("") {
            let hint = "ask with \"more\", and for no object or one with a name";
            Refusal::new(SchaErr::Inval, "the event log can't be told so", hint)
        } else if self.busy.get() >= READERS_MAX {
            let message = format!("{READERS_MAX} others are reading the event log");
            Refusal::new(SchaErr::Busy, message, "try again when some of them have ended")
        } else {
            self.busy.set(self.busy.get() + 1);
            let told = read(self.reader.clone(), stream, wanted).await;
            self.busy.set(self.busy.get().saturating_sub(1));
            match told {
                Ok(goes_on) => return goes_on,
                Err(error) => {
                    Refusal::new(SchaErr::Internal, format!("the event log can't be read: {error}"), "")
                }
            }
        };
        stream.write_all(&frame::encode_refusal::<Request>(&refusal)).await.is_ok()
    }
}

async fn read(mut reader: Reader, stream: &mut UnixStream, wanted: Wanted) -> io::Result<bool> {
    let mut cursor = reader.read(wanted.after, wanted.about);
    loop {
        let (back, end, bytes) = piece(cursor, reader.last()).await?;
        cursor = back;
        if stream.write_all(&bytes).await.is_err() {
            return Ok(false);
        }
        if end && !wanted.follow {
            let end = Reply::EventsEnd(EventsEnd { last: reader.last() });
            return Ok(stream.write_all(&frame::encode_reply::<Request>(&end, false)).await.is_ok());
        }
        if end && !more(&mut reader, stream).await {
            return Ok(false);
        }
    }
}

/// Waits until there is more to tell; false if the caller has hung up (or speaks, which nobody who
/// follows does), or the daemon ends.
async fn more(reader: &mut Reader, stream: &mut UnixStream) -> bool {
    let mut byte = [0];
    tokio::select! {
        more = reader.more() => more,
        _ = stream.read(&mut byte) => false,
    }
}

/// Reads the next piece beside the daemon's own thread, which has other things to do.
async fn piece(mut cursor: Cursor, last: u64) -> io::Result<(Cursor, bool, Vec<u8>)> {
    let read = move || {
        let Piece { gone, events, end } = cursor.next(last)?;
        let gone = gone.map(Reply::EventsGone);
        let replies = gone.into_iter().chain(events.into_iter().map(Reply::Event));
        let bytes = replies.flat_map(|reply| frame::encode_reply::<Request>(&reply, true)).collect();
        Ok((cursor, end, bytes))
    };
    spawn_blocking(read).await.map_err(io::Error::other)?
}
