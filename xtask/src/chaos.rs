//! Everything that can go wrong with a cluster of machines, on real processes. See `docs/safety.md`.

use crate::{build, packages, run};
use anyhow::Result;
use std::process::Command;

/// Lets it go wrong for so many seconds, as a seed says, with so many machines.
pub fn chaos(seconds: u64, seed: u64, machines: u32) -> Result<()> {
    packages::ensure(&packages::NETWORKS)?;
    packages::ensure(&packages::ETCD)?;
    run::run(run::cargo().args(["build", "--workspace", "--bins"]))?;
    let mut chaos = Command::new(build::target_dir()?.join("debug/chaos"));
    run::run(chaos.args([seconds.to_string(), seed.to_string(), machines.to_string()]))
}
