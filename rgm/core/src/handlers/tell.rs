//! Events and commands in words, for logs and errors.

use crate::Event;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{AttrName, Command, NodeName};

/// An event, as an operator would tell it.
pub(super) fn event(event: &Event) -> String {
    match event {
        Event::Formed { .. } => String::from("the cluster formed"),
        Event::NodeUp(r) => format!("node {} joined", r.node),
        Event::NodeDown { node } => format!("node {node} is gone"),
        Event::Request { from, command, .. } => format!("{} on node {from}", self::command(command)),
        Event::MethodEnded { node, token, result } => {
            format!("method {} on node {node} ended: {:?}", token.0, result.ending)
        }
        Event::PmfExceeded { node, resource, tag } => {
            format!("PMF gave up restarting {tag} of resource {resource} on node {node}")
        }
        Event::Shutdown { .. } => String::from("the cluster shuts down"),
        Event::Tick => String::from("a deadline has come"),
    }
}

/// What a command is called in a sentence.
pub(crate) fn command(command: &Command) -> String {
    match command {
        Command::TypeRegister { declaration } => format!("registration of type {}", declaration.name),
        Command::TypeSet { name, .. } => format!("change of type {name}"),
        Command::TypeUnregister { name } => format!("unregistration of type {name}"),
        Command::GroupCreate { name, .. } => format!("creation of group {name}"),
        Command::GroupSet { name, .. } => format!("change of group {name}"),
        Command::GroupDelete { name, .. } => format!("deletion of group {name}"),
        Command::ResourceCreate { name, .. } => format!("creation of resource {name}"),
        Command::ResourceSet { name, .. } => format!("change of resource {name}"),
        Command::ResourceDelete { name, .. } => format!("deletion of resource {name}"),
        Command::Switch { groups, nodes, .. } => format!("switch of {groups:?} to {nodes:?}"),
        Command::Remaster { groups } => format!("remaster of {groups:?}"),
        Command::Online { groups, .. } => format!("bringing online of {groups:?}"),
        Command::Offline { groups, .. } => format!("taking offline of {groups:?}"),
        Command::Restart { groups, .. } => format!("restart of {groups:?}"),
        Command::Manage { groups } => format!("managing of {groups:?}"),
        Command::Unmanage { groups } => format!("unmanaging of {groups:?}"),
        Command::SetEnabled { resources, on, .. } => {
            format!("{} of {resources:?}", if *on { "enabling" } else { "disabling" })
        }
        Command::SetMonitored { resources, on, .. } => {
            format!("{} of monitoring of {resources:?}", if *on { "enabling" } else { "disabling" })
        }
        Command::ClearStopFailed { resources, .. } => format!("clearing of STOP_FAILED of {resources:?}"),
        Command::Quiesce { groups, .. } => format!("quiescing of {groups:?}"),
        Command::Suspend { groups, .. } => format!("suspension of {groups:?}"),
        Command::Resume { groups } => format!("resumption of {groups:?}"),
        Command::Evacuate { nodes, .. } => format!("evacuation of {nodes:?}"),
        Command::ClusterSet { .. } => String::from("change of the cluster"),
        Command::LoadLimitSet { node, name, .. } => format!("change of load limit {name} of node {node}"),
        Command::LoadLimitDelete { node, name } => format!("deletion of load limit {name} of node {node}"),
        Command::NodeAdd { node } => format!("addition of node {node}"),
        Command::NodeRemove { node } => format!("removal of node {node}"),
        Command::AttrSet { node, values, .. } => attributes("setting", values.keys(), node.as_ref()),
        Command::AttrClear { node, names, .. } => attributes("clearing", names.iter(), node.as_ref()),
        Command::Batch { commands } => format!("{} changes at once", commands.len()),
        Command::Control { op, resource, .. } => format!("scha_control {} by resource {resource}", op.word()),
        Command::SetStatus { resource, .. } => format!("status of resource {resource}"),
    }
}

fn attributes<'a>(what: &str, names: impl Iterator<Item = &'a AttrName>, node: Option<&NodeName>) -> String {
    let names: Vec<&str> = names.map(AttrName::as_str).collect();
    let of = node.map_or_else(String::new, |node| format!(" of node {node}"));
    format!("{what} of attributes {}{of}", names.join(", "))
}
