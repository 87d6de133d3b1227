//! Many schedules, each from its seed, until one finds something.

use super::cast;
use super::chance::Chance;
pub use super::plot::Scale;
use super::plot::{self, Traits};
use super::schedule::{Heading, Schedule, Step};
use super::stats::Stats;
use super::world::{Finding, Sabotage, World, finding};
use crate::search::Seeds;
use rgm_types::{Command, NodeName};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

/// A schedule that broke a rule.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What it found.
    pub finding: Finding,
    /// What happened, as far as it went.
    pub schedule: Schedule,
    /// The last events, if it was a replay.
    pub story: Vec<String>,
}

/// What a hunt is after.
#[derive(Debug, Clone)]
pub struct Hunt {
    /// The first seed; the next ones follow.
    pub seed: u64,
    /// No schedule begins after this many …
    pub schedules: u64,
    /// … or after this time, if there is one.
    pub until: Option<Instant>,
    /// How large worlds may be.
    pub scale: Scale,
    /// How many at a time.
    pub threads: usize,
    /// The core is defective.
    pub sabotage: Option<Sabotage>,
}

/// Plays schedules until something is found or enough have been played.
pub fn hunt(hunt: &Hunt) -> (Stats, Option<Box<Failure>>) {
    let Hunt { seed, schedules, until, threads, .. } = *hunt;
    let seeds = Seeds { first: seed, most: schedules, until, threads };
    let play = |seed| {
        let (seen, result) = run(seed, hunt.scale, hunt.sabotage.clone());
        (seen, result.err())
    };
    seeds.search(play, Stats::add)
}

/// A run under way: what is put into the schedule happens at once.
struct Run {
    world: World,
    schedule: Schedule,
}

/// The schedule of one seed. What the core panics at is a finding too.
fn run(seed: u64, scale: Scale, sabotage: Option<Sabotage>) -> (Stats, Result<(), Box<Failure>>) {
    let mut chance = Chance::new(seed);
    let traits = Traits::draw(&mut chance, scale);
    let heading = Heading { about: format!("seed {seed}"), nodes: traits.nodes };
    let schedule = Schedule { heading, steps: Vec::new() };
    let world = match World::with_types(traits.nodes, &cast::NAMES, sabotage) {
        Ok(world) => world,
        Err(finding) => {
            let failure = Failure { finding, schedule, story: Vec::new() };
            return (Stats::default(), Err(Box::new(failure)));
        }
    };
    let mut run = Run { world, schedule };
    let result = guarded(|| run.play(&mut chance, &traits));
    let mut stats = std::mem::take(&mut run.world.stats);
    stats.schedules = 1;
    let Run { schedule, .. } = run;
    let failure = |finding| Box::new(Failure { finding, schedule, story: Vec::new() });
    (stats, result.map_err(failure))
}

/// Plays a schedule that was kept.
pub fn replay(schedule: &Schedule) -> Result<Stats, Box<Failure>> {
    let mut played = None;
    let result = guarded(|| {
        let (world, result) = World::play(schedule, None);
        played = Some(world);
        result
    });
    let story = played.as_ref().map(World::story).unwrap_or_default();
    match result {
        Ok(()) => Ok(played.map(|w| w.stats).unwrap_or_default()),
        Err(finding) => Err(Box::new(Failure { finding, schedule: schedule.clone(), story })),
    }
}

fn guarded(work: impl FnOnce() -> Result<(), Finding>) -> Result<(), Finding> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
        finding("PANIC", text)
    })
}

impl Run {
    fn put(&mut self, step: Step) -> Result<(), Finding> {
        self.schedule.steps.push(step.clone());
        self.world.take(&step)
    }

    fn play(&mut self, chance: &mut Chance, traits: &Traits) -> Result<(), Finding> {
        let nodes: Vec<NodeName> = self.world.sites.keys().cloned().collect();
        for command in plot::opening(chance, traits, &nodes) {
            self.set_up(chance, &nodes, command)?;
        }
        for _ in 0..traits.steps {
            if let Some(step) = plot::next(chance, traits, &self.world) {
                self.put(step)?;
            }
        }
        self.put(Step::Heal)
    }

    /// A command of the opening; where it is refused, a plainer form of it.
    fn set_up(&mut self, chance: &mut Chance, nodes: &[NodeName], command: Command) -> Result<(), Finding> {
        let from = chance.pick(nodes).cloned().unwrap_or_else(|| nodes[0].clone());
        let plain = plot::plainer(&command);
        self.put(Step::Ask { from: from.clone(), command: command.clone() })?;
        if !self.is_done(&command)
            && let Some(command) = plain
        {
            self.put(Step::Ask { from, command })?;
        }
        self.put(Step::Calm)
    }

    fn is_done(&self, command: &Command) -> bool {
        match command {
            Command::GroupCreate { name, .. } => self.world.repo.groups.contains_key(name.as_str()),
            // It may still be in VALIDATE.
            Command::ResourceCreate { name, .. } => {
                self.world.repo.resources.contains_key(name.as_str()) || !self.world.running().is_empty()
            }
            _ => true,
        }
    }
}
