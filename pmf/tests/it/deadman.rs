//! The deadman, with real processes and cgroups: what it kills, when, and what it then refuses.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use methods::cgroup::{Cgroup, Root};
use rgm_api::client::{CallError, Client};
use rgm_api::pmf::{DeadmanView, Failfast, Fired, Refusal, RefusalKind, Reply, Request, Text};

use crate::kit::{Node, both_ways, eventually, is_root, lives, signal};

/// Longer than any step of a test takes.
pub const LONG_MS: u64 = 600_000;
/// Soon, but not before what comes between.
pub const SOON_MS: u64 = 300;

type Answer = Result<Reply, RefusalKind>;

impl Node {
    pub fn call(&self, request: &Request) -> Answer {
        self.client().call(request).map_err(|error| {
            let CallError::Refused(Refusal { kind, .. }) = error else { unreachable!("{error}") };
            kind
        })
    }

    pub fn deadman(&self) -> DeadmanView {
        let reply = self.call(&Request::DeadmanStatus {}).unwrap();
        let Reply::Deadman(view) = reply else { unreachable!("{reply:?}") };
        *view
    }

    pub fn arm_with(&self, after_ms: u64, failfast: Failfast, cgroups: &[&Cgroup]) -> Answer {
        let cgroups = cgroups.iter().map(|cgroup| Text::from(cgroup.path().as_os_str().to_owned()));
        let deadline_boot_ms = pmf::daemon::now().0 + after_ms;
        self.call(&Request::Deadman { deadline_boot_ms, failfast, cgroups: cgroups.collect() })
    }

    pub fn arm(&self, after_ms: u64) {
        self.arm_with(after_ms, Failfast::Kill, &[]).unwrap();
    }

    /// Waits until it has fired, nothing is left and nobody has acknowledged it: an earlier firing stays
    /// on record.
    pub fn fired(&self) -> Fired {
        let news = |fired: &Fired| fired.empty_boot_ms.is_some() && !fired.acknowledged;
        let empty = || self.deadman().fired.filter(news);
        eventually("it has fired and all are gone", || empty().is_some());
        empty().unwrap()
    }
}

/// A cgroup as rgmd makes for its methods; ended and removed however the test ends.
struct Methods(Root, Cgroup, Vec<Child>);

impl Methods {
    fn new(node: &Node) -> Option<Self> {
        let root = Root::find().ok()?;
        let name = methods::cgroup::instance_name(node.dir.path());
        let cgroup = root.create(&format!("rgm/{name}/methods")).unwrap();
        Some(Self(root, cgroup, Vec::new()))
    }

    /// Runs a method in a cgroup below.
    fn run(&mut self, name: &str, script: &str) {
        let below = PathBuf::from(self.1.path().strip_prefix(self.0.path()).unwrap()).join(name);
        let below = self.0.create(below.to_str().unwrap()).unwrap();
        let procs = below.path().join("cgroup.procs");
        let enter = format!("echo $$ > {} && {script}", procs.display());
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &enter]).process_group(0).stdin(Stdio::null());
        self.2.push(command.spawn().unwrap());
    }
}

impl Drop for Methods {
    fn drop(&mut self) {
        self.1.kill().unwrap();
        for child in &mut self.2 {
            child.wait().unwrap();
        }
        eventually("the methods' cgroup can be removed", || self.0.remove(&self.1).is_ok());
    }
}

/// A daemon that has left its parent and its session, a process that ignores TERM, and a stopped one.
const STUBBORN: &str = "trap \'\' TERM\nsetsid sh -c '(echo $$ >> runs; exec sleep 1000) & exit 0' &\n\
                        sh -c 'echo $$ >> runs; kill -STOP $$' &\necho $$ >> runs\nsleep 1000";

#[test]
fn at_the_deadline_every_tag_ends_with_all_its_processes_and_nothing_is_restarted() {
    both_ways(|node| {
        let stubborn = node.script("stubborn", STUBBORN);
        node.ok(&["-c", "tag", "-n", "-1", &stubborn]);
        let action = node.script("act", "echo $$ >> acts");
        node.ok(&["-c", "other", "-a", &action, "-n", "0", &node.living()]);
        node.eventually_lines("runs", 4);
        let pids: Vec<i32> = ["tag", "other"].iter().flat_map(|tag| node.pids(tag)).collect();
        assert!(pids.len() >= 5, "{pids:?}");
        node.arm(SOON_MS);
        let fired = node.fired();
        assert!(fired.fired_boot_ms >= fired.deadline_boot_ms, "{fired:?}");
        assert!(!pids.iter().any(|pid| lives(*pid)));
        node.eventually_gone("tag");
        node.eventually_gone("other");
        assert_eq!((node.lines("runs").len(), node.lines("acts").len()), (4, 0));
    });
}

#[test]
fn methods_end_too_with_the_cgroups_below_theirs() {
    let node = Node::new();
    let Some(mut methods) = Methods::new(&node) else { return };
    methods.run("dns-rs.start", "(setsid sleep 1000 &) ; exec sleep 1000");
    methods.run("www-rs.stop/inner", "exec sleep 1000");
    eventually("all run", || methods.1.procs().unwrap().len() == 3);
    node.arm_with(SOON_MS, Failfast::Kill, &[&methods.1]).unwrap();
    node.fired();
    assert_eq!(methods.1.procs().unwrap(), [0; 0]);
}

#[test]
fn a_deadline_that_is_moved_in_time_kills_nobody_and_one_moved_to_earlier_counts() {
    let node = Node::new();
    node.ok(&["-c", "tag", &node.living()]);
    let pids = node.pids("tag");
    let begun = pmf::daemon::now().0;
    while pmf::daemon::now().0 < begun + 4 * SOON_MS {
        node.arm(2 * SOON_MS);
    }
    assert!(node.deadman().armed.is_some() && pids.iter().all(|pid| lives(*pid)));
    node.arm(LONG_MS);
    node.arm(SOON_MS);
    node.fired();
    assert!(!pids.iter().any(|pid| lives(*pid)));
}

#[test]
fn a_disarmed_deadman_stays_asleep() {
    let node = Node::new();
    node.ok(&["-c", "tag", &node.living()]);
    node.arm(SOON_MS);
    node.call(&Request::Disarm {}).unwrap();
    let begun = pmf::daemon::now().0;
    eventually("the deadline is over", || pmf::daemon::now().0 > begun + 2 * SOON_MS);
    let view = node.deadman();
    assert_eq!((view.armed, view.fired), (None, None));
    assert_eq!(node.pids("tag").len(), 1);
}

#[test]
fn between_firing_and_acknowledgement_nothing_is_started_and_nobody_can_arm_it() {
    let node = Node::new();
    node.arm(0);
    let fired = node.fired();
    let done = node.adm(&["-c", "tag", "/bin/sleep", "1000"]);
    assert_eq!(done.code, 5, "{done:?}");
    assert!(done.err.contains("fired"), "{done:?}");
    assert_eq!(node.arm_with(LONG_MS, Failfast::Kill, &[]), Err(RefusalKind::Fired));
    assert_eq!(node.call(&Request::Disarm {}), Err(RefusalKind::Fired));
    let wrong = Request::Forget { fired_boot_ms: fired.fired_boot_ms + 1 };
    assert_eq!(node.call(&wrong), Err(RefusalKind::Invalid));
    node.call(&Request::Forget { fired_boot_ms: fired.fired_boot_ms }).unwrap();
    node.ok(&["-c", "tag", "/bin/sleep", "1000"]);
    node.arm(LONG_MS);
    assert!(node.deadman().fired.is_some_and(|fired| fired.acknowledged), "it is remembered");
}

#[test]
fn what_is_born_on_a_dead_node_is_killed() {
    let node = Node::new();
    let Some(mut methods) = Methods::new(&node) else { return };
    node.arm_with(0, Failfast::Kill, &[&methods.1]).unwrap();
    node.fired();
    methods.run("late-rs.start", "exec sleep 1000");
    assert!(!methods.2[0].wait().unwrap().success());
    let fired = node.fired();
    node.call(&Request::Forget { fired_boot_ms: fired.fired_boot_ms }).unwrap();
    methods.run("new-rs.start", "exec sleep 1000");
    eventually("it runs", || methods.1.procs().is_ok_and(|procs| procs.len() == 1));
}

#[test]
fn a_cgroup_that_was_made_anew_since_is_killed_all_the_same() {
    let node = Node::new();
    let Some(mut methods) = Methods::new(&node) else { return };
    node.arm_with(2 * SOON_MS, Failfast::Kill, &[&methods.1]).unwrap();
    methods.1.remove().unwrap();
    methods.run("dns-rs.start", "exec sleep 1000");
    eventually("it runs", || methods.1.procs().is_ok_and(|procs| procs.len() == 1));
    node.fired();
    assert_eq!(methods.1.procs().unwrap(), [0; 0]);
}

#[test]
fn a_restarted_pmfd_still_fires_at_the_deadline_and_at_once_if_it_is_late() {
    let mut node = Node::new();
    for late in [false, true] {
        node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
        let pids = node.pids("tag");
        node.arm(4 * SOON_MS);
        let deadline = node.deadman().armed.unwrap().deadline_boot_ms;
        node.kill_pmfd();
        if late {
            eventually("the deadline is over", || pmf::daemon::now().0 > deadline);
            assert!(pids.iter().all(|pid| lives(*pid)), "nobody could have killed them");
        }
        node.start();
        let fired = node.fired();
        assert_eq!(fired.deadline_boot_ms, deadline);
        assert!(!pids.iter().any(|pid| lives(*pid)));
        node.eventually_gone("tag");
        node.call(&Request::Forget { fired_boot_ms: fired.fired_boot_ms }).unwrap();
    }
    assert_eq!(node.deadman().armed, None);
}

#[test]
fn a_firing_is_remembered_across_restarts_of_pmfd_until_it_is_acknowledged() {
    let mut node = Node::new();
    node.arm(0);
    let fired = node.fired();
    node.kill_pmfd();
    node.start();
    assert_eq!(node.adm(&["-c", "tag", "/bin/sleep", "1000"]).code, 5);
    assert_eq!(node.fired().fired_boot_ms, fired.fired_boot_ms);
    node.ok(&["--forget"]);
    node.kill_pmfd();
    node.start();
    node.ok(&["-c", "tag", "/bin/sleep", "1000"]);
}

/// Variable: this process renews at the pmfd of that socket.
const RENEWS_AT: &str = "PMF_TEST_RENEWS_AT";

/// As rgmd does it. Returns once it is refused.
fn renew_at(socket: &Path) {
    let mut client = Client::connect::<Refusal>(socket).unwrap();
    loop {
        let request = Request::Deadman {
            deadline_boot_ms: pmf::daemon::now().0 + 4 * SOON_MS,
            failfast: Failfast::Kill,
            cgroups: Vec::new(),
        };
        if client.call(&request).is_err() {
            return;
        }
    }
}

#[test]
fn a_client_that_is_stopped_can_t_renew_so_it_fires() {
    if let Some(socket) = std::env::var_os(RENEWS_AT) {
        return renew_at(Path::new(&socket));
    }
    let node = Node::new();
    node.ok(&["-c", "tag", &node.living()]);
    let pids = node.pids("tag");
    // This very test, in a process of its own.
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "deadman::a_client_that_is_stopped_can_t_renew_so_it_fires"]);
    command.env(RENEWS_AT, node.path("run/pmfd.sock")).stdin(Stdio::null()).stdout(Stdio::null());
    let mut renewer = command.spawn().unwrap();
    let deadline = || node.deadman().armed.map(|armed| armed.deadline_boot_ms);
    eventually("it renews", || deadline().is_some());
    let first = deadline().unwrap();
    eventually("it renews on and on", || deadline().is_some_and(|now| now > first + 4 * SOON_MS));
    assert!(pids.iter().all(|pid| lives(*pid)));
    signal(i32::try_from(renewer.id()).unwrap(), 19);
    node.fired();
    assert!(!pids.iter().any(|pid| lives(*pid)));
    signal(i32::try_from(renewer.id()).unwrap(), 18);
    assert!(renewer.wait().unwrap().success(), "continued, it is told that it is too late");
}

#[test]
fn what_makes_no_sense_is_refused() {
    let node = Node::new();
    let own = fs::read_to_string("/proc/self/cgroup").unwrap();
    assert!(!own.is_empty());
    for path in ["relative/methods", "/etc"] {
        let request = Request::Deadman {
            deadline_boot_ms: u64::MAX,
            failfast: Failfast::Kill,
            cgroups: vec![path.into()],
        };
        assert_eq!(node.call(&request), Err(RefusalKind::Invalid), "{path}");
    }
    let device = Failfast::Watchdog { device: "/no/such/watchdog".into() };
    assert_eq!(node.arm_with(LONG_MS, device, &[]), Err(RefusalKind::Failed));
    if let Ok(root) = Root::find() {
        let cgroups = vec![root.path().as_os_str().to_owned().into()];
        let request = Request::Deadman { deadline_boot_ms: u64::MAX, failfast: Failfast::Kill, cgroups };
        assert_eq!(node.call(&request), Err(RefusalKind::Invalid), "pmfd itself is in there");
    }
    assert_eq!(node.deadman().armed, None);
}

#[test]
fn a_watchdog_is_fed_while_armed_and_no_more_once_it_has_fired_and_sleeps_when_disarmed() {
    let node = Node::new();
    let device = node.path("watchdog");
    fs::write(&device, "").unwrap();
    let failfast = || Failfast::Watchdog { device: Text::from(device.as_os_str().to_owned()) };
    let fed = || fs::read(&device).unwrap();
    node.arm_with(LONG_MS, failfast(), &[]).unwrap();
    eventually("it is fed again and again", || fed().len() >= 3);
    node.call(&Request::Disarm {}).unwrap();
    assert!(fed().ends_with(b"V"), "it was put to sleep");
    fs::write(&device, "").unwrap();
    node.arm_with(2 * SOON_MS, failfast(), &[]).unwrap();
    eventually("it is fed", || !fed().is_empty());
    node.fired();
    let last = fed();
    let begun = pmf::daemon::now().0;
    eventually("time for two meals is over", || pmf::daemon::now().0 > begun + 1_200);
    assert_eq!(fed(), last);
    assert!(!last.contains(&b'V'), "{last:?}");
    node.ok(&["--forget"]);
    assert_eq!(fed(), last, "what has been forgotten may still bite");
    node.arm_with(LONG_MS, failfast(), &[]).unwrap();
    eventually("it is fed once it is armed again", || fed().len() > last.len());
}

#[test]
fn the_next_pmfd_feeds_the_watchdog_on() {
    let mut node = Node::new();
    let device = node.path("watchdog");
    fs::write(&device, "").unwrap();
    let failfast = Failfast::Watchdog { device: Text::from(device.as_os_str().to_owned()) };
    node.arm_with(LONG_MS, failfast.clone(), &[]).unwrap();
    node.kill_pmfd();
    fs::write(&device, "").unwrap();
    node.start();
    eventually("it is fed", || !fs::read(&device).unwrap().is_empty());
    node.arm_with(LONG_MS, failfast, &[]).unwrap();
    node.arm(LONG_MS);
    assert!(fs::read(&device).unwrap().ends_with(b"V"), "it is not wanted any more");
}

#[test]
fn an_operator_sees_that_it_is_armed_and_that_it_has_fired() {
    let node = Node::new();
    assert_eq!(node.ok(&["--deadman"]), "deadman: not armed\n");
    node.arm(LONG_MS);
    assert!(node.ok(&["--deadman"]).starts_with("deadman: armed; fires in 59"));
    node.arm(0);
    node.fired();
    let text = node.ok(&["--deadman"]);
    assert!(text.starts_with("deadman: fired; nothing is started here"), "{text}");
    assert!(text.contains("last process gone: "), "{text}");
    assert!(node.log().contains("the deadman has fired"), "{}", node.log());
    node.ok(&["--forget"]);
    assert!(node.ok(&["--deadman"]).starts_with("deadman: not armed\nlast fired: "));
}

#[test]
fn only_root_may_arm_it_and_everyone_may_look() {
    if !is_root() {
        return;
    }
    let node = Node::new();
    node.arm(0);
    node.fired();
    let done = node.adm_as(65534, &["--forget"]);
    assert_eq!(done.code, 4, "{done:?}");
    assert_eq!(node.adm_as(65534, &["--deadman"]).code, 0);
}
