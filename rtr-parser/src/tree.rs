//! The syntax tree: what a file declares, in its order, with its comments.
//!
//! Keywords are enums and words of fixed meaning are in canonical spelling (`ANYTIME`, not `True`);
//! all other values are the text of the file without quotes. Two trees are equal if they say the
//! same, wherever it stands in its file: places do not take part in the comparison.

pub use crate::keyword::{AttrKey, TypeKey};
use rgm_types::UpgradeTunability;

/// Byte range in the text of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// Something and where it stands.
#[derive(Debug, Clone, Default)]
pub struct Spanned<T> {
    /// The thing.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T: PartialEq> PartialEq for Spanned<T> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}
impl<T: Eq> Eq for Spanned<T> {}

impl<T> Spanned<T> {
    pub(crate) fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// The comments of a declaration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Comments {
    /// On lines before it, each with its `#`; an empty text is an empty line. Comments that stood
    /// between the tokens of the declaration are here too.
    pub before: Vec<String>,
    /// Behind it on the same line.
    pub trailing: Option<String>,
}

/// A whole file.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declarations {
    /// Resource-type properties, methods among them.
    pub type_properties: Vec<TypeProperty>,
    /// The upgrade section, where there is one.
    pub upgrade: Option<Upgrade>,
    /// Resource-property entries.
    pub entries: Vec<Entry>,
    /// Comments behind everything.
    pub end: Vec<String>,
}

/// `NAME = value;`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeProperty {
    /// Its comments.
    pub comments: Comments,
    /// Which property.
    pub key: Spanned<TypeKey>,
    /// Its value; several for a list, one (empty) for an empty value.
    pub values: Vec<Spanned<String>>,
}

/// `#$upgrade` and the lines that belong to it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Upgrade {
    /// Its comments.
    pub comments: Comments,
    /// `#$upgrade_from` lines.
    pub from: Vec<UpgradeFrom>,
}

/// `#$upgrade_from "version" tunability`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpgradeFrom {
    /// Its comments.
    pub comments: Comments,
    /// The older version; empty means no version, or any that is not listed.
    pub version: Spanned<String>,
    /// When a resource may change from it.
    pub tunability: UpgradeTunability,
}

/// `{ PROPERTY = name; … }`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// Comments before `{` and behind `}`.
    pub comments: Comments,
    /// Comments of the PROPERTY attribute.
    pub name_comments: Comments,
    /// The property's name, as written.
    pub name: Spanned<String>,
    /// The other attributes.
    pub attributes: Vec<Attribute>,
    /// Comments before `}`.
    pub end: Vec<String>,
}

/// `ATTRIBUTE = value;`, `ATTRIBUTE;` or `ENUM { word, word };`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// Its comments.
    pub comments: Comments,
    /// Which attribute.
    pub key: Spanned<AttrKey>,
    /// Its value, the words of an ENUM, nothing for the other data types.
    pub values: Vec<Spanned<String>>,
}
