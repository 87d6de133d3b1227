//! `SUNW.gds`: services that no method was written for.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, NODES, until};
use rgm_types::GroupState::{Offline, Online, OnlineFaulted};
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A web server as a resource `web` of group `g`.
struct Web {
    dir: PathBuf,
    port: u16,
}

impl Web {
    /// In a new group; `-x` and `-y` besides Start_command as pairs. It is not online yet.
    fn create(c: &DevCluster, port: u16, properties: &[&str]) -> Result<Self> {
        let web = Self { dir: c.dir().to_owned(), port };
        if c.run("scha_resourcetype_get -O RT_VERSION -T SUNW.gds")?.code != 0 {
            c.ok("scrgadm -a -t SUNW.gds")?;
        }
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        web.add(c, "web", &web.command(), properties)?;
        Ok(web)
    }

    /// The same, and online on the first node.
    fn online(c: &DevCluster, port: u16, properties: &[&str]) -> Result<Self> {
        let web = Self::create(c, port, properties)?;
        c.ok("scswitch -Z -g g")?;
        c.expect("g", [Online, Offline])?;
        Ok(web)
    }

    fn add(&self, c: &DevCluster, name: &str, start: &str, properties: &[&str]) -> Result<String> {
        let start = format!("Start_command={start}");
        let mut words = vec!["scrgadm", "-a", "-j", name, "-t", "SUNW.gds", "-g", "g", "-x", start.as_str()];
        words.extend(properties);
        c.run_words(None, &words)?.ok()
    }

    fn command(&self) -> String {
        format!("{}/bin/acme-web {} {}", self.dir.display(), self.port, self.dir.display())
    }

    /// Node and process of every life so far.
    fn lives(&self) -> Vec<(String, u32)> {
        let text = fs::read_to_string(self.dir.join("web.witness")).unwrap_or_default();
        let line = |line: &str| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
        };
        text.lines().filter_map(line).collect()
    }

    /// Node and process of the life that is this one's number, counted from 1.
    fn life(&self, number: usize) -> Result<(String, u32)> {
        until(&format!("life {number}"), || Ok(self.lives().get(number - 1).cloned()))
    }

    /// Lets the process answer with this status from now on.
    fn answer(&self, pid: u32, status: &str) -> Result<()> {
        Ok(fs::write(self.dir.join(format!("answer.{pid}")), status)?)
    }

    fn url(&self) -> String {
        format!("Probe_command=http://127.0.0.1:{}/", self.port)
    }
}

/// A port that nobody listens at now.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn status(c: &DevCluster, node: &str) -> Result<String> {
    c.on(node, "scha_resource_get -O STATUS -R web -G g")?.ok()
}

fn wait_for_status(c: &DevCluster, node: &str, what: &str) -> Result<String> {
    let found = until(what, || Ok(Some(status(c, node)?).filter(|status| status.contains(what))));
    found.with_context(|| format!("{:?}", status(c, node)))
}

#[test]
fn a_service_that_is_killed_is_restarted_by_pmf_and_the_restart_is_counted() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let web = Web::online(
            c,
            port,
            &["-y", &format!("Port_list={port}/tcp"), "-y", "Thorough_probe_interval=1"],
        )?;
        wait_for_status(c, "phys-1", &format!("OK\nit answers at localhost port {port}"))?;
        let (_, first) = web.life(1)?;
        send(first, Signal::SIGKILL)?;
        let (node, _) = web.life(2)?;
        assert_eq!(node, "phys-1");
        until("it is counted", || {
            let count = c.on("phys-1", "scha_resource_get -O NUM_RESOURCE_RESTARTS -R web -G g")?.ok()?;
            Ok((count == "1\n").then_some(()))
        })?;
        wait_for_status(c, "phys-1", "OK\nit answers")?;
        c.expect("g", [Online, Offline])?;
        assert_eq!(c.on("phys-1", "pmfadm -q g,web,0.svc")?.code, 0);
        assert_eq!(c.on("phys-1", "pmfadm -q g,web,0.mon")?.code, 0);
        c.ok("scswitch -z -g g -h phys-2")?;
        c.expect("g", [Offline, Online])?;
        for tag in ["svc", "mon"] {
            assert_eq!(c.on("phys-1", &format!("pmfadm -q g,web,0.{tag}"))?.code, 1, "{tag} is stopped");
        }
        Ok(())
    })
}

#[test]
fn what_pmf_gives_up_is_given_over_at_once_and_not_with_the_next_probe() -> Result<()> {
    DevCluster::play(|c| {
        let web =
            Web::online(c, free_port()?, &["-y", "Retry_count=1", "-y", "Thorough_probe_interval=3600"])?;
        for life in 1..=2 {
            let (node, pid) = web.life(life)?;
            assert_eq!(node, "phys-1");
            send(pid, Signal::SIGKILL)?;
        }
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(web.life(3)?.0, "phys-2");
        Ok(())
    })
}

#[test]
fn one_that_does_not_answer_its_probe_is_restarted_and_in_the_end_given_over() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let probe = format!("Probe_command=http://127.0.0.1:{port}/");
        let slow = ["-x", "Probe_timeout=1", "-y", "Retry_count=1", "-y", "Thorough_probe_interval=1"];
        let web = Web::online(c, port, &[&["-x", probe.as_str()] as &[&str], &slow].concat())?;
        assert_eq!(probe, web.url());
        wait_for_status(c, "phys-1", "answers with 200")?;
        let (_, first) = web.life(1)?;
        // Half a failure each time: two of them make one.
        web.answer(first, "silent")?;
        let (node, second) = web.life(2)?;
        assert_eq!(node, "phys-1", "Retry_count allows one restart here");
        assert!(!is_alive(first));
        // The group counts as online while its resource is restarted, and START ends only when the
        // service answers: what it answers may change once its new monitor has seen it well.
        wait_for_status(c, "phys-1", "answers with 200")?;
        web.answer(second, "503")?;
        c.wait_for("g", [Offline, Online])?;
        assert_eq!(web.life(3)?.0, "phys-2");
        wait_for_status(c, "phys-2", "answers with 200")?;
        assert_eq!(web.lives().len(), 3);
        Ok(())
    })
}

#[test]
fn without_another_node_it_is_said_to_be_faulted_and_comes_back_when_it_can() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let probe = format!("Probe_command=http://127.0.0.1:{port}/");
        let here = ["-x", "Failover_enabled=FALSE", "-y", "Retry_count=0", "-y", "Thorough_probe_interval=1"];
        let web = Web::online(c, port, &[&["-x", probe.as_str()] as &[&str], &here].concat())?;
        let (_, pid) = web.life(1)?;
        web.answer(pid, "503")?;
        let said = wait_for_status(c, "phys-1", "FAULTED")?;
        assert!(said.contains("answers with 503") && said.contains("nothing is done"), "{said}");
        c.expect("g", [OnlineFaulted, Offline])?;
        web.answer(pid, "200")?;
        wait_for_status(c, "phys-1", "OK\n")?;
        c.expect("g", [Online, Offline])?;
        assert_eq!(web.lives().len(), 1, "never restarted");
        Ok(())
    })
}

#[test]
fn a_probe_command_may_ask_for_another_node_at_once() -> Result<()> {
    DevCluster::play(|c| {
        let told = c.dir().join("told-probe");
        let probe =
            format!("Probe_command=test ! -f {} || {{ echo disk is full; exit 201; }}", told.display());
        Web::online(c, free_port()?, &["-x", &probe, "-y", "Thorough_probe_interval=1"])?;
        wait_for_status(c, "phys-1", "OK\nits probe succeeds")?;
        fs::write(&told, "")?;
        until("it moves", || Ok((c.group_state("g", NODES[0])? == Some(Offline)).then_some(())))?;
        fs::remove_file(&told)?;
        c.wait_for("g", [Offline, Online])?;
        wait_for_status(c, "phys-2", "OK\nits probe succeeds")?;
        Ok(())
    })
}

#[test]
fn a_service_that_ignores_its_signal_is_killed_in_time() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let web = Web { dir: c.dir().to_owned(), port };
        c.ok("scrgadm -a -t SUNW.gds")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        let deaf = format!("trap '' TERM; exec {}", web.command());
        web.add(c, "web", &deaf, &["-y", "Stop_timeout=5", "-y", &format!("Port_list={port}/tcp")])?;
        c.ok("scswitch -Z -g g")?;
        let (_, pid) = web.life(1)?;
        // Stopped, too: whoever is to end must be let go on.
        send(pid, Signal::SIGSTOP)?;
        let begun = Instant::now();
        c.ok("scswitch -F -g g")?;
        assert!(!is_alive(pid));
        c.expect("g", [Offline, Offline])?;
        ensure!(begun.elapsed() >= Duration::from_secs(4), "it had 80 % of Stop_timeout to end by itself");
        Ok(())
    })
}

#[test]
fn a_stop_command_comes_first_and_what_it_leaves_gets_the_signal() -> Result<()> {
    DevCluster::play(|c| {
        let stopped = c.dir().join("stopped");
        let stop = format!("Stop_command=echo %RG_NAME %RS_NAME >>{}", stopped.display());
        let web = Web::online(c, free_port()?, &["-x", &stop])?;
        let (_, pid) = web.life(1)?;
        c.ok("scswitch -F -g g")?;
        assert!(!is_alive(pid));
        assert_eq!(fs::read_to_string(&stopped)?, "g web\n");
        Ok(())
    })
}

#[test]
fn a_start_that_brings_up_no_service_fails_and_leaves_nothing_behind() -> Result<()> {
    DevCluster::play(|c| {
        let web = Web { dir: c.dir().to_owned(), port: free_port()? };
        c.ok("scrgadm -a -t SUNW.gds")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        let other = free_port()?;
        let silent = ["-y", "Start_timeout=2", "-y", &format!("Port_list={other}/tcp")];
        web.add(c, "silent", &web.command(), &silent)?;
        web.add(c, "brief", "/bin/true", &[])?;
        c.ok("scswitch -o -g g")?;
        c.ok("scswitch -z -g g -h phys-1")?;
        for (name, why) in
            [("silent", "the service runs, but no connection to"), ("brief", "the service ended at once")]
        {
            assert_ne!(c.run(&format!("scswitch -e -j {name}"))?.code, 0, "{name}");
            let said = c.on("phys-1", &format!("scha_resource_get -O STATUS -R {name}"))?.ok()?;
            assert!(said.starts_with("FAULTED\n") && said.contains(why), "{said}");
            assert_eq!(c.on("phys-1", &format!("pmfadm -q g,{name},0.svc"))?.code, 1, "{name}");
        }
        c.expect("g", [OnlineFaulted, Offline])?;
        assert!(web.lives().iter().all(|(_, pid)| !is_alive(*pid)));
        Ok(())
    })
}

#[test]
fn validate_tells_the_operator_what_can_not_work() -> Result<()> {
    DevCluster::play(|c| {
        c.ok("scrgadm -a -t SUNW.gds")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        let try_with = |properties: &[&str]| {
            let words = ["scrgadm", "-a", "-j", "web", "-t", "SUNW.gds", "-g", "g"];
            c.run_words(None, &[&words as &[&str], properties].concat())
        };
        for (properties, why) in [
            (
                &["-x", "Start_command=/nowhere/service -d"] as &[&str],
                "Start_command: /nowhere/service is no file",
            ),
            (&["-x", "Start_command=/etc/passwd"], "not executable"),
            (&["-x", "Start_command=/bin/sleep 99", "-x", "Stop_command=/nowhere"], "Stop_command: /nowhere"),
            (&["-x", "Start_command=/bin/sleep 99", "-x", "Probe_command=https://x/"], "curl"),
            (&["-x", "Start_command=/bin/sleep 99", "-x", "Probe_command=http://x:y/"], "is not http://HOST"),
            (
                &["-x", "Start_command=/bin/sleep 99", "-y", "Port_list=80/carrier-pigeon"],
                "each element is PORT/tcp",
            ),
            (
                &["-x", "Start_command=/bin/sleep 99", "-y", "Port_list=80/tcp,8080"],
                "\"8080\" names no protocol",
            ),
            (
                &["-x", "Start_command=/bin/sleep 99", "-x", "Validate_command=echo no licence here; exit 3"],
                "Validate_command ended with 3: no licence here",
            ),
        ] {
            let said = try_with(properties)?;
            assert_ne!(said.code, 0, "{properties:?}");
            assert!(said.err.contains(why), "{properties:?}: {said:?}");
        }
        try_with(&["-x", "Start_command=/bin/sleep 99", "-x", "Validate_command=test %RS_NAME = web"])?
            .ok()?;
        let said = c.run_words(None, &["scrgadm", "-c", "-j", "web", "-x", "Stop_command=/nowhere"])?;
        assert!(said.code != 0 && said.err.contains("/nowhere is no file"), "{said:?}");
        Ok(())
    })
}

#[test]
fn changed_properties_reach_the_monitor_that_runs_and_pmf() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let web = Web::online(c, port, &["-y", "Thorough_probe_interval=3600"])?;
        wait_for_status(c, "phys-1", "OK\nits processes run")?;
        let monitor = c.on("phys-1", "pmfadm -l g,web,0.mon")?.ok()?;
        c.run_words(None, &["scrgadm", "-c", "-j", "web", "-x", &web.url(), "-y", "Retry_count=7"])?.ok()?;
        wait_for_status(c, "phys-1", "answers with 200")?;
        assert_ne!(c.on("phys-1", "pmfadm -l g,web,0.mon")?.ok()?, monitor, "a new process");
        let service = c.on("phys-1", "pmfadm -l g,web,0.svc")?.ok()?;
        assert!(service.contains(" -n 7 -t 7 "), "{service}");
        assert_eq!(web.lives().len(), 1, "the service is not touched");
        Ok(())
    })
}

#[test]
fn neither_a_killed_pmfd_nor_a_killed_rgmd_disturbs_a_service_or_its_monitor() -> Result<()> {
    DevCluster::play(|c| {
        let port = free_port()?;
        let ports = format!("Port_list={port}/tcp");
        let web = Web::online(c, port, &["-y", &ports, "-y", "Thorough_probe_interval=1"])?;
        let (_, first) = web.life(1)?;
        c.kill_pmfd("phys-1")?;
        c.kill_rgmd()?;
        c.start()?;
        until("it is online", || Ok(c.expect("g", [Online, Offline]).ok()))?;
        assert!(is_alive(first));
        send(first, Signal::SIGKILL)?;
        web.life(2)?;
        wait_for_status(c, "phys-1", "OK\nit answers")?;
        until("the monitor has heard of it from the new pmfd, and counted it at the new rgmd", || {
            let count = c.on("phys-1", "scha_resource_get -O NUM_RESOURCE_RESTARTS -R web -G g")?.ok()?;
            Ok((count == "1\n").then_some(()))
        })?;
        c.expect("g", [Online, Offline])
    })
}
