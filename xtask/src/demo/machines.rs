//! The demo on several machines: HA-DNS on an address that moves, and what its clients notice when a
//! machine loses its power, its cable or its daemons.
//!
//! A machine is a network namespace with etcd, pmfd and rgmd of its own, all of them on one network
//! with a client that asks without end. Everything is at its default settings.

use super::asker::Asker;
use super::leftovers::Before;
use super::{Show, dns, parent_dir, power};
use crate::{build, install, packages};
use anyhow::{Context, Result, bail, ensure};
use rgm_tests::kit::machine::Machine;
use rgm_tests::kit::machines::{Options, Site};
use rgm_tests::kit::wait::heed_interrupts;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The address that moves.
pub const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 53);

/// Runs it.
pub fn demo(debug: bool) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the demo needs root, for packages, network namespaces and cgroups: run it with sudo");
    }
    for needs in [&packages::BIND[..], &packages::ETCD, &packages::NETWORKS] {
        packages::ensure(needs)?;
    }
    let built = if debug { build::debug()? } else { build::release()? };
    let start = Instant::now();
    let before = Before::look()?;
    heed_interrupts()?;
    // Where named may read and write, too.
    let installed = tempfile::Builder::new().prefix("rgm-demo-").tempdir_in(parent_dir())?;
    let _same = tempfile::env::override_temp_dir(&parent_dir());
    fs::set_permissions(installed.path(), fs::Permissions::from_mode(0o755))?;
    install::install(&built, installed.path())?;

    let mut show = Show { steps: 0 };
    let mut left = Left::default();
    let told = play(&mut show, installed.path(), &mut left);
    let place = installed.path().to_owned();
    installed.close().with_context(|| format!("failed to remove {}", place.display()))?;
    let checked = show.step("nothing is left: process, namespace, mount, address, cgroup, file", || {
        left.nothing(&before, &place)
    });
    told?;
    checked?;
    println!("\nall of it in {:.1} s", start.elapsed().as_secs_f64());
    Ok(())
}

/// Builds the machines, tells the story, and ends them, however that went.
fn play(show: &mut Show, installed: &Path, left: &mut Left) -> Result<()> {
    let options =
        Options { member: String::new(), installed: Some(installed.to_owned()), ..Options::default() };
    let mut site = None;
    show.step(
        "three machines on one network, each with a member of etcd, certificates and rgm.toml",
        || {
            let built = site.insert(Site::build(&options)?);
            *left = Left::of(built);
            let machines = built.machines.iter().map(|machine| format!("{} {}", machine.name, machine.ip));
            Ok(machines.collect::<Vec<_>>().join(", "))
        },
    )?;
    let site = site.context("there are no machines")?;
    let mut stage = Stage::set(site)?;
    let told = power::tell(show, &mut stage);
    if told.is_err() {
        eprintln!("\n{}", stage.site.last_words());
    }
    told
}

/// What the story is played with. All of it ends with it, the client first.
pub struct Stage {
    /// The client.
    pub asker: Asker,
    /// The machines.
    pub site: Site,
    /// Confdir, on storage that all machines see.
    pub confdir: PathBuf,
}

impl Stage {
    fn set(site: Site) -> Result<Self> {
        let confdir = site.dir().join("dns");
        fs::create_dir(&confdir)?;
        let sample = site.dir().join("bin").canonicalize()?;
        let root = sample.ancestors().nth(3).context("the programs are installed nowhere")?;
        for entry in fs::read_dir(install::sample_dir(root).join("conf"))? {
            let file = entry?.path();
            let text = fs::read_to_string(&file)?.replace("{ 127.0.0.1; }", &format!("{{ {ADDRESS}; }}"));
            fs::write(confdir.join(file.file_name().unwrap_or_default()), text)?;
        }
        let methods = install::sample_dir(root).join("bin");
        let rtr = fs::read_to_string(install::sample_rtr(root))?;
        let rtr = rtr.replace("/opt/SUNWsample/bin", &methods.to_string_lossy());
        fs::write(site.dir().join("rtreg/SUNW.sample"), rtr)?;
        let asker = Asker::start(&site.lan(), ADDRESS)?;
        Ok(Self { asker, site, confdir })
    }

    /// The machine of that number.
    pub fn machine(&self, number: usize) -> Result<&Machine> {
        self.site.machine(number)
    }

    /// Asks once, as a client would by hand.
    pub fn dig(&self) -> Result<String> {
        let netns = self.site.lan();
        let mut dig = std::process::Command::new("ip");
        dig.args(["netns", "exec", &netns]).args(dig_line().split(' '));
        let said = crate::run::read(dig.args(["+time=1", "+tries=1"]))?;
        ensure!(said.trim() == dns::ANSWER, "it answers {said:?}");
        Ok(format!("{} is {}", dns::QUESTION, said.trim()))
    }
}

/// What a client would type.
pub fn dig_line() -> String {
    format!("dig @{ADDRESS} {} A +short", dns::QUESTION)
}

/// What there is to look for when all is over.
#[derive(Default)]
struct Left {
    dir: PathBuf,
    namespaces: Vec<String>,
    traces: Option<rgm_tests::kit::leftovers::Traces>,
}

impl Left {
    fn of(site: &Site) -> Self {
        Self { dir: site.dir().to_owned(), namespaces: site.namespaces(), traces: Some(site.traces()) }
    }

    /// An error that names what there still is.
    fn nothing(&self, before: &Before, installed: &Path) -> Result<String> {
        let namespaces = self.namespaces.iter().map(|name| PathBuf::from(format!("/run/netns/{name}")));
        let there: Vec<PathBuf> = namespaces.chain([self.dir.clone()]).filter(|path| path.exists()).collect();
        ensure!(there.is_empty(), "these are left: {there:?}");
        if let Some(traces) = &self.traces {
            traces.nothing_left()?;
        }
        before.nothing_left(installed, &Default::default(), false)
    }
}
