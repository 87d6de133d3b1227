//! Gathering: what every node says of itself before the core may begin.

use crate::{Arrived, FromNode};
use rgm_core::event::NodeReport;
use rgm_types::NodeName;
use std::collections::{BTreeMap, VecDeque};

/// Until every node has reported.
#[derive(Debug)]
pub struct Gathering {
    /// What each node said; `None`: nothing yet.
    nodes: BTreeMap<NodeName, Option<Answer>>,
    /// What nodes said that have reported, in the order it came.
    stash: VecDeque<Arrived>,
}

#[derive(Debug)]
enum Answer {
    There(NodeReport),
    /// On its way down, or up: it will say.
    Gone,
}

impl Gathering {
    /// Of these nodes.
    pub fn of(nodes: impl Iterator<Item = NodeName>) -> Self {
        Self { nodes: nodes.map(|node| (node, None)).collect(), stash: VecDeque::new() }
    }

    /// Everybody has answered.
    pub fn is_complete(&self) -> bool {
        self.nodes.values().all(Option::is_some)
    }

    /// The reports, and what came behind them.
    pub fn into_parts(self) -> (Vec<NodeReport>, VecDeque<Arrived>) {
        let there = self.nodes.into_values().flatten().filter_map(|answer| match answer {
            Answer::There(report) => Some(report),
            Answer::Gone => None,
        });
        (there.collect(), self.stash)
    }

    /// Takes a message. What a node said before its report is in the report, or comes again behind it.
    pub fn absorb(&mut self, node: NodeName, message: FromNode) {
        let Some(answer) = self.nodes.get_mut(&node) else { return };
        match (message, &answer) {
            (FromNode::Joined(report), _) => {
                self.stash.retain(|arrived| arrived.node != node);
                *answer = Some(Answer::There(report));
            }
            (FromNode::Down, _) => {
                self.stash.retain(|arrived| arrived.node != node);
                *answer = Some(Answer::Gone);
            }
            (FromNode::Ended { .. } | FromNode::Exceeded { .. }, None) => {}
            (message @ (FromNode::Ended { .. } | FromNode::Exceeded { .. }), Some(_)) => {
                self.stash.push_back(Arrived { node, message });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn report(name: &str) -> FromNode {
        FromNode::Joined(NodeReport { node: node(name), fresh: false, cells: vec![] })
    }

    fn exceeded(seq: u64) -> FromNode {
        FromNode::Exceeded { seq, resource: "r".parse().unwrap(), tag: "t".into() }
    }

    #[test]
    fn only_what_a_node_says_behind_its_report_counts() {
        let mut gathering = Gathering::of(["a", "b"].map(node).into_iter());
        gathering.absorb(node("a"), exceeded(1));
        gathering.absorb(node("a"), report("a"));
        gathering.absorb(node("a"), exceeded(2));
        assert!(!gathering.is_complete());
        gathering.absorb(node("b"), report("b"));
        assert!(gathering.is_complete());
        let (reports, stash) = gathering.into_parts();
        assert_eq!(reports.len(), 2);
        let said: Vec<FromNode> = stash.into_iter().map(|arrived| arrived.message).collect();
        assert_eq!(said, [exceeded(2)]);
    }

    #[test]
    fn a_node_that_is_going_down_is_not_waited_for() {
        let mut gathering = Gathering::of(["a", "b"].map(node).into_iter());
        gathering.absorb(node("a"), report("a"));
        gathering.absorb(node("b"), FromNode::Down);
        assert!(gathering.is_complete());
        assert_eq!(gathering.into_parts().0.len(), 1);
    }
}
