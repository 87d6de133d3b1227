//! Presidents that end, or can't do their work; and a cluster that grows.

use crate::beating;
use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::{DevCluster, until};
use rustix::fs::{CWD, Mode, mkfifoat};
use std::fs;

#[test]
fn another_one_is_president_while_methods_of_one_that_was_told_to_end_still_run() -> Result<()> {
    Site::play(&Options::default(), |site| {
        let (epoch, president) = site.president_after(0)?;
        let beats = beating(site, president)?;
        let gate = site.dir().join("gate");
        mkfifoat(CWD, &gate, Mode::from_bits_truncate(0o600))?;
        let began = site.dir().join("began");
        let told = format!("touch {}; read -r go <{}\n", began.display(), gate.display());
        fs::write(site.dir().join("told/r.stop"), told)?;
        let other = site.machine((president + 1) % 3)?;
        let mut offline = other.begin("clrg offline g")?;
        until("STOP runs", || Ok(began.exists().then_some(())))?;
        let told_to_end = site.machine(president)?.signal("rgmd", Signal::SIGTERM)?;
        let (_, next) = site.president_after(epoch)?;
        assert_ne!(next, president);
        assert_eq!(site.machine(president)?.daemon("rgmd"), Some(told_to_end), "it waits for its method");
        fs::write(&gate, "go\n")?;
        // Whoever asked was told to look.
        offline.wait()?;
        until("it is offline everywhere", || {
            Ok(site.online(next, "g")?.is_some_and(|on| on.is_empty()).then_some(()))
        })?;
        site.wait_for_nodes(&[true, true, true])?;
        assert_eq!(beats.changes()?, []);
        Ok(())
    })
}

#[test]
fn a_president_that_cannot_store_what_it_decided_gives_way_to_a_later_epoch() -> Result<()> {
    // The lease outlasts what the test takes from etcd.
    let options = Options { member: "ttl = \"30s\"\nmargin = \"1s\"".to_owned(), ..Options::default() };
    Site::play(&options, |site| {
        let (epoch, president) = site.president_after(0)?;
        let beats = beating(site, president)?;
        site.etcd.pause(0)?;
        site.etcd.pause(1)?;
        let refused = site.machine(president)?.run("clrg set -p RG_description=lost g")?;
        ensure!(refused.code != 0, "{refused:?}");
        site.etcd.resume(0)?;
        site.etcd.resume(1)?;
        // This machine may not have heard of it yet; what it asks waits until it has.
        site.president_after(epoch)?;
        site.ok("clrg offline g")?;
        site.ok("clrg online g")?;
        until("it has come up once more", || Ok((beats.changes()?.len() == 1).then_some(())))?;
        Ok(())
    })
}

#[test]
fn a_machine_is_added_to_a_running_cluster_and_taken_out_of_it() -> Result<()> {
    let mut site = Site::build(&Options::default())?;
    site.start_with(2)?;
    let beats = beating(&site, 0)?;
    site.machine_mut(2)?.power_on()?;
    until("it waits", || Ok((site.machine(2)?.says("node phys-3 is not configured") > 0).then_some(())))?;
    let refused = site.machine(0)?.run("clnode add phys-2")?.refused(39)?;
    ensure!(refused.contains("configured already"), "{refused}");
    let dry = site.ok("clnode add --dry-run phys-3")?;
    ensure!(!dry.is_empty(), "{dry}");
    site.ok("clnode add phys-3")?;
    site.wait_for_nodes(&[true, true, true])?;
    site.ok("clrg add-node -n phys-3 g")?;
    site.ok("clrg switch -n phys-3 g")?;
    site.wait_online(0, "g", 2)?;
    let refused = site.machine(0)?.run("clnode remove phys-3")?.refused(9)?;
    ensure!(refused.contains("is a member"), "{refused}");
    site.ok("clrg switch -n phys-1 g")?;
    site.cut_power(2)?;
    site.wait_for_nodes(&[true, true, false])?;
    let refused = site.machine(0)?.run("clnode remove phys-3")?.refused(9)?;
    ensure!(refused.contains("Nodelist"), "{refused}");
    site.ok("clrg remove-node -n phys-3 g")?;
    site.ok("clnode remove phys-3")?;
    site.wait_for_nodes(&[true, true])?;
    assert_eq!(beats.changes()?.len(), 2, "it went there and came back");
    site.end()
}

#[test]
fn a_cluster_on_one_machine_grows_into_several_with_all_that_was_configured() -> Result<()> {
    let mut one = DevCluster::prepare_with(&["phys-1"])?;
    one.with_rgmd_args(&["--cluster", "planets"]);
    one.start()?;
    one.ok("clrt register ACME.tick")?;
    one.ok("clrg create -p RG_description=grown g")?;
    one.ok("clrs create -d -g g -t ACME.tick -p Greeting=hi r")?;
    one.finish()?;
    let store = one.dir().join("state/ccr.redb");
    let mut site = Site::build(&Options::default())?;
    let create = |words: &str| site.machine(0)?.in_network(&format!("cluster create {words}"));
    let refused = create(&format!("-n phys-2 -s {}", store.display()))?.refused(36)?;
    ensure!(refused.contains("phys-1"), "{refused}");
    let refused = create("-n phys-1 -s /no/such/store")?.refused(36)?;
    ensure!(refused.contains("/no/such/store"), "{refused}");
    site.start_from(&format!("-s {}", store.display()))?;
    let shown = site.ok("clrg show -v g")?;
    ensure!(shown.contains("grown") && shown.contains("r"), "{shown}");
    let greeting = site.ok("scha_resource_get -O Extension -R r Greeting")?;
    ensure!(greeting.contains("hi"), "{greeting}");
    let again = site.machine(0)?.in_network("cluster create -n phys-1")?.refused(39)?;
    ensure!(again.contains("already"), "{again}");
    site.end()
}
