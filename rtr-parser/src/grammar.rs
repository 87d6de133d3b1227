//! The grammar applied: one statement or directive in, its parts out.

use crate::tree::{Span, Spanned};
use pest::Parser;
use pest::error::{Error, ErrorVariant, InputLocation};
use pest::iterators::Pair;

mod generated {
    #[derive(pest_derive::Parser)]
    #[grammar = "rtr.pest"]
    pub struct Grammar;
}
use generated::Grammar;
pub use generated::Rule;

/// The parts of a statement.
#[derive(Debug)]
pub struct Statement {
    /// What is declared.
    pub name: Spanned<String>,
    /// What stands behind the name.
    pub value: Value,
}

/// What stands behind a name.
#[derive(Debug)]
pub enum Value {
    /// Nothing.
    Bare,
    /// `= value, value`
    Values(Vec<Spanned<String>>),
    /// `{ word, word }`
    Set(Vec<Spanned<String>>),
}

/// The parts of a directive.
#[derive(Debug)]
pub struct Directive {
    /// Its word, `#$` included.
    pub marker: Spanned<String>,
    /// What stands behind it.
    pub arguments: Vec<Spanned<String>>,
}

/// Where the grammar could not go on, and with what it could have.
#[derive(Debug)]
pub struct Refused {
    /// Byte in the file.
    pub at: usize,
    /// Rules that would have fitted.
    pub expected: Vec<Rule>,
}

impl Refused {
    /// True if a `;` would have fitted.
    pub fn wants_stop(&self) -> bool {
        self.expected.contains(&Rule::semi)
    }

    /// What would have fitted, in human words.
    pub fn expectation(&self) -> String {
        let mut words: Vec<&str> = self.expected.iter().map(|rule| human(*rule)).collect();
        words.sort_unstable();
        words.dedup();
        words.join(" or ")
    }
}

/// Reads a statement; `start` is where `text` stands in the file.
pub fn statement(text: &str, start: usize) -> Result<Statement, Refused> {
    parse_statement(Rule::statement, text, start)
}

/// Reads a statement whose `;` is missing.
pub fn unstopped(text: &str, start: usize) -> Result<Statement, Refused> {
    parse_statement(Rule::unstopped, text, start)
}

/// Reads a directive.
pub fn directive(text: &str, start: usize) -> Result<Directive, Refused> {
    let pairs = Grammar::parse(Rule::directive, text).map_err(|error| refused(&error, start))?;
    let mut directive = Directive { marker: Spanned::default(), arguments: Vec::new() };
    for pair in pairs.flat_map(Pair::into_inner) {
        if pair.as_rule() == Rule::marker {
            directive.marker = value(&pair, start);
        } else if pair.as_rule() == Rule::argument {
            directive.arguments.push(value(&pair, start));
        }
    }
    Ok(directive)
}

fn parse_statement(rule: Rule, text: &str, start: usize) -> Result<Statement, Refused> {
    let pairs = Grammar::parse(rule, text).map_err(|error| refused(&error, start))?;
    let mut statement = Statement { name: Spanned::default(), value: Value::Bare };
    for pair in pairs.flat_map(Pair::into_inner) {
        if pair.as_rule() == Rule::name {
            statement.name = value(&pair, start);
        } else if pair.as_rule() == Rule::value_list {
            statement.value = Value::Values(values(pair, start));
        } else if pair.as_rule() == Rule::word_set {
            statement.value = Value::Set(pair.into_inner().flat_map(|list| values(list, start)).collect());
        }
    }
    Ok(statement)
}

/// The values of a list; none of anything else.
fn values(list: Pair<'_, Rule>, start: usize) -> Vec<Spanned<String>> {
    let inner = list.into_inner().filter(|pair| pair.as_rule() == Rule::value);
    inner.map(|pair| value(&pair, start)).collect()
}

/// A value without its quotes.
fn value(pair: &Pair<'_, Rule>, start: usize) -> Spanned<String> {
    let inner = pair.clone().into_inner().next().unwrap_or_else(|| pair.clone());
    let mut text = inner.as_str();
    if inner.as_rule() == Rule::quoted {
        let mut chars = text.chars();
        chars.next();
        chars.next_back();
        text = chars.as_str();
    }
    let span = inner.as_span();
    Spanned::new(text.to_owned(), Span { start: start + span.start(), end: start + span.end() })
}

fn refused(error: &Error<Rule>, start: usize) -> Refused {
    let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
    let expected = match &error.variant {
        ErrorVariant::ParsingError { positives, .. } => positives.clone(),
        ErrorVariant::CustomError { .. } => Vec::new(),
    };
    Refused { at: start + at, expected }
}

/// What a rule is called in a message.
fn human(rule: Rule) -> &'static str {
    match rule {
        Rule::semi => "`;`",
        Rule::comma => "`,`",
        Rule::eq => "`=`",
        Rule::lbrace | Rule::word_set => "`{`",
        Rule::rbrace => "`}`",
        Rule::name | Rule::statement | Rule::unstopped | Rule::body => "a name",
        Rule::value
        | Rule::value_list
        | Rule::word
        | Rule::quoted
        | Rule::empty
        | Rule::argument
        | Rule::word_char
        | Rule::any_quote
        | Rule::typographic => "a value",
        Rule::directive | Rule::marker => "a directive",
        Rule::EOI => "the end",
        Rule::WHITESPACE | Rule::COMMENT | Rule::blank => "a blank",
    }
}
