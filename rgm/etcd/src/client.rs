//! The client: a method a request.

use crate::endpoints::{Call, Endpoints};
use crate::request::{Page, Range, Span, Txn, TxnDone};
use crate::wire::{
    CompactionRequest, Empty, LeaseGrantRequest, LeaseRequest, LeaseResponse, MemberListResponse,
    RangeRequest, RangeResponse, StatusResponse, TxnRequest, TxnResponse,
};
use crate::{Error, Settings, Watch, watch};
use std::sync::Arc;
use std::time::Duration;

/// Speaks to etcd. Clones share their connections. Nothing is connected before the first request.
///
/// Every request takes [`Settings::timeout`] at most, all endpoints together.
#[derive(Debug, Clone)]
pub struct Client {
    endpoints: Arc<Endpoints>,
    timeout: Duration,
}

/// A lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// Its number.
    pub id: i64,
    /// How long it lives without being renewed, seconds. etcd may give more than was asked for.
    pub ttl_s: i64,
}

/// How an endpoint is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointStatus {
    /// The member that answers there.
    pub member: u64,
    /// Version of etcd.
    pub version: String,
    /// The member that leads, as this one sees it; 0: none.
    pub leader: u64,
    /// Counts the leaders.
    pub raft_term: u64,
    /// Size of its database on disk, bytes.
    pub db_size: i64,
    /// The last revision it knows.
    pub revision: i64,
    /// What is wrong with it, its alarms among that.
    pub errors: Vec<String>,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number.
    pub id: u64,
    /// Its name; empty while it has not started.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// It has no vote yet.
    pub learner: bool,
}

impl Client {
    /// Reads the TLS files and checks the settings; connects to nothing.
    pub fn new(settings: &Settings) -> Result<Self, Error> {
        Ok(Self { endpoints: Arc::new(Endpoints::new(settings)?), timeout: settings.timeout })
    }

    /// The same connections under another time limit.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Self {
        Self { endpoints: Arc::clone(&self.endpoints), timeout }
    }

    /// The URLs of the endpoints, in the order of the settings.
    pub fn endpoints(&self) -> Vec<String> {
        self.endpoints.urls()
    }

    /// Reads keys.
    pub async fn range(&self, range: Range) -> Result<Page, Error> {
        let call = Call { leader: !range.serializable, ..self.call("/etcdserverpb.KV/Range") };
        let answer: RangeResponse = self.endpoints.ask(call, RangeRequest::from(range)).await?;
        Ok(answer.into())
    }

    /// Does a transaction, once: see [`Error::outcome_unknown`].
    pub async fn txn(&self, txn: Txn) -> Result<TxnDone, Error> {
        let call = Call { again: !txn.writes(), ..self.call("/etcdserverpb.KV/Txn") };
        let answer: TxnResponse = self.endpoints.ask(call, TxnRequest::from(txn)).await?;
        Ok(answer.into())
    }

    /// Makes a lease. (Where an answer was lost another one may be left, which nobody renews.)
    pub async fn grant(&self, ttl_s: i64) -> Result<Lease, Error> {
        let call = self.call("/etcdserverpb.Lease/LeaseGrant");
        let answer: LeaseResponse = self.endpoints.ask(call, LeaseGrantRequest { ttl: ttl_s }).await?;
        Ok(Lease { id: answer.id, ttl_s: answer.ttl })
    }

    /// Renews a lease, in one round trip; seconds it lives from now on, 0: it is gone.
    pub async fn keep_alive(&self, id: i64) -> Result<i64, Error> {
        let call = self.call("/etcdserverpb.Lease/LeaseKeepAlive");
        let requests = || tokio_stream::once(LeaseRequest { id });
        let (answer, _): (LeaseResponse, _) = self.endpoints.stream(call, requests).await?;
        Ok(answer.ttl)
    }

    /// Ends a lease, and every key that goes with it. One that is gone already is no error.
    pub async fn revoke(&self, id: i64) -> Result<(), Error> {
        let call = self.call("/etcdserverpb.Lease/LeaseRevoke");
        match self.endpoints.ask::<_, Empty>(call, LeaseRequest { id }).await {
            Err(Error::Refused { why, .. }) if why.contains("lease not found") => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Seconds a lease has left; -1: it is gone.
    pub async fn time_to_live(&self, id: i64) -> Result<i64, Error> {
        let call = self.call("/etcdserverpb.Lease/LeaseTimeToLive");
        let answer: LeaseResponse = self.endpoints.ask(call, LeaseRequest { id }).await?;
        Ok(answer.ttl)
    }

    /// Follows all keys that begin with `prefix`, from that revision on; 0: from now on.
    pub async fn watch(&self, prefix: &[u8], from_revision: i64) -> Result<Watch, Error> {
        let call = self.call("/etcdserverpb.Watch/Watch");
        watch::open(&self.endpoints, call, Span::Prefix(prefix.to_vec()), from_revision).await
    }

    /// Makes etcd forget all revisions before that one.
    pub async fn compact(&self, revision: i64) -> Result<(), Error> {
        let call = self.call("/etcdserverpb.KV/Compact");
        self.endpoints.ask::<_, Empty>(call, CompactionRequest { revision }).await.map(drop)
    }

    /// How that endpoint is: one of [`Client::endpoints`].
    pub async fn status(&self, endpoint: &str) -> Result<EndpointStatus, Error> {
        let number =
            self.endpoints.urls().iter().position(|url| url == endpoint).ok_or_else(|| Error::Settings {
                reason: format!("endpoints: {endpoint} is none of them"),
            })?;
        let call = Call { leader: false, ..self.call("/etcdserverpb.Maintenance/Status") };
        let answer: StatusResponse = self.endpoints.ask_one(number, call, Empty {}).await?;
        let header = answer.header.unwrap_or_default();
        Ok(EndpointStatus {
            member: header.member_id,
            version: answer.version,
            leader: answer.leader,
            raft_term: answer.raft_term,
            db_size: answer.db_size,
            revision: header.revision,
            errors: answer.errors,
        })
    }

    /// Who belongs to etcd.
    pub async fn member_list(&self) -> Result<Vec<Member>, Error> {
        let call = Call { leader: false, ..self.call("/etcdserverpb.Cluster/MemberList") };
        let answer: MemberListResponse = self.endpoints.ask(call, Empty {}).await?;
        Ok(answer
            .members
            .into_iter()
            .map(|member| Member {
                id: member.id,
                name: member.name,
                peer_urls: member.peer_urls,
                client_urls: member.client_urls,
                learner: member.is_learner,
            })
            .collect())
    }

    /// As most requests go.
    fn call(&self, method: &'static str) -> Call {
        Call { method, again: true, leader: true, limit: self.timeout }
    }
}
