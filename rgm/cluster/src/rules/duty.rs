//! Whom a node obeys, whose words count, and when it presides.

use super::{Line, Reach, Sight, patience};
use crate::member::{News, Registration, Term};
use rgm_types::{Millis, NodeName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// See the module.
#[derive(Debug, Clone)]
pub struct Duty {
    me: NodeName,
    incarnation: u64,
    registered: bool,
    members: BTreeMap<NodeName, Registration>,
    /// Whose registration went although they are reached, as when etcd ends a lease too early: each ends
    /// itself as soon as it knows, and may be running something until then.
    leaving: BTreeMap<NodeName, Leaving>,
    connected: BTreeMap<NodeName, bool>,
    term: Option<Term>,
    /// The president that this node obeys: whose orders were the last of the highest epoch.
    boss: Option<(NodeName, u64)>,
    /// Epoch and number of the reports that its agent was asked for and has not given yet.
    reports: VecDeque<(u64, u64)>,
    chair: Option<Chair>,
    over: Option<String>,
}

/// A life that ends itself.
#[derive(Debug, Clone)]
struct Leaving {
    life: Registration,
    /// When that was noticed.
    since: Option<Millis>,
}

/// This node is president.
#[derive(Debug, Clone)]
struct Chair {
    epoch: u64,
    /// To the other nodes.
    lines: BTreeMap<NodeName, Line>,
    /// Those on which nothing runs: they were gone, and have not reported since.
    down: BTreeSet<NodeName>,
    reach: Reach,
}

/// A node that its president does not reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// Its registration.
    pub life: Registration,
    /// For how long.
    pub span: Millis,
}

/// What follows from some news.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    /// Another one is president, or nobody, or it has changed its life.
    pub changed: bool,
    /// This node's chair is not its own any more.
    pub deposed: bool,
    /// The president is to know that nothing of these nodes runs.
    pub down: Vec<NodeName>,
    /// They are the same as before, and are to be asked for a report.
    pub again: Vec<NodeName>,
}

/// What becomes of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obeyed {
    /// It is for the agent.
    Yes {
        /// This node presided until now, and is deposed.
        deposed: bool,
    },
    /// A later president has spoken: that one, of that epoch.
    TooLate(NodeName, u64),
}

/// Where a word of this node's agent goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The node that presides.
    pub to: NodeName,
    /// Its epoch.
    pub epoch: u64,
    /// The number of the report.
    pub report: u64,
}

impl Duty {
    /// Of this life of a node.
    pub fn new(me: NodeName, incarnation: u64) -> Self {
        Self {
            me,
            incarnation,
            registered: false,
            members: BTreeMap::new(),
            leaving: BTreeMap::new(),
            connected: BTreeMap::new(),
            term: None,
            boss: None,
            reports: VecDeque::new(),
            chair: None,
            over: None,
        }
    }

    /// The node.
    pub fn me(&self) -> &NodeName {
        &self.me
    }

    /// Who is president, as far as it is known.
    pub fn term(&self) -> Option<&Term> {
        self.term.as_ref()
    }

    /// The epoch of its own chair.
    pub fn chair(&self) -> Option<u64> {
        self.chair.as_ref().map(|chair| chair.epoch)
    }

    /// Who is president, if that is another node.
    pub fn elsewhere(&self) -> Option<&Term> {
        self.term.as_ref().filter(|term| !self.is_mine(term))
    }

    fn is_mine(&self, term: &Term) -> bool {
        term.node == self.me && term.incarnation == self.incarnation
    }

    // --- presiding ---

    /// The epoch that it is to preside now, without a chair yet; or why it is no member any more.
    pub fn turn(&self) -> Option<Result<u64, String>> {
        if let Some(why) = &self.over {
            return Some(Err(why.clone()));
        }
        let mine = self.term.as_ref().filter(|term| self.is_mine(term))?;
        // Not again of an epoch that it has given up: a presidency is one core, counted once. And not of
        // one that another president has overtaken.
        let later = self.boss.as_ref().is_none_or(|(_, highest)| mine.epoch > *highest);
        let open = self.registered && self.chair.is_none() && later;
        open.then_some(Ok(mine.epoch))
    }

    /// Takes the president's chair, with a line to each of the others.
    pub fn sit<'a>(&mut self, epoch: u64, names: impl IntoIterator<Item = &'a NodeName>) {
        self.boss = Some((self.me.clone(), epoch));
        let others = names.into_iter().filter(|name| **name != self.me);
        let lines: BTreeMap<NodeName, Line> =
            others.map(|name| (name.clone(), Line::new(self.is_connected(name)))).collect();
        let down = lines.keys().filter(|name| self.is_absent(name)).cloned().collect();
        self.chair = Some(Chair { epoch, lines, down, reach: Reach::default() });
    }

    /// The other nodes of which nothing runs: they are no members.
    pub fn absent(&self) -> Vec<NodeName> {
        let unheard = |name: &NodeName| mutant!(CallWithoutLink) && !self.is_connected(name);
        let lines = self.chair.iter().flat_map(|chair| chair.lines.keys());
        lines.filter(|name| self.is_absent(name) || unheard(name)).cloned().collect()
    }

    fn is_absent(&self, node: &NodeName) -> bool {
        !self.members.contains_key(node) && !self.leaving.contains_key(node)
    }

    /// Gives the chair up, and that presidency: not a later one that it has been elected to meanwhile.
    pub fn rise(&mut self) {
        let given_up = self.chair.take().map_or(0, |chair| chair.epoch);
        self.term = self.term.take().filter(|term| !self.is_mine(term) || term.epoch > given_up);
    }

    // --- news ---

    /// Of the cluster.
    pub fn news(&mut self, news: &News) -> Told {
        let mut told = Told::default();
        match news {
            News::Registered => self.registered = true,
            News::Members(members) => {
                self.members.clone_from(members);
                for (node, leaving) in std::mem::take(&mut self.leaving) {
                    match members.get(&node).map(|life| life.incarnation == leaving.life.incarnation) {
                        // It has waited for etcd with all others, and has found it again.
                        Some(true) => told.again.push(node),
                        Some(false) => told.down.extend(self.ended(&node)),
                        None => drop(self.leaving.insert(node, leaving)),
                    }
                }
            }
            // Its own end is before this node, and is the end of its presidency: nobody can say from here
            // that nothing runs here any more.
            News::Gone(node) if *node == self.me => {
                self.members.remove(node);
                told.deposed = self.chair.is_some();
            }
            News::Gone(node) => {
                // Nothing it said before, and that is still on its way, counts any more.
                let life = self.members.remove(node);
                match life.filter(|_| self.is_connected(node) && !mutant!(BelieveEtcdAlone)) {
                    Some(life) => {
                        self.leaving.insert(node.clone(), Leaving { life, since: None });
                        self.lost(node);
                    }
                    None => told.down.extend(self.ended(node)),
                }
            }
            News::President(term) => {
                told.changed = self.term != *term;
                self.term.clone_from(term);
                let kept = term.as_ref().filter(|term| self.is_mine(term)).map(|term| term.epoch);
                told.deposed = told.changed && self.chair.is_some() && kept != self.chair();
            }
            News::FailSafe(_) => {}
            News::Over(why) => {
                told.deposed = self.chair.is_some();
                self.over = Some(why.clone());
            }
        }
        told
    }

    /// Nothing of a node runs any more. Itself, where there is a president here to know it.
    fn ended(&mut self, node: &NodeName) -> Option<NodeName> {
        self.leaving.remove(node);
        let chair = self.chair.as_mut()?;
        chair.down.insert(node.clone());
        Some(node.clone())
    }

    /// Nodes that must have ended themselves by now, though there is still a link to them: what they were
    /// given last by etcd is over. For the president to know.
    pub fn overdue(&mut self, now: Millis) -> Vec<NodeName> {
        let over = self.leaving.iter_mut().filter_map(|(node, leaving)| {
            let since = *leaving.since.get_or_insert(now);
            let is_over = Duration::from_millis(now.since(since).0) >= patience(&leaving.life);
            is_over.then(|| node.clone())
        });
        let over: Vec<NodeName> = over.collect();
        over.iter().filter_map(|node| self.ended(node)).collect()
    }

    /// Some node ends itself, and has not for certain.
    pub fn waits(&self) -> bool {
        !self.leaving.is_empty()
    }

    /// The lives of other nodes to which there are to be links.
    pub fn others(&self) -> BTreeMap<&NodeName, &Registration> {
        let leaving = self.leaving.iter().map(|(node, leaving)| (node, &leaving.life));
        let lives = leaving.chain(&self.members);
        lives.filter(|(node, life)| **node != self.me && !life.evicted).collect()
    }

    /// That life of a node is a member.
    pub fn is_member(&self, node: &NodeName, incarnation: u64) -> bool {
        self.members.get(node).is_some_and(|member| member.incarnation == incarnation && !member.evicted)
    }

    /// There is a link to it.
    pub fn is_connected(&self, node: &NodeName) -> bool {
        self.connected.get(node).copied().unwrap_or(false)
    }

    /// A link is up. The number of the report that a president asks for now.
    pub fn up(&mut self, node: &NodeName) -> Option<u64> {
        self.connected.insert(node.clone(), true);
        self.line(node).map(Line::up)
    }

    /// A link is down. That says nothing of what runs on the node: its registration does. But a node that
    /// has lost that keeps its links until it has ended everything: then the president is to know it.
    pub fn down(&mut self, node: &NodeName) -> Option<NodeName> {
        self.connected.insert(node.clone(), false);
        self.lost(node);
        self.leaving.contains_key(node).then(|| self.ended(node)).flatten()
    }

    // --- as president ---

    fn line(&mut self, node: &NodeName) -> Option<&mut Line> {
        self.chair.as_mut()?.lines.get_mut(node)
    }

    /// Something is to be sent to a node by the president of that epoch, a request for a report
    /// perhaps. The number it goes under; `None`: it is dropped.
    pub fn sends(&mut self, epoch: u64, node: &NodeName, report: bool) -> Option<u64> {
        let chair = self.chair.as_mut().filter(|chair| chair.epoch == epoch)?;
        chair.lines.get_mut(node)?.sends(report)
    }

    /// What was sent to that node may be lost.
    pub fn lost(&mut self, node: &NodeName) {
        self.line(node).into_iter().for_each(Line::down);
    }

    /// The core has taken a report of that node.
    pub fn taken(&mut self, node: &NodeName) {
        self.line(node).into_iter().for_each(Line::taken);
    }

    /// Another node says something to the president of that epoch: does it count?
    pub fn counts(&mut self, node: &NodeName, epoch: u64, report: u64, joined: bool) -> bool {
        let chair = self.chair.as_mut();
        let chair = chair.filter(|chair| chair.epoch == epoch);
        let Some(Chair { lines, down, .. }) = chair else { return false };
        let counts = lines.get_mut(node).is_some_and(|line| !joined || line.comes(report));
        if counts && joined {
            down.remove(node);
        }
        counts
    }

    /// Who is registered, may run something, and is not reached by the president of that epoch, this
    /// node; and whether that one reaches enough of the others to do something about it.
    pub fn missing(&mut self, epoch: u64, now: Millis) -> Option<(BTreeMap<NodeName, Missing>, bool)> {
        let Self { me, members, connected, chair, .. } = self;
        let Chair { down, reach, .. } = chair.as_mut().filter(|chair| chair.epoch == epoch)?;
        let sight = Sight { me, members, connected, down };
        let missing = reach.look(now, sight).into_iter().filter_map(|(node, span)| {
            let life = members.get(&node)?.clone();
            Some((node, Missing { life, span }))
        });
        Some((missing.collect(), sight.is_wide()))
    }

    /// The registration of another node, if it is there; `None`: the cluster has no such node.
    pub fn other(&self, node: &NodeName) -> Option<Option<&Registration>> {
        let known = self.chair.as_ref().is_some_and(|chair| chair.lines.contains_key(node));
        known.then(|| self.members.get(node))
    }

    // --- as a node ---

    /// An order of a president on another node to this node's agent, to report perhaps.
    pub fn order(&mut self, from: &NodeName, epoch: u64, report: u64, reports: bool) -> Obeyed {
        match &self.boss {
            Some((boss, highest)) if *highest > epoch => {
                if !mutant!(ObeyOlderEpoch) {
                    return Obeyed::TooLate(boss.clone(), *highest);
                }
            }
            Some(_) | None => self.boss = Some((from.clone(), epoch)),
        }
        if reports {
            self.reports.push_back((epoch, report));
        }
        Obeyed::Yes { deposed: self.chair.as_ref().is_some_and(|chair| chair.epoch < epoch) }
    }

    /// An order of this node's own presidency, of that epoch, to its agent.
    pub fn own_order(&mut self, epoch: u64, reports: bool) -> bool {
        let obeys = self.boss.as_ref().is_some_and(|(_, highest)| *highest == epoch);
        if obeys && reports {
            self.reports.push_back((epoch, 0));
        }
        obeys
    }

    /// The agent of this node says something, a report perhaps: to whoever it obeys.
    pub fn says(&mut self, joined: bool) -> Option<Reply> {
        let (to, epoch) = self.boss.clone()?;
        // The agent answers one after the other. What it reported to a former president says nothing of
        // what that one has ordered since.
        let (asked_by, report) = joined.then(|| self.reports.pop_front()).flatten().unwrap_or((epoch, 0));
        (asked_by == epoch).then_some(Reply { to, epoch, report })
    }
}

#[cfg(test)]
mod tests;
