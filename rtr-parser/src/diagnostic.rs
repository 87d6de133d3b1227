//! Errors and warnings: what is wrong, where, and what to write instead.
//!
//! While a file is read, findings are noted with byte ranges ([`Notes`]). At the end all of them are
//! resolved to lines and columns in one walk over the text, so that a thousand findings on one long
//! line cost no more than one.

use crate::tree::Span;
use serde::Serialize;
use std::fmt;

/// Most errors, and most warnings, shown of one file. More of either help nobody.
pub const SHOWN_MAX: usize = 1000;

/// Most characters of a source line shown on each side of where a finding starts.
const CONTEXT_MAX: usize = 120;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file can't be registered.
    Error,
    /// It can, but a human may want to look.
    Warning,
}

impl Severity {
    /// As it is printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $severity:ident $code:ident = $word:literal,)*) => {
        /// What is wrong, as a word that stays the same.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
        pub enum Code {
            $($(#[$doc])* #[serde(rename = $word)] $code,)*
        }
        impl Code {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code),*];
            /// The word.
            pub fn word(self) -> &'static str {
                match self { $(Self::$code => $word),* }
            }
            /// How bad it is.
            pub fn severity(self) -> Severity {
                match self { $(Self::$code => Severity::$severity),* }
            }
        }
    };
}

codes! {
    /// More bytes than are read.
    Error FileTooLong = "rtr::file_too_long",
    /// More findings than are shown.
    Error TooMany = "rtr::too_many",
    /// NUL or another control character.
    Error ControlCharacter = "rtr::control_character",
    /// A quote that is not closed.
    Error UnterminatedQuote = "rtr::unterminated_quote",
    /// `;` is missing.
    Error MissingStop = "rtr::missing_stop",
    /// Several words where one value is expected.
    Error Unquoted = "rtr::unquoted",
    /// Something else than the grammar expects.
    Error Syntax = "rtr::syntax",
    /// An entry is not closed.
    Error MissingBrace = "rtr::missing_brace",
    /// `}` that closes nothing.
    Error StrayBrace = "rtr::stray_brace",
    /// `;` that ends nothing.
    Error StrayStop = "rtr::stray_stop",
    /// `#$` and a word that is no directive.
    Error DirectiveUnknown = "rtr::directive_unknown",
    /// A directive elsewhere than between the two parts.
    Error DirectivePlace = "rtr::directive_place",
    /// A directive with wrong arguments.
    Error DirectiveForm = "rtr::directive_form",
    /// The first declaration is not Resource_type.
    Error ResourceTypeFirst = "rtr::resource_type_first",
    /// No such resource-type property.
    Error TypePropertyUnknown = "rtr::type_property_unknown",
    /// Declared twice.
    Error TypePropertyDuplicate = "rtr::type_property_duplicate",
    /// Behind the first entry.
    Error TypePropertyLate = "rtr::type_property_late",
    /// Not for files.
    Error TypePropertyForbidden = "rtr::type_property_forbidden",
    /// Resource_type or Vendor_id is no name.
    Error TypeName = "rtr::type_name",
    /// RT_version is missing.
    Error VersionMissing = "rtr::version_missing",
    /// RT_version has a character it may not have.
    Error VersionCharacter = "rtr::version_character",
    /// API_version is not supported.
    Error ApiVersion = "rtr::api_version",
    /// Neither Start nor Prenet_start.
    Error StartMissing = "rtr::start_missing",
    /// Neither Stop nor Postnet_stop.
    Error StopMissing = "rtr::stop_missing",
    /// One of Monitor_start and Monitor_stop without the other.
    Error MonitorPair = "rtr::monitor_pair",
    /// A relative method path without RT_basedir.
    Error BasedirMissing = "rtr::basedir_missing",
    /// RT_basedir is not absolute.
    Error BasedirRelative = "rtr::basedir_relative",
    /// No value where one is needed.
    Error ValueMissing = "rtr::value_missing",
    /// A value where none belongs.
    Error ValueUnexpected = "rtr::value_unexpected",
    /// Several values where one is expected.
    Error ValueList = "rtr::value_list",
    /// An empty element in a list.
    Error ValueElement = "rtr::value_element",
    /// A line end, or a comma in an element of a list.
    Error ValueCharacter = "rtr::value_character",
    /// Neither TRUE nor FALSE.
    Error ValueBoolean = "rtr::value_boolean",
    /// No integer.
    Error ValueInteger = "rtr::value_integer",
    /// None of the words that may stand here.
    Error ValueWord = "rtr::value_word",
    /// PROPERTY is not the first attribute.
    Error PropertyFirst = "rtr::property_first",
    /// PROPERTY is no name.
    Error PropertyName = "rtr::property_name",
    /// Declared twice.
    Error PropertyDuplicate = "rtr::property_duplicate",
    /// Neither system-defined nor an extension.
    Error PropertyUnknown = "rtr::property_unknown",
    /// An extension with the name of a system-defined property.
    Error PropertyReserved = "rtr::property_reserved",
    /// Set by the manager, never declared.
    Error PropertyQueryOnly = "rtr::property_query_only",
    /// No such attribute.
    Error AttributeUnknown = "rtr::attribute_unknown",
    /// Given twice.
    Error AttributeDuplicate = "rtr::attribute_duplicate",
    /// A data type or DESCRIPTION on a system-defined property.
    Error AttributeSystem = "rtr::attribute_system",
    /// Does not fit the data type.
    Error AttributeMisfit = "rtr::attribute_misfit",
    /// An extension without data type.
    Error DataTypeMissing = "rtr::data_type_missing",
    /// An extension with several data types.
    Error DataTypeDuplicate = "rtr::data_type_duplicate",
    /// The words of an ENUM.
    Error EnumWords = "rtr::enum_words",
    /// DEFAULT empty for int, boolean or enum.
    Error DefaultEmpty = "rtr::default_empty",
    /// DEFAULT outside what the property allows.
    Error DefaultRange = "rtr::default_range",
    /// A lower bound above its upper bound, a negative length.
    Error Bounds = "rtr::bounds",
    /// MIN below 1 or any MAX on a method timeout.
    Error TimeoutBounds = "rtr::timeout_bounds",
    /// PER_NODE without EXTENSION or DEFAULT, or on a stringarray.
    Error PerNode = "rtr::per_node",
    /// Bytes that are no UTF-8.
    Warning NotUtf8 = "rtr::not_utf8",
    /// Characters outside ASCII in a value.
    Warning NotAscii = "rtr::not_ascii",
    /// A blank outside ASCII.
    Warning OddBlank = "rtr::odd_blank",
    /// Quotes as documents print them.
    Warning TypographicQuotes = "rtr::typographic_quotes",
    /// Quoted text over several lines.
    Warning QuotedNewline = "rtr::quoted_newline",
    /// `#` inside a word.
    Warning HashInWord = "rtr::hash_in_word",
    /// A method without a path counts as not declared.
    Warning MethodEmpty = "rtr::method_empty",
    /// A timeout entry of a method that is not declared.
    Warning TimeoutUnused = "rtr::timeout_unused",
    /// MIN below what the manager allows for the property.
    Warning MinRaised = "rtr::min_raised",
    /// `,` or `;` in a text that shell agents can't be given safely.
    Warning ValueSeparator = "rtr::value_separator",
    /// Failover and Scalable exclude each other.
    Warning ScalableFailover = "rtr::scalable_failover",
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// One error or warning.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, as a word that stays the same.
    pub code: Code,
    /// The file.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1, in characters.
    pub column: usize,
    /// How many characters of that line are concerned, at least 1.
    pub length: usize,
    /// The line, without its end; of a very long one the part around the column.
    pub source_line: String,
    /// How many characters were cut off before `source_line`.
    pub source_offset: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: String,
}

/// The diagnostic as a human reads it: message, place, source line, caret, help.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        let margin = " ".repeat(number.len());
        writeln!(f, "{}[{}]: {}", self.severity.word(), self.code, self.message)?;
        writeln!(f, "{margin}--> {}:{}:{}", self.file, self.line, self.column)?;
        writeln!(f, "{margin} |")?;
        writeln!(f, "{number} | {}", self.source_line)?;
        // Tabs stay tabs, so that the caret stands under its character whatever they are worth.
        let before = self.source_line.chars().take(self.column - 1 - self.source_offset);
        let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
        writeln!(f, "{margin} | {indent}{}", "^".repeat(self.length))?;
        if !self.help.is_empty() {
            writeln!(f, "{margin} = help: {}", self.help)?;
        }
        Ok(())
    }
}

/// A finding, before its line is known.
#[derive(Debug)]
struct Note {
    code: Code,
    span: Span,
    message: String,
    help: String,
}

/// The findings so far.
#[derive(Debug, Default)]
pub struct Notes {
    kept: Vec<Note>,
    errors: usize,
    warnings: usize,
}

impl Notes {
    /// Notes a finding.
    pub fn add(&mut self, code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) {
        let count = match code.severity() {
            Severity::Error => &mut self.errors,
            Severity::Warning => &mut self.warnings,
        };
        *count += 1;
        if *count <= SHOWN_MAX {
            self.kept.push(Note { code, span, message: message.into(), help: help.into() });
        }
    }

    /// True if one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }
}

/// Finds line and column of every finding, in file order.
pub fn resolve(file: &str, text: &str, notes: Notes) -> Vec<Diagnostic> {
    let Notes { mut kept, errors, .. } = notes;
    if errors > SHOWN_MAX {
        let span = Span { start: text.len(), end: text.len() };
        let message = format!("{} more errors are not shown", errors - SHOWN_MAX);
        kept.push(Note { code: Code::TooMany, span, message, help: "correct the first ones".to_owned() });
    }
    kept.sort_by_key(|note| (note.span.start, note.code.severity()));
    let mut cursor = Cursor { text, at: 0, line: 1, column: 1, line_start: 0 };
    kept.into_iter()
        .map(|note| {
            cursor.advance(note.span.start);
            let (source_line, source_offset) = cursor.context();
            let room = (source_line.chars().count() + source_offset + 1).saturating_sub(cursor.column - 1);
            Diagnostic {
                severity: note.code.severity(),
                code: note.code,
                file: file.to_owned(),
                line: cursor.line,
                column: cursor.column,
                length: cursor.length(note.span).min(room).max(1),
                source_line: visible(&source_line),
                source_offset,
                message: visible(&note.message),
                help: visible(&note.help),
            }
        })
        .collect()
}

/// Text of the file as it can go to a terminal: a control character must neither act nor disappear.
fn visible(text: &str) -> String {
    text.chars().map(|c| if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// A place in the text that only moves forward.
struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    column: usize,
    line_start: usize,
}

impl Cursor<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn advance(&mut self, target: usize) {
        while self.at < target {
            let mut chars = self.rest().chars();
            let Some(c) = chars.next() else { return };
            let pair = c == '\r' && chars.next() == Some('\n');
            self.at += c.len_utf8() + usize::from(pair);
            if c == '\n' || c == '\r' {
                self.line += 1;
                self.column = 1;
                self.line_start = self.at;
            } else {
                self.column += 1;
            }
        }
    }

    fn length(&self, span: Span) -> usize {
        let concerned = self.text.get(self.at..span.end.max(self.at)).unwrap_or("");
        concerned.chars().take(CONTEXT_MAX).take_while(|c| !is_line_end(*c)).count()
    }

    /// The line around the cursor, and how much of it was left out in front.
    fn context(&self) -> (String, usize) {
        let before = self.text.get(self.line_start..self.at).unwrap_or("");
        let shown = before.char_indices().rev().take(CONTEXT_MAX);
        let start = shown.last().map_or(0, |(at, _)| at);
        let mut line = before.get(start..).unwrap_or("").to_owned();
        let offset = self.column - 1 - line.chars().count();
        line.extend(self.rest().chars().take(CONTEXT_MAX).take_while(|c| !is_line_end(*c)));
        (line.trim_end().to_owned(), offset)
    }
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}
