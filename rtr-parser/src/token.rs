//! The lexer: text to tokens, comments included, in one pass.
//!
//! The grammar could lex, but it can't recover: after an error it knows neither where the next
//! statement starts nor which comments it passed. The tokens know both.

use crate::diagnostic::{Code, Notes};
use crate::tree::Span;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Unquoted run of characters.
    Word,
    /// Quoted text, quotes included.
    Quoted,
    /// Quoted text without end; already reported.
    Broken,
    /// `;`
    Semi,
    /// `,`
    Comma,
    /// `=`
    Eq,
    /// `{`
    LBrace,
    /// `}`
    RBrace,
    /// `#$…` to the end of the line or a comment.
    Directive,
    /// `#…` to the end of the line.
    Comment,
}

/// A token and how it is set off from the one before.
#[derive(Debug, Clone, Copy)]
pub struct Token {
    /// What it is.
    pub kind: Kind,
    /// Where it is.
    pub span: Span,
    /// Line ends between it and the token before; 2 means an empty line or more.
    pub newlines: u8,
}

/// The tokens of a text, and how many characters were looked at for them.
pub fn lex(text: &str, notes: &mut Notes) -> (Vec<Token>, usize) {
    let mut lexer = Lexer { text, at: 0, newlines: 0, tokens: Vec::new(), notes, work: 0 };
    while lexer.token() {}
    (lexer.tokens, lexer.work)
}

struct Lexer<'a, 'n> {
    text: &'a str,
    at: usize,
    newlines: u8,
    tokens: Vec<Token>,
    notes: &'n mut Notes,
    work: usize,
}

impl Lexer<'_, '_> {
    /// Takes the next token; false at the end.
    fn token(&mut self) -> bool {
        self.blanks();
        let start = self.at;
        let Some(c) = self.bump() else { return false };
        let kind = match c {
            ';' => Kind::Semi,
            ',' => Kind::Comma,
            '=' => Kind::Eq,
            '{' => Kind::LBrace,
            '}' => Kind::RBrace,
            '#' if self.peek() == Some('$') => self.directive(),
            '#' => self.comment(),
            c if is_quote(c) => self.quoted(start, c),
            _ => self.word(start),
        };
        let mut end = self.at;
        if matches!(kind, Kind::Comment | Kind::Directive) {
            end = start + self.slice(start, end).trim_end_matches(is_blank).len();
        }
        self.tokens.push(Token { kind, span: Span { start, end }, newlines: self.newlines });
        self.newlines = 0;
        true
    }

    fn blanks(&mut self) {
        while let Some(c) = self.peek().filter(|c| is_blank(*c)) {
            let start = self.at;
            self.bump();
            if c == '\n' || c == '\r' {
                if c == '\r' && self.peek() == Some('\n') {
                    self.bump();
                }
                self.newlines = (self.newlines + 1).min(2);
            } else if !c.is_ascii() && start > 0 {
                // A byte order mark at the very start says nothing wrong.
                self.notes.add(
                    Code::OddBlank,
                    Span { start, end: self.at },
                    format!("a blank that is not ASCII (U+{:04X}) is read as a blank", u32::from(c)),
                    "write an ordinary blank",
                );
            }
        }
    }

    fn comment(&mut self) -> Kind {
        while self.peek().is_some_and(|c| !is_line_end(c)) {
            self.bump();
        }
        Kind::Comment
    }

    /// To the end of the line; a comment may stand behind it.
    fn directive(&mut self) -> Kind {
        let mut opening = None;
        let mut after_blank = false;
        while let Some(c) = self.peek().filter(|c| !is_line_end(*c)) {
            match opening {
                None if c == '#' && after_blank => break,
                None if is_quote(c) => {
                    opening = Some(c);
                    self.check_quote(c, Span { start: self.at, end: self.at + c.len_utf8() });
                }
                Some(open) if closes(open, c) => opening = None,
                None | Some(_) => {}
            }
            after_blank = is_blank(c);
            self.bump();
        }
        Kind::Directive
    }

    fn word(&mut self, start: usize) -> Kind {
        while self.peek().is_some_and(is_word_char) {
            self.bump();
        }
        let span = Span { start, end: self.at };
        let word = self.slice(start, self.at).to_owned();
        if let Some(at) = word.find('#') {
            self.notes.add(
                Code::HashInWord,
                Span { start: start + at, end: start + at + 1 },
                format!("this `#` does not start a comment: it is part of the word `{word}`"),
                "for a comment put a blank before it; for data put the value in quotes",
            );
        }
        self.check_characters(&word, span);
        Kind::Word
    }

    /// Over several lines only if what follows shows that the quote was meant to close there.
    fn quoted(&mut self, start: usize, open: char) -> Kind {
        let mut line_end = None;
        let content = self.at;
        let closed = loop {
            let Some(c) = self.peek() else { break false };
            if is_line_end(c) && line_end.is_none() {
                line_end = Some(self.at);
            }
            self.bump();
            if closes(open, c) {
                break line_end.is_none() || self.separator_follows();
            }
        };
        let span = Span { start, end: content };
        if !closed {
            self.at = line_end.unwrap_or(self.text.len());
            self.notes.add(
                Code::UnterminatedQuote,
                span,
                "this quote is not closed on its line",
                "write the closing `\"` before the `;`; a quoted text can't contain a quote",
            );
            return Kind::Broken;
        }
        self.check_quote(open, span);
        if line_end.is_some() {
            let help = "write the text on one line";
            self.notes.add(Code::QuotedNewline, span, "quoted text goes on over a line end", help);
        }
        let text = self.slice(start, self.at).to_owned();
        self.check_characters(&text, Span { start, end: self.at });
        Kind::Quoted
    }

    /// True if `;`, `,` or `}` is next, or nothing more.
    fn separator_follows(&mut self) -> bool {
        let mut rest = self.text.get(self.at..).unwrap_or("").chars();
        loop {
            self.work += 1;
            match rest.next() {
                Some(c) if is_blank(c) => {}
                next => return next.is_none_or(|c| ";,}".contains(c)),
            }
        }
    }

    fn check_quote(&mut self, open: char, span: Span) {
        if open != '"' {
            self.notes.add(
                Code::TypographicQuotes,
                span,
                "typographic quotes are read as quotes",
                "write ASCII quotes: \"text\"",
            );
        }
    }

    fn check_characters(&mut self, text: &str, span: Span) {
        let place = |at: usize, c: char| Span { start: span.start + at, end: span.start + at + c.len_utf8() };
        if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_ascii_control() && !is_blank(*c)) {
            let message = format!("the control character U+{:04X} can't stand in a value", u32::from(c));
            self.notes.add(Code::ControlCharacter, place(at, c), message, "delete it");
        }
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii() && !is_quote(*c)) {
            let message = format!("`{c}` is not ASCII; not every program shows it correctly");
            self.notes.add(Code::NotAscii, place(at, c), message, "write it in ASCII");
        }
    }

    fn slice(&self, start: usize, end: usize) -> &str {
        self.text.get(start..end).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        self.work += 1;
        Some(c)
    }
}

fn is_line_end(c: char) -> bool {
    c == '\n' || c == '\r'
}

fn is_blank(c: char) -> bool {
    c.is_whitespace() || c == '\u{FEFF}'
}

/// `"` and the double quotes that typesetting makes of it.
fn is_quote(c: char) -> bool {
    matches!(c, '"' | '\u{201C}'..='\u{201F}')
}

/// ASCII quotes close with ASCII quotes; typographic ones with any, for documents mix them up.
fn closes(open: char, c: char) -> bool {
    c == '"' || (open != '"' && is_quote(c))
}

/// True for what may stand inside an unquoted word, `#` included.
pub fn is_word_char(c: char) -> bool {
    !is_blank(c) && !is_quote(c) && !";,={}".contains(c)
}
