//! docs/operations.md: every command in it is run as it stands, in its order, on the machine it names.
//!
//! What a test has no business with is played: `apt-get` looks whether what it would install is there,
//! `scp` copies to the directory of a machine, `systemctl` is done by whoever keeps the daemons of the
//! machines. A machine has its `/etc/rgm`, `/var/lib/rgm` and `/var/lib/etcd` in a directory of its own.

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use rgm_api::rgm::Quorum;
use rgm_tests::kit::fence;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::{DevCluster, until};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

const PAGE: &str = include_str!("../../../docs/operations.md");

const APT_GET: &str = r#"#!/bin/sh -e
[ "$1 $2" = "install -y" ]; shift 2
for package; do case $package in etcd-server) command -v etcd ;; etcd-client) command -v etcdctl ;; *) exit 1 ;; esac; done
"#;
/// A host is a directory.
const SCP: &str = r#"#!/bin/sh -e
for last; do :; done
host=${last%%:*}; dir=SITE/${host#root@}${last#*:}
mkdir -p "$dir"
while [ $# -gt 1 ]; do [ "$1" = -p ] || cp -p "$1" "$dir"; shift; done
"#;
/// The log of this machine's rgmd.
const JOURNALCTL: &str = r#"#!/bin/sh -e
[ "$1 $2 $3" = "-u rgmd -n" ]
tail -n "$4" "$RGM_STATE_DIR/../rgmd.log"
"#;

/// What stands below a heading.
fn section(heading: &str) -> Result<&'static str> {
    let (_, rest) = PAGE.split_once(&format!("\n## {heading}\n")).with_context(|| heading.to_owned())?;
    Ok(rest.split_once("\n## ").map_or(rest, |(section, _)| section))
}

/// The blocks of that language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// Whoever types what stands there.
struct Reader<'a> {
    site: &'a mut Site,
    exports: String,
}

impl<'a> Reader<'a> {
    fn new(site: &'a mut Site) -> Result<Self> {
        let dir = site.dir().to_owned();
        fs::create_dir(dir.join("desk"))?;
        for (name, text) in [("apt-get", APT_GET), ("scp", SCP), ("journalctl", JOURNALCTL)] {
            let file = dir.join("bin").join(name);
            fs::write(&file, text.replace("SITE", &dir.to_string_lossy()))?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { site, exports: String::new() })
    }

    /// Makes the cluster on three machines, certificates and all.
    fn make(&mut self) -> Result<()> {
        fs::remove_dir_all(self.site.dir().join("tls"))?;
        self.settle()?;
        self.read("Three machines")?;
        self.site.wait_for_nodes(&[true, true, true])
    }

    /// Types every command of a section. What is shown of its output must be in its output.
    fn read(&mut self, heading: &str) -> Result<()> {
        let lines: Vec<&str> =
            blocks(section(heading)?, "console").into_iter().flat_map(str::lines).collect();
        ensure!(!lines.is_empty(), "{heading} has no commands");
        let mut said = String::new();
        for line in lines {
            match line.split_once("# ").and_then(|(who, line)| Some((machine(who)?, line))) {
                Some((number, line)) => {
                    said = self.typed(number, line).with_context(|| format!("{heading}: {line}"))?;
                }
                None => ensure!(said.contains(line.trim()), "{heading}: {line:?} is not in {said}"),
            }
        }
        Ok(())
    }

    fn typed(&mut self, number: usize, line: &str) -> Result<String> {
        if let Some(rest) = line.strip_prefix("systemctl ") {
            self.systemctl(number, &rest.split(' ').filter(|word| *word != "--now").collect::<Vec<_>>())?;
            return Ok(String::new());
        }
        if line.starts_with("export ") {
            self.exports = format!("{line}; ");
        }
        let own = self.own(number)?;
        let (etc, state, etcd) = (own.join("etc/rgm"), own.join("state"), own.join("etcd/data"));
        let here = line.replace("/var/lib/rgm", &state.to_string_lossy());
        let here = here.replace("/var/lib/etcd/default", &etcd.to_string_lossy());
        let here = here.replace("/var/lib/etcd", &own.join("etcd").to_string_lossy());
        let here = match line.starts_with("scp") {
            true => here,
            false => here.replace("/etc/rgm", &etc.to_string_lossy()),
        };
        let machine = self.site.machine(number)?;
        machine.shell(&format!("{}{here}", self.exports), &self.site.dir().join("desk"))?.ok()
    }

    /// What systemd would do.
    fn systemctl(&mut self, number: usize, words: &[&str]) -> Result<()> {
        match words {
            // They run already.
            ["enable", "etcd"] => ensure!(self.site.etcd.pid(number).is_some(), "etcd does not run"),
            ["start", "etcd"] => self.site.etcd.spawn(number)?,
            ["enable" | "start", "pmfd", "rgmd"] => {
                self.site.machine_mut(number)?.power_on()?;
                ["pmfd", "rgmd"].into_iter().try_for_each(|daemon| self.ready(number, daemon))?;
            }
            ["stop", "rgmd", "pmfd", "etcd"] => {
                self.site.cut_power(number)?;
                self.site.machine(number)?.plug_in()?;
            }
            ["disable", "rgmd", "pmfd"] => {
                let machine = self.site.machine(number)?;
                fs::write(machine.dir().join("down"), "")?;
                for daemon in ["rgmd", "pmfd"] {
                    machine.signal(daemon, Signal::SIGTERM)?;
                    until("it has ended", || Ok(machine.daemon(daemon).is_none().then_some(())))?;
                }
            }
            ["restart", daemon] => {
                let machine = self.site.machine(number)?;
                let old = machine.signal(daemon, Signal::SIGTERM)?;
                until("the next one runs", || Ok(machine.daemon(daemon).filter(|new| *new != old)))?;
                self.ready(number, daemon)?;
            }
            other => bail!("systemctl {other:?} is not played"),
        }
        Ok(())
    }

    /// `Type=notify`: pmfd listens, rgmd does, and waits for nothing.
    fn ready(&self, number: usize, daemon: &str) -> Result<()> {
        if daemon == "rgmd" {
            return until("rgmd is ready", || {
                let said = self.site.machine(number)?.run("clquorum status --json")?;
                let quorum = serde_json::from_str::<Quorum>(&said.out).ok();
                Ok(quorum.is_some_and(|quorum| quorum.waits_for.is_none()).then_some(()))
            });
        }
        let socket = self.own(number)?.join("run").join(format!("{daemon}.sock"));
        until(&format!("{daemon} is ready"), || Ok(UnixStream::connect(&socket).is_ok().then_some(())))
    }

    /// Gives each machine the fence devices of the page, and has one that can be asked.
    fn settle_fencing(&self) -> Result<()> {
        fence::install(self.site.dir())?;
        let [text] = blocks(section("Fencing")?, "toml")[..] else { bail!("which devices?") };
        ensure!(text.contains("\"fence_ipmilan\""), "what is to be replaced");
        let agent = format!("{:?}", self.site.dir().join("fence/power"));
        let text = text.replace("\"fence_ipmilan\"", &agent);
        for machine in &self.site.machines {
            let file = machine.dir().join("rgm.toml");
            fs::write(&file, fs::read_to_string(&file)? + &text)?;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    /// Where a machine has what is its own.
    fn own(&self, number: usize) -> Result<PathBuf> {
        Ok(self.site.dir().join(&self.site.machine(number)?.name))
    }

    /// Gives each machine the settings of the page, as far as a test may have them.
    fn settle(&self) -> Result<()> {
        let [text] = blocks(section("Three machines")?, "toml")[..] else { bail!("which settings?") };
        ensure!(text.contains("failfast = \"reboot\""), "what is to be replaced");
        for (number, machine) in self.site.machines.iter().enumerate() {
            let own = self.own(number)?;
            let bin = self.site.dir().join("bin");
            let text = text
                .replace("address = \"10.77.0.11\"", &format!("address = \"{}\"", machine.ip))
                .replace("phys-1", &machine.name)
                .replace("\"reboot\"", "\"kill\"")
                .replace("/etc/rgm", &own.join("etc/rgm").to_string_lossy());
            let text = format!("commands = {bin:?}\nsyslog = false\n{text}ttl = \"8s\"\nmargin = \"1s\"\n");
            fs::write(own.join("rgm.toml"), text)?;
        }
        Ok(())
    }
}

/// The number of a machine by its prompt; whoever administers them sits at the first one.
fn machine(who: &str) -> Option<usize> {
    match who {
        "admin" | "phys-1" => Some(0),
        "phys-2" => Some(1),
        "phys-3" => Some(2),
        "phys-4" => Some(3),
        _ => None,
    }
}

#[test]
fn a_cluster_is_made_kept_and_restored_as_the_handbook_says() -> Result<()> {
    let mut site = Site::build(&Options::default())?;
    let mut reader = Reader::new(&mut site)?;
    reader.make()?;
    let beats = crate::beating(reader.site, 1)?;
    reader.read("Looking at it")?;
    reader.read("Work on a machine")?;
    until("it has left that machine", || Ok((!beats.changes()?.is_empty()).then_some(())))?;
    let before = beats.changes()?.len();
    for heading in ["Upgrade", "Something is wrong"] {
        reader.read(heading)?;
        reader.site.wait_for_nodes(&[true, true, true])?;
    }
    assert_eq!(beats.changes()?.len(), before, "no service notices an upgrade");
    reader.read("Backup and restore")?;
    reader.site.wait_for_nodes(&[true, true, true])?;
    until("it runs again", || Ok((beats.changes()?.len() == before + 1).then_some(())))?;
    let file = reader.site.dir().join("desk/planets.xml");
    ensure!(fs::read_to_string(file)?.contains("ACME.beat"), "the export has the type");
    site.end()
}

#[test]
fn machines_are_fenced_come_and_go_as_the_handbook_says() -> Result<()> {
    let mut site = Site::build(&Options { machines: 4, ..Options::default() })?;
    let mut reader = Reader::new(&mut site)?;
    reader.make()?;
    let beats = crate::beating(reader.site, 1)?;
    reader.settle_fencing()?;
    reader.read("Fencing")?;
    until("it runs elsewhere", || Ok((beats.changes()?.len() == 1).then_some(())))?;
    reader.site.wait_for_nodes(&[true, false, true])?;
    reader.site.machine(1)?.plug_in()?;
    reader.site.machine_mut(1)?.power_on()?;
    reader.site.wait_for_nodes(&[true, true, true])?;
    reader.read("A machine more, a machine less")?;
    reader.site.wait_for_nodes(&[true, true, true])?;
    site.end()
}

#[test]
fn two_machines_and_a_witness_survive_the_loss_of_any_one() -> Result<()> {
    let mut site = Site::build(&Options::default())?;
    let mut reader = Reader::new(&mut site)?;
    reader.read("Two machines and a witness")?;
    site.wait_for_nodes(&[true, true])?;
    let beats = crate::beating(&site, 1)?;
    site.etcd.kill(2)?;
    site.ok("clrg set -p RG_description=alone g")?;
    site.etcd.spawn(2)?;
    site.etcd.wait()?;
    assert_eq!(beats.changes()?, [], "it does without the witness");
    site.cut_power(1)?;
    until("the other one takes over", || Ok((beats.changes()?.len() == 1).then_some(())))?;
    site.end()
}

#[test]
fn a_cluster_grows_as_the_handbook_says() -> Result<()> {
    let mut one = DevCluster::prepare_with(&["phys-1"])?;
    one.with_rgmd_args(&["--cluster", "planets"]);
    one.start()?;
    one.ok("clrg create -p RG_description=grown g")?;
    one.finish()?;
    let mut site = Site::build(&Options::default())?;
    let mut reader = Reader::new(&mut site)?;
    fs::copy(one.dir().join("state/ccr.redb"), reader.own(0)?.join("state/ccr.redb"))?;
    reader.read("Growing from one machine")?;
    let shown = site.ok("clrg show -v g")?;
    ensure!(shown.contains("grown"), "{shown}");
    site.end()
}

#[test]
fn etcd_knows_every_setting_of_the_page() -> Result<()> {
    let help = std::process::Command::new("etcd").arg("--help").output()?;
    let help = String::from_utf8_lossy(&help.stdout) + String::from_utf8_lossy(&help.stderr);
    for line in blocks(section("Three machines")?, "ini").into_iter().flat_map(str::lines) {
        let (name, _) = line.strip_prefix("ETCD_").and_then(|line| line.split_once('=')).context(line)?;
        let flag = format!("--{}", name.to_lowercase().replace('_', "-"));
        ensure!(help.contains(&flag), "etcd has no {flag}");
    }
    Ok(())
}
