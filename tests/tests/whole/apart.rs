//! Groups are independent: what one waits for delays nothing in another. Compared is what comes
//! before what, not how long it takes.

use anyhow::Result;
use nix::sys::signal::Signal;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{Offline, Online, PendingOnline};

#[test]
fn a_start_that_takes_long_delays_no_action_recovery_or_answer_of_another_group() -> Result<()> {
    DevCluster::play(|c| {
        c.create("slow", "s", "ACME.tick", "")?;
        c.create("quick", "q", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=1")?;
        let gate = c.tick.gate("s", "START")?;
        let mut slow = c.begin("scswitch -Z -g slow")?;
        c.wait_for_call("begin START s phys-1", 1)?;

        c.ok("scswitch -Z -g quick")?;
        let (_, first) = c.application("q")?;
        send(first, Signal::SIGKILL)?;
        let (_, second) =
            until("PMF starts it again", || Ok(c.application("q").ok().filter(|(_, pid)| *pid != first)))?;
        send(second, Signal::SIGKILL)?;
        c.wait_for("quick", [Offline, Online])?;
        c.ok("scswitch -z -g quick -h phys-1")?;
        c.on("phys-1", "scha_control -O RESOURCE_RESTART -G quick -R q")?.ok()?;
        c.ok("scrgadm -c -j q -x Greeting=hi")?;
        c.ok("scrgadm -a -g third")?;
        c.ok("scrgadm -r -g third")?;
        c.expect("quick", [Online, Offline])?;

        c.expect("slow", [PendingOnline, Offline])?;
        assert!(slow.is_running()?, "all that was done before the START of the other group ended");
        assert!(!c.tick.calls().contains(&"end START s phys-1".to_owned()));
        gate.open()?;
        slow.end()?.ok()?;
        c.expect("slow", [Online, Offline])
    })
}
