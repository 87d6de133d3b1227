//! Clusters of several machines, each a network namespace with daemons and an etcd of its own.

#[path = "machines/chaos.rs"]
mod chaos;
#[path = "machines/failsafe.rs"]
mod failsafe;
#[path = "machines/fencing.rs"]
mod fencing;
#[path = "machines/handbook.rs"]
mod handbook;
#[path = "machines/presidents.rs"]
mod presidents;
#[path = "machines/quorum.rs"]
mod quorum;
#[path = "machines/takeover.rs"]
mod takeover;

use anyhow::Result;
use rgm_tests::kit::beat::{self, Beats};
use rgm_tests::kit::machines::Site;

/// A group `g` with a beating resource `r`, online on the machine of that number.
fn beating(site: &Site, on: usize) -> Result<Beats> {
    beat::install(site.dir())?;
    site.ok("clrt register ACME.beat")?;
    site.ok("clrg create g")?;
    site.ok("clrs create -g g -t ACME.beat r")?;
    let node = &site.machine(on)?.name;
    site.ok(&format!("clrg online -M -n {node} g"))?;
    site.wait_online(on, "g", on)?;
    Ok(Beats::of(site.dir(), "r"))
}
