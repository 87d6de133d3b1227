//! The arguments of a method, as RGM passes them (reference 4.1).

use lexopt::{Arg, ValueExt};
use std::ffi::OsString;

/// A method that was called.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The name of its file, `gds_svc_start`.
    pub method: String,
    /// Resource, `-R`.
    pub resource: String,
    /// Full name of its type, `-T`.
    pub type_name: String,
    /// Its group, `-G`.
    pub group: String,
    /// Only VALIDATE has it.
    pub purpose: Option<Purpose>,
    /// Only for VALIDATE: system-defined properties, `-r name=value`.
    pub standard: Vec<(String, String)>,
    /// Only for VALIDATE: extension properties, `-x name=value`.
    pub extension: Vec<(String, String)>,
    /// Only for VALIDATE: extension properties of one node, `-X name{node}=value`.
    pub per_node: Vec<(String, String, String)>,
    /// Only for VALIDATE: properties of the group, `-g name=value`.
    pub group_props: Vec<(String, String)>,
}

/// What VALIDATE is to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A new resource; every property is among the arguments (`-c`).
    Creation,
    /// A change; the arguments have what changes (`-u`).
    Update,
}

impl Call {
    /// Understands the words behind the method's name; the error is a sentence.
    pub fn parse(method: &str, words: impl IntoIterator<Item = OsString>) -> Result<Self, String> {
        let mut call = Self { method: method.to_owned(), ..Self::default() };
        let mut args = lexopt::Parser::from_args(words);
        while let Some(arg) = args.next().map_err(|error| error.to_string())? {
            let Arg::Short(letter) = arg else { return Err(format!("what is {arg:?}?")) };
            call.take(letter, &mut args)?;
        }
        for (flag, value) in [("-R", &call.resource), ("-T", &call.type_name), ("-G", &call.group)] {
            if value.is_empty() {
                return Err(format!(
                    "{flag} is missing; RGM calls it as {method} -R resource -T type -G group"
                ));
            }
        }
        Ok(call)
    }

    /// Is it VALIDATE?
    pub fn is_validate(&self) -> bool {
        self.purpose.is_some()
    }

    fn take(&mut self, letter: char, args: &mut lexopt::Parser) -> Result<(), String> {
        match letter {
            'c' => self.purpose = Some(Purpose::Creation),
            'u' => self.purpose = Some(Purpose::Update),
            'R' => self.resource = value(args)?,
            'T' => self.type_name = value(args)?,
            'G' => self.group = value(args)?,
            'r' => self.standard.push(pair(&value(args)?)?),
            'x' => self.extension.push(pair(&value(args)?)?),
            'X' => self.per_node.push(per_node(&value(args)?)?),
            'g' => self.group_props.push(pair(&value(args)?)?),
            // A zone; there are none.
            'Z' => drop(value(args)?),
            other => return Err(format!("there is no option -{other}")),
        }
        Ok(())
    }
}

fn value(args: &mut lexopt::Parser) -> Result<String, String> {
    args.value().and_then(|value| value.string()).map_err(|error| error.to_string())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or_else(|| format!("{text} is not NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

fn per_node(text: &str) -> Result<(String, String, String), String> {
    let (name, value) = pair(text)?;
    let node = name.strip_suffix('}').and_then(|name| name.split_once('{'));
    let (name, node) = node.ok_or_else(|| format!("{text} is not NAME{{NODE}}=VALUE"))?;
    Ok((name.to_owned(), node.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Call, String> {
        Call::parse("gds_validate", words.iter().map(OsString::from))
    }

    #[test]
    fn a_method_learns_resource_type_and_group_in_any_order() {
        let call = parse(&["-T", "SUNW.gds:1", "-G", "g", "-R", "r"]).unwrap();
        assert_eq!(
            (call.resource.as_str(), call.type_name.as_str(), call.group.as_str()),
            ("r", "SUNW.gds:1", "g")
        );
        assert!(!call.is_validate());
    }

    #[test]
    fn validate_gets_every_kind_of_property_and_a_value_may_hold_anything() {
        let words = [
            "-c",
            "-R",
            "r",
            "-T",
            "t",
            "-G",
            "g",
            "-r",
            "Retry_count=-1",
            "-x",
            "Start_command=/bin/x -a b=c",
            "-x",
            "Empty=",
            "-X",
            "Port{phys-1}=53",
            "-g",
            "Nodelist=a,b",
        ];
        let call = parse(&words).unwrap();
        let own = |list: &[(&str, &str)]| -> Vec<(String, String)> {
            list.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
        };
        assert_eq!(call.purpose, Some(Purpose::Creation));
        assert_eq!(call.standard, own(&[("Retry_count", "-1")]));
        assert_eq!(call.extension, own(&[("Start_command", "/bin/x -a b=c"), ("Empty", "")]));
        assert_eq!(call.per_node, [("Port".to_owned(), "phys-1".to_owned(), "53".to_owned())]);
        assert_eq!(call.group_props, own(&[("Nodelist", "a,b")]));
    }

    #[test]
    fn a_call_that_makes_no_sense_is_refused_with_a_sentence() {
        for (words, wrong) in [
            (&["-R", "r", "-T", "t"] as &[&str], "-G is missing"),
            (&["-R", "r", "-T", "t", "-G", "g", "-x", "Confdir"], "Confdir is not NAME=VALUE"),
            (&["-R", "r", "-T", "t", "-G", "g", "-X", "Port=1"], "is not NAME{NODE}=VALUE"),
            (&["-R", "r", "-T", "t", "-G", "g", "-q"], "there is no option -q"),
            (&["-R", "r", "-T", "t", "-G", "g", "more"], "more"),
        ] {
            let said = parse(words).unwrap_err();
            assert!(said.contains(wrong), "{words:?}: {said}");
        }
    }
}
