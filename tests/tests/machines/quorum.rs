//! What a node tells of the cluster, whatever is left of it; nodes that leave and join; the watchdog.

use crate::beating;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_api::Paths;
use rgm_api::rgm::{Connection, LinkView, Member, Quorum};
use rgm_tests::kit::machine::Machine;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::until;
use rgm_types::SchaErr;
use std::fs;
use std::path::Path;
use std::time::Instant;

/// How that machine sees the cluster.
fn seen(machine: &Machine) -> Result<Quorum> {
    Ok(serde_json::from_str(&machine.run("clquorum status --json")?.ok()?)?)
}

/// What it sees once that is so.
fn seen_once(machine: &Machine, what: &str, so: impl Fn(&Quorum) -> bool) -> Result<Quorum> {
    until(&format!("{} sees {what}", machine.name), || {
        // A daemon that begins anew.
        Ok(seen(machine).ok().filter(|quorum| so(quorum)))
    })
}

fn member<'a>(quorum: &'a Quorum, name: &str) -> Option<&'a Member> {
    quorum.members.iter().find(|member| member.node == name)
}

fn is_up(link: &LinkView) -> bool {
    // All machines have one clock, and a busy one hears late.
    link.up && link.ahead_ms.is_some_and(|ahead| ahead.abs() < 5_000)
}

#[test]
fn every_node_tells_how_it_sees_the_cluster_whatever_is_left_of_it() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let (epoch, president) = site.president_after(0)?;
        let president = site.machine(president)?.name.clone();
        for machine in &site.machines {
            let quorum = seen_once(machine, "all links", |quorum| {
                quorum.members.iter().all(|member| member.link.as_ref().is_none_or(is_up))
            })?;
            ensure!(
                quorum.seen_by == machine.name && quorum.from_etcd && quorum.is_led().is_ok(),
                "{quorum:?}"
            );
            let decides = quorum.president.as_ref().context("nobody presides")?;
            assert_eq!((&decides.node, decides.epoch), (&president, epoch));
            assert_eq!(quorum.votes(), (3, 3, 2));
            let lives = quorum.members.iter().filter_map(|member| member.life.as_ref());
            let left = lives.filter_map(|life| Some((life.left?.0, life.ttl.0)));
            let left: Vec<(u64, u64)> = left.collect();
            ensure!(
                left.len() == 3 && left.iter().all(|(left, ttl)| left <= ttl && *ttl == 8_000),
                "{left:?}"
            );
            ensure!(quorum.voters.iter().filter(|voter| voter.leads).count() == 1, "{quorum:?}");
        }
        let shown = site.ok("cluster status")?;
        let order = [
            "=== Cluster Nodes ===",
            "=== Cluster Quorum ===",
            "=== etcd Endpoints ===",
            "=== Cluster Resource",
        ];
        let places: Vec<_> = order.iter().filter_map(|title| shown.find(title)).collect();
        ensure!(places.len() == 4 && places.is_sorted(), "{shown}");

        site.cut_power(2)?;
        let first = site.machine(0)?;
        let quorum = seen_once(first, "the end of a node", |quorum| {
            member(quorum, "phys-3").is_some_and(|member| member.life.is_none())
        })?;
        assert_eq!(quorum.votes(), (3, 2, 2));
        let link = member(&quorum, "phys-3").and_then(|member| member.link.as_ref());
        ensure!(link.is_some_and(|link| !link.up), "{link:?}");
        site.give_power(2)?;
        site.wait_for_nodes(&[true, true, true])?;

        site.etcd.kill(0)?;
        site.etcd.kill(1)?;
        seen_without_etcd(site)?;
        site.etcd.spawn(0)?;
        site.etcd.spawn(1)?;
        site.etcd.wait()?;
        site.wait_for_nodes(&[true, true, true])
    })
}

fn seen_without_etcd(site: &Site) -> Result<()> {
    for machine in &site.machines {
        let quorum = seen_once(machine, "fail-safe mode", |quorum| quorum.fail_safe.is_some())?;
        ensure!(!quorum.from_etcd && quorum.president.is_some() && quorum.deadline.is_some(), "{quorum:?}");
        ensure!(quorum.members.iter().all(|member| member.life.is_some()), "{quorum:?}");
        assert_eq!(quorum.votes().1, 1);
        let shown = machine.run("cluster status")?.ok()?;
        ensure!(shown.contains("Fail-safe Mode:") && shown.contains("Online"), "{shown}");
    }
    // A daemon that begins while etcd is away.
    let last = site.machine(2)?;
    last.signal("rgmd", Signal::SIGKILL)?;
    let quorum = seen_once(last, "that it waits", |quorum| quorum.waits_for.is_some())?;
    ensure!(quorum.is_led().is_err(), "{quorum:?}");
    for line in ["clnode status", "clrg online +"] {
        let refused = last.run(line)?.refused(5)?;
        ensure!(
            refused.contains("rgmd runs on this node") && refused.contains("clquorum status"),
            "{refused}"
        );
    }
    let told = last.run("cluster status")?;
    ensure!(told.code == 5 && told.out.contains("=== Cluster Quorum ==="), "{told:?}");
    Ok(())
}

#[test]
fn a_node_that_leaves_takes_nothing_along_and_stays_outside_until_it_joins() -> Result<()> {
    Site::play(&Options::default(), |site| {
        // The president, so that another one has to be found.
        let (epoch, leaver) = site.president_after(0)?;
        let beats = beating(site, leaver)?;
        let machine = site.machine(leaver)?;
        let run_dir = machine.dir().join("run").into_os_string();
        let paths = Paths::from_vars(|name| (name == "RGM_RUN_DIR").then(|| run_dir.clone()))?;
        let refused = Connection::open(&paths)?.leave();
        ensure!(
            refused.as_ref().is_err_and(|failure| failure.code() == SchaErr::State && failure.to_string().contains(": r")),
            "nobody has evacuated it: {refused:?}"
        );
        let foreseen = machine.run("cluster leave --dry-run")?.ok()?;
        ensure!(foreseen.contains("STOP of r on") && foreseen.contains("would leave"), "{foreseen}");
        let rgmd = machine.daemon("rgmd");
        let said = machine.run("cluster leave")?.ok()?;
        ensure!(said.contains("has left the cluster"), "{said}");
        let moved = beats.changes()?;
        ensure!(moved.len() == 1, "it runs elsewhere already: {moved:?}");
        let shown = until("the next rgmd is there", || {
            let shown = machine.run("pmfadm --deadman")?;
            Ok((machine.daemon("rgmd") != rgmd).then_some(shown.out))
        })?;
        ensure!(shown.starts_with("deadman: not armed"), "{shown}");
        site.president_after(epoch)?;
        let other = site.machine((leaver + 1) % 3)?;
        let name = &site.machine(leaver)?.name;
        seen_once(other, "it outside", |quorum| {
            member(quorum, name).is_some_and(|member| member.life.is_none())
        })?;
        let refused = machine.run("clnode status")?.refused(5)?;
        ensure!(refused.contains("cluster join"), "{refused}");
        ensure!(machine.run("cluster leave")?.refused(9)?.contains("no member"));
        // Also after its daemon has begun anew.
        machine.signal("rgmd", Signal::SIGKILL)?;
        seen_once(machine, "that it is outside", |quorum| {
            quorum.waits_for.as_ref().is_some_and(|why| why.contains("cluster join"))
        })?;
        ensure!(machine.run("cluster join --dry-run")?.ok()?.contains("would join"));
        ensure!(machine.run("cluster join")?.ok()?.contains("has joined"));
        ensure!(machine.run("cluster join")?.ok()?.contains("already"));
        site.wait_for_nodes(&[true, true, true])?;
        site.ok(&format!("clrg switch -n {name} g"))?;
        assert_eq!(beats.changes()?.len(), 2, "it runs there again");
        Ok(())
    })
}

fn fed(device: &Path) -> Result<Vec<u8>> {
    Ok(fs::read(device)?)
}

#[test]
fn a_watchdog_is_fed_while_the_node_has_a_lease_and_sleeps_when_it_has_left() -> Result<()> {
    let mut site = Site::build(&Options::default())?;
    let device = site.machine(2)?.dir().join("watchdog");
    let config = site.machine(2)?.dir().join("rgm.toml");
    let text = fs::read_to_string(&config)?;
    let line = format!("failfast = \"watchdog\"\nwatchdog = {device:?}\n");
    fs::write(&config, text.replace("failfast = \"kill\"\n", &line))?;
    let check = site.machine(2)?.run("rgmd --check-config")?;
    ensure!(check.code != 0 && check.err.contains("modprobe"), "{check:?}");
    fs::write(&device, "")?;
    site.machine(2)?.run("rgmd --check-config")?.ok()?;
    site.start()?;
    let beats = beating(&site, 2)?;
    let last = site.machine(2)?;
    ensure!(last.run("pmfadm --deadman")?.ok()?.contains("watchdog"));
    until("it is fed", || Ok((fed(&device)?.len() > 2).then_some(())))?;
    last.signal("rgmd", Signal::SIGSTOP)?;
    until("another one has taken over", || Ok((beats.changes()?.len() == 1).then_some(())))?;
    let meals = fed(&device)?;
    ensure!(!meals.contains(&b'V'), "it was put to sleep");
    let fired = Instant::now();
    until("time for two meals is over", || Ok((fired.elapsed().as_millis() > 1_200).then_some(())))?;
    assert_eq!(fed(&device)?, meals, "nobody feeds it behind the deadline");
    last.signal("rgmd", Signal::SIGCONT)?;
    site.wait_for_nodes(&[true, true, true])?;
    until("it is fed again", || Ok((fed(&device)?.len() > meals.len()).then_some(())))?;
    site.machine(2)?.run("cluster leave")?.ok()?;
    ensure!(fed(&device)?.ends_with(b"V"), "it sleeps");
    site.end()
}
