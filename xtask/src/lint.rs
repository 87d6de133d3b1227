//! What must be without a warning.

use crate::run;
use anyhow::Result;
use std::process::Command;

/// Formatting, clippy, documentation, and the shell scripts where shellcheck is installed.
pub fn lint() -> Result<()> {
    run::run(run::cargo().args(["fmt", "--all", "--check"]))?;
    run::run(run::cargo().args(["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    let mut doc = run::cargo();
    doc.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    run::run(doc.env("RUSTDOCFLAGS", "-D warnings"))?;
    if run::found("shellcheck") {
        let methods = run::root().join("samples/SUNWsample/bin");
        let mut names: Vec<_> =
            std::fs::read_dir(&methods)?.flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        run::run(Command::new("shellcheck").current_dir(&methods).args(["-x", "-s", "sh"]).args(names))?;
        run::run(Command::new("shellcheck").arg(run::root().join(".ci/run")))?;
    }
    Ok(())
}
