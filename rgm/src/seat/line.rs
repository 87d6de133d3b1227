//! The president's line to one node on another machine.
//!
//! A connection may break at any time, with orders on it that never arrive. So a line is open only
//! while everything that was asked of the node is known to have arrived, or known not to have: from
//! the moment the last report asked of the node is taken, until its connection breaks. What is sent
//! while it is closed is dropped, and the report that opens it again tells the core what was lost.

use rgm_cluster::net::Hub;
use rgm_cluster::wire::Wire;
use rgm_cluster::{Link, ToNode};
use rgm_types::NodeName;
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;

/// See the module. All handles are the same line.
#[derive(Clone)]
pub struct Line(Rc<Inner>);

struct Inner {
    hub: Hub,
    node: NodeName,
    epoch: u64,
    connected: Cell<bool>,
    /// Number of the last report that was asked for.
    asked: Cell<u64>,
    /// Numbers of those that are on their way to the core.
    come: RefCell<VecDeque<u64>>,
    /// Number of the last one that the core has taken.
    taken: Cell<u64>,
}

impl Line {
    /// Of a president of this epoch, to that node.
    pub fn new(hub: &Hub, node: &NodeName, epoch: u64, connected: bool) -> Self {
        Self(Rc::new(Inner {
            hub: hub.clone(),
            node: node.clone(),
            epoch,
            connected: Cell::new(connected),
            asked: Cell::new(0),
            come: RefCell::default(),
            taken: Cell::new(0),
        }))
    }

    /// A connection was made: what is there?
    pub fn up(&self) {
        self.0.connected.set(true);
        self.tell(ToNode::Report);
    }

    /// It broke.
    pub fn down(&self) {
        self.0.connected.set(false);
    }

    /// A report has come. False: another one was asked for since, and this one tells too little.
    pub fn report_came(&self, number: u64) -> bool {
        let last = number == self.0.asked.get();
        if last {
            self.0.come.borrow_mut().push_back(number);
        }
        last
    }

    fn is_open(&self) -> bool {
        self.0.connected.get() && self.0.asked.get() == self.0.taken.get()
    }

    fn tell(&self, message: ToNode) {
        if message == ToNode::Report {
            self.0.asked.set(self.0.asked.get() + 1);
        }
        let wire = Wire::Order { epoch: self.0.epoch, report: self.0.asked.get(), message };
        if !self.0.hub.send(&self.0.node, &wire.encode()) {
            // That is told of, too; nothing may follow what was lost.
            self.down();
        }
    }
}

impl Link for Line {
    fn send(&mut self, message: ToNode) {
        if self.is_open() || (message == ToNode::Report && self.0.connected.get()) {
            self.tell(message);
        }
    }

    fn reported(&mut self) {
        if let Some(number) = self.0.come.borrow_mut().pop_front() {
            self.0.taken.set(number);
        }
    }
}
