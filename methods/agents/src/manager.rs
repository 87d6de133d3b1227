//! Asking rgmd, which speaks for the node the method runs on.
//!
//! Every question has a connection of its own: a fault monitor lives longer than an rgmd that is
//! upgraded under it. Methods need no second attempt, for an rgmd that comes back runs them again.

use crate::Failed;
use crate::call::Call;
use rgm_api::Paths;
use rgm_api::rgm::{Connection, Failure};
use rgm_types::{Command, ControlOp, GetValue, Query, Status};

/// The manager, as this node's rgmd speaks for it.
#[derive(Debug, Clone)]
pub struct Manager {
    paths: Paths,
}

impl Manager {
    /// As the environment of the method says.
    pub fn from_env() -> Result<Self, Failed> {
        let paths = Paths::from_env().map_err(|error| Failed::new(error.to_string()))?;
        Ok(Self { paths })
    }

    /// Where this node's sockets and files lie.
    pub fn paths(&self) -> &Paths {
        &self.paths
    }

    /// Reads one value, as text: a list joined by commas, a truth as `TRUE` or `FALSE`, a status as
    /// its word.
    pub fn get(&self, query: Query) -> Result<String, Failure> {
        Ok(match Connection::open(&self.paths)?.get(query)? {
            GetValue::Text(text) => text,
            GetValue::Number(number) => number.to_string(),
            GetValue::List(lines) | GetValue::Extension { lines, .. } => lines.join(","),
            GetValue::Status { status, .. } => status.word().to_owned(),
        })
    }

    /// A system-defined property of the resource, or what else `scha_resource_get -O` answers.
    pub fn resource(&self, resource: &str, tag: &str) -> Result<String, Failure> {
        self.get(resource_query(resource, tag, &[]))
    }

    /// An extension property of the resource on this node.
    pub fn extension(&self, resource: &str, name: &str) -> Result<String, Failure> {
        self.get(resource_query(resource, "EXTENSION", &[name]))
    }

    /// A property of the group, or what else `scha_resourcegroup_get -O` answers.
    pub fn group(&self, group: &str, tag: &str) -> Result<String, Failure> {
        self.get(Query::Group { tag: tag.to_owned(), group: group.to_owned(), args: Vec::new() })
    }

    /// A property of a type.
    pub fn resource_type(&self, type_name: &str, tag: &str) -> Result<String, Failure> {
        self.get(Query::Type { tag: tag.to_owned(), type_name: type_name.to_owned() })
    }

    /// Sets the status of the call's resource on this node.
    pub fn set_status(&self, call: &Call, status: Status, message: &str) -> Result<(), Failure> {
        self.change(Command::SetStatus {
            group: call.group.clone(),
            resource: call.resource.clone(),
            status,
            message: (!message.is_empty()).then(|| message.to_owned()),
        })
    }

    /// `scha_control` for the call's resource: returns when it is carried out, or refused. What it
    /// does may end the caller first.
    pub fn control(&self, call: &Call, op: ControlOp) -> Result<(), Failure> {
        self.change(Command::Control { op, group: call.group.clone(), resource: call.resource.clone() })
    }

    fn change(&self, command: Command) -> Result<(), Failure> {
        Connection::open(&self.paths)?.change(command, false, None).map(drop)
    }
}

fn resource_query(resource: &str, tag: &str, args: &[&str]) -> Query {
    Query::Resource {
        tag: tag.to_owned(),
        resource: resource.to_owned(),
        group: None,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
    }
}
