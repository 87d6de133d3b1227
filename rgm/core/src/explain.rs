//! Why something is as it is, for an operator: read from the same rules that decide. A few lines; who
//! wants every step reads the log.

use crate::Rgm;
use crate::cell::Phase;
use crate::place::{By, Layout};
use crate::plan::{Block, Plan, Wait};
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use rgm_types::view::{Explanation, NodeVerdict, Pending};
use rgm_types::{
    Clock, Group, GroupName, GroupRun, GroupState, Hold, Millis, NodeName, Refusal, Resource, Subject,
};

/// What is being said, piece by piece.
#[derive(Default)]
struct Words {
    reasons: Vec<String>,
    waits: Vec<Pending>,
    /// In the order they are found, each once.
    advice: Vec<String>,
}

impl Words {
    fn wait(&mut self, what: String, left: Option<Millis>) {
        let pending = Pending { what, left };
        if !self.waits.contains(&pending) {
            self.waits.push(pending);
        }
    }

    fn advise(&mut self, line: String) {
        if !self.advice.contains(&line) {
            self.advice.push(line);
        }
    }

    fn into_explanation(self, object: String, summary: String, nodes: Vec<NodeVerdict>) -> Explanation {
        let Self { reasons, waits, advice } = self;
        Explanation { object, summary, nodes, reasons, waits, advice }
    }
}

impl Rgm {
    /// Explains a group or a resource.
    pub fn explain(&self, clock: Clock, subject: &Subject) -> Result<Explanation, Refusal> {
        match subject {
            Subject::Group(name) => Ok(self.explain_group(clock, self.conf.group(name)?)),
            Subject::Resource(name) => {
                let r = self.conf.resource(name)?;
                Ok(self.explain_resource(clock, r, self.conf.group(r.group.as_str())?))
            }
        }
    }

    fn explain_group(&self, clock: Clock, group: &Group) -> Explanation {
        let verdicts = self.verdicts(&Layout::default(), group, By::Itself);
        let nodes = verdicts.iter().map(|v| NodeVerdict {
            node: v.node.clone(),
            state: self.group_state(group, &v.node).phrase().to_string(),
            eligible: v.eligible(),
            rule: if v.eligible() { format!("{}: {}", v.rule, v.rank) } else { v.rule.to_string() },
        });
        let mut words = Words::default();
        self.say_why(clock, group, &mut words);
        self.say_history(clock, group, &mut words);
        for r in self.conf.members(&group.name) {
            self.say_of_cells(clock, r, &mut words);
        }
        words.into_explanation(
            format!("resource group {}", group.name),
            self.group_summary(group),
            nodes.collect(),
        )
    }

    /// Where it is, one sentence.
    fn group_summary(&self, group: &Group) -> String {
        if !group.managed {
            return String::from("It is unmanaged: the manager does nothing with it.");
        }
        let states = self.conf.nodes_of(&group.name).iter().map(|n| (n, self.group_state(group, n)));
        let somewhere: Vec<String> = states
            .filter(|(_, state)| *state != GroupState::Offline)
            .map(|(n, state)| format!("{} on {n}", state.phrase().to_ascii_lowercase()))
            .collect();
        let should = self.desired_primaries(group);
        if somewhere.is_empty() {
            return format!("It is offline everywhere; it should be online on {should} of its nodes.");
        }
        format!("It is {}; it should be online on {should} of its nodes.", somewhere.join(", "))
    }

    /// What keeps it from being somewhere else, or anywhere.
    fn say_why(&self, clock: Clock, group: &Group, words: &mut Words) {
        let name = &group.name;
        if !group.managed {
            words.advise(format!("clrg manage {name}"));
            return;
        }
        if group.suspended {
            words.wait(String::from("automatic recovery is suspended, until an operator resumes it"), None);
            words.advise(format!("clrg resume {name}"));
        }
        if let Some((r, n)) = self.frozen(name) {
            words.wait(
                format!("a stop of resource {r} failed on node {n}: nothing of the group starts until that is cleared"),
                None,
            );
            words.advise(format!(
                "make sure nothing of {r} runs on {n}, then: clrs clear -n {n} -f STOP_FAILED {r}"
            ));
        }
        let run = self.conf.run(name);
        match run.hold {
            Some(Hold::Operator) => {
                words.reasons.push(String::from("An operator took it offline, or ended its recovery."));
                words.advise(format!("clrg online {name}"));
            }
            Some(Hold::NewCluster) => {
                words
                    .reasons
                    .push(String::from("The whole cluster booted, and Auto_start_on_new_cluster is FALSE."));
                words.advise(format!("clrg online {name}"));
            }
            Some(Hold::NoCandidate) => {
                words.reasons.push(String::from("No node of Nodelist may host it by itself."));
                self.say_when_again(clock, group, &run, words);
            }
            None if self.lacking.contains(name) => self.say_when_again(clock, group, &run, words),
            None => {}
        }
        if let Some(count) = run.primaries {
            words.reasons.push(format!(
                "An operator put it on {count} nodes; clrg remaster {name} makes Desired_primaries count again."
            ));
        }
        self.say_of_moving_groups(name, words);
    }

    /// When it looks for a node again, and how to have it now.
    fn say_when_again(&self, clock: Clock, group: &Group, run: &GroupRun, words: &mut Words) {
        let span = self.pingpong_interval(group);
        let mut nodes: BTreeSet<&NodeName> = BTreeSet::new();
        for failure in run.start_failures.iter().rev() {
            let left = failure.at.after(span).since(clock.wall);
            if left.0 > 0 && nodes.insert(&failure.node) {
                let what = format!("a start failure on node {} counts for Pingpong_interval", failure.node);
                words.wait(what, Some(left));
            }
        }
        for node in self.conf.nodes_of(&group.name) {
            let until = self.nodes.get(node).and_then(|n| n.barred_until);
            let left = until.map(|t| t.since(clock.boot)).filter(|left| left.0 > 0);
            if left.is_some() {
                words.wait(format!("node {node} was evacuated"), left);
            }
        }
        if self.waits_for_rule(group) {
            words.wait(
                String::from("Node_rule has to hold on one of its nodes: then it starts at once"),
                None,
            );
            words.advise(String::from("clnode attr list"));
        }
        let operator = self.verdicts(&Layout::default(), group, By::Operator);
        if let Some(best) = operator.iter().filter(|v| v.eligible()).min_by_key(|v| v.rank) {
            words.advise(format!(
                "clrg switch -n {} {}   (ignores failures and evacuation)",
                best.node, group.name
            ));
        } else if words.waits.is_empty() {
            let what =
                "a node that joins, room on one, or another group that moves: then it is tried at once";
            words.wait(String::from(what), None);
        }
    }

    /// Other groups it waits for before it looks for a node.
    fn say_of_moving_groups(&self, name: &GroupName, words: &mut Words) {
        let targets =
            self.conf.affinities(name).iter().filter(|a| a.liking.needs_target()).map(|a| &a.target);
        for target in targets.chain(self.conf.group_deps(name)) {
            if self.is_between_nodes(target) {
                words.wait(format!("resource group {target} is between two nodes"), None);
            }
        }
    }

    /// What was tried.
    fn say_history(&self, clock: Clock, group: &Group, words: &mut Words) {
        let run = self.conf.run(&group.name);
        for failure in &run.start_failures {
            let ago = ago(clock.wall.since(failure.at));
            words.reasons.push(format!("A start failed on node {} {ago}.", failure.node));
        }
        for given in &run.giveovers {
            let ago = ago(clock.wall.since(given.at));
            words.reasons.push(format!(
                "Resource {} gave node {} up {ago}; it is not given over back to it within Pingpong_interval.",
                given.resource, given.node
            ));
        }
    }

    /// What goes on with a resource, on every node where anything does.
    fn say_of_cells(&self, clock: Clock, r: &Resource, words: &mut Words) {
        let view = self.outlook();
        for node in self.conf.nodes_of(&r.group) {
            if let Some(flight) = self.peek(r, node).and_then(|c| c.flight.as_ref()) {
                let end = flight.since.after(self.conf.timeout(r, flight.method));
                let what = format!(
                    "{} of resource {} runs on node {node}, until its timeout at most",
                    flight.method, r.name
                );
                words.wait(what, Some(end.since(clock.boot)));
                continue;
            }
            match view.plan(r, node) {
                Plan::Blocked(block) => self.say_block(r, node, &block, words),
                Plan::Wait(wait) => say_wait(r, node, &wait, words),
                Plan::Rest => self.say_rest(r, node, words),
                Plan::Run(_) | Plan::Pass(_) => {}
            }
        }
    }

    fn say_block(&self, r: &Resource, node: &NodeName, block: &Block, words: &mut Words) {
        let (name, group) = (&r.name, &r.group);
        match block {
            Block::StartFailed => {
                words.reasons.push(format!(
                    "Resource {name} failed to start on node {node}: its messages are in the log."
                ));
                words.advise(format!("clrg restart -n {node} {group}"));
            }
            Block::StopFailed(_) => {}
            Block::Dependency(dep) | Block::Foreign(dep) => {
                words.wait(
                    format!("resource {name} on node {node} depends on resource {dep}, which is not online"),
                    None,
                );
                words.advise(format!("clrs explain {dep}"));
            }
            Block::Dependent(other) => {
                words.wait(
                    format!("resource {name} stops on node {node} after resource {other}, which can not"),
                    None,
                );
                words.advise(format!("clrs explain {other}"));
            }
            Block::Group(other) => {
                words.wait(
                    format!("resource group {other} is in the way on node {node}, and can not go on"),
                    None,
                );
                words.advise(format!("clrg explain {other}"));
            }
            Block::Elsewhere(other) => {
                words.wait(format!("its group can not leave node {other}"), None);
            }
        }
    }

    fn say_rest(&self, r: &Resource, node: &NodeName, words: &mut Words) {
        let run = self.conf.runs.get(&r.group);
        let meant = run.is_some_and(|run| run.wanted.contains(node));
        if meant && !r.enabled.on_at(node) {
            words.reasons.push(format!("Resource {} is disabled on node {node}.", r.name));
            words.advise(format!("clrs enable -n {node} {}", r.name));
        }
        if self.peek(r, node).is_some_and(|c| c.phase == Phase::MonitorFailed) {
            words.reasons.push(format!("The monitor of resource {} failed to start on node {node}.", r.name));
            words.advise(format!("clrs unmonitor {0}; clrs monitor {0}", r.name));
        }
    }

    fn explain_resource(&self, clock: Clock, r: &Resource, group: &Group) -> Explanation {
        let verdict = |node: &NodeName| {
            let meant = self.hosts(&Layout::default(), &group.name, node);
            let rule = if !r.enabled.on_at(node) {
                "disabled there"
            } else if !group.managed {
                "its group is unmanaged"
            } else if !meant {
                "its group is not meant to be online there"
            } else {
                "enabled, and its group is meant to be online there"
            };
            NodeVerdict {
                node: node.clone(),
                state: self.resource_state(r, node).phrase().to_string(),
                eligible: meant && group.managed && r.enabled.on_at(node),
                rule: String::from(rule),
            }
        };
        let nodes: Vec<NodeVerdict> = self.conf.nodes_of(&group.name).iter().map(verdict).collect();
        let mut words = Words::default();
        if !nodes.iter().any(|v| v.eligible) {
            words.advise(format!("clrg explain {}", group.name));
        }
        self.say_of_cells(clock, r, &mut words);
        for (on, dep) in
            self.conf.deps(&r.name).iter().filter_map(|d| Some((&d.on, self.conf.resources.get(&d.on)?)))
        {
            let up = self
                .conf
                .nodes_of(&dep.group)
                .iter()
                .any(|n| self.peek(dep, n).is_some_and(|c| c.phase.is_up()));
            if !up {
                words.reasons.push(format!("It depends on resource {on}, which is online nowhere."));
            }
        }
        words.into_explanation(format!("resource {}", r.name), self.resource_summary(r, group), nodes)
    }

    fn resource_summary(&self, r: &Resource, group: &Group) -> String {
        let cells = self.conf.nodes_of(&group.name).iter().filter(|n| self.peek(r, n).is_some());
        let states: Vec<String> = cells
            .map(|n| format!("{} on {n}", self.resource_state(r, n).phrase().to_ascii_lowercase()))
            .filter(|text| !text.starts_with("offline"))
            .collect();
        if states.is_empty() {
            return format!("It is offline everywhere; it belongs to resource group {}.", group.name);
        }
        format!("It is {}; it belongs to resource group {}.", states.join(", "), group.name)
    }
}

fn say_wait(r: &Resource, node: &NodeName, wait: &Wait, words: &mut Words) {
    let name = &r.name;
    match wait {
        Wait::Flight => {}
        Wait::Elsewhere(other) => {
            words.wait(format!("its group has to be gone from node {other} first"), None)
        }
        Wait::Owed(other) => {
            words.wait(
                format!("INIT, FINI or BOOT of resource {other} has to run on node {node} first"),
                None,
            );
        }
        Wait::After(other) => {
            words.wait(format!("resource {name} on node {node} comes after resource {other}"), None);
        }
        Wait::Group(other) => {
            words
                .wait(format!("resource group {other} has to be there, or gone, first on node {node}"), None);
        }
    }
}

/// How long ago, roughly.
fn ago(span: Millis) -> String {
    match span.0 / 1000 {
        secs if secs < 120 => format!("{secs} s ago"),
        secs if secs < 7200 => format!("{} min ago", secs / 60),
        secs => format!("{} h ago", secs / 3600),
    }
}
