//! Making a logical hostname (`scrgadm -a -L`, `clrslh create`): a resource of the type
//! SUNW.LogicalHostname, which nobody has to register before.

use crate::ask::Change;
use crate::failure::Failure;
use crate::register;
use rgm_types::view::Snapshot;
use rgm_types::{Command, GroupName, PropClass, PropOp, PropSet, ResourceName};

/// The type.
const TYPE: &str = "SUNW.LogicalHostname";

/// One that is wanted.
#[derive(Debug)]
pub struct LogicalHostname {
    /// Name of the resource.
    pub name: ResourceName,
    /// Its group.
    pub group: GroupName,
    /// Host names whose addresses it carries.
    pub hosts: Vec<String>,
    /// `netif@node`; none: found by the subnets of the addresses.
    pub interfaces: Vec<String>,
    /// Further properties.
    pub props: Vec<PropSet>,
    /// Enabled from the start.
    pub enable: bool,
}

impl LogicalHostname {
    /// The changes that make it. A dry run asks for all of them at once, because the second needs the
    /// first to be done.
    pub fn changes(self, snapshot: &Snapshot, dry_run: bool) -> Result<Vec<Change>, Failure> {
        let create = self.create();
        if snapshot.types.iter().any(|t| t.declaration.name.answers_to(TYPE)) {
            return Ok(vec![Change::Command(create)]);
        }
        let register = register::change(TYPE, None, None)?;
        match register::declaration(&register) {
            Some(declaration) if dry_run => {
                let commands = vec![Command::TypeRegister { declaration }, create];
                Ok(vec![Change::Command(Command::Batch { commands })])
            }
            _ => Ok(vec![register, Change::Command(create)]),
        }
    }

    fn create(self) -> Command {
        let mut props = vec![extension("Hostnamelist", &self.hosts)];
        if !self.interfaces.is_empty() {
            props.push(extension("Netiflist", &self.interfaces));
        }
        props.extend(self.props);
        Command::ResourceCreate {
            name: self.name.to_string(),
            type_name: TYPE.to_owned(),
            group: self.group,
            props,
            enable: self.enable,
        }
    }
}

fn extension(name: &str, elements: &[String]) -> PropSet {
    PropSet {
        name: name.to_owned(),
        class: PropClass::Extension,
        nodes: Vec::new(),
        op: PropOp::Set,
        value: elements.join(","),
    }
}
