//! How a cluster on one machine ends, and who may not begin.

use anyhow::Result;
use nix::sys::signal::Signal;
use rgm_tests::kit::DevCluster;
use rgm_tests::kit::leftovers::send;
use rgm_types::GroupState::{Offline, Online};

#[test]
fn a_second_rgmd_is_refused_and_the_first_one_goes_on() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let before = c.application("r")?;
        let said = c.refused(1, "rgmd --dev-nodes phys-1,phys-2")?;
        assert!(said.contains(&format!("another rgmd (process {})", c.rgmd()?)), "{said}");
        assert_eq!(c.application("r")?, before);
        c.ok("scswitch -z -g g -h phys-2")?;
        Ok(())
    })
}

#[test]
fn a_signal_takes_every_group_offline_and_what_was_configured_is_there_again() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "-x Greeting=ahoy")?;
        let before = c.ok("scrgadm -pvv")?;
        let begun = c.tick.begun(0).len();
        c.finish()?;
        let mut ended = c.tick.begun(begun);
        ended.truncate(3);
        assert_eq!(ended, ["MONITOR_STOP r phys-1", "STOP r phys-1", "POSTNET_STOP r phys-1"]);
        assert!(c.application("r").is_err());

        c.start()?;
        assert_eq!(c.ok("scrgadm -pvv")?, before);
        c.wait_for("g", [Online, Offline])?;
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn a_second_signal_ends_everything_at_once_even_what_hangs() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("beside", "b", "ACME.tick", "")?;
        c.create("g", "r", "ACME.tick", "")?;
        c.tick.behave("r", "START", "trap '' TERM ABRT; while :; do sleep 1000; done")?;
        let hangs = c.begin("scswitch -Z -g g")?;
        c.wait_for_call("begin START r phys-1", 1)?;
        send(c.rgmd()?, Signal::SIGTERM)?;
        c.wait_for("beside", [Offline, Offline])?;
        send(c.rgmd()?, Signal::SIGINT)?;
        c.wait_for_end()?;
        c.nothing_left()?;
        assert_ne!(hangs.end()?.code, 0, "who waited gets to know that it did not happen");
        c.tick.behave("r", "START", "")?;
        c.start()?;
        Ok(())
    })
}
