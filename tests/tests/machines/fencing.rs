//! Nodes that are fenced, evicted, or said to be dead.

use crate::beating;
use anyhow::{Context, Result, ensure};
use rgm_tests::kit::beat::Beats;
use rgm_tests::kit::fence::{self, asked, break_device, cut_link, mend_link};
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::until;
use std::time::Duration;

/// Longer than a takeover by fencing takes on a busy machine, by far.
const TTL: Duration = Duration::from_secs(40);

/// A lease of so many seconds, and the same devices for each machine.
fn options(ttl_s: u64) -> Options {
    let member = format!("ttl = \"{ttl_s}s\"\nmargin = \"1s\"\nfence_wait = \"1s\"\n{}", fence::settings(3));
    Options { member, ..Options::default() }
}

/// What ended one life and began the next, after so many changes.
fn outage(beats: &Beats, changes: usize) -> Result<(String, Duration)> {
    until(&format!("it has come up {changes} times more"), || {
        let seen = beats.changes()?;
        let last = seen.last().filter(|_| seen.len() >= changes);
        Ok(last.map(|last| (last.to.node.clone(), last.span())))
    })
}

/// All that the event logs of the machines with power know of fencing.
fn history(site: &Site, except: usize) -> Result<String> {
    let others = site.machines.iter().enumerate().filter(|(number, _)| *number != except);
    others.map(|(_, machine)| machine.run("clnode fence --history")?.ok()).collect()
}

#[test]
fn a_confirmed_fence_lets_groups_start_elsewhere_before_the_lease_of_the_node_is_over() -> Result<()> {
    Site::play(&options(TTL.as_secs()), |site| {
        fence::install(site.dir())?;
        let president = site.president()?;
        let other = (president + 1) % 3;
        let name = site.machine(other)?.name.clone();
        let beats = beating(site, other)?;
        let plan = site.machine(other)?.run(&format!("clnode fence --dry-run {name}"))?.ok()?;
        ensure!(
            plan.lines().count() == 2 && plan.contains("level 1: ") && plan.contains("power off"),
            "{plan}"
        );
        ensure!(asked(site.dir()).is_empty());

        break_device(site.dir(), "power")?;
        site.cut_power(other)?;
        let (to, span) = outage(&beats, 1)?;
        ensure!(to != name && span < TTL / 2, "{to} after {span:?}");
        assert_eq!(asked(site.dir()), [format!("power off {name}"), format!("pdu off {name}")]);
        let history = history(site, other)?;
        for words in ["is fenced in", "power off", "Unable to connect", "pdu off", "it is dead"] {
            ensure!(history.contains(words), "{words:?} is not in {history}");
        }
        Ok(())
    })
}

#[test]
fn where_no_device_confirms_the_end_of_the_lease_is_waited_for() -> Result<()> {
    Site::play(&options(8), |site| {
        fence::install(site.dir())?;
        let president = site.president()?;
        let other = (president + 1) % 3;
        let name = site.machine(other)?.name.clone();
        let beats = beating(site, other)?;
        fence::DEVICES.iter().try_for_each(|device| break_device(site.dir(), device))?;
        let refused = site.machine(other)?.run(&format!("clnode fence {name}"))?;
        ensure!(
            refused.code == 10 && refused.err.contains("confirm-dead") && refused.err.contains("pdu"),
            "{refused:?}"
        );
        assert_eq!(beats.changes()?, []);

        site.cut_power(other)?;
        let (to, span) = outage(&beats, 1)?;
        ensure!(to != name && span > Duration::from_secs(4), "{to} after {span:?}");
        ensure!(history(site, other)?.contains("is not known to be dead"));
        Ok(())
    })
}

#[test]
fn a_node_is_fenced_by_hand_and_another_one_is_said_to_be_dead() -> Result<()> {
    Site::play(&options(TTL.as_secs()), |site| {
        fence::install(site.dir())?;
        let president = site.president()?;
        let (fenced, dead) = ((president + 1) % 3, (president + 2) % 3);
        let beats = beating(site, fenced)?;
        let name = site.machine(fenced)?.name.clone();
        site.machine(dead)?.run(&format!("clnode fence {name}"))?.ok()?;
        let (to, span) = outage(&beats, 1)?;
        ensure!(to != name && span < TTL / 2, "{to} after {span:?}");
        // Its etcd has lost nothing but its network.
        site.machine(fenced)?.plug_in()?;
        site.etcd.wait()?;

        let (chief, name) = (site.machine(president)?, site.machine(dead)?.name.clone());
        let check = |line: &str, code: i32, word: &str| -> Result<()> {
            let said = chief.run(line)?;
            ensure!(said.code == code && said.err.contains(word), "{line}: {said:?}");
            Ok(())
        };
        check(&format!("clnode fence {}", chief.name), 37, "president")?;
        check("clnode fence phys-9", 36, "there is none")?;
        check(&format!("clnode confirm-dead {name}"), 37, "twice")?;
        check(&format!("clnode confirm-dead -F {name}"), 9, "alive")?;
        fence::DEVICES.iter().try_for_each(|device| break_device(site.dir(), device))?;
        chief.run(&format!("clrg switch -n {name} g"))?.ok()?;
        let changes = beats.changes()?.len();
        site.cut_power(dead)?;
        let chief = site.machine(president)?;
        let line = format!("clnode confirm-dead -F {name}");
        until("the president has lost it, and believes that it is dead", || {
            Ok((chief.run(&line)?.code == 0).then_some(()))
        })?;
        let (to, span) = outage(&beats, changes + 1)?;
        ensure!(to != name && span < TTL / 2, "{to} after {span:?}");
        let refused = chief.run(&line)?;
        ensure!(refused.code == 9 && refused.err.contains("counts as dead already"), "{refused:?}");
        Ok(())
    })
}

#[test]
fn a_node_that_its_president_does_not_reach_is_evicted_and_comes_back_when_it_is_reached() -> Result<()> {
    let member = "ttl = \"8s\"\nmargin = \"1s\"\nunreached_wait = \"8s\"".to_owned();
    Site::play(&Options { member, ..Options::default() }, |site| {
        let president = site.president()?;
        let other = (president + 1) % 3;
        let beats = beating(site, other)?;
        let (here, there) = (site.machine(president)?, site.machine(other)?);
        cut_link(here, there)?;
        let (to, _) = outage(&beats, 1)?;
        assert_ne!(to, there.name);
        let mut up = vec![true; 3];
        *up.get_mut(other).context("three")? = false;
        site.wait_for_nodes(&up)?;
        mend_link(here, there)?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1, "it stays where it went");
        ensure!(history(site, 9)?.contains("it is evicted"));
        Ok(())
    })
}

#[test]
fn a_president_that_reaches_nobody_gives_way_to_one_that_does() -> Result<()> {
    let member = "ttl = \"8s\"\nmargin = \"1s\"\nunreached_wait = \"8s\"".to_owned();
    Site::play(&Options { member, ..Options::default() }, |site| {
        let (epoch, president) = site.president_after(0)?;
        let others = [(president + 1) % 3, (president + 2) % 3];
        let beats = beating(site, president)?;
        let here = site.machine(president)?;
        for other in others {
            cut_link(here, site.machine(other)?)?;
        }
        let (_, next) = site.president_after(epoch)?;
        assert_ne!(next, president);
        let (to, _) = outage(&beats, 1)?;
        assert_ne!(to, here.name, "the one that is cut off is evicted, and no other");
        for other in others {
            mend_link(here, site.machine(other)?)?;
        }
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?.len(), 1);
        ensure!(history(site, 9)?.contains("this node resigns"));
        Ok(())
    })
}
