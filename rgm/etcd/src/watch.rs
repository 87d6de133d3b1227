//! Following keys.
//!
//! A silent watch may mean that nothing happens, or that the connection or the endpoint is dead. So
//! after some silence the endpoint is asked for its progress, and one that does not answer that
//! within the request timeout ends the watch. One that lost its leader says so and ends it too. The
//! caller opens it anew, from the revision behind the last one it has seen.

use crate::endpoints::{Call, Endpoints};
use crate::error::{Failure, judge};
use crate::request::Span;
use crate::wire::{Empty, Event, EventType, WatchCreateRequest, WatchRequest, WatchResponse, watch_request};
use crate::{Error, Kv};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// Silence after which the endpoint is asked whether it is there.
const QUIET: Duration = Duration::from_secs(1);

/// Changes of keys, as they come.
#[derive(Debug)]
pub struct Watch {
    requests: mpsc::Sender<WatchRequest>,
    answers: Streaming<WatchResponse>,
    timeout: Duration,
    heard: Instant,
    asked: bool,
}

/// One change of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What was done.
    pub kind: ChangeKind,
    /// The key.
    pub key: Vec<u8>,
    /// Its value; empty when it was removed.
    pub value: Vec<u8>,
    /// The revision that created the key; 0 when it was removed.
    pub create_revision: i64,
    /// The revision of this change.
    pub mod_revision: i64,
    /// The lease it goes with; 0 without.
    pub lease: i64,
}

/// See [`Change::kind`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// Written.
    Put,
    /// Removed, by somebody or with its lease.
    Delete,
}

/// Why there is nothing more to come.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WatchEnd {
    /// What should come next was compacted away; this is the first revision that is still there.
    /// Read everything anew.
    #[error("etcd has forgotten the changes before revision {0}")]
    Compacted(i64),
    /// Open it anew.
    #[error("the watch broke off")]
    Broken(#[source] Error),
}

pub(crate) async fn open(
    endpoints: &Endpoints,
    call: Call,
    span: Span,
    from_revision: i64,
) -> Result<Watch, Error> {
    let (key, range_end) = span.bounds();
    let create = WatchCreateRequest { key, range_end, start_revision: from_revision };
    let (mut requests, _) = mpsc::channel(1);
    let slot = std::sync::Mutex::new(&mut requests);
    let fresh = || {
        // Room for the first one and for one question for progress: no more are ever waiting.
        let (sender, receiver) = mpsc::channel(2);
        let first = watch_request::Request::Create(create.clone());
        // It can't fail: the channel is empty, and its other end is here.
        let _ = sender.try_send(WatchRequest { request: Some(first) });
        **slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = sender;
        ReceiverStream::new(receiver)
    };
    // The first answer says that it was created.
    let (_, answers): (WatchResponse, _) = endpoints.stream(call, fresh).await?;
    Ok(Watch { requests, answers, timeout: call.limit, heard: Instant::now(), asked: false })
}

impl Watch {
    /// The next changes, in their order; all of one revision come together. Waits until there are
    /// any. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Result<Vec<Change>, WatchEnd> {
        loop {
            let limit = if self.asked { self.timeout } else { QUIET };
            match timeout_at(self.heard + limit, self.answers.message()).await {
                Ok(Ok(Some(answer))) => {
                    self.heard = Instant::now();
                    self.asked = false;
                    if let Some(changes) = read(answer)? {
                        return Ok(changes);
                    }
                }
                Ok(Ok(None)) => return Err(broken("it closed the watch")),
                Ok(Err(status)) => {
                    return Err(WatchEnd::Broken(match judge(&status, ENDPOINT, None) {
                        Failure::Final(error) => error,
                        Failure::NotDone(why) | Failure::Unknown(why) | Failure::Tls(why) => away(&why),
                        Failure::Token => away("the token has become invalid"),
                    }));
                }
                Err(_) if self.asked => return Err(broken("it is silent")),
                Err(_) => self.ask(),
            }
        }
    }

    fn ask(&mut self) {
        let request = Some(watch_request::Request::Progress(Empty {}));
        // When there is no room for it, none was taken for a while: it counts as silence all the same.
        let _ = self.requests.try_send(WatchRequest { request });
        self.heard = Instant::now();
        self.asked = true;
    }
}

/// Which endpoint of several it was does not matter to anyone here.
const ENDPOINT: &str = "the watched endpoint";

fn read(answer: WatchResponse) -> Result<Option<Vec<Change>>, WatchEnd> {
    if answer.compact_revision != 0 {
        return Err(WatchEnd::Compacted(answer.compact_revision));
    }
    if answer.canceled {
        return Err(broken(&answer.cancel_reason));
    }
    let changes: Vec<Change> = answer.events.into_iter().map(change).collect();
    Ok(if changes.is_empty() { None } else { Some(changes) })
}

fn change(event: Event) -> Change {
    let Kv { key, value, create_revision, mod_revision, lease, .. } = event.kv.unwrap_or_default().into();
    let kind = if event.kind == EventType::Delete as i32 { ChangeKind::Delete } else { ChangeKind::Put };
    Change { kind, key, value, create_revision, mod_revision, lease }
}

fn broken(why: &str) -> WatchEnd {
    WatchEnd::Broken(away(why))
}

fn away(why: &str) -> Error {
    Error::Away { tried: vec![(ENDPOINT.to_owned(), why.to_owned())] }
}
