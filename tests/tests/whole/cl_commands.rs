//! The commands with subcommands on a real cluster: the usual procedure as it is written in tutorials,
//! in both dialects, and what scripts rely on: exit codes, columns, order of operands.

use anyhow::{Context, Result, ensure};
use rgm_tests::kit::DevCluster;
use rgm_types::GroupState::{Offline, Online, Unmanaged};
use rgm_types::ResourceState;
use rgm_types::view::Snapshot;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The usual procedure, as tutorials have it. Only the names of the nodes are put in.
const CL: &str = r#"
clrt register SUNW.sample
clrg create -n n1,n2 dns-rg
clrslh create -g dns-rg -h dnshost dns-lh
clrs create -g dns-rg -t SUNW.sample -p Confdir=/etc/dns \
   -p Resource_dependencies=dns-lh dns-rs
clrg online -eM dns-rg
clrg switch -n n2 dns-rg
clrs disable dns-rs ; clrs enable dns-rs
"#;
/// The same in the older dialect.
const SC: &str = r#"
scrgadm -a -t SUNW.sample
scrgadm -a -g dns-rg -h n1,n2
scrgadm -a -L -g dns-rg -l dnshost
scrgadm -a -j dns-rs -t SUNW.sample -g dns-rg \
   -y Network_resources_used=dnshost -x Confdir=/etc/dns
scswitch -Z -g dns-rg
scswitch -z -g dns-rg -h n2
scswitch -n -j dns-rs ; scswitch -e -j dns-rs
"#;

/// The types of the tutorial, with methods that need neither a name server nor an address.
fn install_types(c: &DevCluster) -> Result<()> {
    let tick = fs::read_to_string(c.tick.rtr("ACME.tick"))?;
    let named = |name: &str| {
        tick.replace("RESOURCE_TYPE = tick", &format!("RESOURCE_TYPE = {name}")).replace("= ACME;", "= SUNW;")
    };
    let sample = "{ PROPERTY = Confdir; EXTENSION; STRING; TUNABLE = AT_CREATION; DESCRIPTION = \"zones\"; }\n\
        { PROPERTY = Network_resources_used; TUNABLE = ANYTIME; }\n";
    let hostname = "{ PROPERTY = Hostnamelist; EXTENSION; STRINGARRAY; TUNABLE = AT_CREATION; DESCRIPTION = \"hosts\"; }\n";
    fs::write(c.tick.rtr("SUNW.sample"), named("sample") + sample)?;
    fs::write(c.tick.rtr("SUNW.LogicalHostname"), named("LogicalHostname") + hostname)?;
    Ok(())
}

/// Runs lines of shell as a script that ends at the first failure, and returns what it printed.
fn script(c: &DevCluster, lines: &str) -> Result<String> {
    let file = c.dir().join("bin/procedure");
    let lines = lines.replace("n1", "phys-1").replace("n2", "phys-2");
    fs::write(&file, format!("#!/bin/sh -e\n{lines}"))?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    c.ok("procedure")
}

#[test]
fn the_usual_procedure_runs_as_it_is_written_with_subcommands() -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        assert_eq!(script(c, CL)?, "", "in a pipe nothing is printed");
        c.expect("dns-rg", [Offline, Online])?;
        assert_eq!(c.application("dns-rs")?.0, "phys-2");
        assert_eq!(c.resource_state("dns-lh", "phys-2")?, Some(ResourceState::Online));
        assert_eq!(c.ok("clrt list")?, "SUNW.LogicalHostname\nSUNW.sample\n");
        let rows = "clrs status | awk 'NR > 5 && NF { if (NF >= 4 && $3 ~ /^O/) print $1, $2, $3; else print $1, $2 }'";
        assert_eq!(
            script(c, rows)?,
            "dns-lh phys-1 Offline\nphys-2 Online\ndns-rs phys-1 Offline\nphys-2 Online\n",
            "as a script splits the table"
        );
        script(
            c,
            "clrg offline dns-rg\nclrs disable +\nclrg unmanage dns-rg\nclrs delete dns-lh dns-rs\n\
             clrg delete +\nclrt unregister +\ntest -z \"$(clrt list; clrg list; clrs list)\"",
        )?;
        c.tick.witness("dns-rs").one_at_a_time()
    })
}

#[test]
fn the_usual_procedure_runs_as_it_is_written_in_the_older_dialect() -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        script(c, SC)?;
        c.expect("dns-rg", [Offline, Online])?;
        assert_eq!(c.application("dns-rs")?.0, "phys-2");
        assert_eq!(c.resource_state("dnshost", "phys-2")?, Some(ResourceState::Online));
        script(
            c,
            "scswitch -F -g dns-rg; scswitch -n -j dns-rs; scswitch -n -j dnshost; scswitch -u -g dns-rg\n\
             scrgadm -r -j dns-rs; scrgadm -r -j dnshost; scrgadm -r -g dns-rg; scrgadm -r -t SUNW.sample",
        )?;
        assert_eq!(c.ok("scrgadm -p -g dns-rg").err().map(drop), Some(()), "it is gone");
        c.tick.witness("dns-rs").one_at_a_time()
    })
}

/// What an operator can tell of a cluster, without what depends on when and in how many steps.
fn configured(c: &DevCluster, lines: &str) -> Result<Snapshot> {
    install_types(c)?;
    script(c, lines)?;
    let mut snapshot = c.snapshot()?;
    snapshot.generation = 0;
    snapshot.types.iter_mut().for_each(|t| t.declaration.basedir.clear());
    Ok(snapshot)
}

#[test]
fn both_dialects_make_the_same_cluster() -> Result<()> {
    let cl = "clrt register SUNW.sample
clrg create -n n1,n2 -p Failback=TRUE dns-rg
clrslh create -d -g dns-rg -h dnshost,other dns-lh
clrs create -d -g dns-rg -t SUNW.sample -y Retry_count=1 -x Confdir=/etc/dns -x Greeting=hi dns-rs
clrs set -p Rooms+=a -p Resource_dependencies+=dns-lh dns-rs
clrg online -emM dns-rg
clrs unmonitor -n n1 dns-rs
clrg switch -n n2 dns-rg
clrg suspend dns-rg
clrg create idle-rg
clrg remove-node -n n1 idle-rg
clrt set -n n1,n2 SUNW.LogicalHostname
";
    let sc = "scrgadm -a -t SUNW.sample
scrgadm -a -g dns-rg -h n1,n2 -y Failback=TRUE
scrgadm -a -L -g dns-rg -l dnshost,other -j dns-lh
scrgadm -a -j dns-rs -t SUNW.sample -g dns-rg -y Retry_count=1 -x Confdir=/etc/dns -x Greeting=hi
scrgadm -c -j dns-rs -x Rooms+=a -y Resource_dependencies+=dns-lh
scswitch -Z -g dns-rg
scswitch -n -M -j dns-rs -h n1
scswitch -z -g dns-rg -h n2
scswitch -s -g dns-rg
scrgadm -a -g idle-rg
scrgadm -c -g idle-rg -h n2
scrgadm -c -t SUNW.LogicalHostname -h n1,n2
";
    let mut made = Vec::new();
    for lines in [cl, sc] {
        DevCluster::play(|c| {
            made.push(configured(c, lines)?);
            Ok(())
        })?;
    }
    let (old, new) = (made.pop().context("older")?, made.pop().context("newer")?);
    assert_eq!(new, old);
    ensure!(new.groups.iter().any(|g| g.suspended), "the last word was heard");
    Ok(())
}

#[test]
fn every_operand_is_worked_on_and_the_exit_code_is_that_of_the_first_failure() -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        c.ok("clrt register SUNW.sample")?;
        c.ok("clrg create -n phys-1,phys-2 a-rg b-rg")?;
        c.ok("clrs create -g a-rg -t sample -p Confdir=/etc r-rs")?;
        c.ok("clrs create -g b-rg -t sample -p Confdir=/etc -p Resource_dependencies=r-rs s-rs")?;
        for (code, id, line) in [
            (39, "C200039", "clrt register SUNW.sample"),
            (39, "C200039", "clrg create a-rg"),
            (36, "C200012", "clrg online absent-rg"),
            (36, "C200014", "clrs enable absent-rs"),
            (36, "C100036", "clrt show absent"),
            (36, "C200011", "clrg switch -n phys-9 a-rg"),
            (41, "C200013", "clrs create -g a-rg -t ABSENT.type x-rs"),
            (41, "C100041", "clrt register ABSENT.type"),
            (15, "C200015", "clrs set -p Nonsense=1 r-rs"),
            (15, "C100015", "clrg set -p Failback a-rg"),
            (9, "C200009", "clrg switch -n phys-1 a-rg"),
            (3, "C100003", "clrg switch a-rg"),
            (37, "C100037", "clrssa create -g a-rg -h host sa"),
            (9, "C200009", "clrs delete -g a-rg r-rs"),
        ] {
            let said = c.run(line)?;
            let name = line.split(' ').next().unwrap_or_default();
            assert_eq!(said.code, code, "{line}: {}", said.err);
            assert!(said.err.starts_with(&format!("{name}:  ({id}) ")), "{line}: {}", said.err);
            assert_eq!(said.out, "", "{line}");
        }
        let said = c.run("clrg manage absent-rg a-rg other-rg b-rg")?;
        assert_eq!((said.code, said.err.matches("clrg:  (C200012)").count()), (36, 2), "{}", said.err);
        c.expect("a-rg", [Offline, Offline])?;
        c.expect("b-rg", [Offline, Offline])?;
        let said = c.run("clrg list absent-rg a-rg")?;
        assert_eq!((said.code, said.out.as_str()), (36, "a-rg\n"));
        c.ok("clrg online a-rg b-rg")?;
        c.ok("clrg offline +")?;
        c.ok("clrs disable +")?;
        c.ok("clrg unmanage +")?;
        c.expect("a-rg", [Unmanaged, Unmanaged])?;
        let said = c.run("clrs delete r-rs")?;
        assert_eq!(said.code, 37, "s-rs depends on it: {}", said.err);
        c.ok("clrs delete r-rs s-rs").context("the order of the operands does not matter")?;
        c.ok("clrg delete a-rg b-rg")?;
        assert_eq!(c.ok("clrg list")?, "");
        Ok(())
    })
}

#[test]
fn a_dry_run_prints_waves_and_changes_nothing() -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        c.ok("clrt register SUNW.sample")?;
        c.ok("clrg create -n phys-1,phys-2 a-rg")?;
        let lh = c.ok("clrslh create --dry-run -g a-rg -h dnshost dns-lh")?;
        assert_eq!(c.ok("clrt list")?, "SUNW.sample\n", "not even its type is registered: {lh}");
        c.ok("clrs create -g a-rg -t sample -p Confdir=/etc r-rs")?;
        c.ok("clrs create -g a-rg -t sample -p Confdir=/etc -p Resource_dependencies=r-rs s-rs")?;
        let before = c.snapshot()?;
        let plan = c.ok("clrg online -eM --dry-run a-rg")?;
        let at = |text: &str| plan.find(text).with_context(|| format!("{text} in {plan}"));
        assert!(at("START of r-rs on phys-1")? < at("START of s-rs on phys-1")?, "{plan}");
        let refused = c.run("clrg manage --dry-run absent-rg a-rg")?;
        assert_eq!(refused.code, 36);
        assert!(refused.err.contains("absent-rg") && !refused.out.is_empty(), "{}", refused.err);
        c.ok("clrs delete --dry-run -F +")?;
        assert_eq!(c.snapshot()?, before);
        c.ok("clrg online -eM a-rg")?;
        let plan = c.ok("clrg delete -F --dry-run a-rg")?;
        assert!(plan.contains("STOP of r-rs on phys-1"), "{plan}");
        c.expect("a-rg", [Online, Offline])?;
        c.ok("clrg delete -F a-rg")?;
        assert_eq!(c.ok("clrs list")?, "");
        c.tick.witness("r-rs").one_at_a_time()
    })
}

#[test]
fn status_show_and_explain_tell_what_is() -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        c.ok("clrt register SUNW.sample")?;
        c.ok("clrg create -n phys-1,phys-2 a-rg")?;
        c.ok("clrs create -g a-rg -t sample -p Confdir=/etc r-rs")?;
        c.ok("clrg online -M a-rg")?;
        c.ok("clrs unmonitor r-rs")?;
        assert_eq!(
            c.ok("clrg status")?,
            "
=== Cluster Resource Groups ===

Group Name       Node Name       Suspended      Status
----------       ---------       ---------      ------
a-rg             phys-1          No             Online
                 phys-2          No             Offline

"
        );
        let status = c.ok("clrs status")?;
        assert!(
            status.contains("r-rs                phys-1         Online but not monitored  Online"),
            "{status}"
        );
        let shown = c.ok("clrs show -p Confdir,Retry_count r-rs")?;
        assert!(
            shown.ends_with(
                "Resource:                                       r-rs\n  \
             Confdir:                                         /etc\n  \
             Retry_count:                                     2\n"
            ),
            "{shown}"
        );
        assert!(c.ok("clrs show -v")?.contains("  --- Standard and extension properties ---"));
        for (line, object) in
            [("clrg explain a-rg", "resource group a-rg"), ("clrs explain r-rs", "resource r-rs")]
        {
            let told = c.ok(line)?;
            assert!(told.starts_with(object) && told.contains("phys-2"), "{told}");
            let json: serde_json::Value = serde_json::from_str(&c.ok(&format!("{line} --json"))?)?;
            assert_eq!(json[0]["explanation"]["object"], *object);
            assert!(json[0]["decisions"].as_array().is_some_and(|d| !d.is_empty()), "{json}");
        }
        c.refused(36, "clrg explain absent-rg")?;
        Ok(())
    })
}

/// Variable: write what the sessions print into the page instead of comparing it.
const REWRITE: &str = "RGM_REWRITE";

#[test]
fn the_page_about_the_commands_shows_what_they_print() -> Result<()> {
    shows_what_is_printed("commands.md")
}

#[test]
fn the_page_about_attributes_of_nodes_shows_what_is_printed() -> Result<()> {
    shows_what_is_printed("operations/attributes.md")
}

/// Runs the sessions of a page, in their order.
fn shows_what_is_printed(page: &str) -> Result<()> {
    DevCluster::play(|c| {
        install_types(c)?;
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
        let page = fs::read_to_string(&file)?;
        let (mut played, mut in_session) = (String::new(), false);
        for line in page.lines() {
            in_session = if in_session { line != "```" } else { line == "```console" };
            if !in_session || !line.starts_with("$ ") && line != "```console" {
                if !in_session {
                    played.push_str(&format!("{line}\n"));
                }
                continue;
            }
            played.push_str(&format!("{line}\n"));
            if let Some(command) = line.strip_prefix("$ ") {
                played.push_str(&script(c, &format!("exec 2>&1\nset +e\n{command}"))?);
            }
        }
        if std::env::var_os(REWRITE).is_some() {
            fs::write(&file, &played)?;
        }
        let differs = played.lines().zip(page.lines()).find(|(now, then)| now != then);
        assert_eq!(differs, None, "set {REWRITE}=1 to write what is printed now");
        assert_eq!(played.lines().count(), page.lines().count());
        Ok(())
    })
}
