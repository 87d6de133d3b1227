//! `scha_node_attr_get`, `scha_node_attr_set`, `scha_node_attr_clear`; what of a command line is the
//! same for `clnode attr`.

use super::get::answer;
use crate::args::Args;
use crate::ask::{self, Change};
use crate::failure::Failure;
use crate::names;
use rgm_types::{AttrName, Command, Lifetime, NodeName, Query, SchaErr};
use std::collections::BTreeMap;

/// `scha_node_attr_get`.
pub fn get(args: &Args) -> Result<String, Failure> {
    answer(args, get_query(args)?)
}

/// `scha_node_attr_set`.
pub fn set(args: &Args) -> Result<String, Failure> {
    done(set_command(args)?)
}

/// `scha_node_attr_clear`.
pub fn clear(args: &Args) -> Result<String, Failure> {
    done(clear_command(args)?)
}

fn done(command: Command) -> Result<String, Failure> {
    ask::change(Change::Command(command), false, None).map(|_| String::new())
}

fn get_query(args: &Args) -> Result<Query, Failure> {
    args.form()?;
    let [name] = args.operands.as_slice() else {
        return Err(args.misuse("one attribute is to be named"));
    };
    let node = node(args)?.map(|node| node.to_string());
    Ok(Query::NodeAttr { name: names::attribute(name)?, node, lifetime: lifetime(args)? })
}

fn set_command(args: &Args) -> Result<Command, Failure> {
    args.form()?;
    let lifetime = lifetime(args)?.unwrap_or_default();
    Ok(Command::AttrSet { node: node(args)?, lifetime, values: values(args, &args.operands)? })
}

fn clear_command(args: &Args) -> Result<Command, Failure> {
    args.form()?;
    Ok(Command::AttrClear {
        node: node(args)?,
        lifetime: lifetime(args)?,
        names: named(args, &args.operands)?,
    })
}

fn node(args: &Args) -> Result<Option<NodeName>, Failure> {
    args.one("-n")?.map(names::node).transpose()
}

/// `-l`.
pub fn lifetime(args: &Args) -> Result<Option<Lifetime>, Failure> {
    let Some(word) = args.one("-l")? else { return Ok(None) };
    let known = Lifetime::from_word(word);
    known.map(Some).ok_or_else(|| {
        Failure::new(
            SchaErr::Inval,
            format!("-l {word}: there is no such lifetime"),
            "one of: reboot forever",
        )
    })
}

/// `NAME=VALUE...`.
pub fn values(args: &Args, words: &[String]) -> Result<BTreeMap<AttrName, String>, Failure> {
    let mut values = BTreeMap::new();
    for word in words {
        let (name, value) =
            word.split_once('=').ok_or_else(|| args.misuse(format!("{word:?} is no NAME=VALUE")))?;
        if values.insert(names::attribute(name)?, value.to_owned()).is_some() {
            return Err(args.misuse(format!("{name} is given more than once")));
        }
    }
    if values.is_empty() { Err(args.misuse("it is not said what to set: NAME=VALUE")) } else { Ok(values) }
}

/// `NAME...`.
pub fn named(args: &Args, words: &[String]) -> Result<Vec<AttrName>, Failure> {
    if words.is_empty() {
        return Err(args.misuse("it is not said which attribute: NAME"));
    }
    words.iter().map(|word| names::attribute(word)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables;

    fn parse(table: &'static crate::applet::Applet, line: &str) -> Args {
        Args::parse(table, line.split_whitespace().map(Into::into)).unwrap()
    }

    fn attr(text: &str) -> AttrName {
        AttrName::new(text).unwrap()
    }

    #[test]
    fn a_call_without_a_node_leaves_it_to_the_daemon_and_lasts_until_the_node_leaves() {
        let set = set_command(&parse(&tables::SCHA_NODE_ATTR_SET, "a=1 b:0=x=y c=")).unwrap();
        let pair = |name, value: &str| (attr(name), value.to_owned());
        let values = [pair("a", "1"), pair("b:0", "x=y"), pair("c", "")].into();
        assert_eq!(set, Command::AttrSet { node: None, lifetime: Lifetime::Reboot, values });
        let clear = clear_command(&parse(&tables::SCHA_NODE_ATTR_CLEAR, "a b")).unwrap();
        assert_eq!(
            clear,
            Command::AttrClear { node: None, lifetime: None, names: vec![attr("a"), attr("b")] }
        );
        let get = get_query(&parse(&tables::SCHA_NODE_ATTR_GET, "-n phys-2 -l forever a")).unwrap();
        let node = Some("phys-2".to_owned());
        assert_eq!(get, Query::NodeAttr { name: attr("a"), node, lifetime: Some(Lifetime::Forever) });
    }

    #[test]
    fn a_call_that_says_too_little_or_something_else_is_refused_with_3() {
        for (line, wrong) in [
            ("", "it is not said what to set"),
            ("a", "\"a\" is no NAME=VALUE"),
            ("a=1 a=2", "a is given more than once"),
            ("1a=2", "attribute 1a: the name starts with '1'"),
            ("-l never a=1", "-l never: there is no such lifetime"),
            ("-n phys/1 a=1", "node phys/1"),
        ] {
            let failure = set_command(&parse(&tables::SCHA_NODE_ATTR_SET, line)).unwrap_err();
            assert_eq!(failure.code(), 3);
            assert!(failure.text("x").contains(wrong), "{line}: {}", failure.text("x"));
        }
        assert_eq!(clear_command(&parse(&tables::SCHA_NODE_ATTR_CLEAR, "")).unwrap_err().code(), 3);
        assert_eq!(get_query(&parse(&tables::SCHA_NODE_ATTR_GET, "a b")).unwrap_err().code(), 3);
    }
}
