//! Who is obeyed, who counts as gone, and when.

use super::*;

fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

fn duty() -> Duty {
    let mut duty = Duty::new(node("a"), 1);
    duty.news(&News::Registered);
    let member = |incarnation| Registration {
        incarnation,
        boot: "boot".to_owned(),
        address: "a:1".to_owned(),
        lease: 7,
        version: "1".to_owned(),
        ttl_ms: 5_000,
        ..Registration::default()
    };
    let members = ["a", "b"].map(|name| (node(name), member(1)));
    duty.news(&News::Members(members.into()));
    duty
}

fn elected(name: &str, epoch: u64) -> News {
    News::President(Some(Term { node: node(name), incarnation: 1, epoch }))
}

#[test]
fn a_node_obeys_no_president_older_than_one_it_has_heard_of() {
    let mut duty = duty();
    assert_eq!(duty.order(&node("b"), 5, 1, true), Obeyed::Yes { deposed: false });
    assert_eq!(duty.order(&node("c"), 4, 1, false), Obeyed::TooLate(node("b"), 5));
    let reply = Reply { to: node("b"), epoch: 5, report: 1 };
    assert_eq!(duty.says(true), Some(reply));
}

#[test]
fn a_president_that_obeys_a_later_one_has_no_say_over_its_own_node() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    assert_eq!(duty.turn(), Some(Ok(5)));
    duty.sit(5, [&node("a"), &node("b")]);
    assert!(duty.own_order(5, false));
    assert_eq!(duty.order(&node("b"), 6, 1, true), Obeyed::Yes { deposed: true });
    assert!(!duty.own_order(5, false));
}

#[test]
fn a_presidency_is_taken_once() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("b")]);
    assert_eq!(duty.turn(), None, "it sits");
    duty.rise();
    duty.news(&elected("a", 5));
    assert_eq!(duty.turn(), None);
    duty.news(&elected("a", 8));
    assert_eq!(duty.turn(), Some(Ok(8)));
    duty.order(&node("b"), 9, 1, false);
    assert_eq!(duty.turn(), None, "overtaken");
}

#[test]
fn a_presidency_that_began_while_the_former_one_still_ended_is_taken() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("b")]);
    assert!(duty.news(&News::President(None)).deposed);
    assert!(duty.news(&elected("a", 8)).deposed);
    duty.rise();
    assert_eq!(duty.turn(), Some(Ok(8)));
}

#[test]
fn a_report_to_a_former_president_is_no_report_to_the_next() {
    let mut duty = duty();
    duty.order(&node("b"), 5, 1, true);
    duty.order(&node("c"), 6, 1, true);
    assert_eq!(duty.says(true), None);
    let reply = Reply { to: node("c"), epoch: 6, report: 1 };
    assert_eq!(duty.says(true), Some(reply));
}

#[test]
fn only_words_to_this_presidency_count_and_only_its_last_report() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("a"), &node("b")]);
    assert_eq!(duty.absent(), [] as [NodeName; 0], "registered: it is waited for");
    assert_eq!(duty.up(&node("b")), Some(1));
    assert!(!duty.counts(&node("b"), 4, 1, false));
    assert!(!duty.counts(&node("b"), 5, 0, true));
    assert!(duty.counts(&node("b"), 5, 1, true));
    assert_eq!(duty.sends(5, &node("b"), false), None);
    duty.taken(&node("b"));
    assert_eq!(duty.sends(5, &node("b"), false), Some(1));
    assert_eq!(duty.sends(4, &node("b"), false), None, "of another presidency");
}

#[test]
fn a_node_is_gone_by_its_registration_and_not_by_its_link() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("b")]);
    duty.up(&node("b"));
    duty.down(&node("b"));
    assert_eq!(duty.absent(), [] as [NodeName; 0]);
    assert_eq!(duty.news(&News::Gone(node("b"))).down, [node("b")]);
    assert_eq!(duty.absent(), [node("b")]);
}

#[test]
fn a_president_whose_own_registration_goes_is_deposed_and_says_nothing_of_what_runs_there() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("a"), &node("b")]);
    assert_eq!(duty.news(&News::Gone(node("a"))), Told { deposed: true, ..Told::default() });
    duty.rise();
    assert_eq!(duty.turn(), None, "not again of that epoch");
}

/// A president that sees the registration of a node go to which there is a link.
fn left() -> Duty {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("b")]);
    duty.up(&node("b"));
    assert_eq!(duty.news(&News::Gone(node("b"))).down, []);
    assert!(!duty.is_member(&node("b"), 1), "nothing it says counts");
    assert_eq!(duty.absent(), []);
    assert_eq!(duty.others().into_keys().collect::<Vec<_>>(), [&node("b")]);
    duty
}

#[test]
fn a_node_that_is_reached_without_a_registration_is_gone_when_it_closes_its_link() {
    let mut duty = left();
    assert_eq!(duty.down(&node("b")), Some(node("b")));
    assert_eq!(duty.absent(), [node("b")]);
    assert_eq!(duty.down(&node("b")), None);
    assert!(duty.others().is_empty(), "there is to be no other link to it");
}

#[test]
fn a_node_that_is_reached_without_a_registration_is_gone_when_its_lease_must_be_over() {
    let mut duty = left();
    assert_eq!(duty.overdue(Millis(1_000)), []);
    assert_eq!(duty.overdue(Millis(1_000 + 7_499)), []);
    assert_eq!(duty.overdue(Millis(1_000 + 7_500)), [node("b")]);
    assert!(!duty.waits());
}

#[test]
fn a_node_that_registers_anew_was_gone_before() {
    let mut duty = left();
    let life = Registration { incarnation: 2, ..Registration::default() };
    let told = duty.news(&News::Members([(node("b"), life)].into()));
    assert_eq!(told.down, [node("b")]);
}

#[test]
fn a_node_that_has_found_etcd_again_goes_on_and_reports_anew() {
    let mut duty = left();
    assert_eq!(duty.sends(5, &node("b"), false), None, "it was not asked for a report since");
    let life = Registration { incarnation: 1, lease: 9, ..Registration::default() };
    let told = duty.news(&News::Members([(node("b"), life)].into()));
    assert_eq!((told.down.len(), told.again), (0, vec![node("b")]));
    assert_eq!(duty.up(&node("b")), Some(2));
    assert!(!duty.waits());
}

#[test]
fn the_next_president_waits_for_a_node_that_is_reached_without_a_registration() {
    let mut duty = left();
    duty.rise();
    duty.news(&elected("a", 8));
    duty.sit(8, [&node("b")]);
    assert_eq!(duty.absent(), []);
    assert_eq!(duty.down(&node("b")), Some(node("b")));
}

#[test]
fn the_chair_goes_with_its_epoch() {
    let mut duty = duty();
    duty.news(&elected("a", 5));
    duty.sit(5, [&node("b")]);
    assert!(!duty.news(&elected("a", 5)).deposed);
    assert!(duty.news(&elected("a", 6)).deposed, "it was given up and won again");
    assert!(duty.news(&News::President(None)).deposed);
}
