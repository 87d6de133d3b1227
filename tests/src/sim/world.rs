//! The world: one step after the other, and the rules after each.

use super::memory::Memory;
use super::repo::Repo;
use super::schedule::{Cut, Schedule, Step};
use super::site::{Instance, Message, Site};
use super::stats::Stats;
use rgm_core::{Action, Ending, Event, NodeReport, Out, RequestId, Rgm, Token};
use rgm_types::{Clock, Command, Method, Millis, NodeName, ResourceName};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

/// Events kept for the report of a failure.
const STORY_MAX: usize = 400;

/// Cells (resources times nodes) up to which every rule is checked after every event; of larger
/// worlds it is every few events, for they would be seen by their rules alone.
const CELLS_SMALL: usize = 200;

/// Of these the truth is the only judge. After a change of the president a journal may still tell of
/// a stop as under way whose end was followed by a start elsewhere; and a start that is under way when
/// a dependency is added began rightly without it. `order_rules` looks when a method is ordered.
const TRUTH_ALONE: [&str; 2] = ["INV-01", "INV-03"];

/// The rule by which the core says that it can not go on.
const FAULT: &str = "a fault of the manager";

/// Between two lives of the core, so that no token comes twice.
const TOKENS_A_LIFE: u64 = 1 << 24;

/// A rule that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its id.
    pub rule: String,
    /// What was found.
    pub found: String,
}

pub(super) fn finding<T>(rule: &str, found: impl Into<String>) -> Result<T, Finding> {
    Err(Finding { rule: rule.to_string(), found: found.into() })
}

/// What the core waits for: a method of a cell.
#[derive(Debug, Clone)]
pub(super) struct Awaited {
    pub(super) node: NodeName,
    pub(super) resource: ResourceName,
    pub(super) method: Method,
    pub(super) deadline: Millis,
}

/// Makes every core of a world defective.
#[derive(Clone)]
pub struct Sabotage(Arc<dyn Fn(&mut Rgm) + Send + Sync>);

impl Sabotage {
    /// By this.
    pub fn new(how: impl Fn(&mut Rgm) + Send + Sync + 'static) -> Self {
        Self(Arc::new(how))
    }
}

impl std::fmt::Debug for Sabotage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sabotage")
    }
}

/// How the core's life ends early.
#[derive(Debug, Clone, Copy)]
enum Doom {
    Killed(Cut, u64),
    Deposed(Cut),
}

/// A cluster, its president, and everything around it.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(super) core: Rgm,
    pub(super) clock: Clock,
    pub(super) repo: Repo,
    pub(super) sites: BTreeMap<NodeName, Site>,
    pub(super) memory: Memory,
    pub(super) open: BTreeMap<RequestId, Command>,
    pub(super) awaited: BTreeMap<Token, Awaited>,
    pub(super) stats: Stats,
    pub(super) calm: bool,
    /// Tokens of the methods that began in this step.
    pub(super) begun: Vec<Token>,
    pub(super) todo: VecDeque<Event>,
    pub(super) late: VecDeque<Event>,
    pub(super) closing: Option<RequestId>,
    pub(super) next_token: u64,
    doom: Option<Doom>,
    refuse: bool,
    requests: u64,
    story: VecDeque<String>,
    telling: bool,
    still: bool,
    sabotage: Option<Sabotage>,
}

impl World {
    /// A cluster that has just formed, with nothing configured but these types of the cast, and
    /// perhaps with a defective core.
    pub fn with_types(nodes: usize, types: &[&str], sabotage: Option<Sabotage>) -> Result<Self, Finding> {
        let names: Vec<NodeName> =
            (1..=nodes.max(1)).filter_map(|i| NodeName::new(&format!("n{i}")).ok()).collect();
        let mut repo = Repo::default();
        repo.commit(&Rgm::genesis("sim", &names));
        repo.commit(&super::cast::types(types).into_iter().map(rgm_types::Write::Put).collect::<Vec<_>>());
        let site = |n: &NodeName| {
            let mut site = Site::default();
            site.boot();
            (n.clone(), site)
        };
        let clock = Clock { boot: Millis(1_000_000), wall: Millis(1_700_000_000_000) };
        let sites = names.iter().map(site).collect();
        let mut world = Self { clock, repo, sites, sabotage, ..Self::default() };
        world.load()?;
        Ok(world)
    }

    /// Plays a schedule from its beginning, perhaps with a defective core.
    pub fn play(schedule: &Schedule, sabotage: Option<Sabotage>) -> (Self, Result<(), Finding>) {
        let mut world = match Self::with_types(schedule.heading.nodes, &super::cast::NAMES, sabotage) {
            Ok(world) => world,
            Err(found) => return (Self::default(), Err(found)),
        };
        world.telling = true;
        let result = schedule.steps.iter().try_for_each(|step| world.take(step));
        (world, result)
    }

    /// Time stands still, for those who compare states.
    pub fn stop_clock(&mut self) {
        self.still = true;
    }

    /// Everything a next step depends on, as text.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        // A string takes everything.
        let _ = self.core.digest(&mut text);
        let (sites, memory) = (&self.sites, &self.memory);
        text.push_str(&format!("{sites:?}{memory:?}{:?}{:?}", self.open.values(), self.late));
        text
    }

    /// The core, to look at.
    pub fn core(&self) -> &Rgm {
        &self.core
    }

    /// What happened last, for a reader.
    pub fn story(&self) -> Vec<String> {
        self.story.iter().cloned().collect()
    }

    /// One thing happens, and what follows from it at once.
    pub fn take(&mut self, step: &Step) -> Result<(), Finding> {
        self.tell(|| format!("== {step:?}"));
        self.stats.saw(step);
        if !self.still {
            self.clock.boot.0 += 1;
            self.clock.wall.0 += 1;
        }
        match step {
            Step::Ask { from, command } => self.ask(from, command),
            Step::DryRun { from, command } => self.dry_run(from, command),
            Step::End { node, resource, method, ending, heard } => {
                self.end_named(node, resource, *method, *ending, *heard)
            }
            Step::Calm => self.calm_down().and_then(|()| self.check_quiet()),
            Step::Hear => self.hear(),
            Step::Hold { node } => self.hold(node),
            Step::Release { node, lost } => self.release(node, *lost),
            Step::Crash { node } => self.crash(node),
            Step::Join { node } => self.join(node),
            Step::Report { node } => self.report_again(node),
            Step::Aborted { back } => self.end_aborts(*back),
            Step::KillDaemons { luck } => self.kill_daemons(*luck),
            Step::President => self.change_president(),
            Step::Blackout => self.blackout(),
            Step::Cut { at, luck } => self.arm(Doom::Killed(*at, *luck)),
            Step::Depose { at } => self.arm(Doom::Deposed(*at)),
            Step::RefuseCommit => {
                self.refuse = true;
                Ok(())
            }
            Step::Pass { boot, jump } => self.pass(*boot, *jump),
            Step::PmfExceeded { node, resource } => self.give_up_process(node, resource),
            Step::ShutDown => self.shut_down(),
            Step::Heal => self.heal(),
        }
    }

    fn arm(&mut self, doom: Doom) -> Result<(), Finding> {
        self.doom = Some(doom);
        Ok(())
    }

    /// No fault is due any more.
    pub(super) fn disarm(&mut self) {
        self.doom = None;
        self.refuse = false;
    }

    fn ask(&mut self, from: &NodeName, command: &Command) -> Result<(), Finding> {
        if !self.sites.get(from).is_some_and(|s| s.up) {
            return Ok(());
        }
        self.vouch(command);
        let id = self.request();
        self.open.insert(id, command.clone());
        self.event(Event::Request { id, from: from.clone(), command: command.clone() })
    }

    pub(super) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn dry_run(&mut self, from: &NodeName, command: &Command) -> Result<(), Finding> {
        let before = self.core.snapshot();
        drop(self.core.dry_run(self.clock, from, command));
        if self.core.snapshot() == before {
            return Ok(());
        }
        finding("INV-05", format!("a dry run of {command:?} changed something"))
    }

    /// An operator who clears STOP_FAILED has seen to it that nothing of it runs any more.
    fn vouch(&mut self, command: &Command) {
        if let Command::Batch { commands } = command {
            commands.iter().for_each(|c| self.vouch(c));
        }
        let Command::ClearStopFailed { resources, nodes } = command else { return };
        for node in nodes {
            let Some(site) = self.sites.get_mut(node) else { continue };
            for r in resources {
                if site.instance(r).stop_failed {
                    let gone = Instance { stop_failed: true, ..Instance::default() };
                    site.instances.insert(r.clone(), gone);
                    let place = (r.clone(), node.clone());
                    self.memory.update_due.remove(&place);
                    self.memory.restart_due.remove(&place);
                    self.memory.vouched.insert(place);
                }
            }
        }
    }

    // --- the core ---

    /// Loads the core from the repository and the nodes' journals.
    pub(super) fn load(&mut self) -> Result<(), Finding> {
        self.next_token += TOKENS_A_LIFE;
        let loaded = Rgm::load(self.repo.entries(), self.repo.generation, Token(self.next_token));
        self.core = match loaded {
            Ok(core) => core,
            Err(error) => return finding("INV-05", error.to_string()),
        };
        if let Some(Sabotage(how)) = &self.sabotage {
            how(&mut self.core);
        }
        self.open.clear();
        self.todo.clear();
        self.late.clear();
        self.closing = None;
        self.memory.new_president();
        self.memory.recount(&self.sites);
        self.memory.recall_failed_stops(&mut self.sites);
        self.awaited = self.sites.iter().filter(|(_, s)| s.up).flat_map(|(n, s)| flights(n, s)).collect();
        self.memory.all_boot(&self.repo, &self.sites);
        let up = self.sites.iter().filter(|(_, s)| s.up);
        let nodes = up.map(|(name, s)| report(name, s)).collect();
        self.event(Event::Formed { nodes })?;
        let names: Vec<NodeName> = self.sites.keys().cloned().collect();
        names.iter().try_for_each(|n| self.report_flights(n))
    }

    /// After a report: the end of every method that the node's journal knows as under way.
    pub(super) fn report_flights(&mut self, node: &NodeName) -> Result<(), Finding> {
        let Some(site) = self.sites.get(node).filter(|s| s.up) else { return Ok(()) };
        for token in site.flights() {
            let Some(site) = self.sites.get(node) else { continue };
            if site.running.contains_key(&token) || !site.flights().contains(&token) {
                continue;
            }
            let result = site.results.get(&token).cloned().unwrap_or_else(|| result(Ending::Lost));
            self.event(Event::MethodEnded { node: node.clone(), token, result })?;
        }
        Ok(())
    }

    /// One event into the core, everything it says carried out, and what follows at once.
    pub(super) fn event(&mut self, event: Event) -> Result<(), Finding> {
        self.todo.push_back(event);
        while let Some(event) = self.todo.pop_front() {
            self.tell(|| format!("{event:?}"));
            self.stats.steps += 1;
            let out = self.core.step(self.clock, &event);
            for line in &out.log {
                self.tell(|| format!("  {}: {}", line.text, line.cause.rule));
            }
            for write in &out.writes {
                self.tell(|| format!("  {write:?}"));
            }
            let small = self.repo.resources.len() * self.sites.len() <= CELLS_SMALL;
            if (small || self.stats.steps.is_multiple_of(64))
                && let Some(violation) =
                    self.core.violations().iter().find(|v| !TRUTH_ALONE.contains(&v.rule))
            {
                return finding(violation.rule, violation.found.clone());
            }
            if let Some(line) = out.log.iter().find(|l| l.cause.rule == FAULT) {
                return finding("INV-08", format!("the core gives up: {}", line.text));
            }
            if small {
                self.stats.digest(&self.core);
            }
            if !self.carry_out(&event, out)? {
                return Ok(());
            }
        }
        Ok(())
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> String) {
        if !self.telling {
            return;
        }
        self.story.push_back(what());
        if self.story.len() > STORY_MAX {
            self.story.pop_front();
        }
    }

    /// Carries an `Out` out, in its order. False: the core's life ended on the way, and the rest of
    /// what was to be done is void.
    fn carry_out(&mut self, event: &Event, out: Out) -> Result<bool, Finding> {
        let doom = if self.calm { None } else { self.doom.take() };
        let at = |cut: Cut| matches!(doom, Some(Doom::Killed(at, _) | Doom::Deposed(at)) if at == cut);
        if at(Cut::Commit) {
            return self.meet(doom);
        }
        if !out.writes.is_empty() && out.required && std::mem::take(&mut self.refuse) {
            self.tell(|| "the commit is refused".to_string());
            return self.change_president().map(|()| false);
        }
        self.check_refusals(event, &out)?;
        self.learn(event, &out);
        let placed = self.check_decisions(event, &out)?;
        if !out.writes.is_empty() {
            self.note_changes(&out.writes);
            self.repo.commit(&out.writes);
        }
        self.check_placed(&placed)?;
        if at(Cut::Records) {
            return self.meet(doom);
        }
        for (node, r, cell) in out.records {
            self.note_record(&node, &r, cell.as_ref());
            self.send(&node, Message::Record(r, cell))?;
        }
        self.welcome(event)?;
        if at(Cut::Actions) {
            return self.meet(doom);
        }
        self.begun.clear();
        for action in out.actions {
            self.act(action)?;
        }
        self.check_begun()?;
        if at(Cut::Replies) {
            return self.meet(doom);
        }
        for (id, answer) in out.replies {
            self.stats.answers += 1;
            self.tell(|| format!("{id:?} is answered: {answer:?}"));
            if Some(id) == self.closing {
                continue;
            }
            let Some(command) = self.open.remove(&id) else {
                return finding("INV-08", format!("{id:?} was answered twice, or never asked"));
            };
            self.check_answer(&command, &answer)?;
        }
        Ok(true)
    }

    /// Nodes that have just reported learn that it was heard.
    fn welcome(&mut self, event: &Event) -> Result<(), Finding> {
        let reports = match event {
            Event::Formed { nodes } => nodes.as_slice(),
            Event::NodeUp(report) => std::slice::from_ref(report),
            Event::NodeDown { .. }
            | Event::Request { .. }
            | Event::MethodEnded { .. }
            | Event::PmfExceeded { .. }
            | Event::Shutdown { .. }
            | Event::Tick => &[],
        };
        reports.iter().try_for_each(|r| self.send(&r.node, Message::Welcome))
    }

    fn meet(&mut self, doom: Option<Doom>) -> Result<bool, Finding> {
        match doom {
            Some(Doom::Killed(_, luck)) => self.kill_daemons(luck)?,
            Some(Doom::Deposed(_)) => self.change_president()?,
            None => {}
        }
        Ok(false)
    }

    fn act(&mut self, action: Action) -> Result<(), Finding> {
        self.tell(|| format!("  {action:?}"));
        match action {
            Action::Run(order) => {
                self.check_order(&order)?;
                self.memory.note_order(&order, self.clock.boot);
                let until = self.clock.boot.after(order.timeout);
                self.send(&order.node.clone(), Message::Run(order, until))
            }
            Action::Kill { node, token } => self.send(&node, Message::Kill(token)),
            Action::AbortNode { node, .. } => match self.sites.get_mut(&node) {
                Some(site) => {
                    site.aborting = true;
                    self.memory.aborted.insert(node);
                    Ok(())
                }
                None => finding("INV-09", format!("{node}, which is unknown, is aborted")),
            },
        }
    }

    /// Nodes that are members, as a list.
    pub fn members(&self) -> Vec<NodeName> {
        self.up_nodes().into_iter().collect()
    }

    /// Nodes that are members.
    pub(super) fn up_nodes(&self) -> BTreeSet<NodeName> {
        self.sites.iter().filter(|(_, s)| s.up).map(|(n, _)| n.clone()).collect()
    }
}

fn flights(node: &NodeName, site: &Site) -> Vec<(Token, Awaited)> {
    let flight = |(r, c): (&ResourceName, &rgm_core::cell::Cell)| {
        let f = c.flight.as_ref()?;
        let (node, resource) = (node.clone(), r.clone());
        Some((f.token, Awaited { node, resource, method: f.method, deadline: f.deadline }))
    };
    site.journal.iter().filter_map(flight).collect()
}

pub(super) fn report(node: &NodeName, site: &Site) -> NodeReport {
    let cells = site.journal.iter().map(|(r, c)| (r.clone(), c.clone())).collect();
    NodeReport { node: node.clone(), fresh: site.fresh, cells }
}

pub(super) fn result(ending: Ending) -> rgm_core::MethodResult {
    rgm_core::MethodResult { ending, used: Millis(1), output: vec!["line".to_string()] }
}
