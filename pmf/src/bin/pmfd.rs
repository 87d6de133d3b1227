//! Keeps processes running under a nametag.

use std::process::ExitCode;

use anyhow::Context;
use pmf::start::{self, Asked};

fn main() -> ExitCode {
    match start::parse(lexopt::Parser::from_env()) {
        Ok(Asked::Help) => {
            print!("{}", start::HELP);
            ExitCode::SUCCESS
        }
        Ok(asked) => match run(asked) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("pmfd: {error:#}");
                ExitCode::FAILURE
            }
        },
        Err(error) => {
            eprint!("pmfd: {error}\n\n{}", start::HELP);
            ExitCode::from(2)
        }
    }
}

fn run(asked: Asked) -> anyhow::Result<()> {
    let paths = rgm_api::Paths::from_env().context("cannot tell where its files lie")?;
    match asked {
        Asked::Run { no_cgroup, plain } => {
            pmf::log::begin();
            start::run(&paths, no_cgroup, plain)
        }
        Asked::StopAll => start::stop_all(&paths),
        Asked::Help => Ok(()),
    }
}
