//! From text to value, by a property's declaration (reference 1.7, 1.9, 2.2).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::props::SystemProp;
use rgm_types::value::VALUE_LEN_MAX;
use rgm_types::{PropDecl, PropOp, PropType, Value};

/// What a value is held against.
pub(crate) struct Limits<'a> {
    pub(crate) prop_type: PropType,
    pub(crate) enumlist: Vec<&'a str>,
    pub(crate) min: Option<i64>,
    pub(crate) max: Option<i64>,
    pub(crate) length: (Option<u64>, Option<u64>),
    pub(crate) array: (Option<u64>, Option<u64>),
}

impl<'a> Limits<'a> {
    pub(crate) fn of_decl(decl: &'a PropDecl) -> Self {
        Self {
            prop_type: decl.prop_type,
            enumlist: decl.enumlist.iter().map(String::as_str).collect(),
            min: decl.min,
            max: decl.max,
            length: (decl.minlength, decl.maxlength),
            array: (decl.array_minsize, decl.array_maxsize),
        }
    }

    pub(crate) fn of_table(spec: &'a SystemProp) -> Self {
        Self {
            prop_type: spec.prop_type,
            enumlist: spec.enumlist.to_vec(),
            min: spec.min,
            max: None,
            length: (None, None),
            array: (None, None),
        }
    }
}

/// The value `text` writes, or what is wrong with it, as a fragment that fits "must be …".
pub(crate) fn parse(text: &str, limits: &Limits<'_>) -> Result<Value, String> {
    if text.len() > VALUE_LEN_MAX {
        return Err(format!("at most {VALUE_LEN_MAX} bytes long"));
    }
    if text.contains(['\0', '\n', '\r']) {
        return Err("one line without NUL".to_string());
    }
    match limits.prop_type {
        PropType::String => in_length(text, limits).map(|()| Value::String(text.to_string())),
        PropType::Int => int(text, limits),
        PropType::Boolean => boolean(text),
        PropType::Enum => word(text, limits),
        PropType::StringArray => list(text, limits),
    }
}

fn in_length(text: &str, limits: &Limits<'_>) -> Result<(), String> {
    within(text.len(), limits.length).map_err(|range| format!("{range} characters long, not {}", text.len()))
}

fn within(n: usize, (min, max): (Option<u64>, Option<u64>)) -> Result<(), String> {
    let n = n as u64;
    if min.is_none_or(|m| n >= m) && max.is_none_or(|m| n <= m) {
        return Ok(());
    }
    Err(range(min, max))
}

fn range<N: core::fmt::Display>(min: Option<N>, max: Option<N>) -> String {
    match (min, max) {
        (Some(a), Some(b)) => format!("{a} to {b}"),
        (Some(a), None) => format!("at least {a}"),
        (None, Some(b)) => format!("at most {b}"),
        (None, None) => "any".to_string(),
    }
}

fn int(text: &str, limits: &Limits<'_>) -> Result<Value, String> {
    let n: i64 = text.trim().parse().map_err(|_| format!("a whole number, not {text:?}"))?;
    if limits.min.is_some_and(|m| n < m) || limits.max.is_some_and(|m| n > m) {
        return Err(format!("{}, not {n}", range(limits.min, limits.max)));
    }
    Ok(Value::Int(n))
}

fn boolean(text: &str) -> Result<Value, String> {
    match text.trim() {
        t if t.eq_ignore_ascii_case("TRUE") => Ok(Value::Boolean(true)),
        t if t.eq_ignore_ascii_case("FALSE") => Ok(Value::Boolean(false)),
        _ => Err(format!("TRUE or FALSE, not {text:?}")),
    }
}

fn word(text: &str, limits: &Limits<'_>) -> Result<Value, String> {
    let found = limits.enumlist.iter().find(|w| w.eq_ignore_ascii_case(text.trim()));
    let found = found.ok_or_else(|| format!("one of {}, not {text:?}", limits.enumlist.join(", ")))?;
    Ok(Value::Enum((*found).to_string()))
}

fn list(text: &str, limits: &Limits<'_>) -> Result<Value, String> {
    let elements: Vec<String> = match text.trim() {
        "" => Vec::new(),
        some => some.split(',').map(|e| e.trim().to_string()).collect(),
    };
    if elements.iter().any(String::is_empty) {
        return Err("a list without empty elements".to_string());
    }
    for element in &elements {
        in_length(element, limits).map_err(|e| format!("made of elements {e}"))?;
    }
    within(elements.len(), limits.array)
        .map_err(|r| format!("a list of {r} elements, not {}", elements.len()))?;
    Ok(Value::StringArray(elements))
}

/// What `old op text` gives.
pub(crate) fn change(
    old: Option<&Value>,
    op: PropOp,
    text: &str,
    limits: &Limits<'_>,
) -> Result<Value, String> {
    let old = match (op, limits.prop_type, old) {
        (PropOp::Set, _, _) => return parse(text, limits),
        (_, PropType::StringArray, Some(Value::StringArray(old))) => old.clone(),
        (_, PropType::StringArray, _) => Vec::new(),
        (_, PropType::String | PropType::Int | PropType::Boolean | PropType::Enum, _) => {
            return Err("set with '=': '+=' and '-=' are for lists".to_string());
        }
    };
    let given: Vec<&str> = text.split(',').map(str::trim).filter(|e| !e.is_empty()).collect();
    let mut new = old;
    match op {
        PropOp::Add => {
            let had: BTreeSet<String> = new.iter().cloned().collect();
            new.extend(given.iter().filter(|g| !had.contains(**g)).map(ToString::to_string));
        }
        PropOp::Remove | PropOp::Set => new.retain(|e| !given.contains(&e.as_str())),
    }
    parse(&new.join(","), limits)
}

/// The default of a property that the tables give one.
pub(crate) fn table_default(spec: &SystemProp) -> Option<Value> {
    parse(spec.default?, &Limits::of_table(spec)).ok()
}
