//! The world: one event after the other, and the rules after each.

use super::site::{Repo, SimNode};
use super::{Chance, plot};
use rgm_core::{Action, Ending, Event, MethodResult, NodeReport, Out, RequestId, Rgm, Token};
use rgm_types::{Clock, Command, Entry, GroupState, Millis, NodeName, ResourceName};
use std::collections::{BTreeMap, VecDeque};

/// Events kept for the report of a failure.
const STORY_MAX: usize = 60;

/// Steps within which a healed world must have come to rest.
const HEALING_MAX: usize = 20_000;

/// A rule that did not hold.
#[derive(Debug)]
pub struct Failure {
    /// The seed to run again.
    pub seed: u64,
    /// At which step.
    pub step: usize,
    /// What was found.
    pub found: String,
    /// The last events.
    pub story: Vec<String>,
}

/// What a run saw.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    /// Events the core took.
    pub steps: usize,
    /// Methods that ran.
    pub methods: usize,
    /// Daemons and nodes killed.
    pub crashes: usize,
    /// Requests answered.
    pub answers: usize,
}

pub(super) struct World {
    seed: u64,
    chance: Chance,
    core: Rgm,
    clock: Clock,
    pub(super) repo: Repo,
    pub(super) nodes: BTreeMap<NodeName, SimNode>,
    names: Vec<NodeName>,
    open: BTreeMap<RequestId, Command>,
    next_request: u64,
    todo: VecDeque<Event>,
    story: VecDeque<String>,
    pub(super) stats: Stats,
    calm: bool,
}

/// One run of `steps` events of chance, then healing until everything is at rest.
pub fn run(seed: u64, steps: usize) -> Result<Stats, Box<Failure>> {
    let mut world = World::new(seed);
    world.play(steps).and_then(|()| world.heal()).map_err(|found| {
        Box::new(Failure {
            seed,
            step: world.stats.steps,
            found,
            story: world.story.iter().cloned().collect(),
        })
    })?;
    Ok(world.stats)
}

impl World {
    fn new(seed: u64) -> Self {
        let mut chance = Chance::new(seed);
        let names: Vec<NodeName> =
            (1..=1 + chance.below(3)).filter_map(|i| NodeName::new(&format!("n{i}")).ok()).collect();
        let mut repo = Repo::default();
        repo.commit(&Rgm::genesis("sim", &names));
        let nodes = names.iter().map(|n| (n.clone(), SimNode { up: true, ..SimNode::default() })).collect();
        let clock = Clock { boot: Millis(1_000_000), wall: Millis(1_700_000_000_000) };
        Self {
            seed,
            chance,
            core: Rgm::default(),
            clock,
            repo,
            nodes,
            names,
            open: BTreeMap::new(),
            next_request: 1,
            todo: VecDeque::new(),
            story: VecDeque::new(),
            stats: Stats::default(),
            calm: false,
        }
    }

    fn play(&mut self, steps: usize) -> Result<(), String> {
        self.load(true)?;
        for command in plot::opening(&mut self.chance, &self.names.clone()) {
            self.ask(command)?;
            self.settle_calmly()?;
        }
        self.calm = false;
        for _ in 0..steps {
            self.something()?;
        }
        Ok(())
    }

    /// Loads the core from the repository and the nodes' journals.
    fn load(&mut self, fresh: bool) -> Result<(), String> {
        let entries: Vec<Entry> = self.repo.entries.values().cloned().collect();
        let first = Token(self.clock.boot.0 << 10);
        self.core = Rgm::load(entries, self.repo.generation, first).map_err(|e| e.to_string())?;
        self.open.clear();
        self.todo.clear();
        self.nodes.values_mut().for_each(|n| n.aborting = false);
        let up = self.nodes.iter().filter(|(_, n)| n.up);
        let report = |(name, n): (&NodeName, &SimNode)| NodeReport {
            node: name.clone(),
            fresh,
            cells: n.journal.iter().map(|(r, c)| (r.clone(), c.clone())).collect(),
        };
        let nodes: Vec<NodeReport> = up.map(report).collect();
        self.step(Event::Formed { nodes })
    }

    fn something(&mut self) -> Result<(), String> {
        self.clock.boot.0 += 1 + self.chance.below(2_000) as u64;
        self.clock.wall.0 += 1 + self.chance.below(2_000) as u64;
        match self.chance.below(100) {
            0..12 => {
                let names = self.names.clone();
                match plot::command(&mut self.chance, &self.core, &names) {
                    Some(command) => self.ask(command),
                    None => Ok(()),
                }
            }
            12..14 => self.kill_daemon(),
            14..16 => self.toggle_node(),
            16..18 => self.give_up_a_process(),
            18..20 => self.step(Event::Tick),
            20..22 => self.end_aborts(),
            22..24 => {
                self.clock.wall.0 =
                    self.clock.wall.0.saturating_add_signed([-30_000, 90_000][self.chance.below(2)]);
                Ok(())
            }
            _ => self.end_a_method(),
        }
    }

    fn ask(&mut self, command: Command) -> Result<(), String> {
        let from = self.chance.pick(&self.names).cloned().ok_or("no node")?;
        let id = RequestId(self.next_request);
        self.next_request += 1;
        if self.chance.percent(20) {
            // A dry run must leave no trace.
            let before = self.core.snapshot();
            drop(self.core.dry_run(self.clock, &from, &command));
            if self.core.snapshot() != before {
                return Err(format!("a dry run of {command:?} changed something"));
            }
        }
        if let Command::ClearStopFailed { resources, .. } = &command {
            self.kill_what_failed_to_stop(resources);
        }
        self.open.insert(id, command.clone());
        self.step(Event::Request { id, from, command })
    }

    /// An operator who clears STOP_FAILED has seen to it that nothing runs any more.
    fn kill_what_failed_to_stop(&mut self, resources: &[ResourceName]) {
        for r in self.core.snapshot().resources.iter().filter(|r| resources.contains(&r.name)) {
            for on in r.nodes.iter().filter(|n| n.state == rgm_types::ResourceState::StopFailed) {
                if let Some(node) = self.nodes.get_mut(&on.node) {
                    node.alive.remove(&r.name);
                    node.serving.remove(&r.name);
                }
            }
        }
    }

    /// One event into the core, and everything it says carried out.
    fn step(&mut self, event: Event) -> Result<(), String> {
        self.todo.push_back(event);
        while let Some(event) = self.todo.pop_front() {
            self.tell(format!("{event:?}"));
            self.stats.steps += 1;
            let out = self.core.step(self.clock, &event);
            if let Some(violation) = self.core.violations().first() {
                return Err(format!("{}: {}", violation.rule, violation.found));
            }
            if !self.perform(out)? {
                return Ok(());
            }
        }
        Ok(())
    }

    fn tell(&mut self, what: String) {
        self.story.push_back(what);
        if self.story.len() > STORY_MAX {
            self.story.pop_front();
        }
    }

    /// Carries an `Out` out, in its order; the daemon may be killed between any two parts of it.
    /// False: it was, or had to load anew, and the rest of what was to be done is void.
    fn perform(&mut self, out: Out) -> Result<bool, String> {
        let cut = if !self.calm && self.chance.percent(2) { self.chance.below(3) } else { usize::MAX };
        if !out.writes.is_empty() {
            if out.required && !self.calm && self.chance.percent(3) {
                self.tell("the commit fails".to_string());
                self.reload_after_refusal()?;
                return Ok(false);
            }
            self.repo.commit(&out.writes);
        }
        if cut == 0 {
            return self.kill_daemon().map(|()| false);
        }
        for (node, r, cell) in out.records {
            let journal = &mut self.nodes.get_mut(&node).ok_or("a record for an unknown node")?.journal;
            match cell {
                Some(cell) => drop(journal.insert(r, cell)),
                None => drop(journal.remove(&r)),
            }
        }
        if cut == 1 {
            return self.kill_daemon().map(|()| false);
        }
        for action in out.actions {
            self.act(action)?;
        }
        if cut == 2 {
            return self.kill_daemon().map(|()| false);
        }
        for (id, answer) in out.replies {
            self.stats.answers += 1;
            self.tell(format!("{id:?} is answered: {answer:?}"));
            if self.open.remove(&id).is_none() {
                return Err(format!("{id:?} was answered twice, or never asked"));
            }
        }
        Ok(true)
    }

    fn act(&mut self, action: Action) -> Result<(), String> {
        self.tell(format!("  {action:?}"));
        match action {
            Action::Run(order) => self.begin(order),
            Action::Kill { node, token } => {
                let running = self.nodes.get(&node).is_some_and(|n| n.flights.contains_key(&token));
                if running && self.chance.percent(80) {
                    self.end(&node, token, Ending::Killed);
                }
                Ok(())
            }
            Action::AbortNode { node, .. } => {
                self.nodes.get_mut(&node).ok_or("an unknown node is aborted")?.aborting = true;
                Ok(())
            }
        }
    }

    fn end_a_method(&mut self) -> Result<(), String> {
        let flying: Vec<(NodeName, Token)> = self.flying();
        let Some((node, token)) = self.chance.pick(&flying).cloned() else { return Ok(()) };
        let ending = match self.chance.below(if self.calm { 70 } else { 100 }) {
            0..88 => Ending::Exited(0),
            88..94 => Ending::Exited(1),
            94..97 => Ending::TimedOut,
            97..99 => Ending::Signalled(11),
            _ => Ending::NotStarted,
        };
        self.end(&node, token, ending);
        if self.chance.percent(5)
            && let Some(event) = self.todo.back().cloned()
        {
            self.todo.push_back(event);
        }
        self.drain()
    }

    fn drain(&mut self) -> Result<(), String> {
        match self.todo.pop_front() {
            Some(event) => self.step_first(event),
            None => Ok(()),
        }
    }

    fn step_first(&mut self, event: Event) -> Result<(), String> {
        let rest: Vec<Event> = self.todo.drain(..).collect();
        self.step(event)?;
        rest.into_iter().try_for_each(|e| self.step(e))
    }

    fn flying(&self) -> Vec<(NodeName, Token)> {
        self.nodes.iter().flat_map(|(n, s)| s.flights.keys().map(|t| (n.clone(), *t))).collect()
    }

    /// A method ends; the core hears of it next.
    fn end(&mut self, name: &NodeName, token: Token, ending: Ending) {
        let Some(order) = self.nodes.get_mut(name).and_then(|n| n.flights.remove(&token)) else { return };
        let has_stop = self.has_stop(&order);
        if let Some(node) = self.nodes.get_mut(name) {
            node.method_ended(&order, ending == Ending::Exited(0), has_stop);
        }
        let result = MethodResult { ending, used: Millis(1), output: vec!["line".to_string()] };
        self.todo.push_back(Event::MethodEnded { node: name.clone(), token, result });
    }

    /// kill -9 of the daemon: its methods die or had just ended, its requests are never answered.
    fn kill_daemon(&mut self) -> Result<(), String> {
        self.tell("the daemon is killed".to_string());
        self.stats.crashes += 1;
        let mut ended = BTreeMap::new();
        for (name, token) in self.flying() {
            if self.chance.percent(40) {
                let ending = if self.chance.percent(80) { Ending::Exited(0) } else { Ending::Exited(1) };
                self.todo.clear();
                self.end(&name, token, ending);
                if let Some(Event::MethodEnded { result, .. }) = self.todo.pop_back() {
                    ended.insert(token, result);
                }
            }
        }
        self.nodes.values_mut().for_each(|n| n.flights.clear());
        self.load(false)?;
        self.report_flights(&ended)
    }

    /// After a load: the end of every method the journals know as under way.
    fn report_flights(&mut self, ended: &BTreeMap<Token, MethodResult>) -> Result<(), String> {
        let lost = MethodResult { ending: Ending::Lost, used: Millis(0), output: Vec::new() };
        let flight = |(name, n): (&NodeName, &SimNode)| -> Vec<(NodeName, Token)> {
            n.journal.values().filter_map(|c| Some((name.clone(), c.flight.as_ref()?.token))).collect()
        };
        let old: Vec<(NodeName, Token)> = self.nodes.iter().filter(|(_, n)| n.up).flat_map(flight).collect();
        for (node, token) in old {
            let still = self.nodes.get(&node).is_some_and(|n| n.flights.contains_key(&token));
            let known = self.nodes.get(&node).is_some_and(|n| {
                n.journal.values().any(|c| c.flight.as_ref().is_some_and(|f| f.token == token))
            });
            if !still && known {
                let result = ended.get(&token).unwrap_or(&lost).clone();
                self.step(Event::MethodEnded { node, token, result })?;
            }
        }
        Ok(())
    }

    /// A commit was refused: the core is loaded anew, while the nodes' methods go on.
    fn reload_after_refusal(&mut self) -> Result<(), String> {
        self.load(false)?;
        self.report_flights(&BTreeMap::new())
    }

    /// A node loses its power, or comes back.
    fn toggle_node(&mut self) -> Result<(), String> {
        let Some(name) = self.chance.pick(&self.names).cloned() else { return Ok(()) };
        self.stats.crashes += 1;
        let up = self.nodes.get(&name).is_some_and(|n| n.up);
        if up { self.lose(&name) } else { self.bring_back(&name) }
    }

    fn lose(&mut self, name: &NodeName) -> Result<(), String> {
        if let Some(n) = self.nodes.get_mut(name) {
            n.power_off();
        }
        self.step(Event::NodeDown { node: name.clone() })
    }

    fn bring_back(&mut self, name: &NodeName) -> Result<(), String> {
        if let Some(n) = self.nodes.get_mut(name) {
            n.up = true;
        }
        self.step(Event::NodeUp(NodeReport { node: name.clone(), fresh: true, cells: Vec::new() }))
    }

    fn end_aborts(&mut self) -> Result<(), String> {
        let dying: Vec<NodeName> =
            self.nodes.iter().filter(|(_, n)| n.aborting).map(|(name, _)| name.clone()).collect();
        for name in dying {
            self.lose(&name)?;
            if self.chance.percent(70) {
                self.bring_back(&name)?;
            }
        }
        Ok(())
    }

    fn give_up_a_process(&mut self) -> Result<(), String> {
        let Some(resource) = plot::any_resource(&mut self.chance, &self.core) else { return Ok(()) };
        let Some(node) = self.chance.pick(&self.names).cloned() else { return Ok(()) };
        let tag = format!("{resource}.svc");
        self.step(Event::PmfExceeded { node, resource, tag })
    }

    /// The world heals: no more faults, every method succeeds, every node is up. Everything asked
    /// must be answered, and everything that should be online must be.
    fn heal(&mut self) -> Result<(), String> {
        self.tell("the world heals".to_string());
        self.end_aborts()?;
        let down: Vec<NodeName> =
            self.nodes.iter().filter(|(_, n)| !n.up).map(|(name, _)| name.clone()).collect();
        down.iter().try_for_each(|n| self.bring_back(n))?;
        self.settle_calmly()?;
        if let Some((id, command)) = self.open.first_key_value() {
            return Err(format!("INV-08: {id:?} was never answered: {command:?}"));
        }
        self.check_online()
    }

    /// Everything under way ends well.
    fn settle_calmly(&mut self) -> Result<(), String> {
        self.calm = true;
        for _ in 0..HEALING_MAX {
            if self.flying().is_empty() && self.nodes.values().all(|n| !n.aborting) {
                return Ok(());
            }
            self.end_aborts()?;
            self.end_a_method()?;
        }
        Err("INV-08: the world does not come to rest".to_string())
    }

    fn check_online(&self) -> Result<(), String> {
        let snapshot = self.core.snapshot();
        for group in snapshot.groups.iter().filter(|g| g.managed) {
            let moving = |s: GroupState| matches!(s, GroupState::PendingOnline | GroupState::PendingOffline);
            if let Some(n) = group.nodes.iter().find(|n| moving(n.state)) {
                return Err(format!("INV-08: group {} stays {} on {}", group.name, n.state, n.node));
            }
            let key = rgm_types::Key::Run(group.name.clone());
            let run = match self.repo.entries.get(&key) {
                Some(Entry::Run(_, run)) => run.clone(),
                _ => Default::default(),
            };
            let excused = group.suspended || run.hold.is_some() || !run.stop_failed.is_empty();
            let online =
                group.nodes.iter().any(|n| matches!(n.state, GroupState::Online | GroupState::OnlineFaulted));
            if !excused && !online {
                return Err(format!(
                    "group {} is nowhere and nothing holds it: {run:?} (seed {})",
                    group.name, self.seed
                ));
            }
        }
        Ok(())
    }
}
