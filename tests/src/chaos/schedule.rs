//! What happens when: faults and operators' commands, drawn from a seed before anything runs.

use crate::sim::Chance;
use std::fmt;
use std::time::Duration;

/// Nothing is struck before.
const FIRST: u64 = 1_000;
/// So much of the end of a run has no new fault.
const LAST: u64 = 4_000;
/// How often a round goes beyond what a cluster has to survive with its services.
const BEYOND_PERCENT: usize = 15;
/// How often a second machine is hit.
const ASIDE_PERCENT: usize = 35;
/// A daemon that was killed is back by then.
const BACK_MS: u64 = 5_000;
/// Between two commands.
const ASK_EVERY: [u64; 2] = [200, 1_400];

/// What can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    KillRgmd,
    KillPmfd,
    KillApplication,
    FreezeApplication,
    KillMethod,
    FreezeMethod,
    FreezeRgmd,
    FreezePmfd,
    KillEtcd,
    FreezeEtcd,
    SlowEtcd,
    FullEtcd,
    FullState,
    Unplug,
    Deaf,
    Mute,
    SlowLink,
    Apart,
    Power,
    RollingRestart,
    KillTwoEtcd,
    FreezeTwoEtcd,
    UnplugTwo,
    PowerOfTwo,
}

/// On a machine that has lost nothing else; several at a time.
const LIGHT: [Kind; 6] = [
    Kind::KillRgmd,
    Kind::KillPmfd,
    Kind::KillApplication,
    Kind::FreezeApplication,
    Kind::KillMethod,
    Kind::FreezeMethod,
];
/// One machine at a time.
const HEAVY: [Kind; 14] = [
    Kind::FreezeRgmd,
    Kind::FreezePmfd,
    Kind::KillEtcd,
    Kind::FreezeEtcd,
    Kind::SlowEtcd,
    Kind::FullEtcd,
    Kind::FullState,
    Kind::Unplug,
    Kind::Deaf,
    Kind::Mute,
    Kind::SlowLink,
    Kind::Apart,
    Kind::Power,
    Kind::RollingRestart,
];
/// On a second machine at the same time: it takes nothing from etcd.
const ASIDE: [Kind; 3] = [Kind::FreezeRgmd, Kind::FreezePmfd, Kind::FullState];
/// Most of etcd, or of the machines, is gone.
const BEYOND: [Kind; 4] = [Kind::KillTwoEtcd, Kind::FreezeTwoEtcd, Kind::UnplugTwo, Kind::PowerOfTwo];

impl Kind {
    /// Its words in the table.
    pub fn words(self) -> &'static str {
        match self {
            Self::KillRgmd => "kill -9 of rgmd",
            Self::KillPmfd => "kill -9 of pmfd",
            Self::KillApplication => "kill -9 of an application",
            Self::FreezeApplication => "application frozen",
            Self::KillMethod => "kill -9 of a method",
            Self::FreezeMethod => "method frozen",
            Self::FreezeRgmd => "rgmd frozen",
            Self::FreezePmfd => "pmfd frozen",
            Self::KillEtcd => "kill -9 of etcd",
            Self::FreezeEtcd => "etcd frozen",
            Self::SlowEtcd => "etcd slow, in fits",
            Self::FullEtcd => "disk of etcd full",
            Self::FullState => "disk of rgmd and pmfd full",
            Self::Unplug => "cable out",
            Self::Deaf => "hears nothing",
            Self::Mute => "says nothing",
            Self::SlowLink => "slow link",
            Self::Apart => "two do not reach each other",
            Self::Power => "power off",
            Self::RollingRestart => "rolling restart",
            Self::KillTwoEtcd => "two of etcd killed",
            Self::FreezeTwoEtcd => "two of etcd frozen",
            Self::UnplugTwo => "two cables out",
            Self::PowerOfTwo => "power off, two machines",
        }
    }

    /// Services may be down as long as it lasts.
    pub fn is_beyond(self) -> bool {
        BEYOND.contains(&self)
    }

    /// It is of a group, not of a machine.
    pub fn is_of_group(self) -> bool {
        matches!(
            self,
            Self::KillApplication | Self::FreezeApplication | Self::KillMethod | Self::FreezeMethod
        )
    }

    /// How long it lasts at least and at most, milliseconds; 0 where it is over at once.
    fn lasts(self) -> [u64; 2] {
        match self {
            Self::KillRgmd | Self::KillPmfd | Self::KillApplication | Self::KillMethod => [0, 0],
            Self::FreezeApplication | Self::SlowEtcd => [1_000, 6_000],
            Self::FreezeMethod => [500, 8_000],
            Self::FullState | Self::FullEtcd | Self::KillEtcd | Self::FreezeEtcd => [500, 12_000],
            Self::KillTwoEtcd | Self::FreezeTwoEtcd | Self::UnplugTwo => [3_000, 18_000],
            Self::FreezeRgmd
            | Self::FreezePmfd
            | Self::Unplug
            | Self::Deaf
            | Self::Mute
            | Self::SlowLink
            | Self::Apart
            | Self::Power
            | Self::PowerOfTwo => [500, 16_000],
            Self::RollingRestart => [9_000, 12_000],
        }
    }
}

/// A fault, and its healing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Number of the machine, or of the group, from 0.
    pub target: usize,
    /// How long it lasts.
    pub lasts: Duration,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let on = if self.kind.is_of_group() { "r" } else { "phys-" };
        write!(f, "{}, {on}{}", self.kind.words(), self.target + 1)?;
        if self.lasts.is_zero() { Ok(()) } else { write!(f, ", for {:.1} s", self.lasts.as_secs_f64()) }
    }
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The Note of the resource of a group is to be another one.
    Note(usize),
    /// A group is to go to a machine.
    Switch(usize, usize),
    /// A group is to be restarted.
    Restart(usize),
}

impl Ask {
    /// Number of the group.
    pub fn group(self) -> usize {
        match self {
            Self::Note(group) | Self::Switch(group, _) | Self::Restart(group) => group,
        }
    }
}

/// Something, and when: milliseconds from the beginning.
#[derive(Debug, Clone)]
pub struct At<T> {
    /// When.
    pub ms: u64,
    /// What.
    pub what: T,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// In their order.
    pub faults: Vec<At<Fault>>,
    /// In their order, each with the machine on which it is asked.
    pub asks: Vec<At<(Ask, usize)>>,
}

/// How large the cluster is.
#[derive(Debug, Clone, Copy)]
pub struct Size {
    /// Machines.
    pub machines: usize,
    /// Of these, with a member of etcd.
    pub voters: usize,
    /// Groups.
    pub groups: usize,
}

impl Schedule {
    /// Draws one of that length.
    pub fn draw(seed: u64, span: Duration, size: Size) -> Self {
        let end = u64::try_from(span.as_millis()).unwrap_or(u64::MAX).saturating_sub(LAST);
        let mut draw = Draw { chance: Chance::new(seed), size };
        let mut faults = Vec::new();
        let mut heavy = Vec::new();
        let mut now = FIRST;
        while now < end {
            now = draw.round(now, &mut faults, &mut heavy);
        }
        faults.retain(|at| at.ms < end);
        faults.sort_by_key(|at| at.ms);
        let faults = guarded(faults);
        let mut asks = Vec::new();
        let mut now = 0;
        while now < end {
            asks.push(At { ms: now, what: draw.ask() });
            now += draw.between(ASK_EVERY);
        }
        Self { faults, asks }
    }
}

/// Without those that take the other one of the two daemons which hold a node's deadline: while pmfd is
/// frozen rgmd has to be there.
fn guarded(faults: Vec<At<Fault>>) -> Vec<At<Fault>> {
    let frozen: Vec<At<Fault>> =
        faults.iter().filter(|at| at.what.kind == Kind::FreezePmfd).cloned().collect();
    let guards = |at: &At<Fault>| {
        frozen.iter().any(|frozen| {
            let until = u128::from(frozen.ms) + frozen.what.lasts.as_millis();
            let meanwhile = at.ms + BACK_MS >= frozen.ms && u128::from(at.ms) <= until;
            at.what.target == frozen.what.target && meanwhile
        })
    };
    faults.into_iter().filter(|at| at.what.kind != Kind::KillRgmd || !guards(at)).collect()
}

struct Draw {
    chance: Chance,
    size: Size,
}

impl Draw {
    /// One fault that takes a machine or more, light ones meanwhile; when the next round begins.
    fn round(&mut self, now: u64, faults: &mut Vec<At<Fault>>, bag: &mut Vec<Kind>) -> u64 {
        let kind = match self.chance.percent(BEYOND_PERCENT) {
            true => self.one(&BEYOND),
            false => self.from(bag),
        };
        let heavy = self.fault(kind);
        let lasts = u64::try_from(heavy.lasts.as_millis()).unwrap_or(0);
        faults.push(At { ms: now, what: heavy });
        if !kind.is_beyond() && kind != Kind::RollingRestart && self.chance.percent(ASIDE_PERCENT) {
            let away = 1 + self.chance.below(self.size.machines - 1);
            let (kind, target) = (self.one(&ASIDE), (heavy.target + away) % self.size.machines);
            let since = self.between([0, lasts]);
            let aside = Fault { kind, target, lasts: Duration::from_millis(lasts - since) };
            faults.push(At { ms: now + since, what: aside });
        }
        for _ in 0..self.chance.below(5) {
            let (ms, light) = (now + self.between([0, lasts + 3_000]), self.one(&LIGHT));
            faults.push(At { ms, what: self.fault(light) });
        }
        now + lasts + self.between([1_000, 6_000])
    }

    /// Each of them once before any comes again.
    fn from(&mut self, bag: &mut Vec<Kind>) -> Kind {
        if bag.is_empty() {
            bag.extend(HEAVY);
        }
        let number = self.chance.below(bag.len());
        bag.swap_remove(number)
    }

    fn fault(&mut self, kind: Kind) -> Fault {
        let of_etcd = matches!(kind, Kind::KillEtcd | Kind::FreezeEtcd | Kind::SlowEtcd | Kind::FullEtcd);
        let targets = match (kind.is_of_group(), of_etcd || kind.is_beyond()) {
            (true, _) => self.size.groups,
            (false, true) => self.size.voters,
            (false, false) => self.size.machines,
        };
        let (target, lasts) = (self.chance.below(targets), self.between(kind.lasts()));
        Fault { kind, target, lasts: Duration::from_millis(lasts) }
    }

    fn ask(&mut self) -> (Ask, usize) {
        let group = self.chance.below(self.size.groups);
        let ask = match self.chance.below(10) {
            0..6 => Ask::Note(group),
            6..9 => Ask::Switch(group, self.chance.below(self.size.machines)),
            _rest => Ask::Restart(group),
        };
        (ask, self.chance.below(self.size.machines))
    }

    fn one(&mut self, from: &[Kind]) -> Kind {
        self.chance.pick(from).copied().unwrap_or(Kind::KillRgmd)
    }

    fn between(&mut self, [least, most]: [u64; 2]) -> u64 {
        least + self.chance.number() % (most - least + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    const SIZE: Size = Size { machines: 3, voters: 3, groups: 20 };

    #[test]
    fn a_seed_gives_the_same_schedule_again_and_a_long_one_has_everything() {
        let draw = |seed| Schedule::draw(seed, Duration::from_secs(1_800), SIZE);
        assert_eq!(format!("{:?}", draw(7)), format!("{:?}", draw(7)));
        let kinds: BTreeSet<Kind> = draw(7).faults.iter().map(|at| at.what.kind).collect();
        let all: BTreeSet<Kind> = LIGHT.into_iter().chain(HEAVY).chain(BEYOND).collect();
        assert_eq!(kinds, all);
    }

    #[test]
    fn no_machine_has_two_troubles_at_once_and_no_deadline_is_left_alone() {
        for seed in 0..100 {
            let faults = Schedule::draw(seed, Duration::from_secs(300), SIZE).faults;
            let until = |at: &At<Fault>| u128::from(at.ms) + at.what.lasts.as_millis();
            for (number, one) in faults.iter().enumerate() {
                for next in faults.iter().skip(number + 1).filter(|next| u128::from(next.ms) < until(one)) {
                    let kinds = [one.what.kind, next.what.kind];
                    let same = one.what.target == next.what.target;
                    let light = kinds.iter().any(|kind| LIGHT.contains(kind));
                    assert!(light || !same, "{one:?} {next:?}");
                    let alone = kinds == [Kind::FreezePmfd, Kind::KillRgmd];
                    assert!(!alone || !same, "{one:?} {next:?}");
                }
            }
        }
    }
}
