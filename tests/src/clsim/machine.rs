//! A machine: its clocks, its pmfd, and what really runs there, whatever anybody believes.

use super::rgmd::Rgmd;
use crate::sim::site::Site;
use rgm_types::{Clock, Millis};

/// What pmfd answers to a deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Armed {
    Yes,
    Fired,
    NoAnswer,
}

/// pmfd, as the keeper of the deadline.
#[derive(Debug, Default)]
pub struct Pmfd {
    pub up: bool,
    /// Point of this machine's boot clock.
    pub deadline: Option<Millis>,
    /// It has fired, and nobody has taken note of it yet.
    pub fired: bool,
    /// Counts the deadlines: a wake for an earlier one is void.
    pub version: u64,
}

/// See the module. Times without a unit in their name are microseconds of the simulation.
#[derive(Debug)]
pub struct Machine {
    pub on: bool,
    /// Which boot this is.
    pub boot: u64,
    /// Everything stands still until then.
    pub frozen_until: u64,
    booted: u64,
    /// By so many millionths its clocks go faster.
    ppm: i64,
    /// What its wall clock shows more than the boot clock would, milliseconds.
    wall: i64,
    pub pmfd: Pmfd,
    /// What runs here, and the journal in the run directory.
    pub site: Site,
    /// The life of its rgmd.
    pub rgmd: Option<Rgmd>,
    /// Lives so far, of all boots.
    pub lives: u64,
    /// The highest epoch whose president was told, on this boot, what runs here; and the journal's.
    pub reported_to: u64,
    /// What everybody's promises allowed this boot, whichever life of rgmd they were given to.
    pub agreed: Millis,
    /// The note of a promise lies in the state directory.
    pub noted: bool,
}

impl Machine {
    /// Off.
    pub fn new(ppm: i64, wall: i64) -> Self {
        Self {
            on: false,
            boot: 0,
            frozen_until: 0,
            booted: 0,
            ppm,
            wall,
            pmfd: Pmfd::default(),
            site: Site::default(),
            rgmd: None,
            lives: 0,
            reported_to: 0,
            agreed: Millis(0),
            noted: false,
        }
    }

    /// Power on.
    pub fn boot(&mut self, now: u64) {
        self.on = true;
        self.boot += 1;
        // A boot clock shows nothing of when other machines have booted.
        self.booted = now;
        self.frozen_until = 0;
        self.pmfd = Pmfd { up: true, version: self.pmfd.version + 1, ..Pmfd::default() };
        self.site.boot();
        self.reported_to = 0;
        self.agreed = Millis(0);
    }

    /// Power off: nothing runs any more, nothing is remembered.
    pub fn power_off(&mut self) {
        self.on = false;
        self.site.power_off();
        self.rgmd = None;
        self.pmfd = Pmfd { version: self.pmfd.version + 1, ..Pmfd::default() };
    }

    /// It does nothing at present, and will go on.
    pub fn is_frozen(&self, now: u64) -> bool {
        self.frozen_until > now
    }

    /// The boot clock.
    pub fn boot_clock(&self, now: u64) -> Millis {
        let real = now.saturating_sub(self.booted);
        Millis(self.drifted(real) / 1_000)
    }

    fn drifted(&self, real: u64) -> u64 {
        let more = i128::from(real) * i128::from(self.ppm) / 1_000_000;
        u64::try_from(i128::from(real) + more).unwrap_or(real)
    }

    /// When its boot clock will show that, or has.
    pub fn when(&self, boot: Millis) -> u64 {
        let real = i128::from(boot.0) * 1_000 * 1_000_000 / i128::from(1_000_000 + self.ppm);
        self.booted + u64::try_from(real).unwrap_or(0) + 1
    }

    /// Both clocks; the president's boot clock goes `ahead`.
    pub fn clock(&self, now: u64, ahead: u64) -> Clock {
        let wall = Millis(self.drifted(now) / 1_000).0.saturating_add_signed(self.wall);
        Clock { boot: self.boot_clock(now).after(Millis(ahead)), wall: Millis(wall) }
    }

    /// Its wall clock is set.
    pub fn jump(&mut self, by: i64) {
        self.wall = self.wall.saturating_add(by).max(1_600_000_000_000);
    }
}
