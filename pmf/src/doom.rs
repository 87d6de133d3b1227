//! Requests to the deadman, and what its firing means for the tags.

use rgm_api::pmf::{Failfast, Refusal, RefusalKind, Reply, Text};
use tracing::Level;

use crate::daemon::Daemon;
use crate::deadman::{Own, Refused};
use crate::place::Place;
use pmf_core::Event;

const KILL: i32 = 9;

impl Daemon {
    /// Arms the deadman or moves its deadline.
    pub(crate) fn arm(
        &mut self,
        deadline_ms: u64,
        failfast: Failfast,
        cgroups: Vec<Text>,
    ) -> Result<Option<Reply>, Refusal> {
        let own = self.places.above_all().map_or(Own::Marks, Own::Cgroup);
        self.deadman.arm(deadline_ms, failfast, cgroups, own).map_err(refusal)?;
        Ok(Some(self.deadman_status()))
    }

    pub(crate) fn disarm(&mut self) -> Result<Option<Reply>, Refusal> {
        self.deadman.disarm().map_err(refusal)?;
        Ok(Some(Reply::Done {}))
    }

    pub(crate) fn forget(&mut self, fired_ms: u64) -> Result<Option<Reply>, Refusal> {
        self.deadman.forget(fired_ms).map_err(refusal)?;
        if self.is_doomed {
            self.is_doomed = false;
            tracing::info!("the firing of the deadman is acknowledged; commands may be started again");
        }
        Ok(Some(Reply::Done {}))
    }

    pub(crate) fn deadman_status(&self) -> Reply {
        Reply::Deadman(Box::new(self.deadman.view()))
    }

    /// Nothing is started on a dead node.
    pub(crate) fn refuse_on_dead_node(&self) -> Result<(), Refusal> {
        if self.deadman.is_dead() { Err(refusal(Refused::Fired)) } else { Ok(()) }
    }

    /// Once it has fired: every tag is at its end, and goes when its last process has gone.
    pub(crate) fn heed_deadman(&mut self) {
        if self.is_doomed || !self.deadman.has_fired() {
            return;
        }
        self.is_doomed = true;
        if self.places.lacks_cgroups() {
            self.kill_sessions();
        }
        self.feed(Event::EndAll);
    }

    /// Without cgroups the deadman finds processes by their mark only; here their sessions are known.
    fn kill_sessions(&self) {
        let places = self.entries.values().flat_map(|entry| [Some(entry.place), entry.action_place]);
        for place in places.flatten() {
            self.kill_place(place);
        }
    }

    /// What was being born when the deadman fired.
    pub(crate) fn kill_on_dead_node(&self, place: Place) {
        if self.deadman.is_dead() {
            self.kill_place(place);
        }
    }

    fn kill_place(&self, place: Place) {
        if let Err(error) = self.places.signal(place, KILL) {
            tracing::error!("cannot kill the processes of {place}: {error}");
        }
    }

    pub(crate) fn log_deadman(&self) {
        for (level, line) in self.deadman.take_lines() {
            match level {
                Level::ERROR => tracing::error!("{line}"),
                Level::WARN => tracing::warn!("{line}"),
                _ => tracing::info!("{line}"),
            }
        }
    }
}

fn refusal(refused: Refused) -> Refusal {
    let kind = match refused {
        Refused::Fired => RefusalKind::Fired,
        Refused::Invalid(_) => RefusalKind::Invalid,
        Refused::Failed(_) => RefusalKind::Failed,
    };
    Refusal { kind, message: refused.to_string() }
}
