//! The world: machines, links and etcd, one event after the other in the order of their times.

use super::etcd::{Answer, Etcd, Request};
use super::eviction::Case;
use super::faults::Weather;
use super::machine::Machine;
use super::mutants::Mutant;
use super::net::Conn;
use super::plan::{Plan, Spot};
use super::rgmd::{Main, Timer};
use super::truth::Ledger;
use crate::sim::{Chance, Finding, cast};
use rgm_core::{Ending, Rgm, Token};
use rgm_etcd::{Change, Keys};
use rgm_types::{NodeName, Write};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, VecDeque};
use std::fmt;

/// Microseconds.
pub const MS: u64 = 1_000;
pub const SECOND: u64 = 1_000_000;

/// Lines kept for the report of a failure.
const STORY_MAX: usize = 600;

/// A cluster that does so much, many times what the liveliest plan asks for, goes round in a circle.
const EVENTS_MAX: u64 = 500_000;

/// Something that will happen.
#[derive(Debug, Clone)]
pub enum What {
    /// A request arrives at etcd.
    Serve {
        node: usize,
        life: u64,
        id: u64,
        request: Request,
    },
    /// A lease ends, unless it was renewed.
    Expire(i64, u64),
    /// An answer arrives, or is waited for no longer.
    Heard {
        node: usize,
        life: u64,
        id: u64,
        answer: Option<Answer>,
    },
    /// A watch tells something.
    Watched(u64),
    Timer {
        node: usize,
        life: u64,
        timer: Timer,
    },
    Main {
        node: usize,
        life: u64,
        main: Main,
    },
    MethodEnds {
        node: usize,
        boot: u64,
        token: Token,
        ending: Ending,
    },
    /// pmfd looks at its deadline.
    Deadline {
        node: usize,
        version: u64,
    },
    /// A fence device is to cut a node off, for that life of another one.
    Fence {
        by: usize,
        life: u64,
        case: Case,
    },
    /// pmfd kills what was born after it had fired.
    Reap {
        node: usize,
        boot: u64,
    },
    PmfdBack {
        node: usize,
        boot: u64,
    },
    Start {
        node: usize,
        boot: u64,
    },
    Dying {
        node: usize,
        life: u64,
        since: u64,
    },
    PowerOn {
        node: usize,
    },
    Dial(usize, usize),
    Pump(u64, usize),
    Beat(u64),
    Fault(usize),
    EtcdBack,
    /// A machine goes on.
    Thaw {
        node: usize,
    },
    Heal,
    Look {
        since: u64,
    },
}

#[derive(Debug)]
struct Due {
    at: u64,
    seq: u64,
    what: What,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.seq == other.seq
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// A watch at etcd.
#[derive(Debug)]
pub struct Watcher {
    pub node: usize,
    pub life: u64,
    /// Pieces of the history told so far.
    pub told: usize,
    pub queue: VecDeque<(u64, Vec<Change>)>,
}

/// What runs have seen, added up.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    pub schedules: u64,
    /// Events of the world.
    pub events: u64,
    /// Steps of cores.
    pub steps: u64,
    pub methods: u64,
    pub presidencies: u64,
    /// Nodes that were evicted.
    pub evictions: u64,
    /// Nodes that were fenced.
    pub fencings: u64,
    /// Deadmen that fired.
    pub fired: u64,
    /// Nodes that waited for etcd with all others.
    pub waits: u64,
    /// Simulated time, seconds.
    pub seconds: u64,
    pub faults: BTreeMap<&'static str, u64>,
}

impl Stats {
    /// Adds what another run saw.
    pub fn add(&mut self, other: Self) {
        self.schedules += other.schedules;
        self.events += other.events;
        self.steps += other.steps;
        self.methods += other.methods;
        self.presidencies += other.presidencies;
        self.evictions += other.evictions;
        self.fencings += other.fencings;
        self.fired += other.fired;
        self.waits += other.waits;
        self.seconds += other.seconds;
        for (kind, n) in other.faults {
            *self.faults.entry(kind).or_default() += n;
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            schedules,
            events,
            steps,
            methods,
            presidencies,
            evictions,
            fencings,
            fired,
            waits,
            seconds,
            faults,
        } = self;
        writeln!(
            f,
            "{schedules} schedules, {seconds} s of cluster time, {events} events, {steps} steps, {methods} \
             methods, {presidencies} presidencies, {evictions} evictions, {fencings} fencings, {fired} deadmen \
             fired, {waits} times a node waited for etcd with all others"
        )?;
        let by_kind: Vec<String> = faults.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        write!(f, "{} faults: {}", faults.values().sum::<u64>(), by_kind.join(", "))
    }
}

/// A cluster of many machines, and everything around it.
pub struct World {
    pub(super) now: u64,
    seq: u64,
    queue: BinaryHeap<Reverse<Due>>,
    pub(super) chance: Chance,
    pub(super) plan: Plan,
    pub(super) names: Vec<NodeName>,
    pub(super) machines: Vec<Machine>,
    pub(super) etcd: Etcd,
    pub(super) keys: Keys,
    pub(super) watchers: BTreeMap<u64, Watcher>,
    pub(super) conns: BTreeMap<u64, Conn>,
    pub(super) weather: Weather,
    pub(super) doubling: bool,
    pub(super) calm: bool,
    pub(super) done: bool,
    pub(super) ledger: Ledger,
    pub(super) mutant: Option<Mutant>,
    pub(super) found: Option<Finding>,
    pub(super) stats: Stats,
    story: Option<VecDeque<String>>,
}

impl World {
    /// The cluster of a plan, off. With a story, what happens is kept for a reader.
    pub fn new(plan: &Plan, mutant: Option<Mutant>, story: bool) -> Self {
        let mut chance = Chance::new(plan.seed);
        let names: Vec<NodeName> =
            (1..=plan.nodes.max(1)).filter_map(|i| NodeName::new(&format!("n{i}")).ok()).collect();
        let machine = |chance: &mut Chance| {
            let ppm = i64::try_from(chance.below(401)).unwrap_or(0) - 200;
            let wall = 1_700_000_000_000 + i64::try_from(chance.below(60_000)).unwrap_or(0);
            Machine::new(ppm, wall)
        };
        let machines = names.iter().map(|_| machine(&mut chance)).collect();
        let mut etcd = Etcd::default();
        etcd.repo.commit(&Rgm::genesis("sim", &names));
        let types = cast::types(&["plain", "net", "full", "late"]);
        etcd.repo.commit(&types.into_iter().map(Write::Put).collect::<Vec<_>>());
        let doubling = chance.percent(30);
        let mut world = Self {
            now: 1_000 * SECOND,
            seq: 0,
            queue: BinaryHeap::new(),
            chance,
            plan: plan.clone(),
            names,
            machines,
            etcd,
            keys: Keys::new("/sim"),
            watchers: BTreeMap::new(),
            conns: BTreeMap::new(),
            weather: Weather::default(),
            doubling,
            calm: false,
            done: false,
            ledger: Ledger::default(),
            mutant,
            found: None,
            stats: Stats { schedules: 1, ..Stats::default() },
            story: story.then(VecDeque::new),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        let start = self.now;
        for node in 0..self.machines.len() {
            let at = start + self.soon(400);
            self.at(at, What::PowerOn { node });
            for other in node + 1..self.machines.len() {
                self.at(start + MS, What::Dial(node, other));
            }
        }
        self.open();
        for (i, (at, _)) in self.plan.faults.clone().iter().enumerate() {
            self.at(start + at * MS, What::Fault(i));
        }
        self.at(start + self.plan.span * MS, What::Heal);
    }

    /// Plays until everything has healed and come to rest, or something was found.
    pub fn play(&mut self) -> Result<(), Finding> {
        let start = self.now;
        while let Some(Reverse(Due { at, what, .. })) = self.queue.pop() {
            self.now = self.now.max(at);
            self.stats.events += 1;
            self.happen(what);
            if self.stats.events > EVENTS_MAX {
                self.find("INV-08", format!("still busy after {EVENTS_MAX} events"));
            }
            if let Some(found) = self.found.take() {
                return Err(found);
            }
            if self.done {
                break;
            }
        }
        self.stats.seconds = (self.now - start) / SECOND;
        Ok(())
    }

    /// What happened last.
    pub fn story(&self) -> Vec<String> {
        self.story.iter().flatten().cloned().collect()
    }

    /// What was seen.
    pub fn stats(&mut self) -> Stats {
        std::mem::take(&mut self.stats)
    }

    pub(super) fn at(&mut self, at: u64, what: What) {
        self.seq += 1;
        self.queue.push(Reverse(Due { at, seq: self.seq, what }));
    }

    /// A number that was not there yet.
    pub(super) fn next(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        let now = self.now - 1_000 * SECOND;
        if let Some(story) = &mut self.story {
            story.push_back(format!("{:>7}.{:03} {}", now / MS, now % MS, what()));
            if story.len() > STORY_MAX {
                story.pop_front();
            }
        }
    }

    pub(super) fn find(&mut self, rule: &str, found: String) {
        self.tell(|| format!("{rule}: {found}"));
        self.found.get_or_insert(Finding { rule: rule.to_owned(), found });
    }

    pub(super) fn has(&self, mutant: Mutant) -> bool {
        self.mutant == Some(mutant)
    }

    // --- how long things take ---

    /// Up to so many milliseconds.
    pub(super) fn soon(&mut self, ms: usize) -> u64 {
        self.chance.below(ms * 1_000) as u64
    }

    /// Of a message between nodes.
    pub(super) fn latency(&mut self) -> u64 {
        match self.chance.below(20) {
            0 => self.soon(80),
            _ => 200 + self.soon(2),
        }
    }

    // --- who is there ---

    pub(super) fn index(&self, name: &NodeName) -> usize {
        self.names.iter().position(|n| n == name).unwrap_or(0)
    }

    pub(super) fn is_life(&self, node: usize, life: u64) -> bool {
        self.machines[node].rgmd.as_ref().is_some_and(|r| r.life == life)
    }

    /// Its rgmd is there and does something.
    pub(super) fn runs(&self, node: usize) -> bool {
        self.machines[node].rgmd.is_some() && self.stands_until(node).is_none()
    }

    /// Its rgmd stands still until then.
    pub(super) fn stands_until(&self, node: usize) -> Option<u64> {
        let machine = &self.machines[node];
        let paused = machine.rgmd.as_ref().map_or(0, |r| r.paused_until);
        let until = machine.frozen_until.max(paused);
        (until > self.now).then_some(until)
    }

    pub(super) fn is_cut(&self, from: Spot, to: Spot) -> bool {
        self.weather.is_cut(from, to, self.now)
    }

    pub(super) fn is_cut_between(&self, a: usize, b: usize) -> bool {
        let (a, b) = (Spot::Node(a), Spot::Node(b));
        self.is_cut(a, b) || self.is_cut(b, a)
    }

    pub(super) fn nodes(&self) -> BTreeSet<usize> {
        (0..self.machines.len()).collect()
    }

    // --- what happens ---

    fn happen(&mut self, what: What) {
        match &what {
            What::Heard { node, life, .. }
            | What::Timer { node, life, .. }
            | What::Main { node, life, .. } => {
                if !self.is_life(*node, *life) {
                    return;
                }
                if let Some(later) = self.stands_until(*node) {
                    return self.at(later, what);
                }
            }
            What::MethodEnds { node, .. } | What::Deadline { node, .. } | What::Reap { node, .. } => {
                let until = self.machines[*node].frozen_until;
                if until > self.now {
                    return self.at(until, what);
                }
            }
            _ => {}
        }
        match what {
            What::Serve { node, life, id, request } => self.serve(node, life, id, request),
            What::Expire(lease, version) => self.expire(lease, version),
            What::Heard { node, id, answer, .. } => self.heard(node, id, answer),
            What::Watched(watch) => self.watched(watch),
            What::Timer { node, timer, .. } => self.woken(node, timer),
            What::Main { node, main, .. } => self.take(node, main),
            What::MethodEnds { node, boot, token, ending } => self.method_ends(node, boot, token, ending),
            What::Deadline { node, version } => self.deadline(node, version),
            What::Fence { by, life, case } => self.fenced(by, life, case),
            What::Reap { node, boot } => self.reap(node, boot),
            What::PmfdBack { node, boot } => self.pmfd_back(node, boot),
            What::Start { node, boot } => self.start(node, boot),
            What::Dying { node, life, since } => self.dying(node, life, since),
            What::PowerOn { node } => self.power_on(node),
            What::Dial(a, b) => self.dial(a, b),
            What::Pump(conn, side) => self.pump(conn, side),
            What::Beat(conn) => self.beat(conn),
            What::Fault(i) => self.fault(i),
            What::EtcdBack => self.etcd_back(),
            What::Thaw { node } => self.thaw(node),
            What::Heal => self.heal(),
            What::Look { since } => self.look_for_rest(since),
        }
    }

    /// Something comes to the main thread of the rgmd of a node.
    pub(super) fn main(&mut self, node: usize, main: Main) {
        if let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life) {
            self.at(self.now, What::Main { node, life, main });
        }
    }

    pub(super) fn timer(&mut self, node: usize, at: u64, timer: Timer) {
        if let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life) {
            self.at(at, What::Timer { node, life, timer });
        }
    }
}
