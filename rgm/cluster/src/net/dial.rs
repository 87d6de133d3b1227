//! Makes a connection to a node.

use super::frame::{self, Kind, read_one};
use super::hello::{HELLO_LEN_MAX, Hello, Refusal, judge};
use super::talk::Connection;
use super::tls::{self, Credentials, IdentityError, Shown};
use super::{LinkSettings, Me, Peer};
use std::io;
use std::sync::Arc;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{IpAddr, Ipv4Addr, ServerName};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum DialError {
    /// Nobody is there.
    #[error("it can't be reached: {0}")]
    Unreached(io::Error),
    /// Somebody is there, and it is not good enough, or this node is not good enough for it.
    #[error("{}", tls::explain(.0))]
    Tls(io::Error),
    /// It was heard and is not taken.
    #[error("it is refused: {0}")]
    Refused(Refusal),
    /// It does not take this node.
    #[error("it refuses this node: {0}")]
    RefusesUs(String),
    /// It does not say what it should.
    #[error("it does not greet as a node does: {0}")]
    Greeting(String),
    /// This node can't show who it is.
    #[error("this node's own certificate can't be used: {0}")]
    Identity(#[from] IdentityError),
    /// It took too long.
    #[error("no answer within {0:?}")]
    TimedOut(std::time::Duration),
}

/// Until both sides have taken each other.
pub(super) async fn dial(me: &Arc<Me>, peer: &Peer) -> Result<Connection, DialError> {
    let limit = me.settings.handshake;
    timeout(limit, attempt(me, peer)).await.unwrap_or(Err(DialError::TimedOut(limit)))
}

async fn attempt(me: &Arc<Me>, peer: &Peer) -> Result<Connection, DialError> {
    let tcp = TcpStream::connect(&peer.address).await.map_err(DialError::Unreached)?;
    tune(&tcp, &me.settings).map_err(DialError::Unreached)?;
    let shown = Shown::default();
    let config = credentials(me).await?.client(&shown)?;
    // A name has to be given; the verifier does not look at it.
    let nobody = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::from([0; 4])));
    let mut stream =
        TlsConnector::from(Arc::new(config)).connect(nobody, tcp).await.map_err(DialError::Tls)?;
    greet(me, peer, &shown, &mut stream).await?;
    let stream = Box::new(stream.into());
    Ok(Connection { node: peer.node.clone(), incarnation: peer.incarnation, stream })
}

async fn greet(
    me: &Me,
    peer: &Peer,
    shown: &Shown,
    stream: &mut TlsStream<TcpStream>,
) -> Result<(), DialError> {
    say_hello(me, stream).await.map_err(DialError::Tls)?;
    let (kind, payload) = read_one(stream, HELLO_LEN_MAX).await.map_err(DialError::Tls)?;
    if kind == Kind::Refused {
        return Err(DialError::RefusesUs(reason(&payload)));
    }
    let hello = hello(kind, &payload).map_err(DialError::Greeting)?;
    let shown = shown.get().ok_or_else(|| DialError::Greeting("it shows no certificate".to_owned()))?;
    let judged = judge(me, shown, &hello, Some(peer));
    if let Err(refusal) = &judged {
        refuse(stream, refusal).await;
    }
    judged.map_err(DialError::Refused)?;
    say(stream, Kind::Welcome, &[]).await.map_err(DialError::Tls)
}

/// Reads this node's files, as they are now.
pub(super) async fn credentials(me: &Arc<Me>) -> Result<Credentials, IdentityError> {
    let identity = me.identity.clone();
    let read = tokio::task::spawn_blocking(move || identity.load()).await;
    read.unwrap_or_else(|error| {
        let reason = format!("reading was cut off: {error}");
        Err(IdentityError::Key { path: me.identity.key.clone(), reason })
    })
}

/// Without delay; and what is not acknowledged within the silence limit ends the connection, also
/// where the kernel would go on for a quarter of an hour.
pub(super) fn tune(tcp: &TcpStream, settings: &LinkSettings) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let millis = u32::try_from(settings.silence.as_millis()).unwrap_or(u32::MAX);
    rustix::net::sockopt::set_tcp_user_timeout(tcp, millis).map_err(Into::into)
}

/// Sends one frame.
pub(super) async fn say(
    stream: &mut (impl AsyncWriteExt + Unpin),
    kind: Kind,
    payload: &[u8],
) -> io::Result<()> {
    stream.write_all(&frame::encode(kind, payload)).await?;
    stream.flush().await
}

/// Sends this node's hello.
pub(super) async fn say_hello(me: &Me, stream: &mut (impl AsyncWriteExt + Unpin)) -> io::Result<()> {
    let hello = serde_json::to_vec(&Hello::of(me)).map_err(io::Error::other)?;
    say(stream, Kind::Hello, &hello).await
}

/// Says why, and ends. It may not be heard.
pub(super) async fn refuse(stream: &mut (impl AsyncWriteExt + Unpin), refusal: &Refusal) {
    let why = refusal.to_string();
    let why = why.as_bytes().get(..HELLO_LEN_MAX).unwrap_or(why.as_bytes());
    if say(stream, Kind::Refused, why).await.is_ok() {
        let _over = stream.shutdown().await;
    }
}

/// The hello in a frame.
pub(super) fn hello(kind: Kind, payload: &[u8]) -> Result<Hello, String> {
    match kind {
        Kind::Hello => {
            serde_json::from_slice(payload).map_err(|error| format!("its hello is not understood: {error}"))
        }
        Kind::Refused | Kind::Welcome | Kind::Beat | Kind::Message | Kind::Aside => {
            Err(format!("it begins with a {kind:?} frame"))
        }
    }
}

/// A reason as the other side has put it, fit to be logged.
pub(super) fn reason(payload: &[u8]) -> String {
    String::from_utf8_lossy(payload).chars().filter(|c| !c.is_control()).collect()
}
