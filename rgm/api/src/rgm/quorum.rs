//! A cluster of many machines as one of its nodes sees it: who is registered in etcd, who is president,
//! which nodes are reached, how etcd is.
//!
//! It is told by the node that is asked, also where there is no president, no etcd, or neither. Spans end
//! at the moment it is told.

use rgm_types::Millis;
use serde::{Deserialize, Serialize};

/// What a node sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quorum {
    /// Name of the cluster.
    pub cluster: String,
    /// The node that sees it so.
    pub seen_by: String,
    /// Its rgmd is no member yet, and waits for this.
    pub waits_for: Option<String>,
    /// Members and president are as etcd has them now; otherwise as this node has seen them last.
    pub from_etcd: bool,
    /// Who decides.
    pub president: Option<President>,
    /// etcd does not answer, and all nodes wait for it together: for how long by now.
    pub fail_safe: Option<Millis>,
    /// When everything on this node is killed unless that is put off before, as it is with every renewal
    /// of its lease.
    pub deadline: Option<Millis>,
    /// Every node that is configured or registered.
    pub members: Vec<Member>,
    /// etcd, as the settings of this node have it, in that order.
    pub endpoints: Vec<Endpoint>,
    /// The members of etcd: each has one vote. Where etcd does not tell them, the endpoints.
    pub voters: Vec<Voter>,
}

/// Who decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct President {
    /// Its node.
    pub node: String,
    /// Which presidency.
    pub epoch: u64,
}

/// A node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Its name.
    pub node: String,
    /// Its registration; without one it counts as dead.
    pub life: Option<Life>,
    /// The link to it; none to the node that is asked.
    pub link: Option<LinkView>,
}

/// A life of a node's rgmd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Tells it from others: when it began by the clock of its machine, in milliseconds since 1970.
    pub incarnation: u64,
    /// Where its links are taken.
    pub address: String,
    /// Version of its program.
    pub version: String,
    /// Time to live of its lease.
    pub ttl: Millis,
    /// What is left of that, where etcd says so.
    pub left: Option<Millis>,
    /// Its daemon was told to end, and the next one is awaited.
    pub parked: bool,
    /// Its president did not reach it: it is on its way out.
    pub evicted: bool,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkView {
    /// There is a connection.
    pub up: bool,
    /// For how long it has been so.
    pub lasts: Millis,
    /// How long nothing was heard of the node.
    pub silent: Option<Millis>,
    /// Why there is no connection.
    pub why_down: Option<String>,
    /// How far the clock of that node is ahead of this one's, about.
    pub ahead_ms: Option<i64>,
}

/// An endpoint of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// As in the settings.
    pub url: String,
    /// What it says of itself, where it answers.
    pub health: Option<Health>,
    /// Why it does not.
    pub why_silent: Option<String>,
}

/// How a member of etcd is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Health {
    /// Its number.
    pub member: u64,
    /// Version of etcd.
    pub version: String,
    /// The number of the member that leads, as this one sees it; 0: none.
    pub leader: u64,
    /// Size of its database, in bytes.
    pub db_size: i64,
    /// The last revision it knows.
    pub revision: i64,
    /// What is wrong with it.
    pub errors: Vec<String>,
}

/// A member of etcd.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Voter {
    /// Its name.
    pub name: String,
    /// It has a vote.
    pub votes: bool,
    /// It answers at one of the endpoints.
    pub answers: bool,
    /// It leads.
    pub leads: bool,
}

impl Quorum {
    /// Votes there are, votes that are here, and votes that are needed.
    pub fn votes(&self) -> (usize, usize, usize) {
        let votes = self.voters.iter().filter(|voter| voter.votes);
        let (possible, present) = votes
            .fold((0, 0), |(possible, present), voter| (possible + 1, present + usize::from(voter.answers)));
        (possible, present, possible / 2 + 1)
    }

    /// Whether a president can be asked from this node; the error says why none can.
    pub fn is_led(&self) -> Result<(), String> {
        if let Some(waits_for) = &self.waits_for {
            return Err(format!("rgmd on node {} is no member of the cluster: {waits_for}", self.seen_by));
        }
        let Some(President { node, .. }) = &self.president else {
            return Err("the cluster has no president".to_owned());
        };
        let member = self.members.iter().find(|member| member.node == *node);
        match member.and_then(|member| member.link.as_ref()) {
            Some(link) if !link.up => {
                Err(format!("node {node}, the president, is not reached from node {}", self.seen_by))
            }
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_learner_has_no_vote_and_more_than_half_are_needed() {
        let voter = |votes, answers| Voter { name: String::new(), votes, answers, leads: false };
        let votes = |voters: Vec<Voter>| Quorum { voters, ..Quorum::default() }.votes();
        assert_eq!(votes(vec![voter(true, true), voter(true, false), voter(true, true)]), (3, 2, 2));
        assert_eq!(votes(vec![voter(true, true), voter(false, true)]), (1, 1, 1));
        assert_eq!(votes(vec![voter(true, true); 4]), (4, 4, 3));
    }

    #[test]
    fn a_president_that_is_not_reached_leads_nobody_here() {
        let link = |up| {
            let lasts = Millis(1);
            Some(LinkView { up, lasts, silent: None, why_down: None, ahead_ms: None })
        };
        let member = |link| Member { node: "b".to_owned(), life: None, link };
        let president = Some(President { node: "b".to_owned(), epoch: 1 });
        let led = Quorum { members: vec![member(link(true))], president, ..Quorum::default() };
        assert!(led.is_led().is_ok());
        assert!(Quorum { members: vec![member(None)], ..led.clone() }.is_led().is_ok(), "it is this node");
        assert!(Quorum { members: vec![member(link(false))], ..led.clone() }.is_led().is_err());
        assert!(Quorum { president: None, ..led.clone() }.is_led().is_err());
        assert!(Quorum { waits_for: Some("etcd".to_owned()), ..led }.is_led().is_err());
    }
}
