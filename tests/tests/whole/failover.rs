//! What becomes of a group when something fails (reference 2.3, 5.5 to 5.7).

use anyhow::Result;
use nix::sys::signal::Signal;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{ErrorStopFailed, Offline, Online, OnlineFaulted};
use rgm_types::ResourceState;

#[test]
fn a_failed_start_stays_where_it_is_or_moves_on_as_failover_mode_says() -> Result<()> {
    DevCluster::play(|c| {
        for (mode, moves) in
            [("NONE", false), ("SOFT", true), ("HARD", true), ("RESTART_ONLY", false), ("LOG_ONLY", false)]
        {
            let (g, r) = (format!("g-{mode}"), format!("r-{mode}"));
            c.create(&g, &r, "ACME.tick", &format!("-y Failover_mode={mode}"))?;
            c.tick.behave(&r, "START.phys-1", "exit 1")?;
            let said = c.run(&format!("scswitch -Z -g {g}"))?;
            if moves {
                c.wait_for(&g, [Offline, Online])?;
                let begun = c.tick.begun(0);
                let stopped = begun.iter().position(|call| *call == format!("STOP {r} phys-1"));
                let started = begun.iter().position(|call| *call == format!("START {r} phys-2"));
                assert!(stopped.is_some() && stopped < started, "{mode}: {begun:?}");
            } else {
                assert_ne!(said.code, 0, "{mode}: {said:?}");
                c.expect(&g, [OnlineFaulted, Offline])?;
                assert_eq!(c.resource_state(&r, "phys-1")?, Some(ResourceState::StartFailed), "{mode}");
            }
            c.tick.witness(&r).one_at_a_time()?;
        }
        Ok(())
    })
}

#[test]
fn a_failed_stop_waits_for_an_operator_unless_failover_mode_is_hard() -> Result<()> {
    DevCluster::play(|c| {
        for mode in ["NONE", "SOFT"] {
            let (g, r) = (format!("g-{mode}"), format!("r-{mode}"));
            c.create_online(&g, &r, "ACME.tick", &format!("-y Failover_mode={mode}"))?;
            c.tick.behave(&r, "STOP", "exit 1")?;
            assert_ne!(c.run(&format!("scswitch -z -g {g} -h phys-2"))?.code, 0, "{mode}");
            c.expect(&g, [ErrorStopFailed, Offline])?;
            // What the operator does, so that the cluster can end.
            c.on("phys-1", &format!("pmfadm -s {r}.svc -w -1 KILL"))?.ok()?;
            c.ok(&format!("scswitch -c -h phys-1 -j {r} -f STOP_FAILED"))?;
            c.tick.witness(&r).one_at_a_time()?;
        }
        Ok(())
    })
}

#[test]
fn a_failed_stop_of_a_hard_resource_takes_its_node_down_and_all_its_groups_move() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-y Failover_mode=HARD")?;
        c.create_online("beside", "b", "ACME.tick", "")?;
        let (applications, pmfd) = ([c.application("r")?.1, c.application("b")?.1], c.pmfd("phys-1"));
        c.tick.behave("r", "STOP", "exit 1")?;
        c.run("scswitch -z -g g -h phys-2")?;
        c.wait_for("g", [Offline, Online])?;
        c.wait_for("beside", [Offline, Online])?;
        assert!(applications.iter().all(|pid| !is_alive(*pid)), "everything on the node was killed");
        until("the node joins again, with a pmfd of its own", || {
            let up = c.ok("scha_cluster_get -O NODESTATE_NODE phys-1")? == "UP\n";
            Ok((up && c.pmfd("phys-1").is_some_and(|new| Some(new) != pmfd)).then_some(()))
        })?;
        for r in ["r", "b"] {
            c.wait_for_call(&format!("end BOOT {r} phys-1"), 1)?;
            c.tick.witness(r).one_at_a_time()?;
        }
        c.tick.behave("r", "STOP", "")?;
        c.ok("scswitch -z -g g -h phys-1")?;
        c.expect("g", [Online, Offline])
    })
}

#[test]
fn failover_mode_decides_what_a_monitor_may_ask_for() -> Result<()> {
    DevCluster::play(|c| {
        let rows: [(&str, &[(&str, i32)]); 2] = [
            (
                "RESTART_ONLY",
                &[
                    ("GIVEOVER", 16),
                    ("CHECK_GIVEOVER", 16),
                    ("RESTART", 16),
                    ("CHECK_RESTART", 16),
                    ("RESOURCE_DISABLE", 16),
                    ("RESOURCE_RESTART", 0),
                    ("RESOURCE_RESTART", 16),
                    ("RESOURCE_IS_RESTARTED", 0),
                ],
            ),
            (
                "LOG_ONLY",
                &[
                    ("GIVEOVER", 16),
                    ("CHECK_GIVEOVER", 16),
                    ("RESTART", 16),
                    ("CHECK_RESTART", 16),
                    ("RESOURCE_DISABLE", 16),
                    ("RESOURCE_RESTART", 16),
                    ("RESOURCE_IS_RESTARTED", 16),
                ],
            ),
        ];
        for (mode, asked) in rows {
            let (g, r) = (format!("g-{mode}"), format!("r-{mode}"));
            c.create_online(&g, &r, "ACME.tick", &format!("-y Failover_mode={mode} -y Retry_count=1"))?;
            for (op, code) in asked {
                let (before, begun) = (c.application(&r)?, c.tick.begun(0).len());
                let said = c.on("phys-1", &format!("scha_control -O {op} -G {g} -R {r}"))?;
                assert_eq!(said.code, *code, "{mode} {op}: {said:?}");
                let restarted = c.application(&r)? != before;
                assert_eq!(restarted, *op == "RESOURCE_RESTART" && *code == 0, "{mode} {op}");
                if !restarted {
                    assert_eq!(c.tick.begun(begun), [""; 0], "{mode} {op}: no method runs");
                }
            }
            c.expect(&g, [Online, Offline])?;
        }
        Ok(())
    })
}

#[test]
fn scha_control_restarts_counts_and_disables() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let ask = |op: &str| c.on("phys-1", &format!("scha_control -O {op} -G g -R r"))?.ok();
        let get = |tag: &str| c.on("phys-1", &format!("scha_resource_get -O {tag} -R r"))?.ok();
        let (_, first) = c.application("r")?;
        ask("RESOURCE_RESTART")?;
        let (_, second) = c.application("r")?;
        assert_ne!(first, second);
        ask("RESOURCE_IS_RESTARTED")?;
        assert_eq!(c.application("r")?.1, second, "only counted");
        assert_eq!((get("NUM_RESOURCE_RESTARTS")?, get("NUM_RG_RESTARTS")?), ("2\n".into(), "0\n".into()));
        ask("RESTART")?;
        assert_ne!(c.application("r")?.1, second);
        c.expect("g", [Online, Offline])?;
        assert_eq!((get("NUM_RESOURCE_RESTARTS")?, get("NUM_RG_RESTARTS")?), ("2\n".into(), "1\n".into()));
        ask("CHECK_RESTART")?;
        c.on("phys-2", "scha_control -O GIVEOVER -G g -R r")?.refused(9)?;
        ask("RESOURCE_DISABLE")?;
        assert_eq!(get("ON_OFF_SWITCH")?, "DISABLED\n");
        assert!(c.application("r").is_err());
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn a_giveover_is_vetoed_by_monitor_check_and_does_not_come_back_within_pingpong_interval() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let before = c.application("r")?;
        c.tick.behave("r", "MONITOR_CHECK.phys-2", "echo not here; exit 1")?;
        for op in ["GIVEOVER", "CHECK_GIVEOVER"] {
            let begun = c.tick.begun(0).len();
            c.on("phys-1", &format!("scha_control -O {op} -G g -R r"))?.refused(16)?;
            assert_eq!(c.tick.begun(begun), ["MONITOR_CHECK r phys-2"], "{op}");
        }
        assert_eq!(c.application("r")?, before, "untouched");

        c.tick.behave("r", "MONITOR_CHECK.phys-2", "")?;
        c.on("phys-1", "scha_control -O CHECK_GIVEOVER -G g -R r")?.ok()?;
        assert_eq!(c.application("r")?, before, "only asked");
        c.on("phys-1", "scha_control -O GIVEOVER -G g -R r")?.ok()?;
        c.expect("g", [Offline, Online])?;

        let moved = c.application("r")?;
        let said = c.on("phys-2", "scha_control -O GIVEOVER -G g -R r")?.refused(16)?;
        assert!(said.contains("Pingpong_interval"), "{said}");
        assert_eq!(c.application("r")?, moved, "untouched");
        c.ok("scswitch -z -g g -h phys-1")?;
        c.expect("g", [Online, Offline])?;
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn without_a_monitor_the_manager_itself_gives_over_what_pmf_gave_up() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=1")?;
        let (_, first) = c.application("r")?;
        send(first, Signal::SIGKILL)?;
        let second =
            until("PMF starts it again", || Ok(c.application("r").ok().filter(|(_, pid)| *pid != first)))?;
        assert_eq!(second.0, "phys-1");
        c.expect("g", [Online, Offline])?;
        send(second.1, Signal::SIGKILL)?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(c.application("r")?.0, "phys-2");
        assert_eq!(c.tick.witness("r").starts("phys-1")?, 2, "started as often as Retry_count says");
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn without_a_monitor_and_without_failover_a_lost_application_is_shown_as_faulted() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Retry_count=0")?;
        send(c.application("r")?.1, Signal::SIGKILL)?;
        c.wait_for("g", [OnlineFaulted, Offline])?;
        let status = c.on("phys-1", "scha_resource_get -O STATUS -R r")?.ok()?;
        assert!(status.starts_with("FAULTED\n"), "{status}");
        c.on("phys-1", "pmfadm -q r.svc")?;
        c.ok("scswitch -R -g g -h phys-1")?;
        c.expect("g", [Online, Offline])
    })
}

#[test]
fn with_a_monitor_the_tag_disappears_and_the_monitor_decides() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-y Failover_mode=SOFT -y Retry_count=0")?;
        let begun = c.tick.begun(0).len();
        send(c.application("r")?.1, Signal::SIGKILL)?;
        until("the tag disappears", || Ok((c.on("phys-1", "pmfadm -q r.svc")?.code == 1).then_some(())))?;
        until("it is logged", || Ok(c.log()?.contains("was restarted as often as it may").then_some(())))?;
        c.expect("g", [Online, Offline])?;
        assert_eq!(c.tick.begun(begun), [""; 0], "nobody does anything but the monitor");
        c.on("phys-1", "scha_control -O GIVEOVER -G g -R r")?.ok()?;
        c.expect("g", [Offline, Online])
    })
}

#[test]
fn a_group_that_starts_nowhere_stays_offline_after_a_bounded_number_of_attempts() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-y Failover_mode=SOFT")?;
        c.tick.behave("r", "START", "exit 1")?;
        assert_ne!(c.run("scswitch -Z -g g")?.code, 0, "who asked gets to know");
        c.wait_for("g", [Offline, Offline])?;
        until("it is said", || {
            let said = "rebalance: no primary node is currently found for resource group <g>.";
            let said = [said.to_owned(), said.replace("<g>", "g")]
                .iter()
                .any(|s| c.log().is_ok_and(|log| log.contains(s)));
            Ok(said.then_some(()))
        })?;
        for node in ["phys-1", "phys-2"] {
            let starts = c.tick.begun(0).iter().filter(|call| **call == format!("START r {node}")).count();
            assert!((1..=2).contains(&starts), "{starts} attempts on {node}");
        }
        c.tick.behave("r", "START", "")?;
        c.ok("scswitch -z -g g -h phys-1")?;
        c.expect("g", [Online, Offline])
    })
}

#[test]
fn a_giveover_to_a_node_where_the_start_fails_comes_back() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-y Failover_mode=SOFT")?;
        c.tick.behave("r", "START.phys-2", "exit 1")?;
        let (_, before) = c.application("r")?;
        c.on("phys-1", "scha_control -O GIVEOVER -G g -R r")?;
        c.wait_for("g", [Online, Offline])?;
        assert_ne!(c.application("r")?, ("phys-1".to_owned(), before));
        assert!(c.tick.begun(0).contains(&"START r phys-2".to_owned()));
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn a_giveover_is_completed_although_the_monitor_that_asked_is_stopped_by_it() -> Result<()> {
    DevCluster::play(|c| {
        let word = c.dir().join("word");
        assert!(std::process::Command::new("mkfifo").arg(&word).status()?.success());
        let probe = format!("read -r _ <{}; scha_control -O GIVEOVER -G g -R r", word.display());
        c.tick.behave("r", "MONITOR_START", &format!("pmfadm -c r.mon sh -c '{probe}'; say end; exit 0"))?;
        c.create_online("g", "r", "ACME.tick", "")?;
        std::fs::write(&word, "now\n")?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(c.tick.begun(0).iter().filter(|call| *call == "MONITOR_STOP r phys-1").count(), 1);
        c.tick.witness("r").one_at_a_time()
    })
}
