//! Absorbing events: facts are written down, nothing is ordered but what a request itself consists
//! of (its VALIDATEs, its MONITOR_CHECKs).

mod attributes;
mod change;
mod command;
mod control;
mod fault;
mod giveover;
mod membership;
mod method;
pub(crate) mod tell;

pub(crate) use change::Job;

use crate::{Cause, Event, Rgm};
use alloc::string::String;

impl Rgm {
    pub(crate) fn absorb(&mut self, event: &Event) {
        self.cause = Some(Cause { event: tell::event(event), rule: String::new() });
        match event {
            Event::Formed { nodes } => self.formed(nodes),
            Event::NodeUp(report) => self.node_up(report),
            Event::NodeDown { node } => self.node_down(node),
            Event::Request { id, from, command } => self.request(*id, from, command),
            Event::MethodEnded { node, token, result } => self.method_ended(node, *token, result),
            Event::PmfExceeded { node, resource, tag } => self.pmf_exceeded(node, resource, tag),
            Event::Shutdown { id } => self.shutdown(*id),
            Event::Tick => self.tick(),
        }
    }
}
