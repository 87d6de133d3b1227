//! Words and options of a command line, as far as stories need them.

use anyhow::{Context, Result, bail, ensure};
use rgm_types::{GroupName, Lifetime, NodeName, PropClass, PropOp, PropSet, ResourceName};

/// Splits at blanks, but not within double quotes.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut open = false;
    for c in line.chars() {
        match c {
            '"' => {
                quoted = !quoted;
                open = true;
            }
            c if c.is_whitespace() && !quoted => {
                if open {
                    words.push(String::new());
                }
                open = false;
            }
            c => {
                open = true;
                if let Some(word) = words.last_mut() {
                    word.push(c);
                }
            }
        }
    }
    if !open {
        words.pop();
    }
    words
}

/// Options of a command, in order.
pub(super) struct Options {
    flags: Vec<(char, String)>,
    /// Words that belong to no option.
    pub(super) rest: Vec<String>,
    /// `on NODE` at the end: where the caller is.
    pub(super) on: Option<NodeName>,
}

impl Options {
    /// `with_value`: the letters of the options that have one.
    pub(super) fn parse(words: &[String], with_value: &str) -> Result<Self> {
        let (words, on) = match words {
            [before @ .., on, node] if on == "on" => (before, Some(NodeName::new(node)?)),
            all => (all, None),
        };
        let mut options = Self { flags: Vec::new(), rest: Vec::new(), on };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let Some(letters) = word.strip_prefix('-').filter(|l| !l.is_empty()) else {
                options.rest.push(word.clone());
                continue;
            };
            for letter in letters.chars() {
                let value = if with_value.contains(letter) {
                    words.next().with_context(|| format!("-{letter} needs a value"))?.clone()
                } else {
                    String::new()
                };
                options.flags.push((letter, value));
            }
        }
        Ok(options)
    }

    pub(super) fn has(&self, letter: char) -> bool {
        self.flags.iter().any(|(l, _)| *l == letter)
    }

    pub(super) fn get(&self, letter: char) -> Option<&str> {
        self.flags.iter().find(|(l, _)| *l == letter).map(|(_, v)| v.as_str())
    }

    pub(super) fn need(&self, letter: char) -> Result<&str> {
        self.get(letter).with_context(|| format!("-{letter} is missing"))
    }

    fn list(&self, letter: char) -> impl Iterator<Item = &str> {
        self.get(letter).unwrap_or_default().split(',').filter(|s| !s.is_empty())
    }

    pub(super) fn groups(&self) -> Result<Vec<GroupName>> {
        self.list('g').map(|n| Ok(GroupName::new(n)?)).collect()
    }

    pub(super) fn resources(&self) -> Result<Vec<ResourceName>> {
        self.list('j').map(|n| Ok(ResourceName::new(n)?)).collect()
    }

    /// The nodes behind that option.
    pub(super) fn nodes(&self, letter: char) -> Result<Vec<NodeName>> {
        self.list(letter).map(|n| Ok(NodeName::new(n)?)).collect()
    }

    /// `-l`.
    pub(super) fn lifetime(&self) -> Result<Option<Lifetime>> {
        let known = |word| Lifetime::from_word(word).with_context(|| format!("no lifetime {word}"));
        self.get('l').map(known).transpose()
    }

    /// `-y`, `-x` and `-p`.
    pub(super) fn props(&self) -> Result<Vec<PropSet>> {
        self.flags.iter().filter(|(l, _)| "yxp".contains(*l)).map(|(l, text)| prop(*l, text)).collect()
    }
}

fn prop(letter: char, text: &str) -> Result<PropSet> {
    let (name, value) = text.split_once('=').with_context(|| format!("{text} is no NAME=VALUE"))?;
    let (name, op) = match (name.strip_suffix('+'), name.strip_suffix('-')) {
        (Some(name), _) => (name, PropOp::Add),
        (_, Some(name)) => (name, PropOp::Remove),
        (None, None) => (name, PropOp::Set),
    };
    let (name, nodes) = match name.split_once('{') {
        Some((name, nodes)) => (name, nodes.trim_end_matches('}').split(',').map(String::from).collect()),
        None => (name, Vec::new()),
    };
    let class = match letter {
        'y' => PropClass::Standard,
        'x' => PropClass::Extension,
        'p' => PropClass::Any,
        other => bail!("-{other} is no property option"),
    };
    ensure!(!name.is_empty(), "{text} names no property");
    Ok(PropSet { name: name.to_string(), class, nodes, op, value: value.to_string() })
}
