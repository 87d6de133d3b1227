//! The lease of this node, and the deadman that goes with it.

use super::accord::Accord;
use super::view::View;
use super::{ArmError, RENEWALS, RETRY};
use crate::clock;
use crate::rules::{Held, Tenure};
use rgm_etcd::{Client, Error};
use rgm_types::Millis;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// Why it is renewed no more.
pub enum Over {
    /// It is gone, but all nodes have agreed to wait for etcd: another one may be obtained.
    Lost,
    /// This node is none of the cluster any more.
    Ended(String),
}

/// See the module.
pub struct Lease {
    client: Client,
    accord: Rc<Accord>,
    asked_ttl: Duration,
    tenure: Tenure,
    reached: bool,
}

impl Lease {
    /// None yet. `former`: the deadline of a former life that may still run something.
    pub fn new(
        client: Client,
        accord: Rc<Accord>,
        ttl: Duration,
        margin: Duration,
        former: Option<Millis>,
    ) -> Self {
        // Whichever member of etcd does not answer, there is time to ask all others, twice.
        let client = client.with_timeout(ttl / RENEWALS);
        let tenure = Tenure::new(millis(ttl), millis(margin), former);
        Self { client, accord, asked_ttl: ttl, tenure, reached: true }
    }

    /// Gets one, and arms the deadman for it; tries until it has both, or the deadman has fired. The
    /// lease to register under.
    pub async fn obtain(&mut self) -> Result<i64, String> {
        loop {
            if self.accord.is_over(self.tenure.deadline()) {
                return Err("etcd gave no lease in time".to_owned());
            }
            self.tenure.ask(clock::since_boot());
            match self.client.grant(seconds(self.asked_ttl)).await {
                Ok(lease) => {
                    self.said(true, "");
                    let ttl = Duration::from_secs(u64::try_from(lease.ttl_s).unwrap_or(1));
                    if ttl > self.asked_ttl && millis(ttl) != self.tenure.ttl() {
                        tracing::warn!(
                            "etcd gives no lease shorter than {ttl:?}: a dead node is noticed that late"
                        );
                    }
                    self.accord.set_span(millis(ttl));
                    let deadline = self.tenure.granted(lease.id, millis(ttl), clock::since_boot());
                    let armed = self.arm(deadline)?;
                    self.tenure.armed(armed);
                    if let Some(lease) = self.tenure.registers() {
                        return Ok(lease);
                    }
                    // Unused, it would only be in the way.
                    let _expires = self.client.revoke(lease.id).await;
                }
                Err(error) => self.said(false, &error.to_string()),
            }
            sleep(RETRY * 5).await;
        }
    }

    /// Its time to live, as etcd gave it.
    pub fn ttl(&self) -> Millis {
        self.tenure.ttl()
    }

    /// The registration hangs on it now: so does the deadline.
    pub fn registered(&mut self) -> Result<(), String> {
        let deadline = self.tenure.registered();
        self.accord.renewed(self.tenure.sent());
        // Where that fails it stays as it was, until the next renewal moves it, or fires early.
        self.arm(deadline).map(drop)
    }

    /// Renews it until that is not possible any more; says why.
    pub async fn renewals(&mut self) -> Over {
        loop {
            let next = self.tenure.renew_at(RENEWALS);
            sleep(Duration::from_millis(next.since(clock::since_boot()).0)).await;
            if let Err(over) = self.renew().await {
                return over;
            }
        }
    }

    /// Renews it once, trying as long as there is time.
    async fn renew(&mut self) -> Result<(), Over> {
        loop {
            let now = clock::since_boot();
            let left = self.tenure.left(now).max(self.accord.left(now));
            let left = Duration::from_millis(left.0);
            if left.is_zero() {
                return Err(Over::Ended("its lease could not be renewed in time".to_owned()));
            }
            self.tenure.ask(now);
            let renewed = timeout(left, self.client.keep_alive(self.tenure.lease())).await;
            match renewed {
                Ok(Ok(ttl)) if ttl > 0 => {
                    self.said(true, "");
                    let deadline = self.tenure.renewed(clock::since_boot());
                    let armed = self.arm(deadline).map_err(Over::Ended)?;
                    self.tenure.armed(armed);
                    if armed {
                        self.accord.renewed(self.tenure.sent());
                        return Ok(());
                    }
                }
                Ok(Ok(_)) if self.accord.left(clock::since_boot()) > Millis(0) => {
                    tracing::warn!("the lease of this node is gone; another one is obtained");
                    self.tenure.lost();
                    self.accord.lost();
                    return Err(Over::Lost);
                }
                Ok(Ok(_)) => return Err(Over::Ended("its lease was gone when it was renewed".to_owned())),
                Ok(Err(error)) => self.said(false, &error.to_string()),
                Err(_) => self.said(false, "no answer"),
            }
            sleep(RETRY.min(Duration::from_millis(self.tenure.ttl().0 / 20))).await;
        }
    }

    /// Whether the deadman is armed for that; an error if it has fired.
    fn arm(&mut self, deadline: Millis) -> Result<bool, String> {
        match self.accord.arm(deadline) {
            Ok(()) => Ok(true),
            Err(fired @ ArmError::Fired) => Err(fired.to_string()),
            Err(ArmError::Failed(error)) => {
                tracing::error!("pmfd does not take the deadline of this node: {error}");
                Ok(false)
            }
        }
    }

    /// Holds this node's place under a lease of this length, which nobody will renew.
    pub async fn extend(&mut self, span: Duration, view: &mut View) -> Result<(), Error> {
        self.tenure.ask(clock::since_boot());
        let lease = self.client.grant(seconds(span)).await?;
        let ttl = Duration::from_secs(u64::try_from(lease.ttl_s).unwrap_or(1));
        // Armed for the longer one only once the place is held by it.
        let held = view.hold(lease.id, millis(ttl)).await?;
        if !held {
            tracing::warn!("this node was not registered any more: its place is not held");
        }
        let until = self.tenure.deadline();
        let Held { deadline, revoke } = self.tenure.hold(held, lease.id, millis(ttl));
        if let Some(deadline) = deadline {
            self.insist(deadline, until).await;
        }
        // With the old one goes the presidency.
        self.client.revoke(revoke).await
    }

    /// Ends it, and with it this node's registration, and its presidency.
    pub async fn give_up(&mut self) -> Result<(), Error> {
        self.client.revoke(self.tenure.lease()).await
    }

    /// Arms the deadman for that, as long as it has not fired for the one before: pmfd may be coming up
    /// itself, and what it does not learn now nobody will tell it.
    async fn insist(&mut self, deadline: Millis, until: Millis) {
        let mut said = false;
        loop {
            match self.accord.arm(deadline) {
                Ok(()) => return,
                Err(ArmError::Failed(error)) if clock::since_boot() < until => {
                    if !std::mem::replace(&mut said, true) {
                        tracing::warn!(
                            "pmfd does not take the deadline: {error}; it is told again and again"
                        );
                    }
                }
                Err(error) => {
                    return tracing::error!("the deadline of this node stays as it is: {error}");
                }
            }
            sleep(RETRY).await;
        }
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

pub fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

/// Whole seconds, rounded up: etcd knows no others.
fn seconds(span: Duration) -> i64 {
    let whole = span.as_secs() + u64::from(span.subsec_nanos() > 0);
    i64::try_from(whole).unwrap_or(i64::MAX)
}
