//! The words of the format, and which of them a misspelt one may have meant.

use rgm_types::Method;

/// A resource-type property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words of the file")]
pub enum TypeKey {
    ResourceType,
    VendorId,
    RtDescription,
    RtVersion,
    ApiVersion,
    RtBasedir,
    InitNodes,
    SysdefinedType,
    SingleInstance,
    Failover,
    RtSystem,
    GlobalZone,
    Proxy,
    Pkglist,
    Method(Method),
    /// Known, but set by the administrator or derived, never declared.
    InstalledNodes,
    ResourceList,
    IsLogicalHostname,
    IsSharedAddress,
}

impl TypeKey {
    const PLAIN: [Self; 18] = [
        Self::ResourceType,
        Self::VendorId,
        Self::RtDescription,
        Self::RtVersion,
        Self::ApiVersion,
        Self::RtBasedir,
        Self::InitNodes,
        Self::SysdefinedType,
        Self::SingleInstance,
        Self::Failover,
        Self::RtSystem,
        Self::GlobalZone,
        Self::Proxy,
        Self::Pkglist,
        Self::InstalledNodes,
        Self::ResourceList,
        Self::IsLogicalHostname,
        Self::IsSharedAddress,
    ];

    /// Canonical spelling: property names capitalised, method names in capitals.
    pub fn word(self) -> &'static str {
        match self {
            Self::ResourceType => "Resource_type",
            Self::VendorId => "Vendor_id",
            Self::RtDescription => "RT_description",
            Self::RtVersion => "RT_version",
            Self::ApiVersion => "API_version",
            Self::RtBasedir => "RT_basedir",
            Self::InitNodes => "Init_nodes",
            Self::SysdefinedType => "Sysdefined_type",
            Self::SingleInstance => "Single_instance",
            Self::Failover => "Failover",
            Self::RtSystem => "RT_system",
            Self::GlobalZone => "Global_zone",
            Self::Proxy => "Proxy",
            Self::Pkglist => "Pkglist",
            Self::Method(method) => method.word(),
            Self::InstalledNodes => "Installed_nodes",
            Self::ResourceList => "Resource_list",
            Self::IsLogicalHostname => "Is_logical_hostname",
            Self::IsSharedAddress => "Is_shared_address",
        }
    }

    /// The property of that name, in any case.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::PLAIN
            .into_iter()
            .find(|k| k.word().eq_ignore_ascii_case(text))
            .or_else(|| Method::from_word(text).map(Self::Method))
    }

    /// True for what may be written without a value.
    pub fn is_boolean(self) -> bool {
        [Self::SingleInstance, Self::Failover, Self::RtSystem, Self::GlobalZone, Self::Proxy].contains(&self)
    }

    /// True for what a file may not declare.
    pub fn is_forbidden(self) -> bool {
        [Self::InstalledNodes, Self::ResourceList, Self::IsLogicalHostname, Self::IsSharedAddress]
            .contains(&self)
    }

    pub(crate) fn words() -> impl Iterator<Item = &'static str> {
        let declarable = Self::PLAIN.into_iter().filter(|k| !k.is_forbidden()).map(Self::word);
        declarable.chain(Method::ALL.into_iter().map(Method::word))
    }
}

/// An attribute of an entry, other than PROPERTY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the words of the file")]
pub enum AttrKey {
    Extension,
    PerNode,
    String,
    Boolean,
    Int,
    StringArray,
    Enum,
    Tunable,
    Default,
    Min,
    Max,
    Minlength,
    Maxlength,
    ArrayMinsize,
    ArrayMaxsize,
    Description,
}

impl AttrKey {
    /// Every one.
    pub const ALL: [Self; 16] = [
        Self::Extension,
        Self::PerNode,
        Self::String,
        Self::Boolean,
        Self::Int,
        Self::StringArray,
        Self::Enum,
        Self::Tunable,
        Self::Default,
        Self::Min,
        Self::Max,
        Self::Minlength,
        Self::Maxlength,
        Self::ArrayMinsize,
        Self::ArrayMaxsize,
        Self::Description,
    ];

    /// Canonical spelling.
    pub fn word(self) -> &'static str {
        match self {
            Self::Extension => "EXTENSION",
            Self::PerNode => "PER_NODE",
            Self::String => "STRING",
            Self::Boolean => "BOOLEAN",
            Self::Int => "INT",
            Self::StringArray => "STRINGARRAY",
            Self::Enum => "ENUM",
            Self::Tunable => "TUNABLE",
            Self::Default => "DEFAULT",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Minlength => "MINLENGTH",
            Self::Maxlength => "MAXLENGTH",
            Self::ArrayMinsize => "ARRAY_MINSIZE",
            Self::ArrayMaxsize => "ARRAY_MAXSIZE",
            Self::Description => "DESCRIPTION",
        }
    }

    /// The attribute of that name, in any case.
    pub fn from_word(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|k| k.word().eq_ignore_ascii_case(text))
    }

    /// True for the five data types.
    pub fn is_data_type(self) -> bool {
        [Self::String, Self::Boolean, Self::Int, Self::StringArray, Self::Enum].contains(&self)
    }

    /// True for what may be written without a value.
    pub fn is_boolean(self) -> bool {
        [Self::Extension, Self::PerNode].contains(&self)
    }
}

/// Longer words are not looked up: no keyword is half as long.
const SUGGEST_LEN_MAX: usize = 64;

/// The word that `text` is most likely a misspelling of: at most a third of its letters differ.
pub fn suggest<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if text.len() > SUGGEST_LEN_MAX {
        return None;
    }
    let text: Vec<char> = text.to_lowercase().chars().collect();
    let distances = words.map(|word| (distance(&text, &word.to_lowercase()), word));
    let (distance, word) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 1.max(word.len() / 3)).then_some(word)
}

/// A help text: the suggestion where there is one, else what to do instead.
pub fn did_you_mean<'a>(text: &str, words: impl Iterator<Item = &'a str>, otherwise: &str) -> String {
    suggest(text, words).map_or_else(|| otherwise.to_owned(), |word| format!("did you mean `{word}`?"))
}

/// Edit distance: letters inserted, deleted or replaced.
fn distance(left: &[char], right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, l) in left.iter().enumerate() {
        let mut diagonal = i;
        let mut before = i + 1;
        for (cell, r) in row.iter_mut().skip(1).zip(&right) {
            let replaced = diagonal + usize::from(l != r);
            diagonal = *cell;
            *cell = replaced.min(diagonal + 1).min(before + 1);
            before = *cell;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(left.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_keyword_and_a_foreign_one_finds_none() {
        assert_eq!(suggest("RT_VERSON", TypeKey::words()), Some("RT_version"));
        assert_eq!(suggest("strat", TypeKey::words()), None, "two letters of five");
        assert_eq!(suggest("MONITOR_STRT", TypeKey::words()), Some("MONITOR_START"));
        assert_eq!(suggest("COLOUR", TypeKey::words()), None);
    }

    #[test]
    fn every_word_is_found_again_in_any_case() {
        for key in AttrKey::ALL {
            assert_eq!(AttrKey::from_word(&key.word().to_lowercase()), Some(key));
        }
        for word in TypeKey::words() {
            assert_eq!(TypeKey::from_word(&word.to_uppercase()).map(TypeKey::word), Some(word));
        }
    }
}
