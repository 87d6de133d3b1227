//! The event log of a real daemon: nothing that was acknowledged is missing, whatever happens to it.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;
use rgm_api::rgm::Told;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::mounts::{NOTHING, in_own_mounts};
use rgm_tests::kit::{DevCluster, until};
use rgm_types::GroupState::{Offline, Online};
use rgm_types::view::EventRecord;
use std::fs;

/// All events there are, behind a number, that name an object.
fn events(c: &DevCluster, after: Option<u64>, about: Option<&str>) -> Result<Vec<EventRecord>> {
    let mut events = Vec::new();
    let mut each = |told| {
        if let Told::Event(event) = told {
            events.push(event);
        }
    };
    let last = c.connect()?.events(after, about, false, &mut each)?;
    ensure!(events.last().is_none_or(|event| event.seq <= last));
    Ok(events)
}

/// One behind the other, none missing.
fn without_gap(events: &[EventRecord]) -> Result<()> {
    let first = events.first().map_or(1, |event| event.seq);
    for (event, expected) in events.iter().zip(first..) {
        ensure!(event.seq == expected, "{} instead of {expected}: {events:#?}", event.seq);
    }
    Ok(())
}

#[test]
fn a_move_is_told_from_the_request_to_its_end_with_its_causes() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.bare", "-y Failover_mode=SOFT -y Retry_count=0")?;
        let before = events(c, None, None)?.last().map(|event| event.seq);
        send(c.application("r")?.1, Signal::SIGKILL)?;
        c.wait_for("g", [Offline, Online])?;
        let all = events(c, before, None)?;
        without_gap(&all)?;
        let place = |text: &str| all.iter().position(|event| event.text.contains(text));
        let told = ["stop", "start"].map(|method| place(&format!("launching method <{method}>")));
        let decided = place("moves from node phys-1");
        ensure!(decided.is_some() && decided < told[0] && told[0] < told[1], "{all:#?}");
        let moved = all.iter().find(|event| event.event.contains("PMF gave up"));
        ensure!(moved.is_some_and(|event| !event.rule.is_empty()), "{all:#?}");
        ensure!(all.iter().all(|event| event.at.0 > 1_600_000_000_000));
        let about = events(c, before, Some("g"))?;
        ensure!(!about.is_empty() && about.len() < all.len() && events(c, None, Some("nobody"))?.is_empty());
        Ok(())
    })
}

#[test]
fn what_a_reply_has_acknowledged_is_in_the_log_after_a_kill() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let mut acknowledged = Vec::new();
        for round in 0..6 {
            let mut running = Vec::new();
            for n in 0..8 {
                running.push((format!("g{round}{n}"), c.begin(&format!("scrgadm -a -g g{round}{n}"))?));
            }
            // Those that have ended have had their answer; the kill comes in the midst of the others.
            for (group, command) in running.drain(..round) {
                command.end()?.ok()?;
                acknowledged.push(group);
            }
            c.kill_rgmd()?;
            for (group, command) in running {
                if command.end()?.code == 0 {
                    acknowledged.push(group);
                }
            }
            c.start()?;
        }
        let all = events(c, None, None)?;
        without_gap(&all)?;
        ensure!(all.first().is_some_and(|event| event.seq == 1));
        for group in acknowledged {
            let done = format!("creation of group {group}: done");
            ensure!(all.iter().any(|event| event.text.ends_with(&done)), "{group}: {all:#?}");
        }
        ensure!(all.iter().filter(|event| event.text.ends_with("begins")).count() == 7);
        Ok(())
    })
}

#[test]
fn who_follows_sees_everything_once_and_in_order_and_slows_nobody() -> Result<()> {
    DevCluster::play(|c| {
        c.create("g", "r", "ACME.tick", "")?;
        let (news, heard) = std::sync::mpsc::channel();
        let (mut quick, mut asleep) = (c.connect()?, c.connect()?);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                // It ends with its daemon.
                let _lost = quick.events(None, None, true, &mut |told| drop(news.send(told)));
            });
            // One that does not listen any more after its first event.
            let (wake, woken) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                let _lost = asleep.events(None, None, true, &mut |_| {
                    let _woken = woken.recv();
                });
            });
            for _ in 0..3 {
                c.ok("scswitch -Z -g g")?;
                c.ok("scswitch -F -g g")?;
            }
            let written = events(c, None, None)?;
            without_gap(&written)?;
            let mut seen = Vec::new();
            until("the follower has seen it all", || {
                seen.extend(heard.try_iter());
                Ok((seen.len() >= written.len()).then_some(()))
            })?;
            let seen: Vec<EventRecord> = seen
                .into_iter()
                .filter_map(|told| match told {
                    Told::Event(event) => Some(event),
                    Told::Gone(_) => None,
                })
                .take(written.len())
                .collect();
            ensure!(seen == written);
            c.kill_rgmd()?;
            drop(wake);
            c.start().map(drop)
        })
    })
}

#[test]
fn a_full_disk_loses_lines_of_the_log_and_says_which_and_recovery_goes_on() -> Result<()> {
    in_own_mounts(|| {
        let mut cluster = DevCluster::prepare()?;
        let state = cluster.dir().join("state");
        nix::mount::mount(NOTHING, &state, Some("tmpfs"), nix::mount::MsFlags::empty(), Some("size=8m"))?;
        let played = cluster.run_through(|c| {
            c.create_online("g", "r", "ACME.bare", "-y Retry_count=3")?;
            let before = events(c, None, None)?;
            let ballast = c.dir().join("state/ballast");
            ensure!(fs::write(&ballast, vec![1; 64 << 20]).is_err(), "the disk is not full");
            // More than the rest of a page.
            for _ in 0..20 {
                c.run("scswitch -n -M -j r")?;
                c.run("scswitch -e -M -j r")?;
            }
            let (_, first) = c.application("r")?;
            send(first, Signal::SIGKILL)?;
            until("it is started again", || Ok(c.application("r").ok().filter(|(_, pid)| *pid != first)))?;
            fs::remove_file(&ballast)?;
            let missing = until("the gap is told", || {
                c.run("scswitch -n -M -j r")?;
                let all = events(c, None, None)?;
                Ok(all.into_iter().find(|event| event.text.contains("could not be written: No space")))
            })?;
            let all = events(c, None, None)?;
            ensure!(all.starts_with(&before));
            let skipped: Vec<_> = all.windows(2).filter(|pair| pair[1].seq != pair[0].seq + 1).collect();
            ensure!(skipped.len() == 1 && skipped[0][1] == missing, "{skipped:#?}");
            Ok(())
        });
        nix::mount::umount2(&state, nix::mount::MntFlags::MNT_DETACH)?;
        played
    })
}

#[test]
fn a_log_that_cannot_be_opened_keeps_nobody_from_starting() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        let (dir, application) = (c.dir().join("state/events"), c.application("r")?);
        let before = events(c, None, None)?.len();
        c.kill_rgmd()?;
        for file in fs::read_dir(&dir)? {
            fs::write(file?.path(), [0x55; 100_000])?;
        }
        c.start()?;
        c.ok("scrgadm -c -g g -y RG_description=x")?;
        ensure!(!events(c, None, None)?.is_empty() && events(c, None, None)?[0].seq > before as u64);
        c.kill_rgmd()?;
        fs::remove_dir_all(&dir)?;
        fs::write(&dir, "in the way")?;
        c.start()?;
        c.ok("scrgadm -c -g g -y RG_description=y")?;
        ensure!(c.log()?.contains("the event log in"));
        assert_eq!(c.application("r")?, application);
        Ok(())
    })
}

#[test]
fn the_command_shows_the_end_of_it_what_names_an_object_and_what_goes_on() -> Result<()> {
    DevCluster::play(|c| {
        c.create_online("g", "r", "ACME.tick", "")?;
        c.ok("scrgadm -a -g unrelated")?;
        let last = c.ok("cluster events -n 2")?;
        ensure!(last.lines().count() == 2 && last.contains("creation of group unrelated: done"), "{last}");
        let about = c.ok("cluster events --about r --since 1h")?;
        ensure!(about.contains("launching method <start>") && !about.contains("unrelated"), "{about}");
        ensure!(c.ok("cluster events --since 1970-01-01T00:00:00Z --json")?.lines().count() > 10);
        assert_eq!(c.ok("cluster events --about nobody")?, "");
        let said = c.dir().join("followed");
        let mut command = c.command("cluster", None);
        command.args(["events", "-f", "-n", "0", "--json"]).stdout(fs::File::create(&said)?);
        let mut follower = command.stderr(std::process::Stdio::null()).spawn()?;
        let followed = until("it goes on after a kill of rgmd", || {
            c.run("scrgadm -a -g before")?;
            Ok(fs::read_to_string(&said)?.contains("creation of group before").then_some(()))
        });
        c.kill_rgmd()?;
        c.start()?;
        c.ok("scrgadm -a -g behind")?;
        let went_on = until("it goes on after a kill of rgmd", || {
            Ok(fs::read_to_string(&said)?.contains("creation of group behind: done").then_some(()))
        });
        follower.kill()?;
        follower.wait()?;
        followed.and(went_on)?;
        let seqs: Vec<u64> = fs::read_to_string(&said)?
            .lines()
            .filter_map(|line| serde_json::from_str::<EventRecord>(line).ok())
            .map(|event| event.seq)
            .collect();
        ensure!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "each once, in order: {seqs:?}");
        Ok(())
    })
}

#[test]
fn the_cluster_is_shut_down_by_command() -> Result<()> {
    let mut cluster = DevCluster::prepare()?;
    cluster.start()?;
    cluster.create_online("g", "r", "ACME.tick", "")?;
    cluster.refused(3, "cluster shutdown -g 0")?;
    // It is our child: it has not gone before we have taken its end.
    let shutdown = cluster.begin("cluster shutdown -y -g 0 -m maintenance")?;
    assert_eq!(cluster.wait_for_end()?, 0);
    let said = shutdown.end()?;
    ensure!(said.code == 0 && said.err.contains("maintenance"), "{said:?}");
    ensure!(cluster.tick.begun(0).contains(&"STOP r phys-1".to_owned()));
    cluster.nothing_left()
}
