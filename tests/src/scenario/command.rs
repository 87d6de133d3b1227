//! Commands of a story: what an operator or an agent types, as far as stories need it.

use super::options::{Options, words};
use super::step::method;
use anyhow::{Context, Result, bail};
use rgm_types::{
    AttrName, Bring, Command, ControlOp, GroupName, InstalledNodes, NodeName, ResourceName, Status,
};

/// A command, and the node its caller is on.
pub(super) fn parse(line: &str) -> Result<(Option<NodeName>, Command)> {
    let all = words(line);
    let (name, args) = all.split_first().context("no command")?;
    match name.as_str() {
        "type" => return Ok((None, type_register(line)?)),
        "together" => return together(line),
        "clrg" | "clrs" | "clnode" | "cluster" => return of_suite(name, args),
        _ => {}
    }
    let with_value = match name.as_str() {
        "scrgadm" => "tgjhyxp",
        "scswitch" => "gjhfK",
        "scha_control" => "OGR",
        "scha_resource_setstatus" => "RGsm",
        "scha_node_attr_set" | "scha_node_attr_clear" => "nl",
        other => bail!("no step begins with {other}"),
    };
    let o = Options::parse(args, with_value)?;
    let command = match name.as_str() {
        "scrgadm" => scrgadm(&o)?,
        "scswitch" => scswitch(&o)?,
        "scha_node_attr_set" => attr_set(&o)?,
        "scha_node_attr_clear" => {
            let names = o.rest.iter().map(|n| Ok(AttrName::new(n)?)).collect::<Result<_>>()?;
            Command::AttrClear { node: o.nodes('n')?.pop(), lifetime: o.lifetime()?, names }
        }
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

/// `together COMMAND && COMMAND`: one operation.
fn together(line: &str) -> Result<(Option<NodeName>, Command)> {
    let commands = line.trim_start_matches("together ").split(" && ");
    let commands = commands.map(|c| Ok(parse(c)?.1)).collect::<Result<_>>()?;
    Ok((None, Command::Batch { commands }))
}

fn attr_set(o: &Options) -> Result<Command> {
    let pair = |text: &String| {
        let (name, value) = text.split_once('=').with_context(|| format!("{text} is no NAME=VALUE"))?;
        Ok((AttrName::new(name)?, value.to_string()))
    };
    let values = o.rest.iter().map(pair).collect::<Result<_>>()?;
    Ok(Command::AttrSet { node: o.nodes('n')?.pop(), lifetime: o.lifetime()?.unwrap_or_default(), values })
}

fn type_register(line: &str) -> Result<Command> {
    let Registration { name, text, .. } = registration(line, "/opt")?;
    let parsed = rtr_parser::parse(&name, text.as_bytes());
    let declaration = parsed.resource_type.with_context(|| format!("{:?}", parsed.diagnostics))?;
    Ok(Command::TypeRegister { declaration })
}

/// A registration file.
pub(super) struct Registration {
    /// What it is called.
    pub(super) name: String,
    /// Where its methods are.
    pub(super) basedir: String,
    /// What is in it.
    pub(super) text: String,
}

/// `type NAME METHOD…; further declarations`. A name is `[VENDOR.]NAME[:VERSION]`; with a version, it
/// is upgrade-aware, and `#$upgrade_from` lines stand for themselves before the first brace.
pub(super) fn registration(line: &str, root: &str) -> Result<Registration> {
    let (head, more) = line.split_once(';').unwrap_or((line, ""));
    let mut head = head.split_whitespace().skip(1);
    let whole = head.next().context("the type has no name")?;
    let (full, version) = whole.split_once(':').map_or((whole, None), |(n, v)| (n, Some(v)));
    let (vendor, name) = full.split_once('.').map_or((None, full), |(v, n)| (Some(v), n));
    let mut text = format!("Resource_type = {name};\nRT_version = {};\n", version.unwrap_or("1"));
    if let Some(vendor) = vendor {
        text.push_str(&format!("Vendor_id = {vendor};\n"));
    }
    let basedir = format!("{root}/{name}");
    text.push_str(&format!("RT_basedir = {basedir};\n"));
    for word in head {
        let file = method(word)?.word().to_ascii_lowercase();
        text.push_str(&format!("{word} = {file};\n"));
    }
    let (properties, entries) = more.split_at(more.find('{').unwrap_or(more.len()));
    let (properties, upgrade) = properties.split_at(properties.find("#$").unwrap_or(properties.len()));
    text.push_str(properties);
    if version.is_some() {
        text.push_str("\n#$upgrade\n");
    }
    text.push_str(&upgrade.replace("#$", "\n#$"));
    text.push('\n');
    text.push_str(entries);
    Ok(Registration { name: whole.to_string(), basedir, text })
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
            Some(_) => Some(InstalledNodes::Only(o.nodes('h')?.into_iter().collect())),
        },
        rt_system: system.map(|p| p.value.eq_ignore_ascii_case("TRUE")),
    })
}

fn scswitch(o: &Options) -> Result<Command> {
    let (groups, resources, nodes) = (o.groups()?, o.resources()?, o.nodes('h')?);
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
        'e' | 'n' => Command::SetEnabled { resources, nodes, on: form == 'e', recursive: false },
        'c' => Command::ClearStopFailed { resources, nodes },
        'Q' => Command::Quiesce { groups, kill },
        's' => Command::Suspend { groups, kill },
        'r' => Command::Resume { groups },
        _ => Command::Evacuate { nodes, sticky_secs: o.get('K').unwrap_or("60").parse()? },
    })
}

/// The later commands, for what the older ones have no word.
fn of_suite(name: &str, args: &[String]) -> Result<(Option<NodeName>, Command)> {
    let (verb, args) = args.split_first().context("no subcommand")?;
    let o = Options::parse(args, "pgtnT")?;
    let command = match name {
        "clrg" => clrg(verb, &o)?,
        "clrs" => clrs(verb, &o)?,
        "clnode" => clnode(verb, &o)?,
        _ if verb == "set" => Command::ClusterSet { props: o.props()? },
        _ => bail!("no subcommand {verb} of {name}"),
    };
    Ok((o.on, command))
}

fn clrg(verb: &str, o: &Options) -> Result<Command> {
    let groups: Vec<GroupName> = o.rest.iter().map(|n| GroupName::new(n)).collect::<Result<_, _>>()?;
    let one = || o.rest.first().context("no group is named");
    let nodes = o.nodes('n')?;
    let kill = o.has('k');
    let with = Bring { manage: o.has('M'), enable: o.has('e'), monitor: o.has('m') };
    Ok(match verb {
        "create" => Command::GroupCreate { name: one()?.clone(), props: o.props()? },
        "set" => Command::GroupSet { name: GroupName::new(one()?)?, props: o.props()? },
        "delete" => Command::GroupDelete { name: GroupName::new(one()?)?, force: o.has('F') },
        "online" => Command::Online { groups, nodes, with },
        "switch" => Command::Switch { groups, nodes, with },
        "offline" => Command::Offline { groups, nodes },
        "restart" => Command::Restart { groups, nodes },
        "remaster" => Command::Remaster { groups },
        "manage" => Command::Manage { groups },
        "unmanage" => Command::Unmanage { groups },
        "quiesce" => Command::Quiesce { groups, kill },
        "suspend" => Command::Suspend { groups, kill },
        "resume" => Command::Resume { groups },
        other => bail!("no subcommand {other} of clrg"),
    })
}

fn clrs(verb: &str, o: &Options) -> Result<Command> {
    let resources: Vec<ResourceName> =
        o.rest.iter().map(|n| ResourceName::new(n)).collect::<Result<_, _>>()?;
    let one = || o.rest.first().context("no resource is named");
    let nodes = o.nodes('n')?;
    Ok(match verb {
        "create" => Command::ResourceCreate {
            name: one()?.clone(),
            type_name: o.need('t')?.to_string(),
            group: GroupName::new(o.need('g')?)?,
            props: o.props()?,
            enable: !o.has('d'),
        },
        "set" => Command::ResourceSet { name: ResourceName::new(one()?)?, props: o.props()? },
        "delete" => Command::ResourceDelete { name: ResourceName::new(one()?)?, force: o.has('F') },
        "enable" | "disable" => {
            Command::SetEnabled { resources, nodes, on: verb == "enable", recursive: o.has('R') }
        }
        "monitor" | "unmonitor" => Command::SetMonitored { resources, nodes, on: verb == "monitor" },
        "clear" => Command::ClearStopFailed { resources, nodes },
        other => bail!("no subcommand {other} of clrs"),
    })
}

fn clnode(verb: &str, o: &Options) -> Result<Command> {
    let nodes: Vec<NodeName> = o.rest.iter().map(|n| NodeName::new(n)).collect::<Result<_, _>>()?;
    let node = || nodes.first().cloned().context("no node is named");
    let props = o.props()?;
    let prop = |name: &str| props.iter().find(|p| p.name == name).map(|p| p.value.clone());
    let limit = || prop("limitname").context("-p limitname=… is missing");
    Ok(match verb {
        "evacuate" => {
            let sticky_secs = o.get('T').unwrap_or("60").parse()?;
            Command::Evacuate { nodes, sticky_secs }
        }
        "create-loadlimit" | "set-loadlimit" => Command::LoadLimitSet {
            node: node()?,
            name: limit()?,
            soft: prop("softlimit").map(|n| n.parse()).transpose()?,
            hard: prop("hardlimit").map(|n| n.parse()).transpose()?,
        },
        "add" => Command::NodeAdd { node: node()? },
        "remove" => Command::NodeRemove { node: node()? },
        "delete-loadlimit" => Command::LoadLimitDelete { node: node()?, name: limit()? },
        other => bail!("no subcommand {other} of clnode"),
    })
}
