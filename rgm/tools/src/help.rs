//! `--help`, from the table of a command.

use crate::applet::Applet;
use crate::suite::{EXITS, Subcommand, Suite};
use crate::tables;
use std::fmt::Write;

/// Longest line, in columns.
const WIDTH: usize = 96;
/// Where explanations stand beside what they explain.
const INDENT: usize = 26;

/// What `--help` prints.
pub fn help(applet: &Applet) -> String {
    let mut text = format!("{} - {}\n", applet.name, applet.summary);
    for paragraph in applet.description {
        text.push('\n');
        wrap(&mut text, paragraph, 0, 0);
    }
    text.push_str("\nUsage:\n");
    for form in applet.forms {
        wrap(&mut text, &applet.synopsis(form), 2, 6);
        wrap(&mut text, form.effect, 6, 6);
    }
    text.push_str("\nOptions:\n");
    for option in applet.all_options() {
        row(&mut text, &option.listed(), option.help);
    }
    text.push_str("\nExamples:\n");
    for (call, effect) in applet.examples {
        let _ = writeln!(text, "  {call}");
        wrap(&mut text, effect, 6, 6);
    }
    section(&mut text, "Exit status", applet.exits);
    section(&mut text, "Environment", applet.places);
    let _ = writeln!(text, "\nSee also: {}", applet.see_also.join(", "));
    text
}

/// What `--help` of a command with subcommands prints.
pub fn suite(suite: &Suite) -> String {
    let mut text = format!("{} - {}\n", suite.short, suite.summary);
    if suite.name != suite.short {
        let _ = writeln!(text, "{} is another name of it.", suite.name);
    }
    for paragraph in suite.description {
        text.push('\n');
        wrap(&mut text, paragraph, 0, 0);
    }
    let _ = writeln!(text, "\nUsage:\n  {} SUBCOMMAND [OPTION...] [OPERAND...]", suite.short);
    text.push_str("\nSubcommands:\n");
    for subcommand in suite.subcommands {
        row(&mut text, subcommand.name, subcommand.summary);
    }
    let _ = writeln!(text, "\nEach explains itself: {} SUBCOMMAND --help", suite.short);
    section(&mut text, "Exit status", EXITS);
    section(&mut text, "Environment", tables::ADMIN_PLACES);
    section(&mut text, "Files and variables", suite.places);
    let _ = writeln!(text, "\nSee also: {}", suite.see_also.join(", "));
    text
}

/// What `--help` of a subcommand prints.
pub fn subcommand(suite: &Suite, subcommand: &Subcommand) -> String {
    let mut text = format!("{} {} - {}\n", suite.short, subcommand.name, subcommand.summary);
    for paragraph in subcommand.description {
        text.push('\n');
        wrap(&mut text, paragraph, 0, 0);
    }
    text.push_str("\nUsage:\n");
    wrap(&mut text, &subcommand.synopsis(suite.short), 2, 6);
    text.push_str("\nOptions:\n");
    for option in subcommand.all_options() {
        row(&mut text, &option.listed(), option.help);
    }
    if !subcommand.examples.is_empty() {
        text.push_str("\nExamples:\n");
    }
    for (call, effect) in subcommand.examples {
        let _ = writeln!(text, "  {} {call}", suite.short);
        wrap(&mut text, effect, 6, 6);
    }
    let _ = writeln!(text, "\nExit status: see {} --help", suite.short);
    text
}

/// What `--version` prints.
pub fn version(applet: &str) -> String {
    format!("{applet} {}\n", env!("CARGO_PKG_VERSION"))
}

fn section(text: &mut String, title: &str, rows: &[(&str, &str)]) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(text, "\n{title}:");
    for (name, meaning) in rows {
        row(text, name, meaning);
    }
}

/// What is explained, and beside it (or below, where it is long) the explanation.
fn row(text: &mut String, name: &str, meaning: &str) {
    if name.len() + 4 > INDENT {
        let _ = writeln!(text, "  {name}");
        wrap(text, meaning, INDENT, INDENT);
        return;
    }
    let mut words = format!("  {name}");
    while words.len() < INDENT {
        words.push(' ');
    }
    fill(text, words, meaning, INDENT);
}

fn wrap(text: &mut String, words: &str, first: usize, rest: usize) {
    fill(text, " ".repeat(first), words, rest);
}

/// Appends words to a line that has been begun, and goes on in further lines.
fn fill(text: &mut String, begun: String, words: &str, rest: usize) {
    let mut line = begun;
    let mut fresh = true;
    for word in words.split(' ') {
        if !fresh && line.len() + 1 + word.len() > WIDTH {
            text.push_str(&line);
            text.push('\n');
            line = " ".repeat(rest);
            fresh = true;
        }
        if !fresh {
            line.push(' ');
        }
        line.push_str(word);
        fresh = false;
    }
    text.push_str(&line);
    text.push('\n');
}
