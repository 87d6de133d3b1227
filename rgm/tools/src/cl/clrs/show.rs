//! What `clrs list -v`, `list-props`, `status` and `show` print, to the column.

use crate::cl::layout::{self, Sheet, Table, plain};
use crate::cl::{Call, ClErr, objects, resource_sheet};
use crate::failure::Failure;
use crate::values::or_null;
use rgm_types::ResourceState;
use rgm_types::view::{ResourceOnNode, ResourceView, Snapshot, TypeView};
use serde::Serialize;

/// `list -v`.
pub fn list(resources: &[ResourceView]) -> String {
    let row = |r: &ResourceView| vec![r.name.to_string(), r.type_name.to_string(), r.group.to_string()];
    let heads = &[("Resource Name", 20), ("Resource Type", 25), ("Resource Group", 0)];
    Table::list(heads, resources.iter().map(row).collect())
}

/// `status`.
pub fn status(resources: &[ResourceView], verbose: bool) -> String {
    let heads = &[("Resource Name", 20), ("Node Name", 15), ("State", 13), ("Status Message", 0)];
    let rows = |resource: &ResourceView| -> Vec<Vec<String>> {
        let row = |(i, on): (usize, &ResourceOnNode)| {
            let name = if i == 0 { resource.name.to_string() } else { String::new() };
            vec![name, on.node.to_string(), state(on.state).to_owned(), message(on, verbose)]
        };
        resource.nodes.iter().enumerate().map(row).collect()
    };
    Table { heads, blocks: resources.iter().map(rows).collect() }
        .status("Cluster Resources", layout::colour())
}

/// The words of this dialect.
fn state(state: ResourceState) -> &'static str {
    match state {
        ResourceState::OnlineNotMonitored => "Online but not monitored",
        ResourceState::Offline
        | ResourceState::Starting
        | ResourceState::Online
        | ResourceState::MonitorFailed
        | ResourceState::StartFailed
        | ResourceState::StopFailed
        | ResourceState::Stopping => state.phrase(),
    }
}

/// Status, and the agent's message if there is one.
fn message(on: &ResourceOnNode, verbose: bool) -> String {
    let mut text = on.status.phrase().to_owned();
    if !on.status_msg.is_empty() {
        text.push_str(&format!(" - {}", plain(&on.status_msg)));
    }
    let method = on.running.map(|(method, _)| format!("{method} runs"));
    let details = [
        (!on.enabled).then(|| "disabled".to_owned()),
        (on.monitored == Some(false)).then(|| "monitor disabled".to_owned()),
        method,
    ];
    let details: Vec<String> = details.into_iter().flatten().collect();
    if verbose && !details.is_empty() {
        text.push_str(&format!(" ({})", details.join(", ")));
    }
    text
}

/// `show`.
pub fn text(resources: &[ResourceView], cluster: &Snapshot, verbose: bool) -> String {
    let mut sheet = Sheet::titled("Resources");
    for resource in resources {
        resource_sheet::print(&mut sheet, 0, resource, cluster, verbose);
    }
    sheet.text()
}

/// `show -p`: those properties of them that they have. One that none of them has is refused.
pub fn properties(
    resources: &[ResourceView],
    cluster: &Snapshot,
    only: &[String],
) -> Result<String, Failure> {
    let has = |resource: &ResourceView, name: &str| {
        resource.props.iter().any(|p| p.name.is(name))
            || resource_sheet::own_line(resource, cluster, name).is_some()
    };
    if let Some(unknown) = only.iter().find(|n| !resources.is_empty() && !resources.iter().any(|r| has(r, n)))
    {
        return Err(objects::no_property(unknown));
    }
    let mut sheet = Sheet::titled("Resources");
    for resource in resources {
        sheet.head(0, "Resource", resource.name.as_str());
        for name in only {
            if let Some((label, value)) = resource_sheet::own_line(resource, cluster, name) {
                sheet.line(2, label, &value);
            } else if let Some(prop) = resource.props.iter().find(|p| p.name.is(name)) {
                resource_sheet::property_lines(&mut sheet, 2, prop);
            }
        }
    }
    Ok(sheet.text())
}

/// Which properties `list-props` is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Both.
    All,
    /// Extension properties.
    Extension,
    /// System-defined properties.
    Standard,
}

impl Kind {
    /// What `-l` says.
    pub fn of(call: &Call) -> Result<Self, Failure> {
        match call.args.one("-l")?.map(str::to_ascii_lowercase).as_deref() {
            None | Some("extension") => Ok(Self::Extension),
            Some("all") => Ok(Self::All),
            Some("standard") => Ok(Self::Standard),
            Some(other) => Err(Failure::cl(
                ClErr::Inval,
                format!("-l {other}: there is no such kind of property"),
                "one of: all extension standard",
            )),
        }
    }

    fn takes(self, extension: bool) -> bool {
        match self {
            Self::All => true,
            Self::Extension => extension,
            Self::Standard => !extension,
        }
    }
}

/// A property that resources have.
#[derive(Debug, Serialize)]
pub struct Known<'a> {
    name: &'a str,
    class: &'static str,
    description: &'a str,
}

/// Those of the resources and of the types, each once.
pub fn known_properties<'a>(
    resources: &'a [ResourceView],
    types: &[&'a TypeView],
    kind: Kind,
    only: &[String],
) -> Vec<Known<'a>> {
    let of_resources = resources
        .iter()
        .flat_map(|r| &r.props)
        .map(|p| (p.name.as_str(), p.extension, p.description.as_str()));
    let of_types = types
        .iter()
        .flat_map(|t| &t.declaration.props)
        .map(|p| (p.name.as_str(), p.extension, p.description.as_str()));
    let mut known: Vec<Known<'a>> = Vec::new();
    for (name, extension, description) in of_resources.chain(of_types) {
        let wanted = only.is_empty() || only.iter().any(|n| n.eq_ignore_ascii_case(name));
        let seen = known.iter().any(|k| k.name.eq_ignore_ascii_case(name));
        if kind.takes(extension) && wanted && !seen {
            let class = if extension { "extension" } else { "standard" };
            known.push(Known { name, class, description });
        }
    }
    known
}

/// `list-props`.
pub fn property_names(props: &[Known<'_>], verbose: bool, json: bool) -> Result<String, Failure> {
    if json {
        return crate::json::pretty(&props);
    }
    if !verbose {
        return Ok(props.iter().map(|p| format!("{}\n", p.name)).collect());
    }
    let row = |p: &Known<'_>| vec![p.name.to_owned(), plain(&or_null(p.description))];
    Ok(Table::list(&[("Properties", 20), ("Descriptions", 0)], props.iter().map(row).collect()))
}
