//! From power-off of the active node to START of its group on another one. How long that takes hangs
//! on what else is lost with it: a president has to be elected, and so has a leader of etcd, which
//! then gives every lease its whole time again.

use super::{DEFAULT, FAST, Pace, Yard, beating, from_now, now_us, row_ms, since};
use crate::bench::Row;
use crate::bench::samples::Samples;
use crate::leader;
use anyhow::Result;
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use rgm_tests::kit::wait::pause;
use std::time::Duration;

/// By then every lease was renewed: a new leader of etcd has given them all a longer time.
const RENEWED: Duration = Duration::from_secs(2);

/// What is lost with the active node.
#[derive(Clone, Copy)]
struct Loss {
    what: &'static str,
    president: bool,
    leader: bool,
}

const LOSSES: [Loss; 3] = [
    Loss { what: "", president: false, leader: false },
    Loss { what: ", president", president: true, leader: false },
    Loss { what: ", president, leader of etcd", president: true, leader: true },
];

pub fn rows(yard: &Yard) -> Result<Vec<Row>> {
    let mut rows = at(yard, &DEFAULT)?;
    rows.extend(at(yard, &FAST)?);
    Ok(rows)
}

fn at(yard: &Yard, pace: &Pace) -> Result<Vec<Row>> {
    yard.play(pace, |site| {
        let beats = beating(site, 0)?;
        let mut rows = Vec::new();
        for loss in LOSSES {
            let (mut spans, mut outages) = (Samples::default(), Samples::default());
            for _ in 0..yard.rounds {
                let victim = prepare(site, loss)?;
                from_now(site)?;
                let began = now_us();
                site.cut_power(victim)?;
                // Before all of it was dead, its pmfd may have started what was.
                let name = &site.machine(victim)?.name;
                let change = until("it beats elsewhere", || {
                    Ok(beats.changes()?.into_iter().find(|change| change.to.node != *name))
                })?;
                spans.add(since(began, &change));
                outages.add(change.span());
                site.give_power(victim)?;
                site.etcd.wait()?;
                site.wait_for_nodes(&[true, true, true])?;
                // Had the one that lost its power beaten on, they would be mixed.
                beats.changes()?;
            }
            let what = format!("power-off{} to START, {}", loss.what, pace.name);
            let note = format!("; without a beat {}; overlaps 0", outages.spread_ms());
            rows.push(row_ms(what, &spans, Some(pace.goal_ms), &note));
        }
        Ok(rows)
    })
}

/// Brings the group to a machine that is what it has to be, and says which.
fn prepare(site: &Site, loss: Loss) -> Result<usize> {
    let president = site.president()?;
    let victim = if loss.president { president } else { (president + 1) % 3 };
    let name = &site.machine(victim)?.name;
    site.ok(&format!("clrg switch -n {name} g"))?;
    site.wait_online(president, "g", victim)?;
    leader::set_of_etcd(site, if loss.leader { victim } else { (victim + 1) % 3 })?;
    pause(RENEWED)?;
    Ok(victim)
}
