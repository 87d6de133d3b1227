//! Single values: one where one is wanted, numbers, truth values, characters.

use super::place_of;
use crate::diagnostic::{Code, Notes};
use crate::tree::{Span, Spanned};

/// The one value of a declaration.
pub fn one<'a>(
    word: &str,
    values: &'a [Spanned<String>],
    key: Span,
    notes: &mut Notes,
) -> Option<&'a Spanned<String>> {
    if let [value] = values {
        return Some(value);
    }
    let message = format!("{word} takes one value, not a list");
    let help = "put a text with commas in quotes, or keep one of the values";
    notes.add(Code::ValueList, place_of(values, key), message, help);
    None
}

/// The one value of a declaration, which may not be empty.
pub fn one_not_empty<'a>(
    word: &str,
    values: &'a [Spanned<String>],
    key: Span,
    notes: &mut Notes,
) -> Option<&'a Spanned<String>> {
    let value = one(word, values, key, notes)?;
    if !value.value.is_empty() {
        return Some(value);
    }
    notes.add(Code::ValueMissing, key, format!("{word} is empty"), format!("write `{word} = value;`"));
    None
}

/// A text on one line.
pub fn line(word: &str, value: &Spanned<String>, notes: &mut Notes) {
    if value.value.contains(['\n', '\r']) {
        let message = format!("the value of {word} goes over several lines");
        notes.add(Code::ValueCharacter, value.span, message, "write it on one line");
    }
}

/// A whole number.
pub fn integer(word: &str, value: &Spanned<String>, notes: &mut Notes) -> Option<i64> {
    let text = value.value.as_str();
    let digits = text.strip_prefix('-').unwrap_or(text);
    let number = Some(text).filter(|_| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    if let Some(number) = number.and_then(|text| text.parse().ok()) {
        return Some(number);
    }
    let message = format!("the value of {word} is no integer");
    let help = format!("write digits, with `-` before them for a negative number: `{word} = 60;`");
    notes.add(Code::ValueInteger, value.span, message, help);
    None
}

/// A truth value, in any case.
pub fn boolean(word: &str, value: &Spanned<String>, notes: &mut Notes) -> Option<bool> {
    if value.value.eq_ignore_ascii_case("TRUE") {
        return Some(true);
    }
    if value.value.eq_ignore_ascii_case("FALSE") {
        return Some(false);
    }
    let message = format!("the value of {word} is neither TRUE nor FALSE");
    notes.add(
        Code::ValueBoolean,
        value.span,
        message,
        format!("write `{word} = TRUE;` or `{word} = FALSE;`"),
    );
    None
}

/// The elements of a list; an empty value is a list without elements.
pub fn list(word: &str, values: &[Spanned<String>], notes: &mut Notes) -> Vec<String> {
    if let [value] = values
        && value.value.is_empty()
    {
        return Vec::new();
    }
    for value in values {
        if value.value.is_empty() {
            let message = format!("the list of {word} has an empty element");
            notes.add(Code::ValueElement, value.span, message, "delete a comma, or write the element");
        } else if value.value.contains(',') {
            let message = format!("an element of {word} contains a comma, which separates elements");
            let help = "put each element in quotes by itself: \"a\", \"b\"";
            notes.add(Code::ValueCharacter, value.span, message, help);
        }
        line(word, value, notes);
    }
    values.iter().map(|v| v.value.clone()).collect()
}
