//! From the text of a rule to the rule. The first fault is told with its place.

use super::{Expr, NodeRule, Operator, Subject};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::AttrName;

/// Longest rule, in bytes.
const RULE_MAX: usize = 4096;
/// How deep parentheses and `not` may be nested: a rule is read and judged by recursion.
const DEPTH_MAX: usize = 32;

/// What is wrong with a rule, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// In which column, counted in characters from 1.
    pub(crate) column: usize,
    /// A fragment that fits behind "in column N:".
    pub(crate) what: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Open,
    Close,
    Compare(Operator),
    /// A name, a value or one of the words of the language.
    Word(String),
    /// A value in quotes.
    Quoted(String),
    Node,
}

/// Reads a rule; `None`: it is empty.
pub(crate) fn parse(text: &str) -> Result<Option<NodeRule>, Fault> {
    if text.len() > RULE_MAX {
        let what = format!("the rule is longer than {RULE_MAX} bytes");
        return Err(Fault { column: 1, what });
    }
    let mut parser = Parser { tokens: tokens(text)?, next: 0, depth: 0, names: BTreeSet::new() };
    if parser.peek().is_none() {
        return Ok(None);
    }
    let expr = parser.any()?;
    match parser.peek() {
        None => Ok(Some(NodeRule { text: String::from(text.trim()), expr, names: parser.names })),
        Some(_) => Err(parser.fault("\"and\", \"or\" or the end is expected")),
    }
}

/// Tokens with their columns, and where the text ends.
struct Tokens {
    list: Vec<(usize, Token)>,
    end: usize,
}

fn tokens(text: &str) -> Result<Tokens, Fault> {
    let mut list = Vec::new();
    let mut chars = text.chars().zip(1..).peekable();
    while let Some((c, column)) = chars.next() {
        let mut equals = || chars.next_if(|(c, _)| *c == '=').is_some();
        let token = match c {
            c if c.is_whitespace() => continue,
            '(' => Token::Open,
            ')' => Token::Close,
            '=' => {
                equals();
                Token::Compare(Operator::Equal)
            }
            '<' => Token::Compare(if equals() { Operator::AtMost } else { Operator::Less }),
            '>' => Token::Compare(if equals() { Operator::AtLeast } else { Operator::More }),
            '!' if equals() => Token::Compare(Operator::Unequal),
            '\'' | '"' => {
                let mut text = String::new();
                loop {
                    match chars.next() {
                        Some((end, _)) if end == c => break Token::Quoted(text),
                        Some((inner, _)) => text.push(inner),
                        None => return Err(Fault { column, what: format!("the text has no closing {c}") }),
                    }
                }
            }
            c if c == '#' || is_word(c) => {
                let mut word = String::from(c);
                while let Some((c, _)) = chars.next_if(|(c, _)| is_word(*c)) {
                    word.push(c);
                }
                if word == "#node" {
                    Token::Node
                } else if c == '#' {
                    return Err(Fault { column, what: format!("{word} is not known; there is #node") });
                } else {
                    Token::Word(word)
                }
            }
            c => return Err(Fault { column, what: format!("{c:?} belongs to no word, operator or text") }),
        };
        list.push((column, token));
    }
    Ok(Tokens { list, end: text.chars().count() + 1 })
}

/// What names are made of, and values that need no quotes.
fn is_word(c: char) -> bool {
    c.is_alphanumeric() || "-_.:+/@%,".contains(c)
}

struct Parser {
    tokens: Tokens,
    next: usize,
    depth: usize,
    names: BTreeSet<AttrName>,
}

impl Parser {
    fn peek(&self) -> Option<&Token> {
        self.tokens.list.get(self.next).map(|(_, token)| token)
    }

    fn fault(&self, what: impl Into<String>) -> Fault {
        let column = self.tokens.list.get(self.next).map_or(self.tokens.end, |(column, _)| *column);
        Fault { column, what: what.into() }
    }

    /// The token, if it is the next one.
    fn is(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.next += usize::from(found);
        found
    }

    /// The word of the language, if it is the next one.
    fn word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Word(w)) if w.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn any(&mut self) -> Result<Expr, Fault> {
        let mut list = Vec::from([self.all()?]);
        while self.word("or") {
            list.push(self.all()?);
        }
        Ok(alone(list, Expr::Any))
    }

    fn all(&mut self) -> Result<Expr, Fault> {
        let mut list = Vec::from([self.not()?]);
        while self.word("and") {
            list.push(self.not()?);
        }
        Ok(alone(list, Expr::All))
    }

    fn not(&mut self) -> Result<Expr, Fault> {
        if self.depth == DEPTH_MAX {
            return Err(self.fault(format!("it is nested deeper than {DEPTH_MAX}")));
        }
        self.depth += 1;
        let expr = if self.word("not") {
            Expr::Not(Box::new(self.not()?))
        } else if self.is(&Token::Open) {
            let expr = self.any()?;
            self.expect(&Token::Close, ")")?;
            expr
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Expr, Fault> {
        if self.word("defined") {
            return self.defined();
        }
        if self.word("not_defined") {
            return Ok(Expr::Not(Box::new(self.defined()?)));
        }
        let subject = if self.is(&Token::Node) { Subject::Node } else { Subject::Attr(self.name()?) };
        let Some(Token::Compare(operator)) = self.peek().cloned() else {
            return Err(self.fault("one of = != < <= > >= is expected"));
        };
        self.next += 1;
        let (Some(Token::Word(value)) | Some(Token::Quoted(value))) = self.peek().cloned() else {
            return Err(self.fault("a value is expected, as a word or in quotes"));
        };
        self.next += 1;
        Ok(Expr::Compare(subject, operator, value))
    }

    fn defined(&mut self) -> Result<Expr, Fault> {
        self.expect(&Token::Open, "(")?;
        let name = self.name()?;
        self.expect(&Token::Close, ")")?;
        Ok(Expr::Defined(name))
    }

    fn expect(&mut self, token: &Token, shown: &str) -> Result<(), Fault> {
        if self.is(token) { Ok(()) } else { Err(self.fault(format!("{shown} is expected"))) }
    }

    fn name(&mut self) -> Result<AttrName, Fault> {
        let Some(Token::Word(word)) = self.peek().cloned() else {
            return Err(self.fault("the name of an attribute is expected"));
        };
        if ["and", "or", "not", "defined", "not_defined"].iter().any(|w| word.eq_ignore_ascii_case(w)) {
            return Err(self.fault(format!("the name of an attribute is expected, not {word:?}")));
        }
        let name = AttrName::new(&word).map_err(|e| self.fault(format!("{word:?}: {e}")))?;
        self.next += 1;
        self.names.insert(name.clone());
        Ok(name)
    }
}

fn alone(mut list: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        last => {
            list.extend(last);
            several(list)
        }
    }
}
