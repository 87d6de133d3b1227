//! What happens in the demo, in its order. The values keep within the limits of the sample's RTR
//! file and make it quick: a probe a second, one restart in a minute, then another node.

use super::{Show, Stage, dns};
use crate::cluster::{NODES, send};
use crate::run;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use std::process::Stdio;
use std::time::{Duration, Instant};

const GROUP: &str = "dns-rg";
const RESOURCE: &str = "dns-rs";
/// For what PMF does at once.
const REPAIR_LIMIT: Duration = Duration::from_secs(10);
/// For what takes a probe, its timeout, a decision and methods on one or two nodes.
const RECOVERY_LIMIT: Duration = Duration::from_secs(40);

/// All of it.
pub fn tell(show: &mut Show, stage: &mut Stage) -> Result<()> {
    set_up(show, stage)?;
    bring_online(show, stage)?;
    crash(show, stage)?;
    hang(show, stage)?;
    lose_daemons(show, stage)?;
    take_down(show, stage)
}

fn set_up(show: &mut Show, stage: &mut Stage) -> Result<()> {
    let rtr = stage.rtr.to_string_lossy().into_owned();
    let confdir = format!("Confdir={}", stage.confdir.display());
    show.step("rtrcheck SUNW.sample", || {
        stage.cluster.run(&["rtrcheck", &rtr])?;
        Ok("nothing to complain of".to_owned())
    })?;
    show.step(&format!("rgmd --dev-nodes {}", NODES.join(",")), || stage.cluster.start(&stage.waiter))?;
    let cluster = &stage.cluster;
    let done = |line: &[&str]| cluster.run(line).map(|said| said.trim_end().to_owned());
    show.step("scrgadm -a -t SUNW.sample -f SUNW.sample", || {
        done(&["scrgadm", "-a", "-t", "SUNW.sample", "-f", &rtr])?;
        done(&["scha_resourcetype_get", "-O", "START", "-T", "SUNW.sample"])
            .map(|start| format!("its Start is {start}"))
    })?;
    show.step(&format!("scrgadm -a -g {GROUP} -h {}", NODES.join(",")), || {
        done(&["scrgadm", "-a", "-g", GROUP, "-h", &NODES.join(",")])?;
        cluster.group_state(GROUP, NODES[0])
    })?;
    show.step("scrgadm -a -j bad-rs … -x Confdir=/nowhere is refused", || {
        let line =
            ["scrgadm", "-a", "-j", "bad-rs", "-t", "SUNW.sample", "-g", GROUP, "-x", "Confdir=/nowhere"];
        let complaint = cluster.refused(&line)?;
        let words = complaint.lines().find(|line| line.contains("Confdir /nowhere"));
        words
            .map(|words| words.trim().to_owned())
            .with_context(|| format!("Validate did not say why:\n{complaint}"))
    })?;
    show.step(&format!("scrgadm -a -j {RESOURCE} -t SUNW.sample -g {GROUP} -x Confdir=… -y …"), || {
        let network = format!("Network_resources_used={}", dns::ADDRESS);
        let mut line = vec!["scrgadm", "-a", "-j", RESOURCE, "-t", "SUNW.sample", "-g", GROUP];
        line.extend(["-x", &confdir, "-x", "Probe_timeout=2", "-y", &network]);
        line.extend(["-y", "Thorough_probe_interval=1", "-y", "Retry_count=1", "-y", "Retry_interval=60"]);
        done(&line)?;
        done(&["scha_resource_get", "-O", "ON_OFF_SWITCH", "-R", RESOURCE, "-G", GROUP])
    })
}

fn bring_online(show: &mut Show, stage: &mut Stage) -> Result<()> {
    show.step(&format!("scswitch -Z -g {GROUP}"), || {
        stage.cluster.run(&["scswitch", "-Z", "-g", GROUP])?;
        online_on(stage, NODES[0])
    })?;
    show.step(&stage.dns.question(), || {
        ensure!(stage.dns.answers()?, "no answer, though the group is online");
        stage.cluster.note_cgroups();
        Ok(format!("answered by named, process {}", named_of(stage, NODES[0])?))
    })?;
    show.step("scstat -g", || {
        let table = stage.cluster.run(&["scstat", "-g"])?;
        let rows = table.lines().filter(|line| line.contains("Group:") || line.contains("Resource:"));
        Ok(rows
            .map(|row| row.get(2..).unwrap_or(row).trim_end())
            .collect::<Vec<_>>()
            .join("\n               "))
    })
}

fn crash(show: &mut Show, stage: &mut Stage) -> Result<()> {
    show.step(&format!("kill -9 named on {}: PMF starts it again", NODES[0]), || {
        let old = kill_named(stage, NODES[0], Signal::SIGKILL)?;
        let new = successor(stage, NODES[0], old, REPAIR_LIMIT)?;
        online_on(stage, NODES[0])?;
        Ok(format!("process {old} is now {new}, and answers"))
    })?;
    show.step("kill -9 named again: more than Retry_count, so the probe gives it over", || {
        kill_named(stage, NODES[0], Signal::SIGKILL)?;
        let state = moved_to(stage, NODES[1])?;
        stage.dns.wait_for_answer(&stage.waiter, RECOVERY_LIMIT)?;
        stage.cluster.note_cgroups();
        Ok(format!("{state}, and answers from there"))
    })
}

fn hang(show: &mut Show, stage: &Stage) -> Result<()> {
    show.step(&format!("kill -STOP named on {}: it hangs, and the probe restarts it", NODES[1]), || {
        let old = kill_named(stage, NODES[1], Signal::SIGSTOP)?;
        let new = successor(stage, NODES[1], old, RECOVERY_LIMIT)?;
        Ok(format!("process {old} is now {new}, and answers"))
    })
}

fn lose_daemons(show: &mut Show, stage: &mut Stage) -> Result<()> {
    show.step("kill -9 rgmd, and start it again", || {
        let named = named_of(stage, NODES[1])?;
        let rgmd = stage.cluster.kill_rgmd()?;
        ensure!(stage.dns.answers()?, "the service ended with rgmd");
        stage.cluster.start(&stage.waiter)?;
        let state = moved_to(stage, NODES[1])?;
        same_process(stage, NODES[1], named)?;
        Ok(format!("rgmd {rgmd} is gone; {state} still, named is still process {named}"))
    })?;
    let mut here = NODES[1];
    show.step(&format!("scswitch -z -g {GROUP} -h {}, and kill -9 rgmd meanwhile", NODES[0]), || {
        let mut switch = stage.cluster.command("scswitch");
        switch.args(["-z", "-g", GROUP, "-h", NODES[0]]).stderr(Stdio::null());
        let mut switch = run::spawn(&mut switch)?;
        stage.waiter.until("the switch is under way", REPAIR_LIMIT, || {
            Ok((stage.cluster.group_state(GROUP, NODES[1])? != "ONLINE").then_some(()))
        })?;
        stage.cluster.kill_rgmd()?;
        ensure!(!switch.wait()?.success(), "scswitch says that it succeeded");
        stage.cluster.start(&stage.waiter)?;
        here = stage.waiter.until("the group comes to rest on one node", RECOVERY_LIMIT, || {
            Ok(NODES.into_iter().find(|node| online_on(stage, node).is_ok()))
        })?;
        stage.dns.wait_for_answer(&stage.waiter, RECOVERY_LIMIT)?;
        Ok(format!("scswitch says that rgmd is gone; the group came to rest on {here}, and answers"))
    })?;
    show.step(&format!("kill -9 pmfd of {here}: it comes back and finds its tags"), || {
        let named = named_of(stage, here)?;
        let old = stage.cluster.pmfd_of(here)?;
        send(old, Signal::SIGKILL)?;
        let new = stage.waiter.until("a new pmfd", REPAIR_LIMIT, || {
            Ok(stage.cluster.pmfd_of(here).ok().filter(|new| *new != old))
        })?;
        let tag = format!("{RESOURCE}.named");
        stage.waiter.until("the new pmfd knows the tag", REPAIR_LIMIT, || {
            let asked =
                run::output(stage.cluster.command("pmfadm").env("RGM_NODE", here).args(["-q", &tag]))?;
            Ok(asked.status.success().then_some(()))
        })?;
        same_process(stage, here, named)?;
        Ok(format!("pmfd {old} is now {new}; named is still process {named}"))
    })?;
    show.step(&format!("kill -9 named on {here}: the new pmfd repairs it"), || {
        let old = kill_named(stage, here, Signal::SIGKILL)?;
        let new = successor(stage, here, old, REPAIR_LIMIT)?;
        Ok(format!("process {old} is now {new}, and answers"))
    })
}

fn take_down(show: &mut Show, stage: &mut Stage) -> Result<()> {
    show.step(&format!("scswitch -n -j {RESOURCE}, and -e"), || {
        stage.cluster.run(&["scswitch", "-n", "-j", RESOURCE])?;
        ensure!(!stage.dns.answers()?, "disabled, but it still answers");
        stage.cluster.run(&["scswitch", "-e", "-j", RESOURCE])?;
        ensure!(stage.dns.answers()?, "enabled, but it does not answer");
        stage.cluster.note_cgroups();
        Ok("silent when disabled, answers when enabled".to_owned())
    })?;
    show.step("scswitch -F, -n, -u; scrgadm -r -j, -r -g, -r -t", || {
        let lines: [&[&str]; 6] = [
            &["scswitch", "-F", "-g", GROUP],
            &["scswitch", "-n", "-j", RESOURCE],
            &["scswitch", "-u", "-g", GROUP],
            &["scrgadm", "-r", "-j", RESOURCE],
            &["scrgadm", "-r", "-g", GROUP],
            &["scrgadm", "-r", "-t", "SUNW.sample"],
        ];
        for line in lines {
            stage.cluster.run(line)?;
        }
        let configured = stage.cluster.run(&["scha_cluster_get", "-O", "ALL_RESOURCETYPES"])?;
        ensure!(!configured.contains("SUNW.sample"), "still registered: {configured}");
        ensure!(!stage.dns.answers()?, "deleted, but it still answers");
        Ok("nothing is configured any more".to_owned())
    })?;
    show.step("kill -TERM rgmd: the whole cluster ends", || stage.cluster.end(&stage.waiter))
}

/// The group is online on this node now, and nowhere else.
fn online_on(stage: &Stage, node: &str) -> Result<String> {
    for other in NODES {
        let state = stage.cluster.group_state(GROUP, other)?;
        let wanted = if other == node { "ONLINE" } else { "OFFLINE" };
        ensure!(state == wanted, "{GROUP} should be {wanted} on {other}, but is {state}");
    }
    Ok(format!("{GROUP} is online on {node}"))
}

/// The group comes online on this node, and is nowhere else.
fn moved_to(stage: &Stage, node: &str) -> Result<String> {
    let mut last = String::new();
    let arrived = stage.waiter.until(&format!("{GROUP} online on {node} alone"), RECOVERY_LIMIT, || {
        let seen = online_on(stage, node);
        last = seen.as_ref().err().map(|error| format!("{error:#}")).unwrap_or_default();
        Ok(seen.ok())
    });
    arrived.with_context(|| format!("last seen: {last}"))
}

/// The process of named, by its own pid file in the node's directory.
fn named_of(stage: &Stage, node: &str) -> Result<u32> {
    let file = stage.confdir.join(node).join("named.pid");
    let text =
        std::fs::read_to_string(&file).with_context(|| format!("failed to read {}", file.display()))?;
    Ok(text.trim().parse()?)
}

fn kill_named(stage: &Stage, node: &str, signal: Signal) -> Result<u32> {
    let pid = named_of(stage, node)?;
    send(pid, signal)?;
    Ok(pid)
}

/// Waits for another process of named that answers.
fn successor(stage: &Stage, node: &str, old: u32, limit: Duration) -> Result<u32> {
    let start = Instant::now();
    let new = stage.waiter.until(&format!("a successor of named, process {old}"), limit, || {
        Ok(named_of(stage, node).ok().filter(|new| *new != old))
    })?;
    stage.dns.wait_for_answer(&stage.waiter, limit.saturating_sub(start.elapsed()))?;
    Ok(new)
}

fn same_process(stage: &Stage, node: &str, named: u32) -> Result<()> {
    let now = named_of(stage, node)?;
    ensure!(now == named, "named was process {named} and is now {now}");
    ensure!(stage.dns.answers()?, "named, process {named}, does not answer");
    Ok(())
}
