//! What chance puts into a schedule: a cluster, then events. Each run draws its traits first, so that
//! some runs have much of one thing and nothing of another.

use super::chance::Chance;
use super::schedule::{Cut, Heard, Step};
use super::world::World;
use super::{asks, cast};
use rgm_core::Ending;
use rgm_types::{Bring, Command, GroupName, NodeName, PropSet, ResourceName};

/// How large worlds may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// A few nodes and groups: many schedules a second.
    Small,
    /// Mostly small, some large, a few very large.
    Any,
}

/// What one run has much or nothing of.
#[derive(Debug, Clone)]
pub(super) struct Traits {
    pub(super) nodes: usize,
    groups: usize,
    members: usize,
    pub(super) steps: usize,
    flavours: bool,
    /// Most dependencies are in this one of the four lists.
    favourite: Option<usize>,
    across: bool,
    qualifiers: bool,
    affinities: bool,
    scalable: bool,
    loads: bool,
    network: bool,
    /// Percent of events of a kind.
    asks: usize,
    faults: usize,
    links: usize,
    failures: usize,
    modes: &'static [&'static str],
    /// Percent of what is asked that running services ask.
    pub(super) monitors: usize,
}

impl Traits {
    pub(super) fn has_loads(&self) -> bool {
        self.loads
    }

    pub(super) fn draw(chance: &mut Chance, scale: Scale) -> Self {
        let size = if scale == Scale::Small { 0 } else { chance.below(100) };
        let (nodes, groups, members, steps) = match size {
            0..90 => (1 + chance.below(4), 1 + chance.below(4), 4, 150 + chance.below(250)),
            90..98 => (2 + chance.below(7), 4 + chance.below(16), 5, 400),
            98 => (8 + chance.below(9), 20 + chance.below(30), 4, 300),
            _ => (4 + chance.below(13), 60 + chance.below(141), 3, 200),
        };
        let rare = |chance: &mut Chance, percent, value| if chance.percent(percent) { value } else { 0 };
        Self {
            nodes,
            groups,
            members,
            steps,
            flavours: chance.percent(50),
            favourite: chance.percent(50).then(|| chance.below(4)),
            across: chance.percent(40),
            qualifiers: chance.percent(25),
            affinities: chance.percent(30),
            scalable: chance.percent(25),
            loads: chance.percent(20),
            network: chance.percent(30),
            asks: [8, 15, 30][chance.below(3)],
            faults: rare(chance, 70, 10),
            links: rare(chance, 40, 8),
            failures: [0, 4, 12, 35][chance.below(4)],
            modes: [
                &["NONE", "SOFT", "HARD", "RESTART_ONLY", "LOG_ONLY"][..],
                &["SOFT"],
                &["NONE", "SOFT"],
                &["RESTART_ONLY", "SOFT"],
            ][chance.below(4)],
            monitors: [25, 25, 70][chance.below(3)],
        }
    }
}

pub(super) fn set(name: &str, value: &str) -> PropSet {
    PropSet {
        name: name.to_string(),
        class: Default::default(),
        nodes: Vec::new(),
        op: Default::default(),
        value: value.to_string(),
    }
}

pub(super) fn bring(group: GroupName) -> Command {
    Command::Online { groups: vec![group], nodes: Vec::new(), with: Bring::ALL }
}

fn flag(chance: &mut Chance, percent: usize) -> &'static str {
    if chance.percent(percent) { "TRUE" } else { "FALSE" }
}

/// The commands that set a cluster up, in an order in which they can be carried out.
pub(super) fn opening(chance: &mut Chance, traits: &Traits, nodes: &[NodeName]) -> Vec<Command> {
    let mut commands = Vec::new();
    if traits.loads {
        for node in nodes {
            let (soft, hard) = (chance.below(5) as u64, 5 + i64::try_from(chance.below(10)).unwrap_or(0));
            commands.push(Command::LoadLimitSet {
                node: node.clone(),
                name: "cpu".to_string(),
                soft: Some(soft),
                hard: chance.percent(80).then_some(hard),
            });
        }
        if chance.percent(30) {
            commands.push(Command::ClusterSet { props: vec![set("Concentrate_load", "TRUE")] });
        }
    }
    for g in 0..traits.groups {
        let scalable = traits.scalable && chance.percent(50);
        commands.push(Command::GroupCreate {
            name: format!("g{g}"),
            props: group_props(chance, traits, nodes, g, scalable),
        });
        for r in 0..=chance.below(traits.members) {
            commands.push(creation(chance, traits, (g, r), nodes, scalable));
        }
        if let Ok(group) = GroupName::new(&format!("g{g}")) {
            commands.push(bring(group));
        }
    }
    commands
}

/// What makes a group plain again where it is refused otherwise.
pub(super) fn plainer(command: &Command) -> Option<Command> {
    const FINE: [&str; 5] = ["Nodelist", "Pingpong_interval", "Failback", "Failover_mode", "Start_timeout"];
    const STRONG: &str = "Resource_dependencies";
    let mut plain = command.clone();
    let (Command::GroupCreate { props, .. } | Command::ResourceCreate { props, .. }) = &mut plain else {
        return None;
    };
    props.retain(|p| FINE.contains(&p.name.as_str()) || (p.name == STRONG && !p.value.contains(['{', '@'])));
    (plain != *command).then_some(plain)
}

fn group_props(
    chance: &mut Chance,
    traits: &Traits,
    nodes: &[NodeName],
    g: usize,
    scalable: bool,
) -> Vec<PropSet> {
    let mut order: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let turn = chance.below(order.len());
    order.rotate_left(turn);
    if chance.percent(20) {
        order.truncate(1 + chance.below(order.len()));
    }
    let mut props = vec![
        set("Nodelist", &order.join(",")),
        set("Pingpong_interval", chance.pick(&["0", "60", "3600"]).unwrap_or(&"60")),
        set("Failback", flag(chance, 30)),
        set("Auto_start_on_new_cluster", flag(chance, 80)),
        set("Implicit_network_dependencies", flag(chance, 80)),
    ];
    if scalable {
        let most = 1 + chance.below(3);
        props.push(set("RG_mode", "Scalable"));
        props.push(set("Maximum_primaries", &most.to_string()));
        props.push(set("Desired_primaries", &chance.below(most + 1).max(usize::from(most > 1)).to_string()));
    } else if chance.percent(5) {
        props.push(set("Desired_primaries", "0"));
    }
    if traits.loads {
        props.push(set("Load_factors", &format!("cpu@{}", chance.below(6))));
        props.push(set("Priority", &(400 + 50 * chance.below(5)).to_string()));
        props
            .push(set("Preemption_mode", chance.pick(&["Has_Cost", "No_Cost", "Never"]).unwrap_or(&"Never")));
    }
    if traits.affinities && g > 0 && chance.percent(60) {
        props.push(set("RG_affinities", &affinities(chance, g)));
    }
    if traits.affinities && g > 0 && chance.percent(15) {
        props.push(set("RG_dependencies", &format!("g{}", chance.below(g))));
    }
    props
}

pub(super) fn affinities(chance: &mut Chance, g: usize) -> String {
    let mut list = Vec::new();
    let near = g.min(6);
    let mut targets: Vec<usize> = (0..=chance.below(2)).map(|_| g - 1 - chance.below(near)).collect();
    targets.dedup();
    for target in targets {
        list.push(format!(
            "{}g{target}",
            chance.pick(&["+", "++", "+++", "-", "--", "++", "--"]).unwrap_or(&"+")
        ));
    }
    list.join(",")
}

/// The name of resource `r` of group `g`. Names in order are the order of dependencies in half of the
/// groups, and the opposite in the others: what is looked at first must make no difference.
fn resource(g: usize, r: usize) -> String {
    if g.is_multiple_of(2) { format!("r{g}x{r}") } else { format!("r{g}w{}", 9_usize.saturating_sub(r)) }
}

/// The creation of resource `r` of group `g`.
pub(super) fn creation(
    chance: &mut Chance,
    traits: &Traits,
    (g, r): (usize, usize),
    nodes: &[NodeName],
    scalable: bool,
) -> Command {
    let last = cast::NAMES.len() - if scalable { 2 } else { usize::from(!traits.network) };
    let mut props = vec![set("Failover_mode", chance.pick(traits.modes).unwrap_or(&"NONE"))];
    let mut lists: [Vec<String>; 4] = Default::default();
    for d in 0..r {
        if chance.percent(35) {
            let list = flavour(chance, traits);
            lists[list].push(element(chance, traits, &resource(g, d), nodes));
        }
    }
    if traits.across && g > 0 && chance.percent(35) {
        let other = g - 1 - chance.below(g.min(5));
        let list = flavour(chance, traits);
        let target = chance.below(traits.members);
        lists[list].push(element(chance, traits, &resource(other, target), nodes));
    }
    let names = [
        "Resource_dependencies",
        "Resource_dependencies_weak",
        "Resource_dependencies_restart",
        "Resource_dependencies_offline_restart",
    ];
    props.extend(
        names.iter().zip(&lists).filter(|(_, l)| !l.is_empty()).map(|(name, l)| set(name, &l.join(","))),
    );
    if chance.percent(15) {
        props.push(set("Retry_count", &chance.below(4).to_string()));
    }
    Command::ResourceCreate {
        name: resource(g, r),
        type_name: chance.pick(&cast::NAMES[..last]).unwrap_or(&"plain").to_string(),
        group: GroupName::new(&format!("g{g}")).unwrap_or_else(|e| unreachable!("{e}")),
        props,
        enable: chance.percent(30),
    }
}

/// Which of the four lists of dependencies.
fn flavour(chance: &mut Chance, traits: &Traits) -> usize {
    match traits.favourite {
        Some(one) if chance.percent(70) => one,
        _ if traits.flavours => chance.below(4),
        _ => 0,
    }
}

fn element(chance: &mut Chance, traits: &Traits, name: &str, nodes: &[NodeName]) -> String {
    if !traits.qualifiers {
        return name.to_string();
    }
    match chance.below(8) {
        0 => format!("{name}{{LOCAL_NODE}}"),
        1 => format!("{name}{{ANY_NODE}}"),
        2 => format!("{name}{{FROM_RG_AFFINITIES}}"),
        3 => format!("{name}@{}", chance.pick(nodes).map_or("n1", |n| n.as_str())),
        _ => name.to_string(),
    }
}

/// What happens next.
pub(super) fn next(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Step> {
    let roll = chance.below(100);
    if roll < traits.asks {
        return asks::ask(chance, traits, world);
    }
    let roll = roll - traits.asks;
    if roll < traits.faults {
        return fault(chance, world);
    }
    let roll = roll - traits.faults;
    if roll < traits.links {
        return link(chance, world);
    }
    if chance.percent(12) {
        return Some(time(chance));
    }
    if chance.percent(3) {
        return give_up(chance, world);
    }
    if chance.percent(2) {
        return Some(Step::Calm);
    }
    end(chance, traits, world).or_else(|| asks::ask(chance, traits, world))
}

fn time(chance: &mut Chance) -> Step {
    let boot = match chance.below(20) {
        0..14 => 1 + chance.below(3_000),
        14..19 => chance.below(90_000),
        _ => chance.below(4_000_000),
    };
    let jump = if chance.percent(10) { [-30_000, 90_000, -7_200_000][chance.below(3)] } else { 0 };
    Step::Pass { boot: boot as u64, jump }
}

fn some_node(chance: &mut Chance, world: &World) -> Option<NodeName> {
    let names: Vec<&NodeName> = world.sites.keys().collect();
    chance.pick(&names).map(|n| (*n).clone())
}

fn fault(chance: &mut Chance, world: &World) -> Option<Step> {
    let luck = chance.number();
    let at = [Cut::Commit, Cut::Records, Cut::Records, Cut::Actions, Cut::Replies][chance.below(5)];
    Some(match chance.below(20) {
        0..4 => Step::Crash { node: some_node(chance, world)? },
        4..9 => {
            let down: Vec<&NodeName> = world.sites.iter().filter(|(_, s)| !s.up).map(|(n, _)| n).collect();
            let aborting = world.sites.values().any(|s| s.aborting);
            match chance.pick(&down) {
                Some(node) => Step::Join { node: (*node).clone() },
                None if aborting => Step::Aborted { back: chance.percent(50) },
                None => Step::Pass { boot: 1, jump: 0 },
            }
        }
        9..11 => Step::KillDaemons { luck },
        11..13 => Step::Cut { at, luck },
        13..15 => Step::President,
        15..17 => Step::Depose { at },
        17..19 => Step::RefuseCommit,
        _ if chance.percent(50) => Step::Blackout,
        _ if chance.percent(20) => Step::ShutDown,
        _ => Step::Aborted { back: true },
    })
}

fn link(chance: &mut Chance, world: &World) -> Option<Step> {
    let held: Vec<&NodeName> = world.sites.iter().filter(|(_, s)| s.held).map(|(n, _)| n).collect();
    Some(match chance.pick(&held) {
        Some(node) if chance.percent(60) => Step::Release { node: (*node).clone(), lost: chance.percent(30) },
        _ if !world.late.is_empty() => Step::Hear,
        _ => Step::Hold { node: some_node(chance, world)? },
    })
}

fn give_up(chance: &mut Chance, world: &World) -> Option<Step> {
    let names: Vec<&ResourceName> = world.repo.resources.keys().collect();
    let resource = (*chance.pick(&names)?).clone();
    let running: Vec<&NodeName> =
        world.sites.iter().filter(|(n, _)| world.serves(n, &resource)).map(|(n, _)| n).collect();
    let node = (*chance.pick(&running)?).clone();
    Some(Step::PmfExceeded { node, resource })
}

fn end(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Step> {
    let running = world.running();
    let (node, resource, method, _) = chance.pick(&running)?.clone();
    let ending = if chance.percent(traits.failures) {
        match chance.below(10) {
            0..6 => Ending::Exited(1),
            6..8 => Ending::TimedOut,
            8 => Ending::Signalled(11),
            _ => Ending::NotStarted,
        }
    } else {
        Ending::Exited(0)
    };
    let heard = match chance.below(100) {
        0..4 => Heard::Twice,
        4..10 if traits.links > 0 => Heard::Late,
        _ => Heard::Now,
    };
    Some(Step::End { node, resource, method, ending, heard })
}
