//! A plan: one cluster, and everything that will go wrong there. Chance writes plans; with the seed in
//! it a plan alone says what happens, so one that finds something can be cut down, kept and replayed.

use crate::sim::Chance;
use serde::{Deserialize, Serialize};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// What it found, or why it is kept.
    pub about: String,
    /// Of everything that is not in the plan: how long each thing takes.
    pub seed: u64,
    /// Nodes.
    pub nodes: usize,
    /// Groups.
    pub groups: usize,
    /// Time to live of a lease, seconds.
    pub ttl_s: u64,
    /// Margin, milliseconds.
    pub margin: u64,
    /// A node that its president does not reach for so long, milliseconds, is evicted; 0: none is.
    #[serde(default)]
    pub unreached: u64,
    /// … and fenced.
    #[serde(default)]
    pub fence: bool,
    /// Methods that fail, of a hundred.
    pub failures: usize,
    /// When everything heals, milliseconds.
    pub span: u64,
    /// Faults, and when, in milliseconds.
    pub faults: Vec<(u64, Fault)>,
}

/// An end of a way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spot {
    /// This node.
    Node(usize),
    /// etcd.
    Etcd,
}

/// How far a step is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Half {
    /// Killed when the commit was sent.
    Commit,
    /// Killed after the commit.
    Records,
    /// Killed after the journal records.
    Actions,
}

/// Something that happens. Spans are milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// A machine loses its power and boots after that.
    Power { node: usize, off: u64 },
    /// A machine stands still as a whole.
    Freeze { node: usize, span: u64 },
    /// rgmd is stopped (SIGSTOP).
    Pause { node: usize, span: u64 },
    /// rgmd is killed (SIGKILL), and started again after that.
    Kill { node: usize, back: u64 },
    /// The president that sits there next is killed in the middle of its next step.
    KillInStep { half: Half, back: u64 },
    /// pmfd is killed, and started again.
    KillPmfd { node: usize },
    /// rgmd is told to end (SIGTERM), and started again so long after its end.
    Term { node: usize, back: u64 },
    /// Nothing gets from one to the other; nor back, if `both`.
    Cut { from: Spot, to: Spot, both: bool, span: u64 },
    /// Nodes whose bit is set are cut off from the others; etcd is on their side, or on the other.
    Split { side: u64, etcd: bool, span: u64 },
    /// A node and the others do not reach each other, and all of them reach etcd.
    Alone { node: usize, span: u64 },
    /// etcd has no leader; what is asked meanwhile is answered afterwards, or never.
    EtcdAway { answers: bool, span: u64 },
    /// Everything etcd does takes so much longer, half of it before it is done.
    EtcdSlow { by: u64, span: u64 },
    /// A node hears so much later what has changed in etcd.
    WatchLag { node: usize, by: u64, span: u64 },
    /// etcd ends the lease of a node that renews it in time, while nothing else is wrong.
    EndLease { node: usize },
    /// etcd has no space.
    Full { span: u64 },
    /// A wall clock jumps.
    Wall { node: usize, by: i64 },
    /// Somebody asks the president for something.
    Ask(Ask),
    /// PMF gives up a service of that group.
    GiveUp { group: usize },
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    Switch { group: usize, node: usize },
    Restart { group: usize },
    Colour { group: usize },
    Evacuate { node: usize },
    Clear,
}

impl Plan {
    /// That of a seed.
    pub fn of(seed: u64) -> Self {
        let mut chance = Chance::new(seed.wrapping_mul(0x9E37).wrapping_add(17));
        let nodes = [1, 2, 3, 3, 3, 4, 5][chance.below(7)];
        let ttl_s = [2, 3, 5][chance.below(3)];
        let margin = [200, 500][chance.below(2)];
        let groups = 1 + chance.below(4);
        let span = 20_000 + 1_000 * chance.below(20) as u64;
        let failures = [0, 0, 0, 10][chance.below(4)];
        let mut plan = Self {
            about: format!("seed {seed}"),
            seed,
            nodes,
            groups,
            ttl_s,
            margin,
            unreached: 0,
            fence: false,
            failures,
            span,
            faults: Vec::new(),
        };
        let kinds = plan.kinds(&mut chance);
        let mut at = 4_000;
        while at < plan.span {
            let fault = plan.fault(&mut chance, &kinds);
            plan.faults.push((at, fault));
            if chance.percent(60) {
                plan.follow_up(&mut chance, at);
            }
            at += [50, 400, 1_500, 3_000][chance.below(4)] + chance.below(500) as u64;
        }
        plan.faults.sort_by_key(|(at, _)| *at);
        plan.unreached = ttl_s * [1_000, 1_500, 2_000][chance.below(3)];
        plan.fence = chance.percent(40);
        plan
    }

    /// Some runs have much of one thing and nothing of another.
    fn kinds(&self, chance: &mut Chance) -> Vec<usize> {
        let all: Vec<usize> = (0..KINDS).collect();
        if chance.percent(40) {
            return all;
        }
        let some = (0..2 + chance.below(4)).map(|_| chance.below(KINDS));
        some.chain([KINDS - 1]).collect()
    }

    fn fault(&self, chance: &mut Chance, kinds: &[usize]) -> Fault {
        let node = chance.below(self.nodes);
        let span = self.span_of(chance);
        match chance.pick(kinds).copied().unwrap_or(0) {
            0 => Fault::Power { node, off: 300 + chance.below(9_000) as u64 },
            1 => Fault::Freeze { node, span },
            2 => Fault::Pause { node, span },
            3 => Fault::Kill { node, back: self.back(chance) },
            4 => {
                let half = [Half::Commit, Half::Records, Half::Actions][chance.below(3)];
                Fault::KillInStep { half, back: self.back(chance) }
            }
            5 => Fault::KillPmfd { node },
            6 => Fault::Term { node, back: self.back(chance) },
            7 => {
                let other = (node + 1 + chance.below(self.nodes.max(2) - 1)) % self.nodes.max(1);
                let both = chance.percent(50);
                Fault::Cut { from: Spot::Node(node), to: Spot::Node(other), both, span }
            }
            8 => {
                let (from, to) = if chance.percent(50) {
                    (Spot::Node(node), Spot::Etcd)
                } else {
                    (Spot::Etcd, Spot::Node(node))
                };
                Fault::Cut { from, to, both: chance.percent(50), span }
            }
            9 => Fault::Split { side: chance.number() & 31, etcd: chance.percent(50), span },
            10 => Fault::EtcdAway { answers: chance.percent(50), span },
            11 => Fault::EtcdSlow { by: 100 + chance.below(1_500) as u64, span },
            12 => Fault::WatchLag { node, by: 300 + chance.below(4_000) as u64, span },
            13 if chance.percent(40) => Fault::Full { span: 500 + chance.below(3_000) as u64 },
            13 => {
                let by = i64::try_from(chance.below(7_200_000)).unwrap_or(0) - 3_600_000;
                Fault::Wall { node, by }
            }
            14 => Fault::EndLease { node },
            15 => Fault::GiveUp { group: chance.below(self.groups) },
            16 => Fault::Alone { node, span: self.ttl_s * 1_000 + 2 * span },
            _ => Fault::Ask(self.ask(chance)),
        }
    }

    fn ask(&self, chance: &mut Chance) -> Ask {
        let (group, node) = (chance.below(self.groups), chance.below(self.nodes));
        match chance.below(9) {
            0..3 => Ask::Switch { group, node },
            3 => Ask::Restart { group },
            4..7 => Ask::Colour { group },
            7 => Ask::Evacuate { node },
            _ => Ask::Clear,
        }
    }

    /// Short, about a lease, or long.
    fn span_of(&self, chance: &mut Chance) -> u64 {
        let ttl = self.ttl_s * 1_000;
        let spread = |chance: &mut Chance, most: u64| chance.below(usize::try_from(most).unwrap_or(1)) as u64;
        match chance.below(4) {
            0 => 50 + spread(chance, 1_500),
            1 => ttl / 2 + spread(chance, ttl),
            2 => ttl - self.margin + spread(chance, self.margin + 800),
            _ => ttl + spread(chance, 3 * ttl),
        }
    }

    fn back(&self, chance: &mut Chance) -> u64 {
        match chance.below(3) {
            0 => 50 + chance.below(300) as u64,
            1 => chance.below(usize::try_from(self.ttl_s * 1_000).unwrap_or(1)) as u64,
            _ => 300 + chance.below(9_000) as u64,
        }
    }

    /// What makes a fault hard: another one just behind it.
    fn follow_up(&mut self, chance: &mut Chance, at: u64) {
        let Some((_, last)) = self.faults.last().cloned() else { return };
        let soon = at + 20 + chance.below(1_200) as u64;
        let span = self.span_of(chance);
        let fault = match last {
            Fault::EtcdSlow { .. } if chance.percent(50) => {
                let ttl = self.ttl_s * 1_000;
                Fault::Pause { node: chance.below(self.nodes), span: ttl - self.margin + span % self.margin }
            }
            Fault::EtcdSlow { .. } | Fault::EtcdAway { .. } | Fault::KillPmfd { .. } => {
                let from = Spot::Node(chance.below(self.nodes));
                Fault::Cut { from, to: Spot::Etcd, both: true, span: self.ttl_s * 3_000 }
            }
            Fault::Kill { node, back } | Fault::Term { node, back } => {
                let by = 200 + chance.below(1_200) as u64;
                let slow = Fault::EtcdSlow { by, span: 4_000 };
                let pause = Fault::Pause { node, span };
                let fault = [slow, pause][chance.below(2)].clone();
                self.faults.push((at + back + chance.below(400) as u64, fault));
                return;
            }
            Fault::Pause { node, .. } | Fault::WatchLag { node, .. } => {
                let other = (node + 1) % self.nodes;
                [Fault::Ask(Ask::Switch { group: 0, node: other }), Fault::Power { node: other, off: 2_000 }]
                    [chance.below(2)]
                .clone()
            }
            Fault::Cut { from: Spot::Node(node), to: Spot::Etcd, both: true, span } if chance.percent(70) => {
                // Nearly a lease: a president that then waits for etcd with all others, and finds it
                // again before the first one has lost its lease, or behind that.
                let (other, ttl) = ((node + 1) % self.nodes, self.ttl_s * 1_000);
                let short = ttl / 2 + span % ttl;
                Fault::Cut { from: Spot::Node(other), to: Spot::Etcd, both: true, span: short }
            }
            Fault::Alone { node, .. } => {
                // It hears late that it is evicted; or etcd is away, and it has agreed to wait.
                let ttl = self.ttl_s * 1_000;
                let lag = Fault::WatchLag { node, by: ttl + span % (3 * ttl), span: 5 * ttl };
                let late = at + 2 * ttl + chance.below(usize::try_from(2 * ttl).unwrap_or(1)) as u64;
                let away = Fault::EtcdAway { answers: false, span };
                let both = [(soon, lag), (late, away)];
                self.faults.push(both[chance.below(2)].clone());
                return;
            }
            Fault::Power { .. }
            | Fault::Freeze { .. }
            | Fault::KillInStep { .. }
            | Fault::Cut { .. }
            | Fault::Split { .. }
            | Fault::EndLease { .. }
            | Fault::Full { .. }
            | Fault::Wall { .. }
            | Fault::Ask(_)
            | Fault::GiveUp { .. } => Fault::Ask(self.ask(chance)),
        };
        self.faults.push((soon, fault));
    }
}

/// Kinds of faults, as [`Plan::fault`] counts them.
const KINDS: usize = 18;
