//! The ends of methods (reference 4.2, 4.3, 5.5).

use crate::cell::{Phase, Restart};
use crate::model::FailoverMode;
use crate::ops::{Asker, Op, Stage};
use crate::order::{Flown, internal_state, set_status, spot};
use crate::{Action, Ending, Level, MethodResult, RequestId, Rgm, Token};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use rgm_types::{Hold, Method, NodeName, Progress, Resource, ResourceName, StartFailure, Status};

impl Rgm {
    pub(super) fn method_ended(&mut self, node: &NodeName, token: Token, result: &MethodResult) {
        // Nobody waits for it: told twice, or of a time before a node was given up.
        let known = |t: &Token| self.tokens.get(t).is_some_and(|f| f.node() == node);
        let other = || self.tokens.keys().copied().find(|t| known(t));
        let token = if mutant!(self, AcceptStrangeEnd) { other().unwrap_or(token) } else { token };
        if !known(&token) {
            return;
        }
        match self.land(token) {
            Some(Flown::Cell { resource, node, .. }) => {
                self.cell_method_ended(&resource, &node, token, result)
            }
            Some(Flown::Validate { op, resource, node, .. }) => {
                self.validation_ended(op, &resource, &node, token, result)
            }
            Some(Flown::Check { op, resource, node, .. }) => {
                self.check_ended(op, &resource, &node, token, result)
            }
            None => {}
        }
    }

    fn validation_ended(
        &mut self,
        id: RequestId,
        r: &ResourceName,
        node: &NodeName,
        token: Token,
        result: &MethodResult,
    ) {
        let ignores = mutant!(self, IgnoreValidate);
        let Some(Op { stage: Stage::Validate { waiting, failed, .. }, .. }) = self.ops.get_mut(&id) else {
            return;
        };
        waiting.remove(&token);
        if result.ending != Ending::Exited(0) && !ignores {
            failed.push(format!("VALIDATE of resource {r} on node {node} {}", how(result)));
            if result.ending != Ending::NotStarted {
                failed.extend(result.output.iter().map(|line| format!("{node}: {line}")));
            }
        }
        if waiting.is_empty() {
            self.validated(id);
        }
    }

    fn cell_method_ended(
        &mut self,
        name: &ResourceName,
        node: &NodeName,
        token: Token,
        result: &MethodResult,
    ) {
        let Some(r) = self.conf.resources.get(name).cloned() else { return };
        let Some(flight) = self.cell(name, node).flight.filter(|f| f.token == token) else { return };
        self.with_cell(name, node, |c| c.flight = None);
        let ok = result.ending == Ending::Exited(0);
        self.tell_ops(
            &r.group,
            &Progress::MethodEnded {
                node: node.clone(),
                resource: name.clone(),
                method: flight.method,
                ok,
                used: result.used,
            },
        );
        if ok {
            self.succeeded(&r, node, flight.method);
        } else if result.ending == Ending::Lost {
            self.lost(&r, node, flight.method, flight.changed);
        } else {
            let text = format!("method {} of {} {}", flight.method, spot(name, node), how(result));
            self.log(Level::Error, text, "a method fails by its exit status, a signal, or its timeout");
            self.failed(&r, node, flight.method);
        }
        let monitorable = self.conf.type_of(&r).is_some_and(|t| t.has(Method::MonitorStart));
        let state = internal_state(&self.cell(name, node), monitorable);
        self.log_state(name, node, state);
    }

    fn succeeded(&mut self, r: &Resource, node: &NodeName, method: Method) {
        match method {
            Method::PrenetStart => {
                self.with_cell(&r.name, node, |c| c.phase = Phase::Prenet);
            }
            Method::Start => self.started(r, node),
            Method::MonitorStart => {
                self.with_cell(&r.name, node, |c| c.phase = Phase::Monitored);
            }
            Method::MonitorStop => self.unmonitored(r, node),
            Method::Stop => self.stopped(r, node),
            Method::PostnetStop => self.offline(r, node),
            Method::Update | Method::Init | Method::Fini | Method::Boot => self.paid(r, node, method, true),
            Method::MonitorCheck | Method::Validate => {}
        }
    }

    fn unmonitored(&mut self, r: &Resource, node: &NodeName) {
        self.with_cell(&r.name, node, |c| {
            c.phase = Phase::Started;
            c.remonitor = false;
        });
    }

    /// A method that changes no phase has run.
    fn paid(&mut self, r: &Resource, node: &NodeName, method: Method, ok: bool) {
        let again = self.cell(&r.name, node).owed.update;
        self.with_run(&r.group, |run| {
            run.owed.remove(&(r.name.clone(), node.clone(), method));
            if method == Method::Update {
                run.updates.retain(|(x, n, p)| *x != r.name || n != node || again.contains(p));
            }
        });
        self.with_cell(&r.name, node, |c| {
            c.owed.boot &= method != Method::Boot;
            if ok {
                c.failed.remove(&method);
            } else {
                c.failed.insert(method);
            }
        });
        if method == Method::Boot {
            self.fail_back(&r.group, node);
        }
    }

    fn failed(&mut self, r: &Resource, node: &NodeName, method: Method) {
        match method {
            Method::Start if mutant!(self, StartFailureForSuccess) => self.started(r, node),
            Method::PrenetStart | Method::Start => self.start_failed(r, node),
            Method::MonitorStart => {
                self.with_cell(&r.name, node, |c| c.phase = Phase::MonitorFailed);
            }
            Method::Stop | Method::PostnetStop if mutant!(self, StopFailureForSuccess) => {
                self.offline(r, node)
            }
            Method::MonitorStop | Method::Stop | Method::PostnetStop => self.stop_failed(r, node, method),
            Method::Update | Method::Init | Method::Fini | Method::Boot => self.paid(r, node, method, false),
            Method::MonitorCheck | Method::Validate => {}
        }
    }

    /// The daemon that ran the method was killed with it. Whether it did its work is unknown, so
    /// what a start began is stopped first, and everything else is done again.
    fn lost(
        &mut self,
        r: &Resource,
        node: &NodeName,
        method: Method,
        changed: alloc::collections::BTreeSet<rgm_types::PropName>,
    ) {
        let text =
            format!("method {method} of {} was cut off with the daemon that ran it", spot(&r.name, node));
        self.log(Level::Warn, text, "what a start began is stopped first; everything else is done again");
        if mutant!(self, LostStopForSuccess) && method == Method::Stop {
            return self.offline(r, node);
        }
        let forgets = mutant!(self, LostStartForgotten);
        self.with_cell(&r.name, node, |c| match method {
            Method::Start if forgets => {}
            Method::PrenetStart | Method::Start => {
                c.phase = Phase::StartFailed;
                c.restart = Some(Restart::Whole);
            }
            Method::MonitorStart => {
                c.phase = Phase::MonitorFailed;
                c.remonitor = true;
            }
            Method::Update => c.owed.update.extend(changed),
            // Even if nothing takes it down any more: it is half down, and nobody knows how far.
            Method::Stop | Method::PostnetStop => c.restart = c.restart.or(Some(Restart::Whole)),
            Method::MonitorStop => c.remonitor = true,
            Method::Init | Method::Fini | Method::Boot | Method::MonitorCheck | Method::Validate => {}
        });
    }

    /// Reference 2.3 and 5.5: SOFT and HARD move the group, the others leave it ONLINE_FAULTED.
    fn start_failed(&mut self, r: &Resource, node: &NodeName) {
        let excused = self.with_cell(&r.name, node, |c| {
            c.phase = Phase::StartFailed;
            set_status(c, Status::Faulted, "");
            c.ignore_failed_start
        });
        let Some(group) = self.conf.groups.get(&r.group).cloned() else { return };
        let failure = StartFailure { node: node.clone(), at: self.clock.wall };
        let old: Vec<StartFailure> = self.conf.run(&r.group).start_failures;
        let recent =
            old.into_iter().filter(|f| self.within_pingpong(&group, f.at)).chain([failure]).collect();
        if !mutant!(self, ForgetStartFailures) {
            self.with_run(&r.group, |run| run.start_failures = recent);
        }
        let moves = matches!(self.conf.failover_mode(r), FailoverMode::Soft | FailoverMode::Hard);
        let quiesced = self.motions.get(&r.group).is_some_and(|m| m.quiesced);
        let wanted = self.conf.run(&r.group).wanted.contains(node);
        if !moves || excused == Some(true) || group.suspended || quiesced || !wanted {
            return;
        }
        self.log(
            Level::Warn,
            format!("resource group {} leaves node {node}", r.group),
            "START failed and Failover_mode is SOFT or HARD",
        );
        self.leave(&r.group, node);
    }

    /// Reference 2.3: HARD takes the node down; otherwise the group is frozen until an operator clears it.
    fn stop_failed(&mut self, r: &Resource, node: &NodeName, method: Method) {
        self.with_cell(&r.name, node, |c| {
            c.phase = Phase::StopFailed;
            set_status(c, Status::Faulted, "");
        });
        let hard = self.conf.failover_mode(r) == FailoverMode::Hard;
        let forgets = mutant!(self, ForgetStopFailed);
        let falling = !hard && !self.conf.run(&r.group).wanted.contains(node);
        let by_operator = falling && self.is_switched(&r.group);
        // The move that was under way is not resumed; where other instances serve, they go on.
        let serving: BTreeSet<NodeName> =
            self.up_nodes().filter(|n| !self.is_clear_on(&r.group, n)).cloned().collect();
        self.with_run(&r.group, |run| {
            if !forgets {
                run.stop_failed.insert((r.name.clone(), node.clone()));
            }
            if falling {
                run.wanted.retain(|n| serving.contains(n));
            }
            if by_operator && run.wanted.is_empty() {
                run.hold = Some(Hold::Operator);
            }
        });
        self.motion(&r.group).draining.remove(node);
        self.stir_loaded(node);
        if !hard {
            self.log(
                Level::Error,
                format!("resource group {} is in ERROR_STOP_FAILED on node {node}", r.group),
                "a stop failed and Failover_mode is not HARD: an operator has to look",
            );
            return;
        }
        self.abort(r, node, &format!("{method} of resource {} failed and its Failover_mode is HARD", r.name));
    }

    /// Has a node stop everything by the surest means there is, unless that was ordered already.
    pub(super) fn abort(&mut self, r: &Resource, node: &NodeName, rule: &str) {
        debug_assert!(self.conf.failover_mode(r) == FailoverMode::Hard, "only HARD takes a node down");
        let aborting = self.nodes.get_mut(node).map(|n| core::mem::replace(&mut n.aborting, true));
        if aborting == Some(false) {
            let cause = self.cause(rule);
            self.log(Level::Error, format!("node {node} is aborted"), rule);
            self.out.actions.push(Action::AbortNode { node: node.clone(), cause });
        }
    }

    /// An operator's command is moving the group.
    fn is_switched(&self, group: &rgm_types::GroupName) -> bool {
        self.ops.values().any(|op| match &op.stage {
            Stage::Goals { goals, .. } => {
                op.by == Asker::Operator && goals.iter().any(|g| g.group() == group && g.places())
            }
            Stage::Validate { .. } | Stage::Check(_) | Stage::Shutdown => false,
        })
    }

    /// Ends what should have ended by itself long ago, and lifts what lasted until now.
    pub(super) fn tick(&mut self) {
        let now = self.clock.boot;
        let late = self.deadlines.iter().take_while(|(deadline, _)| *deadline <= now);
        let over: Vec<(NodeName, Token)> =
            late.filter_map(|(_, t)| Some((self.tokens.get(t)?.node().clone(), *t))).collect();
        for (node, token) in over {
            let why = String::from("its node never said how it ended");
            let result =
                MethodResult { ending: Ending::TimedOut, used: rgm_types::Millis(0), output: [why].into() };
            self.method_ended(&node, token, &result);
        }
        self.lift_bars();
    }

    fn lift_bars(&mut self) {
        let now = self.clock.boot;
        for n in self.nodes.values_mut() {
            n.barred_until = n.barred_until.filter(|t| *t > now);
        }
        self.retry_unplaced();
    }
}

/// How a method ended, as the rest of a sentence.
pub(super) fn how(result: &MethodResult) -> String {
    match result.ending {
        Ending::Exited(code) => format!("exited with status {code}"),
        Ending::Signalled(signal) => format!("was killed by signal {signal}"),
        Ending::TimedOut if result.used.0 == 0 => String::from("timed out"),
        Ending::TimedOut => format!("timed out after {} ms", result.used.0),
        Ending::NotStarted => format!("could not be run: {}", result.output.join("; ")),
        Ending::Killed => String::from("was killed on an operator's order"),
        Ending::Lost => String::from("was cut off"),
    }
}
