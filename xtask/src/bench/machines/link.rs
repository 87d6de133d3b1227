//! From the loss of a link to START elsewhere; from `kill -9` of an application to its successor; and
//! what services notice of a president that dies.

use super::{DEFAULT, Pace, Yard, beating, changed, from_now, now_us, row_ms, since};
use crate::bench::Row;
use crate::bench::samples::Samples;
use crate::leader;
use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use rgm_tests::kit::beat::Beats;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::machines::Site;
use rgm_tests::kit::until;
use rgm_tests::kit::wait::pause;
use std::time::{Duration, Instant};

/// Kills of the application.
const KILLS: usize = 15;
/// How often PMF starts it again before it gives it over.
const RETRIES: usize = 3;
/// How long beats are watched with nothing going on.
const QUIET: Duration = Duration::from_secs(2);

pub fn rows(yard: &Yard) -> Result<Vec<Row>> {
    let pace = &DEFAULT;
    yard.play(pace, |site| {
        let beats = beating(site, 0)?;
        Ok(vec![cut(yard, pace, site, &beats)?, killed(site, &beats)?, president(yard, site, &beats)?])
    })
}

fn cut(yard: &Yard, pace: &Pace, site: &Site, beats: &Beats) -> Result<Row> {
    let mut spans = Samples::default();
    for _ in 0..yard.rounds {
        let president = site.president()?;
        let victim = (president + 1) % 3;
        let machine = site.machine(victim)?;
        site.ok(&format!("clrg switch -n {} g", machine.name))?;
        leader::set_of_etcd(site, president)?;
        pause(QUIET)?;
        from_now(site)?;
        let began = now_us();
        machine.unplug()?;
        spans.add(since(began, &changed(beats)?));
        machine.plug_in()?;
        until("etcd has a leader", || leader::of_etcd(site))?;
        site.wait_for_nodes(&[true, true, true])?;
        beats.changes()?;
    }
    let what = format!("link lost to START elsewhere, {}", pace.name);
    Ok(row_ms(what, &spans, Some(pace.goal_ms), "; overlaps 0"))
}

fn killed(site: &Site, beats: &Beats) -> Result<Row> {
    let mut spans = Samples::default();
    for round in 0..KILLS {
        if round % RETRIES == 0 {
            site.ok("clrg restart g")?;
        }
        from_now(site)?;
        let beat = until("it beats", || Ok(beats.all()?.into_iter().next()))?;
        let began = now_us();
        send(beat.pid, Signal::SIGKILL)?;
        spans.add(since(began, &changed(beats)?));
    }
    Ok(row_ms("kill -9 of the application to its successor".into(), &spans, None, "; by PMF, on the node"))
}

fn president(yard: &Yard, site: &Site, beats: &Beats) -> Result<Row> {
    from_now(site)?;
    pause(QUIET)?;
    let usual = longest(beats)?;
    let (mut gaps, mut deaf) = (Samples::default(), Samples::default());
    for _ in 0..yard.rounds {
        let (epoch, president) = site.president_after(0)?;
        site.ok(&format!("clrg switch -n {} g", site.machine((president + 1) % 3)?.name))?;
        from_now(site)?;
        let began = Instant::now();
        site.machine(president)?.signal("rgmd", Signal::SIGKILL)?;
        site.president_after(epoch)?;
        site.ok("clrg set -p RG_description=again g")?;
        deaf.add(began.elapsed());
        site.wait_for_nodes(&[true, true, true])?;
        gaps.add(longest(beats)?);
        anyhow::ensure!(beats.changes()?.is_empty(), "the service was restarted");
    }
    let note = format!(
        "; {:.0} ms with nothing going on; a change is carried out again after {}",
        usual.as_secs_f64() * 1e3,
        deaf.spread_ms()
    );
    Ok(row_ms("longest pause of a service when the president dies".into(), &gaps, None, &note))
}

/// The longest time between two beats.
fn longest(beats: &Beats) -> Result<Duration> {
    let all = beats.all()?;
    let pauses = all.windows(2).filter_map(|pair| match pair {
        [from, to] => Some(to.at_us.saturating_sub(from.at_us)),
        _ => None,
    });
    pauses.max().map(Duration::from_micros).context("it does not beat")
}
