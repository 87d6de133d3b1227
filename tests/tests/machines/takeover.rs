//! Nodes that vanish, and what becomes of what they ran.

use crate::beating;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_cluster::member::Registration;
use rgm_etcd::Keys;
use rgm_tests::kit::beat::Beats;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::until;

/// The node on which it beats after so many changes.
fn moved(beats: &Beats, changes: usize) -> Result<String> {
    until(&format!("it has come up {changes} times more"), || {
        let seen = beats.changes()?;
        Ok((seen.len() >= changes).then(|| seen.last().map(|last| last.to.node.clone())).flatten())
    })
}

#[test]
fn a_machine_without_power_loses_its_groups_to_another_and_comes_back() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let other = (president + 1) % 3;
        let beats = beating(site, other)?;
        site.cut_power(other)?;
        assert_ne!(moved(&beats, 1)?, site.machine(other)?.name);
        let mut up = vec![true; 3];
        *up.get_mut(other).context("three")? = false;
        site.wait_for_nodes(&up)?;
        site.give_power(other)?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1, "it stays where it went");
        Ok(())
    })
}

#[test]
fn with_the_president_goes_what_it_ran_and_another_one_decides() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let beats = beating(site, president)?;
        site.cut_power(president)?;
        assert_ne!(moved(&beats, 1)?, site.machine(president)?.name);
        site.ok("clrg offline g")?;
        site.ok("clrg online g")?;
        ensure!(site.president()? != president);
        Ok(())
    })
}

#[test]
fn daemons_that_are_killed_come_back_and_no_service_notices() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let other = (president + 1) % 3;
        let beats = beating(site, other)?;
        for machine in [other, president, other] {
            for daemon in ["rgmd", "pmfd"] {
                let killed = site.machine(machine)?.signal(daemon, Signal::SIGKILL)?;
                until("another one is there", || {
                    Ok(site.machine(machine)?.daemon(daemon).filter(|pid| *pid != killed))
                })?;
                site.wait_for_nodes(&[true, true, true])?;
                site.wait_online(other, "g", other)?;
            }
        }
        assert_eq!(beats.changes()?, []);
        site.ok("clrg offline g")?;
        site.ok("clrg online g")?;
        Ok(())
    })
}

#[test]
fn a_daemon_that_is_frozen_loses_what_runs_here_before_it_runs_elsewhere() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        for frozen in [(president + 1) % 3, president] {
            let beats = match frozen == president {
                false => beating(site, frozen)?,
                true => {
                    let node = &site.machine(frozen)?.name;
                    site.ok(&format!("clrg switch -n {node} g"))?;
                    Beats::of(site.dir(), "r")
                }
            };
            let before = beats.changes()?.len();
            let rgmd = site.machine(frozen)?.signal("rgmd", Signal::SIGSTOP)?;
            assert_ne!(moved(&beats, before + 1)?, site.machine(frozen)?.name);
            send(rgmd, Signal::SIGCONT)?;
            site.wait_for_nodes(&[true, true, true])?;
            assert_eq!(beats.changes()?.len(), before + 1);
            if frozen != president && site.president()? != president {
                return Ok(());
            }
        }
        Ok(())
    })
}

#[test]
fn a_node_whose_pmfd_is_frozen_ends_what_it_runs_before_another_one_starts_it() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let frozen = (president + 1) % 3;
        let beats = beating(site, frozen)?;
        let pmfd = site.machine(frozen)?.signal("pmfd", Signal::SIGSTOP)?;
        assert_ne!(moved(&beats, 1)?, site.machine(frozen)?.name);
        send(pmfd, Signal::SIGCONT)?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1);
        Ok(())
    })
}

#[test]
fn a_node_without_its_cable_ends_what_it_runs_before_another_one_starts_it() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let beats = beating(site, president)?;
        let cut = site.machine(president)?;
        cut.unplug()?;
        assert_ne!(moved(&beats, 1)?, cut.name);
        cut.plug_in()?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1);
        Ok(())
    })
}

#[test]
fn a_daemon_that_is_told_to_end_holds_its_place_for_the_next_version() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let president = site.president()?;
        let other = (president + 1) % 3;
        let beats = beating(site, other)?;
        for machine in [other, president] {
            let ended = site.machine(machine)?.signal("rgmd", Signal::SIGTERM)?;
            until("another one is there", || {
                Ok(site.machine(machine)?.daemon("rgmd").filter(|pid| *pid != ended))
            })?;
            site.wait_for_nodes(&[true, true, true])?;
        }
        assert_eq!(beats.changes()?, []);
        Ok(())
    })
}

#[test]
fn a_member_of_etcd_that_dies_or_freezes_harms_nobody() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let beats = beating(site, 0)?;
        for number in 0..3 {
            site.etcd.kill(number)?;
            site.ok("clrg set -p RG_description=killed g")?;
            site.etcd.spawn(number)?;
            site.etcd.wait()?;
            site.etcd.pause(number)?;
            site.ok("clrg set -p RG_description=frozen g")?;
            site.etcd.resume(number)?;
            site.etcd.wait()?;
        }
        assert_eq!(beats.changes()?, []);
        Ok(())
    })
}

/// Ends the lease of a node, as etcd does by a fault of its own: a leader that slept for longer than that
/// ends it when it wakes, although the next leader has renewed it all the time (before etcd 3.4.31 and
/// 3.5.13: etcd-io/etcd#15247).
fn end_lease(site: &Site, number: usize) -> Result<()> {
    let president = site.president()?;
    let etcdctl = |words: &[&str]| -> Result<String> {
        let output = site.etcd.etcdctl(president).args(words).output()?;
        let text = String::from_utf8(output.stdout)?;
        ensure!(
            output.status.success(),
            "etcdctl {words:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(text)
    };
    let place = String::from_utf8(Keys::new("/rgm/planets/").member(&site.machine(number)?.name))?;
    let life: Registration = serde_json::from_str(&etcdctl(&["get", "--print-value-only", &place])?)?;
    etcdctl(&["lease", "revoke", &format!("{:x}", life.lease)]).map(drop)
}

#[test]
fn what_a_node_runs_whose_lease_was_ended_too_early_starts_elsewhere_when_it_has_ended_itself() -> Result<()>
{
    Site::play(&Options::default(), |site| {
        let other = (site.president()? + 1) % 3;
        let beats = beating(site, other)?;
        // It does not learn it from etcd, and lives until its own deadline.
        let machine = site.machine(other)?;
        let hidden =
            ["dport", "sport"].map(|port| format!("rule add pref 1 ipproto tcp {port} 2379 prohibit"));
        machine.ip("rule add pref 10 lookup local")?;
        hidden.iter().try_for_each(|line| machine.ip(line))?;
        machine.ip("rule del pref 0")?;
        end_lease(site, other)?;
        ensure!(moved(&beats, 1)? != machine.name);
        ["dport", "sport"].iter().try_for_each(|_| machine.ip("rule del pref 1"))?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1, "it stays where it went");
        Ok(())
    })
}
