//! Whom a president may take out that it does not reach.
//!
//! A node that is registered may be running something, so nothing of it starts elsewhere; and one that
//! is not reached can't be told to stop. A president waits for such a node, and then takes it out. But
//! not when it is the one that is cut off: unless it reaches at least half of those that are registered,
//! itself counted, it resigns, and lets others try who may reach more. (Half is enough: of two nodes the
//! one that etcd has made president goes on, as etcd is reached by both.)

use crate::member::Registration;
use rgm_types::{Millis, NodeName};
use std::collections::{BTreeMap, BTreeSet};

/// What a president sees.
#[derive(Debug, Clone, Copy)]
pub struct Sight<'a> {
    /// Itself.
    pub me: &'a NodeName,
    /// Who is registered.
    pub members: &'a BTreeMap<NodeName, Registration>,
    /// To whom there is a link.
    pub connected: &'a BTreeMap<NodeName, bool>,
    /// Of whom it knows that nothing runs there, and to whom it has given no order since.
    pub down: &'a BTreeSet<NodeName>,
}

/// Since when who is not reached.
#[derive(Debug, Clone, Default)]
pub struct Reach(BTreeMap<(NodeName, u64), Millis>);

impl Sight<'_> {
    fn is_reached(&self, node: &NodeName) -> bool {
        node == self.me || self.connected.get(node).copied().unwrap_or(false)
    }

    /// It reaches at least half of those that should be there.
    pub fn is_wide(&self) -> bool {
        let there = self.members.iter().filter(|(_, life)| !life.parked && !life.evicted);
        let (all, reached) = there.fold((0_usize, 0_usize), |(all, reached), (node, _)| {
            (all + 1, reached + usize::from(self.is_reached(node)))
        });
        2 * reached >= all
    }
}

impl Reach {
    /// Who is not reached and may be running something, and for how long by now.
    pub fn look(&mut self, now: Millis, sight: Sight<'_>) -> BTreeMap<NodeName, Millis> {
        let missing = sight.members.iter().filter(|(node, life)| {
            !sight.is_reached(node) && !sight.down.contains(*node) && !life.parked && !life.evicted
        });
        let missing: BTreeSet<(NodeName, u64)> =
            missing.map(|(node, life)| (node.clone(), life.incarnation)).collect();
        self.0.retain(|life, _| missing.contains(life));
        let since = missing.into_iter().map(|life| {
            let since = *self.0.entry(life.clone()).or_insert(now);
            (life.0, now.since(since))
        });
        since.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct World {
        members: BTreeMap<NodeName, Registration>,
        connected: BTreeMap<NodeName, bool>,
        down: BTreeSet<NodeName>,
    }

    impl World {
        /// Nodes by one letter: capitals are reached by `a`, the president.
        fn of(nodes: &str) -> Self {
            let name = |letter: char| node(&letter.to_ascii_lowercase().to_string());
            Self {
                members: nodes.chars().map(|letter| (name(letter), life(1))).collect(),
                connected: nodes.chars().map(|letter| (name(letter), letter.is_ascii_uppercase())).collect(),
                down: BTreeSet::new(),
            }
        }

        fn look(&self, reach: &mut Reach, now: Millis) -> Vec<(String, u64)> {
            let found = reach.look(now, self.sight(&node("a")));
            found.into_iter().map(|(node, span)| (node.to_string(), span.0)).collect()
        }

        fn sight<'a>(&'a self, me: &'a NodeName) -> Sight<'a> {
            let Self { members, connected, down } = self;
            Sight { me, members, connected, down }
        }
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn life(incarnation: u64) -> Registration {
        Registration { incarnation, ..Registration::default() }
    }

    #[test]
    fn a_president_acts_where_it_reaches_half_of_the_registered_nodes_itself_counted() {
        for (nodes, wide) in [
            ("a", true),
            ("ab", true),
            ("abc", false),
            ("aBc", true),
            ("abcd", false),
            ("aBcd", true),
            ("aBcde", false),
        ] {
            assert_eq!(World::of(nodes).sight(&node("a")).is_wide(), wide, "{nodes}");
        }
        let mut parked = World::of("abc");
        parked.members.get_mut("b").unwrap().parked = true;
        assert!(
            parked.sight(&node("a")).is_wide(),
            "a node whose daemon ends for a moment counts for nothing"
        );
    }

    #[test]
    fn the_time_a_node_is_not_reached_is_counted_for_each_of_its_lives_anew() {
        let (mut reach, mut world) = (Reach::default(), World::of("aBc"));
        assert_eq!(world.look(&mut reach, Millis(0)), [("c".to_owned(), 0)]);
        assert_eq!(world.look(&mut reach, Millis(9)), [("c".to_owned(), 9)]);
        world.members.insert(node("c"), life(2));
        assert_eq!(world.look(&mut reach, Millis(10)), [("c".to_owned(), 0)]);
        world.connected.insert(node("c"), true);
        assert_eq!(world.look(&mut reach, Millis(11)), []);
        world.connected.insert(node("c"), false);
        assert_eq!(world.look(&mut reach, Millis(20)), [("c".to_owned(), 0)]);
    }

    #[test]
    fn who_is_known_to_run_nothing_or_is_on_its_way_out_or_back_is_left_alone() {
        let mut world = World::of("abcd");
        world.down.insert(node("b"));
        world.members.get_mut("c").unwrap().parked = true;
        world.members.get_mut("d").unwrap().evicted = true;
        assert_eq!(world.look(&mut Reach::default(), Millis(9)), []);
    }
}
