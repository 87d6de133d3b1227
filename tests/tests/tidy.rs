//! Rules of the house that a compiler does not hold.

use anyhow::{Context, Result};
use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Packages by layer; imports run downwards only.
const LAYERS: [&[&str]; 7] = [
    &["rgm-types"],
    &["rgm-core", "pmf-core", "rtr-parser", "rgm-api"],
    // A port that other ports stand on.
    &["rgm-etcd"],
    &["rgm-ccr", "rgm-cluster", "methods"],
    &["rgm", "pmf", "rgm-tools", "agents"],
    &["rgm-tests"],
    &["xtask"],
];

/// They can't reach a clock, a file or a random number: that is compiled, not promised.
const PURE: [&str; 3] = ["rgm/types", "rgm/core", "pmf/core"];

/// Licences a dependency may come under.
const LICENCES: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Lines of a source file before its tests.
const FILE_LINES_MAX: usize = 500;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn metadata() -> Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root().join("Cargo.toml"));
    command.other_options(["--offline", "--filter-platform", "x86_64-unknown-linux-gnu"].map(String::from));
    Ok(command.features(CargoOpt::AllFeatures).exec()?)
}

fn layer(package: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&package))
}

/// What a package imports, its tests apart.
fn imports(package: &Package) -> impl Iterator<Item = &str> {
    package.dependencies.iter().filter(|d| d.kind != DependencyKind::Development).map(|d| d.name.as_str())
}

#[test]
fn imports_run_downwards_only() -> Result<()> {
    let metadata = metadata()?;
    for package in metadata.workspace_packages() {
        let name = package.name.as_str();
        let own = layer(name).with_context(|| format!("{name} has no layer: give it one in LAYERS"))?;
        for import in imports(package) {
            if let Some(imported) = layer(import) {
                assert!(imported < own, "{name} (layer {own}) imports {import} (layer {imported})");
            }
        }
    }
    Ok(())
}

#[test]
fn the_pure_packages_have_no_std_and_no_unsafe_code() -> Result<()> {
    for package in PURE {
        let file = root().join(package).join("src/lib.rs");
        let text = fs::read_to_string(&file)?;
        for attribute in ["#![no_std]", "#![forbid(unsafe_code)]"] {
            let there = text.lines().any(|line| line.trim() == attribute);
            assert!(there, "{} does not say {attribute}", file.display());
        }
    }
    Ok(())
}

#[test]
fn every_dependency_is_licensed_for_us_and_comes_from_the_registry() -> Result<()> {
    let metadata = metadata()?;
    let resolve = metadata.resolve.as_ref().context("cargo metadata resolved nothing")?;
    let used: BTreeSet<_> = resolve.nodes.iter().map(|node| &node.id).collect();
    for package in metadata.packages.iter().filter(|p| used.contains(&p.id)) {
        let name = &package.name;
        let licence = package.license.as_deref().with_context(|| format!("{name} names no licence"))?;
        assert!(allowed(licence), "{name} comes under {licence:?}");
        if let Some(source) = &package.source {
            assert!(source.is_crates_io(), "{name} comes from {source}");
        }
    }
    Ok(())
}

/// Can we choose licences that we allow? `AND` binds tighter than `OR`; a slash is an old `OR`.
fn allowed(expression: &str) -> bool {
    let mut text = expression.replace('/', " OR ");
    while let Some(close) = text.find(')') {
        let Some(open) = text[..close].rfind('(') else { return false };
        let inner = if allowed(&text[open + 1..close]) { "MIT" } else { "none" };
        text.replace_range(open..=close, inner);
    }
    text.split(" OR ").any(|choice| choice.split(" AND ").all(|one| LICENCES.contains(&one.trim())))
}

#[test]
fn a_licence_expression_is_read_as_it_is_meant() {
    for (expression, expected) in [
        ("MIT", true),
        ("MIT/Apache-2.0", true),
        ("GPL-2.0", false),
        ("GPL-2.0 OR MIT", true),
        ("GPL-2.0 AND MIT", false),
        ("(MIT OR GPL-2.0) AND Unicode-3.0", true),
        ("(MIT OR Apache-2.0) AND GPL-3.0", false),
        ("Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT", true),
    ] {
        assert_eq!(allowed(expression), expected, "{expression}");
    }
}

#[test]
fn every_dependency_has_a_line_that_says_what_it_is_for() -> Result<()> {
    let file = root().join("docs/decisions/dependencies.md");
    let text = fs::read_to_string(&file)?;
    let metadata = metadata()?;
    let members: BTreeSet<&str> = metadata.workspace_packages().iter().map(|p| p.name.as_str()).collect();
    for package in metadata.workspace_packages() {
        for dependency in package.dependencies.iter().filter(|d| !members.contains(d.name.as_str())) {
            let name = &dependency.name;
            let line = text.lines().any(|line| line.starts_with('|') && line.contains(&format!("`{name}`")));
            assert!(line, "{} has no line for {name}, which {} uses", file.display(), package.name);
        }
    }
    Ok(())
}

#[test]
fn no_source_file_is_longer_than_can_be_kept_in_mind() -> Result<()> {
    let metadata = metadata()?;
    // What is only there to test others may be as long as its tables are.
    for package in metadata.workspace_packages().into_iter().filter(|p| p.name.as_str() != "rgm-tests") {
        let dir = package.manifest_path.parent().context("a manifest without a directory")?;
        let mut files = Vec::new();
        sources(dir.join("src").as_std_path(), &mut files)?;
        assert!(!files.is_empty(), "{} has no source", package.name);
        for file in files {
            let text = fs::read_to_string(&file)?;
            let lines = text.lines().take_while(|line| *line != "#[cfg(test)]").count();
            assert!(lines <= FILE_LINES_MAX, "{} has {lines} lines, tests apart", file.display());
        }
    }
    Ok(())
}

/// Who asked, and in which dialect, the manager does not know: it speaks one.
#[test]
fn the_manager_names_the_newer_commands_only() -> Result<()> {
    let mut files = Vec::new();
    sources(&root().join("rgm/core/src"), &mut files)?;
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file)?;
        let said = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let older = |line: &&str| ["scswitch -", "scrgadm -", "scstat -"].iter().any(|c| line.contains(c));
        assert_eq!({ said }.find(older), None, "{}: name the cl* command", file.display());
    }
    Ok(())
}

/// Files of tests are left out: `tests.rs` and what lies in a folder of that name.
fn sources(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if name == "tests" || name == "tests.rs" {
            continue;
        }
        if path.is_dir() {
            sources(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
