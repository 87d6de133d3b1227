//! The steps a story is made of.
//!
//! | step | |
//! |---|---|
//! | `nodes phys-1 phys-2` | a new cluster; `-phys-2`: configured, but down |
//! | `type svc START STOP; {PROPERTY=…}` | registers a type with these methods, and more of its file |
//! | `scrgadm …`, `scswitch …` | as in the shell; `-e` at the creation of a resource enables it |
//! | `clrg …`, `clrs …`, `clnode …`, `cluster set …` | the same |
//! | `together COMMAND && COMMAND` | several changes as one operation |
//! | `scha_control -O … -G … -R … on NODE`, `scha_resource_setstatus … on NODE` | |
//! | `scha_node_attr_set … on NODE`, `scha_node_attr_clear … on NODE` | |
//! | `scha_node_attr_get … on NODE` | prints the value |
//! | `scha_resource_get …`, `…group_get`, `…type_get`, `scha_cluster_get` `on NODE` | prints the answer |
//! | `START r on phys-1 ok` | also `fails`, `exits 3`, `dies of signal 9`, `times out`, `can not be run`, `is killed`; with `: what it said` |
//! | `finish`, `finish but START r` | whatever runs ends well, until nothing runs |
//! | `node phys-2 dies`, `node phys-2 joins` | |
//! | `pmf gives up r on phys-1` | |
//! | `clock +60s`, `wall clock -1h` | time passes; the wall clock alone is set |
//! | `daemon killed` | the core is loaded anew; methods under way are lost |
//! | `killed at the commit of scrgadm …` | the same, as soon as the change lies in the repository |
//! | `cluster boots`, `cluster boots without phys-2` | |
//! | `cluster shuts down` | |
//! | `dry run scswitch …`, `as foretold` | what it would run; whether that is what ran since |
//! | `state` | every state and status |
//! | `declared svc` | the properties of a type: data type, default, tunability, limits |
//! | `properties of g` | of a group, a resource or the cluster: every value in force |
//! | `explain g` | why a group or a resource is as it is |
//! | `with arguments` | from here on, VALIDATE and UPDATE are told with their arguments |

use super::command;
use super::options::{Options, words};
use anyhow::{Context, Result, bail};
use rgm_core::Ending;
use rgm_types::{AttrName, Command, Method, NodeName, Query, ResourceName};

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
    KilledAtCommit { from: Option<NodeName>, command: Command },
    ClusterBoots { without: Vec<NodeName> },
    ShutDown,
    State,
    Declared(String),
    Properties(String),
    Explain(String),
    WithArguments,
}

/// A step from a line.
pub(super) fn parse(line: &str) -> Result<Step> {
    let all = words(line);
    let refs: Vec<&str> = all.iter().map(String::as_str).collect();
    Ok(match refs.as_slice() {
        ["nodes", names @ ..] => nodes(names)?,
        ["finish"] => Step::Finish { but: None },
        ["finish", "but", word, resource] => {
            Step::Finish { but: Some((method(word)?, ResourceName::new(resource)?)) }
        }
        ["node", node, "dies"] => Step::NodeDies(NodeName::new(node)?),
        ["node", node, "joins"] => Step::NodeJoins(NodeName::new(node)?),
        ["pmf", "gives", "up", r, "on", node] => {
            Step::PmfGivesUp { resource: ResourceName::new(r)?, node: NodeName::new(node)? }
        }
        ["clock", span] => Step::Clock { secs: seconds(span)?, wall_only: false },
        ["wall", "clock", span] => Step::Clock { secs: seconds(span)?, wall_only: true },
        ["daemon", "killed"] => Step::DaemonKilled,
        ["killed", "at", "the", "commit", "of", ..] => {
            let (from, command) = command::parse(line.trim_start_matches("killed at the commit of "))?;
            Step::KilledAtCommit { from, command }
        }
        ["cluster", "boots"] => Step::ClusterBoots { without: Vec::new() },
        ["cluster", "boots", "without", node] => Step::ClusterBoots { without: vec![NodeName::new(node)?] },
        ["cluster", "shuts", "down"] => Step::ShutDown,
        ["state"] => Step::State,
        ["declared", rt] => Step::Declared((*rt).to_string()),
        ["properties", "of", what] => Step::Properties((*what).to_string()),
        ["explain", what] => Step::Explain((*what).to_string()),
        ["with", "arguments"] => Step::WithArguments,
        ["as", "foretold"] => Step::Foretold,
        ["dry", "run", ..] => {
            let (from, command) = command::parse(line.trim_start_matches("dry run "))?;
            Step::DryRun { from, command }
        }
        [get, ..] if get.ends_with("_get") => get_step(&all)?,
        [word, resource, "on", node, ..] if Method::from_word(word).is_some() => {
            ends(word, resource, node, line)?
        }
        _ => {
            let (from, command) = command::parse(line)?;
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

/// A method, by its word.
pub(super) fn method(text: &str) -> Result<Method> {
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

fn ends(word: &str, resource: &str, node: &str, line: &str) -> Result<Step> {
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
        method: method(word)?,
        resource: ResourceName::new(resource)?,
        node: NodeName::new(node)?,
        ending,
        said: said.map(String::from).into_iter().collect(),
    })
}

fn attr_get(o: &Options) -> Result<Step> {
    let name = AttrName::new(o.rest.first().context("no attribute is named")?)?;
    let (node, lifetime) = (o.get('n').map(String::from), o.lifetime()?);
    Ok(Step::Get { from: o.on.clone(), query: Query::NodeAttr { name, node, lifetime } })
}

fn get_step(words: &[String]) -> Result<Step> {
    let (name, args) = words.split_first().context("no command")?;
    let o = Options::parse(args, "OGRTnl")?;
    if name == "scha_node_attr_get" {
        return attr_get(&o);
    }
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
