//! What a kill -9 must not make anybody forget. The crash test kills at random moments; here are the
//! moments that chance rarely meets.

use anyhow::Result;
use nix::sys::signal::Signal;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{ErrorStopFailed, Offline, Online};
use std::fs;

#[test]
fn what_pmf_gave_up_while_rgmd_was_gone_is_told_to_the_next_one() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=0")?;
        let (_, pid) = c.application("r")?;
        c.kill_rgmd()?;
        send(pid, Signal::SIGKILL)?;
        until("the tag disappears", || Ok((c.on("phys-1", "pmfadm -q r.svc")?.code == 1).then_some(())))?;
        c.start()?;
        c.wait_for("g", [Offline, Online])?;
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn a_death_while_pmfd_was_gone_is_repaired_and_counted_by_the_next_one() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=1")?;
        let (_, first) = c.application("r")?;
        // Stopped, it can't see the death that it will not survive.
        let pmfd = until("the node has a pmfd", || Ok(c.pmfd("phys-1")))?;
        send(pmfd, Signal::SIGSTOP)?;
        send(first, Signal::SIGKILL)?;
        send(pmfd, Signal::SIGKILL)?;
        let (node, second) =
            until("PMF starts it again", || Ok(c.application("r").ok().filter(|(_, pid)| *pid != first)))?;
        assert_eq!(node, "phys-1");
        send(second, Signal::SIGKILL)?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(c.tick.witness("r").starts("phys-1")?, 2, "no more than Retry_count says");
        Ok(())
    })
}

#[test]
fn a_start_cut_off_with_rgmd_is_gone_before_the_next_one_begins_and_the_operation_ends() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "")?;
        c.tick.behave("r", "START", "echo $$ >$dir/starter; trap '' TERM; while :; do sleep 1000; done")?;
        let asked = c.begin("scswitch -Z -g g")?;
        c.wait_for_call("begin START r phys-1", 1)?;
        let starter = until("it says which process it is", || {
            Ok(fs::read_to_string(c.dir().join("starter")).ok().and_then(|text| text.trim().parse().ok()))
        })?;
        c.kill_rgmd()?;
        let said = asked.end()?.refused(5)?;
        assert!(said.contains("scstat"), "it says how to find out what became of it: {said}");
        assert!(is_alive(starter), "nobody was there to kill it");
        c.tick.behave("r", "START", "")?;
        let begun = c.tick.begun(0).len();
        c.start()?;
        assert!(!is_alive(starter), "two methods of a resource never run at once");
        c.wait_for("g", [Online, Offline])?;
        let begun = c.tick.begun(begun);
        assert_eq!(begun[0], "STOP r phys-1", "what the first one may have begun is stopped: {begun:?}");
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn failed_stops_and_giveovers_are_not_forgotten_with_rgmd() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        c.on("phys-1", "scha_control -O GIVEOVER -G g -R r")?.ok()?;
        c.kill_rgmd()?;
        c.start()?;
        c.on("phys-2", "scha_control -O GIVEOVER -G g -R r")?.refused(16)?;

        c.tick.behave("r", "STOP", "exit 1")?;
        assert_ne!(c.run("scswitch -F -g g")?.code, 0);
        c.kill_rgmd()?;
        c.start()?;
        c.expect("g", [Offline, ErrorStopFailed])?;
        c.refused(9, "scswitch -z -g g -h phys-1")?;
        c.on("phys-2", "pmfadm -s r.svc -w -1 KILL")?.ok()?;
        c.ok("scswitch -c -h phys-2 -j r -f STOP_FAILED")?;
        c.expect("g", [Offline, Offline])
    })
}
