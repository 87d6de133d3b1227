//! Several machines on one network, each with etcd, pmfd and rgmd of its own.
//!
//! ```text
//!   site-lan  a bridge in a namespace of its own
//!     ├── phys-1  10.77.0.11  namespace, etcd, pmfd, rgmd, run and state directories
//!     ├── phys-2  10.77.0.12
//!     └── phys-3  10.77.0.13
//! ```
//!
//! A machine is a network namespace: its processes have no other network. Its daemons are started
//! again a moment after they end, as systemd would. Power that is cut takes the cable and every
//! process of the machine, all at once.

use super::disks::Disks;
use super::leftovers::Traces;
use super::machine::{Machine, run, tail};
use super::tick::Tick;
use super::{agents, programs, until};
use anyhow::{Context, Result};
use rgm_cluster::cert;
use rgm_etcd::server::{Place, Servers, Setup};
use rgm_types::NodeName;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// The machines, and what they share.
pub struct Site {
    dir: TempDir,
    prefix: String,
    /// The machines.
    pub machines: Vec<Machine>,
    /// etcd, a member on each machine.
    pub etcd: Servers,
    traces: Traces,
    disks: Disks,
    /// Its data service.
    pub tick: Tick,
}

/// How the machines are set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// How many.
    pub machines: usize,
    /// How many of them, from the first, have a member of etcd.
    pub voters: usize,
    /// Megabytes of the disks of its own that the state of a machine's daemons, and its etcd, lie on.
    pub disks: Option<(u32, u32)>,
    /// Arguments of each rgmd; it works in the directory of its machine.
    pub rgmd_args: Vec<String>,
    /// `[member]` of their settings, besides the address, and what may follow; `HOME` stands for the
    /// site's directory.
    pub member: String,
    /// Milliseconds of etcd's heartbeat and election timeout, where not the default.
    pub etcd_ms: Option<(u32, u32)>,
    /// Where the programs are installed, as `cargo xtask install` does below a directory; those that
    /// cargo built beside this one where not given.
    pub installed: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        // A busy machine must not look like a dead one: scenes that end a node wait longer instead.
        let member = "ttl = \"8s\"\nmargin = \"1s\"".to_owned();
        let (disks, rgmd_args, installed) = (None, Vec::new(), None);
        Self { machines: 3, voters: 3, disks, rgmd_args, member, etcd_ms: None, installed }
    }
}

impl Site {
    /// Plays a scene in a cluster of machines that is up, ends it, and looks whether anything is left.
    pub fn play(options: &Options, scene: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let mut site = Self::build(options)?;
        let played = site.start().and_then(|()| scene(&mut site)).and_then(|()| site.end());
        if played.is_err() {
            eprintln!("{}", site.last_words());
        }
        played
    }

    /// Machines, a network, and etcd; no daemon of ours runs yet.
    pub fn build(options: &Options) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("rgm-site-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let tick = Tick::install(dir.path())?;
        match &options.installed {
            None => {
                programs::link_into(&dir.path().join("bin"))?;
                agents::install(dir.path())?;
            }
            Some(root) => {
                symlink(root.join("usr/cluster/bin"), dir.path().join("bin"))?;
                agents::install_from(dir.path(), &root.join("usr/cluster/lib/rgm/rgm-agent"))?;
            }
        }
        let prefix = prefix(dir.path());
        let mut machines: Vec<Machine> =
            (1..=options.machines).map(|number| Machine::new(number, &prefix, dir.path())).collect();
        let mut disks = Disks::default();
        for machine in &mut machines {
            machine.rgmd_args.clone_from(&options.rgmd_args);
            for dir in ["run", "state", "etcd"] {
                fs::create_dir_all(machine.dir.join(dir))?;
            }
            if let Some((state, etcd)) = options.disks {
                disks.mount(&machine.dir.join("state"), state)?;
                disks.mount(&machine.dir.join("etcd"), etcd)?;
            }
        }
        let run_dirs: Vec<PathBuf> = machines.iter().map(|machine| machine.dir.join("run")).collect();
        let traces = Traces::new(dir.path(), &run_dirs);
        let cabled = Cables { prefix: &prefix, machines: &machines }.lay();
        if cabled.is_err() {
            unplug(&prefix, &machines);
        }
        cabled?;
        let places = machines.iter().take(options.voters).map(|machine| Place {
            name: machine.name.clone(),
            address: machine.ip.parse().unwrap_or(std::net::Ipv4Addr::LOCALHOST.into()),
            netns: Some(machine.netns.clone()),
            data: machine.dir.join("etcd"),
        });
        let (heartbeat_ms, election_ms) = options.etcd_ms.unzip();
        // As the handbook has it.
        let as_documented = vec!["--pre-vote".to_owned()];
        let members = places.collect();
        let setup = Setup { members, heartbeat_ms, election_ms, options: as_documented, ..Setup::default() };
        let etcd = Servers::start(setup);
        if etcd.is_err() {
            unplug(&prefix, &machines);
        }
        let site = Self { etcd: etcd?, dir, prefix, machines, traces, disks, tick };
        site.configure(options)?;
        Ok(site)
    }

    fn configure(&self, options: &Options) -> Result<()> {
        let tls = self.dir().join("tls");
        cert::init(&tls, "planets")?;
        for machine in &self.machines {
            // Its own etcd first: it knows what the others are worth.
            let voters = self.machines.iter().take(options.voters);
            let (own, others): (Vec<_>, Vec<_>) = voters.partition(|voter| voter.name == machine.name);
            let endpoints: Vec<String> =
                own.iter().chain(&others).map(|voter| format!("http://{}:2379", voter.ip)).collect();
            let name = NodeName::new(&machine.name)?;
            cert::issue(&tls, &name, std::slice::from_ref(&machine.ip), 365)?;
            let text = format!(
                "cluster = \"planets\"\nnode = \"{name}\"\ncommands = {bin:?}\nsyslog = false\nfailfast = \"kill\"\n\
                 [etcd]\nendpoints = {endpoints:?}\n[tls]\nca = {ca:?}\ncert = {cert:?}\nkey = {key:?}\n\
                 [member]\naddress = \"{ip}\"\n{member}\n",
                bin = self.dir().join("bin"),
                ca = tls.join("ca.crt"),
                cert = tls.join(format!("{name}.crt")),
                key = tls.join(format!("{name}.key")),
                ip = machine.ip,
                member = options.member.replace("HOME", &self.dir().to_string_lossy()),
            );
            fs::write(machine.dir.join("rgm.toml"), text)?;
        }
        Ok(())
    }

    /// Makes the cluster, starts all daemons, and waits until every node is up.
    pub fn start(&mut self) -> Result<()> {
        self.start_from("")
    }

    /// The same of the first ones alone; the others have no power.
    pub fn start_with(&mut self, count: usize) -> Result<()> {
        let first = self.machines.get_mut(..count).context("so many machines")?;
        let names: Vec<&str> = first.iter().map(|machine| machine.name.as_str()).collect();
        let line = format!("cluster create -n {}", names.join(","));
        first.first().context("one machine")?.in_network(&line)?.ok()?;
        first.iter_mut().try_for_each(Machine::power_on)?;
        self.wait_for_nodes(&vec![true; count])
    }

    /// The same; with further words for `cluster create`.
    pub fn start_from(&mut self, words: &str) -> Result<()> {
        let names: Vec<&str> = self.machines.iter().map(|machine| machine.name.as_str()).collect();
        let line = format!("cluster create -n {} {words}", names.join(","));
        self.machine(0)?.in_network(&line)?.ok()?;
        self.machines.iter_mut().try_for_each(Machine::power_on)?;
        self.wait_for_nodes(&vec![true; self.machines.len()])
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The namespace of the network itself, where a client may be: it has the address 10.77.0.1, and
    /// machine number n, from 0, is at its port n.
    pub fn lan(&self) -> String {
        lan(&self.prefix)
    }

    /// What was made outside of its directory, and must be gone with it.
    pub fn namespaces(&self) -> Vec<String> {
        self.machines.iter().map(|machine| machine.netns.clone()).chain([self.lan()]).collect()
    }

    /// How to find whatever may be left of it.
    pub fn traces(&self) -> Traces {
        self.traces.clone()
    }

    /// A machine by its number, from 0.
    pub fn machine(&self, number: usize) -> Result<&Machine> {
        self.machines.get(number).context("no such machine")
    }

    /// The same, to be changed.
    pub fn machine_mut(&mut self, number: usize) -> Result<&mut Machine> {
        self.machines.get_mut(number).context("no such machine")
    }

    /// Runs a command line that must succeed, on the first machine that answers.
    pub fn ok(&self, line: &str) -> Result<String> {
        let up = self.machines.iter().find(|machine| machine.has_power());
        up.context("no machine has power")?.run(line)?.ok()
    }

    /// The number of the machine whose node is president.
    pub fn president(&self) -> Result<usize> {
        Ok(self.president_after(0)?.1)
    }

    /// The first presidency that is heard of and of a later epoch: its epoch, and the number of the
    /// machine.
    pub fn president_after(&self, epoch: u64) -> Result<(u64, usize)> {
        until(&format!("there is a president of an epoch after {epoch}"), || {
            let heard = self.machines.iter().filter_map(|machine| machine.presidency());
            let newest = heard.filter(|(later, _)| *later > epoch).max();
            Ok(newest.and_then(|(epoch, name)| {
                Some((epoch, self.machines.iter().position(|machine| machine.name == name)?))
            }))
        })
    }

    /// Cuts the power of a machine, its etcd included.
    pub fn cut_power(&mut self, number: usize) -> Result<()> {
        let machine = self.machines.get_mut(number).context("no such machine")?;
        machine.unplug()?;
        self.etcd.kill(number)?;
        machine.kill_all(&self.traces)?;
        // It will boot with no address but its own.
        machine.ip("addr flush dev eth0")?;
        machine.ip(&format!("addr add {}/24 dev eth0", machine.ip))
    }

    /// Gives a machine power again: it boots.
    pub fn give_power(&mut self, number: usize) -> Result<()> {
        self.etcd.spawn(number)?;
        let machine = self.machines.get_mut(number).context("no such machine")?;
        machine.plug_in()?;
        machine.power_on()
    }

    /// Waits until the nodes are up, or not, as any machine says that reaches the president.
    pub fn wait_for_nodes(&self, up: &[bool]) -> Result<()> {
        until(&format!("the nodes are {up:?}"), || {
            for machine in self.machines.iter().filter(|machine| machine.has_power()) {
                let said = machine.run("clnode status --json")?;
                if said.code == 0 {
                    return Ok((nodes_up(&serde_json::from_str(&said.out)?) == up).then_some(()));
                }
            }
            Ok(None)
        })
    }

    /// The nodes on which a group is online, as seen from a machine; `None`: it does not say.
    pub fn online(&self, from: usize, group: &str) -> Result<Option<Vec<String>>> {
        let said = self.machine(from)?.run("scstat -g --json")?;
        if said.code != 0 {
            return Ok(None);
        }
        let stat: super::cluster::Stat = serde_json::from_str(&said.out)?;
        let group = stat.groups.into_iter().find(|view| view.name.as_str() == group);
        let on = group.into_iter().flat_map(|view| view.nodes);
        let online = on.filter(|on| on.state == rgm_types::GroupState::Online);
        Ok(Some(online.map(|on| on.node.to_string()).collect()))
    }

    /// Waits until a group is online on this machine alone, as others see it.
    pub fn wait_online(&self, from: usize, group: &str, number: usize) -> Result<()> {
        let wanted = vec![self.machine(number)?.name.clone()];
        until(&format!("{group} is online on {wanted:?}"), || {
            Ok(self.online(from, group)?.is_some_and(|found| found == wanted).then_some(()))
        })
    }

    /// Ends every daemon and everything it runs.
    pub fn end(&mut self) -> Result<()> {
        for machine in &mut self.machines {
            machine.kill_all(&self.traces)?;
        }
        Ok(())
    }

    /// The ends of all logs, for whoever must find out what went wrong.
    pub fn last_words(&self) -> String {
        let mut words = format!("calls:\n{}\n", tail(&self.dir().join("calls")));
        for machine in &self.machines {
            words += &format!("{}:\n{}\n", machine.name, tail(&machine.dir.join("rgmd.log")));
            words += &format!("{} (pmfd):\n{}\n", machine.name, tail(&machine.dir.join("pmfd.log")));
        }
        words
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        for machine in &mut self.machines {
            let _gone = machine.kill_all(&self.traces);
        }
        self.traces.erase();
        self.disks = Disks::default();
        unplug(&self.prefix, &self.machines);
    }
}

/// The network of a site.
struct Cables<'a> {
    prefix: &'a str,
    machines: &'a [Machine],
}

impl Cables<'_> {
    fn lay(&self) -> Result<()> {
        let lan = lan(self.prefix);
        run(&format!("ip netns add {lan}"))?;
        run(&format!("ip -n {lan} link add lan type bridge forward_delay 0"))?;
        run(&format!("ip -n {lan} link set lan up"))?;
        run(&format!("ip -n {lan} addr add 10.77.0.1/24 dev lan"))?;
        for (number, machine) in self.machines.iter().enumerate() {
            let (netns, ip) = (&machine.netns, &machine.ip);
            run(&format!("ip netns add {netns}"))?;
            run(&format!("ip -n {netns} link set lo up"))?;
            run(&format!("ip -n {lan} link add port{number} type veth peer name eth0 netns {netns}"))?;
            run(&format!("ip -n {lan} link set port{number} master lan up"))?;
            run(&format!("ip -n {netns} addr add {ip}/24 dev eth0"))?;
            run(&format!("ip -n {netns} link set eth0 up"))?;
        }
        Ok(())
    }
}

/// Names of the namespaces of a site begin so: they are the machine's, and must not meet another's.
fn prefix(dir: &Path) -> String {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    name.trim_start_matches("rgm-").replace('.', "-")
}

fn lan(prefix: &str) -> String {
    format!("{prefix}-lan")
}

fn unplug(prefix: &str, machines: &[Machine]) {
    let lan = lan(prefix);
    for netns in machines.iter().map(|machine| &machine.netns).chain([&lan]) {
        // Not there yet, where the site was not built to its end.
        let _none = run(&format!("ip netns del {netns}"));
    }
}

fn nodes_up(view: &Value) -> Vec<bool> {
    let nodes = view.as_array().or_else(|| view.get("nodes")?.as_array());
    let up = |node: &Value| node.get("up").and_then(Value::as_bool).unwrap_or(false);
    nodes.map(|nodes| nodes.iter().map(up).collect()).unwrap_or_default()
}
