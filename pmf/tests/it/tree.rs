//! Descendants: who counts, who is signalled, and how deep.

use crate::kit::{Node, both_ways, eventually, has_cgroups, lives, signal};

/// Forks twice, leaves the session, and lets all parents exit.
const DAEMON: &str = "setsid sh -c '(sleep 1000 & echo $$ >> runs; wait) & exit 0' &\nexit 0";

#[test]
fn a_daemon_that_forks_twice_and_leaves_the_session_is_the_last_process_that_counts() {
    both_ways(|node| {
        node.ok(&["-c", "tag", "-n", "5", &node.script("daemon", DAEMON)]);
        node.eventually_lines("runs", 1);
        eventually("only the daemon is left", || node.pids("tag").len() == 2);
        assert_eq!(node.view("tag").restarts, 0, "it has not failed: descendants live");
        for pid in node.pids("tag") {
            signal(pid, 9);
        }
        node.eventually_lines("runs", 2);
        assert_eq!(node.view("tag").restarts, 1);
    });
}

#[test]
fn kill_reaches_every_descendant() {
    both_ways(|node| {
        let body = "for i in 1 2 3 4 5; do setsid sleep 1000 & (sleep 1000; :) & done\necho $$ >> runs\nwait";
        node.ok(&["-c", "tag", &node.script("many", body)]);
        eventually("all run", || node.pids("tag").len() == 16);
        let pids = node.pids("tag");
        node.ok(&["-k", "tag", "-w", "-1"]);
        assert!(!pids.iter().any(|pid| lives(*pid)));
        assert!(!node.is_registered("tag"));
    });
}

#[test]
fn at_level_0_only_the_command_itself_counts() {
    both_ways(|node| {
        let body = "sleep 1000 &\necho $! >> children\necho $$ >> runs\nsleep 1000";
        node.ok(&["-c", "tag", "-n", "3", "-C", "0", &node.script("parent", body)]);
        node.eventually_lines("runs", 1);
        let child: i32 = node.lines("children")[0].parse().unwrap();
        let parent: i32 = node.lines("runs")[0].parse().unwrap();
        assert_eq!(node.pids("tag"), [parent]);
        node.ok(&["-k", "tag", "-w", "-1"]);
        node.eventually_lines("runs", 2);
        assert!(lives(child), "what is not monitored is not signalled");
        assert_eq!(node.view("tag").restarts, 1);
        signal(child, 9);
    });
}

#[test]
fn at_level_1_a_daemon_that_forks_once_counts_and_its_children_do_not() {
    if !has_cgroups() {
        return;
    }
    let node = Node::new();
    let child =
        node.script("child", "echo $$ >> runs\nsleep 1000 &\necho $! >> grandchildren\nexec sleep 1000");
    node.ok(&[
        "-E",
        "-c",
        "tag",
        "-n",
        "-1",
        "-t",
        "-1",
        "-C",
        "1",
        &node.script("fork", &format!("{child} &\nexit 0")),
    ]);
    node.eventually_lines("grandchildren", 1);
    let daemon: i32 = node.lines("runs")[0].parse().unwrap();
    let grandchild: i32 = node.lines("grandchildren")[0].parse().unwrap();
    eventually("the parent is gone", || node.pids("tag") == [daemon]);
    signal(daemon, 9);
    node.eventually_lines("grandchildren", 2);
    assert!(lives(grandchild), "it is not waited for");
    let second: i32 = node.lines("runs")[1].parse().unwrap();
    eventually("the second parent is gone", || node.pids("tag") == [second]);
    assert_eq!(node.view("tag").restarts, 1);
}

#[test]
fn a_cgroup_that_somebody_else_killed_does_not_stop_the_restart() {
    if !has_cgroups() {
        return;
    }
    let node = Node::new();
    node.ok(&["-c", "tag", "-n", "3", &node.living()]);
    node.eventually_lines("runs", 1);
    let pid = node.pids("tag")[0];
    let cgroup = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let cgroup = cgroup.lines().find_map(|line| line.strip_prefix("0::/")).unwrap().to_owned();
    let root = methods::cgroup::Root::find().unwrap();
    root.open(&cgroup).unwrap().kill().unwrap();
    node.eventually_lines("runs", 2);
    assert!(lives(node.pids("tag")[0]));
}

#[test]
fn standard_files_are_dev_null_and_no_other_is_open() {
    let node = Node::new();
    node.ok(&["-c", "tag", "/bin/sleep", "1000"]);
    let dir = format!("/proc/{}/fd", node.pids("tag")[0]);
    let mut open: Vec<(String, String)> = std::fs::read_dir(dir)
        .unwrap()
        .flatten()
        .map(|entry| {
            let target = std::fs::read_link(entry.path()).unwrap();
            (entry.file_name().to_string_lossy().into_owned(), target.to_string_lossy().into_owned())
        })
        .collect();
    open.sort();
    let null = |fd: &str| (fd.to_owned(), "/dev/null".to_owned());
    assert_eq!(open, [null("0"), null("1"), null("2")]);
}
