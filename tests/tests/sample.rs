//! The shell words that the sample's methods share: what they read out of a `named.conf`, and how
//! they count. The methods as a whole are played by the demo.

use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a line of shell with `dns_common` read and these properties set.
fn shell(properties: &str, line: &str) -> Result<String> {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../samples/SUNWsample/bin");
    let script = format!(
        ". {}/dns_common\nproperty() {{ case $1 in {properties} *) return 1 ;; esac; }}\n{line}",
        bin.display()
    );
    let output = Command::new("sh").args(["-c", &script]).env("PATH", "/usr/bin:/bin").output()?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{line}: {}: {complaint}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}

/// Where the service of a `named.conf` is asked: host, port, zone.
fn found(named_conf: &str, network_resources_used: &str) -> Result<String> {
    let dir = tempfile::tempdir()?;
    fs::write(dir.path().join("named.conf"), named_conf)?;
    let properties = format!("NETWORK_RESOURCES_USED) printf '%s' '{network_resources_used}' ;;");
    shell(&properties, &format!("find_service {} && echo $HOST $PORT $ZONE", dir.path().display()))
        .with_context(|| named_conf.to_owned())
}

#[test]
fn the_address_to_ask_is_the_one_named_listens_at() -> Result<()> {
    for (named_conf, expected) in [
        ("options { };", "127.0.0.1 53 ."),
        ("options { listen-on { 192.0.2.7; }; };", "192.0.2.7 53 ."),
        ("options { listen-on port 5353 { 192.0.2.7; 192.0.2.8; }; };", "192.0.2.7 5353 ."),
        ("options { listen-on port 5353 { any; }; };", "127.0.0.1 5353 ."),
        ("// listen-on port 1 { 192.0.2.9; };\noptions { listen-on { 192.0.2.7; }; };", "192.0.2.7 53 ."),
        (
            "options { listen-on port 54 { 192.0.2.7; }; listen-on port 55 { 192.0.2.8; }; };",
            "192.0.2.7 54 .",
        ),
        ("options { listen-on-v6 { none; }; };", "127.0.0.1 53 ."),
    ] {
        assert_eq!(found(named_conf, "")?, expected, "{named_conf}");
    }
    Ok(())
}

#[test]
fn the_zone_to_ask_for_is_the_first_that_this_server_owns() -> Result<()> {
    for (zones, expected) in [
        ("zone \".\" { type hint; file \"h\"; }; zone \"a.test\" { type primary; file \"a\"; };", "a.test"),
        ("zone \"a.test\" { type master; file \"a\"; };", "a.test"),
        (
            "zone \"b.test\" IN { type primary; file \"b\"; }; zone \"c.test\" { type primary; file \"c\"; };",
            "b.test",
        ),
        ("zone \"d.test\" { type secondary; primaries { 192.0.2.1; }; };", "."),
    ] {
        assert_eq!(found(zones, "")?, format!("127.0.0.1 53 {expected}"), "{zones}");
    }
    Ok(())
}

#[test]
fn network_resources_used_says_whom_to_ask_but_not_at_which_port() -> Result<()> {
    let named_conf = "options { listen-on port 5353 { 192.0.2.7; }; };";
    assert_eq!(found(named_conf, "dnshost")?, "dnshost 5353 .");
    assert_eq!(found(named_conf, "dnshost\\nother")?, "dnshost 5353 .");
    Ok(())
}

#[test]
fn nobody_is_asked_while_rgmd_does_not_answer() {
    let dir = tempfile::tempdir().expect("a directory");
    fs::write(dir.path().join("named.conf"), "options { };").expect("a file");
    let line = format!("if find_service {}; then echo asks; else echo waits; fi", dir.path().display());
    assert_eq!(shell("", &line).expect("sh runs"), "waits");
}

#[test]
fn a_retry_interval_is_rounded_up_to_minutes() -> Result<()> {
    for (seconds, minutes) in
        [(60, "1"), (61, "2"), (119, "2"), (120, "2"), (300, "5"), (3600, "60"), (50, "1")]
    {
        assert_eq!(
            shell(&format!("RETRY_INTERVAL) echo {seconds} ;;"), "retry_minutes")?,
            minutes,
            "{seconds}"
        );
    }
    Ok(())
}
