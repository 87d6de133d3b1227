//! What may go wrong with a request, sorted by what a caller must know: was it done?

use std::error::Error as _;
use tonic::{Code, Status};

/// Why there is no answer, or not the one asked for.
///
/// [`Error::outcome_unknown`] tells whether a transaction may have been done all the same. A request
/// that changes nothing, or that may be repeated, is repeated at the other endpoints until its time is
/// over, and never ends with an unknown outcome.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The settings can't be used.
    #[error("the settings of etcd are not usable: {reason}")]
    Settings {
        /// Which one, and why.
        reason: String,
    },
    /// No endpoint answered in time; nothing was done.
    #[error("no endpoint of etcd answered ({})", each(tried))]
    Away {
        /// Every endpoint and what happened there last.
        tried: Vec<(String, String)>,
    },
    /// It was sent, and no answer came: it may have been done, or may be done yet.
    #[error("etcd at {endpoint} did not answer ({why}); whether it did what was asked is not known")]
    Unknown {
        /// The endpoint it was sent to.
        endpoint: String,
        /// What was seen instead of an answer.
        why: String,
    },
    /// No space: etcd raised its NOSPACE alarm. In a rare race it has done the transaction before it
    /// noticed, so the outcome counts as unknown until it was looked at; it is not done later.
    #[error(
        "etcd at {endpoint} has no space left: {why}; compact and defragment it or raise \
         --quota-backend-bytes, then `etcdctl alarm disarm`"
    )]
    NoSpace {
        /// The endpoint that said so.
        endpoint: String,
        /// Its words.
        why: String,
    },
    /// Certainly not done: etcd refused it.
    #[error("etcd at {endpoint} refused: {why}")]
    Refused {
        /// The endpoint that said so.
        endpoint: String,
        /// Its words.
        why: String,
    },
    /// Certainly not done: user, password or permissions.
    #[error(
        "etcd at {endpoint} let {} do this: {why}; check user and password, and the user's role",
        who(user)
    )]
    Denied {
        /// The endpoint that said so.
        endpoint: String,
        /// As whom we came.
        user: Option<String>,
        /// Its words.
        why: String,
    },
    /// Certainly not done: one side does not accept the other's certificate.
    #[error("etcd and this node do not trust each other ({}); check ca, cert and key", each(tried))]
    Tls {
        /// Every endpoint and what happened there.
        tried: Vec<(String, String)>,
    },
    /// The revision asked for is older than what etcd still keeps.
    #[error("etcd has forgotten the revision asked for")]
    Compacted,
}

impl Error {
    /// May it have been done although it failed?
    pub fn outcome_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. } | Self::NoSpace { .. })
    }
}

fn each(tried: &[(String, String)]) -> String {
    tried.iter().map(|(endpoint, why)| format!("{endpoint}: {why}")).collect::<Vec<_>>().join("; ")
}

fn who(user: &Option<String>) -> String {
    user.as_ref().map_or_else(|| "nobody without a user".to_owned(), |user| format!("not the user {user}"))
}

/// What one endpoint made of a request.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Never sent, or refused by an endpoint that can't serve now: another one may.
    NotDone(String),
    /// Sent, and no answer.
    Unknown(String),
    /// Certificates.
    Tls(String),
    /// The token is too old: log in again and repeat.
    Token,
    /// The answer, and another endpoint would give the same.
    Final(Error),
}

/// What a status means, coming from that endpoint. The texts are etcd's, the same from 3.2 to 3.6.
pub(crate) fn judge(status: &Status, endpoint: &str, user: Option<&str>) -> Failure {
    let (endpoint, why) = (endpoint.to_owned(), status.message().to_owned());
    let says = |text: &str| status.message().contains(text);
    if status.source().is_some() {
        return transport(status);
    }
    if says("invalid auth token") || says("revision of auth store is old") {
        return Failure::Token;
    }
    match status.code() {
        Code::OutOfRange if says("has been compacted") => Failure::Final(Error::Compacted),
        Code::ResourceExhausted if says("database space exceeded") => {
            Failure::Final(Error::NoSpace { endpoint, why })
        }
        // Refused before it was proposed.
        Code::ResourceExhausted if says("too many requests") => Failure::NotDone(why),
        Code::Unavailable if says("no leader") => Failure::NotDone(why),
        Code::PermissionDenied | Code::Unauthenticated => denied(endpoint, user, why),
        Code::InvalidArgument | Code::FailedPrecondition if says("auth") || says("user name") => {
            denied(endpoint, user, why)
        }
        Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::ResourceExhausted => Failure::Final(Error::Refused { endpoint, why }),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Failure::Unknown(why),
    }
}

fn denied(endpoint: String, user: Option<&str>, why: String) -> Failure {
    Failure::Final(Error::Denied { endpoint, user: user.map(str::to_owned), why })
}

/// What the connection said. Only a connection that was never made proves that nothing was sent.
fn transport(status: &Status) -> Failure {
    let (mut connecting, mut texts) = (false, Vec::new());
    let mut next = status.source();
    while let Some(error) = next {
        connecting |= error.is::<tonic::ConnectError>();
        texts.push(error.to_string());
        next = error.source();
    }
    sort(connecting, &texts)
}

/// Why a connection could not be made.
pub(crate) fn unconnected(error: &tonic::transport::Error) -> Failure {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(error) = next {
        texts.push(error.to_string());
        next = error.source();
    }
    sort(true, &texts)
}

fn sort(connecting: bool, texts: &[String]) -> Failure {
    // The innermost says most, and the ones around it mostly repeat it.
    let why = texts.last().cloned().unwrap_or_default();
    // rustls' words. A server that misses our certificate says so after its handshake counts as done.
    if ["invalid peer certificate", "fatal alert"].iter().any(|words| why.contains(words)) {
        Failure::Tls(why)
    } else if connecting {
        Failure::NotDone(why)
    } else {
        Failure::Unknown(why)
    }
}
