//! What happens: configurations and commands, by chance.

use super::Chance;
use rgm_core::Rgm;
use rgm_types::{
    Bring, Command, ControlOp, GroupName, NodeName, PropSet, ResourceName, ResourceType, Status,
};

/// Resource types with every mixture of methods.
pub(super) fn types() -> Vec<ResourceType> {
    let full = "START=a;STOP=b;PRENET_START=c;POSTNET_STOP=d;MONITOR_START=e;MONITOR_STOP=f;MONITOR_CHECK=g;VALIDATE=h;UPDATE=i;INIT=j;FINI=k;BOOT=l;";
    let kinds = [
        ("full", full),
        ("plain", "START=a;STOP=b;"),
        ("monitored", "START=a;STOP=b;MONITOR_START=e;MONITOR_STOP=f;UPDATE=i;VALIDATE=h;"),
        ("net", "PRENET_START=c;POSTNET_STOP=d;MONITOR_CHECK=g;"),
        ("mixed", "PRENET_START=c;STOP=b;INIT=j;BOOT=l;"),
        ("late", "START=a;POSTNET_STOP=d;FINI=k;MONITOR_START=e;MONITOR_STOP=f;"),
    ];
    kinds.iter().filter_map(|(name, methods)| parse(name, methods)).collect()
}

fn parse(name: &str, methods: &str) -> Option<ResourceType> {
    let text = format!(
        "RESOURCE_TYPE={name};VENDOR_ID=SIM;RT_VERSION=1;RT_BASEDIR=/sim;FAILOVER=TRUE;{methods}\
         {{PROPERTY=Retry_count;DEFAULT=2;TUNABLE=ANYTIME;}}{{PROPERTY=Retry_interval;DEFAULT=60;TUNABLE=ANYTIME;}}\
         {{PROPERTY=Colour;EXTENSION;STRING;DEFAULT=red;TUNABLE=ANYTIME;}}"
    );
    rtr_parser::parse(name, text.as_bytes()).resource_type
}

/// The commands that set a world up: groups of a few resources with dependencies among them.
pub(super) fn opening(chance: &mut Chance, nodes: &[NodeName]) -> Vec<Command> {
    let mut commands: Vec<Command> =
        types().into_iter().map(|declaration| Command::TypeRegister { declaration }).collect();
    for g in 0..=chance.below(3) {
        let group = format!("g{g}");
        let mut order: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
        if chance.percent(50) {
            order.reverse();
        }
        let props = vec![
            set("Nodelist", &order.join(",")),
            set("Pingpong_interval", chance.pick(&["0", "60", "3600"]).unwrap_or(&"60")),
            set("Failback", chance.pick(&["TRUE", "FALSE"]).unwrap_or(&"FALSE")),
        ];
        commands.push(Command::GroupCreate { name: group.clone(), props });
        for r in 0..=chance.below(4) {
            commands.push(creation(chance, &group, g, r));
        }
        if let Ok(group) = GroupName::new(&group) {
            commands.push(Command::Online { groups: vec![group], nodes: Vec::new(), with: Bring::ALL });
        }
    }
    commands
}

fn creation(chance: &mut Chance, group: &str, g: usize, r: usize) -> Command {
    let kinds = ["full", "plain", "monitored", "net", "mixed", "late"];
    let modes = ["NONE", "SOFT", "HARD", "RESTART_ONLY", "LOG_ONLY"];
    let deps: Vec<String> = (0..r).filter(|_| chance.percent(40)).map(|d| format!("r{g}x{d}")).collect();
    Command::ResourceCreate {
        name: format!("r{g}x{r}"),
        type_name: chance.pick(&kinds).unwrap_or(&"plain").to_string(),
        group: GroupName::new(group).unwrap_or_else(|e| unreachable!("{e}")),
        props: vec![
            set("Failover_mode", chance.pick(&modes).unwrap_or(&"NONE")),
            set("Resource_dependencies", &deps.join(",")),
        ],
        enable: chance.percent(30),
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

/// Anything an operator or a monitor may ask for, sensible or not.
pub(super) fn command(chance: &mut Chance, core: &Rgm, nodes: &[NodeName]) -> Option<Command> {
    let snapshot = core.snapshot();
    let group = chance.pick(&snapshot.groups)?.clone();
    let resource = chance.pick(&snapshot.resources)?.clone();
    let node = chance.pick(nodes)?.clone();
    let (groups, resources) = (vec![group.name.clone()], vec![resource.name.clone()]);
    let (rg, rs) = (resource.group.to_string(), resource.name.to_string());
    Some(match chance.below(22) {
        0 | 1 => Command::Switch { groups, nodes: vec![node], with: Bring::default() },
        2 => Command::Remaster { groups },
        3 => Command::Online { groups, nodes: Vec::new(), with: Bring::ALL },
        4 => Command::Offline { groups, nodes: Vec::new() },
        5 => Command::Restart { groups, nodes: Vec::new() },
        6 => Command::Manage { groups },
        7 => Command::Unmanage { groups },
        8 => Command::SetEnabled {
            resources,
            nodes: Vec::new(),
            on: chance.percent(60),
            recursive: chance.percent(20),
        },
        9 => Command::SetEnabled { resources, nodes: vec![node], on: chance.percent(60), recursive: false },
        10 => Command::SetMonitored { resources, nodes: Vec::new(), on: chance.percent(60) },
        11 => Command::ClearStopFailed { resources, nodes: nodes.to_vec() },
        12 => Command::Quiesce { groups, kill: chance.percent(50) },
        13 if chance.percent(30) => Command::Suspend { groups, kill: false },
        13 => Command::Resume { groups },
        14 => Command::Evacuate { nodes: vec![node], sticky_secs: 10 },
        15 => Command::ResourceSet { name: resource.name, props: vec![set("Colour", "blue")] },
        16 => Command::GroupSet { name: group.name, props: vec![set("RG_description", "x")] },
        17 => Command::ResourceDelete { name: resource.name, force: false },
        18 => creation(chance, group.name.as_str(), 7, 0),
        19 => Command::SetStatus { group: rg, resource: rs, status: Status::Faulted, message: None },
        _ => Command::Control { op: *chance.pick(&ControlOp::ALL)?, group: rg, resource: rs },
    })
}

/// A resource name the world made.
pub(super) fn any_resource(chance: &mut Chance, core: &Rgm) -> Option<ResourceName> {
    let snapshot = core.snapshot();
    chance.pick(&snapshot.resources).map(|r| r.name.clone())
}
