//! What `clrg list -v`, `status` and `show` print, to the column.

use crate::cl::layout::{self, Sheet, Table};
use crate::cl::objects;
use crate::cl::resource_sheet;
use crate::failure::Failure;
use crate::values::{group_value, truth};
use rgm_types::GroupState;
use rgm_types::view::{GroupView, ResourceView, Snapshot};
use serde::Serialize;

/// Properties that `show -v` adds.
const FURTHER: [&str; 18] = [
    "Auto_start_on_new_cluster",
    "RG_affinities",
    "RG_dependencies",
    "RG_project_name",
    "Desired_primaries",
    "Maximum_primaries",
    "Pingpong_interval",
    "Pathprefix",
    "Implicit_network_dependencies",
    "Global_resources_used",
    "RG_system",
    "Priority",
    "Load_factors",
    "Preemption_mode",
    "RG_slm_type",
    "RG_slm_cpu",
    "RG_slm_cpu_min",
    "RG_slm_pset_type",
];

/// `list -v`.
pub fn list(groups: &[GroupView]) -> String {
    let row =
        |g: &GroupView| vec![g.name.to_string(), group_value(g, "RG_mode"), overall(g).phrase().to_owned()];
    let heads = &[("Resource Group", 20), ("Mode", 16), ("Overall status", 0)];
    Table::list(heads, groups.iter().map(row).collect())
}

/// The state that says most of a group: what is wrong before what goes on, before what is.
fn overall(view: &GroupView) -> GroupState {
    let order = [
        GroupState::ErrorStopFailed,
        GroupState::OnlineFaulted,
        GroupState::PendingOnlineBlocked,
        GroupState::PendingOnline,
        GroupState::PendingOffline,
        GroupState::Online,
        GroupState::Offline,
    ];
    let has = |state: &GroupState| view.nodes.iter().any(|on| on.state == *state);
    order.into_iter().find(has).unwrap_or(GroupState::Unmanaged)
}

/// `status`.
pub fn status(groups: &[GroupView]) -> String {
    let heads = &[("Group Name", 17), ("Node Name", 16), ("Suspended", 15), ("Status", 0)];
    Table { heads, blocks: groups.iter().map(rows).collect() }
        .status("Cluster Resource Groups", layout::colour())
}

fn rows(group: &GroupView) -> Vec<Vec<String>> {
    let suspended = if group.suspended { "Yes" } else { "No" };
    let row = |(i, on): (usize, &rgm_types::view::GroupOnNode)| {
        let name = if i == 0 { group.name.to_string() } else { String::new() };
        vec![name, on.node.to_string(), suspended.to_owned(), on.state.phrase().to_owned()]
    };
    group.nodes.iter().enumerate().map(row).collect()
}

/// `show`.
pub fn text(groups: &[GroupView], cluster: &Snapshot, verbose: bool) -> String {
    let mut sheet = Sheet::titled("Resource Groups and Resources");
    for group in groups {
        sheet.head(0, "Resource Group", group.name.as_str());
        for name in ["RG_description", "RG_mode", "RG_state", "Failback", "Nodelist"] {
            sheet.line(2, name, &value(group, name));
        }
        if verbose {
            FURTHER.iter().for_each(|name| sheet.line(2, name, &value(group, name)));
            sheet.line(2, "Suspend_automatic_recovery", truth(group.suspended));
        }
        let own: Vec<&ResourceView> = cluster.resources.iter().filter(|r| r.group == group.name).collect();
        if !own.is_empty() {
            sheet.section(2, &format!("Resources for Group {}", group.name));
        }
        for resource in own {
            resource_sheet::print(&mut sheet, 2, resource, cluster, verbose);
        }
    }
    sheet.text()
}

/// `show -p`.
pub fn properties(groups: &[GroupView], only: &[String]) -> Result<String, Failure> {
    let mut sheet = Sheet::titled("Resource Groups and Resources");
    for group in groups {
        sheet.head(0, "Resource Group", group.name.as_str());
        for name in only {
            let known = canonical(group, name).ok_or_else(|| objects::no_property(name))?;
            sheet.line(2, &known, &value(group, &known));
        }
    }
    Ok(sheet.text())
}

fn canonical(group: &GroupView, name: &str) -> Option<String> {
    let own = ["RG_state", "Suspend_automatic_recovery", "Resource_list"];
    let known = group.props.keys().map(|p| p.as_str()).chain(own);
    known.into_iter().find(|p| p.eq_ignore_ascii_case(name)).map(str::to_owned)
}

fn value(group: &GroupView, name: &str) -> String {
    match name {
        "RG_state" => if group.managed { "Managed" } else { "Unmanaged" }.to_owned(),
        "Suspend_automatic_recovery" => truth(group.suspended).to_owned(),
        "Resource_list" => crate::values::words(&group.resources),
        name => group_value(group, name),
    }
}

/// A group with all that is in it.
#[derive(Serialize)]
struct Whole<'a> {
    group: &'a GroupView,
    resources: Vec<&'a ResourceView>,
}

/// `show --json`.
pub fn json(groups: &[GroupView], cluster: &Snapshot) -> Result<String, Failure> {
    let whole = |group| Whole {
        group,
        resources: cluster.resources.iter().filter(|r| r.group == group.name).collect(),
    };
    crate::json::pretty(&groups.iter().map(whole).collect::<Vec<Whole<'_>>>())
}
