//! One life of rgmd: its membership, its seat, and, while it presides, the core.

use super::accord::Accord;
use super::eviction::Case;
use super::net::Letter;
use rgm_cluster::member::{News, Registration};
use rgm_cluster::rules::{Duty, Gathering, Roll, Tenure};
use rgm_cluster::{Arrived, FromNode};
use rgm_core::{Event, MethodResult, Out, RequestId, Rgm, Token};
use rgm_etcd::Change;
use rgm_types::{Command, Generation, Millis, NodeName, Write};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

/// What was asked of etcd, and what for.
#[derive(Debug, Clone)]
pub enum Purpose {
    /// The configuration, before anything else.
    Configured,
    Grant,
    KeepAlive,
    Place,
    Register {
        former: Option<i64>,
    },
    Look,
    Watch(u64),
    Part,
    Progress(u64),
    ParkGrant,
    ParkHold {
        lease: i64,
        ttl_s: i64,
    },
    ParkRevoke,
    /// A node that is not reached is to be evicted.
    Evict {
        epoch: u64,
        node: NodeName,
        life: Registration,
    },
    /// It is to be fenced, and then struck out.
    Fence(Case),
    StrikeFenced(Case, u32),
    Struck(Case, u32, i64),
    /// The lease of a life that was evicted, and its mark.
    EndMarked(usize),
    FindMarked(usize),
    StrikeMarked(usize),
    FindOwnMark(Registration),
    /// Nobody waits for it.
    Aside,
    Load,
    Commit,
    Settle {
        tries: u32,
    },
}

/// What wakes the membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timer {
    /// The daemon has found pmfd.
    Begin,
    Obtain,
    Renew,
    Register,
    Look,
    Quiet(u64),
    Accord,
    EndMarked(usize),
    StrikeMarked(usize),
    StandsAgain,
    /// pmfd is told again of the deadline of a place that is held.
    Park {
        deadline: Millis,
        revoke: i64,
        until: Millis,
    },
}

/// How far the membership is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    Obtaining,
    Registering,
    Following,
    Parking,
    Ended,
}

/// The membership's thread.
#[derive(Debug)]
pub struct Member {
    pub phase: Phase,
    pub tenure: Tenure,
    pub roll: Roll,
    /// The watch that is open.
    pub watch: Option<u64>,
    /// Something is being written: what has changed meanwhile waits.
    pub writing: bool,
    /// It was asked to stand for no election.
    pub withdrawn: bool,
    pub changes: VecDeque<Vec<Change>>,
    pub errands: VecDeque<Task>,
    /// Lives whose marks are removed when their time has come.
    pub marked: Vec<(NodeName, Registration)>,
    /// Nothing runs here of any life.
    pub alone: bool,
    pub park: Option<Duration>,
    pub accord: Accord,
}

/// What the main thread asks of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Task {
    Resign(u64),
    StandBack(u64, Duration),
    Withdraw,
    Park,
}

/// What an open request is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Asked {
    /// It belongs to the opening.
    Opening(Command),
    /// It would make something of that colour.
    Colour(String),
    Other,
}

/// What comes to the main thread.
#[derive(Debug, Clone)]
pub enum Main {
    News(News),
    Up {
        node: NodeName,
        incarnation: u64,
    },
    Down {
        node: NodeName,
    },
    Letter {
        node: NodeName,
        incarnation: u64,
        letter: Letter,
    },
    /// The agent of this node says something.
    Word(FromNode),
    /// A method has ended here.
    Ended {
        token: Token,
        result: MethodResult,
    },
    /// Something is in the inbox of the core of that epoch.
    Inbox(u64, NodeName, FromNode),
    /// The core of that epoch wants to be woken.
    Tick(u64),
    /// A fence device has confirmed; how often it was tried to strike that life out.
    Fenced(Case, u32),
    /// The president of that epoch looks whom it does not reach.
    Mind(u64),
    /// The shell of that epoch notices that it is deposed.
    Deposed(u64),
    Asked(Command, Option<String>),
    Terminate,
    Idle,
}

/// The core at work.
#[derive(Debug)]
pub struct President {
    pub epoch: u64,
    pub core: Rgm,
    pub loaded: bool,
    pub generation: Generation,
    pub gathering: Option<Gathering>,
    pub stash: VecDeque<Arrived>,
    pub pending: Vec<Write>,
    /// Told that it is none any more; it notices soon.
    pub deposed: bool,
    pub next_request: u64,
    pub open: BTreeMap<RequestId, Asked>,
    /// The step that waits for its commit.
    pub step: Option<Step>,
    pub ticked: Millis,
}

/// A step under way.
#[derive(Debug)]
pub struct Step {
    pub out: Out,
    pub event: Event,
    pub taken: Option<(NodeName, u64)>,
    pub author: u64,
    pub writes: Vec<Write>,
    pub tries: u32,
}

/// How far its end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    No,
    /// Methods may end first.
    Idle {
        until: u64,
    },
    Parking,
}

/// See the module.
#[derive(Debug)]
pub struct Rgmd {
    pub life: u64,
    pub incarnation: u64,
    /// Stopped by a signal until then.
    pub paused_until: u64,
    pub asks: BTreeMap<u64, Purpose>,
    pub member: Option<Member>,
    pub duty: Duty,
    pub president: Option<President>,
    /// The main thread waits for the store; what comes meanwhile is kept.
    pub blocked: bool,
    pub waiting: VecDeque<Main>,
    /// Everybody waits for etcd: nothing is decided, and what comes to the core is kept.
    pub safe: bool,
    pub kept: VecDeque<Main>,
    /// When it was last tried to evict a life.
    pub tried: BTreeMap<(NodeName, u64), u64>,
    /// Lives that it had fenced.
    pub fenced: BTreeSet<(NodeName, u64)>,
    /// It is better for all if it stands for no election for that long.
    pub stand_back: Option<Duration>,
    /// What the boot clock goes ahead since it first presided.
    pub ahead: u64,
    /// The agent starts nothing after that point of the boot clock.
    pub deadline: Millis,
    /// The node has just booted, and no president knows it yet.
    pub fresh: bool,
    pub ending: Ending,
}
