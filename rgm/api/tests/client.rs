//! Commands against a real socket: what they get, and what they are told when they get nothing.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_api::frame::{self, Decoder, REQUEST_LEN_MAX};
use rgm_api::paths::{self, Paths};
use rgm_api::rgm::{Connection, Failure, Info, Reply, Request};
use rgm_types::{
    Command, Done, GetValue, GroupName, GroupState, NodeName, Progress, Query, Refusal, SchaErr,
};
use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::thread::JoinHandle;
use std::time::Duration;

fn paths_in(dir: &Path) -> Paths {
    let dir = dir.to_owned();
    Paths::from_vars(move |name| (name == paths::RUN_DIR).then(|| OsString::from(&dir))).unwrap()
}

/// Answers calls on the first connection, one after the other, with the bytes `answer` gives.
fn serve(socket: &Path, answer: impl Fn(frame::Call<Request>) -> Vec<u8> + Send + 'static) -> JoinHandle<()> {
    let listener = UnixListener::bind(socket).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut decoder = Decoder::new(REQUEST_LEN_MAX);
        while let Some(call) = next_call(&mut stream, &mut decoder) {
            if stream.write_all(&answer(call)).is_err() {
                return;
            }
        }
    })
}

fn next_call(stream: &mut UnixStream, decoder: &mut Decoder) -> Option<frame::Call<Request>> {
    let mut buffer = [0; 7];
    while !decoder.has_message().unwrap() {
        match stream.read(&mut buffer).unwrap() {
            0 => return None,
            len => decoder.push(&buffer[..len]),
        }
    }
    Some(frame::decode_call(decoder.pop().unwrap().unwrap()).unwrap())
}

fn query() -> Query {
    Query::Cluster { tag: "CLUSTERNAME".to_owned(), args: Vec::new() }
}

#[test]
fn one_connection_carries_one_call_after_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    let info = Info {
        version: "1".into(),
        pid: 7,
        node: "phys-1".into(),
        nodes: vec!["phys-1".into()],
        cluster: "c".into(),
    };
    let told = info.clone();
    let server = serve(&paths.rgmd_socket(), move |call| match call.request {
        Request::Info {} => frame::encode_reply::<Request>(&Reply::Info(told.clone()), false),
        Request::Get(_) => {
            frame::encode_reply::<Request>(&Reply::Value(GetValue::Text("x".repeat(100_000))), false)
        }
        Request::Snapshot {}
        | Request::Events { .. }
        | Request::Explain { .. }
        | Request::Quorum {}
        | Request::Leave {}
        | Request::Join {}
        | Request::Change { .. }
        | Request::Fence { .. }
        | Request::ConfirmDead { .. }
        | Request::RegisterType { .. } => Vec::new(),
    });
    let mut rgmd = Connection::open(&paths).unwrap();
    assert_eq!(rgmd.info().unwrap(), info);
    assert_eq!(rgmd.get(query()).unwrap(), GetValue::Text("x".repeat(100_000)));
    assert_eq!(rgmd.info().unwrap(), info);
    drop(rgmd);
    server.join().unwrap();
}

#[test]
fn progress_is_handed_over_before_the_change_returns() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    let step = |state| Progress::GroupState {
        group: GroupName::new("g").unwrap(),
        node: NodeName::new("n").unwrap(),
        state,
    };
    let server = serve(&paths.rgmd_socket(), move |call| {
        let mut bytes = Vec::new();
        if call.more {
            for state in [GroupState::PendingOnline, GroupState::Online] {
                bytes.extend(frame::encode_reply::<Request>(&Reply::Progress(step(state)), true));
            }
        }
        bytes.extend(frame::encode_reply::<Request>(&Reply::Done(Done::default()), false));
        bytes
    });
    let change = Command::Remaster { groups: Vec::new() };
    let mut seen = Vec::new();
    let mut rgmd = Connection::open(&paths).unwrap();
    let mut see = |progress| seen.push(progress);
    assert_eq!(rgmd.change(change.clone(), false, Some(&mut see)).unwrap(), Done::default());
    assert_eq!(rgmd.change(change, false, None).unwrap(), Done::default());
    assert_eq!(seen, [step(GroupState::PendingOnline), step(GroupState::Online)]);
    drop(rgmd);
    server.join().unwrap();
}

#[test]
fn a_refusal_keeps_its_code_and_its_words() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    let refusal = Refusal::new(SchaErr::Rsrc, "no resource is called dns", "scstat -g lists them");
    let told = refusal.clone();
    let server = serve(&paths.rgmd_socket(), move |_| frame::encode_refusal::<Request>(&told));
    let failure = Connection::open(&paths).unwrap().get(query()).unwrap_err();
    assert_eq!(failure.code(), SchaErr::Rsrc);
    assert_eq!(failure.to_string(), "no resource is called dns");
    assert!(matches!(failure, Failure::Refused(r) if r == refusal));
    server.join().unwrap();
}

#[test]
fn without_a_daemon_the_error_names_the_socket_and_the_nodes_that_have_one() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    for node in ["phys-2", "phys-1"] {
        std::fs::create_dir(dir.path().join(node)).unwrap();
        UnixListener::bind(dir.path().join(node).join("rgmd.sock")).unwrap();
    }
    let failure = Connection::open(&paths).unwrap_err();
    assert_eq!(failure.code(), SchaErr::Reconf);
    let text = failure.to_string();
    for part in [
        dir.path().join("rgmd.sock").to_str().unwrap(),
        "is rgmd running",
        &format!("RGM_RUN_DIR={}", dir.path().display()),
        "phys-1, phys-2",
    ] {
        assert!(text.contains(part), "{part} is not in {text}");
    }
}

#[test]
fn a_daemon_that_dies_before_it_answers_leaves_the_outcome_open() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    let listener = UnixListener::bind(paths.rgmd_socket()).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        next_call(&mut stream, &mut Decoder::new(REQUEST_LEN_MAX));
        stream.write_all(b"{\"parameters\":{\"do").unwrap();
    });
    let failure =
        Connection::open(&paths).unwrap().change(Command::Remaster { groups: Vec::new() }, false, None);
    let failure = failure.unwrap_err();
    assert!(matches!(failure, Failure::Lost { .. }), "{failure:?}");
    assert_eq!(failure.code(), SchaErr::Reconf);
    server.join().unwrap();
}

#[test]
fn a_silent_daemon_is_left_when_the_time_limit_has_passed() {
    let dir = tempfile::tempdir().unwrap();
    let paths = paths_in(dir.path());
    let _silent = UnixListener::bind(paths.rgmd_socket()).unwrap();
    let mut rgmd = Connection::open(&paths).unwrap();
    rgmd.set_time_limit(Some(Duration::from_millis(20)));
    let failure = rgmd.info().unwrap_err();
    assert_eq!(failure.code(), SchaErr::Timeout);
}

#[test]
fn answers_that_make_no_sense_are_errors_not_results() {
    for answer in [
        "{\"parameters\":{\"done\":{\"messages\":[]}}}\0",
        "{\"parameters\":{\"info\":{}},\"surprise\":1}\0",
        "{\"parameters\":{\"info\":{}}}\0",
        "{\"error\":\"org.varlink.service.MethodNotFound\",\"parameters\":{\"method\":\"org.rgm.Info\"}}\0",
        "\0",
        "HTTP/1.1 400 Bad Request\r\n\0",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let paths = paths_in(dir.path());
        let server = serve(&paths.rgmd_socket(), |_| answer.as_bytes().to_vec());
        let failure = Connection::open(&paths).unwrap().info().unwrap_err();
        assert_eq!(failure.code(), SchaErr::Internal, "{answer}: {failure}");
        server.join().unwrap();
    }
}
