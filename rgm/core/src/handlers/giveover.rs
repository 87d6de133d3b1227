//! GIVEOVER: a resource asks that its group move to another node (reference 5.6, 5.7).
//!
//! Candidates are asked one after the other: MONITOR_CHECK of every resource that declares it, all
//! at the same time on one node. The first node without a veto takes the group; when none is left
//! the group stays where it is.

use crate::admit::Goal;
use crate::links::Liking;
use crate::ops::{Asker, Handover, OWN_REQUEST, Op, Stage};
use crate::order::spot;
use crate::place::{By, Layout, Rule, Verdict};
use crate::{Ending, Level, MethodResult, RequestId, Rgm, Token};
use alloc::collections::{BTreeSet, VecDeque};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use rgm_types::{
    Done, Giveover, Group, GroupName, Method, NodeName, Refusal, Resource, ResourceName, SchaErr,
};

impl Rgm {
    /// `id` is `None` when the manager itself decides it, for a resource without a monitor.
    pub(super) fn start_giveover(
        &mut self,
        id: Option<RequestId>,
        from: &NodeName,
        group: &Group,
        r: &Resource,
        check_only: bool,
    ) {
        let moved = match self.delegate(from, group) {
            Ok(moved) => moved,
            Err(refusal) => return self.refuse_giveover(id, refusal),
        };
        let running =
            self.ops.values().any(|op| matches!(&op.stage, Stage::Check(h) if h.group == moved.name));
        if running {
            let message = format!("a giveover of resource group {} is under way already", moved.name);
            return self
                .refuse_giveover(id, Refusal::new(SchaErr::Reconf, message, "try again when it has ended"));
        }
        if !check_only {
            self.with_cell(&r.name, from, |c| c.restarts.clear());
        }
        let barred = self.barred_by_pingpong(&moved, &r.name);
        let mut verdicts = self.verdicts(&Layout::default(), &moved, By::Itself);
        verdicts.retain(|v| v.node != *from);
        verdicts.sort_by_key(|v| v.rank);
        let fits = |v: &&Verdict| v.eligible() && !barred.contains(&v.node);
        let left: VecDeque<NodeName> = verdicts.iter().filter(fits).map(|v| v.node.clone()).collect();
        let gave_up = Rule::GaveUp(r.name.clone());
        let veto =
            |v: &Verdict| format!("node {}: {}", v.node, if v.eligible() { &gave_up } else { &v.rule });
        let vetoes = verdicts.iter().filter(|v| !fits(v)).map(veto).collect();
        let handover = Handover {
            group: moved.name,
            resource: r.name.clone(),
            from: from.clone(),
            check_only,
            candidate: from.clone(),
            left,
            waiting: BTreeSet::new(),
            vetoes,
        };
        let id = id.unwrap_or_else(|| self.own_request());
        self.ops.insert(id, Op { by: Asker::Service, from: from.clone(), stage: Stage::Check(handover) });
        self.ask_next(id);
    }

    /// The group that moves: with `+++` the one it has that affinity for, and so on.
    fn delegate(&self, from: &NodeName, group: &Group) -> Result<Group, Refusal> {
        let mut moved = group;
        let delegates = |g: &Group| {
            let own = self.conf.affinities(&g.name).iter();
            { own }.find(|a| a.liking == Liking::Delegating).and_then(|a| self.conf.groups.get(&a.target))
        };
        while let Some(target) = delegates(moved) {
            moved = target;
        }
        let name = &moved.name;
        let what = if moved.suspended {
            "is suspended"
        } else if self.frozen(name).is_some() {
            "is in ERROR_STOP_FAILED"
        } else if !self.hosts(&Layout::default(), name, from) {
            "is not online here"
        } else {
            return Ok(moved.clone());
        };
        let message =
            format!("resource group {} can not leave node {from}: resource group {name} {what}", group.name);
        Err(Refusal::new(SchaErr::Checks, message, "by its affinity +++ the other group has to move"))
    }

    /// A request of the manager itself: nobody hears its reply.
    fn own_request(&mut self) -> RequestId {
        self.next_token += 1;
        RequestId(OWN_REQUEST | self.next_token)
    }

    fn refuse_giveover(&mut self, id: Option<RequestId>, refusal: Refusal) {
        self.log(Level::Warn, refusal.message.clone(), "the rules of GIVEOVER");
        if let Some(id) = id {
            self.reply(id, Err(refusal));
        }
    }

    /// Nodes this resource gave up within Pingpong_interval.
    fn barred_by_pingpong(&self, group: &Group, r: &ResourceName) -> BTreeSet<NodeName> {
        let run = self.conf.run(&group.name);
        let recent = run.giveovers.iter().filter(|g| g.resource == *r && self.within_pingpong(group, g.at));
        recent.map(|g| g.node.clone()).collect()
    }

    /// Asks the next candidate; without one the giveover is refused, without vetoers it is granted.
    fn ask_next(&mut self, id: RequestId) {
        let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) else { return };
        let Some(node) = h.left.pop_front() else {
            if !h.check_only && self.serves_elsewhere(id) {
                return self.go_offline_here(id);
            }
            let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) else { return };
            let message = format!(
                "resource group {} can not leave node {}: no other node may take it",
                h.group, h.from
            );
            let output = core::mem::take(&mut h.vetoes);
            let refusal = Refusal { output, ..Refusal::new(SchaErr::Checks, message, "") };
            self.ops.remove(&id);
            return self.refuse_giveover(Some(id), refusal);
        };
        h.candidate = node.clone();
        let groups = [Some(h.group.clone()), self.conf.resources.get(&h.resource).map(|r| r.group.clone())];
        let groups: BTreeSet<GroupName> = groups.into_iter().flatten().collect();
        if !self.is_up(&node) {
            return self.ask_next(id);
        }
        let asked = |r: &&Resource| {
            r.enabled.on_at(&node) && self.conf.type_of(r).is_some_and(|t| t.has(Method::MonitorCheck))
        };
        let members = groups.iter().flat_map(|group| self.conf.members(group));
        let members: Vec<Resource> = members.filter(asked).cloned().collect();
        let tokens: BTreeSet<Token> = members.iter().map(|r| self.launch_check(id, r, &node)).collect();
        let granted = tokens.is_empty();
        if let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) {
            h.waiting = tokens;
        }
        if granted {
            self.grant(id);
        }
    }

    pub(super) fn check_ended(
        &mut self,
        id: RequestId,
        r: &ResourceName,
        node: &NodeName,
        token: Token,
        result: &MethodResult,
    ) {
        let ignores = mutant!(self, IgnoreVeto);
        let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) else { return };
        h.waiting.remove(&token);
        let vetoed = result.ending != Ending::Exited(0) && !ignores;
        if vetoed {
            let veto = format!("MONITOR_CHECK of {} {}", spot(r, node), super::method::how(result));
            h.vetoes.push(veto.clone());
            h.waiting.clear();
            self.log(Level::Warn, veto, "a failed MONITOR_CHECK bars the node from this giveover");
            return self.ask_next(id);
        }
        if h.waiting.is_empty() {
            self.grant(id);
        }
    }

    /// A candidate passed, unless something has come up against it while it was asked.
    fn grant(&mut self, id: RequestId) {
        let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get(&id) else { return };
        let Some(group) = self.conf.groups.get(&h.group).cloned() else { return };
        let verdicts = self.verdicts(&Layout::default(), &group, By::Itself);
        let mut verdict = verdicts.into_iter().find(|v| v.node == h.candidate);
        // Pingpong_interval is time of day, which may have been set back.
        if let Some(v) = &mut verdict
            && self.barred_by_pingpong(&group, &h.resource).contains(&v.node)
        {
            v.rule = Rule::GaveUp(h.resource.clone());
        }
        let fit = verdict.as_ref().is_some_and(|v| v.eligible() || v.rule == Rule::Here);
        let why = verdict.as_ref().map(|v| v.rule.to_string()).unwrap_or_default();
        let Some(verdict) = verdict.filter(|_| fit) else {
            if let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) {
                h.vetoes.push(format!("node {}: {why}", h.candidate));
            }
            return self.ask_next(id);
        };
        let Some(Op { from, stage: Stage::Check(h), .. }) = self.ops.remove(&id) else { return };
        if h.check_only {
            return self.reply(id, Ok(Done::default()));
        }
        let left = !self.conf.run(&group.name).wanted.contains(&h.from) || self.frozen(&group.name).is_some();
        if left || group.suspended {
            let what = if left { "has left" } else { "is suspended, and stays on" };
            let message = format!("resource group {} {what} node {} meanwhile", group.name, h.from);
            return self.refuse_giveover(Some(id), Refusal::new(SchaErr::Reconf, message, ""));
        }
        self.log(
            Level::Warn,
            format!("resource group {} moves from node {} to node {}", group.name, h.from, h.candidate),
            &format!(
                "resource {} asked for GIVEOVER; node {} passed its MONITOR_CHECKs",
                h.resource, h.candidate
            ),
        );
        self.supersede(&group.name, Some(id));
        self.given_up(&group, &h);
        self.make_room(&group.name, &verdict);
        self.with_run(&group.name, |run| {
            run.wanted.insert(h.candidate.clone());
            run.hold = None;
        });
        self.await_move(id, &from, &h);
    }

    /// The giveover is remembered for Pingpong_interval, and the group leaves.
    fn given_up(&mut self, group: &Group, h: &Handover) {
        let given = Giveover { resource: h.resource.clone(), node: h.from.clone(), at: self.clock.wall };
        let old = self.conf.run(&group.name).giveovers;
        let recent: Vec<Giveover> =
            old.into_iter().filter(|g| self.within_pingpong(group, g.at)).chain([given]).collect();
        self.leave(&group.name, &h.from);
        if !mutant!(self, ForgetGiveover) {
            self.with_run(&group.name, |run| run.giveovers = recent);
        }
    }

    /// Who asked waits for its own group, which may only follow.
    fn await_move(&mut self, id: RequestId, from: &NodeName, h: &Handover) {
        let own = self.conf.resources.get(&h.resource).map_or(&h.group, |r| &r.group).clone();
        self.await_goal(id, from, Goal::Somewhere { group: own });
    }

    /// The group that should move is online on other nodes as well.
    fn serves_elsewhere(&self, id: RequestId) -> bool {
        let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get(&id) else { return false };
        let other = |n: &&NodeName| **n != h.from && self.is_up(n);
        self.conf.run(&h.group).wanted.iter().any(|n| other(&n))
    }

    /// No node is left to take it, but others serve: it goes offline where it gave up (reference 5.7).
    fn go_offline_here(&mut self, id: RequestId) {
        let Some(Op { from, stage: Stage::Check(h), .. }) = self.ops.remove(&id) else { return };
        let Some(group) = self.conf.groups.get(&h.group).cloned() else { return };
        self.log(
            Level::Warn,
            format!("resource group {} goes offline on node {}", h.group, h.from),
            &format!(
                "resource {} asked for GIVEOVER, no node may take it, and it serves elsewhere",
                h.resource
            ),
        );
        self.supersede(&group.name, Some(id));
        self.given_up(&group, &h);
        self.await_move(id, &from, &h);
    }

    /// A node that was being asked is gone: the next one.
    pub(super) fn skip_candidate(&mut self, node: &NodeName) {
        let asking = |op: &Op| matches!(&op.stage, Stage::Check(h) if h.candidate == *node);
        let ids: Vec<RequestId> = self.ops.iter().filter(|(_, op)| asking(op)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(Op { stage: Stage::Check(h), .. }) = self.ops.get_mut(&id) {
                h.waiting.clear();
                h.vetoes.push(format!("node {node} is gone"));
            }
            self.ask_next(id);
        }
    }
}
