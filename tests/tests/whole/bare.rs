//! A machine on which no cgroup can be made: processes are found through /proc.

use anyhow::Result;
use nix::mount::{MntFlags, umount2};
use nix::sys::signal::Signal;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::mounts::in_own_mounts;
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{Offline, Online};
use std::fs;

/// Plays a scene where no cgroup of version 2 is mounted.
fn without_cgroups(scene: fn(&mut DevCluster) -> Result<()>) -> Result<()> {
    in_own_mounts(|| {
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo")?;
        let version_2 = mounts.lines().filter(|line| line.contains(" - cgroup2 "));
        for place in version_2.filter_map(|line| line.split(' ').nth(4)) {
            umount2(place, MntFlags::MNT_DETACH)?;
        }
        DevCluster::play(scene)
    })
}

#[test]
fn services_are_supervised_moved_and_ended_without_cgroups_too() -> Result<()> {
    without_cgroups(|c| {
        c.create_online("g", "r", "ACME.tick", "-y Retry_count=1")?;
        assert!(c.log()?.contains("cgroup"), "that there are none is said");
        let (_, first) = c.application("r")?;
        send(first, Signal::SIGKILL)?;
        let (_, second) =
            until("PMF starts it again", || Ok(c.application("r").ok().filter(|(_, pid)| *pid != first)))?;
        c.kill_rgmd()?;
        c.kill_pmfd_alone("phys-1")?;
        c.start()?;
        assert_eq!(c.application("r")?.1, second, "nobody touched it");
        c.on("phys-1", "scha_control -O GIVEOVER -G g -R r")?.ok()?;
        c.expect("g", [Offline, Online])?;
        assert!(!is_alive(second));
        c.tick.witness("r").one_at_a_time()
    })
}

#[test]
fn a_method_that_hangs_is_killed_with_its_children_without_cgroups_too() -> Result<()> {
    without_cgroups(|c| {
        c.create("g", "r", "ACME.tick", "-y Start_timeout=1")?;
        c.tick.behave("r", "START", "trap '' TERM ABRT; sleep 1000 & echo $! >$dir/child; wait")?;
        assert_ne!(c.run("scswitch -Z -g g")?.code, 0);
        let child = fs::read_to_string(c.dir().join("child"))?.trim().parse()?;
        until("its child is gone, too", || Ok((!is_alive(child)).then_some(())))
    })
}
