//! The state as text, for those who count or compare states: simulator and model checker.

use crate::Rgm;
use core::fmt::{Result, Write};

impl Rgm {
    /// Writes everything a next step depends on, clock, types and counters apart.
    pub fn digest(&self, to: &mut dyn Write) -> Result {
        write!(to, "{:?}{:?}{:?}", self.nodes, self.boards, self.motions)?;
        write!(to, "{:?}{:?}{:?}", self.ops, self.closing, self.conf.runs)?;
        write!(to, "{:?}{:?}", self.conf.groups, self.conf.resources)
    }
}
