//! The lease of this node, and the deadman that goes with it.

use super::view::View;
use super::{ArmError, Deadman, RENEWALS, RETRY};
use crate::clock;
use rgm_etcd::{Client, Error};
use rgm_types::Millis;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// See the module.
pub struct Lease {
    client: Client,
    deadman: Box<dyn Deadman>,
    asked_ttl: Duration,
    margin: Duration,
    id: i64,
    /// As etcd gave it.
    ttl: Duration,
    /// When the last renewal that succeeded was sent.
    sent: Millis,
    reached: bool,
}

impl Lease {
    /// None yet.
    pub fn new(client: Client, deadman: Box<dyn Deadman>, ttl: Duration, margin: Duration) -> Self {
        // Whichever member of etcd does not answer, there is time to ask all others, twice.
        let client = client.with_timeout(ttl / RENEWALS);
        let (id, sent) = (0, Millis(0));
        Self { client, deadman, asked_ttl: ttl, margin, id, ttl, sent, reached: true }
    }

    /// Its id.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Gets one, and arms the deadman for it; tries until it has both, or the deadman has fired.
    pub async fn obtain(&mut self) -> Result<(), String> {
        loop {
            let sent = clock::since_boot();
            match self.client.grant(seconds(self.asked_ttl)).await {
                Ok(lease) => {
                    self.said(true, "");
                    let ttl = Duration::from_secs(u64::try_from(lease.ttl_s).unwrap_or(1));
                    if ttl > self.asked_ttl && ttl != self.ttl {
                        tracing::warn!(
                            "etcd gives no lease shorter than {ttl:?}: a dead node is noticed that late"
                        );
                    }
                    (self.id, self.ttl, self.sent) = (lease.id, ttl, sent);
                    match self.deadman.arm(self.deadline()) {
                        Ok(()) => return Ok(()),
                        Err(fired @ ArmError::Fired) => return Err(fired.to_string()),
                        Err(ArmError::Failed(error)) => tracing::error!(
                            "pmfd does not take the deadline of this node ({error}): it does not join the cluster"
                        ),
                    }
                    // Unused, it would only be in the way.
                    let _expires = self.client.revoke(lease.id).await;
                }
                Err(error) => self.said(false, &error.to_string()),
            }
            sleep(RETRY * 5).await;
        }
    }

    /// Renews it until that is not possible any more; says why.
    pub async fn renewals(&mut self) -> String {
        loop {
            let next = self.sent.after(millis(self.ttl / RENEWALS));
            sleep(Duration::from_millis(next.since(clock::since_boot()).0)).await;
            if let Err(over) = self.renew().await {
                return over;
            }
        }
    }

    /// Renews it once, trying as long as there is time.
    async fn renew(&mut self) -> Result<(), String> {
        loop {
            let sent = clock::since_boot();
            let left = Duration::from_millis(self.deadline().since(sent).0);
            if left.is_zero() {
                return Err("its lease could not be renewed in time".to_owned());
            }
            let renewed = timeout(left, self.client.keep_alive(self.id)).await;
            match renewed {
                Ok(Ok(ttl)) if ttl > 0 => {
                    self.said(true, "");
                    let earlier = std::mem::replace(&mut self.sent, sent);
                    match self.deadman.arm(self.deadline()) {
                        Ok(()) => return Ok(()),
                        Err(fired @ ArmError::Fired) => return Err(fired.to_string()),
                        Err(ArmError::Failed(error)) => {
                            self.sent = earlier;
                            tracing::error!("pmfd does not take the deadline of this node: {error}");
                        }
                    }
                }
                Ok(Ok(_)) => return Err("its lease was gone when it was renewed".to_owned()),
                Ok(Err(error)) => self.said(false, &error.to_string()),
                Err(_) => self.said(false, "no answer"),
            }
            sleep(RETRY.min(self.ttl / 20)).await;
        }
    }

    /// Holds this node's place under a lease of this length, which nobody will renew.
    pub async fn extend(&mut self, span: Duration, view: &mut View) -> Result<(), Error> {
        let sent = clock::since_boot();
        let lease = self.client.grant(seconds(span)).await?;
        let ttl = Duration::from_secs(u64::try_from(lease.ttl_s).unwrap_or(1));
        let deadline = sent.after(millis(ttl.saturating_sub(self.margin)));
        // Armed for the longer one only once the place is held by it.
        if !view.hold(lease.id).await? {
            tracing::warn!("this node was not registered any more: its place is not held");
            return self.client.revoke(lease.id).await;
        }
        if let Err(error) = self.deadman.arm(deadline) {
            tracing::error!("pmfd does not take the deadline of this node: {error}");
        }
        // With it goes the presidency.
        self.client.revoke(self.id).await
    }

    fn deadline(&self) -> Millis {
        self.sent.after(millis(self.ttl.saturating_sub(self.margin)))
    }

    fn said(&mut self, reached: bool, why: &str) {
        if std::mem::replace(&mut self.reached, reached) != reached {
            if reached {
                tracing::info!("etcd answers again");
            } else {
                tracing::error!("etcd does not answer: {why}");
            }
        }
    }
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Whole seconds, rounded up: etcd knows no others.
fn seconds(span: Duration) -> i64 {
    let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}
