//! `cargo xtask`: everything that is done with this source beside compiling it.

mod bench;
mod build;
mod chaos;
mod cluster;
mod crash;
mod demo;
mod fuzz;
mod install;
mod leader;
mod lint;
mod packages;
mod prove;
mod run;
mod test;
mod wait;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Show, test, measure and install the resource group manager")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Take the sample data service through its whole life, with a real BIND, on this machine
    Demo {
        /// On three machines of their own network, each with etcd: what happens when they fail
        #[arg(long, conflicts_with = "keep")]
        cluster: bool,
        /// Keep the directory of the demo, logs included
        #[arg(long)]
        keep: bool,
        /// Build without optimisation: quicker to build, slower to run
        #[arg(long)]
        debug: bool,
    },
    /// Run every test
    Test,
    /// Kill daemons at random moments of a scripted life, and check that nothing is lost
    Crash {
        /// How many times
        #[arg(long, default_value_t = 200)]
        kills: u32,
        /// Where the moments come from
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Let everything go wrong with a cluster of machines that can, and check what is left of it
    Chaos {
        /// How long faults go on
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// All of them come from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Machines
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(3..=5))]
        nodes: u32,
    },
    /// Simulate, try seeded bugs and check every interleaving of small clusters, for so long
    Prove {
        /// How long, in all
        #[arg(long, default_value_t = 10)]
        minutes: u64,
        /// The first schedule comes from it
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Formatting, clippy and documentation, without a warning
    Lint,
    /// Measure, and compare with what bounds it
    Bench {
        /// core, helper, method, pmf, isolation, rtr; all where none is named. With --cluster: takeover,
        /// link, work, quiet, elections
        subjects: Vec<String>,
        /// In a cluster of three machines, each with etcd, that lose what they have
        #[arg(long)]
        cluster: bool,
        /// How often each loss is tried with --cluster
        #[arg(long, default_value_t = 5)]
        rounds: usize,
        /// Build without optimisation, with --cluster: good enough for what waits for a clock
        #[arg(long, requires = "cluster")]
        debug: bool,
        /// Write the results there too, as JSON
        #[arg(long)]
        json: Option<PathBuf>,
    },
    /// Run each fuzz target from its kept corpus
    Fuzz {
        /// How long each one runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
    },
    /// Install everything in its place
    Install {
        /// Put it below this directory instead of the root
        #[arg(long, default_value = "/")]
        destdir: PathBuf,
    },
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Demo { cluster: true, debug, .. } => demo::machines(debug),
        Task::Demo { keep, debug, .. } => demo::demo(keep, debug),
        Task::Test => test::test(),
        Task::Crash { kills, seed } => crash::crash(kills, seed),
        Task::Chaos { minutes, seed, nodes } => chaos::chaos(minutes * 60, seed, nodes),
        Task::Prove { minutes, seed } => prove::prove(minutes * 60, seed),
        Task::Lint => lint::lint(),
        Task::Bench { subjects, cluster: true, rounds, debug, json } => {
            bench::bench_cluster(&subjects, rounds, debug, json.as_deref())
        }
        Task::Bench { subjects, json, .. } => bench::bench(&subjects, json.as_deref()),
        Task::Fuzz { seconds } => fuzz::fuzz(seconds),
        Task::Install { destdir } => build_and_install(&destdir),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build_and_install(destdir: &std::path::Path) -> Result<()> {
    let built = build::release()?;
    install::install(&built, destdir)?;
    println!("installed below {}", destdir.display());
    Ok(())
}
