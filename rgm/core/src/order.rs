//! Ordering methods, and who waits for their end.

use crate::cell::{Cell, Flight, Phase, Restart};
use crate::event::{Order, ValidateArgs};
use crate::links::Flavour;
use crate::plan::Desire;
use crate::{Action, Level, RequestId, Rgm, Token};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::{Method, Millis, NodeName, Progress, PropName, Resource, ResourceName, ResourceType, Status};

/// How long after its timeout a method's end may be announced before the core stops believing in
/// it. The node kills it at its timeout and needs a moment for the diagnosis and the kill.
const GRACE: Millis = Millis(60_000);

/// Who waits for a token.
#[derive(Debug, Clone)]
pub(crate) enum Flown {
    /// A cell: its flight.
    Cell { resource: ResourceName, node: NodeName, deadline: Millis },
    /// A configuration change: VALIDATE of a resource on a node.
    Validate { op: RequestId, resource: ResourceName, node: NodeName, deadline: Millis },
    /// A giveover: MONITOR_CHECK of a resource on a candidate.
    Check { op: RequestId, resource: ResourceName, node: NodeName, deadline: Millis },
}

impl Flown {
    /// When it counts as timed out, boot clock.
    pub(crate) fn deadline(&self) -> Millis {
        match self {
            Self::Cell { deadline, .. } | Self::Validate { deadline, .. } | Self::Check { deadline, .. } => {
                *deadline
            }
        }
    }

    pub(crate) fn node(&self) -> &NodeName {
        match self {
            Self::Cell { node, .. } | Self::Validate { node, .. } | Self::Check { node, .. } => node,
        }
    }
}

impl Rgm {
    fn token(&mut self) -> Token {
        let token = Token(self.next_token);
        self.next_token += 1;
        token
    }

    /// Somebody waits for a token.
    pub(crate) fn fly(&mut self, token: Token, flown: Flown) {
        self.deadlines.insert((flown.deadline(), token));
        self.tokens.insert(token, flown);
    }

    /// Nobody waits for it any more.
    pub(crate) fn land(&mut self, token: Token) -> Option<Flown> {
        let flown = self.tokens.remove(&token)?;
        self.deadlines.remove(&(flown.deadline(), token));
        Some(flown)
    }

    /// Orders the method that takes a cell on, as its plan says.
    pub(crate) fn launch(&mut self, r: &Resource, node: &NodeName, method: Method, rule: &str) {
        let token = self.token();
        let timeout = self.conf.timeout(r, method);
        let since = self.clock.boot;
        let deadline = since.after(timeout).after(GRACE);
        let changed = self.with_cell(&r.name, node, |cell| {
            let changed = if method == Method::Update {
                core::mem::take(&mut cell.owed.update)
            } else {
                BTreeSet::new()
            };
            cell.flight = Some(Flight { token, method, since, deadline, changed: changed.clone() });
            announce(cell, method);
            changed
        });
        self.fly(token, Flown::Cell { resource: r.name.clone(), node: node.clone(), deadline });
        let changed = changed.unwrap_or_default().into_iter().collect();
        let order = self.conf.type_of(r).map(|rt| self.order(r, rt, node, method, token, rule));
        self.out.actions.extend(order.map(|order| Action::Run(Order { changed, ..order })));
        self.tell_ops(
            &r.group,
            &Progress::MethodStarted {
                node: node.clone(),
                resource: r.name.clone(),
                method,
                timeout_secs: timeout.0 / 1000,
            },
        );
    }

    /// Orders VALIDATE for a configuration change. The resource may not exist yet.
    pub(crate) fn launch_validate(
        &mut self,
        op: RequestId,
        r: &Resource,
        rt: &ResourceType,
        node: &NodeName,
        args: Arc<ValidateArgs>,
    ) -> Token {
        let token = self.token();
        let timeout = timeout_of(r, rt, Method::Validate);
        let deadline = self.clock.boot.after(timeout).after(GRACE);
        self.fly(token, Flown::Validate { op, resource: r.name.clone(), node: node.clone(), deadline });
        let order =
            self.order(r, rt, node, Method::Validate, token, "VALIDATE runs before a change is committed");
        self.out.actions.push(Action::Run(Order { validate: Some(args), ..order }));
        token
    }

    /// Orders MONITOR_CHECK on a node that may take a group over.
    pub(crate) fn launch_check(&mut self, op: RequestId, r: &Resource, node: &NodeName) -> Token {
        let token = self.token();
        let deadline = self.clock.boot.after(self.conf.timeout(r, Method::MonitorCheck)).after(GRACE);
        self.fly(token, Flown::Check { op, resource: r.name.clone(), node: node.clone(), deadline });
        let rule = "MONITOR_CHECK may veto a giveover";
        let order = self.conf.type_of(r).map(|rt| self.order(r, rt, node, Method::MonitorCheck, token, rule));
        self.out.actions.extend(order.map(Action::Run));
        token
    }

    fn order(
        &self,
        r: &Resource,
        rt: &ResourceType,
        node: &NodeName,
        method: Method,
        token: Token,
        rule: &str,
    ) -> Order {
        Order {
            token,
            node: node.clone(),
            resource: r.name.clone(),
            group: r.group.clone(),
            type_name: rt.name.clone(),
            method,
            path: rt.method_path(method).unwrap_or_default(),
            timeout: timeout_of(r, rt, method),
            validate: None,
            changed: Vec::new(),
            cause: self.cause(rule),
        }
    }

    /// Passes a phase whose method is not declared.
    pub(crate) fn pass(&mut self, r: &Resource, node: &NodeName, phase: Phase) {
        match phase {
            Phase::Started => self.started(r, node),
            Phase::Stopped => self.stopped(r, node),
            Phase::Offline => self.offline(r, node),
            Phase::Prenet
            | Phase::Monitored
            | Phase::MonitorFailed
            | Phase::StartFailed
            | Phase::StopFailed => {
                self.with_cell(&r.name, node, |c| c.phase = phase);
            }
        }
    }

    /// START succeeded.
    pub(crate) fn started(&mut self, r: &Resource, node: &NodeName) {
        self.with_cell(&r.name, node, |c| {
            c.phase = Phase::Started;
            c.ignore_failed_start = false;
            set_status(c, Status::Ok, "");
        });
        self.restart_dependents(r, node);
    }

    /// A resource has come up: those that are up already and have a restart dependency on it are
    /// restarted (reference 2.4), unless another instance of it served them all the time.
    fn restart_dependents(&mut self, r: &Resource, node: &NodeName) {
        let view = self.outlook();
        let known = self.conf.resources.get(&r.name).zip(self.nodes.get_key_value(node));
        let Some((r, (node, _))) = known else { return };
        let mut due: Vec<(ResourceName, NodeName)> = Vec::new();
        for (x, dep) in view.dependents(r).filter(|(_, d)| d.flavour == Flavour::Restart) {
            if view.is_suspended(x) || mutant!(self, DependentsNotRestarted) {
                continue;
            }
            let nodes = view.nodes_depending(x, dep, node).into_iter();
            let up = nodes.filter(|at| view.phase(x, at).is_up() && view.desire(x, at) == Desire::Up);
            due.extend(up.map(|at| (x.name.clone(), at.clone())));
        }
        let (r, node) = (r.name.clone(), node.clone());
        for (x, at) in due {
            let text = format!("resource {x} is restarted on node {at}");
            let rule = format!("it has a restart dependency on resource {r}, which came up on node {node}");
            self.log(Level::Info, text, &rule);
            self.with_cell(&x, &at, |c| c.restart = c.restart.or(Some(Restart::Alone)));
        }
    }

    /// STOP succeeded. A restart of the resource alone turns round here where the type has both
    /// START and STOP (reference 4.4).
    pub(crate) fn stopped(&mut self, r: &Resource, node: &NodeName) {
        let both = self.conf.type_of(r).is_some_and(|t| t.has(Method::Start) && t.has(Method::Stop));
        let alone = !self.motions.get(&r.group).is_some_and(|m| m.draining.contains(node));
        self.with_cell(&r.name, node, |c| {
            let turn = c.restart == Some(Restart::Alone) && both && alone;
            c.phase = if turn { Phase::Prenet } else { Phase::Stopped };
            c.restart = c.restart.filter(|_| !turn);
        });
        self.forget_updates(r, node);
    }

    /// It is certainly gone from the node.
    pub(crate) fn offline(&mut self, r: &Resource, node: &NodeName) {
        self.with_cell(&r.name, node, |c| {
            c.phase = Phase::Offline;
            c.restart = None;
            c.remonitor = false;
            c.ignore_failed_start = false;
            set_status(c, Status::Offline, "");
        });
        self.forget_updates(r, node);
    }

    /// Nothing is up any more that UPDATE could tell of a change: START will see it.
    fn forget_updates(&mut self, r: &Resource, node: &NodeName) {
        self.with_cell(&r.name, node, |c| c.owed.update.clear());
        let of_it = |(x, n, _): &(ResourceName, NodeName, PropName)| *x == r.name && n == node;
        if self.conf.runs.get(&r.group).is_some_and(|run| run.updates.iter().any(of_it)) {
            self.with_run(&r.group, |run| run.updates.retain(|due| !of_it(due)));
        }
    }

    pub(crate) fn log_state(&mut self, r: &ResourceName, node: &NodeName, internal: &str) {
        let text = format!("resource {r} state on node {node} change to {internal}");
        self.log(Level::Info, text, "the state follows the methods that ran");
    }
}

/// The manager's own word on a resource's status: holds until its agent says otherwise, and does
/// not overwrite what the agent has said since the last one (reference 5.3).
pub(crate) fn set_status(cell: &mut Cell, status: Status, message: &str) {
    if !cell.status_by_agent {
        cell.status = status;
        cell.status_msg = message.to_string();
    }
}

/// Status and flags as a method is launched.
fn announce(cell: &mut Cell, method: Method) {
    match method {
        Method::PrenetStart | Method::Start => {
            cell.status_by_agent = false;
            set_status(cell, Status::Unknown, "Starting");
        }
        Method::Stop | Method::PostnetStop => {
            cell.status_by_agent = false;
            set_status(cell, Status::Unknown, "Stopping");
        }
        Method::MonitorStart
        | Method::MonitorStop
        | Method::MonitorCheck
        | Method::Validate
        | Method::Update
        | Method::Init
        | Method::Fini
        | Method::Boot => {}
    }
}

/// A method's timeout for a resource that may not be configured yet.
fn timeout_of(r: &Resource, rt: &ResourceType, method: Method) -> Millis {
    let decl = rt.prop(method.timeout_property());
    let value = decl.and_then(|d| r.props.get(&d.name).or(d.default.as_ref()));
    Millis::from_secs(value.and_then(rgm_types::Value::int).unwrap_or(3600))
}

/// The finer state of a cell, as the log names it (reference 4.6). `monitorable`: the type has a monitor.
pub(crate) fn internal_state(cell: &Cell, monitorable: bool) -> &'static str {
    match (cell.running(), cell.phase) {
        (Some(Method::PrenetStart), _) => "R_PRENET_STARTING",
        (Some(Method::Start), _) => "R_STARTING",
        (Some(Method::Stop), _) => "R_STOPPING",
        (Some(Method::PostnetStop), _) => "R_POSTNET_STOPPING",
        (Some(Method::MonitorStart), _) => "R_MON_STARTING",
        (Some(Method::MonitorStop), _) => "R_MON_STOPPING",
        (Some(Method::Init), _) => "R_INITING",
        (Some(Method::Fini), _) => "R_FINIING",
        (Some(Method::Boot), _) => "R_BOOTING",
        (_, Phase::Offline) => "R_OFFLINE",
        (_, Phase::Prenet) => "R_ONLINE_STANDBY",
        (_, Phase::Started) if monitorable => "R_ONLINE_UNMON",
        (_, Phase::Started | Phase::Monitored) => "R_ONLINE",
        (_, Phase::MonitorFailed) => "R_MON_FAILED",
        (_, Phase::StartFailed) => "R_START_FAILED",
        (_, Phase::Stopped) => "R_STOPPED",
        (_, Phase::StopFailed) => "R_STOP_FAILED",
    }
}

/// A name for a status as the log has it (reference 4.6).
pub(crate) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Ok => "R_FM_ONLINE",
        Status::Degraded => "R_FM_DEGRADED",
        Status::Faulted => "R_FM_FAULTED",
        Status::Unknown => "R_FM_UNKNOWN",
        Status::Offline => "R_FM_OFFLINE",
    }
}

/// The node and resource of an order, for a sentence.
pub(crate) fn spot(r: &ResourceName, node: &NodeName) -> String {
    format!("resource {r} on node {node}")
}
