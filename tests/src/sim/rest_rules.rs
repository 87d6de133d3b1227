//! Rules about a world that has healed: everything has ended, and what can be online is.

use super::repo::{Dep, Flavour, Reach};
use super::world::{Finding, World, finding};
use rgm_core::invariants::Violation;
use rgm_core::{Rgm, Token};
use rgm_types::view::{GroupView, Snapshot};
use rgm_types::{Group, GroupName, GroupState, Hold, Method, NodeName, Resource, ResourceName};

impl World {
    /// INV-08 and what else holds only at rest.
    pub(super) fn check_rest(&self) -> Result<(), Finding> {
        if let Some((id, command)) = self.open.first_key_value() {
            return finding("INV-08", format!("{id:?} was never answered: {command:?}"));
        }
        // A group that was started elsewhere once its failed stop was cleared may not run on both nodes,
        // but a president whom a journal tells of the failed stop again has to believe it.
        let stands = |(r, n): &&(ResourceName, NodeName)| {
            self.sites.get(n).and_then(|s| s.instances.get(r)).is_some_and(|x| x.stop_failed)
        };
        let recalled = self.memory.recalled.iter().filter(stands);
        let groups: Vec<&GroupName> =
            recalled.filter_map(|(r, _)| Some(&self.repo.resources.get(r)?.group)).collect();
        let believed = |v: &Violation| {
            let of = |group: &&GroupName| v.found.starts_with(&format!("group {group} may run on"));
            v.rule == "INV-01" && groups.iter().any(of)
        };
        if let Some(violation) = self.core.violations().into_iter().find(|v| !believed(v)) {
            return finding(violation.rule, violation.found);
        }
        let snapshot = self.core.snapshot();
        self.check_memory_is_repository(&snapshot)?;
        for view in &snapshot.groups {
            let Some(group) = self.repo.groups.get(&view.name) else { continue };
            self.check_states(view)?;
            self.check_leftovers(group)?;
            if group.managed && self.frozen(&group.name).is_none() {
                self.check_nowhere(group)?;
                self.check_node_rule(&group.name)?;
                self.check_together(group)?;
                for node in self.up_nodes().iter().filter(|n| self.repo.wants(&group.name, n)) {
                    self.repo.members(&group.name).try_for_each(|r| self.check_up(r, node))?;
                }
            }
        }
        self.check_debts_paid()
    }

    /// INV-05: what the core believes of the configuration is what the repository holds.
    fn check_memory_is_repository(&self, believed: &Snapshot) -> Result<(), Finding> {
        let loaded = Rgm::load(self.repo.entries(), self.repo.generation, Token(1));
        let held = match loaded {
            Ok(core) => core.snapshot(),
            Err(error) => return finding("INV-05", error.to_string()),
        };
        let groups = |s: &Snapshot| -> Vec<_> {
            let of = |g: &GroupView| {
                (g.name.clone(), g.managed, g.suspended, g.props.clone(), g.resources.clone())
            };
            s.groups.iter().map(of).collect()
        };
        let resources = |s: &Snapshot| -> Vec<_> {
            s.resources.iter().map(|r| (r.name.clone(), r.props.clone())).collect()
        };
        let same = groups(believed) == groups(&held)
            && resources(believed) == resources(&held)
            && believed.props == held.props;
        if same {
            Ok(())
        } else {
            finding("INV-05", "the core and the repository differ in the configuration")
        }
    }

    fn check_states(&self, view: &GroupView) -> Result<(), Finding> {
        let moving = |s: GroupState| matches!(s, GroupState::PendingOnline | GroupState::PendingOffline);
        // What failed to stop keeps up what it depends on, in other groups too.
        match view.nodes.iter().find(|n| moving(n.state)) {
            Some(n) if !self.is_anything_frozen() => {
                finding("INV-08", format!("group {} stays {} on {}", view.name, n.state, n.node))
            }
            _ => Ok(()),
        }
    }

    fn is_anything_frozen(&self) -> bool {
        self.sites.values().any(|s| s.instances.values().any(|x| x.stop_failed))
    }

    /// INV-08: nothing runs where it should not.
    fn check_leftovers(&self, group: &Group) -> Result<(), Finding> {
        if self.is_anything_frozen() {
            return Ok(());
        }
        for r in self.repo.members(&group.name) {
            for node in self.up_nodes() {
                let meant = group.managed && self.repo.wants(&group.name, &node) && r.enabled.on_at(&node);
                if !meant && self.instance(&node, &r.name).begun {
                    return finding("INV-08", format!("{} is left running on {node}", r.name));
                }
            }
        }
        Ok(())
    }

    /// INV-08: a group is online on as many nodes as it should be, or something holds it.
    fn check_nowhere(&self, group: &Group) -> Result<(), Finding> {
        let run = self.repo.runs.get(&group.name).cloned().unwrap_or_default();
        let desired = self.repo.group_int(&group.name, "Desired_primaries");
        // What failed to stop may keep a group from leaving, and so from coming anywhere.
        if group.suspended || desired == 0 || !run.wanted.is_empty() || self.is_anything_frozen() {
            return Ok(());
        }
        let free = self.free_nodes(&group.name);
        match run.hold {
            None if !self.is_choosy(&group.name) => {
                finding("INV-08", format!("group {} is nowhere and nothing holds it", group.name))
            }
            Some(Hold::NoCandidate) if !free.is_empty() && !self.is_choosy(&group.name) => {
                finding("INV-08", format!("group {} is held although {free:?} could take it", group.name))
            }
            None | Some(Hold::NoCandidate | Hold::Operator | Hold::NewCluster) => Ok(()),
        }
    }

    /// Nodes that may take a group of which it is not known that they may not.
    fn free_nodes(&self, group: &GroupName) -> Vec<NodeName> {
        let failures = self.memory.start_failures.get(group);
        let recent = |n: &NodeName| {
            failures
                .into_iter()
                .flatten()
                .filter(|(m, at)| m == n && self.within_pingpong(group, *at))
                .count()
        };
        let free = |n: &NodeName| recent(n) <= 1 && self.repo.rule_holds(group, n);
        self.repo.nodelist(group).into_iter().filter(free).collect()
    }

    /// Other groups or load limits have a say in where it may be.
    fn is_choosy(&self, group: &GroupName) -> bool {
        let strong = |g: &GroupName| self.repo.affinities(g).iter().any(|(sign, _)| sign.len() > 1);
        let hated = self.repo.groups.keys().any(|g| self.repo.affinities(g).iter().any(|(_, t)| t == group));
        strong(group)
            || hated
            || !self.repo.loads(group).is_empty()
            || !self.repo.group_list(group, "RG_dependencies").is_empty()
    }

    /// Node_rule holds wherever the group is.
    fn check_node_rule(&self, group: &GroupName) -> Result<(), Finding> {
        let broken = |n: &&NodeName| self.repo.wants(group, n) && !self.repo.rule_holds(group, n);
        match self.up_nodes().iter().find(broken) {
            Some(node) => finding("RULE", format!("{group} stays on {node} where its Node_rule is false")),
            None => Ok(()),
        }
    }

    /// Affinities hold: `++` only where the target is, `--` never where it is.
    fn check_together(&self, group: &Group) -> Result<(), Finding> {
        for (sign, target) in self.repo.affinities(&group.name) {
            if self.frozen(&target).is_some() {
                continue;
            }
            for node in self.up_nodes().iter().filter(|n| self.repo.wants(&group.name, n)) {
                let there = self.repo.wants(&target, node);
                if matches!(sign.as_str(), "++" | "+++") && !there && !group.suspended {
                    return finding(
                        "AFF",
                        format!("{} stays on {node} where {sign}{target} is not", group.name),
                    );
                }
                if sign == "--" && there && !group.suspended {
                    return finding("AFF", format!("{} stays on {node} where {sign}{target} is", group.name));
                }
            }
        }
        Ok(())
    }

    /// INV-08: an enabled resource of a group that is meant to be here is up, or what keeps it down
    /// is known; and so its monitor.
    fn check_up(&self, r: &Resource, node: &NodeName) -> Result<(), Finding> {
        if !r.enabled.on_at(node) || r.deleting {
            return Ok(());
        }
        let x = self.instance(node, &r.name);
        let up = self.serves(node, &r.name);
        let deps = self.repo.deps(r, node);
        let unmet = deps.iter().find(|d| d.flavour != Flavour::Weak && !self.is_met(d, node));
        if !up {
            let waits = deps.iter().any(|d| d.flavour != Flavour::Weak && self.only_seems_up(&d.on, node));
            return match unmet {
                None if waits => Ok(()),
                None if !x.start_failed && !self.is_anything_frozen() => {
                    finding("INV-08", format!("{} is not up on {node}, and nothing is in its way", r.name))
                }
                _ => Ok(()),
            };
        }
        let suspended = self.repo.groups.get(&r.group).is_some_and(|g| g.suspended);
        // Without a START, one that waits for what it depends on looks like one that is up.
        let starts = self.repo.declares(&r.name, Method::Start);
        if starts
            && let Some(dep) =
                deps.iter().find(|d| d.flavour == Flavour::OfflineRestart && !self.is_met(d, node))
        {
            let stuck = self.repo.resources.get(&dep.on).is_some_and(|d| self.frozen(&d.group).is_some());
            if !stuck && !suspended {
                return finding(
                    "INV-03",
                    format!(
                        "{} stays up on {node} though {} is down, an offline-restart dependency",
                        r.name, dep.on
                    ),
                );
            }
        }
        // On its way down behind one that failed to stop, it has lost its monitor already.
        if self.is_anything_frozen() {
            return Ok(());
        }
        let monitor = self.repo.declares(&r.name, Method::MonitorStart) && r.monitored.on_at(node);
        if monitor && !x.monitor && !x.monitor_failed {
            return finding("INV-08", format!("{} is not monitored on {node}", r.name));
        }
        if !monitor && x.monitor && self.repo.declares(&r.name, Method::MonitorStop) {
            return finding("INV-08", format!("{} is still monitored on {node}", r.name));
        }
        debug_assert!(
            unmet.is_none_or(|d| d.reach == Reach::Any || d.on != r.name),
            "nothing leans on itself"
        );
        Ok(())
    }

    /// Without a START, one that waits for what it depends on looks like one that is up.
    fn only_seems_up(&self, name: &ResourceName, node: &NodeName) -> bool {
        let Some(r) = self.repo.resources.get(name) else { return false };
        let hard = |d: &Dep| d.flavour != Flavour::Weak;
        let waits = |d: &Dep| !self.is_met(d, node) || self.only_seems_up(&d.on, node);
        !self.repo.declares(name, Method::Start)
            && self.repo.deps(r, node).iter().any(|d| hard(d) && waits(d))
    }

    /// Where nothing is under way, nothing is owed.
    pub(super) fn check_quiet(&self) -> Result<(), Finding> {
        let held = self.sites.values().any(|s| s.held || s.aborting);
        if held || !self.late.is_empty() || !self.awaited.is_empty() {
            Ok(())
        } else {
            self.check_debts_paid()
        }
    }

    /// Everything that had to follow has followed.
    fn check_debts_paid(&self) -> Result<(), Finding> {
        let of_group = |r| self.repo.resources.get(r).map(|r: &Resource| r.group.clone());
        let debts = [
            (&self.memory.init_due, "INIT"),
            (&self.memory.boot_due, "BOOT"),
            (&self.memory.update_due, "UPDATE"),
        ];
        // What is to go down, for a restart perhaps, and can't learns of a change when that is over.
        let falls = |r: &ResourceName, n: &NodeName| {
            let meant = |r: &Resource| r.enabled.on_at(n) && self.repo.wants(&r.group, n);
            let told = self.sites.get(n).and_then(|site| site.told(r));
            told.is_some_and(|cell| cell.restart.is_some()) || !self.repo.resources.get(r).is_some_and(meant)
        };
        for (due, name) in debts {
            let open = due.iter().find(|(r, n)| {
                let group = of_group(r);
                let alive = self.up_nodes().contains(n) && !(name == "UPDATE" && falls(r, n));
                alive && group.is_some_and(|g| self.frozen(&g).is_none())
            });
            if let Some((r, n)) = open {
                return finding("DEBT", format!("{name} of {r} on {n} was never run"));
            }
        }
        let restart = self.memory.restart_due.iter().find(|((r, n), _)| {
            self.instance(n, r).up && of_group(r).is_some_and(|g| self.frozen(&g).is_none())
        });
        match restart {
            Some(((r, n), on)) => finding("INV-03", format!("{r} on {n} was not restarted after {on}")),
            None => Ok(()),
        }
    }

    /// The end of everything: what can be stopped is.
    pub(super) fn check_shut_down(&self) -> Result<(), Finding> {
        if self.is_anything_frozen() {
            return Ok(());
        }
        for group in self.repo.groups.keys() {
            let alive = self.alive_on(group);
            if !alive.is_empty() {
                return finding(
                    "INV-08",
                    format!("the cluster is shut down, and {group} may run on {alive:?}"),
                );
            }
        }
        Ok(())
    }
}
