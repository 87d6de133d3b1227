//! Attributes of nodes: what is said of them, and when they end.

use crate::{Level, Rgm};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{AttrName, Attrs, Command, Key, Lifetime, NodeName};

/// Most of a value that the log shows, in characters.
const SHOWN_MAX: usize = 80;

/// A caller that names no node means its own.
pub(super) fn speaks_for(command: &mut Command, from: &NodeName) {
    if let Command::AttrSet { node, .. } | Command::AttrClear { node, .. } = command {
        node.get_or_insert_with(|| from.clone());
    }
}

impl Rgm {
    /// What a rule reads is a state change; the rest, scores that change every few seconds among it,
    /// is a detail.
    pub(super) fn tell_attr(
        &mut self,
        node: &NodeName,
        name: &AttrName,
        lifetime: Lifetime,
        value: Option<&str>,
    ) {
        let level = match self.conf.rules().any(|(_, rule)| rule.mentions(name.as_str())) {
            true => Level::Info,
            false => Level::Debug,
        };
        let text = match value {
            Some(value) => {
                let shown: String = value.chars().take(SHOWN_MAX).collect();
                let more = if shown.len() < value.len() { "…" } else { "" };
                format!("attribute {name} of node {node} is {shown:?}{more}, lifetime {lifetime}")
            }
            None => format!("attribute {name} of node {node} is cleared, lifetime {lifetime}"),
        };
        self.log(level, text, "an agent or an operator said so");
    }

    /// The node has left the cluster, or has booted: attributes with the lifetime reboot end.
    pub(super) fn forget_passing_attrs(&mut self, node: &NodeName) {
        let Some(attrs) = self.conf.attrs_of(node).filter(|a| !a.reboot.is_empty()) else { return };
        let left = Attrs { forever: attrs.forever.clone(), ..Attrs::default() };
        let names: Vec<&str> = attrs.reboot.keys().map(AttrName::as_str).collect();
        let text = format!("node {node} loses its attributes {}", names.join(", "));
        self.write(match left.is_empty() {
            true => Write::Delete(Key::Attrs(node.clone())),
            false => Write::Put(Entry::Attrs(node.clone(), left)),
        });
        self.log(Level::Info, text, "their lifetime is reboot, and the node has left or booted");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, NodeReport, RequestId, Token};
    use alloc::string::ToString;
    use alloc::vec;
    use rgm_types::{ATTRS_MAX, Clock, PropSet};

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn set(attr: &str, value: &str) -> Command {
        let values = [(AttrName::new(attr).unwrap(), value.to_string())].into();
        Command::AttrSet { node: None, lifetime: Lifetime::Reboot, values }
    }

    fn event(command: Command) -> Event {
        Event::Request { id: RequestId(7), from: node("n1"), command }
    }

    /// Two nodes that are up, and a group that is offline and whose rule reads `ready`.
    fn cluster() -> Rgm {
        let entries = Rgm::genesis("c", &[node("n1"), node("n2")]).into_iter();
        let entries = entries.filter_map(|w| if let Write::Put(entry) = w { Some(entry) } else { None });
        let mut rgm = Rgm::load(entries.collect(), Default::default(), Token(1)).unwrap();
        let report = |n: &str| NodeReport { node: node(n), fresh: true, cells: vec![] };
        rgm.step(Clock::default(), &Event::Formed { nodes: vec![report("n1"), report("n2")] });
        let rule = PropSet {
            name: "Node_rule".to_string(),
            class: Default::default(),
            nodes: vec![],
            op: Default::default(),
            value: "ready = 1".to_string(),
        };
        rgm.step(Clock::default(), &event(Command::GroupCreate { name: "g".to_string(), props: vec![rule] }));
        rgm
    }

    #[test]
    fn an_attribute_that_makes_no_rule_another_touches_no_group() {
        let mut rgm = cluster();
        for (attr, value, touched) in
            [("score", "17", false), ("ready", "0", false), ("ready", "1", true), ("ready", "01", false)]
        {
            rgm.absorb(&event(set(attr, value)));
            assert_eq!(!rgm.unplaced.is_empty(), touched, "{attr}={value}");
            assert_eq!(!rgm.dirty.is_empty(), touched, "{attr}={value}");
            assert!(!rgm.freed, "{attr}={value}");
            rgm.settle();
            assert_eq!(rgm.emit().writes.len(), 1);
        }
    }

    #[test]
    fn what_it_says_already_is_not_written_again() {
        let mut rgm = cluster();
        let mut said = || rgm.step(Clock::default(), &event(set("score", "17")));
        assert_eq!(said().writes.len(), 1);
        let again = said();
        assert!(again.writes.is_empty() && again.log.is_empty() && again.replies.len() == 1);
    }

    #[test]
    fn a_node_has_so_many_attributes_of_a_lifetime_and_no_more() {
        let mut rgm = cluster();
        let mut say = |attr: &str, value: &str| {
            let out = rgm.step(Clock::default(), &event(set(attr, value)));
            out.replies.into_iter().next().unwrap().1.map_err(|refusal| refusal.message)
        };
        for n in 0..ATTRS_MAX {
            assert!(say(&format!("a{n}"), "1").is_ok());
        }
        assert!(say("a0", "2").is_ok());
        assert_eq!(
            say("b", "1").unwrap_err(),
            "node n1 would have 129 attributes with the lifetime reboot; it may have 128"
        );
        let long = "x".repeat(1025);
        assert_eq!(
            say("a0", &long).unwrap_err(),
            "attribute a0 has a value of 1025 bytes; at most 1024 are kept"
        );
    }
}
