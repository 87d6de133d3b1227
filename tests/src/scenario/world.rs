//! What is around the core in a story: repository, nodes with their journals, methods under way.

use super::show;
use super::step::Step;
use super::tell;
use anyhow::{Context, Result, bail, ensure};
use rgm_core::cell::Cell;
use rgm_core::{Action, Ending, Event, MethodResult, NodeReport, Order, Out, RequestId, Rgm, Token};
use rgm_types::config::Generation;
use rgm_types::{Clock, Command, Entry, Key, Method, Millis, NodeName, ResourceName, Write};
use std::collections::{BTreeMap, BTreeSet};

/// When stories begin.
const BEGINNING: Clock = Clock { boot: Millis(1_000_000), wall: Millis(1_700_000_000_000) };

/// Methods that `finish` ends before a story counts as endless.
const FINISH_MAX: usize = 1_000;

/// The world of one story.
#[derive(Default)]
pub(super) struct World {
    core: Rgm,
    clock: Clock,
    repo: BTreeMap<Key, Entry>,
    generation: Generation,
    up: BTreeSet<NodeName>,
    journals: BTreeMap<NodeName, BTreeMap<ResourceName, Cell>>,
    running: BTreeMap<Token, Order>,
    begun: BTreeMap<Token, Millis>,
    asked: BTreeMap<RequestId, String>,
    requests: u64,
    with_arguments: bool,
    states: BTreeMap<String, String>,
    /// The daemon is killed as soon as something is committed.
    doomed: bool,
    foretold: Vec<String>,
    ordered: Vec<String>,
    line: String,
    told: Vec<String>,
}

impl World {
    /// Takes a step.
    pub(super) fn take(&mut self, line: &str, step: &Step) -> Result<()> {
        self.line = line.to_string();
        self.happen(step)?;
        self.see_to_deadlines()?;
        self.check_rest()
    }

    /// What followed from the last step.
    pub(super) fn follows(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    fn happen(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Nodes { up, down } => self.found(up, down),
            Step::Ask { from, command } => self.ask(from.as_ref(), command),
            Step::Get { from, query } => {
                let from = self.caller(from.as_ref())?;
                let got = self.core.get(self.clock, &from, query);
                let lines = got.map_or_else(|refusal| tell::refusal(&refusal), |value| tell::value(&value));
                self.told.extend(lines);
                Ok(())
            }
            Step::DryRun { from, command } => self.dry_run(from.as_ref(), command),
            Step::Foretold => self.compare_foretold(),
            Step::Ends { method, resource, node, ending, said } => {
                let same = |o: &Order| o.method == *method && o.resource == *resource && o.node == *node;
                let token = self.running.iter().find(|(_, o)| same(o)).map(|(t, _)| *t);
                let token = token.context("that method is not running")?;
                self.end(token, *ending, said)
            }
            Step::Finish { but } => self.finish(but.as_ref()),
            Step::NodeDies(node) => self.node_dies(node),
            Step::NodeJoins(node) => {
                self.up.insert(node.clone());
                self.step(&Event::NodeUp(NodeReport { node: node.clone(), fresh: true, cells: Vec::new() }))
            }
            Step::PmfGivesUp { resource, node } => self.step(&Event::PmfExceeded {
                node: node.clone(),
                resource: resource.clone(),
                tag: format!("{resource}.svc"),
            }),
            Step::Clock { secs, wall_only } => self.pass_time(*secs, *wall_only),
            Step::DaemonKilled => self.daemon_killed(),
            Step::KilledAtCommit { from, command } => {
                self.doomed = true;
                self.ask(from.as_ref(), command)?;
                ensure!(!self.doomed, "nothing was committed");
                self.daemon_killed()
            }
            Step::ClusterBoots { without } => self.boot(without),
            Step::ShutDown => {
                let id = self.request();
                self.step(&Event::Shutdown { id })
            }
            Step::State => {
                let lines: Vec<String> =
                    self.states.iter().map(|(what, is)| format!("{what}: {is}")).collect();
                self.told.extend(lines);
                Ok(())
            }
            Step::Declared(rt) => self.tell_lines(show::declared(&self.core.snapshot(), rt)),
            Step::Properties(what) => self.tell_lines(show::properties(&self.core.snapshot(), what)),
            Step::Explain(what) => {
                let subject = show::subject(&self.core.snapshot(), what)?;
                let explained = self.core.explain(self.clock, &subject);
                self.told.extend(explained.map_or_else(|r| tell::refusal(&r), |e| show::explanation(&e)));
                Ok(())
            }
            Step::WithArguments => {
                self.with_arguments = true;
                Ok(())
            }
        }
    }

    fn tell_lines(&mut self, lines: Result<Vec<String>>) -> Result<()> {
        self.told.extend(lines?);
        Ok(())
    }

    // --- what may happen ---

    fn found(&mut self, up: &[NodeName], down: &[NodeName]) -> Result<()> {
        *self = Self { line: std::mem::take(&mut self.line), clock: BEGINNING, ..Self::default() };
        let mut nodes: Vec<NodeName> = up.iter().chain(down).cloned().collect();
        nodes.sort();
        self.commit(&Rgm::genesis("story", &nodes));
        self.up = up.iter().cloned().collect();
        self.form(true)?;
        self.told.clear();
        Ok(())
    }

    fn caller(&self, from: Option<&NodeName>) -> Result<NodeName> {
        from.or_else(|| self.up.first()).cloned().context("no node is up")
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.asked.insert(id, self.line.clone());
        id
    }

    fn ask(&mut self, from: Option<&NodeName>, command: &Command) -> Result<()> {
        let from = self.caller(from)?;
        let id = self.request();
        self.step(&Event::Request { id, from, command: command.clone() })
    }

    fn dry_run(&mut self, from: Option<&NodeName>, command: &Command) -> Result<()> {
        let from = self.caller(from)?;
        let before = self.core.snapshot();
        match self.core.dry_run(self.clock, &from, command) {
            Ok(done) => {
                let method =
                    |s: &rgm_types::PlannedStep| format!("{} {} on {}", s.method, s.resource, s.node);
                self.foretold = done.plan.iter().map(method).collect();
                self.ordered.clear();
                let lines = done.plan.iter().map(|s| format!("would run {}: {}", s.wave, method(s)));
                self.told.extend(lines);
                self.told.extend(tell::answer(&Ok(done)));
            }
            Err(refusal) => self.told.extend(tell::refusal(&refusal)),
        }
        ensure!(self.core.snapshot() == before, "a dry run changed something");
        Ok(())
    }

    fn compare_foretold(&mut self) -> Result<()> {
        ensure!(self.ordered == self.foretold, "foretold {:?}, but ran {:?}", self.foretold, self.ordered);
        self.told.push("yes".to_string());
        Ok(())
    }

    fn end(&mut self, token: Token, ending: Ending, said: &[String]) -> Result<()> {
        let order = self.running.remove(&token).context("that method is not running")?;
        let result = MethodResult { ending, used: Millis(500), output: said.to_vec() };
        self.step(&Event::MethodEnded { node: order.node, token, result })
    }

    fn finish(&mut self, but: Option<&(Method, ResourceName)>) -> Result<()> {
        for _ in 0..FINISH_MAX {
            let left = |o: &Order| but.is_some_and(|(m, r)| o.method == *m && o.resource == *r);
            let Some(token) = self.running.iter().find(|(_, o)| !left(o)).map(|(t, _)| *t) else {
                return Ok(());
            };
            self.end(token, Ending::Exited(0), &[])?;
        }
        bail!("there is no end to it")
    }

    fn node_dies(&mut self, node: &NodeName) -> Result<()> {
        self.up.remove(node);
        self.journals.remove(node);
        self.running.retain(|_, o| o.node != *node);
        self.step(&Event::NodeDown { node: node.clone() })
    }

    fn pass_time(&mut self, secs: i64, wall_only: bool) -> Result<()> {
        let millis = secs.saturating_mul(1000);
        self.clock.wall.0 = self.clock.wall.0.saturating_add_signed(millis);
        if wall_only {
            return Ok(());
        }
        self.clock.boot.0 = self.clock.boot.0.saturating_add_signed(millis);
        self.see_to_deadlines()
    }

    fn see_to_deadlines(&mut self) -> Result<()> {
        match self.core.next_deadline() {
            Some((due, why)) if due <= self.clock.boot => {
                self.told.push(format!("due: {why}"));
                // Its node has killed it, and could not say so.
                let now = self.clock.boot;
                let begun = std::mem::take(&mut self.begun);
                let over = |t: &Token, o: &Order| begun.get(t).is_some_and(|b| b.after(o.timeout) <= now);
                self.running.retain(|token, order| !over(token, order));
                self.begun = begun;
                self.step(&Event::Tick)
            }
            _ => Ok(()),
        }
    }

    /// The daemon comes back on nodes that stayed up: what ran is killed, and its end unknown.
    fn daemon_killed(&mut self) -> Result<()> {
        self.running.clear();
        self.broken_connections();
        let flights: Vec<(NodeName, Token)> = self.flights();
        self.form(false)?;
        for (node, token) in flights {
            let result = MethodResult { ending: Ending::Lost, used: Millis(0), output: Vec::new() };
            self.step(&Event::MethodEnded { node, token, result })?;
        }
        Ok(())
    }

    fn boot(&mut self, without: &[NodeName]) -> Result<()> {
        self.running.clear();
        self.journals.clear();
        self.broken_connections();
        let configured = self.repo.keys().filter_map(|k| if let Key::Node(n) = k { Some(n) } else { None });
        self.up = configured.filter(|n| !without.contains(n)).cloned().collect();
        self.form(true)
    }

    fn broken_connections(&mut self) {
        let broken = std::mem::take(&mut self.asked);
        self.told.extend(broken.values().map(|line| format!("no answer to {line}: the connection breaks")));
    }

    fn flights(&self) -> Vec<(NodeName, Token)> {
        let of_node = |(node, journal): (&NodeName, &BTreeMap<ResourceName, Cell>)| {
            journal
                .values()
                .filter_map(|c| Some((node.clone(), c.flight.as_ref()?.token)))
                .collect::<Vec<_>>()
        };
        self.journals.iter().flat_map(of_node).collect()
    }

    fn form(&mut self, fresh: bool) -> Result<()> {
        let first = Token(self.clock.boot.0 << 10);
        self.core = Rgm::load(self.repo.values().cloned().collect(), self.generation, first)?;
        let report = |node: &NodeName| {
            let cells = self.journals.get(node).into_iter().flatten();
            let cells = cells.map(|(r, c)| (r.clone(), c.clone())).collect();
            NodeReport { node: node.clone(), fresh, cells }
        };
        let nodes = self.up.iter().map(report).collect();
        self.step(&Event::Formed { nodes })
    }

    // --- one event, carried out ---

    fn step(&mut self, event: &Event) -> Result<()> {
        let out = self.core.step(self.clock, event);
        let checks = self.carry_out(out)?;
        for token in checks {
            self.end(token, Ending::Exited(0), &[])?;
        }
        Ok(())
    }

    /// Gives the checks of method files that a node answers by itself.
    fn carry_out(&mut self, out: Out) -> Result<Vec<Token>> {
        self.commit(&out.writes);
        if self.doomed && !out.writes.is_empty() {
            self.doomed = false;
            return Ok(Vec::new());
        }
        for (node, r, cell) in out.records {
            let journal = self.journals.entry(node).or_default();
            match cell {
                Some(cell) => drop(journal.insert(r, cell)),
                None => drop(journal.remove(&r)),
            }
        }
        let mut checks = Vec::new();
        for action in out.actions {
            checks.extend(self.act(action)?);
        }
        self.told.extend(out.log.iter().filter_map(tell::log));
        self.tell_states();
        for (id, answer) in out.replies {
            let line = self.asked.remove(&id).context("an answer to nobody, or a second one")?;
            if line != self.line {
                self.told.push(format!("answer to {line}"));
            }
            self.told.extend(tell::answer(&answer));
        }
        Ok(checks)
    }

    fn commit(&mut self, writes: &[Write]) {
        for write in writes {
            match write {
                Write::Put(entry) => drop(self.repo.insert(entry.key(), entry.clone())),
                Write::Delete(key) => drop(self.repo.remove(key)),
            }
        }
        self.generation.0 += u64::from(!writes.is_empty());
    }

    fn act(&mut self, action: Action) -> Result<Option<Token>> {
        match action {
            Action::Run(order) => return self.begin(order),
            Action::Kill { token, .. } => {
                let name = self.running.get(&token).map(tell::order);
                self.told.push(format!("kill {}", name.context("a kill of what does not run")?));
            }
            Action::AbortNode { node, cause } => self.told.push(format!("abort {node} ({})", cause.rule)),
        }
        Ok(None)
    }

    fn begin(&mut self, order: Order) -> Result<Option<Token>> {
        let token = order.token;
        let apart = |m: Method| matches!(m, Method::Validate | Method::MonitorCheck);
        let same = |o: &&Order| o.resource == order.resource && o.node == order.node && !apart(o.method);
        if let Some(other) = self.running.values().find(same)
            && !apart(order.method)
        {
            bail!("{} begins while {} runs", tell::order(&order), other.method);
        }
        ensure!(self.up.contains(&order.node), "{} is ordered, and the node is down", tell::order(&order));
        let silent = order.method == Method::Validate && order.path.is_empty();
        if !silent {
            self.told.push(format!("run {}", tell::order(&order)));
            if self.with_arguments {
                self.told.extend(tell::arguments(&order));
            }
        }
        self.ordered.push(tell::order(&order));
        self.begun.insert(token, self.clock.boot);
        self.running.insert(token, order);
        Ok(silent.then_some(token))
    }

    fn tell_states(&mut self) {
        let now = tell::states(&self.core.snapshot());
        let fresh = |is: &str| matches!(is, "UNMANAGED" | "OFFLINE" | "OFFLINE, OFFLINE");
        for (what, is) in &now {
            match self.states.get(what) {
                Some(was) if was == is => {}
                None if fresh(is) => {}
                Some(_) | None => self.told.push(format!("{what} is {is}")),
            }
        }
        self.states = now;
    }

    /// The rules hold, and another look orders nothing more.
    fn check_rest(&self) -> Result<()> {
        if let Some(violation) = self.core.violations().first() {
            bail!("{}: {}", violation.rule, violation.found);
        }
        if self.core.next_deadline().is_some_and(|(due, _)| due <= self.clock.boot) {
            bail!("a deadline is due and was not seen to");
        }
        let again = self.core.clone().step(self.clock, &Event::Tick);
        ensure!(
            again.actions.is_empty() && again.writes.is_empty() && again.replies.is_empty(),
            "another look orders more: {again:?}"
        );
        Ok(())
    }
}
