use super::*;
use proptest::prelude::*;

const SPAN: Millis = Millis(5000);
const MARGIN: Millis = Millis(500);

fn node(number: usize) -> NodeName {
    NodeName::new(&format!("n{number}")).unwrap()
}

fn term(number: usize, epoch: u64) -> Term {
    Term { node: node(number), incarnation: 1, epoch }
}

fn pact(nodes: &BTreeSet<NodeName>) -> Pact {
    let mut pact = Pact::new(SPAN, MARGIN);
    pact.set_nodes(nodes.clone());
    pact
}

/// Nodes, each with a clock of its own.
struct World {
    pacts: Vec<Pact>,
    /// What each clock showed at the beginning.
    booted: Vec<u64>,
    /// Since the beginning.
    now: u64,
}

impl World {
    fn of(booted: &[u64]) -> Self {
        let nodes: BTreeSet<NodeName> = (0..booted.len()).map(node).collect();
        let pacts = booted.iter().map(|_| pact(&nodes));
        Self { pacts: pacts.collect(), booted: booted.to_vec(), now: 0 }
    }

    fn clock(&self, number: usize) -> Millis {
        Millis(self.booted[number] + self.now)
    }

    fn ask(&mut self, number: usize, term: &Term) -> Vec<(usize, Letter)> {
        let now = self.clock(number);
        self.pacts[number].ask(term, now).into_iter().map(|letter| (number, letter)).collect()
    }

    /// It arrives; what is answered.
    fn deliver(
        &mut self,
        from: usize,
        letter: &Letter,
        president: &Term,
        alone: bool,
    ) -> Vec<(usize, Letter)> {
        let to = self.number(&letter.to);
        let now = self.clock(to);
        let said = self.pacts[to].hear(&node(from), &letter.word, Some(president), alone, now);
        said.into_iter().map(|letter| (to, letter)).collect()
    }

    /// One round, without delay.
    fn round(&mut self, president: &Term, alone: &[bool]) {
        let lead = alone.len() - 1;
        let asked = self.ask(lead, president);
        self.spread(asked, president, alone);
    }

    /// These arrive, and whatever is said because of them.
    fn spread(&mut self, mut under_way: Vec<(usize, Letter)>, president: &Term, alone: &[bool]) {
        while let Some((from, letter)) = under_way.pop() {
            let to = self.number(&letter.to);
            under_way.extend(self.deliver(from, &letter, president, alone[to]));
        }
    }

    fn number(&self, name: &NodeName) -> usize {
        (0..self.pacts.len()).find(|number| node(*number) == *name).unwrap()
    }

    fn bond(&self, number: usize) -> Bond {
        self.pacts[number].bond(self.clock(number))
    }

    fn lives(&self, number: usize) -> bool {
        self.pacts[number].alive_until().is_some_and(|until| self.clock(number) < until)
    }
}

#[test]
fn rounds_that_everybody_promises_keep_everybody_alive() {
    let mut world = World::of(&[17, 90_000, 4]);
    let president = term(2, 7);
    for _ in 0..40 {
        world.round(&president, &[true; 3]);
        world.now += 1250;
    }
    assert!((0..3).all(|number| world.lives(number)), "{:?}", world.pacts);
    assert_eq!(world.pacts[0].alive_until(), Some(Millis(17 + 37 * 1250 + 5000 + 1250 - 500)));
    assert_eq!(world.bond(0), Bond::Promised(president));
    // The last promise is kept to its end.
    world.pacts[2].cease();
    world.now += 3750;
    assert_eq!(world.bond(0), Bond::Free);
}

#[test]
fn it_is_over_as_soon_as_everybody_lives_by_its_lease_again() {
    let mut world = World::of(&[0, 0, 0]);
    let president = term(2, 7);
    for _ in 0..3 {
        world.round(&president, &[true; 3]);
        world.now += 1250;
    }
    let leave = |world: &mut World, alone: &[bool]| {
        let asked = world.pacts[2].leave();
        world.spread(asked.into_iter().map(|letter| (2, letter)).collect(), &president, alone);
    };
    leave(&mut world, &[false, true, false]);
    assert_eq!((world.lives(0), world.lives(1)), (false, true), "{:?}", world.pacts);
    assert_eq!(world.bond(0), Bond::Promised(president.clone()), "for the one that etcd does not answer");
    leave(&mut world, &[false; 3]);
    assert_eq!([0, 1, 2].map(|number| world.bond(number)), [const { Bond::Free }; 3]);
    assert_eq!(world.pacts[2].leave(), []);
}

#[test]
fn one_node_that_is_silent_lets_nobody_live() {
    let mut world = World::of(&[0, 0, 0]);
    for _ in 0..10 {
        world.round(&term(2, 7), &[true, false, true]);
        world.now += 400;
    }
    assert_eq!(world.pacts.iter().filter_map(Pact::alive_until).count(), 0);
}

#[test]
fn a_promise_is_given_to_the_president_alone_and_kept() {
    let mut world = World::of(&[0, 0]);
    let (first, second) = (term(0, 7), term(1, 9));
    let of_first = Letter { to: node(1), word: Word { epoch: 7, round: 2, span: SPAN, said: Said::Ask } };
    assert!(world.deliver(0, &of_first, &second, true).is_empty(), "another one is president");
    let of_sixth = Letter { to: node(1), word: Word { epoch: 6, round: 2, span: SPAN, said: Said::Ask } };
    assert!(world.deliver(0, &of_sixth, &first, true).is_empty(), "an old presidency");
    assert_eq!(world.deliver(0, &of_first, &first, true).len(), 1);
    let of_second = Letter { to: node(1), word: Word { epoch: 9, round: 4, span: SPAN, said: Said::Ask } };
    assert!(world.deliver(1, &of_second, &second, true).is_empty(), "it has promised the other one");
    assert_eq!(world.bond(1), Bond::Promised(first.clone()));
    // Once it has promised, it does so also when etcd answers it again.
    world.now += 4999;
    assert_eq!(world.deliver(0, &of_first, &second, false).len(), 1);
    world.now += 5000;
    assert_eq!(world.bond(1), Bond::Free);
    assert!(world.deliver(0, &of_first, &first, false).is_empty(), "etcd answers");
}

#[test]
fn a_daemon_that_may_have_promised_something_in_a_former_life_keeps_quiet() {
    let mut world = World::of(&[1000]);
    world.pacts[0].begun(Millis(1000));
    world.now = 4999;
    assert_eq!(world.bond(0), Bond::Quiet);
    world.now = 5000;
    assert_eq!(world.bond(0), Bond::Free);
}

/// What may happen next.
#[derive(Debug, Clone)]
enum Step {
    Wait(u64),
    Ask,
    Cease,
    /// etcd answers the president, which asks for the end.
    Leave,
    /// etcd answers this node, or does not.
    Etcd(usize),
    /// One of those under way arrives.
    Arrive(usize),
    /// Twice.
    ArriveAgain(usize),
    Lose(usize),
    /// A daemon begins anew: it keeps quiet, and knows nothing of what it has promised.
    Restart(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0u64..1500).prop_map(Step::Wait),
        3 => Just(Step::Ask),
        1 => Just(Step::Cease),
        2 => Just(Step::Leave),
        2 => (0usize..3).prop_map(Step::Etcd),
        12 => any::<usize>().prop_map(Step::Arrive),
        1 => any::<usize>().prop_map(Step::ArriveAgain),
        1 => any::<usize>().prop_map(Step::Lose),
        1 => (1usize..3).prop_map(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    /// However words are delayed, doubled, lost and overtaken: while the agreement lets anybody live,
    /// nobody is free to act as if it were dead.
    #[test]
    fn whoever_lives_by_the_agreement_is_believed_to_live(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::of(&[0, 60_000, 5]);
        let president = term(0, 7);
        let mut under_way: Vec<(usize, Letter)> = Vec::new();
        let mut alone = [true; 3];
        for step in steps {
            match step {
                Step::Wait(span) => world.now += span,
                Step::Ask => under_way.extend(world.ask(0, &president)),
                Step::Cease => world.pacts[0].cease(),
                Step::Leave => under_way.extend(world.pacts[0].leave().into_iter().map(|letter| (0, letter))),
                Step::Etcd(number) => alone[number] = !alone[number],
                Step::Arrive(_) | Step::ArriveAgain(_) | Step::Lose(_) if under_way.is_empty() => {}
                Step::Arrive(which) => {
                    let (from, letter) = under_way.remove(which % under_way.len());
                    let alone = alone[world.number(&letter.to)];
                    under_way.extend(world.deliver(from, &letter, &president, alone));
                }
                Step::ArriveAgain(which) => {
                    let (from, letter) = under_way[which % under_way.len()].clone();
                    let alone = alone[world.number(&letter.to)];
                    under_way.extend(world.deliver(from, &letter, &president, alone));
                }
                Step::Lose(which) => drop(under_way.remove(which % under_way.len())),
                Step::Restart(number) => {
                    let nodes: BTreeSet<NodeName> = (0..3).map(node).collect();
                    // Its services live on only by what it arms anew.
                    world.pacts[number] = pact(&nodes);
                    let now = world.clock(number);
                    world.pacts[number].begun(now);
                }
            }
            let lives = (0..3).any(|number| world.lives(number));
            let free: Vec<usize> = (0..3).filter(|number| world.bond(*number) == Bond::Free).collect();
            prop_assert!(!lives || free.is_empty(), "{free:?} at {}: {:?}", world.now, world.pacts);
        }
    }
}
