//! Carrying out what the core decided, in the order that is law: see [`Out`].
//!
//! ```text
//!  writes ─► records ─► actions ─► log ─► progress ─► replies
//!  durable   every      started    nobody is told of a state that a crash could undo
//!            node's
//! ```

use rgm_ccr::StoreError;
use rgm_core::cell::Cell;
use rgm_core::event::{Action, LogLine, Out, RequestId};
use rgm_types::{Done, NodeName, Progress, Refusal, ResourceName, Write};

/// Journal records of one node, in the order of the step.
pub type Records = Vec<(ResourceName, Option<Cell>)>;

/// What can be done to the world. The shell does it; a test writes it down.
pub trait Effects {
    /// Makes one transaction durable.
    fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError>;
    /// Writes records of one node into its journal.
    fn records(&mut self, node: NodeName, records: Records);
    /// Starts something.
    fn act(&mut self, action: Action);
    /// Writes lines to the log.
    fn log(&mut self, lines: &[LogLine]);
    /// Tells a request that asked for more.
    fn progress(&mut self, id: RequestId, progress: Progress);
    /// Answers a request.
    fn reply(&mut self, id: RequestId, answer: Result<Done, Refusal>);
}

/// Carries out one step. On an error nothing of it has happened.
///
/// `pending` are writes of earlier steps that could not be committed and were not required.
pub fn perform(out: Out, pending: &mut Vec<Write>, effects: &mut impl Effects) -> Result<(), StoreError> {
    if !out.writes.is_empty() {
        commit(&out, pending, effects)?;
    }
    for (node, records) in by_node(out.records) {
        effects.records(node, records);
    }
    out.actions.into_iter().for_each(|action| effects.act(action));
    if !out.log.is_empty() {
        effects.log(&out.log);
    }
    out.progress.into_iter().for_each(|(id, progress)| effects.progress(id, progress));
    out.replies.into_iter().for_each(|(id, answer)| effects.reply(id, answer));
    Ok(())
}

fn commit(out: &Out, pending: &mut Vec<Write>, effects: &mut impl Effects) -> Result<(), StoreError> {
    let earlier = pending.len();
    pending.extend(out.writes.iter().cloned());
    match effects.commit(pending) {
        Ok(()) => pending.clear(),
        // What somebody else may decide by now is not done on the strength of a memory.
        Err(error) if out.required || error.is_outdated() => {
            pending.truncate(earlier);
            return Err(error);
        }
        Err(error) => {
            keep_last(pending);
            if earlier == 0 {
                tracing::error!("{}; kept in memory until it can be", rgm_api::chain(&error));
            }
        }
    }
    Ok(())
}

/// Of several writes to one entry only the last counts: what waits stays as small as the configuration.
fn keep_last(writes: &mut Vec<Write>) {
    let mut seen = std::collections::BTreeSet::new();
    writes.reverse();
    writes.retain(|write| seen.insert(write.key()));
    writes.reverse();
}

/// One piece for each node, so that a journal has all records of a step or none.
fn by_node(records: Vec<(NodeName, ResourceName, Option<Cell>)>) -> Vec<(NodeName, Records)> {
    let mut pieces: Vec<(NodeName, Records)> = Vec::new();
    for (node, resource, cell) in records {
        match pieces.iter_mut().find(|(known, _)| *known == node) {
            Some((_, piece)) => piece.push((resource, cell)),
            None => pieces.push((node, vec![(resource, cell)])),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_core::event::{Cause, Level, Token};
    use rgm_types::{Entry, Key, NodeConf, SchaErr};

    /// Writes down what was done; commits fail as often as told.
    #[derive(Default)]
    struct World {
        done: Vec<String>,
        failures: u32,
        deposed: bool,
    }

    impl Effects for World {
        fn commit(&mut self, writes: &[Write]) -> Result<(), StoreError> {
            let keys: Vec<String> = writes.iter().map(|w| w.key().to_string()).collect();
            self.done.push(format!("commit {}", keys.join(" ")));
            if self.deposed {
                return Err(StoreError::Deposed { store: "/var/ccr".into() });
            }
            if self.failures == 0 {
                return Ok(());
            }
            self.failures -= 1;
            Err(StoreError::Full { store: "/var/ccr".into(), source: std::io::ErrorKind::StorageFull.into() })
        }
        fn records(&mut self, node: NodeName, records: Records) {
            let names: Vec<&str> = records.iter().map(|(name, _)| name.as_str()).collect();
            self.done.push(format!("journal of {node}: {}", names.join(" ")));
        }
        fn act(&mut self, action: Action) {
            self.done.push(match action {
                Action::Run(order) => format!("run {}", order.path),
                Action::Kill { token, .. } => format!("kill {}", token.0),
                Action::AbortNode { node, .. } => format!("abort {node}"),
            });
        }
        fn log(&mut self, lines: &[LogLine]) {
            let texts: Vec<&str> = lines.iter().map(|line| line.text.as_str()).collect();
            self.done.push(format!("log {}", texts.join(", ")));
        }
        fn progress(&mut self, id: RequestId, _: Progress) {
            self.done.push(format!("progress of {}", id.0));
        }
        fn reply(&mut self, id: RequestId, answer: Result<Done, Refusal>) {
            self.done.push(format!("reply to {}: {}", id.0, answer.is_ok()));
        }
    }

    fn node(name: &str) -> NodeName {
        NodeName::new(name).unwrap()
    }

    fn write(name: &str) -> Write {
        Write::Put(Entry::Node(NodeConf { name: node(name), id: 1, load_limits: Default::default() }))
    }

    fn cause() -> Cause {
        Cause { event: "a test".into(), rule: "all of it".into() }
    }

    fn everything() -> Out {
        let resource = |name: &str| ResourceName::new(name).unwrap();
        let ended = Progress::MethodEnded {
            node: node("a"),
            resource: resource("r1"),
            method: rgm_types::Method::Start,
            ok: true,
            used: rgm_types::Millis(1),
        };
        Out {
            writes: vec![write("a"), Write::Delete(Key::Cluster)],
            required: true,
            records: vec![
                (node("a"), resource("r1"), None),
                (node("b"), resource("r1"), Some(Cell::default())),
                (node("a"), resource("r2"), None),
            ],
            actions: vec![
                Action::Kill { node: node("b"), token: Token(1) },
                Action::AbortNode { node: node("a"), cause: cause() },
            ],
            log: ["moved", "there"]
                .map(|text| LogLine { level: Level::Info, text: text.into(), cause: cause() })
                .into(),
            progress: vec![(RequestId(1), ended)],
            replies: vec![
                (RequestId(1), Ok(Done::default())),
                (RequestId(2), Err(Refusal::new(SchaErr::State, "no", ""))),
            ],
        }
    }

    #[test]
    fn effects_happen_in_the_order_of_the_fields() {
        let mut world = World::default();
        perform(everything(), &mut Vec::new(), &mut world).unwrap();
        assert_eq!(
            world.done,
            [
                "commit node/a cluster",
                "journal of a: r1 r2",
                "journal of b: r1",
                "kill 1",
                "abort a",
                "log moved, there",
                "progress of 1",
                "reply to 1: true",
                "reply to 2: false",
            ]
        );
    }

    #[test]
    fn after_a_required_commit_that_failed_nothing_else_happens() {
        let mut world = World { failures: 1, ..World::default() };
        let mut pending = vec![write("earlier")];
        let error = perform(everything(), &mut pending, &mut world).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }));
        assert_eq!(world.done, ["commit node/earlier node/a cluster"]);
        assert_eq!(pending, [write("earlier")]);
    }

    #[test]
    fn a_president_that_is_none_any_more_does_nothing_required_or_not() {
        let mut world = World { deposed: true, ..World::default() };
        let out = Out { required: false, ..everything() };
        let error = perform(out, &mut Vec::new(), &mut world).unwrap_err();
        assert!(matches!(error, StoreError::Deposed { .. }));
        assert_eq!(world.done, ["commit node/a cluster"]);
    }

    #[test]
    fn what_was_not_required_goes_before_the_next_commit_and_only_once() {
        let mut world = World { failures: 2, ..World::default() };
        let mut pending = Vec::new();
        let step = |name| Out { writes: vec![write(name)], ..Out::default() };
        for name in ["a", "a", "b"] {
            perform(step(name), &mut pending, &mut world).unwrap();
        }
        perform(step("c"), &mut pending, &mut world).unwrap();
        assert_eq!(
            world.done,
            ["commit node/a", "commit node/a node/a", "commit node/a node/b", "commit node/c"]
        );
    }
}
