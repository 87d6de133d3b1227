//! Requests under way, and when each gets its answer.
//!
//! A request waits for VALIDATEs, for MONITOR_CHECKs, or for groups to come to rest. It is answered
//! exactly once, whatever happens: what it waits for ends, or a later word takes its place.

use crate::admit::Goal;
use crate::cell::Phase;
use crate::handlers::Job;
use crate::plan::{Block, Plan};
use crate::{RequestId, Rgm, Token};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{
    Command, Done, GroupName, GroupState, NodeName, Progress, Refusal, Resource, ResourceName, SchaErr,
};

/// Marks the requests of the manager itself.
pub(crate) const OWN_REQUEST: u64 = 1 << 63;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// Somebody who sees what comes of it, and may ask for something else.
    Operator,
    /// A running service, or the manager in its place.
    Service,
}

/// A request under way.
#[derive(Debug, Clone)]
pub(crate) struct Op {
    /// Who asks.
    pub(crate) by: Asker,
    /// The node the caller speaks for.
    pub(crate) from: NodeName,
    /// What it waits for.
    pub(crate) stage: Stage,
}

/// What a request waits for.
#[derive(Debug, Clone)]
pub(crate) enum Stage {
    /// VALIDATEs; then the command is admitted once more and carried out.
    Validate {
        groups: BTreeSet<GroupName>,
        waiting: BTreeSet<Token>,
        failed: Vec<String>,
        /// What is validated.
        job: Job,
        /// What follows.
        rest: Vec<Command>,
    },
    /// MONITOR_CHECKs of a giveover.
    Check(Handover),
    /// Groups that have to come to rest, and what should be true then.
    Goals { goals: Vec<Goal>, problems: Vec<Problem>, job: Job },
    /// The end of everything.
    Shutdown,
}

/// What is not as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// METHOD where a method failed, DEPEND where something else has to come first.
    code: SchaErr,
    /// A sentence that names it.
    text: String,
}

impl Problem {
    fn failed(text: String) -> Self {
        Self { code: SchaErr::Method, text }
    }

    fn blocked(text: String) -> Self {
        Self { code: SchaErr::Depend, text }
    }

    /// What failed is told before what waits, which often waits for just that.
    fn is_wait(&self) -> bool {
        self.code == SchaErr::Depend
    }
}

/// A giveover whose candidates are being asked.
#[derive(Debug, Clone)]
pub(crate) struct Handover {
    pub(crate) group: GroupName,
    pub(crate) resource: ResourceName,
    pub(crate) from: NodeName,
    /// CHECK_GIVEOVER: only ask.
    pub(crate) check_only: bool,
    /// The candidate that is asked now.
    pub(crate) candidate: NodeName,
    /// Those still to ask, best first.
    pub(crate) left: VecDeque<NodeName>,
    pub(crate) waiting: BTreeSet<Token>,
    pub(crate) vetoes: Vec<String>,
}

impl Op {
    fn concerns(&self, group: &GroupName) -> bool {
        match &self.stage {
            Stage::Validate { groups, .. } => groups.contains(group),
            Stage::Check(handover) => handover.group == *group,
            Stage::Goals { goals, .. } => goals.iter().any(|g| g.group() == group),
            Stage::Shutdown => true,
        }
    }
}

impl Rgm {
    /// Answers a request, and forgets it.
    pub(crate) fn reply(&mut self, id: RequestId, answer: Result<Done, Refusal>) {
        let kept = self.ops.remove(&id).filter(|_| mutant!(self, AnswerTwice) && answer.is_err());
        self.ops.extend(kept.map(|op| (id, op)));
        if id.0 & OWN_REQUEST == 0 {
            self.out.replies.push((id, answer));
        }
    }

    /// A service's request waits for this.
    pub(crate) fn await_goal(&mut self, id: RequestId, from: &NodeName, goal: Goal) {
        let job = Job::last(id, from);
        let stage = Stage::Goals { goals: [goal].into(), problems: Vec::new(), job };
        self.ops.insert(id, Op { by: Asker::Service, from: from.clone(), stage });
    }

    /// A node is gone: what services asked from there, and what should have come of it there, ends
    /// (reference 5.8).
    pub(crate) fn end_requests_of(&mut self, node: &NodeName) {
        let meant = |g: &Goal| matches!(g, Goal::Online { nodes, .. } if nodes.contains(node));
        let over = |op: &Op| match &op.stage {
            Stage::Goals { goals, .. } if goals.iter().any(meant) => true,
            Stage::Goals { .. } | Stage::Check(_) => op.by == Asker::Service && op.from == *node,
            Stage::Validate { .. } | Stage::Shutdown => false,
        };
        let ids: Vec<RequestId> = self.ops.iter().filter(|(_, op)| over(op)).map(|(id, _)| *id).collect();
        for id in ids {
            let message = format!("node {node} is gone");
            self.reply(
                id,
                Err(Refusal::new(SchaErr::Reconf, message, "clrg status shows what became of it")),
            );
        }
    }

    /// Tells those who wait for a group what goes on with it.
    pub(crate) fn tell_ops(&mut self, group: &GroupName, progress: &Progress) {
        let concerned = self.ops.iter().filter(|(_, op)| op.concerns(group)).map(|(id, _)| *id);
        self.out.progress.extend(concerned.map(|id| (id, progress.clone())));
    }

    /// Ends requests that said where the group is to be: somebody has said otherwise.
    pub(crate) fn supersede(&mut self, group: &GroupName, but: Option<RequestId>) {
        let placed = |op: &Op| match &op.stage {
            Stage::Goals { goals, .. } => goals.iter().any(|g| g.places() && g.group() == group),
            Stage::Check(handover) => handover.group == *group,
            Stage::Validate { .. } | Stage::Shutdown => false,
        };
        let over: Vec<RequestId> =
            self.ops.iter().filter(|(id, op)| Some(**id) != but && placed(op)).map(|(id, _)| *id).collect();
        for id in over {
            if mutant!(self, LoseReply) {
                self.ops.remove(&id);
                continue;
            }
            let message = format!("a later command on resource group {group} took the place of this one");
            self.reply(
                id,
                Err(Refusal::new(SchaErr::Reconf, message, "clrg status shows what became of it")),
            );
        }
    }

    /// Answers the requests that have what they wait for in this group.
    pub(crate) fn answer(&mut self, group: &GroupName) {
        let waiting: Vec<RequestId> =
            self.ops.iter().filter(|(_, op)| op.concerns(group)).map(|(id, _)| *id).collect();
        for id in waiting {
            let Some(Op { stage: Stage::Goals { goals, .. }, .. }) = self.ops.get(&id) else { continue };
            let (reached, left): (Vec<Goal>, Vec<Goal>) =
                goals.iter().cloned().partition(|g| self.is_settled(g));
            let found: Vec<Problem> = reached.iter().filter_map(|g| self.judge(g)).collect();
            let Some(Op { stage: Stage::Goals { goals, problems, .. }, .. }) = self.ops.get_mut(&id) else {
                continue;
            };
            problems.extend(found);
            *goals = left;
            if goals.is_empty() {
                let problems = core::mem::take(problems);
                self.proceed(id, problems);
            }
        }
    }

    /// A request has what it waited for: what is left of it follows, unless there is a problem.
    fn proceed(&mut self, id: RequestId, problems: Vec<Problem>) {
        let Some(Op { stage: Stage::Goals { mut job, .. }, .. }) = self.ops.remove(&id) else { return };
        let Some(mut refusal) = outcome(problems) else { return self.work(job) };
        let left = job.commands.len();
        if left > 0 {
            refusal.hint = format!("changes after it, not carried out: {left}");
        }
        if !self.rehearsing {
            return self.reply(id, Err(refusal));
        }
        // Nothing speaks against trying it, and whoever does will be told.
        job.messages.push(format!("it would not end as asked for: {}", refusal.message));
        job.messages.extend(refusal.output);
        self.reply(id, Ok(Done { messages: job.messages, plan: Vec::new() }));
    }

    /// Nothing more will happen by itself for the goal.
    pub(crate) fn is_settled(&self, goal: &Goal) -> bool {
        match goal {
            Goal::Online { group, .. }
            | Goal::Somewhere { group }
            | Goal::Offline { group }
            | Goal::Rest { group } => self.at_rest(group),
            Goal::Resources { resources, .. } => resources.iter().all(|r| self.resource_at_rest(r)),
        }
    }

    fn resource_at_rest(&self, name: &ResourceName) -> bool {
        let Some(r) = self.conf.resources.get(name) else { return true };
        let view = self.outlook();
        !r.deleting && self.nodes_of_interest(&r.group).into_iter().all(|n| view.plan(r, n).is_settled())
    }

    /// What is not as the goal wants it; `None`: all is well.
    fn judge(&self, goal: &Goal) -> Option<Problem> {
        let group = self.conf.groups.get(goal.group())?;
        if let (
            Goal::Offline { .. } | Goal::Online { .. } | Goal::Somewhere { .. } | Goal::Rest { .. },
            Some((r, n)),
        ) = (goal, self.frozen(&group.name))
        {
            return Some(Problem::failed(format!(
                "resource {r} failed to stop on node {n}: resource group {} is in ERROR_STOP_FAILED; make sure nothing \
                 of {r} runs there, then: clrs clear -n {n} -f STOP_FAILED {r}",
                group.name
            )));
        }
        let is_online = |n: &NodeName| {
            matches!(
                self.group_state(group, n),
                GroupState::Online | GroupState::OnlineFaulted | GroupState::PendingOnlineBlocked
            )
        };
        let nodes = self.nodes_of_interest(&group.name).into_iter();
        let online: Vec<NodeName> = nodes.filter(|n| is_online(n)).cloned().collect();
        match goal {
            Goal::Offline { .. } => self.stop_problem(&group.name),
            Goal::Rest { .. } => None,
            Goal::Online { nodes, .. } => {
                let missed = nodes.iter().find(|n| !online.contains(n));
                missed
                    .map(|n| self.missed(&group.name, n, &online))
                    .or_else(|| self.start_problem(&group.name))
            }
            Goal::Somewhere { .. } if online.is_empty() => {
                let text = format!("resource group {} could not be brought online on any node", group.name);
                Some(Problem::failed(text))
            }
            Goal::Somewhere { .. } => self.start_problem(&group.name),
            Goal::Resources { resources, .. } => self.worst(resources.iter()),
        }
    }

    /// Why a group is not on a node that was chosen for it.
    fn missed(&self, group: &GroupName, node: &NodeName, online: &[NodeName]) -> Problem {
        if let Some(held) = self.stop_problem(group) {
            return held;
        }
        if let Some(other) = self.in_the_way_of(group, node) {
            return Problem::blocked(format!(
                "resource group {group} can not start on node {node}: resource group {other} is in its way"
            ));
        }
        let where_then = match online.first() {
            Some(other) => format!("online on node {other}"),
            None => String::from("offline"),
        };
        Problem::failed(format!(
            "resource group {group} failed to start on chosen node {node} and is {where_then}"
        ))
    }

    /// A resource that is not stopped because of another one that could not be.
    fn stop_problem(&self, group: &GroupName) -> Option<Problem> {
        let view = self.outlook();
        let places = self.nodes_of_interest(group).into_iter();
        let mut places = places.flat_map(|n| self.conf.members(group).map(move |r| (r, n)));
        places.find_map(|(r, node)| match view.plan(r, node) {
            Plan::Blocked(Block::Dependent(x)) => Some(Problem::failed(format!(
                "resource {} is not stopped on node {node}: resource {x}, which depends on it, could not be stopped",
                r.name
            ))),
            Plan::Rest | Plan::Blocked(_) | Plan::Wait(_) | Plan::Run(_) | Plan::Pass(_) => None,
        })
    }

    fn start_problem(&self, group: &GroupName) -> Option<Problem> {
        self.worst(self.conf.members(group).map(|r| &r.name))
    }

    fn worst<'a>(&self, resources: impl Iterator<Item = &'a ResourceName>) -> Option<Problem> {
        resources.filter_map(|r| self.resource_problem(r)).min_by_key(Problem::is_wait)
    }

    fn resource_problem(&self, name: &ResourceName) -> Option<Problem> {
        let r: &Resource = self.conf.resources.get(name)?;
        let view = self.outlook();
        let mut nodes = self.nodes_of_interest(&r.group).into_iter();
        nodes.find_map(|node| match (view.plan(r, node), view.phase(r, node)) {
            (Plan::Blocked(Block::StartFailed), _) => Some(Problem::failed(format!(
                "resource {name} failed to start on node {node} (START_FAILED); see its messages in the log, then restart \
                 its group: clrg restart -n {node} {}",
                r.group
            ))),
            (_, Phase::StopFailed) => Some(Problem::failed(format!(
                "resource {name} failed to stop on node {node} (STOP_FAILED); make sure nothing of it runs there, then: \
                 clrs clear -n {node} -f STOP_FAILED {name}"
            ))),
            (_, Phase::MonitorFailed) => Some(Problem::failed(format!(
                "the monitor of resource {name} failed to start on node {node} (MONITOR_FAILED)"
            ))),
            (Plan::Blocked(block), _) => {
                let why = self.what_blocks(r, &block);
                why.map(|why| Problem::blocked(format!("resource {name} is not started on node {node}: {why}")))
            }
            _ => None,
        })
    }

    /// What keeps a resource from starting though no method of it failed.
    fn what_blocks(&self, r: &Resource, block: &Block) -> Option<String> {
        let lacks = |dep: &ResourceName| {
            let on = self.conf.resources.get(dep);
            let disabled =
                on.is_some_and(|on| self.conf.nodes_of(&on.group).iter().all(|n| !on.enabled.on_at(n)));
            if disabled { "disabled" } else { "not online" }
        };
        Some(match block {
            Block::Foreign(dep) => format!(
                "it depends on resource {dep} of resource group {}, which is {}; it starts by itself when that one is \
                 online (resource group {} is PENDING_ONLINE_BLOCKED)",
                self.conf.resources.get(dep)?.group,
                lacks(dep),
                r.group
            ),
            Block::Dependency(dep) => format!("it depends on resource {dep}, which is {}", lacks(dep)),
            Block::Group(other) => format!("resource group {other} could not start or stop there"),
            Block::Elsewhere(other) => format!("its group can not leave node {other}"),
            Block::StartFailed | Block::StopFailed(_) | Block::Dependent(_) => return None,
        })
    }

    /// The end of everything has come when nothing runs any more, or can be stopped.
    pub(crate) fn answer_shutdown(&mut self) {
        if !self.closing {
            return;
        }
        let groups: Vec<GroupName> = self.conf.groups.keys().cloned().collect();
        if !groups.iter().all(|g| self.at_rest(g)) || !self.tokens.is_empty() {
            return;
        }
        let stuck: Vec<String> =
            groups.iter().filter_map(|g| self.frozen(g)).map(|(r, n)| crate::order::spot(&r, &n)).collect();
        let over: Vec<RequestId> = self.ops.keys().copied().collect();
        for id in over {
            let asked = matches!(self.ops.get(&id), Some(Op { stage: Stage::Shutdown, .. }));
            let done = Done {
                messages: stuck.iter().map(|s| format!("{s} failed to stop")).collect(),
                plan: Vec::new(),
            };
            let refusal = Refusal::new(SchaErr::Reconf, "the cluster is shutting down", "");
            self.reply(id, if asked { Ok(done) } else { Err(refusal) });
        }
    }
}

/// The first failure, or else the first wait, with the other problems behind it; `None`: success.
fn outcome(mut problems: Vec<Problem>) -> Option<Refusal> {
    problems.dedup();
    problems.sort_by_key(Problem::is_wait);
    let mut problems = problems.into_iter();
    let Problem { code, text } = problems.next()?;
    let output = problems.map(|p| p.text).collect();
    Some(Refusal { output, begun: true, ..Refusal::new(code, text, "") })
}
