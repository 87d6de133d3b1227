//! `scha_control` and `scha_resource_setstatus` (reference 2.3, 8.6, 8.7).

use super::Job;
use crate::admit::Goal;
use crate::cell::{Phase, Restart};
use crate::model::FailoverMode;
use crate::ops::Asker;
use crate::order::status_word;
use crate::{Level, RequestId, Rgm};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::{
    Command, ControlOp, Done, Group, GroupState, Method, Millis, NodeName, Refusal, Resource, SchaErr, Status,
};

impl Rgm {
    pub(super) fn control(
        &mut self,
        id: RequestId,
        from: &NodeName,
        op: ControlOp,
        group: &str,
        resource: &str,
    ) {
        let admitted = self.admit_control(from, op, group, resource);
        let (group, r) = match admitted {
            Ok(found) => found,
            Err(refusal) => {
                let text = format!(
                    "scha_control {} by resource {resource} on node {from} is refused: {}",
                    op.word(),
                    refusal.message
                );
                self.log(Level::Warn, text, "the rules of scha_control");
                return self.reply(id, Err(refusal));
            }
        };
        match op {
            ControlOp::CheckRestart => self.reply(id, Ok(Done::default())),
            ControlOp::Restart => self.restart_group(id, from, &group, &r),
            ControlOp::ResourceRestart => self.restart_resource(id, from, &r),
            ControlOp::ResourceIsRestarted => {
                let now = self.clock.boot;
                let window = self.retry_interval(&r);
                self.with_cell(&r.name, from, |c| count(&mut c.restarts, now, window));
                self.reply(id, Ok(Done::default()));
            }
            ControlOp::Giveover | ControlOp::CheckGiveover => {
                self.start_giveover(Some(id), from, &group, &r, op == ControlOp::CheckGiveover);
            }
            ControlOp::IgnoreFailedStart => {
                self.with_cell(&r.name, from, |c| c.ignore_failed_start = true);
                self.reply(id, Ok(Done::default()));
            }
            ControlOp::ResourceDisable => self.disable_here(id, from, &r),
            ControlOp::ChangeStateOnline | ControlOp::ChangeStateOffline => {
                let message = format!("resource {} is no proxy resource", r.name);
                self.reply(
                    id,
                    Err(Refusal::new(
                        SchaErr::Inval,
                        message,
                        "only proxy resources change state without methods",
                    )),
                );
            }
        }
    }

    /// The group and resource named, if the operation is allowed there and now.
    fn admit_control(
        &self,
        from: &NodeName,
        op: ControlOp,
        group: &str,
        resource: &str,
    ) -> Result<(Group, Resource), Refusal> {
        let (group, r) = self.group_and_resource(group, resource)?;
        if op == ControlOp::IgnoreFailedStart {
            let starting =
                matches!(self.cell(&r.name, from).running(), Some(Method::Start | Method::PrenetStart));
            return if starting { Ok((group, r)) } else { Err(not_starting(&r)) };
        }
        self.check_mode(&r, op, from)?;
        if group.suspended && op != ControlOp::ResourceIsRestarted {
            let message = format!("resource group {} is suspended", group.name);
            return Err(Refusal::new(
                SchaErr::Checks,
                message,
                format!("an operator resumes it: clrg resume {}", group.name),
            ));
        }
        if let Some((stuck, n)) = self.frozen(&group.name) {
            let message = format!(
                "resource group {} is in ERROR_STOP_FAILED: resource {stuck} on node {n}",
                group.name
            );
            return Err(Refusal::new(SchaErr::State, message, "an operator has to clear it"));
        }
        let state = self.group_state(&group, from);
        let online = matches!(
            state,
            GroupState::Online
                | GroupState::OnlineFaulted
                | GroupState::PendingOnline
                | GroupState::PendingOnlineBlocked
        );
        if !online {
            let message =
                format!("resource group {} is not online on node {from}: it is {state}", group.name);
            return Err(Refusal::new(
                SchaErr::State,
                message,
                "the caller must run where the group is online",
            ));
        }
        if op == ControlOp::ResourceIsRestarted && self.conf.int(&r, "Retry_interval").is_none() {
            let message = format!("type {} of resource {} declares no Retry_interval", r.type_name, r.name);
            return Err(Refusal::new(
                SchaErr::Rt,
                message,
                "declare it in the type's file to count restarts",
            ));
        }
        Ok((group, r))
    }

    pub(super) fn group_and_resource(
        &self,
        group: &str,
        resource: &str,
    ) -> Result<(Group, Resource), Refusal> {
        let group = self.conf.group(group)?.clone();
        let r = self.conf.resource(resource)?.clone();
        if r.group != group.name {
            let message = format!("resource {resource} is not in resource group {}", group.name);
            return Err(Refusal::new(SchaErr::Rsrc, message, format!("it is in {}", r.group)));
        }
        Ok((group, r))
    }

    /// The table of reference 2.3 for what monitors ask.
    fn check_mode(&self, r: &Resource, op: ControlOp, from: &NodeName) -> Result<(), Refusal> {
        let allowed = match (self.conf.failover_mode(r), op) {
            (FailoverMode::None | FailoverMode::Soft | FailoverMode::Hard, _) => true,
            (FailoverMode::RestartOnly, ControlOp::ResourceRestart) => {
                return self.check_restarts_left(r, from);
            }
            (FailoverMode::RestartOnly, ControlOp::ResourceIsRestarted) => true,
            (FailoverMode::RestartOnly | FailoverMode::LogOnly, _) => false,
        };
        if allowed {
            return Ok(());
        }
        let mode = self.conf.value(r, "Failover_mode", None).map(|v| v.to_string()).unwrap_or_default();
        let message = format!("{} is not allowed: Failover_mode of resource {} is {mode}", op.word(), r.name);
        Err(Refusal::new(SchaErr::Checks, message, ""))
    }

    fn check_restarts_left(&self, r: &Resource, from: &NodeName) -> Result<(), Refusal> {
        let Some(most) = self.conf.int(r, "Retry_count") else { return Ok(()) };
        let Some(window) = self.retry_interval(r) else { return Ok(()) };
        let cell = self.cell(&r.name, from);
        let used = cell.restarts.iter().filter(|t| self.clock.boot.since(**t) < window).count();
        if mutant!(self, RestartForEver) || most < 0 || i64::try_from(used).unwrap_or(i64::MAX) < most {
            return Ok(());
        }
        let message = format!(
            "resource {} was restarted {used} times within Retry_interval, and Retry_count is {most}",
            r.name
        );
        Err(Refusal::new(SchaErr::Checks, message, ""))
    }

    /// The window restarts are counted in, if the type has one.
    pub(crate) fn retry_interval(&self, r: &Resource) -> Option<Millis> {
        self.conf.int(r, "Retry_interval").map(Millis::from_secs)
    }

    fn restart_group(&mut self, id: RequestId, from: &NodeName, group: &Group, r: &Resource) {
        let now = self.clock.boot;
        let window = self.retry_interval(r);
        self.with_cell(&r.name, from, |c| count(&mut c.rg_restarts, now, window));
        self.motion(&group.name).draining.insert(from.clone());
        self.stir_around(&group.name);
        self.await_goal(id, from, Goal::Online { group: group.name.clone(), nodes: [from.clone()].into() });
    }

    fn restart_resource(&mut self, id: RequestId, from: &NodeName, r: &Resource) {
        if !r.enabled.on_at(from) {
            let message = format!("resource {} is disabled on node {from}", r.name);
            return self.reply(id, Err(Refusal::new(SchaErr::State, message, "")));
        }
        let now = self.clock.boot;
        let window = self.retry_interval(r);
        let twice = mutant!(self, CountRestartTwice);
        self.with_cell(&r.name, from, |c| {
            count(&mut c.restarts, now, window);
            if twice {
                count(&mut c.restarts, now, window);
            }
            c.restart = (c.phase != Phase::Offline || c.flight.is_some()).then_some(Restart::Alone);
        });
        self.await_resource(id, from, r);
    }

    fn await_resource(&mut self, id: RequestId, from: &NodeName, r: &Resource) {
        self.await_goal(
            id,
            from,
            Goal::Resources { group: r.group.clone(), resources: [r.name.clone()].into() },
        );
    }

    fn disable_here(&mut self, id: RequestId, from: &NodeName, r: &Resource) {
        let (resources, nodes) = (Vec::from([r.name.clone()]), Vec::from([from.clone()]));
        match self.admit(&Command::SetEnabled { resources, nodes, on: false, recursive: false }) {
            Err(refusal) => self.reply(id, Err(refusal)),
            Ok(change) => {
                let job = Job::last(id, from);
                self.carry_out(job, Asker::Service, change);
            }
        }
    }

    pub(super) fn set_agent_status(
        &mut self,
        from: &NodeName,
        group: &str,
        resource: &str,
        status: Status,
        message: Option<&str>,
    ) -> Result<Done, Refusal> {
        let (_, r) = self.group_and_resource(group, resource)?;
        let message = message.unwrap_or_default().to_string();
        if message.contains(['\0', '\n']) {
            return Err(Refusal::new(
                SchaErr::Inval,
                format!("status message of resource {resource} must be one line"),
                "",
            ));
        }
        let old = self.cell(&r.name, from);
        self.with_cell(&r.name, from, |c| {
            c.status = status;
            c.status_msg.clone_from(&message);
            c.status_by_agent = true;
        });
        if old.status != status {
            let text = format!("resource {} status on node {from} change to {}", r.name, status_word(status));
            self.log(Level::Info, text, "its agent said so");
        }
        if old.status_msg != message {
            let text = format!("resource {} status msg on node {from} change to <{message}>", r.name);
            self.log(Level::Info, text, "its agent said so");
        }
        Ok(Done::default())
    }
}

fn not_starting(r: &Resource) -> Refusal {
    let message = format!("no START or PRENET_START of resource {} is running here", r.name);
    Refusal::new(SchaErr::Inval, message, String::from("IGNORE_FAILED_START is for these methods themselves"))
}

/// Adds a restart to a history and drops what has left the window.
fn count(history: &mut alloc::vec::Vec<Millis>, now: Millis, window: Option<Millis>) {
    if let Some(window) = window {
        history.retain(|t| now.since(*t) < window);
        history.push(now);
    }
}
