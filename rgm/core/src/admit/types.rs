//! Registering, changing and unregistering resource types (reference 1.6, 1.10, 7.1).

use super::Change;
use crate::Rgm;
use alloc::format;
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::rt::{API_VERSION_MAX, SysdefinedType};
use rgm_types::{InstalledNodes, Key, Refusal, ResourceType, SchaErr};

impl Rgm {
    pub(super) fn admit_type_register(&self, rt: &ResourceType) -> Result<Change, Refusal> {
        if self.conf.types.contains_key(&rt.name) {
            let message = format!("resource type {} is already registered", rt.name);
            return Err(Refusal::new(
                SchaErr::Exists,
                message,
                "unregister it first, or give the file a new RT_version",
            ));
        }
        if rt.api_version > API_VERSION_MAX {
            let message = format!("resource type {} needs API_version {}", rt.name, rt.api_version);
            return Err(Refusal::new(
                SchaErr::Rt,
                message,
                format!("this version supports up to {API_VERSION_MAX}"),
            ));
        }
        if rt.sysdefined == SysdefinedType::RtrSharedAddress {
            return Err(super::not_built("shared addresses (Sysdefined_type=RTR_SHARED_ADDRESS)"));
        }
        self.check_installed(&rt.installed_nodes)?;
        Ok(Change { writes: vec![Write::Put(Entry::Type(rt.clone()))], ..Change::default() })
    }

    fn check_installed(&self, nodes: &InstalledNodes) -> Result<(), Refusal> {
        match nodes {
            InstalledNodes::All => Ok(()),
            InstalledNodes::Only(nodes) if nodes.is_empty() => {
                let message = "Installed_nodes is empty";
                Err(Refusal::new(SchaErr::Inval, message, "name at least one node, or leave it out for all"))
            }
            InstalledNodes::Only(nodes) => {
                nodes.iter().try_for_each(|n| self.conf.node(n.as_str()).map(drop))
            }
        }
    }

    pub(super) fn admit_type_set(
        &self,
        name: &str,
        installed: Option<&InstalledNodes>,
        rt_system: Option<bool>,
    ) -> Result<Change, Refusal> {
        let old = self.conf.resource_type(name)?;
        let mut new = ResourceType::clone(old);
        if let Some(on) = rt_system {
            new.rt_system = on;
        }
        if let Some(nodes) = installed {
            if old.rt_system && new.rt_system {
                return Err(is_system(old));
            }
            self.check_installed(nodes)?;
            new.installed_nodes = nodes.clone();
            self.check_users_reach(&new)?;
        }
        Ok(Change { writes: vec![Write::Put(Entry::Type(new))], ..Change::default() })
    }

    /// Every group with a resource of the type must keep all its nodes.
    fn check_users_reach(&self, rt: &ResourceType) -> Result<(), Refusal> {
        for r in self.conf.resources.values().filter(|r| r.type_name == rt.name) {
            let group = self.conf.group(r.group.as_str())?;
            if let Some(n) = self.conf.nodelist(group).iter().find(|n| !rt.installed_on(n)) {
                let message = format!(
                    "resource type {} is used by {} in group {} on node {n}",
                    rt.name, r.name, group.name
                );
                return Err(Refusal::new(SchaErr::State, message, "keep the node in Installed_nodes"));
            }
        }
        Ok(())
    }

    pub(super) fn admit_type_unregister(&self, name: &str) -> Result<Change, Refusal> {
        let rt = self.conf.resource_type(name)?;
        if rt.rt_system {
            return Err(is_system(rt));
        }
        let users: Vec<&str> = self
            .conf
            .resources
            .values()
            .filter(|r| r.type_name == rt.name)
            .map(|r| r.name.as_str())
            .collect();
        if !users.is_empty() {
            let message = format!("resource type {} is in use by: {}", rt.name, users.join(", "));
            return Err(Refusal::new(
                SchaErr::State,
                message,
                "delete these resources first: clrs delete RESOURCE",
            ));
        }
        Ok(Change { writes: vec![Write::Delete(Key::Type(rt.name.clone()))], ..Change::default() })
    }
}

fn is_system(rt: &ResourceType) -> Refusal {
    let message = format!("resource type {} has RT_system=TRUE", rt.name);
    Refusal::new(SchaErr::NotAllowed, message, format!("clrt set -p RT_system=FALSE {} allows it", rt.name))
}
