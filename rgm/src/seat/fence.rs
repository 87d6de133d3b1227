//! Fencing: the devices of a node are asked, level by level, to cut it off.
//!
//! An agent is a program that speaks the protocol of Debian's package `fence-agents`: what is asked, and
//! of what, stands on its standard input as lines `name=value`; 0 is its answer when it has been done
//! and seen to be so. No shell is between, and nothing secret is in its arguments. One that does not
//! answer in time is killed, with all it has started.

use crate::settings::fence::{Action, Device, Fence};
use methods::run::{self, MethodResult, Order, Place};
use rgm_types::NodeName;
use rustix::pipe::{PipeFlags, pipe_with};
use std::cell::Cell;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;

/// Where agents find the programs they use.
const PATH: &str = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";

/// Asks the devices.
#[derive(Debug)]
pub struct Fencer {
    fence: Fence,
    /// Where agents run: they end with this node.
    cgroup: Option<PathBuf>,
    runs: Cell<u64>,
}

/// What one device is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Off,
    On,
    Reboot,
}

impl Word {
    fn text(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::On => "on",
            Self::Reboot => "reboot",
        }
    }
}

/// What the devices of a level are asked, one after the other.
struct Steps<'a> {
    /// When all of these were answered the node is dead.
    off: Vec<(&'a Device, Word)>,
    /// Brings it back.
    on: Vec<(&'a Device, Word)>,
}

impl<'a> Steps<'a> {
    /// A machine with two supplies is dead only while both are off.
    fn of(level: &[&'a Device]) -> Self {
        if let [only] = level {
            let word = if only.action == Action::Off { Word::Off } else { Word::Reboot };
            return Self { off: vec![(only, word)], on: Vec::new() };
        }
        let reboots = level.iter().filter(|device| device.action == Action::Reboot);
        Self {
            off: level.iter().map(|device| (*device, Word::Off)).collect(),
            on: reboots.map(|device| (*device, Word::On)).collect(),
        }
    }
}

impl Fencer {
    /// With these devices.
    pub fn new(fence: Fence, cgroup: Option<PathBuf>) -> Self {
        Self { fence, cgroup, runs: Cell::new(0) }
    }

    /// Whether a node has devices, and how long to hesitate before they are asked.
    pub fn delay(&self, node: &NodeName) -> Option<std::time::Duration> {
        self.fence.get(node).filter(|fenced| !fenced.device.is_empty()).map(|fenced| fenced.delay)
    }

    /// What would be asked, a line a device.
    pub fn plan(&self, node: &NodeName) -> Vec<String> {
        let levels = self.fence.get(node).map(|fenced| fenced.levels()).unwrap_or_default();
        let lines = levels.iter().flat_map(|level| {
            let Steps { off, on } = Steps::of(level);
            off.into_iter().chain(on).map(|(device, word)| {
                let (agent, timeout) = (device.agent.display(), device.timeout);
                format!("level {}: {agent} {}, within {timeout:?}", device.level, word.text())
            })
        });
        lines.collect()
    }

    /// Asks them, until all of a level have confirmed. `still` says before each level why that is no
    /// longer wanted. The error tells of every device that failed.
    pub async fn fence(
        &self,
        node: &NodeName,
        still: impl AsyncFn() -> Result<(), String>,
    ) -> Result<(), Vec<String>> {
        let mut failures = Vec::new();
        let levels = self.fence.get(node).map(|fenced| fenced.levels()).unwrap_or_default();
        for level in &levels {
            if let Err(why) = still().await {
                failures.push(why);
                return Err(failures);
            }
            let Steps { off, on } = Steps::of(level);
            match self.all(node, off).await {
                Ok(()) => {
                    if let Err(failure) = self.all(node, on).await {
                        tracing::error!("fencing: node {node} is off, and stays off: {failure}");
                    }
                    return Ok(());
                }
                Err(failure) => {
                    tracing::error!("fencing: {failure}");
                    failures.push(failure);
                }
            }
        }
        Err(failures)
    }

    async fn all(&self, node: &NodeName, steps: Vec<(&Device, Word)>) -> Result<(), String> {
        for (device, word) in steps {
            let about = format!("{} {} of node {node}", device.agent.display(), word.text());
            tracing::warn!("fencing: {about} begins");
            self.ask(node, device, word).await.map_err(|why| format!("{about}: {why}"))?;
            tracing::warn!("fencing: {about} is confirmed");
        }
        Ok(())
    }

    /// One device; says why it did not confirm.
    async fn ask(&self, node: &NodeName, device: &Device, word: Word) -> Result<(), String> {
        self.runs.set(self.runs.get() + 1);
        let name = format!("fence-{}-{}", node, self.runs.get());
        let order = Order {
            program: device.agent.clone(),
            args: Vec::new(),
            env: vec![PATH.into(), "LC_ALL=C".into()],
            tag: "fencing:".to_owned(),
            timeout: device.timeout,
            cgroup: self.cgroup.clone().map(|parent| Place { parent, name }),
        };
        let input = input(&format!("action={}\n{}", word.text(), device.options.lines()));
        let input = input.map_err(|error| format!("no pipe to it: {error}"))?;
        let running = run::start_reading(&order, input.as_fd()).map_err(|error| rgm_api::chain(&error))?;
        drop(input);
        let outcome = running.wait(|line| tracing::info!("fencing: {node}: {line}")).await;
        let said = outcome.output.last().map(|line| format!(": {line}")).unwrap_or_default();
        match outcome.result {
            MethodResult::Exited(0) => Ok(()),
            MethodResult::Exited(code) => Err(format!("it fails with {code}{said}")),
            MethodResult::Signalled(signal) => Err(format!("it was ended by signal {signal}{said}")),
            MethodResult::TimedOut => Err(format!("no answer within {:?}{said}", device.timeout)),
            MethodResult::Killed => Err(format!("it was killed{said}")),
            MethodResult::NotStarted(why) => Err(why),
        }
    }
}

/// A pipe with all of that in it, and nobody at its other end.
fn input(text: &str) -> io::Result<OwnedFd> {
    let (read, write) = pipe_with(PipeFlags::CLOEXEC)?;
    File::from(write).write_all(text.as_bytes())?;
    Ok(read)
}

#[cfg(test)]
mod tests;
