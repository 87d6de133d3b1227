//! Model checking: every interleaving of a small cluster, not only those that chance meets.
//!
//! Two nodes, two groups of one or two resources with one kind of bond between them, and a budget of
//! what may go wrong: methods that fail, a node that crashes and comes back, an operator's switch, a
//! president's change. The checker (stateright) takes every order in which methods can end and these
//! things can happen. States are told apart by a digest of the core, the nodes and the budget in which
//! tokens are numbered as they appear and time stands still, so that ways that lead to the same meet.
//!
//! The rules are the simulator's. Where nothing is under way any more, healing must lead to rest.

use crate::sim::{Finding, Heading, Heard, Schedule, Step, World};
use rgm_core::Ending;
use rgm_types::{Command, GroupName, NodeName, PropSet};
use stateright::{Checker, HasDiscoveries, Model, Property};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

/// What may still happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Methods that fail.
    pub failures: u8,
    /// Nodes that crash; they come back whenever.
    pub crashes: u8,
    /// Switches of a group to a node.
    pub switches: u8,
    /// Changes of the president.
    pub presidents: u8,
}

/// Names of properties and their values.
type Props<'a> = &'a [(&'a str, &'a str)];

/// A small cluster.
#[derive(Debug, Clone)]
pub struct Case {
    /// The bond between its two groups.
    pub name: &'static str,
    opening: Vec<Command>,
    budget: Budget,
}

/// What checking a case has seen.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Distinct states.
    pub states: usize,
    /// Every one there is was seen.
    pub complete: bool,
    /// A way that breaks a rule.
    pub failure: Option<(Finding, Schedule)>,
}

/// A state, and its identity.
#[derive(Debug, Clone)]
pub struct State {
    world: World,
    budget: Budget,
    broken: Option<Finding>,
    digest: u64,
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

impl Eq for State {}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

/// Every case, with this budget.
pub fn cases(budget: Budget) -> Vec<Case> {
    let case =
        |name, groups: [Props<'_>; 2], deps: Props<'_>| Case { name, opening: opening(groups, deps), budget };
    let pair = |sign| [("RG_affinities", sign)];
    vec![
        case("a failover group beside another one", [&[], &[]], &[]),
        case("a strong dependency across groups", [&[], &[]], &[("Resource_dependencies", "a")]),
        case("a weak dependency across groups", [&[], &[]], &[("Resource_dependencies_weak", "a")]),
        case("a restart dependency across groups", [&[], &[]], &[("Resource_dependencies_restart", "a")]),
        case(
            "an offline-restart dependency across groups",
            [&[], &[]],
            &[("Resource_dependencies_offline_restart", "a")],
        ),
        case("a strong positive affinity", [&[], &pair("++ga")], &[]),
        case("a strong negative affinity", [&[], &pair("--ga")], &[]),
        case("failover delegation", [&[], &pair("+++ga")], &[("Resource_dependencies", "a")]),
    ]
}

fn opening(groups: [Props<'_>; 2], deps: Props<'_>) -> Vec<Command> {
    let mut commands = Vec::new();
    let parts: [(&str, &str, Props<'_>); 2] = [("ga", "a", &[]), ("gb", "b", deps)];
    for ((group, resource, deps), props) in parts.into_iter().zip(groups) {
        commands.push(Command::GroupCreate { name: group.to_string(), props: sets(props) });
        let Ok(name) = GroupName::new(group) else { continue };
        let soft = [("Failover_mode", "SOFT")];
        let props = sets(&[&soft[..], deps].concat());
        commands.push(Command::ResourceCreate {
            name: resource.to_string(),
            type_name: "plain".to_string(),
            group: name.clone(),
            props,
            enable: true,
        });
        commands.push(Command::Online { groups: vec![name], nodes: Vec::new(), with: rgm_types::Bring::ALL });
    }
    commands
}

fn sets(props: &[(&str, &str)]) -> Vec<PropSet> {
    let set = |(name, value): &(&str, &str)| PropSet {
        name: name.to_string(),
        class: Default::default(),
        nodes: Vec::new(),
        op: Default::default(),
        value: value.to_string(),
    };
    props.iter().map(set).collect()
}

/// Steps that set a case up. The last command's methods are left to the checker.
fn setting_up(case: &Case) -> Vec<Step> {
    let Ok(from) = NodeName::new("n1") else { return Vec::new() };
    let ask = |command: &Command| Step::Ask { from: from.clone(), command: command.clone() };
    let (last, first) =
        case.opening.split_last().map_or((None, &[][..]), |(last, first)| (Some(last), first));
    first.iter().flat_map(|c| [ask(c), Step::Calm]).chain(last.map(ask)).collect()
}

impl State {
    fn first(case: &Case) -> Result<Self, Finding> {
        let mut world = World::with_types(2, &["plain"], None)?;
        world.stop_clock();
        setting_up(case).iter().try_for_each(|step| world.take(step))?;
        let digest = identity(&world, case.budget, None);
        Ok(Self { world, budget: case.budget, broken: None, digest })
    }

    /// The state one step later.
    fn after(&self, step: &Step) -> Option<Self> {
        let mut budget = self.budget;
        let spent = match step {
            Step::End { ending, .. } if *ending != Ending::Exited(0) => Some(&mut budget.failures),
            Step::Crash { .. } => Some(&mut budget.crashes),
            Step::Ask { .. } => Some(&mut budget.switches),
            Step::President => Some(&mut budget.presidents),
            Step::End { .. }
            | Step::DryRun { .. }
            | Step::Calm
            | Step::Hear
            | Step::Hold { .. }
            | Step::Release { .. }
            | Step::Join { .. }
            | Step::Report { .. }
            | Step::Aborted { .. }
            | Step::KillDaemons { .. }
            | Step::Blackout
            | Step::Cut { .. }
            | Step::Depose { .. }
            | Step::RefuseCommit
            | Step::Pass { .. }
            | Step::PmfExceeded { .. }
            | Step::ShutDown
            | Step::Heal => None,
        };
        if let Some(spent) = spent {
            *spent = spent.checked_sub(1)?;
        }
        let mut world = self.world.clone();
        let mut broken = world.take(step).err();
        if broken.is_none() && world.running().is_empty() {
            broken = world.clone().take(&Step::Heal).err();
        }
        let digest = identity(&world, budget, broken.as_ref());
        Some(Self { world, budget, broken, digest })
    }
}

/// Equal for states from which the same may happen.
fn identity(world: &World, budget: Budget, broken: Option<&Finding>) -> u64 {
    let text = world.describe();
    let mut hasher = DefaultHasher::new();
    (budget, broken.map(|f| &f.found)).hash(&mut hasher);
    let mut names: Vec<&str> = Vec::new();
    let mut rest = text.as_str();
    while let Some(at) = rest.find("Token(").map(|i| i + "Token(".len()) {
        rest[..at].hash(&mut hasher);
        rest = &rest[at..];
        let end = rest.find(')').unwrap_or(rest.len());
        let known = names.iter().position(|n| *n == &rest[..end]);
        known.unwrap_or(names.len()).hash(&mut hasher);
        if known.is_none() {
            names.push(&rest[..end]);
        }
        rest = &rest[end..];
    }
    rest.hash(&mut hasher);
    hasher.finish()
}

impl Model for Case {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        State::first(self).into_iter().collect()
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        if state.broken.is_some() {
            return;
        }
        for (node, resource, method, _) in state.world.running() {
            let end = |ending| Step::End {
                node: node.clone(),
                resource: resource.clone(),
                method,
                ending,
                heard: Heard::Now,
            };
            actions.push(end(Ending::Exited(0)));
            if state.budget.failures > 0 {
                actions.push(end(Ending::Exited(1)));
            }
        }
        let nodes: Vec<NodeName> = ["n1", "n2"].iter().filter_map(|n| NodeName::new(n).ok()).collect();
        let up = state.world.members();
        for node in &nodes {
            if !up.contains(node) {
                actions.push(Step::Join { node: node.clone() });
            } else if state.budget.crashes > 0 {
                actions.push(Step::Crash { node: node.clone() });
            }
        }
        if state.budget.presidents > 0 {
            actions.push(Step::President);
        }
        if let Some(from) = up.first().filter(|_| state.budget.switches > 0) {
            for (group, node) in ["ga", "gb"].iter().flat_map(|g| nodes.iter().map(move |n| (g, n))) {
                let Ok(group) = GroupName::new(group) else { continue };
                let (groups, nodes) = (vec![group], vec![node.clone()]);
                let command = Command::Switch { groups, nodes, with: Default::default() };
                actions.push(Step::Ask { from: from.clone(), command });
            }
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        last.after(&step)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![Property::always("no rule is broken", |_, state: &State| state.broken.is_none())]
    }
}

/// Checks a case, for as long as that.
pub fn check(case: &Case, budget: Duration, threads: usize) -> Seen {
    let end = Instant::now() + budget;
    if let Err(finding) = State::first(case) {
        let schedule = schedule(case, Vec::new());
        return Seen { states: 0, complete: false, failure: Some((finding, schedule)) };
    }
    let checker = case.clone().checker().threads(threads).timeout(budget).finish_when(HasDiscoveries::Any);
    let checker = checker.spawn_bfs().join();
    let path = checker.discovery("no rule is broken");
    let failure = path.and_then(|path| {
        let finding = path.last_state().broken.clone()?;
        Some((finding, schedule(case, path.into_actions())))
    });
    Seen { states: checker.unique_state_count(), complete: Instant::now() < end, failure }
}

/// A way as the simulator replays it.
fn schedule(case: &Case, steps: Vec<Step>) -> Schedule {
    let heading = Heading { about: case.name.to_string(), nodes: 2 };
    let steps = setting_up(case).into_iter().chain(steps).chain([Step::Heal]).collect();
    Schedule { heading, steps }
}
