//! Nodes that come and go (reference 5.8).

use crate::cell::{Cell, Phase, Restart};
use crate::model::FailoverMode;
use crate::order::Flown;
use crate::{Ending, Level, MethodResult, NodeReport, Rgm, Token};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use rgm_types::{Group, GroupName, GroupRun, Hold, Method, Millis, NodeName, Resource, ResourceName};

impl Rgm {
    /// The first event. When every node that is there has just booted, the whole cluster has.
    pub(super) fn formed(&mut self, reports: &[NodeReport]) {
        if reports.iter().all(|r| r.fresh) {
            self.new_cluster();
        }
        for report in reports {
            self.join(report);
        }
        let away: Vec<NodeName> = self.conf.nodes.keys().filter(|n| !self.is_up(n)).cloned().collect();
        away.iter().for_each(|node| self.forget_passing_attrs(node));
        self.resume_duties();
    }

    /// Where groups were before the boot counts no more; Auto_start_on_new_cluster does.
    fn new_cluster(&mut self) {
        let groups: Vec<Arc<Group>> = self.conf.groups.values().cloned().collect();
        for group in groups {
            let start = self.conf.group_flag(&group, "Auto_start_on_new_cluster");
            self.with_run(&group.name, |run| {
                run.primaries = None;
                run.wanted.clear();
                run.hold = (!start).then_some(Hold::NewCluster);
                run.stop_failed.clear();
            });
        }
    }

    pub(super) fn node_up(&mut self, report: &NodeReport) {
        let again = self.is_up(&report.node) && !report.fresh;
        self.join(report);
        self.retry_unplaced();
        if !again {
            let groups: Vec<GroupName> = self.conf.groups.keys().cloned().collect();
            groups.iter().for_each(|group| self.fail_back(group, &report.node));
        }
        self.resume_duties();
    }

    fn join(&mut self, report: &NodeReport) {
        if !self.conf.nodes.contains_key(&report.node) {
            return self.log(
                Level::Error,
                format!("node {} is not configured and is ignored", report.node),
                "only configured nodes are members",
            );
        }
        if self.is_up(&report.node) {
            if !report.fresh {
                return self.come_back(report);
            }
            // It has booted and we did not notice: what we believed of it is worth nothing.
            self.node_down(&report.node);
        }
        let node = self.nodes.entry(report.node.clone()).or_default();
        *node = crate::Node { up: true, barred_until: node.barred_until, ..crate::Node::default() };
        self.log(Level::Info, format!("node {} is up", report.node), "it reported");
        let groups: Vec<GroupName> = self.conf.groups.keys().cloned().collect();
        groups.iter().for_each(|g| self.stir(g));
        if report.fresh {
            self.forget_passing_attrs(&report.node);
            self.owe_boot(&report.node);
        } else {
            report.cells.iter().for_each(|(r, cell)| self.restore(&report.node, r, cell));
            self.restore_updates(&report.node);
        }
    }

    /// UPDATEs that the repository knows of are owed to what is up. The journal may not have been told
    /// of one, and of one that it says is under way it can't be known which change it was for.
    fn restore_updates(&mut self, node: &NodeName) {
        let of_groups =
            self.conf.runs.iter().flat_map(|(g, run)| run.updates.iter().map(move |due| (g, due)));
        let here = of_groups.filter(|(_, (_, n, _))| n == node);
        let due: Vec<_> = here.map(|(g, (r, _, prop))| (g.clone(), r.clone(), prop.clone())).collect();
        for (group, r, prop) in due {
            let cell = self.cell(&r, node);
            if cell.phase.is_up() || cell.running() == Some(Method::Start) {
                self.with_cell(&r, node, |c| c.owed.update.insert(prop));
            } else {
                self.with_run(&group, |run| run.updates.remove(&(r, node.clone(), prop)));
            }
        }
    }

    /// Its daemon was away, or the link to it, and the node was not. What is known here is what its
    /// journal was told, and what was on its way to it: an order that is not in there never arrived.
    /// Of the others it says behind its report how they ended, or they still run.
    fn come_back(&mut self, report: &NodeReport) {
        let node = &report.node;
        self.log(Level::Info, format!("node {node} is reached again"), "its daemon or its link was away");
        let there: BTreeSet<Token> =
            report.cells.iter().filter_map(|(_, cell)| Some(cell.flight.as_ref()?.token)).collect();
        self.end_methods_of(node, |token| !there.contains(&token), "its order never arrived");
        let of_boards = self.boards.values().flat_map(|board| board.on(node).map(|(name, _)| name)).cloned();
        let places: BTreeSet<ResourceName> =
            of_boards.chain(report.cells.iter().map(|(name, _)| name.clone())).collect();
        // Whatever the journal missed is told to it again.
        self.touched.extend(places.into_iter().map(|name| (name, node.clone())));
    }

    /// Nothing runs on a node that has just booted: no stop of it can still be failed, and BOOT takes
    /// the place of what was owed.
    fn owe_boot(&mut self, node: &NodeName) {
        self.forget_debts(node);
        let resources: Vec<_> = self.conf.resources.values().cloned().collect();
        for r in resources {
            let Some(group) = self.conf.groups.get(&r.group) else { continue };
            let Some(rt) = self.conf.type_of(&r).filter(|t| t.has(Method::Boot)) else { continue };
            if group.managed && !r.deleting && self.conf.init_nodes(rt, group).contains(node) {
                let skips = mutant!(self, SkipBoot);
                self.with_cell(&r.name, node, |c| c.owed.boot = !skips);
            }
        }
    }

    /// A cell as its node's journal has it.
    fn restore(&mut self, node: &NodeName, name: &ResourceName, cell: &Cell) {
        let Some(r) = self.conf.resources.get(name).cloned() else {
            self.touched.insert((name.clone(), node.clone()));
            return;
        };
        let cell = &self.in_our_time(cell);
        if let Some(flight) = &cell.flight {
            let (resource, deadline) = (name.clone(), flight.deadline);
            self.fly(flight.token, Flown::Cell { resource, node: node.clone(), deadline });
            self.next_token = self.next_token.max(flight.token.0 + 1);
        }
        let forgets = mutant!(self, ForgetStopFailed) && cell.phase == Phase::StopFailed;
        self.with_cell(name, node, |c| *c = if forgets { Cell::default() } else { cell.clone() });
        self.judge_init(&r, node, cell);
        if cell.phase == Phase::StopFailed && self.conf.failover_mode(&r) == FailoverMode::Hard {
            let rule = format!(
                "a stop of resource {name} had failed, its Failover_mode is HARD, and the node is still there"
            );
            self.abort(&r, node, &rule);
        }
    }

    /// Nothing starts before its INIT. So where something of the resource runs, its INIT has run, and only
    /// could not be stored. Not so where it goes down: that may be of before its group was unmanaged and
    /// managed again, and the journal not have been told of the rest. Then it goes all the way down, and
    /// INIT runs behind that, once more perhaps.
    fn judge_init(&mut self, r: &Resource, node: &NodeName, cell: &Cell) {
        let init = (r.name.clone(), node.clone(), Method::Init);
        if !self.conf.runs.get(&r.group).is_some_and(|run| run.owed.contains(&init)) {
            return;
        }
        let running = cell.running();
        if cell.phase == Phase::Stopped || matches!(running, Some(Method::Stop | Method::PostnetStop)) {
            self.with_cell(&r.name, node, |c| c.restart = c.restart.map(|_| Restart::Whole));
        } else if cell.phase != Phase::Offline || matches!(running, Some(Method::PrenetStart | Method::Start))
        {
            self.with_run(&r.group, |run| run.owed.remove(&init));
        }
    }

    /// The journal may have been told by a president whose clock was another. A method that is under
    /// way has its whole time again: the node itself holds it to its timeout.
    fn in_our_time(&self, cell: &Cell) -> Cell {
        let now = self.clock.boot;
        let mut cell = cell.clone();
        if let Some(flight) = &mut cell.flight {
            flight.deadline = now.after(flight.deadline.since(flight.since));
            flight.since = flight.since.min(now);
        }
        for at in cell.restarts.iter_mut().chain(&mut cell.rg_restarts) {
            *at = (*at).min(now);
        }
        cell
    }

    /// A deletion that was cut off goes on: FINI where it is not known to have run.
    fn resume_duties(&mut self) {
        self.find_leaving();
        let deleting: Vec<_> =
            self.conf.resources.values().filter(|r| r.deleting).map(|r| r.group.clone()).collect();
        deleting.iter().for_each(|g| self.stir(g));
    }

    pub(super) fn node_down(&mut self, node: &NodeName) {
        if !self.is_up(node) {
            return;
        }
        if let Some(n) = self.nodes.get_mut(node) {
            *n = crate::Node { up: false, barred_until: n.barred_until, ..crate::Node::default() };
        }
        self.log(Level::Error, format!("node {node} is down"), "it is certain that nothing of it runs");
        let groups: Vec<GroupName> = self.conf.groups.keys().cloned().collect();
        for group in &groups {
            let forgets = !mutant!(self, RememberTheDead);
            if let Some(board) = self.boards.get_mut(group).filter(|_| forgets) {
                board.forget_node(node);
            }
            let motion = self.motion(group);
            motion.draining.remove(node);
            motion.came_up.remove(node);
            self.with_run(group, |run| run.wanted.remove(node));
        }
        self.forget_passing_attrs(node);
        self.forget_debts(node);
        self.end_requests_of(node);
        self.end_methods_of(node, |_| true, "its node is gone");
        self.skip_candidate(node);
    }

    fn forget_debts(&mut self, node: &NodeName) {
        let owes = |run: &GroupRun| {
            run.stop_failed.iter().any(|(_, n)| n == node)
                || run.owed.iter().any(|(_, n, _)| n == node)
                || run.updates.iter().any(|(_, n, _)| n == node)
        };
        let owing = self.conf.runs.iter().filter(|(_, run)| owes(run));
        for group in owing.map(|(name, _)| name.clone()).collect::<Vec<_>>() {
            self.with_run(&group, |run| {
                run.stop_failed.retain(|(_, n)| n != node);
                run.owed.retain(|(_, n, _)| n != node);
                run.updates.retain(|(_, n, _)| n != node);
            });
        }
    }

    /// These methods of a node have ended, and nobody will say how.
    fn end_methods_of(&mut self, node: &NodeName, which: impl Fn(Token) -> bool, why: &str) {
        let of_node = self.tokens.iter().filter(|(token, f)| f.node() == node && which(**token));
        for token in of_node.map(|(token, _)| *token).collect::<Vec<_>>() {
            let why = String::from(why);
            let result = MethodResult { ending: Ending::Lost, used: Millis(0), output: [why].into() };
            self.method_ended(node, token, &result);
        }
    }
}
