//! Changes that take a while: what a terminal shows meanwhile, and what an interrupt means.
//!
//! rgmd reports what it starts and ends. On a terminal one line at the foot of it is kept up to
//! date: which method runs where, and for how long. In a pipe nothing is shown.

use crate::ask::{self, Change};
use crate::failure::Failure;
use nix::sys::signal::{SigSet, Signal};
use rgm_types::{Done, GroupState, Method, Millis, NodeName, Progress, ResourceName};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::Once;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How often the line is drawn anew. A second is what it counts in.
const REDRAW: Duration = Duration::from_secs(1);
/// Columns the line may take: it must not wrap, or it could not be wiped.
const WIDTH: usize = 79;
/// Back to the first column, and the rest of the line empty.
const WIPE: &str = "\r\x1b[K";

/// Exit code of a command ended by Ctrl-C.
const EXIT_INTERRUPTED: i32 = 130;

/// Who asks, and how.
#[derive(Debug, Clone, Copy)]
pub struct Voice {
    /// The command.
    pub applet: &'static str,
    /// The command that shows what came of it.
    pub status: &'static str,
    /// Say what happens also where no terminal is.
    pub verbose: bool,
}

impl Voice {
    /// A command of the older kind.
    pub fn of(applet: &'static str) -> Self {
        Self { applet, status: "scstat -g", verbose: false }
    }
}

/// Asks for a change and returns what to print.
pub fn change(voice: Voice, change: Change, dry_run: bool) -> Result<String, Failure> {
    if dry_run {
        return ask::change(change, true, None).map(|done| plan(&done));
    }
    let terminal = std::io::stderr().is_terminal();
    static SAID: Once = Once::new();
    SAID.call_once(|| say_on_interrupt(voice, terminal));
    let done = match (terminal, voice.verbose) {
        (true, _) => change_on_terminal(change)?,
        (false, true) => change_told(change)?,
        (false, false) => ask::change(change, false, None)?,
    };
    let applet = voice.applet;
    let remarks: String = done.messages.iter().map(|m| format!("{applet}: {m}\n")).collect();
    let _ = std::io::stderr().write_all(remarks.as_bytes());
    Ok(String::new())
}

/// True unless the user does not want any.
pub fn colour_wanted() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// What a dry run found out.
fn plan(done: &Done) -> String {
    let mut text: String = done.messages.iter().flat_map(|m| [m, "\n"]).collect();
    if done.plan.is_empty() {
        text.push_str("no method would run\n");
        return text;
    }
    text.push_str("these methods would run; those with the same number at the same time:\n");
    for step in &done.plan {
        text.push_str(&format!("{:4}. {} of {} on {}\n", step.wave, step.method, step.resource, step.node));
    }
    text
}

/// Without a terminal: a line for every failed method and every new state of a group.
fn change_told(change: Change) -> Result<Done, Failure> {
    let mut board = Board::default();
    let mut tell = |progress| {
        if let Some(note) = board.take(progress, Instant::now()) {
            let _ = std::io::stderr().write_all(note.line(false).as_bytes());
        }
    };
    ask::change(change, false, Some(&mut tell))
}

/// From now on SIGINT is taken by a thread that says what it means and ends the command.
fn say_on_interrupt(voice: Voice, terminal: bool) {
    let Voice { applet, status, .. } = voice;
    let mut set = SigSet::empty();
    set.add(Signal::SIGINT);
    if set.thread_block().is_err() {
        return;
    }
    std::thread::spawn(move || {
        if set.wait().is_ok() {
            let wipe = if terminal { WIPE } else { "" };
            let message = format!(
                "{wipe}{applet}: interrupted: what was asked for goes on in rgmd\n  see what comes of it: {status}\n"
            );
            let _ = std::io::stderr().write_all(message.as_bytes());
            std::process::exit(EXIT_INTERRUPTED);
        }
    });
}

fn change_on_terminal(change: Change) -> Result<Done, Failure> {
    let colour = colour_wanted();
    let (news, heard) = mpsc::channel();
    let painter = std::thread::spawn(move || paint(&heard, colour));
    let mut tell = |progress| {
        let _ = news.send(progress);
    };
    let done = ask::change(change, false, Some(&mut tell));
    drop(news);
    let _ = painter.join();
    done
}

fn paint(heard: &Receiver<Progress>, colour: bool) {
    let mut board = Board::default();
    loop {
        let above = match heard.recv_timeout(REDRAW) {
            Ok(progress) => board.take(progress, Instant::now()),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => break,
        };
        let above = above.map(|note| note.line(colour)).unwrap_or_default();
        let line = board.line(Instant::now());
        let _ = std::io::stderr().write_all(format!("{WIPE}{above}{line}").as_bytes());
    }
    let _ = std::io::stderr().write_all(WIPE.as_bytes());
}

/// What runs now.
#[derive(Debug, Default)]
struct Board {
    running: BTreeMap<(ResourceName, NodeName, Method), Running>,
}

#[derive(Debug)]
struct Running {
    since: Instant,
    timeout_secs: u64,
}

/// Something worth keeping on the screen.
#[derive(Debug, PartialEq)]
struct Note {
    text: String,
    good: bool,
}

impl Board {
    fn take(&mut self, progress: Progress, now: Instant) -> Option<Note> {
        match progress {
            Progress::MethodStarted { node, resource, method, timeout_secs } => {
                self.running.insert((resource, node, method), Running { since: now, timeout_secs });
                None
            }
            Progress::MethodEnded { node, resource, method, ok, used } => {
                let text = format!("{method} of {resource} failed on {node} after {}", seconds(used));
                self.running.remove(&(resource, node, method));
                (!ok).then_some(Note { text, good: false })
            }
            Progress::GroupState { group, node, state } => {
                let good = !matches!(state, GroupState::OnlineFaulted | GroupState::ErrorStopFailed);
                Some(Note { text: format!("{group}: {} on {node}", state.phrase()), good })
            }
        }
    }

    /// The line at the foot: what has been running longest, and how many others do.
    fn line(&self, now: Instant) -> String {
        let Some(((resource, node, method), run)) = self.running.iter().min_by_key(|(_, run)| run.since)
        else {
            return String::new();
        };
        let since = now.saturating_duration_since(run.since).as_secs();
        let mut line =
            format!("{method} of {resource} runs on {node}: {since} s of at most {} s", run.timeout_secs);
        if self.running.len() > 1 {
            line.push_str(&format!(", and {} more", self.running.len() - 1));
        }
        line.truncate(WIDTH);
        line
    }
}

impl Note {
    fn line(&self, colour: bool) -> String {
        match (colour, self.good) {
            (false, _) => format!("{}\n", self.text),
            (true, true) => format!("\x1b[32m{}\x1b[0m\n", self.text),
            (true, false) => format!("\x1b[31m{}\x1b[0m\n", self.text),
        }
    }
}

fn seconds(span: Millis) -> String {
    format!("{}.{} s", span.0 / 1000, span.0 % 1000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_types::{GroupName, PlannedStep};

    fn started(resource: &str) -> Progress {
        Progress::MethodStarted {
            node: NodeName::new("phys-1").unwrap(),
            resource: ResourceName::new(resource).unwrap(),
            method: Method::Start,
            timeout_secs: 300,
        }
    }

    fn ended(resource: &str, ok: bool) -> Progress {
        Progress::MethodEnded {
            node: NodeName::new("phys-1").unwrap(),
            resource: ResourceName::new(resource).unwrap(),
            method: Method::Start,
            ok,
            used: Millis(12_340),
        }
    }

    #[test]
    fn the_line_shows_the_method_that_runs_longest_and_how_many_others_do() {
        let begin = Instant::now();
        let mut board = Board::default();
        assert_eq!(board.line(begin), "");
        assert_eq!(board.take(started("dns-rs"), begin), None);
        let later = begin + Duration::from_secs(12);
        assert_eq!(board.line(later), "START of dns-rs runs on phys-1: 12 s of at most 300 s");
        board.take(started("a-rs"), later);
        assert_eq!(board.line(later), "START of dns-rs runs on phys-1: 12 s of at most 300 s, and 1 more");
        board.take(ended("dns-rs", true), later);
        assert_eq!(board.line(later), "START of a-rs runs on phys-1: 0 s of at most 300 s");
        board.take(started(&"x".repeat(100)), begin);
        assert_eq!(board.line(later).len(), WIDTH);
    }

    #[test]
    fn failed_methods_and_new_states_stay_on_the_screen() {
        let now = Instant::now();
        let mut board = Board::default();
        assert_eq!(board.take(ended("dns-rs", true), now), None);
        let failed = board.take(ended("dns-rs", false), now).unwrap();
        assert_eq!(failed.line(false), "START of dns-rs failed on phys-1 after 12.3 s\n");
        assert_eq!(failed.line(true), "\x1b[31mSTART of dns-rs failed on phys-1 after 12.3 s\x1b[0m\n");
        let state = Progress::GroupState {
            group: GroupName::new("dns-rg").unwrap(),
            node: NodeName::new("phys-2").unwrap(),
            state: GroupState::PendingOnline,
        };
        let state = board.take(state, now).unwrap();
        assert_eq!(state.line(true), "\x1b[32mdns-rg: Pending online on phys-2\x1b[0m\n");
    }

    #[test]
    fn a_dry_run_prints_remarks_and_the_methods_in_their_order() {
        let step = |wave, method| PlannedStep {
            wave,
            node: NodeName::new("phys-1").unwrap(),
            resource: ResourceName::new("dns-rs").unwrap(),
            method,
        };
        let mut done = Done { messages: vec!["resource group dns-rg would be managed".into()], plan: vec![] };
        assert_eq!(plan(&done), "resource group dns-rg would be managed\nno method would run\n");
        done.plan = vec![step(1, Method::Init), step(2, Method::Start)];
        assert_eq!(
            plan(&done),
            "resource group dns-rg would be managed\n\
             these methods would run; those with the same number at the same time:\n   \
             1. INIT of dns-rs on phys-1\n   2. START of dns-rs on phys-1\n"
        );
    }
}
