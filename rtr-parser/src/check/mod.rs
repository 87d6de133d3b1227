//! The rules of registration (reference 1.10), and what the manager adds to a type (reference 1.8).

mod bounds;
mod entries;
mod type_properties;
mod value;

use crate::diagnostic::Notes;
use crate::reader::Read;
use crate::tree::{Span, Spanned, TypeKey, TypeProperty};
use rgm_types::ResourceType;

/// Reports every rule the file breaks. The type is only meaningful if there was no error; `None`
/// where not even a name could be made.
pub fn check(read: &Read, notes: &mut Notes) -> Option<ResourceType> {
    let mut declared = type_properties::check(read, notes);
    let props = entries::check(read, &declared, notes);
    if let Some(rt) = &mut declared.resource_type {
        rt.props = props;
    }
    declared.resource_type
}

/// Finds the declarations of resource-type properties.
struct TypeValues<'a> {
    properties: &'a [TypeProperty],
}

impl<'a> TypeValues<'a> {
    fn get(&self, key: TypeKey) -> Option<&'a TypeProperty> {
        self.properties.iter().find(|p| p.key.value == key)
    }

    /// Where to point for something about a property that may be missing.
    fn place(&self, key: TypeKey) -> Span {
        let found = self.get(key).or_else(|| self.properties.first());
        found.map_or(Span::default(), |p| p.key.span)
    }
}

/// The place of a list of values.
fn place_of(values: &[Spanned<String>], otherwise: Span) -> Span {
    match (values.first(), values.last()) {
        (Some(first), Some(last)) if last.span.end > first.span.start => {
            Span { start: first.span.start, end: last.span.end }
        }
        _ => otherwise,
    }
}
