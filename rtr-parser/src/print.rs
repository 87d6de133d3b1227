//! Canonical form: one declaration a line, canonical spelling, comments where they belong.
//!
//! Order is the file's. Printing what was parsed and parsing what was printed give the same tree.

use crate::token::is_word_char;
use crate::tree::{AttrKey, TypeKey};
use crate::tree::{Attribute, Comments, Declarations, Entry, Spanned, TypeProperty, Upgrade};
use rgm_types::UpgradeTunability;

/// Inside an entry.
const INDENT: &str = "    ";

/// The canonical text of a file without errors.
pub fn format(declarations: &Declarations) -> String {
    let mut printer = Printer { out: String::new() };
    for property in &declarations.type_properties {
        printer.type_property(property);
    }
    if let Some(upgrade) = &declarations.upgrade {
        printer.upgrade(upgrade);
    }
    for entry in &declarations.entries {
        printer.entry(entry);
    }
    if !declarations.end.is_empty() {
        printer.out.push('\n');
        printer.before("", &declarations.end);
    }
    printer.out
}

/// The word of an `#$upgrade_from` line.
pub fn upgrade_word(tunability: UpgradeTunability) -> &'static str {
    match tunability {
        UpgradeTunability::Anytime => "ANYTIME",
        UpgradeTunability::WhenUnmonitored => "WHEN_UNMONITORED",
        UpgradeTunability::WhenOffline => "WHEN_OFFLINE",
        UpgradeTunability::WhenDisabled => "WHEN_DISABLED",
        UpgradeTunability::WhenUnmanaged => "WHEN_UNMANAGED",
        UpgradeTunability::AtCreation => "AT_CREATION",
    }
}

struct Printer {
    out: String,
}

impl Printer {
    fn type_property(&mut self, property: &TypeProperty) {
        let always_quoted =
            [TypeKey::ResourceType, TypeKey::RtDescription, TypeKey::RtVersion].contains(&property.key.value);
        let text = format!("{} = {};", property.key.value.word(), list(&property.values, always_quoted));
        self.line("", &property.comments, &text);
    }

    fn upgrade(&mut self, upgrade: &Upgrade) {
        self.out.push('\n');
        self.line("", &upgrade.comments, "#$upgrade");
        for from in &upgrade.from {
            let text =
                format!("#$upgrade_from {} {}", quote(&from.version.value), upgrade_word(from.tunability));
            self.line("", &from.comments, &text);
        }
    }

    fn entry(&mut self, entry: &Entry) {
        self.out.push('\n');
        self.before("", &entry.comments.before);
        self.out.push_str("{\n");
        self.line(INDENT, &entry.name_comments, &format!("PROPERTY = {};", value(&entry.name.value)));
        for attribute in &entry.attributes {
            self.line(INDENT, &attribute.comments, &attribute_text(attribute));
        }
        self.before(INDENT, &entry.end);
        self.out.push('}');
        self.trailing(&entry.comments);
    }

    fn line(&mut self, indent: &str, comments: &Comments, text: &str) {
        self.before(indent, &comments.before);
        self.out.push_str(indent);
        self.out.push_str(text);
        self.trailing(comments);
    }

    fn before(&mut self, indent: &str, comments: &[String]) {
        for comment in comments {
            if !comment.is_empty() {
                self.out.push_str(indent);
                self.out.push_str(comment);
            }
            self.out.push('\n');
        }
    }

    fn trailing(&mut self, comments: &Comments) {
        if let Some(comment) = &comments.trailing {
            self.out.push(' ');
            self.out.push_str(comment);
        }
        self.out.push('\n');
    }
}

fn attribute_text(attribute: &Attribute) -> String {
    let key = attribute.key.value;
    let word = key.word();
    if key == AttrKey::Enum {
        return format!("{word} {{ {} }};", list(&attribute.values, false));
    }
    let bare = key.is_data_type() || (key.is_boolean() && attribute.values.iter().all(|v| v.value == "TRUE"));
    if bare {
        return format!("{word};");
    }
    format!("{word} = {};", list(&attribute.values, key == AttrKey::Description))
}

fn list(values: &[Spanned<String>], always_quoted: bool) -> String {
    let one = |text: &str| if always_quoted { quote(text) } else { value(text) };
    values.iter().map(|v| one(&v.value)).collect::<Vec<_>>().join(", ")
}

/// A value, in quotes where it needs them.
fn value(text: &str) -> String {
    let plain = !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic() && c != '#' && is_word_char(c));
    if plain { text.to_owned() } else { quote(text) }
}

fn quote(text: &str) -> String {
    format!("\"{text}\"")
}
