//! What the process monitor facility does for an agent: keeps its service and its fault monitor
//! running, and ends them.

use crate::Failed;
use crate::call::Call;
use rgm_api::Paths;
use rgm_api::client::Client;
use rgm_api::pmf::{self, Asked, Event, Job, Owner, RefusalKind, Reply, Request, TagView};
use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

/// SIGKILL.
pub const KILL: i32 = 9;
/// SIGCONT: a process that was stopped acts on other signals only once it continues.
const CONT: i32 = 18;
/// How long a pmfd that is away is waited for before it is looked for again.
const BACK_WITHIN: Duration = Duration::from_secs(60);
/// Where its directory can't be watched, it is looked for this often.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// This node's pmfd.
#[derive(Debug, Clone)]
pub struct Pmf {
    paths: Paths,
}

/// How often what runs under a tag may end and be started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Restarts; -1: as many as it takes.
    pub retries: i32,
    /// Minutes over which they are counted; -1: for ever.
    pub period_min: i32,
    /// Forks below the command that are monitored; none: all.
    pub level: Option<u32>,
}

/// What a stop has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// Nothing: the tag is gone.
    Nothing,
    /// Processes.
    Processes,
}

/// The tag of the service itself (reference 6.6).
pub fn service_tag(call: &Call) -> String {
    format!("{},{},0.svc", call.group, call.resource)
}

/// The tag of its fault monitor.
pub fn monitor_tag(call: &Call) -> String {
    format!("{},{},0.mon", call.group, call.resource)
}

/// Seconds as the minutes that PMF counts in, rounded up: 50 seconds would be no time at all.
pub fn minutes(span: Duration) -> i32 {
    i32::try_from(span.as_secs().div_ceil(60)).unwrap_or(i32::MAX)
}

impl Pmf {
    /// Of these paths.
    pub fn new(paths: &Paths) -> Self {
        Self { paths: paths.clone() }
    }

    /// Starts a command for the call's resource under a tag; false if the tag was there already.
    pub fn start(&self, call: &Call, tag: &str, argv: &[OsString], policy: Policy) -> Result<bool, Failed> {
        let job = Job {
            argv: argv.iter().cloned().map(Into::into).collect(),
            cwd: "/".into(),
            search_path: std::env::var_os("PATH").map(Into::into),
            inherit_env: true,
            env: self.environment(call).into_iter().map(Into::into).collect(),
            action: None,
            retries: policy.retries,
            period_min: policy.period_min,
            level: policy.level,
            owner: Some(Owner { resource: call.resource.clone(), group: call.group.clone() }),
        };
        let request = Request::Create { tag: tag.to_owned(), token: random(), job: Box::new(job) };
        match pmf::ask(&self.paths, &request, None) {
            Ok(_) => Ok(true),
            Err(Asked::Refused(refusal)) if refusal.kind == RefusalKind::TagExists => Ok(false),
            Err(asked) => Err(failed(tag, &asked)),
        }
    }

    /// What is known of a tag; none if there is no such tag.
    pub fn view(&self, tag: &str) -> Result<Option<TagView>, Failed> {
        match pmf::ask(&self.paths, &Request::List { tag: Some(tag.to_owned()) }, None) {
            Ok(Reply::Tags(tags)) => Ok(tags.into_iter().next()),
            Ok(Reply::Done {} | Reply::Found(_) | Reply::Event(_) | Reply::Deadman(_)) => Ok(None),
            Err(Asked::Refused(refusal)) if refusal.kind == RefusalKind::NoSuchTag => Ok(None),
            Err(asked) => Err(failed(tag, &asked)),
        }
    }

    /// Changes how often a tag is restarted from now on.
    pub fn modify(&self, tag: &str, policy: Policy) -> Result<(), Failed> {
        let (retries, period_min) = (Some(policy.retries), Some(policy.period_min));
        let request = Request::Modify { tag: tag.to_owned(), retries, period_min };
        pmf::ask(&self.paths, &request, None).map(drop).map_err(|asked| failed(tag, &asked))
    }

    /// From now on the command is not started again. The signal goes to every process of the tag,
    /// and their end is awaited so long.
    pub fn stop(&self, tag: &str, signal: Option<i32>, within: Duration) -> Result<Left, Failed> {
        let signals = signal.map(|signal| [signal, CONT]);
        for signal in signals.into_iter().flatten() {
            if self.send_stop(tag, Some(signal), 0, None)? == Left::Nothing {
                return Ok(Left::Nothing);
            }
        }
        self.send_stop(tag, None, -1, Some(within))
    }

    /// Does not start the command again, and signals nobody.
    pub fn release(&self, tag: &str) -> Result<Left, Failed> {
        self.send_stop(tag, None, 0, None)
    }

    fn send_stop(
        &self,
        tag: &str,
        signal: Option<i32>,
        wait_s: i64,
        within: Option<Duration>,
    ) -> Result<Left, Failed> {
        let request = Request::Stop { tag: tag.to_owned(), signal, wait_s };
        match pmf::ask(&self.paths, &request, within) {
            Ok(_) if wait_s == 0 => Ok(Left::Processes),
            Ok(_) => Ok(Left::Nothing),
            Err(Asked::TimedOut) => Ok(Left::Processes),
            Err(Asked::Refused(refusal)) if refusal.kind == RefusalKind::NoSuchTag => Ok(Left::Nothing),
            Err(Asked::Refused(refusal)) if refusal.kind == RefusalKind::TimedOut => Ok(Left::Processes),
            Err(asked) => Err(failed(tag, &asked)),
        }
    }

    /// Sends every event of a tag from now on, as long as somebody listens. It goes on across kills
    /// of pmfd; what happens while pmfd is away is not told.
    pub fn watch(&self, tag: &str, events: Sender<Event>) {
        let (socket, tag) = (self.paths.pmfd_socket(), tag.to_owned());
        std::thread::spawn(move || {
            while watch_once(&socket, &tag, &events) {
                if !pmf::wait_for_socket(&socket, Instant::now() + BACK_WITHIN) {
                    std::thread::park_timeout(LOOK_AGAIN);
                }
            }
        });
    }

    /// What it needs to speak to the cluster it runs for.
    fn environment(&self, call: &Call) -> Vec<OsString> {
        let path = std::env::var_os("PATH").map(|path| ("PATH", path));
        let resource = [(pmf::RESOURCE, &call.resource), (pmf::GROUP, &call.group)];
        let resource = resource.map(|(name, value)| (name, OsString::from(value)));
        let vars = self.paths.to_env().into_iter().chain(resource).chain(path);
        vars.map(|(name, value)| {
            let mut entry = OsString::from(name);
            entry.push("=");
            entry.push(value);
            entry
        })
        .collect()
    }
}

/// Until the connection breaks; false if nobody listens to us any more.
fn watch_once(socket: &Path, tag: &str, events: &Sender<Event>) -> bool {
    let mut heard = true;
    if let Ok(mut client) = Client::connect::<pmf::Refusal>(socket) {
        let _broken = client.call_more(&Request::Watch {}, |reply| {
            if let Reply::Event(event) = reply
                && event.tag == tag
            {
                heard = events.send(event).is_ok();
            }
        });
    }
    heard
}

fn failed(tag: &str, asked: &Asked) -> Failed {
    Failed::new(format!("PMF, tag {tag}: {asked}; is pmfd running? pmfadm -L shows"))
}

/// Different for each call, so that pmfd knows a repeated one.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}
