//! Launching real programs.

use super::*;
use std::io::Read;
use std::os::fd::AsRawFd;

/// Runs it with a pipe as standard output, by clone3 and by the plain way, and returns both outputs.
fn outputs(launch: impl Fn() -> Launch<'static>) -> [String; 2] {
    [false, true].map(|plain| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let mut launch: Launch<'_> = launch().stdout(writer.as_fd());
        launch.plain = plain;
        let started = launch.start().unwrap();
        drop(launch);
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        wait(&started);
        text
    })
}

fn wait(started: &Launched) -> Exit {
    rustix::event::poll(
        &mut [rustix::event::PollFd::new(&started.pidfd, rustix::event::PollFlags::IN)],
        Some(&rustix::event::Timespec { tv_sec: 10, tv_nsec: 0 }),
    )
    .unwrap();
    poll_exit(started.pidfd.as_fd()).unwrap().expect("ended within ten seconds")
}

fn both(text: &str) -> [String; 2] {
    [text.to_string(), text.to_string()]
}

#[test]
fn arguments_and_environment_arrive_exactly_as_given() {
    let out = outputs(|| {
        Launch::new("/bin/sh")
            .args(["-c", "echo \"$1|$2|$A\"; env | grep -c HOME", "sh", "a b", ""])
            .env("A", "x=y")
    });
    assert_eq!(out, both("a b||x=y\n0\n"));
}

#[test]
fn a_child_has_three_descriptors_and_no_more() {
    let keep = std::fs::File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(&keep, rustix::io::FdFlags::empty()).unwrap();
    let script = "i=0; while [ $i -lt 200 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done";
    let out = outputs(|| Launch::new("/bin/sh").args(["-c", script]));
    assert_eq!(out, both("0\n1\n2\n"), "descriptor {} must not leak", keep.as_raw_fd());
}

#[test]
fn a_prepared_start_serves_again_and_again_with_further_variables() {
    let script = "echo \"$1$A$B\"; [ \"$1$A$B\" = 012 ]";
    let start = Launch::new("sh")
        .args(["-c", script, "sh", "0"])
        .search_path("/no/such:/bin")
        .env("A", "1")
        .cwd("/")
        .prepare()
        .unwrap();
    assert_eq!(start.env().collect::<Vec<_>>(), [c"A=1"]);
    for (more, code) in [(c"B=2", 0), (c"B=3", 1), (c"B=2", 0)] {
        assert_eq!(wait(&start.start(&[more], None).unwrap()), Exit::Code(code), "{more:?}");
    }
}

#[test]
fn an_exit_that_was_looked_at_can_still_be_reaped_once() {
    let started = Launch::new("/bin/sh").args(["-c", "exit 7"]).start().unwrap();
    let mut ready = [rustix::event::PollFd::new(&started.pidfd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut ready, None).unwrap();
    for _ in 0..2 {
        assert_eq!(peek_exit(started.pidfd.as_fd()).unwrap(), Some(Exit::Code(7)));
    }
    assert_eq!(poll_exit(started.pidfd.as_fd()).unwrap(), Some(Exit::Code(7)));
    assert!(open_process(started.pid).unwrap().is_none(), "it is out of the process table");
}

#[test]
fn the_callers_own_rights_need_no_change_and_those_of_others_are_taken_on() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let ids = |uid, groups: &[u32]| {
        let owner = Owner { uid, gid: 7, groups: groups.to_vec() };
        outputs(move || Launch::new("/usr/bin/id").owner(owner.clone()))
    };
    for out in ids(0, &[8]) {
        assert!(out.starts_with("uid=0(") && out.contains("gid=7(") && out.contains("8("), "{out}");
    }
    for out in ids(4321, &[]) {
        assert!(out.starts_with("uid=4321 gid=7(") && !out.contains("8("), "{out}");
    }
}

#[test]
fn our_own_descriptors_survive_the_start() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let started = Launch::new("/bin/true").start().unwrap();
    wait(&started);
    std::io::Write::write_all(&mut &writer, b"here").unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "here");
}

#[test]
fn ignored_and_blocked_signals_are_default_again_in_the_child() {
    let out = outputs(|| Launch::new("/bin/grep").args(["-E", "^Sig(Blk|Ign)", "/proc/self/status"]));
    for text in out {
        for line in text.lines() {
            assert!(line.ends_with("0000000000000000"), "{line}");
        }
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}

#[test]
fn output_and_error_can_share_one_pipe() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let started = Launch::new("/bin/sh")
        .args(["-c", "echo out; echo err >&2"])
        .stdout(writer.as_fd())
        .stderr(writer.as_fd())
        .start()
        .unwrap();
    drop(writer);
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    wait(&started);
    assert_eq!(text, "out\nerr\n");
}

#[test]
fn a_missing_program_is_an_error_with_its_step_and_leaves_no_child() {
    for plain in [false, true] {
        let mut launch = Launch::new("/no/such/program");
        launch.plain = plain;
        let error = launch.start().unwrap_err();
        assert_eq!(error.step, Step::Exec);
        assert_eq!(error.source.raw_os_error(), Some(libc::ENOENT));
    }
}

#[test]
fn a_missing_directory_is_told_from_a_missing_program() {
    let error = Launch::new("/bin/true").cwd("/no/such/directory").start().unwrap_err();
    assert_eq!(error.step, Step::Cwd);
}

#[test]
fn a_nul_byte_is_refused_before_anything_starts() {
    let error = Launch::new("/bin/echo").args(["a\0b"]).start().unwrap_err();
    assert_eq!(error.step, Step::Prepare);
}

#[test]
fn a_bare_name_is_found_in_the_search_path_only() {
    let out = outputs(|| Launch::new("echo").args(["found"]).search_path("/no/such:/usr/bin:/bin"));
    assert_eq!(out, both("found\n"));
    assert!(Launch::new("echo").start().is_err());
}

#[test]
fn a_script_without_an_interpreter_line_runs_under_the_shell() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("script");
    std::fs::write(&script, "echo \"ran $1\"\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(outputs(|| Launch::new(script.clone()).args(["x"])), both("ran x\n"));
}

#[test]
fn a_session_leader_is_its_own_process_group() {
    let out = outputs(|| {
        Launch::new("/bin/sh")
            .args(["-c", "set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo own"])
            .group(Group::Session)
            .env("PATH", "/bin")
    });
    assert_eq!(out, both("own\n"));
}

#[test]
fn limits_and_directory_are_as_asked() {
    let out =
        outputs(|| Launch::new("/bin/sh").args(["-c", "ulimit -n; pwd"]).files_max(99, 100).cwd("/usr"));
    assert_eq!(out, both("99\n/usr\n"));
}

#[test]
fn root_can_start_a_process_of_another_owner() {
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let owner = Owner { uid: 65534, gid: 65533, groups: vec![65532] };
    let out = outputs(|| {
        Launch::new("/bin/sh")
            .args(["-c", "id -u; id -g; id -G"])
            .env("PATH", "/usr/bin:/bin")
            .owner(owner.clone())
    });
    assert_eq!(out, both("65534\n65533\n65533 65532\n"));
}

#[test]
fn exit_code_and_signal_are_told_apart() {
    let code = Launch::new("/bin/sh").args(["-c", "exit 7"]).start().unwrap();
    assert_eq!(wait(&code), Exit::Code(7));
    let signal = Launch::new("/bin/sh").args(["-c", "kill -9 $$"]).start().unwrap();
    assert_eq!(wait(&signal), Exit::Signal(9));
}

#[test]
fn a_process_that_is_gone_has_no_descriptor() {
    let started = Launch::new("/bin/true").start().unwrap();
    wait(&started);
    assert!(open_process(started.pid).unwrap().is_none());
}

#[test]
fn the_peer_of_a_socket_is_ourselves() {
    let (here, _there) = std::os::unix::net::UnixStream::pair().unwrap();
    let (owner, pid) = peer_owner(here.as_fd()).unwrap();
    assert_eq!(owner.uid, rustix::process::geteuid().as_raw());
    assert_eq!(pid, i32::try_from(std::process::id()).unwrap());
}
