//! docs/operations/certificates.md: every command in it is run as it stands, in its order, and prints
//! what the page says.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_cluster::cert;
use rgm_cluster::net::Identity;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

const PAGE: &str = include_str!("../../../docs/operations/certificates.md");
/// Stands for ssh's: a host is a directory beside.
const SCP: &str = r#"#!/bin/sh -e
for last; do :; done
host=${last%%:*}; dir=$HOSTS/${host#root@}${last#*:}
case $last in */) mkdir -p "$dir" ;; *) mkdir -p "$(dirname "$dir")" ;; esac
while [ $# -gt 1 ]; do [ "$1" = -p ] || cp -p "$1" "$dir"; shift; done
"#;

/// The blocks of that language, without their indentation.
fn blocks(language: &str) -> Vec<Vec<&'static str>> {
    let mut blocks = Vec::new();
    let mut lines = PAGE.lines();
    while let Some(line) = lines.next() {
        if line.trim() == format!("```{language}") {
            let indent = line.len() - line.trim_start().len();
            let block = lines.by_ref().take_while(|line| line.trim() != "```");
            blocks.push(block.map(|line| line.get(indent..).unwrap_or_default()).collect());
        }
    }
    blocks
}

/// Commands, and what each of them prints.
fn session() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut session: Vec<(&str, Vec<&str>)> = Vec::new();
    for line in blocks("console").concat() {
        match line.strip_prefix("# ") {
            Some(command) => session.push((command, Vec::new())),
            None => session.last_mut().unwrap().1.push(line),
        }
    }
    session
}

/// What differs from run to run.
fn steady(line: &str) -> String {
    let words = line.split(' ').map(|word| {
        let pattern: String = word.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
        let hex = word.split(':').count() >= 12;
        match pattern.as_str() {
            "9999-99-99T99:99:99Z" => "TIME",
            _ if hex => "SERIAL",
            _ => word,
        }
    });
    words.collect::<Vec<_>>().join(" ").trim_end().to_owned()
}

#[test]
fn every_command_on_the_page_does_what_the_page_says() {
    let dir = tempfile::tempdir().unwrap();
    let (bin, hosts, work) = (dir.path().join("bin"), dir.path().join("hosts"), dir.path().join("work"));
    for dir in [&bin, &hosts, &work] {
        fs::create_dir(dir).unwrap();
    }
    symlink(env!("CARGO_BIN_EXE_scadm"), bin.join("cluster")).unwrap();
    fs::write(bin.join("scp"), SCP).unwrap();
    fs::set_permissions(bin.join("scp"), fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let session = session();
    assert!(session.len() > 15, "{session:?}");
    for (command, expected) in session {
        let mut shell = Command::new("sh");
        shell.args(["-c", command]).current_dir(&work).env("PATH", &path).env("HOSTS", &hosts);
        let out = shell.output().unwrap();
        assert!(out.status.success(), "{command}: {}", String::from_utf8_lossy(&out.stderr));
        let printed = String::from_utf8(out.stdout).unwrap();
        let printed: Vec<String> = printed.lines().map(steady).collect();
        assert_eq!(printed, expected, "{command}");
    }
    check_host(&hosts.join("n1/etc/rgm/tls"), "n1");
    check_host(&hosts.join("n2/etc/rgm/tls"), "n2");
}

/// In the end a host has a pair of the second authority, and trusts it alone.
fn check_host(tls: &Path, node: &str) {
    let authorities = cert::read(&tls.join("ca.crt")).unwrap();
    let [authority] = authorities.as_slice() else { unreachable!("{authorities:?}") };
    let second = cert::read(&tls.join("../../../../../work/ca2/ca.crt")).unwrap();
    assert_eq!(authority, &second[0]);
    let own = cert::read(&tls.join(format!("{node}.crt"))).unwrap();
    assert_eq!(own[0].node.as_ref().unwrap().as_str(), node);
    let mode = fs::metadata(tls.join(format!("{node}.key"))).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn the_settings_on_the_page_are_those_that_are_read() {
    #[derive(serde::Deserialize)]
    struct Settings {
        tls: Identity,
    }
    let text = blocks("toml").concat().join("\n");
    let settings: Settings = toml::from_str(&text).unwrap();
    assert_eq!(settings.tls.key, Path::new("/etc/rgm/tls/n1.key"));
}
