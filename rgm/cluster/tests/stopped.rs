//! A process that is stopped for a while: both sides see the end of the link, and the one that wakes
//! up delivers nothing that has waited for it.
//!
//! The other process is this program once more, so there is no harness around it.
#![expect(clippy::unwrap_used, reason = "what is missing fails the test")]

use rgm_cluster::cert;
use rgm_cluster::net::{Hub, HubSetup, Identity, LinkSettings, NetEvent, Peer};
use rgm_types::NodeName;
use rustix::process::{Pid, Signal, kill_process};
use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    match std::env::args().nth(1).as_deref() {
        Some("--peer") => runtime.block_on(peer()),
        Some("--list") => println!("a_stopped_process_is_down_and_wakes_up_to_a_link_that_is_over: test"),
        Some(_) | None => {
            runtime.block_on(a_stopped_process_is_down_and_wakes_up_to_a_link_that_is_over());
            println!("test a_stopped_process_is_down_and_wakes_up_to_a_link_that_is_over ... ok");
        }
    }
}

async fn a_stopped_process_is_down_and_wakes_up_to_a_link_that_is_over() {
    let dir = tempfile::tempdir().unwrap();
    cert::init(dir.path(), "planets").unwrap();
    for node in ["a", "b"] {
        cert::issue(dir.path(), &name(node), &[], 1).unwrap();
    }
    let (a, mut events) = hub(dir.path(), "a").await;
    let mut b = Process::start(dir.path(), &a.address().to_string());
    let address = b.line();
    a.set_peers(vec![Peer { node: name("b"), address, incarnation: 1 }]);
    assert!(matches!(next(&mut events).await, NetEvent::Up { .. }));
    assert_eq!(b.line(), "up");
    assert!(a.send(&name("b"), b"before"));
    assert_eq!(b.line(), "before");

    let pid = Pid::from_child(&b.child);
    kill_process(pid, Signal::STOP).unwrap();
    let stopped = Instant::now();
    assert!(a.send(&name("b"), b"sent to one that is stopped"));
    let NetEvent::Down { why, .. } = next(&mut events).await else { unreachable!("no end") };
    let seen = stopped.elapsed();
    let limit = LinkSettings::default().silence;
    assert!(why.contains("silent") && seen > limit / 2 && seen < limit * 5 / 2, "{why} {seen:?}");

    kill_process(pid, Signal::CONT).unwrap();
    let line = b.line();
    assert!(line.starts_with("down it was silent for"), "{line}");
    assert!(matches!(next(&mut events).await, NetEvent::Up { .. }));
    assert_eq!(b.line(), "up");
    assert!(a.send(&name("b"), b"after"));
    assert_eq!(b.line(), "after");
}

/// Prints its address, and then what happens.
async fn peer() {
    let args: Vec<String> = std::env::args().collect();
    let (hub, mut events) = hub(Path::new(&args[2]), "b").await;
    hub.set_peers(vec![Peer { node: name("a"), address: args[3].clone(), incarnation: 1 }]);
    say(&hub.address().to_string());
    while let Some(event) = events.recv().await {
        match event {
            NetEvent::Up { .. } => say("up"),
            NetEvent::Down { why, .. } => say(&format!("down {why}")),
            NetEvent::Message { bytes, .. } => say(std::str::from_utf8(&bytes).unwrap()),
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    writeln!(out, "{line}").and_then(|()| out.flush()).unwrap();
}

async fn hub(dir: &Path, node: &str) -> (Hub, UnboundedReceiver<NetEvent>) {
    let path = |end: &str| dir.join(format!("{node}.{end}"));
    let setup = HubSetup {
        cluster: "planets".to_owned(),
        me: name(node),
        incarnation: 1,
        listen: ([127, 0, 0, 1], 0).into(),
        identity: Identity { ca: dir.join("ca.crt"), cert: path("crt"), key: path("key") },
        settings: LinkSettings::default(),
        asides: tokio::sync::mpsc::unbounded_channel().0,
    };
    let (sender, events) = unbounded_channel();
    (Hub::start(setup, sender).await.unwrap(), events)
}

fn name(text: &str) -> NodeName {
    NodeName::new(text).unwrap()
}

async fn next(events: &mut UnboundedReceiver<NetEvent>) -> NetEvent {
    timeout(PATIENCE, events.recv()).await.unwrap().unwrap()
}

/// The other process; it ends with this value.
struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(dir: &Path, address: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let mut child = command.arg("--peer").arg(dir).arg(address).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        self.lines.next().unwrap().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
