//! `scrgadm`: configuration (reference 7.1).

mod show;

use crate::args::Args;
use crate::ask::{self, Change};
use crate::failure::Failure;
use crate::logical_hostname::LogicalHostname;
use crate::progress::Voice;
use crate::properties::{self, extension, standard};
use crate::{names, progress, register};
use rgm_types::{Command, InstalledNodes, NodeName, PropClass, PropOp, PropSet, SchaErr};

/// Does what the command line says.
pub fn run(args: &Args) -> Result<String, Failure> {
    if args.form()?.key == ["-p"] {
        return show::run(args);
    }
    let dry_run = args.has("--dry-run");
    let mut text = String::new();
    let changes = match args.form()?.key {
        ["-a", "-L"] => logical_hostname(args)?.changes(&ask::snapshot()?, dry_run)?,
        _ => vec![change(args)?],
    };
    for change in changes {
        text.push_str(&progress::change(Voice::of("scrgadm"), change, dry_run)?);
    }
    Ok(text)
}

fn change(args: &Args) -> Result<Change, Failure> {
    let command = match args.form()?.key {
        ["-a", "-t"] => {
            let nodes = installed_nodes(args)?;
            return register::change(args.needed("-t")?, args.one("-f")?, nodes);
        }
        ["-a", "-S"] => return Err(no_shared_address()),
        ["-a", "-j"] => create_resource(args)?,
        ["-a", "-g"] => {
            Command::GroupCreate { name: named_group(args)?.to_string(), props: group_props(args)? }
        }
        ["-c", "-j"] => set_resource(args)?,
        ["-c", "-g"] => set_group(args)?,
        ["-c", "-t"] => set_type(args)?,
        ["-r", "-j"] => Command::ResourceDelete { name: names::resource(args.needed("-j")?)?, force: false },
        ["-r", "-g"] => Command::GroupDelete { name: named_group(args)?, force: false },
        _ => Command::TypeUnregister { name: args.needed("-t")?.to_owned() },
    };
    Ok(Change::Command(command))
}

fn named_group(args: &Args) -> Result<rgm_types::GroupName, Failure> {
    names::group(args.needed("-g")?)
}

fn create_resource(args: &Args) -> Result<Command, Failure> {
    Ok(Command::ResourceCreate {
        name: names::resource(args.needed("-j")?)?.to_string(),
        type_name: args.needed("-t")?.to_owned(),
        group: named_group(args)?,
        props: resource_props(args)?,
        enable: false,
    })
}

fn set_resource(args: &Args) -> Result<Command, Failure> {
    let (name, props) = (names::resource(args.needed("-j")?)?, resource_props(args)?);
    if props.is_empty() {
        return Err(args.misuse("-c -j needs a property to change: -y or -x PROPERTY=VALUE"));
    }
    Ok(Command::ResourceSet { name, props })
}

fn set_group(args: &Args) -> Result<Command, Failure> {
    let (name, props) = (named_group(args)?, group_props(args)?);
    if props.is_empty() {
        return Err(args.misuse("-c -g needs something to change: -h NODE,... or -y PROPERTY=VALUE"));
    }
    Ok(Command::GroupSet { name, props })
}

fn resource_props(args: &Args) -> Result<Vec<PropSet>, Failure> {
    args.all("-y").map(standard).chain(args.all("-x").map(extension)).collect()
}

/// Properties of a group; -h is its Nodelist.
fn group_props(args: &Args) -> Result<Vec<PropSet>, Failure> {
    let mut props = args.all("-y").map(standard).collect::<Result<Vec<_>, _>>()?;
    if !args.has("-h") {
        return Ok(props);
    }
    if props.iter().any(|p| p.name.eq_ignore_ascii_case("Nodelist")) {
        return Err(args.misuse("-h and -y Nodelist= say the same: give one of them"));
    }
    let nodes: Vec<String> = names::nodes(args)?.iter().map(NodeName::to_string).collect();
    props.push(PropSet {
        name: "Nodelist".to_owned(),
        class: PropClass::Standard,
        nodes: Vec::new(),
        op: PropOp::Set,
        value: nodes.join(","),
    });
    Ok(props)
}

fn set_type(args: &Args) -> Result<Command, Failure> {
    let name = args.needed("-t")?.to_owned();
    let mut rt_system = None;
    for prop in args.all("-y").map(standard) {
        let prop = prop?;
        if !prop.name.eq_ignore_ascii_case("RT_system") {
            return Err(Failure::new(
                SchaErr::Prop,
                format!("resource type {name}: {} can't be changed", prop.name),
                "of a registered type only RT_system and, with -h, the nodes can be changed",
            ));
        }
        rt_system = Some(properties::boolean(&prop)?);
    }
    let installed_nodes = installed_nodes(args)?;
    if rt_system.is_none() && installed_nodes.is_none() {
        return Err(args.misuse("-c -t needs something to change: -h NODE,... or -y RT_system=TRUE"));
    }
    Ok(Command::TypeSet { name, installed_nodes, rt_system })
}

fn installed_nodes(args: &Args) -> Result<Option<InstalledNodes>, Failure> {
    if !args.has("-h") {
        return Ok(None);
    }
    if args.all("-h").eq(["*"]) {
        return Ok(Some(InstalledNodes::All));
    }
    names::nodes(args).map(|nodes| Some(InstalledNodes::Only(nodes)))
}

/// `-a -L`: disabled like every resource that scrgadm makes; without -j it is called as its first host.
fn logical_hostname(args: &Args) -> Result<LogicalHostname, Failure> {
    let hosts = args.list("-l", |host| Ok(host.to_owned()))?;
    let name = match (args.one("-j")?, hosts.first()) {
        (Some(name), _) => names::resource(name)?,
        (None, Some(host)) => names::resource(host).map_err(|_| {
            args.misuse(format!(
                "-l {host}: a host name that no resource can have: name the resource with -j"
            ))
        })?,
        (None, None) => return Err(args.misuse("-l is empty")),
    };
    Ok(LogicalHostname {
        name,
        group: named_group(args)?,
        hosts,
        interfaces: args.list("-n", |netif| Ok(netif.to_owned()))?,
        props: args.all("-y").map(standard).collect::<Result<_, _>>()?,
        enable: false,
    })
}

fn no_shared_address() -> Failure {
    Failure::new(
        SchaErr::NotAllowed,
        "resource type SUNW.SharedAddress: there are no shared addresses on Linux",
        "use a logical hostname, which moves with a failover group: -a -L",
    )
}

#[cfg(test)]
mod tests;
