//! Links between the rgmds, as the hub promises them: up, messages in their order, down, and nothing
//! of a connection behind that. A message may be lost, but then the connection breaks.

use super::plan::Spot;
use super::rgmd::Main;
use super::world::{MS, What, World};
use rgm_cluster::{FromNode, ToNode};
use std::collections::VecDeque;

/// What rgmds write to each other.
#[derive(Debug, Clone, PartialEq)]
pub enum Letter {
    Order {
        epoch: u64,
        report: u64,
        message: ToNode,
    },
    Word {
        epoch: u64,
        report: u64,
        message: FromNode,
    },
    /// Goes to the membership, whoever is busy.
    Aside(rgm_cluster::member::pact::Word),
}

/// On its way to one side of a connection.
#[derive(Debug, Clone)]
enum Item {
    Up,
    Letter(Letter),
    End,
}

/// Between two lives of rgmd.
#[derive(Debug)]
pub struct Conn {
    pub nodes: [usize; 2],
    lives: [u64; 2],
    incarnations: [u64; 2],
    /// Has taken the other, and not seen the end yet.
    up: [bool; 2],
    over: [bool; 2],
    heard: [u64; 2],
    /// By the side it goes to, with the time from which on it can be read.
    queues: [VecDeque<(u64, Item)>; 2],
    pumping: [bool; 2],
}

/// A peer that is silent for so long is down.
const SILENCE: u64 = 1_000 * MS;
const BEAT: u64 = 250 * MS;

impl World {
    /// Looks at a pair of nodes: a link that could be there and is not is made.
    pub(super) fn dial(&mut self, a: usize, b: usize) {
        let again = self.soon(150);
        self.at(self.now + again, What::Dial(a, b));
        let there = self.conns.values().any(|c| c.nodes == [a, b] && (!c.over[0] || !c.over[1]));
        if there || self.is_cut_between(a, b) || !self.takes(a, b) || !self.takes(b, a) {
            return;
        }
        let (Some(x), Some(y)) = (self.machines[a].rgmd.as_ref(), self.machines[b].rgmd.as_ref()) else {
            return;
        };
        let conn = Conn {
            nodes: [a, b],
            lives: [x.life, y.life],
            incarnations: [x.incarnation, y.incarnation],
            up: [false; 2],
            over: [false; 2],
            heard: [self.now; 2],
            queues: Default::default(),
            pumping: [false; 2],
        };
        let id = self.next();
        self.conns.insert(id, conn);
        for side in 0..2 {
            self.put(id, side, Item::Up);
        }
        self.at(self.now + BEAT, What::Beat(id));
    }

    /// Node `a` runs and takes that life of `b` for a peer.
    fn takes(&self, a: usize, b: usize) -> bool {
        let Some(other) = self.machines[b].rgmd.as_ref().map(|r| r.incarnation) else { return false };
        let runs = self.runs(a) && self.runs(b);
        runs && self.is_peer(a, b, other)
    }

    /// Node `a` has a link to that life of `b`, or is to have one.
    fn is_peer(&self, a: usize, b: usize, incarnation: u64) -> bool {
        let others = self.machines[a].rgmd.as_ref().map(|r| r.duty.others()).unwrap_or_default();
        others.get(&self.names[b]).is_some_and(|life| life.incarnation == incarnation)
    }

    /// There is a link between two nodes, and each has just heard of the other.
    pub(super) fn is_linked(&self, a: usize, b: usize) -> bool {
        let pair = [a.min(b), a.max(b)];
        self.conns.values().any(|conn| {
            let heard = conn.heard.iter().all(|heard| self.now - heard <= 2 * BEAT);
            let alive = (0..2).all(|side| self.is_life(conn.nodes[side], conn.lives[side]));
            conn.nodes == pair && conn.up == [true; 2] && conn.over == [false; 2] && heard && alive
        })
    }

    /// Sends something; false: there is no link.
    pub(super) fn post(&mut self, from: usize, to: usize, letter: Letter) -> bool {
        let pair = [from.min(to), from.max(to)];
        let side = usize::from(to > from);
        let mine = 1 - side;
        let found = self.conns.iter().find(|(_, c)| c.nodes == pair && c.up[mine] && !c.over[mine]);
        let Some((id, _)) = found else { return false };
        let id = *id;
        if self.doubling && self.chance.percent(5) {
            self.put(id, side, Item::Letter(letter.clone()));
        }
        self.put(id, side, Item::Letter(letter));
        true
    }

    fn put(&mut self, id: u64, side: usize, item: Item) {
        let ready = self.now + self.latency();
        let Some(conn) = self.conns.get_mut(&id) else { return };
        let ready = conn.queues[side].back().map_or(ready, |(last, _)| ready.max(*last));
        conn.queues[side].push_back((ready, item));
        if !std::mem::replace(&mut conn.pumping[side], true) {
            self.at(ready, What::Pump(id, side));
        }
    }

    /// What has come to one side is read there.
    pub(super) fn pump(&mut self, id: u64, side: usize) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (to, from) = (conn.nodes[side], conn.nodes[1 - side]);
        if conn.over[side] || !self.is_life(to, conn.lives[side]) {
            return;
        }
        if let Some(later) = self.stands_until(to) {
            return self.at(later, What::Pump(id, side));
        }
        if self.is_cut(Spot::Node(from), Spot::Node(to)) {
            return self.at(self.now + 20 * MS, What::Pump(id, side));
        }
        let Some(conn) = self.conns.get_mut(&id) else { return };
        conn.heard[side] = self.now;
        let Some((_, item)) = conn.queues[side].pop_front() else {
            conn.pumping[side] = false;
            return;
        };
        let (node, incarnation) = (self.names[from].clone(), conn.incarnations[1 - side]);
        match item {
            Item::Up => {
                conn.up[side] = true;
                self.main(to, Main::Up { node, incarnation });
            }
            Item::Letter(Letter::Aside(word)) => self.hear_word(to, &node, &word),
            Item::Letter(letter) => self.main(to, Main::Letter { node, incarnation, letter }),
            Item::End => return self.hang_up(id, side),
        }
        let next = self.conns.get(&id).and_then(|c| c.queues[side].front()).map(|(ready, _)| *ready);
        match next {
            Some(ready) => self.at(ready.max(self.now), What::Pump(id, side)),
            None => {
                if let Some(conn) = self.conns.get_mut(&id) {
                    conn.pumping[side] = false;
                }
            }
        }
    }

    /// One side sees the end; the other one will, behind what is on its way to it, or a part of that.
    fn hang_up(&mut self, id: u64, side: usize) {
        let lose = self.chance.percent(50);
        let keep = self.chance.below(4);
        let Some(conn) = self.conns.get_mut(&id) else { return };
        if std::mem::replace(&mut conn.over[side], true) {
            return;
        }
        conn.queues[side].clear();
        let (to, other) = (conn.nodes[side], self.names[conn.nodes[1 - side]].clone());
        if lose {
            conn.queues[1 - side].truncate(keep);
        }
        let told = conn.up[side];
        self.put(id, 1 - side, Item::End);
        if told {
            self.main(to, Main::Down { node: other });
        }
        self.sweep(id);
    }

    fn sweep(&mut self, id: u64) {
        let dead = |c: &Conn, side: usize| c.over[side] || !self.is_life(c.nodes[side], c.lives[side]);
        if self.conns.get(&id).is_some_and(|c| dead(c, 0) && dead(c, 1)) {
            self.conns.remove(&id);
        }
    }

    /// Beats go both ways; who hears none for too long hangs up.
    pub(super) fn beat(&mut self, id: u64) {
        let Some(conn) = self.conns.get(&id) else { return };
        let (nodes, lives) = (conn.nodes, conn.lives);
        for side in 0..2 {
            let (to, from) = (nodes[side], nodes[1 - side]);
            if !self.is_life(to, lives[side]) || self.stands_until(to).is_some() {
                continue;
            }
            let alive = self.is_life(from, lives[1 - side]) && self.stands_until(from).is_none();
            let cut = self.is_cut(Spot::Node(from), Spot::Node(to));
            // A process that ends closes its connections; a machine without power does not.
            let closed = !alive && self.machines[from].on && self.machines[from].lives != lives[1 - side];
            self.mind_leaving(to);
            let unwanted = !self.takes_conn(to, from, id, side);
            let now = self.now;
            let Some(conn) = self.conns.get_mut(&id) else { return };
            if alive && !cut {
                conn.heard[side] = now;
            }
            if unwanted || now - conn.heard[side] > SILENCE {
                self.hang_up(id, side);
            } else if closed && !cut {
                self.put(id, side, Item::End);
            }
        }
        if self.conns.contains_key(&id) {
            self.sweep(id);
            self.at(self.now + BEAT, What::Beat(id));
        }
    }

    /// The other one is still a peer, in that life.
    fn takes_conn(&self, to: usize, from: usize, id: u64, side: usize) -> bool {
        let Some(conn) = self.conns.get(&id) else { return false };
        self.is_peer(to, from, conn.incarnations[1 - side])
    }
}
