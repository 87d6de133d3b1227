//! Bad input: one clear line, the right exit code, nothing changed.

use anyhow::{Result, ensure};
use rgm_tests::kit::{DevCluster, Said, programs};
use std::fs;
use std::process::Command;

/// Exit code, command line, and a word that the complaint must have.
type Row = (i32, &'static str, &'static str);

fn refused(c: &DevCluster, rows: &[Row]) -> Result<()> {
    let before = c.ok("scrgadm -pvv")? + &c.ok("scstat -g")?;
    let begun = c.tick.begun(0).len();
    let mut wrong = Vec::new();
    for (code, line, word) in rows {
        match c.refused(*code, line) {
            Ok(said) if said.contains(word) => {}
            Ok(said) => wrong.push(format!("{line}: no {word} in {said}")),
            Err(error) => wrong.push(error.to_string()),
        }
        ensure!(c.ok("scrgadm -pvv")? + &c.ok("scstat -g")? == before, "{line}: something has changed");
    }
    assert_eq!(c.tick.begun(begun), [""; 0], "no method ran");
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        c.create("idle", "i", "ACME.tick", "")?;
        refused(
            c,
            &[
                (3, "scswitch", "scswitch"),
                (3, "scswitch -z -Z -g g", "scswitch"),
                (3, "scswitch -q", "-q"),
                (3, "scrgadm -a", "scrgadm"),
                (3, "scrgadm -c -j r", "-c -j"),
                (3, "scswitch -c -h phys-1 -j r -f SOMETHING", "STOP_FAILED"),
                (3, "scha_control -O GIVEOVER", "-G"),
                (12, "scswitch -Z -g nobody", "nobody"),
                (12, "scrgadm -r -g nobody", "nobody"),
                (12, "scha_resourcegroup_get -O RG_STATE -G nobody", "nobody"),
                (12, "scha_control -O GIVEOVER -G nobody -R r", "nobody"),
                (13, "scrgadm -a -j x -t ACME.none -g g", "ACME.none"),
                (13, "scrgadm -r -t ACME.none", "ACME.none"),
                (13, "scrgadm -a -t ACME.none", "ACME.none"),
                (14, "scswitch -n -j nobody", "nobody"),
                (14, "scrgadm -c -j nobody -x Greeting=hi", "nobody"),
                (14, "scha_resource_get -O STATUS -R nobody", "nobody"),
                (14, "scha_control -O GIVEOVER -G g -R i", "i"),
                (11, "scswitch -z -g g -h phys-9", "phys-9"),
                (11, "scrgadm -a -g other -h phys-1,phys-9", "phys-9"),
                (11, "scstat -h phys-9", "phys-9"),
                (4, "scha_resource_get -O NONSENSE -R r", "NONSENSE"),
                (15, "scha_resource_get -O EXTENSION -R r Nothing", "Nothing"),
                (15, "scrgadm -c -j r -x Nothing=1", "Nothing"),
                (15, "scrgadm -c -j r -x Level=6", "Level"),
                (3, "scrgadm -c -j r -y Retry_count=11", "Retry_count"),
                (3, "scrgadm -c -j r -y Retry_count=many", "Retry_count"),
                (3, "scrgadm -c -j r -y Failover_mode=MAYBE", "Failover_mode"),
                (15, "scrgadm -c -g g -y Nothing=1", "Nothing"),
            ],
        )
    })
}

#[test]
fn what_does_not_fit_the_state_of_things_is_refused_and_changes_nothing() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        c.create("idle", "i", "ACME.tick", "")?;
        c.ok("scrgadm -a -g full -h phys-1,phys-2")?;
        c.ok("scrgadm -a -j first -t ACME.tick -g full")?;
        c.ok("scrgadm -a -j second -t ACME.tick -g full -y Resource_dependencies=first")?;
        refused(
            c,
            &[
                (39, "scrgadm -a -g g", "g"),
                (39, "scrgadm -a -j r -t ACME.tick -g g", "r"),
                (39, "scrgadm -a -t ACME.tick", "ACME.tick"),
                (9, "scrgadm -r -j r", "r"),
                (9, "scswitch -z -g idle -h phys-1", "idle"),
                (9, "scswitch -u -g g", "g"),
                (9, "scswitch -R -g g -h phys-2", "phys-2"),
                (9, "scrgadm -r -t ACME.tick", "ACME.tick"),
                (8, "scswitch -e -j second", "first"),
                (8, "scrgadm -r -j first", "second"),
                (8, "scrgadm -c -j first -y Resource_dependencies=second", "second"),
                (3, "scswitch -z -g g -h phys-1,phys-2", "g"),
            ],
        )?;
        let said = c.run("scrgadm -r -g idle")?;
        assert!(said.refused(9).or_else(|_| c.refused(8, "scrgadm -r -g idle"))?.contains("idle"));
        Ok(())
    })
}

#[test]
fn what_is_not_built_is_refused_and_not_ignored() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        refused(
            c,
            &[
                (37, "clressharedaddress create -g g -h host sa", "shared addresses"),
                (37, "scrgadm -a -S -g g -l host", "hared address"),
                (37, "clnode add phys-9", "one machine"),
                (37, "scswitch -z -D dg -h phys-1", "-D"),
            ],
        )
    })
}

#[test]
fn who_is_not_root_may_read_and_not_change() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        programs::copy_into(&c.dir().join("public"))?;
        let nobody = |line: &str| -> Result<Said> {
            let mut words = line.split_whitespace();
            let program = c.dir().join("public").join(words.next().unwrap_or_default());
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(program).args(words);
            command.env("RGM_RUN_DIR", c.dir().join("run")).env("RGM_STATE_DIR", c.dir().join("state"));
            Ok(Said::new(line, &command.env("RGM_NODE", "phys-1").output()?))
        };
        for line in [
            "scha_resource_get -O STATUS -R r",
            "scha_resourcegroup_get -O RG_STATE -G g",
            "scstat -g",
            "scrgadm -pvv",
        ] {
            assert_eq!(nobody(line)?.ok()?, c.on("phys-1", line)?.ok()?, "{line}");
        }
        nobody("pmfadm -q r.svc")?.ok()?;
        let before = (c.ok("scrgadm -pvv")?, c.application("r")?, c.tick.calls().len());
        for line in [
            "scswitch -F -g g",
            "scswitch -F -g g --dry-run",
            "scrgadm -a -g mine",
            "scrgadm -c -j r -x Greeting=hi",
            "scha_control -O GIVEOVER -G g -R r",
            "scha_resource_setstatus -R r -G g -s FAULTED",
        ] {
            let said = nobody(line)?.refused(6)?;
            assert!(said.contains("root"), "{said}");
        }
        let said = nobody("pmfadm -s r.svc KILL")?;
        assert_eq!(said.code, 4, "{said:?}");
        assert_eq!((c.ok("scrgadm -pvv")?, c.application("r")?, c.tick.calls().len()), before);
        Ok(())
    })
}

#[test]
fn a_registration_file_is_refused_with_every_error_and_its_place() -> Result<()> {
    DevCluster::play(|c| {
        let file = c.tick.rtr("ACME.tick");
        let good = fs::read_to_string(&file)?;
        fs::write(
            &file,
            good.replace("START = start;", "START = ;").replace("API_VERSION = 2;", "API_VERSION = two"),
        )?;
        let said = c.run("scrgadm -a -t ACME.tick")?;
        assert!([3, 13].contains(&said.code), "{said:?}");
        assert!(said.err.matches(&format!("{}:", file.display())).count() >= 2, "{}", said.err);
        assert_eq!(c.ok("scha_cluster_get -O ALL_RESOURCETYPES")?, "");
        fs::write(&file, good)?;
        c.ok("scrgadm -a -t ACME.tick")?;
        Ok(())
    })
}

#[test]
fn without_rgmd_every_command_says_where_it_looked() -> Result<()> {
    DevCluster::play(|c| {
        c.kill_rgmd()?;
        for line in [
            "scstat -g",
            "scrgadm -p",
            "scswitch -z",
            "scha_cluster_get -O CLUSTERNAME",
            "scha_control -O RESTART -G g -R r",
        ] {
            let said = c.refused(5, line)?;
            assert!(said.contains(&c.dir().join("run").display().to_string()), "{line}: {said}");
        }
        c.start().map(drop)
    })
}
