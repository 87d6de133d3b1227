//! Statements to declarations: which keyword, which shape of value.

use super::cut::Cut;
use super::{Part, Reader};
use crate::diagnostic::Code;
use crate::grammar::{self, Refused, Statement, Value};
use crate::keyword::{AttrKey, TypeKey, did_you_mean, suggest};
use crate::token::{Kind, Token};
use crate::tree::{Attribute, Comments, Span, Spanned, TypeProperty};
use rgm_types::props;

/// The truth values.
const BOOLEAN: &[(&str, &str)] = &[("TRUE", "TRUE"), ("FALSE", "FALSE")];
/// Proxy is a boolean that may also say that there is nothing.
const PROXY: &[(&str, &str)] = &[("TRUE", "TRUE"), ("FALSE", "FALSE"), ("NONE", "FALSE")];
const INIT_NODES: &[(&str, &str)] =
    &[("RG_PRIMARIES", "RG_PRIMARIES"), ("RT_INSTALLED_NODES", "RT_INSTALLED_NODES")];
const SYSDEFINED: &[(&str, &str)] = &[
    ("NONE", "NONE"),
    ("RTR_LOGICAL_HOSTNAME", "RTR_LOGICAL_HOSTNAME"),
    ("RTR_SHARED_ADDRESS", "RTR_SHARED_ADDRESS"),
];
/// TRUE and FALSE are older words for the first two.
const TUNABLE: &[(&str, &str)] = &[
    ("ANYTIME", "ANYTIME"),
    ("NONE", "NONE"),
    ("AT_CREATION", "AT_CREATION"),
    ("WHEN_DISABLED", "WHEN_DISABLED"),
    ("TRUE", "ANYTIME"),
    ("FALSE", "NONE"),
];

impl Reader<'_, '_> {
    pub(super) fn statement(&mut self, first: Token) {
        let cut = self.cut(first);
        let in_entry = self.open.is_some();
        let keep_gap = !in_entry && !self.tree.type_properties.is_empty();
        let mut comments = self.comments(first, keep_gap);
        let statement = self.parse(first, &cut);
        comments.trailing = self.trailing();
        match statement {
            None => self.lost(first, in_entry),
            Some(statement) if in_entry => self.attribute(statement, comments),
            Some(statement) => self.type_property(statement, comments),
        }
    }

    /// Gives the statement to the grammar; reports what it does not take.
    fn parse(&mut self, first: Token, cut: &Cut) -> Option<Statement> {
        if cut.broken {
            return None;
        }
        let text = self.text.get(cut.span.start..cut.span.end).unwrap_or("");
        self.work += text.len();
        let refused = match grammar::statement(text, cut.span.start) {
            Ok(statement) => return Some(statement),
            Err(refused) => refused,
        };
        if refused.at >= cut.span.end && refused.wants_stop() {
            let place = Span { start: cut.last.span.end, end: cut.last.span.end };
            let message = format!("`;` is missing behind {}", self.shown(cut.last.span));
            let help = format!("write {}", self.shown_with(cut.span, ";"));
            self.notes.add(Code::MissingStop, place, message, help);
            self.work += text.len();
            return grammar::unstopped(text, cut.span.start).ok();
        }
        self.refuse(first, cut, &refused);
        None
    }

    fn refuse(&mut self, first: Token, cut: &Cut, refused: &Refused) {
        let rest = Span { start: refused.at, end: cut.span.end };
        let found = Span { start: refused.at, end: refused.at + self.token_len(rest) };
        let word = self.slice(found).chars().next().is_some_and(|c| !";,={}".contains(c));
        if refused.wants_stop() && (word || self.slice(found) == "=") && refused.at > first.span.end {
            let message = format!("expected `;`, found {}", self.shown(found));
            let help = "put a value of several words, or with `=` in it, in quotes; \
                        or end the declaration before it with `;`";
            self.notes.add(Code::Unquoted, found, message, help);
            return;
        }
        let found_text = if found.start >= found.end { "the end".to_owned() } else { self.shown(found) };
        let message = format!("expected {}, found {found_text}", refused.expectation());
        let help = if self.open.is_some() {
            "an attribute is written `NAME;`, `NAME = value;` or `ENUM { word, word };`"
        } else {
            "a property is written `NAME = value;`"
        };
        self.notes.add(Code::Syntax, found, message, help);
    }

    /// The length of the token at the start of a range.
    fn token_len(&self, rest: Span) -> usize {
        let index = self.tokens.partition_point(|t| t.span.end <= rest.start);
        let token = self.tokens.get(index).filter(|t| t.span.start <= rest.start && t.span.end <= rest.end);
        token.map_or(0, |t| t.span.end - rest.start)
    }

    /// Text of the file for a message.
    fn shown(&self, span: Span) -> String {
        self.shown_with(span, "")
    }

    fn shown_with(&self, span: Span, behind: &str) -> String {
        const SHOWN_MAX: usize = 60;
        let text = self.slice(span);
        let line = text.lines().next().unwrap_or("");
        if line.len() == text.len() && text.chars().nth(SHOWN_MAX).is_none() {
            return format!("`{text}{behind}`");
        }
        let shown: String = line.chars().take(SHOWN_MAX).collect();
        format!("`{shown}...{behind}`")
    }

    /// A statement that could not be read still tells what it was about.
    fn lost(&mut self, first: Token, in_entry: bool) {
        if in_entry {
            if let Some(open) = &mut self.open {
                open.named = true;
                open.damaged = true;
            }
            return;
        }
        if first.kind == Kind::Word {
            let word = self.slice(first.span);
            match TypeKey::from_word(word) {
                Some(key) => self.mentioned.insert(key),
                None => self.guess(word.to_owned().as_str()),
            };
        }
        self.part = self.part.max(Part::Type);
    }

    fn type_property(&mut self, statement: Statement, comments: Comments) {
        let name = statement.name;
        let Some(key) = TypeKey::from_word(&name.value) else {
            self.unknown_type_property(&name);
            self.guess(&name.value);
            self.part = self.part.max(Part::Type);
            return;
        };
        if self.part == Part::Start && key != TypeKey::ResourceType {
            self.resource_type_is_not_first(name.span);
        }
        if self.part > Part::Type {
            self.notes.add(
                Code::TypePropertyLate,
                name.span,
                format!(
                    "the resource-type property {} stands behind the upgrade section or an entry",
                    key.word()
                ),
                "move it up: resource-type properties come before `#$upgrade` and the first `{`",
            );
        }
        self.part = self.part.max(Part::Type);
        let duplicate = !self.mentioned.insert(key);
        if duplicate {
            let message = format!("{} is declared twice", key.word());
            self.notes.add(Code::TypePropertyDuplicate, name.span, message, "delete one of the declarations");
            return;
        }
        if let Some(values) = self.type_values(key, &name, statement.value) {
            let key = Spanned::new(key, name.span);
            self.tree.type_properties.push(TypeProperty { comments, key, values });
        }
    }

    /// Remembers what a misspelt name most likely means.
    fn guess(&mut self, name: &str) -> bool {
        let guess = suggest(name, TypeKey::words()).and_then(TypeKey::from_word);
        guess.is_some_and(|key| self.guessed.insert(key))
    }

    fn unknown_type_property(&mut self, name: &Spanned<String>) {
        let upper = name.value.to_ascii_uppercase();
        if upper == "PROPERTY" || AttrKey::from_word(&upper).is_some() {
            self.notes.add(
                Code::TypePropertyUnknown,
                name.span,
                format!("{upper} is an attribute of a resource property and stands outside `{{ }}`"),
                "write `{ PROPERTY = name; ... }` around the attributes of a property",
            );
            return;
        }
        let otherwise = if props::resource(&name.value).is_some() {
            format!("a resource property is declared in an entry: `{{ PROPERTY = {}; ... }}`", name.value)
        } else {
            "resource properties are declared in entries: `{ PROPERTY = name; ... }`".to_owned()
        };
        let help = did_you_mean(&name.value, TypeKey::words(), &otherwise);
        let message = format!("{} is no resource-type property", self.shown(name.span));
        self.notes.add(Code::TypePropertyUnknown, name.span, message, help);
    }

    /// The values of a resource-type property in canonical spelling.
    fn type_values(
        &mut self,
        key: TypeKey,
        name: &Spanned<String>,
        value: Value,
    ) -> Option<Vec<Spanned<String>>> {
        let mut values = match value {
            Value::Values(values) => values,
            Value::Bare if key.is_boolean() => vec![Spanned::new("TRUE".to_owned(), name.span)],
            Value::Bare | Value::Set(_) => {
                self.value_missing(key.word(), name.span);
                return None;
            }
        };
        if key == TypeKey::Proxy {
            Self::canonical(&mut values, PROXY);
        } else if key.is_boolean() {
            Self::canonical(&mut values, BOOLEAN);
        } else if key == TypeKey::InitNodes {
            Self::canonical(&mut values, INIT_NODES);
        } else if key == TypeKey::SysdefinedType {
            Self::canonical(&mut values, SYSDEFINED);
        }
        Some(values)
    }

    fn value_missing(&mut self, word: &str, span: Span) {
        let message = format!("{word} needs a value");
        self.notes.add(Code::ValueMissing, span, message, format!("write `{word} = value;`"));
    }

    fn attribute(&mut self, statement: Statement, comments: Comments) {
        let name = statement.name;
        let is_property = name.value.eq_ignore_ascii_case("PROPERTY");
        let named = self.open.as_ref().is_some_and(|open| open.named);
        if is_property && !named {
            self.entry_name(&name, statement.value, comments);
            return;
        }
        if is_property || !named {
            self.notes.add(
                Code::PropertyFirst,
                name.span,
                "PROPERTY must be the first attribute of an entry, and stand there once",
                "write `{ PROPERTY = name;` and the other attributes behind it; close each entry with `}`",
            );
        }
        if let Some(open) = &mut self.open {
            open.named = true;
        }
        if is_property {
            return;
        }
        let key = AttrKey::from_word(&name.value);
        if key.is_none() {
            self.unknown_attribute(&name);
        }
        let values = key.and_then(|key| Some((key, self.attribute_values(key, &name, statement.value)?)));
        let Some(open) = &mut self.open else { return };
        open.damaged |= values.is_none();
        if let Some((key, values)) = values {
            let key = Spanned::new(key, name.span);
            open.entry.attributes.push(Attribute { comments, key, values });
        }
    }

    fn entry_name(&mut self, name: &Spanned<String>, value: Value, comments: Comments) {
        let values = match value {
            Value::Values(values) => values,
            Value::Bare | Value::Set(_) => Vec::new(),
        };
        if let [value] = values.as_slice()
            && !value.value.is_empty()
        {
            let canonical = props::resource(&value.value).map_or(value.value.as_str(), |p| p.name);
            let canonical = Spanned::new(canonical.to_owned(), value.span);
            if let Some(open) = &mut self.open {
                open.entry.name = canonical;
                open.entry.name_comments = comments;
            }
        } else {
            let help = "write `PROPERTY = name;`";
            self.notes.add(Code::PropertyName, name.span, "PROPERTY needs one name", help);
        }
        if let Some(open) = &mut self.open {
            open.named = true;
        }
    }

    fn unknown_attribute(&mut self, name: &Spanned<String>) {
        let shown = self.shown(name.span);
        if TypeKey::from_word(&name.value).is_some() {
            let message = format!("{shown} is a resource-type property and stands inside an entry");
            let help = "move it before the first `{`; close each entry with `}`";
            self.notes.add(Code::AttributeUnknown, name.span, message, help);
            return;
        }
        let words = AttrKey::ALL.into_iter().map(AttrKey::word).chain(["PROPERTY"]);
        let otherwise = "attributes are EXTENSION, PER_NODE, the data types STRING, BOOLEAN, INT, \
                         STRINGARRAY and ENUM, and TUNABLE, DEFAULT, MIN, MAX, MINLENGTH, MAXLENGTH, \
                         ARRAY_MINSIZE, ARRAY_MAXSIZE, DESCRIPTION";
        let help = did_you_mean(&name.value, words, otherwise);
        self.notes.add(Code::AttributeUnknown, name.span, format!("{shown} is no attribute"), help);
    }

    /// The values of an attribute in canonical spelling.
    fn attribute_values(
        &mut self,
        key: AttrKey,
        name: &Spanned<String>,
        value: Value,
    ) -> Option<Vec<Spanned<String>>> {
        let word = key.word();
        match value {
            Value::Set(values) if key == AttrKey::Enum => Some(values),
            Value::Bare if key.is_boolean() => Some(vec![Spanned::new("TRUE".to_owned(), name.span)]),
            Value::Bare if key.is_data_type() && key != AttrKey::Enum => Some(Vec::new()),
            Value::Values(mut values) if !key.is_data_type() => {
                if key.is_boolean() {
                    Self::canonical(&mut values, BOOLEAN);
                } else if key == AttrKey::Tunable {
                    Self::canonical(&mut values, TUNABLE);
                }
                Some(values)
            }
            Value::Set(_) | Value::Bare | Value::Values(_) if key == AttrKey::Enum => {
                let help = "write `ENUM { word, word };`";
                self.notes.add(Code::ValueMissing, name.span, "ENUM needs its words in braces", help);
                None
            }
            Value::Values(_) | Value::Set(_) if key.is_data_type() => {
                let message = format!("the data type {word} takes no value");
                let help = format!("write `{word};`; the value goes into DEFAULT");
                self.notes.add(Code::ValueUnexpected, name.span, message, help);
                None
            }
            Value::Bare | Value::Set(_) | Value::Values(_) => {
                self.value_missing(word, name.span);
                None
            }
        }
    }
}
