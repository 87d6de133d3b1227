//! The tables of `scstat`, to the column of reference 7.3. Scripts read them.

use super::Wanted;
use rgm_types::ResourceState;
use rgm_types::view::{GroupView, ResourceOnNode, ResourceView, Snapshot};

/// Between sections, where all of them are shown.
const DASHES: &str = "------------------------------------------------------------------\n";

/// What `scstat` prints.
pub fn text(snapshot: &Snapshot, wanted: &Wanted) -> String {
    let mut sections = Vec::new();
    if wanted.nodes {
        sections.push(nodes(snapshot));
    }
    if wanted.groups {
        let tables = [members(snapshot), groups(snapshot), resources(snapshot, wanted.verbose)];
        sections.push(tables.join("\n"));
    }
    if !wanted.dashes {
        return sections.join("\n");
    }
    let mut text = String::from(DASHES);
    for section in sections {
        text.push_str(&section);
        text.push('\n');
        text.push_str(DASHES);
    }
    text
}

fn nodes(snapshot: &Snapshot) -> String {
    let state = |up| if up { "Online" } else { "Offline" };
    let rows = snapshot.nodes.iter().map(|n| vec![n.name.to_string(), state(n.up).to_owned()]);
    Table {
        title: "Cluster Nodes",
        label: "  Cluster node:",
        indent: 20,
        heads: &[("Node name", 20), ("Status", 0)],
        rows: rows.collect(),
    }
    .text()
}

fn members(snapshot: &Snapshot) -> String {
    let row = |group: &GroupView| {
        let names: Vec<&str> = group.resources.iter().map(|r| r.as_str()).collect();
        let names = if names.is_empty() { "-".to_owned() } else { names.join(" ") };
        vec![group.name.to_string(), names]
    };
    Table {
        title: "Resource Groups and Resources",
        label: " Resources:",
        indent: 12,
        heads: &[("Group Name", 15), ("Resources", 0)],
        rows: snapshot.groups.iter().map(row).collect(),
    }
    .text()
}

fn groups(snapshot: &Snapshot) -> String {
    let rows = snapshot.groups.iter().flat_map(|group| {
        let suspended = if group.suspended { "Yes" } else { "No" };
        group.nodes.iter().map(move |on| {
            vec![
                group.name.to_string(),
                on.node.to_string(),
                on.state.phrase().to_owned(),
                suspended.to_owned(),
            ]
        })
    });
    Table {
        title: "Resource Groups",
        label: "     Group:",
        indent: 12,
        heads: &[("Group Name", 15), ("Node Name", 25), ("State", 15), ("Suspended", 0)],
        rows: rows.collect(),
    }
    .text()
}

/// Group by group. Resources that are disabled and offline are told only to who asks for more.
fn resources(snapshot: &Snapshot, verbose: bool) -> String {
    let mut resources: Vec<&ResourceView> = snapshot.resources.iter().collect();
    resources.sort_by_key(|resource| &resource.group);
    let told = |on: &&ResourceOnNode| verbose || on.enabled || on.state != ResourceState::Offline;
    let rows = resources.into_iter().flat_map(|resource| {
        resource.nodes.iter().filter(told).map(|on| {
            vec![
                resource.name.to_string(),
                on.node.to_string(),
                on.state.phrase().to_owned(),
                message(on, verbose),
            ]
        })
    });
    Table {
        title: "Resources",
        label: "  Resource:",
        indent: 12,
        heads: &[("Resource Name", 15), ("Node Name", 25), ("State", 15), ("Status Message", 0)],
        rows: rows.collect(),
    }
    .text()
}

/// Status, and the agent's message if there is one, which may not break the table it stands in.
fn message(on: &ResourceOnNode, verbose: bool) -> String {
    let mut text = on.status.phrase().to_owned();
    if !on.status_msg.is_empty() {
        text.push_str(" - ");
        text.extend(on.status_msg.chars().map(|c| if c.is_control() { ' ' } else { c }));
    }
    if verbose {
        text.push_str(&details(on));
    }
    text
}

fn details(on: &ResourceOnNode) -> String {
    let mut details = Vec::new();
    if !on.enabled {
        details.push("disabled".to_owned());
    }
    if on.monitored == Some(false) {
        details.push("monitor disabled".to_owned());
    }
    if let Some((method, _)) = on.running {
        details.push(format!("{method} runs"));
    }
    if details.is_empty() { String::new() } else { format!(" ({})", details.join(", ")) }
}

/// A table with a label before each row. Columns have a least width and grow with what is in them.
struct Table {
    title: &'static str,
    label: &'static str,
    indent: usize,
    heads: &'static [(&'static str, usize)],
    rows: Vec<Vec<String>>,
}

impl Table {
    fn text(&self) -> String {
        let heads = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>();
        let rules = self.heads.iter().map(|(head, _)| "-".repeat(head.len())).collect::<Vec<_>>();
        let widths = self.widths();
        let mut text = format!("\n-- {} --\n\n", self.title);
        self.print_line(&mut text, "", &heads, &widths);
        self.print_line(&mut text, "", &rules, &widths);
        for row in &self.rows {
            self.print_line(&mut text, self.label, row, &widths);
        }
        text
    }

    fn print_line(&self, text: &mut String, label: &str, cells: &[String], widths: &[usize]) {
        let mut line = format!("{label:<indent$}", indent = self.indent);
        for (cell, width) in cells.iter().zip(widths) {
            line.push_str(&format!("{cell:<width$}"));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }

    /// Of each column. Two blanks behind the longest cell keep it apart from the next one; the last
    /// column needs none.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(_, least)| *least).collect();
        for row in &self.rows {
            for (cell, width) in row.iter().zip(&mut widths) {
                *width = (*width).max(cell.chars().count() + 2);
            }
        }
        if let Some(last) = widths.last_mut() {
            *last = 0;
        }
        widths
    }
}
