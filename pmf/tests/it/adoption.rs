//! pmfd killed at any moment, and the next one.

use std::process::Stdio;

use crate::kit::{Node, both_ways, eventually, lives, signal};

#[test]
fn running_tags_are_taken_over_with_their_pids_and_their_retry_history() {
    both_ways(|mut node| {
        node.ok(&["-c", "tag", "-n", "2", "-t", "60", &node.living()]);
        let daemon = "setsid sh -c '(echo ready >> ready; exec sleep 1000) & exit 0' &\nexit 0";
        node.ok(&["-c", "daemon", &node.script("daemon", daemon)]);
        node.ok(&["-k", "tag", "-w", "-1"]);
        node.eventually_lines("runs", 2);
        node.eventually_lines("ready", 1);
        eventually("only the daemon is left", || node.pids("daemon").len() == 1);
        let before = (node.view("tag"), node.view("daemon"));
        for _ in 0..3 {
            node.kill_pmfd();
            node.start();
            assert_eq!((node.view("tag"), node.view("daemon")), before);
        }
        assert_eq!(node.lines("runs").len(), 2);
        // The history counts on: one more restart, then it is over.
        node.ok(&["-k", "tag", "-w", "-1"]);
        node.eventually_lines("runs", 3);
        node.ok(&["-k", "tag", "-w", "-1"]);
        assert!(!node.is_registered("tag"));
        assert_eq!(node.lines("runs").len(), 3);
    });
}

#[test]
fn what_died_meanwhile_is_noticed_at_once_and_handled_by_the_retry_rule() {
    both_ways(|mut node| {
        node.ok(&["-c", "again", "-n", "1", &node.living()]);
        node.ok(&["-c", "over", "/bin/sleep", "1000"]);
        node.eventually_lines("runs", 1);
        let pids = [node.pids("again")[0], node.pids("over")[0]];
        node.kill_pmfd();
        pids.iter().for_each(|pid| signal(*pid, 9));
        eventually("both are dead", || !pids.iter().any(|pid| lives(*pid)));
        node.start();
        node.eventually_lines("runs", 2);
        assert_eq!(node.view("again").restarts, 1);
        assert!(!node.is_registered("over"));
    });
}

#[test]
fn a_stop_in_progress_stays_one() {
    let mut node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    node.eventually_lines("runs", 1);
    node.ok(&["-s", "tag"]);
    let pid = node.pids("tag")[0];
    node.kill_pmfd();
    node.start();
    assert!(node.view("tag").stopping);
    signal(pid, 9);
    node.eventually_gone("tag");
    assert_eq!(node.lines("runs").len(), 1);
}

#[test]
fn a_caller_that_waits_for_a_stop_gets_its_answer_from_the_next_pmfd() {
    let mut node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    node.eventually_lines("runs", 1);
    let pid = node.pids("tag")[0];
    let mut waiting = node.adm_command(&["-s", "tag", "-w", "-1"]);
    let mut waiting = waiting.stderr(Stdio::null()).spawn().unwrap();
    eventually("the stop has arrived", || node.view("tag").stopping);
    node.kill_pmfd();
    node.start();
    assert!(waiting.try_wait().unwrap().is_none(), "it waits on");
    signal(pid, 15);
    assert!(waiting.wait().unwrap().success());
    assert!(!node.is_registered("tag"));
}

#[test]
fn a_running_action_program_is_taken_over() {
    let mut node = Node::new();
    let action = node.script("act", "echo $$ >> acts\n[ $(wc -l < acts) = 1 ] && exec sleep 1000\nexit 1");
    node.ok(&["-c", "tag", "-a", &action, &node.dying()]);
    node.eventually_lines("acts", 1);
    eventually("it acts", || node.view("tag").phase == "acting");
    node.kill_pmfd();
    node.start();
    let view = node.view("tag");
    assert_eq!(view.phase, "acting");
    assert!(view.pids.contains(&node.lines("acts")[0].parse().unwrap()), "{view:?}");
    node.ok(&["-k", "tag", "-w", "-1"]);
    assert!(!node.is_registered("tag"));
    assert_eq!((node.lines("acts").len(), node.lines("runs").len()), (1, 1));
}

#[test]
fn a_creation_across_a_crash_starts_exactly_one_process() {
    let mut node = Node::new();
    let living = node.living();
    for round in 0..20 {
        let tag = format!("tag{round}");
        let mut creating = node.adm_command(&["-c", &tag, "-n", "3", &living]).spawn().unwrap();
        // Killed while the request is under way; a little later each time.
        for _ in 0..round {
            node.is_registered("none");
        }
        node.kill_pmfd();
        node.start();
        assert!(creating.wait().unwrap().success(), "the command is answered by the next pmfd");
        assert_eq!(node.pids(&tag).len(), 1);
    }
    let alive: Vec<i32> = (0..20).flat_map(|round| node.pids(&format!("tag{round}"))).collect();
    node.eventually_lines("runs", 20);
    let started: Vec<i32> = node.lines("runs").iter().map(|line| line.parse().unwrap()).collect();
    let lost: Vec<&i32> = started.iter().filter(|pid| lives(**pid) && !alive.contains(pid)).collect();
    assert!(lost.is_empty(), "running without a tag: {lost:?}");
}

#[test]
fn restarts_across_crashes_never_make_a_second_copy() {
    let mut node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    for round in 0..15 {
        let pids = node.pids("tag");
        pids.iter().for_each(|pid| signal(*pid, 9));
        for _ in 0..round % 5 {
            node.is_registered("none");
        }
        node.kill_pmfd();
        node.start();
        eventually("it runs again", || node.pids("tag").len() == 1 && node.pids("tag") != pids);
        let living = node.lines("runs").iter().filter(|line| lives(line.parse().unwrap())).count();
        assert!(living <= 1, "{living} copies");
    }
}
