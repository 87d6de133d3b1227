//! `clrg explain`, `clrs explain`: why something is as it is, in a few lines.

use super::layout::{Table, plain};
use super::{Call, Work};
use crate::failure::Failure;
use crate::{ask, moment};
use rgm_types::view::{EventRecord, Explanation, NodeVerdict, Pending};
use rgm_types::{Millis, Subject};
use serde::Serialize;

/// How many of the last decisions are told: enough for the story of one failover.
const DECISIONS_MAX: usize = 8;

/// An explanation, and what the event log has about the object.
#[derive(Debug, Serialize)]
struct Told {
    explanation: Explanation,
    decisions: Vec<EventRecord>,
}

/// Asks about each of them.
pub fn explain(
    call: &Call,
    subjects: impl Iterator<Item = Subject>,
    mut failures: Vec<Failure>,
) -> Result<Work, Failure> {
    let mut told = Vec::new();
    for subject in subjects {
        match ask(subject) {
            Ok(explanation) => told.push(explanation),
            Err(failure) if failure.is_refusal() => failures.push(failure),
            Err(failure) => return Err(failure),
        }
    }
    let print = if call.args.has("--json") {
        crate::json::pretty(&told)?
    } else {
        told.iter().map(text).collect::<Vec<String>>().join("\n")
    };
    Ok(Work { print, failures, ..Work::default() })
}

fn ask(subject: Subject) -> Result<Told, Failure> {
    let (Subject::Group(name) | Subject::Resource(name)) = &subject;
    let name = name.clone();
    let explanation = ask::explanation(subject)?;
    Ok(Told { explanation, decisions: ask::decisions(&name, DECISIONS_MAX)? })
}

fn text(Told { explanation: told, decisions }: &Told) -> String {
    let mut text = told.object.clone();
    if !told.summary.is_empty() {
        text.push_str(&format!(": {}", plain(&told.summary)));
    }
    text.push('\n');
    if !told.nodes.is_empty() {
        text.push('\n');
        let heads = &[("Node", 12), ("State", 10), ("Rule", 0)];
        let table = Table::list(heads, told.nodes.iter().map(row).collect());
        table.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    }
    section(&mut text, "What led here", told.reasons.iter().map(|r| plain(r)));
    section(&mut text, "It waits for", told.waits.iter().map(wait));
    section(&mut text, "What can be done", told.advice.iter().map(|a| plain(a)));
    section(&mut text, "Last decisions", decisions.iter().map(decision));
    text
}

/// When, what, and the rule behind it.
fn decision(event: &EventRecord) -> String {
    let rule = if event.rule.is_empty() { String::new() } else { format!(" ({})", plain(&event.rule)) };
    format!("{} {}{rule}", moment::utc(event.at), plain(&event.text))
}

/// A node that would be taken is marked.
fn row(verdict: &NodeVerdict) -> Vec<String> {
    let rule = if verdict.eligible { format!("+ {}", verdict.rule) } else { format!("- {}", verdict.rule) };
    vec![verdict.node.to_string(), verdict.state.clone(), plain(rule.trim_end())]
}

fn section(text: &mut String, title: &str, lines: impl Iterator<Item = String>) {
    let lines: String = lines.map(|line| format!("    {line}\n")).collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n  {title}:\n{lines}"));
    }
}

fn wait(pending: &Pending) -> String {
    match pending.left {
        Some(left) => format!("{}; {} left", plain(&pending.what), span(left)),
        None => plain(&pending.what),
    }
}

/// A span of time, in its two largest units.
fn span(left: Millis) -> String {
    let secs = left.0.div_ceil(1000);
    match (secs / 3600, secs % 3600 / 60, secs % 60) {
        (0, 0, secs) => format!("{secs} s"),
        (0, mins, secs) => format!("{mins} min {secs} s"),
        (hours, mins, _) => format!("{hours} h {mins} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use rgm_types::view::Level;

    #[test]
    fn an_explanation_is_a_few_lines_with_what_to_do() {
        let verdict = |name: &str, eligible, state: &str, rule: &str| NodeVerdict {
            node: fixture::node(name),
            state: state.into(),
            eligible,
            rule: rule.into(),
        };
        let told = Explanation {
            object: "resource group dns-rg".into(),
            summary: "offline on both nodes: starting it failed on each of them".into(),
            nodes: vec![
                verdict("phys-1", false, "Offline", "START of dns-rs failed 3 min ago: Pingpong_interval"),
                verdict("phys-2", true, "Pending online", "next in Nodelist"),
            ],
            reasons: vec!["12:00 START of dns-rs exited 1 on phys-1".into()],
            waits: vec![
                Pending { what: "Pingpong_interval on phys-1".into(), left: Some(Millis(3_421_500)) },
                Pending { what: "resource db-rs online".into(), left: None },
            ],
            advice: vec!["clrg online dns-rg".into()],
        };
        let decision = EventRecord {
            seq: 7,
            at: Millis(1_795_333_089_000),
            level: Level::Warn,
            text: "resource group dns-rg fails over".into(),
            event: "START of dns-rs failed on phys-1".into(),
            rule: "Failover_mode SOFT".into(),
        };
        let bare =
            Explanation { reasons: vec![], waits: vec![], advice: vec![], nodes: vec![], ..told.clone() };
        insta::assert_snapshot!(text(&Told { explanation: told, decisions: vec![decision] }));
        assert_eq!(text(&Told { explanation: bare, decisions: vec![] }).lines().count(), 1);
        assert_eq!(span(Millis(1)), "1 s");
        assert_eq!(span(Millis(7_260_000)), "2 h 1 min");
    }
}
