//! The agent's connection to its node's pmfd, and, on one machine with several nodes, pmfd's life.
//!
//! pmfd outlives us: it is started in a session of its own and keeps nothing of ours. We know it by
//! its socket alone, whoever started it, and see its end by the end of the connection. What it gave
//! up it tells until it hears that the core has taken it ([`Request::Ack`]), across kills of either.

use super::{Agent, Means};
use methods::launch::{Group, Launch, LaunchError, poll_exit};
use rgm_api::chain;
use rgm_api::frame::{self, Answer, Decoder, REPLY_LEN_MAX};
use rgm_api::pmf::{Event, Kind, Refusal, Reply, Request};
use rgm_cluster::FromNode;
use rgm_types::ResourceName;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::task::{JoinHandle, spawn_local};
use tokio::time::{sleep, timeout};

/// What a pmfd of ours prints, in the run directory.
pub const LOG: &str = "pmfd.log";
/// First and longest wait before pmfd is looked for again. Starting it takes a few milliseconds.
const RETRY: (Duration, Duration) = (Duration::from_millis(2), Duration::from_secs(1));
/// How long a pmfd may take from its start to its socket, and to end with all it supervises.
const PMFD_WAIT: Duration = Duration::from_secs(20);
/// Number of the signal that ends what may not go on, and the seconds it is given.
const KILL: i32 = 9;
const STOP_WAIT_S: i64 = 20;
/// Bytes read at once.
const READ_LEN: usize = 16 << 10;

/// Why there is no pmfd.
#[derive(Debug, thiserror::Error)]
pub enum PmfdError {
    /// It can't be started.
    #[error("cannot start {}; its place is beside rgmd, or pmfd = in the settings", program.display())]
    Start {
        /// Program.
        program: PathBuf,
        /// Why.
        #[source]
        source: LaunchError,
    },
    /// The file of its output.
    #[error("cannot write {}", path.display())]
    Log {
        /// File.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not answer.
    #[error("pmfd does not answer on {} within {PMFD_WAIT:?}; {} may say why", socket.display(), log.display())]
    Silent {
        /// Socket.
        socket: PathBuf,
        /// Its output.
        log: PathBuf,
    },
}

impl Agent {
    /// Listens to pmfd as long as the node is there, and starts it again where that is our part.
    pub(super) async fn attend_pmfd(self) {
        let mut wait = RETRY.0;
        loop {
            match self.listen().await {
                // It was there.
                Ok(()) => wait = RETRY.0,
                Err(error) => tracing::debug!(node = %self.0.setup.node, "pmfd: {error}"),
            }
            // While the node goes down, and comes back, pmfd's life is somebody else's.
            let down = self.0.state.borrow().down;
            if !down && let Err(error) = self.start_pmfd(false).await {
                tracing::error!(node = %self.0.setup.node, "{}", chain(&error));
            }
            sleep(wait).await;
            wait = RETRY.1.min(wait * 2);
        }
    }

    /// Makes sure that pmfd answers, where starting it is our part. With `anew` what it supervises
    /// is of a former boot of the node: that ends, and it starts again.
    pub(super) async fn start_pmfd(&self, anew: bool) -> Result<(), PmfdError> {
        let Means::KillNode(program) = &self.0.setup.means else { return Ok(()) };
        let socket = self.0.setup.paths.pmfd_socket();
        if UnixStream::connect(&socket).await.is_ok() {
            if !anew {
                return Ok(());
            }
            self.end_pmfd().await;
        }
        let log = self.0.setup.paths.run_dir().join(LOG);
        let start = async {
            let mut wait = RETRY.0;
            loop {
                tokio::select! {
                    ended = self.launch_pmfd(program, &log)? => drop(ended),
                    () = answering(&socket) => return Ok(()),
                }
                // At once: the one before it may not have let go of its lock yet.
                sleep(wait).await;
                wait = RETRY.1.min(wait * 2);
            }
        };
        let silent = |_| PmfdError::Silent { socket: socket.clone(), log: log.clone() };
        timeout(PMFD_WAIT, start).await.map_err(silent)?
    }

    /// Starts pmfd; what is returned ends with it.
    fn launch_pmfd(&self, program: &Path, log: &Path) -> Result<JoinHandle<()>, PmfdError> {
        let mut options = OpenOptions::new();
        let output = options.create(true).append(true).mode(0o600).open(log);
        let output = output.map_err(|source| PmfdError::Log { path: log.to_owned(), source })?;
        let launched = Launch::new(program)
            .env("PATH", methods::rtr::PATH)
            .env("LANG", "C")
            .env_entries(self.0.setup.paths.to_env().into_iter().map(|(name, value)| {
                let mut entry = std::ffi::OsString::from(name);
                entry.push("=");
                entry.push(value);
                entry
            }))
            .cwd("/")
            .group(Group::Session)
            .stdout(output.as_fd())
            .stderr(output.as_fd())
            .start()
            .map_err(|source| PmfdError::Start { program: program.to_owned(), source })?;
        tracing::info!(node = %self.0.setup.node, pid = launched.pid, "pmfd is started");
        Ok(spawn_local(reap(launched.pidfd)))
    }

    /// The node counts as booted, and pmfd, which is the system's, says otherwise: what it supervises
    /// for resources ends, for nobody knows of it any more.
    pub(super) async fn end_supervised(&self) {
        let ended = async {
            let mut stream = UnixStream::connect(self.0.setup.paths.pmfd_socket()).await?;
            let Ok(Reply::Tags(tags)) = ask(&mut stream, &Request::List { tag: None }).await? else {
                return Ok(());
            };
            for tag in tags.into_iter().filter(|tag| tag.owner.is_some()).map(|tag| tag.tag) {
                tracing::warn!(tag, "no journal tells of what pmfd supervises under this tag: it is ended");
                let stop = Request::Stop { tag, signal: Some(KILL), wait_s: STOP_WAIT_S };
                if let Err(refusal) = ask(&mut stream, &stop).await? {
                    tracing::error!("{}", refusal.message);
                }
            }
            Ok::<_, io::Error>(())
        };
        if let Err(error) = ended.await {
            tracing::debug!(node = %self.0.setup.node, "pmfd: {error}");
        }
    }

    /// Ends pmfd with all it supervises, and waits for its end.
    pub(super) async fn end_pmfd(&self) {
        let socket = self.0.setup.paths.pmfd_socket();
        let Ok(mut stream) = UnixStream::connect(&socket).await else { return };
        let ended = async {
            let answer = ask(&mut stream, &Request::Shutdown { kill: true }).await?;
            // It closes the connection with its end.
            let mut rest = [0; 64];
            while stream.read(&mut rest).await? > 0 {}
            Ok::<_, io::Error>(answer)
        };
        match timeout(PMFD_WAIT, ended).await {
            Ok(Ok(Ok(_))) => {}
            Ok(Ok(Err(refusal))) => tracing::error!("pmfd does not end: {}", refusal.message),
            Ok(Err(error)) => tracing::debug!("pmfd ended without a word: {error}"),
            Err(_) => tracing::error!("pmfd on {} does not end within {PMFD_WAIT:?}", socket.display()),
        }
    }

    /// The core has taken what PMF gave up.
    pub(super) fn taken(&self, seq: u64) {
        {
            let mut state = self.0.state.borrow_mut();
            state.exceeded.remove(&seq);
            state.taken.insert(seq);
        }
        spawn_local(self.clone().acknowledge(seq));
    }

    /// Tells pmfd so. Where that fails, it will tell us again, and we it.
    async fn acknowledge(self, seq: u64) {
        let told = async {
            let mut stream = UnixStream::connect(self.0.setup.paths.pmfd_socket()).await?;
            ask(&mut stream, &Request::Ack { seq }).await
        };
        if told.await.is_ok() {
            self.0.state.borrow_mut().taken.remove(&seq);
        }
    }

    /// Listens on one connection until it ends.
    async fn listen(&self) -> io::Result<()> {
        let mut stream = UnixStream::connect(self.0.setup.paths.pmfd_socket()).await?;
        stream.write_all(&frame::encode_call(&Request::Watch {}, true)).await?;
        let mut decoder = Decoder::new(REPLY_LEN_MAX);
        let mut buffer = vec![0; READ_LEN];
        loop {
            while let Some(message) = decoder.pop().map_err(io::Error::other)? {
                match frame::decode_answer::<Request>(message).map_err(io::Error::other)? {
                    Answer::Reply { reply: Reply::Event(event), .. } => self.heard(event),
                    Answer::Reply { .. } => {}
                    Answer::Refused(refusal) => return Err(io::Error::other(refusal.message)),
                    Answer::Error { name, .. } => return Err(io::Error::other(name)),
                }
            }
            match stream.read(&mut buffer).await {
                Ok(len) if len > 0 => decoder.push(buffer.get(..len).unwrap_or_default()),
                // However it ends, it was there.
                Ok(_) | Err(_) => return Ok(()),
            }
        }
    }

    fn heard(&self, event: Event) {
        let Event { seq, tag, owner: Some(owner), kind: Kind::Exceeded } = event else { return };
        let mut state = self.0.state.borrow_mut();
        if state.down || state.exceeded.contains_key(&seq) {
            return;
        }
        let resource = ResourceName::new(&owner.resource);
        match resource {
            Ok(resource) if !state.taken.contains(&seq) => {
                state.exceeded.insert(seq, (resource.clone(), tag.clone()));
                self.0.outlet.send(FromNode::Exceeded { seq, resource, tag });
            }
            // Taken, and told again; or of a resource that can't exist.
            Ok(_) | Err(_) => {
                drop(state);
                spawn_local(self.clone().acknowledge(seq));
            }
        }
    }
}

/// Waits until somebody listens.
async fn answering(socket: &Path) {
    let mut wait = RETRY.0;
    while UnixStream::connect(socket).await.is_err() {
        sleep(wait).await;
        wait = RETRY.1.min(wait * 2);
    }
}

/// One question, one answer.
async fn ask(stream: &mut UnixStream, request: &Request) -> io::Result<Result<Reply, Refusal>> {
    stream.write_all(&frame::encode_call(request, false)).await?;
    let mut decoder = Decoder::new(REPLY_LEN_MAX);
    let mut buffer = [0; 1024];
    loop {
        if let Some(message) = decoder.pop().map_err(io::Error::other)? {
            return match frame::decode_answer::<Request>(message).map_err(io::Error::other)? {
                Answer::Reply { reply, .. } => Ok(Ok(reply)),
                Answer::Refused(refusal) => Ok(Err(refusal)),
                Answer::Error { name, .. } => Err(io::Error::other(name)),
            };
        }
        match stream.read(&mut buffer).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            len => decoder.push(buffer.get(..len).unwrap_or_default()),
        }
    }
}

/// Takes a pmfd that we started out of the process table when it ends.
async fn reap(pidfd: OwnedFd) {
    if let Ok(pidfd) = methods::watch::readable(pidfd) {
        let _ended = pidfd.readable().await;
        let _exit = poll_exit(pidfd.get_ref().as_fd());
    }
}
