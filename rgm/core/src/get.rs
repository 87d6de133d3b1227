//! Answers to `scha_*_get` (reference 8.2 to 8.5). Tags in any case.

use crate::Rgm;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::{
    AttrName, Clock, GetValue, Group, GroupName, InitNodes, InstalledNodes, Lifetime, LoadLimit, Method,
    Millis, NodeConf, NodeName, Query, Refusal, Resource, ResourceType, SchaErr, SysdefinedType, TypeName,
    Value, props,
};

/// The syslog facility the manager logs with: LOG_DAEMON (reference 8.5).
const SYSLOG_FACILITY: i64 = 24;

type Got = Result<GetValue, Refusal>;

impl Rgm {
    /// Answers a read for a caller on a node.
    pub fn get(&self, clock: Clock, from: &NodeName, query: &Query) -> Got {
        match query {
            Query::Resource { tag, resource, group, args } => {
                let r = self.conf.resource(resource)?;
                if let Some(group) = group {
                    self.group_and_member(group, r)?;
                }
                self.get_resource(clock, from, r, &tag.to_ascii_uppercase(), args)
            }
            Query::Group { tag, group, args } => {
                self.get_group(from, self.conf.group(group)?, &tag.to_ascii_uppercase(), args)
            }
            Query::Type { tag, type_name } => {
                let rt = self.conf.resource_type(type_name)?;
                self.get_type(rt, &tag.to_ascii_uppercase()).unwrap_or_else(|| Err(unknown_tag(tag)))
            }
            Query::Cluster { tag, args } => self.get_cluster(from, &tag.to_ascii_uppercase(), args),
            Query::NodeAttr { name, node, lifetime } => {
                let node = match node {
                    Some(node) => &self.conf.node(node)?.name,
                    None => from,
                };
                self.get_attr(node, name, *lifetime)
            }
        }
    }

    fn group_and_member(&self, group: &str, r: &Resource) -> Result<(), Refusal> {
        let group = self.conf.group(group)?;
        if r.group == group.name {
            return Ok(());
        }
        let message = format!("resource {} is not in resource group {}", r.name, group.name);
        Err(Refusal::new(SchaErr::Rsrc, message, format!("it is in {}", r.group)))
    }

    fn get_resource(&self, clock: Clock, from: &NodeName, r: &Resource, tag: &str, args: &[String]) -> Got {
        let rt = self.conf.resource_type(r.type_name.as_str())?;
        let cell = self.cell(&r.name, from);
        let restarts = |list: &[Millis]| match self.retry_interval(r) {
            Some(window) => Ok(number(list.iter().filter(|t| clock.boot.since(**t) < window).count())),
            None => Err(no_property(rt, tag)),
        };
        match tag {
            "GROUP" => Ok(text(r.group.as_str())),
            "TYPE" => Ok(text(r.type_name.as_str())),
            "TYPE_VERSION" => Ok(text(&r.type_version)),
            "ON_OFF_SWITCH" => Ok(switch(r.enabled.on_at(from))),
            "MONITORED_SWITCH" => Ok(switch(r.monitored.on_at(from))),
            "ON_OFF_SWITCH_NODE" => Ok(switch(r.enabled.on_at(&self.node_arg(tag, args)?))),
            "MONITORED_SWITCH_NODE" => Ok(switch(r.monitored.on_at(&self.node_arg(tag, args)?))),
            "RESOURCE_STATE" => Ok(text(self.resource_state(r, from).word())),
            "RESOURCE_STATE_NODE" => Ok(text(self.resource_state(r, &self.node_arg(tag, args)?).word())),
            "STATUS" => Ok(GetValue::Status { status: cell.status, message: cell.status_msg }),
            "STATUS_NODE" => {
                let cell = self.cell(&r.name, &self.node_arg(tag, args)?);
                Ok(GetValue::Status { status: cell.status, message: cell.status_msg })
            }
            "NUM_RESOURCE_RESTARTS" => restarts(&cell.restarts),
            "NUM_RG_RESTARTS" => restarts(&cell.rg_restarts),
            "NUM_RESOURCE_RESTARTS_ZONE" | "NUM_RG_RESTARTS_ZONE" => Err(no_zones(tag)),
            "ALL_EXTENSIONS" => {
                let names = rt.props.iter().filter(|p| p.extension).map(|p| p.name.to_string());
                Ok(GetValue::List(names.collect()))
            }
            "EXTENSION" => self.get_extension(r, rt, arg(tag, args, 0, "property")?, from),
            "EXTENSION_NODE" => {
                let node = self.conf.node(arg(tag, args, 1, "node")?)?.name.clone();
                self.get_extension(r, rt, arg(tag, args, 0, "property")?, &node)
            }
            _ => self.get_declared(r, rt, tag),
        }
    }

    /// Standard properties, then what the resource's type answers.
    fn get_declared(&self, r: &Resource, rt: &ResourceType, tag: &str) -> Got {
        let declared = rt.prop(tag).filter(|d| !d.extension);
        if let Some(decl) = declared {
            let value = self.conf.value(r, decl.name.as_str(), None);
            return value.as_ref().map(plain).ok_or_else(|| no_value(r, tag));
        }
        if let Some(answer) = self.get_type(rt, tag) {
            return answer;
        }
        let known = props::resource(tag).is_some() || Method::from_word(tag).is_some();
        Err(if known { no_property(rt, tag) } else { unknown_tag(tag) })
    }

    fn get_extension(&self, r: &Resource, rt: &ResourceType, name: &str, node: &NodeName) -> Got {
        let Some(decl) = rt.prop(name).filter(|d| d.extension) else {
            return Err(no_property(rt, name));
        };
        let value = self.conf.value(r, name, Some(node));
        let lines = match &value {
            Some(Value::StringArray(list)) => list.clone(),
            Some(other) => [other.to_string()].into(),
            None => [String::new()].into(),
        };
        Ok(GetValue::Extension { prop_type: decl.prop_type, lines })
    }

    fn get_group(&self, from: &NodeName, group: &Group, tag: &str, args: &[String]) -> Got {
        match tag {
            "RG_STATE" => Ok(text(self.group_state(group, from).word())),
            "RG_STATE_NODE" => Ok(text(self.group_state(group, &self.node_arg(tag, args)?).word())),
            "RESOURCE_LIST" => {
                Ok(GetValue::List(self.conf.members(&group.name).map(|r| r.name.to_string()).collect()))
            }
            "SUSPEND_AUTOMATIC_RECOVERY" => Ok(boolean(group.suspended)),
            "RG_IS_FROZEN" => Ok(boolean(false)),
            _ => match self.conf.group_value(group, tag) {
                Some(value) => Ok(plain(&value)),
                None => Err(unknown_tag(tag)),
            },
        }
    }

    /// `None`: a type has no such tag.
    fn get_type(&self, rt: &ResourceType, tag: &str) -> Option<Got> {
        if let Some(method) = Method::from_word(tag) {
            return Some(Ok(text(rt.methods.get(&method).map_or("", String::as_str))));
        }
        Some(Ok(match tag {
            "API_VERSION" => GetValue::Number(rt.api_version),
            "FAILOVER" => boolean(rt.failover),
            "GLOBAL_ZONE" => boolean(rt.global_zone),
            "INIT_NODES" => text(match rt.init_nodes {
                InitNodes::RgPrimaries => "RG_PRIMARIES",
                InitNodes::RtInstalledNodes => "RT_INSTALLED_NODES",
            }),
            "INSTALLED_NODES" => GetValue::List(match &rt.installed_nodes {
                InstalledNodes::All => ["*".to_string()].into(),
                InstalledNodes::Only(nodes) => nodes.iter().map(ToString::to_string).collect(),
            }),
            "IS_LOGICAL_HOSTNAME" => boolean(rt.sysdefined == SysdefinedType::RtrLogicalHostname),
            "IS_SHARED_ADDRESS" => boolean(rt.sysdefined == SysdefinedType::RtrSharedAddress),
            "PER_NODE" => boolean(rt.props.iter().any(|p| p.per_node)),
            "PKGLIST" => GetValue::List(rt.pkglist.clone()),
            "PROXY" => boolean(rt.proxy),
            "RESOURCE_LIST" => GetValue::List(self.resources_of(&rt.name)),
            "RT_BASEDIR" => text(&rt.basedir),
            "RT_DESCRIPTION" => text(&rt.description),
            "RT_SYSTEM" => boolean(rt.rt_system),
            "RT_VERSION" => text(&rt.version),
            "SINGLE_INSTANCE" => boolean(rt.single_instance),
            _ => return None,
        }))
    }

    fn resources_of(&self, rt: &TypeName) -> Vec<String> {
        self.conf.resources.values().filter(|r| r.type_name == *rt).map(|r| r.name.to_string()).collect()
    }

    fn get_cluster(&self, from: &NodeName, tag: &str, args: &[String]) -> Got {
        let name_of = |n: &rgm_types::NodeConf| n.name.to_string();
        let mut nodes: Vec<_> = self.conf.nodes.values().collect();
        nodes.sort_by_key(|n| n.id);
        match tag {
            "NODENAME_LOCAL" | "ZONE_LOCAL" => Ok(text(from.as_str())),
            "NODENAME_NODEID" => {
                let id = arg(tag, args, 0, "node id")?;
                let found = nodes.iter().find(|n| n.id.to_string() == id).map(|n| text(n.name.as_str()));
                found.ok_or_else(|| Refusal::new(SchaErr::Node, format!("no node has id {id}"), ""))
            }
            "NODEID_LOCAL" => Ok(GetValue::Number(i64::from(self.conf.node(from.as_str())?.id))),
            "NODEID_NODENAME" => {
                Ok(GetValue::Number(i64::from(self.conf.node(arg(tag, args, 0, "node")?)?.id)))
            }
            "ALL_NODENAMES" => Ok(GetValue::List(nodes.into_iter().map(name_of).collect())),
            "ALL_NODEIDS" => Ok(GetValue::List(nodes.iter().map(|n| n.id.to_string()).collect())),
            "PRIVATELINK_HOSTNAME_LOCAL" => Ok(text(from.as_str())),
            "PRIVATELINK_HOSTNAME_NODE" => Ok(text(self.node_arg(tag, args)?.as_str())),
            "ALL_PRIVATELINK_HOSTNAMES" => Ok(GetValue::List(nodes.into_iter().map(name_of).collect())),
            "NODESTATE_LOCAL" => Ok(node_state(self.is_up(from))),
            "NODESTATE_NODE" => Ok(node_state(self.is_up(&self.node_arg(tag, args)?))),
            "SYSLOG_FACILITY" => Ok(GetValue::Number(SYSLOG_FACILITY)),
            "ALL_RESOURCEGROUPS" => {
                let managed =
                    self.conf.groups.values().filter(|g| g.managed).map(|g| GroupName::to_string(&g.name));
                Ok(GetValue::List(managed.collect()))
            }
            "ALL_RESOURCETYPES" => {
                Ok(GetValue::List(self.conf.types.keys().map(ToString::to_string).collect()))
            }
            "CLUSTERNAME" => Ok(text(&self.conf.cluster.name)),
            "ALL_ZONES" => Ok(GetValue::List(nodes.into_iter().map(name_of).collect())),
            "ALL_NONGLOBAL_ZONES" | "ALL_NONGLOBAL_ZONES_NODEID" => Ok(GetValue::List(Vec::new())),
            "ALL_LOADLIMITS" => {
                let names: BTreeSet<&String> = nodes.iter().flat_map(|n| n.load_limits.keys()).collect();
                Ok(GetValue::List(names.into_iter().cloned().collect()))
            }
            "HARD_LOADLIMIT" => load_limit(tag, args, &nodes, hard),
            "LOADLIMIT_PROPS" => load_limit(tag, args, &nodes, |l| format!("{}/{}", l.soft, hard(l))),
            "ALL_ZONES_NODEID" | "ALL_PSTRINGS" => Err(no_zones(tag)),
            _ => Err(unknown_tag(tag)),
        }
    }

    fn get_attr(&self, node: &NodeName, name: &AttrName, lifetime: Option<Lifetime>) -> Got {
        let value = self.conf.attrs_of(node).and_then(|attrs| match lifetime {
            Some(lifetime) => attrs.of(lifetime).get(name).map(String::as_str),
            None => attrs.value(name.as_str()),
        });
        value.map(text).ok_or_else(|| {
            let of = lifetime.map_or_else(String::new, |l| format!(" with the lifetime {l}"));
            let message = format!("node {node} has no attribute {name}{of}");
            Refusal::new(SchaErr::Prop, message, "clnode attr list prints those there are")
        })
    }

    fn node_arg(&self, tag: &str, args: &[String]) -> Result<NodeName, Refusal> {
        Ok(self.conf.node(arg(tag, args, 0, "node")?)?.name.clone())
    }
}

/// `node=…` of every node: one that has no such limit has soft 0 and no hard one.
fn load_limit(tag: &str, args: &[String], nodes: &[&NodeConf], show: impl Fn(&LoadLimit) -> String) -> Got {
    let name = arg(tag, args, 0, "load limit")?;
    if !nodes.iter().any(|n| n.load_limits.contains_key(name)) {
        let message = format!("no node has a load limit {name}");
        return Err(Refusal::new(SchaErr::Inval, message, "ALL_LOADLIMITS lists them"));
    }
    let limit = |n: &NodeConf| n.load_limits.get(name).copied().unwrap_or_default();
    Ok(GetValue::List(nodes.iter().map(|n| format!("{}={}", n.name, show(&limit(n)))).collect()))
}

/// A hard limit, -1 if there is none.
fn hard(limit: &LoadLimit) -> String {
    limit.hard.map_or_else(|| String::from("-1"), |hard| hard.to_string())
}

fn arg<'a>(tag: &str, args: &'a [String], index: usize, what: &str) -> Result<&'a str, Refusal> {
    let found = args.get(index).map(String::as_str);
    found.ok_or_else(|| {
        Refusal::new(
            SchaErr::Inval,
            format!("tag {tag} needs a {what}"),
            format!("write it behind the options: -O {tag} … {what}"),
        )
    })
}

fn text(s: &str) -> GetValue {
    GetValue::Text(s.to_string())
}

fn number(n: usize) -> GetValue {
    GetValue::Number(i64::try_from(n).unwrap_or(i64::MAX))
}

fn boolean(b: bool) -> GetValue {
    text(if b { "TRUE" } else { "FALSE" })
}

fn switch(on: bool) -> GetValue {
    text(if on { "ENABLED" } else { "DISABLED" })
}

fn node_state(up: bool) -> GetValue {
    text(if up { "UP" } else { "DOWN" })
}

fn plain(value: &Value) -> GetValue {
    match value {
        Value::Int(n) => GetValue::Number(*n),
        Value::StringArray(list) => GetValue::List(list.clone()),
        Value::String(_) | Value::Boolean(_) | Value::Enum(_) => GetValue::Text(value.to_string()),
    }
}

fn unknown_tag(tag: &str) -> Refusal {
    Refusal::new(
        SchaErr::Tag,
        format!("there is no tag {tag} for this kind of object"),
        "the man page lists them",
    )
}

fn no_property(rt: &ResourceType, name: &str) -> Refusal {
    Refusal::new(SchaErr::Prop, format!("resource type {} declares no property {name}", rt.name), "")
}

fn no_value(r: &Resource, name: &str) -> Refusal {
    Refusal::new(SchaErr::Prop, format!("property {name} of resource {} has no value", r.name), "")
}

fn no_zones(tag: &str) -> Refusal {
    Refusal::new(SchaErr::Tag, format!("tag {tag} has no meaning on Linux in this version"), "")
}
