//! The conversation with systemd, org.freedesktop.systemd1(5).
//!
//! Every question ends in time. Its end is one of three: an answer, a refusal, or silence; and silence
//! says nothing about a unit.

use std::collections::HashMap;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::time::{Duration, Instant};
use tokio::runtime::{Builder, Runtime};
use zbus::connection;
use zbus::export::futures_core::Stream;
use zbus::message::Type;
use zbus::{
    Connection, DynamicType, MatchRule, Message, MessageStream, OwnedObjectPath, OwnedVariant, Structure, fdo,
};

/// Its name on the bus.
const SYSTEMD: &str = "org.freedesktop.systemd1";
const PATH: &str = "/org/freedesktop/systemd1";
const MANAGER: &str = "org.freedesktop.systemd1.Manager";
const UNIT: &str = "org.freedesktop.systemd1.Unit";
const SERVICE: &str = "org.freedesktop.systemd1.Service";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
/// Whoever has subscribed may have been forgotten by a systemd that began anew, so it is done again
/// this often.
const SUBSCRIBE_EVERY: Duration = Duration::from_secs(20);
/// How often the state is looked at while a job runs: its end may be told while nobody listens.
const JOB_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Why there is no answer that helps.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// systemd said no.
    #[error("{text} ({name})")]
    Refused {
        /// The error's name.
        name: String,
        /// What it said.
        text: String,
    },
    /// Nobody said anything that could be understood.
    #[error("{0}")]
    Silent(String),
}

/// What can be done to a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Job {
    /// Start it.
    Start,
    /// Stop it.
    Stop,
}

/// What systemd knows about a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unit {
    /// Its object.
    pub path: String,
    /// `loaded`, `not-found`, `masked`, …
    pub load_state: String,
    /// `active`, `inactive`, `failed`, …
    pub active_state: String,
    /// `running`, `auto-restart`, …
    pub sub_state: String,
    /// `enabled`, `disabled`, `static`, …
    pub file_state: String,
    /// A job that is under way for it.
    pub has_job: bool,
    /// Of a service: its main process, 0 where there is none.
    pub main_pid: u32,
    /// Of a service: how often systemd started it again by itself.
    pub restarts: u32,
    /// Of a service: why it failed.
    pub result: String,
    /// Of a service: `simple`, `oneshot`, …
    pub service_type: String,
    /// Of a service: it stays active when its last process has ended.
    pub remains: bool,
}

impl Unit {
    /// As in `active (running)`.
    pub fn state(&self) -> String {
        let why = match self.result.as_str() {
            "" | "success" => String::new(),
            result => format!(", {result}"),
        };
        format!("{} ({}{why})", self.active_state, self.sub_state)
    }
}

/// A connection to the bus.
#[derive(Debug)]
pub struct Bus {
    connection: Connection,
    runtime: Runtime,
}

impl Bus {
    /// Connects to this address; to the system's bus where it is empty.
    pub fn open(address: &str, deadline: Instant) -> Result<Self, Error> {
        let runtime = runtime()?;
        let connection = within(&runtime, deadline, connect(address))?;
        Ok(Self { runtime, connection })
    }

    /// All about a unit. One that is not loaded is looked up in its files.
    pub fn unit(&self, name: &str, deadline: Instant) -> Result<Unit, Error> {
        within(&self.runtime, deadline, unit(&self.connection, name))
    }

    /// Asks for a job and waits for its end; its result, `done` where it did what it should. Where
    /// the end was not heard of, `done` says only that no job is under way any more.
    pub fn run(&self, job: Job, name: &str, deadline: Instant) -> Result<String, Error> {
        within(&self.runtime, deadline, run(&self.connection, job, name))
    }

    /// Forgets that a unit has failed, so that it can be started however often it failed.
    pub fn reset_failed(&self, name: &str, deadline: Instant) -> Result<(), Error> {
        within(&self.runtime, deadline, call(&self.connection, PATH, MANAGER, "ResetFailedUnit", &(name,)))
            .map(drop)
    }

    /// Sends a signal to every process of a unit.
    pub fn kill(&self, name: &str, signal: i32, deadline: Instant) -> Result<(), Error> {
        let body = (name, "all", signal);
        within(&self.runtime, deadline, call(&self.connection, PATH, MANAGER, "KillUnit", &body)).map(drop)
    }

    /// The processes of a unit.
    pub fn processes(&self, name: &str, deadline: Instant) -> Result<Vec<u32>, Error> {
        let body = (name,);
        let ask = call(&self.connection, PATH, MANAGER, "GetUnitProcesses", &body);
        let answer = within(&self.runtime, deadline, ask)?;
        let list: Vec<(String, u32, String)> = answer.body().deserialize().map_err(not_understood)?;
        Ok(list.into_iter().map(|(_, pid, _)| pid).collect())
    }
}

/// Tells `heard` of everything that systemd says about a unit, until the connection breaks or nobody
/// is interested any more (`heard` returns false).
pub fn listen(address: &str, unit: &str, mut heard: impl FnMut() -> bool) -> Result<(), Error> {
    let conversation = async {
        let connection = connect(address).await?;
        subscribe(&connection).await?;
        let path = load(&connection, unit).await?;
        let rule = MatchRule::builder().msg_type(Type::Signal).sender(SYSTEMD).path(path).build()?;
        let mut signals = MessageStream::for_match_rule(rule, &connection, None).await?;
        loop {
            // What happened before we listened.
            if !heard() {
                return Ok(());
            }
            loop {
                match tokio::time::timeout(SUBSCRIBE_EVERY, next(&mut signals)).await {
                    Ok(Some(_)) => break,
                    Ok(None) => return Ok(()),
                    Err(_) => subscribe(&connection).await?,
                }
            }
        }
    };
    runtime()?.block_on(conversation).map_err(understood)
}

fn runtime() -> Result<Runtime, Error> {
    Builder::new_current_thread().enable_all().build().map_err(|error| Error::Silent(error.to_string()))
}

fn within<T>(
    runtime: &Runtime,
    deadline: Instant,
    ask: impl Future<Output = zbus::Result<T>>,
) -> Result<T, Error> {
    let left = deadline.saturating_duration_since(Instant::now());
    match runtime.block_on(async { tokio::time::timeout(left, ask).await }) {
        Ok(answer) => answer.map_err(understood),
        Err(_) => Err(Error::Silent("no answer in time".to_owned())),
    }
}

async fn connect(address: &str) -> zbus::Result<Connection> {
    let builder = match address {
        "" => connection::Builder::system(),
        address => connection::Builder::address(address),
    };
    builder.build().await
}

async fn call(
    connection: &Connection,
    path: &str,
    interface: &str,
    method: &str,
    body: &(impl serde::Serialize + DynamicType),
) -> zbus::Result<Message> {
    connection.call_method(Some(SYSTEMD), path, Some(interface), method, body).await
}

async fn subscribe(connection: &Connection) -> zbus::Result<()> {
    match call(connection, PATH, MANAGER, "Subscribe", &()).await {
        // We are known already.
        Ok(_) | Err(zbus::Error::MethodError(..)) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The object of a unit.
async fn load(connection: &Connection, name: &str) -> zbus::Result<OwnedObjectPath> {
    call(connection, PATH, MANAGER, "LoadUnit", &(name,)).await?.body().deserialize()
}

async fn properties(
    connection: &Connection,
    path: &str,
    interface: &str,
) -> zbus::Result<HashMap<String, OwnedVariant>> {
    call(connection, path, PROPERTIES, "GetAll", &(interface,)).await?.body().deserialize()
}

async fn unit(connection: &Connection, name: &str) -> zbus::Result<Unit> {
    let path = load(connection, name).await?;
    let general = properties(connection, &path, UNIT).await?;
    // Mounts, sockets and timers have no such part.
    let service = match properties(connection, &path, SERVICE).await {
        Ok(service) => service,
        Err(error) if matches!(understood(error.clone()), Error::Refused { .. }) => HashMap::new(),
        Err(error) => return Err(error),
    };
    Ok(Unit {
        path: path.to_string(),
        load_state: text(&general, "LoadState"),
        active_state: text(&general, "ActiveState"),
        sub_state: text(&general, "SubState"),
        file_state: text(&general, "UnitFileState"),
        has_job: job_of(&general) != 0,
        main_pid: number(&service, "MainPID"),
        restarts: number(&service, "NRestarts"),
        result: text(&service, "Result"),
        service_type: text(&service, "Type"),
        remains: service.get("RemainAfterExit").is_some_and(|value| value.downcast_ref::<bool>() == Ok(true)),
    })
}

fn text(properties: &HashMap<String, OwnedVariant>, name: &str) -> String {
    let value = properties.get(name).and_then(|value| value.downcast_ref::<&str>().ok());
    value.unwrap_or_default().to_owned()
}

fn number(properties: &HashMap<String, OwnedVariant>, name: &str) -> u32 {
    properties.get(name).and_then(|value| value.downcast_ref::<u32>().ok()).unwrap_or_default()
}

/// The number of its job; 0: none.
fn job_of(properties: &HashMap<String, OwnedVariant>) -> u32 {
    let job = properties.get("Job").and_then(|value| value.downcast_ref::<&Structure<'_>>().ok());
    job.and_then(|job| job.fields().first()?.downcast_ref::<u32>().ok()).unwrap_or_default()
}

async fn run(connection: &Connection, job: Job, name: &str) -> zbus::Result<String> {
    subscribe(connection).await?;
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender(SYSTEMD)
        .interface(MANAGER)
        .member("JobRemoved")
        .build()?;
    // Listened to before the job exists, so that its end is not missed.
    let mut ends = MessageStream::for_match_rule(rule, connection, None).await?;
    let method = match job {
        Job::Start => "StartUnit",
        Job::Stop => "StopUnit",
    };
    let answer = call(connection, PATH, MANAGER, method, &(name, "replace")).await?;
    let job: OwnedObjectPath = answer.body().deserialize()?;
    loop {
        match tokio::time::timeout(JOB_LOOK_EVERY, next(&mut ends)).await {
            Ok(Some(message)) => {
                let (_, ended, _, result): (u32, OwnedObjectPath, String, String) =
                    message?.body().deserialize()?;
                if ended == job {
                    return Ok(result);
                }
            }
            Ok(None) => return Err(zbus::Error::Failure("the connection to the bus broke".to_owned())),
            Err(_) if !unit(connection, name).await?.has_job => return Ok("done".to_owned()),
            Err(_) => {}
        }
    }
}

async fn next(stream: &mut MessageStream) -> Option<zbus::Result<Message>> {
    poll_fn(|context| Pin::new(&mut *stream).poll_next(context)).await
}

/// Is it systemd that says no, or does something lie between us: nobody has its name, the bus is away,
/// or it takes too long?
fn understood(error: zbus::Error) -> Error {
    let refused = |name: &str, text: &str| Error::Refused { name: name.to_owned(), text: text.to_owned() };
    if let zbus::Error::MethodError(name, text, _) = &error
        && name.as_str().starts_with(SYSTEMD)
    {
        return refused(name.as_str(), text.as_deref().unwrap_or_default());
    }
    if let zbus::Error::FDO(standard) = &error
        && let fdo::Error::InvalidArgs(text)
        | fdo::Error::UnknownMethod(text)
        | fdo::Error::UnknownInterface(text)
        | fdo::Error::UnknownObject(text)
        | fdo::Error::FileNotFound(text)
        | fdo::Error::AccessDenied(text) = &**standard
    {
        return refused("org.freedesktop.DBus.Error", text);
    }
    Error::Silent(error.to_string())
}

fn not_understood(error: zbus::Error) -> Error {
    Error::Silent(error.to_string())
}
