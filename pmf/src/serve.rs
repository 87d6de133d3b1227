//! Requests.

use std::os::fd::AsFd;

use methods::launch;
use pmf_core::{Event, Phase, Policy, Refused, RequestId, Tag, TagId, Wait, check_name};
use rgm_api::frame::{Call, encode_refusal, encode_reply};
use rgm_api::pmf::{Job, Refusal, RefusalKind, Reply, Request, TagView};
use rgm_types::Millis;

use crate::daemon::{Daemon, now};
use crate::journal::Spec;
use crate::perform::explain;

/// An answer that needs nothing to happen first; `None` where the core answers.
type Served = Result<Option<Reply>, Refusal>;

impl Daemon {
    /// Serves the calls of a connection as far as they have come and can be answered.
    pub(crate) fn serve_all(&mut self, conn: u64) {
        while let Some(call) = self.conns.next_call(conn) {
            match call {
                Ok(call) => self.serve(conn, call),
                Err(bad) => self.conns.send(conn, &bad.encode(), true, &self.epoll),
            }
        }
    }

    fn serve(&mut self, conn: u64, call: Call<Request>) {
        let Some(uid) = self.conns.get_mut(conn).map(|conn| conn.uid) else { return };
        let request = RequestId(conn);
        let served = match call.request {
            Request::Create { tag, token, job } => self.create(conn, tag, token, *job),
            Request::Kill { tag, signal, wait_s } => {
                self.signal_request(request, uid, (tag, Some(signal)), false, wait_s)
            }
            Request::Stop { tag, signal, wait_s } => {
                self.signal_request(request, uid, (tag, signal), true, wait_s)
            }
            Request::Query { tag } => Ok(Some(Reply::Found(self.core.find(&tag).is_some()))),
            Request::List { tag } => self.list(uid, tag).map(|tags| Some(Reply::Tags(tags))),
            Request::Modify { tag, retries, period_min } => {
                self.modify(request, uid, tag, retries, period_min)
            }
            Request::Watch {} if call.more => {
                self.watch_events(conn);
                Ok(None)
            }
            Request::Watch {} => Err(invalid("Watch needs \"more\"")),
            Request::Ack { seq } => trusted(uid).and_then(|()| self.acknowledge(seq)),
            Request::Shutdown { kill } => trusted(uid).and_then(|()| self.shut_down(kill)),
            Request::Deadman { deadline_boot_ms, failfast, cgroups } => {
                trusted(uid).and_then(|()| self.arm(deadline_boot_ms, failfast, cgroups))
            }
            Request::Disarm {} => trusted(uid).and_then(|()| self.disarm()),
            Request::Forget { fired_boot_ms } => trusted(uid).and_then(|()| self.forget(fired_boot_ms)),
            Request::DeadmanStatus {} => Ok(Some(self.deadman_status())),
        };
        match served {
            Ok(Some(reply)) => self.reply(conn, &reply),
            Ok(None) => {}
            Err(refusal) => self.refuse(conn, &refusal),
        }
    }

    fn create(&mut self, conn: u64, name: String, token: u64, job: Job) -> Served {
        check_name(&name).map_err(|error| invalid(&error.to_string()))?;
        self.refuse_on_dead_node()?;
        let policy = Policy::new(job.retries, job.period_min).map_err(|error| invalid(&error.to_string()))?;
        if job.argv.first().is_none_or(|program| program.0.is_empty()) {
            return Err(invalid("no command is given"));
        }
        let Some(stream) = self.conns.get_mut(conn).map(|conn| &conn.stream) else { return Ok(None) };
        let (owner, _) = launch::peer_owner(stream.as_fd()).map_err(|error| failed(&error.to_string()))?;
        let own = rustix::process::geteuid();
        if !own.is_root() && owner.uid != own.as_raw() {
            return Err(failed("this pmfd does not run as root and starts processes for its own user only"));
        }
        let has_action = job.action.is_some();
        let uid = owner.uid;
        if self.core.find(&name).is_none() {
            let spec = Spec { job, uid, gid: owner.gid, groups: owner.groups };
            let prepared = self.prepare(&spec).map_err(|error| failed(&explain(error)))?;
            self.incoming = Some((spec, prepared));
        }
        self.start_error = None;
        self.feed(Event::Create { request: RequestId(conn), name, token, uid, policy, has_action });
        Ok(None)
    }

    fn signal_request(
        &mut self,
        request: RequestId,
        uid: u32,
        (name, signal): (String, Option<i32>),
        stop: bool,
        wait_s: i64,
    ) -> Served {
        if signal.is_some_and(|signal| !(0..=SIGNAL_MAX).contains(&signal)) {
            return Err(invalid("no signal has that number"));
        }
        let wait = match wait_s {
            0 => Wait::No,
            -1 => Wait::Ever,
            seconds if seconds > 0 => Wait::For(Millis::from_secs(seconds)),
            _ => return Err(invalid("the time to wait must be -1 (for ever) or a number of seconds")),
        };
        self.feed(Event::Signal { request, name, uid, signal, stop, wait });
        Ok(None)
    }

    fn modify(
        &mut self,
        request: RequestId,
        uid: u32,
        name: String,
        retries: Option<i32>,
        period_min: Option<i32>,
    ) -> Served {
        let Some((_, tag)) = self.core.find(&name) else { return Err(refusal(Refused::NoSuchTag, None)) };
        let retries = retries.unwrap_or(tag.policy.retries());
        let period_min = period_min.unwrap_or(tag.policy.period_min());
        let policy = Policy::new(retries, period_min).map_err(|error| invalid(&error.to_string()))?;
        self.feed(Event::Modify { request, name, uid, policy });
        Ok(None)
    }

    fn list(&mut self, uid: u32, name: Option<String>) -> Result<Vec<TagView>, Refusal> {
        let chosen: Vec<(TagId, Tag)> = match &name {
            Some(name) => self.core.find(name).map(|(id, tag)| (id, tag.clone())).into_iter().collect(),
            None => {
                let visible = |tag: &Tag| uid == 0 || uid == tag.uid;
                self.core.tags().filter(|(_, tag)| visible(tag)).map(|(id, tag)| (id, tag.clone())).collect()
            }
        };
        if name.is_some() && chosen.is_empty() {
            return Err(refusal(Refused::NoSuchTag, None));
        }
        Ok(chosen.iter().filter_map(|(id, tag)| self.view(*id, tag)).collect())
    }

    fn view(&mut self, id: TagId, tag: &Tag) -> Option<TagView> {
        let entry = self.entries.get(&id)?;
        let spec = entry.spec().ok()?;
        let procs = self.places.procs(entry.place).unwrap_or_default();
        let action = entry.action_place.and_then(|place| self.places.procs(place).ok());
        let mut pids = self.forks.monitored(id, procs);
        pids.extend(action.unwrap_or_default());
        Some(TagView {
            tag: tag.name.clone(),
            argv: spec.job.argv,
            action: spec.job.action,
            retries: tag.policy.retries(),
            period_min: tag.policy.period_min(),
            level: spec.job.level,
            restarts: tag.restarts_in_period(now()),
            uid: tag.uid,
            phase: match tag.phase {
                Phase::Starting { .. } | Phase::Running => "running",
                Phase::Acting => "acting",
                Phase::Waiting { .. } => "waiting",
            }
            .to_owned(),
            stopping: tag.stopping,
            pids,
            owner: spec.job.owner,
        })
    }

    fn watch_events(&mut self, conn: u64) {
        if let Some(conn) = self.conns.get_mut(conn) {
            conn.watching = true;
        }
        for event in self.pending.values().cloned().collect::<Vec<_>>() {
            let message = encode_reply::<Request>(&Reply::Event(event), true);
            self.conns.send(conn, &message, false, &self.epoll);
        }
    }

    fn acknowledge(&mut self, seq: u64) -> Served {
        if self.pending.contains_key(&seq) {
            self.journal.acknowledge(seq).map_err(|error| failed(&error.to_string()))?;
            self.pending.remove(&seq);
        }
        Ok(Some(Reply::Done {}))
    }

    fn shut_down(&mut self, kill: bool) -> Served {
        if kill {
            let used: Vec<_> = self
                .entries
                .values()
                .flat_map(|entry| [Some(entry.place), entry.action_place])
                .flatten()
                .collect();
            tracing::info!("ending {} tags and all their processes", self.entries.len());
            self.places.end(used).map_err(|error| failed(&error.to_string()))?;
            self.deadman.end();
            self.journal.remove().map_err(|error| failed(&error.to_string()))?;
        }
        self.ending = true;
        Ok(Some(Reply::Done {}))
    }

    pub(crate) fn reply(&mut self, conn: u64, reply: &Reply) {
        let message = encode_reply::<Request>(reply, false);
        self.conns.send(conn, &message, true, &self.epoll);
        self.answered.push_back(conn);
    }

    pub(crate) fn refuse_by(&mut self, conn: u64, refused: Refused, why: Option<String>) {
        self.refuse(conn, &refusal(refused, why));
    }

    fn refuse(&mut self, conn: u64, refusal: &Refusal) {
        let message = encode_refusal::<Request>(refusal);
        self.conns.send(conn, &message, true, &self.epoll);
        self.answered.push_back(conn);
    }
}

/// The highest signal there is.
const SIGNAL_MAX: i32 = 64;

/// Root and whoever runs this pmfd may do what concerns all tags.
fn trusted(uid: u32) -> Result<(), Refusal> {
    if uid == 0 || uid == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Refusal { kind: RefusalKind::NotOwner, message: "only root may do this".to_owned() })
}

fn refusal(refused: Refused, why: Option<String>) -> Refusal {
    let kind = match refused {
        Refused::Exists => RefusalKind::TagExists,
        Refused::NoSuchTag => RefusalKind::NoSuchTag,
        Refused::NotOwner => RefusalKind::NotOwner,
        Refused::CannotStart => RefusalKind::Failed,
        Refused::TimedOut => RefusalKind::TimedOut,
    };
    Refusal { kind, message: why.unwrap_or_else(|| refused.to_string()) }
}

fn invalid(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Invalid, message: message.to_owned() }
}

fn failed(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message: message.to_owned() }
}
