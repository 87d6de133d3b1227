//! What happens to methods, messages, nodes and daemons.

use super::schedule::Heard;
use super::site::{Instance, Message, Running};
use super::world::{Finding, World, finding, report, result};
use rgm_core::{Ending, Event, Order, Token};
use rgm_types::{Method, Millis, NodeName, ResourceName};

/// Ends of methods within which a world must have come to rest.
const CALMING_MAX: usize = 50_000;

impl World {
    // --- messages to nodes ---

    pub(super) fn send(&mut self, node: &NodeName, message: Message) -> Result<(), Finding> {
        let Some(site) = self.sites.get_mut(node) else {
            return finding("INV-09", format!("a message to {node}, which is unknown: {message:?}"));
        };
        if !site.up {
            return match message {
                Message::Run(order, _) => finding(
                    "INV-09",
                    format!("{} of {} for {node}, which is down", order.method, order.resource),
                ),
                Message::Record(..) | Message::Kill(_) | Message::Welcome => Ok(()),
            };
        }
        if site.held {
            site.inbox.push_back(message);
            return Ok(());
        }
        self.arrive(node, message)
    }

    fn arrive(&mut self, node: &NodeName, message: Message) -> Result<(), Finding> {
        let now = self.clock.boot;
        let Some(site) = self.sites.get_mut(node) else { return Ok(()) };
        match message {
            Message::Record(r, cell) => site.record(r, cell),
            // Nobody believes in it any more.
            Message::Run(_, until) if until <= now => {}
            Message::Run(order, until) => return self.begin(order, until),
            Message::Kill(token) if site.running.contains_key(&token) => {
                self.end(node, token, Ending::Killed, Heard::Now);
            }
            Message::Kill(_) => {}
            Message::Welcome => site.fresh = false,
        }
        Ok(())
    }

    pub(super) fn hold(&mut self, node: &NodeName) -> Result<(), Finding> {
        if let Some(site) = self.sites.get_mut(node).filter(|s| s.up) {
            site.held = true;
        }
        Ok(())
    }

    pub(super) fn release(&mut self, node: &NodeName, lost: bool) -> Result<(), Finding> {
        let Some(site) = self.sites.get_mut(node) else { return Ok(()) };
        site.held = false;
        let inbox = std::mem::take(&mut site.inbox);
        self.begun.clear();
        if !lost {
            inbox.into_iter().try_for_each(|message| self.arrive(node, message))?;
        }
        self.drain()
    }

    // --- methods ---

    /// A method begins: here the truth is held against the rules.
    fn begin(&mut self, order: Order, until: Millis) -> Result<(), Finding> {
        self.stats.methods += 1;
        self.check_begin(&order)?;
        self.memory.method_begins(&order);
        let token = order.token;
        if let Some(site) = self.sites.get_mut(&order.node) {
            site.method_begins(&order);
            site.running.insert(token, Running { order, until });
        }
        self.begun.push(token);
        Ok(())
    }

    pub(super) fn end_named(
        &mut self,
        node: &NodeName,
        resource: &ResourceName,
        method: Method,
        ending: Ending,
        heard: Heard,
    ) -> Result<(), Finding> {
        let Some(site) = self.sites.get(node) else { return Ok(()) };
        let named = |x: &&Running| x.order.resource == *resource && x.order.method == method;
        let Some(token) = site.running.values().find(named).map(|x| x.order.token) else { return Ok(()) };
        self.end(node, token, ending, heard);
        self.drain()
    }

    /// A method ends; the core hears of it next, or later.
    pub(super) fn end(&mut self, node: &NodeName, token: Token, ending: Ending, heard: Heard) {
        let Some(site) = self.sites.get_mut(node) else { return };
        let Some(Running { order, .. }) = site.running.remove(&token) else { return };
        let last = if self.repo.declares(&order.resource, Method::PostnetStop) {
            Method::PostnetStop
        } else {
            Method::Stop
        };
        site.method_ends(&order, ending, order.method == last);
        let result = result(ending);
        site.results.insert(token, result.clone());
        let event = Event::MethodEnded { node: node.clone(), token, result };
        match heard {
            Heard::Now => self.todo.push_back(event),
            Heard::Twice => {
                self.todo.push_back(event.clone());
                self.late.push_back(event);
            }
            Heard::Late => self.late.push_back(event),
        }
    }

    /// What is due to be heard is heard.
    pub(super) fn drain(&mut self) -> Result<(), Finding> {
        match self.todo.pop_front() {
            Some(event) => {
                let rest: Vec<Event> = self.todo.drain(..).collect();
                self.event(event)?;
                rest.into_iter().try_for_each(|e| self.event(e))
            }
            None => Ok(()),
        }
    }

    pub(super) fn hear(&mut self) -> Result<(), Finding> {
        let late: Vec<Event> = self.late.drain(..).collect();
        late.into_iter().try_for_each(|e| self.event(e))
    }

    /// Methods under way, by node and token.
    pub fn running(&self) -> Vec<(NodeName, ResourceName, Method, Token)> {
        let of = |(n, s): (&NodeName, &super::site::Site)| -> Vec<_> {
            let one = |x: &Running| (n.clone(), x.order.resource.clone(), x.order.method, x.order.token);
            s.running.values().map(one).collect()
        };
        self.sites.iter().flat_map(of).collect()
    }

    /// Everything under way ends well, until nothing is under way any more.
    pub(super) fn calm_down(&mut self) -> Result<(), Finding> {
        let before = std::mem::replace(&mut self.calm, true);
        for _ in 0..CALMING_MAX {
            let Some((node, _, _, token)) = self.running().into_iter().next() else {
                self.calm = before;
                return Ok(());
            };
            self.end(&node, token, Ending::Exited(0), Heard::Now);
            self.drain()?;
        }
        finding("INV-08", "the cluster does not come to rest: methods are ordered without end")
    }

    // --- time ---

    pub(super) fn pass(&mut self, boot: u64, jump: i64) -> Result<(), Finding> {
        self.clock.boot.0 += boot;
        self.clock.wall.0 = (self.clock.wall.0 + boot).saturating_add_signed(jump);
        let now = self.clock.boot;
        let over = |x: &&Running| x.until <= now;
        let late: Vec<(NodeName, Token)> = self
            .sites
            .iter()
            .flat_map(|(n, s)| s.running.values().filter(over).map(|x| (n.clone(), x.order.token)))
            .collect();
        for (node, token) in late {
            self.end(&node, token, Ending::TimedOut, Heard::Now);
        }
        self.drain()?;
        self.event(Event::Tick)
    }

    pub(super) fn give_up_process(&mut self, node: &NodeName, r: &ResourceName) -> Result<(), Finding> {
        if !self.sites.get(node).is_some_and(|s| s.up) || !self.repo.resources.contains_key(r) {
            return Ok(());
        }
        let tag = format!("{r}.svc");
        self.event(Event::PmfExceeded { node: node.clone(), resource: r.clone(), tag })
    }

    // --- nodes ---

    pub(super) fn crash(&mut self, node: &NodeName) -> Result<(), Finding> {
        let Some(site) = self.sites.get_mut(node).filter(|s| s.up) else { return Ok(()) };
        site.power_off();
        self.forget_node(node);
        self.event(Event::NodeDown { node: node.clone() })
    }

    fn forget_node(&mut self, node: &NodeName) {
        self.memory.node_down(node);
        self.awaited.retain(|_, a| a.node != *node);
        self.late.retain(|e| !matches!(e, Event::MethodEnded { node: n, .. } if n == node));
    }

    pub(super) fn join(&mut self, node: &NodeName) -> Result<(), Finding> {
        let Some(site) = self.sites.get_mut(node).filter(|s| !s.up) else { return Ok(()) };
        site.boot();
        let report = report(node, site);
        self.memory.node_boots(&self.repo, node);
        self.event(Event::NodeUp(report))
    }

    pub(super) fn report_again(&mut self, node: &NodeName) -> Result<(), Finding> {
        let Some(site) = self.sites.get_mut(node).filter(|s| s.up) else { return Ok(()) };
        site.held = false;
        site.inbox.clear();
        let report = report(node, site);
        self.event(Event::NodeUp(report))?;
        self.report_flights(node)
    }

    pub(super) fn end_aborts(&mut self, back: bool) -> Result<(), Finding> {
        let dying: Vec<NodeName> =
            self.sites.iter().filter(|(_, s)| s.aborting).map(|(n, _)| n.clone()).collect();
        for node in dying {
            self.crash(&node)?;
            if back {
                self.join(&node)?;
            }
        }
        Ok(())
    }

    // --- daemons ---

    /// kill -9 of every daemon: methods die with them or had just ended, requests are never answered.
    pub(super) fn kill_daemons(&mut self, luck: u64) -> Result<(), Finding> {
        self.tell(|| "the daemons are killed".to_string());
        for (i, (node, _, _, token)) in self.running().into_iter().enumerate() {
            let lucky = luck >> (i % 64) & 1 == 1;
            self.end(&node, token, if lucky { Ending::Exited(0) } else { Ending::Lost }, Heard::Late);
        }
        self.interrupt_links();
        self.sites.values_mut().for_each(|s| s.aborting = false);
        self.load()
    }

    /// The core is loaded anew, while the nodes' methods go on.
    pub(super) fn change_president(&mut self) -> Result<(), Finding> {
        self.tell(|| "another president".to_string());
        self.interrupt_links();
        self.load()
    }

    fn interrupt_links(&mut self) {
        for site in self.sites.values_mut() {
            site.held = false;
            site.inbox.clear();
        }
    }

    pub(super) fn blackout(&mut self) -> Result<(), Finding> {
        let names: Vec<NodeName> = self.sites.keys().cloned().collect();
        for node in names {
            self.forget_node(&node);
            if let Some(site) = self.sites.get_mut(&node) {
                site.boot();
            }
        }
        self.load()
    }

    /// As the daemon does it: once.
    pub(super) fn shut_down(&mut self) -> Result<(), Finding> {
        if self.closing.is_some() {
            return Ok(());
        }
        let id = self.request();
        self.closing = Some(id);
        self.event(Event::Shutdown { id })
    }

    // --- healing ---

    pub(super) fn heal(&mut self) -> Result<(), Finding> {
        self.tell(|| "everything heals".to_string());
        self.disarm();
        self.calm = true;
        let names: Vec<NodeName> = self.sites.keys().cloned().collect();
        names.iter().try_for_each(|n| self.release(n, false))?;
        self.hear()?;
        self.come_to_rest()?;
        if self.closing.is_some() {
            self.check_shut_down()?;
            self.blackout()?;
        }
        names.iter().try_for_each(|n| self.join(n))?;
        self.come_to_rest()?;
        self.calm = false;
        self.check_rest()
    }

    /// Methods end, aborts take effect, and what never was begun is given up in its time.
    fn come_to_rest(&mut self) -> Result<(), Finding> {
        for _ in 0..self.sites.len() + WAITS_MAX {
            self.calm_down()?;
            self.end_aborts(true)?;
            self.calm_down()?;
            self.hear()?;
            match self.core.next_deadline() {
                Some((deadline, _)) => self.pass(deadline.since(self.clock.boot).0, 0)?,
                None if self.running().is_empty() && self.sites.values().all(|s| !s.aborting) => {
                    return Ok(());
                }
                None => {}
            }
        }
        finding("INV-08", "the cluster does not come to rest")
    }

    /// The truth about a resource on a node.
    pub(super) fn instance(&self, node: &NodeName, r: &ResourceName) -> Instance {
        self.sites.get(node).map(|s| s.instance(r)).unwrap_or_default()
    }
}

/// Rounds of giving up what was lost, in addition to one a node.
const WAITS_MAX: usize = 200;
