//! Requests, and what is done beside writing configuration.

use crate::admit::Effect;
use crate::board::Board;
use crate::cell::Phase;
use crate::ops::{Asker, Op, Stage};
use crate::{Action, Level, RequestId, Rgm};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use rgm_types::config::Write;
use rgm_types::{Command, Done, GroupName, Hold, Method, NodeName, Refusal, ResourceName, SchaErr};

impl Rgm {
    pub(super) fn request(&mut self, id: RequestId, from: &NodeName, command: &Command) {
        self.out.required = true;
        if self.closing {
            return self.reply(id, Err(Refusal::new(SchaErr::Reconf, "the cluster is shutting down", "")));
        }
        if let Command::Control { op, group, resource } = command {
            return self.control(id, from, *op, group, resource);
        }
        if let Command::SetStatus { group, resource, status, message } = command {
            let answer = self.set_agent_status(from, group, resource, *status, message.as_deref());
            return self.reply(id, answer);
        }
        self.change(id, from, command);
    }

    /// The groups a write concerns are to be settled; what is gone is forgotten.
    pub(super) fn note(&mut self, write: &Write) {
        use rgm_types::{Entry, Key};
        match write {
            Write::Put(Entry::Group(g)) => {
                self.freed = true;
                self.stir_around(&g.name);
            }
            Write::Put(Entry::Resource(r)) => self.stir_around(&r.group),
            Write::Delete(Key::Resource(name)) => {
                if let Some(r) = self.conf.resources.get(name).cloned() {
                    let gone =
                        self.boards.get_mut(&r.group).map(|b| b.forget_resource(name)).unwrap_or_default();
                    self.touched.extend(gone);
                    self.stir_around(&r.group);
                }
            }
            Write::Delete(Key::Group(name)) => {
                self.boards.remove(name);
                // Changes that wait are answered after this one: that there is no such group.
                self.motions.retain(|g, m| g != name || !m.queue.is_empty());
                self.shown.remove(name);
            }
            Write::Put(Entry::Cluster(_)) => self.freed = true,
            Write::Put(Entry::Node(node)) => {
                self.nodes.entry(node.name.clone()).or_default();
                self.freed = true;
                self.stir_loaded(&node.name);
            }
            Write::Delete(Key::Node(name)) => drop(self.nodes.remove(name)),
            // Groups that an attribute concerns are judged one by one: see `Effect::Judge`.
            Write::Put(Entry::Type(_) | Entry::Run(..) | Entry::Attrs(..))
            | Write::Delete(Key::Cluster | Key::Type(_) | Key::Run(_) | Key::Attrs(_)) => {}
        }
    }

    pub(super) fn effect(&mut self, id: RequestId, effect: Effect) {
        match effect {
            Effect::Want { group, nodes, primaries } => {
                self.supersede(&group, Some(id));
                self.motion(&group).avoid.clear();
                let hold = nodes.is_empty().then_some(Hold::Operator);
                self.with_run(&group, |run| {
                    (run.wanted, run.hold, run.primaries) = (nodes, hold, primaries);
                });
            }
            Effect::Leave { group, nodes } => {
                self.supersede(&group, Some(id));
                for node in nodes {
                    // What is barred needs not come last as well, once it is free again.
                    if self.barred_for(&node).is_some() {
                        self.with_run(&group, |run| run.wanted.remove(&node));
                    } else {
                        self.leave(&group, &node);
                    }
                }
            }
            Effect::Seek { group } => {
                self.with_run(&group, |run| (run.hold, run.primaries) = (None, None));
            }
            Effect::Drain { group, nodes } => {
                self.motion(&group).draining.extend(nodes);
                self.stir_around(&group);
            }
            Effect::Owe { resource, nodes, method } => self.owe(&resource, &nodes, method),
            Effect::Update { resource, props } => self.owe_update(&resource, &props),
            Effect::Clear { resource, node } => self.clear_stop_failed(&resource, &node),
            Effect::Quiesce { group, kill } => self.quiesce(&group, kill),
            Effect::Bar { node, span } => {
                let until = self.clock.boot.after(span);
                if let Some(n) = self.nodes.get_mut(&node) {
                    n.barred_until = Some(until);
                }
            }
            Effect::Unhold { group, hold } => {
                if self.conf.run(&group).hold == Some(hold) {
                    self.with_run(&group, |run| run.hold = None);
                }
            }
            Effect::Attr { node, name, lifetime, value } => {
                self.tell_attr(&node, &name, lifetime, value.as_deref());
            }
            Effect::Judge { group, node } => {
                self.stir_around(&group);
                self.fail_back(&group, &node);
            }
        }
    }

    fn owe(&mut self, resource: &ResourceName, nodes: &[NodeName], method: Method) {
        let declared = self
            .conf
            .resources
            .get(resource)
            .and_then(|r| self.conf.type_of(r))
            .is_some_and(|t| t.has(method));
        if !declared || (mutant!(self, SkipInit) && method == Method::Init) {
            return;
        }
        let Some(group) = self.conf.resources.get(resource).map(|r| r.group.clone()) else { return };
        let owed: Vec<_> =
            nodes.iter().filter(|n| self.is_up(n)).map(|n| (resource.clone(), n.clone(), method)).collect();
        self.with_run(&group, |run| run.owed.extend(owed));
    }

    /// UPDATE is owed wherever the resource is up or coming up; elsewhere START will see the new values.
    /// Up is also what is about to stop: a president who takes over may know nothing of a reason to.
    /// The repository learns of it with the change itself: whoever takes over owes it too.
    fn owe_update(&mut self, name: &ResourceName, props: &BTreeSet<rgm_types::PropName>) {
        let Some(r) = self.conf.resources.get(name).cloned() else { return };
        if !self.conf.type_of(&r).is_some_and(|t| t.has(Method::Update)) {
            return;
        }
        let nodes: Vec<NodeName> = self.nodes_of_interest(&r.group).into_iter().cloned().collect();
        for node in nodes {
            let cell = self.cell(name, &node);
            let up = cell.phase.is_up() && cell.running() != Some(Method::Stop);
            if up || cell.running() == Some(Method::Start) {
                self.with_cell(name, &node, |c| c.owed.update.extend(props.iter().cloned()));
                let due = props.iter().map(|p| (name.clone(), node.clone(), p.clone()));
                if !mutant!(self, ForgetOwedUpdate) {
                    self.with_run(&r.group, |run| run.updates.extend(due));
                }
            }
        }
    }

    fn clear_stop_failed(&mut self, name: &ResourceName, node: &NodeName) {
        let Some(r) = self.conf.resources.get(name).cloned() else { return };
        self.with_run(&r.group, |run| run.stop_failed.remove(&(name.clone(), node.clone())));
        if self.cell(name, node).phase == Phase::StopFailed {
            self.offline(&r, node);
            // Its room on the node is free again, too.
            self.freed = true;
        }
        self.log(
            Level::Info,
            format!("STOP_FAILED of {} is cleared", crate::order::spot(name, node)),
            "an operator vouches for it",
        );
    }

    fn quiesce(&mut self, group: &GroupName, kill: bool) {
        self.motion(group).quiesced = true;
        if !kill {
            return;
        }
        let flights = self.boards.get(group).into_iter().flat_map(Board::iter);
        let running = flights.filter_map(|(_, node, c)| Some((node.clone(), c.flight.as_ref()?.token)));
        let kills: Vec<Action> = running.map(|(node, token)| Action::Kill { node, token }).collect();
        self.out.actions.extend(kills);
    }

    pub(super) fn shutdown(&mut self, id: RequestId) {
        self.closing = true;
        let groups: Vec<GroupName> = self.conf.groups.keys().cloned().collect();
        groups.iter().for_each(|g| self.stir(g));
        let from = self.conf.nodes.keys().next().cloned();
        match from {
            Some(from) => drop(self.ops.insert(id, Op { by: Asker::Operator, from, stage: Stage::Shutdown })),
            None => self.reply(id, Ok(Done::default())),
        }
    }
}
