//! The sockets on which commands and methods ask.
//!
//! A socket speaks for one node. Who asks is known from the kernel (`SO_PEERCRED`): everyone may
//! read; only root, or the user the daemon runs as, may change something. What is asked goes to the
//! shell through one queue and is answered through a channel of its own, so a caller that goes away
//! or does not listen holds up nobody, and does not undo what it asked for. The event log, and how this
//! node sees a cluster of many machines, are told without the shell: see [`crate::events`] and
//! `crate::seat::Lookout`.

use crate::events::follow::{Teller, Wanted};
use crate::seat::Local;
use rgm_api::frame::{self, Decoder};
use rgm_api::rgm::{Outcome, Reply, Request};
use rgm_types::{NodeName, Progress, Refusal, SchaErr};
use std::cell::Cell;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::{Sender, UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::spawn_local;

/// Requests that wait for the shell. More wait in their connections.
pub const ASKED_MAX: usize = 256;
/// Connections of unprivileged users at one time: they shall not use up the descriptors root needs.
const UNPRIVILEGED_MAX: usize = 512;
/// Longest request of an unprivileged user, in bytes: reads are short.
const UNPRIVILEGED_LEN_MAX: usize = 64 << 10;
/// Bytes read at once.
const READ_LEN: usize = 16 << 10;
/// After a failure to accept a connection (out of descriptors, mostly), this long until the next try.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

/// A request, and where its answer goes.
#[derive(Debug)]
pub struct Asked {
    /// The node the caller speaks for.
    pub from: NodeName,
    /// What it asks.
    pub request: Request,
    /// It may change something.
    pub privileged: bool,
    /// The way back.
    pub answers: Answers,
}

/// The way back to a caller.
#[derive(Debug)]
pub struct Answers {
    sender: UnboundedSender<Answer>,
    more: bool,
}

/// What comes that way.
#[derive(Debug)]
pub enum Answer {
    /// Before the last word, to who wants to know.
    Progress(Progress),
    /// The last word.
    Last(Outcome),
}

impl Answers {
    /// A way back, and its end.
    pub fn new(more: bool) -> (Self, UnboundedReceiver<Answer>) {
        let (sender, receiver) = unbounded_channel();
        (Self { sender, more }, receiver)
    }

    /// Whether it wants to know what goes on.
    pub fn more(&self) -> bool {
        self.more
    }

    /// Tells what goes on, if the caller wants to know.
    pub fn progress(&self, progress: Progress) {
        if self.more {
            // Callers may have gone.
            let _gone = self.sender.send(Answer::Progress(progress));
        }
    }

    /// The last word.
    pub fn last(self, outcome: Outcome) {
        // Callers may have gone.
        let _gone = self.sender.send(Answer::Last(outcome));
    }
}

/// Why a socket can't be opened.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {}", path.display())]
pub struct ListenError {
    /// The socket.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// Listens for commands that speak for a node, in the place of a former life's socket. Whoever calls
/// this holds the lock of the run directory. Must be called inside a `LocalSet`.
pub fn listen(
    path: &Path,
    node: &NodeName,
    shell: &Sender<Asked>,
    teller: &Teller,
    local: Option<&Local>,
) -> Result<(), ListenError> {
    let failed = |source| ListenError { path: path.to_owned(), source };
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    fs::set_permissions(path, Permissions::from_mode(0o666)).map_err(failed)?;
    let door = Door {
        node: node.clone(),
        shell: shell.clone(),
        teller: teller.clone(),
        local: local.cloned(),
        unprivileged: Rc::default(),
    };
    spawn_local(door.accept(listener));
    Ok(())
}

#[derive(Clone)]
struct Door {
    node: NodeName,
    shell: Sender<Asked>,
    teller: Teller,
    /// Of a cluster of many machines.
    local: Option<Local>,
    /// Connections of unprivileged users.
    unprivileged: Rc<Cell<usize>>,
}

impl Door {
    async fn accept(self, listener: UnixListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => self.enter(stream),
                Err(error) => {
                    tracing::warn!(node = %self.node, "cannot accept a connection: {error}");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn enter(&self, stream: UnixStream) {
        let privileged = stream.peer_cred().is_ok_and(|peer| may_change(peer.uid()));
        if privileged {
            spawn_local(self.clone().serve(stream, true));
        } else if self.unprivileged.get() < UNPRIVILEGED_MAX {
            let door = self.clone();
            door.unprivileged.set(door.unprivileged.get() + 1);
            spawn_local(async move {
                let count = Rc::clone(&door.unprivileged);
                door.serve(stream, false).await;
                count.set(count.get().saturating_sub(1));
            });
        }
    }

    /// Answers one request after the other until the caller hangs up.
    async fn serve(self, mut stream: UnixStream, privileged: bool) {
        let len_max = if privileged { frame::REQUEST_LEN_MAX } else { UNPRIVILEGED_LEN_MAX };
        let mut decoder = Decoder::new(len_max);
        let mut buffer = vec![0; READ_LEN];
        loop {
            loop {
                let answered = match decoder.pop() {
                    Ok(Some(message)) => self.answer(&mut stream, message, privileged).await,
                    Ok(None) => break,
                    Err(too_long) => {
                        let bad = frame::BadCall::NotACall { reason: too_long.to_string() };
                        // The connection ends either way: nobody knows where the next message starts.
                        let _gone = stream.write_all(&bad.encode()).await;
                        return;
                    }
                };
                if !answered {
                    return;
                }
            }
            match stream.read(&mut buffer).await {
                Ok(len) if len > 0 => decoder.push(buffer.get(..len).unwrap_or_default()),
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Answers a request; false if the caller has gone, or the daemon ends.
    async fn answer(&self, stream: &mut UnixStream, message: &[u8], privileged: bool) -> bool {
        let call = match frame::decode_call::<Request>(message) {
            Ok(call) => call,
            Err(bad) => return stream.write_all(&bad.encode()).await.is_ok(),
        };
        if let Request::Events { after, about, follow } = call.request {
            return self.teller.tell(stream, Wanted { after, about, follow }, call.more).await;
        }
        if let Some(outcome) = self.own(&call.request, privileged).await {
            let bytes = match outcome {
                Ok(reply) => frame::encode_reply::<Request>(&reply, false),
                Err(refusal) => frame::encode_refusal::<Request>(&refusal),
            };
            return stream.write_all(&bytes).await.is_ok();
        }
        let (back, answers) = Answers::new(call.more);
        let asked = Asked { from: self.node.clone(), request: call.request, privileged, answers: back };
        self.shell.send(asked).await.is_ok() && pass_on(answers, stream).await
    }

    /// The answer to what is this node's own matter, whoever presides.
    async fn own(&self, request: &Request, privileged: bool) -> Option<Outcome> {
        match (request, &self.local) {
            (Request::Quorum {}, Some(local)) => Some(Ok(Reply::Quorum(local.lookout.look().await))),
            (Request::Leave {}, Some(local)) => Some(local.gate.leave(privileged).await),
            (Request::Join {}, Some(local)) => Some(local.gate.join(privileged)),
            (Request::Info {}, Some(local)) => Some(Ok(Reply::Info(local.lookout.info()))),
            (Request::Quorum {}, None) => Some(Err(one_machine("there is no quorum to show"))),
            (Request::Leave {} | Request::Join {}, None) => Some(Err(one_machine("no node leaves or joins"))),
            _ => None,
        }
    }
}

async fn pass_on(mut answers: UnboundedReceiver<Answer>, stream: &mut UnixStream) -> bool {
    loop {
        let (bytes, last) = match answers.recv().await {
            None => return false,
            Some(Answer::Progress(progress)) => {
                (frame::encode_reply::<Request>(&Reply::Progress(progress), true), false)
            }
            Some(Answer::Last(Ok(reply))) => (frame::encode_reply::<Request>(&reply, false), true),
            Some(Answer::Last(Err(refusal))) => (frame::encode_refusal::<Request>(&refusal), true),
        };
        if stream.write_all(&bytes).await.is_err() {
            return false;
        }
        if last {
            return true;
        }
    }
}

fn one_machine(what: &str) -> Refusal {
    let message = format!("{what}: the nodes of this cluster are on one machine");
    Refusal::new(SchaErr::NotAllowed, message, "clnode status says which of them are up")
}

/// Root, or whoever runs the daemon: a cluster on one machine may be anybody's own.
fn may_change(uid: u32) -> bool {
    uid == 0 || uid == rustix::process::geteuid().as_raw()
}

/// For tests of whoever answers: a way back, and what came back at last.
#[cfg(test)]
pub fn answers() -> (Answers, impl FnMut() -> Option<Outcome>) {
    let (answers, mut receiver) = Answers::new(false);
    let last = move || match receiver.try_recv() {
        Ok(Answer::Last(outcome)) => Some(outcome),
        Ok(Answer::Progress(_)) | Err(_) => None,
    };
    (answers, last)
}
