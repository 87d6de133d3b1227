//! A thousand tags.

use crate::kit::{Node, eventually, lives, signal};
use rgm_api::pmf::Request;
use std::time::Duration;

#[test]
fn a_thousand_tags_are_started_killed_restarted_taken_over_and_ended() {
    let mut node = Node::new();
    let names: Vec<String> = (0..1000).map(|number| format!("tag{number}")).collect();
    let node_ref = &node;
    std::thread::scope(|scope| {
        for part in names.chunks(125) {
            scope.spawn(move || {
                for name in part {
                    node_ref.ok(&["-c", name, "-n", "1", "/bin/sleep", "1000"]);
                }
            });
        }
    });
    let views = |node: &Node| -> Vec<rgm_api::pmf::TagView> {
        serde_json::from_str(&node.ok(&["-L", "--json"])).unwrap()
    };
    let before = views(&node);
    assert_eq!(before.len(), 1000);
    node.kill_pmfd();
    // Every other one dies while nobody looks.
    before.iter().step_by(2).for_each(|view| signal(view.pids[0], 9));
    node.start();
    eventually("all run again", || views(&node).iter().all(|view| view.pids.len() == 1));
    let after = views(&node);
    for (number, (before, after)) in before.iter().zip(&after).enumerate() {
        assert_eq!(after.restarts, u64::from(number % 2 == 0), "{}", after.tag);
        assert_eq!(before.pids == after.pids, number % 2 == 1, "{}", after.tag);
    }
}

#[test]
fn whoever_died_when_everything_was_told_to_end_is_not_started_again() {
    let mut node = Node::new();
    let living = node.living();
    (0..20).for_each(|number| drop(node.ok(&["-c", &format!("tag{number}"), "-n", "-1", &living])));
    node.eventually_lines("runs", 20);
    let mut client = node.client();
    // It is a connection that pmfd knows: what is asked on it next is seen before the ends below.
    client.call(&Request::List { tag: None }).unwrap();
    let pmfd = node.pmfd_pid();
    signal(pmfd, 19);
    let stat = format!("/proc/{pmfd}/stat");
    eventually("pmfd is frozen", || std::fs::read_to_string(&stat).is_ok_and(|stat| stat.contains(") T ")));
    client.set_time_limit(Some(Duration::from_millis(100)));
    client.call(&Request::Shutdown { kill: true }).unwrap_err();
    node.lines("runs").iter().for_each(|pid| signal(pid.parse().unwrap(), 9));
    signal(pmfd, 18);
    eventually("pmfd ends", || !lives(pmfd));
    assert!(!node.log().contains("restarting"), "{}", node.log());
    node.kill_pmfd();
}
