//! The endpoints, tried in turn.
//!
//! A request goes to the endpoint that answered last. Each attempt has an equal share of the
//! request's time, so that one that is silent does not take it all; an endpoint that refuses
//! connections is passed at once. When all of them failed and time is left, the round begins anew.
//!
//! What may be repeated is. A transaction is repeated only when it was certainly not done: once it
//! was sent and no answer came, the caller gets [`Error::Unknown`], who alone can tell by looking.
//!
//! A connection on which an attempt failed is given up and made anew by the next one: TCP may take
//! minutes to find out that the other machine is gone.

use crate::error::{Failure, judge, unconnected};
use crate::wire::{AuthenticateRequest, AuthenticateResponse, Empty};
use crate::{Error, Settings};
use http::uri::PathAndQuery;
use prost::Message;
use std::error::Error as _;
use std::pin::pin;
use std::sync::Mutex as StdMutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_stream::Stream;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic::{IntoStreamingRequest, Request, Status, Streaming};
use tonic_prost::ProstCodec;

/// Between two rounds over all endpoints, so that a restarting etcd is not flooded.
const ROUND_PAUSE: Duration = Duration::from_millis(50);
/// Answers may be as large as etcd sends them: it has no limit of its own.
const ANSWER_BYTES_MAX: usize = 1 << 30;
/// The time an endpoint has to accept a connection, unless the request has less.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// HTTP/2 pings on a connection that is in use. etcd hangs up on a client that pings more often than
/// each 5 s (`--grpc-keepalive-min-time`); attempts time out long before, this is for watches.
const PING_INTERVAL: Duration = Duration::from_secs(10);
const PING_TIMEOUT: Duration = Duration::from_secs(3);

/// How a request is to be sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    /// The method's path.
    pub method: &'static str,
    /// It may be sent again after an attempt without an answer.
    pub again: bool,
    /// An endpoint that has no leader shall say so instead of keeping us waiting.
    pub leader: bool,
    /// All the time it may take.
    pub limit: Duration,
}

#[derive(Debug)]
pub(crate) struct Endpoints {
    nodes: Vec<Node>,
    /// The one that answered last.
    first: AtomicUsize,
    login: Option<(String, String)>,
    token: StdMutex<Option<String>>,
}

#[derive(Debug)]
struct Node {
    url: String,
    endpoint: Endpoint,
    secure: bool,
    channel: Mutex<Option<Channel>>,
}

impl Endpoints {
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        let tls = settings.tls()?;
        let unusable = |url: &str, error: tonic::transport::Error| match unconnected(&error) {
            Failure::NotDone(why) | Failure::Unknown(why) | Failure::Tls(why) => {
                Error::Settings { reason: format!("endpoints: {url}: {why}") }
            }
            Failure::Token | Failure::Final(_) => Error::Settings { reason: format!("endpoints: {url}") },
        };
        let mut nodes = Vec::new();
        for url in settings.urls()? {
            let mut endpoint = Endpoint::from_shared(url.clone()).map_err(|error| unusable(&url, error))?;
            if let Some(tls) = &tls {
                endpoint = endpoint.tls_config(tls.clone()).map_err(|error| unusable(&url, error))?;
            }
            let endpoint = endpoint
                .connect_timeout(CONNECT_TIMEOUT.min(settings.timeout))
                .http2_keep_alive_interval(PING_INTERVAL)
                .keep_alive_timeout(PING_TIMEOUT)
                .tcp_nodelay(true);
            nodes.push(Node { url, endpoint, secure: tls.is_some(), channel: Mutex::new(None) });
        }
        let login = settings.login()?;
        Ok(Self { nodes, first: AtomicUsize::new(0), login, token: StdMutex::new(None) })
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    /// Asks until one endpoint answers or the time is over.
    pub async fn ask<Q, A>(&self, call: Call, request: Q) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        self.turn(call, async |node| self.unary(node, call, request.clone()).await).await
    }

    /// Asks that endpoint alone, by its number.
    pub async fn ask_one<Q, A>(&self, number: usize, call: Call, request: Q) -> Result<A, Error>
    where
        Q: Message + Clone + 'static,
        A: Message + Default + 'static,
    {
        let Some(node) = self.nodes.get(number) else {
            return Err(Error::Away { tried: Vec::new() });
        };
        let attempt = async |node: &Node| self.unary(node, call, request.clone()).await;
        let failure = match self.attempt(node, Instant::now() + call.limit, &attempt).await {
            Ok(answer) => return Ok(answer),
            Err(failure) => failure,
        };
        let tried = |why| vec![(node.url.clone(), why)];
        Err(match failure {
            Failure::NotDone(why) | Failure::Unknown(why) => Error::Away { tried: tried(why) },
            Failure::Tls(why) => Error::Tls { tried: tried(why) },
            Failure::Token => Error::Away { tried: tried(TOKEN_REFUSED.to_owned()) },
            Failure::Final(error) => error,
        })
    }

    /// Opens a stream of requests and answers at one of the endpoints, and takes the first answer.
    pub async fn stream<S, Q, A>(
        &self,
        call: Call,
        requests: impl Fn() -> S,
    ) -> Result<(A, Streaming<A>), Error>
    where
        S: Stream<Item = Q> + Send + 'static,
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        self.turn(call, async |node| {
            let (mut grpc, token) = self.ready(node).await?;
            let mut request = requests().into_streaming_request();
            sign(&mut request, call, token);
            let path = PathAndQuery::from_static(call.method);
            let opened = grpc.streaming(request, path, ProstCodec::default()).await;
            let mut answers = self.judged(node, opened)?.into_inner();
            match self.judged(node, answers.message().await)? {
                Some(first) => Ok((first, answers)),
                None => Err(Failure::Unknown("it closed the stream".to_owned())),
            }
        })
        .await
    }

    /// The rounds. See the module.
    async fn turn<A>(
        &self,
        call: Call,
        attempt: impl AsyncFn(&Node) -> Result<A, Failure>,
    ) -> Result<A, Error> {
        let deadline = Instant::now() + call.limit;
        let count = self.nodes.len();
        let share = call.limit / u32::try_from(count).unwrap_or(u32::MAX);
        let mut tried: Vec<Option<Failure>> = self.nodes.iter().map(|_| None).collect();
        loop {
            for _ in 0..count {
                let number = self.first.load(Ordering::Relaxed) % count;
                let Some(node) = self.nodes.get(number) else { continue };
                let until = deadline.min(Instant::now() + share);
                match self.attempt(node, until, &attempt).await {
                    Ok(answer) => return Ok(answer),
                    Err(Failure::Final(error)) => return Err(error),
                    Err(Failure::Unknown(why)) if !call.again => {
                        self.first.store((number + 1) % count, Ordering::Relaxed);
                        return Err(Error::Unknown { endpoint: node.url.clone(), why });
                    }
                    Err(failure) => {
                        self.first.store((number + 1) % count, Ordering::Relaxed);
                        if let Some(last) = tried.get_mut(number) {
                            *last = Some(failure);
                        }
                    }
                }
                if Instant::now() >= deadline {
                    break;
                }
            }
            let over = Instant::now() + ROUND_PAUSE >= deadline;
            if over || tried.iter().flatten().all(|failure| matches!(failure, Failure::Tls(_))) {
                return Err(self.nobody(tried));
            }
            sleep_until(Instant::now() + ROUND_PAUSE).await;
        }
    }

    fn nobody(&self, tried: Vec<Option<Failure>>) -> Error {
        let secure = !tried.iter().flatten().all(|failure| matches!(failure, Failure::Tls(_)));
        let why = |failure: Option<Failure>| match failure {
            Some(Failure::NotDone(why) | Failure::Unknown(why) | Failure::Tls(why)) => why,
            Some(Failure::Token) => TOKEN_REFUSED.to_owned(),
            Some(Failure::Final(error)) => error.to_string(),
            None => "there was no time left for it".to_owned(),
        };
        let tried = self.urls().into_iter().zip(tried.into_iter().map(why)).collect();
        if secure { Error::Away { tried } } else { Error::Tls { tried } }
    }

    /// One attempt at one endpoint, repeated once after logging in anew.
    async fn attempt<A>(
        &self,
        node: &Node,
        until: Instant,
        attempt: &impl AsyncFn(&Node) -> Result<A, Failure>,
    ) -> Result<A, Failure> {
        let both = async {
            match attempt(node).await {
                Err(Failure::Token) => attempt(node).await,
                result => result,
            }
        };
        let result = match timeout_at(until, pin!(both)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Unknown("no answer in time".to_owned())),
        };
        if matches!(result, Err(Failure::NotDone(_) | Failure::Unknown(_) | Failure::Tls(_))) {
            // Whoever is connecting just now keeps what comes of it.
            if let Ok(mut channel) = node.channel.try_lock() {
                *channel = None;
            }
        }
        result
    }

    async fn unary<Q, A>(&self, node: &Node, call: Call, request: Q) -> Result<A, Failure>
    where
        Q: Message + 'static,
        A: Message + Default + 'static,
    {
        let (mut grpc, token) = self.ready(node).await?;
        let mut request = Request::new(request);
        sign(&mut request, call, token);
        let path = PathAndQuery::from_static(call.method);
        let answer = grpc.unary(request, path, ProstCodec::default()).await;
        Ok(self.judged(node, answer)?.into_inner())
    }

    /// A connection to it, and the token to show there.
    async fn ready(&self, node: &Node) -> Result<(Grpc<Channel>, Option<String>), Failure> {
        let mut grpc = node.connect().await?;
        let Some((user, password)) = &self.login else {
            return Ok((grpc, None));
        };
        if let Some(token) = self.token() {
            return Ok((grpc, Some(token)));
        }
        let login = AuthenticateRequest { name: user.clone(), password: password.clone() };
        let path = PathAndQuery::from_static("/etcdserverpb.Auth/Authenticate");
        let codec = ProstCodec::<AuthenticateRequest, AuthenticateResponse>::default();
        // Nothing else was sent yet.
        let answer = match self.judged(node, grpc.unary(Request::new(login), path, codec).await) {
            Err(Failure::Unknown(why)) => return Err(Failure::NotDone(why)),
            answer => answer?.into_inner(),
        };
        self.set_token(Some(answer.token.clone()));
        grpc.ready().await.map_err(|error| unconnected(&error))?;
        Ok((grpc, Some(answer.token)))
    }

    fn judged<T>(&self, node: &Node, result: Result<T, Status>) -> Result<T, Failure> {
        result.map_err(|status| {
            let user = self.login.as_ref().map(|(user, _)| user.as_str());
            let failure = judge(&status, &node.url, user);
            if matches!(failure, Failure::Token) {
                self.set_token(None);
            }
            failure
        })
    }

    fn token(&self) -> Option<String> {
        self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone()
    }

    fn set_token(&self, token: Option<String>) {
        *self.token.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = token;
    }
}

const TOKEN_REFUSED: &str = "it does not take the token that it gave";

impl Node {
    async fn connect(&self) -> Result<Grpc<Channel>, Failure> {
        let mut slot = self.channel.lock().await;
        let channel = match &*slot {
            Some(channel) => channel.clone(),
            None => {
                let channel = self.endpoint.connect().await.map_err(|error| unconnected(&error))?;
                if self.secure {
                    accepted(channel.clone()).await?;
                }
                slot.insert(channel).clone()
            }
        };
        drop(slot);
        let mut grpc = Grpc::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        grpc.ready().await.map_err(|error| unconnected(&error))?;
        Ok(grpc)
    }
}

/// Does the other side accept our certificate? In TLS 1.3 it looks at that when we think the handshake
/// over, and may hang up on the first request: this one, so that it is none that changes something.
async fn accepted(channel: Channel) -> Result<(), Failure> {
    let mut grpc = Grpc::new(channel);
    grpc.ready().await.map_err(|error| unconnected(&error))?;
    let path = PathAndQuery::from_static("/etcdserverpb.Maintenance/Status");
    let codec = ProstCodec::<Empty, Empty>::default();
    let Err(status) = grpc.unary(Request::new(Empty {}), path, codec).await else { return Ok(()) };
    match judge(&status, "", None) {
        Failure::Tls(why) => Err(Failure::Tls(why)),
        Failure::Unknown(why) if status.source().is_some() => {
            Err(Failure::Tls(format!("it hung up behind the TLS handshake: {why}")))
        }
        // Any word from etcd itself will do.
        Failure::Unknown(_) | Failure::NotDone(_) | Failure::Token | Failure::Final(_) => Ok(()),
    }
}

/// Shows the token, where there is one, and whether a leader is needed.
fn sign<T>(request: &mut Request<T>, call: Call, token: Option<String>) {
    let metadata = request.metadata_mut();
    if call.leader {
        metadata.insert("hasleader", tonic::metadata::MetadataValue::from_static("true"));
    }
    if let Some(token) = token.and_then(|token| token.parse().ok()) {
        metadata.insert("token", token);
    }
}
