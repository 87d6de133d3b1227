//! A schedule: everything that happens in a world, choice by choice.
//!
//! Steps name what they concern loosely ("the START of r1 on n1 ends"), and a step that has nothing
//! to act on does nothing. So any part of a schedule is a schedule, which is what shrinking needs.
//! As a file it is lines of JSON: what it is about, then a step a line.

use anyhow::{Context, Result};
use rgm_core::Ending;
use rgm_types::{Command, Method, NodeName, ResourceName};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The first line of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Heading {
    /// What it found, or why it is kept.
    pub about: String,
    /// Nodes `n1` to `nN`, all up in the beginning.
    pub nodes: usize,
}

/// Everything that happens in a world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// See [`Heading`].
    pub heading: Heading,
    /// In this order.
    pub steps: Vec<Step>,
}

/// When the president hears that a method has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Heard {
    /// At once.
    Now,
    /// At once, and once more at the next [`Step::Hear`].
    Twice,
    /// At the next [`Step::Hear`], or from the node's report to the next president.
    Late,
}

/// How far one step's output is carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cut {
    /// Killed before the commit.
    Commit,
    /// Killed after the commit.
    Records,
    /// Killed after the journal records.
    Actions,
    /// Killed after the actions, before anybody is answered.
    Replies,
}

/// One thing that happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Step {
    /// Somebody asks for something.
    Ask {
        /// The node he speaks for.
        from: NodeName,
        /// What.
        command: Command,
    },
    /// Somebody asks what a command would do. It must leave no trace.
    DryRun {
        /// The node he speaks for.
        from: NodeName,
        /// What.
        command: Command,
    },
    /// A method under way ends.
    End {
        /// Where.
        node: NodeName,
        /// Whose.
        resource: ResourceName,
        /// Which.
        method: Method,
        /// How.
        ending: Ending,
        /// When the president hears of it.
        heard: Heard,
    },
    /// All methods under way end well, and what follows from that, until nothing is under way.
    Calm,
    /// What was told late arrives.
    Hear,
    /// Messages to a node take their time.
    Hold {
        /// Which.
        node: NodeName,
    },
    /// Messages to a node arrive again, with those held back, or without them.
    Release {
        /// Which.
        node: NodeName,
        /// Those held back never arrive.
        lost: bool,
    },
    /// A node loses its power.
    Crash {
        /// Which.
        node: NodeName,
    },
    /// A node that was down boots and joins.
    Join {
        /// Which.
        node: NodeName,
    },
    /// A node's link broke and came back: it reports once more what its journal holds.
    Report {
        /// Which.
        node: NodeName,
    },
    /// The aborts that were ordered take effect.
    Aborted {
        /// The nodes boot at once.
        back: bool,
    },
    /// The daemons of all nodes are killed with their methods, and come back. Each bit of `luck`
    /// says whether a method had just ended well.
    KillDaemons {
        /// See above.
        luck: u64,
    },
    /// Another president: the core is loaded anew while the nodes and their methods go on.
    President,
    /// The whole cluster loses its power and boots.
    Blackout,
    /// The next output is carried out only so far; then the daemons are killed as above.
    Cut {
        /// Up to here.
        at: Cut,
        /// See [`Step::KillDaemons`].
        luck: u64,
    },
    /// The next output is carried out only so far; then another president takes over.
    Depose {
        /// Up to here.
        at: Cut,
    },
    /// The next commit is refused.
    RefuseCommit,
    /// Time passes; the wall clock may be set as well.
    Pass {
        /// Milliseconds of the boot clock.
        boot: u64,
        /// Milliseconds the wall clock jumps beside that.
        jump: i64,
    },
    /// PMF gives up a resource's process.
    PmfExceeded {
        /// Where.
        node: NodeName,
        /// Whose.
        resource: ResourceName,
    },
    /// The cluster shuts down; when everything is at rest it loses its power and boots.
    ShutDown,
    /// Everything heals: every node is up, every message arrives, every method ends well. Everything
    /// asked must be answered, everything must come to rest, and what can be online must be.
    Heal,
}

impl Schedule {
    /// Reads a kept schedule.
    pub fn read(file: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let mut lines = text.lines().enumerate();
        let (_, first) = lines.next().with_context(|| format!("{} is empty", file.display()))?;
        let heading = serde_json::from_str(first).with_context(|| format!("{}, line 1", file.display()))?;
        let step = |(i, line): (usize, &str)| {
            serde_json::from_str(line).with_context(|| format!("{}, line {}", file.display(), i + 1))
        };
        let steps = lines.filter(|(_, line)| !line.trim().is_empty()).map(step).collect::<Result<_>>()?;
        Ok(Self { heading, steps })
    }

    /// The text of a file.
    pub fn text(&self) -> Result<String> {
        let mut lines = vec![serde_json::to_string(&self.heading)?];
        for step in &self.steps {
            lines.push(serde_json::to_string(step)?);
        }
        Ok(lines.join("\n") + "\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_reads_back_as_it_was_written() {
        let node = NodeName::new("n1").unwrap();
        let schedule = Schedule {
            heading: Heading { about: "why".to_string(), nodes: 2 },
            steps: vec![Step::Calm, Step::Hold { node }, Step::Pass { boot: 1, jump: -2 }],
        };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.jsonl");
        std::fs::write(&file, schedule.text().unwrap()).unwrap();
        assert_eq!(Schedule::read(&file).unwrap(), schedule);
    }
}
