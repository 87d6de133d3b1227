//! `cluster check`: what of the configuration will not work when it is needed.

use crate::cl::layout::Table;
use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use rgm_types::view::{GroupView, ResourceView, Snapshot, TypeView};
use rgm_types::{GroupState, Method, ResourceState};
use serde::Serialize;
use std::path::Path;

/// A check.
struct Check {
    id: &'static str,
    what: &'static str,
    /// Something does not work, or will not when it is needed; otherwise it is only worth knowing.
    critical: bool,
    run: fn(&Snapshot) -> Vec<(String, String)>,
}

const CHECKS: [Check; 9] = [
    Check {
        id: "methods",
        what: "the methods of every type are files that can be run",
        critical: true,
        run: methods,
    },
    Check {
        id: "stopped",
        what: "no resource is in START_FAILED or STOP_FAILED",
        critical: true,
        run: failed,
    },
    Check {
        id: "installed",
        what: "types are installed where their resources may run",
        critical: true,
        run: installed,
    },
    Check { id: "nodes", what: "the nodes of every Nodelist are up", critical: true, run: nodes_up },
    Check { id: "single", what: "every group has a second node to go to", critical: false, run: second_node },
    Check { id: "empty", what: "every group has resources", critical: false, run: empty },
    Check {
        id: "disabled",
        what: "every resource of a managed group is enabled",
        critical: false,
        run: disabled,
    },
    Check { id: "suspended", what: "no group is left without recovery", critical: false, run: suspended },
    Check { id: "unused", what: "every type has resources", critical: false, run: unused },
];

/// What a check found.
#[derive(Debug, Serialize)]
struct Finding {
    check: &'static str,
    severity: &'static str,
    object: String,
    text: String,
}

/// The checks there are.
pub fn list(verbose: bool) -> String {
    if !verbose {
        return CHECKS.iter().map(|check| format!("{}\n", check.id)).collect();
    }
    let rows = CHECKS
        .iter()
        .map(|check| vec![check.id.to_owned(), severity(check).to_owned(), check.what.to_owned()]);
    Table::list(&[("Check", 12), ("Severity", 12), ("What is checked", 0)], rows.collect())
}

/// Checks, and prints what is found.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let only = call.args.items("-C")?;
    if let Some(unknown) = only.iter().find(|id| !CHECKS.iter().any(|check| check.id == *id)) {
        return Err(call.args.misuse(format!("-C {unknown}: there is no such check; cluster list-checks")));
    }
    let wanted = CHECKS.iter().filter(|check| only.is_empty() || only.iter().any(|id| id == check.id));
    let snapshot = call.snapshot()?;
    let findings: Vec<Finding> = wanted.flat_map(|check| found(check, snapshot)).collect();
    let print = if call.args.has("--json") { crate::json::pretty(&findings)? } else { text(&findings) };
    let critical = findings.iter().filter(|finding| finding.severity == "critical").count();
    let failure = (critical > 0).then(|| {
        let message = format!("{critical} of what was found is critical");
        Failure::cl(ClErr::State, message, "it does not work, or will not when it is needed")
    });
    Ok(Work { failures: failure.into_iter().collect(), ..Work::print(print) })
}

fn found(check: &'static Check, snapshot: &Snapshot) -> Vec<Finding> {
    let finding = |(object, text)| Finding { check: check.id, severity: severity(check), object, text };
    (check.run)(snapshot).into_iter().map(finding).collect()
}

fn severity(check: &Check) -> &'static str {
    if check.critical { "critical" } else { "notice" }
}

fn text(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "nothing found\n".to_owned();
    }
    let row =
        |f: &Finding| vec![f.check.to_owned(), f.severity.to_owned(), format!("{}: {}", f.object, f.text)];
    Table::list(&[("Check", 12), ("Severity", 12), ("Found", 0)], findings.iter().map(row).collect())
}

/// On this machine, where all nodes of the cluster are.
fn methods(snapshot: &Snapshot) -> Vec<(String, String)> {
    let of_type = |view: &TypeView| -> Vec<(String, String)> {
        let rt = &view.declaration;
        let wrong = Method::ALL.into_iter().filter_map(|method| {
            let path = rt.method_path(method)?;
            let error = methods::check::method_file(Path::new(&path), None).err()?;
            Some((format!("resource type {}", rt.name), format!("{method}: {error}")))
        });
        wrong.collect()
    };
    snapshot.types.iter().flat_map(of_type).collect()
}

fn of_groups(snapshot: &Snapshot, look: impl Fn(&GroupView) -> Option<String>) -> Vec<(String, String)> {
    let object = |g: &GroupView| Some((format!("resource group {}", g.name), look(g)?));
    snapshot.groups.iter().filter_map(object).collect()
}

fn of_resources(
    snapshot: &Snapshot,
    look: impl Fn(&ResourceView, &GroupView) -> Option<String>,
) -> Vec<(String, String)> {
    let object = |r: &ResourceView| {
        let group = snapshot.groups.iter().find(|g| g.name == r.group)?;
        Some((format!("resource {}", r.name), look(r, group)?))
    };
    snapshot.resources.iter().filter_map(object).collect()
}

fn failed(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_resources(snapshot, |r, _| {
        let bad = |state| matches!(state, ResourceState::StopFailed | ResourceState::StartFailed);
        let on = r.nodes.iter().find(|on| bad(on.state))?;
        Some(format!("{} on node {}; clrs explain {} says what to do", on.state.phrase(), on.node, r.name))
    })
}

fn installed(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_resources(snapshot, |r, group| {
        let rt = &snapshot.types.iter().find(|t| t.declaration.name == r.type_name)?.declaration;
        let missing = group.nodes.iter().find(|on| !rt.installed_on(&on.node))?;
        Some(format!("its type {} is not installed on node {}", rt.name, missing.node))
    })
}

fn nodes_up(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_groups(snapshot, |g| {
        let down =
            |on: &&rgm_types::view::GroupOnNode| snapshot.nodes.iter().any(|n| n.name == on.node && !n.up);
        let down: Vec<&str> = g.nodes.iter().filter(down).map(|on| on.node.as_str()).collect();
        (!down.is_empty()).then(|| format!("of its Nodelist these are down: {}", down.join(" ")))
    })
}

fn second_node(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_groups(snapshot, |g| {
        let alone = g.nodes.len() < 2 && snapshot.nodes.len() > 1;
        alone.then(|| "its Nodelist has one node: there is none to go to".to_owned())
    })
}

fn empty(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_groups(snapshot, |g| g.resources.is_empty().then(|| "it has no resources".to_owned()))
}

fn disabled(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_resources(snapshot, |r, group| {
        let off: Vec<&str> = r.nodes.iter().filter(|on| !on.enabled).map(|on| on.node.as_str()).collect();
        (group.managed && !off.is_empty()).then(|| format!("it is disabled on {}", off.join(" ")))
    })
}

fn suspended(snapshot: &Snapshot) -> Vec<(String, String)> {
    of_groups(snapshot, |g| {
        if g.suspended {
            return Some("its automatic recovery is suspended; clrg resume".to_owned());
        }
        let frozen = g.nodes.iter().find(|on| on.state == GroupState::ErrorStopFailed)?;
        Some(format!("it is frozen by a failed stop on node {}", frozen.node))
    })
}

fn unused(snapshot: &Snapshot) -> Vec<(String, String)> {
    let unused =
        snapshot.types.iter().filter(|view| view.resources.is_empty() && !view.declaration.rt_system);
    unused
        .map(|view| (format!("resource type {}", view.declaration.name), "it has no resources".to_owned()))
        .collect()
}
