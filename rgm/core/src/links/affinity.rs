//! RG_affinities, as they are written (reference 3.1).

use alloc::format;
use alloc::string::String;
use rgm_types::GroupName;

/// How a group likes another one's node (reference 3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Liking {
    /// `+`
    WeakPositive,
    /// `++`
    StrongPositive,
    /// `+++`
    Delegating,
    /// `-`
    WeakNegative,
    /// `--`
    StrongNegative,
}

impl Liking {
    /// `++` or `+++`: only where the target is online.
    pub(crate) fn needs_target(self) -> bool {
        matches!(self, Self::StrongPositive | Self::Delegating)
    }

    /// As RG_affinities writes it.
    pub(crate) fn sign(self) -> &'static str {
        match self {
            Self::WeakPositive => "+",
            Self::StrongPositive => "++",
            Self::Delegating => "+++",
            Self::WeakNegative => "-",
            Self::StrongNegative => "--",
        }
    }
}

/// One affinity of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Affinity {
    /// How.
    pub(crate) liking: Liking,
    /// Toward which group.
    pub(crate) target: GroupName,
}

impl Affinity {
    /// Reads an element of RG_affinities; the error is a fragment that fits behind the element.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let signs = [
            ("+++", Liking::Delegating),
            ("++", Liking::StrongPositive),
            ("+", Liking::WeakPositive),
            ("--", Liking::StrongNegative),
            ("-", Liking::WeakNegative),
        ];
        let (liking, name) = signs
            .iter()
            .find_map(|(sign, liking)| Some((*liking, text.strip_prefix(sign)?)))
            .ok_or("starts with none of + ++ +++ - --")?;
        let target = GroupName::new(name).map_err(|e| format!("names no resource group: {e}"))?;
        Ok(Self { liking, target })
    }
}
