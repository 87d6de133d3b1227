//! `cluster apply`: a declared cluster becomes so, once, and nothing stops that need not.

use anyhow::{Result, ensure};
use rgm_tests::kit::DevCluster;
use rgm_types::GroupState::{Offline, Online, Unmanaged};
use std::fs;

const SITE: &str = r#"
[types."ACME.tick"]

[groups.g]
state = "online"
properties = { Nodelist = ["phys-1", "phys-2"], Pingpong_interval = 60 }

[groups.g.resources.base]
type = "ACME.tick"

[groups.g.resources.app]
type = "ACME.tick"
properties = { Resource_dependencies = ["base"], Greeting = "hello" }

[groups.h]
state = "offline"

[groups.h.resources.other]
type = "ACME.tick"
enabled = ["phys-2"]
"#;

fn apply(c: &DevCluster, text: &str, options: &str) -> Result<String> {
    let file = c.dir().join("site.toml");
    fs::write(&file, text)?;
    c.ok(&format!("cluster apply {options} {}", file.display()))
}

#[test]
fn a_declared_cluster_is_made_in_order_and_only_once() -> Result<()> {
    DevCluster::play(|c| {
        let foreseen = apply(c, SITE, "--dry-run")?;
        ensure!(
            foreseen.contains("+ resource group g\n") && foreseen.contains("START of base"),
            "{foreseen}"
        );
        ensure!(c.snapshot()?.groups.is_empty(), "a dry run changes nothing");
        apply(c, SITE, "")?;
        c.expect("g", [Online, Offline])?;
        c.expect("h", [Offline, Offline])?;
        let started: Vec<String> =
            c.tick.begun(0).into_iter().filter(|call| call.starts_with("START")).collect();
        assert_eq!(started, ["START base phys-1", "START app phys-1"]);
        let (before, calls) = (c.ok("cluster export")?, c.tick.begun(0).len());
        assert_eq!(apply(c, SITE, "")?, "nothing to change\n");
        assert_eq!((c.ok("cluster export")?, c.tick.begun(0).len()), (before, calls));
        Ok(())
    })
}

#[test]
fn a_change_stops_only_what_it_must_and_brings_it_back() -> Result<()> {
    DevCluster::play(|c| {
        let registration = c.dir().join("rtreg/ACME.tick");
        let (anytime, disabled) = ("DEFAULT = ; TUNABLE = ANYTIME", "DEFAULT = ; TUNABLE = WHEN_DISABLED");
        fs::write(&registration, fs::read_to_string(&registration)?.replace(anytime, disabled))?;
        apply(c, SITE, "")?;
        let (base, app) = (c.application("base")?, c.application("app")?);
        let calls = c.tick.begun(0).len();
        let shown = apply(c, &SITE.replace("hello", "good morning"), "")?;
        ensure!(shown.contains("~ resource app\n    Greeting: hello -> good morning\n"), "{shown}");
        assert_eq!((c.application("base")?, c.application("app")?), (base.clone(), app));
        ensure!(c.tick.begun(calls).iter().all(|call| !call.starts_with("STOP")));
        // Rooms may be changed while the resource is disabled only; base runs on.
        let calls = c.tick.begun(0).len();
        let text = SITE.replace("Greeting = \"hello\"", "Rooms = [\"kitchen\", \"hall\"]");
        apply(c, &text, "")?;
        let begun = c.tick.begun(calls);
        ensure!(begun.iter().any(|call| call == "STOP app phys-1"), "{begun:?}");
        ensure!(!begun.iter().any(|call| call == "STOP base phys-1"), "{begun:?}");
        assert_eq!(c.application("base")?, base);
        c.application("app")?;
        c.expect("g", [Online, Offline])
    })
}

#[test]
fn what_is_refused_changes_nothing_and_what_is_not_named_stays_unless_pruned() -> Result<()> {
    DevCluster::play(|c| {
        apply(c, SITE, "")?;
        let before = c.ok("cluster export")?;
        let bad = SITE.replace("Greeting = \"hello\"", "No_such = 1") + "\n[groups.new]\n";
        fs::write(c.dir().join("bad.toml"), bad)?;
        let said = c.run(&format!("cluster apply {}", c.dir().join("bad.toml").display()))?;
        ensure!(said.code == 15 && said.err.contains("No_such"), "{said:?}");
        assert_eq!(c.ok("cluster export")?, before);
        let only_g = SITE.split("[groups.h]").next().unwrap_or_default();
        assert_eq!(apply(c, only_g, "")?, "nothing to change\n");
        let shown = apply(c, only_g, "--prune")?;
        assert_eq!(shown, "- resource group h\n");
        ensure!(c.group_state("h", "phys-1")?.is_none());
        let unmanaged = only_g.replace("state = \"online\"", "state = \"unmanaged\"");
        apply(c, &unmanaged, "")?;
        c.expect("g", [Unmanaged, Unmanaged])?;
        assert_eq!(apply(c, &unmanaged, "")?, "nothing to change\n");
        apply(c, only_g, "")?;
        c.expect("g", [Online, Offline])
    })
}
