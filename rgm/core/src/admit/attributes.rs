//! Attributes of nodes: set and cleared. What has that value already is not written again, so that an
//! agent may say the same every few seconds; and what no Node_rule reads concerns no group.

use super::{Change, Effect};
use crate::Rgm;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{
    ATTRS_MAX, AttrName, Attrs, GroupName, Key, Lifetime, NodeName, Refusal, SchaErr, check_attr_value,
};

impl Rgm {
    pub(super) fn admit_attr_set(
        &self,
        node: Option<&NodeName>,
        lifetime: Lifetime,
        values: &BTreeMap<AttrName, String>,
    ) -> Result<Change, Refusal> {
        let node = self.named_node(node)?;
        if values.is_empty() {
            return Err(Refusal::new(SchaErr::Inval, "no attribute to set is given", "write NAME=VALUE"));
        }
        for (name, value) in values {
            check_attr_value(value)
                .map_err(|e| Refusal::new(SchaErr::Inval, format!("attribute {name} {e}"), ""))?;
        }
        if lifetime == Lifetime::Reboot && !self.is_up(&node) {
            let message = format!("node {node} is not a cluster member now");
            let hint = "an attribute with the lifetime reboot ends when its node leaves; give it the lifetime forever";
            return Err(Refusal::new(SchaErr::Node, message, hint));
        }
        let mut new = self.conf.attrs_of(&node).cloned().unwrap_or_default();
        new.of_mut(lifetime).extend(values.clone());
        let count = new.of(lifetime).len();
        if count > ATTRS_MAX {
            let message = format!(
                "node {node} would have {count} attributes with the lifetime {lifetime}; it may have {ATTRS_MAX}"
            );
            let hint = format!("clear those that nobody needs: clnode attr list -n {node}");
            return Err(Refusal::new(SchaErr::Inval, message, hint));
        }
        let mut change = self.change_attrs(&node, new);
        if lifetime == Lifetime::Forever {
            let hidden = values.keys().filter(|name| self.has_attr(&node, Lifetime::Reboot, name));
            change.messages.extend(hidden.map(|name| {
                format!(
                    "attribute {name} of node {node} has a value with the lifetime reboot: that one counts"
                )
            }));
        }
        Ok(change)
    }

    pub(super) fn admit_attr_clear(
        &self,
        node: Option<&NodeName>,
        lifetime: Option<Lifetime>,
        names: &[AttrName],
    ) -> Result<Change, Refusal> {
        let node = self.named_node(node)?;
        if names.is_empty() {
            return Err(Refusal::new(SchaErr::Inval, "no attribute to clear is named", "write NAME"));
        }
        let lifetimes = lifetime.map_or(Vec::from(Lifetime::ALL), |one| Vec::from([one]));
        let mut new = self.conf.attrs_of(&node).cloned().unwrap_or_default();
        let mut missing = Vec::new();
        for name in names {
            let gone = lifetimes.iter().filter(|l| new.of_mut(**l).remove(name).is_some()).count();
            if gone == 0 {
                missing.push(format!("node {node} has no such attribute: {name}"));
            }
        }
        let mut change = self.change_attrs(&node, new);
        change.messages.extend(missing);
        Ok(change)
    }

    /// A caller that names no node has been given its own by now.
    fn named_node(&self, node: Option<&NodeName>) -> Result<NodeName, Refusal> {
        let node = node.ok_or_else(|| Refusal::new(SchaErr::Inval, "it is not said of which node", ""))?;
        Ok(self.conf.node(node.as_str())?.name.clone())
    }

    fn has_attr(&self, node: &NodeName, lifetime: Lifetime, name: &AttrName) -> bool {
        self.conf.attrs_of(node).is_some_and(|attrs| attrs.of(lifetime).contains_key(name))
    }

    /// From the attributes of a node to these: what is written, who is told, which groups look again.
    fn change_attrs(&self, node: &NodeName, new: Attrs) -> Change {
        let none = Attrs::default();
        let old = self.conf.attrs_of(node).unwrap_or(&none);
        let mut change = Change::default();
        if *old == new {
            return change;
        }
        for lifetime in Lifetime::ALL {
            let (was, is) = (old.of(lifetime), new.of(lifetime));
            let names: BTreeSet<&AttrName> = was.keys().chain(is.keys()).collect();
            for name in names.into_iter().filter(|name| was.get(*name) != is.get(*name)) {
                change.effects.push(Effect::Attr {
                    node: node.clone(),
                    name: name.clone(),
                    lifetime,
                    value: is.get(name).cloned(),
                });
            }
        }
        for (group, rule) in self.conf.rules() {
            let (held, holds) = (rule.holds(node, Some(old)), rule.holds(node, Some(&new)));
            if held == holds || !self.conf.nodes_of(group).contains(node) {
                continue;
            }
            if !holds && self.conf.runs.get(group).is_some_and(|run| run.wanted.contains(node)) {
                change
                    .messages
                    .push(format!("resource group {group} leaves node {node}: {}", rule.seen(Some(&new))));
            }
            let group: GroupName = group.clone();
            change.effects.push(Effect::Judge { group, node: node.clone() });
        }
        let key = || Write::Delete(Key::Attrs(node.clone()));
        let put = |new| Write::Put(Entry::Attrs(node.clone(), new));
        change.writes.push(if new.is_empty() { key() } else { put(new) });
        change
    }
}
