//! The core's behaviour as stories: `tests/scenarios/*.txt` come back unchanged.
//!
//! `UPDATE=1 cargo test -p rgm-tests --test scenarios` writes down what follows now; read the
//! difference before believing it.

use anyhow::{Context, Result};
use rgm_tests::scenario;
use std::fs;
use std::path::{Path, PathBuf};

fn stories() -> Result<Vec<PathBuf>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios");
    let files = fs::read_dir(&folder)?.map(|f| Ok(f?.path())).collect::<Result<Vec<PathBuf>>>()?;
    let mut stories: Vec<PathBuf> =
        files.into_iter().filter(|f| f.extension().is_some_and(|e| e == "txt")).collect();
    stories.sort();
    Ok(stories)
}

/// What is wrong with a story; `None`: nothing.
fn check(file: &Path) -> Result<Option<String>> {
    let name = file.file_name().context("a story without a name")?.to_string_lossy().into_owned();
    let told = fs::read_to_string(file)?;
    let scenario::Played { told: played, failure } = scenario::play(&told);
    if let Some(failure) = failure {
        return Ok(Some(format!("{name} {failure}\n{played}")));
    }
    if played == told {
        return Ok(None);
    }
    if std::env::var_os("UPDATE").is_some() {
        fs::write(file, &played)?;
        return Ok(None);
    }
    let mut lines = told.lines().zip(played.lines()).enumerate();
    let (number, (old, new)) = lines.find(|(_, (old, new))| old != new).unwrap_or((0, ("", "(its end)")));
    Ok(Some(format!("{name} line {}:\n  told:   {old}\n  played: {new}", number + 1)))
}

#[test]
fn every_story_goes_as_it_is_told() -> Result<()> {
    let stories = stories()?;
    assert!(!stories.is_empty());
    let mut wrong = Vec::new();
    for story in &stories {
        wrong.extend(check(story)?);
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), stories.len(), wrong.join("\n"));
    Ok(())
}
