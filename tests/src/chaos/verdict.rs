//! What must hold once everything is healed.

use super::desk::{Answer, Desk};
use super::outages::{Outages, Struck};
use super::{now_us, seconds, services};
use crate::kit::cluster::Stat;
use crate::kit::machines::Site;
use crate::kit::programs;
use crate::kit::wait::pause;
use anyhow::{Context, Result, bail, ensure};
use rgm_types::{GroupState, ResourceState};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Everything is back by then: leases and method timeouts are over, and what waited was done.
const ALL_BACK: Duration = Duration::from_secs(150);
/// Whoever runs was heard of by then.
const FRESH_US: u64 = 1_500_000;
/// Longest silence of a service where no more went wrong than has to be survived: a lease, a stop and a
/// start with their timeouts, on a machine that has much else to do.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// Between two looks at states.
const LOOK: Duration = Duration::from_millis(200);

/// Everything; an error names all that is wrong.
pub fn all_is_well(site: &mut Site, struck: &[Struck], desk: &mut Desk) -> Result<()> {
    let healed_us = now_us();
    let mut wrong = Vec::new();
    while !desk.is_quiet() {
        desk.look(site)?;
        pause(LOOK)?;
    }
    match wait_for_all(site, true) {
        Ok(()) => println!("everything is back {:.1} s after the last healing", seconds(healed_us)),
        Err(error) => wrong.push(format!("{error:#}")),
    }
    wrong.append(&mut desk.faults);
    wrong.extend(lost_changes(site, desk)?);
    let replayed = replay(site)?;
    wrong.extend(replayed.wrong);
    let outages = Outages::read(site.dir())?;
    let longest = outages.longest_within(struck);
    if longest > SILENCE_MAX {
        wrong.push(format!(
            "a service was silent for {longest:?} while no more went wrong than has to be survived"
        ));
    }
    println!("\n{}", outages.table(struck, &desk.moved));
    let of = |answer| desk.answers.get(&answer).copied().unwrap_or(0);
    println!(
        "commands: {} done, {} refused, {} where nobody was reached, {} of which nobody knows, {} gone with their \
         machine",
        of(Answer::Done),
        of(Answer::Refused),
        of(Answer::Unreached),
        of(Answer::Unknown),
        of(Answer::Gone),
    );
    println!(
        "records: {} steps of {} presidencies decided again, each as it was",
        replayed.steps, replayed.records
    );
    println!(
        "overlaps: {}; lost changes, unanswered commands and whatever else is wrong: {}",
        outages.overlaps.len(),
        wrong.len()
    );
    wrong.extend(outages.overlaps.iter().map(|overlap| format!("overlap: {overlap}")));
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Waits until every group is online on one machine and its application beats there. An operator, if
/// there is one, clears what failed to stop once it was looked at.
pub fn wait_for_all(site: &Site, operator: bool) -> Result<()> {
    let begun = Instant::now();
    loop {
        let behind = match stat(site) {
            Ok(stat) => {
                if operator {
                    clear(site, &stat);
                }
                left_behind(site, &stat)
            }
            Err(error) => format!("{error:#}"),
        };
        if behind.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > ALL_BACK {
            bail!("left behind {} s after everything was healed: {behind}", ALL_BACK.as_secs());
        }
        pause(LOOK)?;
    }
}

fn stat(site: &Site) -> Result<Stat> {
    let text = site.ok("scstat -g --json")?;
    serde_json::from_str(&text).with_context(|| text)
}

fn left_behind(site: &Site, stat: &Stat) -> String {
    let behind = (0..services::GROUPS).filter_map(|number| {
        let name = services::group(number);
        let view = stat.groups.iter().find(|view| view.name.as_str() == name)?;
        let online: Vec<_> = view.nodes.iter().filter(|on| on.state == GroupState::Online).collect();
        let beat = services::last_beat(site.dir(), number);
        let fresh = beat.filter(|beat| beat.at_us + FRESH_US > now_us());
        let there = match (&online[..], &fresh) {
            ([on], Some(beat)) => on.node.as_str() == beat.node,
            _ => false,
        };
        let states = view.nodes.iter().map(|on| format!("{} {}", on.node, on.state));
        (!there).then(|| format!("{name} ({}; beats: {fresh:?})", states.collect::<Vec<_>>().join(", ")))
    });
    behind.collect::<Vec<_>>().join("; ")
}

fn clear(site: &Site, stat: &Stat) {
    for view in &stat.resources {
        for on in view.nodes.iter().filter(|on| on.state == ResourceState::StopFailed) {
            // Where it is refused it is tried again.
            _ = site.ok(&format!("clrs clear -f STOP_FAILED -n {} {}", on.node, view.name));
        }
    }
}

/// Notes that are not what the answers say.
fn lost_changes(site: &Site, desk: &Desk) -> Result<Vec<String>> {
    let stat = stat(site)?;
    let mut lost = Vec::new();
    for number in 0..services::GROUPS {
        let name = services::resource(number);
        let view = stat.resources.iter().find(|view| view.name.as_str() == name);
        let props = view.into_iter().flat_map(|view| &view.props);
        let note = props.filter(|prop| prop.name.as_str() == "Note").find_map(|prop| prop.value.as_ref());
        let note = note.map_or(String::new(), ToString::to_string);
        let may_be = desk.may_be(number);
        if !may_be.contains(&note.as_str()) {
            lost.push(format!("the Note of {name} is {note:?}; by the answers it may be {may_be:?}"));
        }
    }
    Ok(lost)
}

struct Replayed {
    records: usize,
    steps: usize,
    wrong: Vec<String>,
}

/// Gives a fresh core what each presidency's core was given.
fn replay(site: &Site) -> Result<Replayed> {
    let rgmd = programs::built()?.join("rgmd");
    let mut replayed = Replayed { records: 0, steps: 0, wrong: Vec::new() };
    for record in records(site)? {
        let output = Command::new(&rgmd).arg("--replay").arg(&record).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        let steps = said.split(' ').next().and_then(|steps| steps.parse::<usize>().ok());
        replayed.records += 1;
        match steps.filter(|_| output.status.success()) {
            Some(steps) => replayed.steps += steps,
            None => {
                let why = String::from_utf8_lossy(&output.stderr);
                let why: String = why.chars().take(2_000).collect();
                replayed.wrong.push(format!("{} decides otherwise now: {why}", record.display()));
            }
        }
    }
    Ok(replayed)
}

fn records(site: &Site) -> Result<Vec<PathBuf>> {
    let mut records = Vec::new();
    for machine in &site.machines {
        for entry in fs::read_dir(machine.dir())?.flatten() {
            if entry.file_name().to_string_lossy().starts_with("record.") {
                records.push(entry.path());
            }
        }
    }
    records.sort();
    Ok(records)
}
