//! As much of systemd as a resource of it needs: `acme-systemd ADDRESS DIRECTORY`.
//!
//! It has the name org.freedesktop.systemd1 on the bus at that address, and speaks as
//! org.freedesktop.systemd1(5) says. Units are files `NAME.unit` of lines `Key=value` in the directory:
//! `ExecStart`, `UnitFileState`, `LoadState`, `Type`, `Restart`, `StartResult`. What runs is written to
//! `NAME.pid`, so that one that takes the place of another knows it, as systemd does when it executes
//! itself anew. It prints `ready` once it has the name.

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::{Command, Stdio};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, ObjectPath, Variant, connection};

const NAME: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let [_, address, dir] = args.as_slice() else { anyhow::bail!("acme-systemd ADDRESS DIRECTORY") };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(tokio::task::LocalSet::new().run_until(serve(address, dir)))
}

async fn serve(address: &str, dir: &str) -> Result<()> {
    let connection = connection::Builder::address(address).build().await?;
    let mut calls = MessageStream::from(&connection);
    let (ended, mut ends) = unbounded_channel();
    let mut systemd = Systemd { connection, dir: dir.into(), units: BTreeMap::new(), ended, jobs: 0 };
    systemd.adopt()?;
    systemd.connection.request_name(NAME).await?;
    println!("ready");
    loop {
        tokio::select! {
            Some(call) = next(&mut calls) => {
                let call = call?;
                if call.message_type() == Type::MethodCall {
                    systemd.answer(&call).await?;
                }
            }
            Some((unit, pid)) = ends.recv() => systemd.has_ended(&unit, pid).await?,
        }
    }
}

async fn next(stream: &mut MessageStream) -> Option<zbus::Result<Message>> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

struct Systemd {
    connection: Connection,
    dir: PathBuf,
    units: BTreeMap<String, Unit>,
    ended: UnboundedSender<(String, i32)>,
    jobs: u32,
}

#[derive(Default)]
struct Unit {
    pid: i32,
    failed: bool,
    restarts: u32,
    /// The stop that is under way.
    stopping: Option<u32>,
}

impl Systemd {
    /// What another one has left running.
    fn adopt(&mut self) -> Result<()> {
        for entry in std::fs::read_dir(&self.dir)? {
            let file = entry?.path();
            if file.extension().is_some_and(|extension| extension == "pid") {
                let unit = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let pid = std::fs::read_to_string(&file)?.trim().parse()?;
                self.watch(&unit, pid)?;
                self.units.insert(unit, Unit { pid, ..Unit::default() });
            }
        }
        Ok(())
    }

    /// A line of a unit's file; `None` where it says nothing of that.
    fn says(&self, unit: &str, key: &str) -> Option<String> {
        let text = std::fs::read_to_string(self.dir.join(format!("{unit}.unit"))).ok()?;
        text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=').map(str::to_owned))
    }

    async fn answer(&mut self, call: &Message) -> Result<()> {
        let header = call.header();
        let member = header.member().map(ToString::to_string).unwrap_or_default();
        let path = header.path().map(ToString::to_string).unwrap_or_default();
        match member.as_str() {
            "Subscribe" | "ResetFailedUnit" => self.connection.reply(&header, &()).await?,
            "LoadUnit" => {
                let (name,): (String,) = call.body().deserialize()?;
                let object = format!("{PATH}/unit/{}", escaped(&name));
                self.connection.reply(&header, &ObjectPath::try_from(object)?).await?;
            }
            "GetAll" => {
                let (interface,): (String,) = call.body().deserialize()?;
                let name = unescaped(&path);
                if interface == UNIT {
                    self.connection.reply(&header, &self.unit_properties(&name)).await?;
                } else {
                    self.connection.reply(&header, &self.service_properties(&name)).await?;
                }
            }
            "StartUnit" | "StopUnit" => self.job(call, member == "StartUnit").await?,
            "KillUnit" => {
                let (name, _, signal): (String, String, i32) = call.body().deserialize()?;
                self.signal(&name, Signal::try_from(signal)?);
                self.connection.reply(&header, &()).await?;
            }
            "GetUnitProcesses" => {
                let (name,): (String,) = call.body().deserialize()?;
                let pid = self.units.get(&name).map_or(0, |unit| unit.pid);
                let list = (pid != 0).then(|| (format!("/{name}"), pid.unsigned_abs(), name.clone()));
                self.connection.reply(&header, &list.into_iter().collect::<Vec<_>>()).await?;
            }
            other => {
                let text = format!("no method {other}");
                self.connection
                    .reply_error(&header, "org.freedesktop.DBus.Error.UnknownMethod", &text)
                    .await?;
            }
        }
        Ok(())
    }

    fn unit_properties(&self, name: &str) -> HashMap<&'static str, Variant<'static>> {
        let unit = self.units.get(name);
        let there = self.dir.join(format!("{name}.unit")).exists();
        let load =
            self.says(name, "LoadState").unwrap_or(if there { "loaded" } else { "not-found" }.to_owned());
        let (active, sub) = match unit {
            Some(Unit { stopping: Some(_), .. }) => ("deactivating", "stop-sigterm"),
            Some(Unit { pid: 1.., .. }) => ("active", "running"),
            Some(Unit { failed: true, .. }) => ("failed", "failed"),
            Some(_) | None => ("inactive", "dead"),
        };
        let job = unit.and_then(|unit| unit.stopping).unwrap_or_default();
        let object = ObjectPath::from_static_str_unchecked("/");
        HashMap::from([
            ("LoadState", Variant::from(load)),
            ("ActiveState", active.into()),
            ("SubState", sub.into()),
            ("UnitFileState", self.says(name, "UnitFileState").unwrap_or("disabled".to_owned()).into()),
            ("Job", Variant::from((job, object))),
        ])
    }

    fn service_properties(&self, name: &str) -> HashMap<&'static str, Variant<'static>> {
        let unit = self.units.get(name);
        let result = if unit.is_some_and(|unit| unit.failed) { "signal" } else { "success" };
        HashMap::from([
            ("MainPID", Variant::from(unit.map_or(0, |unit| unit.pid).unsigned_abs())),
            ("NRestarts", unit.map_or(0, |unit| unit.restarts).into()),
            ("Result", result.into()),
            ("Type", self.says(name, "Type").unwrap_or("simple".to_owned()).into()),
            ("RemainAfterExit", false.into()),
        ])
    }

    async fn job(&mut self, call: &Message, start: bool) -> Result<()> {
        let (name, _): (String, String) = call.body().deserialize()?;
        self.jobs += 1;
        let job = self.jobs;
        let object = ObjectPath::try_from(format!("{PATH}/job/{job}"))?;
        self.connection.reply(&call.header(), &object).await?;
        let pid = self.units.get(&name).map_or(0, |unit| unit.pid);
        if start {
            let result = self.says(&name, "StartResult").unwrap_or("done".to_owned());
            if pid == 0 && result == "done" {
                self.spawn(&name)?;
            }
            self.changed(&name).await?;
            return self.removed(job, &name, &result).await;
        }
        if pid == 0 {
            self.units.remove(&name);
            return self.removed(job, &name, "done").await;
        }
        if let Some(unit) = self.units.get_mut(&name) {
            unit.stopping = Some(job);
        }
        self.signal(&name, Signal::SIGTERM);
        self.changed(&name).await
    }

    fn spawn(&mut self, name: &str) -> Result<()> {
        let line = self.says(name, "ExecStart").context("no ExecStart")?;
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let pid = i32::try_from(command.process_group(0).spawn()?.id())?;
        std::fs::write(self.pid_file(name), pid.to_string())?;
        let unit = self.units.entry(name.to_owned()).or_default();
        (unit.pid, unit.failed) = (pid, false);
        self.watch(name, pid)
    }

    fn watch(&self, unit: &str, pid: i32) -> Result<()> {
        let (unit, ended) = (unit.to_owned(), self.ended.clone());
        let process = methods::launch::open_process(pid)?.map(methods::watch::readable).transpose()?;
        tokio::task::spawn_local(async move {
            if let Some(process) = process {
                let _ended = process.readable().await.map(drop);
            }
            let _gone = ended.send((unit, pid));
        });
        Ok(())
    }

    /// A process has ended: as it was told to, or to be started again, or else the unit has failed.
    async fn has_ended(&mut self, name: &str, pid: i32) -> Result<()> {
        // Whose parent another one was is reaped elsewhere.
        let _status = waitpid(Pid::from_raw(pid), Some(WaitPidFlag::WNOHANG));
        let _gone = std::fs::remove_file(self.pid_file(name));
        let again = self.says(name, "Restart").is_some_and(|restart| restart == "always");
        let Some(unit) = self.units.get_mut(name) else { return Ok(()) };
        unit.pid = 0;
        match unit.stopping.take() {
            Some(job) => {
                self.units.remove(name);
                self.removed(job, name, "done").await?;
            }
            None if again => {
                unit.restarts += 1;
                self.spawn(name)?;
            }
            None => unit.failed = true,
        }
        self.changed(name).await
    }

    fn signal(&self, name: &str, signal: Signal) {
        if let Some(Unit { pid: pid @ 1.., .. }) = self.units.get(name) {
            let _gone = kill(Pid::from_raw(-pid), signal);
        }
    }

    async fn removed(&self, job: u32, unit: &str, result: &str) -> Result<()> {
        let object = ObjectPath::try_from(format!("{PATH}/job/{job}"))?;
        let body = (job, object, unit, result);
        Ok(self.connection.emit_signal(None::<&str>, PATH, MANAGER, "JobRemoved", &body).await?)
    }

    async fn changed(&self, unit: &str) -> Result<()> {
        let path = format!("{PATH}/unit/{}", escaped(unit));
        let body = (UNIT, self.unit_properties(unit), Vec::<&str>::new());
        let properties = "org.freedesktop.DBus.Properties";
        Ok(self.connection.emit_signal(None::<&str>, path, properties, "PropertiesChanged", &body).await?)
    }

    fn pid_file(&self, unit: &str) -> PathBuf {
        Path::new(&self.dir).join(format!("{unit}.pid"))
    }
}

/// As sd_bus_path_encode(3): what is no letter or digit by its number.
fn escaped(name: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => char::from(byte).to_string(),
        other => format!("_{other:02x}"),
    };
    name.bytes().map(one).collect()
}

fn unescaped(path: &str) -> String {
    let mut pieces = path.rsplit('/').next().unwrap_or_default().split('_');
    let mut name = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        let (number, rest) = piece.split_at(2.min(piece.len()));
        name.push(char::from(u8::from_str_radix(number, 16).unwrap_or(b'?')));
        name.push_str(rest);
    }
    name
}
