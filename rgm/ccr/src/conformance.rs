//! The contract of [`Repository`] as tests, for any store: `conformance::run(make)`.
//!
//! `make` is given the number of a store and opens it, making an empty one the first time: opening
//! the same number again, after the first one was dropped, must find what was committed.
#![expect(clippy::unwrap_used, reason = "a test suite")]

use crate::{Repository, StoreError, dump};
use rgm_types::{
    AttrName, Attrs, ClusterConf, Entry, Generation, Group, GroupName, GroupRun, Key, NodeConf, NodeName,
    PropName, Resource, ResourceName, Switch, TypeName, Value, Write,
};
use std::collections::BTreeMap;

type Make<'a, R> = &'a mut dyn FnMut() -> Result<R, StoreError>;
type Check<R> = fn(Make<'_, R>);

/// Runs all of it. Panics at the first breach.
pub fn run<R: Repository>(mut make: impl FnMut(u32) -> Result<R, StoreError>) {
    let checks: [Check<R>; 9] = [
        an_empty_store_is_of_generation_zero,
        what_was_committed_is_there_after_reopening,
        entries_come_ordered_by_key,
        writes_of_one_commit_apply_in_their_order,
        a_stale_commit_changes_nothing,
        every_commit_counts_one,
        deleting_what_is_not_there_is_no_error,
        the_longest_values_come_back_whole,
        ten_thousand_entries_are_kept,
    ];
    for (number, check) in (0..).zip(checks) {
        check(&mut || make(number));
    }
}

/// For a store that one process has for itself: a second opener is refused and disturbs nothing.
pub fn run_exclusive<R: Repository>(mut make: impl FnMut() -> Result<R, StoreError>) {
    let mut store = make().unwrap();
    commit(&mut store, &puts([group(1, "")]));
    let refused = make().map(|_| ()).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { .. }), "{refused:?}");
    commit(&mut store, &puts([group(2, "")]));
    drop(store);
    assert_eq!(make().unwrap().load().unwrap().0, Generation(2));
}

/// A group with a text in it, by a number.
pub fn group(number: usize, text: &str) -> Entry {
    let name = GroupName::new(&format!("group-{number:05}")).unwrap();
    let props = [(PropName::new("RG_description").unwrap(), Value::String(text.to_owned()))];
    Entry::Group(Group { name, managed: true, suspended: false, props: props.into() })
}

fn key_of(number: usize) -> Key {
    group(number, "").key()
}

/// One entry of each kind but types, which come from files.
fn one_of_each() -> Vec<Entry> {
    let (group_name, node) = (GroupName::new("dns-rg").unwrap(), NodeName::new("phys-1").unwrap());
    let mut enabled = Switch::all(false);
    enabled.set_at(&node, true);
    let prop = |name| PropName::new(name).unwrap();
    vec![
        Entry::Cluster(ClusterConf { name: "planets".to_owned(), props: Default::default() }),
        Entry::Node(NodeConf { name: node.clone(), id: 1, load_limits: Default::default() }),
        group(0, "\u{0}\"\\\u{7f}\u{fffd}\u{1f600}\n"),
        Entry::Resource(Resource {
            name: ResourceName::new("dns").unwrap(),
            type_name: TypeName::new("SUNW.sample:1.0").unwrap(),
            type_version: "1.0".to_owned(),
            group: group_name.clone(),
            props: [
                (prop("Port_list"), Value::StringArray(vec!["53/udp".to_owned(), String::new()])),
                (prop("Retry_count"), Value::Int(i64::MIN)),
                (prop("Scalable"), Value::Boolean(false)),
                (prop("Failover_mode"), Value::Enum("SOFT".to_owned())),
            ]
            .into(),
            node_props: [(prop("Confdir"), [(node.clone(), Value::String(String::new()))].into())].into(),
            enabled,
            monitored: Switch::all(true),
            deleting: false,
        }),
        Entry::Run(group_name, GroupRun::default()),
        Entry::Attrs(
            node,
            Attrs {
                reboot: [(AttrName::new("master-db:0").unwrap(), "-5".to_owned())].into(),
                forever: [(AttrName::new("site.rack").unwrap(), String::new())].into(),
            },
        ),
    ]
}

fn puts(entries: impl IntoIterator<Item = Entry>) -> Vec<Write> {
    entries.into_iter().map(Write::Put).collect()
}

/// Commits on what is in force.
fn commit<R: Repository>(store: &mut R, writes: &[Write]) -> Generation {
    let (generation, _) = store.load().unwrap();
    store.commit(generation, writes).unwrap()
}

fn an_empty_store_is_of_generation_zero<R: Repository>(make: Make<'_, R>) {
    assert_eq!(make().unwrap().load().unwrap(), (Generation(0), Vec::new()));
    assert_eq!(make().unwrap().load().unwrap(), (Generation(0), Vec::new()));
}

fn what_was_committed_is_there_after_reopening<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    let first = commit(&mut store, &puts(one_of_each()));
    let before = dump(&store).unwrap();
    drop(store);
    let mut store = make().unwrap();
    assert_eq!(store.load().unwrap(), (first, one_of_each()));
    assert_eq!(dump(&store).unwrap(), before);
    let second = commit(&mut store, &[Write::Delete(Key::Cluster), Write::Put(group(0, "new"))]);
    drop(store);
    let (generation, entries) = make().unwrap().load().unwrap();
    assert_eq!(generation, second);
    assert!(entries.contains(&group(0, "new")));
    assert!(entries.iter().all(|entry| entry.key() != Key::Cluster));
    assert_eq!(entries.len(), one_of_each().len() - 1);
}

fn entries_come_ordered_by_key<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    commit(&mut store, &puts(one_of_each().into_iter().rev().chain([group(9, ""), group(3, "")])));
    let mut sorted: BTreeMap<Key, Entry> = one_of_each().into_iter().map(|e| (e.key(), e)).collect();
    sorted.extend([(key_of(3), group(3, "")), (key_of(9), group(9, ""))]);
    let sorted: Vec<Entry> = sorted.into_values().collect();
    assert_eq!(store.load().unwrap().1, sorted);
    drop(store);
    assert_eq!(make().unwrap().load().unwrap().1, sorted);
}

fn writes_of_one_commit_apply_in_their_order<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    let put = |number, text| Write::Put(group(number, text));
    let writes = [
        put(1, "a"),
        Write::Delete(key_of(1)),
        put(2, "a"),
        put(2, "b"),
        Write::Delete(key_of(3)),
        put(3, "c"),
    ];
    commit(&mut store, &writes);
    assert_eq!(store.load().unwrap().1, [group(2, "b"), group(3, "c")]);
    drop(store);
    assert_eq!(make().unwrap().load().unwrap().1, [group(2, "b"), group(3, "c")]);
}

fn a_stale_commit_changes_nothing<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    let first = commit(&mut store, &puts([group(1, "old")]));
    let second = commit(&mut store, &puts([group(1, "new")]));
    for expected in [Generation(0), first, Generation(second.0 + 1)] {
        let refused = store.commit(expected, &[Write::Delete(key_of(1)), Write::Put(group(2, ""))]);
        assert!(
            matches!(refused, Err(StoreError::Stale { expected: e, found }) if e == expected && found == second),
            "{refused:?}"
        );
    }
    assert_eq!(store.load().unwrap(), (second, vec![group(1, "new")]));
    drop(store);
    assert_eq!(make().unwrap().load().unwrap(), (second, vec![group(1, "new")]));
}

fn every_commit_counts_one<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    assert_eq!(commit(&mut store, &puts([group(1, "")])), Generation(1));
    assert_eq!(commit(&mut store, &[]), Generation(2), "one without writes too");
    drop(store);
    assert_eq!(commit(&mut make().unwrap(), &puts([group(1, "")])), Generation(3));
}

fn deleting_what_is_not_there_is_no_error<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    commit(&mut store, &[Write::Delete(Key::Cluster)]);
    assert_eq!(store.load().unwrap(), (Generation(1), Vec::new()));
}

fn the_longest_values_come_back_whole<R: Repository>(make: Make<'_, R>) {
    let long = "\u{e9}".repeat(rgm_types::value::VALUE_LEN_MAX / 2);
    let mut store = make().unwrap();
    commit(&mut store, &puts([group(1, &long), group(2, &long), group(3, "")]));
    commit(&mut store, &puts([group(2, "short")]));
    drop(store);
    assert!(make().unwrap().load().unwrap().1 == [group(1, &long), group(2, "short"), group(3, "")]);
}

fn ten_thousand_entries_are_kept<R: Repository>(make: Make<'_, R>) {
    let mut store = make().unwrap();
    commit(&mut store, &puts((0..10_000).map(|number| group(number, "one of many"))));
    let deletes: Vec<Write> = (0..10_000).step_by(2).map(|number| Write::Delete(key_of(number))).collect();
    commit(&mut store, &deletes);
    drop(store);
    let left: Vec<Entry> = (1..10_000).step_by(2).map(|number| group(number, "one of many")).collect();
    assert!(make().unwrap().load().unwrap() == (Generation(2), left));
}
