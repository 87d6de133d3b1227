//! What a node is to a group: the rule that takes it or passes it over, and how well the group likes
//! it (reference 5.4, steps 2 to 4).

use super::Layout;
use crate::Rgm;
use crate::links::{Affinity, Liking};
use crate::load::Room;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use rgm_types::{Group, GroupName, Millis, NodeName, ResourceName};

/// START failures within Pingpong_interval that a node may have and still be chosen (reference 5.6 a).
const START_FAILURES_MAX: usize = 1;

/// Who asks for a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// The usual rules.
    Itself,
    /// An operator: what failed before does not count.
    Operator,
}

/// What a node of Nodelist is to a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Node.
    pub(crate) node: NodeName,
    /// The rule that takes it or passes it over.
    pub(crate) rule: Rule,
    /// The lower, the better liked.
    pub(crate) rank: Rank,
}

impl Verdict {
    /// The group may be brought online there.
    pub(crate) fn eligible(&self) -> bool {
        matches!(self.rule, Rule::Fits | Rule::Preempts(_))
    }
}

/// The rule that decides about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The group is meant to be there already.
    Here,
    /// It may host the group.
    Fits,
    /// It may, once groups of lower Priority have left it.
    Preempts(Vec<GroupName>),
    /// Not a member of the cluster.
    Down,
    /// About to be taken down.
    Aborting,
    /// Evacuated, for this long.
    Evacuated(Millis),
    /// The group is still being stopped there.
    Leaving,
    /// This many starts failed there within Pingpong_interval.
    StartFailures(usize),
    /// This resource gave the node up within Pingpong_interval.
    GaveUp(ResourceName),
    /// Its Node_rule is false there; with what the rule saw.
    RuledOut(String),
    /// A strong affinity that would not hold there.
    Against(Affinity),
    /// A group that may not be there together with this one, and failed to stop there.
    Stuck(GroupName),
    /// A group of higher Priority with `--` for this one, that would have to leave.
    Outranked(GroupName),
    /// A hard load limit that would be exceeded.
    Full(String),
}

/// How well a group likes a node. The order of the fields is the order of their weight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(crate) struct Rank {
    /// How lately the group left it because of a failure; 0: it did not.
    pub(crate) left: usize,
    /// Groups that would have to leave because of a `--` for this one.
    pub(crate) evicted: usize,
    /// Groups with Preemption_mode Has_Cost that would be preempted.
    pub(crate) preempted: usize,
    /// Weak affinities that would not be satisfied.
    pub(crate) disliked: usize,
    /// Load above soft limits.
    pub(crate) over: u64,
    /// How full it would be; with Concentrate_load, how empty.
    pub(crate) crowd: u64,
    /// Its place in Nodelist.
    pub(crate) position: usize,
}

impl Rgm {
    /// What each node of Nodelist is to the group, in that order.
    pub(crate) fn verdicts(&self, layout: &Layout, group: &Group, by: By) -> Vec<Verdict> {
        let nodes = self.conf.nodes_of(&group.name).iter().enumerate();
        nodes.map(|(position, node)| self.verdict(layout, group, node, position, by)).collect()
    }

    /// The best node the group may be brought online on.
    pub(crate) fn best(&self, layout: &Layout, group: &Group, by: By) -> Option<Verdict> {
        let verdicts = self.verdicts(layout, group, by).into_iter();
        verdicts.filter(Verdict::eligible).min_by_key(|v| v.rank)
    }

    fn verdict(&self, layout: &Layout, group: &Group, node: &NodeName, position: usize, by: By) -> Verdict {
        let room = self.room(layout, group, node);
        let rule = self.rule(layout, group, node, by, &room);
        let left = self.motions.get(&group.name).and_then(|m| m.avoid.iter().position(|n| n == node));
        let costly = |g: &&GroupName| !self.is_free_to_preempt(g);
        let rank = Rank {
            left: left.filter(|_| by == By::Itself).map_or(0, |at| at + 1),
            evicted: self.evicted_by(layout, &group.name, node).count(),
            preempted: room.preempted().iter().filter(costly).count(),
            disliked: self.disliked(layout, &group.name, node),
            over: room.over,
            crowd: room.crowd,
            position,
        };
        Verdict { node: node.clone(), rule, rank }
    }

    fn rule(&self, layout: &Layout, group: &Group, node: &NodeName, by: By, room: &Room) -> Rule {
        if !self.is_up(node) {
            return Rule::Down;
        }
        if self.nodes.get(node).is_some_and(|n| n.aborting) {
            return Rule::Aborting;
        }
        if self.hosts(layout, &group.name, node) {
            return Rule::Here;
        }
        if let Some(left) = self.barred_for(node) {
            return Rule::Evacuated(left);
        }
        if let Some(rule) = self.against(layout, &group.name, node) {
            return rule;
        }
        if by == By::Itself
            && let Some(rule) =
                self.history_against(group, node).or_else(|| self.outranked(layout, group, node))
        {
            return rule;
        }
        match &room.full {
            Some(limit) => Rule::Full(limit.clone()),
            None if room.preempted().is_empty() => Rule::Fits,
            None => Rule::Preempts(room.preempted().to_vec()),
        }
    }

    /// Node_rule, if it is false there.
    pub(crate) fn ruled_out(&self, group: &GroupName, node: &NodeName) -> Option<Rule> {
        let rule = self.conf.rule_of(group)?;
        let attrs = self.conf.attrs_of(node);
        (!rule.holds(node, attrs)).then(|| Rule::RuledOut(rule.seen(attrs)))
    }

    /// What happened there before.
    fn history_against(&self, group: &Group, node: &NodeName) -> Option<Rule> {
        let run = self.conf.runs.get(&group.name)?;
        let failures = run.start_failures.iter().filter(|f| f.node == *node);
        let failures = failures.filter(|f| self.within_pingpong(group, f.at)).count();
        if failures > START_FAILURES_MAX && !mutant!(self, ForgetPingpong) {
            return Some(Rule::StartFailures(failures));
        }
        if run.wanted.is_empty() || !self.conf.facts(&group.name).scalable {
            return None;
        }
        // Serving elsewhere, it has no need to go back there at once.
        if !self.is_clear_on(&group.name, node) {
            return Some(Rule::Leaving);
        }
        let mut given = run.giveovers.iter().filter(|g| g.node == *node);
        given.find(|g| self.within_pingpong(group, g.at)).map(|g| Rule::GaveUp(g.resource.clone()))
    }

    /// By itself a group drives nobody of higher Priority away: else what that one preempts elsewhere
    /// might preempt this one, and so on without end.
    fn outranked(&self, layout: &Layout, group: &Group, node: &NodeName) -> Option<Rule> {
        let priority = |g: &GroupName| self.conf.facts(g).priority;
        let mut evicted = self.evicted_by(layout, &group.name, node);
        evicted.find(|g| priority(g) > priority(&group.name)).map(|g| Rule::Outranked(g.clone()))
    }

    /// Weak affinities that would not be satisfied.
    fn disliked(&self, layout: &Layout, group: &GroupName, node: &NodeName) -> usize {
        let unlike = |a: &&Affinity| match a.liking {
            Liking::WeakPositive => !self.hosts(layout, &a.target, node),
            Liking::WeakNegative => self.hosts(layout, &a.target, node),
            Liking::StrongPositive | Liking::Delegating | Liking::StrongNegative => false,
        };
        self.conf.affinities(group).iter().filter(unlike).count()
    }

    /// For how long nothing is placed on an evacuated node by itself.
    pub(crate) fn barred_for(&self, node: &NodeName) -> Option<Millis> {
        let until = self.nodes.get(node)?.barred_until?;
        (self.clock.boot < until && !mutant!(self, PlaceOnEvacuated)).then(|| until.since(self.clock.boot))
    }

    /// Whether a wall clock time lies within the last Pingpong_interval. A time in the future is a
    /// clock that was set back: it counts, until the group's history is pruned.
    pub(crate) fn within_pingpong(&self, group: &Group, at: Millis) -> bool {
        self.clock.wall.since(at) < self.pingpong_interval(group)
    }

    /// Pingpong_interval.
    pub(crate) fn pingpong_interval(&self, group: &Group) -> Millis {
        self.conf.facts(&group.name).pingpong
    }
}

/// What speaks for it and against it.
impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "place {} of Nodelist", self.position + 1)?;
        if self.left > 0 {
            f.write_str(", left before")?;
        }
        for (count, what) in [
            (self.evicted, "groups that have to leave it"),
            (self.preempted, "groups of lower Priority that have to leave it"),
            (self.disliked, "weak affinities not satisfied"),
        ] {
            if count > 0 {
                write!(f, ", {what}: {count}")?;
            }
        }
        if self.over > 0 {
            write!(f, ", {} above soft load limits", self.over)?;
        }
        Ok(())
    }
}

/// As the rest of a sentence that begins with the node.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("the group is meant to be there"),
            Self::Fits => f.write_str("may host it"),
            Self::Preempts(groups) => {
                f.write_str("may host it once there is room: of lower Priority")?;
                groups.iter().try_for_each(|g| write!(f, " {g}"))
            }
            Self::Down => f.write_str("not a member of the cluster"),
            Self::Aborting => f.write_str("about to be taken down"),
            Self::Evacuated(left) => write!(f, "evacuated, for {} s still", left.0.div_ceil(1000)),
            Self::Leaving => f.write_str("the group is still being stopped there"),
            Self::StartFailures(n) => write!(f, "{n} starts failed there within Pingpong_interval"),
            Self::GaveUp(r) => write!(f, "resource {r} gave it up within Pingpong_interval"),
            Self::RuledOut(seen) => f.write_str(seen),
            Self::Against(a) if a.liking == Liking::StrongNegative => {
                write!(f, "RG_affinities --{0}: resource group {0} is there", a.target)
            }
            Self::Against(a) => {
                write!(f, "RG_affinities {}{1}: resource group {1} is not there", a.liking.sign(), a.target)
            }
            Self::Stuck(g) => {
                write!(f, "resource group {g} may not be there with it, and failed to stop there")
            }
            Self::Outranked(g) => {
                write!(f, "resource group {g} of higher Priority has -- for it, and would have to leave")
            }
            Self::Full(limit) => write!(f, "its hard limit of {limit} would be exceeded"),
        }
    }
}
