//! Rules about what is ordered and what begins, held against the truth: what may be running, not
//! what anybody believes.

use super::repo::{Dep, Flavour, Reach};
use super::site::Running;
use super::world::{Finding, World, finding};
use rgm_core::Order;
use rgm_core::cell::Phase;
use rgm_types::{GroupName, Method, NodeName, Resource, ResourceName};
use std::collections::BTreeSet;

impl World {
    /// A method is ordered: may it be, by the configuration?
    pub(super) fn check_order(&self, order: &Order) -> Result<(), Finding> {
        let what = || format!("{} of {} on {}", order.method, order.resource, order.node);
        if matches!(order.method, Method::Validate | Method::MonitorCheck) {
            return Ok(());
        }
        let Some(r) = self.repo.resources.get(&order.resource) else {
            return finding("CONF", format!("{} is ordered, and there is no such resource", what()));
        };
        if !self.repo.declares(&order.resource, order.method) {
            return finding("CONF", format!("{} is ordered and not declared", what()));
        }
        let starts = matches!(order.method, Method::PrenetStart | Method::Start | Method::MonitorStart);
        let needs_switch = starts || order.method == Method::Update;
        let switched = self.memory.switched_off.contains(&order.resource);
        if needs_switch && !r.enabled.on_at(&order.node) && !switched {
            return finding("CONF", format!("{} is ordered while it is disabled", what()));
        }
        if needs_switch && !self.repo.groups.get(&r.group).is_some_and(|g| g.managed) {
            return finding("CONF", format!("{} is ordered while its group is unmanaged", what()));
        }
        let left = self.memory.left.contains(&(r.group.clone(), order.node.clone()));
        if starts && !self.repo.wants(&r.group, &order.node) && !left {
            return finding("CONF", format!("{} is ordered where the group is not meant to be", what()));
        }
        match order.method {
            Method::PrenetStart | Method::Start => self.check_start_ordered(order)?,
            Method::MonitorStart => {
                self.check_not_frozen(order)?;
                if !self.serves(&order.node, &order.resource) {
                    return finding("INV-03", format!("{} is monitored before it is up", spot(order)));
                }
            }
            Method::Stop => self.check_dependents_down(order)?,
            Method::PostnetStop => self.check_postnet_stop(order)?,
            Method::MonitorStop
            | Method::MonitorCheck
            | Method::Validate
            | Method::Update
            | Method::Init
            | Method::Fini
            | Method::Boot => {}
        }
        if order.method == Method::MonitorStart && !r.monitored.on_at(&order.node) {
            return finding("CONF", format!("{} is ordered while monitoring is off", what()));
        }
        Ok(())
    }

    /// A start is ordered: what has to be true when it is decided.
    fn check_start_ordered(&self, order: &Order) -> Result<(), Finding> {
        self.check_not_frozen(order)?;
        self.check_debts(order)?;
        self.check_friends(order)?;
        self.check_rule(order)?;
        self.check_load(order)?;
        if order.method == Method::Start { self.check_start(order) } else { Ok(()) }
    }

    /// INV-03: POSTNET_STOP waits for every STOP of a group that goes down.
    fn check_postnet_stop(&self, order: &Order) -> Result<(), Finding> {
        let Some(site) = self.sites.get(&order.node) else { return Ok(()) };
        let stopping = |x: &&Running| x.order.method == Method::Stop && x.order.group == order.group;
        match site.running.values().find(stopping) {
            Some(x) if !self.repo.wants(&order.group, &order.node) => {
                let other = &x.order.resource;
                finding(
                    "INV-03",
                    format!("POSTNET_STOP of {} is ordered while STOP of {other} runs", spot(order)),
                )
            }
            _ => Ok(()),
        }
    }

    /// INV-03: STOP waits for what depends on the resource and goes down too.
    fn check_dependents_down(&self, order: &Order) -> Result<(), Finding> {
        let Some(r) = self.repo.resources.get(&order.resource) else { return Ok(()) };
        for (x, node, bound) in self.leaning(r, &order.node) {
            let falls = bound || !self.repo.wants(&x.group, &node) || !x.enabled.on_at(&node);
            let up = self.instance(&node, &x.name);
            // Without a STOP its end is POSTNET_STOP, which comes after every STOP of the group.
            if falls && up.up && !up.stop_failed && self.repo.declares(&x.name, Method::Stop) {
                return finding(
                    "INV-03",
                    format!(
                        "{} of {} begins while {} on {node} is still up and goes down too",
                        order.method,
                        spot(order),
                        x.name
                    ),
                );
            }
        }
        Ok(())
    }

    /// A method is about to begin: what is never to be true, however long its order was under way.
    pub(super) fn check_begin(&self, order: &Order) -> Result<(), Finding> {
        self.check_overlap(order)?;
        match order.method {
            Method::PrenetStart | Method::Start => {
                self.check_alone(order)?;
                // One that was under way when an affinity changed was right when it was decided.
                if self.memory.older.contains(&order.token) { Ok(()) } else { self.check_foes(order) }
            }
            Method::Stop | Method::PostnetStop => self.check_stop(order),
            Method::MonitorStart
            | Method::MonitorStop
            | Method::MonitorCheck
            | Method::Validate
            | Method::Update
            | Method::Init
            | Method::Fini
            | Method::Boot => Ok(()),
        }
    }

    /// INV-02: on one node no two methods of one resource overlap.
    fn check_overlap(&self, order: &Order) -> Result<(), Finding> {
        let apart = |m: Method| matches!(m, Method::Validate | Method::MonitorCheck);
        let Some(site) = self.sites.get(&order.node) else { return Ok(()) };
        let same = |x: &&Running| x.order.resource == order.resource && !apart(x.order.method);
        match site.running.values().find(same) {
            Some(other) if !apart(order.method) => finding(
                "INV-02",
                format!("{} of {} begins while {} runs", order.method, spot(order), other.order.method),
            ),
            _ => Ok(()),
        }
    }

    /// Something of the group may run on the node.
    pub(super) fn is_alive(&self, group: &GroupName, node: &NodeName) -> bool {
        let Some(site) = self.sites.get(node) else { return false };
        self.repo.members(group).any(|r| site.instances.get(&r.name).is_some_and(|x| x.begun))
    }

    /// INV-01: a failover group never runs on two nodes, and a scalable one never on more than
    /// Maximum_primaries, unless that was changed since the order was given.
    fn check_alone(&self, order: &Order) -> Result<(), Finding> {
        let others: Vec<&NodeName> =
            self.sites.keys().filter(|n| **n != order.node && self.is_alive(&order.group, n)).collect();
        let scalable = self.repo.is_scalable(&order.group);
        let most = if scalable { self.repo.group_int(&order.group, "Maximum_primaries") } else { 1 };
        let few = usize::try_from(most).is_ok_and(|most| others.len() < most);
        if few || (scalable && self.memory.older.contains(&order.token)) {
            return Ok(());
        }
        finding(
            "INV-01",
            format!("{} of {} begins while {} may run on {others:?}", order.method, spot(order), order.group),
        )
    }

    /// INV-04: after a failed stop nothing of that group starts anywhere.
    fn check_not_frozen(&self, order: &Order) -> Result<(), Finding> {
        match self.frozen(&order.group) {
            Some((r, n)) => finding(
                "INV-04",
                format!("{} of {} begins while {r} failed to stop on {n}", order.method, spot(order)),
            ),
            None => Ok(()),
        }
    }

    pub(super) fn frozen(&self, group: &GroupName) -> Option<(ResourceName, NodeName)> {
        self.sites.iter().find_map(|(n, s)| {
            let failed = |r: &&Resource| s.instances.get(&r.name).is_some_and(|x| x.stop_failed);
            self.repo.members(group).find(failed).map(|r| (r.name.clone(), n.clone()))
        })
    }

    /// INIT and BOOT come before any start of the group on that node.
    fn check_debts(&self, order: &Order) -> Result<(), Finding> {
        let debts = [(&self.memory.init_due, "INIT"), (&self.memory.boot_due, "BOOT")];
        for (due, name) in debts {
            let owing = due.iter().find(|(r, n)| {
                *n == order.node && self.repo.resources.get(r).is_some_and(|r| r.group == order.group)
            });
            if let Some((r, _)) = owing {
                return finding(
                    "DEBT",
                    format!("{} of {} begins before {name} of {r}", order.method, spot(order)),
                );
            }
        }
        Ok(())
    }

    /// A group with `++` enters a node only where its target is meant to be.
    fn check_friends(&self, order: &Order) -> Result<(), Finding> {
        let (group, node) = (&order.group, &order.node);
        let mut targets = self.repo.affinities(group).into_iter().filter(|(sign, _)| sign.starts_with("++"));
        match targets.find(|(_, target)| !self.is_alive(group, node) && !self.repo.wants(target, node)) {
            Some((sign, target)) => {
                finding("AFF", format!("{group} starts on {node} where {sign}{target} is not online"))
            }
            None => Ok(()),
        }
    }

    /// A group enters a node only where its Node_rule is true.
    fn check_rule(&self, order: &Order) -> Result<(), Finding> {
        let (group, node) = (&order.group, &order.node);
        if self.is_alive(group, node) || self.repo.rule_holds(group, node) {
            return Ok(());
        }
        finding("RULE", format!("{group} starts on {node} where its Node_rule is false"))
    }

    /// A group with `--` is never where the other may run, whichever of both comes.
    fn check_foes(&self, order: &Order) -> Result<(), Finding> {
        let node = &order.node;
        let foe = self
            .repo
            .affinities(&order.group)
            .into_iter()
            .find(|(sign, target)| sign == "--" && self.is_alive(target, node));
        if let Some((sign, target)) = foe {
            return finding("AFF", format!("{} starts on {node} where {sign}{target} may run", order.group));
        }
        let hater = self.repo.groups.keys().find(|g| {
            self.is_alive(g, node)
                && self.repo.affinities(g).iter().any(|(sign, t)| sign == "--" && *t == order.group)
        });
        match hater {
            Some(g) => finding(
                "AFF",
                format!("{} starts on {node} before {g}, which has -- for it, has left", order.group),
            ),
            None => Ok(()),
        }
    }

    /// A hard load limit is never exceeded by a group that enters a node.
    fn check_load(&self, order: &Order) -> Result<(), Finding> {
        let node = &order.node;
        let Some(limits) = self.repo.nodes.get(node).map(|n| &n.load_limits) else { return Ok(()) };
        if self.is_alive(&order.group, node) {
            return Ok(());
        }
        for (name, load) in self.repo.loads(&order.group) {
            let Some(hard) = limits.get(&name).and_then(|l| l.hard) else { continue };
            let of = |g: &GroupName| {
                self.repo.loads(g).iter().filter(|(n, _)| *n == name).map(|(_, l)| l).sum::<u64>()
            };
            let others = self.repo.groups.keys().filter(|g| **g != order.group && self.is_alive(g, node));
            let total = load + others.map(of).sum::<u64>();
            if load > 0 && total > hard {
                return finding(
                    "LOAD",
                    format!("{} brings {name} of {node} to {total}, over {hard}", order.group),
                );
            }
        }
        Ok(())
    }

    /// It is up: START succeeded, or PRENET_START where its type has no START.
    pub(super) fn serves(&self, node: &NodeName, r: &ResourceName) -> bool {
        let x = self.instance(node, r);
        if self.repo.declares(r, Method::Start) { x.up } else { x.prenet }
    }

    /// What a dependency needs is there, for an instance on this node.
    pub(super) fn is_met(&self, dep: &Dep, node: &NodeName) -> bool {
        match dep.reach {
            Reach::Local => self.serves(node, &dep.on),
            Reach::Any => self.sites.keys().any(|n| self.serves(n, &dep.on)),
        }
    }

    /// INV-03: START waits for what the resource depends on, and for every PRENET_START of its group.
    fn check_start(&self, order: &Order) -> Result<(), Finding> {
        let Some(r) = self.repo.resources.get(&order.resource) else { return Ok(()) };
        if self.instance(&order.node, &order.resource).tried {
            return finding("INV-03", format!("START of {} begins twice without a STOP", spot(order)));
        }
        let deps = self.repo.deps(r, &order.node);
        let unmet = |d: &&Dep| d.flavour != Flavour::Weak && !self.is_met(d, &order.node);
        if let Some(dep) = deps.iter().find(unmet) {
            let how = format!("{:?}, {:?}", dep.flavour, dep.reach);
            return finding(
                "INV-03",
                format!("START of {} begins before {} is up ({how})", spot(order), dep.on),
            );
        }
        let Some(site) = self.sites.get(&order.node) else { return Ok(()) };
        let prenet = |x: &&Running| {
            let (o, group) = (&x.order, &order.group);
            o.method == Method::PrenetStart && o.group == *group && !self.falls(&o.resource, &order.node)
        };
        match site.running.values().find(prenet) {
            Some(x) => finding(
                "INV-03",
                format!("START of {} begins while PRENET_START of {} runs", spot(order), x.order.resource),
            ),
            None => Ok(()),
        }
    }

    /// It is to go down again before it comes up, or may never come up: it holds nobody up.
    fn falls(&self, r: &ResourceName, node: &NodeName) -> bool {
        let Some(resource) = self.repo.resources.get(r) else { return true };
        let told = self.sites.get(node).and_then(|site| site.told(r));
        let restarts = told.is_some_and(|c| c.restart.is_some() || c.phase == Phase::StartFailed);
        let meant = resource.enabled.on_at(node) && self.repo.wants(&resource.group, node);
        let leans = |d: &Dep| {
            let here = self.repo.resources.get(&d.on).is_some_and(|other| other.group == resource.group);
            d.flavour != Flavour::Weak && (!here || d.reach == Reach::Any || self.falls(&d.on, node))
        };
        restarts || !meant || self.repo.deps(resource, node).iter().any(leans)
    }

    /// INV-03: STOP waits for the monitor.
    fn check_stop(&self, order: &Order) -> Result<(), Finding> {
        let Some(site) = self.sites.get(&order.node) else { return Ok(()) };
        if site.instance(&order.resource).monitor && self.repo.declares(&order.resource, Method::MonitorStop)
        {
            return finding(
                "INV-03",
                format!("{} of {} begins before MONITOR_STOP", order.method, spot(order)),
            );
        }
        Ok(())
    }

    /// Instances that lean on this instance of a resource: it alone is what they depend on. And
    /// whether they have to go down with it in any case.
    fn leaning(&self, r: &Resource, node: &NodeName) -> Vec<(Resource, NodeName, bool)> {
        let elsewhere = self.sites.keys().any(|n| n != node && self.serves(n, &r.name));
        let mut leaning = Vec::new();
        for x in self.repo.around(r) {
            for n in self.sites.keys() {
                let of_it =
                    |d: &Dep| d.on == r.name && if d.reach == Reach::Local { n == node } else { !elsewhere };
                let deps: Vec<Dep> = self.repo.deps(x, n).into_iter().filter(of_it).collect();
                let suspended = self.repo.groups.get(&x.group).is_some_and(|g| g.suspended);
                let bound = !suspended && deps.iter().any(|d| d.flavour == Flavour::OfflineRestart);
                if !deps.is_empty() {
                    leaning.push((x.clone(), n.clone(), bound));
                }
            }
        }
        leaning
    }

    /// What began in one step may not overlap with what it should have waited for.
    pub(super) fn check_begun(&self) -> Result<(), Finding> {
        for token in &self.begun {
            let Some(x) = self.sites.values().find_map(|s| s.running.get(token)) else { continue };
            match x.order.method {
                Method::Start => self.check_attempts(&x.order)?,
                Method::Stop => self.check_stops(&x.order)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// INV-03: START waits until the attempt to start what it depends on, however weakly, has ended.
    fn check_attempts(&self, order: &Order) -> Result<(), Finding> {
        let Some(r) = self.repo.resources.get(&order.resource) else { return Ok(()) };
        // One that is to go down again is waited for by nobody.
        let meant = |d: &Dep| self.repo.resources.get(&d.on).is_some_and(|x| x.enabled.on_at(&order.node));
        for dep in self.repo.deps(r, &order.node).into_iter().filter(meant) {
            let local = self.runs(&order.node, &dep.on, &[Method::Start]);
            let any = !self.is_met(&dep, &order.node)
                && self.sites.keys().any(|n| self.runs(n, &dep.on, &[Method::Start]));
            if if dep.reach == Reach::Local { local } else { any } {
                return finding(
                    "INV-03",
                    format!("START of {} does not wait for that of {}", spot(order), dep.on),
                );
            }
        }
        Ok(())
    }

    fn check_stops(&self, order: &Order) -> Result<(), Finding> {
        let Some(r) = self.repo.resources.get(&order.resource) else { return Ok(()) };
        let busy =
            self.leaning(r, &order.node).into_iter().find(|(x, n, _)| self.runs(n, &x.name, &[Method::Stop]));
        match busy {
            Some((x, n, _)) => finding(
                "INV-03",
                format!("STOP of {} does not wait for that of {} on {n}", spot(order), x.name),
            ),
            None => Ok(()),
        }
    }

    /// One of these methods of the resource is under way on the node.
    pub(super) fn runs(&self, node: &NodeName, r: &ResourceName, methods: &[Method]) -> bool {
        let Some(site) = self.sites.get(node) else { return false };
        site.running.values().any(|x| x.order.resource == *r && methods.contains(&x.order.method))
    }

    /// Nodes where something of the group may run.
    pub(super) fn alive_on(&self, group: &GroupName) -> BTreeSet<NodeName> {
        self.sites.keys().filter(|n| self.is_alive(group, n)).cloned().collect()
    }
}

fn spot(order: &Order) -> String {
    format!("{} on {}", order.resource, order.node)
}
