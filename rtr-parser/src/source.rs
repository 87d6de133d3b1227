//! Bytes to text.

use crate::diagnostic::{Code, Notes};
use crate::tree::Span;
use std::borrow::Cow;

/// The text of a file. Files written before UTF-8 was common are ISO 8859-1, which every byte
/// sequence is: one warning, and nothing of the file is lost.
pub fn decode<'a>(bytes: &'a [u8], notes: &mut Notes) -> Cow<'a, str> {
    let Err(error) = std::str::from_utf8(bytes) else {
        return String::from_utf8_lossy(bytes);
    };
    let text: String = bytes.iter().map(|b| char::from(*b)).collect();
    let start = text.char_indices().nth(error.valid_up_to()).map_or(text.len(), |(at, _)| at);
    let end = text.get(start..).and_then(|rest| rest.chars().next()).map_or(start, |c| start + c.len_utf8());
    notes.add(
        Code::NotUtf8,
        Span { start, end },
        "the file is not UTF-8; it is read as ISO 8859-1",
        "convert it: iconv -f ISO-8859-1 -t UTF-8, or write ASCII",
    );
    Cow::Owned(text)
}
