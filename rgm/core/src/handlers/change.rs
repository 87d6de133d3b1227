//! Changes of configuration and place: admitted, validated, committed, waited for; several in one
//! request, as far as they go together.

use super::attributes::speaks_for;
use super::tell;
use crate::admit::{Change, kind};
use crate::ops::{Asker, Op, Stage};
use crate::{RequestId, Rgm, Token};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{Command, Done, GroupName, NodeName, Refusal, ResourceName, SchaErr};

/// Configuration changes of one group that may wait for the one under way. More is a script gone wild.
const QUEUE_MAX: usize = 256;

/// A request, and what is left to do for it.
#[derive(Debug, Clone)]
pub(crate) struct Job {
    pub(crate) id: RequestId,
    /// The node the caller speaks for.
    pub(crate) from: NodeName,
    /// Plain commands, in their order.
    pub(crate) commands: Vec<Command>,
    /// Remarks for the caller so far.
    pub(crate) messages: Vec<String>,
    /// How many commands were carried out before.
    pub(crate) done: usize,
}

impl Job {
    /// A request of one command, which is being carried out already.
    pub(crate) fn last(id: RequestId, from: &NodeName) -> Self {
        Self { id, from: from.clone(), commands: Vec::new(), messages: Vec::new(), done: 0 }
    }
}

impl Rgm {
    pub(super) fn change(&mut self, id: RequestId, from: &NodeName, command: &Command) {
        let foreseen = self.expand(command).and_then(|commands| {
            if commands.len() > 1 {
                self.rehearse(from, command)?;
            }
            Ok(commands)
        });
        match foreseen {
            Ok(mut commands) => {
                commands.iter_mut().for_each(|c| speaks_for(c, from));
                self.work(Job { commands, ..Job::last(id, from) });
            }
            Err(refusal) => self.reply(id, Err(refusal)),
        }
    }

    /// Several commands are tried on a copy first: what can be foreseen to be refused changes nothing.
    fn rehearse(&self, from: &NodeName, command: &Command) -> Result<(), Refusal> {
        if self.rehearsing {
            return Ok(());
        }
        self.dry_run(self.clock, from, command).map(drop)
    }

    /// Carries out the first commands of a job, as many as go together: those that only change
    /// configuration are one transaction. The rest follows when these have come to rest.
    pub(crate) fn work(&mut self, mut job: Job) {
        let Some(first) = job.commands.first() else {
            return self.reply(job.id, Ok(Done { messages: job.messages, plan: Vec::new() }));
        };
        let kind_of_first = kind(first);
        let alike = job.commands.iter().take_while(|c| kind(c) == kind_of_first).count();
        let groups = self.changed_groups(job.commands.get(..alike).unwrap_or_default());
        if let Some(locked) = groups.iter().find(|g| self.is_locked(g)).cloned() {
            return self.enqueue(&locked, job);
        }
        let (change, taken) = match self.admit_together(&job, alike) {
            Ok(admitted) => admitted,
            Err(refusal) => {
                let refusal = self.behind(&job, refusal);
                return self.reply(job.id, Err(refusal));
            }
        };
        let rest = job.commands.split_off(taken);
        let waiting = self.validate(job.id, &change);
        if waiting.is_empty() {
            job.done += taken;
            return self.carry_out(Job { commands: rest, ..job }, Asker::Operator, change);
        }
        for group in &groups {
            self.motion(group).lock = Some(job.id);
        }
        let (id, from) = (job.id, job.from.clone());
        let stage = Stage::Validate { groups, waiting, failed: Vec::new(), job, rest };
        self.ops.insert(id, Op { by: Asker::Operator, from, stage });
    }

    /// One change of as many of the first `most` commands of a job as can be admitted one after the
    /// other without anything having moved in between, and how many these are.
    fn admit_together(&self, job: &Job, most: usize) -> Result<(Change, usize), Refusal> {
        let commands = job.commands.get(..most).unwrap_or_default();
        if let [one] = commands {
            return Ok((self.admit(one)?, 1));
        }
        let mut scratch = self.clone();
        let mut together = Change::default();
        let mut taken = 0;
        for command in commands {
            let change = match scratch.admit(command) {
                Ok(change) => change,
                Err(refusal) if taken == 0 => return Err(refusal),
                Err(_) => break,
            };
            let nobody = Job::last(job.id, &job.from);
            scratch.carry_out(nobody, Asker::Operator, change.clone());
            together.append(change);
            taken += 1;
        }
        together.goals.dedup();
        Ok((together, taken))
    }

    fn is_locked(&self, group: &GroupName) -> bool {
        self.motions.get(group).is_some_and(|m| m.lock.is_some())
    }

    /// The groups whose configuration commands change: one such change of a group at a time.
    fn changed_groups(&self, commands: &[Command]) -> BTreeSet<GroupName> {
        commands.iter().filter_map(|c| self.changed_group(c)).collect()
    }

    fn changed_group(&self, command: &Command) -> Option<GroupName> {
        if let Command::ResourceCreate { group: name, .. }
        | Command::GroupSet { name, .. }
        | Command::GroupDelete { name, .. } = command
        {
            return self.conf.groups.get(name).map(|g| g.name.clone());
        }
        let (Command::ResourceSet { name, .. } | Command::ResourceDelete { name, .. }) = command else {
            return None;
        };
        let existing = self.conf.resources.get(name).map(|r| r.group.clone());
        existing.or_else(|| self.group_of_creation(name))
    }

    /// The group of a resource whose creation is under way, or waits.
    fn group_of_creation(&self, r: &ResourceName) -> Option<GroupName> {
        let under_way = self.ops.values().filter_map(|op| match &op.stage {
            Stage::Validate { job, .. } => Some(job),
            Stage::Check(_) | Stage::Goals { .. } | Stage::Shutdown => None,
        });
        let waiting = self.motions.values().flat_map(|m| &m.queue);
        let of_it = |command: &Command| {
            let Command::ResourceCreate { name, group, .. } = command else { return None };
            (name == r.as_str()).then(|| group.clone())
        };
        under_way.chain(waiting).flat_map(|job| &job.commands).find_map(of_it)
    }

    fn enqueue(&mut self, group: &GroupName, job: Job) {
        if self.motion(group).queue.len() >= QUEUE_MAX {
            let message = format!("{QUEUE_MAX} changes of resource group {group} wait already");
            return self.reply(job.id, Err(Refusal::new(SchaErr::Busy, message, "try again later")));
        }
        self.motion(group).queue.push_back(job);
    }

    fn validate(&mut self, id: RequestId, change: &Change) -> BTreeSet<Token> {
        let mut waiting = BTreeSet::new();
        for v in &change.validate {
            for node in &v.nodes {
                waiting.insert(self.launch_validate(id, &v.resource, &v.rt, node, v.args.clone()));
            }
        }
        waiting
    }

    /// All VALIDATEs of a change have ended.
    pub(super) fn validated(&mut self, id: RequestId) {
        let Some(Op { stage: Stage::Validate { groups, failed, mut job, rest, .. }, .. }) =
            self.ops.remove(&id)
        else {
            return;
        };
        let all = job.commands.len();
        if failed.is_empty() {
            // What it was admitted against may have changed meanwhile: asked once more.
            match self.admit_together(&job, all) {
                Ok((change, taken)) if taken == all => {
                    job.done += taken;
                    self.carry_out(Job { commands: rest, ..job }, Asker::Operator, change);
                }
                Ok(_) => {
                    let message = "the configuration was changed meanwhile by somebody else";
                    let refusal = Refusal::new(SchaErr::Reconf, message, "look at it and try again");
                    {
                        let refusal = self.behind(&job, refusal);
                        self.reply(id, Err(refusal));
                    };
                }
                Err(refusal) => {
                    let refusal = self.behind(&job, refusal);
                    self.reply(id, Err(refusal));
                }
            }
        } else {
            let names: Vec<String> = job.commands.iter().map(tell::command).collect();
            let message = format!("{}: VALIDATE failed, nothing was changed", names.join(", "));
            let refusal = Refusal { output: failed, ..Refusal::new(SchaErr::Method, message, "") };
            {
                let refusal = self.behind(&job, refusal);
                self.reply(id, Err(refusal));
            };
        }
        groups.iter().for_each(|group| self.unlock(group));
    }

    /// Lets the changes go on that waited for the one that has ended.
    fn unlock(&mut self, group: &GroupName) {
        self.motion(group).lock = None;
        while !self.is_locked(group) {
            let Some(job) = self.motion(group).queue.pop_front() else { break };
            self.work(job);
        }
    }

    /// Commits a change and does what belongs to it; then what is left of the job waits for that.
    pub(super) fn carry_out(&mut self, mut job: Job, by: Asker, change: Change) {
        for write in change.writes {
            self.out.required = true;
            self.note(&write);
            self.write(write.clone());
            // Whom it concerns may be others now.
            self.note(&write);
        }
        for effect in change.effects {
            self.effect(job.id, effect);
        }
        job.messages.extend(change.messages);
        if change.goals.is_empty() {
            return self.work(job);
        }
        for goal in &change.goals {
            self.stir(goal.group());
        }
        let (id, from) = (job.id, job.from.clone());
        self.ops.insert(
            id,
            Op { by, from, stage: Stage::Goals { goals: change.goals, problems: Vec::new(), job } },
        );
    }

    /// A refusal in the middle of a job says how far it went; but what is only tried went nowhere.
    fn behind(&self, job: &Job, refusal: Refusal) -> Refusal {
        if job.done == 0 || self.rehearsing {
            return refusal;
        }
        let message = format!("{} (changes before it, carried out: {})", refusal.message, job.done);
        Refusal { message, ..refusal }
    }
}
