//! Takes connections that others make, and gives nobody more than it must before it knows them.
//!
//! A stranger costs a task and a socket for at most the time of a handshake, and there are never more
//! than [`STRANGERS_MAX`] of them: the next one takes the place of the one that has waited longest.
//! Whoever is honest is done within a few round trips and is no stranger any more, so a storm of
//! connections that say nothing can't keep a member out.

use super::dial::{credentials, hello, reason, refuse, say_hello, tune};
use super::frame::{Kind, read_one};
use super::hello::{HELLO_LEN_MAX, Hello, Refusal, judge};
use super::talk::Connection;
use super::tls::{self, Shown};
use super::{Me, Peer, Seats};
use std::collections::VecDeque;
use std::fmt::Display;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor};

/// Connections whose other side is not known yet. At 5 ms a handshake, 128 of them let a member in
/// that comes among 25,000 strangers a second.
const STRANGERS_MAX: usize = 128;
/// How long a refused one may take to read why.
const LINGER: Duration = Duration::from_millis(300);
/// When no more files can be opened, some may be closed soon.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Somebody was refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refused {
    /// What is known of it: the names it showed, and its address without the port.
    pub who: String,
    /// Why.
    pub why: String,
    /// It may well be over in a moment.
    pub passing: bool,
}

/// The open door.
#[derive(Debug)]
pub(super) struct Door {
    pub listener: TcpListener,
    pub hall: Hall,
}

/// What each stranger is looked at with.
#[derive(Debug, Clone)]
pub(super) struct Hall {
    pub me: Arc<Me>,
    pub seats: watch::Receiver<Seats>,
    pub refused: UnboundedSender<Refused>,
}

impl Door {
    /// For ever.
    pub async fn keep(self) {
        let mut strangers: VecDeque<AbortHandle> = VecDeque::new();
        loop {
            let (tcp, from) = match self.listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    let why = format!("no connection can be accepted: {error}");
                    let _over =
                        self.hall.refused.send(Refused { who: "all".to_owned(), why, passing: false });
                    sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            strangers.retain(|stranger| !stranger.is_finished());
            if strangers.len() >= STRANGERS_MAX
                && let Some(longest) = strangers.pop_front()
            {
                longest.abort();
            }
            strangers.push_back(tokio::spawn(self.hall.clone().meet(tcp, from)).abort_handle());
        }
    }
}

impl Hall {
    /// One stranger, until it is taken or refused.
    async fn meet(self, tcp: TcpStream, from: SocketAddr) {
        let shown = Shown::default();
        let limit = self.me.settings.handshake;
        let met = timeout(limit, self.greet(tcp, &shown)).await;
        let met = met.unwrap_or_else(|_| Err(Turned::plain(format!("it said too little within {limit:?}"))));
        if let Err(turned) = met {
            let who = who(&shown, from.ip());
            let _over = self.refused.send(Refused { who, why: turned.why, passing: turned.passing });
        }
    }

    async fn greet(&self, tcp: TcpStream, shown: &Shown) -> Result<(), Turned> {
        let _untuned = tune(&tcp, &self.me.settings);
        let mut stream = self.secure(tcp, shown).await?;
        let (kind, payload) = read_one(&mut stream, HELLO_LEN_MAX).await.map_err(|e| Turned::tls(&e))?;
        let hello = hello(kind, &payload).map_err(Turned::plain)?;
        if let Err(refusal) = self.judge(shown, &hello) {
            refuse(&mut stream, &refusal).await;
            return Err(Turned { why: refusal.to_string(), passing: refusal.passing() });
        }
        say_hello(&self.me, &mut stream).await.map_err(|e| Turned::tls(&e))?;
        match read_one(&mut stream, HELLO_LEN_MAX).await.map_err(|e| Turned::tls(&e))? {
            (Kind::Welcome, _) => self.seat(shown, hello, stream),
            (Kind::Refused, why) => Err(Turned::plain(format!("it refuses this node: {}", reason(&why)))),
            (kind @ (Kind::Hello | Kind::Beat | Kind::Message | Kind::Aside), _) => {
                Err(Turned::plain(format!("it sent a {kind:?} frame in place of a welcome")))
            }
        }
    }

    /// TLS. The files are read when somebody has begun to speak it, not before.
    async fn secure(&self, tcp: TcpStream, shown: &Shown) -> Result<TlsStream<TcpStream>, Turned> {
        let begun = LazyConfigAcceptor::new(Acceptor::default(), tcp).await;
        let begun = begun.map_err(|e| Turned::tls(&e))?;
        let config = credentials(&self.me).await.and_then(|credentials| credentials.server(shown));
        let config = config
            .map_err(|error| Turned::plain(format!("this node's own certificate can't be used: {error}")))?;
        match begun.into_stream(Arc::new(config)).into_fallible().await {
            Ok(stream) => Ok(stream),
            Err((error, tcp)) => {
                linger(tcp).await;
                Err(Turned::tls(&error))
            }
        }
    }

    fn judge(&self, shown: &Shown, hello: &Hello) -> Result<(), Refusal> {
        let seats = self.seats.borrow();
        let known: Option<&Peer> = seats.get(&hello.node).map(|seat| &seat.peer);
        match shown.get() {
            Some(shown) => judge(&self.me, shown, hello, known)?,
            None => return Err(Refusal::Name { claimed: hello.node.clone(), certified: None }),
        }
        if hello.node > self.me.node {
            return Err(Refusal::Direction(hello.node.clone()));
        }
        Ok(())
    }

    /// Hands the connection to the link of its node. Much may have changed since the hello.
    fn seat(&self, shown: &Shown, hello: Hello, stream: TlsStream<TcpStream>) -> Result<(), Turned> {
        self.judge(shown, &hello).map_err(|r| Turned { why: r.to_string(), passing: r.passing() })?;
        let seats = self.seats.borrow();
        let connection = Connection {
            node: hello.node.clone(),
            incarnation: hello.incarnation,
            stream: Box::new(stream.into()),
        };
        let offered = seats.get(&hello.node).map(|seat| seat.offers.try_send(connection).is_ok());
        match offered {
            Some(true) => Ok(()),
            Some(false) | None => {
                Err(Turned { why: "it made several connections within a moment".to_owned(), passing: true })
            }
        }
    }
}

/// Why a stranger goes.
struct Turned {
    why: String,
    passing: bool,
}

impl Turned {
    fn plain(why: impl Display) -> Self {
        Self { why: why.to_string(), passing: false }
    }

    fn tls(error: &io::Error) -> Self {
        let cut = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset, io::ErrorKind::BrokenPipe];
        let passing = cut.contains(&error.kind());
        let why = if passing { "it went away in the middle".to_owned() } else { tls::explain(error) };
        Self { why, passing }
    }
}

/// The names in the certificate, whoever signed it, and the address.
fn who(shown: &Shown, address: IpAddr) -> String {
    match shown.get() {
        Some(facts) => format!("{address} with a certificate of {}", facts.subject),
        None => address.to_string(),
    }
}

/// What was not read yet would make the kernel take back the alert that was just sent.
async fn linger(mut tcp: TcpStream) {
    let drained = async {
        tcp.shutdown().await?;
        let mut piece = [0; 1024];
        while tcp.read(&mut piece).await? > 0 {}
        io::Result::Ok(())
    };
    let _whatever = timeout(LINGER, drained).await;
}
