//! The registration files of the types, against the methods that this program has.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Every type, from its file.
fn types() -> Result<Vec<rgm_types::ResourceType>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("rtr");
    fs::read_dir(dir)?.map(|entry| declared(&entry?.path())).collect()
}

fn declared(file: &Path) -> Result<rgm_types::ResourceType> {
    let text = fs::read_to_string(file)?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let parsed = rtr_parser::parse(&name, text.as_bytes());
    assert_eq!(parsed.diagnostics, [], "{name}");
    assert_eq!(rtr_parser::format(&parsed.declarations), text, "{name} is canonical");
    let declared = parsed.resource_type.context("no type")?;
    let plain = declared.name.as_str().split(':').next().unwrap_or_default();
    assert_eq!(plain, name, "the file is named after the type, its version apart");
    assert_eq!(declared.basedir, format!("/usr/cluster/lib/rgm/rt/{}", declared.base), "{name}");
    Ok(declared)
}

#[test]
fn every_method_that_a_file_names_is_there() -> Result<()> {
    let known: BTreeSet<&str> =
        agents::METHODS.iter().flat_map(|methods| methods.iter().map(|(name, _)| *name)).collect();
    for declared in types()? {
        for (method, file) in &declared.methods {
            assert!(known.contains(file.as_str()), "{} of {} is {file}", method.word(), declared.name);
        }
    }
    Ok(())
}

#[test]
fn no_name_stands_for_two_methods() {
    let names: Vec<&str> =
        agents::METHODS.iter().flat_map(|methods| methods.iter().map(|(name, _)| *name)).collect();
    let distinct: BTreeSet<&str> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len(), "{names:?}");
}
