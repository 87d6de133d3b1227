//! The demo: the sample data service HA-DNS through its whole life, on this machine.
//!
//! Everything is real: the daemons, the commands, BIND, the signals. Each step is timed and must
//! show what it is there to show; the first that does not ends the demo with the reason. At the end
//! nothing may be left of it.

mod asker;
mod dns;
mod leftovers;
mod machines;
mod power;
mod story;

pub use machines::demo as machines;

use crate::cluster::Cluster;
use crate::wait::Waiter;
use crate::{build, install, packages};
use anyhow::{Context, Result, bail};
use dns::Dns;
use leftovers::Before;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Runs it.
pub fn demo(keep: bool, debug: bool) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the demo needs root, for packages, cgroups and the user of named: run it with sudo");
    }
    packages::ensure(&packages::BIND)?;
    let built = if debug { build::debug()? } else { build::release()? };
    let start = Instant::now();
    let before = Before::look()?;
    let dir =
        tempfile::Builder::new().prefix("rgm-demo-").tempdir_in(parent_dir()).context("no directory")?;
    // named gives up being root, and must still be able to read its configuration.
    fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
    install::install(&built, dir.path())?;

    let mut show = Show { steps: 0 };
    let mut stage = Stage::set(dir.path())?;
    let told = story::tell(&mut show, &mut stage);
    if let Err(error) = told {
        eprintln!("\n{}", stage.cluster.last_words());
        stage.cluster.destroy();
        let dir = dir.keep();
        return Err(error.context(format!("the demo failed; its files are in {}", dir.display())));
    }
    let place = dir.path().to_owned();
    if keep {
        println!("kept: {}", dir.keep().display());
    } else {
        dir.close().with_context(|| format!("failed to remove {}", place.display()))?;
    }
    show.step("nothing is left: process, mount, address, cgroup, file", || {
        before.nothing_left(&place, &stage.cluster.cgroups_seen, keep)
    })?;
    println!("\nall of it in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// AppArmor, where Debian has it on, lets named read and write only in certain places.
fn parent_dir() -> PathBuf {
    let confined =
        fs::read_to_string("/sys/module/apparmor/parameters/enabled").is_ok_and(|on| on.starts_with('Y'));
    if confined { PathBuf::from("/var/cache/bind") } else { std::env::temp_dir() }
}

/// What the story is played with.
pub struct Stage {
    /// Waits for things to happen.
    pub waiter: Waiter,
    /// The cluster under way.
    pub cluster: Cluster,
    /// The name service as its clients see it.
    pub dns: Dns,
    /// RTR file that names the methods installed for this demo.
    pub rtr: PathBuf,
    /// Confdir.
    pub confdir: PathBuf,
}

impl Stage {
    fn set(dir: &Path) -> Result<Self> {
        let dns = Dns::choose_port()?;
        let sample = install::sample_dir(dir);
        let confdir = sample.join("conf");
        dns.adapt(&confdir.join("named.conf"))?;
        let rtr = install::sample_rtr(dir);
        let text = fs::read_to_string(&rtr)?;
        let methods = sample.join("bin");
        let adapted = text.replace("/opt/SUNWsample/bin", &methods.to_string_lossy());
        fs::write(&rtr, adapted)?;
        Ok(Self { waiter: Waiter::new()?, cluster: Cluster::new(dir), dns, rtr, confdir })
    }
}

/// What the demo prints: a line a step.
pub struct Show {
    steps: u32,
}

impl Show {
    /// A step: what is done, what was seen, and how long it took.
    pub fn step(&mut self, title: &str, act: impl FnOnce() -> Result<String>) -> Result<()> {
        self.steps += 1;
        let start = Instant::now();
        let seen = act();
        let took = start.elapsed().as_secs_f64();
        match &seen {
            Ok(seen) => println!("{:>2}  {took:>6.2} s  {title}\n               {seen}", self.steps),
            Err(_) => println!("{:>2}  {took:>6.2} s  {title}\n               FAILED", self.steps),
        }
        seen.map(drop).with_context(|| format!("step {}, {title}", self.steps))
    }
}
