//! What pmf promises, told to the machine alone: every event, its time and what must follow.

#![expect(clippy::unwrap_used, reason = "a helper of tests that fails has found something")]

use pmf_core::{Action, Core, Event, Line, Phase, Policy, Refused, RequestId, TagId, Wait};
use proptest::prelude::*;
use rgm_types::Millis;

const OWNER: u32 = 1000;

/// A core with a clock and counted requests, and a shell whose every start succeeds.
struct World {
    core: Core,
    now: Millis,
    requests: u64,
}

impl World {
    fn new() -> Self {
        Self { core: Core::new(), now: Millis(1_000_000), requests: 0 }
    }

    fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// Feeds an event, confirms ordered starts, and returns all actions.
    fn feed(&mut self, event: Event) -> Vec<Action> {
        let mut done = Vec::new();
        let mut events = vec![event];
        while let Some(event) = events.pop() {
            for action in self.core.handle(self.now, event) {
                if let Action::Start(id) = action {
                    events.push(Event::Started(id));
                }
                done.push(action);
            }
        }
        done
    }

    fn create(&mut self, retries: i32, period_min: i32, has_action: bool) -> TagId {
        let actions = self.create_named("tag", 1, retries, period_min, has_action);
        assert!(matches!(actions.last(), Some(Action::Reply(_, Ok(())))), "{actions:?}");
        self.core.find("tag").unwrap().0
    }

    fn create_named(
        &mut self,
        name: &str,
        token: u64,
        retries: i32,
        period_min: i32,
        has_action: bool,
    ) -> Vec<Action> {
        let request = self.request();
        let policy = Policy::new(retries, period_min).unwrap();
        self.feed(Event::Create { request, name: name.into(), token, uid: OWNER, policy, has_action })
    }

    fn exit(&mut self, id: TagId) -> Vec<Action> {
        self.feed(Event::Exited(id))
    }

    fn signal(&mut self, uid: u32, signal: Option<i32>, stop: bool, wait: Wait) -> Vec<Action> {
        let request = self.request();
        self.feed(Event::Signal { request, name: "tag".into(), uid, signal, stop, wait })
    }

    fn pass(&mut self, span_ms: u64) -> Vec<Action> {
        self.now = self.now.after(Millis(span_ms));
        self.feed(Event::Tick)
    }
}

fn log(id: TagId, line: Line) -> Action {
    Action::Log { id, name: "tag".into(), line }
}

fn starts(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Start(_))).count()
}

fn removed(actions: &[Action]) -> Option<bool> {
    actions.iter().find_map(|action| match action {
        Action::Remove { exceeded, .. } => Some(*exceeded),
        Action::Save(_)
        | Action::Start(_)
        | Action::RunAction(_)
        | Action::Signal { .. }
        | Action::Log { .. }
        | Action::Reply(..) => None,
    })
}

fn replies(actions: &[Action]) -> Vec<Result<(), Refused>> {
    let reply = |action: &Action| match action {
        Action::Reply(_, answer) => Some(*answer),
        Action::Save(_)
        | Action::Start(_)
        | Action::RunAction(_)
        | Action::Signal { .. }
        | Action::Log { .. }
        | Action::Remove { .. } => None,
    };
    actions.iter().filter_map(reply).collect()
}

#[test]
fn a_tag_is_written_down_before_its_command_starts_and_acknowledged_after() {
    let mut world = World::new();
    let actions = world.create_named("tag", 1, 0, -1, false);
    let id = world.core.find("tag").unwrap().0;
    assert_eq!(
        actions,
        [Action::Save(id), Action::Start(id), Action::Save(id), Action::Reply(RequestId(1), Ok(()))]
    );
}

#[test]
fn an_existing_tag_is_refused_without_side_effect() {
    let mut world = World::new();
    world.create(3, 5, false);
    let actions = world.create_named("tag", 2, 0, -1, false);
    assert_eq!(actions, [Action::Reply(RequestId(2), Err(Refused::Exists))]);
    assert_eq!(world.core.find("tag").unwrap().1.policy.retries(), 3);
}

#[test]
fn a_creation_repeated_after_a_lost_answer_succeeds_without_a_second_start() {
    let mut world = World::new();
    world.create(3, 5, false);
    let actions = world.create_named("tag", 1, 3, 5, false);
    assert_eq!(actions, [Action::Reply(RequestId(2), Ok(()))]);
}

#[test]
fn without_retries_the_command_runs_once() {
    let mut world = World::new();
    let id = world.create(0, -1, false);
    let actions = world.exit(id);
    assert_eq!((starts(&actions), removed(&actions)), (0, Some(true)));
    assert!(world.core.find("tag").is_none());
}

#[test]
fn with_n_retries_the_command_runs_n_plus_one_times_before_the_action_is_called() {
    let mut world = World::new();
    let id = world.create(2, 1, true);
    assert_eq!(starts(&world.exit(id)), 1);
    assert_eq!(starts(&world.exit(id)), 1);
    let actions = world.exit(id);
    assert_eq!(starts(&actions), 0);
    assert_eq!(actions, [Action::Save(id), Action::RunAction(id), log(id, Line::FailedToStayUp)]);
}

#[test]
fn failures_older_than_the_period_are_not_counted() {
    let mut world = World::new();
    let id = world.create(1, 2, false);
    for _ in 0..10 {
        assert_eq!(starts(&world.exit(id)), 1);
        world.pass(120_001);
    }
    assert_eq!(starts(&world.exit(id)), 1);
    world.pass(120_000);
    assert_eq!(removed(&world.exit(id)), Some(true));
}

#[test]
fn infinite_retries_never_end_and_remember_nothing_per_failure() {
    let mut world = World::new();
    let id = world.create(-1, -1, true);
    for _ in 0..1000 {
        assert_eq!(starts(&world.exit(id)), 1);
    }
    let tag = world.core.tag(id).unwrap();
    assert_eq!((tag.restarts, tag.failures.len()), (1000, 0));
}

#[test]
fn an_action_program_that_ends_otherwise_removes_the_tag() {
    let mut world = World::new();
    let id = world.create(0, -1, true);
    world.exit(id);
    let actions = world.feed(Event::ActionEnded { id, success: false });
    assert_eq!(removed(&actions), Some(true));
}

#[test]
fn an_action_program_that_ends_with_0_starts_it_again_with_a_clean_history() {
    let mut world = World::new();
    let id = world.create(1, -1, true);
    world.exit(id);
    world.exit(id);
    assert_eq!(starts(&world.feed(Event::ActionEnded { id, success: true })), 1);
    assert_eq!(starts(&world.exit(id)), 1, "the retry is available again");
}

#[test]
fn an_action_program_revives_a_tag_at_most_once_a_minute() {
    let mut world = World::new();
    let id = world.create(0, -1, true);
    world.exit(id);
    assert_eq!(starts(&world.feed(Event::ActionEnded { id, success: true })), 1);
    world.pass(20_000);
    world.exit(id);
    let actions = world.feed(Event::ActionEnded { id, success: true });
    assert_eq!(actions, [log(id, Line::Sleeping { seconds: 40 }), Action::Save(id)]);
    assert_eq!(world.core.next_deadline().map(|(at, _)| at), Some(world.now.after(Millis(40_000))));
    assert_eq!(starts(&world.pass(39_999)), 0);
    assert_eq!(starts(&world.pass(1)), 1);
    world.exit(id);
    world.feed(Event::ActionEnded { id, success: true });
    assert_eq!(starts(&world.pass(59_999)), 0);
    assert_eq!(starts(&world.pass(1)), 1);
    world.pass(60_000);
    world.exit(id);
    assert_eq!(starts(&world.feed(Event::ActionEnded { id, success: true })), 1, "a minute later at once");
}

#[test]
fn stop_sends_no_signal_by_itself_and_the_tag_stays_until_all_are_gone() {
    let mut world = World::new();
    let id = world.create(-1, -1, false);
    let actions = world.signal(OWNER, None, true, Wait::No);
    assert_eq!(actions, [Action::Save(id), Action::Reply(RequestId(2), Ok(()))]);
    assert!(world.core.find("tag").is_some());
    let actions = world.exit(id);
    assert_eq!((starts(&actions), removed(&actions)), (0, Some(false)));
}

#[test]
fn kill_goes_on_monitoring() {
    let mut world = World::new();
    let id = world.create(1, -1, false);
    let actions = world.signal(OWNER, Some(9), false, Wait::No);
    assert_eq!(actions, [Action::Signal { id, signal: 9 }, Action::Reply(RequestId(2), Ok(()))]);
    assert_eq!(starts(&world.exit(id)), 1);
}

#[test]
fn stop_during_the_action_program_removes_the_tag_whatever_it_answers() {
    for success in [true, false] {
        let mut world = World::new();
        let id = world.create(0, -1, true);
        world.exit(id);
        assert_eq!(replies(&world.signal(OWNER, Some(15), true, Wait::Ever)), []);
        let actions = world.feed(Event::ActionEnded { id, success });
        assert_eq!((starts(&actions), removed(&actions)), (0, Some(false)));
        assert_eq!(replies(&actions), [Ok(())]);
    }
}

#[test]
fn stop_while_it_sleeps_removes_it_at_once() {
    let mut world = World::new();
    let id = world.create(0, -1, true);
    for _ in 0..2 {
        world.exit(id);
        world.feed(Event::ActionEnded { id, success: true });
    }
    let actions = world.signal(OWNER, Some(9), true, Wait::Ever);
    assert_eq!((removed(&actions), replies(&actions)), (Some(false), vec![Ok(())]));
    assert_eq!(world.core.next_deadline(), None);
}

#[test]
fn a_waiting_caller_is_answered_when_the_last_process_is_gone_or_when_time_is_up() {
    let mut world = World::new();
    let id = world.create(-1, -1, false);
    assert_eq!(replies(&world.signal(OWNER, Some(9), false, Wait::For(Millis(5000)))), []);
    assert_eq!(replies(&world.pass(4999)), []);
    assert_eq!(replies(&world.pass(1)), [Err(Refused::TimedOut)]);
    assert_eq!(replies(&world.signal(OWNER, Some(9), true, Wait::Ever)), []);
    assert_eq!(replies(&world.pass(u64::from(u32::MAX))), []);
    assert_eq!(replies(&world.exit(id)), [Ok(())]);
}

#[test]
fn a_caller_that_hangs_up_leaves_nothing_behind() {
    let mut world = World::new();
    let id = world.create(0, -1, false);
    world.signal(OWNER, None, true, Wait::For(Millis(5000)));
    world.feed(Event::HungUp(RequestId(2)));
    assert_eq!(world.core.next_deadline(), None);
    assert_eq!(replies(&world.exit(id)), []);
}

#[test]
fn only_the_owner_and_root_manipulate_a_tag() {
    let mut world = World::new();
    world.create(0, -1, false);
    for (uid, answer) in [(0, Ok(())), (OWNER, Ok(())), (1001, Err(Refused::NotOwner))] {
        assert_eq!(replies(&world.signal(uid, Some(1), false, Wait::No)), [answer]);
        let request = world.request();
        let policy = Policy::new(1, 1).unwrap();
        let actions = world.feed(Event::Modify { request, name: "tag".into(), uid, policy });
        assert_eq!(replies(&actions), [answer]);
    }
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut world = World::new();
    assert_eq!(replies(&world.signal(0, Some(9), true, Wait::Ever)), [Err(Refused::NoSuchTag)]);
}

#[test]
fn a_change_of_policy_forgets_the_failures() {
    let mut world = World::new();
    let id = world.create(1, -1, false);
    world.exit(id);
    let request = world.request();
    let policy = Policy::new(1, 5).unwrap();
    world.feed(Event::Modify { request, name: "tag".into(), uid: OWNER, policy });
    assert_eq!(world.core.tag(id).unwrap().restarts_in_period(world.now), 0);
    assert_eq!(starts(&world.exit(id)), 1);
    assert_eq!(removed(&world.exit(id)), Some(true));
}

#[test]
fn a_command_that_cannot_be_executed_makes_no_tag() {
    let mut core = Core::new();
    let policy = Policy::new(-1, -1).unwrap();
    let request = RequestId(1);
    core.handle(
        Millis(0),
        Event::Create { request, name: "tag".into(), token: 1, uid: 0, policy, has_action: false },
    );
    let id = core.find("tag").unwrap().0;
    let actions = core.handle(Millis(0), Event::StartFailed(id));
    assert_eq!((removed(&actions), replies(&actions)), (Some(false), vec![Err(Refused::CannotStart)]));
}

#[test]
fn a_restart_that_cannot_be_executed_counts_as_a_failure_and_takes_a_breath() {
    let mut world = World::new();
    let id = world.create(2, -1, false);
    let now = world.now;
    let actions = world.core.handle(now, Event::Exited(id));
    assert_eq!(starts(&actions), 1);
    let actions = world.core.handle(now, Event::StartFailed(id));
    assert_eq!(actions, [Action::Save(id)]);
    assert_eq!(starts(&world.core.handle(now.after(Millis(1000)), Event::Tick)), 1);
    let actions = world.core.handle(now.after(Millis(1000)), Event::StartFailed(id));
    assert_eq!(removed(&actions), Some(true));
}

#[test]
fn after_a_crash_each_phase_goes_on_where_it_was() {
    let restored = |phase, stopping, alive| {
        let mut world = World::new();
        let id = world.create(1, -1, true);
        let mut tag = world.core.tag(id).unwrap().clone();
        tag.phase = phase;
        tag.stopping = stopping;
        let mut core = Core::new();
        let id = core.restore(tag);
        let actions = core.handle(world.now, Event::Adopted { id, alive });
        (starts(&actions), removed(&actions), core.tag(id).map(|tag| tag.phase))
    };
    let restart = Phase::Starting { first: false };
    let first = Phase::Starting { first: true };
    assert_eq!(restored(first, false, true), (0, None, Some(Phase::Running)));
    assert_eq!(restored(first, false, false), (0, Some(false), None), "it was never acknowledged");
    assert_eq!(restored(restart, false, true), (0, None, Some(Phase::Running)), "no second copy");
    assert_eq!(restored(restart, false, false), (1, None, Some(restart)));
    assert_eq!(restored(restart, true, false), (0, Some(false), None));
    assert_eq!(restored(Phase::Running, false, true), (0, None, Some(Phase::Running)));
    assert_eq!(restored(Phase::Running, false, false), (1, None, Some(restart)));
    assert_eq!(restored(Phase::Running, true, false), (0, Some(false), None));
    assert_eq!(restored(Phase::Acting, false, true), (0, None, Some(Phase::Acting)));
    assert_eq!(restored(Phase::Acting, false, false), (0, Some(true), None));
    let waiting = Phase::Waiting { until: Millis(u64::MAX) };
    assert_eq!(restored(waiting, false, false), (0, None, Some(waiting)));
}

#[derive(Debug, Clone)]
enum Step {
    Pass(u64),
    Exit,
    Kill,
    Stop,
    Action(bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0_u64..200_000).prop_map(Step::Pass),
        8 => Just(Step::Exit),
        1 => Just(Step::Kill),
        1 => Just(Step::Stop),
        2 => any::<bool>().prop_map(Step::Action),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn never_more_than_n_restarts_within_the_period_without_an_action_and_none_after_stop(
        retries in 0_i32..6, period_min in -1_i32..4, steps in steps(), has_action in any::<bool>(),
    ) {
        let mut world = World::new();
        let id = world.create(retries, period_min, has_action);
        let mut restarts: Vec<u64> = Vec::new();
        let mut stopped = false;
        for step in steps {
            let phase = world.core.tag(id).map(|tag| tag.phase);
            let actions = match (step, phase) {
                (_, None) => break,
                (Step::Pass(span), _) => world.pass(span),
                (Step::Exit, Some(Phase::Running)) => world.exit(id),
                (Step::Action(success), Some(Phase::Acting)) => {
                    restarts.clear();
                    world.feed(Event::ActionEnded { id, success })
                }
                (Step::Kill, _) => world.signal(OWNER, Some(9), false, Wait::For(Millis(1000))),
                (Step::Stop, _) => {
                    stopped = true;
                    world.signal(OWNER, None, true, Wait::Ever)
                }
                (Step::Exit | Step::Action(_), _) => Vec::new(),
            };
            prop_assert!(starts(&actions) <= 1);
            prop_assert!(!stopped || starts(&actions) == 0, "a start after a stop");
            let revived = matches!(phase, Some(Phase::Acting | Phase::Waiting { .. }));
            if starts(&actions) == 1 && !revived {
                restarts.push(world.now.0);
                let window = u64::try_from(period_min).map_or(u64::MAX, |minutes| minutes * 60_000);
                let within = restarts.iter().filter(|at| world.now.0 - **at <= window).count();
                prop_assert!(within <= retries.unsigned_abs() as usize, "{restarts:?}");
            }
        }
    }

    #[test]
    fn every_waiting_caller_is_answered_exactly_once(steps in steps(), has_action in any::<bool>()) {
        let mut world = World::new();
        let id = world.create(2, 1, has_action);
        let mut answered = 1;
        for step in steps {
            let phase = world.core.tag(id).map(|tag| tag.phase);
            let actions = match (step, phase) {
                (_, None) => break,
                (Step::Pass(span), _) => world.pass(span),
                (Step::Exit, Some(Phase::Running)) => world.exit(id),
                (Step::Action(success), Some(Phase::Acting)) => world.feed(Event::ActionEnded { id, success }),
                (Step::Kill, _) => world.signal(OWNER, Some(9), false, Wait::For(Millis(30_000))),
                (Step::Stop, _) => world.signal(OWNER, None, true, Wait::For(Millis(90_000))),
                (Step::Exit | Step::Action(_), _) => Vec::new(),
            };
            answered += replies(&actions).len();
        }
        answered += replies(&world.pass(90_001)).len();
        prop_assert_eq!(answered as u64, world.requests);
    }
}
