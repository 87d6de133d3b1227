//! Manual pages in man(7), from the table of a command.

use crate::applet::Applet;
use crate::suite::{EXITS, Subcommand, Suite, UNIVERSAL};
use crate::tables;
use std::fmt::Write;

/// Section of the manual that the commands with subcommands are in.
const SUITE_SECTION: u8 = 8;

/// The manual page of a command, as roff; `None` if there is no such command. The page of a short name
/// leads to that of the long one.
pub fn man_page(name: &str) -> Option<String> {
    if let Some(applet) = tables::find(name) {
        return Some(page(applet));
    }
    let suite = tables::find_suite(name)?;
    if suite.name == name {
        return Some(suite_page(suite));
    }
    let (name, section) = (suite.name, SUITE_SECTION);
    Some(format!(".\\\" {name} {section}\n.so man{section}/{name}.{section}\n"))
}

/// Its file name, `scswitch.8`.
pub fn man_file(applet: &Applet) -> String {
    format!("{}.{}", applet.name, applet.section)
}

fn page(applet: &'static Applet) -> String {
    let mut text = header(applet.name, applet.section);
    let _ = writeln!(text, ".SH NAME\n{} \\- {}", escaped(applet.name), escaped(applet.summary));
    text.push_str(".SH SYNOPSIS\n.nf\n");
    for form in applet.forms {
        line(&mut text, &applet.synopsis(form));
    }
    text.push_str(".fi\n.SH DESCRIPTION\n");
    paragraphs(&mut text, applet.description);
    rows(&mut text, "FORMS", applet.forms.iter().map(|f| (applet.synopsis(f), f.effect)));
    rows(&mut text, "OPTIONS", applet.all_options().map(|o| (o.listed(), o.help)));
    rows(&mut text, "EXIT STATUS", applet.exits.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    rows(&mut text, "ENVIRONMENT", applet.places.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    rows(&mut text, "EXAMPLES", applet.examples.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    see_also(&mut text, applet.see_also);
    text
}

fn header(name: &str, section: u8) -> String {
    format!(
        ".TH {} {section} \"\" \"rgm {}\" \"Resource group manager\"\n",
        quoted(&name.to_uppercase()),
        env!("CARGO_PKG_VERSION")
    )
}

fn suite_page(suite: &Suite) -> String {
    let mut text = header(suite.name, SUITE_SECTION);
    let _ = write!(text, ".SH NAME\n{}", escaped(suite.name));
    if suite.short != suite.name {
        let _ = write!(text, ", {}", escaped(suite.short));
    }
    let _ = writeln!(text, " \\- {}", escaped(suite.summary));
    text.push_str(".SH SYNOPSIS\n.nf\n");
    for subcommand in suite.subcommands {
        line(&mut text, &subcommand.synopsis(suite.short));
    }
    text.push_str(".fi\n.SH DESCRIPTION\n");
    paragraphs(&mut text, suite.description);
    text.push_str(".SH SUBCOMMANDS\n");
    for subcommand in suite.subcommands {
        suite_subcommand(&mut text, suite, subcommand);
    }
    rows(&mut text, "OPTIONS", UNIVERSAL.iter().map(|o| (o.listed(), o.help)));
    rows(&mut text, "EXIT STATUS", EXITS.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    let places = tables::ADMIN_PLACES.iter().chain(suite.places);
    rows(&mut text, "ENVIRONMENT", places.map(|(k, v)| ((*k).to_owned(), *v)));
    let examples = suite.subcommands.iter().flat_map(|s| s.examples);
    rows(&mut text, "EXAMPLES", examples.map(|(call, effect)| (format!("{} {call}", suite.short), *effect)));
    see_also(&mut text, suite.see_also);
    text
}

/// One subcommand: what it does, and the options that are its own.
fn suite_subcommand(text: &mut String, suite: &Suite, subcommand: &Subcommand) {
    let _ = writeln!(text, ".SS {}", quoted(&format!("{} {}", suite.short, subcommand.name)));
    line(text, &sentence(subcommand.summary));
    for paragraph in subcommand.description {
        text.push_str(".PP\n");
        line(text, paragraph);
    }
    for option in subcommand.options {
        entry(text, &option.listed(), option.help);
    }
}

/// With a capital letter and a full stop.
fn sentence(words: &str) -> String {
    let mut letters = words.chars();
    let first: String = letters.next().into_iter().flat_map(char::to_uppercase).collect();
    format!("{first}{}.", letters.as_str())
}

fn see_also(text: &mut String, names: &[&str]) {
    text.push_str(".SH SEE ALSO\n");
    let others: Vec<String> = names.iter().map(|name| reference(name)).collect();
    line(text, &others.join(", "));
}

fn paragraphs(text: &mut String, paragraphs: &[&str]) {
    for (i, paragraph) in paragraphs.iter().enumerate() {
        if i > 0 {
            text.push_str(".PP\n");
        }
        line(text, paragraph);
    }
}

fn reference(name: &str) -> String {
    match (tables::find(name), tables::find_suite(name)) {
        (Some(applet), _) => format!("{name}({})", applet.section),
        (None, Some(_)) => format!("{name}({SUITE_SECTION})"),
        (None, None) => name.to_owned(),
    }
}

fn rows<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (String, &'a str)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(text, ".SH {title}");
    for (name, meaning) in rows {
        entry(text, &name, meaning);
    }
}

fn entry(text: &mut String, name: &str, meaning: &str) {
    let _ = writeln!(text, ".TP\n.B {}", quoted(name));
    line(text, meaning);
}

/// A line of text. One that would begin with a dot or a quote would be taken for a request.
fn line(text: &mut String, words: &str) {
    let words = escaped(words);
    if words.starts_with(['.', '\'']) {
        text.push_str("\\&");
    }
    text.push_str(&words);
    text.push('\n');
}

fn quoted(words: &str) -> String {
    format!("\"{}\"", escaped(words).replace('"', "\\(dq"))
}

fn escaped(words: &str) -> String {
    words.replace('\\', "\\e").replace('-', "\\-")
}
