//! Node_rule: an expression over the attributes of a node that makes it a candidate or not.
//!
//! ```text
//!   or       = and { "or" and }
//!   and      = not { "and" not }
//!   not      = "not" not | "(" or ")" | test
//!   test     = "defined" "(" name ")" | "not_defined" "(" name ")" | name operator value
//!   operator = "=" | "!=" | "<" | "<=" | ">" | ">="
//!   name     = an attribute, or #node: the name of the node
//!   value    = a word, or any text in '…' or "…"
//! ```
//!
//! An empty rule holds everywhere. Pure: text to [`NodeRule`] once, when the property changes; rule and
//! attributes to true or false whenever somebody asks.
//!
//! **How values compare.** Two whole numbers compare as numbers: 9 < 10, 01 = 1. Anything else compares
//! as people sort versions and host names: digits in it by their number, the rest by its characters:
//! 1.9 < 1.10, web9 < web10; so 0.5 < 0.25. Where that makes no difference (a1, a01) the texts do: equal
//! texts are equal, and nothing else is.
//!
//! **What is not there.** An attribute that is not defined makes every test of it false but `!=` and
//! `not_defined`. One whose value is empty is defined: `=` and `!=` see the empty text; it has no place
//! in an order, so `<`, `<=`, `>` and `>=` are false. (Agents of other clusters empty an attribute where
//! they mean to take it away.)

mod parse;

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::iter::Peekable;
use core::str::Chars;
use rgm_types::{AttrName, Attrs, NodeName};

pub(crate) use parse::{Fault, parse};

/// A rule that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NodeRule {
    text: String,
    expr: Expr,
    names: BTreeSet<AttrName>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Expr {
    All(Vec<Expr>),
    Any(Vec<Expr>),
    Not(Box<Expr>),
    Defined(AttrName),
    Compare(Subject, Operator, String),
}

/// What is compared.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Subject {
    /// An attribute of the node.
    Attr(AttrName),
    /// `#node`.
    Node,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl NodeRule {
    /// The rule holds on a node with these attributes.
    pub(crate) fn holds(&self, node: &NodeName, attrs: Option<&Attrs>) -> bool {
        self.expr.holds(node, attrs)
    }

    /// It reads this attribute.
    pub(crate) fn mentions(&self, name: &str) -> bool {
        self.names.contains(name)
    }

    /// The rule, and what it saw on a node.
    pub(crate) fn seen(&self, attrs: Option<&Attrs>) -> String {
        let value = |name: &AttrName| match attrs.and_then(|a| a.value(name.as_str())) {
            Some(value) => format!("{name} is {value:?}"),
            None => format!("{name} is not defined"),
        };
        let values: Vec<String> = self.names.iter().map(value).collect();
        let colon = if values.is_empty() { "" } else { ": " };
        format!("Node_rule {:?} is false there{colon}{}", self.text, values.join(", "))
    }
}

impl Expr {
    fn holds(&self, node: &NodeName, attrs: Option<&Attrs>) -> bool {
        let value = |name: &AttrName| attrs.and_then(|a| a.value(name.as_str()));
        match self {
            Self::All(list) => list.iter().all(|e| e.holds(node, attrs)),
            Self::Any(list) => list.iter().any(|e| e.holds(node, attrs)),
            Self::Not(expr) => !expr.holds(node, attrs),
            Self::Defined(name) => value(name).is_some(),
            Self::Compare(Subject::Node, op, with) => op.holds(Some(node.as_str()), with),
            Self::Compare(Subject::Attr(name), op, with) => op.holds(value(name), with),
        }
    }
}

impl Operator {
    fn holds(self, value: Option<&str>, with: &str) -> bool {
        let Some(value) = value else { return self == Self::Unequal };
        let order = compare(value, with);
        let ordered = !value.is_empty();
        match self {
            Self::Equal => order.is_eq(),
            Self::Unequal => order.is_ne(),
            Self::Less => ordered && order.is_lt(),
            Self::AtMost => ordered && order.is_le(),
            Self::More => ordered && order.is_gt(),
            Self::AtLeast => ordered && order.is_ge(),
        }
    }
}

/// See the module.
fn compare(a: &str, b: &str) -> Ordering {
    if let (Ok(a), Ok(b)) = (a.parse::<i64>(), b.parse::<i64>()) {
        return a.cmp(&b);
    }
    let (mut left, mut right) = (a.chars().peekable(), b.chars().peekable());
    loop {
        let (Some(l), Some(r)) = (left.peek().copied(), right.peek().copied()) else {
            let rest = left.peek().is_some().cmp(&right.peek().is_some());
            return rest.then_with(|| a.cmp(b));
        };
        let order = if l.is_ascii_digit() && r.is_ascii_digit() {
            let (l, r) = (digits(&mut left), digits(&mut right));
            l.len().cmp(&r.len()).then_with(|| l.cmp(&r))
        } else {
            left.next();
            right.next();
            l.cmp(&r)
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// The digits that come next, without zeros before them.
fn digits(chars: &mut Peekable<Chars<'_>>) -> String {
    let mut number = String::new();
    while let Some(digit) = chars.next_if(char::is_ascii_digit) {
        if digit != '0' || !number.is_empty() {
            number.push(digit);
        }
    }
    number
}

#[cfg(test)]
mod tests;
