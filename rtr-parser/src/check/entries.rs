//! The resource-property entries of a file, and the properties it need not declare.

use super::bounds::{Attributes, Bounds, bounds, default_value, outside};
use super::type_properties::Declared;
use super::{place_of, value};
use crate::diagnostic::{Code, Notes};
use crate::keyword::{AttrKey, did_you_mean};
use crate::reader::Read;
use crate::tree::{Attribute, Entry, Span};
use rgm_types::props::{self, Presence, SystemProp};
use rgm_types::{Method, PropDecl, PropName, PropType, Tunable, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The property whose declaration makes a type scalable.
const SCALABLE: &str = "Scalable";
/// What a scalable type gets besides (reference 1.8).
const LOAD_BALANCING: [&str; 10] = [
    "Affinity_timeout",
    "Load_balancing_policy",
    "Load_balancing_weights",
    "Network_resources_used",
    "Port_list",
    "UDP_affinity",
    "Weak_affinity",
    "Generic_affinity",
    "Conn_threshold",
    "Round_robin",
];

/// Checks the entries; returns every property that resources of the type have: declared ones in file
/// order, then timeouts of declared methods, the load-balancing set, and what every resource has.
pub fn check(read: &Read, declared: &Declared, notes: &mut Notes) -> Vec<PropDecl> {
    let mut names = BTreeSet::new();
    let mut decls = Vec::new();
    for (entry, damaged) in read.declarations.entries.iter().zip(&read.damaged) {
        let mut checker = EntryChecker { entry, damaged: *damaged, declared, notes };
        let Some(name) = checker.name() else { continue };
        if !names.insert(name.clone()) {
            let message = format!("the property {name} is declared twice");
            notes.add(Code::PropertyDuplicate, entry.name.span, message, "keep one of the two entries");
            continue;
        }
        decls.extend(checker.declaration(name));
    }
    let scalable = decls.iter().any(|decl: &PropDecl| decl.name.is(SCALABLE));
    let implied = props::RESOURCE.iter().filter(|system| is_implied(system, declared, scalable));
    let missing = implied.filter(|system| !names.contains(&system.prop_name()));
    let mut missing: Vec<&SystemProp> = missing.collect();
    missing.sort_by_key(|system| system.presence == Presence::Always);
    decls.extend(missing.into_iter().map(undeclared));
    decls
}

fn is_implied(system: &SystemProp, declared: &Declared, scalable: bool) -> bool {
    let method = Method::from_timeout_property(system.name);
    system.presence == Presence::Always
        || method.is_some_and(|m| declared.methods.contains(&m))
        || (scalable && LOAD_BALANCING.contains(&system.name))
}

/// A system-defined property as its table has it.
fn from_table(system: &SystemProp) -> PropDecl {
    let default = system.default.map(|text| match system.prop_type {
        PropType::String => Value::String(text.to_owned()),
        PropType::Int => Value::Int(text.parse().unwrap_or(0)),
        PropType::Boolean => Value::Boolean(text == "TRUE"),
        PropType::Enum => Value::Enum(text.to_owned()),
        PropType::StringArray if text.is_empty() => Value::StringArray(Vec::new()),
        PropType::StringArray => Value::StringArray(text.split(',').map(str::to_owned).collect()),
    });
    PropDecl {
        name: system.prop_name(),
        extension: false,
        per_node: false,
        prop_type: system.prop_type,
        enumlist: system.enumlist.iter().map(|w| (*w).to_owned()).collect(),
        tunable: system.tunable,
        default,
        min: system.min,
        max: None,
        minlength: None,
        maxlength: None,
        array_minsize: None,
        array_maxsize: None,
        description: String::new(),
    }
}

/// A property that the file does not declare. Knobs of the load balancer that have no default are
/// off: nobody must be made to set what the file does not even name.
fn undeclared(system: &SystemProp) -> PropDecl {
    let mut decl = from_table(system);
    if decl.default.is_none() {
        decl.default = match system.prop_type {
            PropType::Boolean => Some(Value::Boolean(false)),
            PropType::Int => Some(Value::Int(0)),
            PropType::String | PropType::Enum | PropType::StringArray => None,
        };
    }
    decl
}

struct EntryChecker<'a, 'n> {
    entry: &'a Entry,
    /// Attributes were lost to errors: nobody is told that they are missing.
    damaged: bool,
    declared: &'a Declared,
    notes: &'n mut Notes,
}

impl<'a> EntryChecker<'a, '_> {
    fn name(&mut self) -> Option<PropName> {
        let name = &self.entry.name;
        PropName::new(&name.value)
            .map_err(|error| {
                let help = "begin with a letter and use letters, digits, `-` and `_`";
                self.notes.add(Code::PropertyName, name.span, format!("this is no property: {error}"), help);
            })
            .ok()
    }

    fn declaration(&mut self, name: PropName) -> Option<PropDecl> {
        let attributes = self.attributes();
        let extension = self.flag(&attributes, AttrKey::Extension);
        match (props::resource(name.as_str()), extension) {
            (Some(_), true) => {
                let message = format!("{name} is a system-defined property and can't be an extension");
                let help = "delete EXTENSION, the data type and DESCRIPTION; or choose another name";
                self.notes.add(Code::PropertyReserved, self.entry.name.span, message, help);
                None
            }
            (Some(system), false) => self.system(system, &attributes),
            (None, true) => self.extension(name, &attributes),
            (None, false) => {
                self.unknown(&name);
                None
            }
        }
    }

    /// The attributes by key; the first counts where one is given twice.
    fn attributes(&mut self) -> Attributes<'a> {
        let mut attributes: Attributes<'a> = BTreeMap::new();
        let mut data_type = None;
        for attribute in &self.entry.attributes {
            let key = attribute.key.value;
            if attributes.contains_key(&key) {
                let message = format!("{} is given twice", key.word());
                let help = "delete one of the two";
                self.notes.add(Code::AttributeDuplicate, attribute.key.span, message, help);
                continue;
            }
            if key.is_data_type()
                && let Some(first) = data_type.replace(key)
            {
                let message = format!("the property has two data types: {} and {}", first.word(), key.word());
                self.notes.add(Code::DataTypeDuplicate, attribute.key.span, message, "delete one of the two");
            }
            attributes.insert(key, attribute);
        }
        attributes
    }

    fn flag(&mut self, attributes: &Attributes<'_>, key: AttrKey) -> bool {
        let Some(attribute) = attributes.get(&key) else { return false };
        let value = value::one_not_empty(key.word(), &attribute.values, attribute.key.span, self.notes);
        value.and_then(|v| value::boolean(key.word(), v, self.notes)).unwrap_or(false)
    }

    fn unknown(&mut self, name: &PropName) {
        if self.damaged {
            return;
        }
        let declarable = props::RESOURCE.iter().filter(|p| p.presence != Presence::QueryOnly).map(|p| p.name);
        let otherwise = "if it is a property of this type, write `EXTENSION;` and its data type";
        let help = did_you_mean(name.as_str(), declarable, otherwise);
        let message = format!("{name} is no system-defined property, and the entry has no EXTENSION");
        self.notes.add(Code::PropertyUnknown, self.entry.name.span, message, help);
    }

    fn system(&mut self, system: &SystemProp, attributes: &Attributes<'_>) -> Option<PropDecl> {
        let place = self.entry.name.span;
        if system.presence == Presence::QueryOnly {
            let message = format!("{} is set by the manager and can't be declared", system.name);
            self.notes.add(Code::PropertyQueryOnly, place, message, "delete the entry");
            return None;
        }
        let foreign = |key: AttrKey| key.is_data_type() || key == AttrKey::Description;
        for attribute in attributes.values().filter(|a| foreign(a.key.value)) {
            let message =
                format!("{} can't be given for a system-defined property", attribute.key.value.word());
            let help = "delete it: type and description of this property are fixed";
            self.notes.add(Code::AttributeSystem, attribute.key.span, message, help);
        }
        self.per_node(attributes, false, system.prop_type);
        let mut decl = from_table(system);
        let mut bounds = bounds(attributes, system.prop_type, self.notes);
        let method = Method::from_timeout_property(system.name);
        if method.is_some() {
            self.timeout_bounds(attributes, &bounds);
            bounds.max = None;
        }
        if let (Some(min), Some(least)) = (bounds.min, system.min)
            && min < least
            && method.is_none()
        {
            let message = format!("MIN {min} is below {least}, the least that {} can be", system.name);
            let place = attributes.get(&AttrKey::Min).map_or(place, |a| a.key.span);
            self.notes.add(Code::MinRaised, place, message, format!("it is read as {least}; write that"));
        }
        bounds.min = bounds.min.max(system.min);
        self.complete(&mut decl, attributes, &bounds);
        if system.name == SCALABLE && self.declared.failover && decl.default == Some(Value::Boolean(true)) {
            let message = "Scalable is TRUE by default, but Failover = TRUE excludes scalable resources";
            let help = "delete one of the two, or write `DEFAULT = FALSE;`";
            self.notes.add(Code::ScalableFailover, place, message, help);
        }
        let unused = method.filter(|m| !self.declared.methods.contains(m));
        if let Some(method) = unused {
            let message = format!("the method {method} is not declared; resources don't get {}", system.name);
            let help = format!("delete the entry, or declare the method: `{method} = path;`");
            self.notes.add(Code::TimeoutUnused, place, message, help);
            return None;
        }
        Some(decl)
    }

    /// RGM needs some time to run a method, and the administrator may always give it more.
    fn timeout_bounds(&mut self, attributes: &Attributes<'_>, bounds: &Bounds) {
        if let Some(max) = attributes.get(&AttrKey::Max) {
            let message = "a method timeout can't have a MAX";
            self.notes.add(Code::TimeoutBounds, max.key.span, message, "delete it");
        }
        if let Some(min) = attributes.get(&AttrKey::Min).filter(|_| bounds.min.is_some_and(|min| min < 1)) {
            let place = place_of(&min.values, min.key.span);
            self.notes.add(
                Code::TimeoutBounds,
                place,
                "the MIN of a method timeout must be 1 or more",
                "write `MIN = 1;` or more",
            );
        }
    }

    fn extension(&mut self, name: PropName, attributes: &Attributes<'_>) -> Option<PropDecl> {
        let Some((prop_type, enumlist)) = self.data_type(attributes) else {
            if !self.damaged {
                let message = format!("the extension property {name} has no data type");
                let help = "write one of `STRING;` `BOOLEAN;` `INT;` `STRINGARRAY;` `ENUM { word, word };`";
                self.notes.add(Code::DataTypeMissing, self.entry.name.span, message, help);
            }
            return None;
        };
        let per_node = self.per_node(attributes, true, prop_type);
        let mut decl = PropDecl {
            name,
            extension: true,
            per_node,
            prop_type,
            enumlist,
            tunable: Tunable::Anytime,
            default: None,
            min: None,
            max: None,
            minlength: None,
            maxlength: None,
            array_minsize: None,
            array_maxsize: None,
            description: String::new(),
        };
        let bounds = bounds(attributes, prop_type, self.notes);
        self.complete(&mut decl, attributes, &bounds);
        if let Some(text) = attributes.get(&AttrKey::Description) {
            let text = value::one(AttrKey::Description.word(), &text.values, text.key.span, self.notes);
            decl.description = text.map_or(String::new(), |t| t.value.clone());
        }
        // A text that may be empty need not be given.
        if decl.default.is_none() && prop_type == PropType::String && bounds.minlength == Some(0) {
            decl.default = Some(Value::String(String::new()));
        }
        Some(decl)
    }

    fn data_type(&mut self, attributes: &Attributes<'_>) -> Option<(PropType, Vec<String>)> {
        let types = [
            (AttrKey::String, PropType::String),
            (AttrKey::Boolean, PropType::Boolean),
            (AttrKey::Int, PropType::Int),
            (AttrKey::StringArray, PropType::StringArray),
            (AttrKey::Enum, PropType::Enum),
        ];
        let (attribute, prop_type) =
            types.into_iter().find_map(|(key, prop_type)| Some((*attributes.get(&key)?, prop_type)))?;
        let enumlist = if prop_type == PropType::Enum { self.enum_words(attribute) } else { Vec::new() };
        Some((prop_type, enumlist))
    }

    fn enum_words(&mut self, attribute: &Attribute) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let mut words = Vec::new();
        for word in &attribute.values {
            let place = place_of(std::slice::from_ref(word), attribute.key.span);
            match PropName::new(&word.value) {
                Err(error) => {
                    let help = "write `ENUM { word, word };`; a word begins with a letter and has letters, \
                                digits, `-` and `_`";
                    self.notes.add(
                        Code::EnumWords,
                        place,
                        format!("this is no word of an ENUM: {error}"),
                        help,
                    );
                }
                Ok(_) if seen.insert(word.value.to_ascii_lowercase()) => words.push(word.value.clone()),
                Ok(_) => {
                    let message = format!("the word `{}` stands twice in the ENUM", word.value);
                    self.notes.add(Code::EnumWords, place, message, "delete one; case makes no difference");
                }
            }
        }
        words
    }

    /// PER_NODE, and whether it may stand here.
    fn per_node(&mut self, attributes: &Attributes<'_>, extension: bool, prop_type: PropType) -> bool {
        let per_node = self.flag(attributes, AttrKey::PerNode);
        let place = attributes.get(&AttrKey::PerNode).map_or(Span::default(), |a| a.key.span);
        let (message, help) = if !per_node {
            return false;
        } else if !extension {
            ("PER_NODE needs EXTENSION", "delete it: a system-defined property can't be made per node")
        } else if prop_type == PropType::StringArray {
            ("PER_NODE can't be given for a STRINGARRAY", "delete it, or use STRING")
        } else if !attributes.contains_key(&AttrKey::Default) && !self.damaged {
            ("PER_NODE needs a DEFAULT", "write `DEFAULT = value;`: what a node has before it is given one")
        } else {
            return true;
        };
        self.notes.add(Code::PerNode, place, message, help);
        true
    }

    /// Tunability, bounds and default.
    fn complete(&mut self, decl: &mut PropDecl, attributes: &Attributes<'_>, bounds: &Bounds) {
        decl.tunable = self.tunable(attributes).unwrap_or(decl.tunable);
        decl.min = bounds.min;
        decl.max = bounds.max;
        decl.minlength = bounds.minlength;
        decl.maxlength = bounds.maxlength;
        decl.array_minsize = bounds.array_minsize;
        decl.array_maxsize = bounds.array_maxsize;
        let mut place = self.entry.name.span;
        let mut whose = "the usual default";
        if let Some(attribute) = attributes.get(&AttrKey::Default) {
            place = place_of(&attribute.values, attribute.key.span);
            whose = "DEFAULT";
            decl.default = default_value(attribute, decl.prop_type, &decl.enumlist, self.notes);
        }
        if let Some(reason) = decl.default.as_ref().and_then(|default| outside(default, bounds)) {
            let message = format!("{whose} is outside the bounds: {reason}");
            self.notes.add(Code::DefaultRange, place, message, "write a DEFAULT inside them, or widen them");
        }
    }

    fn tunable(&mut self, attributes: &Attributes<'_>) -> Option<Tunable> {
        let attribute = attributes.get(&AttrKey::Tunable)?;
        let words = [Tunable::None, Tunable::AtCreation, Tunable::WhenDisabled, Tunable::Anytime];
        let value =
            value::one_not_empty(AttrKey::Tunable.word(), &attribute.values, attribute.key.span, self.notes)?;
        let found = words.into_iter().find(|t| t.word() == value.value);
        if found.is_none() {
            let otherwise = "write ANYTIME, AT_CREATION, WHEN_DISABLED or NONE";
            let help = did_you_mean(&value.value, words.into_iter().map(Tunable::word), otherwise);
            let message = format!("`{}` is no value of TUNABLE", value.value);
            self.notes.add(Code::ValueWord, value.span, message, help);
        }
        found
    }
}
