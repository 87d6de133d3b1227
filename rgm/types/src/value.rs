//! Values of properties (reference 1.7, 1.9, 8.1).

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

/// Longest property value or description, in bytes (4 MB - 1, reference 1.9).
pub const VALUE_LEN_MAX: usize = 4_194_303;

/// The data type of a property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PropType {
    /// Text.
    String,
    /// Whole number.
    Int,
    /// TRUE or FALSE.
    Boolean,
    /// One of a declared set of words.
    Enum,
    /// Texts, separated by commas.
    StringArray,
}

impl PropType {
    /// The word in an RTR file, and the first line `scha_resource_get` prints for an extension property.
    pub fn word(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Int => "INT",
            Self::Boolean => "BOOLEAN",
            Self::Enum => "ENUM",
            Self::StringArray => "STRINGARRAY",
        }
    }
}

/// When an administrator may change a property (reference 1.7). `TRUE` means `Anytime`, `FALSE` means `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tunable {
    /// Never.
    None,
    /// Only when the object is created.
    AtCreation,
    /// While the resource is disabled.
    WhenDisabled,
    /// Always.
    Anytime,
}

impl Tunable {
    /// The word in an RTR file.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AtCreation => "AT_CREATION",
            Self::WhenDisabled => "WHEN_DISABLED",
            Self::Anytime => "ANYTIME",
        }
    }
}

/// The value of a property.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Text.
    String(String),
    /// Whole number.
    Int(i64),
    /// TRUE or FALSE.
    Boolean(bool),
    /// One of a declared set of words, in its declared capitalisation.
    Enum(String),
    /// Texts.
    StringArray(Vec<String>),
}

impl Value {
    /// Its data type.
    pub fn prop_type(&self) -> PropType {
        match self {
            Self::String(_) => PropType::String,
            Self::Int(_) => PropType::Int,
            Self::Boolean(_) => PropType::Boolean,
            Self::Enum(_) => PropType::Enum,
            Self::StringArray(_) => PropType::StringArray,
        }
    }
    /// The text of a string or enum.
    pub fn text(&self) -> Option<&str> {
        match self {
            Self::String(s) | Self::Enum(s) => Some(s),
            Self::Int(_) | Self::Boolean(_) | Self::StringArray(_) => None,
        }
    }
    /// The number of an int.
    pub fn int(&self) -> Option<i64> {
        match self {
            Self::Int(n) => Some(*n),
            Self::String(_) | Self::Enum(_) | Self::Boolean(_) | Self::StringArray(_) => None,
        }
    }
    /// The truth of a boolean.
    pub fn boolean(&self) -> Option<bool> {
        match self {
            Self::Boolean(b) => Some(*b),
            Self::String(_) | Self::Enum(_) | Self::Int(_) | Self::StringArray(_) => None,
        }
    }
    /// The elements of a list.
    pub fn list(&self) -> Option<&[String]> {
        match self {
            Self::StringArray(l) => Some(l),
            Self::String(_) | Self::Enum(_) | Self::Int(_) | Self::Boolean(_) => None,
        }
    }
}

/// As a method is given it and an RTR file has it: lists joined by commas, booleans as `TRUE`/`FALSE`.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::String(s) | Self::Enum(s) => f.write_str(s),
            Self::Int(n) => write!(f, "{n}"),
            Self::Boolean(b) => f.write_str(if *b { "TRUE" } else { "FALSE" }),
            Self::StringArray(l) => {
                for (i, s) in l.iter().enumerate() {
                    if i > 0 {
                        f.write_str(",")?;
                    }
                    f.write_str(s)?;
                }
                Ok(())
            }
        }
    }
}
