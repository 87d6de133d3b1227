//! The proof in one run: kept schedules, seeded bugs, every interleaving of small clusters, and
//! schedules of chance until the time is up. `docs/proof.md` says how to read what it prints.

use crate::clsim::{self, Plan as Cluster};
use crate::model::{self, Budget};
use crate::sim::{self, Failure, Hunt, Scale, Schedule, Stats};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a failure is shrunk.
const SHRINKING: Duration = Duration::from_secs(60);

/// So much of what happened last is printed with a failure; the rest is in its file.
const STORY_LINES: usize = 60;
const STORY_COLUMNS: usize = 240;

/// How large a proof is wanted.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// All of it.
    pub time: Duration,
    /// The first seed.
    pub seed: u64,
    /// At the same time.
    pub threads: usize,
    /// Seeded bugs are tried too.
    pub mutants: bool,
}

/// Runs it and prints what was seen. False: something was found.
pub fn prove(plan: &Plan) -> Result<bool> {
    let end = Instant::now() + plan.time;
    let mut sound = replay_kept()?;
    #[cfg(feature = "mutants")]
    if plan.mutants {
        sound &= crate::mutants::hunt_all(plan.threads)?;
        sound &= crate::mutants::hunt_clusters(plan.threads)?;
    }
    sound &= check_models(plan)?;
    let left = end.saturating_duration_since(Instant::now());
    sound &= play_clusters(plan, Instant::now() + left / 2)?;
    let (stats, failure) = sim::hunt(&Hunt {
        seed: plan.seed,
        schedules: u64::MAX / 4,
        until: Some(end),
        scale: Scale::Any,
        threads: plan.threads,
        sabotage: None,
    });
    println!("simulator: {stats}");
    if let Some(failure) = failure {
        println!("{}", keep(&failure)?);
        sound = false;
    }
    Ok(sound)
}

/// Clusters of many machines, until then.
fn play_clusters(plan: &Plan, until: Instant) -> Result<bool> {
    let mut sound = true;
    for (file, kept) in kept_plans()? {
        if let Err(failure) = clsim::replay(&kept) {
            println!("{}: {}: {}", file.display(), failure.finding.rule, failure.finding.found);
            sound = false;
        }
    }
    let (stats, failure) = clsim::hunt(&clsim::Hunt {
        seed: plan.seed,
        schedules: u64::MAX / 4,
        until: Some(until),
        threads: plan.threads,
        defect: clsim::Defect::None,
    });
    println!("clusters: {stats}");
    if let Some(failure) = failure {
        println!("{}", keep_plan(&failure)?);
        sound = false;
    }
    Ok(sound)
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("schedules")
}

/// Every schedule that is kept, with the file it lies in.
pub fn kept() -> Result<Vec<(PathBuf, Schedule)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder()).context("tests/schedules")? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "jsonl") {
            files.push(file);
        }
    }
    files.sort();
    files.into_iter().map(|file| Ok((file.clone(), Schedule::read(&file)?))).collect()
}

fn replay_kept() -> Result<bool> {
    let mut sound = true;
    let mut stats = Stats::default();
    for (file, schedule) in kept()? {
        match sim::replay(&schedule) {
            Ok(seen) => stats.add(Stats { schedules: 1, ..seen }),
            Err(failure) => {
                println!("{}: {}: {}", file.display(), failure.finding.rule, failure.finding.found);
                sound = false;
            }
        }
    }
    println!("kept schedules: {} replayed, {} steps", stats.schedules, stats.steps);
    Ok(sound)
}

/// Shrinks what was found, writes it down, and says where.
pub fn keep(failure: &Failure) -> Result<String> {
    let finding = &failure.finding;
    let mut small = sim::shrink(&failure.schedule, finding, SHRINKING);
    let again = sim::replay(&small).err();
    let found = again.as_ref().map_or(&finding.found, |f| &f.finding.found);
    small.heading.about = format!("{}: {found} ({})", finding.rule, failure.schedule.heading.about);
    let seed: String = failure.schedule.heading.about.chars().filter(char::is_ascii_alphanumeric).collect();
    let file = folder().join(format!("{}-{seed}.jsonl", finding.rule.to_ascii_lowercase()));
    fs::write(&file, small.text()?).with_context(|| file.display().to_string())?;
    let story = again.map(|f| tell(&f.story)).unwrap_or_default();
    Ok(format!("{story}\n{}\nwritten to {}", small.heading.about, file.display()))
}

/// The last events of a failure, each on a line that can be read.
pub fn tell(story: &[String]) -> String {
    let from = story.len().saturating_sub(STORY_LINES);
    let line = |l: &String| l.chars().take(STORY_COLUMNS).collect::<String>();
    story.iter().skip(from).map(line).collect::<Vec<_>>().join("\n")
}

/// Every plan of a cluster that is kept, with the file it lies in.
pub fn kept_plans() -> Result<Vec<(PathBuf, Cluster)>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(plans()).context("tests/plans")? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "json") {
            files.push(file);
        }
    }
    files.sort();
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        let plan = serde_json::from_str(&text).with_context(|| file.display().to_string())?;
        Ok((file, plan))
    };
    files.into_iter().map(read).collect()
}

fn plans() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plans")
}

/// Shrinks what was found in a cluster, writes it down, and says where.
pub fn keep_plan(failure: &clsim::Failure) -> Result<String> {
    let finding = &failure.finding;
    let mut small = clsim::shrink(&failure.plan, finding, SHRINKING);
    let again = clsim::replay(&small).err();
    let found = again.as_ref().map_or(&finding.found, |f| &f.finding.found);
    small.about = format!("{}: {found} ({})", finding.rule, failure.plan.about);
    let file = plans().join(format!("{}-seed{}.json", finding.rule.to_ascii_lowercase(), small.seed));
    fs::create_dir_all(plans()).context("tests/plans")?;
    fs::write(&file, serde_json::to_string_pretty(&small)? + "\n")
        .with_context(|| file.display().to_string())?;
    let story = again.map(|f| tell(&f.story)).unwrap_or_default();
    Ok(format!("{story}\n{}\nwritten to {}", small.about, file.display()))
}

fn check_models(plan: &Plan) -> Result<bool> {
    let long = plan.time > Duration::from_secs(300);
    let budget = if long {
        Budget { failures: 2, crashes: 1, switches: 1, presidents: 1 }
    } else {
        Budget { failures: 1, crashes: 1, switches: 0, presidents: 0 }
    };
    let cases = model::cases(budget);
    let (until, mut left) = (Instant::now() + plan.time / 2, u32::try_from(cases.len()).unwrap_or(1));
    let mut sound = true;
    for case in cases {
        // Some are soon at their end: the larger ones have their time, too.
        let share = until.saturating_duration_since(Instant::now()) * 2 / left.max(2);
        left -= 1;
        let seen = model::check(&case, share, plan.threads);
        let how = if seen.complete { "all" } else { "not all" };
        println!("model: {}: {} states, {how} of them", case.name, seen.states);
        if let Some((finding, schedule)) = seen.failure {
            let failure = Failure { finding, schedule, story: Vec::new() };
            println!("{}", keep(&failure)?);
            sound = false;
        }
    }
    Ok(sound)
}
