//! Every test, with what it needs.

use crate::{packages, run};
use anyhow::Result;

/// Installs, builds, tests.
pub fn test() -> Result<()> {
    packages::ensure(&packages::BIND)?;
    packages::ensure(&packages::DBUS)?;
    packages::ensure(&packages::NETWORKS)?;
    packages::ensure(&packages::ETCD)?;
    // The whole-program tests run the daemons and commands; cargo builds those of other packages
    // for no test by itself.
    run::run(run::cargo().args(["build", "--workspace", "--bins"]))?;
    if run::found("cargo-nextest") {
        run::run(run::cargo().args(["nextest", "run", "--workspace", "--no-fail-fast"]))?;
        run::run(run::cargo().args(["test", "--workspace", "--doc"]))
    } else {
        run::run(run::cargo().args(["test", "--workspace", "--no-fail-fast"]))
    }
}
