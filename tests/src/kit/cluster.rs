//! A cluster of two nodes, `rgmd --dev-nodes`, in a directory of its own.

use super::agents;
use super::leftovers::{Traces, send};
use super::output::Said;
use super::programs;
use super::tick::Tick;
use super::wait::until;
use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use rgm_api::Paths;
use rgm_api::rgm::Connection;
use rgm_types::view::{GroupView, ResourceView, Snapshot};
use rgm_types::{GroupState, ResourceState};
use serde::Deserialize;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Its nodes.
pub const NODES: [&str; 2] = ["phys-1", "phys-2"];

/// A running cluster. It ends, with all that belongs to it, when it is dropped.
#[derive(Debug)]
pub struct DevCluster {
    dir: TempDir,
    rgmd: Option<Child>,
    traces: Traces,
    /// Its nodes, as `--dev-nodes` has them.
    nodes: String,
    /// Arguments of rgmd besides its nodes.
    rgmd_args: Vec<OsString>,
    /// Its data service.
    pub tick: Tick,
}

/// A command that has not ended yet.
#[derive(Debug)]
pub struct Running {
    line: String,
    child: Child,
}

/// What `scstat --json` says.
#[derive(Debug, Deserialize)]
pub struct Stat {
    /// Groups.
    pub groups: Vec<GroupView>,
    /// Resources.
    pub resources: Vec<ResourceView>,
}

impl DevCluster {
    /// Plays a scene in a new cluster, ends it, and looks whether anything is left of it.
    pub fn play(scene: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        Self::prepare()?.run_through(scene)
    }

    /// The same in this cluster, which is not started yet.
    pub fn run_through(&mut self, scene: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let played = self.start().and_then(|_| scene(self)).and_then(|()| self.finish());
        if played.is_err() {
            eprintln!("{}", self.last_words());
        }
        played
    }

    /// Everything is there, nothing is started.
    pub fn prepare() -> Result<Self> {
        Self::prepare_with(&NODES)
    }

    /// The same, with these nodes.
    pub fn prepare_with(nodes: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("rgm-test-").tempdir()?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        let bin = dir.path().join("bin");
        programs::link_into(&bin)?;
        let run_dirs: Vec<PathBuf> = nodes.iter().map(|node| dir.path().join("run").join(node)).collect();
        run_dirs.iter().try_for_each(fs::create_dir_all)?;
        fs::create_dir_all(dir.path().join("state"))?;
        fs::write(dir.path().join("rgm.toml"), format!("commands = {bin:?}\nsyslog = false\n"))?;
        let traces = Traces::new(dir.path(), &run_dirs);
        let tick = Tick::install(dir.path())?;
        agents::install(dir.path())?;
        let nodes = nodes.join(",");
        Ok(Self { dir, rgmd: None, traces, nodes, rgmd_args: Vec::new(), tick })
    }

    /// Its directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Starts rgmd, again if it has ended, and returns the line that says that it is ready.
    pub fn start(&mut self) -> Result<String> {
        self.launch()?;
        let said = self.said_file();
        let rgmd = self.rgmd.as_mut().context("rgmd does not run")?;
        until("rgmd says that it is ready", || {
            if let Some(status) = rgmd.try_wait()? {
                bail!("rgmd ended with {status} instead of getting ready");
            }
            let text = fs::read_to_string(&said)?;
            Ok(text.lines().find(|line| line.starts_with("rgmd: ready")).map(str::to_owned))
        })
    }

    /// Starts rgmd, and does not wait until it is ready.
    pub fn launch(&mut self) -> Result<()> {
        let log = fs::File::options().create(true).append(true).open(self.log_file())?;
        let mut command = self.command("rgmd", None);
        command.args(["--dev-nodes", &self.nodes]).args(&self.rgmd_args);
        command.stdin(Stdio::null()).stdout(fs::File::create(self.said_file())?).stderr(log);
        self.rgmd = Some(command.spawn()?);
        Ok(())
    }

    /// The process of rgmd.
    pub fn rgmd(&self) -> Result<u32> {
        self.rgmd.as_ref().map(Child::id).context("rgmd does not run")
    }

    /// kill -9 of rgmd.
    pub fn kill_rgmd(&mut self) -> Result<()> {
        let mut rgmd = self.rgmd.take().context("rgmd does not run")?;
        rgmd.kill()?;
        rgmd.wait()?;
        Ok(())
    }

    /// The process of a node's pmfd, while there is one.
    pub fn pmfd(&self, node: &str) -> Option<u32> {
        let mine = format!("RGM_NODE={node}");
        self.traces.processes().into_iter().find(|pid| {
            let read = |file: &str| fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
            read("comm") == b"pmfd\n"
                && read("environ").split(|byte| *byte == 0).any(|var| var == mine.as_bytes())
        })
    }

    /// kill -9 of a node's pmfd; waits until another one has taken its place.
    pub fn kill_pmfd(&self, node: &str) -> Result<()> {
        let pmfd = until("the node has a pmfd", || Ok(self.pmfd(node)))?;
        send(pmfd, Signal::SIGKILL)?;
        until("another pmfd answers", || {
            let other = self.pmfd(node).is_some_and(|other| other != pmfd);
            Ok((other && self.on(node, "pmfadm -L")?.code == 0).then_some(()))
        })
    }

    /// kill -9 of a node's pmfd, for which nobody starts another one now.
    pub fn kill_pmfd_alone(&self, node: &str) -> Result<()> {
        send(self.pmfd(node).context("the node has no pmfd")?, Signal::SIGKILL)
    }

    /// Ends the cluster as an operator does, and looks whether anything is left of it.
    pub fn finish(&mut self) -> Result<()> {
        let mut rgmd = self.rgmd.take().context("rgmd does not run")?;
        send(rgmd.id(), Signal::SIGTERM)?;
        let ended = until("rgmd ends after SIGTERM", || Ok(rgmd.try_wait()?));
        if ended.is_err() {
            rgmd.kill()?;
            rgmd.wait()?;
        }
        let status = ended?;
        ensure!(status.success(), "rgmd ended with {status}");
        self.traces.nothing_left()
    }

    /// Waits until rgmd has ended by itself.
    pub fn wait_for_end(&mut self) -> Result<i32> {
        let rgmd = self.rgmd.as_mut().context("rgmd does not run")?;
        let status = until("rgmd ends", || Ok(rgmd.try_wait()?))?;
        self.rgmd = None;
        status.code().context("a signal ended rgmd")
    }

    /// Nothing of the cluster is left.
    pub fn nothing_left(&self) -> Result<()> {
        self.traces.nothing_left()
    }

    /// From the next start on, rgmd gets these arguments, too.
    pub fn with_rgmd_args(&mut self, args: &[&str]) {
        self.rgmd_args = args.iter().map(OsString::from).collect();
    }

    /// A program, speaking to this cluster or to one node of it.
    pub fn command(&self, name: &str, node: Option<&str>) -> Command {
        let bin = self.dir().join("bin");
        let mut command = Command::new(bin.join(name));
        command.env_clear().env("PATH", format!("{}:/usr/sbin:/usr/bin:/sbin:/bin", bin.display()));
        command.env("RGM_RUN_DIR", self.dir().join("run")).env("RGM_STATE_DIR", self.dir().join("state"));
        command
            .env("RGM_CONFIG", self.dir().join("rgm.toml"))
            .env("RGM_RTREG_PATH", self.dir().join("rtreg"));
        command.envs(node.map(|node| ("RGM_NODE", node)));
        command
    }

    /// Runs a command line; words are separated by blanks, `""` is an empty one.
    pub fn run(&self, line: &str) -> Result<Said> {
        self.run_words(None, &words(line))
    }

    /// The same, speaking for a node.
    pub fn on(&self, node: &str, line: &str) -> Result<Said> {
        self.run_words(Some(node), &words(line))
    }

    /// The same, with words that may hold blanks.
    pub fn run_words(&self, node: Option<&str>, words: &[&str]) -> Result<Said> {
        let (name, args) = words.split_first().context("an empty command line")?;
        let mut command = self.command(name, node);
        let output = command.args(args).stdin(Stdio::null()).output().with_context(|| words.join(" "))?;
        Ok(Said::new(&words.join(" "), &output))
    }

    /// Runs a command line that must succeed, and returns what it printed.
    pub fn ok(&self, line: &str) -> Result<String> {
        self.run(line)?.ok()
    }

    /// Runs a command line that must be refused with this code, and returns why.
    pub fn refused(&self, code: i32, line: &str) -> Result<String> {
        self.run(line)?.refused(code)
    }

    /// Starts a command line.
    pub fn begin(&self, line: &str) -> Result<Running> {
        self.begin_on(None, line)
    }

    /// Starts a command line, speaking for a node.
    pub fn begin_on(&self, node: Option<&str>, line: &str) -> Result<Running> {
        self.begin_words(node, &words(line))
    }

    /// The same, with words that may hold blanks.
    pub fn begin_words(&self, node: Option<&str>, words: &[&str]) -> Result<Running> {
        let (name, args) = words.split_first().context("an empty command line")?;
        let mut command = self.command(name, node);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Ok(Running { line: words.join(" "), child: command.spawn()? })
    }

    /// What `scstat --json` says.
    pub fn stat(&self) -> Result<Stat> {
        let text = self.ok("scstat -g --json")?;
        serde_json::from_str(&text).with_context(|| text)
    }

    /// All there is to know, at once.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Ok(self.connect()?.snapshot()?)
    }

    /// A connection to rgmd.
    pub fn connect(&self) -> Result<Connection> {
        let dir = |name| Some(self.dir().join(name).into_os_string());
        let paths = Paths::from_vars(|name| match name {
            "RGM_RUN_DIR" => dir("run"),
            "RGM_STATE_DIR" => dir("state"),
            _ => None,
        })?;
        Ok(Connection::open(&paths)?)
    }

    /// The state of a group on a node; `None` if there is no such group.
    pub fn group_state(&self, group: &str, node: &str) -> Result<Option<GroupState>> {
        let groups = self.stat()?.groups;
        let group = groups.into_iter().find(|view| view.name.as_str() == group);
        Ok(group
            .and_then(|view| view.nodes.into_iter().find(|on| on.node.as_str() == node))
            .map(|on| on.state))
    }

    /// The state of a resource on a node; `None` if there is no such resource.
    pub fn resource_state(&self, resource: &str, node: &str) -> Result<Option<ResourceState>> {
        let resources = self.stat()?.resources;
        let view = resources.into_iter().find(|view| view.name.as_str() == resource);
        Ok(view
            .and_then(|view| view.nodes.into_iter().find(|on| on.node.as_str() == node))
            .map(|on| on.state))
    }

    /// An error if the group is not in these states on the two nodes.
    pub fn expect(&self, group: &str, states: [GroupState; 2]) -> Result<()> {
        let found = [self.group_state(group, NODES[0])?, self.group_state(group, NODES[1])?];
        ensure!(found == states.map(Some), "{group} is {found:?} instead of {states:?}");
        Ok(())
    }

    /// Waits until the group is in these states on the two nodes.
    pub fn wait_for(&self, group: &str, states: [GroupState; 2]) -> Result<()> {
        until(&format!("{group} gets {states:?}"), || Ok(self.expect(group, states).ok()))
            .map_err(|error| error.context(format!("{:?}", self.expect(group, states))))
    }

    /// Waits until a method of ACME.tick has begun or ended, as `begin START r phys-1`, so many times.
    pub fn wait_for_call(&self, call: &str, times: usize) -> Result<()> {
        let seen = || self.tick.calls().iter().filter(|line| *line == call).count();
        until(call, || Ok((seen() >= times).then_some(())))
    }

    /// Node and process of the resource's application that came up last, and runs.
    pub fn application(&self, resource: &str) -> Result<(String, u32)> {
        let (node, pid) = self.tick.witness(resource).last_up()?.context("it never came up")?;
        ensure!(is_alive(pid), "the application of {resource}, process {pid} on {node}, is gone");
        Ok((node, pid))
    }

    /// Registers ACME.tick and makes a group with one resource of it, unmanaged and disabled.
    pub fn create(&self, group: &str, resource: &str, type_name: &str, properties: &str) -> Result<()> {
        if self.run(&format!("scha_resourcetype_get -O RT_VERSION -T {type_name}"))?.code != 0 {
            self.ok(&format!("scrgadm -a -t {type_name}"))?;
        }
        self.ok(&format!("scrgadm -a -g {group} -h phys-1,phys-2"))?;
        self.ok(&format!("scrgadm -a -j {resource} -t {type_name} -g {group} {properties}"))?;
        Ok(())
    }

    /// The same, and online on the first node.
    pub fn create_online(
        &self,
        group: &str,
        resource: &str,
        type_name: &str,
        properties: &str,
    ) -> Result<()> {
        self.create(group, resource, type_name, properties)?;
        self.ok(&format!("scswitch -Z -g {group}"))?;
        self.expect(group, [GroupState::Online, GroupState::Offline])
    }

    /// What rgmd has logged.
    pub fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.log_file())?)
    }

    /// The end of the log, and the calls, for whoever must find out what went wrong.
    pub fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        let end = |lines: &[&str]| lines[lines.len().saturating_sub(60)..].join("\n");
        let calls = self.tick.calls();
        let calls: Vec<&str> = calls.iter().map(String::as_str).collect();
        format!("calls:\n{}\nlog:\n{}\n", end(&calls), end(&log.lines().collect::<Vec<_>>()))
    }

    fn said_file(&self) -> PathBuf {
        self.dir().join("rgmd.out")
    }

    fn log_file(&self) -> PathBuf {
        self.dir().join("rgmd.log")
    }
}

impl Drop for DevCluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.last_words());
        }
        if let Some(rgmd) = &mut self.rgmd {
            let _gone = rgmd.kill();
            let _gone = rgmd.wait();
        }
        self.traces.erase();
    }
}

impl Running {
    /// Has it not ended yet?
    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Waits for its end.
    pub fn end(mut self) -> Result<Said> {
        until(&format!("{} ends", self.line), || Ok(self.child.try_wait()?.map(drop)))?;
        Ok(Said::new(&self.line, &self.child.wait_with_output()?))
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Does the process run?
pub fn is_alive(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().map(|word| if word == "\"\"" { "" } else { word }).collect()
}
