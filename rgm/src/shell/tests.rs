//! The shell with a repository that fails when told to, and nodes that write down what they are told.

use super::*;
use crate::events::EventLog;
use crate::ipc::{Asked, answers};
use rgm_api::rgm::{Outcome, Request};
use rgm_ccr::Repository;
use rgm_cluster::{Link, Outlet};
use rgm_core::event::NodeReport;
use rgm_types::{Command, Entry, Generation, PropSet};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tempfile::TempDir;

/// A repository in memory; it fails as often as told.
#[derive(Default, Clone)]
struct Disk(Rc<RefCell<Platter>>);

#[derive(Default)]
struct Platter {
    generation: Generation,
    entries: BTreeMap<String, Entry>,
    failures: u32,
    /// Then it stops answering in the middle of a commit.
    silent: bool,
}

impl Repository for Disk {
    fn load(&self) -> Result<(Generation, Vec<Entry>), StoreError> {
        let platter = self.0.borrow();
        Ok((platter.generation, platter.entries.values().cloned().collect()))
    }

    fn commit(&mut self, expected: Generation, writes: &[Write]) -> Result<Generation, StoreError> {
        let mut platter = self.0.borrow_mut();
        assert_eq!(platter.generation, expected);
        if platter.silent {
            return Err(StoreError::Unsettled { store: "etcd".into(), source: "no answer".into() });
        }
        if platter.failures > 0 {
            platter.failures -= 1;
            let source = std::io::ErrorKind::StorageFull.into();
            return Err(StoreError::Full { store: "/state/ccr.redb".into(), source });
        }
        for write in writes {
            match write {
                Write::Put(entry) => platter.entries.insert(entry.key().to_string(), entry.clone()),
                Write::Delete(key) => platter.entries.remove(&key.to_string()),
            };
        }
        platter.generation.0 += 1;
        Ok(platter.generation)
    }
}

/// A node that reports, and writes down what else it is told.
struct Node {
    outlet: Outlet,
    name: NodeName,
    told: Rc<RefCell<Vec<ToNode>>>,
}

impl Link for Node {
    fn send(&mut self, message: ToNode) {
        if message == ToNode::Report {
            let report = NodeReport { node: self.name.clone(), fresh: true, cells: vec![] };
            self.outlet.send(FromNode::Joined(report));
        }
        self.told.borrow_mut().push(message);
    }
}

struct World {
    shell: Shell,
    inbox: Inbox,
    disk: Disk,
    told: Rc<RefCell<Vec<ToNode>>>,
    _dir: TempDir,
}

impl World {
    fn new() -> Self {
        let name = NodeName::new("a").unwrap();
        let mut disk = Disk::default();
        disk.commit(Generation(0), &Rgm::genesis("c", std::slice::from_ref(&name))).unwrap();
        let (outlet, inbox) = rgm_cluster::channel();
        let told = Rc::new(RefCell::new(vec![]));
        let node = Node { outlet: outlet(&name), name: name.clone(), told: Rc::clone(&told) };
        let links = BTreeMap::from([(name, Box::new(node) as Box<dyn Link>)]);
        let info = Info {
            version: String::new(),
            pid: 1,
            node: String::new(),
            nodes: vec![],
            cluster: String::new(),
        };
        let dir = tempfile::tempdir().unwrap();
        let events = EventLog::open(dir.path(), Tap::default());
        let hands = Hands::new(Box::new(disk.clone()), links, events);
        let shell = Shell::start(hands, Recorder::off(), info, OnSignal::TakeOffline, Rule::Alone).unwrap();
        Self { shell, inbox, disk, told, _dir: dir }
    }

    fn drive(&mut self) {
        while let Some(arrived) = self.inbox.waiting() {
            let mut event = self.shell.arrived(arrived);
            while let Some(next) = event {
                self.shell.step(next);
                event = self.shell.stashed();
            }
        }
    }

    fn create(&mut self, name: &str) -> Option<Outcome> {
        let (answers, mut last) = answers();
        let props: Vec<PropSet> = vec![];
        let command = Command::GroupCreate { name: name.into(), props };
        let request = Request::Change { command, dry_run: false };
        let from = NodeName::new("a").unwrap();
        if let Some(event) = self.shell.asked(Asked { from, request, privileged: true, answers }) {
            self.shell.step(event);
        }
        last()
    }
}

#[test]
fn a_node_is_welcomed_once_its_report_was_taken() {
    let mut world = World::new();
    assert_eq!(*world.told.borrow(), [ToNode::Report]);
    world.drive();
    assert_eq!(world.told.borrow().last(), Some(&ToNode::Welcome));
}

#[test]
fn a_full_disk_refuses_the_change_and_leaves_no_trace_of_it() {
    let mut world = World::new();
    world.drive();
    world.disk.0.borrow_mut().failures = 1;
    let refusal = world.create("g").unwrap().unwrap_err();
    assert_eq!(refusal.code, SchaErr::Internal);
    assert!(refusal.message.contains("no space left") && refusal.message.contains("/state/ccr.redb"));
    world.drive();
    assert!(world.shell.core.snapshot().groups.is_empty());
    assert!(world.create("g").unwrap().is_ok());
    assert_eq!(world.shell.core.snapshot().groups.len(), 1);
}

#[test]
fn of_a_change_that_may_have_been_stored_nobody_says_that_it_was_not() {
    let mut world = World::new();
    world.drive();
    world.disk.0.borrow_mut().silent = true;
    let refusal = world.create("g").unwrap().unwrap_err();
    assert_eq!(refusal.code, SchaErr::Reconf);
    assert!(!format!("{refusal:?}").contains("nothing was changed"), "{refusal:?}");
}

#[test]
fn while_the_disk_is_full_only_what_was_stored_is_shown() {
    let mut world = World::new();
    world.drive();
    world.disk.0.borrow_mut().failures = 3;
    for _ in 0..3 {
        assert_eq!(world.create("g").unwrap().unwrap_err().code, SchaErr::Internal);
        world.drive();
        assert!(world.shell.core.snapshot().groups.is_empty());
        assert!(world.shell.core.snapshot().nodes.iter().all(|node| node.up));
    }
    assert!(world.create("g").unwrap().is_ok());
}

#[test]
fn facts_that_cannot_be_stored_are_tried_again_at_leisure() {
    let mut world = World::new();
    world.drive();
    let source = || std::io::ErrorKind::StorageFull.into();
    let full = StoreError::Full { store: "/state/ccr.redb".into(), source: source() };
    world.shell.failed(&full, &Event::Tick, Millis(1000));
    world.drive();
    assert_eq!(world.shell.held_until, None, "the first time at once");
    world.shell.failed(&full, &Event::Tick, Millis(1500));
    world.drive();
    assert_eq!(world.shell.held_until, Some(Millis(2500)));
    assert!(world.shell.gathering.is_none(), "the nodes are known meanwhile");
    assert!(world.create("g").unwrap().is_ok(), "and requests are served");
    assert!(world.shell.woken(Millis(2500)).is_none());
    assert_eq!(world.shell.held_until, None);
}

#[test]
fn a_core_that_cannot_be_formed_refuses_changes_and_tries_again() {
    let mut world = World::new();
    let full = StoreError::Full { store: "s".into(), source: std::io::ErrorKind::StorageFull.into() };
    world.shell.failed(&full, &Event::Formed { nodes: vec![] }, Millis(1000));
    assert_eq!(world.create("g").unwrap().unwrap_err().code, SchaErr::Reconf);
    while world.inbox.waiting().is_some() {}
    assert!(world.shell.woken(Millis(2000)).is_none());
    world.drive();
    assert!(world.create("g").unwrap().is_ok());
}

#[test]
fn tokens_grow_from_one_core_to_the_next() {
    let mut world = World::new();
    world.drive();
    let first = world.shell.first_token;
    world.shell.load().unwrap();
    assert!(world.shell.first_token >= first + (1 << TOKEN_BITS));
}
