//! `SUNW.systemd`, against a systemd of the test's own on a bus of its own.

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_tests::kit::cluster::is_alive;
use rgm_tests::kit::leftovers::send;
use rgm_tests::kit::{DevCluster, programs, until};
use rgm_types::GroupState::{Offline, Online, OnlineFaulted};
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

const BUS: &str = r#"<busconfig>
  <listen>unix:path=SOCKET</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow own="*"/>
    <allow send_destination="*" eavesdrop="false"/>
    <allow receive_sender="*"/>
  </policy>
</busconfig>
"#;

/// A bus, and a systemd on it. Both end, with what systemd started, when it is dropped.
struct Machine {
    dir: PathBuf,
    bus: Child,
    systemd: Option<Child>,
}

impl Machine {
    fn boot(c: &DevCluster) -> Result<Self> {
        let dir = c.dir().join("systemd");
        fs::create_dir(&dir)?;
        let socket = dir.join("bus.sock");
        fs::write(dir.join("bus.conf"), BUS.replace("SOCKET", &socket.to_string_lossy()))?;
        let config = format!("--config-file={}", dir.join("bus.conf").display());
        let bus = Command::new("dbus-daemon")
            .args([config.as_str(), "--nofork", "--nopidfile", "--nosyslog"])
            .spawn()
            .context("dbus-daemon: apt-get install dbus, or let cargo xtask test do it")?;
        let mut machine = Self { dir, bus, systemd: None };
        until("the bus listens", || Ok(UnixStream::connect(&socket).is_ok().then_some(())))?;
        machine.start_systemd()?;
        c.ok("scrgadm -a -t SUNW.systemd")?;
        c.ok("scrgadm -a -g g -h phys-1,phys-2")?;
        Ok(machine)
    }

    fn address(&self) -> String {
        format!("unix:path={}", self.dir.join("bus.sock").display())
    }

    fn start_systemd(&mut self) -> Result<()> {
        let said = self.dir.join("said");
        let program = programs::built()?.join("acme-systemd");
        let child = Command::new(program)
            .arg(self.address())
            .arg(&self.dir)
            .stdout(fs::File::create(&said)?)
            .spawn()?;
        self.systemd = Some(child);
        until("systemd is ready", || Ok((fs::read_to_string(&said)? == "ready\n").then_some(())))
    }

    fn kill_systemd(&mut self) -> Result<()> {
        let mut systemd = self.systemd.take().context("there is no systemd")?;
        systemd.kill()?;
        systemd.wait()?;
        Ok(())
    }

    fn signal_systemd(&self, signal: Signal) -> Result<()> {
        send(self.systemd.as_ref().context("there is no systemd")?.id(), signal)
    }

    /// Writes the file of a unit.
    fn unit(&self, name: &str, lines: &str) -> Result<()> {
        Ok(fs::write(self.dir.join(format!("{name}.unit")), lines)?)
    }

    /// Writes one that runs until it is told to end.
    fn sleeper(&self, name: &str, more: &str) -> Result<()> {
        self.unit(name, &format!("ExecStart=exec sleep infinity\n{more}"))
    }

    /// Adds a resource `r` for the unit.
    fn resource(&self, c: &DevCluster, unit: &str, properties: &str) -> Result<()> {
        let line = format!(
            "scrgadm -a -j r -t SUNW.systemd -g g -x Unit={unit} -x Bus_address={} {properties}",
            self.address()
        );
        c.ok(&line)?;
        Ok(())
    }

    /// The process of a unit, while it runs.
    fn process(&self, unit: &str) -> Option<u32> {
        let pid = fs::read_to_string(self.dir.join(format!("{unit}.pid"))).ok()?.trim().parse().ok()?;
        Some(pid).filter(|pid| is_alive(*pid))
    }

    /// Another process of the unit than this one.
    fn next_process(&self, unit: &str, before: u32) -> Result<u32> {
        until("it runs again", || Ok(self.process(unit).filter(|pid| *pid != before)))
    }
}

/// Plays a scene in a new cluster on such a machine. The services end before their systemd does: a STOP
/// that can't ask would wait for it.
fn play(scene: impl FnOnce(&DevCluster, &mut Machine) -> Result<()>) -> Result<()> {
    DevCluster::play(|c| {
        let mut machine = Machine::boot(c)?;
        scene(c, &mut machine)?;
        // Where no resource was created there is nothing to end.
        c.run("scswitch -F -g g").map(drop)
    })
}

impl Drop for Machine {
    fn drop(&mut self) {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten().map(|entry| entry.path());
        for file in files.filter(|file| file.extension().is_some_and(|extension| extension == "pid")) {
            if let Some(pid) = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u32>().ok())
            {
                let _gone = send(pid, Signal::SIGKILL);
            }
        }
        for child in self.systemd.iter_mut().chain([&mut self.bus]) {
            let _gone = child.kill();
            let _gone = child.wait();
        }
    }
}

fn status(c: &DevCluster, node: &str) -> Result<String> {
    c.on(node, "scha_resource_get -O STATUS -R r -G g")?.ok()
}

fn wait_for_status(c: &DevCluster, node: &str, what: &str) -> Result<String> {
    let found = until(what, || Ok(Some(status(c, node)?).filter(|status| status.contains(what))));
    found.with_context(|| format!("{:?}", status(c, node)))
}

fn restarts(c: &DevCluster) -> Result<String> {
    Ok(c.on("phys-1", "scha_resource_get -O NUM_RESOURCE_RESTARTS -R r -G g")?.ok()?.trim().to_owned())
}

#[test]
fn a_unit_is_started_watched_moved_and_stopped() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("web.service", "")?;
        machine.resource(c, "web", "")?;
        assert_eq!(machine.process("web.service"), None);
        c.ok("scswitch -Z -g g")?;
        c.expect("g", [Online, Offline])?;
        let pid = machine.process("web.service").context("it runs")?;
        wait_for_status(c, "phys-1", &format!("OK\nweb.service is active (running), main process {pid}"))?;
        c.ok("scswitch -z -g g -h phys-2")?;
        c.expect("g", [Offline, Online])?;
        let moved = machine.next_process("web.service", pid)?;
        ensure!(!is_alive(pid), "it was stopped before it was started");
        c.ok("scswitch -F -g g")?;
        assert!(!is_alive(moved));
        assert_eq!(machine.process("web.service"), None);
        Ok(())
    })
}

#[test]
fn a_unit_whose_process_dies_is_restarted_and_then_given_over_as_soon_as_it_happens() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("web.service", "")?;
        machine.resource(c, "web.service", "-y Retry_count=1 -y Thorough_probe_interval=3600")?;
        c.ok("scswitch -Z -g g")?;
        let first = machine.process("web.service").context("it runs")?;
        wait_for_status(c, "phys-1", "OK\n")?;
        send(first, Signal::SIGKILL)?;
        let second = machine.next_process("web.service", first)?;
        until("the restart ends", || Ok(c.expect("g", [Online, Offline]).ok()))?;
        wait_for_status(c, "phys-1", &format!("OK\nweb.service is active (running), main process {second}"))?;
        assert_eq!(restarts(c)?, "1");
        send(second, Signal::SIGKILL)?;
        c.wait_for("g", [Offline, Online])?;
        machine.next_process("web.service", second)?;
        Ok(())
    })
}

#[test]
fn a_systemd_that_is_busy_or_begins_anew_harms_no_service() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("web.service", "")?;
        machine.resource(c, "web.service", "-y Thorough_probe_interval=1 -x Probe_timeout=1")?;
        c.ok("scswitch -Z -g g")?;
        let pid = machine.process("web.service").context("it runs")?;
        wait_for_status(c, "phys-1", "OK\nweb.service is active")?;

        machine.signal_systemd(Signal::SIGSTOP)?;
        let said = wait_for_status(c, "phys-1", "DEGRADED\n")?;
        assert!(
            said.contains("systemd does not answer")
                && said.contains(&format!("its main process {pid} runs"))
        );
        // More looks than would be needed to give it up.
        rgm_tests::kit::wait::pause(Duration::from_secs(3))?;
        machine.signal_systemd(Signal::SIGCONT)?;
        wait_for_status(c, "phys-1", "OK\nweb.service is active")?;

        machine.kill_systemd()?;
        wait_for_status(c, "phys-1", "DEGRADED\n")?;
        machine.start_systemd()?;
        wait_for_status(c, "phys-1", &format!("OK\nweb.service is active (running), main process {pid}"))?;
        assert_eq!((machine.process("web.service"), restarts(c)?.as_str()), (Some(pid), "0"));
        c.expect("g", [Online, Offline])?;
        // It is still watched.
        send(pid, Signal::SIGKILL)?;
        machine.next_process("web.service", pid)?;
        Ok(())
    })
}

#[test]
fn a_restart_by_systemd_itself_is_counted_and_too_many_move_the_group() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("web.service", "Restart=always\n")?;
        machine.resource(c, "web.service", "-y Retry_count=1 -y Thorough_probe_interval=3600")?;
        c.ok("scswitch -Z -g g")?;
        let first = machine.process("web.service").context("it runs")?;
        wait_for_status(c, "phys-1", &format!("OK\nweb.service is active (running), main process {first}"))?;
        send(first, Signal::SIGKILL)?;
        let second = machine.next_process("web.service", first)?;
        until("it is counted", || Ok((restarts(c)? == "1").then_some(())))?;
        wait_for_status(c, "phys-1", &format!("OK\nweb.service is active (running), main process {second}"))?;
        c.expect("g", [Online, Offline])?;
        send(second, Signal::SIGKILL)?;
        c.wait_for("g", [Offline, Online])
    })
}

#[test]
fn a_unit_that_can_not_be_a_resource_is_refused_with_what_to_do() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("booted.service", "UnitFileState=enabled\n")?;
        machine.sleeper("masked.service", "LoadState=masked\n")?;
        machine.sleeper("once.service", "Type=oneshot\n")?;
        for (unit, why) in [
            ("absent", "absent.service: systemd has no such unit"),
            ("booted", "systemctl disable booted.service"),
            ("masked.service", "systemctl unmask masked.service"),
            ("once", "RemainAfterExit=yes"),
        ] {
            let said = machine.resource(c, unit, "").map_err(|error| error.to_string());
            assert!(said.as_ref().is_err_and(|said| said.contains(why)), "{unit}: {said:?}");
        }
        let nowhere = "scrgadm -a -j r -t SUNW.systemd -g g -x Unit=a -y Validate_timeout=2";
        let said = c.run(&format!("{nowhere} -x Bus_address=unix:path=/nowhere/bus"))?;
        assert!(said.code != 0 && said.err.contains("systemd does not answer"), "{said:?}");
        Ok(())
    })
}

#[test]
fn a_start_that_fails_says_why_and_a_stop_that_hangs_ends_by_sigkill() -> Result<()> {
    play(|c, machine| {
        machine.sleeper("web.service", "StartResult=failed\n")?;
        machine.resource(c, "web", "-y Stop_timeout=5")?;
        assert_ne!(c.run("scswitch -Z -g g")?.code, 0);
        c.expect("g", [OnlineFaulted, Offline])?;
        until("it is said why", || {
            Ok(c.log()?.contains("web.service did not start: its job ended with failed").then_some(()))
        })?;
        machine.unit("web.service", "ExecStart=trap '' TERM; while :; do sleep 60; done\n")?;
        c.ok("scswitch -R -g g -h phys-1")?;
        c.expect("g", [Online, Offline])?;
        let pid = machine.process("web.service").context("it runs")?;
        c.ok("scswitch -F -g g")?;
        assert!(!is_alive(pid));
        c.expect("g", [Offline, Offline])
    })
}
