//! Elements with attributes: all that a configuration needs of XML. Text between elements is refused,
//! for nothing of a configuration stands there.

use super::ImportError;
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use std::fmt;

/// Elements in elements. More is no configuration.
const DEPTH_MAX: usize = 16;

/// An element.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Element {
    /// Its tag.
    pub name: String,
    /// In their order.
    pub attributes: Vec<(String, String)>,
    /// In their order.
    pub children: Vec<Element>,
    /// Where it was read.
    pub line: usize,
}

impl Element {
    /// An element without anything in it.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    /// With an attribute.
    pub fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.attributes.push((name.to_owned(), value.to_string()));
        self
    }

    /// With an attribute, if it has a value.
    pub fn with_some(self, name: &str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }

    /// With elements in it.
    pub fn holding(mut self, children: impl IntoIterator<Item = Element>) -> Self {
        self.children.extend(children);
        self
    }

    /// What is wrong with it.
    pub fn wrong(&self, reason: impl fmt::Display) -> ImportError {
        ImportError { line: self.line, reason: format!("<{}> {reason}", self.name) }
    }

    /// The one element of a text.
    pub fn parse(text: &str) -> Result<Self, ImportError> {
        let mut reader = Reader::from_str(text);
        let line = |at: u64| {
            let before = usize::try_from(at).ok().and_then(|at| text.as_bytes().get(..at));
            1 + before.unwrap_or_default().iter().filter(|byte| **byte == b'\n').count()
        };
        // The first one stands for the document.
        let mut open = vec![Self::default()];
        loop {
            let at = line(reader.buffer_position());
            let wrong = |reason: String| ImportError { line: at, reason };
            let event = reader.read_event().map_err(|error| ImportError {
                line: line(reader.error_position()),
                reason: error.to_string(),
            })?;
            match event {
                Event::Start(start) => {
                    open.push(element(&start, at)?);
                    if open.len() > DEPTH_MAX {
                        return Err(wrong("elements lie too deep in each other".to_owned()));
                    }
                }
                Event::Empty(start) => {
                    let element = element(&start, at)?;
                    open.last_mut().into_iter().for_each(|parent| parent.children.push(element.clone()));
                }
                Event::End(_) => {
                    let Some(element) = open.pop() else { return Err(wrong("an end too many".to_owned())) };
                    open.last_mut().into_iter().for_each(|parent| parent.children.push(element.clone()));
                }
                Event::Text(text) if text.trim().is_empty() => {}
                Event::Text(_) | Event::CData(_) | Event::GeneralRef(_) => {
                    return Err(wrong("there is text where only elements are".to_owned()));
                }
                Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
                Event::Eof => break,
            }
        }
        let mut roots = open.pop().filter(|_| open.is_empty()).unwrap_or_default().children;
        match (roots.pop(), roots.is_empty()) {
            (Some(root), true) => Ok(root),
            (None, _) => Err(ImportError { line: 1, reason: "there is no element".to_owned() }),
            (Some(second), false) => Err(second.wrong("is a second one: there is to be one that holds all")),
        }
    }

    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        write!(f, "{:indent$}<{}", "", self.name, indent = 2 * depth)?;
        for (name, value) in &self.attributes {
            write!(f, " {name}=\"")?;
            value.chars().try_for_each(|c| escaped(f, c))?;
            f.write_str("\"")?;
        }
        if self.children.is_empty() {
            return f.write_str("/>\n");
        }
        f.write_str(">\n")?;
        self.children.iter().try_for_each(|child| child.print(f, depth + 1))?;
        writeln!(f, "{:indent$}</{}>", "", self.name, indent = 2 * depth)
    }
}

/// A document of one element.
impl fmt::Display for Element {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n")?;
        self.print(f, 0)
    }
}

fn element(start: &BytesStart<'_>, line: usize) -> Result<Element, ImportError> {
    let name = start.name().as_ref().to_owned();
    let mut element = Element { name, line, ..Element::default() };
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| element.wrong(error))?;
        let value = quick_xml::escape::unescape(&attribute.value).map_err(|error| element.wrong(error))?;
        element.attributes.push((attribute.key.as_ref().to_owned(), value.into_owned()));
    }
    Ok(element)
}

/// Line ends and tabs as numbers, too: a reader may make blanks of them.
fn escaped(f: &mut fmt::Formatter<'_>, c: char) -> fmt::Result {
    use fmt::Write;
    match c {
        '&' => f.write_str("&amp;"),
        '<' => f.write_str("&lt;"),
        '>' => f.write_str("&gt;"),
        '"' => f.write_str("&quot;"),
        c if c.is_control() => write!(f, "&#{};", u32::from(c)),
        c => f.write_char(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back_whatever_stands_in_an_attribute() {
        let odd = "<a & \"b\">\tc\nd\u{1f600}'\u{1}";
        let inner = Element::new("inner").with("value", odd).with("empty", "");
        let outer = Element::new("outer").holding([inner, Element::new("last")]);
        let text = outer.to_string();
        let mut read = Element::parse(&text).unwrap();
        assert_eq!((read.line, read.children[1].line), (2, 4));
        read.line = 0;
        read.children.iter_mut().for_each(|child| child.line = 0);
        assert_eq!(read, outer);
        assert_eq!(text, outer.to_string());
    }

    #[test]
    fn what_is_no_configuration_is_refused_with_its_line() {
        for (text, line, reason) in [
            ("", 1, "there is no element"),
            ("<a>\n<b>\n</a>", 3, "expected"),
            ("<a/>\n<b/>", 2, "second"),
            ("<a>\n text</a>", 1, "text where only elements are"),
            ("<a b='&x;'/>", 1, "<a>"),
            ("<a b='1' b='2'/>", 1, "<a>"),
            (&"<a>".repeat(100), 1, "too deep"),
        ] {
            let error = Element::parse(text).unwrap_err();
            assert!(error.line == line && error.reason.contains(reason), "{text}: {error}");
        }
    }
}
