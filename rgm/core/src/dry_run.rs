//! What a command would do, found by doing it to a copy of the state in which every method
//! succeeds. There is no second set of rules that could drift from the first.

use crate::event::{Action, Ending, Event, MethodResult, RequestId};
use crate::{Order, Out, Rgm};
use alloc::vec::Vec;
use rgm_types::{Clock, Command, Done, Millis, NodeName, PlannedStep, Refusal, SchaErr};

/// Waves after which a plan counts as endless. Longer than any chain of dependencies there is.
const WAVES_MAX: u32 = 100_000;

/// The request of a dry run; no real one has this number.
const REQUEST: RequestId = RequestId(0);

/// What a plan tells of all that happened in a wave; the rest of it may be much, and is dropped at once.
#[derive(Default)]
struct Wave {
    steps: Vec<PlannedStep>,
    answer: Option<Result<Done, Refusal>>,
    /// Nothing was under way any more.
    quiet: bool,
}

impl Wave {
    fn note(&mut self, number: u32, out: Out) {
        let to_it = |(id, answer)| (id == REQUEST).then_some(answer);
        self.answer = self.answer.take().or_else(|| out.replies.into_iter().find_map(to_it));
        let step = |action| match action {
            Action::Run(Order { node, resource, method, .. }) => {
                Some(PlannedStep { wave: number, node, resource, method })
            }
            Action::Kill { .. } | Action::AbortNode { .. } => None,
        };
        self.steps.extend(out.actions.into_iter().filter_map(step));
    }
}

impl Rgm {
    /// The methods a command would run, wave by wave, or why it would be refused.
    pub fn dry_run(&self, clock: Clock, from: &NodeName, command: &Command) -> Result<Done, Refusal> {
        let mut copy = self.clone();
        copy.rehearsing = true;
        let event = Event::Request { id: REQUEST, from: from.clone(), command: command.clone() };
        let mut seen = Wave::default();
        seen.note(1, copy.step(clock, &event));
        let mut plan = Vec::new();
        let mut answered = None;
        for number in 1..WAVES_MAX {
            answered = answered.or(seen.answer);
            // Some changes are answered before what follows from them, which is told all the same.
            let over = !goes_on(command) || seen.quiet || matches!(answered, Some(Err(_)));
            if let Some(answer) = answered.take_if(|_| over) {
                return answer.map(|done| Done { plan, ..done });
            }
            plan.extend(seen.steps);
            seen = copy.finish_flights(clock, number + 1);
            if seen.quiet && answered.is_none() {
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
    fn finish_flights(&mut self, clock: Clock, number: u32) -> Wave {
        let flying: Vec<_> = self.tokens.iter().map(|(t, f)| (*t, f.node().clone())).collect();
        let mut seen = Wave { quiet: flying.is_empty(), ..Wave::default() };
        for (token, node) in flying {
            let result = MethodResult { ending: Ending::Exited(0), used: Millis(0), output: Vec::new() };
            seen.note(number, self.step(clock, &Event::MethodEnded { node, token, result }));
        }
        seen
    }
}

/// Nobody waits for what it leads to.
fn goes_on(command: &Command) -> bool {
    let alone = |c: &Command| matches!(c, Command::AttrSet { .. } | Command::AttrClear { .. });
    if let Command::Batch { commands } = command { commands.iter().all(alone) } else { alone(command) }
}
