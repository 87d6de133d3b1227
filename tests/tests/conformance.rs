//! Every row of the tradition's tables has a scenario, and `docs/conformance.md` says what came of it.
//!
//! `UPDATE=1 cargo test -p rgm-tests --test conformance` writes the page.

use anyhow::{Context, Result};
use rgm_tests::conformance::{Chapter, Cover, chapters, covers, faults, page};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn table() -> Result<Vec<Chapter>> {
    chapters(&fs::read_to_string(here().join("conformance/rows.txt"))?)
}

/// What the scenarios cover, and which of them are live.
fn scenarios() -> Result<(Vec<Cover>, BTreeSet<String>)> {
    let mut all = Vec::new();
    let mut live = BTreeSet::new();
    for file in fs::read_dir(here().join("scenarios"))? {
        let file = file?.path();
        let name = file.file_name().context("a file without a name")?.to_string_lossy().into_owned();
        let story = fs::read_to_string(&file)?;
        all.extend(covers(&name, &story)?);
        if story.lines().any(|line| line == "# live") {
            live.insert(name);
        }
    }
    Ok((all, live))
}

fn page_file() -> PathBuf {
    Path::new(&here()).join("../docs/conformance.md")
}

#[test]
fn every_row_has_a_scenario_and_every_scenario_names_rows_that_are_there() -> Result<()> {
    let faults = faults(&table()?, &scenarios()?.0);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    Ok(())
}

#[test]
fn the_page_is_what_the_scenarios_make_it() -> Result<()> {
    let (covers, live) = scenarios()?;
    let made = page(&table()?, &covers, &live);
    if std::env::var_os("UPDATE").is_some() {
        fs::write(page_file(), &made)?;
    }
    let there = fs::read_to_string(page_file()).unwrap_or_default();
    assert!(
        there == made,
        "docs/conformance.md is not what the scenarios make it: UPDATE=1 cargo test -p rgm-tests --test conformance"
    );
    Ok(())
}

#[test]
fn a_row_without_a_scenario_and_a_scenario_without_a_row_are_found() -> Result<()> {
    let table = chapters("## 1 One\na | says a\nb | says b\nc | says c | open\n")?;
    let story = "# covers 1 a; x: differs: because\nstep\n# covers 2 a\n# covers 1 c\nstep\n";
    let covers = covers("story.txt", story)?;
    let found = faults(&table, &covers);
    assert_eq!(
        found,
        [
            "no scenario covers 1 b",
            "1 c is open in the table, and story.txt covers it",
            "story.txt covers 1 x, which the table has not",
            "story.txt covers 2 a, which the table has not",
        ]
    );
    Ok(())
}

#[test]
fn a_row_that_no_step_follows_is_not_covered() {
    assert!(covers("story.txt", "step\n# covers 1 a\n    follows\n# end\n").is_err());
}
