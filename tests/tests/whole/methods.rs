//! How methods are called, what they may do, and what becomes of those that misbehave.

use anyhow::{Context, Result};
use rgm_tests::kit::DevCluster;
use rgm_tests::kit::cluster::is_alive;
use rgm_types::GroupState::{ErrorStopFailed, Offline, Online};
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};

#[test]
fn a_method_is_told_its_resource_and_validate_what_is_new() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-x Greeting=ahoy -x Rooms=a,b -y Retry_count=1")?;
        let own = ["-R", "r", "-T", "ACME.tick", "-G", "g"];
        for call in c.tick.arguments("VALIDATE") {
            assert_eq!(call[0], "-c");
            assert_eq!(call[1..7], own);
            let pair = |flag: &str, value: &str| call.windows(2).any(|w| w == [flag, value]);
            for (flag, value) in [
                ("-x", "Greeting=ahoy"),
                ("-x", "Rooms=a,b"),
                ("-x", "Level=5"),
                ("-r", "Retry_count=1"),
                ("-r", "Retry_interval=300"),
                ("-g", "Nodelist=phys-1,phys-2"),
            ] {
                assert!(pair(flag, value), "no {flag} {value} in {call:?}");
            }
        }
        c.ok("scswitch -Z -g g")?;
        assert_eq!(c.tick.arguments("START"), [own.map(str::to_owned).to_vec()]);

        let before = c.tick.arguments("VALIDATE").len();
        c.ok("scrgadm -c -j r -x Greeting=hi")?;
        let changed = c.tick.arguments("VALIDATE").split_off(before);
        assert_eq!(changed.len(), 2, "on every node");
        for call in changed {
            assert_eq!(call, ["-u", "-R", "r", "-T", "ACME.tick", "-G", "g", "-x", "Greeting=hi"]);
        }
        c.wait_for_call("end UPDATE r phys-1", 1)?;
        c.ok("scrgadm -c -g g -y Pingpong_interval=7")?;
        let last = c.tick.arguments("VALIDATE").pop().context("validated")?;
        assert_eq!(last, ["-u", "-R", "r", "-T", "ACME.tick", "-G", "g", "-g", "Pingpong_interval=7"]);
        Ok(())
    })
}

#[test]
fn what_validate_prints_is_returned_to_the_operator_and_nothing_is_left_of_the_change() -> Result<()> {
    DevCluster::play(|c| {
        c.ok("scrgadm -a -t ACME.tick")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        c.tick.behave("r", "VALIDATE.phys-2", "echo 'no room for it' >&2; exit 3")?;
        let before = c.ok("scrgadm -pvv")?;
        let said = c.refused(10, "scrgadm -a -j r -t ACME.tick -g g")?;
        assert!(said.contains("VALIDATE") && said.contains("phys-2: no room for it"), "{said}");
        assert_eq!(c.ok("scrgadm -pvv")?, before);
        c.tick.behave("r", "VALIDATE.phys-2", "")?;
        c.ok("scrgadm -a -j r -t ACME.tick -g g")?;

        c.tick.behave("r", "VALIDATE", "echo 'not that' ; exit 1")?;
        let before = c.ok("scrgadm -pvv")?;
        let said = c.refused(10, "scrgadm -c -j r -x Greeting=hi")?;
        assert!(said.contains("phys-1: not that") && said.contains("phys-2: not that"), "{said}");
        let said = c.refused(10, "scrgadm -c -g g -y Failback=TRUE")?;
        assert!(said.contains("not that"), "{said}");
        assert_eq!(c.ok("scrgadm -pvv")?, before);
        Ok(())
    })
}

#[test]
fn a_method_file_that_must_not_run_is_refused_with_its_path() -> Result<()> {
    DevCluster::play(|c| {
        c.ok("scrgadm -a -t ACME.tick")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        let file = c.tick.method("stop");
        let text = fs::read_to_string(&file)?;
        let mode = |mode| fs::set_permissions(&file, fs::Permissions::from_mode(mode));
        let refused = |why: &str| -> Result<()> {
            let before = c.ok("scrgadm -pvv")?;
            let said = c.run("scrgadm -a -j r -t ACME.tick -g g")?;
            let said = said.refused(10)?;
            assert!(said.contains(&file.display().to_string()) && said.contains(why), "{why}: {said}");
            assert_eq!(c.ok("scrgadm -pvv")?, before);
            Ok(())
        };
        mode(0o644)?;
        refused("not executable")?;
        mode(0o757)?;
        refused("world-writable")?;
        mode(0o755)?;
        chown(&file, Some(65534), None)?;
        refused("not by root")?;
        fs::remove_file(&file)?;
        refused("does not exist")?;
        c.tick.write_method("stop", &text)?;
        c.ok("scrgadm -a -j r -t ACME.tick -g g")?;
        Ok(())
    })
}

#[test]
fn a_daemon_that_holds_its_method_s_output_open_is_not_waited_for() -> Result<()> {
    DevCluster::play(|c| {
        c.tick.behave("r", "START", "sleep infinity & echo $! >$dir/daemon; echo it is there")?;
        c.create_online("g", "r", "ACME.tick", "")?;
        let daemon = fs::read_to_string(c.dir().join("daemon"))?.trim().parse()?;
        assert!(is_alive(daemon));
        assert!(c.log()?.contains("it is there"), "what it printed is logged all the same");
        Ok(())
    })
}

#[test]
fn what_a_method_prints_is_logged_under_the_tag_of_its_resource() -> Result<()> {
    DevCluster::play(|c| {
        c.tick.behave("r", "START", "echo to stdout; echo to stderr >&2; printf 'no end of line'")?;
        c.create_online("g", "r", "ACME.tick", "")?;
        let log = c.log()?;
        for words in ["to stdout", "to stderr", "no end of line"] {
            let line = log.lines().find(|line| line.contains(words)).with_context(|| words.to_owned())?;
            assert!(line.contains("[ACME.tick,g,r]"), "{line}");
        }
        for line in [
            "launching method <start> for resource <r>, resource group <g>, node <phys-1>, timeout <3600> seconds",
            "method <start> completed successfully for resource <r>, resource group <g>, node <phys-1>, time used: 0% of timeout <3600 seconds>",
            "resource group g state on node phys-1 change to RG_PENDING_ONLINE",
            "resource group g state on node phys-1 change to RG_ONLINE",
            "resource r state on node phys-1 change to R_ONLINE",
        ] {
            assert!(log.contains(line), "not logged: {line}");
        }
        Ok(())
    })
}

#[test]
fn a_stop_that_ignores_term_is_killed_and_freezes_its_group_until_it_is_cleared() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-y Stop_timeout=1")?;
        let (_, pid) = c.application("r")?;
        c.tick.behave(
            "r",
            "STOP",
            "trap '' TERM ABRT; echo I will not; echo $$ >$dir/stopper; while :; do sleep 1000; done",
        )?;
        let said = c.run("scswitch -F -g g")?;
        assert_ne!(said.code, 0, "{said:?}");
        c.expect("g", [ErrorStopFailed, Offline])?;
        let stopper = fs::read_to_string(c.dir().join("stopper"))?.trim().parse()?;
        assert!(!is_alive(stopper), "the method is gone");
        let log = c.log()?;
        let timed_out =
            "Method <stop> timed out on resource <r> in resource group <g> [killed after <1> seconds]";
        for words in
            [timed_out, "processes (pid ppid state wait-channel age command):", "sleep 1000", "I will not"]
        {
            assert!(log.contains(words), "not logged: {words}");
        }

        assert!(is_alive(pid), "an application that could not be stopped is not touched");
        for line in [
            "scswitch -z -g g -h phys-2",
            "scswitch -Z -g g",
            "scrgadm -c -j r -x Greeting=hi",
            "scrgadm -c -g g -y Failback=TRUE",
            "scrgadm -a -j r2 -t ACME.tick -g g",
            "scha_control -O GIVEOVER -G g -R r",
        ] {
            let said = c.refused(9, line)?;
            assert!(said.contains('r'), "{said}");
        }
        c.tick.behave("r", "STOP", "")?;
        c.on("phys-1", "pmfadm -s r.svc -w -1 KILL")?.ok()?;
        c.ok("scswitch -c -h phys-1 -j r -f stop_failed")?;
        c.expect("g", [Offline, Offline])?;
        c.ok("scswitch -z -g g -h phys-2")?;
        c.expect("g", [Offline, Online])?;
        c.tick.witness("r").one_at_a_time()
    })
}
