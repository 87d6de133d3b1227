//! How what follows from a step is told.

use rgm_core::{LogLine, Order};
use rgm_types::view::Snapshot;
use rgm_types::{Done, GetValue, Refusal};
use std::collections::BTreeMap;

/// An order, without its arguments.
pub(super) fn order(o: &Order) -> String {
    format!("{} {} on {}", o.method, o.resource, o.node)
}

/// The arguments of VALIDATE and UPDATE, a line a class.
pub(super) fn arguments(o: &Order) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(v) = &o.validate {
        lines.push(String::from(if v.creation { "    -c" } else { "    -u" }));
        let list = |flag: &str, items: Vec<String>| {
            (!items.is_empty()).then(|| format!("    {flag} {}", items.join(&format!(" {flag} "))))
        };
        let pair = |(name, value): &(_, String)| pair(name, value);
        lines.extend(list("-r", v.standard.iter().map(pair).collect()));
        lines.extend(list("-x", v.extension.iter().map(pair).collect()));
        let on_node = |(name, node, value): &(_, _, String)| format!("{name}{{{node}}}={value}");
        lines.extend(list("-X", v.extension_node.iter().map(on_node).collect()));
        lines.extend(list("-g", v.group.iter().map(pair).collect()));
    }
    if !o.changed.is_empty() {
        let changed: Vec<&str> = o.changed.iter().map(rgm_types::PropName::as_str).collect();
        lines.push(format!("    changed: {}", changed.join(", ")));
    }
    lines
}

fn pair(name: &rgm_types::PropName, value: &str) -> String {
    if value.contains(' ') { format!("\"{name}={value}\"") } else { format!("{name}={value}") }
}

/// What a request is answered.
pub(super) fn answer(answer: &Result<Done, Refusal>) -> Vec<String> {
    match answer {
        Ok(done) => {
            let remarks = done.messages.iter().map(|m| format!("remark: {m}"));
            remarks.chain([String::from("ok")]).collect()
        }
        Err(r) => refusal(r),
    }
}

/// A refusal with its hint and what methods printed.
pub(super) fn refusal(r: &Refusal) -> Vec<String> {
    let first = format!("exit {} {}: {}", r.code.code(), r.code.symbol(), r.message);
    let hint = (!r.hint.is_empty()).then(|| format!("    {}", r.hint));
    let output = r.output.iter().map(|line| format!("    | {line}"));
    std::iter::once(first).chain(hint).chain(output).collect()
}

/// A log line worth telling; changes of state are told from the states themselves.
pub(super) fn log(line: &LogLine) -> Option<String> {
    if line.text.contains(" state on node ") {
        return None;
    }
    let level = format!("{:?}", line.level).to_lowercase();
    Some(format!("{level}: {} ({})", line.text, line.cause.rule))
}

/// What a read prints.
pub(super) fn value(value: &GetValue) -> Vec<String> {
    match value {
        GetValue::Text(text) => vec![format!("> {text}")],
        GetValue::Number(n) => vec![format!("> {n}")],
        GetValue::List(list) => list.iter().map(|e| format!("> {e}")).collect(),
        GetValue::Extension { prop_type, lines } => {
            let first = format!("> {}", prop_type.word());
            std::iter::once(first).chain(lines.iter().map(|l| format!("> {l}"))).collect()
        }
        GetValue::Status { status, message } => vec![format!("> {status}"), format!("> {message}")],
    }
}

/// Every state and status, by what it is the state of.
pub(super) fn states(snapshot: &Snapshot) -> BTreeMap<String, String> {
    let mut states = BTreeMap::new();
    for group in &snapshot.groups {
        for on in &group.nodes {
            states.insert(format!("{} on {}", group.name, on.node), on.state.to_string());
        }
    }
    for r in &snapshot.resources {
        for on in &r.nodes {
            let message =
                if on.status_msg.is_empty() { String::new() } else { format!(" \"{}\"", on.status_msg) };
            let state = format!("{}, {}{message}", on.state, on.status);
            states.insert(format!("{} on {}", r.name, on.node), state);
        }
    }
    states
}
