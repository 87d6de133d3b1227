//! etcd that is away, and nodes that wait for it together.

use crate::beating;
use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rgm_tests::kit::beat::Beats;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::until;

/// The machines' own words, all of them.
fn all_say(site: &Site, words: &str, times: usize) -> Result<()> {
    until(&format!("all say {times} times {words:?}"), || {
        Ok(site.machines.iter().all(|machine| machine.says(words) >= times).then_some(()))
    })
}

/// When the last beat was, in microseconds.
fn last_beat(beats: &Beats) -> Result<u64> {
    Ok(beats.all()?.last().map_or(0, |beat| beat.at_us))
}

const WAITS: &str = "fail-safe mode: etcd does not answer";
const WAITS_NO_MORE: &str = "fail-safe mode is over";

#[test]
fn while_etcd_is_away_services_run_on_and_nothing_is_changed() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let beats = beating(site, 2)?;
        site.etcd.kill(0)?;
        site.etcd.kill(1)?;
        all_say(site, WAITS, 1)?;
        for machine in [0, 1, 2] {
            let refused = site.machine(machine)?.run("clrg set -p RG_description=changed g")?;
            ensure!(refused.code != 0 && refused.err.contains("etcd does not answer"), "{refused:?}");
            ensure!(site.online(machine, "g")? == Some(vec!["phys-3".to_owned()]), "it is shown");
        }
        // Far longer than any lease.
        let since = last_beat(&beats)?;
        until("it beats for a while", || Ok((last_beat(&beats)? > since + 20_000_000).then_some(())))?;
        site.etcd.spawn(0)?;
        site.etcd.spawn(1)?;
        site.etcd.wait()?;
        all_say(site, WAITS_NO_MORE, 1)?;
        until("it is changed", || {
            Ok((site.machine(0)?.run("clrg set -p RG_description=changed g")?.code == 0).then_some(()))
        })?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?, []);
        Ok(())
    })
}

#[test]
fn nodes_whose_leases_are_gone_when_they_find_etcd_again_lose_no_service() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let beats = beating(site, 2)?;
        let (epoch, _) = site.president_after(0)?;
        // etcd lives, and counts the leases; no node reaches it.
        let hidden = "rule add pref 1 ipproto tcp dport 2379 prohibit";
        for machine in &site.machines {
            for line in ["rule add pref 10 lookup local", hidden, "rule del pref 0"] {
                machine.ip(line)?;
            }
        }
        all_say(site, WAITS, 1)?;
        let since = last_beat(&beats)?;
        until("it beats for a while", || Ok((last_beat(&beats)? > since + 20_000_000).then_some(())))?;
        for machine in &site.machines {
            machine.ip("rule del pref 1")?;
        }
        all_say(site, "the lease of this node is gone", 1)?;
        all_say(site, WAITS_NO_MORE, 1)?;
        site.president_after(epoch)?;
        site.wait_for_nodes(&[true, true, true])?;
        site.ok("clrg set -p RG_description=changed g")?;
        assert_eq!(beats.changes()?, []);
        Ok(())
    })
}

#[test]
fn when_etcd_is_gone_and_one_node_is_silent_everything_ends_and_comes_back_with_them() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let beats = beating(site, 2)?;
        let silent = (site.president()? + 1) % 3;
        site.machine(silent)?.signal("rgmd", Signal::SIGSTOP)?;
        site.etcd.kill(0)?;
        site.etcd.kill(1)?;
        let pid = beats.all()?.last().map(|beat| beat.pid);
        until("it is killed", || Ok(pid.is_some_and(|pid| !is_alive(pid)).then_some(())))?;
        site.etcd.spawn(0)?;
        site.etcd.spawn(1)?;
        site.etcd.wait()?;
        site.machine(silent)?.signal("rgmd", Signal::SIGCONT)?;
        site.wait_for_nodes(&[true, true, true])?;
        until("it beats again", || Ok((beats.changes()?.len() == 1).then_some(())))?;
        Ok(())
    })
}
