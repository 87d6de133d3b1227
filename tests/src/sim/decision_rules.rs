//! Rules about decisions and answers: what is committed, what is refused, what is told.

use super::memory::{Asking, Vote};
use super::world::{Finding, World, finding};
use rgm_core::{Ending, Event, Out, RequestId};
use rgm_types::config::{Entry, Write};
use rgm_types::{Command, ControlOp, Done, GroupName, Method, NodeName, Refusal, ResourceName, SchaErr};
use std::collections::BTreeSet;

/// Failed starts within Pingpong_interval after which a node is not chosen by itself (reference 5.6 a).
const START_FAILURES_MAX: usize = 1;

/// A group, and the nodes it was placed on.
type Placed = (GroupName, Vec<NodeName>);

impl World {
    /// INV-05: what is refused leaves no trace.
    pub(super) fn check_refusals(&self, event: &Event, out: &Out) -> Result<(), Finding> {
        let Event::Request { id, command, .. } = event else { return Ok(()) };
        let refused = is_refused(*id, out);
        let config = |w: &&Write| !matches!(w, Write::Put(Entry::Run(..)));
        // A change that waited may be let go by the answer; the refused one is alone where nothing waits.
        match out.writes.iter().find(config) {
            Some(write) if refused && out.replies.len() == 1 => {
                finding("INV-05", format!("{command:?} is refused, and yet {:?} is written", write.key()))
            }
            _ => Ok(()),
        }
    }

    /// Who decided: the manager by itself?
    fn is_automatic(event: &Event) -> bool {
        match event {
            Event::Request { command, .. } => matches!(command, Command::Control { .. }),
            Event::Formed { .. }
            | Event::NodeUp(_)
            | Event::NodeDown { .. }
            | Event::MethodEnded { .. }
            | Event::PmfExceeded { .. }
            | Event::Shutdown { .. }
            | Event::Tick => true,
        }
    }

    /// A batch that is under way may say where the group is to be, now or later.
    fn is_asked_for(&self, group: &GroupName) -> bool {
        let says = |c: &Command| match c {
            Command::Switch { groups, .. }
            | Command::Online { groups, .. }
            | Command::Remaster { groups } => groups.is_empty() || groups.contains(group),
            _ => false,
        };
        let batches = self.open.values().filter_map(|c| match c {
            Command::Batch { commands } => Some(commands),
            _ => None,
        });
        batches.flatten().any(says)
    }

    /// Rules about where groups are meant to be from now on, and about changes that needed a VALIDATE.
    /// What is told is where the manager has placed groups by itself.
    pub(super) fn check_decisions(&mut self, event: &Event, out: &Out) -> Result<Vec<Placed>, Finding> {
        let voted = self.note_vote(event).map(|v| v.method);
        let mut placed = Vec::new();
        for write in &out.writes {
            match write {
                Write::Put(Entry::Resource(r))
                    if voted == Some(Method::Validate) && self.memory.rejected.contains(&r.name) =>
                {
                    let old = self.repo.resources.get(&r.name);
                    if old.is_none_or(|o| (&o.props, &o.node_props) != (&r.props, &r.node_props)) {
                        return finding(
                            "VALIDATE",
                            format!("{} is changed although a VALIDATE failed", r.name),
                        );
                    }
                }
                Write::Put(Entry::Run(group, run)) => {
                    let old = self.repo.runs.get(group).map(|run| run.wanted.clone()).unwrap_or_default();
                    let new: Vec<NodeName> = run.wanted.difference(&old).cloned().collect();
                    let most = self.repo.most(group);
                    if run.wanted.len() > most && !new.is_empty() {
                        let found = format!("{group} is to be on {:?}, and on {most} at most", run.wanted);
                        return finding("INV-01", found);
                    }
                    let left: BTreeSet<NodeName> = old.difference(&run.wanted).cloned().collect();
                    let by_itself = Self::is_automatic(event) && !self.is_asked_for(group);
                    if !new.is_empty() && by_itself {
                        placed.push((group.clone(), new.clone()));
                        let checked = voted == Some(Method::MonitorCheck);
                        let asked = matches!(event, Event::PmfExceeded { .. } | Event::Request { .. });
                        if checked || asked {
                            self.check_giveover(group, &new, &left)?;
                        }
                    }
                    self.memory.restarting.retain(|(r, n)| {
                        !(left.contains(n) && self.repo.resources.get(r).is_some_and(|r| r.group == *group))
                    });
                }
                _ => {}
            }
        }
        self.note_command(event, out);
        self.check_restart_count(event, out)?;
        Ok(placed)
    }

    /// Where the manager has placed groups by itself: may they be there, by the configuration that was
    /// committed with it?
    pub(super) fn check_placed(&self, placed: &[Placed]) -> Result<(), Finding> {
        placed.iter().try_for_each(|(group, new)| self.check_placement(group, new))
    }

    /// The end of a VALIDATE or MONITOR_CHECK, and of which.
    fn note_vote(&mut self, event: &Event) -> Option<Vote> {
        let Event::MethodEnded { token, node, result } = event else { return None };
        let vote = self.memory.votes.remove(token)?;
        if result.ending != Ending::Exited(0) {
            if vote.method == Method::Validate {
                self.memory.rejected.insert(vote.resource.clone());
            } else if let Some(asking) = self.memory.asking.get_mut(&vote.group) {
                asking.vetoed.insert(node.clone());
            }
        }
        Some(vote)
    }

    /// A group is meant to be on further nodes, by a decision of the manager.
    fn check_placement(&self, group: &GroupName, new: &[NodeName]) -> Result<(), Finding> {
        let suspended = self.repo.groups.get(group).is_some_and(|g| g.suspended);
        for node in new {
            let why = |rule: &str| format!("{group} is placed on {node} by itself {rule}");
            if suspended {
                return finding("SUSPEND", why("while it is suspended"));
            }
            let failures = self.memory.start_failures.get(group).into_iter().flatten();
            let recent = failures.filter(|(n, at)| n == node && self.within_pingpong(group, *at)).count();
            if recent > START_FAILURES_MAX {
                return finding(
                    "INV-06",
                    why(&format!("after {recent} failed starts there within Pingpong_interval")),
                );
            }
            if self.memory.barred.get(node).is_some_and(|until| self.clock.boot < *until) {
                return finding("EVACUATE", why("while it is evacuated"));
            }
            if !self.repo.nodelist(group).contains(node) {
                return finding("CONF", why("which is not in its Nodelist"));
            }
            if self.sites.get(node).is_none_or(|s| !s.up) || self.memory.aborted.contains(node) {
                return finding("CONF", why("which is down or told to abort"));
            }
        }
        Ok(())
    }

    /// A giveover takes a group from where it was asked to a node without a veto, and not to one
    /// that the same resource gave up within Pingpong_interval.
    fn check_giveover(
        &mut self,
        group: &GroupName,
        new: &[NodeName],
        left: &BTreeSet<NodeName>,
    ) -> Result<(), Finding> {
        let Some(Asking { resource, from, vetoed }) = self.memory.asking.get(group).cloned() else {
            return Ok(());
        };
        if !left.contains(&from) {
            return Ok(());
        }
        for node in new {
            let why = |rule: &str| format!("a giveover of {group} by {resource} leads to {node} {rule}");
            // A scalable group may just go offline where it was; that it comes to another node then is
            // the work of Desired_primaries, for which nobody is asked.
            if vetoed.contains(node) && !self.repo.is_scalable(group) {
                return finding("INV-06", why("where a MONITOR_CHECK failed"));
            }
            let old = self.memory.giveovers.get(group).into_iter().flatten();
            let barred =
                old.filter(|(r, n, at)| r == &resource && n == node && self.within_pingpong(group, *at));
            if barred.count() > 0 {
                return finding("INV-06", why("which it gave up within Pingpong_interval"));
            }
        }
        let old = self.memory.giveovers.remove(group).unwrap_or_default();
        let recent = old.into_iter().filter(|(_, _, at)| self.within_pingpong(group, *at));
        let given = recent.chain([(resource, from, self.clock.wall)]).collect();
        self.memory.giveovers.insert(group.clone(), given);
        self.memory.asking.remove(group);
        Ok(())
    }

    /// Commands that leave something to remember.
    fn note_command(&mut self, event: &Event, out: &Out) {
        if let Event::Request { id, command, .. } = event
            // One that is refused at once, while the cluster shuts down say, bars nothing.
            && !out.replies.iter().any(|(to, answer)| to == id && answer.is_err())
            && let Command::Evacuate { nodes, sticky_secs } = command
        {
            let until = self.clock.boot.after(rgm_types::Millis::from_secs(i64::from(*sticky_secs)));
            self.memory.barred.extend(nodes.iter().map(|n| (n.clone(), until)));
        }
    }

    /// INV-06: a resource whose Failover_mode is RESTART_ONLY is restarted Retry_count times within
    /// Retry_interval, not less and not more often.
    fn check_restart_count(&mut self, event: &Event, out: &Out) -> Result<(), Finding> {
        let Event::Request { id, from, command: Command::Control { op, resource, .. } } = event else {
            return Ok(());
        };
        let counts = matches!(op, ControlOp::ResourceRestart | ControlOp::ResourceIsRestarted);
        let Some(r) = ResourceName::new(resource).ok().and_then(|r| self.repo.resources.get(&r).cloned())
        else {
            return Ok(());
        };
        let place = (r.name.clone(), from.clone());
        let answer = out.replies.iter().find(|(to, _)| to == id).map(|(_, answer)| answer);
        let refusal = answer.and_then(|a| a.as_ref().err());
        if *op == ControlOp::Giveover
            && refusal.is_none_or(|r| r.code == SchaErr::Checks && r.message.contains("no other node"))
        {
            self.memory.restarts.remove(&place);
        }
        if !counts {
            return Ok(());
        }
        let window = rgm_types::Millis::from_secs(self.repo.int(&r, "Retry_interval").unwrap_or(0));
        let most = self.repo.int(&r, "Retry_count").unwrap_or(-1);
        let now = self.clock.boot;
        let restarts = self.memory.restarts.entry(place.clone()).or_default();
        restarts.retain(|at| now.since(*at) < window);
        let (used, limit) = (restarts.len(), usize::try_from(most).unwrap_or(usize::MAX));
        let only = self.repo.word(&r, "Failover_mode") == "RESTART_ONLY" && *op == ControlOp::ResourceRestart;
        // One that was begun counts, though it is known at once that it comes to nothing.
        match refusal.filter(|refusal| !refusal.begun) {
            None if only && used >= limit => {
                return finding(
                    "INV-06",
                    format!("{resource} is restarted once more after {used} of {limit} times"),
                );
            }
            Some(refusal) if only && used < limit && refusal.message.contains("Retry_count is") => {
                return finding(
                    "INV-06",
                    format!("{resource} is refused a restart after {used} of {limit} times"),
                );
            }
            None => {}
            Some(_) => return Ok(()),
        }
        self.memory.restarts.entry(place.clone()).or_default().push(now);
        if *op == ControlOp::ResourceRestart && self.serves(from, &r.name) {
            self.memory.restarting.insert(place);
        }
        Ok(())
    }

    /// INV-05: what is answered with success is in the repository.
    pub(super) fn check_answer(
        &self,
        command: &Command,
        answer: &Result<Done, Refusal>,
    ) -> Result<(), Finding> {
        if answer.is_err() {
            return Ok(());
        }
        let lost =
            |what: &str| finding("INV-05", format!("{command:?} is answered with success, and {what}"));
        match command {
            Command::GroupCreate { name, .. } if !self.repo.groups.contains_key(name.as_str()) => {
                lost("the group is not in the repository")
            }
            Command::GroupDelete { name, .. } if self.repo.groups.contains_key(name) => {
                lost("the group is still there")
            }
            Command::LoadLimitSet { node, name, .. }
                if self.repo.nodes.get(node).is_none_or(|n| !n.load_limits.contains_key(name)) =>
            {
                lost("the limit is not in the repository")
            }
            Command::AttrSet { node: Some(node), lifetime, values }
                if self.repo.attrs.get(node).is_none_or(|attrs| attrs.of(*lifetime) != values) =>
            {
                lost("the attribute is not in the repository")
            }
            _ => Ok(()),
        }
    }
}

/// Nothing of it was carried out. What was and did not end well says so; what was overtaken is told
/// as RECONF, and what VALIDATE refused as METHOD, when other changes have gone before it.
fn is_refused(id: RequestId, out: &Out) -> bool {
    let no = |answer: &Result<Done, Refusal>| {
        answer.as_ref().is_err_and(|r| !r.begun && !matches!(r.code, SchaErr::Method | SchaErr::Reconf))
    };
    out.replies.iter().any(|(to, answer)| *to == id && no(answer))
}
