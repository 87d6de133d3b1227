//! What a cluster costs that does nothing: writes of etcd, processor time, memory.

use super::{DEFAULT, Yard};
use crate::bench::Row;
use crate::bench::samples::goal;
use crate::run;
use anyhow::{Context, Result};
use rgm_tests::kit::machine::Machine;
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use rgm_tests::kit::wait::pause;
use serde_json::Value;
use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

/// How long nothing happens.
const QUIET: Duration = Duration::from_secs(10);
/// Resources of one group.
const GROUP: usize = 10;
/// What rgmd and pmfd of a node may hold with 1,000 resources, in MB.
const MEMORY_GOAL: f64 = 30.0;
/// Restarts that are counted.
const RESTARTS: u64 = 10;

pub fn rows(yard: &Yard) -> Result<Vec<Row>> {
    let mut rows = yard.play(&DEFAULT, |site| {
        let beats = super::beating(site, 0)?;
        let mut rows = vec![idle_writes(site)?, writes_of_a_restart(site)?];
        beats.changes()?;
        site.ok("clrg offline g")?;
        rows.extend(node(site, 100)?);
        Ok(rows)
    })?;
    rows.extend(yard.play(&DEFAULT, |site| {
        super::beating(site, 0)?;
        site.ok("clrg offline g")?;
        node(site, 1_000)
    })?);
    Ok(rows)
}

fn idle_writes(site: &Site) -> Result<Row> {
    let (began, before) = (Instant::now(), Counts::read(site)?);
    pause(QUIET)?;
    let (after, secs) = (Counts::read(site)?, began.elapsed().as_secs_f64());
    let measured = (after.revision - before.revision) as f64 / secs;
    let raft = (after.raft - before.raft) as f64 / secs;
    Ok(Row {
        what: "writes of etcd, idle cluster of 3 nodes".into(),
        unit: "/s",
        measured,
        against: None,
        note: format!("goal: 0, leases alone are renewed; {raft:.1} entries of its log a second"),
    })
}

fn writes_of_a_restart(site: &Site) -> Result<Row> {
    let before = Counts::read(site)?;
    for _ in 0..RESTARTS {
        site.ok("clrg restart g")?;
    }
    let after = Counts::read(site)?;
    Ok(Row {
        what: "writes of etcd for a restart: STOP, START".into(),
        unit: "",
        measured: (after.revision - before.revision) as f64 / RESTARTS as f64,
        against: None,
        note: format!("of {RESTARTS} restarts of a group with one resource"),
    })
}

/// How far etcd has got.
struct Counts {
    revision: u64,
    raft: u64,
}

impl Counts {
    fn read(site: &Site) -> Result<Self> {
        let said = run::read(site.etcd.etcdctl(0).args(["endpoint", "status", "-w", "json"]))?;
        let said: Value = serde_json::from_str(&said)?;
        let number = |path: &str| said.pointer(path).and_then(Value::as_u64).context("etcd does not say");
        Ok(Self { revision: number("/0/Status/header/revision")?, raft: number("/0/Status/raftIndex")? })
    }
}

/// What rgmd and pmfd of each node take with so many resources online.
fn node(site: &mut Site, resources: usize) -> Result<Vec<Row>> {
    let mut file = String::new();
    for group in 0..resources / GROUP {
        // The one it is to be on comes first.
        let order = (0..3).map(|n| site.machine((group + n) % 3).map(|machine| machine.name.as_str()));
        let nodelist = order.collect::<Result<Vec<_>>>()?;
        writeln!(file, "[groups.q{group}]\nstate = \"online\"\nproperties = {{ Nodelist = {nodelist:?} }}")?;
        for number in 0..GROUP {
            writeln!(file, "[groups.q{group}.resources.q{group}r{number}]\ntype = \"ACME.quiet\"")?;
        }
    }
    let path = site.dir().join("quiet.toml");
    fs::write(&path, file)?;
    fs::write(
        site.dir().join("rtreg/ACME.quiet"),
        "RESOURCE_TYPE = quiet; VENDOR_ID = ACME; RT_VERSION = \"1\"; FAILOVER = TRUE;\n\
         RT_BASEDIR = /bin; START = true; STOP = true;\n",
    )?;
    site.ok("clrt register ACME.quiet")?;
    site.ok(&format!("cluster apply {}", path.display()))?;
    let last = format!("q{}", resources / GROUP - 1);
    until("all of them are online", || {
        Ok(site.online(0, &last)?.is_some_and(|on| !on.is_empty()).then_some(()))
    })?;
    // What was needed for a moment is given back.
    pause(Duration::from_secs(1))?;
    let president = site.president()?;
    let before: Vec<f64> = site.machines.iter().map(cpu_s).collect::<Result<_>>()?;
    let began = Instant::now();
    pause(QUIET)?;
    let secs = began.elapsed().as_secs_f64();
    let mut rows = Vec::new();
    for (number, role) in [(president, "president"), ((president + 1) % 3, "another node")] {
        let machine = site.machine(number)?;
        let (rgmd, pmfd) = (rss_mb(machine, "rgmd")?, rss_mb(machine, "pmfd")?);
        let used = cpu_s(machine)? - before.get(number).copied().unwrap_or_default();
        rows.push(Row {
            what: format!("rgmd and pmfd idle, {resources} resources, {role}"),
            unit: "MB",
            measured: rgmd + pmfd,
            against: Some(goal(MEMORY_GOAL, rgmd + pmfd)),
            note: format!("rgmd {rgmd:.1}, pmfd {pmfd:.1}; {:.2} % of a processor", used / secs * 100.0),
        });
    }
    Ok(rows)
}

/// Memory of a daemon that is its own.
fn rss_mb(machine: &Machine, daemon: &str) -> Result<f64> {
    let pid = machine.daemon(daemon).with_context(|| format!("{} has no {daemon}", machine.name))?;
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse::<f64>()? / 1024.0)
}

/// Processor time of both daemons so far.
fn cpu_s(machine: &Machine) -> Result<f64> {
    let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK)?.context("no clock ticks")?;
    let mut used = 0.0;
    for daemon in ["rgmd", "pmfd"] {
        let pid = machine.daemon(daemon).with_context(|| format!("{} has no {daemon}", machine.name))?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let (_, rest) = stat.rsplit_once(") ").context("not a stat")?;
        let fields = rest.split(' ').skip(11).take(2);
        used += fields.map(|field| field.parse::<f64>().unwrap_or(0.0)).sum::<f64>() / ticks as f64;
    }
    Ok(used)
}
