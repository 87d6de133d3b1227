//! What must hold, held against the truth: what runs on which machine, what lies in etcd, what was
//! answered. Nobody in the world knows any of this.

use super::etcd::Commit;
use super::rgmd::{Phase, Rgmd};
use super::world::{MS, SECOND, What, World};
use crate::sim::site::Site;
use rgm_cluster::ToNode;
use rgm_cluster::member::Registration;
use rgm_core::{Order, Out};
use rgm_etcd::{Op, Txn};
use rgm_types::config::{Entry, Write};
use rgm_types::{Command, GroupName, GroupState, Method, NodeName, ResourceName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Once everything has healed, everything must have come to rest within this.
const REST_MAX: u64 = 120 * SECOND;

/// Of these the truth is the only judge: see the simulator of the core.
const TRUTH_ALONE: [&str; 2] = ["INV-01", "INV-03"];

/// The rule by which the core says that it can not go on.
const FAULT: &str = "a fault of the manager";

/// What is remembered beside the machines.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Commands that make the groups, in their order; each is given until it is answered.
    pub opening: VecDeque<Command>,
    pub opening_under_way: bool,
    /// How long after its end a daemon that was told to end is started again.
    pub backs: BTreeMap<usize, u64>,
    /// When the lease was asked for that is to hold the place of a node.
    pub park_asked: BTreeMap<usize, u64>,
    /// Until when the place of a node is parked.
    pub parked: BTreeMap<usize, u64>,
    epochs: BTreeSet<u64>,
    /// Changes asked for, and not answered yet.
    asked: BTreeSet<String>,
    refused: BTreeSet<String>,
    /// By resource: every value there was, in its order.
    colours: BTreeMap<ResourceName, Vec<String>>,
}

impl Ledger {
    /// Somebody asks for a change.
    pub fn colour_asked(&mut self, colour: &str) {
        self.asked.insert(colour.to_owned());
    }

    /// It was said that it was not made.
    pub fn colour_refused(&mut self, colour: &str) {
        self.asked.remove(colour);
        self.refused.insert(colour.to_owned());
    }
}

impl World {
    // --- what runs ---

    /// A method is about to begin on a node.
    pub(super) fn check_begin(&mut self, node: usize, order: &Order) {
        let at = format!("{} of {} on n{}", order.method, order.resource, node + 1);
        let same = |site: &Site| {
            let aside = |method| matches!(method, Method::Validate | Method::MonitorCheck);
            let running = site.running.values().map(|x| &x.order);
            let mut other = running.filter(|x| x.resource == order.resource && !aside(x.method));
            if aside(order.method) { None } else { other.next().map(|x| x.method) }
        };
        if let Some(other) = same(&self.machines[node].site) {
            return self.find("INV-02", format!("{at} begins while {other} runs"));
        }
        if !matches!(order.method, Method::PrenetStart | Method::Start) {
            return;
        }
        if let Some(other) = self.other_owner(node, &order.resource) {
            self.find("INV-01", format!("{at} begins while it may run on n{}", other + 1));
        }
    }

    /// The president of that epoch orders a method: it starts nothing in a group in which a stop has
    /// failed, as is so there and as it has stored.
    pub(super) fn check_order(&mut self, node: usize, epoch: u64, order: &Order) {
        let starts = matches!(order.method, Method::PrenetStart | Method::Start);
        if !starts || u64::try_from(self.etcd.epoch(&self.keys)) != Ok(epoch) {
            return;
        }
        let is_so = |r: &ResourceName, on: &NodeName| {
            let machine = &self.machines[self.index(on)];
            machine.on && !machine.is_frozen(self.now) && machine.site.instance(r).stop_failed
        };
        let mut known = self.etcd.repo.runs.get(&order.group).into_iter().flat_map(|run| &run.stop_failed);
        if let Some((r, on)) = known.find(|(r, on)| is_so(r, on)) {
            let at = format!("{} of {} on {}", order.method, order.resource, order.node);
            let found = format!("n{} orders {at} while {r} is STOP_FAILED on {on}", node + 1);
            self.find("INV-04", found);
        }
    }

    /// Another machine that does something of that resource, or may.
    fn other_owner(&self, node: usize, resource: &ResourceName) -> Option<usize> {
        let runs = |n: &usize| {
            let machine = &self.machines[*n];
            machine.on && !machine.is_frozen(self.now) && machine.site.instance(resource).begun
        };
        self.nodes().into_iter().filter(|n| *n != node).find(runs)
    }

    /// A machine has gone on: what runs there may run elsewhere by now.
    pub(super) fn check_all_alone(&mut self) {
        for node in self.nodes() {
            let machine = &self.machines[node];
            if !machine.on || machine.is_frozen(self.now) {
                continue;
            }
            let begun = machine.site.instances.iter().filter(|(_, x)| x.begun).map(|(r, _)| r.clone());
            for resource in begun.collect::<Vec<_>>() {
                if let Some(other) = self.other_owner(node, &resource) {
                    let found = format!("{resource} runs on n{} and n{}", node + 1, other + 1);
                    return self.find("INV-01", found);
                }
            }
        }
    }

    // --- leases and deadlines ---

    /// The place of a node hangs on a lease: pmfd must kill what runs there before that can end.
    pub(super) fn check_place(&mut self, node: usize) {
        let place = self.keys.member(self.names[node].as_str());
        let lease = self.etcd.kvs.get(&place).map_or(0, |kv| kv.lease);
        let Some(lease) = self.etcd.leases.get(&lease).copied() else { return };
        let machine = &self.machines[node];
        let runs = machine.site.instances.values().any(|x| x.begun) || !machine.site.running.is_empty();
        if !machine.on || !runs || machine.pmfd.fired || self.is_agreed(node) {
            return;
        }
        let latest = self.plan.margin / 3 * MS;
        let fires = machine.pmfd.deadline.map(|deadline| machine.when(deadline) + latest);
        if fires.is_none_or(|fires| fires > lease.until) {
            let late = fires.map(|fires| (fires - lease.until) / MS);
            let found = format!("n{} is to be dead {late:?} ms after its lease may end", node + 1);
            self.find("LINE-4", found);
        }
    }

    /// The boot of the registration at the place of a node.
    pub(super) fn boot_at_place(&self, node: usize) -> Option<String> {
        let kv = self.etcd.kvs.get(&self.keys.member(self.names[node].as_str()))?;
        let registration: Option<Registration> = serde_json::from_slice(&kv.value).ok();
        registration.map(|registration| registration.boot)
    }

    /// A transaction was done: who may write that?
    pub(super) fn check_txn(&mut self, node: usize, life: u64, txn: &Txn, before: Option<&str>) {
        let place = self.keys.member(self.names[node].as_str());
        let puts = |key: &[u8]| txn.success.iter().any(|op| matches!(op, Op::Put { key: k, .. } if k == key));
        if puts(&place) {
            let machine = &self.machines[node];
            let here = self.is_life(node, life) && machine.on;
            if here && machine.pmfd.deadline.is_none() && !machine.pmfd.fired {
                return self.find("LINE-4", format!("n{} registers and its deadman is not armed", node + 1));
            }
            let now = self.boot_at_place(node);
            if before.is_some_and(|before| now.as_deref() != Some(before)) {
                let found =
                    format!("n{} takes the place of another boot, whose lease has not ended", node + 1);
                return self.find("LINE-6", found);
            }
            self.check_place(node);
        }
    }

    /// It stands for election.
    pub(super) fn check_stands(&mut self, node: usize, withdrawn: bool, txn: &Txn) {
        let president = self.keys.president();
        let stands = txn.success.iter().any(|op| matches!(op, Op::Put { key, .. } if *key == president));
        if stands && withdrawn {
            self.find("LINE-1", format!("n{} stands for election and is about to end", node + 1));
        }
    }

    /// The place is held for a daemon that is told to end.
    pub(super) fn note_parked(&mut self, node: usize) {
        let asked = self.ledger.park_asked.get(&node).copied().unwrap_or(0);
        let until = asked + super::membership::UPGRADE_WAIT.as_secs() * SECOND - self.plan.margin * MS;
        self.ledger.parked.insert(node, until - 100 * MS);
    }

    pub(super) fn note_fired(&mut self, node: usize) {
        if self.ledger.parked.get(&node).is_some_and(|until| *until > self.now) {
            let found = format!("the deadman of n{} fires while its place is held for an upgrade", node + 1);
            self.find("LINE-5", found);
        }
    }

    // --- presidents ---

    pub(super) fn check_epoch(&mut self, node: usize, epoch: u64) {
        if !self.ledger.epochs.insert(epoch) {
            self.find("INV-07", format!("n{} presides in epoch {epoch}, which had a president", node + 1));
        }
    }

    /// The president of that epoch is told what runs on a node.
    pub(super) fn note_report(&mut self, node: usize, epoch: u64) {
        let told = &mut self.machines[node].reported_to;
        *told = (*told).max(epoch);
    }

    /// An order is obeyed: not after a later president was told what runs here.
    pub(super) fn check_obeys(&mut self, node: usize, epoch: u64, message: &ToNode) {
        let told = self.machines[node].reported_to;
        if told > epoch && *message != ToNode::Report {
            let found = format!("n{} obeys epoch {epoch} and has reported to {told}", node + 1);
            self.find("INV-07", found);
        }
    }

    /// A change of the configuration was made.
    pub(super) fn check_commit(&mut self, node: usize, commit: &Commit) {
        let now = self.etcd.epoch(&self.keys);
        if now != commit.epoch {
            let found = format!("n{}, deposed president of epoch {}, has changed", node + 1, commit.epoch);
            return self.find("INV-07", format!("{found} the configuration; it is {now} now"));
        }
        for write in &commit.writes {
            let Write::Put(Entry::Resource(r)) = write else { continue };
            let colour = r.props.iter().find(|(name, _)| name.to_string() == "Colour");
            let Some(colour) = colour.and_then(|(_, v)| v.text()).map(str::to_owned) else { continue };
            let history = self.ledger.colours.entry(r.name.clone()).or_default();
            if history.last() == Some(&colour) {
                continue;
            }
            let was = history.contains(&colour);
            history.push(colour.clone());
            let name = r.name.clone();
            if was {
                return self.find("INV-05", format!("{name} is {colour} again: a later change is lost"));
            }
            if self.ledger.refused.contains(&colour) {
                return self.find("INV-05", format!("{name} is {colour}, and that was refused"));
            }
        }
    }

    /// A change is answered.
    pub(super) fn check_answer(&mut self, colour: &str, ok: bool) {
        let made = self.ledger.colours.values().any(|history| history.iter().any(|c| c == colour));
        if ok && !made {
            return self.find("INV-05", format!("{colour} was answered well and is not there"));
        }
        // What followed from a change that was made may have failed, and is told so.
        if !ok && !made {
            self.ledger.colour_refused(colour);
        }
    }

    /// The core's own predicates.
    pub(super) fn check_core(&mut self, node: usize, out: &Out) {
        let Some(president) = self.machines[node].rgmd.as_ref().and_then(|r| r.president.as_ref()) else {
            return;
        };
        let violations = president.core.violations();
        let broken = violations.iter().find(|v| !TRUTH_ALONE.contains(&v.rule));
        let broken = broken.map(|v| (v.rule.to_owned(), v.found.clone()));
        if let Some((rule, found)) = broken {
            return self.find(&rule, found);
        }
        if let Some(line) = out.log.iter().find(|line| line.cause.rule == FAULT) {
            let found = format!("the core gives up: {}", line.text);
            self.find("INV-08", found);
        }
    }

    // --- rest ---

    /// Everything has healed: is it at rest?
    pub(super) fn look_for_rest(&mut self, since: u64) {
        match self.unrest() {
            None => self.done = true,
            Some(why) if self.now > since + REST_MAX => {
                self.find("INV-08", format!("two minutes after everything has healed {why}"));
            }
            Some(_) => self.at(self.now + SECOND / 2, What::Look { since }),
        }
    }

    /// What is not yet as it should be.
    fn unrest(&mut self) -> Option<String> {
        for node in self.nodes() {
            if let Some(why) = self.is_away(node) {
                return Some(format!("n{} {why}", node + 1));
            }
        }
        let seated: Vec<usize> = self.nodes().into_iter().filter(|node| self.sits(*node)).collect();
        let [seat] = seated[..] else { return Some(format!("{} cores are at work", seated.len())) };
        if self.machines.iter().any(|m| !m.site.running.is_empty()) {
            return Some("methods run".to_owned());
        }
        if !self.ledger.opening.is_empty() {
            return Some(format!("{:?} is not answered", self.ledger.opening.front()));
        }
        let president = self.machines[seat].rgmd.as_ref().and_then(|r| r.president.as_ref())?;
        if president.epoch != u64::try_from(self.etcd.epoch(&self.keys)).unwrap_or(0) {
            return Some("a deposed president sits".to_owned());
        }
        let snapshot = president.core.snapshot();
        if let Some(node) = snapshot.nodes.iter().find(|n| !n.up) {
            return Some(format!("{} is not up for the president", node.name));
        }
        snapshot.groups.iter().find_map(|group| {
            let states: Vec<(NodeName, GroupState)> =
                group.nodes.iter().map(|at| (at.node.clone(), at.state)).collect();
            self.group_unrest(&group.name, &states)
        })
    }

    fn is_away(&self, node: usize) -> Option<&'static str> {
        let machine = &self.machines[node];
        let Some(rgmd) = &machine.rgmd else { return Some("has no rgmd") };
        let phase = rgmd.member.as_ref().map(|m| m.phase);
        let ready = |rgmd: &Rgmd| phase == Some(Phase::Following) && rgmd.ending == super::rgmd::Ending::No;
        if !machine.on || !ready(rgmd) || self.stands_until(node).is_some() {
            return Some("is no member");
        }
        (machine.pmfd.deadline.is_none()).then_some("is not watched by its deadman")
    }

    /// A group must be where the core believes it to be, and somewhere.
    fn group_unrest(&self, group: &GroupName, states: &[(NodeName, GroupState)]) -> Option<String> {
        let members: Vec<ResourceName> = self.etcd.repo.members(group).map(|r| r.name.clone()).collect();
        let mut online = 0;
        for (name, state) in states {
            let site = &self.machines[self.index(name)].site;
            let begun = members.iter().filter(|r| site.instance(r).begun).count();
            let believed = matches!(state, GroupState::Online | GroupState::OnlineFaulted);
            online += usize::from(believed);
            if believed && begun < members.len() {
                return Some(format!("{group} is believed to be online on {name}, and is not"));
            }
            if *state == GroupState::Offline && begun > 0 {
                return Some(format!("{group} is believed to be offline on {name}, and is not"));
            }
        }
        let may_be_off = self.plan.failures > 0;
        (online == 0 && !may_be_off).then(|| format!("{group} is left behind: {states:?}"))
    }
}
