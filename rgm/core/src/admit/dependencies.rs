//! What a resource may depend on (reference 2.4).

use super::switches::needs_enabled;
use crate::Rgm;
use crate::links::{Dep, Flavour};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use rgm_types::{Refusal, Resource, ResourceName, SchaErr};

/// Names hosts and addresses too, not only resources.
const NETWORK: &str = "Network_resources_used";

impl Rgm {
    /// Dependencies name resources there are, on nodes there are, and make no circle. `r` is as it
    /// would be.
    pub(super) fn check_dependencies(&self, r: &Resource, remarks: &mut Vec<String>) -> Result<(), Refusal> {
        for (property, flavour) in Flavour::PROPERTIES {
            for element in self.conf.list(r, property) {
                let dep = match Dep::parse(element, flavour) {
                    Ok(dep) if property != NETWORK || self.conf.resources.contains_key(&dep.on) => dep,
                    _ if property == NETWORK => {
                        remarks.push(no_resource(element));
                        continue;
                    }
                    Ok(dep) => dep,
                    Err(what) => {
                        let message = format!("{element} in {property} of resource {} {what}", r.name);
                        return Err(Refusal::new(
                            SchaErr::Depend,
                            message,
                            "write RESOURCE[@NODE][{QUALIFIER}]",
                        ));
                    }
                };
                self.check_dependency(r, &dep)?;
            }
        }
        match self.cycle(r) {
            None => Ok(()),
            Some(cycle) => {
                let message = format!("resource {} would depend on itself: {}", r.name, cycle.join(" -> "));
                Err(Refusal::new(SchaErr::Depend, message, "take one of these dependencies out"))
            }
        }
    }

    fn check_dependency(&self, r: &Resource, dep: &Dep) -> Result<(), Refusal> {
        if dep.on == r.name {
            let message = format!("resource {} would depend on itself", r.name);
            return Err(Refusal::new(SchaErr::Depend, message, "take it out of its own dependencies"));
        }
        self.existing(&dep.on)?;
        match &dep.at {
            Some(node) => self.conf.node(node.as_str()).map(drop),
            None => Ok(()),
        }
    }

    /// A way from `r` back to itself along dependencies of any flavour, with `r` as it would be. What
    /// its own group implies does not count: that gives way to what is declared.
    fn cycle(&self, r: &Resource) -> Option<Vec<String>> {
        let mut paths: Vec<Vec<ResourceName>> =
            self.conf.declared_deps(r).into_iter().map(|d| vec![r.name.clone(), d.on]).collect();
        let mut seen = BTreeSet::new();
        while let Some(path) = paths.pop() {
            let Some(last) = path.last() else { continue };
            if *last == r.name {
                return Some(path.iter().map(ToString::to_string).collect());
            }
            let Some(next) = self.conf.resources.get(last) else { continue };
            if !seen.insert(next.name.clone()) {
                continue;
            }
            let further = if next.group == r.group {
                self.conf.declared_deps(next)
            } else {
                self.conf.deps(&next.name).to_vec()
            };
            paths.extend(further.into_iter().map(|d| path.iter().cloned().chain([d.on]).collect()));
        }
        None
    }

    /// Where it is enabled, what it depends on is.
    pub(super) fn check_enabled_dependencies(&self, r: &Resource) -> Result<(), Refusal> {
        for dep in self.conf.declared_deps(r).iter().filter(|d| needs_enabled(d)) {
            let Some(on) = self.conf.resources.get(&dep.on) else { continue };
            if self.is_off(r, dep, on) {
                let message =
                    format!("resource {} depends on resource {}, which is disabled", r.name, on.name);
                let hint = format!("enable it first: clrs enable {}", on.name);
                return Err(Refusal::new(SchaErr::Depend, message, hint));
            }
        }
        Ok(())
    }

    /// Refuses to delete what others say they depend on.
    pub(super) fn refuse_depended_on(&self, name: &ResourceName) -> Result<(), Refusal> {
        let declares = |x: &&Resource| self.conf.declared_deps(x).iter().any(|d| d.on == *name);
        match self.conf.dependents(name).find(declares) {
            None => Ok(()),
            Some(x) => Err(Refusal::new(
                SchaErr::Depend,
                format!("resource {} depends on resource {name}", x.name),
                format!("take {name} out of its dependencies first"),
            )),
        }
    }
}

fn no_resource(element: &str) -> String {
    format!(
        "{element} in {NETWORK} is no resource: taken as a host name or address, without an order of starting"
    )
}
