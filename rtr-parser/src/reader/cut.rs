//! Where a statement ends.
//!
//! At its `;`. Where that is missing: before the next declaration as far as the tokens show one, so
//! that one forgotten `;` costs one error and no declaration. Every token is looked at a bounded
//! number of times.

use super::Reader;
use crate::keyword::AttrKey;
use crate::token::{Kind, Token};
use crate::tree::Span;

/// A statement's tokens.
pub struct Cut {
    /// From its first token to its last.
    pub span: Span,
    /// Its last token before a `;`, for errors behind it.
    pub last: Token,
    /// Ends with a quote that is not closed (already reported).
    pub broken: bool,
}

/// What was taken of a statement so far.
struct Taken {
    count: usize,
    last: Token,
    /// Inside the braces of an ENUM.
    in_set: bool,
}

impl Reader<'_, '_> {
    /// Takes the statement that begins with `first`; comments in it move before it.
    pub(super) fn cut(&mut self, first: Token) -> Cut {
        let begin = self.at;
        let mut index = self.at;
        let mut taken = Taken { count: 1, last: first, in_set: false };
        let mut before_stop = first;
        while !matches!(taken.last.kind, Kind::Semi | Kind::Broken) {
            let next = self.significant(index + 1);
            let Some(token) = self.tokens.get(next).copied() else { break };
            if self.ends_before(&taken, token, next) {
                break;
            }
            match token.kind {
                Kind::LBrace => taken.in_set = true,
                Kind::RBrace => taken.in_set = false,
                Kind::Word
                | Kind::Quoted
                | Kind::Broken
                | Kind::Semi
                | Kind::Comma
                | Kind::Eq
                | Kind::Directive
                | Kind::Comment => {}
            }
            if token.kind != Kind::Semi {
                before_stop = token;
            }
            taken = Taken { count: taken.count + 1, last: token, in_set: taken.in_set };
            index = next;
        }
        self.at = index + 1;
        self.work += self.at - begin;
        for token in self.tokens.get(begin..index).unwrap_or(&[]) {
            if token.kind == Kind::Comment {
                self.pending.push(self.slice(token.span).to_owned());
            }
        }
        Cut {
            span: Span { start: first.span.start, end: taken.last.span.end },
            last: before_stop,
            broken: taken.last.kind == Kind::Broken,
        }
    }

    /// The next token that is no comment.
    fn significant(&mut self, from: usize) -> usize {
        let rest = self.tokens.get(from..).unwrap_or(&[]);
        let skipped = rest.iter().take_while(|t| t.kind == Kind::Comment).count();
        self.work += skipped + 1;
        from + skipped
    }

    fn ends_before(&mut self, taken: &Taken, next: Token, index: usize) -> bool {
        match next.kind {
            Kind::Semi | Kind::Comma | Kind::Eq | Kind::Quoted | Kind::Broken | Kind::Comment => false,
            Kind::Directive => true,
            Kind::RBrace => !taken.in_set,
            // `ENUM {`, or `ENUM = {` by mistake.
            Kind::LBrace => {
                taken.in_set || self.open.is_none() || !(taken.count == 1 || taken.last.kind == Kind::Eq)
            }
            Kind::Word => self.ends_before_word(taken, next, index),
        }
    }

    fn ends_before_word(&mut self, taken: &Taken, next: Token, index: usize) -> bool {
        let follower = self.significant(index + 1);
        let is_name = self.tokens.get(follower).is_some_and(|t| t.kind == Kind::Eq);
        let on_new_line = next.newlines > 0;
        match taken.last.kind {
            Kind::Word | Kind::Quoted | Kind::RBrace => {
                let lone = taken.count == 1;
                let is_keyword = || AttrKey::from_word(self.slice(next.span)).is_some();
                is_name || (!taken.in_set && (on_new_line || (lone && is_keyword())))
            }
            // `DEFAULT =` and nothing, then `MIN = 1;` on the next line.
            Kind::Eq | Kind::Comma => is_name && on_new_line,
            Kind::LBrace => is_name,
            Kind::Semi | Kind::Broken | Kind::Directive | Kind::Comment => false,
        }
    }
}
