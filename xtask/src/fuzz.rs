//! The fuzz targets of `tests/fuzz`, with libFuzzer and the stable compiler.
//!
//! Every binary of that package is a target; what is worth keeping as input lies in
//! `corpus/TARGET`. What a run discovers goes to a directory of its own under `target`, and is
//! copied into the corpus by hand when it shows something new.

use crate::{packages, run};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Makes the compiler count which edges were taken, which is what guides libFuzzer.
const COVERAGE: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// Runs each target for so long.
pub fn fuzz(seconds: u32) -> Result<()> {
    packages::ensure(&packages::CXX)?;
    let dir = run::root().join("tests/fuzz");
    // Named, so that the flags are for the targets and not for build scripts.
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut build = run::cargo();
    build.current_dir(&dir).args(["build", "--release", "--target", &triple]).env("RUSTFLAGS", COVERAGE);
    run::run(&mut build)?;
    let built = dir.join("target").join(&triple).join("release");
    for target in targets(&dir)? {
        fuzz_one(&dir, &built.join(&target), &target, seconds)?;
    }
    Ok(())
}

/// The binaries of the package.
fn targets(dir: &Path) -> Result<Vec<String>> {
    let mut metadata = run::cargo();
    metadata.current_dir(dir).args(["metadata", "--no-deps", "--format-version", "1"]);
    let metadata: serde_json::Value = serde_json::from_str(&run::read(&mut metadata)?)?;
    let of_package = metadata.pointer("/packages/0/targets").and_then(|t| t.as_array());
    let is_bin = |t: &&serde_json::Value| t.pointer("/kind/0").is_some_and(|kind| kind == "bin");
    let bins = of_package.context("tests/fuzz has no targets")?.iter().filter(is_bin);
    let names: Vec<String> = bins.filter_map(|t| t.get("name")?.as_str().map(str::to_owned)).collect();
    ensure!(!names.is_empty(), "tests/fuzz has no targets");
    Ok(names)
}

fn fuzz_one(dir: &Path, binary: &Path, target: &str, seconds: u32) -> Result<()> {
    println!("fuzz target {target}, {seconds} s");
    let found = dir.join("target/found").join(target);
    fs::create_dir_all(&found)?;
    let mut fuzz = Command::new(binary);
    fuzz.arg(&found).arg(dir.join("corpus").join(target)).arg(format!("-max_total_time={seconds}"));
    fuzz.args(["-print_final_stats=1", "-timeout=10", "-rss_limit_mb=2048"]);
    fuzz.arg(format!("-artifact_prefix={}/", dir.join("target").display()));
    let output = run::output(&mut fuzz)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "fuzz target {target} found something:\n{said}");
    said.lines().filter(|line| line.starts_with("stat::")).for_each(|line| println!("    {line}"));
    Ok(())
}
