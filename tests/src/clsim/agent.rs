//! The agent of a node, its pmfd, and what really runs there.

use super::machine::{Armed, Pmfd};
use super::mutants::Mutant;
use super::rgmd::{Ending, Main, Rgmd};
use super::world::{MS, SECOND, What, World};
use crate::sim::site::Running;
use rgm_cluster::rules::Duty;
use rgm_cluster::{FromNode, ToNode};
use rgm_core::{Ending as MethodEnding, MethodResult, NodeReport, Order, Token};
use rgm_types::{Method, Millis};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

impl World {
    // --- power and daemons ---

    pub(super) fn power_on(&mut self, node: usize) {
        let now = self.now;
        let former = self.has(Mutant::BelieveFormerBoot);
        let machine = &mut self.machines[node];
        if machine.on {
            return;
        }
        let journal = std::mem::take(&mut machine.site.journal);
        machine.boot(now);
        if former && !journal.is_empty() {
            (machine.site.journal, machine.site.fresh) = (journal, false);
        }
        let boot = machine.boot;
        self.tell(|| format!("n{} boots", node + 1));
        let at = now + 20 * MS + self.soon(300);
        self.at(at, What::Start { node, boot });
    }

    pub(super) fn power_off(&mut self, node: usize, off: u64) {
        if !self.machines[node].on {
            return;
        }
        let journal = std::mem::take(&mut self.machines[node].site.journal);
        self.leave_chair(node);
        self.machines[node].power_off();
        // It lies on a tmpfs: only a defective life would find it.
        self.machines[node].site.journal = journal;
        self.ledger.parked.remove(&node);
        self.at(self.now + off, What::PowerOn { node });
    }

    /// A life of rgmd ends at once, and another one is started after that.
    pub(super) fn end_life(&mut self, node: usize, back: u64) {
        if self.machines[node].rgmd.is_none() {
            return;
        }
        self.tell(|| format!("rgmd of n{} ends", node + 1));
        self.leave_chair(node);
        let machine = &mut self.machines[node];
        machine.rgmd = None;
        let boot = machine.boot;
        self.at(self.now + back, What::Start { node, boot });
    }

    fn leave_chair(&mut self, node: usize) {
        if self.machines[node].rgmd.as_ref().is_some_and(|r| r.president.is_some()) {
            self.ledger.opening_under_way = false;
        }
    }

    pub(super) fn start(&mut self, node: usize, boot: u64) {
        let now = self.now;
        let wall = self.machines[node].clock(now, 0).wall.0;
        let name = self.names[node].clone();
        let machine = &mut self.machines[node];
        if !machine.on || machine.boot != boot || machine.rgmd.is_some() {
            return;
        }
        if machine.is_frozen(now) {
            let at = machine.frozen_until;
            return self.at(at, What::Start { node, boot });
        }
        machine.lives += 1;
        let life = machine.lives;
        machine.rgmd = Some(Rgmd {
            life,
            incarnation: wall,
            paused_until: 0,
            asks: BTreeMap::new(),
            member: None,
            duty: Duty::new(name, wall),
            president: None,
            blocked: false,
            waiting: VecDeque::new(),
            safe: false,
            kept: VecDeque::new(),
            tried: BTreeMap::new(),
            fenced: BTreeSet::new(),
            stand_back: None,
            ahead: 0,
            deadline: Millis(0),
            fresh: machine.site.fresh,
            ending: Ending::No,
        });
        self.tell(|| format!("rgmd of n{} starts, life {life}", node + 1));
        self.configure(node);
    }

    /// The configuration is there: pmfd is asked what it has killed, the agent takes the node over.
    pub(super) fn begin_life(&mut self, node: usize) {
        if !self.machines[node].pmfd.up {
            return self.timer(node, self.now + 50 * MS, super::rgmd::Timer::Begin);
        }
        let machine = &mut self.machines[node];
        let fired = machine.pmfd.fired;
        if fired {
            machine.site.journal.clear();
            machine.site.results.clear();
            machine.site.fresh = true;
        }
        let fresh = machine.site.fresh;
        if let Some(rgmd) = &mut machine.rgmd {
            rgmd.fresh = fresh;
        }
        if fresh {
            self.kill_everything(node);
        } else {
            self.kill_methods(node);
        }
        let machine = &mut self.machines[node];
        machine.pmfd.fired = false;
        let former = machine.pmfd.deadline.filter(|_| !fired);
        self.begin_member(node, former);
    }

    pub(super) fn dying(&mut self, node: usize, life: u64, since: u64) {
        if !self.is_life(node, life) {
            return;
        }
        if let Some(later) = self.stands_until(node) {
            return self.at(later, What::Dying { node, life, since });
        }
        if self.machines[node].pmfd.fired || self.now > since + 10 * SECOND {
            if !self.machines[node].pmfd.fired {
                self.machines[node].site.journal.clear();
                self.machines[node].site.fresh = true;
                self.kill_everything(node);
            }
            let back = 100 * MS + self.soon(900);
            return self.end_life(node, back);
        }
        self.at(self.now + 50 * MS, What::Dying { node, life, since });
    }

    // --- pmfd ---

    /// Everything here must be dead then.
    pub(super) fn arm(&mut self, node: usize, deadline: Millis) -> Armed {
        let never = self.has(Mutant::NeverRearm);
        let after = self.has(Mutant::ArmAfterFiring);
        let machine = &mut self.machines[node];
        if !machine.pmfd.up {
            return Armed::NoAnswer;
        }
        // From the moment of the deadline, whether pmfd has noticed it yet or not.
        let now = machine.boot_clock(self.now);
        let dead = machine.pmfd.fired || machine.pmfd.deadline.is_some_and(|deadline| deadline <= now);
        if dead && !after {
            return Armed::Fired;
        }
        if machine.pmfd.fired {
            machine.pmfd.fired = false;
        }
        if let Some(rgmd) = &mut machine.rgmd {
            rgmd.deadline = deadline;
        }
        if never && machine.pmfd.deadline.is_some() {
            return Armed::Yes;
        }
        machine.pmfd.deadline = Some(deadline);
        self.watch_deadline(node);
        Armed::Yes
    }

    /// pmfd wakes within what the margin allows.
    fn watch_deadline(&mut self, node: usize) {
        let Some(deadline) = self.machines[node].pmfd.deadline else { return };
        let late = match self.chance.below(4) {
            0 => self.soon(usize::try_from(self.plan.margin / 3).unwrap_or(0)),
            _ => self.soon(2),
        };
        let machine = &mut self.machines[node];
        machine.pmfd.version += 1;
        let version = machine.pmfd.version;
        let at = machine.when(deadline).max(self.now) + late;
        self.at(at, What::Deadline { node, version });
    }

    pub(super) fn deadline(&mut self, node: usize, version: u64) {
        let now = self.machines[node].boot_clock(self.now);
        let pmfd: &Pmfd = &self.machines[node].pmfd;
        if !pmfd.up || pmfd.version != version || pmfd.deadline.is_none_or(|deadline| deadline > now) {
            return;
        }
        self.fire(node);
    }

    fn fire(&mut self, node: usize) {
        self.tell(|| format!("the deadman of n{} fires", node + 1));
        self.stats.fired += 1;
        self.note_fired(node);
        let machine = &mut self.machines[node];
        (machine.pmfd.deadline, machine.pmfd.fired) = (None, true);
        self.kill_everything(node);
    }

    /// What was born after it had fired is killed as soon as it is seen.
    pub(super) fn reap(&mut self, node: usize, boot: u64) {
        if self.machines[node].boot == boot && self.machines[node].pmfd.fired {
            self.kill_everything(node);
        }
    }

    pub(super) fn kill_pmfd(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        if machine.on && std::mem::replace(&mut machine.pmfd.up, false) {
            let boot = machine.boot;
            let span = usize::try_from(self.plan.margin / 3).unwrap_or(0);
            let at = self.now + MS + self.soon(span);
            self.at(at, What::PmfdBack { node, boot });
        }
    }

    /// The next pmfd takes the deadline over.
    pub(super) fn pmfd_back(&mut self, node: usize, boot: u64) {
        if self.machines[node].boot != boot || !self.machines[node].on {
            return;
        }
        self.machines[node].pmfd.up = true;
        let now = self.machines[node].boot_clock(self.now);
        match self.machines[node].pmfd.deadline {
            Some(deadline) if deadline <= now && !self.machines[node].is_frozen(self.now) => self.fire(node),
            Some(_) => self.watch_deadline(node),
            None => {}
        }
    }

    /// A machine goes on: pmfd is the first to do something. So on every one that goes on at this moment.
    pub(super) fn thaw(&mut self, node: usize) {
        if self.machines[node].is_frozen(self.now) || !self.machines[node].on {
            return;
        }
        let goes_on = |node: &usize| {
            let machine = &self.machines[*node];
            let now = machine.boot_clock(self.now);
            let overdue = machine.pmfd.deadline.is_some_and(|deadline| deadline <= now);
            machine.on && machine.frozen_until == self.now && machine.pmfd.up && overdue
        };
        let overdue: Vec<usize> = self.nodes().into_iter().filter(goes_on).collect();
        overdue.into_iter().for_each(|node| self.fire(node));
        self.check_all_alone();
    }

    fn kill_methods(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        for (_, Running { order, .. }) in std::mem::take(&mut machine.site.running) {
            machine.site.method_ends(&order, MethodEnding::Lost, false);
        }
    }

    /// Nothing of this node runs any more.
    fn kill_everything(&mut self, node: usize) {
        let machine = &mut self.machines[node];
        machine.site.instances.clear();
        let running = std::mem::take(&mut machine.site.running);
        for token in running.into_keys() {
            self.method_over(node, token, MethodEnding::Signalled(9));
        }
    }

    // --- methods ---

    pub(super) fn method_ends(&mut self, node: usize, boot: u64, token: Token, ending: MethodEnding) {
        if self.machines[node].boot != boot {
            return;
        }
        let machine = &mut self.machines[node];
        let Some(Running { order, .. }) = machine.site.running.remove(&token) else { return };
        let postnet = self.etcd.repo.declares(&order.resource, Method::PostnetStop);
        let last = if postnet { Method::PostnetStop } else { Method::Stop };
        let machine = &mut self.machines[node];
        machine.site.method_ends(&order, ending, order.method == last);
        let stop = matches!(order.method, Method::MonitorStop | Method::Stop | Method::PostnetStop);
        if stop && ending != MethodEnding::Exited(0) {
            machine.site.instances.entry(order.resource.clone()).or_default().stop_failed = true;
        }
        let (resource, method) = (order.resource.clone(), order.method);
        self.tell(|| format!("n{}: {method} of {resource} ends: {ending:?}", node + 1));
        self.method_over(node, token, ending);
    }

    /// The agent, if it is there, writes it down and says so.
    fn method_over(&mut self, node: usize, token: Token, ending: MethodEnding) {
        let result = MethodResult { ending, used: Millis(1), output: Vec::new() };
        let machine = &mut self.machines[node];
        if machine.rgmd.as_ref().is_none_or(|r| r.member.is_none()) {
            return;
        }
        if machine.site.flights().contains(&token) {
            machine.site.results.insert(token, result.clone());
        }
        self.main(node, Main::Ended { token, result });
        self.main(node, Main::Idle);
    }

    /// The end of a method is told while this node counts as alive: behind its deadline whatever ended
    /// was killed with everything else, and says nothing of the method.
    pub(super) fn tell_end(&mut self, node: usize, token: Token, result: MethodResult) {
        let now = self.machines[node].boot_clock(self.now);
        let tells = self.has(Mutant::TellKilled) && result.ending != MethodEnding::Lost;
        let Some(rgmd) = self.rgmd(node) else { return };
        if now < rgmd.deadline || tells {
            return self.word(node, FromNode::Ended { token, result });
        }
        let life = rgmd.life;
        let main = Main::Ended { token, result };
        self.at(self.now + 50 * MS, What::Main { node, life, main });
    }

    // --- the agent ---

    /// An order of a president that this node obeys.
    pub(super) fn agent(&mut self, node: usize, epoch: u64, message: ToNode) {
        self.check_obeys(node, epoch, &message);
        let machine = &mut self.machines[node];
        let Some(rgmd) = &mut machine.rgmd else { return };
        match message {
            ToNode::Report => self.report(node),
            ToNode::Welcome => {
                rgmd.fresh = false;
                machine.site.fresh = false;
            }
            ToNode::Records(records) => {
                machine.site.fresh = false;
                records.into_iter().for_each(|(r, cell)| machine.site.record(r, cell));
            }
            ToNode::Run(order) => {
                rgmd.fresh = false;
                self.run(node, order);
            }
            ToNode::Kill(token) => {
                if machine.site.running.contains_key(&token) {
                    let boot = machine.boot;
                    self.method_ends(node, boot, token, MethodEnding::Killed);
                }
            }
            ToNode::Abort(_) => {
                self.tell(|| format!("n{} is aborted", node + 1));
                machine_forgets(&mut self.machines[node]);
                self.kill_everything(node);
                let back = 100 * MS + self.soon(900);
                self.end_life(node, back);
            }
            ToNode::Taken(_) => {}
        }
    }

    fn report(&mut self, node: usize) {
        let machine = &self.machines[node];
        let Some(rgmd) = &machine.rgmd else { return };
        let cells = machine.site.journal.iter().map(|(r, c)| (r.clone(), c.clone())).collect();
        let report = NodeReport { node: self.names[node].clone(), fresh: rgmd.fresh, cells };
        let over: Vec<(Token, MethodResult)> = machine
            .site
            .flights()
            .into_iter()
            .filter(|token| !machine.site.running.contains_key(token))
            .map(|token| (token, machine.site.results.get(&token).cloned().unwrap_or_else(lost)))
            .collect();
        self.main(node, Main::Word(FromNode::Joined(report)));
        for (token, result) in over {
            self.main(node, Main::Ended { token, result });
        }
    }

    fn run(&mut self, node: usize, order: Order) {
        let now = self.machines[node].boot_clock(self.now);
        let past = self.has(Mutant::RunPastDeadline);
        let machine = &self.machines[node];
        let Some(rgmd) = &machine.rgmd else { return };
        let token = order.token;
        if machine.site.running.contains_key(&token) {
            return;
        }
        let dead = now >= rgmd.deadline && !past;
        let known = machine.site.results.get(&token).cloned();
        if let Some(result) = known.or_else(|| dead.then(lost)) {
            self.machines[node].site.results.insert(token, result.clone());
            return self.main(node, Main::Ended { token, result });
        }
        self.stats.methods += 1;
        self.check_begin(node, &order);
        let (length, ending) = self.fate(&order);
        let machine = &mut self.machines[node];
        let (boot, fired) = (machine.boot, machine.pmfd.fired);
        machine.site.method_begins(&order);
        let (resource, method) = (order.resource.clone(), order.method);
        machine.site.running.insert(token, Running { order, until: Millis(u64::MAX) });
        self.tell(|| format!("n{}: {method} of {resource} begins", node + 1));
        self.at(self.now + length, What::MethodEnds { node, boot, token, ending });
        if fired {
            let at = self.now + self.soon(30);
            self.at(at, What::Reap { node, boot });
        }
    }

    /// How long a method takes, and how it ends.
    fn fate(&mut self, order: &Order) -> (u64, MethodEnding) {
        let length = match self.chance.below(10) {
            0 => 500 * MS + self.soon(3_000),
            1..4 => MS + self.soon(500),
            _ => MS + self.soon(60),
        };
        let fails = !self.calm && self.chance.percent(self.plan.failures);
        let may_fail = !matches!(order.method, Method::Validate | Method::MonitorCheck);
        (length, if fails && may_fail { MethodEnding::Exited(1) } else { MethodEnding::Exited(0) })
    }
}

fn machine_forgets(machine: &mut super::machine::Machine) {
    machine.site.journal.clear();
    machine.site.results.clear();
    machine.site.fresh = true;
}

fn lost() -> MethodResult {
    MethodResult { ending: MethodEnding::Lost, used: Millis(0), output: Vec::new() }
}
