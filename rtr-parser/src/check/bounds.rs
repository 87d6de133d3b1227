//! Bounds and default of a property: what fits its data type, and whether they agree.

use super::{place_of, value};
use crate::diagnostic::{Code, Notes};
use crate::keyword::{AttrKey, did_you_mean};
use crate::tree::{Attribute, Span};
use rgm_types::{PropType, Value};
use std::collections::BTreeMap;

/// The attributes of an entry, each once.
pub type Attributes<'a> = BTreeMap<AttrKey, &'a Attribute>;

/// The bounds of a property.
#[derive(Debug, Default, Clone, Copy)]
pub struct Bounds {
    /// Lowest int.
    pub min: Option<i64>,
    /// Highest int.
    pub max: Option<i64>,
    /// Shortest text.
    pub minlength: Option<u64>,
    /// Longest text.
    pub maxlength: Option<u64>,
    /// Fewest elements.
    pub array_minsize: Option<u64>,
    /// Most elements.
    pub array_maxsize: Option<u64>,
}

/// Reads the bounds, reports those that don't fit the data type or each other.
pub fn bounds(attributes: &Attributes<'_>, prop_type: PropType, notes: &mut Notes) -> Bounds {
    let mut reader = BoundReader { attributes, prop_type, notes };
    let bounds = Bounds {
        min: reader.number(AttrKey::Min),
        max: reader.number(AttrKey::Max),
        minlength: reader.length(AttrKey::Minlength),
        maxlength: reader.length(AttrKey::Maxlength),
        array_minsize: reader.length(AttrKey::ArrayMinsize),
        array_maxsize: reader.length(AttrKey::ArrayMaxsize),
    };
    reader.ordered(AttrKey::Min, bounds.min, AttrKey::Max, bounds.max);
    reader.ordered(AttrKey::Minlength, bounds.minlength, AttrKey::Maxlength, bounds.maxlength);
    reader.ordered(AttrKey::ArrayMinsize, bounds.array_minsize, AttrKey::ArrayMaxsize, bounds.array_maxsize);
    bounds
}

/// True if a bound can be set for values of this type.
fn fits(key: AttrKey, prop_type: PropType) -> bool {
    match key {
        AttrKey::Min | AttrKey::Max => prop_type == PropType::Int,
        AttrKey::Minlength | AttrKey::Maxlength => {
            matches!(prop_type, PropType::String | PropType::StringArray)
        }
        AttrKey::ArrayMinsize | AttrKey::ArrayMaxsize => prop_type == PropType::StringArray,
        AttrKey::Extension
        | AttrKey::PerNode
        | AttrKey::String
        | AttrKey::Boolean
        | AttrKey::Int
        | AttrKey::StringArray
        | AttrKey::Enum
        | AttrKey::Tunable
        | AttrKey::Default
        | AttrKey::Description => true,
    }
}

struct BoundReader<'a, 'n> {
    attributes: &'a Attributes<'a>,
    prop_type: PropType,
    notes: &'n mut Notes,
}

impl BoundReader<'_, '_> {
    fn number(&mut self, key: AttrKey) -> Option<i64> {
        let attribute = self.attributes.get(&key)?;
        if !fits(key, self.prop_type) {
            let message = format!("{} does not fit a property of type {}", key.word(), self.prop_type.word());
            let help = match self.prop_type {
                PropType::Int => "delete it; the bounds of an INT are MIN and MAX",
                PropType::String => "delete it; the bounds of a STRING are MINLENGTH and MAXLENGTH",
                PropType::StringArray => {
                    "delete it; the bounds of a STRINGARRAY are MINLENGTH, MAXLENGTH, ARRAY_MINSIZE and \
                     ARRAY_MAXSIZE"
                }
                PropType::Boolean | PropType::Enum => "delete it; this type has no bounds",
            };
            self.notes.add(Code::AttributeMisfit, attribute.key.span, message, help);
            return None;
        }
        let value = value::one_not_empty(key.word(), &attribute.values, attribute.key.span, self.notes)?;
        value::integer(key.word(), value, self.notes)
    }

    fn length(&mut self, key: AttrKey) -> Option<u64> {
        let number = self.number(key)?;
        let length = u64::try_from(number).ok();
        if length.is_none() {
            let message = format!("{} is negative", key.word());
            self.notes.add(Code::Bounds, self.place(key), message, "write 0 or more");
        }
        length
    }

    fn ordered<T: PartialOrd>(
        &mut self,
        low: AttrKey,
        low_value: Option<T>,
        high: AttrKey,
        high_value: Option<T>,
    ) {
        if let (Some(low_value), Some(high_value)) = (low_value, high_value)
            && low_value > high_value
        {
            let message = format!("{} is greater than {}", low.word(), high.word());
            self.notes.add(Code::Bounds, self.place(low), message, "no value could fit: exchange the two");
        }
    }

    fn place(&self, key: AttrKey) -> Span {
        self.attributes.get(&key).map_or(Span::default(), |a| place_of(&a.values, a.key.span))
    }
}

/// Reads DEFAULT as a value of the property's type.
pub fn default_value(
    attribute: &Attribute,
    prop_type: PropType,
    enumlist: &[String],
    notes: &mut Notes,
) -> Option<Value> {
    const WORD: &str = "DEFAULT";
    if prop_type == PropType::StringArray {
        return Some(Value::StringArray(value::list(WORD, &attribute.values, notes)));
    }
    let one = value::one(WORD, &attribute.values, attribute.key.span, notes)?;
    value::line(WORD, one, notes);
    if one.value.is_empty() && prop_type != PropType::String {
        let message = format!("DEFAULT is empty; a property of type {} can't be", prop_type.word());
        let help = "write a value; or delete the line: then the administrator gives one at creation";
        notes.add(Code::DefaultEmpty, attribute.key.span, message, help);
        return None;
    }
    match prop_type {
        PropType::Int => value::integer(WORD, one, notes).map(Value::Int),
        PropType::Boolean => value::boolean(WORD, one, notes).map(Value::Boolean),
        PropType::Enum => {
            let found = enumlist.iter().find(|w| w.eq_ignore_ascii_case(&one.value));
            if found.is_none() && !enumlist.is_empty() {
                let message = format!("DEFAULT `{}` is none of the words of the ENUM", one.value);
                let words = enumlist.iter().map(String::as_str);
                let otherwise = "write one of the words of the ENUM, or add this one to it";
                notes.add(Code::DefaultRange, one.span, message, did_you_mean(&one.value, words, otherwise));
            }
            found.cloned().map(Value::Enum)
        }
        PropType::String | PropType::StringArray => {
            if one.value.contains([',', ';']) {
                let message = "the default contains `,` or `;`, which other releases refuse in values";
                notes.add(
                    Code::ValueSeparator,
                    one.span,
                    message,
                    "do without them if the file is to be portable",
                );
            }
            Some(Value::String(one.value.clone()))
        }
    }
}

/// Why a value is outside the bounds.
pub fn outside(value: &Value, bounds: &Bounds) -> Option<String> {
    match value {
        Value::Int(number) => {
            let low = bounds.min.filter(|min| number < min).map(|min| format!("{number} is below MIN {min}"));
            low.or_else(|| {
                bounds.max.filter(|max| number > max).map(|max| format!("{number} is above MAX {max}"))
            })
        }
        Value::String(text) => wrong_length(text, bounds),
        Value::StringArray(elements) => {
            let size = elements.len() as u64;
            if let Some(least) = bounds.array_minsize.filter(|least| size < *least) {
                return Some(format!("{size} elements are fewer than ARRAY_MINSIZE {least}"));
            }
            if let Some(most) = bounds.array_maxsize.filter(|most| size > *most) {
                return Some(format!("{size} elements are more than ARRAY_MAXSIZE {most}"));
            }
            elements.iter().find_map(|element| wrong_length(element, bounds))
        }
        Value::Boolean(_) | Value::Enum(_) => None,
    }
}

fn wrong_length(text: &str, bounds: &Bounds) -> Option<String> {
    let length = text.len() as u64;
    if let Some(least) = bounds.minlength.filter(|least| length < *least) {
        return Some(format!("{length} characters are fewer than MINLENGTH {least}"));
    }
    let most = bounds.maxlength.filter(|most| length > *most)?;
    Some(format!("{length} characters are more than MAXLENGTH {most}"))
}
