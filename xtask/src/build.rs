//! Release binaries. The helpers that shell methods call dozens of times are linked statically:
//! a dynamic one spends more time being loaded than answering.

use crate::run;
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Packages with daemons and administration.
const DYNAMIC: [&str; 6] = ["rgm", "rgm-tools", "pmf", "methods", "agents", "rtr-parser"];
/// Package and binary of the hot helpers.
const STATIC: [(&str, &str); 5] = [
    ("rgm-tools", "scha"),
    ("pmf", "pmfadm"),
    ("methods", "hatimerun"),
    ("methods", "halockrun"),
    ("methods", "scds_syslog"),
];

/// Where the binaries are.
pub struct Built {
    dynamic: PathBuf,
    statically: PathBuf,
}

impl Built {
    /// The best build of a binary.
    pub fn binary(&self, name: &str) -> PathBuf {
        let is_static = STATIC.iter().any(|&(_, binary)| binary == name);
        if is_static { self.statically.join(name) } else { self.dynamic.join(name) }
    }
}

/// Builds everything, quickly and to be debugged.
pub fn debug() -> Result<Built> {
    let mut build = run::cargo();
    build.args(["build", "--bins"]);
    for package in DYNAMIC {
        build.args(["-p", package]);
    }
    run::run(&mut build)?;
    let dir = target_dir()?.join("debug");
    Ok(Built { statically: dir.clone(), dynamic: dir })
}

/// Builds everything as it is installed.
pub fn release() -> Result<Built> {
    let mut build = run::cargo();
    build.args(["build", "--release", "--bins"]);
    for package in DYNAMIC {
        build.args(["-p", package]);
    }
    run::run(&mut build)?;
    let target = target_dir()?;
    let statically = build_static(&target)?;
    Ok(Built { dynamic: target.join("release"), statically })
}

/// Where cargo puts what it builds.
pub fn target_dir() -> Result<PathBuf> {
    let text = run::read(run::cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let metadata: serde_json::Value = serde_json::from_str(&text).context("cargo metadata is no JSON")?;
    let dir = metadata.get("target_directory").and_then(|d| d.as_str());
    dir.map(PathBuf::from).context("cargo metadata names no target directory")
}

/// With musl where the toolchain has it or can get it, with a static glibc otherwise.
fn build_static(target: &Path) -> Result<PathBuf> {
    let arch = std::env::consts::ARCH;
    let musl = format!("{arch}-unknown-linux-musl");
    let has_musl = run::output(Command::new("rustup").args(["target", "add", &musl]))
        .is_ok_and(|output| output.status.success());
    let triple = if has_musl { musl } else { format!("{arch}-unknown-linux-gnu") };
    let mut build = run::cargo();
    build.args(["build", "--release", "--target", &triple]);
    for (package, binary) in STATIC {
        build.args(["-p", package, "--bin", binary]);
    }
    // Dependencies with C in them ask for a compiler of that name. They need no C library, so that of
    // this machine will do.
    let compiler = format!("CC_{}", triple.replace('-', "_"));
    if has_musl && std::env::var_os(&compiler).is_none() && !run::found(&format!("{arch}-linux-musl-gcc")) {
        build.env(compiler, "cc");
    }
    if !has_musl {
        build.env("RUSTFLAGS", "-C target-feature=+crt-static");
    }
    run::run(&mut build)?;
    Ok(target.join(triple).join("release"))
}
