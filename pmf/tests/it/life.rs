//! A tag's life as the manual tells it.

use std::fs;

use crate::kit::{Node, both_ways, eventually, is_root, lives, os, run, signal};

#[test]
fn a_tag_is_created_queried_listed_and_described() {
    let node = Node::new();
    assert_eq!(node.ok(&["-L"]), "tags:\n");
    assert_eq!(node.adm(&["-q", "nfs-rg,nfs-rs,0.svc"]).code, 1);
    node.ok(&["-c", "nfs-rg,nfs-rs,0.svc", "-n", "2", "-t", "5", "/bin/sleep", "1000"]);
    node.ok(&["-c", "b.monitor", "/bin/sleep", "1000"]);
    let query = node.adm(&["-q", "nfs-rg,nfs-rs,0.svc", "-h", "localhost"]);
    assert_eq!((query.code, query.out.as_str()), (0, ""));
    assert_eq!(node.ok(&["-L"]), "tags: b.monitor nfs-rg,nfs-rs,0.svc\n");
    let pid = node.pids("nfs-rg,nfs-rs,0.svc")[0];
    let owner = node.ok(&["-l", "nfs-rg,nfs-rs,0.svc"]);
    let described = format!(
        "pmfadm -c nfs-rg,nfs-rs,0.svc -n 2 -t 5 /bin/sleep 1000\n\tretries: 0\n\towner: root\n\tmonitor children: all\n\tpids: {pid}\n"
    );
    assert!(!is_root() || owner == described, "{owner}");
}

#[test]
fn an_existing_tag_is_exit_1_and_nothing_happens() {
    let node = Node::new();
    let living = node.living();
    node.ok(&["-c", "tag", &living]);
    node.eventually_lines("runs", 1);
    assert_eq!(node.adm(&["-c", "tag", &living]).code, 1);
    assert_eq!(node.lines("runs").len(), 1);
}

#[test]
fn a_tag_that_does_not_exist_is_exit_1_for_every_action() {
    let node = Node::new();
    for args in [&["-k", "no"][..], &["-s", "no"], &["-l", "no"], &["-q", "no"], &["-m", "no", "-n", "1"]] {
        assert_eq!(node.adm(args).code, 1, "{args:?}");
    }
}

#[test]
fn wrong_usage_is_neither_of_the_documented_codes_and_starts_nothing() {
    let node = Node::new();
    let living = node.living();
    for args in [
        &["-R", "res", "-G", "rg", "-T", "type", "-c", "tag", &living][..],
        &["-c", "tag"],
        &["-c", "a b", &living],
        &["-c", "tag", "-n", "101", &living],
        &["-k", "tag", "NOSUCH"],
        &[],
    ] {
        let done = node.adm(args);
        assert_eq!(done.code, 3, "{args:?}: {done:?}");
        assert!(done.err.contains("Usage:"), "{done:?}");
    }
    assert_eq!(node.ok(&["-L"]), "tags:\n");
    assert_eq!(node.adm(&["--help"]).code, 0);
}

#[test]
fn a_command_that_cannot_be_executed_is_an_error_with_its_reason_and_no_tag() {
    let node = Node::new();
    let done = node.adm(&["-c", "tag", "/no/such/program"]);
    assert_eq!(done.code, 5);
    assert!(done.err.contains("/no/such/program") && done.err.contains("No such file"), "{done:?}");
    assert!(!node.is_registered("tag"));
}

#[test]
fn nobody_listening_is_said_at_once_with_what_to_check() {
    let dir = tempfile::tempdir().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_pmfadm"));
    let done = run(command.args(["-q", "tag"]).env("RGM_RUN_DIR", dir.path()).env_remove("RGM_NODE"));
    assert_eq!(done.code, 5);
    assert!(done.err.contains("is pmfd running?"), "{done:?}");
}

#[test]
fn exit_status_0_is_a_failure_too_and_one_retry_runs_it_twice() {
    both_ways(|node| {
        let dying = node.dying();
        node.ok(&["-c", "sleep.twice", "-n", "1", &dying]);
        node.eventually_gone("sleep.twice");
        assert_eq!(node.lines("runs").len(), 2);
        let log = node.log();
        let restarting = format!(
            "PMF is restarting process that died: tag=sleep.twice, cmd_path={dying}, max_retries=1, num_retries=1"
        );
        assert!(log.contains(&restarting), "{log}");
        let failed = format!("Process: tag=\"sleep.twice\", cmd=\"{dying}\", Failed to stay up.");
        assert!(log.contains(&failed), "{log}");
    });
}

#[test]
fn without_retries_it_runs_once() {
    let node = Node::new();
    node.ok(&["-c", "once", &node.dying()]);
    node.eventually_gone("once");
    assert_eq!(node.lines("runs").len(), 1);
}

#[test]
fn the_action_program_gets_its_words_then_failed_and_the_tag_and_removes_it_unless_it_ends_with_0() {
    both_ways(|node| {
        let action = node.script("act", "echo \"$#:$1:$2:$3:$4\" >> acts\nexit 3");
        let action = format!("{action} one 'two words'");
        node.ok(&["-c", "tag", "-n", "2", "-t", "1", "-a", &action, &node.dying()]);
        node.eventually_gone("tag");
        assert_eq!(node.lines("runs").len(), 3, "it runs retries + 1 times before the action");
        assert_eq!(node.lines("acts"), ["4:one:two words:failed:tag"]);
    });
}

#[test]
fn an_action_program_that_ends_with_0_starts_the_command_again() {
    let node = Node::new();
    let action = node.script("act", "echo act >> acts\n[ $(wc -l < acts) = 1 ]");
    node.ok(&["-c", "tag", "-a", &action, &node.dying()]);
    node.eventually_gone("tag");
    assert_eq!((node.lines("runs").len(), node.lines("acts").len()), (2, 2));
}

#[test]
fn an_action_program_that_revives_too_often_is_slowed_down_and_a_stop_ends_the_sleep() {
    let node = Node::new();
    let action = node.script("act", "echo act >> acts");
    node.ok(&["-c", "tag", "-a", &action, &node.dying()]);
    eventually("it sleeps", || node.view("tag").phase == "waiting");
    assert!(node.log().contains("\"tag\" restarting too often ... sleeping 60 seconds."), "{}", node.log());
    assert_eq!((node.lines("runs").len(), node.lines("acts").len()), (2, 2));
    node.ok(&["-s", "tag", "-w", "-1"]);
    assert!(!node.is_registered("tag"));
}

#[test]
fn a_running_action_program_is_signalled_with_the_tag() {
    let node = Node::new();
    let action = node.script("act", "echo $$ >> acts\nexec sleep 1000");
    node.ok(&["-c", "tag", "-a", &action, &node.dying()]);
    node.eventually_lines("acts", 1);
    let pid: i32 = node.lines("acts")[0].parse().unwrap();
    eventually("the action is listed", || node.pids("tag").contains(&pid));
    node.ok(&["-k", "tag", "-w", "-1", "TERM"]);
    assert!(!node.is_registered("tag"), "it did not end with 0");
    // The shell around it may be gone a moment earlier.
    eventually("the action is gone", || !lives(pid));
}

#[test]
fn kill_sends_kill_and_monitoring_goes_on() {
    both_ways(|node| {
        let stubborn =
            node.script("stubborn", "trap '' TERM INT HUP\necho $$ >> runs\nwhile :; do sleep 1000; done");
        node.ok(&["-c", "tag", "-n", "1", &stubborn]);
        node.eventually_lines("runs", 1);
        let before = node.pids("tag");
        node.ok(&["-k", "tag", "-w", "-1"]);
        node.eventually_lines("runs", 2);
        assert!(!before.iter().any(|pid| lives(*pid)));
        let view = node.view("tag");
        assert_eq!((view.restarts, view.stopping), (1, false));
        node.ok(&["-k", "tag", "-w", "-1"]);
        assert!(!node.is_registered("tag"), "no retry is left");
    });
}

#[test]
fn signals_have_names_in_any_case_and_numbers() {
    let node = Node::new();
    let body = "trap 'echo hup >> got' HUP\ntrap 'echo int >> got' INT\ntrap 'echo usr1 >> got' USR1\necho $$ >> runs\n\
                while :; do sleep 1000 & wait; kill $!; done";
    node.ok(&["-c", "tag", &node.script("listening", body)]);
    node.eventually_lines("runs", 1);
    for (count, (word, name)) in [("HUP", "hup"), ("int", "int"), ("10", "usr1")].into_iter().enumerate() {
        signal_main(&node, word);
        node.eventually_lines("got", count + 1);
        assert_eq!(node.lines("got")[count], name);
    }
}

/// Sends a signal, as `pmfadm -k` does to all, once the shell waits again.
fn signal_main(node: &Node, word: &str) {
    eventually("shell and sleep run", || node.pids("tag").len() == 2);
    node.ok(&["-k", "tag", word]);
}

#[test]
fn stop_sends_no_signal_by_itself_and_the_tag_stays_until_its_last_process_is_gone() {
    both_ways(|node| {
        node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
        node.eventually_lines("runs", 1);
        let pid = node.pids("tag")[0];
        let timed_out = node.adm(&["-s", "tag", "-w", "1"]);
        assert_eq!(timed_out.code, 2, "{timed_out:?}");
        assert!(lives(pid) && node.view("tag").stopping);
        signal(pid, 9);
        node.eventually_gone("tag");
        assert_eq!(node.lines("runs").len(), 1);
    });
}

#[test]
fn stop_with_a_signal_waits_for_all_and_does_not_restart() {
    let node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    node.eventually_lines("runs", 1);
    node.ok(&["-w", "20", "-s", "tag", "term"]);
    assert!(!node.is_registered("tag"));
    assert_eq!(node.lines("runs").len(), 1);
}

#[test]
fn a_change_of_retries_forgets_former_failures() {
    let node = Node::new();
    node.ok(&["-c", "tag", "-n", "1", &node.living()]);
    node.ok(&["-k", "tag", "-w", "-1"]);
    assert_eq!(node.view("tag").restarts, 1);
    node.ok(&["-m", "tag", "-n", "2", "-t", "7"]);
    let view = node.view("tag");
    assert_eq!((view.restarts, view.retries, view.period_min), (0, 2, 7));
    node.ok(&["-m", "tag", "-t", "-1"]);
    assert_eq!(node.view("tag").retries, 2, "what is not named stays");
    node.ok(&["-k", "tag", "-w", "-1"]);
    node.ok(&["-k", "tag", "-w", "-1"]);
    assert!(node.is_registered("tag"));
}

#[test]
fn directory_and_path_are_the_callers_and_the_rest_is_as_asked() {
    let node = Node::new();
    let show = node.script(
        "show",
        "cd - > /dev/null; pwd > $0.out; env | sort >> $0.out; echo end >> $0.out; exec sleep 1000",
    );
    let call = |tag: &str, args: &[&str]| {
        let _stale = fs::remove_file(node.path("show.out"));
        let mut all = vec!["-c", tag];
        all.extend(args);
        all.push("show");
        let path = format!("{}:/usr/bin:/bin", node.dir.path().display());
        let mut command = node.adm_command(&all);
        command
            .env("PATH", &path)
            .env("MINE", "x")
            .env("RGM_RESOURCE", "rs")
            .env("RGM_GROUP", "rg")
            .current_dir("/usr");
        assert_eq!(run(&mut command).code, 0);
        eventually("it has shown all", || node.lines("show.out").last().is_some_and(|line| line == "end"));
        let lines = node.lines("show.out");
        assert!(lines.contains(&format!("PATH={path}")), "{lines:?}");
        assert!(lines.contains(&"RGM_RESOURCE=rs".to_owned()), "{lines:?}");
        lines
    };
    assert!(os(&node.path("show")) == show.as_str());
    let has = |lines: &[String], entry: &str| lines.iter().any(|line| line == entry);
    let run_dir = format!("RGM_RUN_DIR={}", node.path("run").display());
    let plain = call("plain", &[]);
    assert!(!has(&plain, "MINE=x") && has(&plain, &run_dir));
    let only = call("only", &["-e", "A=b c", "-e", "B="]);
    assert!(has(&only, "A=b c") && has(&only, "B=") && !has(&only, "MINE=x"));
    assert!(!only.iter().any(|line| line.starts_with("HOME=")), "{only:?}");
    let whole = call("whole", &["-E"]);
    assert!(has(&whole, "MINE=x") && has(&whole, &run_dir));
    let owner = node.view("plain").owner.unwrap();
    assert_eq!((owner.resource.as_str(), owner.group.as_str()), ("rs", "rg"));
}

#[test]
fn only_owner_and_root_manipulate_a_tag_and_anybody_queries() {
    if !is_root() {
        return;
    }
    const OTHER: u32 = 65_534;
    let node = Node::new();
    node.ok(&["-c", "roots", "/bin/sleep", "1000"]);
    let made = node.adm_as(OTHER, &["-c", "others", "-n", "-1", "/bin/sleep", "1000"]);
    assert_eq!(made.code, 0, "{made:?}");
    let status = fs::read_to_string(format!("/proc/{}/status", node.pids("others")[0])).unwrap();
    assert!(
        status.contains("Uid:\t65534\t65534\t65534") && status.contains("Gid:\t65534\t65534\t65534"),
        "{status}"
    );
    for args in [&["-k", "roots"][..], &["-s", "roots", "TERM"], &["-m", "roots", "-n", "3"]] {
        assert_eq!(node.adm_as(OTHER, args).code, 4, "{args:?}");
    }
    assert_eq!(node.adm_as(OTHER, &["-q", "roots"]).code, 0);
    assert_eq!(node.adm_as(OTHER, &["-l", "roots"]).code, 0);
    assert_eq!(node.adm_as(OTHER, &["-L"]).out, "tags: others\n");
    assert_eq!(node.ok(&["-L"]), "tags: others roots\n");
    assert_eq!(node.adm_as(OTHER, &["-k", "others"]).code, 0);
    node.ok(&["-s", "others", "-w", "-1", "KILL"]);
}

#[test]
fn told_to_stop_pmfd_leaves_everything_running_and_a_second_one_is_refused() {
    let mut node = Node::new();
    node.ok(&["-c", "tag", &node.living()]);
    node.eventually_lines("runs", 1);
    let pid = node.pids("tag")[0];
    let mut second = std::process::Command::new(env!("CARGO_BIN_EXE_pmfd"));
    let done = run(second
        .env("RGM_RUN_DIR", node.path("run"))
        .env("RGM_STATE_DIR", node.path("state"))
        .env_remove("RGM_NODE"));
    assert!(done.code != 0 && done.err.contains("another pmfd"), "{done:?}");
    node.terminate_pmfd();
    assert!(lives(pid));
    node.start();
    assert_eq!(node.pids("tag"), [pid]);
}

#[test]
fn a_variable_that_pmfd_has_too_is_passed_on_once_and_as_the_caller_has_it() {
    both_ways(|node| {
        let script = node.script("show", "env | grep ^PATH= >> env\nexec sleep 1000");
        let mut create = node.adm_command(&["-c", "tag", "-n", "1", &script]);
        assert_eq!(run(create.env("PATH", "/opt/mine:/usr/bin:/bin")).code, 0);
        node.eventually_lines("env", 1);
        node.ok(&["-k", "tag"]);
        node.eventually_lines("env", 2);
        assert_eq!(node.lines("env"), ["PATH=/opt/mine:/usr/bin:/bin"; 2]);
    });
}

#[test]
fn the_dead_are_reaped_although_their_successors_come_first() {
    both_ways(|node| {
        node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
        for round in 1..=5 {
            node.eventually_lines("runs", round);
            let pid = node.pids("tag")[0];
            signal(pid, 9);
            eventually("it is reaped", || pmf::place::Stat::read(pid).is_none());
        }
    });
}
