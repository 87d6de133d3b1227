//! Real etcd processes: one, or several that form a cluster, below a directory of the caller's.
//!
//! They listen on the addresses given, each in a network namespace if one is named, and end with
//! their [`Servers`]. Each can be killed, stopped, frozen and started again on what it had stored.
//! Nothing here installs etcd: `cargo xtask test` does.

use crate::Settings;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, waitid};
use std::fs::File;
use std::io;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

/// Where members outside of a namespace listen: below the ports that the kernel hands out, so that
/// a member finds its own still free when it is started again.
const PORTS: std::ops::Range<u16> = 20_000..32_000;
/// Where a member in a namespace of its own listens.
const PORTS_OF_NAMESPACE: (u16, u16) = (2379, 2380);
/// How long a start or an orderly end may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// What to start.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// The members; their number is the size of the cluster.
    pub members: Vec<Place>,
    /// TLS for clients.
    pub tls: Option<Tls>,
    /// Time between two heartbeats of the leader; 100 ms where not given.
    pub heartbeat_ms: Option<u32>,
    /// Silence after which another one is elected; 1,000 ms where not given.
    pub election_ms: Option<u32>,
    /// Further options, as on the command line.
    pub options: Vec<String>,
}

/// Where one member runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub address: IpAddr,
    /// The network namespace it lives in, by its name for `ip netns`; ours where not given.
    pub netns: Option<String>,
    /// Directory it stores everything in, its log beside that. Made where missing.
    pub data: PathBuf,
}

/// Files for TLS, PEM. A client must show a certificate from the same authority.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// The members' certificate; it must be good for their addresses, and for a client.
    pub cert: PathBuf,
    /// Its key.
    pub key: PathBuf,
}

/// Why a member does not run.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not installed.
    #[error("{program} is not installed; `cargo xtask test` installs it, or: apt-get install {package}")]
    Missing {
        /// Program.
        program: &'static str,
        /// Debian's package.
        package: &'static str,
    },
    /// The system refused something.
    #[error("failed to {what}")]
    System {
        /// What was tried.
        what: String,
        /// What it said.
        #[source]
        source: io::Error,
    },
    /// It ended by itself.
    #[error("etcd {name} ended; the end of its log:\n{log}")]
    Ended {
        /// The member.
        name: String,
        /// Last lines of its log.
        log: String,
    },
    /// It is not ready.
    #[error("etcd {name} has no leader after {} s; the end of its log:\n{log}", PATIENCE.as_secs())]
    NotReady {
        /// The member.
        name: String,
        /// Last lines of its log.
        log: String,
    },
}

/// A running cluster of etcd. Dropping it kills what runs; the directories stay.
#[derive(Debug)]
pub struct Servers {
    members: Vec<Member>,
    setup: Setup,
}

#[derive(Debug)]
struct Member {
    place: Place,
    client: u16,
    peer: u16,
    child: Option<Child>,
}

/// Looks for etcd and etcdctl.
pub fn find() -> Result<(), ServerError> {
    for (program, package) in [("etcd", "etcd-server"), ("etcdctl", "etcd-client")] {
        let path = std::env::var_os("PATH").unwrap_or_default();
        if !std::env::split_paths(&path).any(|dir| dir.join(program).is_file()) {
            return Err(ServerError::Missing { program, package });
        }
    }
    Ok(())
}

impl Servers {
    /// A cluster of that size on this machine, storing below `dir`; returns when it has a leader.
    pub fn local(dir: &Path, size: usize) -> Result<Self, ServerError> {
        Self::start(Setup { members: places(dir, size), ..Setup::default() })
    }

    /// Starts all members; returns when each of them has a leader.
    pub fn start(setup: Setup) -> Result<Self, ServerError> {
        find()?;
        let mut servers = Self { members: Vec::new(), setup };
        let mut held = Vec::new();
        for place in servers.setup.members.clone() {
            std::fs::create_dir_all(&place.data).map_err(|e| system(place.data.display(), e))?;
            let (client, peer) = match &place.netns {
                Some(_) => PORTS_OF_NAMESPACE,
                None => (free_port(place.address, &mut held)?, free_port(place.address, &mut held)?),
            };
            servers.members.push(Member { place, client, peer, child: None });
        }
        drop(held);
        for number in 0..servers.members.len() {
            servers.spawn(number)?;
        }
        servers.wait()?;
        Ok(servers)
    }

    /// How many members there are, running or not.
    pub fn size(&self) -> usize {
        self.members.len()
    }

    /// Where clients reach that member.
    pub fn endpoint(&self, number: usize) -> String {
        let scheme = if self.setup.tls.is_some() { "https" } else { "http" };
        self.members.get(number).map_or_else(String::new, |m| url(scheme, m.place.address, m.client))
    }

    /// Where clients reach the members.
    pub fn endpoints(&self) -> Vec<String> {
        (0..self.size()).map(|number| self.endpoint(number)).collect()
    }

    /// Settings for all members, with the members' own certificate where there is one.
    pub fn settings(&self) -> Settings {
        let tls = self.setup.tls.clone();
        Settings {
            endpoints: self.endpoints(),
            ca: tls.as_ref().map(|tls| tls.ca.clone()),
            cert: tls.as_ref().map(|tls| tls.cert.clone()),
            key: tls.map(|tls| tls.key),
            ..Settings::default()
        }
    }

    /// The process of that member, if it runs.
    pub fn pid(&self, number: usize) -> Option<u32> {
        self.members.get(number).and_then(|member| member.child.as_ref()).map(Child::id)
    }

    /// Ends it at once, as a power cut of the program would.
    pub fn kill(&mut self, number: usize) -> Result<(), ServerError> {
        self.end(number, Signal::KILL)
    }

    /// Asks it to end, and waits until it has.
    pub fn stop(&mut self, number: usize) -> Result<(), ServerError> {
        self.end(number, Signal::TERM)
    }

    /// Freezes it: it holds its connections and answers nothing. Returns when it has come to a halt: its
    /// threads go on for a moment behind the signal.
    pub fn pause(&self, number: usize) -> Result<(), ServerError> {
        self.signal(number, Signal::STOP)?;
        let Some(child) = self.members.get(number).and_then(|member| member.child.as_ref()) else {
            return Ok(());
        };
        let halted = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let waited = waitid(WaitId::Pid(Pid::from_child(child)), halted);
        waited.map(drop).map_err(|e| system("freeze etcd", e.into()))
    }

    /// Lets a frozen one go on.
    pub fn resume(&self, number: usize) -> Result<(), ServerError> {
        self.signal(number, Signal::CONT)
    }

    /// Starts a member that was ended, on what it had stored; returns without waiting for it.
    pub fn spawn(&mut self, number: usize) -> Result<(), ServerError> {
        let cluster = self.members.iter().map(|m| format!("{}={}", m.place.name, m.peer_url()));
        let cluster = cluster.collect::<Vec<_>>().join(",");
        let endpoint = self.endpoint(number);
        let Some(member) = self.members.get_mut(number) else { return Ok(()) };
        let place = &member.place;
        let mut command = inside(place.netns.as_deref(), "etcd");
        let data = place.data.join("data");
        command.args(["--name", &place.name, "--initial-cluster", &cluster, "--logger", "zap"]);
        command.arg("--data-dir").arg(data).args(["--log-outputs", "stderr", "--log-level", "warn"]);
        command.args(["--listen-client-urls", &endpoint, "--advertise-client-urls", &endpoint]);
        command.args(["--listen-peer-urls", &member.peer_url()]);
        command.args(["--initial-advertise-peer-urls", &member.peer_url()]);
        for (option, value) in [
            ("--heartbeat-interval", self.setup.heartbeat_ms),
            ("--election-timeout", self.setup.election_ms),
        ] {
            if let Some(ms) = value {
                command.args([option, &ms.to_string()]);
            }
        }
        if let Some(tls) = &self.setup.tls {
            command.arg("--cert-file").arg(&tls.cert).arg("--key-file").arg(&tls.key);
            command.arg("--client-cert-auth").arg("--trusted-ca-file").arg(&tls.ca);
        }
        command.args(&self.setup.options);
        let log = File::options().create(true).append(true).open(member.log_file());
        let log = log.map_err(|e| system(member.log_file().display(), e))?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        member.child = Some(command.spawn().map_err(|e| system("start etcd", e))?);
        Ok(())
    }

    /// Starts a member that was ended, and waits until every running one has a leader.
    pub fn restart(&mut self, number: usize) -> Result<(), ServerError> {
        self.spawn(number)?;
        self.wait()
    }

    /// Waits until every running member has a leader.
    pub fn wait(&mut self) -> Result<(), ServerError> {
        let deadline = Instant::now() + PATIENCE;
        for number in 0..self.size() {
            while self.pid(number).is_some() && !self.has_leader(number)? {
                let Some(member) = self.members.get_mut(number) else { break };
                let name = member.place.name.clone();
                if Instant::now() > deadline {
                    return Err(ServerError::NotReady { name, log: member.log() });
                }
                if member.ended(Duration::from_millis(50))? {
                    return Err(ServerError::Ended { name, log: member.log() });
                }
            }
        }
        Ok(())
    }

    /// `etcdctl` for that member's endpoint, in its namespace, with its certificate.
    pub fn etcdctl(&self, number: usize) -> Command {
        let netns = self.members.get(number).and_then(|member| member.place.netns.as_deref());
        let mut command = inside(netns, "etcdctl");
        command.args(["--endpoints", &self.endpoint(number)]);
        if let Some(tls) = &self.setup.tls {
            command.arg("--cacert").arg(&tls.ca).arg("--cert").arg(&tls.cert).arg("--key").arg(&tls.key);
        }
        command
    }

    fn has_leader(&self, number: usize) -> Result<bool, ServerError> {
        let mut command = self.etcdctl(number);
        command.args(["--command-timeout", "1s", "endpoint", "status", "-w", "json"]);
        let output = command.output().map_err(|e| system("run etcdctl", e))?;
        // It leaves out a leader of 0.
        Ok(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("\"leader\":"))
    }

    fn end(&mut self, number: usize, signal: Signal) -> Result<(), ServerError> {
        self.signal(number, signal)?;
        let Some(member) = self.members.get_mut(number) else { return Ok(()) };
        if member.child.is_some() && !member.ended(PATIENCE)? {
            return Err(system("wait for the end of etcd", io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    fn signal(&self, number: usize, signal: Signal) -> Result<(), ServerError> {
        let child = self.members.get(number).and_then(|member| member.child.as_ref());
        let Some(child) = child else { return Ok(()) };
        rustix::process::kill_process(Pid::from_child(child), signal)
            .map_err(|e| system("signal etcd", e.into()))
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        for child in self.members.iter_mut().filter_map(|member| member.child.as_mut()) {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Member {
    fn peer_url(&self) -> String {
        url("http", self.place.address, self.peer)
    }

    fn log_file(&self) -> PathBuf {
        self.place.data.join("etcd.log")
    }

    fn log(&self) -> String {
        let text = std::fs::read_to_string(self.log_file()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(10)..).unwrap_or_default().join("\n")
    }

    /// Has it ended, at most that long from now?
    fn ended(&mut self, limit: Duration) -> Result<bool, ServerError> {
        let Some(child) = &mut self.child else { return Ok(true) };
        let what = "wait for etcd";
        let pidfd = rustix::process::pidfd_open(Pid::from_child(child), PidfdFlags::empty())
            .map_err(|e| system(what, e.into()))?;
        let limit = Timespec::try_from(limit).map_err(|e| system(what, io::Error::other(e)))?;
        rustix::event::poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&limit))
            .map_err(|e| system(what, e.into()))?;
        let ended = child.try_wait().map_err(|e| system(what, e))?.is_some();
        if ended {
            self.child = None;
        }
        Ok(ended)
    }
}

/// Members on the loopback address, storing below `dir`.
pub fn places(dir: &Path, size: usize) -> Vec<Place> {
    let place = |number| {
        let name = format!("e{number}");
        let data = dir.join(&name);
        Place { name, address: Ipv4Addr::LOCALHOST.into(), netns: None, data }
    };
    (1..=size).map(place).collect()
}

fn url(scheme: &str, address: IpAddr, port: u16) -> String {
    format!("{scheme}://{}", std::net::SocketAddr::new(address, port))
}

fn inside(netns: Option<&str>, program: &str) -> Command {
    let mut command = match netns {
        None => Command::new(program),
        Some(netns) => {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", netns, program]);
            command
        }
    };
    // Options of etcd may come by environment too: not here.
    command.env_clear().envs(std::env::var_os("PATH").map(|path| ("PATH", path)));
    command.env("ETCDCTL_API", "3");
    command
}

/// A port that nobody listens on, kept from others while `held` lives. Tries begin anywhere, so that
/// two who look rarely meet.
fn free_port(address: IpAddr, held: &mut Vec<TcpListener>) -> Result<u16, ServerError> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let start = (u64::from(now.subsec_nanos()) ^ u64::from(std::process::id())) % PORTS.len() as u64;
    let ports = PORTS.clone().cycle().skip(usize::try_from(start).unwrap_or(0)).take(PORTS.len());
    for port in ports {
        if let Ok(listener) = TcpListener::bind((address, port)) {
            held.push(listener);
            return Ok(port);
        }
    }
    Err(system(format!("find a free port on {address}"), io::ErrorKind::AddrInUse.into()))
}

fn system(what: impl std::fmt::Display, source: io::Error) -> ServerError {
    ServerError::System { what: what.to_string(), source }
}
