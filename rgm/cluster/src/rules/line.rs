//! Whether a node hears what the president says.
//!
//! A connection may break at any time, with orders on it that never arrive. So a line is open only
//! while everything that was asked of the node is known to have arrived, or known not to have: from
//! the moment the last report asked of the node is taken, until its connection breaks. What is sent
//! while it is closed is dropped, and the report that opens it again tells the core what was lost.

use std::collections::VecDeque;

/// See the module.
#[derive(Debug, Clone, Default)]
pub struct Line {
    connected: bool,
    /// Number of the last report that was asked for.
    asked: u64,
    /// Numbers of those that are on their way to the core.
    come: VecDeque<u64>,
    /// Number of the last one that the core has taken.
    taken: u64,
}

impl Line {
    /// Of a new president.
    pub fn new(connected: bool) -> Self {
        Self { connected, ..Self::default() }
    }

    /// A connection was made. The number of the report that is to be asked for now.
    pub fn up(&mut self) -> u64 {
        self.connected = true;
        self.ask()
    }

    /// It broke, or something sent may be lost: nothing may follow it.
    pub fn down(&mut self) {
        self.connected = false;
    }

    /// Something is to be sent, a request for a report perhaps. The number it goes under; `None`: it
    /// is dropped.
    pub fn sends(&mut self, report: bool) -> Option<u64> {
        if !self.connected {
            return None;
        }
        if report {
            return Some(self.ask());
        }
        (self.asked == self.taken).then_some(self.asked)
    }

    fn ask(&mut self) -> u64 {
        self.asked += 1;
        self.asked
    }

    /// A report has come. False: another one was asked for since, and this one tells too little; or it
    /// has come before, and what it tells is old.
    pub fn comes(&mut self, number: u64) -> bool {
        let known = self.taken == number || self.come.contains(&number);
        let last = number == self.asked && !known || mutant!(BelieveOlderReport);
        if last {
            self.come.push_back(number);
        }
        last
    }

    /// The core has taken the next report that came.
    pub fn taken(&mut self) {
        if let Some(number) = self.come.pop_front() {
            self.taken = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_open_from_the_last_report_until_its_connection_breaks() {
        let mut line = Line::new(false);
        assert_eq!(line.sends(true), None);
        assert_eq!(line.up(), 1);
        assert_eq!(line.sends(false), None);
        assert_eq!(line.sends(true), Some(2));
        assert!(!line.comes(1), "it knows nothing of what was asked since");
        assert!(line.comes(2));
        assert!(!line.comes(2), "once");
        assert_eq!(line.sends(false), None, "the core does not know it yet");
        line.taken();
        assert_eq!(line.sends(false), Some(2));
        line.down();
        assert_eq!(line.sends(false), None);
        assert_eq!(line.up(), 3);
        assert_eq!(line.sends(false), None);
    }
}
