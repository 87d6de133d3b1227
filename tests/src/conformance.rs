//! What of the tradition holds here: the rows of `tests/conformance/rows.txt`, the scenarios that
//! cover them, and the page `docs/conformance.md` made of both.
//!
//! A scenario says in a line of its own which rows it covers, before its first step or before the
//! passage that does:
//!
//! ```text
//! # covers 2.3 start fails / SOFT; start fails / HARD
//! # covers 2.1 Retry_count: differs: negative numbers are refused, for nobody wants them
//! # covers 3 RG_slm_type: no effect: there is no Solaris resource management
//! ```

use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;

/// A chapter of the table.
#[derive(Debug)]
pub struct Chapter {
    /// Its number: `2.3`.
    pub number: String,
    /// Its title.
    pub title: String,
    /// Its rows.
    pub rows: Vec<Row>,
}

/// A row of the table.
#[derive(Debug)]
pub struct Row {
    /// Its name, unique in the chapter.
    pub name: String,
    /// What it says.
    pub says: String,
    /// No scenario covers it yet.
    pub open: bool,
}

/// What a scenario says of a row.
#[derive(Debug)]
pub struct Cover {
    /// Number of the chapter.
    pub chapter: String,
    /// Name of the row.
    pub row: String,
    /// The scenario's file name.
    pub file: String,
    /// `None`: it is so.
    pub but: Option<But>,
}

/// How it is not so.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum But {
    /// It is otherwise: how, and why.
    Differs(String),
    /// It is there and has no effect: why.
    NoEffect(String),
}

/// The chapters of the table.
pub fn chapters(text: &str) -> Result<Vec<Chapter>> {
    let mut chapters: Vec<Chapter> = Vec::new();
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            let (number, title) = heading.split_once(' ').context("a chapter without a title")?;
            chapters.push(Chapter { number: number.into(), title: title.into(), rows: Vec::new() });
        } else if let Some(chapter) = chapters.last_mut()
            && !line.trim().is_empty()
        {
            let mut columns = line.split(" | ");
            let name = columns.next().unwrap_or_default().to_string();
            let says = columns.next().with_context(|| format!("{line}: it says nothing"))?.to_string();
            chapter.rows.push(Row { name, says, open: columns.next() == Some("open") });
        }
    }
    Ok(chapters)
}

/// What a scenario covers.
pub fn covers(file: &str, story: &str) -> Result<Vec<Cover>> {
    let mut covers = Vec::new();
    let mut lines = story.lines();
    while let Some(line) = lines.next() {
        let Some(said) = line.strip_prefix("# covers ") else { continue };
        let step = |l: &str| !l.trim().is_empty() && !l.starts_with([' ', '#']);
        if !lines.clone().any(step) {
            bail!("{file}: no step follows {line}");
        }
        let (chapter, said) = said.split_once(' ').with_context(|| format!("{file}: {line}: no row"))?;
        let (names, but) = match (said.split_once(": differs: "), said.split_once(": no effect: ")) {
            (Some((names, why)), _) => (names, Some(But::Differs(why.trim().to_string()))),
            (None, Some((names, why))) => (names, Some(But::NoEffect(why.trim().to_string()))),
            (None, None) => (said, None),
        };
        covers.extend(names.split(';').map(|name| Cover {
            chapter: chapter.to_string(),
            row: name.trim().to_string(),
            file: file.to_string(),
            but: but.clone(),
        }));
    }
    Ok(covers)
}

/// Rows without a scenario, scenarios of unknown rows, names that stand twice.
pub fn faults(chapters: &[Chapter], covers: &[Cover]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut known = BTreeSet::new();
    for chapter in chapters {
        for row in &chapter.rows {
            let (number, name) = (&chapter.number, &row.name);
            if !known.insert((number, name)) {
                faults.push(format!("{number} {name} stands twice in the table"));
            }
            match (of(covers, chapter, row).next(), row.open) {
                (None, false) => faults.push(format!("no scenario covers {number} {name}")),
                (Some(c), true) => {
                    faults.push(format!("{number} {name} is open in the table, and {} covers it", c.file));
                }
                (None, true) | (Some(_), false) => {}
            }
        }
    }
    let unknown = covers.iter().filter(|c| !known.contains(&(&c.chapter, &c.row)));
    faults.extend(
        unknown.map(|c| format!("{} covers {} {}, which the table has not", c.file, c.chapter, c.row)),
    );
    faults
}

fn of<'a>(covers: &'a [Cover], chapter: &'a Chapter, row: &'a Row) -> impl Iterator<Item = &'a Cover> {
    covers.iter().filter(|c| c.chapter == chapter.number && c.row == row.name)
}

const PREFACE: &str = "\
# Conformance

What the documentation of Sun Cluster's resource group manager says, line by line, and what is so
here. Each line is held by the scenarios named in it: stories in plain text that are played against
the core at every test run, those marked *live* against the real daemons, too. Chapter numbers are
those that code and scenarios call \"reference\".

This page is made from them: `UPDATE=1 cargo test -p rgm-tests --test conformance`.

";

/// The page.
pub fn page(chapters: &[Chapter], covers: &[Cover], live: &BTreeSet<String>) -> String {
    let mut page = PREFACE.to_string();
    page.push_str("| chapter | rows | works | differs | no effect |\n|---|---|---|---|---|\n");
    for chapter in chapters {
        let verdicts: Vec<Verdict> = chapter.rows.iter().map(|row| verdict(covers, chapter, row)).collect();
        let count = |word: &str| verdicts.iter().filter(|v| v.word == word).count();
        let title = format!("{} {}", chapter.number, chapter.title);
        page.push_str(&format!(
            "| [{title}](#{}) | {} | {} | {} | {} |\n",
            anchor(&title),
            verdicts.len(),
            count(WORKS),
            count(DIFFERS),
            count(NO_EFFECT)
        ));
    }
    for chapter in chapters {
        page.push_str(&format!("\n## {} {}\n\n", chapter.number, chapter.title));
        page.push_str("| | what it says | here | held by |\n|---|---|---|---|\n");
        for row in &chapter.rows {
            let Verdict { word, why } = verdict(covers, chapter, row);
            let why = if why.is_empty() { why } else { format!(": {why}") };
            let files: BTreeSet<&str> = of(covers, chapter, row).map(|c| c.file.as_str()).collect();
            let links: Vec<String> = files.into_iter().map(|f| link(f, live.contains(f))).collect();
            let line = format!(
                "| {} | {} | {word}{why} | {} |\n",
                cell(&row.name),
                cell(&row.says),
                links.join(", ")
            );
            page.push_str(&line);
        }
    }
    page
}

const WORKS: &str = "works";
const DIFFERS: &str = "**differs**";
const NO_EFFECT: &str = "*no effect*";
const OPEN: &str = "no scenario yet";

struct Verdict {
    word: &'static str,
    why: String,
}

fn verdict(covers: &[Cover], chapter: &Chapter, row: &Row) -> Verdict {
    let buts: BTreeSet<&But> = of(covers, chapter, row).filter_map(|c| c.but.as_ref()).collect();
    let whys = |buts: &BTreeSet<&But>| {
        let why = |but: &&But| match but {
            But::Differs(why) | But::NoEffect(why) => cell(why),
        };
        buts.iter().map(why).collect::<Vec<_>>().join("; ")
    };
    let word = match buts.first() {
        Some(But::Differs(_)) => DIFFERS,
        Some(But::NoEffect(_)) => NO_EFFECT,
        None if row.open => OPEN,
        None => WORKS,
    };
    Verdict { word, why: whys(&buts) }
}

fn link(file: &str, live: bool) -> String {
    let name = file.trim_end_matches(".txt").replace('_', " ");
    let live = if live { " *(live)*" } else { "" };
    format!("[{name}](../tests/scenarios/{file}){live}")
}

/// Text that stands in a column: names with `_` or `*` are not to be emphasis.
fn cell(text: &str) -> String {
    text.replace('_', "\\_").replace('*', "\\*").replace('|', "\\|")
}

/// A heading's anchor, as Markdown readers make it.
fn anchor(title: &str) -> String {
    let kept = title.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
}
