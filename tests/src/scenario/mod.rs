//! Scenarios: the core's behaviour as stories in plain text (`tests/scenarios/*.txt`).
//!
//! A line that is not indented is a step, written as an operator or an observer would tell it; the
//! indented lines under it are what follows from it. Lines with `#` are for the reader. Playing a
//! story gives it back with what really follows, so a story is right when it comes back unchanged.
//!
//! ```text
//! scswitch -z -g g -h phys-2
//!     run STOP r on phys-1
//!     g on phys-1 is PENDING_OFFLINE
//! STOP r on phys-1 ok
//!     run START r on phys-2
//! ```
//!
//! After every step the core's rules are checked, no two methods of a resource may overlap, and a
//! further look of the core at its state must order nothing more. `step.rs` has the steps,
//! `command.rs` the commands among them, `world.rs` what is around the core, `tell.rs` and `show.rs`
//! how it is told. `live.rs` plays a story with the real daemons.

mod command;
pub mod live;
mod options;
mod show;
mod step;
mod tell;
mod world;

use anyhow::Result;

/// A story as it was played.
#[derive(Debug)]
pub struct Played {
    /// The story with what really follows from each step.
    pub told: String,
    /// Where it could not go on, and why.
    pub failure: Option<String>,
}

/// Plays a story. One that can not go on is given back as far as it went.
pub fn play(story: &str) -> Played {
    let mut world = world::World::default();
    let mut told = String::new();
    for (number, line) in story.lines().enumerate().filter(|(_, line)| !line.starts_with(' ')) {
        told.push_str(line.trim_end());
        told.push('\n');
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        let failure = take(&mut world, line).err().map(|e| format!("line {}: {line}: {e:#}", number + 1));
        for line in world.follows() {
            told.push_str("    ");
            told.push_str(line.trim_end());
            told.push('\n');
        }
        if failure.is_some() {
            return Played { told, failure };
        }
    }
    Played { told, failure: None }
}

fn take(world: &mut world::World, line: &str) -> Result<()> {
    world.take(line, &step::parse(line)?)
}
