//! Names are looked up and ordered by their text, however they are kept.

use rgm_types::ResourceName;
use std::collections::{BTreeMap, HashMap};

/// Differing early, late, and not at all until one of them ends.
const TEXTS: [&str; 10] = [
    "a",
    "a-",
    "a-resource-name-",
    "a-resource-name-1",
    "a-resource-name-10",
    "a-resource-name-2",
    "a-resource-names",
    "ab",
    "b",
    "z-resource-name-1",
];

#[test]
fn names_compare_as_their_texts_do() {
    let name = |text| ResourceName::new(text).unwrap();
    for a in TEXTS {
        for b in TEXTS {
            assert_eq!(name(a).cmp(&name(b)), a.cmp(b), "{a} and {b}");
            assert_eq!(name(a) == name(b), a == b, "{a} and {b}");
        }
    }
}

#[test]
fn a_name_is_found_by_its_text() {
    let name = |text| ResourceName::new(text).unwrap();
    let ordered: BTreeMap<ResourceName, &str> = TEXTS.map(|text| (name(text), text)).into();
    let hashed: HashMap<ResourceName, &str> = TEXTS.map(|text| (name(text), text)).into();
    for text in TEXTS {
        assert_eq!(ordered.get(text), Some(&text));
        assert_eq!(hashed.get(text), Some(&text));
    }
}
