//! The table of the plan.

use super::*;
use crate::Rgm;
use crate::Token;
use crate::cell::Cell;
use crate::cell::Flight;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use rgm_types::rt::{InstalledNodes, SysdefinedType};
use rgm_types::{Entry, Group, GroupName, GroupRun, InitNodes, Millis, ResourceType, Switch, TypeName};

const PHASES: [Phase; 8] = [
    Phase::Offline,
    Phase::Prenet,
    Phase::Started,
    Phase::Monitored,
    Phase::MonitorFailed,
    Phase::StartFailed,
    Phase::Stopped,
    Phase::StopFailed,
];

/// A phase that is added has to be added to `PHASES` too.
fn index(phase: Phase) -> usize {
    match phase {
        Phase::Offline => 0,
        Phase::Prenet => 1,
        Phase::Started => 2,
        Phase::Monitored => 3,
        Phase::MonitorFailed => 4,
        Phase::StartFailed => 5,
        Phase::Stopped => 6,
        Phase::StopFailed => 7,
    }
}

fn type_with(methods: &[Method]) -> ResourceType {
    ResourceType {
        name: TypeName::new("svc").unwrap(),
        base: "svc".to_string(),
        vendor: String::new(),
        version: "1".to_string(),
        description: String::new(),
        api_version: 2,
        basedir: "/opt/svc".to_string(),
        failover: true,
        single_instance: false,
        init_nodes: InitNodes::RgPrimaries,
        installed_nodes: InstalledNodes::All,
        sysdefined: SysdefinedType::None,
        pkglist: vec![],
        rt_system: false,
        global_zone: false,
        proxy: false,
        methods: methods.iter().map(|m| (*m, m.word().to_ascii_lowercase())).collect(),
        upgrade: None,
        props: vec![],
    }
}

/// One resource on one node, with this cell, meant to be there or not.
fn plan_of(methods: &[Method], cell: &Cell, wanted: bool) -> Plan {
    let (node, group) = (NodeName::new("n").unwrap(), GroupName::new("g").unwrap());
    let r = Resource {
        name: ResourceName::new("r").unwrap(),
        type_name: TypeName::new("svc").unwrap(),
        type_version: "1".to_string(),
        group: group.clone(),
        props: BTreeMap::new(),
        node_props: BTreeMap::new(),
        enabled: Switch::all(true),
        monitored: Switch::all(true),
        deleting: false,
    };
    let wanted = if wanted { [node.clone()].into() } else { BTreeSet::new() };
    let g = Group { name: group.clone(), managed: true, suspended: false, props: BTreeMap::new() };
    let entries = vec![
        Entry::Type(type_with(methods)),
        Entry::Group(g),
        Entry::Resource(r.clone()),
        Entry::Run(group.clone(), GroupRun { wanted, ..GroupRun::default() }),
    ];
    let mut rgm = Rgm::load(entries, Default::default(), Token(1)).unwrap();
    rgm.nodes.insert(node.clone(), crate::Node { up: true, ..Default::default() });
    *rgm.boards.entry(group).or_default().cell_mut(&r.name, &node) = cell.clone();
    rgm.outlook().plan(&r, &node)
}

/// The table of the plan: no cell of it is a hole.
#[test]
fn every_phase_and_desire_has_a_next_step() {
    let bare = [Method::Start, Method::Stop];
    let early = [Method::PrenetStart, Method::PostnetStop];
    let mut table = String::new();
    for (i, phase) in PHASES.into_iter().enumerate() {
        assert_eq!(index(phase), i);
        let cell = Cell { phase, ..Cell::default() };
        for (name, methods) in
            [("every method", &Method::ALL[..]), ("START STOP", &bare), ("PRENET POSTNET", &early)]
        {
            let (up, down) = (plan_of(methods, &cell, true), plan_of(methods, &cell, false));
            let line = format!("{phase:?} | {name} | {up:?} | {down:?}");
            table.push_str(&line.replace("ResourceName", "").replace("NodeName", ""));
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn whatever_is_under_way_is_waited_for() {
    for phase in PHASES {
        for method in Method::ALL {
            let flight = Flight {
                token: Token(1),
                method,
                since: Millis(0),
                deadline: Millis(1),
                changed: BTreeSet::new(),
            };
            let cell = Cell { phase, flight: Some(flight), ..Cell::default() };
            for wanted in [true, false] {
                assert_eq!(plan_of(&Method::ALL, &cell, wanted), Plan::Wait(Wait::Flight));
            }
        }
    }
}

/// Debts are paid where nothing runs, and a restart is on its way down.
#[test]
fn what_a_cell_owes_comes_first() {
    let mut cell = Cell::default();
    cell.owed.boot = true;
    assert_eq!(plan_of(&Method::ALL, &cell, true), Plan::Run(Method::Boot));
    for (phase, next) in [
        (Phase::Monitored, Method::MonitorStop),
        (Phase::MonitorFailed, Method::MonitorStop),
        (Phase::Started, Method::Stop),
        (Phase::StartFailed, Method::Stop),
        (Phase::Stopped, Method::PostnetStop),
    ] {
        let cell = Cell { phase, restart: Some(crate::cell::Restart::Whole), ..Cell::default() };
        assert_eq!(plan_of(&Method::ALL, &cell, true), Plan::Run(next), "{phase:?}");
    }
}
