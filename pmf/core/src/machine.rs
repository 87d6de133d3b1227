//! The machine: events in, actions out.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::Millis;

use crate::tag::{Phase, Policy, Tag};

/// A tag under a number that is never used again, so that a late event cannot hit its successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TagId(pub u64);

/// A request that awaits its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// How long a caller waits for all processes to be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// Not at all.
    No,
    /// Up to this long.
    For(Millis),
    /// As long as it takes.
    Ever,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Somebody wants a command kept running.
    Create {
        /// Who is to be answered.
        request: RequestId,
        /// Name of the tag.
        name: String,
        /// Recognises a repeated request.
        token: u64,
        /// Effective user.
        uid: u32,
        /// How often to restart.
        policy: Policy,
        /// Whether an action program was named.
        has_action: bool,
    },
    /// A start that was ordered has succeeded.
    Started(TagId),
    /// It has not: there is no process.
    StartFailed(TagId),
    /// The last monitored process is gone.
    Exited(TagId),
    /// The action program is gone, or could not be started.
    ActionEnded {
        /// Of this tag.
        id: TagId,
        /// It ended with 0.
        success: bool,
    },
    /// Somebody wants processes signalled.
    Signal {
        /// Who is to be answered.
        request: RequestId,
        /// Name of the tag.
        name: String,
        /// Effective user.
        uid: u32,
        /// Which signal, if any.
        signal: Option<i32>,
        /// And never started again.
        stop: bool,
        /// When to answer.
        wait: Wait,
    },
    /// Somebody wants another policy.
    Modify {
        /// Who is to be answered.
        request: RequestId,
        /// Name of the tag.
        name: String,
        /// Effective user.
        uid: u32,
        /// The whole new policy.
        policy: Policy,
    },
    /// Of a tag restored from a former pmfd: whether any monitored process of it, or its action
    /// program while that runs, is alive.
    Adopted {
        /// The tag.
        id: TagId,
        /// Something is alive.
        alive: bool,
    },
    /// Every process of every tag has been killed from outside, and none may be started again.
    EndAll,
    /// A caller is gone; nobody is left to answer.
    HungUp(RequestId),
    /// Time has passed.
    Tick,
}

/// What is to be done, in the order given: what is saved is on disk before what follows is done, so
/// that a pmfd killed in between finds out; who asked is answered last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Write the tag down.
    Save(TagId),
    /// Start its command; report [`Event::Started`] or [`Event::StartFailed`].
    Start(TagId),
    /// Start its action program; report [`Event::ActionEnded`].
    RunAction(TagId),
    /// Signal its processes and those of its action program.
    Signal {
        /// The tag.
        id: TagId,
        /// The signal.
        signal: i32,
    },
    /// Log a line about it. It may be gone from the core already.
    Log {
        /// The tag.
        id: TagId,
        /// Its name.
        name: String,
        /// The line.
        line: Line,
    },
    /// It has been taken off the books: write that down, and forget all about it. If its retries
    /// were exceeded, that is written down in the same stroke, and whoever it belongs to is told.
    Remove {
        /// What it was.
        id: TagId,
        /// Its last state.
        tag: Tag,
        /// Because of too many failures.
        exceeded: bool,
    },
    /// Answer a request.
    Reply(RequestId, Result<(), Refused>),
}

/// Lines for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// It is started again.
    Restarting {
        /// Restarts allowed; -1: as many as it takes.
        retries: i32,
        /// Restarts that count, this one included.
        restarts: u64,
    },
    /// It has failed too often.
    FailedToStayUp,
    /// Its action program brings it back too often.
    Sleeping {
        /// For so many seconds.
        seconds: u64,
    },
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// There is a tag of that name.
    #[error("the tag exists already")]
    Exists,
    /// There is none.
    #[error("there is no such tag")]
    NoSuchTag,
    /// It belongs to somebody else.
    #[error("only its owner or root may do this")]
    NotOwner,
    /// The command could not be started.
    #[error("its command cannot be started")]
    CannotStart,
    /// The time given is over, and processes are left.
    #[error("processes are left")]
    TimedOut,
}

/// All tags of a node.
#[derive(Debug, Default)]
pub struct Core {
    tags: BTreeMap<TagId, Tag>,
    names: BTreeMap<String, TagId>,
    next_id: u64,
    creators: BTreeMap<TagId, RequestId>,
    waiters: BTreeMap<(TagId, RequestId), Option<Millis>>,
    waiting_for: BTreeMap<RequestId, TagId>,
    deadlines: BTreeSet<(Millis, Due)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Restart(TagId),
    Answer(TagId, RequestId),
}

/// An action program may bring a tag back once in this time without being slowed down.
const REVIVAL_PERIOD: Millis = Millis(60_000);
/// A command that can't even be executed is not tried again and again without a breath.
const START_FAILURE_PAUSE: Millis = Millis(1_000);

impl Core {
    /// No tag yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over a tag that a former pmfd wrote down. What became of it is told by events.
    pub fn restore(&mut self, tag: Tag) -> TagId {
        let id = self.new_id();
        if let Phase::Waiting { until } = tag.phase {
            self.deadlines.insert((until, Due::Restart(id)));
        }
        self.names.insert(tag.name.clone(), id);
        self.tags.insert(id, tag);
        id
    }

    /// The tag of that name.
    pub fn find(&self, name: &str) -> Option<(TagId, &Tag)> {
        let id = *self.names.get(name)?;
        self.tags.get(&id).map(|tag| (id, tag))
    }

    /// The tag under that number.
    pub fn tag(&self, id: TagId) -> Option<&Tag> {
        self.tags.get(&id)
    }

    /// All tags by name.
    pub fn tags(&self) -> impl Iterator<Item = (TagId, &Tag)> {
        self.names.values().filter_map(|id| self.tags.get(id).map(|tag| (*id, tag)))
    }

    /// When [`Event::Tick`] is due next, and why.
    pub fn next_deadline(&self) -> Option<(Millis, &'static str)> {
        self.deadlines.first().map(|(at, due)| match due {
            Due::Restart(_) => (*at, "a tag is started again"),
            Due::Answer(..) => (*at, "a caller waits no longer"),
        })
    }

    /// What follows from an event.
    pub fn handle(&mut self, now: Millis, event: Event) -> Vec<Action> {
        let mut out = Vec::new();
        match event {
            Event::Create { request, name, token, uid, policy, has_action } => {
                let tag = Tag {
                    name,
                    token,
                    uid,
                    policy,
                    has_action,
                    phase: Phase::Starting { first: true },
                    stopping: false,
                    failures: Vec::new(),
                    restarts: 0,
                    revived: None,
                };
                self.create(request, tag, &mut out);
            }
            Event::Started(id) => self.started(id, &mut out),
            Event::StartFailed(id) => self.start_failed(id, now, &mut out),
            Event::Exited(id) => self.exited(id, now, &mut out),
            Event::ActionEnded { id, success } => self.action_ended(id, success, now, &mut out),
            Event::Signal { request, name, uid, signal, stop, wait } => match self.may(&name, uid) {
                Err(refused) => out.push(Action::Reply(request, Err(refused))),
                Ok(id) => {
                    self.signal(id, signal, stop, &mut out);
                    self.wait(request, id, wait, now, &mut out);
                }
            },
            Event::Modify { request, name, uid, policy } => {
                let answer = self.may(&name, uid).map(|id| self.modify(id, policy, &mut out));
                out.push(Action::Reply(request, answer));
            }
            Event::Adopted { id, alive } => self.adopted(id, alive, now, &mut out),
            Event::EndAll => {
                let ids: Vec<TagId> = self.tags.keys().copied().collect();
                ids.into_iter().for_each(|id| self.signal(id, None, true, &mut out));
            }
            Event::HungUp(request) => self.hung_up(request),
            Event::Tick => self.tick(now, &mut out),
        }
        out
    }

    fn create(&mut self, request: RequestId, tag: Tag, out: &mut Vec<Action>) {
        if let Some((_, known)) = self.find(&tag.name) {
            let repeated = known.token == tag.token && known.uid == tag.uid;
            out.push(Action::Reply(request, if repeated { Ok(()) } else { Err(Refused::Exists) }));
            return;
        }
        let id = self.new_id();
        self.names.insert(tag.name.clone(), id);
        self.tags.insert(id, tag);
        self.creators.insert(id, request);
        out.extend([Action::Save(id), Action::Start(id)]);
    }

    fn started(&mut self, id: TagId, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        tag.phase = Phase::Running;
        out.push(Action::Save(id));
        if let Some(request) = self.creators.remove(&id) {
            out.push(Action::Reply(request, Ok(())));
        }
    }

    fn start_failed(&mut self, id: TagId, now: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get(&id) else { return };
        match tag.phase {
            Phase::Starting { first: true } => {
                self.remove(id, false, out);
                if let Some(request) = self.creators.remove(&id) {
                    out.push(Action::Reply(request, Err(Refused::CannotStart)));
                }
            }
            Phase::Starting { first: false } | Phase::Running | Phase::Acting | Phase::Waiting { .. } => {
                self.ended(id, now, START_FAILURE_PAUSE, out);
            }
        }
    }

    fn exited(&mut self, id: TagId, now: Millis, out: &mut Vec<Action>) {
        self.ended(id, now, Millis(0), out);
        self.answer_waiters(id, out);
    }

    /// A start that was written down before pmfd died either shows by a living process or did not
    /// happen. The first one was never acknowledged, so it is dropped; a restart is still due. How
    /// an action program ended while nobody watched can't be known, so it did not end well.
    fn adopted(&mut self, id: TagId, alive: bool, now: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get(&id) else { return };
        match (tag.phase, alive) {
            (Phase::Starting { .. }, true) => self.started(id, out),
            (Phase::Starting { first: true }, false) => self.remove(id, false, out),
            (Phase::Starting { first: false }, false) if tag.stopping => self.remove(id, false, out),
            (Phase::Starting { first: false }, false) => out.push(Action::Start(id)),
            (Phase::Running, false) => self.exited(id, now, out),
            (Phase::Acting, false) => self.action_ended(id, false, now, out),
            (Phase::Running | Phase::Acting, true) | (Phase::Waiting { .. }, _) => {}
        }
    }

    /// The last process is gone, or a restart has produced none.
    fn ended(&mut self, id: TagId, now: Millis, pause: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        if tag.stopping {
            self.remove(id, false, out);
        } else if tag.fail(now) {
            if pause.0 == 0 {
                self.restart(id, now, out);
            } else {
                self.restart_at(id, now.after(pause), out);
            }
        } else if tag.has_action {
            tag.phase = Phase::Acting;
            let name = tag.name.clone();
            out.extend([Action::Save(id), Action::RunAction(id)]);
            out.push(Action::Log { id, name, line: Line::FailedToStayUp });
        } else {
            out.push(Action::Log { id, name: tag.name.clone(), line: Line::FailedToStayUp });
            self.remove(id, true, out);
        }
    }

    fn action_ended(&mut self, id: TagId, success: bool, now: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        if tag.stopping {
            self.remove(id, false, out);
        } else if !success {
            self.remove(id, true, out);
        } else {
            tag.failures.clear();
            let next = tag.revived.map_or(now, |last| last.after(REVIVAL_PERIOD)).max(now);
            tag.revived = Some(next);
            if next == now {
                self.restart(id, now, out);
            } else {
                let seconds = next.since(now).0.div_ceil(1000);
                out.push(Action::Log { id, name: tag.name.clone(), line: Line::Sleeping { seconds } });
                self.restart_at(id, next, out);
            }
        }
        self.answer_waiters(id, out);
    }

    fn restart(&mut self, id: TagId, now: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        tag.phase = Phase::Starting { first: false };
        tag.restarts += 1;
        let restarts = tag.restarts_in_period(now);
        let line = Line::Restarting { retries: tag.policy.retries(), restarts };
        let log = Action::Log { id, name: tag.name.clone(), line };
        out.extend([Action::Save(id), Action::Start(id), log]);
    }

    fn restart_at(&mut self, id: TagId, until: Millis, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        tag.phase = Phase::Waiting { until };
        self.deadlines.insert((until, Due::Restart(id)));
        out.push(Action::Save(id));
    }

    fn signal(&mut self, id: TagId, signal: Option<i32>, stop: bool, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        if stop && !tag.stopping {
            tag.stopping = true;
            out.push(Action::Save(id));
        }
        if stop && matches!(tag.phase, Phase::Waiting { .. }) {
            self.remove(id, false, out);
            self.answer_waiters(id, out);
        } else if let Some(signal) = signal {
            out.push(Action::Signal { id, signal });
        }
    }

    fn wait(&mut self, request: RequestId, id: TagId, wait: Wait, now: Millis, out: &mut Vec<Action>) {
        let no_process = self.tags.get(&id).is_none_or(|tag| matches!(tag.phase, Phase::Waiting { .. }));
        let deadline = match wait {
            Wait::For(span) if !no_process => Some(now.after(span)),
            Wait::Ever if !no_process => None,
            Wait::No | Wait::For(_) | Wait::Ever => {
                out.push(Action::Reply(request, Ok(())));
                return;
            }
        };
        self.waiters.insert((id, request), deadline);
        self.waiting_for.insert(request, id);
        if let Some(at) = deadline {
            self.deadlines.insert((at, Due::Answer(id, request)));
        }
    }

    fn modify(&mut self, id: TagId, policy: Policy, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.get_mut(&id) else { return };
        tag.policy = policy;
        tag.forgive();
        out.push(Action::Save(id));
    }

    fn hung_up(&mut self, request: RequestId) {
        if let Some(id) = self.waiting_for.remove(&request)
            && let Some(Some(at)) = self.waiters.remove(&(id, request))
        {
            self.deadlines.remove(&(at, Due::Answer(id, request)));
        }
    }

    fn tick(&mut self, now: Millis, out: &mut Vec<Action>) {
        while let Some((at, due)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.remove(&(at, due));
            match due {
                Due::Restart(id) => self.restart(id, now, out),
                Due::Answer(_, request) => {
                    self.hung_up(request);
                    out.push(Action::Reply(request, Err(Refused::TimedOut)));
                }
            }
        }
    }

    fn remove(&mut self, id: TagId, exceeded: bool, out: &mut Vec<Action>) {
        let Some(tag) = self.tags.remove(&id) else { return };
        if let Phase::Waiting { until } = tag.phase {
            self.deadlines.remove(&(until, Due::Restart(id)));
        }
        self.names.remove(&tag.name);
        out.push(Action::Remove { id, tag, exceeded });
    }

    fn answer_waiters(&mut self, id: TagId, out: &mut Vec<Action>) {
        let range = (id, RequestId(0))..=(id, RequestId(u64::MAX));
        let requests: Vec<RequestId> = self.waiters.range(range).map(|((_, request), _)| *request).collect();
        for request in requests {
            self.hung_up(request);
            out.push(Action::Reply(request, Ok(())));
        }
    }

    /// The tag, if this user may manipulate it.
    fn may(&self, name: &str, uid: u32) -> Result<TagId, Refused> {
        let (id, tag) = self.find(name).ok_or(Refused::NoSuchTag)?;
        if uid == 0 || uid == tag.uid { Ok(id) } else { Err(Refused::NotOwner) }
    }

    fn new_id(&mut self) -> TagId {
        self.next_id += 1;
        TagId(self.next_id)
    }
}
