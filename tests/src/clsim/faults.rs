//! What goes wrong, and how everything heals.

use super::plan::{Ask, Fault, Half, Spot};
use super::rgmd::{Ending, Main};
use super::world::{MS, SECOND, What, World};
use crate::sim::Chance;
use rgm_types::{Bring, Command, GroupName, NodeName, PropSet, ResourceName};

/// The state of links and of etcd.
#[derive(Debug, Default)]
pub struct Weather {
    /// Nothing gets from one to the other until then.
    cuts: Vec<(Spot, Spot, u64)>,
    pub away_until: u64,
    pub answers: bool,
    slow_until: u64,
    slow_by: u64,
    /// By node: until when watches tell so much later.
    lags: Vec<(usize, u64, u64)>,
    full_until: u64,
    /// Nothing more goes wrong until then.
    fair_until: u64,
    /// The next step of a president is cut off.
    pub half: Option<(Half, u64)>,
}

impl Weather {
    pub fn is_cut(&self, from: Spot, to: Spot, now: u64) -> bool {
        self.cuts.iter().any(|cut| cut.0 == from && cut.1 == to && cut.2 > now)
    }

    /// Nothing is wrong.
    fn is_fair(&self, now: u64) -> bool {
        let over = [self.away_until, self.slow_until, self.full_until].iter().all(|until| *until <= now);
        let still = self.cuts.iter().any(|cut| cut.2 > now) || self.lags.iter().any(|lag| lag.1 > now);
        over && !still && self.half.is_none()
    }

    pub fn is_full(&self, now: u64) -> bool {
        self.full_until > now
    }

    pub fn lag(&self, node: usize, now: u64) -> u64 {
        let now = |lag: &&(usize, u64, u64)| lag.0 == node && lag.1 > now;
        self.lags.iter().filter(now).map(|lag| lag.2).max().unwrap_or(0)
    }

    /// One way between a node and etcd.
    pub fn slowness(&self, now: u64, chance: &mut Chance) -> u64 {
        if self.slow_until > now {
            chance.below(usize::try_from(self.slow_by).unwrap_or(1)) as u64
        } else {
            0
        }
    }
}

impl World {
    pub(super) fn fault(&mut self, i: usize) {
        let Some((_, fault)) = self.plan.faults.get(i).cloned() else { return };
        let asks = matches!(fault, Fault::Ask(_) | Fault::GiveUp { .. });
        if self.calm || self.weather.fair_until > self.now && !asks {
            return;
        }
        self.tell(|| format!("== {fault:?}"));
        *self.stats.faults.entry(kind(&fault)).or_default() += 1;
        let now = self.now;
        match fault {
            Fault::Power { node, off } => self.power_off(node, off * MS),
            Fault::Freeze { node, span } => {
                let machine = &mut self.machines[node];
                machine.frozen_until = machine.frozen_until.max(now + span * MS);
                let until = machine.frozen_until;
                self.at(until, What::Thaw { node });
            }
            Fault::Pause { node, span } => {
                if let Some(rgmd) = &mut self.machines[node].rgmd {
                    rgmd.paused_until = rgmd.paused_until.max(now + span * MS);
                }
            }
            Fault::Kill { node, back } => self.end_life(node, back * MS),
            Fault::KillInStep { half, back } => self.weather.half = Some((half, back * MS)),
            // On a machine that stands still nobody kills anybody, and when it goes on pmfd comes first.
            Fault::KillPmfd { node } if self.machines[node].frozen_until >= now => {}
            Fault::KillPmfd { node } => self.kill_pmfd(node),
            Fault::Term { node, back } => {
                self.ledger.backs.insert(node, back * MS);
                self.main(node, Main::Terminate);
            }
            Fault::Cut { from, to, both, span } => self.cut(from, to, both, span),
            Fault::Split { side, etcd, span } => self.split(side, etcd, span),
            Fault::Alone { node, span } => {
                for other in self.nodes() {
                    self.cut(Spot::Node(node), Spot::Node(other), true, span);
                }
            }
            Fault::EtcdAway { answers, span } => {
                self.weather.away_until = self.weather.away_until.max(now + span * MS);
                self.weather.answers = answers;
                let until = self.weather.away_until;
                self.at(until, What::EtcdBack);
            }
            Fault::EtcdSlow { by, span } => {
                (self.weather.slow_by, self.weather.slow_until) = (by * MS, now + span * MS);
            }
            Fault::WatchLag { node, by, span } => {
                self.weather.lags.push((node, now + span * MS, by * MS));
            }
            Fault::EndLease { node } => self.end_lease(node),
            Fault::Full { span } => self.weather.full_until = now + span * MS,
            Fault::Wall { node, by } => self.machines[node].jump(by),
            Fault::Ask(ask) => self.ask_president(&ask),
            Fault::GiveUp { group } => self.give_up(group),
        }
    }

    fn cut(&mut self, from: Spot, to: Spot, both: bool, span: u64) {
        let until = self.now + span * MS;
        if from == to {
            return;
        }
        self.weather.cuts.push((from, to, until));
        if both {
            self.weather.cuts.push((to, from, until));
        }
    }

    /// A node whose lease ends too early knows it as soon as the others do, and nobody can know more
    /// unless it is reached. Against that and another fault at the same moment nothing helps.
    fn end_lease(&mut self, node: usize) {
        let fair = self.weather.is_fair(self.now) && self.nodes().into_iter().all(|node| self.is_well(node));
        let place = self.keys.member(self.names[node].as_str());
        let Some(lease) = self.etcd.kvs.get(&place).map(|kv| kv.lease).filter(|_| fair) else { return };
        self.tell(|| format!("etcd: the lease of n{} ends too early", node + 1));
        self.weather.fair_until = self.now + 2 * self.plan.ttl_s * SECOND;
        self.etcd.revoke(lease);
        self.tell_watchers();
    }

    /// Everything of a machine runs, and it is linked to all others.
    fn is_well(&self, node: usize) -> bool {
        let machine = &self.machines[node];
        let Some(rgmd) = &machine.rgmd else { return false };
        let stands = machine.frozen_until.max(rgmd.paused_until) > self.now;
        let mut others = self.nodes().into_iter().filter(|other| *other != node);
        machine.pmfd.up
            && !stands
            && rgmd.ending == Ending::No
            && others.all(|other| self.is_linked(node, other))
    }

    fn split(&mut self, side: u64, etcd: bool, span: u64) {
        let on_side = |node: usize| side >> node & 1 == 1;
        for a in self.nodes() {
            if on_side(a) != etcd {
                self.cut(Spot::Node(a), Spot::Etcd, true, span);
            }
            for b in (0..a).filter(|b| on_side(*b) != on_side(a)) {
                self.cut(Spot::Node(a), Spot::Node(b), true, span);
            }
        }
    }

    // --- what operators and services ask ---

    /// The groups, and everything in them.
    pub(super) fn open(&mut self) {
        for g in 0..self.plan.groups {
            let mut order: Vec<&str> = self.names.iter().map(NodeName::as_str).collect();
            order.rotate_left(g % self.names.len());
            let props = vec![set("Nodelist", &order.join(",")), set("Pingpong_interval", "0")];
            let mut commands = vec![Command::GroupCreate { name: format!("g{g}"), props }];
            for r in 0..=self.chance.below(2) {
                let type_name = ["plain", "net", "full", "late"][self.chance.below(4)].to_owned();
                let Ok(group) = GroupName::new(&format!("g{g}")) else { return };
                let name = format!("r{g}x{r}");
                let props = Vec::new();
                commands.push(Command::ResourceCreate { name, type_name, group, props, enable: true });
            }
            let Ok(group) = GroupName::new(&format!("g{g}")) else { return };
            commands.push(Command::Online { groups: vec![group], nodes: Vec::new(), with: Bring::ALL });
            self.ledger.opening.extend(commands);
        }
    }

    /// The next command of the opening, if a president takes it; until all were answered well.
    pub(super) fn go_on_opening(&mut self, node: usize) {
        if self.ledger.opening_under_way {
            return;
        }
        let Some(command) = self.ledger.opening.front().cloned() else { return };
        self.ledger.opening_under_way = true;
        let Some(life) = self.machines[node].rgmd.as_ref().map(|r| r.life) else { return };
        let at = self.now + 50 * MS;
        self.at(at, What::Main { node, life, main: Main::Asked(command, None) });
    }

    /// It is given again until it is done; where methods fail it may never be.
    pub(super) fn opening_answered(&mut self, command: &Command, ok: bool) {
        self.ledger.opening_under_way = false;
        let repo = &self.etcd.repo;
        let there = match command {
            Command::GroupCreate { name, .. } => repo.groups.contains_key(name.as_str()),
            Command::ResourceCreate { name, .. } => repo.resources.contains_key(name.as_str()),
            _ => ok || self.plan.failures > 0,
        };
        if there && self.ledger.opening.front() == Some(command) {
            self.ledger.opening.pop_front();
        }
    }

    fn ask_president(&mut self, ask: &Ask) {
        let seated: Vec<usize> = (0..self.machines.len()).filter(|node| self.sits(*node)).collect();
        let Some(to) = self.chance.pick(&seated).copied() else { return };
        let group = |g: usize| GroupName::new(&format!("g{g}")).into_iter().collect::<Vec<_>>();
        let (command, colour) = match ask {
            Ask::Switch { group: g, node } => {
                let nodes = vec![self.names[*node].clone()];
                (Command::Switch { groups: group(*g), nodes, with: Bring::default() }, None)
            }
            Ask::Restart { group: g } => (Command::Restart { groups: group(*g), nodes: Vec::new() }, None),
            Ask::Colour { group: g } => {
                let colour = format!("c{}", self.next());
                let Ok(name) = ResourceName::new(&format!("r{g}x0")) else { return };
                let props = vec![set("Colour", &colour)];
                (Command::ResourceSet { name, props }, Some(colour))
            }
            Ask::Evacuate { node } => {
                (Command::Evacuate { nodes: vec![self.names[*node].clone()], sticky_secs: 5 }, None)
            }
            Ask::Clear => (self.clear_all(), None),
        };
        self.main(to, Main::Asked(command, colour));
    }

    /// Somebody has seen to every stop that failed, and says so.
    pub(super) fn clear_all(&mut self) -> Command {
        for machine in &mut self.machines {
            machine.site.instances.retain(|_, instance| !instance.stop_failed);
        }
        let resources = self.etcd.repo.resources.keys().cloned().collect();
        Command::ClearStopFailed { resources, nodes: self.names.clone() }
    }

    fn give_up(&mut self, g: usize) {
        let Ok(resource) = ResourceName::new(&format!("r{g}x0")) else { return };
        for node in self.nodes() {
            if self.machines[node].site.instance(&resource).up && self.runs(node) {
                let seq = self.next();
                let word = rgm_cluster::FromNode::Exceeded {
                    seq,
                    tag: format!("{resource}.svc"),
                    resource: resource.clone(),
                };
                self.main(node, Main::Word(word));
            }
        }
    }

    // --- healing ---

    pub(super) fn heal(&mut self) {
        self.tell(|| "== everything heals".to_owned());
        self.calm = true;
        let now = self.now;
        self.weather.cuts.clear();
        self.weather.lags.clear();
        self.weather.half = None;
        (self.weather.slow_until, self.weather.full_until) = (now, now);
        if self.weather.away_until > now {
            self.weather.away_until = now;
            self.etcd_back();
        }
        self.weather.away_until = now;
        self.at(now + SECOND, What::Look { since: now });
    }
}

pub(super) fn set(name: &str, value: &str) -> PropSet {
    PropSet {
        name: name.to_owned(),
        class: Default::default(),
        nodes: Vec::new(),
        op: Default::default(),
        value: value.to_owned(),
    }
}

fn kind(fault: &Fault) -> &'static str {
    match fault {
        Fault::Power { .. } => "power cuts",
        Fault::Freeze { .. } => "machines frozen",
        Fault::Pause { .. } => "rgmds stopped",
        Fault::Kill { .. } => "rgmds killed",
        Fault::KillInStep { .. } => "rgmds killed within a step",
        Fault::KillPmfd { .. } => "pmfds killed",
        Fault::Term { .. } => "upgrades",
        Fault::Cut { both: true, .. } => "links cut",
        Fault::Cut { .. } => "links cut one way",
        Fault::Split { .. } => "partitions",
        Fault::Alone { .. } => "nodes alone with etcd",
        Fault::EtcdAway { .. } => "etcd without a leader",
        Fault::EtcdSlow { .. } => "etcd slow",
        Fault::WatchLag { .. } => "watches late",
        Fault::EndLease { .. } => "leases to end too early where all else is well",
        Fault::Full { .. } => "etcd full",
        Fault::Wall { .. } => "wall clocks set",
        Fault::Ask(_) => "commands",
        Fault::GiveUp { .. } => "services given up",
    }
}
