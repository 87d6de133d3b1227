//! The two binaries as users call them, against a socket that speaks the real protocol: names,
//! output, exit codes, errors. What is answered stands in each test.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_api::frame::{self, Call, Decoder, REQUEST_LEN_MAX};
use rgm_api::rgm::{Reply, Request};
use rgm_types::view::{NodeView, Snapshot};
use rgm_types::{
    Command as Change, Done, GetValue, GroupName, GroupState, Method, Millis, NodeName, PlannedStep,
    Progress, PropType, Query, Refusal, ResourceName, SchaErr,
};
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use tempfile::TempDir;

/// A daemon that gives the same answer to every call, and reports what it was asked.
struct Daemon {
    run_dir: TempDir,
    asked: Receiver<Call<Request>>,
}

impl Daemon {
    fn answering(outcome: Result<Reply, Refusal>) -> Self {
        let answer = match outcome {
            Ok(reply) => frame::encode_reply::<Request>(&reply, false),
            Err(refusal) => frame::encode_refusal::<Request>(&refusal),
        };
        Self::saying(answer)
    }

    fn saying(answer: Vec<u8>) -> Self {
        let run_dir = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(run_dir.path().join("rgmd.sock")).unwrap();
        let (heard, asked) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let call = next_call(&mut stream);
                let _ = stream.write_all(&answer);
                if heard.send(call).is_err() {
                    return;
                }
                // The connection stays open until the caller closes it.
                let _ = stream.read(&mut [0]);
            }
        });
        Self { run_dir, asked }
    }

    fn asked(&self) -> Request {
        self.asked.recv_timeout(Duration::from_secs(30)).unwrap().request
    }
}

fn next_call(stream: &mut UnixStream) -> Call<Request> {
    let (mut decoder, mut buffer) = (Decoder::new(REQUEST_LEN_MAX), [0; 4096]);
    while !decoder.has_message().unwrap() {
        let len = stream.read(&mut buffer).unwrap();
        assert_ne!(len, 0);
        decoder.push(&buffer[..len]);
    }
    frame::decode_call(decoder.pop().unwrap().unwrap()).unwrap()
}

/// A command called by its own name.
fn command(run_dir: &Path, line: &[&str]) -> Command {
    let name = line[0];
    let binary =
        if name.starts_with("scha_") { env!("CARGO_BIN_EXE_scha") } else { env!("CARGO_BIN_EXE_scadm") };
    let mut command = Command::new(binary);
    command.arg0(format!("/usr/cluster/bin/{name}")).args(&line[1..]);
    command.env("RGM_RUN_DIR", run_dir).env_remove("RGM_NODE").env_remove("RGM_RTREG_PATH");
    command
}

fn run(run_dir: &Path, line: &[&str]) -> (i32, String, String) {
    told(&command(run_dir, line).stdin(Stdio::null()).output().unwrap())
}

fn told(output: &Output) -> (i32, String, String) {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn snapshot() -> Snapshot {
    let node = NodeView {
        name: NodeName::new("phys-1").unwrap(),
        id: 1,
        up: true,
        loads: Default::default(),
        evacuated_for: None,
        attrs: Default::default(),
    };
    Snapshot {
        cluster: "demo".into(),
        props: Default::default(),
        generation: 1,
        nodes: vec![node],
        types: vec![],
        groups: vec![],
        resources: vec![],
    }
}

#[test]
fn a_value_is_printed_and_the_question_is_what_was_typed() {
    let answer = GetValue::Extension { prop_type: PropType::String, lines: vec!["/etc/dns".into()] };
    let daemon = Daemon::answering(Ok(Reply::Value(answer)));
    let line = ["scha_resource_get", "-O", "Extension", "-R", "dns-rs", "-G", "dns-rg", "Confdir"];
    assert_eq!(run(daemon.run_dir.path(), &line), (0, "STRING\n/etc/dns\n".into(), String::new()));
    let asked = Query::Resource {
        tag: "Extension".into(),
        resource: "dns-rs".into(),
        group: Some("dns-rg".into()),
        args: vec!["Confdir".into()],
    };
    assert_eq!(daemon.asked(), Request::Get(asked));
    let json = run(daemon.run_dir.path(), &["scha_cluster_get", "--json", "-O", "CLUSTERNAME"]);
    assert_eq!(json.1, "{\"type\":\"STRING\",\"value\":\"/etc/dns\"}\n");
}

#[test]
fn a_refusal_is_its_exit_code_and_three_kinds_of_lines_on_standard_error() {
    let mut refusal =
        Refusal::new(SchaErr::Method, "resource dns-rs: Validate refused it on phys-1", "correct Confdir");
    refusal.output = vec!["named.conf is missing".into()];
    let daemon = Daemon::answering(Err(refusal));
    let expected = |name: &str| {
        let text =
            "resource dns-rs: Validate refused it on phys-1\n  correct Confdir\nnamed.conf is missing\n";
        (10, String::new(), format!("{name}: {text}"))
    };
    let run_dir = daemon.run_dir.path();
    assert_eq!(run(run_dir, &["scrgadm", "-c", "-j", "dns-rs", "-x", "Confdir=/x"]), expected("scrgadm"));
    assert_eq!(run(run_dir, &["scswitch", "-Z"]), expected("scswitch"));
    assert_eq!(run(run_dir, &["scstat"]), expected("scstat"));
    assert_eq!(
        run(run_dir, &["scha_control", "-O", "RESTART", "-G", "g", "-R", "r"]),
        expected("scha_control")
    );
}

#[test]
fn every_refusal_has_the_exit_code_of_its_meaning() {
    for code in SchaErr::ALL {
        let daemon = Daemon::answering(Err(Refusal::new(code, "no", "")));
        let line = ["scha_resourcegroup_get", "-O", "RG_STATE", "-G", "g"];
        let said = run(daemon.run_dir.path(), &line);
        assert_eq!(said, (i32::from(code.code()), String::new(), "scha_resourcegroup_get: no\n".into()));
    }
}

#[test]
fn without_a_daemon_the_answer_is_5_and_says_where_it_was_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    for line in [&["scstat"][..], &["scha_cluster_get", "-O", "CLUSTERNAME"], &["scswitch", "-Z"]] {
        let (code, out, err) = run(dir.path(), line);
        assert_eq!((code, out.as_str()), (5, ""));
        assert!(err.starts_with(line[0]) && err.contains(dir.path().to_str().unwrap()), "{err}");
    }
}

#[test]
fn a_change_is_silent_in_a_pipe_and_remarks_go_to_standard_error() {
    let done = Done { messages: vec!["resource group dns-rg is suspended".into()], plan: vec![] };
    let daemon = Daemon::answering(Ok(Reply::Done(done)));
    let said = run(daemon.run_dir.path(), &["scswitch", "-F", "-g", "dns-rg"]);
    assert_eq!(said, (0, String::new(), "scswitch: resource group dns-rg is suspended\n".into()));
    let Request::Change { command: Change::Offline { groups, .. }, dry_run: false } = daemon.asked() else {
        panic!("something else was asked");
    };
    assert_eq!(groups.iter().map(|g| g.as_str()).collect::<Vec<_>>(), ["dns-rg"]);
}

#[test]
fn a_dry_run_is_asked_for_as_such_and_prints_the_plan() {
    let step = PlannedStep {
        wave: 1,
        node: NodeName::new("phys-1").unwrap(),
        resource: ResourceName::new("dns-rs").unwrap(),
        method: Method::Start,
    };
    let daemon = Daemon::answering(Ok(Reply::Done(Done { messages: vec![], plan: vec![step] })));
    let (code, out, err) = run(daemon.run_dir.path(), &["scswitch", "-Z", "-g", "dns-rg", "--dry-run"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("   1. START of dns-rs on phys-1\n"), "{out}");
    assert!(matches!(daemon.asked(), Request::Change { dry_run: true, .. }));
}

#[test]
fn a_type_is_registered_with_the_text_of_the_file_found_under_its_name() {
    let daemon = Daemon::answering(Ok(Reply::Done(Done::default())));
    let rtreg = tempfile::tempdir().unwrap();
    let text = "Resource_type = sample;\nVendor_id = SUNW;\nRT_basedir = /opt/x;\nRT_version = \"1.0\";\n\
        API_version = 2;\nStart = start;\nStop = stop;\n";
    std::fs::write(rtreg.path().join("SUNW.sample"), text).unwrap();
    let output = command(daemon.run_dir.path(), &["scrgadm", "-a", "-t", "SUNW.sample", "--dry-run"])
        .env("RGM_RTREG_PATH", rtreg.path())
        .output()
        .unwrap();
    assert_eq!(told(&output), (0, "no method would run\n".into(), String::new()));
    let Request::RegisterType { text: sent, file, installed_nodes: None, dry_run: true } = daemon.asked()
    else {
        panic!("something else was asked");
    };
    assert_eq!(sent, text);
    assert_eq!(Path::new(&file), rtreg.path().join("SUNW.sample"));
}

#[test]
fn status_and_names_are_read_from_the_snapshot() {
    let daemon = Daemon::answering(Ok(Reply::Snapshot(snapshot())));
    let run_dir = daemon.run_dir.path();
    let (code, out, err) = run(run_dir, &["scstat", "-n"]);
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.ends_with("\n  Cluster node:     phys-1              Online\n"), "{out}");
    assert_eq!(run(run_dir, &["scadm", "names", "nodes"]), (0, "phys-1\n".into(), String::new()));
    assert_eq!(run(run_dir, &["scadm", "scrgadm", "-p"]), (0, String::new(), String::new()));
    assert_eq!(run(run_dir, &["scstat", "-h", "phys-2"]).0, 11);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let daemon = Daemon::answering(Ok(Reply::Value(GetValue::List(vec!["x".repeat(1000); 1000]))));
    let mut child = command(daemon.run_dir.path(), &["scha_cluster_get", "-O", "ALL_NODENAMES"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let (code, _, err) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, err.as_str()), (0, ""));
}

#[test]
fn an_interrupted_change_says_that_it_goes_on_and_exits_130() {
    // No answer: the change is under way until the caller is gone.
    let daemon = Daemon::saying(Vec::new());
    let child = command(daemon.run_dir.path(), &["scswitch", "-Z", "-g", "dns-rg"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert!(matches!(daemon.asked(), Request::Change { dry_run: false, .. }));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let (code, out, err) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, out.as_str()), (130, ""));
    assert!(err.starts_with("scswitch: interrupted: what was asked for goes on in rgmd\n"), "{err}");
}

#[test]
fn a_name_the_binaries_do_not_answer_to_is_refused_with_those_they_do() {
    let dir = tempfile::tempdir().unwrap();
    let (code, _, err) = run(dir.path(), &["scadm", "clxx"]);
    assert_eq!(code, 3);
    assert!(err.contains("there is no command \"clxx\"") && err.contains("scrgadm scswitch scstat"), "{err}");
    let (code, _, err) = run(dir.path(), &["scha_get"]);
    assert_eq!(code, 3);
    assert!(err.contains("one of: scha_resource_get"), "{err}");
    assert_eq!(run(dir.path(), &["scadm", "man", "clxx"]).0, 3);
    let (code, out, _) = run(dir.path(), &["scstat", "--version"]);
    assert_eq!((code, out), (0, format!("scstat {}\n", env!("CARGO_PKG_VERSION"))));
}

/// What a command writes to its standard error when that is a terminal.
fn on_terminal(mut command: Command) -> String {
    let pty = nix::pty::openpty(None, None).unwrap();
    let mut child = command.stderr(Stdio::from(pty.slave)).stdout(Stdio::null()).spawn().unwrap();
    drop(command);
    let (mut written, mut buffer) = (Vec::new(), [0; 4096]);
    // A terminal whose last writer is gone is at its end, or says EIO.
    while let Ok(len @ 1..) = nix::unistd::read(&pty.master, &mut buffer) {
        written.extend_from_slice(&buffer[..len]);
    }
    assert!(child.wait().unwrap().success());
    String::from_utf8(written).unwrap()
}

#[test]
fn a_terminal_shows_what_runs_where_and_is_left_clean() {
    let node = || NodeName::new("phys-1").unwrap();
    let resource = || ResourceName::new("dns-rs").unwrap();
    let method = Method::Start;
    let news = [
        Progress::MethodStarted { node: node(), resource: resource(), method, timeout_secs: 300 },
        Progress::MethodEnded { node: node(), resource: resource(), method, ok: false, used: Millis(1200) },
        Progress::GroupState {
            group: GroupName::new("dns-rg").unwrap(),
            node: node(),
            state: GroupState::OnlineFaulted,
        },
    ];
    let mut answer: Vec<u8> = news
        .into_iter()
        .flat_map(|progress| frame::encode_reply::<Request>(&Reply::Progress(progress), true))
        .collect();
    answer.extend(frame::encode_reply::<Request>(&Reply::Done(Done::default()), false));
    let daemon = Daemon::saying(answer);
    let line = ["scswitch", "-Z", "-g", "dns-rg"];
    let mut plain = command(daemon.run_dir.path(), &line);
    plain.env("NO_COLOR", "1");
    let wipe = "\r\u{1b}[K";
    let shown = on_terminal(plain);
    for text in [
        "START of dns-rs runs on phys-1: 0 s of at most 300 s",
        "START of dns-rs failed on phys-1 after 1.2 s\r\n",
        "dns-rg: Online faulted on phys-1\r\n",
    ] {
        assert!(shown.contains(&format!("{wipe}{text}")), "{text:?} in {shown:?}");
    }
    assert!(shown.ends_with(&format!("\r\n{wipe}")), "{shown:?}");
    let mut coloured = command(daemon.run_dir.path(), &line);
    coloured.env_remove("NO_COLOR");
    assert!(on_terminal(coloured).contains("\u{1b}[31mdns-rg: Online faulted on phys-1\u{1b}[0m"));
}
