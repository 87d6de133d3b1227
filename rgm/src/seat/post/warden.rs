//! What a president does about nodes that it does not reach, and about those that somebody wants
//! fenced: see [`rgm_cluster::rules::Reach`] for whom, [`crate::seat::fence`] and
//! [`rgm_cluster::member::Warrant`] for how.

use super::Post;
use crate::clock;
use crate::ipc::Asked;
use crate::seat::fence::Fencer;
use rgm_api::rgm::{Reply, Request};
use rgm_cluster::member::{Registration, Warrant, WarrantError};
use rgm_cluster::rules::{Missing, Void, Writ, patience};
use rgm_etcd::{Client, Error, Keys};
use rgm_types::{Done, NodeName, Refusal, SchaErr};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use tokio::task::spawn_local;

/// How often it is looked who is reached.
const LOOK: Duration = Duration::from_millis(200);
/// How soon devices are asked again that did not confirm, or etcd that did not answer.
const AGAIN: Duration = Duration::from_secs(60);
/// How often etcd is asked to strike out a node that is dead; its lease ends soon after.
const STRIKES_MAX: u32 = 10;
const STRIKE_WAIT: Duration = Duration::from_millis(500);

/// By what it is done.
pub struct Means {
    /// etcd.
    pub client: Client,
    /// Where in it.
    pub keys: Keys,
    /// The devices.
    pub fencer: Fencer,
    /// How long a registered node may be unreached before it is fenced, and before it is evicted.
    pub fence_wait: Duration,
    /// See there.
    pub unreached_wait: Duration,
}

/// What a president is doing about nodes.
#[derive(Debug, Default)]
pub struct Cases {
    /// Whose devices are being asked.
    fencing: BTreeSet<NodeName>,
    /// When the devices were last asked about a life by the president itself, or etcd to evict it.
    tried: BTreeMap<(NodeName, u64, &'static str), Instant>,
}

impl Cases {
    /// Whether it is time to try that.
    fn is_due(&mut self, node: &NodeName, life: &Registration, what: &'static str, again: Duration) -> bool {
        let (key, now) = ((node.clone(), life.incarnation, what), Instant::now());
        let due = self.tried.get(&key).is_none_or(|last| now.duration_since(*last) >= again);
        if due {
            self.tried.insert(key, now);
        }
        due
    }
}

impl Post {
    /// Minds the nodes that are not reached, as long as this node is president of that epoch.
    pub async fn mind_members(self, epoch: u64) {
        let means = &self.0.means;
        loop {
            tokio::time::sleep(LOOK).await;
            let seen = self.0.state.borrow_mut().duty.missing(epoch, clock::since_boot());
            let Some((missing, wide)) = seen else { return };
            for (node, Missing { life, span }) in &missing {
                let span = Duration::from_millis(span.0);
                if wide && span >= means.fence_wait {
                    self.fence_unasked(epoch, node, life, span);
                }
                if span < means.unreached_wait {
                    continue;
                }
                if !wide {
                    self.stand_back(epoch, missing.keys());
                    return;
                }
                self.evict(epoch, node, life, span);
            }
        }
    }

    /// Another one may reach more.
    fn stand_back<'a>(&self, epoch: u64, missing: impl Iterator<Item = &'a NodeName>) {
        let names: Vec<&str> = missing.map(NodeName::as_str).collect();
        tracing::error!(
            epoch,
            "fencing: more than half of the registered nodes are not reached from here ({}): this node resigns, \
             and lets another one be president",
            names.join(", ")
        );
        let mut state = self.0.state.borrow_mut();
        state.stand_back = Some(self.0.means.unreached_wait);
        if let Some(chair) = &state.chair {
            chair.deposed.notify_one();
        }
    }

    fn warrant(&self, epoch: u64) -> Warrant {
        let Means { client, keys, .. } = &self.0.means;
        Warrant { client: client.clone(), writ: Writ { keys: keys.clone(), epoch } }
    }

    fn evict(&self, epoch: u64, node: &NodeName, life: &Registration, span: Duration) {
        if !self.0.state.borrow_mut().cases.is_due(node, life, "evict", self.0.means.unreached_wait) {
            return;
        }
        let (post, node, life) = (self.clone(), node.clone(), life.clone());
        spawn_local(async move {
            match post.warrant(epoch).evict(&node, &life).await {
                Ok(()) => tracing::error!(
                    "fencing: node {node} is registered and was not reached for {} s: it is evicted, and counts \
                     as dead when it has ended itself, or must have: in {} s at most",
                    span.as_secs(),
                    patience(&life).as_secs_f32().ceil()
                ),
                Err(WarrantError::Void(_)) => {}
                Err(error @ WarrantError::Etcd(_)) => {
                    tracing::error!("fencing: node {node} can't be evicted: {}", rgm_api::chain(&error));
                }
            }
        });
    }

    /// Asks the devices of a node that is not reached, if it has any.
    fn fence_unasked(&self, epoch: u64, node: &NodeName, life: &Registration, span: Duration) {
        let Some(delay) = self.0.means.fencer.delay(node) else { return };
        {
            let mut state = self.0.state.borrow_mut();
            if state.cases.fencing.contains(node) || !state.cases.is_due(node, life, "fence", AGAIN) {
                return;
            }
            state.cases.fencing.insert(node.clone());
        }
        tracing::error!(
            "fencing: node {node} is registered and was not reached for {} s: it is fenced in {delay:?}",
            span.as_secs_f32()
        );
        let (post, node, life) = (self.clone(), node.clone(), life.clone());
        spawn_local(async move {
            tokio::time::sleep(delay).await;
            if post.is_connected(&node) {
                tracing::warn!("fencing: node {node} is reached again: it is not fenced");
            } else if let Err(failures) = post.fence(epoch, &node, Some(&life)).await {
                tracing::error!(
                    "fencing: node {node} is not known to be dead ({}); waiting for the end of its lease, or of \
                     itself",
                    failures.join("; ")
                );
            }
            post.0.state.borrow_mut().cases.fencing.remove(&node);
        });
    }

    /// Asks the devices of a node, and strikes it out when they have confirmed.
    async fn fence(
        &self,
        epoch: u64,
        node: &NodeName,
        life: Option<&Registration>,
    ) -> Result<(), Vec<String>> {
        let warrant = self.warrant(epoch);
        let still = async || {
            let still = match life {
                Some(life) => warrant.check(node, life).await,
                None => warrant.presides().await,
            };
            still.map_err(|error| rgm_api::chain(&error))
        };
        self.0.means.fencer.fence(node, still).await?;
        tracing::warn!("fencing: node {node} is fenced: it is dead");
        match life {
            Some(life) => {
                self.strike(&warrant, node, life).await.map_err(|error| vec![rgm_api::chain(&error)])
            }
            None => Ok(()),
        }
    }

    /// A life of a node is dead for certain.
    async fn strike(
        &self,
        warrant: &Warrant,
        node: &NodeName,
        life: &Registration,
    ) -> Result<(), WarrantError> {
        let mut tried = 0;
        loop {
            tried += 1;
            match warrant.remove(node, life).await {
                // It is gone already.
                Ok(()) | Err(WarrantError::Void(Void::Changed)) => return Ok(()),
                Err(WarrantError::Etcd(error)) if tried < STRIKES_MAX => {
                    tracing::warn!("fencing: node {node} can't be struck out yet: {}", said(&error));
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(STRIKE_WAIT).await;
        }
    }

    fn me(&self) -> NodeName {
        self.0.state.borrow().duty.me().clone()
    }

    fn is_connected(&self, node: &NodeName) -> bool {
        self.0.state.borrow().duty.is_connected(node)
    }

    // --- what is asked ---

    /// Answers what is asked of the president about fencing, in its time.
    pub(super) async fn about_fencing(self, epoch: u64, asked: Asked) {
        let Asked { from, request, privileged, answers } = asked;
        let answer = match request {
            _ if !privileged => {
                let message = "only root may fence a node, or say that it is dead";
                Err(Refusal::new(SchaErr::Access, message, "run as root"))
            }
            Request::Fence { node, dry_run } => self.asked_to_fence(epoch, &from, node, dry_run).await,
            Request::ConfirmDead { node } => self.asked_to_bury(epoch, &from, node).await,
            Request::Get(_)
            | Request::Snapshot {}
            | Request::Explain { .. }
            | Request::Events { .. }
            | Request::Change { .. }
            | Request::RegisterType { .. }
            | Request::Quorum {}
            | Request::Leave {}
            | Request::Join {}
            | Request::Info {} => Err(Refusal::new(SchaErr::Internal, "it is not about fencing", "")),
        };
        answers.last(answer.map(Reply::Done));
    }

    async fn asked_to_fence(
        &self,
        epoch: u64,
        from: &NodeName,
        node: NodeName,
        dry_run: bool,
    ) -> Result<Done, Refusal> {
        let life = self.other_node(&node)?;
        let plan = self.0.means.fencer.plan(&node);
        if plan.is_empty() {
            let message = format!("node {node} has no fence device on node {}, the president", self.me());
            let hint = format!(
                "give it some, [[fence.{node}.device]] in rgm.toml of every machine, or see yourself that it is dead and say so: clnode confirm-dead {node}"
            );
            return Err(Refusal::new(SchaErr::NotAllowed, message, hint));
        }
        if dry_run {
            return Ok(Done { messages: plan, ..Done::default() });
        }
        if !self.0.state.borrow_mut().cases.fencing.insert(node.clone()) {
            let message = format!("the devices of node {node} are being asked already");
            return Err(Refusal::new(SchaErr::Busy, message, "see what comes of it: clnode fence --history"));
        }
        tracing::warn!("fencing: node {node} is fenced: asked for on node {from}");
        let fenced = self.fence(epoch, &node, life.as_ref()).await;
        self.0.state.borrow_mut().cases.fencing.remove(&node);
        match fenced {
            Ok(()) => Ok(Done { messages: vec![format!("node {node} is dead")], ..Done::default() }),
            Err(output) => {
                tracing::error!("fencing: node {node} is not known to be dead: {}", output.join("; "));
                let message = format!(
                    "node {node} is not known to be dead: no level of its fence devices has confirmed"
                );
                let hint = format!(
                    "mend the devices; or make sure yourself that it is dead, then: clnode confirm-dead {node}"
                );
                Err(Refusal { output, ..Refusal::new(SchaErr::Fail, message, hint) })
            }
        }
    }

    async fn asked_to_bury(&self, epoch: u64, from: &NodeName, node: NodeName) -> Result<Done, Refusal> {
        let Some(life) = self.other_node(&node)? else {
            let message = format!("node {node} is not registered: it counts as dead already");
            return Err(Refusal::new(SchaErr::State, message, "clnode status"));
        };
        if self.is_connected(&node) {
            let message = format!("node {node} is alive: node {}, the president, reaches it", self.me());
            let hint =
                format!("clnode evacuate {node} takes everything off it, clnode fence {node} cuts it off");
            return Err(Refusal::new(SchaErr::State, message, hint));
        }
        tracing::warn!("fencing: node {node} is dead: confirmed by hand on node {from}");
        let struck = self.strike(&self.warrant(epoch), &node, &life).await;
        struck.map(|()| Done::default()).map_err(|error| {
            let message = format!("node {node} could not be struck out: {}", rgm_api::chain(&error));
            Refusal::new(
                SchaErr::Reconf,
                message,
                "see with clnode status whether it is offline; say it again if it is not",
            )
        })
    }

    /// The registration of a node, if it is there; a refusal, if it is none of the cluster's, or this one.
    fn other_node(&self, node: &NodeName) -> Result<Option<Registration>, Refusal> {
        let state = self.0.state.borrow();
        if node == state.duty.me() {
            let message =
                format!("node {node} is the president of the cluster: it can't see to its own death");
            let hint = "end its rgmd first: another node is president then";
            return Err(Refusal::new(SchaErr::NotAllowed, message, hint));
        }
        match state.duty.other(node) {
            Some(life) => Ok(life.cloned()),
            None => Err(Refusal::new(SchaErr::Node, format!("node {node}: there is none"), "clnode list")),
        }
    }
}

fn said(error: &Error) -> String {
    rgm_api::chain(error)
}
