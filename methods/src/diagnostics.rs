//! What a method was doing when its time was up: gathered before it is killed, for afterwards nobody
//! can tell any more.
//!
//! Told are the processes as a tree, each with state, what it waits for, age, command line and open
//! files; then the pressure on the machine (PSI), for a method that is slow on a starved machine is
//! not a method that hangs.

use crate::cgroup::Cgroup;
use crate::output::printable;
use crate::proc::{Stat, TICKS_PER_SEC, family, stat};
use std::fmt::Write;
use std::fs;

/// Processes described; a fork bomb must not fill the log.
const PROCS_MAX: usize = 50;
/// Open files named for each of them.
const FILES_MAX: usize = 16;
/// Longest command line.
const COMMAND_BYTES_MAX: usize = 512;
/// Deepest indentation of the tree.
const DEPTH_MAX: usize = 20;
/// Innermost frames of a kernel stack, where root may read it.
const FRAMES_MAX: usize = 4;

/// Describes the processes of a method, one line each and their open files below them, and the
/// pressure. Reads `/proc` and may wait there for a process stuck in the kernel: call it where
/// waiting is harmless.
pub fn collect(pid: i32, cgroup: Option<&Cgroup>) -> String {
    let pids = cgroup.and_then(|cgroup| cgroup.procs().ok()).unwrap_or_else(|| family(pid));
    let procs: Vec<Stat> = pids.iter().take(PROCS_MAX).filter_map(|pid| stat(*pid)).collect();
    let mut text = String::from("processes (pid ppid state wait-channel age command):\n");
    let is_root = |one: &&Stat| !procs.iter().any(|other| other.pid == one.parent);
    for root in procs.iter().filter(is_root) {
        describe_tree(&mut text, root, &procs, 0);
    }
    if pids.len() > PROCS_MAX {
        line(&mut text, format_args!("and {} more", pids.len() - PROCS_MAX));
    }
    for resource in ["cpu", "io", "memory"] {
        if let Ok(pressure) = fs::read_to_string(format!("/proc/pressure/{resource}")) {
            for pressure in pressure.lines() {
                line(&mut text, format_args!("pressure {resource}: {pressure}"));
            }
        }
    }
    text
}

fn describe_tree(text: &mut String, one: &Stat, all: &[Stat], depth: usize) {
    describe(text, one, depth);
    if depth < DEPTH_MAX {
        for child in all.iter().filter(|child| child.parent == one.pid && child.pid != one.pid) {
            describe_tree(text, child, all, depth + 1);
        }
    }
}

fn describe(text: &mut String, one: &Stat, depth: usize) {
    let indent = "  ".repeat(depth + 1);
    let Stat { pid, parent, state, .. } = one;
    let wait_channel = read(*pid, "wchan").filter(|channel| channel != "0").unwrap_or_else(|| "-".into());
    let age = age_secs(one.start_ticks).map_or_else(|| "-".into(), |secs| format!("{secs}s"));
    let command = command(one);
    line(text, format_args!("{indent}{pid} {parent} {state} {wait_channel} {age} {command}"));
    if let Some(stack) = read(*pid, "stack") {
        let frames: Vec<&str> =
            stack.lines().filter_map(|frame| frame.split(' ').nth(1)).take(FRAMES_MAX).collect();
        if !frames.is_empty() {
            line(text, format_args!("{indent}  in the kernel: {}", frames.join(" < ")));
        }
    }
    for file in open_files(*pid) {
        line(text, format_args!("{indent}  {file}"));
    }
}

fn command(one: &Stat) -> String {
    let bytes = fs::read(format!("/proc/{}/cmdline", one.pid)).unwrap_or_default();
    let bytes = bytes.get(..COMMAND_BYTES_MAX).unwrap_or(&bytes);
    if bytes.is_empty() {
        return format!("[{}]", one.comm);
    }
    let words: Vec<u8> = bytes.iter().map(|byte| if *byte == 0 { b' ' } else { *byte }).collect();
    printable(words.trim_ascii_end())
}

/// Like `fd 1 -> pipe:[4711]`, as far as we may look.
fn open_files(pid: i32) -> Vec<String> {
    let Ok(entries) = fs::read_dir(format!("/proc/{pid}/fd")) else { return Vec::new() };
    let mut files: Vec<(u32, String)> = entries
        .flatten()
        .filter_map(|entry| {
            let number = entry.file_name().to_str()?.parse().ok()?;
            Some((number, fs::read_link(entry.path()).ok()?.to_string_lossy().into_owned()))
        })
        .filter(|(_, target)| target != "/dev/null")
        .collect();
    files.sort();
    let more = files.len().saturating_sub(FILES_MAX);
    files.truncate(FILES_MAX);
    let mut lines: Vec<String> = files
        .iter()
        .map(|(number, target)| format!("fd {number} -> {}", printable(target.as_bytes())))
        .collect();
    if more > 0 {
        lines.push(format!("and {more} more open files"));
    }
    lines
}

fn age_secs(start_ticks: u64) -> Option<u64> {
    let uptime = fs::read_to_string("/proc/uptime").ok()?;
    let up: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(up.saturating_sub(start_ticks / TICKS_PER_SEC))
}

fn read(pid: i32, file: &str) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{pid}/{file}")).ok()?;
    Some(text.trim_end().to_string()).filter(|text| !text.is_empty())
}

fn line(text: &mut String, what: std::fmt::Arguments<'_>) {
    // Writing to a String does not fail.
    let _written = writeln!(text, "{what}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{BufRead, BufReader};
    use std::process::{Command, Stdio};

    #[test]
    fn the_tree_is_told_with_command_lines_open_files_and_pressure() {
        let mut child = Command::new("/bin/sh")
            .args(["-c", "sleep 4711 & echo started; read x"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        // The child is there, but may not have become sleep yet, nor gone to sleep.
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        let asleep = |line: &str| line.ends_with(" sleep 4711") && line.contains(&format!(" {pid} S "));
        let mut text = collect(pid, None);
        while !text.lines().any(asleep) && std::time::Instant::now() < deadline {
            text = collect(pid, None);
        }
        for sleeper in family(pid).into_iter().rev() {
            crate::launch::send_signal(sleeper, libc::SIGKILL).unwrap();
        }
        child.wait().unwrap();
        let sleeping =
            text.lines().find(|line| line.ends_with("sleep 4711")).unwrap_or_else(|| panic!("{text}"));
        assert!(sleeping.starts_with("    ") && sleeping.contains(&format!(" {pid} S ")), "{text}");
        assert!(text.contains("fd 0 -> pipe:["), "{text}");
        if std::path::Path::new("/proc/pressure/cpu").exists() {
            assert!(text.contains("pressure memory: some avg10="), "{text}");
        }
    }

    #[test]
    fn of_processes_that_are_gone_nothing_is_told() {
        assert_eq!(collect(i32::MAX, None).lines().filter(|line| line.starts_with("  ")).count(), 0);
    }
}
