//! RG_affinities and RG_dependencies that may be (reference 3.1): what they name exists, no group
//! depends on itself, and no two strong affinities contradict each other.

use super::groups::bad_element;
use crate::Rgm;
use crate::links::{Affinity, Liking};
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::{Group, GroupName, Refusal, SchaErr};

/// What groups say of others, with one group as it would be.
struct Web<'a> {
    rgm: &'a Rgm,
    group: &'a GroupName,
    affinities: &'a [Affinity],
}

impl Web<'_> {
    fn strong(&self, group: &GroupName) -> impl Iterator<Item = &Affinity> {
        let all = if group == self.group { self.affinities } else { self.rgm.conf.affinities(group) };
        let weak = |a: &Affinity| matches!(a.liking, Liking::WeakPositive | Liking::WeakNegative);
        all.iter().filter(move |a| !weak(a))
    }

    /// Everything that has to be on the node of this group, itself included.
    fn company(&self, group: &GroupName) -> BTreeSet<GroupName> {
        let mut found = BTreeSet::new();
        let mut left = [group.clone()].to_vec();
        while let Some(next) = left.pop() {
            left.extend(self.strong(&next).filter(|a| a.liking.needs_target()).map(|a| a.target.clone()));
            found.insert(next);
            left.retain(|g| !found.contains(g));
        }
        found
    }

    /// Two groups that would have to be on one node, and may not.
    fn contradiction(&self, group: &GroupName) -> Option<(GroupName, GroupName)> {
        let company = self.company(group);
        company.iter().find_map(|one| {
            let mut foes = self.strong(one).filter(|a| a.liking == Liking::StrongNegative);
            let foe = foes.find(|a| company.contains(&a.target))?;
            Some((one.clone(), foe.target.clone()))
        })
    }
}

impl Rgm {
    pub(super) fn check_affinities(&self, group: &Group) -> Result<(), Refusal> {
        let mut affinities: Vec<Affinity> = Vec::new();
        for text in self.group_elements(group, "RG_affinities") {
            let affinity = Affinity::parse(&text).map_err(|e| bad_element("RG_affinities", &text, &e))?;
            self.check_other(group, &affinity.target, "RG_affinities")?;
            if affinities.iter().any(|a| a.target == affinity.target) {
                return Err(bad_element("RG_affinities", &text, "names a resource group twice"));
            }
            affinities.push(affinity);
        }
        let web = Web { rgm: self, group: &group.name, affinities: &affinities };
        let steps = |g: &GroupName| web.strong(g).map(|a| (a.liking.sign(), a.target.clone())).collect();
        if let Some(circle) = circle(&group.name, steps) {
            let message = format!("strong affinities would go round in a circle: {circle}");
            return Err(Refusal::new(SchaErr::Depend, message, "take one of them out, or make it weak"));
        }
        for other in self.conf.groups.keys().filter(|g| **g != group.name).chain([&group.name]) {
            if let Some((one, foe)) = web.contradiction(other) {
                let message = format!(
                    "resource group {other} could never be online: by its strong affinities {one} and {foe} would be \
                     on its node, and {one} has --{foe}"
                );
                return Err(Refusal::new(SchaErr::Depend, message, "take one of these affinities out"));
            }
        }
        Ok(())
    }

    pub(super) fn check_group_dependencies(&self, group: &Group) -> Result<(), Refusal> {
        let mut own: Vec<GroupName> = Vec::new();
        for text in self.group_elements(group, "RG_dependencies") {
            let name = GroupName::new(&text).map_err(|e| {
                bad_element("RG_dependencies", &text, &format!("names no resource group: {e}"))
            })?;
            self.check_other(group, &name, "RG_dependencies")?;
            own.push(name);
        }
        let steps = |g: &GroupName| {
            let deps = if *g == group.name { own.as_slice() } else { self.conf.group_deps(g) };
            deps.iter().map(|d| ("", d.clone())).collect()
        };
        match circle(&group.name, steps) {
            None => Ok(()),
            Some(circle) => {
                let message = format!("resource group {} would depend on itself: {circle}", group.name);
                Err(Refusal::new(SchaErr::Depend, message, "take one of these dependencies out"))
            }
        }
    }

    /// Another group that exists.
    fn check_other(&self, group: &Group, other: &GroupName, property: &str) -> Result<(), Refusal> {
        if *other == group.name {
            return Err(bad_element(property, other.as_str(), "names the resource group itself"));
        }
        self.conf.group(other.as_str()).map(drop)
    }

    /// A group that names this one, and in which property.
    pub(super) fn who_names(&self, name: &GroupName) -> Option<(GroupName, &'static str)> {
        self.conf.neighbours(name).find_map(|other| {
            let affine = self.conf.affinities(other).iter().any(|a| a.target == *name);
            let depends = self.conf.group_deps(other).contains(name);
            let property = if affine { Some("RG_affinities") } else { depends.then_some("RG_dependencies") };
            Some((other.clone(), property?))
        })
    }
}

/// A way from a group back to itself, as a text.
fn circle(start: &GroupName, steps: impl Fn(&GroupName) -> Vec<(&'static str, GroupName)>) -> Option<String> {
    let mut came: BTreeMap<GroupName, (GroupName, &'static str)> = BTreeMap::new();
    let mut left = [start.clone()].to_vec();
    while let Some(at) = left.pop() {
        for (sign, next) in steps(&at) {
            if next == *start {
                return Some(way(start, &at, sign, &came));
            }
            if !came.contains_key(&next) {
                came.insert(next.clone(), (at.clone(), sign));
                left.push(next);
            }
        }
    }
    None
}

fn way(
    start: &GroupName,
    last: &GroupName,
    sign: &str,
    came: &BTreeMap<GroupName, (GroupName, &'static str)>,
) -> String {
    let mut back = [format!("{sign}{start}")].to_vec();
    let mut at = last;
    while let Some((from, sign)) = came.get(at) {
        back.push(format!("{sign}{at}"));
        at = from;
    }
    back.push(start.to_string());
    back.reverse();
    back.join(" -> ")
}
