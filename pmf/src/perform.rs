//! Performing what the core decides, and telling it what becomes of processes.

use std::collections::VecDeque;
use std::ffi::{CStr, CString, OsStr, OsString};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use methods::launch::{self, Exit, Group, Launch, LaunchError, Launched, Owner, Prepared};
use pmf_core::{Action, Event, Line, Phase, Refused, RequestId, Tag, TagId};
use rgm_api::frame::encode_reply;
use rgm_api::pmf::{self as api, Kind, Reply};
use rgm_types::Millis;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::daemon::{Daemon, Entry, Token, Watched, now};
use crate::journal::{Journal, Saved, SavedTag, Spec};
use crate::place::{Place, Stat, open_member};

/// A process killed so soon after its birth in a used cgroup may be a victim of that cgroup: the
/// kernel kills whoever is born where `cgroup.kill` was written. The next one gets a new place.
const STILLBORN_WITHIN: Millis = Millis(5);
const KILL: i32 = 9;
/// What pmfd itself was told by systemd is not for those it starts.
const NOT_INHERITED: [&str; 7] = [
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "WATCHDOG_USEC",
    "WATCHDOG_PID",
    "INVOCATION_ID",
];

impl Daemon {
    /// Feeds an event to the core and performs what follows, and what follows from that.
    pub(crate) fn feed(&mut self, event: Event) {
        let mut events = VecDeque::from([event]);
        while let Some(event) = events.pop_front() {
            for action in self.core.handle(now(), event) {
                self.perform(action, &mut events);
            }
        }
        if self.journal.is_long() {
            self.rewrite_journal();
        }
    }

    fn perform(&mut self, action: Action, events: &mut VecDeque<Event>) {
        match action {
            Action::Save(id) => {
                if let Err(error) = self.save(id) {
                    // Goes on all the same: the service comes first. Only what nobody has been
                    // promised yet is refused; its start finds the reason here.
                    tracing::error!("the journal can't be written: {error}");
                    self.start_error = Some(format!("the journal can't be written: {error}"));
                }
            }
            Action::Start(id) => events.push_back(self.start(id)),
            Action::RunAction(id) => {
                if let Err(error) = self.run_action(id) {
                    tracing::error!("{error}");
                    events.push_back(Event::ActionEnded { id, success: false });
                }
            }
            Action::Signal { id, signal } => self.signal(id, signal),
            Action::Log { id, name, line } => self.log(id, &name, line),
            Action::Remove { id, tag, exceeded } => self.remove(id, &tag, exceeded),
            Action::Reply(request, answer) => self.answer(request, answer),
        }
    }

    /// Writes a tag down, with the place where it is going to be started.
    fn save(&mut self, id: TagId) -> io::Result<()> {
        let Some(tag) = self.core.tag(id).cloned() else { return Ok(()) };
        let mut spec = None;
        if let Some((new, prepared)) = self.incoming.take() {
            let entry = self.new_entry(&tag.name, &new, prepared)?;
            self.entries.insert(id, entry);
            spec = Some(new);
        }
        let Some(entry) = self.entries.get_mut(&id) else { return Ok(()) };
        match tag.phase {
            Phase::Starting { first: false }
                if !entry.reusable && (entry.level.is_some() || !self.places.lacks_cgroups()) =>
            {
                self.places.leave(entry.place);
                entry.place = self.places.fresh(&tag.name)?;
                entry.reusable = true;
            }
            Phase::Acting if entry.action_place.is_none() => {
                entry.action_place = Some(self.places.fresh(&tag.name)?);
            }
            Phase::Starting { .. } | Phase::Running | Phase::Acting | Phase::Waiting { .. } => {}
        }
        let (place, action_place, main) = (entry.place, entry.action_place, entry.main);
        self.journal.save(SavedTag { tag, place, action_place, main, spec })
    }

    fn new_entry(&mut self, name: &str, spec: &Spec, prepared: Prepared) -> io::Result<Entry> {
        Ok(Entry {
            spec: serde_json::to_vec(spec).map_err(io::Error::other)?.into_boxed_slice(),
            prepared: Box::new(prepared),
            inherits: spec.job.inherit_env,
            level: spec.job.level,
            place: self.places.fresh(name)?,
            reusable: true,
            started_at: Millis(0),
            main: None,
            watched: None,
            action: None,
            action_place: None,
            owner: spec.job.owner.clone().map(Box::new),
        })
    }

    fn start(&mut self, id: TagId) -> Event {
        let first = self.core.tag(id).is_some_and(|tag| matches!(tag.phase, Phase::Starting { first: true }));
        if first && self.start_error.is_some() {
            return Event::StartFailed(id);
        }
        match self.try_start(id) {
            Ok(()) => {
                self.tell(id, if first { Kind::Created } else { Kind::Restarted });
                Event::Started(id)
            }
            Err(error) => {
                tracing::error!("{}: {error:#}", self.core.tag(id).map_or("", |tag| tag.name.as_str()));
                self.start_error = Some(format!("{error:#}"));
                Event::StartFailed(id)
            }
        }
    }

    fn try_start(&mut self, id: TagId) -> anyhow::Result<()> {
        anyhow::ensure!(!self.deadman.is_dead(), "the deadman has fired");
        let Some(entry) = self.entries.get(&id) else { anyhow::bail!("its place could not be made") };
        let (place, level) = (entry.place, entry.level);
        if let Some(level) = level
            && self.forks.track(id, level)
            && let Some(connector) = self.forks.connector()
        {
            epoll::add(&self.epoll, connector, EventData::new_u64(Token::Forks.encode()), EventFlags::IN)?;
        }
        let started = self.launch(&entry.prepared, entry.inherits, place)?;
        if level.is_some() {
            self.forks.started(id, started.pid);
        }
        let careful = level.is_some() || self.places.lacks_cgroups();
        let main = careful.then(|| Stat::read(started.pid).map(|stat| (stat.pid, stat.start))).flatten();
        if let Some(entry) = self.entries.get_mut(&id) {
            self.places.started(&mut entry.place, started.pid);
            entry.started_at = now();
            entry.main = main;
            let place = entry.place;
            self.kill_on_dead_node(place);
        }
        self.watch(id, Watched { pid: started.pid, pidfd: started.pidfd })?;
        Ok(())
    }

    /// The start of a tag's command, made when the tag is, so that a restart finds it ready.
    pub(crate) fn prepare(&self, spec: &Spec) -> Result<Prepared, LaunchError> {
        let mut argv = spec.job.argv.iter().map(|text| text.as_os_str());
        let program = argv.next().unwrap_or(OsStr::new(""));
        self.as_owner_wants(Launch::new(program).args(argv), spec).prepare()
    }

    fn as_owner_wants<'a>(&self, launch: Launch<'a>, spec: &Spec) -> Launch<'a> {
        let mut launch = launch
            .cwd(spec.job.cwd.as_os_str())
            .env_entries(variables(spec))
            .group(Group::Session)
            .files_max(self.files_max.0, self.files_max.1)
            .unprotected();
        if let Some(path) = &spec.job.search_path {
            launch = launch.search_path(path.as_os_str());
        }
        if rustix::process::geteuid().is_root() {
            launch = launch.owner(Owner { uid: spec.uid, gid: spec.gid, groups: spec.groups.clone() });
        }
        launch
    }

    /// Starts a program in a place; if it inherits, with those of our variables that it does not set.
    fn launch(&self, start: &Prepared, inherits: bool, place: Place) -> Result<Launched, LaunchError> {
        let mark = self.places.mark(place);
        let ours = if inherits { self.environment.as_slice() } else { &[] };
        let set: Vec<_> = start.env().map(|own| name_of(own.to_bytes())).collect();
        let ours = ours.iter().filter(|variable| !set.contains(&name_of(variable.to_bytes())));
        let more: Vec<&CStr> = ours.chain(&mark).map(CString::as_c_str).collect();
        let dir = self.places.dir(place).map_err(|source| LaunchError {
            program: OsString::from(place.to_string()),
            step: launch::Step::Cgroup,
            source,
        })?;
        start.start(&more, dir.as_ref().map(AsFd::as_fd))
    }

    fn run_action(&mut self, id: TagId) -> anyhow::Result<()> {
        anyhow::ensure!(!self.deadman.is_dead(), "the deadman has fired: no action is run");
        let Some(name) = self.core.tag(id).map(|tag| tag.name.clone()) else { return Ok(()) };
        let Some(entry) = self.entries.get(&id) else { return Ok(()) };
        let spec = entry.spec()?;
        let (Some(action), Some(place)) = (&spec.job.action, entry.action_place) else {
            anyhow::bail!("{name}: no place for its action program could be made");
        };
        // The string may hold several words and quotes; the two further arguments must not be split.
        let script = [action.as_os_str(), OsStr::new(" \"$@\"")].join(OsStr::new(""));
        let words = [OsStr::new("-c"), &script, OsStr::new("pmfd"), OsStr::new("failed"), OsStr::new(&name)];
        let start = self.as_owner_wants(Launch::new("/bin/sh").args(words), &spec).prepare()?;
        let started = self.launch(&start, spec.job.inherit_env, place)?;
        let data = EventData::new_u64(Token::Action(id).encode());
        epoll::add(&self.epoll, &started.pidfd, data, EventFlags::IN)?;
        if let Some(entry) = self.entries.get_mut(&id) {
            let mut place = place;
            self.places.started(&mut place, started.pid);
            entry.action_place = Some(place);
            entry.action = Some(Watched { pid: started.pid, pidfd: started.pidfd });
        }
        self.kill_on_dead_node(place);
        Ok(self.save(id)?)
    }

    /// The action program of a tag may have ended.
    pub(crate) fn action_ended(&mut self, id: TagId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(action) = &entry.action else { return };
        let success = match launch::poll_exit(action.pidfd.as_fd()) {
            Ok(None) => return,
            Ok(Some(exit)) => exit == Exit::Code(0),
            Err(error) => {
                tracing::error!("the end of process {} is unknown: {error}", action.pid);
                false
            }
        };
        entry.action = None;
        if let Some(place) = entry.action_place.take() {
            self.places.leave(place);
        }
        self.feed(Event::ActionEnded { id, success });
    }

    /// The watched process of a tag may have ended: watch another one, or the tag has failed.
    pub(crate) fn member_ended(&mut self, id: TagId) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let Some(watched) = &entry.watched else { return };
        match launch::peek_exit(watched.pidfd.as_fd()) {
            Ok(None) => return,
            Ok(Some(Exit::Signal(KILL))) if now().since(entry.started_at) < STILLBORN_WITHIN => {
                entry.reusable = false;
            }
            Ok(Some(_)) => {}
            Err(error) => tracing::error!("the end of process {} is unknown: {error}", watched.pid),
        }
        self.dead.extend(entry.watched.take());
        if self.places.lacks_cgroups() {
            // A zombie of ours would be taken for a change that asks for another look.
            self.reap_dead();
        }
        match self.watch_any(id) {
            Ok(true) => {}
            Ok(false) => self.feed(Event::Exited(id)),
            Err(error) => {
                tracing::error!("the processes of a tag can't be read: {error}");
                self.feed(Event::Exited(id));
            }
        }
        // Only now, for the successor had to begin first.
        self.reap_dead();
    }

    /// Watches some living monitored process of a tag; false if there is none.
    pub(crate) fn watch_any(&mut self, id: TagId) -> io::Result<bool> {
        let Some(entry) = self.entries.get(&id) else { return Ok(false) };
        let place = entry.place;
        if entry.level.is_none() && self.places.is_empty(place) {
            return Ok(false);
        }
        loop {
            let procs = self.places.procs(place)?;
            let monitored = self.forks.monitored(id, procs);
            if monitored.is_empty() {
                break;
            }
            for pid in monitored {
                if let Some(pidfd) = open_member(&self.places, place, pid)? {
                    self.watch(id, Watched { pid, pidfd })?;
                    return Ok(true);
                }
            }
        }
        // Monitored processes are gone; those too deep for -C keep the old place.
        if let Some(entry) = self.entries.get_mut(&id)
            && entry.level.is_some()
        {
            entry.reusable = false;
        }
        Ok(false)
    }

    fn watch(&mut self, id: TagId, watched: Watched) -> io::Result<()> {
        let data = EventData::new_u64(Token::Member(id).encode());
        epoll::add(&self.epoll, &watched.pidfd, data, EventFlags::IN)?;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.watched = Some(watched);
        }
        Ok(())
    }

    fn signal(&mut self, id: TagId, signal: i32) {
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let (place, action_place) = (entry.place, entry.action_place);
        if signal == KILL {
            entry.reusable = false;
        }
        let sent = if entry.level.is_some() {
            let procs = self.places.procs(place).map(|procs| self.forks.monitored(id, procs));
            procs.and_then(|procs| procs.into_iter().try_for_each(|pid| launch::send_signal(pid, signal)))
        } else {
            self.places.signal(place, signal)
        };
        let action_sent = action_place.map_or(Ok(()), |place| self.places.signal(place, signal));
        if let Err(error) = sent.and(action_sent) {
            tracing::error!("signal {signal} can't be sent: {error}");
        }
    }

    fn log(&self, id: TagId, name: &str, line: Line) {
        let Some(Ok(spec)) = self.entries.get(&id).map(Entry::spec) else { return };
        match line {
            Line::Restarting { retries, restarts } => {
                let path = spec.job.argv.first().map(|path| path.display()).unwrap_or_default();
                tracing::info!(
                    "PMF is restarting process that died: tag={name}, cmd_path={path}, \
                     max_retries={retries}, num_retries={restarts}"
                );
            }
            Line::FailedToStayUp => {
                let cmd = command_line(&spec);
                tracing::error!("Process: tag=\"{name}\", cmd=\"{cmd}\", Failed to stay up.");
            }
            Line::Sleeping { seconds } => {
                tracing::warn!("\"{name}\" restarting too often ... sleeping {seconds} seconds.");
            }
        }
    }

    fn remove(&mut self, id: TagId, tag: &Tag, exceeded: bool) {
        let entry = self.entries.remove(&id);
        self.forks.forget(id);
        let owner = entry.as_ref().and_then(|entry| entry.owner.as_deref().cloned());
        let kind = if exceeded { Kind::Exceeded } else { Kind::Removed };
        let event = self.event(&tag.name, owner, kind);
        let kept = (exceeded && event.owner.is_some()).then(|| event.clone());
        if let Some(event) = &kept {
            self.pending.insert(event.seq, event.clone());
        }
        if let Err(error) = self.journal.strike(&tag.name, kept) {
            tracing::error!("the journal can't be written: {error}");
        }
        if let Some(entry) = entry {
            self.places.leave(entry.place);
            entry.action_place.into_iter().for_each(|place| self.places.leave(place));
        }
        if !matches!(tag.phase, Phase::Starting { first: true }) {
            self.broadcast(event);
        }
    }

    fn tell(&mut self, id: TagId, kind: Kind) {
        // Not worth a copy of the names where nobody listens.
        if self.conns.watchers().is_empty() {
            return;
        }
        let Some(tag) = self.core.tag(id) else { return };
        let (name, owner) =
            (tag.name.clone(), self.entries.get(&id).and_then(|entry| entry.owner.as_deref().cloned()));
        let event = self.event(&name, owner, kind);
        self.broadcast(event);
    }

    fn event(&mut self, name: &str, owner: Option<api::Owner>, kind: Kind) -> api::Event {
        // Not below the clock, so that numbers grow even where the last ones were not written down.
        self.last_seq = (self.last_seq + 1).max(now().0);
        api::Event { seq: self.last_seq, tag: name.to_owned(), owner, kind }
    }

    fn broadcast(&mut self, event: api::Event) {
        let message = encode_reply::<api::Request>(&Reply::Event(event), true);
        for watcher in self.conns.watchers() {
            self.conns.send(watcher, &message, false, &self.epoll);
        }
    }

    fn answer(&mut self, request: RequestId, answer: Result<(), Refused>) {
        match answer {
            Ok(()) => self.reply(request.0, &Reply::Done {}),
            Err(refused) => {
                let why = if refused == Refused::CannotStart { self.start_error.take() } else { None };
                self.refuse_by(request.0, refused, why);
            }
        }
    }

    /// Writes the journal anew, without what has been overtaken.
    pub(crate) fn rewrite_journal(&mut self) {
        let saved = self.to_save();
        match Journal::create(self.journal.path(), &saved) {
            Ok(journal) => self.journal = journal,
            Err(error) => tracing::error!("the journal can't be written anew: {error}"),
        }
    }

    fn to_save(&self) -> Saved {
        let tags = self.core.tags().filter_map(|(id, tag)| {
            let entry = self.entries.get(&id)?;
            let saved = SavedTag {
                tag: tag.clone(),
                place: entry.place,
                action_place: entry.action_place,
                main: entry.main,
                spec: entry.spec().ok(),
            };
            Some((tag.name.clone(), saved))
        });
        Saved {
            cgroup_root: self.places.root().map(Into::into),
            tags: tags.collect(),
            pending: self.pending.clone(),
            last_seq: self.last_seq,
        }
    }
}

impl Entry {
    /// What it runs.
    pub(crate) fn spec(&self) -> serde_json::Result<Spec> {
        serde_json::from_slice(&self.spec)
    }
}

/// The command as one would type it.
pub(crate) fn command_line(spec: &Spec) -> String {
    spec.job.argv.iter().map(|word| word.display()).collect::<Vec<_>>().join(" ")
}

/// The variables that its owner has set, each once.
fn variables(spec: &Spec) -> Vec<OsString> {
    let mut variables: Vec<OsString> = Vec::new();
    for entry in spec.job.env.iter().map(|text| text.as_os_str()) {
        let name = name_of(entry.as_bytes());
        variables.retain(|known| name.is_none() || name_of(known.as_bytes()) != name);
        variables.push(entry.to_owned());
    }
    variables
}

/// Of `NAME=value`, the name.
fn name_of(variable: &[u8]) -> Option<&[u8]> {
    let len = variable.iter().position(|byte| *byte == b'=')?;
    variable.get(..len)
}

/// What a started process may have of our own variables.
pub(crate) fn own_environment() -> Vec<CString> {
    let ours = std::env::vars_os().filter(|(name, _)| !NOT_INHERITED.iter().any(|not| name == not));
    let ours = ours.map(|(name, value)| [name, value].join(OsStr::new("=")));
    ours.filter_map(|variable| CString::new(variable.as_bytes()).ok()).collect()
}

/// Why a start failed, with its cause.
pub(crate) fn explain(error: LaunchError) -> String {
    format!("{:#}", anyhow::Error::from(error))
}
