//! The two layouts of the `cl*` commands (reference 7.5 to 7.8), to the column: scripts read them.

use std::fmt::Write;

/// Columns a title of `show` is filled up to.
const TITLE_WIDTH: usize = 47;
/// The column of the value behind the name of an object.
const HEAD_COLUMN: usize = 48;
/// The column of the values below it.
const LINE_COLUMN: usize = 51;

/// What `status` and `list -v` print: columns below their heads.
#[derive(Debug)]
pub struct Table {
    /// Head of each column, and its least width.
    pub heads: &'static [(&'static str, usize)],
    /// Rows that belong together; an empty line follows each such block.
    pub blocks: Vec<Vec<Vec<String>>>,
}

impl Table {
    /// One block, without an empty line behind it.
    pub fn list(heads: &'static [(&'static str, usize)], rows: Vec<Vec<String>>) -> String {
        Self { heads, blocks: vec![rows] }.text(false).trim_end_matches('\n').to_owned() + "\n"
    }

    /// A title, the heads, and each object's rows, its name on the first of them only.
    pub fn status(&self, title: &str, colour: bool) -> String {
        format!("\n=== {title} ===\n\n{}", self.text(colour))
    }

    fn text(&self, colour: bool) -> String {
        let widths = self.widths();
        let heads: Vec<String> = self.heads.iter().map(|(head, _)| (*head).to_owned()).collect();
        let rules: Vec<String> = self.heads.iter().map(|(head, _)| "-".repeat(head.len())).collect();
        let mut text = String::new();
        print_row(&mut text, &heads, &widths, false);
        print_row(&mut text, &rules, &widths, false);
        for block in &self.blocks {
            block.iter().for_each(|row| print_row(&mut text, row, &widths, colour));
            text.push('\n');
        }
        text
    }

    /// Of each column: two blanks behind the longest cell keep it apart from the next one.
    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<usize> = self.heads.iter().map(|(_, least)| *least).collect();
        for row in self.blocks.iter().flatten() {
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

fn print_row(text: &mut String, cells: &[String], widths: &[usize], colour: bool) {
    let mut line = String::new();
    for (cell, width) in cells.iter().zip(widths) {
        let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
        match tone(cell) {
            Some(tone) if colour => line.push_str(&format!("\x1b[{tone}m{cell}\x1b[0m{gap}")),
            _ => line.push_str(&format!("{cell}{gap}")),
        }
    }
    text.push_str(line.trim_end());
    text.push('\n');
}

/// The colour of a state: green for what runs, red for what an operator has to look at.
fn tone(cell: &str) -> Option<&'static str> {
    let word = cell.split(" - ").next().unwrap_or(cell);
    match word {
        "Online" => Some("32"),
        "Degraded"
        | "Online but not monitored"
        | "Pending online"
        | "Pending offline"
        | "Pending online blocked"
        | "Starting"
        | "Stopping" => Some("33"),
        "Faulted" | "Online faulted" | "Error--stop failed" | "Start failed" | "Stop failed"
        | "Monitor failed" => Some("31"),
        _ => None,
    }
}

/// What `show` prints: titles, objects, and lines below them.
#[derive(Debug, Default)]
pub struct Sheet {
    text: String,
}

impl Sheet {
    /// Begins with a title.
    pub fn titled(title: &str) -> Self {
        let mut sheet = Self::default();
        let title = format!("=== {title} ===");
        let _ = writeln!(sheet.text, "\n{title:<TITLE_WIDTH$}");
        sheet
    }

    /// A title below the first one.
    pub fn section(&mut self, indent: usize, title: &str) {
        let title = format!("{}--- {title} ---", " ".repeat(indent));
        let _ = writeln!(self.text, "\n{title:<TITLE_WIDTH$}");
    }

    /// An object, after an empty line.
    pub fn head(&mut self, indent: usize, label: &str, value: &str) {
        self.text.push('\n');
        self.put(indent, label, value, HEAD_COLUMN);
    }

    /// A fact about it.
    pub fn line(&mut self, indent: usize, label: &str, value: &str) {
        self.put(indent, label, value, LINE_COLUMN);
    }

    fn put(&mut self, indent: usize, label: &str, value: &str, column: usize) {
        let label = format!("{}{label}:", " ".repeat(indent));
        let apart = if label.chars().count() < column { "" } else { " " };
        let _ = writeln!(self.text, "{label:<column$}{apart}{}", plain(value));
    }

    /// All of it.
    pub fn text(self) -> String {
        self.text
    }
}

/// A value that stays on its line.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// True if standard output is a terminal whose user likes colours.
pub fn colour() -> bool {
    use std::io::IsTerminal;
    std::io::stdout().is_terminal() && crate::progress::colour_wanted()
}
