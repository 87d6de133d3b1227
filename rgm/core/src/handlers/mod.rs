//! Absorbing events: facts are written down, nothing is ordered but what a request itself consists
//! of (its VALIDATEs, its MONITOR_CHECKs).

mod command;
mod control;
mod fault;
mod giveover;
mod membership;
mod method;

use crate::{Cause, Event, Rgm};
use alloc::format;
use alloc::string::String;
pub(crate) use giveover::{Handover, OWN_REQUEST};

impl Rgm {
    pub(crate) fn absorb(&mut self, event: &Event) {
        self.cause = Some(Cause { event: tell(event), rule: String::new() });
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

/// An event, as an operator would tell it.
fn tell(event: &Event) -> String {
    match event {
        Event::Formed { .. } => String::from("the cluster formed"),
        Event::NodeUp(r) => format!("node {} joined", r.node),
        Event::NodeDown { node } => format!("node {node} is gone"),
        Event::Request { from, command, .. } => format!("{} on node {from}", command::name(command)),
        Event::MethodEnded { node, token, result } => {
            format!("method {} on node {node} ended: {:?}", token.0, result.ending)
        }
        Event::PmfExceeded { node, resource, tag } => {
            format!("PMF gave up restarting {tag} of resource {resource} on node {node}")
        }
        Event::Shutdown { .. } => String::from("the cluster shuts down"),
        Event::Tick => String::from("a deadline has come"),
    }
}
