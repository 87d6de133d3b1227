//! A node of a simulated cluster: what really runs there, its journal, and its link to the president.

use rgm_core::cell::Cell;
use rgm_core::{Ending, MethodResult, Order, Token};
use rgm_types::{Method, Millis, ResourceName};
use std::collections::{BTreeMap, VecDeque};

/// What is true of one resource on one node, whatever anybody believes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Instance {
    /// Something of it may run: a start was begun, and the last stop did not yet succeed.
    pub(crate) begun: bool,
    /// PRENET_START succeeded, and no stop was begun since.
    pub(crate) prenet: bool,
    /// START succeeded, and no stop was begun since.
    pub(crate) up: bool,
    /// START was begun, and no STOP succeeded since.
    pub(crate) tried: bool,
    /// The last start failed, and nothing was tried since.
    pub(crate) start_failed: bool,
    /// The last MONITOR_START succeeded, and no MONITOR_STOP was begun since.
    pub(crate) monitor: bool,
    /// The last MONITOR_START failed, and nothing was tried since.
    pub(crate) monitor_failed: bool,
    /// A stop has failed and nobody has cleared it.
    pub(crate) stop_failed: bool,
}

/// A method under way on a node.
#[derive(Debug, Clone)]
pub(crate) struct Running {
    pub(crate) order: Order,
    /// Killed by the node at this time of its boot clock.
    pub(crate) until: Millis,
}

/// A message to a node, in the order they were sent.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Record(ResourceName, Option<Cell>),
    /// With the time from which on the node no longer begins it.
    Run(Order, Millis),
    Kill(Token),
    /// The president knows that it has booted.
    Welcome,
}

/// A node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Site {
    pub(crate) up: bool,
    /// It has booted, and does not know yet that the president knows.
    pub(crate) fresh: bool,
    /// Told to abort; it will be gone soon.
    pub(crate) aborting: bool,
    /// The last record of each resource.
    pub(crate) journal: BTreeMap<ResourceName, Cell>,
    /// Methods under way.
    pub(crate) running: BTreeMap<Token, Running>,
    /// Results that no record has acknowledged yet.
    pub(crate) results: BTreeMap<Token, MethodResult>,
    /// What is true of each resource.
    pub(crate) instances: BTreeMap<ResourceName, Instance>,
    /// Messages wait in `inbox`.
    pub(crate) held: bool,
    pub(crate) inbox: VecDeque<Message>,
}

impl Site {
    /// Power off: nothing runs any more, nothing is remembered.
    pub(crate) fn power_off(&mut self) {
        *self = Self::default();
    }

    /// Power on.
    pub(crate) fn boot(&mut self) {
        *self = Self { up: true, fresh: true, ..Self::default() };
    }

    pub(crate) fn instance(&self, r: &ResourceName) -> Instance {
        self.instances.get(r).cloned().unwrap_or_default()
    }

    /// A record comes. A cell that no longer tells of a flight acknowledges its result.
    pub(crate) fn record(&mut self, r: ResourceName, cell: Option<Cell>) {
        let flight = |c: &Cell| c.flight.as_ref().map(|f| f.token);
        let new = cell.as_ref().and_then(flight);
        if let Some(old) = self.journal.get(&r).and_then(flight)
            && new != Some(old)
        {
            self.results.remove(&old);
        }
        match cell {
            Some(cell) => drop(self.journal.insert(r, cell)),
            None => drop(self.journal.remove(&r)),
        }
    }

    /// The methods the journal tells of as under way.
    pub(crate) fn flights(&self) -> Vec<Token> {
        self.journal.values().filter_map(|c| Some(c.flight.as_ref()?.token)).collect()
    }

    /// What its journal was told last of a resource, be it still on its way.
    pub(crate) fn told(&self, r: &ResourceName) -> Option<&Cell> {
        let record = |m: &'_ Message| matches!(m, Message::Record(name, _) if name == r);
        match self.inbox.iter().rfind(|m| record(m)) {
            Some(Message::Record(_, cell)) => cell.as_ref(),
            _ => self.journal.get(r),
        }
    }

    /// Methods that were ordered and have not arrived yet.
    pub(crate) fn ordered(&self) -> impl Iterator<Item = Token> + '_ {
        self.inbox.iter().filter_map(|m| match m {
            Message::Run(order, _) => Some(order.token),
            Message::Record(..) | Message::Kill(_) | Message::Welcome => None,
        })
    }

    /// What a method's beginning does to the truth.
    pub(crate) fn method_begins(&mut self, order: &Order) {
        let x = self.instances.entry(order.resource.clone()).or_default();
        match order.method {
            Method::PrenetStart | Method::Start => {
                x.begun = true;
                x.tried |= order.method == Method::Start;
                x.start_failed = false;
            }
            Method::Stop | Method::PostnetStop => {
                (x.prenet, x.up, x.start_failed) = (false, false, false);
            }
            Method::MonitorStart | Method::MonitorStop => {
                (x.monitor, x.monitor_failed) = (false, false);
            }
            Method::MonitorCheck
            | Method::Validate
            | Method::Update
            | Method::Init
            | Method::Fini
            | Method::Boot => {}
        }
    }

    /// What a method's end does to the truth. `last`: it is the last stop its type declares.
    pub(crate) fn method_ends(&mut self, order: &Order, ending: Ending, last: bool) {
        let x = self.instances.entry(order.resource.clone()).or_default();
        let ok = ending == Ending::Exited(0);
        let lost = ending == Ending::Lost;
        match order.method {
            Method::PrenetStart => (x.prenet, x.start_failed) = (ok, !ok && !lost),
            Method::Start => (x.up, x.start_failed) = (ok, !ok && !lost),
            Method::Stop | Method::PostnetStop if ok && last => *x = Instance::default(),
            Method::Stop => {
                x.prenet = false;
                x.tried &= !ok;
            }
            Method::MonitorStart => (x.monitor, x.monitor_failed) = (ok, !ok),
            Method::PostnetStop
            | Method::MonitorStop
            | Method::MonitorCheck
            | Method::Validate
            | Method::Update
            | Method::Init
            | Method::Fini
            | Method::Boot => {}
        }
    }
}
