//! The deadman when nothing else works: a full disk, a log nobody reads, a stopped pmfd, processes that
//! do not die; and what it does besides killing.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};

use rgm_api::client::Client;
use rgm_api::pmf::{Failfast, HeldAddress, Refusal, Reply, Request};

use crate::deadman::{LONG_MS, SOON_MS};
use crate::kit::{Node, PATIENCE, eventually, has_cgroups, is_root, lives, signal};

#[test]
fn a_pmfd_that_was_stopped_beyond_the_deadline_kills_before_it_serves_anybody() {
    let node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    node.eventually_lines("runs", 1);
    let pids = node.pids("tag");
    node.arm(SOON_MS);
    let deadline = node.deadman().armed.unwrap().deadline_boot_ms;
    signal(node.pmfd_pid(), 19);
    // What waits in its queue when it wakes up: something to start, and a restart that is due.
    let mut late = node.adm_command(&["-c", "late", &node.living()]).stderr(Stdio::null()).spawn().unwrap();
    pids.iter().for_each(|pid| signal(*pid, 9));
    eventually("the deadline is over", || pmf::daemon::now().0 > deadline);
    signal(node.pmfd_pid(), 18);
    assert_eq!(late.wait().unwrap().code(), Some(5));
    node.fired();
    node.eventually_gone("tag");
    assert_eq!(node.lines("runs").len(), 1, "neither the new one nor the restart has run");
}

#[test]
fn a_full_disk_of_the_run_directory_changes_nothing() {
    if !is_root() {
        return;
    }
    let mut node = Node::inside("-m", "mkdir run state && mount -t tmpfs -o size=64k none run");
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    node.eventually_lines("runs", 1);
    let pids = node.pids("tag");
    let full = node.script_inside("cat /dev/zero > run/filler");
    assert!(full.err.contains("No space left"), "{full:?}");
    node.arm(LONG_MS);
    node.arm(8 * SOON_MS);
    let deadline = node.deadman().armed.unwrap().deadline_boot_ms;
    node.kill_pmfd();
    // A socket needs some room. The deadline has all of its own.
    assert_eq!(node.script_inside("truncate -s 40960 run/filler").code, 0);
    node.start();
    assert!(node.script_inside("cat /dev/zero >> run/filler").err.contains("No space left"));
    let fired = node.fired();
    assert_eq!(fired.deadline_boot_ms, deadline);
    assert!(fired.failures.is_empty(), "{fired:?}");
    assert!(!pids.iter().any(|pid| lives(*pid)));
    assert!(!node.log().contains("can't be written"), "{}", node.log());
}

#[test]
fn a_log_that_nobody_reads_does_not_hold_it_up() {
    let dir = tempfile::tempdir().unwrap();
    let pipe = dir.path().join("log");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    // Open both ways, so that neither end waits for the other.
    let reader = File::options().read(true).write(true).open(&pipe).unwrap();
    let log = File::options().write(true).open(&pipe).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_pmfd"));
    command.env("RGM_RUN_DIR", dir.path().join("run")).env("RGM_STATE_DIR", dir.path().join("state"));
    command.env("RGM_LOG", "info").stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut pmfd = command.spawn().unwrap();
    // It holds the pipe open, too.
    drop(command);
    let socket = dir.path().join("run/pmfd.sock");
    eventually("pmfd listens", || UnixStream::connect(&socket).is_ok());
    let adm = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_pmfadm"));
        command.env("RGM_RUN_DIR", dir.path().join("run")).args(args).stdin(Stdio::null());
        command
    };
    let pid_of = |tag: &str| -> i32 {
        let out = adm(&["-l", tag, "--json"]).output().unwrap().stdout;
        serde_json::from_slice::<rgm_api::pmf::TagView>(&out).unwrap().pids[0]
    };
    for tag in ["tag", "other"] {
        assert!(adm(&["-c", tag, "-n", "-1", "/bin/sleep", "1000"]).status().unwrap().success());
    }
    let (tag, other) = (pid_of("tag"), pid_of("other"));
    arm_at(&socket, pmf::daemon::now().0 + 4 * SOON_MS, Failfast::Kill);
    let mut filler = File::options().write(true).custom_flags(nix::libc::O_NONBLOCK).open(&pipe).unwrap();
    while filler.write(&[b' '; 512]).is_ok() {}
    // Its restart is logged, and pmfd waits for the reader for ever.
    signal(tag, 9);
    eventually("pmfd waits in a write", || {
        let syscall = fs::read_to_string(format!("/proc/{}/syscall", pmfd.id())).unwrap_or_default();
        syscall.starts_with("1 ")
    });
    eventually("the other tag has ended", || !lives(other));
    assert!(fs::read_to_string(format!("/proc/{}/syscall", pmfd.id())).unwrap().starts_with("1 "));
    let mut drain = File::open(&pipe).unwrap();
    drop(reader);
    let drained = std::thread::spawn(move || {
        let mut log = Vec::new();
        drain.read_to_end(&mut log).map(|_| log)
    });
    eventually("pmfd goes on", || adm(&["-L"]).status().is_ok_and(|status| status.success()));
    assert!(
        Command::new(env!("CARGO_BIN_EXE_pmfd"))
            .env("RGM_RUN_DIR", dir.path().join("run"))
            .env("RGM_STATE_DIR", dir.path().join("state"))
            .arg("--stop-all")
            .status()
            .unwrap()
            .success()
    );
    pmfd.wait().unwrap();
    drop(filler);
    assert!(String::from_utf8_lossy(&drained.join().unwrap().unwrap()).contains("the deadman has fired"));
}

fn arm_at(socket: &Path, deadline_boot_ms: u64, failfast: Failfast) {
    let mut client = Client::connect::<Refusal>(socket).unwrap();
    client.set_time_limit(Some(PATIENCE));
    client.call(&Request::Deadman { deadline_boot_ms, failfast, cgroups: Vec::new() }).unwrap();
}

/// A process in the freezer of cgroup version 1 does not even die of KILL, like one that waits for a
/// disk. Thawed however the test ends.
struct Frozen(std::path::PathBuf);

impl Frozen {
    fn new(pid: i32) -> Option<Self> {
        let freezer = Path::new("/sys/fs/cgroup/freezer");
        if !is_root() || !freezer.join("cgroup.procs").exists() {
            return None;
        }
        let dir = freezer.join(format!("rgm-test-{pid}"));
        fs::create_dir(&dir).unwrap();
        fs::write(dir.join("cgroup.procs"), pid.to_string()).unwrap();
        fs::write(dir.join("freezer.state"), "FROZEN").unwrap();
        Some(Self(dir))
    }

    fn thaw(&self) {
        fs::write(self.0.join("freezer.state"), "THAWED").unwrap();
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        self.thaw();
        eventually("the freezer can be removed", || fs::remove_dir(&self.0).is_ok());
    }
}

#[test]
fn a_process_that_does_not_die_is_named_until_it_does() {
    let node = Node::new();
    node.ok(&["-c", "tag", "/bin/sleep", "1000"]);
    let pid = node.pids("tag")[0];
    let Some(frozen) = Frozen::new(pid) else { return };
    node.arm(0);
    let named = || node.deadman().fired.is_some_and(|fired| !fired.stuck.is_empty());
    eventually("it is named", named);
    let fired = node.deadman().fired.unwrap();
    assert_eq!((fired.stuck.as_slice(), fired.empty_boot_ms), (&[format!("{pid} (sleep) D")][..], None));
    assert!(node.log().contains(&format!("{pid} (sleep) D")), "{}", node.log());
    frozen.thaw();
    assert!(node.fired().stuck.is_empty());
}

#[test]
fn addresses_on_record_go_down_and_others_stay() {
    if !is_root() {
        return;
    }
    // The one interface that every kernel has.
    let setup = "ip link set lo up && ip addr add 192.0.2.1/24 dev lo && ip addr add 192.0.2.77/24 dev lo \
                 && echo 1 > /proc/sys/net/ipv4/conf/lo/promote_secondaries \
                 && ip addr add 2001:db8::77/64 dev lo nodad";
    let node = Node::inside("-n", setup);
    let index = 1;
    let held = |ip: &str, prefix_len| HeldAddress {
        ip: ip.parse().unwrap(),
        prefix_len,
        netif: "lo".to_owned(),
        index,
    };
    let write = |resource: &str, held: &[HeldAddress]| {
        let file = node.path(&format!("run/{resource}.addresses"));
        fs::write(file, serde_json::to_vec(held).unwrap()).unwrap();
    };
    // One of them was written down and not put up.
    write("a-rs", &[held("192.0.2.77", 24), held("192.0.2.78", 24)]);
    write("b-rs", &[held("2001:db8::77", 64)]);
    fs::write(node.path("run/torn.addresses"), "[{").unwrap();
    node.arm(0);
    let fired = node.fired();
    assert_eq!(fired.addresses, 2, "{fired:?}");
    assert!(matches!(&fired.failures[..], [one] if one.contains("torn.addresses")), "{fired:?}");
    let left = node.script_inside("ip -o addr show lo").out;
    assert!(left.contains("192.0.2.1/24"), "{left}");
    assert!(!left.contains("192.0.2.77") && !left.contains("2001:db8::77"), "{left}");
}

#[test]
fn an_unreadable_record_counts_as_a_deadline_that_has_passed() {
    let mut node = Node::new();
    node.ok(&["-c", "tag", "-n", "-1", &node.living()]);
    let pids = node.pids("tag");
    node.arm(LONG_MS);
    node.kill_pmfd();
    fs::write(node.path("run/pmfd.deadman"), "{\"boot_id\":").unwrap();
    node.start();
    eventually("the tag has ended", || !pids.iter().any(|pid| lives(*pid)));
    node.fired();
    node.eventually_gone("tag");
}

#[test]
fn without_cgroups_methods_are_found_by_their_variables_and_it_says_so() {
    let node = Node::without_cgroups();
    let method = |run_dir: &Path| {
        let mut command = Command::new("/bin/sleep");
        command.arg("1000").env("RGM_METHOD", "START").env("RGM_RUN_DIR", run_dir).spawn().unwrap()
    };
    let (mut ours, mut others) = (method(&node.path("run")), method(&node.path("run2")));
    node.arm(0);
    node.fired();
    assert!(!ours.wait().unwrap().success());
    assert!(others.try_wait().unwrap().is_none(), "another node's goes on");
    others.kill().unwrap();
    others.wait().unwrap();
    assert!(node.log().contains("could be found without cgroups"), "{}", node.log());
}

#[test]
fn an_armed_pmfd_is_hard_to_starve_and_what_it_starts_is_not() {
    // Permitted to root where nobody has taken these rights away.
    let protected = |pid: u32| -> (i32, bool, bool) {
        let read = |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
        let locked = read("status").lines().any(|line| line.starts_with("VmLck:") && !line.contains(" 0 kB"));
        let tasks = fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten();
        let realtime = tasks
            .map(|task| fs::read_to_string(task.path().join("stat")).unwrap_or_default())
            // The 41st field is the class; the name in parentheses is one field.
            .any(|stat| stat.rsplit(')').next().unwrap().split_whitespace().nth(38) == Some("1"));
        (read("oom_score_adj").trim().parse().unwrap(), locked, realtime)
    };
    if !is_root() {
        return;
    }
    let node = Node::new();
    let pmfd = u32::try_from(node.pmfd_pid()).unwrap();
    assert_eq!(protected(pmfd), (0, false, false), "not before it is armed");
    node.arm(LONG_MS);
    eventually("it is protected, or the log says why not", || {
        protected(pmfd) == (-1000, true, true) || node.log().contains("the deadman: it")
    });
    node.ok(&["-c", "tag", "/bin/sleep", "1000"]);
    let child = u32::try_from(node.pids("tag")[0]).unwrap();
    assert_eq!(protected(child), (0, false, false));
}

#[test]
fn a_thousand_tags_are_gone_at_once() {
    let node = Node::new();
    let names: Vec<String> = (0..1000).map(|number| format!("tag{number}")).collect();
    let node = &node;
    std::thread::scope(|scope| {
        for part in names.chunks(250) {
            scope.spawn(move || {
                for name in part {
                    node.ok(&["-c", name, "-n", "-1", "/bin/sleep", "1000"]);
                }
            });
        }
    });
    node.arm(0);
    let fired = node.fired();
    let after = |time: u64| time - fired.deadline_boot_ms;
    let (killed, empty) = (after(fired.killed_boot_ms), after(fired.empty_boot_ms.unwrap()));
    println!("1000 tags: killed {killed} ms after the deadline, the last process gone after {empty} ms");
    eventually("no tag is left", || node.ok(&["-L"]).trim() == "tags:");
}

/// Gone however the test ends.
struct Machine(std::process::Child);

impl Drop for Machine {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A pmfd in a namespace of processes, where `reboot` ends the namespace and never the machine; with
/// `without`, of these rights.
fn in_a_machine_of_its_own(dir: &Path, without: Option<&str>) -> Machine {
    // Nothing is started unless this is process 1, and so not the machine's own namespace.
    let drop_right = without
        .map_or(String::new(), |right| format!("setpriv --bounding-set=-{right} --inh-caps=-{right} "));
    let script = format!("[ $$ = 1 ] && exec {drop_right}{}", env!("CARGO_BIN_EXE_pmfd"));
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "sh", "-c", &script]);
    command.env("RGM_RUN_DIR", dir.join("run")).env("RGM_STATE_DIR", dir.join("state"));
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(dir.join("log")).unwrap());
    let machine = command.spawn().unwrap();
    let machine = Machine(machine);
    eventually("pmfd listens", || UnixStream::connect(dir.join("run/pmfd.sock")).is_ok());
    machine
}

/// Variable: this process asks the pmfd of that socket, and writes its answer into that file.
const ASKS: &str = "PMF_TEST_ASKS";

/// Asks from within that namespace: pmfd does not speak with processes that it can't see.
fn ask_inside(machine: &Machine, dir: &Path, request: &Request) -> Option<Reply> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", machine.0.id())).unwrap();
    let mut command = Command::new("nsenter");
    command.args(["-t", children.trim(), "--pid"]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "deadman_alone::a_refused_reboot_leaves_the_kill_and_is_told"]);
    command.env(ASKS, serde_json::to_string(request).unwrap()).current_dir(dir);
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
    serde_json::from_slice(&fs::read(dir.join("reply")).unwrap()).ok()
}

fn ask_here(request: &str) {
    let request: Request = serde_json::from_str(request).unwrap();
    let mut client = Client::connect::<Refusal>(Path::new("run/pmfd.sock")).unwrap();
    client.set_time_limit(Some(PATIENCE));
    fs::write("reply", serde_json::to_vec(&client.call(&request).unwrap()).unwrap()).unwrap();
}

fn soon_reboot() -> Request {
    let deadline_boot_ms = pmf::daemon::now().0 + 2 * SOON_MS;
    Request::Deadman { deadline_boot_ms, failfast: Failfast::Reboot, cgroups: Vec::new() }
}

#[test]
fn failfast_reboot_reboots() {
    if !is_root() || !has_cgroups() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut machine = in_a_machine_of_its_own(dir.path(), None);
    ask_inside(&machine, dir.path(), &soon_reboot()).unwrap();
    let status = machine.0.wait().unwrap();
    assert!(!status.success(), "{status}");
    assert!(!fs::read_to_string(dir.path().join("log")).unwrap().contains("refused"));
}

#[test]
fn a_refused_reboot_leaves_the_kill_and_is_told() {
    if let Ok(request) = std::env::var(ASKS) {
        return ask_here(&request);
    }
    if !is_root() || !has_cgroups() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let machine = in_a_machine_of_its_own(dir.path(), Some("sys_boot"));
    ask_inside(&machine, dir.path(), &soon_reboot()).unwrap();
    let fired = || {
        let reply = ask_inside(&machine, dir.path(), &Request::DeadmanStatus {});
        let Some(Reply::Deadman(view)) = reply else { unreachable!("{reply:?}") };
        view.fired
    };
    eventually("it has fired", || fired().is_some());
    let failures = fired().unwrap().failures;
    assert!(matches!(&failures[..], [one] if one.contains("reboot was refused")), "{failures:?}");
}
