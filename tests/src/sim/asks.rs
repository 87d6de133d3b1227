//! Anything an operator or a monitor may ask for, sensible or not.

use super::chance::Chance;
use super::plot::{self, Traits, bring, set};
use super::schedule::Step;
use super::world::World;
use rgm_types::{
    AttrName, Bring, Command, ControlOp, GroupName, Lifetime, NodeName, Resource, ResourceName, Status,
};

/// A request, at times only tried.
pub(super) fn ask(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Step> {
    let from: Vec<&NodeName> = world.sites.iter().filter(|(_, s)| s.up).map(|(n, _)| n).collect();
    let mut from = (*chance.pick(&from)?).clone();
    let command = if chance.percent(traits.monitors) {
        let (node, command) = monitor(chance, world)?;
        from = node;
        command
    } else {
        command(chance, traits, world)?
    };
    if chance.percent(6) { Some(Step::DryRun { from, command }) } else { Some(Step::Ask { from, command }) }
}

fn any_group(chance: &mut Chance, world: &World) -> Option<GroupName> {
    let names: Vec<&GroupName> = world.repo.groups.keys().collect();
    chance.pick(&names).map(|n| (*n).clone())
}

fn any_resource<'a>(chance: &mut Chance, world: &'a World) -> Option<&'a Resource> {
    let all: Vec<&Resource> = world.repo.resources.values().collect();
    chance.pick(&all).copied()
}

fn some_nodes(chance: &mut Chance, world: &World, most: usize) -> Vec<NodeName> {
    let mut names: Vec<NodeName> = world.sites.keys().cloned().collect();
    let turn = chance.below(names.len());
    names.rotate_left(turn);
    names.truncate(1 + chance.below(most));
    names
}

/// What a running service asks for, where it runs, mostly.
fn monitor(chance: &mut Chance, world: &World) -> Option<(NodeName, Command)> {
    let mut r = any_resource(chance, world)?;
    if chance.percent(40) {
        // One that others depend on: more follows from what it asks for.
        let name = world.repo.named(r).next().map(|d| d.name.clone());
        r = name.and_then(|n| world.repo.resources.get(&n)).unwrap_or(r);
    }
    let (group, resource) = (r.group.to_string(), r.name.to_string());
    let serving: Vec<&NodeName> = world.sites.keys().filter(|n| world.instance(n, &r.name).begun).collect();
    let all: Vec<&NodeName> = world.sites.iter().filter(|(_, s)| s.up).map(|(n, _)| n).collect();
    let node = (*chance.pick(&serving).or(chance.pick(&all))?).clone();
    let usual = [
        ControlOp::Giveover,
        ControlOp::Giveover,
        ControlOp::ResourceRestart,
        ControlOp::ResourceRestart,
        ControlOp::ResourceRestart,
        ControlOp::Restart,
        ControlOp::IgnoreFailedStart,
        ControlOp::ResourceDisable,
    ];
    if chance.percent(8) {
        let status = *chance.pick(&[Status::Faulted, Status::Ok, Status::Degraded])?;
        return Some((node, Command::SetStatus { group, resource, status, message: None }));
    }
    let op = if chance.percent(85) { *chance.pick(&usual)? } else { *chance.pick(&ControlOp::ALL)? };
    Some((node, Command::Control { op, group, resource }))
}

fn command(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Command> {
    if chance.percent(4) {
        let commands = (0..=chance.below(3)).filter_map(|_| single(chance, traits, world)).collect();
        return Some(Command::Batch { commands });
    }
    single(chance, traits, world)
}

fn single(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Command> {
    match chance.below(10) {
        0..5 => whereabouts(chance, world),
        5..8 => switches(chance, world),
        _ => configuration(chance, traits, world),
    }
}

/// Where groups are.
fn whereabouts(chance: &mut Chance, world: &World) -> Option<Command> {
    let group = any_group(chance, world)?;
    let groups = if chance.percent(4) { Vec::new() } else { vec![group.clone()] };
    let one = some_nodes(chance, world, 1);
    let with = Bring { manage: chance.percent(30), enable: chance.percent(30), monitor: chance.percent(30) };
    Some(match chance.below(16) {
        0..4 => Command::Switch { groups, nodes: one, with },
        4 => Command::Switch { groups, nodes: some_nodes(chance, world, 3), with },
        5 => Command::Switch { groups, nodes: Vec::new(), with: Bring::default() },
        6 => Command::Remaster { groups },
        7..9 => bring(group),
        9 => Command::Online { groups, nodes: some_nodes(chance, world, 2), with },
        10 => Command::Offline { groups, nodes: Vec::new() },
        11 => Command::Offline { groups, nodes: one },
        12 => Command::Restart { groups, nodes: Vec::new() },
        13 => Command::Quiesce { groups, kill: chance.percent(50) },
        14 if chance.percent(30) => Command::Suspend { groups, kill: chance.percent(30) },
        14 => Command::Resume { groups },
        _ => Command::Evacuate { nodes: one, sticky_secs: 10 },
    })
}

/// What stands on or off.
fn switches(chance: &mut Chance, world: &World) -> Option<Command> {
    let r = any_resource(chance, world)?;
    let mut resources = vec![r.name.clone()];
    if chance.percent(20) {
        resources.push(any_resource(chance, world)?.name.clone());
        resources.dedup();
    }
    let nodes = if chance.percent(40) { some_nodes(chance, world, 2) } else { Vec::new() };
    let on = chance.percent(60);
    let all: Vec<NodeName> = world.sites.keys().cloned().collect();
    let groups = vec![r.group.clone()];
    Some(match chance.below(12) {
        0..5 => Command::SetEnabled { resources, nodes, on, recursive: chance.percent(30) },
        5..7 => Command::SetMonitored { resources, nodes, on },
        7..10 => clear(chance, world).unwrap_or(Command::ClearStopFailed { resources, nodes: all }),
        10 => Command::Manage { groups },
        _ => Command::Unmanage { groups },
    })
}

/// What an operator does first who sees a failed stop.
fn clear(chance: &mut Chance, world: &World) -> Option<Command> {
    let failed = |(n, s): (&NodeName, &super::site::Site)| -> Vec<(ResourceName, NodeName)> {
        let failed = s.instances.iter().filter(|(_, x)| x.stop_failed);
        failed.map(|(r, _)| (r.clone(), n.clone())).collect()
    };
    let failed: Vec<(ResourceName, NodeName)> = world.sites.iter().flat_map(failed).collect();
    let (r, n) = chance.pick(&failed)?.clone();
    Some(Command::ClearStopFailed { resources: vec![r], nodes: vec![n] })
}

/// Properties, and what comes and goes.
fn configuration(chance: &mut Chance, traits: &Traits, world: &World) -> Option<Command> {
    let group = any_group(chance, world)?;
    let g: usize = group.as_str().trim_start_matches('g').parse().unwrap_or(0);
    let r = any_resource(chance, world).cloned();
    let nodes: Vec<NodeName> = world.sites.keys().cloned().collect();
    let scalable = world.repo.is_scalable(&group);
    Some(match chance.below(25) {
        0..6 => Command::ResourceSet {
            name: r?.name,
            props: vec![set("Colour", chance.pick(&["blue", "green"])?)],
        },
        6..8 => Command::ResourceSet { name: r?.name, props: resource_change(chance, world)? },
        8..13 => Command::GroupSet { name: group, props: vec![group_change(chance, traits, g, &nodes)?] },
        13..15 => Command::ResourceDelete { name: r?.name, force: chance.percent(40) },
        15..18 => {
            let r = 7 + chance.below(2);
            plot::creation(chance, traits, (g, r), &nodes, scalable)
        }
        18 => Command::GroupDelete { name: group, force: chance.percent(50) },
        19 => Command::GroupCreate { name: format!("g{}", chance.below(9)), props: Vec::new() },
        20 => Command::LoadLimitSet {
            node: chance.pick(&nodes)?.clone(),
            name: "cpu".to_string(),
            soft: None,
            hard: Some(i64::try_from(chance.below(14)).unwrap_or(0) - 1),
        },
        21 => Command::LoadLimitDelete { node: chance.pick(&nodes)?.clone(), name: "cpu".to_string() },
        _ => attribute(chance, &nodes)?,
    })
}

/// The attribute that rules of groups read.
fn attribute(chance: &mut Chance, nodes: &[NodeName]) -> Option<Command> {
    let node = Some(chance.pick(nodes)?.clone());
    let name = AttrName::new("ready").ok()?;
    let lifetime = *chance.pick(&Lifetime::ALL)?;
    Some(match chance.below(4) {
        0 => Command::AttrClear { node, lifetime: chance.percent(50).then_some(lifetime), names: vec![name] },
        value => {
            let value = if value == 1 { "0" } else { "1" };
            Command::AttrSet { node, lifetime, values: [(name, value.to_string())].into() }
        }
    })
}

fn resource_change(chance: &mut Chance, world: &World) -> Option<Vec<rgm_types::PropSet>> {
    let target = any_resource(chance, world)?.name.clone();
    let lists = [
        "Resource_dependencies",
        "Resource_dependencies_weak",
        "Resource_dependencies_restart",
        "Resource_dependencies_offline_restart",
    ];
    let value = if chance.percent(40) { String::new() } else { target.to_string() };
    Some(match chance.below(4) {
        0 => vec![set("Failover_mode", chance.pick(&["NONE", "SOFT", "HARD", "RESTART_ONLY"])?)],
        1 => vec![set("Retry_count", &chance.below(4).to_string())],
        _ => vec![set(chance.pick(&lists)?, &value)],
    })
}

fn group_change(
    chance: &mut Chance,
    traits: &Traits,
    g: usize,
    nodes: &[NodeName],
) -> Option<rgm_types::PropSet> {
    let mut order: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
    let turn = chance.below(order.len());
    order.rotate_left(turn);
    order.truncate(1 + chance.below(order.len()));
    Some(match chance.below(9) {
        0 => set("RG_description", chance.pick(&["x", "y"])?),
        1 => set("Nodelist", &order.join(",")),
        2 => set("Failback", chance.pick(&["TRUE", "FALSE"])?),
        3 => set("Pingpong_interval", chance.pick(&["0", "60", "3600"])?),
        4 => set("Desired_primaries", &chance.below(3).to_string()),
        5 => set("Implicit_network_dependencies", chance.pick(&["TRUE", "FALSE"])?),
        6 if g > 0 => set("RG_affinities", &plot::affinities(chance, g)),
        6 => set("RG_affinities", ""),
        7 => set("Node_rule", chance.pick(&["", "ready = 1", "not ready = 0"])?),
        _ => set("Load_factors", &format!("cpu@{}", if traits.has_loads() { chance.below(6) } else { 0 })),
    })
}
