//! On_off_switch and Monitored_switch (reference 2.4, 7.2).

use super::{Change, Goal};
use crate::Rgm;
use crate::links::{Dep, Flavour};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::vec::Vec;
use rgm_types::config::{Entry, Write};
use rgm_types::{Method, NodeName, Refusal, Resource, ResourceName, SchaErr, Switch};

impl Rgm {
    pub(super) fn admit_enable(
        &self,
        names: &[ResourceName],
        nodes: &[NodeName],
        on: bool,
        recursive: bool,
    ) -> Result<Change, Refusal> {
        let mut change = Change::default();
        let names = if recursive { self.with_linked(names, on)? } else { names.to_vec() };
        let targets = self.with_switch(&names, nodes, |r| &mut r.enabled, on)?;
        for new in &targets {
            self.refuse_frozen(&new.group)?;
            if on { self.check_may_enable(new, &targets)? } else { self.check_may_disable(new, &targets)? }
        }
        Self::switched(targets, &mut change);
        Ok(change)
    }

    /// These, and what they depend on (to enable) or what depends on them (to disable).
    fn with_linked(&self, names: &[ResourceName], on: bool) -> Result<Vec<ResourceName>, Refusal> {
        let mut found = BTreeSet::new();
        let mut left = names.to_vec();
        while let Some(name) = left.pop() {
            let r = self.existing(&name)?;
            if !found.insert(r.name.clone()) {
                continue;
            }
            let strong = |d: &&Dep| d.flavour > Flavour::Weak;
            if on {
                left.extend(self.conf.deps(&name).iter().filter(strong).map(|d| d.on.clone()));
            } else {
                let leans =
                    |x: &&Resource| self.conf.deps(&x.name).iter().filter(strong).any(|d| d.on == name);
                left.extend(self.conf.dependents(&name).filter(leans).map(|x| x.name.clone()));
            }
        }
        Ok(found.into_iter().collect())
    }

    pub(super) fn admit_monitor(
        &self,
        names: &[ResourceName],
        nodes: &[NodeName],
        on: bool,
    ) -> Result<Change, Refusal> {
        let mut change = Change::default();
        let targets = self.with_switch(names, nodes, |r| &mut r.monitored, on)?;
        for r in &targets {
            if !self.conf.type_of(r).is_some_and(|t| t.has(Method::MonitorStart)) {
                change.messages.push(format!("resource {}: its type {} has no monitor", r.name, r.type_name));
            }
        }
        Self::switched(targets, &mut change);
        Ok(change)
    }

    /// The resources named, with a switch put on these nodes (none: everywhere).
    fn with_switch(
        &self,
        names: &[ResourceName],
        nodes: &[NodeName],
        switch: impl Fn(&mut Resource) -> &mut Switch,
        on: bool,
    ) -> Result<Vec<Resource>, Refusal> {
        nodes.iter().try_for_each(|n| self.conf.node(n.as_str()).map(drop))?;
        let put = |name: &ResourceName| {
            let mut r = self.existing(name)?;
            let s = switch(&mut r);
            if nodes.is_empty() {
                *s = Switch::all(on);
            }
            nodes.iter().for_each(|n| s.set_at(n, on));
            Ok(r)
        };
        names.iter().map(put).collect()
    }

    fn switched(targets: Vec<Resource>, change: &mut Change) {
        for r in targets {
            change.goals.push(Goal::Resources { group: r.group.clone(), resources: [r.name.clone()].into() });
            change.writes.push(Write::Put(Entry::Resource(r)));
        }
    }

    /// The resource as it will be: as given here, or as it is.
    fn will_be<'a>(&'a self, name: &ResourceName, targets: &'a [Resource]) -> Option<&'a Resource> {
        targets.iter().find(|t| t.name == *name).or_else(|| self.conf.get_resource(name))
    }

    fn check_may_enable(&self, new: &Resource, targets: &[Resource]) -> Result<(), Refusal> {
        let unmet = |d: &&Dep| self.will_be(&d.on, targets).is_some_and(|other| self.is_off(new, d, other));
        let Some(dep) = self.conf.deps(&new.name).iter().filter(|d| needs_enabled(d)).find(unmet) else {
            return Ok(());
        };
        let message = format!("resource {} depends on resource {}, which is disabled", new.name, dep.on);
        let hint = format!("enable both: clrs enable {} {}", dep.on, new.name);
        Err(Refusal::new(SchaErr::Depend, message, hint))
    }

    fn check_may_disable(&self, new: &Resource, targets: &[Resource]) -> Result<(), Refusal> {
        for other in self.conf.dependents(&new.name) {
            let Some(other) = self.will_be(&other.name, targets) else { continue };
            let deps = self.conf.deps(&other.name).iter().filter(|d| d.on == new.name && needs_enabled(d));
            if { deps }.any(|d| self.is_off(other, d, new)) {
                let message =
                    format!("resource {} depends on resource {} and is enabled", other.name, new.name);
                let hint = format!("disable both: clrs disable {} {}", other.name, new.name);
                return Err(Refusal::new(SchaErr::Depend, message, hint));
            }
        }
        Ok(())
    }

    /// Somewhere `r` is enabled, and what it depends on there is disabled.
    pub(super) fn is_off(&self, r: &Resource, dep: &Dep, on: &Resource) -> bool {
        let mut here = self.conf.nodes.keys().filter(|n| r.enabled.on_at(n) && dep.holds_at(n));
        if self.conf.is_local(&r.group, dep, on) {
            return here.any(|n| !on.enabled.on_at(n));
        }
        here.next().is_some() && !self.conf.nodes_of(&on.group).iter().any(|n| on.enabled.on_at(n))
    }
}

/// What it names has to be enabled where the resource is (reference 2.4): with an offline-restart
/// dependency the resource stays enabled and goes offline instead.
pub(crate) fn needs_enabled(dep: &Dep) -> bool {
    matches!(dep.flavour, Flavour::Strong | Flavour::Restart)
}
