//! What the simulator remembers by itself: history that rules are about.

use super::repo::Repo;
use super::site::Site;
use super::world::{Awaited, World};
use rgm_core::cell::{Cell, Phase};
use rgm_core::{Action, Ending, Event, Order, Out, Token};
use rgm_types::config::{Entry, Write};
use rgm_types::{Command, ControlOp, GroupName, Key, Method, Millis, NodeName, Resource, ResourceName};
use std::collections::{BTreeMap, BTreeSet};

/// A resource on a node.
type Place = (ResourceName, NodeName);

/// A giveover whose candidates are being asked.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    pub(super) resource: ResourceName,
    pub(super) from: NodeName,
    /// Nodes where a MONITOR_CHECK failed.
    pub(super) vetoed: BTreeSet<NodeName>,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Memory {
    /// Starts of a group that failed on a node, wall clock.
    pub(super) start_failures: BTreeMap<GroupName, Vec<(NodeName, Millis)>>,
    /// Giveovers a resource was granted, and the node it left, wall clock.
    pub(super) giveovers: BTreeMap<GroupName, Vec<(ResourceName, NodeName, Millis)>>,
    pub(super) asking: BTreeMap<GroupName, Asking>,
    /// Restarts of a resource that count for Retry_count, boot clock.
    pub(super) restarts: BTreeMap<Place, Vec<Millis>>,
    /// INIT or BOOT that has to come before any start of the group on that node.
    pub(super) init_due: BTreeSet<Place>,
    pub(super) boot_due: BTreeSet<Place>,
    /// UPDATE since the resource was changed while it was up.
    pub(super) update_due: BTreeSet<Place>,
    /// A restart because a resource it has a restart dependency on was restarted.
    pub(super) restart_due: BTreeMap<Place, ResourceName>,
    /// Resources that asked for their own restart, until they are up again.
    pub(super) restarting: BTreeSet<Place>,
    /// Evacuated nodes, until when (boot clock).
    pub(super) barred: BTreeMap<NodeName, Millis>,
    /// Resources of which a VALIDATE has failed since the first one under way was ordered.
    pub(super) rejected: BTreeSet<ResourceName>,
    /// Nodes this president told to abort.
    pub(super) aborted: BTreeSet<NodeName>,
    /// Failed stops that an operator vouches for, until the core takes his word.
    pub(super) vouched: BTreeSet<Place>,
    /// Failed stops that were cleared, and came back: see `recall_failed_stops`.
    pub(super) recalled: BTreeSet<Place>,
    /// Resources switched on or off in this step: an operation that has gone on may switch off what
    /// was ordered to start just before.
    pub(super) switched_off: BTreeSet<ResourceName>,
    /// Nodes that groups left in the last step, which may have been of a later command of a batch than
    /// what was ordered in it.
    pub(super) left: BTreeSet<(GroupName, NodeName)>,
    /// Orders that were on their way when a group, and perhaps its affinities, changed.
    pub(super) older: BTreeSet<Token>,
    /// VALIDATEs and MONITOR_CHECKs the core waits for.
    pub(super) votes: BTreeMap<Token, Vote>,
}

/// A VALIDATE or MONITOR_CHECK.
#[derive(Debug, Clone)]
pub(super) struct Vote {
    pub(super) resource: ResourceName,
    pub(super) group: GroupName,
    pub(super) method: Method,
    node: NodeName,
    deadline: Millis,
}

/// How long after its timeout the core waits for the end of a VALIDATE or MONITOR_CHECK.
const GRACE: Millis = Millis(60_000);

impl Memory {
    /// What a president knows only by himself is gone with him.
    pub(super) fn new_president(&mut self) {
        self.asking.clear();
        self.barred.clear();
        self.rejected.clear();
        self.votes.clear();
        self.aborted.clear();
        self.restarting.clear();
    }

    /// Nodes that the next president will hear of as having booted.
    pub(super) fn all_boot(&mut self, repo: &Repo, sites: &BTreeMap<NodeName, Site>) {
        sites.iter().filter(|(_, s)| s.up && s.fresh).for_each(|(n, _)| self.node_boots(repo, n));
    }

    /// BOOT takes the place of whatever the node owed.
    pub(super) fn node_boots(&mut self, repo: &Repo, node: &NodeName) {
        self.node_down(node);
        let owes = |r: &&Resource| {
            repo.declares(&r.name, Method::Boot)
                && repo.groups.get(&r.group).is_some_and(|g| g.managed)
                && !r.deleting
                && repo.init_nodes(r).contains(node)
        };
        let owing = repo.resources.values().filter(owes).map(|r| (r.name.clone(), node.clone()));
        self.boot_due.extend(owing);
    }

    pub(super) fn node_down(&mut self, node: &NodeName) {
        for due in [&mut self.init_due, &mut self.boot_due, &mut self.update_due, &mut self.restarting] {
            due.retain(|(_, n)| n != node);
        }
        self.restart_due.retain(|(_, n), _| n != node);
        self.restarts.retain(|(_, n), _| n != node);
        self.votes.retain(|_, v| v.node != *node);
        self.aborted.remove(node);
    }

    pub(super) fn method_begins(&mut self, order: &Order) {
        let place = (order.resource.clone(), order.node.clone());
        match order.method {
            Method::Update => drop(self.update_due.remove(&place)),
            Method::Stop | Method::PostnetStop => {
                self.update_due.remove(&place);
                self.restart_due.remove(&place);
            }
            Method::PrenetStart
            | Method::Start
            | Method::MonitorStart
            | Method::MonitorStop
            | Method::MonitorCheck
            | Method::Validate
            | Method::Init
            | Method::Fini
            | Method::Boot => {}
        }
    }

    /// A VALIDATE or MONITOR_CHECK is ordered. The first of a resource begins a new round.
    pub(super) fn note_order(&mut self, order: &Order, now: Millis) {
        if !matches!(order.method, Method::Validate | Method::MonitorCheck) {
            return;
        }
        let (resource, group, method) = (order.resource.clone(), order.group.clone(), order.method);
        if method == Method::Validate
            && !self.votes.values().any(|v| v.method == method && v.resource == resource)
        {
            self.rejected.remove(&resource);
        }
        let (node, deadline) = (order.node.clone(), now.after(order.timeout).after(GRACE));
        self.votes.insert(order.token, Vote { resource, group, method, node, deadline });
    }

    /// A failed stop that was cleared is there again for a president to whom a journal still tells of
    /// it: the safe side, as long as the word of the journal may be younger than the repository's.
    pub(super) fn recall_failed_stops(&mut self, sites: &mut BTreeMap<NodeName, Site>) {
        for (node, site) in sites {
            let failed = site.journal.iter().filter(|(_, c)| c.phase == Phase::StopFailed);
            let failed: Vec<ResourceName> = failed.map(|(r, _)| r.clone()).collect();
            for r in failed {
                let instance = site.instances.entry(r.clone()).or_default();
                if !std::mem::replace(&mut instance.stop_failed, true) {
                    self.recalled.insert((r, node.clone()));
                }
            }
        }
    }

    /// The journals are all that is left of what counts for Retry_count.
    pub(super) fn recount(&mut self, sites: &BTreeMap<NodeName, Site>) {
        let of = |(n, s): (&NodeName, &Site)| -> Vec<(Place, Vec<Millis>)> {
            s.journal.iter().map(|(r, c)| ((r.clone(), n.clone()), c.restarts.clone())).collect()
        };
        self.restarts = sites.iter().filter(|(_, s)| s.up).flat_map(of).collect();
    }

    fn forget_resource(&mut self, r: &ResourceName) {
        self.owe_nothing(r);
        self.restarts.retain(|(name, _), _| name != r);
    }

    fn owe_nothing(&mut self, r: &ResourceName) {
        for due in [&mut self.init_due, &mut self.boot_due, &mut self.update_due, &mut self.restarting] {
            due.retain(|(name, _)| name != r);
        }
        self.restart_due.retain(|(name, _), _| name != r);
    }
}

impl World {
    pub(super) fn within_pingpong(&self, group: &GroupName, at: Millis) -> bool {
        let interval = Millis::from_secs(self.repo.group_int(group, "Pingpong_interval"));
        self.clock.wall.since(at) < interval
    }

    /// The president learns of an event. What he learns is in the commit that follows.
    pub(super) fn learn(&mut self, event: &Event, out: &Out) {
        match event {
            Event::MethodEnded { node, token, result } => {
                if let Some(awaited) = self.awaited.remove(token).filter(|a| a.node == *node) {
                    self.learn_end(&awaited, result.ending);
                }
            }
            Event::Tick => {
                let now = self.clock.boot;
                let over: Vec<_> =
                    self.awaited.iter().filter(|(_, a)| a.deadline <= now).map(|(t, _)| *t).collect();
                for token in over {
                    if let Some(awaited) = self.awaited.remove(&token) {
                        self.learn_end(&awaited, Ending::TimedOut);
                    }
                }
                self.memory.barred.retain(|_, until| *until > now);
                self.memory.votes.retain(|_, v| v.deadline > now);
            }
            Event::Request { id, from, command: Command::Control { op, group, resource } } => {
                let mut answers = out.replies.iter().filter(|(to, _)| to == id);
                let refused = answers.any(|(_, answer)| answer.as_ref().is_err_and(|r| !r.begun));
                if matches!(op, ControlOp::Giveover | ControlOp::CheckGiveover) && !refused {
                    self.note_asking(group, resource, from, out);
                }
            }
            Event::PmfExceeded { node, resource, .. } => {
                if let Some(r) = self.repo.resources.get(resource) {
                    let group = r.group.to_string();
                    self.note_asking(&group, resource.as_str(), node, out);
                }
            }
            Event::Request { .. }
            | Event::Formed { .. }
            | Event::NodeUp(_)
            | Event::NodeDown { .. }
            | Event::Shutdown { .. } => {}
        }
    }

    fn note_asking(&mut self, group: &str, resource: &str, from: &NodeName, out: &Out) {
        let (Ok(mut group), Ok(resource)) = (GroupName::new(group), ResourceName::new(resource)) else {
            return;
        };
        // The group it has `+++` for moves in its place.
        while let Some((_, target)) = self.repo.affinities(&group).into_iter().find(|(sign, _)| sign == "+++")
        {
            group = target;
        }
        // One that is under way lasts until a MONITOR_CHECK has failed on its last candidate, or all
        // are heard of. The next one asks anew, and hears nothing of what the former one asked.
        let vetoed = self.memory.asking.get(&group).map(|asking| &asking.vetoed);
        let of_group = |vote: &Vote| vote.method == Method::MonitorCheck && vote.group == group;
        let counts = |vote: &Vote| of_group(vote) && vetoed.is_none_or(|v| !v.contains(&vote.node));
        let asks = |a: &Action| matches!(a, Action::Run(order) if order.method == Method::MonitorCheck);
        if out.actions.iter().any(asks) || !self.memory.votes.values().any(counts) {
            self.memory.votes.retain(|_, vote| !of_group(vote));
            let asking = Asking { resource, from: from.clone(), vetoed: BTreeSet::new() };
            self.memory.asking.insert(group, asking);
        }
    }

    fn learn_end(&mut self, awaited: &Awaited, ending: Ending) {
        let Some(r) = self.repo.resources.get(&awaited.resource) else { return };
        let group = r.group.clone();
        let place = (awaited.resource.clone(), awaited.node.clone());
        match awaited.method {
            Method::Init if ending != Ending::Lost => drop(self.memory.init_due.remove(&place)),
            Method::Boot if ending != Ending::Lost => drop(self.memory.boot_due.remove(&place)),
            // It may never have begun, and counts as failed.
            Method::Update if ending != Ending::Lost => drop(self.memory.update_due.remove(&place)),
            Method::Start if ending == Ending::Exited(0) => self.restarted(&place),
            _ => {}
        }
        if matches!(ending, Ending::Exited(0) | Ending::Lost) {
            return;
        }
        match awaited.method {
            Method::PrenetStart | Method::Start => {
                self.memory.restarting.remove(&place);
                // It may never have begun.
                if let Some(site) = self.sites.get_mut(&awaited.node).filter(|s| s.up) {
                    site.instances.entry(awaited.resource.clone()).or_default().start_failed = true;
                }
                let old = self.memory.start_failures.remove(&group).unwrap_or_default();
                let recent = old.into_iter().filter(|(_, at)| self.within_pingpong(&group, *at));
                let new = (awaited.node.clone(), self.clock.wall);
                let recent = recent.chain([new]).collect();
                self.memory.start_failures.insert(group, recent);
            }
            Method::MonitorStop | Method::Stop | Method::PostnetStop => {
                if let Some(site) = self.sites.get_mut(&awaited.node).filter(|s| s.up) {
                    site.instances.entry(awaited.resource.clone()).or_default().stop_failed = true;
                }
            }
            Method::MonitorStart => {
                if let Some(site) = self.sites.get_mut(&awaited.node).filter(|s| s.up) {
                    site.instances.entry(awaited.resource.clone()).or_default().monitor_failed = true;
                }
            }
            Method::MonitorCheck
            | Method::Validate
            | Method::Update
            | Method::Init
            | Method::Fini
            | Method::Boot => {}
        }
    }

    /// A resource that had asked for its restart is up again: those with a restart dependency on it
    /// are restarted too, unless any instance will do and another one was up all the time.
    fn restarted(&mut self, place: &Place) {
        if !self.memory.restarting.remove(place) {
            return;
        }
        let Some(r) = self.repo.resources.get(&place.0) else { return };
        let others = self.repo.nodes.keys().filter(|node| **node != place.1);
        let alone = !{ others }.any(|node| self.instance(node, &r.name).up);
        let mut due = Vec::new();
        for x in self.repo.around(r) {
            for node in self.repo.nodes.keys() {
                let deps = self.repo.deps(x, node);
                let of_it = |d: &super::repo::Dep| {
                    d.on == r.name
                        && d.flavour == super::repo::Flavour::Restart
                        && match d.reach {
                            super::repo::Reach::Any => alone,
                            super::repo::Reach::Local => *node == place.1,
                        }
                };
                let suspended = self.repo.groups.get(&x.group).is_some_and(|g| g.suspended);
                if deps.iter().any(of_it) && self.instance(node, &x.name).up && !suspended {
                    due.push(((x.name.clone(), node.clone()), r.name.clone()));
                }
            }
        }
        self.memory.restart_due.extend(due);
    }

    /// What is about to be committed, held against what was.
    pub(super) fn note_changes(&mut self, writes: &[Write]) {
        self.memory.switched_off.clear();
        self.memory.left.clear();
        let in_batch = self.open.values().any(|command| matches!(command, Command::Batch { .. }));
        for write in writes {
            match write {
                Write::Put(Entry::Group(g)) => {
                    let was = self.repo.groups.get(&g.name).is_some_and(|old| old.managed);
                    if self.repo.groups.get(&g.name).is_some_and(|old| old.props != g.props) {
                        self.memory.older.extend(self.sites.values().flat_map(Site::ordered));
                    }
                    let members: Vec<ResourceName> =
                        self.repo.members(&g.name).map(|r| r.name.clone()).collect();
                    if g.managed && !was {
                        members.iter().for_each(|r| self.owe_init(r));
                    } else if !g.managed {
                        // Not what counts for Retry_count, which was so.
                        members.iter().for_each(|r| self.memory.owe_nothing(r));
                    }
                }
                Write::Put(Entry::Resource(r)) => self.note_resource(r),
                Write::Delete(Key::Resource(r)) => self.memory.forget_resource(r),
                Write::Delete(Key::Group(g)) => {
                    self.memory.start_failures.remove(g);
                    self.memory.giveovers.remove(g);
                }
                Write::Put(Entry::Run(g, run)) => {
                    let old = self.repo.runs.get(g).map(|old| old.stop_failed.clone()).unwrap_or_default();
                    old.difference(&run.stop_failed).for_each(|place| self.note_cleared(place));
                    let was = self.repo.runs.get(g).filter(|_| in_batch).map(|old| &old.wanted);
                    let left = was.into_iter().flat_map(|was| was.difference(&run.wanted));
                    self.memory.left.extend(left.map(|node| (g.clone(), node.clone())));
                }
                Write::Put(Entry::Cluster(_) | Entry::Node(_) | Entry::Type(_) | Entry::Attrs(..))
                | Write::Delete(Key::Cluster | Key::Node(_) | Key::Type(_) | Key::Run(_) | Key::Attrs(_)) => {
                }
            }
        }
    }

    /// A failed stop is forgotten: rightly, if an operator vouched for it.
    fn note_cleared(&mut self, place: &Place) {
        if self.memory.vouched.remove(place)
            && let Some(x) = self.sites.get_mut(&place.1).and_then(|s| s.instances.get_mut(&place.0))
        {
            x.stop_failed = false;
        }
    }

    fn owe_init(&mut self, r: &ResourceName) {
        let Some(r) = self.repo.resources.get(r).filter(|r| self.repo.declares(&r.name, Method::Init)) else {
            return;
        };
        let nodes = self.repo.init_nodes(r);
        let up = nodes.into_iter().filter(|n| self.sites.get(n).is_some_and(|s| s.up));
        self.memory.init_due.extend(up.map(|n| (r.name.clone(), n)));
    }

    fn note_resource(&mut self, new: &Resource) {
        let Some(old) = self.repo.resources.get(&new.name) else { return };
        if old.enabled != new.enabled {
            self.memory.switched_off.insert(new.name.clone());
        }
        if new.deleting {
            self.memory.forget_resource(&new.name);
            return;
        }
        if (&old.props, &old.node_props) == (&new.props, &new.node_props)
            || !self.repo.declares(&new.name, Method::Update)
        {
            return;
        }
        let group = new.group.clone();
        let up = |n: &&NodeName| {
            self.instance(n, &new.name).up && new.enabled.on_at(n) && self.repo.wants(&group, n)
        };
        let places: Vec<Place> =
            self.repo.nodes.keys().filter(up).map(|n| (new.name.clone(), n.clone())).collect();
        let coming_down = |(r, n): &Place| {
            let site = self.sites.get(n);
            let busy = |x: &super::site::Running| {
                x.order.resource == *r
                    && matches!(x.order.method, Method::Stop | Method::PostnetStop | Method::MonitorStop)
            };
            let ordered = |a: &Awaited| {
                a.resource == *r
                    && a.node == *n
                    && matches!(a.method, Method::Stop | Method::PostnetStop | Method::MonitorStop)
            };
            site.is_some_and(|s| s.running.values().any(busy)) || self.awaited.values().any(ordered)
        };
        let places: Vec<Place> = places.into_iter().filter(|p| !coming_down(p)).collect();
        self.memory.update_due.extend(places);
    }

    /// A record goes out: from now on the core waits for the flight it tells of.
    pub(super) fn note_record(&mut self, node: &NodeName, r: &ResourceName, cell: Option<&Cell>) {
        if cell.is_none_or(|c| c.phase != Phase::StopFailed) {
            self.note_cleared(&(r.clone(), node.clone()));
        }
        let Some(flight) = cell.and_then(|c| c.flight.as_ref()) else { return };
        let awaited = Awaited {
            node: node.clone(),
            resource: r.clone(),
            method: flight.method,
            deadline: flight.deadline,
        };
        self.awaited.insert(flight.token, awaited);
    }
}
