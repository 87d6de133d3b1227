//! A cluster of three machines, measured with real processes: how soon services are back after each
//! kind of loss, what an operator waits for, and what a cluster costs that does nothing.
//!
//! A machine is a network namespace with etcd, pmfd and rgmd. Who ran when is told by the application
//! itself, which swears by its heartbeat ([`Beats`]): two at once end the measurement with an error.

mod elections;
mod link;
mod quiet;
mod takeover;
mod work;

use super::Row;
use super::samples::{Samples, goal};
use crate::{build, install, packages, run};
use anyhow::{Context, Result, ensure};
use rgm_tests::kit::beat::{self, Beats, Outage};
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::until;
use rgm_tests::kit::wait::heed_interrupts;
use rustix::time::{ClockId, clock_gettime};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;
use tempfile::TempDir;

/// Makes rows of one subject.
type Subject = (&'static str, fn(&Yard) -> Result<Vec<Row>>);

/// What can be measured.
pub const SUBJECTS: [Subject; 5] = [
    ("takeover", takeover::rows),
    ("link", link::rows),
    ("work", work::rows),
    ("quiet", quiet::rows),
    ("elections", elections::rows),
];

/// Times of a cluster.
struct Pace {
    name: &'static str,
    /// `[member]` of the settings.
    member: &'static str,
    /// Heartbeat and election timeout of etcd, where not its own default.
    etcd_ms: Option<(u32, u32)>,
    /// What was set for a takeover, in milliseconds.
    goal_ms: f64,
}

/// As installed, with an etcd as installed.
const DEFAULT: Pace = Pace { name: "default settings", member: "", etcd_ms: None, goal_ms: 3_000.0 };
/// The shortest lease that etcd gives, with an etcd whose elections it outlasts.
const FAST: Pace = Pace {
    name: "ttl 1 s, election of etcd 200 ms",
    member: "ttl = \"1s\"\nmargin = \"200ms\"",
    etcd_ms: Some((20, 200)),
    goal_ms: 1_500.0,
};

/// Measures the subjects named, or all.
pub fn rows(names: &[String], rounds: usize, debug: bool) -> Result<Vec<Row>> {
    ensure!(nix::unistd::geteuid().is_root(), "this needs root, for network namespaces and cgroups");
    for needs in [&packages::ETCD[..], &packages::NETWORKS] {
        packages::ensure(needs)?;
    }
    let yard = Yard::new(rounds, debug)?;
    heed_interrupts()?;
    let mut rows = Vec::new();
    for (subject, measure) in SUBJECTS {
        if names.is_empty() || names.iter().any(|name| name == subject) {
            rows.extend(measure(&yard).with_context(|| format!("measuring {subject}"))?);
        }
    }
    Ok(rows)
}

/// Where the programs are installed, and how often each thing is tried.
pub struct Yard {
    installed: TempDir,
    rounds: usize,
}

impl Yard {
    fn new(rounds: usize, debug: bool) -> Result<Self> {
        let installed = tempfile::Builder::new().prefix("rgm-bench-").tempdir()?;
        fs::set_permissions(installed.path(), fs::Permissions::from_mode(0o755))?;
        let built = if debug { build::debug()? } else { build::release()? };
        install::install(&built, installed.path())?;
        run::run(run::cargo().args(["build", "-p", "rgm-tests", "--bin", "acme-beat"]))?;
        let beat = build::target_dir()?.join("debug/acme-beat");
        fs::copy(beat, install::bin_dir(installed.path()).join("acme-beat"))?;
        Ok(Self { installed, rounds })
    }

    /// Plays a scene in a new cluster of that pace.
    fn play(&self, pace: &Pace, scene: impl FnOnce(&mut Site) -> Result<Vec<Row>>) -> Result<Vec<Row>> {
        let options = Options {
            member: pace.member.to_owned(),
            etcd_ms: pace.etcd_ms,
            installed: Some(self.installed.path().to_owned()),
            ..Options::default()
        };
        let mut rows = Vec::new();
        Site::play(&options, |site| {
            rows = scene(site)?;
            Ok(())
        })
        .with_context(|| format!("at {}", pace.name))?;
        Ok(rows)
    }
}

/// A group `g` with a beating resource `r`, online on the machine of that number.
fn beating(site: &Site, on: usize) -> Result<Beats> {
    beat::install(site.dir())?;
    site.ok("clrt register ACME.beat")?;
    site.ok("clrg create g")?;
    site.ok("clrs create -g g -t ACME.beat r")?;
    site.ok(&format!("clrg online -M -n {} g", site.machine(on)?.name))?;
    site.wait_online(on, "g", on)?;
    Ok(Beats::of(site.dir(), "r"))
}

/// Forgets what it has beaten so far: whoever looks reads it all.
fn from_now(site: &Site) -> Result<()> {
    Ok(fs::File::options().write(true).open(site.dir().join("r.beat"))?.set_len(0)?)
}

/// The one change there is; an error if two ever beat at once.
fn changed(beats: &Beats) -> Result<Outage> {
    until("it beats again", || Ok(beats.changes()?.into_iter().next()))
}

/// Of the clock of the beats.
fn now_us() -> u64 {
    let time = clock_gettime(ClockId::Boottime);
    u64::try_from(time.tv_sec * 1_000_000 + time.tv_nsec / 1000).unwrap_or(0)
}

/// How long it took from then to the first beat of the next life.
fn since(began_us: u64, change: &Outage) -> Duration {
    Duration::from_micros(change.to.at_us.saturating_sub(began_us))
}

/// A row of milliseconds beside a bound that was set, if one was.
fn row_ms(what: String, samples: &Samples, bound_ms: Option<f64>, note: &str) -> Row {
    let measured = samples.median_ms();
    let against = bound_ms.map(|bound| goal(bound, measured));
    let note = format!("{}{note}", samples.spread_ms());
    // All of them take minutes.
    eprintln!("{what}: {measured:.0} ms ({note})");
    Row { what, unit: "ms", measured, against, note }
}
