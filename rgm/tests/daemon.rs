//! rgmd as a process: how it starts, who may ask, what survives its death, what it leaves behind.

mod kit;

use kit::{Place, group, is_alive, resource, until};
use rgm_api::rgm::{Connection, Failure};
use rgm_types::{Command as Change, GetValue, NodeName, Query, SchaErr};
use rustix::process::{Pid, Signal, kill_process};
use std::fs;

const SLEEP: &str = "echo $$ >>$T/starts\nexec pmfadm -c r.svc -n 1 -t 60 /bin/sleep 1000";
const STOP: &str = "echo stop >>$T/stops\npmfadm -s r.svc -w 20 KILL\nexit 0";

fn with_service(nodes: &str) -> (Place, kit::Daemon) {
    let place = Place::cluster(nodes);
    place.method("start", SLEEP);
    place.method("stop", STOP);
    let daemon = place.start();
    place.configure("SOFT");
    (place, daemon)
}

#[test]
fn a_cluster_says_it_is_ready_answers_and_leaves_nothing_behind() {
    let (place, daemon) = with_service("a,b");
    let socket = place.path("run/rgmd.sock");
    assert_eq!(daemon.ready.trim_end(), format!("rgmd: ready, nodes a b, socket {}", socket.display()));
    let info = place.connect_to("b").info().unwrap();
    assert_eq!(
        (info.node.as_str(), info.nodes.join(" ").as_str(), info.cluster.as_str()),
        ("b", "a b", "rgm")
    );
    for refused in [place.connect().quorum().map(drop), place.connect().leave().map(drop)] {
        assert_eq!(refused.unwrap_err().code(), SchaErr::NotAllowed, "all of it is one machine");
    }
    place.online("a").unwrap();
    let (service, pmfds) = (place.supervised("a"), ["a", "b"].map(|node| place.pmfd_pid(node).unwrap()));
    assert!(service.iter().chain(&pmfds).all(|pid| is_alive(*pid)));
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success(), "{}", place.log());
    assert_eq!(place.words("stops"), ["stop"]);
    until("the service and both pmfds end", || !service.iter().chain(&pmfds).any(|pid| is_alive(*pid)));
    assert!(!place.path("run").exists());
    assert_eq!(["a", "b"].map(|node| kit::cgroup_of(&place.path("run").join(node))), [None, None]);
}

#[test]
fn a_killed_daemon_finds_its_services_pmfds_and_configuration_again() {
    let (place, daemon) = with_service("a,b");
    place.online("b").unwrap();
    let (service, pmfds) = (place.supervised("b"), ["a", "b"].map(|node| place.pmfd_pid(node).unwrap()));
    daemon.kill();
    let daemon = place.start();
    until("the resource is online as before", || place.is_online_on("b"));
    assert_eq!(place.supervised("b"), service);
    assert_eq!(["a", "b"].map(|node| place.pmfd_pid(node).unwrap()), pmfds);
    assert_eq!(place.words("starts").len(), 1);
    place.online("a").unwrap();
    assert!(place.is_online_on("a") && !place.is_online_on("b"));
    daemon.signal(Signal::INT);
    assert!(daemon.wait().success());
}

#[test]
fn a_method_cut_off_with_its_daemon_is_killed_and_the_operation_ends() {
    let place = Place::cluster("a");
    place.method("start", "echo $$ >>$T/starts\n[ -e $T/go ] || exec sleep 1000\nexit 0");
    place.method("stop", STOP);
    let daemon = place.start();
    place.configure("SOFT");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| place.online("a"));
        until("START runs", || place.words("starts").len() == 1);
        daemon.kill();
        assert!(matches!(asking.join().unwrap(), Err(Failure::Lost { .. })));
    });
    fs::write(place.path("go"), "").unwrap();
    let first: i32 = place.words("starts")[0].parse().unwrap();
    let _daemon = place.start();
    assert!(!is_alive(first));
    until("it is started again", || place.is_online_on("a"));
    assert_eq!(place.words("starts").len(), 2);
}

#[test]
fn a_killed_pmfd_is_started_again_and_keeps_its_service() {
    let (place, _daemon) = with_service("a");
    place.online("a").unwrap();
    let (service, pmfd) = (place.supervised("a"), place.pmfd_pid("a").unwrap());
    kill_process(Pid::from_raw(pmfd).unwrap(), Signal::KILL).unwrap();
    until("another pmfd answers", || place.pmfd_pid("a").is_some_and(|pid| pid != pmfd));
    assert_eq!(place.supervised("a"), service);
}

#[test]
fn what_pmf_gives_up_moves_the_group() {
    let (place, _daemon) = with_service("a,b");
    place.online("a").unwrap();
    until("PMF has given up on a", || {
        let pids = if place.is_online_on("a") { place.supervised("a") } else { vec![] };
        for pid in &pids {
            let _gone = kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL);
        }
        place.is_online_on("b")
    });
    assert_eq!(place.supervised("b").len(), 1);
}

#[test]
fn a_node_that_must_not_go_on_is_killed_and_joins_again_as_after_a_boot() {
    let place = Place::cluster("a,b");
    place.method("start", SLEEP);
    place.method("stop", "[ $RGM_NODE = b ] || exit 1\npmfadm -s r.svc -w 20 KILL\nexit 0");
    let daemon = place.start();
    place.configure("HARD");
    place.online("a").unwrap();
    let (service, pmfd) = (place.supervised("a"), place.pmfd_pid("a").unwrap());
    // STOP fails on a, so a goes down with all it runs, and the group can go on elsewhere.
    let _moved_or_told = place.online("b");
    until("it is online on b", || place.is_online_on("b"));
    until("a's processes are gone", || !service.iter().chain([&pmfd]).any(|pid| is_alive(*pid)));
    until("a is a member again", || {
        let snapshot = place.connect().snapshot().unwrap();
        snapshot.nodes.iter().all(|node| node.up)
    });
    assert_eq!(place.supervised("a"), Vec::<i32>::new());
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
}

#[test]
fn a_second_daemon_is_refused() {
    let (place, daemon) = with_service("a");
    let second = place.command(&["--dev-nodes", "a"]).output().unwrap();
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success());
    assert!(
        said.contains(&format!("another rgmd (process {}) serves", daemon.pid().as_raw_nonzero())),
        "{said}"
    );
    // The same state under another run directory is as bad.
    let mut elsewhere = place.command(&["--dev-nodes", "a"]);
    let third = elsewhere.env("RGM_RUN_DIR", place.path("run2")).output().unwrap();
    let said = String::from_utf8_lossy(&third.stderr).into_owned();
    assert!(!third.status.success() && said.contains("in use by another rgmd"), "{said}");
    place.connect().info().unwrap();
}

#[test]
fn a_configured_node_that_is_not_named_is_missed() {
    let place = Place::cluster("a,b");
    let daemon = place.start();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let refused = place.command(&["--dev-nodes", "b"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("node a is configured"), "{said}");
}

#[test]
fn everyone_may_read_and_only_root_may_change() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let (place, _daemon) = with_service("a");
    let paths = place.paths();
    let nobody = std::thread::spawn(move || {
        // Of this thread alone: the socket has the rights of the thread that connects.
        let uid = rustix::process::Uid::from_raw(65534);
        rustix::thread::set_thread_res_uid(uid, uid, uid).unwrap();
        let query = Query::Resource { tag: "GROUP".into(), resource: "r".into(), group: None, args: vec![] };
        let read = Connection::open(&paths).unwrap().get(query).unwrap();
        let set =
            Change::SetEnabled { resources: vec![resource()], nodes: vec![], on: false, recursive: false };
        let change = Connection::open(&paths).unwrap().change(set, false, None);
        (read, change.unwrap_err().code())
    });
    assert_eq!(nobody.join().unwrap(), (GetValue::Text("g".into()), SchaErr::Access));
    place
        .change(Change::SetEnabled {
            resources: vec![resource()],
            nodes: vec![],
            on: false,
            recursive: false,
        })
        .unwrap();
}

#[test]
fn a_method_anybody_could_change_is_refused_by_name() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::cluster("a");
    place.method("start", SLEEP);
    place.method("stop", STOP);
    let _daemon = place.start();
    place.configure("SOFT");
    let file = place.path("m/start");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o777)).unwrap();
    let create = Change::ResourceCreate {
        name: "r2".into(),
        type_name: "t".into(),
        group: group(),
        props: vec![],
        enable: true,
    };
    let Err(Failure::Refused(refusal)) = place.change(create) else { panic!("it was created") };
    let file = file.display().to_string();
    assert!(
        refusal.output.iter().any(|line| line.contains(&file) && line.contains("world-writable")),
        "{refusal:?}"
    );
}

#[test]
fn a_caller_that_hangs_up_does_not_undo_what_it_asked_for() {
    use std::io::Write;
    let (place, _daemon) = with_service("a");
    let mut stream = std::os::unix::net::UnixStream::connect(place.path("run/rgmd.sock")).unwrap();
    let nodes = vec![NodeName::new("a").unwrap()];
    let command = Change::Switch { groups: vec![group()], nodes, with: Default::default() };
    let request = rgm_api::rgm::Request::Change { command, dry_run: false };
    stream.write_all(&rgm_api::frame::encode_call(&request, true)).unwrap();
    drop(stream);
    until("it is online", || place.is_online_on("a"));
}

#[test]
fn a_record_of_a_life_replays_to_the_same_decisions() {
    let mut place = Place::cluster("a,b");
    let record = place.path("record");
    place.add_args(&["--record", record.to_str().unwrap()]);
    place.method("start", SLEEP);
    place.method("stop", STOP);
    let daemon = place.start();
    place.configure("SOFT");
    place.online("a").unwrap();
    place.online("b").unwrap();
    daemon.signal(Signal::TERM);
    assert!(daemon.wait().success());
    let replayed = place.command(&["--replay"]).arg(&record).output().unwrap();
    let said = String::from_utf8_lossy(&replayed.stdout).into_owned();
    assert!(replayed.status.success() && said.contains("each as it was"), "{said}");
}

#[test]
fn settings_are_checked_with_file_line_and_reason() {
    let place = Place::cluster("a");
    let check = || {
        let output = place.command(&["--check-config"]).output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert!(check().0);
    fs::write(place.path("rgm.toml"), "failfast = \"kill\"\nstop_wiat = \"3s\"\n").unwrap();
    let (good, said) = check();
    assert!(
        !good && said.contains("rgm.toml") && said.contains("line 2") && said.contains("stop_wiat"),
        "{said}"
    );
}

#[test]
fn a_nodes_own_daemon_waits_for_methods_and_the_next_one_takes_their_results() {
    let place = Place::new(&[]);
    fs::write(place.path("rgm.toml"), "node = \"solo\"\ncluster = \"one\"\nstop_wait = \"50s\"\n").unwrap();
    nix::unistd::mkfifo(&place.path("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    place.method("start", "echo ${RGM_NODE-none} >>$T/starts\nread word <$T/gate\nexit 0");
    place.method("stop", STOP);
    let daemon = place.start();
    place.configure("SOFT");
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| place.online("solo"));
        until("START runs", || !place.words("starts").is_empty());
        daemon.signal(Signal::TERM);
        until("it waits", || place.log().contains("waiting for methods"));
        assert_eq!(place.connect().info().unwrap().node, "solo");
        let set =
            Change::SetEnabled { resources: vec![resource()], nodes: vec![], on: false, recursive: false };
        assert_eq!(place.change(set).unwrap_err().code(), SchaErr::Reconf);
        fs::write(place.path("gate"), "go\n").unwrap();
        assert!(daemon.wait().success());
        assert!(asking.join().unwrap().is_err());
    });
    let _daemon = place.start();
    until("it is online", || place.is_online_on("solo"));
    assert_eq!(place.words("starts"), ["none"], "once, and without a name for the node");
}

#[test]
fn a_node_whose_journal_is_lost_begins_anew_with_nothing_running() {
    let place = Place::new(&[]);
    fs::write(place.path("rgm.toml"), "node = \"solo\"\n").unwrap();
    place.start_pmfd();
    place.method("start", SLEEP);
    place.method("stop", STOP);
    let daemon = place.start();
    place.configure("SOFT");
    place.online("solo").unwrap();
    let service = place.supervised_at(&place.paths().pmfd_socket());
    daemon.kill();
    assert!(is_alive(service[0]));
    fs::remove_file(place.path("run/journal")).unwrap();
    let _daemon = place.start();
    until("it is started anew", || place.is_online_on("solo") && place.words("starts").len() == 2);
    assert!(!is_alive(service[0]));
    assert!(place.log().contains("it is ended"), "{}", place.log());
}

#[test]
fn a_pmfd_that_is_not_there_is_named() {
    let place = Place::cluster("a");
    fs::write(place.path("rgm.toml"), "pmfd = \"/no/such/pmfd\"\n").unwrap();
    let refused = place.command(&["--dev-nodes", "a"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && said.contains("cannot take over node a: cannot start /no/such/pmfd"),
        "{said}"
    );
}

#[test]
fn a_machine_that_must_not_go_on_kills_all_it_runs_and_joins_again_as_after_a_boot() {
    let place = Place::new(&[]);
    fs::write(place.path("rgm.toml"), "node = \"solo\"\nfailfast = \"kill\"\n").unwrap();
    let pmfd = place.paths().pmfd_socket();
    place.start_pmfd();
    place.method("start", SLEEP);
    place.method("stop", "exit 1");
    place.method("boot", "echo boot >>$T/boots\nexit 0");
    let daemon = place.start();
    place.configure("HARD");
    place.online("solo").unwrap();
    let service = place.supervised_at(&pmfd);
    assert_eq!(service.len(), 1);
    let nodes = vec![NodeName::new("solo").unwrap()];
    let asked = place.change(Change::Restart { groups: vec![group()], nodes });
    assert!(matches!(asked, Err(Failure::Lost { .. })), "{asked:?}");
    assert_eq!(daemon.wait().code(), Some(70), "{}", place.log());
    assert!(!is_alive(service[0]));
    until("pmfd ends", || std::os::unix::net::UnixStream::connect(&pmfd).is_err());
    place.start_pmfd();
    let _daemon = place.start();
    until("it is online again", || place.is_online_on("solo"));
    assert_eq!((place.words("boots").len(), place.words("starts").len()), (1, 2));
    assert_eq!(place.supervised_at(&pmfd).len(), 1);
}

#[test]
fn while_the_journal_cannot_be_written_nothing_is_started() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    // A thread and its children can have mounts of their own.
    let test = std::thread::spawn(|| {
        let disk = kit::Tmpfs::mount("64k");
        let place = Place::new(&[]);
        std::os::unix::fs::symlink(disk.0.path(), place.path("run")).unwrap();
        fs::write(place.path("rgm.toml"), "node = \"solo\"\n").unwrap();
        place.method("start", "echo start >>$T/starts\nexit 0");
        place.method("stop", "exit 0");
        let _daemon = place.start();
        place.configure("NONE");
        place.online("solo").unwrap();
        let ballast = disk.fill();
        // There may be room for some lines on the last page of the journal.
        until("the journal is full", || {
            let _either = place.offline().and_then(|()| place.online("solo"));
            place.log().contains("can't be written")
        });
        let starts = place.words("starts").len();
        place.offline().unwrap();
        assert!(matches!(place.online("solo"), Err(Failure::Refused(_))));
        assert_eq!(place.words("starts").len(), starts);
        assert!(place.log().contains("make room there"), "{}", place.log());
        fs::remove_file(ballast).unwrap();
        place.offline().unwrap();
        place.online("solo").unwrap();
        assert_eq!(place.words("starts").len(), starts + 1);
    });
    test.join().unwrap();
}
