//! A client of the name service that asks without end, and knows when nobody answered.

use super::dns::{ANSWER, QUESTION};
use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an answer is waited for before the next question.
const PATIENCE: Duration = Duration::from_millis(20);

/// It asks until it is dropped.
pub struct Asker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

#[derive(Default)]
struct Shared {
    enough: AtomicBool,
    answered: Mutex<Vec<Instant>>,
}

impl Asker {
    /// Asks the server at this address, from a host in that namespace.
    pub fn start(netns: &str, server: Ipv4Addr) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let file = format!("/run/netns/{netns}");
        let netns = File::open(&file).with_context(|| format!("failed to open {file}"))?;
        let told = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("asker".to_owned());
        let thread = thread.spawn(move || {
            setns(netns, CloneFlags::CLONE_NEWNET)?;
            told.ask(server)
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Was there an answer since?
    pub fn answered_since(&self, since: Instant) -> Result<bool> {
        if self.thread.as_ref().is_some_and(JoinHandle::is_finished) {
            bail!("the client has ended");
        }
        Ok(self.shared.answered().last().is_some_and(|last| *last > since))
    }

    /// The longest time without an answer that was not over then.
    pub fn silence_since(&self, since: Instant) -> Duration {
        let answered = self.shared.answered();
        let pairs = answered.windows(2).filter_map(|pair| match pair {
            [from, to] if *to > since => Some(to.duration_since(*from)),
            _ => None,
        });
        pairs.max().unwrap_or_default()
    }
}

impl Drop for Asker {
    fn drop(&mut self) {
        self.shared.enough.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // What ended it before was said by whoever waited for an answer.
            let _ended = thread.join();
        }
    }
}

impl Shared {
    fn answered(&self) -> std::sync::MutexGuard<'_, Vec<Instant>> {
        self.answered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask(&self, server: Ipv4Addr) -> Result<()> {
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
        let mut id = 0_u16;
        while !self.enough.load(Ordering::SeqCst) {
            id = id.wrapping_add(1);
            // Nobody there is no error of this client's: it asks again.
            let _unreachable = socket.send_to(&question(id), (server, 53));
            let end = Instant::now() + PATIENCE;
            loop {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    break;
                }
                socket.set_read_timeout(Some(left))?;
                let mut packet = [0; 512];
                match socket.recv(&mut packet) {
                    Ok(len) if is_answer(packet.get(..len).unwrap_or_default(), id) => {
                        self.answered().push(Instant::now());
                    }
                    Ok(_) => {}
                    Err(error) if is_nobody(&error) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(())
    }
}

/// The address of a name, asked for.
fn question(id: u16) -> Vec<u8> {
    let mut packet = id.to_be_bytes().to_vec();
    // Flags, one question, no more.
    packet.extend([0, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in QUESTION.split('.') {
        packet.push(u8::try_from(label.len()).unwrap_or(0));
        packet.extend(label.as_bytes());
    }
    // Type A, class IN.
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// The answer to that question, without an error, and with the right address in it?
fn is_answer(packet: &[u8], id: u16) -> bool {
    let address = ANSWER.parse::<Ipv4Addr>().map(|address| address.octets()).unwrap_or_default();
    packet.starts_with(&id.to_be_bytes())
        && packet.get(3).is_some_and(|flags| flags & 0x0f == 0)
        && packet.windows(4).any(|window| window == address)
}

/// Nobody has answered, or has said that nobody will.
fn is_nobody(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock
            | io::ErrorKind::TimedOut
            | io::ErrorKind::Interrupted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
    )
}
