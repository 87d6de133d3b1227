//! One connection, from the moment both sides have taken each other to its end.

use super::frame::{self, Decoder, HEAD_LEN, Kind};
use super::line::{MESSAGE_COST, Pulse};
use super::{Ended, LinkSettings, NetEvent, Payload};
use crate::clock;
use rgm_types::NodeName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufWriter, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::time::{MissedTickBehavior, interval, sleep};
use tokio_rustls::TlsStream;

/// Read and written at once.
const PIECE_LEN: usize = 16 << 10;

/// A connection whose other side is known.
#[derive(Debug)]
pub(super) struct Connection {
    /// The other side.
    pub node: NodeName,
    /// Its life.
    pub incarnation: u64,
    /// The bytes.
    pub stream: Box<TlsStream<TcpStream>>,
}

/// What [`talk`] needs of the rest.
#[derive(Debug)]
pub(super) struct Talk<'a> {
    /// How long to wait for what.
    pub settings: &'a LinkSettings,
    /// What senders know of it.
    pub pulse: &'a Pulse,
    /// What they send.
    pub queue: UnboundedReceiver<Vec<u8>>,
    /// Where messages go.
    pub events: &'a UnboundedSender<NetEvent>,
    /// Where asides go.
    pub asides: &'a UnboundedSender<(NodeName, Vec<u8>)>,
    /// Bytes of messages that may wait there.
    pub room: &'a Arc<Semaphore>,
}

/// Carries messages both ways until the connection ends; says why it did. When this returns, or is
/// dropped, no further message of the connection is delivered.
pub(super) async fn talk(connection: Connection, talk: Talk<'_>) -> Ended {
    let Connection { node, incarnation, stream } = connection;
    let Talk { settings, pulse, queue, events, asides, room } = talk;
    let (reader, writer) = split(*stream);
    let hearing = Hearing { settings, pulse, events, asides, room, node, incarnation };
    // In this order: whoever slept, with the machine or alone, first finds that it did, and does not
    // deliver what it meanwhile got from a side that has given it up.
    tokio::select! {
        biased;
        why = pulse.broken() => why,
        why = silence(settings.silence, pulse) => why,
        why = hearing.run(reader) => why,
        why = speak(writer, queue, settings.heartbeat, pulse) => why,
    }
}

/// Until nothing was heard for so long.
async fn silence(limit: Duration, pulse: &Pulse) -> Ended {
    loop {
        let silent = pulse.silent_for();
        match limit.checked_sub(silent) {
            None | Some(Duration::ZERO) => return Ended::Silent(silent),
            Some(left) => sleep(left).await,
        }
    }
}

struct Hearing<'a> {
    settings: &'a LinkSettings,
    pulse: &'a Pulse,
    events: &'a UnboundedSender<NetEvent>,
    asides: &'a UnboundedSender<(NodeName, Vec<u8>)>,
    room: &'a Arc<Semaphore>,
    node: NodeName,
    incarnation: u64,
}

impl Hearing<'_> {
    async fn run(self, mut reader: ReadHalf<TlsStream<TcpStream>>) -> Ended {
        let mut decoder = Decoder::new(self.settings.message_len_max);
        let mut piece = vec![0; PIECE_LEN];
        loop {
            let len = match reader.read(&mut piece).await {
                Ok(0) => return Ended::Closed,
                Ok(len) => len,
                Err(error) => return ended(&error),
            };
            let silent = self.pulse.silent_for();
            if silent >= self.settings.silence {
                return Ended::Silent(silent);
            }
            self.pulse.hear();
            decoder.push(piece.get(..len).unwrap_or_default());
            if let Err(why) = self.take(&mut decoder).await {
                return why;
            }
        }
    }

    async fn take(&self, decoder: &mut Decoder) -> Result<(), Ended> {
        while let Some((kind, payload)) = decoder.pop().map_err(|error| Ended::Frame(error.to_string()))? {
            match kind {
                Kind::Beat => self.pulse.beat(&payload),
                Kind::Message => self.deliver(payload).await?,
                // Whoever does not listen misses nothing that it could not miss.
                Kind::Aside => drop(self.asides.send((self.node.clone(), payload))),
                Kind::Hello | Kind::Refused | Kind::Welcome => {
                    return Err(Ended::Frame(format!("it sent a {kind:?} frame in the middle")));
                }
            }
        }
        Ok(())
    }

    /// While there is no room, nothing is read: the other side's queue fills, and it learns.
    async fn deliver(&self, bytes: Vec<u8>) -> Result<(), Ended> {
        let len = u32::try_from(MESSAGE_COST + bytes.len()).unwrap_or(u32::MAX);
        let room = match self.room.clone().try_acquire_many_owned(len) {
            Ok(room) => room,
            Err(_) => {
                self.pulse.pause(true);
                let room = self.room.clone().acquire_many_owned(len).await;
                self.pulse.pause(false);
                room.map_err(|_| Ended::Over)?
            }
        };
        let bytes = Payload::new(bytes, room);
        let message = NetEvent::Message { node: self.node.clone(), incarnation: self.incarnation, bytes };
        self.events.send(message).map_err(|_| Ended::Over)
    }
}

/// A side that closes while something is on its way to it ends the connection with a reset.
fn ended(error: &io::Error) -> Ended {
    let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
    if closed.contains(&error.kind()) { Ended::Closed } else { Ended::Broke(error.to_string()) }
}

/// Writes what is sent, and a beat where nothing is.
async fn speak(
    writer: WriteHalf<TlsStream<TcpStream>>,
    mut queue: UnboundedReceiver<Vec<u8>>,
    heartbeat: Duration,
    pulse: &Pulse,
) -> Ended {
    let mut writer = BufWriter::with_capacity(PIECE_LEN, writer);
    let mut beats = interval(heartbeat);
    beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let written = tokio::select! {
            biased;
            frame = queue.recv() => match frame {
                Some(frame) => write(&mut writer, &mut queue, frame, pulse).await,
                None => return Ended::Over,
            },
            _ = beats.tick() => {
                let beat = frame::encode(Kind::Beat, &clock::wall().0.to_be_bytes());
                writer.write_all(&beat).await
            }
        };
        let flushed = match written {
            Ok(()) => writer.flush().await,
            Err(error) => Err(error),
        };
        if let Err(error) = flushed {
            return ended(&error);
        }
    }
}

/// All that is there.
async fn write(
    writer: &mut BufWriter<WriteHalf<TlsStream<TcpStream>>>,
    queue: &mut UnboundedReceiver<Vec<u8>>,
    first: Vec<u8>,
    pulse: &Pulse,
) -> io::Result<()> {
    let mut next = Some(first);
    while let Some(frame) = next {
        writer.write_all(&frame).await?;
        pulse.written(frame.len() - HEAD_LEN);
        next = queue.try_recv().ok();
    }
    Ok(())
}
