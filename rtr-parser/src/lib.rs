//! Resource type registration (RTR) files: from text to a resource type, with every error of the
//! file in one run, and back to text in canonical form.
//!
//! ```text
//!  bytes ──source──▶ text ──token──▶ tokens ──reader──▶ Declarations ──check──▶ ResourceType
//!                                      cut into statements,  │
//!                                      each read by pest     └──print──▶ canonical text
//! ```
//!
//! * `source` decodes; `token` is a linear lexer that also keeps comments;
//! * `reader` cuts the tokens into statements, entries and directives, recovers at `;`, `{`, `}` and
//!   directives, and gives each statement to the grammar (`rtr.pest`). Statements do not overlap, so
//!   the whole stays linear however broken a file is, and nothing recurses;
//! * `check` holds the tree to the rules of registration and completes it with what the manager adds;
//! * `print` writes the tree.
//!
//! Decisions where the format leaves room:
//!
//! * An RTR file is ASCII. Other characters in values are taken with a warning; a file that is not
//!   UTF-8 is read as ISO 8859-1 with a warning. Comments may contain anything.
//! * Typographic quotes are quotes, and Unicode blanks are blanks, each with a warning.
//! * `#` starts a comment where a token may start; inside an unquoted word it is part of the word
//!   (with a warning, for it rarely was meant so).
//! * Quoted text may go on over a line end if a `;`, `,` or `}` follows its closing quote; otherwise
//!   the closing quote was forgotten, and the line with the opening one is the place of the error.
#![forbid(unsafe_code)]

mod check;
mod diagnostic;
mod grammar;
mod keyword;
mod print;
mod reader;
mod source;
mod token;
pub mod tree;

pub use diagnostic::{Code, Diagnostic, Severity};
pub use print::format;
pub use tree::Declarations;

use diagnostic::Notes;
use rgm_types::ResourceType;

/// Longest file read, in bytes: room for one value of the greatest length a value may have.
pub const FILE_LEN_MAX: usize = 4 * 1024 * 1024;

/// What a file says.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The syntax tree; of a file with errors, what could be read of it.
    pub declarations: Declarations,
    /// Errors and warnings, in file order.
    pub diagnostics: Vec<Diagnostic>,
    /// The resource type, complete with what the manager adds; `None` where there are errors.
    pub resource_type: Option<ResourceType>,
    /// Characters and tokens looked at: the effort it took, bounded by a multiple of the file's length.
    pub work: usize,
}

impl Parsed {
    /// True if the file can't be registered.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(|d| d.severity == Severity::Error)
    }
}

/// Reads an RTR file. `file_name` is only used to name the file in diagnostics.
pub fn parse(file_name: &str, bytes: &[u8]) -> Parsed {
    let mut notes = Notes::default();
    if bytes.len() > FILE_LEN_MAX {
        notes.add(
            Code::FileTooLong,
            tree::Span::default(),
            format!("the file has {} bytes; at most {FILE_LEN_MAX} are read", bytes.len()),
            "a registration file is a few KiB long: is this the right file?",
        );
        return Parsed {
            declarations: Declarations::default(),
            diagnostics: diagnostic::resolve(file_name, "", notes),
            resource_type: None,
            work: 0,
        };
    }
    let text = source::decode(bytes, &mut notes);
    let (tokens, lexing) = token::lex(&text, &mut notes);
    let read = reader::read(&text, &tokens, &mut notes);
    let resource_type = check::check(&read, &mut notes);
    let resource_type = resource_type.filter(|_| !notes.has_errors());
    Parsed {
        declarations: read.declarations,
        diagnostics: diagnostic::resolve(file_name, &text, notes),
        resource_type,
        work: lexing + read.work,
    }
}
