//! What the runner costs: a no-op method through it, against bare spawn-and-wait of the same file.
//!
//! `cargo run --release -p methods --example noop_overhead [ROUNDS]`

use anyhow::{Context, Result, ensure};
use methods::cgroup::Root;
use methods::run::{Order, Place, start};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const ROUNDS: usize = 1000;

fn main() -> Result<()> {
    let rounds = std::env::args().nth(1).map_or(Ok(ROUNDS), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let parent = Root::find().ok().map(|root| root.path().join(format!("rgm-noop-{}", std::process::id())));
    let measured = runtime.block_on(compare(Path::new("/bin/true"), parent.clone(), rounds));
    if let Some(parent) = parent {
        methods::leftovers::reap_empty(&parent)?;
        std::fs::remove_dir(&parent)?;
    }
    let [bare, plain, full] = measured?.map(|span| span.as_secs_f64() * 1e6);
    println!("bare spawn-and-wait        {bare:8.1} us");
    println!("runner, without a cgroup   {plain:8.1} us, ratio {:.3}", plain / bare);
    println!("runner                     {full:8.1} us, ratio {:.3}", full / bare);
    Ok(())
}

/// Medians, taken in turn so that a change of the machine's mood meets all.
async fn compare(program: &Path, parent: Option<PathBuf>, rounds: usize) -> Result<[Duration; 3]> {
    let mut spans = [const { Vec::new() }; 3];
    for round in 0..rounds {
        let since = Instant::now();
        let status = std::process::Command::new(program).stdin(std::process::Stdio::null()).status()?;
        spans[0].push(since.elapsed());
        ensure!(status.success(), "{} fails", program.display());
        let cgroup = parent.clone().map(|parent| Place { parent, name: format!("method-{round}") });
        spans[1].push(through(program, None).await?);
        spans[2].push(through(program, cgroup).await?);
    }
    let medians: Option<Vec<Duration>> = spans.into_iter().map(median).collect();
    medians.and_then(|medians| medians.try_into().ok()).context("no round")
}

async fn through(program: &Path, cgroup: Option<Place>) -> Result<Duration> {
    let order = Order {
        program: program.into(),
        args: ["-R", "r", "-T", "t", "-G", "g"].map(Into::into).to_vec(),
        env: vec!["PATH=/usr/bin:/bin".into()],
        tag: String::new(),
        timeout: Duration::from_secs(60),
        cgroup,
    };
    let since = Instant::now();
    let outcome = start(&order)?.wait(|_| {}).await;
    let span = since.elapsed();
    ensure!(outcome.is_success(), "{outcome:?}");
    Ok(span)
}

fn median(mut spans: Vec<Duration>) -> Option<Duration> {
    spans.sort();
    spans.get(spans.len() / 2).copied()
}
