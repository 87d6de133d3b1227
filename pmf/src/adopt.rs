//! Taking over what a former pmfd has left running.
//!
//! No process is touched. Each tag of the journal is restored, its living processes are found in its
//! place, one of them is watched; what died meanwhile is a failure now, and the core decides.

use std::collections::BTreeSet;
use std::io;

use pmf_core::{Event, Phase, TagId};
use rgm_types::Millis;
use rustix::event::epoll::{self, EventData, EventFlags};

use crate::daemon::{Daemon, Entry, Token, Watched};
use crate::journal::{Saved, SavedTag};
use crate::place::{Place, Stat, open_member};

impl Daemon {
    /// Takes over all that is written down.
    pub fn adopt(&mut self, saved: Saved) {
        self.pending = saved.pending;
        self.last_seq = saved.last_seq;
        let used: BTreeSet<Place> =
            saved.tags.values().flat_map(|tag| [Some(tag.place), tag.action_place]).flatten().collect();
        used.iter().for_each(|place| self.places.adopt(*place));
        self.places.find_stale(&used);
        let ids: Vec<TagId> = saved.tags.into_values().filter_map(|tag| self.restore(tag)).collect();
        for id in ids {
            let alive = self.find_living(id).unwrap_or_else(|error| {
                tracing::error!("the processes of a tag can't be read: {error}");
                false
            });
            self.feed(Event::Adopted { id, alive });
        }
        self.heed_deadman();
    }

    fn restore(&mut self, saved: SavedTag) -> Option<TagId> {
        let spec = saved.spec?;
        let prepared = self.prepare(&spec).ok()?;
        let entry = Entry {
            spec: serde_json::to_vec(&spec).ok()?.into_boxed_slice(),
            prepared: Box::new(prepared),
            inherits: spec.job.inherit_env,
            level: spec.job.level,
            place: saved.place,
            // Whether it has been killed is not known.
            reusable: false,
            started_at: Millis(0),
            main: saved.main,
            watched: None,
            action: None,
            action_place: saved.action_place,
            owner: spec.job.owner.map(Box::new),
        };
        let mut tag = saved.tag;
        // Whatever the deadman has ended is not started again.
        tag.stopping |= self.deadman.is_dead();
        let id = self.core.restore(tag);
        self.entries.insert(id, entry);
        Some(id)
    }

    /// Watches what is alive of a tag; false if nothing is.
    fn find_living(&mut self, id: TagId) -> io::Result<bool> {
        let Some(phase) = self.core.tag(id).map(|tag| tag.phase) else { return Ok(false) };
        match phase {
            Phase::Acting => self.find_action(id),
            Phase::Waiting { .. } => Ok(false),
            Phase::Starting { .. } | Phase::Running => {
                self.find_depths(id, matches!(phase, Phase::Starting { .. }))?;
                self.watch_any(id)
            }
        }
    }

    /// Which process is the command itself, and how deep the others are below it.
    fn find_depths(&mut self, id: TagId, starting: bool) -> io::Result<()> {
        let Some(entry) = self.entries.get(&id) else { return Ok(()) };
        let Some(level) = entry.level else { return Ok(()) };
        let procs = self.places.procs(entry.place)?;
        let stats = procs.iter().filter_map(|pid| Stat::read(*pid));
        // A start whose process was not written down any more has put the first process there.
        let main = match entry.main {
            Some(main) if !starting => Some(main),
            _ => stats.map(|stat| (stat.start, stat.pid)).min().map(|(start, pid)| (pid, start)),
        };
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.main = main;
        }
        if self.forks.track(id, level)
            && let Some(connector) = self.forks.connector()
        {
            epoll::add(&self.epoll, connector, EventData::new_u64(Token::Forks.encode()), EventFlags::IN)?;
        }
        if let Some((pid, _)) =
            main.filter(|(pid, start)| Stat::read(*pid).is_some_and(|s| s.start == *start))
        {
            self.forks.started(id, pid);
        }
        self.forks.look(id, &procs);
        Ok(())
    }

    fn find_action(&mut self, id: TagId) -> io::Result<bool> {
        let Some(place) = self.entries.get(&id).and_then(|entry| entry.action_place) else {
            return Ok(false);
        };
        let procs = self.places.procs(place)?;
        // The program itself came first; what it has started goes with it.
        let oldest =
            procs.iter().filter_map(|pid| Stat::read(*pid)).min_by_key(|stat| (stat.start, stat.pid));
        let Some(pid) = oldest.map(|stat| stat.pid) else { return Ok(false) };
        let Some(pidfd) = open_member(&self.places, place, pid)? else { return Ok(false) };
        epoll::add(&self.epoll, &pidfd, EventData::new_u64(Token::Action(id).encode()), EventFlags::IN)?;
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.action = Some(Watched { pid, pidfd });
        }
        Ok(true)
    }
}
