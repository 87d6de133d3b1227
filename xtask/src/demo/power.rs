//! What happens in the demo on several machines, in its order.

use super::Show;
use super::dns;
use super::machines::{ADDRESS, Stage, dig_line};
use crate::leader;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_tests::kit::until;
use std::time::{Duration, Instant};

const GROUP: &str = "dns-rg";
/// What a client takes for a lost packet at most: no outage.
const NOTICED: Duration = Duration::from_secs(1);

/// All of it.
pub fn tell(show: &mut Show, stage: &mut Stage) -> Result<()> {
    make_cluster(show, stage)?;
    make_service(show, stage)?;
    switch(show, stage)?;
    lose_daemons(show, stage)?;
    lose_power(show, stage)?;
    lose_cable(show, stage)?;
    take_down(show, stage)
}

/// A command line, typed on a machine.
fn typed(show: &mut Show, stage: &Stage, number: usize, line: &str) -> Result<()> {
    let machine = stage.machine(number)?;
    show.step(&format!("{}# {line}", machine.name), || told(&machine.run(line)?.ok()?))
}

/// What a command said, below its line.
fn told(said: &str) -> Result<String> {
    let lines: Vec<&str> = said.lines().filter(|line| !line.is_empty()).collect();
    Ok(match lines.is_empty() {
        true => "done".to_owned(),
        false => lines.join("\n               "),
    })
}

fn make_cluster(show: &mut Show, stage: &mut Stage) -> Result<()> {
    let create = "cluster create -n phys-1,phys-2,phys-3";
    let first = stage.machine(0)?;
    show.step(&format!("{}# {create}", first.name), || told(&first.in_network(create)?.ok()?))?;
    let site = &mut stage.site;
    show.step("on each of them: systemctl start pmfd rgmd", || {
        site.machines.iter_mut().try_for_each(|machine| machine.power_on())?;
        site.wait_for_nodes(&[true, true, true])?;
        let president = site.president()?;
        Ok(format!("all are up; {} was elected president", site.machine(president)?.name))
    })?;
    typed(show, stage, 0, "clnode status")
}

fn make_service(show: &mut Show, stage: &Stage) -> Result<()> {
    let confdir = stage.confdir.display();
    typed(show, stage, 0, "clrt register SUNW.sample")?;
    typed(show, stage, 0, &format!("clrg create {GROUP}"))?;
    typed(show, stage, 1, &format!("clrslh create -g {GROUP} -h {ADDRESS} dns-lh"))?;
    let resource = format!(
        "clrs create -g {GROUP} -t SUNW.sample -p Confdir={confdir} -p Network_resources_used=dns-lh dns-rs"
    );
    typed(show, stage, 2, &resource)?;
    typed(show, stage, 0, &format!("clrg online -M -n phys-1 {GROUP}"))?;
    typed(show, stage, 1, &format!("clrg status {GROUP}"))?;
    show.step(&format!("client# {}", dig_line()), || stage.dig())
}

fn switch(show: &mut Show, stage: &Stage) -> Result<()> {
    let began = Instant::now();
    typed(show, stage, 0, &format!("clrg switch -n phys-2 {GROUP}"))?;
    show.step("the client, which asks fifty times a second", || {
        let seen = outage(stage, began, Instant::now())?;
        Ok(format!("without an answer for {:.2} s, then from {}", seen.as_secs_f64(), holder(stage)?.1))
    })
}

fn lose_daemons(show: &mut Show, stage: &Stage) -> Result<()> {
    show.step("on each machine: kill -9 of rgmd and pmfd", || {
        let began = Instant::now();
        for machine in &stage.site.machines {
            for daemon in ["rgmd", "pmfd"] {
                let old = machine.signal(daemon, Signal::SIGKILL)?;
                until(&format!("a new {daemon} on {}", machine.name), || {
                    Ok(machine.daemon(daemon).filter(|new| *new != old))
                })?;
            }
        }
        stage.site.wait_for_nodes(&[true, true, true])?;
        stage.site.wait_online(0, GROUP, 1)?;
        let seen = outage(stage, began, Instant::now())?;
        ensure!(seen < NOTICED, "the client had no answer for {seen:?}");
        Ok(format!("all are back; never without an answer for longer than {} ms", seen.as_millis()))
    })
}

fn lose_power(show: &mut Show, stage: &mut Stage) -> Result<()> {
    let president = stage.site.president()?;
    let name = stage.machine(president)?.name.clone();
    typed(show, stage, 2, &format!("clrg switch -n {name} {GROUP}"))?;
    let (dead, other) = (president, (president + 1) % 3);
    show.step(&format!("{name}, which runs it{}, loses its power", offices(stage, dead)?), || {
        let began = Instant::now();
        stage.site.cut_power(dead)?;
        let seen = outage(stage, began, Instant::now())?;
        let (number, now) = holder(stage)?;
        ensure!(number != dead, "{now} has no power");
        Ok(format!("without an answer for {:.2} s, then from {now}", seen.as_secs_f64()))
    })?;
    show.step(&format!("client# {}", dig_line()), || stage.dig())?;
    typed(show, stage, other, "clnode status")?;
    typed(show, stage, other, &format!("clrg status {GROUP}"))?;
    show.step(&format!("{name} has power again"), || {
        let began = Instant::now();
        stage.site.give_power(dead)?;
        stage.site.etcd.wait()?;
        stage.site.wait_for_nodes(&[true, true, true])?;
        let seen = outage(stage, began, Instant::now())?;
        let now = holder(stage)?.1;
        Ok(format!("it is back; {now} serves on, never silent for longer than {} ms", seen.as_millis()))
    })
}

fn lose_cable(show: &mut Show, stage: &Stage) -> Result<()> {
    let (cut, name) = holder(stage)?;
    let line = "ip link set eth0 down";
    show.step(&format!("{name}# {line}: it runs it{}, but reaches nobody", offices(stage, cut)?), || {
        let began = Instant::now();
        let machine = stage.machine(cut)?;
        machine.unplug()?;
        let seen = outage(stage, began, Instant::now())?;
        let addresses = machine.addresses()?;
        ensure!(!addresses.contains(&ADDRESS.to_string()), "{name} still has the address: {addresses}");
        let now = holder(stage)?.1;
        Ok(format!(
            "without an answer for {:.2} s, then from {now}; {name} has given the address up by itself",
            seen.as_secs_f64()
        ))
    })?;
    show.step(&format!("{name}# ip link set eth0 up"), || {
        stage.machine(cut)?.plug_in()?;
        stage.site.wait_for_nodes(&[true, true, true])?;
        Ok("it is a member again".to_owned())
    })
}

fn take_down(show: &mut Show, stage: &mut Stage) -> Result<()> {
    for line in [
        format!("clrg offline {GROUP}"),
        "clrs disable -g dns-rg +".to_owned(),
        format!("clrg delete -F {GROUP}"),
        "clrt unregister SUNW.sample".to_owned(),
    ] {
        typed(show, stage, 0, &line)?;
    }
    show.step("on each of them: systemctl stop rgmd pmfd etcd", || {
        stage.site.end()?;
        Ok("all of it has ended".to_owned())
    })
}

/// What else a machine is: when it is lost, others have to be that first.
fn offices(stage: &Stage, number: usize) -> Result<String> {
    let president = (stage.site.president()? == number).then_some(", is president");
    let leads = (leader::of_etcd(&stage.site)? == Some(number)).then_some(", leads etcd");
    Ok([president, leads].into_iter().flatten().collect())
}

/// How long the client had no answer, once it has one again.
fn outage(stage: &Stage, began: Instant, over: Instant) -> Result<Duration> {
    until(&format!("the answer to {}", dns::QUESTION), || {
        Ok(stage.asker.answered_since(over)?.then_some(()))
    })?;
    Ok(stage.asker.silence_since(began))
}

/// The machine that carries the address now: its number and its name.
fn holder(stage: &Stage) -> Result<(usize, String)> {
    let address = format!(" {ADDRESS}/");
    let mut found = Vec::new();
    for (number, machine) in stage.site.machines.iter().enumerate() {
        if machine.addresses()?.contains(&address) {
            found.push((number, machine.name.clone()));
        }
    }
    ensure!(found.len() < 2, "{ADDRESS} is on {found:?}");
    found.pop().with_context(|| format!("nobody has {ADDRESS}"))
}
