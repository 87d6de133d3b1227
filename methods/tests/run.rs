//! Methods as real scripts, run for real.
#![expect(clippy::unwrap_used, reason = "helpers of tests, too, end the test when something is amiss")]

use methods::cgroup::{Cgroup, Root};
use methods::leftovers;
use methods::run::{MethodResult, Order, Outcome, Place, Running, start};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Far longer than anything here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A directory for scripts and a cgroup for methods, both gone at the end.
struct Lab {
    dir: tempfile::TempDir,
    parent: Option<PathBuf>,
}

impl Lab {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let name = format!("rgm-test-{}-{}", std::process::id(), methods::cgroup::instance_name(dir.path()));
        let parent = Root::find().ok().map(|root| root.path().join(name));
        Self { dir, parent }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn order(&self, text: &str) -> Order {
        let dir = self.dir.path().display();
        Order {
            program: self.script("method", text),
            args: Vec::new(),
            env: vec!["PATH=/usr/bin:/bin".into(), format!("LAB={dir}").into()],
            tag: "[T,G,R]".into(),
            timeout: LONG,
            cgroup: self.parent.clone().map(|parent| Place { parent, name: "method".into() }),
        }
    }

    fn cgroups(&self) -> Vec<PathBuf> {
        let Some(Ok(entries)) = self.parent.as_ref().map(fs::read_dir) else { return Vec::new() };
        let dirs = entries.flatten().filter(|entry| entry.file_type().unwrap().is_dir());
        dirs.map(|entry| entry.path()).collect()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let Some(cgroup) = self.parent.as_ref().and_then(Cgroup::at) else { return };
        cgroup.kill().unwrap();
        until("the cgroup is empty", || cgroup.remove().is_ok());
    }
}

/// Waits for a condition, giving the processor to others in between.
fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

async fn run(order: &Order) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let outcome = start(order).unwrap().wait(|line| lines.push(line.to_string())).await;
    (outcome, lines)
}

/// Runs it until it prints this line, then has it killed.
async fn run_until_it_says(order: &Order, last: &str) -> (Outcome, Vec<String>) {
    let mut lines = Vec::new();
    let running = start(order).unwrap();
    let killer = running.killer();
    let ended = running.wait(|line| {
        lines.push(line.to_string());
        if line == last {
            killer.kill();
        }
    });
    (ended.await, lines)
}

fn pid_in(path: &Path) -> i32 {
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

/// Neither running nor a zombie.
fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit_once(") ").unwrap().1.starts_with('Z'))
}

#[tokio::test]
async fn a_method_sees_exactly_its_arguments_and_environment() {
    let lab = Lab::new();
    let mut order = lab.order(
        "for a; do echo \"<$a>\"; done; /usr/bin/env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL=; pwd",
    );
    order.args = ["-R", "a b", "", "$HOME"].map(OsString::from).to_vec();
    order.env = vec!["A=1".into(), "PATH=/usr/bin:/bin".into()];
    let (outcome, lines) = run(&order).await;
    assert_eq!(outcome.result, MethodResult::Exited(0));
    assert_eq!(lines, ["<-R>", "<a b>", "<>", "<$HOME>", "A=1", "PATH=/usr/bin:/bin", "/"]);
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new(), "nothing stays behind");
}

#[tokio::test]
async fn input_is_empty_and_both_outputs_are_caught_in_their_order() {
    let lab = Lab::new();
    let (outcome, lines) = run(&lab.order("cat; echo one; echo two >&2; printf three; exit 7")).await;
    assert_eq!(outcome.result, MethodResult::Exited(7));
    assert_eq!(lines, ["one", "two", "three"]);
    assert_eq!(outcome.output, lines);
    assert!(!outcome.is_success() && outcome.diagnostics.is_none());
}

#[tokio::test]
async fn a_method_leads_its_own_process_group_in_its_own_cgroup() {
    let lab = Lab::new();
    let script = "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && echo leader; grep ^0:: /proc/$$/cgroup";
    let (_, lines) = run(&lab.order(script)).await;
    assert_eq!(lines[0], "leader");
    if let Some(parent) = &lab.parent {
        let parent = parent.file_name().unwrap().to_str().unwrap();
        assert!(lines[1].ends_with(&format!("{parent}/method")), "{lines:?}");
    }
}

#[tokio::test]
async fn death_by_a_signal_is_told_from_an_exit() {
    let lab = Lab::new();
    assert_eq!(run(&lab.order("kill -9 $$")).await.0.result, MethodResult::Signalled(9));
}

#[tokio::test]
async fn megabytes_of_output_are_taken_and_bounded() {
    let lab = Lab::new();
    let (outcome, lines) = run(&lab.order("head -c 5000000 /dev/zero; yes | head -n 500000; echo end")).await;
    assert_eq!(outcome.result, MethodResult::Exited(0));
    assert!(lines.iter().map(String::len).sum::<usize>() < 2_000_000);
    assert_eq!(outcome.output.last().unwrap(), "end");
}

#[tokio::test]
async fn a_daemon_that_holds_the_output_is_neither_waited_for_nor_hurt() {
    let lab = Lab::new();
    // The daemon prints more once the method has ended; with a closed pipe it would die of that.
    let daemon = "(echo $BASHPID; until [ -e $LAB/go ]; do :; done; echo more; echo survived > $LAB/after; exec sleep 1000) &";
    let mut order = lab.order(&format!("{daemon}\necho $! > $LAB/pid\necho started"));
    fs::write(
        &order.program,
        fs::read_to_string(&order.program).unwrap().replace("#!/bin/sh", "#!/bin/bash"),
    )
    .unwrap();
    order.timeout = Duration::from_secs(30);
    let (outcome, lines) = run(&order).await;
    assert_eq!(outcome.result, MethodResult::Exited(0));
    assert!(outcome.duration < Duration::from_secs(20), "{:?}", outcome.duration);
    assert!(lines.contains(&"started".to_string()));
    let pid = pid_in(&lab.path("pid"));
    assert!(is_alive(pid), "a method may leave a daemon");
    fs::write(lab.path("go"), "").unwrap();
    let deadline = Instant::now() + LONG;
    while !lab.path("after").exists() {
        assert!(Instant::now() < deadline, "the daemon goes on after its method");
        tokio::task::yield_now().await;
    }
    if let Some(parent) = &lab.parent {
        assert_eq!(leftovers::reap_empty(parent).unwrap(), 1);
        assert_eq!(leftovers::kill_unfinished(parent).unwrap(), [], "its method had ended");
        assert!(is_alive(pid));
    }
    methods::launch::send_signal(pid, libc::SIGKILL).unwrap();
    if let Some(parent) = &lab.parent {
        until("the cgroup goes with its last process", || leftovers::reap_empty(parent).unwrap() == 0);
    }
}

#[tokio::test]
async fn a_method_whose_time_is_up_is_killed_and_it_is_told_what_it_did() {
    let lab = Lab::new();
    let mut order = lab.order("exec sleep 1000");
    order.timeout = Duration::from_millis(300);
    let running = start(&order).unwrap();
    let pid = running.pid;
    let outcome = running.wait(|_| {}).await;
    assert_eq!(outcome.result, MethodResult::TimedOut);
    assert!(outcome.duration >= order.timeout && outcome.duration < LONG, "{:?}", outcome.duration);
    assert!(!is_alive(pid));
    let told = outcome.diagnostics.unwrap();
    assert!(told.contains(&format!("/method (pid {pid}) after ")), "{told}");
    assert!(told.contains("fd 1 -> pipe:["), "{told}");
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_method_that_ignores_every_signal_is_killed_with_its_whole_tree() {
    let lab = Lab::new();
    if lab.parent.is_none() {
        return;
    }
    let order = lab.order(
        "trap '' TERM ABRT HUP INT
         setsid sh -c 'trap \"\" TERM ABRT; echo $$ > $LAB/daemon; exec sleep 1001' &
         sleep 1002 & echo $! > $LAB/child
         until [ -s $LAB/daemon ]; do :; done
         echo hanging
         wait",
    );
    let (outcome, lines) = run_until_it_says(&order, "hanging").await;
    assert_eq!(outcome.result, MethodResult::Killed);
    assert_eq!(lines, ["hanging"]);
    assert!(!is_alive(pid_in(&lab.path("daemon"))), "setsid does not help");
    assert!(!is_alive(pid_in(&lab.path("child"))));
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new());
    let told = outcome.diagnostics.unwrap();
    for part in ["sleep 1001", "sleep 1002", "/method (pid ", "last output: hanging"] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    assert!(!told.contains("could not be killed"), "{told}");
}

#[tokio::test]
async fn without_a_cgroup_group_and_descendants_are_killed() {
    let lab = Lab::new();
    let mut order = lab.order("setsid sleep 1004 & echo $! > $LAB/child; trap '' ABRT; echo waiting; wait");
    order.cgroup = None;
    let (outcome, _) = run_until_it_says(&order, "waiting").await;
    assert_eq!(outcome.result, MethodResult::Killed);
    until("the descendant is gone", || !is_alive(pid_in(&lab.path("child"))));
}

#[tokio::test]
async fn a_method_gets_abort_first_and_may_use_it() {
    let lab = Lab::new();
    let order = lab.order("trap 'echo aborted; exit 3' ABRT; echo ready; while :; do sleep 0.01; done");
    let (outcome, lines) = run_until_it_says(&order, "ready").await;
    assert_eq!(outcome.result, MethodResult::Killed, "its own exit comes too late");
    // Between them the shell may tell of its own child.
    assert_eq!((lines.first().unwrap().as_str(), lines.last().unwrap().as_str()), ("ready", "aborted"));
}

#[tokio::test]
async fn whoever_survives_under_the_same_name_does_not_hinder_the_next_run() {
    let lab = Lab::new();
    let first = lab.order("sleep 1005 > /dev/null 2>&1 & echo $! > $LAB/pid");
    assert!(run(&first).await.0.is_success());
    let (outcome, _) = run_until_it_says(&lab.order("echo second; exec sleep 1006"), "second").await;
    assert_eq!(outcome.result, MethodResult::Killed);
    let survivor = pid_in(&lab.path("pid"));
    assert!(is_alive(survivor), "the kill of the second run is not for the first one's daemon");
    methods::launch::send_signal(survivor, libc::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_method_nobody_waits_for_any_more_is_killed() {
    let lab = Lab::new();
    let running: Running = start(&lab.order("exec sleep 1006")).unwrap();
    let pid = running.pid;
    drop(running);
    until("it is killed", || !is_alive(pid));
    let gone = async {
        while Path::new(&format!("/proc/{pid}")).exists() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LONG, gone).await.expect("it is taken out of the process table");
}

#[tokio::test]
async fn a_missing_method_leaves_nothing_and_says_why() {
    let lab = Lab::new();
    let mut order = lab.order("");
    order.program = lab.path("nowhere");
    let error = start(&order).unwrap_err();
    let MethodResult::NotStarted(why) = Outcome::not_started(&error).result else { panic!("{error}") };
    assert!(why.contains("nowhere") && why.contains("No such file"), "{why}");
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn methods_of_a_former_life_are_killed_and_their_cgroups_removed() {
    let lab = Lab::new();
    let Some(parent) = lab.parent.clone() else { return };
    let mut order = lab.order("setsid sleep 1007 & echo $! > $LAB/child; echo ready; wait");
    order.cgroup = Some(Place { parent: parent.clone(), name: "former".into() });
    let running = start(&order).unwrap();
    let pid = running.pid;
    let mut ready = false;
    let waiting = running.wait(|_| ready = true);
    tokio::pin!(waiting);
    // As far as the first line; then the daemon "dies" and comes back.
    tokio::select! {
        outcome = &mut waiting => panic!("{outcome:?}"),
        () = tokio::task::unconstrained(async { while !lab.path("child").metadata().is_ok_and(|m| m.len() > 0) { tokio::task::yield_now().await } }) => {}
    }
    let killed = leftovers::kill_unfinished(&parent).unwrap();
    assert_eq!(killed, [leftovers::Killed { name: "former".into(), stuck: vec![] }]);
    assert!(!is_alive(pid) && !is_alive(pid_in(&lab.path("child"))));
    assert_eq!(waiting.await.result, MethodResult::Signalled(9));
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new());
    assert_eq!(leftovers::kill_unfinished(Path::new("/no/such/parent")).unwrap(), []);
}

#[tokio::test]
async fn many_methods_run_at_the_same_time_on_one_thread() {
    let lab = Lab::new();
    let order = lab.order("echo $1; exec true");
    let mut all = tokio::task::JoinSet::new();
    for number in 0..50 {
        let mut order = order.clone();
        order.args = vec![number.to_string().into()];
        order.cgroup = order.cgroup.map(|place| Place { name: format!("method-{number}"), ..place });
        all.spawn(async move {
            let (outcome, lines) = run(&order).await;
            (outcome.result, lines == [number.to_string()])
        });
    }
    for done in all.join_all().await {
        assert_eq!(done, (MethodResult::Exited(0), true));
    }
    assert_eq!(lab.cgroups(), Vec::<PathBuf>::new());
}
