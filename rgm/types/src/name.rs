//! Names of objects (reference 1.9).
//!
//! Group, resource and property names: ASCII, a letter first, then letters, digits, `-` and `_`,
//! at most 255 characters. A resource type's full name is made of three such parts,
//! `vendor.base:version`. Node names follow host names: a letter or digit first, `.` allowed. Names of
//! node attributes may have `.` and `:` besides.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest name of any object, in bytes.
pub const NAME_LEN_MAX: usize = 255;

/// Why a name was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// Nothing there.
    #[error("the name is empty")]
    Empty,
    /// More than [`NAME_LEN_MAX`] bytes.
    #[error("the name is longer than 255 characters")]
    TooLong,
    /// The first character does not fit.
    #[error("the name starts with {0:?}; it must start with a letter")]
    First(char),
    /// A later character does not fit.
    #[error("the name contains {0:?}; letters, digits, '-' and '_' are allowed")]
    Char(char),
}

fn check(text: &str, first_ok: fn(char) -> bool, rest_ok: fn(char) -> bool) -> Result<(), NameError> {
    if text.len() > NAME_LEN_MAX {
        return Err(NameError::TooLong);
    }
    let mut chars = text.chars();
    let first = chars.next().ok_or(NameError::Empty)?;
    if !first_ok(first) {
        return Err(NameError::First(first));
    }
    chars.find(|c| !rest_ok(*c)).map_or(Ok(()), |c| Err(NameError::Char(c)))
}

fn letter(c: char) -> bool {
    c.is_ascii_alphabetic()
}
fn word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}
fn alnum(c: char) -> bool {
    c.is_ascii_alphanumeric()
}
fn host(c: char) -> bool {
    word(c) || c == '.'
}
/// As agents of other clusters name attributes: `master-db:0`, `site.rack`.
fn attr(c: char) -> bool {
    host(c) || c == ':'
}
/// Type names carry `.` and `:` between their parts.
fn type_word(c: char) -> bool {
    host(c) || c == ':' || (c.is_ascii_graphic() && !"/\\*?,;[]".contains(c))
}

/// Text that is compared more often than anything else here: half of a decision is finding things by
/// their names. Its beginning lies beside the pointer, so that the rest is seldom looked at.
#[derive(Clone)]
struct Text {
    /// The first bytes as a number, zeros behind them. No name has a zero in it, so numbers compare as
    /// the texts do, unless they are equal.
    head: u128,
    whole: Arc<str>,
}

impl Text {
    fn new(text: &str) -> Self {
        let mut head = [0; size_of::<u128>()];
        head.iter_mut().zip(text.bytes()).for_each(|(to, byte)| *to = byte);
        Self { head: u128::from_be_bytes(head), whole: Arc::from(text) }
    }
}
impl core::ops::Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.whole
    }
}
impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        self.head == other.head && self.whole == other.whole
    }
}
impl Eq for Text {}
impl Ord for Text {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.head.cmp(&other.head).then_with(|| match Arc::ptr_eq(&self.whole, &other.whole) {
            true => Ordering::Equal,
            false => self.whole.cmp(&other.whole),
        })
    }
}
impl PartialOrd for Text {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Hash for Text {
    /// As text does, for names are looked up by it.
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.whole.hash(state);
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $first:expr, $rest:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Text);
        impl $name {
            /// Takes a name that follows the rules of this kind of object.
            pub fn new(text: &str) -> Result<Self, NameError> {
                check(text, $first, $rest)?;
                Ok(Self(Text::new(text)))
            }
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }
        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
        impl core::str::FromStr for $name {
            type Err = NameError;
            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                let text = String::deserialize(d)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

name!(
    /// A cluster node.
    NodeName, alnum, host
);
name!(
    /// A resource group.
    GroupName, letter, word
);
name!(
    /// A resource.
    ResourceName, letter, word
);
name!(
    /// An attribute of a node. Letters count in their case.
    AttrName, letter, attr
);
name!(
    /// The full name of a registered resource type: `vendor.base`, or `vendor.base:version` where
    /// its file has `#$upgrade`.
    TypeName, alnum, type_word
);

impl TypeName {
    /// True if `text` means this type: the full name, or the name without vendor prefix and/or
    /// version suffix. Whether it means *only* this type is for the caller to find out.
    pub fn answers_to(&self, text: &str) -> bool {
        let full = self.as_str();
        let (unversioned, _) = full.rsplit_once(':').unwrap_or((full, ""));
        fn bare(name: &str) -> &str {
            name.split_once('.').map_or(name, |(_, base)| base)
        }
        [full, unversioned, bare(full), bare(unversioned)].contains(&text)
    }
}

/// The name of a property. Compared without regard to case; keeps the capitalisation it was
/// declared with, which is what methods are given.
#[derive(Clone)]
pub struct PropName(Arc<str>);

impl PropName {
    /// Takes a property name.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check(text, letter, word)?;
        Ok(Self(Arc::from(text)))
    }
    /// A name from this crate's own tables, which a test holds to the rules.
    pub(crate) fn of_table(text: &'static str) -> Self {
        Self(Arc::from(text))
    }
    /// The group property Nodelist, which every group has explicitly.
    pub fn nodelist() -> Self {
        Self::of_table("Nodelist")
    }
    /// The name in its declared capitalisation.
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// True if `text` names this property, in any case.
    pub fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }
}
impl PartialEq for PropName {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}
impl Eq for PropName {}
impl Ord for PropName {
    fn cmp(&self, other: &Self) -> Ordering {
        let fold = |b: u8| b.to_ascii_lowercase();
        self.0.bytes().map(fold).cmp(other.0.bytes().map(fold))
    }
}
impl PartialOrd for PropName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl fmt::Display for PropName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}
impl fmt::Debug for PropName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl Serialize for PropName {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}
impl<'de> Deserialize<'de> for PropName {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}
