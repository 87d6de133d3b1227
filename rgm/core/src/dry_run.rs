//! What a command would do, found by doing it to a copy of the state in which every method
//! succeeds. There is no second set of rules that could drift from the first.

use crate::event::{Action, Ending, Event, MethodResult, RequestId};
use crate::{Out, Rgm};
use alloc::vec::Vec;
use rgm_types::{Clock, Command, Done, Millis, NodeName, PlannedStep, Refusal, SchaErr};

/// Waves after which a plan counts as endless. Longer than any chain of dependencies there is.
const WAVES_MAX: u32 = 100_000;

/// The request of a dry run; no real one has this number.
const REQUEST: RequestId = RequestId(0);

impl Rgm {
    /// The methods a command would run, wave by wave, or why it would be refused.
    pub fn dry_run(&self, clock: Clock, from: &NodeName, command: &Command) -> Result<Done, Refusal> {
        let mut copy = self.clone();
        copy.rehearsing = true;
        let mut plan = Vec::new();
        let event = Event::Request { id: REQUEST, from: from.clone(), command: command.clone() };
        let mut outs = [copy.step(clock, &event)].to_vec();
        let mut answered = None;
        for wave in 1..WAVES_MAX {
            let answers = outs.iter().flat_map(|o| &o.replies).find(|(id, _)| *id == REQUEST);
            answered = answered.or_else(|| answers.map(|(_, answer)| answer.clone()));
            // Some changes are answered before what follows from them, which is told all the same.
            let over = !goes_on(command) || outs.is_empty() || matches!(answered, Some(Err(_)));
            if let Some(answer) = answered.as_ref().filter(|_| over) {
                return answer.clone().map(|done| Done { plan, ..done });
            }
            let started: Vec<crate::Order> = outs.iter().flat_map(orders).collect();
            plan.extend(started.iter().map(|o| PlannedStep {
                wave,
                node: o.node.clone(),
                resource: o.resource.clone(),
                method: o.method,
            }));
            outs = copy.finish_flights(clock);
            if outs.is_empty() && answered.is_none() {
                break;
            }
        }
        Err(Refusal::new(
            SchaErr::Internal,
            "the plan has no end",
            "report this with the output of cluster export",
        ))
    }

    /// Everything under way succeeds.
    fn finish_flights(&mut self, clock: Clock) -> Vec<Out> {
        let flying: Vec<_> = self.tokens.iter().map(|(t, f)| (*t, f.node().clone())).collect();
        let result = MethodResult { ending: Ending::Exited(0), used: Millis(0), output: Vec::new() };
        let end =
            |(token, node)| self.step(clock, &Event::MethodEnded { node, token, result: result.clone() });
        flying.into_iter().map(end).collect()
    }
}

/// Nobody waits for what it leads to.
fn goes_on(command: &Command) -> bool {
    let alone = |c: &Command| matches!(c, Command::AttrSet { .. } | Command::AttrClear { .. });
    if let Command::Batch { commands } = command { commands.iter().all(alone) } else { alone(command) }
}

fn orders(out: &Out) -> Vec<crate::Order> {
    let order = |a: &Action| match a {
        Action::Run(order) => Some(order.clone()),
        Action::Kill { .. } | Action::AbortNode { .. } => None,
    };
    out.actions.iter().filter_map(order).collect()
}
