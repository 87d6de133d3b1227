//! `--dry-run`: it changes nothing, and what it says is what then runs.

use anyhow::{Context, Result};
use rgm_tests::kit::{DevCluster, NODES};

/// The steps of a printed plan: `   2. START of r on phys-1` becomes 2 and `START r phys-1`.
fn steps(plan: &str) -> Result<Vec<(u32, String)>> {
    let step = |line: &str| -> Result<(u32, String)> {
        let (wave, rest) = line.trim().split_once(". ").context("a step")?;
        Ok((wave.parse()?, rest.replace(" of ", " ").replace(" on ", " ")))
    };
    plan.lines()
        .filter(|line| line.starts_with(' '))
        .map(|line| step(line).with_context(|| line.to_owned()))
        .collect()
}

#[test]
fn a_plan_changes_nothing_and_is_what_then_runs() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r1", "ACME.tick", "")?;
        c.ok("scrgadm -a -j r2 -t ACME.tick -g g -y Resource_dependencies=r1")?;
        for line in [
            "scrgadm -a -j r3 -t ACME.tick -g g",
            "scswitch -Z -g g",
            "scswitch -z -g g -h phys-2",
            "scswitch -n -M -j r1",
            "scrgadm -c -j r2 -x Greeting=hi",
            "scswitch -R -g g -h phys-2",
            "scswitch -n -j r2",
            "scswitch -e -j r2",
            "scswitch -S -h phys-2",
            "scswitch -F -g g",
            "scswitch -n -j r1,r2,r3",
            "scswitch -u -g g",
            "scrgadm -r -j r3",
        ] {
            let (before, begun) = ((c.ok("scrgadm -pvv")?, c.ok("scstat -g")?), c.tick.begun(0).len());
            let plan = c.ok(&format!("{line} --dry-run"))?;
            let planned = steps(&plan).with_context(|| format!("{line}: {plan}"))?;
            assert_eq!(
                (c.ok("scrgadm -pvv")?, c.ok("scstat -g")?),
                before,
                "{line} --dry-run changes nothing"
            );
            assert_eq!(c.tick.begun(begun), [""; 0], "{line} --dry-run runs nothing");
            c.ok(line)?;
            let ran = c.tick.begun(begun);
            let sorted = |mut calls: Vec<String>| {
                calls.sort();
                calls
            };
            let names = planned.iter().map(|(_, call)| call.clone()).collect();
            assert_eq!(sorted(ran.clone()), sorted(names), "{line}: what ran, and what was planned:\n{plan}");
            // What may run at the same time begins in any order; of one resource on one node nothing does.
            for place in NODES.iter().flat_map(|node| ["r1", "r2", "r3"].map(|r| format!(" {r} {node}"))) {
                let there = |call: &&String| call.ends_with(&place);
                let order: Vec<&String> = planned.iter().map(|(_, call)| call).filter(there).collect();
                assert_eq!(ran.iter().filter(there).collect::<Vec<_>>(), order, "{line}: in that order");
            }
        }
        Ok(())
    })
}

#[test]
fn what_would_be_refused_is_refused_in_a_dry_run_too() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        for (code, line) in [
            (9, "scrgadm -r -j r"),
            (14, "scswitch -e -j nobody"),
            (11, "scswitch -z -g g -h phys-3"),
            (15, "scrgadm -c -j r -x Level=77"),
        ] {
            let dry = c.refused(code, &format!("{line} --dry-run"))?;
            assert_eq!(dry, c.refused(code, line)?, "{line}");
        }
        Ok(())
    })
}
