//! The smallest schedule that still finds the same (delta debugging): parts of the schedule are left
//! out, large ones first, as long as the same rule is broken; then what is left is made plainer.

use super::hunt::replay;
use super::schedule::{Heard, Schedule, Step};
use super::world::Finding;
use rgm_core::Ending;
use rgm_types::Command;
use std::time::{Duration, Instant};

/// So many words tell one finding of a rule from another.
const WORDS: usize = 6;

/// Shrinks a schedule that finds this, for as long as that.
pub fn shrink(schedule: &Schedule, finding: &Finding, budget: Duration) -> Schedule {
    let end = Instant::now() + budget;
    let mut best = schedule.clone();
    loop {
        let before = best.clone();
        leave_out(&mut best, finding, end);
        simplify(&mut best, finding, end);
        fewer_nodes(&mut best, finding);
        if best == before || Instant::now() >= end {
            return best;
        }
    }
}

fn still_finds(schedule: &Schedule, finding: &Finding) -> bool {
    replay(schedule).is_err_and(|failure| kind(&failure.finding) == kind(finding))
}

/// What was found, whatever it was found of: names have digits in them.
fn kind(finding: &Finding) -> (&str, Vec<&str>) {
    let named = |word: &&str| word.contains(|c: char| c.is_ascii_digit());
    let words = finding.found.split_whitespace().filter(|word| !named(word));
    (&finding.rule, words.take(WORDS).collect())
}

/// Leaves out runs of steps: halves, quarters, …, single ones.
fn leave_out(best: &mut Schedule, finding: &Finding, end: Instant) {
    let mut size = best.steps.len().div_ceil(2);
    while size > 0 {
        let mut from = best.steps.len();
        while from > 0 && Instant::now() < end {
            from = from.saturating_sub(size);
            let to = (from + size).min(best.steps.len());
            let mut fewer = best.clone();
            fewer.steps.drain(from..to);
            if still_finds(&fewer, finding) {
                *best = fewer;
            }
        }
        size /= 2;
    }
}

fn simplify(best: &mut Schedule, finding: &Finding, end: Instant) {
    let mut i = 0;
    while i < best.steps.len() && Instant::now() < end {
        let plainer = best.steps.get(i).map(plainer).unwrap_or_default();
        for step in plainer {
            let mut other = best.clone();
            if let Some(place) = other.steps.get_mut(i) {
                *place = step;
            }
            if still_finds(&other, finding) {
                *best = other;
            }
        }
        i += 1;
    }
}

fn fewer_nodes(best: &mut Schedule, finding: &Finding) {
    while best.heading.nodes > 1 {
        let mut fewer = best.clone();
        fewer.heading.nodes -= 1;
        if !still_finds(&fewer, finding) {
            return;
        }
        *best = fewer;
    }
}

/// Plainer forms of a step.
fn plainer(step: &Step) -> Vec<Step> {
    match step {
        Step::Ask { from, command } => {
            let ask = |command| Step::Ask { from: from.clone(), command };
            plainer_command(command).into_iter().map(ask).collect()
        }
        Step::End { node, resource, method, ending, heard } => {
            let end = |ending, heard| Step::End {
                node: node.clone(),
                resource: resource.clone(),
                method: *method,
                ending,
                heard,
            };
            let fails = if *ending == Ending::Exited(0) { *ending } else { Ending::Exited(1) };
            let forms = [end(*ending, Heard::Now), end(fails, *heard), end(Ending::Exited(0), *heard)];
            forms.into_iter().filter(|s| s != step).collect()
        }
        Step::KillDaemons { luck } if *luck != 0 => vec![Step::KillDaemons { luck: 0 }, Step::President],
        Step::Cut { at, luck } if *luck != 0 => {
            vec![Step::Cut { at: *at, luck: 0 }, Step::Depose { at: *at }]
        }
        Step::Pass { boot, jump } if *jump != 0 => vec![Step::Pass { boot: *boot, jump: 0 }],
        _ => Vec::new(),
    }
}

fn plainer_command(command: &Command) -> Vec<Command> {
    let mut forms = Vec::new();
    let count = match command {
        Command::GroupCreate { props, .. }
        | Command::ResourceCreate { props, .. }
        | Command::GroupSet { props, .. } => props.len(),
        _ => 0,
    };
    for i in 0..count {
        let mut form = command.clone();
        if let Command::GroupCreate { props, .. }
        | Command::ResourceCreate { props, .. }
        | Command::GroupSet { props, .. } = &mut form
        {
            props.remove(i);
        }
        forms.push(form);
    }
    if let Command::ResourceCreate { type_name, .. } = command
        && type_name != "plain"
    {
        let mut form = command.clone();
        if let Command::ResourceCreate { type_name, .. } = &mut form {
            *type_name = "plain".to_string();
        }
        forms.push(form);
    }
    if let Command::Batch { commands } = command {
        forms.extend(commands.iter().cloned());
    }
    forms
}
