//! What a story shows of the configuration: declarations, values in force, explanations.

use anyhow::{Context, Result, bail};
use rgm_types::view::{Explanation, Snapshot};
use rgm_types::{PropDecl, Subject, Value};

/// The properties of a type, a line each: `Retry_count: int, none, WHEN_DISABLED, at least 0`.
pub(super) fn declared(snapshot: &Snapshot, type_name: &str) -> Result<Vec<String>> {
    let mut types = snapshot.types.iter().map(|t| &t.declaration);
    let rt = types.find(|t| t.name.as_str() == type_name).context("there is no such type")?;
    Ok(rt.props.iter().map(declaration).collect())
}

fn declaration(p: &PropDecl) -> String {
    let default = match &p.default {
        None => String::from("no default"),
        Some(Value::String(s)) if s.is_empty() => String::from("empty"),
        Some(Value::StringArray(list)) if list.is_empty() => String::from("empty"),
        Some(value) => value.to_string(),
    };
    let kind = p.prop_type.word().to_ascii_lowercase();
    let mut line = format!("{}: {kind}, {default}, {}", p.name, p.tunable.word());
    let bound = |word: &str, n: Option<String>| n.map(|n| format!(", {word} {n}")).unwrap_or_default();
    line.push_str(&bound("at least", p.min.map(|n| n.to_string())));
    line.push_str(&bound("at most", p.max.map(|n| n.to_string())));
    if !p.enumlist.is_empty() {
        line.push_str(&format!(", one of {}", p.enumlist.join(" ")));
    }
    line.push_str(if p.per_node { ", per node" } else { "" });
    line
}

/// Every value in force of the cluster, a group or a resource, a line each.
pub(super) fn properties(snapshot: &Snapshot, what: &str) -> Result<Vec<String>> {
    let line = |name: &str, value: &Value| format!("{name}={value}");
    if what == "cluster" {
        return Ok(snapshot.props.iter().map(|(n, v)| line(n.as_str(), v)).collect());
    }
    if let Some(group) = snapshot.groups.iter().find(|g| g.name.as_str() == what) {
        return Ok(group.props.iter().map(|(n, v)| line(n.as_str(), v)).collect());
    }
    let Some(r) = snapshot.resources.iter().find(|r| r.name.as_str() == what) else {
        bail!("there is neither a group nor a resource {what}");
    };
    let mut lines = Vec::new();
    for p in &r.props {
        lines.push(
            p.value.as_ref().map_or_else(|| format!("{} has no value", p.name), |v| line(p.name.as_str(), v)),
        );
        lines.extend(p.per_node.iter().map(|(node, v)| line(&format!("{}{{{node}}}", p.name), v)));
    }
    Ok(lines)
}

/// What `explain` is asked about.
pub(super) fn subject(snapshot: &Snapshot, what: &str) -> Result<Subject> {
    let group = snapshot.groups.iter().any(|g| g.name.as_str() == what);
    Ok(if group { Subject::Group(what.to_string()) } else { Subject::Resource(what.to_string()) })
}

/// An explanation, as it is read.
pub(super) fn explanation(e: &Explanation) -> Vec<String> {
    let mut lines = vec![format!("{}: {}", e.object, e.summary)];
    for n in &e.nodes {
        let mark = if n.eligible { '+' } else { '-' };
        lines.push(format!("{mark} {}: {}: {}", n.node, n.state, n.rule));
    }
    lines.extend(e.reasons.iter().map(|r| format!("because {r}")));
    for w in &e.waits {
        let left = w.left.map(|m| format!(" ({} s left)", m.0 / 1000)).unwrap_or_default();
        lines.push(format!("waits: {}{left}", w.what));
    }
    lines.extend(e.advice.iter().map(|a| format!("do: {a}")));
    lines
}
