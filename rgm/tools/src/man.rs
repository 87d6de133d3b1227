//! Manual pages in man(7), from the table of a command.

use crate::applet::Applet;
use crate::tables;
use std::fmt::Write;

/// The manual page of a command, as roff; `None` if there is no such command.
pub fn man_page(name: &str) -> Option<String> {
    tables::find(name).map(page)
}

/// Its file name, `scswitch.8`.
pub fn man_file(applet: &Applet) -> String {
    format!("{}.{}", applet.name, applet.section)
}

fn page(applet: &'static Applet) -> String {
    let mut text = format!(
        ".TH {} {} \"\" \"rgm {}\" \"Resource group manager\"\n",
        quoted(&applet.name.to_uppercase()),
        applet.section,
        env!("CARGO_PKG_VERSION")
    );
    let _ = writeln!(text, ".SH NAME\n{} \\- {}", escaped(applet.name), escaped(applet.summary));
    text.push_str(".SH SYNOPSIS\n.nf\n");
    for form in applet.forms {
        line(&mut text, &applet.synopsis(form));
    }
    text.push_str(".fi\n.SH DESCRIPTION\n");
    for (i, paragraph) in applet.description.iter().enumerate() {
        if i > 0 {
            text.push_str(".PP\n");
        }
        line(&mut text, paragraph);
    }
    rows(&mut text, "FORMS", applet.forms.iter().map(|f| (applet.synopsis(f), f.effect)));
    rows(&mut text, "OPTIONS", applet.all_options().map(|o| (o.spelled(), o.help)));
    rows(&mut text, "EXIT STATUS", applet.exits.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    rows(&mut text, "ENVIRONMENT", applet.places.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    rows(&mut text, "EXAMPLES", applet.examples.iter().map(|(k, v)| ((*k).to_owned(), *v)));
    text.push_str(".SH SEE ALSO\n");
    let others: Vec<String> = applet.see_also.iter().map(|name| reference(name)).collect();
    line(&mut text, &others.join(", "));
    text
}

fn reference(name: &str) -> String {
    match tables::find(name) {
        Some(applet) => format!("{name}({})", applet.section),
        None => name.to_owned(),
    }
}

fn rows<'a>(text: &mut String, title: &str, rows: impl Iterator<Item = (String, &'a str)>) {
    let mut rows = rows.peekable();
    if rows.peek().is_none() {
        return;
    }
    let _ = writeln!(text, ".SH {title}");
    for (name, meaning) in rows {
        let _ = writeln!(text, ".TP\n.B {}", quoted(&name));
        line(text, meaning);
    }
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
