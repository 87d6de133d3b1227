//! The crash test: `kill -9` of rgmd or a pmfd at seeded random moments of a scripted life.
//!
//! First the life is lived in peace, and after each of its steps a picture is taken: what is
//! configured, and what is where. Then it is lived again and again, and nearly every step has a kill at
//! a random moment of it. After each kill, when everything has come to rest:
//!
//! * the picture is that of before the step or that of after it, and the latter if the command said
//!   that it succeeded; a command whose daemon was killed is asked again, and succeeds then;
//! * an application whose STOP was not called is the process that it was before, and STOP was called
//!   only where the step means one;
//! * no application of one resource ever ran twice at once;
//! * the command has ended, and no state is left that must pass.
//!
//! A killed pmfd is nothing that a command may notice.

use crate::kit::cluster::is_alive;
use crate::kit::leftovers::send;
use crate::kit::wait::pause;
use crate::kit::{DevCluster, NODES, until};
use crate::sim::Chance;
use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use rgm_types::view::Snapshot;
use rgm_types::{GroupState, ResourceState, SchaErr};
use std::time::{Duration, Instant};

/// Steps without a kill, so that kills meet different states.
const PEACEFUL_PERCENT: usize = 10;
/// After a kill of rgmd, how often its successor is killed while it takes over.
const AGAIN_PERCENT: usize = 15;
/// How often the victim is rgmd, and how often a pmfd; otherwise it is all of them together.
const RGMD_PERCENT: usize = 60;
const PMFD_PERCENT: usize = 30;
/// How often the moment is that of the answer.
const ANSWER_PERCENT: usize = 15;
/// Longer than a successor needs to take over.
const TAKE_OVER: Duration = Duration::from_millis(60);

/// A step of the life.
struct Step {
    line: &'static str,
    /// Node the command speaks for.
    on: Option<&'static str>,
    /// Resources whose STOP it may call.
    stops: &'static [&'static str],
}

const fn step(line: &'static str) -> Step {
    Step { line, on: None, stops: &[] }
}

const fn stopping(line: &'static str, stops: &'static [&'static str]) -> Step {
    Step { line, on: None, stops }
}

const fn asked_on(node: &'static str, line: &'static str, stops: &'static [&'static str]) -> Step {
    Step { line, on: Some(node), stops }
}

/// A start that was cut off is stopped before it is tried again: so a start, too, may call STOP.
const LIFE: [Step; 27] = [
    step("scrgadm -a -t ACME.tick"),
    step("scrgadm -a -g g -h phys-1,phys-2"),
    step("scrgadm -a -j r -t ACME.tick -g g -x Greeting=ahoy -y Failover_mode=SOFT"),
    stopping("scswitch -Z -g g", &["r"]),
    step("scrgadm -c -j r -x Greeting=hi"),
    asked_on("phys-1", "scha_control -O RESOURCE_RESTART -G g -R r", &["r"]),
    step("scswitch -n -M -j r"),
    step("scswitch -e -M -j r"),
    asked_on("phys-1", "scha_control -O CHECK_GIVEOVER -G g -R r", &[]),
    asked_on("phys-1", "scha_control -O GIVEOVER -G g -R r", &["r"]),
    stopping("scswitch -R -g g -h phys-2", &["r"]),
    step("scrgadm -a -j r2 -t ACME.tick -g g -y Resource_dependencies=r -y Failover_mode=HARD"),
    stopping("scswitch -e -j r2", &["r2"]),
    stopping("scswitch -z -g g -h phys-1", &["r", "r2"]),
    step("scswitch -s -g g"),
    step("scswitch -r -g g"),
    stopping("scswitch -n -j r2", &["r2"]),
    step("scrgadm -r -j r2"),
    stopping("scswitch -n -j r", &["r"]),
    stopping("scswitch -e -j r", &["r"]),
    step("scrgadm -c -g g -y Pingpong_interval=60"),
    stopping("scswitch -F -g g", &["r"]),
    step("scswitch -n -j r"),
    step("scswitch -u -g g"),
    step("scrgadm -r -j r"),
    step("scrgadm -r -g g"),
    step("scrgadm -r -t ACME.tick"),
];
/// Every resource of the life.
const RESOURCES: [&str; 2] = ["r", "r2"];

/// What is configured and what is where, without what differs from one life to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Picture {
    configured: String,
    states: String,
}

/// How a step went in peace.
struct Peace {
    after: Picture,
    took: Duration,
}

/// What the test did.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Kills.
    pub kills: usize,
    /// Of these, of rgmd, alone or with every pmfd.
    pub of_rgmd: usize,
    /// Lives.
    pub lives: usize,
    /// Commands that had to be asked again.
    pub asked_again: usize,
}

/// Plays lives until there were that many kills. The error names seed, kill and step.
pub fn run(seed: u64, kills: usize) -> Result<Tally> {
    let mut peace = Vec::new();
    DevCluster::play(|cluster| {
        peace = live_in_peace(cluster)?;
        Ok(())
    })
    .context("in peace")?;
    let (mut chance, mut tally) = (Chance::new(seed), Tally::default());
    while tally.kills < kills {
        tally.lives += 1;
        let lived = DevCluster::play(|cluster| {
            Player { cluster, chance: &mut chance, tally: &mut tally, kills }.live(&peace)
        });
        lived.with_context(|| format!("seed {seed}, life {}, kill {}", tally.lives, tally.kills))?;
    }
    Ok(tally)
}

fn live_in_peace(cluster: &DevCluster) -> Result<Vec<Peace>> {
    let live = |step: &Step| {
        let begun = Instant::now();
        cluster.begin_on(step.on, step.line)?.end()?.ok()?;
        let took = begun.elapsed();
        Ok(Peace { after: at_rest(cluster)?, took })
    };
    LIFE.iter().map(live).collect()
}

/// Whom a kill hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Rgmd,
    Pmfd(&'static str),
    Everyone,
}

/// A kill to come.
#[derive(Debug, Clone, Copy)]
struct Blow {
    victim: Victim,
    /// After the command began; `None`: as soon as it has its answer.
    moment: Option<Duration>,
}

struct Player<'a> {
    cluster: &'a mut DevCluster,
    chance: &'a mut Chance,
    tally: &'a mut Tally,
    kills: usize,
}

impl Player<'_> {
    fn live(&mut self, peace: &[Peace]) -> Result<()> {
        let mut before = at_rest(self.cluster)?;
        for (step, peaceful) in LIFE.iter().zip(peace) {
            let blow = self.draw(peaceful.took);
            self.step(step, &before, &peaceful.after, blow)
                .with_context(|| format!("{} with {blow:?}", step.line))?;
            before = peaceful.after.clone();
        }
        Ok(())
    }

    fn step(&mut self, step: &Step, before: &Picture, after: &Picture, blow: Option<Blow>) -> Result<()> {
        let marks = Marks::take(self.cluster)?;
        let mut command = self.cluster.begin_on(step.on, step.line)?;
        if let Some(blow) = blow {
            match blow.moment {
                Some(moment) => pause(moment)?,
                None => until("the command ends", || Ok((!command.is_running()?).then_some(())))?,
            }
            self.strike(blow.victim)?;
        }
        let said = command.end()?;
        let mut now = at_rest(self.cluster)?;
        marks.check(self.cluster, step)?;
        let pmfd_only = blow.is_none_or(|blow| matches!(blow.victim, Victim::Pmfd(_)));
        let lost = !pmfd_only && said.code == i32::from(SchaErr::Reconf.code());
        ensure!(said.code == 0 || lost, "{said:?}");
        if lost && now != *after {
            ensure!(now == *before, "half of it was done: {}", now.against(before));
            self.tally.asked_again += 1;
            self.cluster.begin_on(step.on, step.line)?.end()?.ok().context("asked again")?;
            now = at_rest(self.cluster)?;
            marks.check(self.cluster, step)?;
        }
        ensure!(now == *after, "it is not as it is in peace: {}", now.against(after));
        Ok(())
    }

    fn draw(&mut self, took: Duration) -> Option<Blow> {
        if self.tally.kills >= self.kills || self.chance.percent(PEACEFUL_PERCENT) {
            return None;
        }
        let moment = self.within(took.mul_f32(1.2));
        let moment = (!self.chance.percent(ANSWER_PERCENT)).then_some(moment);
        let node = NODES[self.chance.below(NODES.len())];
        let victim = match self.chance.below(100) {
            lot if lot < RGMD_PERCENT => Victim::Rgmd,
            lot if lot < RGMD_PERCENT + PMFD_PERCENT => Victim::Pmfd(node),
            _ => Victim::Everyone,
        };
        Some(Blow { victim, moment })
    }

    fn within(&mut self, span: Duration) -> Duration {
        let micros = self.chance.below(usize::try_from(span.as_micros()).unwrap_or(usize::MAX));
        Duration::from_micros(u64::try_from(micros).unwrap_or(0))
    }

    fn strike(&mut self, victim: Victim) -> Result<()> {
        self.tally.kills += 1;
        if let Victim::Pmfd(node) = victim {
            return self.cluster.kill_pmfd(node);
        }
        self.tally.of_rgmd += 1;
        self.cluster.kill_rgmd()?;
        if victim == Victim::Everyone {
            let pmfds = NODES.iter().filter_map(|node| self.cluster.pmfd(node));
            pmfds.collect::<Vec<_>>().into_iter().try_for_each(|pid| send(pid, Signal::SIGKILL))?;
        }
        if self.chance.percent(AGAIN_PERCENT) {
            let moment = self.within(TAKE_OVER);
            self.cluster.launch()?;
            pause(moment)?;
            self.cluster.kill_rgmd()?;
            self.tally.kills += 1;
            self.tally.of_rgmd += 1;
        }
        self.cluster.start().map(drop)
    }
}

/// What ran before a step, and how often what had been called.
struct Marks {
    applications: Vec<(&'static str, Option<u32>, usize)>,
}

impl Marks {
    fn take(cluster: &DevCluster) -> Result<Self> {
        let mark = |r| Ok((r, running(cluster, r)?, stops(cluster, r)));
        Ok(Self { applications: RESOURCES.into_iter().map(mark).collect::<Result<_>>()? })
    }

    fn check(&self, cluster: &DevCluster, step: &Step) -> Result<()> {
        for (r, pid, stopped) in &self.applications {
            let untouched = stops(cluster, r) == *stopped;
            ensure!(untouched || step.stops.contains(r), "STOP of {r} was called for nothing");
            let now = running(cluster, r)?;
            ensure!(!untouched || pid.is_none() || *pid == now, "{r} was process {pid:?} and is {now:?}");
            cluster.tick.witness(r).one_at_a_time()?;
        }
        Ok(())
    }
}

/// The process of the resource's application.
fn running(cluster: &DevCluster, resource: &str) -> Result<Option<u32>> {
    Ok(cluster.tick.witness(resource).last_up()?.map(|(_, pid)| pid).filter(|pid| is_alive(*pid)))
}

fn stops(cluster: &DevCluster, resource: &str) -> usize {
    let begun = format!("STOP {resource} ");
    cluster.tick.begun(0).iter().filter(|call| call.starts_with(&begun)).count()
}

/// The picture, once nothing moves any more.
fn at_rest(cluster: &DevCluster) -> Result<Picture> {
    let mut last = None;
    let picture = until("everything comes to rest", || {
        let snapshot = cluster.snapshot()?;
        let rests = rests(&snapshot);
        let picture = Picture::of(cluster, &snapshot);
        last = Some(picture.clone());
        Ok(rests.then_some(picture))
    });
    picture.with_context(|| format!("{last:#?}"))
}

fn rests(snapshot: &Snapshot) -> bool {
    let up = snapshot.nodes.iter().all(|node| node.up);
    let moves = |state| matches!(state, GroupState::PendingOnline | GroupState::PendingOffline);
    let groups = snapshot.groups.iter().flat_map(|group| &group.nodes).any(|on| moves(on.state));
    let resources = snapshot.resources.iter().flat_map(|r| &r.nodes).any(|on| {
        on.running.is_some() || matches!(on.state, ResourceState::Starting | ResourceState::Stopping)
    });
    up && !groups && !resources
}

impl Picture {
    fn of(cluster: &DevCluster, snapshot: &Snapshot) -> Self {
        let mut configured = format!("{:?}\n", snapshot.types);
        let mut states = String::new();
        for group in &snapshot.groups {
            configured +=
                &format!("{} {} {} {:?}\n", group.name, group.managed, group.suspended, group.props);
            states.extend(group.nodes.iter().map(|on| format!("{} {} {}\n", group.name, on.node, on.state)));
        }
        for r in &snapshot.resources {
            configured += &format!("{} {} {} {:?}", r.name, r.group, r.type_name, r.props);
            for on in &r.nodes {
                configured += &format!(" {} {:?}", on.enabled, on.monitored);
                states += &format!("{} {} {}\n", r.name, on.node, on.state);
            }
            configured.push('\n');
        }
        Self { configured: configured.replace(&*cluster.dir().to_string_lossy(), "DIR"), states }
    }

    /// What is different.
    fn against(&self, other: &Self) -> String {
        let lines = |picture: &Self| -> Vec<String> {
            picture.configured.lines().chain(picture.states.lines()).map(str::to_owned).collect()
        };
        let (mine, theirs) = (lines(self), lines(other));
        let only = |a: &[String], b: &[String]| -> Vec<String> {
            a.iter().filter(|line| !b.contains(line)).cloned().collect()
        };
        format!("{:#?} instead of {:#?}", only(&mine, &theirs), only(&theirs, &mine))
    }
}
