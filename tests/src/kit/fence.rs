//! Links that are cut, and a fence agent of the tests' own: it pulls the cable of a machine and kills
//! every process there.
//!
//! It speaks the protocol of `fence-agents`: what to do, and to which `plug`, stands on its input. It is
//! installed under two names, as two devices: a power switch and a second one behind it.

use super::machine::Machine;
use anyhow::Result;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// Names of the devices.
pub const DEVICES: [&str; 2] = ["power", "pdu"];

const AGENT: &str = r#"#!/bin/bash
device=${0##*/}
while IFS='=' read -r name value; do
    case $name in action) action=$value ;; plug) plug=$value ;; esac
done
echo "$device $action $plug" >> HOME/fence/asked
if [ -e "HOME/fence/broken.$device" ]; then
    echo "Unable to connect/login to fencing device"
    exit 1
fi
[ "$action" = off ] || exit 2
touch "HOME/$plug/down"
site=$(basename HOME)
site=${site#rgm-}
ip -n "${site//./-}-$plug" link set eth0 down || exit 1
while :; do
    left=
    for process in /proc/[0-9]*; do
        if grep -qzF "HOME/$plug/" "$process/environ" 2>/dev/null && [ "$(cat "$process/comm")" != etcd ]; then
            kill -9 "${process#/proc/}" && left=yes
        fi
    done 2>/dev/null
    [ "$left" ] || exit 0
done
"#;

/// Writes it where `[fence]` of [`settings`] finds it.
pub fn install(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir.join("fence"))?;
    for device in DEVICES {
        let file = dir.join("fence").join(device);
        fs::write(&file, AGENT.replace("HOME", &dir.to_string_lossy()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

/// Each machine is fenced by the first device, or else by the second; `HOME` stands for the site.
pub fn settings(machines: usize) -> String {
    let devices = (1..=machines).flat_map(|number| {
        (1..).zip(DEVICES).map(move |(level, device)| {
            format!(
                "[[fence.phys-{number}.device]]\nlevel = {level}\nagent = \"HOME/fence/{device}\"\naction = \"off\"\n\
                 options = {{ plug = \"phys-{number}\" }}\n"
            )
        })
    });
    devices.collect()
}

/// That device does not answer any more.
pub fn break_device(dir: &Path, device: &str) -> Result<()> {
    Ok(fs::write(dir.join("fence").join(format!("broken.{device}")), "")?)
}

/// What the devices were asked, a line each: `DEVICE ACTION PLUG`.
pub fn asked(dir: &Path) -> Vec<String> {
    let text = fs::read_to_string(dir.join("fence/asked")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Breaks the link between the rgmds of two machines, and nothing else between them.
pub fn cut_link(here: &Machine, there: &Machine) -> Result<()> {
    link(here, there, "add")
}

/// Mends it.
pub fn mend_link(here: &Machine, there: &Machine) -> Result<()> {
    link(here, there, "del")
}

/// What goes to another rgmd goes to its port, or comes from one's own.
fn link(here: &Machine, there: &Machine, change: &str) -> Result<()> {
    ["dport", "sport"].iter().try_for_each(|port| {
        let line = format!("ip rule {change} to {} ipproto tcp {port} 7433 blackhole", there.ip);
        here.in_network(&line)?.ok().map(drop)
    })
}
