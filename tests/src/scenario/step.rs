//! The steps a story is made of.
//!
//! | step | |
//! |---|---|
//! | `nodes phys-1 phys-2` | a new cluster; `-phys-2`: configured, but down |
//! | `type svc START STOP; {PROPERTY=…}` | registers a type with these methods, and more of its file |
//! | `scrgadm …`, `scswitch …` | as in the shell; `-e` at the creation of a resource enables it |
//! | `scha_control -O … -G … -R … on NODE`, `scha_resource_setstatus … on NODE` | |
//! | `scha_resource_get …`, `…group_get`, `…type_get`, `scha_cluster_get` `on NODE` | prints the answer |
//! | `START r on phys-1 ok` | also `fails`, `exits 3`, `dies of signal 9`, `times out`, `can not be run`, `is killed`; with `: what it said` |
//! | `finish`, `finish but START r` | whatever runs ends well, until nothing runs |
//! | `node phys-2 dies`, `node phys-2 joins` | |
//! | `pmf gives up r on phys-1` | |
//! | `clock +60s`, `wall clock -1h` | time passes; the wall clock alone is set |
//! | `daemon killed` | the core is loaded anew; methods under way are lost |
//! | `cluster boots`, `cluster boots without phys-2` | |
//! | `cluster shuts down` | |
//! | `dry run scswitch …`, `as foretold` | what it would run; whether that is what ran since |
//! | `state` | every state and status |
//! | `with arguments` | from here on, VALIDATE and UPDATE are told with their arguments |

use super::options::{Options, words};
use anyhow::{Context, Result, bail};
use rgm_core::Ending;
use rgm_types::{
    Bring, Command, ControlOp, GroupName, InstalledNodes, Method, NodeName, Query, ResourceName, Status,
};

/// A step.
#[derive(Debug)]
pub(super) enum Step {
    Nodes { up: Vec<NodeName>, down: Vec<NodeName> },
    Ask { from: Option<NodeName>, command: Command },
    Get { from: Option<NodeName>, query: Query },
    DryRun { from: Option<NodeName>, command: Command },
    Foretold,
    Ends { method: Method, resource: ResourceName, node: NodeName, ending: Ending, said: Vec<String> },
    Finish { but: Option<(Method, ResourceName)> },
    NodeDies(NodeName),
    NodeJoins(NodeName),
    PmfGivesUp { resource: ResourceName, node: NodeName },
    Clock { secs: i64, wall_only: bool },
    DaemonKilled,
    ClusterBoots { without: Vec<NodeName> },
    ShutDown,
    State,
    WithArguments,
}

/// A step from a line.
pub(super) fn parse(line: &str) -> Result<Step> {
    let all = words(line);
    let refs: Vec<&str> = all.iter().map(String::as_str).collect();
    Ok(match refs.as_slice() {
        ["nodes", names @ ..] => nodes(names)?,
        ["finish"] => Step::Finish { but: None },
        ["finish", "but", method, resource] => {
            Step::Finish { but: Some((word(method)?, ResourceName::new(resource)?)) }
        }
        ["node", node, "dies"] => Step::NodeDies(NodeName::new(node)?),
        ["node", node, "joins"] => Step::NodeJoins(NodeName::new(node)?),
        ["pmf", "gives", "up", r, "on", node] => {
            Step::PmfGivesUp { resource: ResourceName::new(r)?, node: NodeName::new(node)? }
        }
        ["clock", span] => Step::Clock { secs: seconds(span)?, wall_only: false },
        ["wall", "clock", span] => Step::Clock { secs: seconds(span)?, wall_only: true },
        ["daemon", "killed"] => Step::DaemonKilled,
        ["cluster", "boots"] => Step::ClusterBoots { without: Vec::new() },
        ["cluster", "boots", "without", node] => Step::ClusterBoots { without: vec![NodeName::new(node)?] },
        ["cluster", "shuts", "down"] => Step::ShutDown,
        ["state"] => Step::State,
        ["with", "arguments"] => Step::WithArguments,
        ["as", "foretold"] => Step::Foretold,
        ["dry", "run", ..] => {
            let (from, command) = command(all.get(2..).unwrap_or_default(), line)?;
            Step::DryRun { from, command }
        }
        [get, ..] if get.ends_with("_get") => get_step(&all)?,
        [method, resource, "on", node, ..] if Method::from_word(method).is_some() => {
            ends(method, resource, node, line)?
        }
        _ => {
            let (from, command) = command(&all, line)?;
            Step::Ask { from, command }
        }
    })
}

fn nodes(names: &[&str]) -> Result<Step> {
    let (down, up): (Vec<&str>, Vec<&str>) = names.iter().partition(|n| n.starts_with('-'));
    let name = |n: &&str| Ok(NodeName::new(n.trim_start_matches('-'))?);
    Ok(Step::Nodes {
        up: up.iter().map(name).collect::<Result<_>>()?,
        down: down.iter().map(name).collect::<Result<_>>()?,
    })
}

fn word(text: &str) -> Result<Method> {
    Method::from_word(text).with_context(|| format!("{text} is no method"))
}

/// `+60s`, `-5m`, `+1h`.
fn seconds(text: &str) -> Result<i64> {
    let (number, unit) = text.split_at(text.len().saturating_sub(1));
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => bail!("{text} is no span"),
    };
    Ok(number.parse::<i64>()? * unit)
}

fn ends(method: &str, resource: &str, node: &str, line: &str) -> Result<Step> {
    let (how, said) = line.split_once(": ").map_or((line, None), |(how, said)| (how, Some(said)));
    let how = words(how);
    let how: Vec<&str> = how.iter().skip(4).map(String::as_str).collect();
    let ending = match how.as_slice() {
        ["ok"] => Ending::Exited(0),
        ["fails"] => Ending::Exited(1),
        ["exits", code] => Ending::Exited(code.parse()?),
        ["dies", "of", "signal", signal] => Ending::Signalled(signal.parse()?),
        ["times", "out"] => Ending::TimedOut,
        ["can", "not", "be", "run"] => Ending::NotStarted,
        ["is", "killed"] => Ending::Killed,
        other => bail!("a method does not end as in {other:?}"),
    };
    Ok(Step::Ends {
        method: word(method)?,
        resource: ResourceName::new(resource)?,
        node: NodeName::new(node)?,
        ending,
        said: said.map(String::from).into_iter().collect(),
    })
}

fn get_step(words: &[String]) -> Result<Step> {
    let (name, args) = words.split_first().context("no command")?;
    let o = Options::parse(args, "OGRT")?;
    let tag = o.need('O')?.to_string();
    let args = o.rest.clone();
    let query = match name.as_str() {
        "scha_resource_get" => {
            let resource = o.need('R')?.to_string();
            Query::Resource { tag, resource, group: o.get('G').map(String::from), args }
        }
        "scha_resourcegroup_get" => Query::Group { tag, group: o.need('G')?.to_string(), args },
        "scha_resourcetype_get" => Query::Type { tag, type_name: o.need('T')?.to_string() },
        "scha_cluster_get" => Query::Cluster { tag, args },
        other => bail!("no command {other}"),
    };
    Ok(Step::Get { from: o.on, query })
}

/// A command, and the node its caller is on.
fn command(words: &[String], line: &str) -> Result<(Option<NodeName>, Command)> {
    let (name, args) = words.split_first().context("no command")?;
    if name == "type" {
        return Ok((None, type_register(line)?));
    }
    let with_value = match name.as_str() {
        "scrgadm" => "tgjhyxp",
        "scswitch" => "gjhfK",
        "scha_control" => "OGR",
        "scha_resource_setstatus" => "RGsm",
        other => bail!("no step begins with {other}"),
    };
    let o = Options::parse(args, with_value)?;
    let command = match name.as_str() {
        "scrgadm" => scrgadm(&o)?,
        "scswitch" => scswitch(&o)?,
        "scha_control" => {
            let op = o.need('O')?;
            let op = ControlOp::from_word(op).with_context(|| format!("no operation {op}"))?;
            Command::Control { op, group: o.need('G')?.to_string(), resource: o.need('R')?.to_string() }
        }
        _ => {
            let status = o.need('s')?;
            let status = Status::from_word(status).with_context(|| format!("no status {status}"))?;
            let (group, resource) = (o.need('G')?.to_string(), o.need('R')?.to_string());
            Command::SetStatus { group, resource, status, message: o.get('m').map(String::from) }
        }
    };
    Ok((o.on, command))
}

/// `type NAME METHOD…; further declarations`
fn type_register(line: &str) -> Result<Command> {
    let (head, more) = line.split_once(';').unwrap_or((line, ""));
    let mut text = String::new();
    let mut head = head.split_whitespace().skip(1);
    let name = head.next().context("the type has no name")?;
    for method in head {
        let method = word(method)?;
        text.push_str(&format!("{method} = {};\n", method.word().to_ascii_lowercase()));
    }
    let text = format!("Resource_type = {name}; RT_version = 1; RT_basedir = /opt/{name};\n{text}{more}");
    let parsed = rtr_parser::parse(name, text.as_bytes());
    let declaration = parsed.resource_type.with_context(|| format!("{:?}", parsed.diagnostics))?;
    Ok(Command::TypeRegister { declaration })
}

fn scrgadm(o: &Options) -> Result<Command> {
    let props = o.props()?;
    let resource = |name: &str| Ok::<_, anyhow::Error>(ResourceName::new(name)?);
    Ok(match (o.has('a'), o.has('c'), o.has('r'), o.get('j'), o.get('g'), o.get('t')) {
        (true, _, _, Some(j), Some(g), Some(t)) => Command::ResourceCreate {
            name: j.to_string(),
            type_name: t.to_string(),
            group: GroupName::new(g)?,
            props,
            enable: o.has('e'),
        },
        (true, _, _, None, Some(g), None) => Command::GroupCreate { name: g.to_string(), props },
        (_, true, _, Some(j), None, None) => Command::ResourceSet { name: resource(j)?, props },
        (_, true, _, None, Some(g), None) => Command::GroupSet { name: GroupName::new(g)?, props },
        (_, true, _, None, None, Some(t)) => type_set(o, t)?,
        (_, _, true, Some(j), None, None) => Command::ResourceDelete { name: resource(j)?, force: false },
        (_, _, true, None, Some(g), None) => Command::GroupDelete { name: GroupName::new(g)?, force: false },
        (_, _, true, None, None, Some(t)) => Command::TypeUnregister { name: t.to_string() },
        _ => bail!("no such form of scrgadm"),
    })
}

fn type_set(o: &Options, name: &str) -> Result<Command> {
    let system = o.props()?.into_iter().find(|p| p.name.eq_ignore_ascii_case("RT_system"));
    Ok(Command::TypeSet {
        name: name.to_string(),
        installed_nodes: match o.get('h') {
            None => None,
            Some("*") => Some(InstalledNodes::All),
            Some(_) => Some(InstalledNodes::Only(o.nodes()?.into_iter().collect())),
        },
        rt_system: system.map(|p| p.value.eq_ignore_ascii_case("TRUE")),
    })
}

fn scswitch(o: &Options) -> Result<Command> {
    let (groups, resources, nodes) = (o.groups()?, o.resources()?, o.nodes()?);
    let kill = o.has('k');
    let form = "zZFRouencQsrS".chars().find(|l| o.has(*l)).context("no such form of scswitch")?;
    Ok(match form {
        'z' if o.has('h') => Command::Switch { groups, nodes, with: Bring::default() },
        'z' => Command::Remaster { groups },
        'Z' => Command::Online { groups, nodes: Vec::new(), with: Bring::ALL },
        'F' => Command::Offline { groups, nodes },
        'R' => Command::Restart { groups, nodes },
        'o' => Command::Manage { groups },
        'u' => Command::Unmanage { groups },
        'e' | 'n' if o.has('M') => Command::SetMonitored { resources, nodes, on: form == 'e' },
        'e' | 'n' => Command::SetEnabled { resources, nodes, on: form == 'e', recursive: o.has('R') },
        'c' => Command::ClearStopFailed { resources, nodes },
        'Q' => Command::Quiesce { groups, kill },
        's' => Command::Suspend { groups, kill },
        'r' => Command::Resume { groups },
        _ => Command::Evacuate { nodes, sticky_secs: o.get('K').unwrap_or("60").parse()? },
    })
}
