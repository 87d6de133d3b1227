//! The command, as an operator or a script meets it.
#![expect(clippy::expect_used, reason = "the helpers of a test, too, fail by panicking")]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn rtrcheck(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rtrcheck")).args(args).output().expect("rtrcheck runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn a_clean_file_is_silent_and_warnings_are_no_failure() {
    let sample = file("../samples/SUNW.sample");
    let out = rtrcheck(&[sample.to_str().expect("a path")]);
    assert_eq!(
        (out.status.code(), text(&out.stdout), text(&out.stderr)),
        (Some(0), String::new(), String::new())
    );

    let quotes = file("tests/accepts/typographic_quotes.rtr");
    let out = rtrcheck(&[quotes.to_str().expect("a path")]);
    assert_eq!(out.status.code(), Some(0));
    assert!(text(&out.stdout).ends_with("0 errors, 5 warnings\n"));
}

#[test]
fn the_worst_of_several_files_is_the_exit_status() {
    let bad = file("tests/rejects/01_missing_stop.rtr");
    let bad = bad.to_str().expect("a path");
    assert_eq!(rtrcheck(&[bad]).status.code(), Some(1));
    let out = rtrcheck(&[bad, "/nonexistent/file"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(text(&out.stderr).contains("/nonexistent/file"));
    assert!(text(&out.stdout).contains("rtr::missing_stop"), "the readable file is checked all the same");
}

#[test]
fn wrong_usage_is_told_from_help() {
    for args in [&[][..], &["--colour"], &["--json", "--format", "-"]] {
        assert_eq!(rtrcheck(args).status.code(), Some(2), "{args:?}");
    }
    let help = rtrcheck(&["--help"]);
    assert_eq!(help.status.code(), Some(0));
    assert!(text(&help.stdout).contains("example: rtrcheck"));
}

#[test]
fn json_is_one_array_over_all_files() {
    let bad = file("tests/rejects/13_api_version.rtr");
    let bad = bad.to_str().expect("a path");
    let out = rtrcheck(&["--json", bad, bad]);
    assert_eq!(out.status.code(), Some(1));
    let value: serde_json::Value = serde_json::from_slice(&out.stdout).expect("JSON");
    assert_eq!(value.as_array().map(Vec::len), Some(2));
    assert_eq!(value.pointer("/0/code").and_then(|c| c.as_str()), Some("rtr::api_version"));
    assert_eq!(value.pointer("/0/line").and_then(|c| c.as_u64()), Some(7));
}

#[test]
fn standard_input_is_formatted_unless_it_has_errors() {
    let format = |input: &str| {
        let mut child = Command::new(env!("CARGO_BIN_EXE_rtrcheck"))
            .args(["--format", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("rtrcheck runs");
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("it reads");
        child.wait_with_output().expect("it ends")
    };
    let out = format("resource_type=t;rt_version=1;start=/a;stop=/b;");
    assert_eq!(text(&out.stdout), "Resource_type = \"t\";\nRT_version = \"1\";\nSTART = /a;\nSTOP = /b;\n");
    let out = format("resource_type=t;");
    assert_eq!((out.status.code(), text(&out.stdout)), (Some(1), String::new()));
    assert!(text(&out.stderr).contains("rtr::version_missing"));
}
