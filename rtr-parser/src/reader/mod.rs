//! Tokens to syntax tree, going on after every error.
//!
//! `cut` finds where a statement ends even if its `;` is missing; this module keeps the order of the
//! file (resource-type properties, upgrade section, entries) and the comments; `statement` and
//! `directive` turn what the grammar returns into declarations.

mod cut;
mod directive;
mod statement;

use crate::diagnostic::{Code, Notes};
use crate::keyword::TypeKey;
use crate::token::{Kind, Token};
use crate::tree::{Comments, Declarations, Entry, Span, Spanned};
use std::collections::BTreeSet;

/// The tree, and what the checks must know beyond it.
#[derive(Debug)]
pub struct Read {
    /// What could be read.
    pub declarations: Declarations,
    /// Resource-type properties the file means to declare, those whose statement is broken included:
    /// nobody is told that they are missing.
    pub mentioned: BTreeSet<TypeKey>,
    /// For each entry of the tree: attributes of it were lost to errors.
    pub damaged: Vec<bool>,
    /// Tokens and characters looked at.
    pub work: usize,
}

/// Reads the tokens of a text.
pub fn read(text: &str, tokens: &[Token], notes: &mut Notes) -> Read {
    let mut reader = Reader {
        text,
        tokens,
        at: 0,
        notes,
        pending: Vec::new(),
        tree: Declarations::default(),
        open: None,
        part: Part::Start,
        mentioned: BTreeSet::new(),
        guessed: BTreeSet::new(),
        damaged: Vec::new(),
        first_reported: false,
        seen_from: BTreeSet::new(),
        work: 0,
    };
    while let Some(token) = reader.peek() {
        match token.kind {
            Kind::Comment => reader.comment(token),
            Kind::Directive => reader.directive(token),
            Kind::LBrace => reader.open_entry(token),
            Kind::RBrace => reader.close_entry(token),
            Kind::Semi => reader.stray_stop(token),
            Kind::Word | Kind::Quoted | Kind::Broken | Kind::Comma | Kind::Eq => reader.statement(token),
        }
    }
    reader.finish()
}

/// How far the file has come; its parts stand in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    /// Nothing declared yet.
    Start,
    /// Resource-type properties.
    Type,
    /// `#$upgrade` seen.
    Upgrade,
    /// First `{` seen.
    Entries,
}

/// The entry being read.
struct OpenEntry {
    brace: Span,
    /// PROPERTY was read, or its absence reported.
    named: bool,
    /// An attribute was lost to an error: the entry says more than the tree knows.
    damaged: bool,
    entry: Entry,
}

struct Reader<'a, 'n> {
    text: &'a str,
    tokens: &'a [Token],
    at: usize,
    notes: &'n mut Notes,
    /// Comments for the next declaration.
    pending: Vec<String>,
    tree: Declarations,
    open: Option<OpenEntry>,
    part: Part,
    mentioned: BTreeSet<TypeKey>,
    /// Properties that a misspelt name most likely means.
    guessed: BTreeSet<TypeKey>,
    damaged: Vec<bool>,
    /// It was said that Resource_type is not the first declaration.
    first_reported: bool,
    /// Versions of the `#$upgrade_from` lines so far.
    seen_from: BTreeSet<String>,
    work: usize,
}

impl Reader<'_, '_> {
    fn peek(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    fn slice(&self, span: Span) -> &str {
        self.text.get(span.start..span.end).unwrap_or("")
    }

    fn comment(&mut self, token: Token) {
        self.at += 1;
        self.work += 1;
        self.keep_gap(token);
        let text = self.slice(token.span).to_owned();
        self.pending.push(text);
    }

    /// Keeps one of the empty lines before a token.
    fn keep_gap(&mut self, token: Token) {
        if token.newlines > 1 && self.pending.last().is_none_or(|last| !last.is_empty()) {
            self.pending.push(String::new());
        }
    }

    /// The comments before a declaration, its first token being `token`.
    fn comments(&mut self, token: Token, keep_leading_gap: bool) -> Comments {
        self.keep_gap(token);
        let mut before = std::mem::take(&mut self.pending);
        if !keep_leading_gap && before.first().is_some_and(String::is_empty) {
            before.remove(0);
        }
        Comments { before, trailing: None }
    }

    /// The comments behind the last declaration of a block.
    fn last_comments(&mut self) -> Vec<String> {
        let mut comments = std::mem::take(&mut self.pending);
        if comments.first().is_some_and(String::is_empty) {
            comments.remove(0);
        }
        if comments.last().is_some_and(String::is_empty) {
            comments.pop();
        }
        comments
    }

    /// The comment behind the token just taken, on its line.
    fn trailing(&mut self) -> Option<String> {
        let token = self.peek().filter(|t| t.kind == Kind::Comment && t.newlines == 0)?;
        self.at += 1;
        Some(self.slice(token.span).to_owned())
    }

    fn open_entry(&mut self, token: Token) {
        if let Some(open) = self.open.take() {
            self.notes.add(
                Code::MissingBrace,
                open.brace,
                "this entry is not closed before the next one begins",
                "write `}` behind its last attribute",
            );
            self.keep_entry(open, None);
        }
        if self.part == Part::Start {
            self.resource_type_is_not_first(token.span);
        }
        self.part = Part::Entries;
        self.at += 1;
        self.work += 1;
        let comments = self.comments(token, false);
        let entry = Entry { comments, ..Entry::default() };
        self.open = Some(OpenEntry { brace: token.span, named: false, damaged: false, entry });
    }

    fn close_entry(&mut self, token: Token) {
        self.at += 1;
        self.work += 1;
        let Some(open) = self.open.take() else {
            let help = "delete it, or write `{ PROPERTY = name;` where its entry begins";
            self.notes.add(Code::StrayBrace, token.span, "this `}` closes no entry", help);
            return;
        };
        if !open.named {
            let help = "write `{ PROPERTY = name; ... }`, or delete the braces";
            self.notes.add(Code::PropertyFirst, open.brace, "this entry has no PROPERTY", help);
        }
        let trailing = self.trailing();
        self.keep_entry(open, trailing);
    }

    fn keep_entry(&mut self, open: OpenEntry, trailing: Option<String>) {
        let mut entry = open.entry;
        entry.end = self.last_comments();
        entry.comments.trailing = trailing;
        if !entry.name.value.is_empty() {
            self.tree.entries.push(entry);
            self.damaged.push(open.damaged);
        }
    }

    fn stray_stop(&mut self, token: Token) {
        self.at += 1;
        self.work += 1;
        let help = "delete it; no `;` stands behind the `}` of an entry";
        self.notes.add(Code::StrayStop, token.span, "this `;` ends no declaration", help);
    }

    fn resource_type_is_not_first(&mut self, span: Span) {
        self.first_reported = true;
        self.notes.add(
            Code::ResourceTypeFirst,
            span,
            "the first declaration of a file must be Resource_type",
            "begin the file with `Resource_type = \"name\";`",
        );
    }

    fn finish(mut self) -> Read {
        if let Some(open) = self.open.take() {
            self.notes.add(
                Code::MissingBrace,
                open.brace,
                "this entry is not closed before the end of the file",
                "write `}` behind its last attribute",
            );
            self.keep_entry(open, None);
        }
        self.mentioned.append(&mut self.guessed);
        if !self.first_reported && !self.mentioned.contains(&TypeKey::ResourceType) {
            self.resource_type_is_not_first(Span::default());
        }
        self.tree.end = self.last_comments();
        Read { declarations: self.tree, mentioned: self.mentioned, damaged: self.damaged, work: self.work }
    }

    /// A word of fixed meaning in canonical spelling; unchanged (and to be reported by the checks) if
    /// it is none of them.
    fn canonical(values: &mut [Spanned<String>], words: &[(&str, &'static str)]) {
        if let [value] = values
            && let Some((_, word)) = words.iter().find(|(w, _)| w.eq_ignore_ascii_case(&value.value))
        {
            value.value = (*word).to_owned();
        }
    }
}
