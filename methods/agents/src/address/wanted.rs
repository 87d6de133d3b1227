//! What the properties of a resource ask for.

use super::choose::{Known, Place, place};
use super::hosts::{Names, resolve};
use super::netlink::Netlink;
use crate::Failed;
use crate::context::Context;
use crate::manager::Manager;
use rgm_types::Query;
use std::net::IpAddr;

/// Addresses, and where they may go on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// `Hostnamelist`, resolved.
    pub ips: Vec<IpAddr>,
    /// Interfaces of `Netiflist` that are named for this node.
    pub named: Vec<String>,
    /// `Prefix_length`, where it is set.
    pub prefix_len: Option<u8>,
}

/// A node, as `Netiflist` may name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    name: String,
    id: String,
}

impl Wanted {
    /// As the properties say.
    pub fn read(here: &Context<'_>) -> Result<Self, Failed> {
        let props = here.props();
        let checks = props.extension("CheckNameService")?;
        let names = if checks.is_true() || !checks.is_set() { Names::Services } else { Names::HostsFile };
        let hosts = props.extension("Hostnamelist")?;
        let mut ips = Vec::new();
        for host in hosts.list() {
            let found =
                resolve(host, names).map_err(|wrong| Failed::new(format!("Hostnamelist: {wrong}")))?;
            if let Some(twice) = found.iter().find(|ip| ips.contains(*ip)) {
                return Err(Failed::new(format!("Hostnamelist: {host} is {twice}, which is there already")));
            }
            ips.extend(found);
        }
        if ips.is_empty() {
            return Err(Failed::new("Hostnamelist is empty; give at least one host name or address"));
        }
        let named = named_for(&props.extension("Netiflist")?.list(), &Node::local(&here.manager)?)?;
        let prefix_len = props.extension("Prefix_length")?;
        let prefix_len = if prefix_len.is_set() { u8::try_from(prefix_len.int()?).ok() } else { None };
        Ok(Self { ips, named, prefix_len: prefix_len.filter(|len| *len > 0) })
    }

    /// Where each address goes.
    pub fn places(&self, netlink: &mut Netlink) -> Result<Vec<Place>, Failed> {
        let links = netlink.links().map_err(|error| cannot_look(&error))?;
        let addresses = netlink.addresses().map_err(|error| cannot_look(&error))?;
        let Self { named, prefix_len, .. } = self;
        let known = Known { links: &links, addresses: &addresses, named, prefix_len: *prefix_len };
        self.ips.iter().map(|ip| place(*ip, &known).map_err(Failed::new)).collect()
    }
}

/// The kernel does not say how things are.
pub fn cannot_look(error: &std::io::Error) -> Failed {
    Failed::new(format!("cannot read this node's interfaces and addresses: {error}"))
}

impl Node {
    /// The one this runs on.
    fn local(manager: &Manager) -> Result<Self, Failed> {
        let ask = |tag: &str| {
            let answer = manager.get(Query::Cluster { tag: tag.to_owned(), args: Vec::new() });
            answer.map_err(|failure| Failed::new(format!("cannot learn which node this is: {failure}")))
        };
        Ok(Self { name: ask("NODENAME_LOCAL")?, id: ask("NODEID_LOCAL")? })
    }
}

/// The interfaces that elements `INTERFACE@NODE` name for this node; without `@NODE`, for every one.
fn named_for(netifs: &[&str], node: &Node) -> Result<Vec<String>, Failed> {
    let mut named = Vec::new();
    for element in netifs {
        let (netif, on) = element.split_once('@').unwrap_or((element, &node.name));
        if netif.is_empty() || on.is_empty() {
            return Err(Failed::new(format!("Netiflist: {element} is not INTERFACE@NODE")));
        }
        if on == node.name || on == node.id {
            named.push(netif.to_owned());
        }
    }
    if named.is_empty() && !netifs.is_empty() {
        let Node { name, id } = node;
        return Err(Failed::new(format!(
            "Netiflist names no interface of node {name} (id {id}); add INTERFACE@{name}, or leave the list empty"
        )));
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_is_named_for_a_node_by_its_name_or_its_id_or_for_all() {
        let node = Node { name: "phys-2".into(), id: "2".into() };
        let check = |netifs: &[&str], expected: &[&str]| {
            assert_eq!(named_for(netifs, &node).unwrap(), expected, "{netifs:?}");
        };
        check(&[], &[]);
        check(&["eth0@phys-1", "eth1@phys-2"], &["eth1"]);
        check(&["eth0@1", "eth1@2", "eth2@2"], &["eth1", "eth2"]);
        check(&["bond0"], &["bond0"]);
        for (netifs, wrong) in [
            (["eth0@phys-1"], "names no interface of node phys-2 (id 2)"),
            (["eth0@"], "is not INTERFACE@NODE"),
            (["@2"], "is not INTERFACE@NODE"),
        ] {
            let said = named_for(&netifs, &node).unwrap_err().0;
            assert!(said.contains(wrong), "{said}");
        }
    }
}
