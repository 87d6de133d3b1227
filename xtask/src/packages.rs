//! Debian packages that a task needs, installed where they are missing.

use crate::run;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// A program and the package it comes in.
pub type Need = (&'static str, &'static str);

/// The name server of the sample, and what asks it.
pub const BIND: [Need; 2] = [("named", "bind9"), ("dig", "bind9-dnsutils")];
/// The bus on which the tests speak to a systemd of their own.
pub const DBUS: [Need; 1] = [("dbus-daemon", "dbus-daemon")];
/// What a cluster of several machines keeps its configuration in, and what looks into it.
pub const ETCD: [Need; 2] = [("etcd", "etcd-server"), ("etcdctl", "etcd-client")];
/// What lays the networks of the tests.
pub const NETWORKS: [Need; 1] = [("ip", "iproute2")];
/// The compiler of libFuzzer.
pub const CXX: [Need; 1] = [("g++", "g++")];

/// Packages that enable a service of theirs when they are installed.
const SERVICES: [(&str, &str); 2] = [("bind9", "named.service"), ("etcd-server", "etcd.service")];

/// Where a Debian system is asked whether a service may be started on installation.
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs the packages of the programs that are missing. A service that comes with one of them is
/// neither started nor enabled.
pub fn ensure(needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> =
        needs.iter().filter(|(p, _)| !run::found(p)).map(|&(_, package)| package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !nix::unistd::geteuid().is_root() {
        bail!("{names} missing, and only root can install it: sudo apt-get install {names}");
    }
    println!("installing {names}");
    let _no_services = NoServices::declare()?;
    let apt = |args: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["-qq", "-o", "DPkg::Lock::Timeout=300"]).args(args);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        run::read(&mut command).map(drop)
    };
    apt(&["update"])?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(&missing);
    apt(&install)?;
    for (package, service) in SERVICES {
        if missing.contains(&package) && Path::new("/run/systemd/system").exists() {
            run::read(Command::new("systemctl").args(["disable", "--quiet", service]))?;
        }
    }
    Ok(())
}

/// While it lives, installing a package starts no service.
struct NoServices {
    ours: bool,
}

impl NoServices {
    fn declare() -> Result<Self> {
        // A machine that has such a policy keeps its own: containers mostly do.
        let ours = !Path::new(POLICY).exists();
        if ours {
            std::fs::write(POLICY, "#!/bin/sh\nexit 101\n")
                .context("failed to keep services from starting")?;
            std::fs::set_permissions(POLICY, std::fs::Permissions::from_mode(0o755))?;
        }
        Ok(Self { ours })
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(POLICY);
        }
    }
}
