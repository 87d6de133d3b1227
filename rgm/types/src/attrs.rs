//! Node attributes: what agents and operators say of a node, name by name, for Node_rule to read.
//!
//! An attribute lasts until it is cleared ([`Lifetime::Forever`]) or until its node leaves the cluster
//! ([`Lifetime::Reboot`]). Both kinds lie in the repository, in one entry a node ([`crate::Key::Attrs`]):
//! a new president and a daemon that was killed find them where the old one left them, and no protocol
//! between daemons has to carry them. The core takes the passing ones out in the same transaction in
//! which it writes down that the node is gone, or has booted. An entry of its own, not a field of the
//! node's: attributes change by the minute, the configuration of a node by the year.
//!
//! A name may have a value of each kind; the passing one hides the lasting one, even when it is empty.

use crate::AttrName;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Longest value, in bytes.
pub const ATTR_VALUE_MAX: usize = 1024;
/// Most attributes of one lifetime that a node may have.
pub const ATTRS_MAX: usize = 128;

/// How long an attribute of a node lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lifetime {
    /// Until the node leaves the cluster: it boots, or is lost.
    #[default]
    Reboot,
    /// Until it is cleared.
    Forever,
}

impl Lifetime {
    /// Both; the first one hides the second.
    pub const ALL: [Self; 2] = [Self::Reboot, Self::Forever];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Reboot => "reboot",
            Self::Forever => "forever",
        }
    }

    /// The lifetime of that word.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.word() == text)
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The attributes of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attrs {
    /// Until the node leaves the cluster.
    #[serde(default)]
    pub reboot: BTreeMap<AttrName, String>,
    /// Until they are cleared.
    #[serde(default)]
    pub forever: BTreeMap<AttrName, String>,
}

impl Attrs {
    /// Those of a lifetime.
    pub fn of(&self, lifetime: Lifetime) -> &BTreeMap<AttrName, String> {
        match lifetime {
            Lifetime::Reboot => &self.reboot,
            Lifetime::Forever => &self.forever,
        }
    }

    /// Those of a lifetime, to be changed.
    pub fn of_mut(&mut self, lifetime: Lifetime) -> &mut BTreeMap<AttrName, String> {
        match lifetime {
            Lifetime::Reboot => &mut self.reboot,
            Lifetime::Forever => &mut self.forever,
        }
    }

    /// The value in force and how long it lasts.
    pub fn get(&self, name: &str) -> Option<(&str, Lifetime)> {
        let of = |lifetime| Some((self.of(lifetime).get(name)?.as_str(), lifetime));
        Lifetime::ALL.into_iter().find_map(of)
    }

    /// The value in force.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.get(name).map(|(value, _)| value)
    }

    /// Every name, once.
    pub fn names(&self) -> BTreeSet<&AttrName> {
        self.reboot.keys().chain(self.forever.keys()).collect()
    }

    /// There is none.
    pub fn is_empty(&self) -> bool {
        self.reboot.is_empty() && self.forever.is_empty()
    }
}

/// Why a value was not taken: a fragment that fits behind the attribute's name.
pub fn check_attr_value(value: &str) -> Result<(), String> {
    if value.len() > ATTR_VALUE_MAX {
        return Err(alloc::format!(
            "has a value of {} bytes; at most {ATTR_VALUE_MAX} are kept",
            value.len()
        ));
    }
    match value.chars().find(|c| c.is_control()) {
        Some(c) => Err(alloc::format!("has {c:?} in its value; a value is one line of text")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> AttrName {
        AttrName::new(text).unwrap()
    }

    #[test]
    fn a_passing_value_hides_a_lasting_one_even_when_it_is_empty() {
        let mut attrs = Attrs::default();
        assert!(attrs.is_empty() && attrs.value("a").is_none());
        attrs.forever.insert(name("a"), "1".into());
        assert_eq!(attrs.get("a"), Some(("1", Lifetime::Forever)));
        attrs.reboot.insert(name("a"), String::new());
        assert_eq!(attrs.get("a"), Some(("", Lifetime::Reboot)));
        assert_eq!(attrs.names().len(), 1);
    }

    #[test]
    fn names_are_those_agents_use_and_a_value_is_one_short_line() {
        for good in ["ganesha-active", "master-pgsql:0", "pgsql-data-status", "n1.rack", "A_1"] {
            assert!(AttrName::new(good).is_ok(), "{good}");
        }
        for bad in ["", "1a", "#node", "a b", "a=b", "a(b)", "ä", &"x".repeat(256)] {
            assert!(AttrName::new(bad).is_err(), "{bad}");
        }
        assert!(check_attr_value(&"x".repeat(ATTR_VALUE_MAX)).is_ok());
        assert!(check_attr_value(&"x".repeat(ATTR_VALUE_MAX + 1)).unwrap_err().contains("1025 bytes"));
        assert!(check_attr_value("a\nb").unwrap_err().contains("one line"));
        assert!(check_attr_value("").is_ok() && check_attr_value("é, \"x\" = y").is_ok());
    }
}
