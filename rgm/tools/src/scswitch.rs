//! `scswitch`: state changes (reference 7.2).

use crate::args::Args;
use crate::ask::Change;
use crate::failure::Failure;
use crate::names::{groups, nodes, resources};
use crate::progress::{self, Voice};
use rgm_types::{Bring, Command, SchaErr};

/// Seconds an evacuated node is left alone where nobody says.
const KEEP_AWAY_SECS: u32 = 60;
/// The most that may be said.
const KEEP_AWAY_SECS_MAX: u32 = 65_535;

/// Does what the command line says.
pub fn run(args: &Args) -> Result<String, Failure> {
    progress::change(Voice::of("scswitch"), Change::Command(command(args)?), args.has("--dry-run"))
}

fn command(args: &Args) -> Result<Command, Failure> {
    refuse_device_groups(args)?;
    Ok(match args.form()?.key {
        ["-c"] => clear(args)?,
        ["-e"] => enable(args, true)?,
        ["-n"] => enable(args, false)?,
        ["-F"] => Command::Offline { groups: groups(args)?, nodes: Vec::new() },
        ["-Q"] => Command::Quiesce { groups: groups(args)?, kill: args.has("-k") },
        ["-R"] => Command::Restart { groups: groups(args)?, nodes: nodes(args)? },
        ["-r"] => Command::Resume { groups: groups(args)? },
        ["-S"] => Command::Evacuate { nodes: nodes(args)?, sticky_secs: keep_away(args, "-K")? },
        ["-s"] => Command::Suspend { groups: groups(args)?, kill: args.has("-k") },
        ["-u"] => Command::Unmanage { groups: groups(args)? },
        ["-o"] => Command::Manage { groups: groups(args)? },
        ["-Z"] => Command::Online { groups: groups(args)?, nodes: Vec::new(), with: Bring::ALL },
        _ => switch(args)?,
    })
}

fn refuse_device_groups(args: &Args) -> Result<(), Failure> {
    match ["-D", "-m"].into_iter().find(|o| args.has(o)) {
        Some(option) => Err(Failure::new(
            SchaErr::NotAllowed,
            format!("{option}: there are no device groups on Linux"),
            "only resource groups can be switched: -g GROUP",
        )),
        None => Ok(()),
    }
}

/// `-z`: without -h to the preferred nodes, with an empty -h nowhere.
fn switch(args: &Args) -> Result<Command, Failure> {
    let groups = groups(args)?;
    if !args.has("-h") {
        return Ok(Command::Remaster { groups });
    }
    if args.all("-h").any(|list| !list.is_empty()) {
        return Ok(Command::Switch { groups, nodes: nodes(args)?, with: Bring::default() });
    }
    if groups.is_empty() {
        return Err(args.misuse("-z -h \"\" would take every group offline: it needs -g GROUP,..."));
    }
    Ok(Command::Switch { groups, nodes: Vec::new(), with: Bring::default() })
}

fn enable(args: &Args, on: bool) -> Result<Command, Failure> {
    let (resources, nodes) = (resources(args)?, nodes(args)?);
    Ok(if args.has("-M") {
        Command::SetMonitored { resources, nodes, on }
    } else {
        Command::SetEnabled { resources, nodes, on, recursive: false }
    })
}

fn clear(args: &Args) -> Result<Command, Failure> {
    let flag = args.needed("-f")?;
    if !flag.eq_ignore_ascii_case("STOP_FAILED") {
        return Err(args.misuse(format!("-f {flag}: only STOP_FAILED can be cleared")));
    }
    Ok(Command::ClearStopFailed { resources: resources(args)?, nodes: nodes(args)? })
}

/// For how long evacuated nodes are left alone, as this option says.
pub fn keep_away(args: &Args, option: &str) -> Result<u32, Failure> {
    let Some(text) = args.one(option)? else { return Ok(KEEP_AWAY_SECS) };
    match text.parse() {
        Ok(secs) if secs <= KEEP_AWAY_SECS_MAX => Ok(secs),
        _ => {
            Err(args
                .misuse(format!("{option} {text}: not a number of seconds from 0 to {KEEP_AWAY_SECS_MAX}")))
        }
    }
}

#[cfg(test)]
mod tests;
