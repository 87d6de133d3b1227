//! What a decision costs: the core alone, without any shell, in processor time, so that what else the
//! machine does is not counted. It is built as the simulator has it: optimised, with its checks.

use super::Row;
use super::samples::goal;
use anyhow::{Context, Result};
use rgm_core::Rgm;
use rgm_core::event::{Action, Ending, Event, MethodResult, NodeReport, Out, RequestId, Token};
use rgm_types::{
    Clock, Command, ControlOp, Entry, GetValue, Group, GroupName, Method, Millis, NodeConf, NodeName,
    PropDecl, PropName, PropType, Query, Resource, ResourceName, ResourceType, Switch, Tunable, TypeName,
    Value,
};
use rustix::time::{ClockId, clock_gettime};
use std::collections::{BTreeMap, VecDeque};

/// Resources of a group.
const GROUP: usize = 10;
/// Requests whose events are measured.
const ROUNDS: usize = 200;
/// What an event may cost, in microseconds, whatever the size of the cluster.
const EVENT_GOAL: f64 = 1_000.0;
/// What a node's death may cost that 1,000 groups have to leave, in microseconds.
const DEATH_GOAL: f64 = 50_000.0;
/// Nodes a group may be on at most.
const NODELIST: usize = 16;

pub fn rows() -> Result<Vec<Row>> {
    // First, while this process is small.
    let mut rows = vec![memory(10_000, 16)?];
    for resources in [100, 1_000, 10_000] {
        for nodes in [2, 16, 256] {
            rows.push(one_event(resources, nodes)?);
        }
    }
    rows.push(lost_node(1_000, 16)?);
    Ok(rows)
}

/// A service asks for its own restart; its methods end: each of these is an event.
fn one_event(resources: usize, nodes: usize) -> Result<Row> {
    let mut world = World::new(resources, |g| g % nodes, nodes)?;
    let mut times = Vec::new();
    for round in 0..ROUNDS {
        let (group, r) = (round % (resources / GROUP), round % GROUP);
        let from = world.node_of(group, nodes)?;
        let (group, resource) = (format!("g{group}"), format!("g{group}r{r}"));
        let command = Command::Control { op: ControlOp::ResourceRestart, group, resource };
        world.todo.push_back(Event::Request { id: RequestId(1 + round as u64), from, command });
        times.extend(world.run());
    }
    times.sort_by(f64::total_cmp);
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let late = times.get(times.len() * 99 / 100).copied().unwrap_or_default();
    Ok(Row {
        what: format!("one event, {resources} resources on {nodes} nodes"),
        unit: "us",
        measured: median,
        against: Some(goal(EVENT_GOAL, median)),
        note: format!("99 of 100 within {late:.0} us; {} events", times.len()),
    })
}

/// The node is gone that every group ran on: all of them get another place, in one step.
fn lost_node(groups: usize, nodes: usize) -> Result<Row> {
    let mut world = World::new(groups * GROUP, |_| 0, nodes)?;
    let event = Event::NodeDown { node: name(0)? };
    let before = now();
    let out = world.core.step(world.clock, &event);
    let took = now() - before;
    let moved = out.log.iter().filter(|l| l.text.contains("is to be online")).count();
    Ok(Row {
        what: format!("a node lost that {groups} groups of {nodes} nodes ran on"),
        unit: "us",
        measured: took,
        against: Some(goal(DEATH_GOAL, took)),
        note: format!("{moved} groups placed anew, {} methods ordered", out.actions.len()),
    })
}

/// What a configured, running resource takes.
fn memory(resources: usize, nodes: usize) -> Result<Row> {
    let before = resident()?;
    let world = World::new(resources, |g| g % nodes, nodes)?;
    let each = resident()?.saturating_sub(before) / resources;
    drop(world);
    Ok(Row {
        what: format!("memory of the core, {resources} running resources on {nodes} nodes"),
        unit: "B",
        measured: each as f64,
        against: None,
        note: "bytes a resource".to_owned(),
    })
}

/// Pages of this process that are in memory, in bytes.
fn resident() -> Result<usize> {
    const PAGE: usize = 4096;
    let text = std::fs::read_to_string("/proc/self/statm").context("failed to read /proc/self/statm")?;
    let pages = text.split_whitespace().nth(1).and_then(|n| n.parse::<usize>().ok());
    Ok(pages.context("/proc/self/statm is not as expected")? * PAGE)
}

/// Processor time of this thread, in microseconds.
fn now() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

/// The core, and methods that end at once.
struct World {
    core: Rgm,
    clock: Clock,
    todo: VecDeque<Event>,
}

impl World {
    /// Every group online, on the node `first` says.
    fn new(resources: usize, first: impl Fn(usize) -> usize, nodes: usize) -> Result<Self> {
        let mut entries: Vec<Entry> = vec![Entry::Type(service()?)];
        for n in 0..nodes {
            let id = u32::try_from(n).unwrap_or_default() + 1;
            entries.push(Entry::Node(NodeConf { name: name(n)?, id, load_limits: BTreeMap::new() }));
        }
        for g in 0..resources / GROUP {
            entries.push(Entry::Group(group(g, nodes, first(g))?));
            for r in 0..GROUP {
                entries.push(Entry::Resource(resource(g, r)?));
            }
        }
        let core = Rgm::load(entries, Default::default(), Token(1))?;
        let mut world = Self { core, clock: Clock::default(), todo: VecDeque::new() };
        let report = |n| Ok(NodeReport { node: name(n)?, fresh: true, cells: Vec::new() });
        let nodes = (0..nodes).map(report).collect::<Result<_>>()?;
        world.todo.push_back(Event::Formed { nodes });
        world.run();
        Ok(world)
    }

    /// Takes events until nothing is under way; how long each took.
    fn run(&mut self) -> Vec<f64> {
        let mut times = Vec::new();
        while let Some(event) = self.todo.pop_front() {
            self.clock.boot.0 += 1;
            self.clock.wall.0 += 1;
            let before = now();
            let out = self.core.step(self.clock, &event);
            let due = self.core.next_deadline();
            times.push(now() - before);
            std::hint::black_box(due);
            self.end_methods(out);
        }
        times
    }

    fn end_methods(&mut self, out: Out) {
        for action in out.actions {
            if let Action::Run(order) = action {
                let result = MethodResult { ending: Ending::Exited(0), used: Millis(1), output: Vec::new() };
                self.todo.push_back(Event::MethodEnded { node: order.node, token: order.token, result });
            }
        }
    }

    /// Where a group is online.
    fn node_of(&self, group: usize, nodes: usize) -> Result<NodeName> {
        for n in 0..nodes {
            let node = name(n)?;
            let query = Query::Group { tag: "RG_STATE".into(), group: format!("g{group}"), args: Vec::new() };
            if self.core.get(self.clock, &node, &query).is_ok_and(|v| v == GetValue::Text("ONLINE".into())) {
                return Ok(node);
            }
        }
        anyhow::bail!("group g{group} is not online")
    }
}

fn name(n: usize) -> Result<NodeName> {
    Ok(NodeName::new(&format!("n{n:03}"))?)
}

fn service() -> Result<ResourceType> {
    let methods = [Method::Start, Method::Stop, Method::MonitorStart, Method::MonitorStop];
    let depends = PropDecl {
        name: PropName::new("Resource_dependencies")?,
        extension: false,
        per_node: false,
        prop_type: PropType::StringArray,
        enumlist: Vec::new(),
        tunable: Tunable::Anytime,
        default: Some(Value::StringArray(Vec::new())),
        min: None,
        max: None,
        minlength: None,
        maxlength: None,
        array_minsize: None,
        array_maxsize: None,
        description: String::new(),
    };
    Ok(ResourceType {
        name: TypeName::new("svc")?,
        base: "svc".into(),
        vendor: String::new(),
        version: "1".into(),
        description: String::new(),
        api_version: 2,
        basedir: "/opt/svc".into(),
        failover: true,
        single_instance: false,
        init_nodes: Default::default(),
        installed_nodes: Default::default(),
        sysdefined: Default::default(),
        pkglist: Vec::new(),
        rt_system: false,
        global_zone: false,
        proxy: false,
        methods: methods.iter().map(|m| (*m, m.word().to_ascii_lowercase())).collect(),
        upgrade: None,
        props: vec![depends],
    })
}

/// A group whose Nodelist has at most `NODELIST` nodes, beginning with that one.
fn group(g: usize, nodes: usize, first: usize) -> Result<Group> {
    let list = (0..nodes.min(NODELIST)).map(|i| name((first + i) % nodes).map(|n| n.to_string()));
    let nodelist = Value::StringArray(list.collect::<Result<_, _>>()?);
    let props = [(PropName::new("Nodelist")?, nodelist)].into();
    Ok(Group { name: GroupName::new(&format!("g{g}"))?, managed: true, suspended: false, props })
}

/// A resource that depends on the one before it.
fn resource(g: usize, r: usize) -> Result<Resource> {
    let before = r.checked_sub(1).map(|b| format!("g{g}r{b}"));
    let deps = Value::StringArray(before.into_iter().collect());
    Ok(Resource {
        name: ResourceName::new(&format!("g{g}r{r}"))?,
        type_name: TypeName::new("svc")?,
        type_version: "1".into(),
        group: GroupName::new(&format!("g{g}"))?,
        props: [(PropName::new("Resource_dependencies")?, deps)].into(),
        node_props: BTreeMap::new(),
        enabled: Switch::all(true),
        monitored: Switch::all(true),
        deleting: false,
    })
}
