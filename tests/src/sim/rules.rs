//! The rules, held against the truth: what may be running, not what anybody believes.

use super::world::World;
use rgm_core::Order;
use rgm_types::{Entry, Method, ResourceName};
use std::collections::BTreeSet;

impl World {
    /// A method begins: here the truth is held against the rules.
    pub(super) fn begin(&mut self, order: Order) -> Result<(), String> {
        self.stats.methods += 1;
        self.check_alone(&order)?;
        let apart = matches!(order.method, Method::Validate | Method::MonitorCheck);
        let node = self.nodes.get_mut(&order.node).ok_or("an order for an unknown node")?;
        if !node.up {
            return Err(format!("an order for node {} which is down", order.node));
        }
        let same = |o: &Order| {
            o.resource == order.resource && !matches!(o.method, Method::Validate | Method::MonitorCheck)
        };
        if !apart && let Some(other) = node.flights.values().find(|o| same(o)) {
            return Err(format!(
                "INV-02: {} of {} begins while {} runs",
                order.method, order.resource, other.method
            ));
        }
        if matches!(order.method, Method::PrenetStart | Method::Start) {
            node.alive.insert(order.resource.clone());
        }
        if matches!(order.method, Method::Stop | Method::PostnetStop) {
            node.serving.remove(&order.resource);
        }
        node.flights.insert(order.token, order);
        Ok(())
    }

    /// INV-01 and INV-03 and INV-04 on the truth.
    fn check_alone(&self, order: &Order) -> Result<(), String> {
        if !matches!(order.method, Method::PrenetStart | Method::Start) {
            return Ok(());
        }
        let group = &order.group;
        let of_group: BTreeSet<ResourceName> = self.members(group.as_str());
        for (name, node) in self.nodes.iter().filter(|(n, _)| **n != order.node) {
            if let Some(r) = node.alive.iter().find(|r| of_group.contains(*r)) {
                return Err(format!(
                    "INV-01: {} of {} begins on {} while {r} may run on {name}",
                    order.method, order.resource, order.node
                ));
            }
        }
        if let Some(Entry::Run(_, run)) = self.repo.entries.get(&rgm_types::Key::Run(group.clone()))
            && !run.stop_failed.is_empty()
        {
            return Err(format!(
                "INV-04: {} begins while {:?} failed to stop",
                order.resource, run.stop_failed
            ));
        }
        let serving = self.nodes.get(&order.node).map(|n| &n.serving);
        if order.method == Method::Start
            && let Some(Entry::Resource(r)) =
                self.repo.entries.get(&rgm_types::Key::Resource(order.resource.clone()))
        {
            let deps =
                r.props.iter().filter(|(p, _)| p.is("Resource_dependencies")).filter_map(|(_, v)| v.list());
            for dep in deps.flatten() {
                let started = serving.is_some_and(|s| s.iter().any(|x| x.as_str() == dep));
                if !started && self.declares_start(dep) {
                    return Err(format!("INV-03: START of {} begins before {dep} serves", order.resource));
                }
            }
        }
        Ok(())
    }

    fn resources(&self) -> impl Iterator<Item = &rgm_types::Resource> + '_ {
        self.repo.entries.values().filter_map(|e| if let Entry::Resource(r) = e { Some(r) } else { None })
    }

    fn members(&self, group: &str) -> BTreeSet<ResourceName> {
        self.resources().filter(|r| r.group.as_str() == group).map(|r| r.name.clone()).collect()
    }

    fn declares_start(&self, resource: &str) -> bool {
        let rt = self.resources().find(|r| r.name.as_str() == resource).map(|r| r.type_name.clone());
        let declared =
            |e: &Entry| matches!(e, Entry::Type(t) if Some(&t.name) == rt.as_ref() && t.has(Method::Start));
        self.repo.entries.values().any(declared)
    }

    pub(super) fn has_stop(&self, order: &Order) -> bool {
        let declared =
            |e: &Entry| matches!(e, Entry::Type(t) if t.name == order.type_name && t.has(Method::Stop));
        self.repo.entries.values().any(declared)
    }
}
