//! A network of one's own: two interfaces, a switch, and a host behind it.
//!
//! ```text
//!  the test, its cluster │ the neighbour's network
//!   pub0 ────────────────┼─ port0 ┐
//!   pub1 ────────────────┼─ port1 ┴ lan: a bridge, and a host on it
//! ```
//!
//! Both are network namespaces; they go with the processes in them.

use super::mounts::NOTHING;
use super::{Said, until};
use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

/// The neighbour's addresses.
pub const NEIGHBOUR: [&str; 2] = ["192.0.2.1/24", "2001:db8::1/64"];
/// Those of `pub0` and `pub1`.
const OWN: [[&str; 2]; 2] = [["192.0.2.11/24", "2001:db8::11/64"], ["192.0.2.12/24", "2001:db8::12/64"]];

/// The network.
#[derive(Debug)]
pub struct Network {
    neighbour: Child,
}

impl Network {
    /// Plays a scene in a thread whose network, and that of all it starts, is this one.
    pub fn play(scene: impl FnOnce(&Self) -> Result<()> + Send) -> Result<()> {
        let played = std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                unshare(CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS)?;
                mount(NOTHING, "/", NOTHING, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NOTHING)?;
                scene(&Self::build()?)
            });
            thread.join()
        });
        played.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }

    fn build() -> Result<Self> {
        let own = fs::read_link("/proc/thread-self/ns/net")?;
        let mut neighbour = Command::new("unshare");
        neighbour.args(["-n", "sleep", "infinity"]).stdin(Stdio::null());
        let network = Self { neighbour: neighbour.spawn()? };
        until("the neighbour has a network", || {
            let other = fs::read_link(format!("/proc/{}/ns/net", network.neighbour.id()))?;
            Ok((other != own).then_some(()))
        })?;
        network.cable()?;
        Ok(network)
    }

    fn cable(&self) -> Result<()> {
        let pid = self.neighbour.id();
        self.here("ip link set lo up")?;
        self.there("ip link add lan type bridge forward_delay 0")?;
        self.there("ip link set lan up")?;
        for (number, own) in OWN.iter().enumerate() {
            self.here(&format!("ip link add pub{number} type veth peer name port{number} netns {pid}"))?;
            self.there(&format!("ip link set port{number} master lan up"))?;
            // Only the interface with an address answers for it, as on two machines.
            fs::write(format!("/proc/sys/net/ipv4/conf/pub{number}/arp_ignore"), "1")?;
            fs::write(format!("/proc/sys/net/ipv4/conf/pub{number}/arp_announce"), "2")?;
            // What is answered on one must not go out on the other when that has no carrier.
            fs::write(format!("/proc/sys/net/ipv4/conf/pub{number}/ignore_routes_with_linkdown"), "1")?;
            self.here(&format!("ip link set pub{number} up"))?;
            for ip in own {
                self.here(&format!("ip addr add {ip} dev pub{number} nodad"))?;
            }
        }
        for ip in NEIGHBOUR {
            self.there(&format!("ip addr add {ip} dev lan nodad"))?;
        }
        // The switch passes nothing on before, and no interface of the test may ask before.
        until("every port forwards, every interface has its own address", || {
            let ports = self.there("bridge link show")?;
            let addresses = self.here("ip -6 addr show tentative")?;
            Ok((ports.matches("state forwarding").count() == OWN.len() && addresses.is_empty()).then_some(()))
        })
    }

    /// Runs a command line in the test's network.
    pub fn here(&self, line: &str) -> Result<String> {
        run(line, &[])
    }

    /// The same in the neighbour's.
    pub fn there(&self, line: &str) -> Result<String> {
        run(line, &["nsenter", "-n", "-t", &self.neighbour.id().to_string()])
    }

    /// The hardware address of an interface of the test.
    pub fn mac(&self, netif: &str) -> Result<String> {
        let text = self.here(&format!("ip -o link show {netif}"))?;
        let mac = text.split("link/ether ").nth(1).and_then(|rest| rest.split(' ').next());
        mac.map(str::to_owned).with_context(|| text.clone())
    }

    /// Does the neighbour reach a server of the test's on this address?
    pub fn is_reached(&self, ip: &str) -> Result<bool> {
        let server = TcpListener::bind((ip, 0))?;
        let script = format!("exec 3<>/dev/tcp/{ip}/{}", server.local_addr()?.port());
        let pid = self.neighbour.id().to_string();
        let mut client = Command::new("nsenter");
        client.args(["-n", "-t", &pid, "timeout", "10", "bash", "-c", &script]).stderr(Stdio::null());
        Ok(client.status()?.success())
    }

    /// The interfaces of the test that have this address.
    pub fn holders(&self, ip: &str) -> Result<Vec<String>> {
        let text = self.here("ip -o addr show")?;
        let lines = text.lines().filter(|line| line.contains(&format!(" {ip}/")));
        Ok(lines.filter_map(|line| line.split_whitespace().nth(1)).map(str::to_owned).collect())
    }

    /// Whom the neighbour sends to, for this address.
    pub fn known_to_neighbour(&self, ip: &str) -> Result<Option<String>> {
        let text = self.there(&format!("ip neigh show {ip}"))?;
        Ok(text.split("lladdr ").nth(1).and_then(|rest| rest.split(' ').next()).map(str::to_owned))
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        let _gone = self.neighbour.kill();
        let _gone = self.neighbour.wait();
    }
}

/// Runs a command line that must succeed, behind other words.
pub(crate) fn run(line: &str, before: &[&str]) -> Result<String> {
    let words: Vec<&str> = before.iter().copied().chain(line.split_whitespace()).collect();
    let (name, args) = words.split_first().context("an empty command line")?;
    let output = Command::new(name).args(args).stdin(Stdio::null()).output()?;
    Said::new(&words.join(" "), &output).ok()
}
