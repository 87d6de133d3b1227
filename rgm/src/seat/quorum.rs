//! How this node sees the cluster, told to whoever asks here, also where there is no president, no etcd,
//! or no membership of this node yet.
//!
//! Members and president are read from etcd where it answers; where it does not, they are what this
//! node has heard last. All questions to etcd have one short time limit, and are asked at the same time.

use super::gate::no_member;
use crate::agent::deadline::Deadline;
use crate::ipc::Asked;
use crate::life;
use rgm_api::rgm::{Endpoint, Health, Info, Life, LinkView, Member, President, Quorum, Voter};
use rgm_cluster::member::{News, Registration, Term};
use rgm_cluster::net::{Hub, LinkStatus};
use rgm_cluster::rules::Roll;
use rgm_etcd::{Client, EndpointStatus, Error, Keys, Range};
use rgm_types::{Millis, NodeName, Refusal, SchaErr};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, UnboundedReceiver, unbounded_channel};
use tokio::task::{JoinSet, spawn_local};

/// How long etcd may take for an answer: an operator waits for it.
const ANSWER_WAIT: Duration = Duration::from_secs(1);

/// See the module. All handles are the same.
#[derive(Clone)]
pub struct Lookout(Rc<Inner>);

struct Inner {
    cluster: String,
    me: NodeName,
    client: Client,
    keys: Keys,
    deadline: Deadline,
    state: RefCell<State>,
    /// What is waited for has changed.
    stir: Notify,
    /// One look at a time.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// What rgmd waits for before its node can be a member; empty: nothing that is known.
    waits_for: String,
    /// Since this node has links.
    hub: Option<Hub>,
    heard: Heard,
    fail_safe: Option<Instant>,
}

/// Who is there and who presides.
#[derive(Debug, Clone, Default)]
struct Heard {
    members: BTreeMap<NodeName, Registration>,
    president: Option<Term>,
    /// Nodes that are configured, as far as that was read.
    configured: BTreeSet<NodeName>,
}

impl Heard {
    fn take(&mut self, news: &News) {
        match news {
            News::Members(members) => self.members.clone_from(members),
            News::President(term) => self.president.clone_from(term),
            News::Registered | News::Gone(_) | News::FailSafe(_) | News::Over(_) => {}
        }
    }
}

impl Lookout {
    /// Nothing is seen yet. What must be dead when is read off the deadline.
    pub fn new(cluster: &str, me: &NodeName, client: Client, keys: Keys, deadline: Deadline) -> Self {
        let (client, stir) = (client.with_timeout(ANSWER_WAIT), Notify::new());
        let (cluster, me, state, turn) =
            (cluster.to_owned(), me.clone(), RefCell::default(), tokio::sync::Mutex::new(()));
        Self(Rc::new(Inner { cluster, me, client, keys, deadline, state, stir, turn }))
    }

    // --- what it is told ---

    /// This node is no member yet, and waits for that; said once. Nothing: it is not known for what.
    pub fn waits(&self, why: String) {
        let mut state = self.0.state.borrow_mut();
        if state.waits_for != why {
            if !why.is_empty() {
                tracing::warn!("{why}");
            }
            state.waits_for = why;
            self.0.stir.notify_waiters();
        }
    }

    /// As long as it waits: what is asked here is refused, with the reason.
    pub async fn refuse(&self, asked: &mut Receiver<Asked>) {
        loop {
            let stirred = self.0.stir.notified();
            if self.0.state.borrow().waits_for.is_empty() {
                stirred.await;
                continue;
            }
            let Some(Asked { answers, .. }) = asked.recv().await else { return };
            let why = self.0.state.borrow().waits_for.clone();
            let message = format!("rgmd runs on this node, which is no member of the cluster: {why}");
            let hint = "`clquorum status` prints what this node sees of the others and of etcd";
            answers.last(Err(Refusal::new(SchaErr::Reconf, message, hint)));
        }
    }

    /// It waits no more, and has links.
    pub fn has_links(&self, hub: Hub, configured: &[NodeName]) {
        let mut state = self.0.state.borrow_mut();
        state.waits_for.clear();
        state.hub = Some(hub);
        state.heard.configured.extend(configured.iter().cloned());
    }

    /// Listens to the news on their way.
    pub fn overhear(&self, mut news: UnboundedReceiver<News>) -> UnboundedReceiver<News> {
        let (on, passed_on) = unbounded_channel();
        let lookout = self.clone();
        spawn_local(async move {
            while let Some(news) = news.recv().await {
                {
                    let mut state = lookout.0.state.borrow_mut();
                    state.heard.take(&news);
                    if let News::FailSafe(safe) = news {
                        state.fail_safe = safe.then(Instant::now);
                    }
                }
                if on.send(news).is_err() {
                    return;
                }
            }
        });
        passed_on
    }

    // --- what it tells ---

    /// Who answers here.
    pub fn info(&self) -> Info {
        let configured: Vec<NodeName> = self.0.state.borrow().heard.configured.iter().cloned().collect();
        Info { node: self.0.me.to_string(), ..life::info(&self.0.cluster, &configured) }
    }

    /// Whether this node is a member, as etcd has it.
    pub async fn is_member(&self) -> Result<(), Refusal> {
        if !self.0.state.borrow().waits_for.is_empty() {
            return Err(no_member());
        }
        match self.found().await {
            Ok((Heard { members, .. }, _)) if members.contains_key(&self.0.me) => Ok(()),
            Ok(_) => Err(no_member()),
            Err(error) => {
                let message =
                    format!("etcd has to be asked, and does not answer: {}", rgm_api::chain(&error));
                Err(Refusal::new(SchaErr::Reconf, message, "`clquorum status` prints what it looks like"))
            }
        }
    }

    /// How this node sees the cluster now.
    pub async fn look(&self) -> Quorum {
        let Inner { cluster, me, client, deadline, state, turn, .. } = &*self.0;
        let _mine = turn.lock().await;
        let (found, voters, health) = tokio::join!(self.found(), client.member_list(), self.health());
        let (heard, fail_safe, waits_for, links) = {
            let state = state.borrow();
            let links = state.hub.as_ref().map(Hub::status).unwrap_or_default();
            let waits_for = Some(state.waits_for.clone()).filter(|why| !why.is_empty());
            (state.heard.clone(), state.fail_safe, waits_for, links)
        };
        let from_etcd = found.is_ok();
        let (Heard { members, president, configured }, lefts) = found.unwrap_or((heard, BTreeMap::new()));
        let endpoints: Vec<Endpoint> = client.endpoints().into_iter().zip(health).map(endpoint).collect();
        let names: BTreeSet<&NodeName> = configured.iter().chain(members.keys()).collect();
        let member = |node: &NodeName| Member {
            node: node.to_string(),
            life: members.get(node).map(|life| view(life, lefts.get(node).copied())),
            link: (node != me).then(|| link(links.iter().find(|link| link.node == *node))),
        };
        Quorum {
            cluster: cluster.clone(),
            seen_by: me.to_string(),
            waits_for,
            from_etcd,
            president: president.map(|Term { node, epoch, .. }| President { node: node.to_string(), epoch }),
            fail_safe: fail_safe.map(|since| millis(since.elapsed())),
            deadline: deadline.left().filter(|left| left.0 > 0),
            members: names.into_iter().map(member).collect(),
            voters: voters.map_or_else(|_| nameless(&endpoints), |voters| named(voters, &endpoints)),
            endpoints,
        }
    }

    /// As etcd has it, and what is left of the leases.
    async fn found(&self) -> Result<(Heard, BTreeMap<NodeName, Millis>), Error> {
        let Inner { me, client, keys, .. } = &*self.0;
        let nodes = keys.entry("node/");
        let (live, nodes) =
            tokio::join!(client.range(Range::prefix(keys.live())), client.range(Range::prefix(nodes)));
        let mut heard = Heard::default();
        let news = Roll::new(keys.clone(), me.clone(), Registration::default()).look(&live?);
        news.iter().for_each(|news| heard.take(news));
        let name = |key: &[u8]| NodeName::new(keys.entry_of(key)?.strip_prefix("node/")?).ok();
        heard.configured = nodes?.kvs.iter().filter_map(|kv| name(&kv.key)).collect();
        let lefts = self.lefts(&heard.members).await;
        Ok((heard, lefts))
    }

    async fn lefts(&self, members: &BTreeMap<NodeName, Registration>) -> BTreeMap<NodeName, Millis> {
        let mut asked = JoinSet::new();
        for (node, lease) in members.iter().map(|(node, life)| (node.clone(), life.lease)) {
            let client = self.0.client.clone();
            asked.spawn_local(async move { (node, client.time_to_live(lease).await) });
        }
        let mut lefts = BTreeMap::new();
        while let Some(answer) = asked.join_next().await {
            if let Ok((node, Ok(seconds))) = answer
                && let Ok(seconds) = u64::try_from(seconds)
            {
                lefts.insert(node, Millis(seconds * 1000));
            }
        }
        lefts
    }

    /// How the endpoints are, in their order.
    async fn health(&self) -> Vec<Result<EndpointStatus, Error>> {
        let urls = self.0.client.endpoints();
        let asked = urls.into_iter().map(|url| {
            let client = self.0.client.clone();
            spawn_local(async move { client.status(&url).await })
        });
        let asked: Vec<_> = asked.collect();
        let mut health = Vec::new();
        for answer in asked {
            let lost = |error| Err(Error::Settings { reason: format!("{error}") });
            health.push(answer.await.unwrap_or_else(lost));
        }
        health
    }
}

fn view(life: &Registration, left: Option<Millis>) -> Life {
    Life {
        incarnation: life.incarnation,
        address: life.address.clone(),
        version: life.version.clone(),
        ttl: Millis(life.ttl_ms),
        left,
        parked: life.parked,
        evicted: life.evicted,
    }
}

/// Of a node that is no peer there is no link.
fn link(status: Option<&LinkStatus>) -> LinkView {
    let Some(status) = status else {
        let why_down = Some("it is not registered".to_owned());
        return LinkView { up: false, lasts: Millis(0), silent: None, why_down, ahead_ms: None };
    };
    LinkView {
        up: status.up,
        lasts: millis(SystemTime::now().duration_since(status.since).unwrap_or_default()),
        silent: status.heard_ago.map(millis),
        why_down: status.why_down.clone(),
        ahead_ms: status.ahead_ms,
    }
}

fn endpoint((url, answer): (String, Result<EndpointStatus, Error>)) -> Endpoint {
    match answer {
        Ok(EndpointStatus { member, version, leader, db_size, revision, errors, .. }) => {
            let health = Some(Health { member, version, leader, db_size, revision, errors });
            Endpoint { url, health, why_silent: None }
        }
        Err(error) => Endpoint { url, health: None, why_silent: Some(rgm_api::chain(&error)) },
    }
}

/// The members of etcd, as it tells them.
fn named(members: Vec<rgm_etcd::Member>, endpoints: &[Endpoint]) -> Vec<Voter> {
    let voters = members.into_iter().map(|member| {
        let health: Vec<&Health> = endpoints.iter().filter_map(|endpoint| endpoint.health.as_ref()).collect();
        Voter {
            name: if member.name.is_empty() { format!("{:x}", member.id) } else { member.name },
            votes: !member.learner,
            answers: health.iter().any(|health| health.member == member.id),
            leads: health.iter().any(|health| health.leader == member.id),
        }
    });
    voters.collect()
}

/// The endpoints, where etcd does not tell its members.
fn nameless(endpoints: &[Endpoint]) -> Vec<Voter> {
    let voter = |Endpoint { url, health, .. }: &Endpoint| Voter {
        name: url.clone(),
        votes: true,
        answers: health.is_some(),
        leads: health.as_ref().is_some_and(|health| health.leader == health.member),
    };
    endpoints.iter().map(voter).collect()
}

fn millis(span: Duration) -> Millis {
    Millis(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}
