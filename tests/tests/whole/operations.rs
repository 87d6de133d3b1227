//! What else an operator or an agent may ask for: evacuation, suspension, quiescence, and the like.

use anyhow::Result;
use nix::sys::signal::Signal;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{Offline, Online, OnlineFaulted};
use rgm_types::ResourceState;

#[test]
fn an_evacuated_node_gives_up_everything_and_gets_nothing_back_by_itself() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        c.create_online("h", "s", "ACME.tick", "")?;
        c.ok("scswitch -S -h phys-1 -K 3600")?;
        c.expect("g", [Offline, Online])?;
        c.expect("h", [Offline, Online])?;
        c.on("phys-2", "scha_control -O GIVEOVER -G g -R r")?.refused(16)?;
        c.ok("scswitch -z -g g -h phys-1")?;
        c.expect("g", [Online, Offline])
    })
}

#[test]
fn a_suspended_group_is_not_recovered_but_obeys_its_operator() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=0")?;
        c.ok("scswitch -s -g g")?;
        assert_eq!(c.ok("scha_resourcegroup_get -O SUSPEND_AUTOMATIC_RECOVERY -G g")?, "TRUE\n");
        for op in ["GIVEOVER", "RESTART", "RESOURCE_RESTART"] {
            c.on("phys-1", &format!("scha_control -O {op} -G g -R r"))?.refused(16)?;
        }
        send(c.application("r")?.1, Signal::SIGKILL)?;
        c.wait_for("g", [OnlineFaulted, Offline])?;
        c.ok("scswitch -z -g g -h phys-2")?;
        c.expect("g", [Offline, Online])?;
        c.ok("scswitch -r -g g")?;
        send(c.application("r")?.1, Signal::SIGKILL)?;
        c.wait_for("g", [Online, Offline])
    })
}

#[test]
fn quiescence_kills_a_method_that_hangs_and_ends_recovery() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-y Failover_mode=SOFT")?;
        c.tick.behave("r", "START", "trap '' TERM ABRT; while :; do sleep 1000; done")?;
        let hangs = c.begin("scswitch -Z -g g")?;
        c.wait_for_call("begin START r phys-1", 1)?;
        c.ok("scswitch -Q -k -g g")?;
        assert_ne!(hangs.end()?.code, 0);
        assert_eq!(c.tick.witness("r").starts("phys-2")?, 0, "it was not tried elsewhere");
        assert!(!c.tick.begun(0).contains(&"START r phys-2".to_owned()));
        Ok(())
    })
}

#[test]
fn a_start_that_asks_for_it_fails_without_moving_its_group() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-y Failover_mode=SOFT")?;
        c.tick.behave("r", "START", "scha_control -O IGNORE_FAILED_START -G $group -R $resource; exit 1")?;
        assert_ne!(c.run("scswitch -Z -g g")?.code, 0);
        c.expect("g", [OnlineFaulted, Offline])?;
        assert_eq!(c.resource_state("r", "phys-1")?, Some(ResourceState::StartFailed));
        c.on("phys-1", "scha_control -O IGNORE_FAILED_START -G g -R r")?.refused(3)?;
        Ok(())
    })
}

#[test]
fn resources_start_after_what_they_depend_on_and_stop_before_it() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "base", "ACME.bare", "")?;
        c.ok("scrgadm -a -j middle -t ACME.bare -g g -y Resource_dependencies=base")?;
        c.ok("scrgadm -a -j top -t ACME.bare -g g -y Resource_dependencies=middle")?;
        c.ok("scswitch -Z -g g")?;
        assert_eq!(c.tick.begun(0), ["START base phys-1", "START middle phys-1", "START top phys-1"]);
        let begun = c.tick.begun(0).len();
        c.ok("scswitch -F -g g")?;
        assert_eq!(c.tick.begun(begun), ["STOP top phys-1", "STOP middle phys-1", "STOP base phys-1"]);
        c.refused(8, "scswitch -n -j base").map(drop)
    })
}

#[test]
fn a_failed_monitor_start_leaves_the_resource_running_and_says_so() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "-y Failover_mode=HARD")?;
        c.tick.behave("r", "MONITOR_START", "exit 1")?;
        c.run("scswitch -Z -g g")?;
        c.expect("g", [Online, Offline])?;
        assert_eq!(c.resource_state("r", "phys-1")?, Some(ResourceState::MonitorFailed));
        let before = c.application("r")?;
        c.tick.behave("r", "MONITOR_START", "")?;
        c.ok("scswitch -n -M -j r")?;
        c.ok("scswitch -e -M -j r")?;
        assert_eq!(c.resource_state("r", "phys-1")?, Some(ResourceState::Online));
        assert_eq!(c.application("r")?, before);
        Ok(())
    })
}

#[test]
fn a_validate_that_hangs_is_ended_by_its_timeout_and_nothing_is_created() -> Result<()> {
    DevCluster::play(|c| {
        c.ok("scrgadm -a -t ACME.tick")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        c.tick.behave("r", "VALIDATE.phys-1", "echo thinking; while :; do sleep 1000; done")?;
        let said = c.refused(10, "scrgadm -a -j r -t ACME.tick -g g -y Validate_timeout=1")?;
        assert!(said.contains("timed out") && said.contains("phys-1: thinking"), "{said}");
        c.refused(14, "scha_resource_get -O TYPE -R r").map(drop)
    })
}

#[test]
fn each_node_has_a_process_monitor_of_its_own() -> Result<()> {
    DevCluster::play(|c| {
        for node in ["phys-1", "phys-2"] {
            c.on(node, "pmfadm -c same sleep infinity")?.ok()?;
        }
        c.on("phys-1", "pmfadm -s same -w -1 KILL")?.ok()?;
        c.on("phys-1", "pmfadm -q same").map(|said| assert_eq!(said.code, 1))?;
        c.on("phys-2", "pmfadm -q same")?.ok()?;
        until("it is listed", || Ok((c.on("phys-2", "pmfadm -L")?.ok()? == "tags: same\n").then_some(())))
    })
}
