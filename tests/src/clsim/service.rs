//! How nodes reach etcd: requests and answers on their way, leases that end, watches that are told.

use super::etcd::{Answer, Committed, Request};
use super::plan::Spot;
use super::rgmd::Purpose;
use super::world::{MS, SECOND, What, World};
use std::collections::VecDeque;

impl World {
    /// Asks etcd something; after that time nobody waits for the answer.
    pub(super) fn ask(&mut self, node: usize, purpose: Purpose, request: Request, limit: u64) {
        let id = self.next();
        let Some(rgmd) = &mut self.machines[node].rgmd else { return };
        rgmd.asks.insert(id, purpose);
        let life = rgmd.life;
        self.at(self.now + limit, What::Heard { node, life, id, answer: None });
        if !self.is_cut(Spot::Node(node), Spot::Etcd) {
            let way = 500 + self.latency() + self.weather.slowness(self.now, &mut self.chance);
            self.at(self.now + way, What::Serve { node, life, id, request });
        }
    }

    /// A request at etcd.
    pub(super) fn serve(&mut self, node: usize, life: u64, id: u64, request: Request) {
        if self.weather.away_until > self.now {
            if self.weather.answers {
                let later = self.weather.away_until + self.soon(300);
                self.at(later, What::Serve { node, life, id, request });
            }
            return;
        }
        self.etcd.full = self.weather.is_full(self.now);
        let answer = self.answer(node, life, request);
        self.tell_watchers();
        if let Some(answer) = answer
            && !self.is_cut(Spot::Etcd, Spot::Node(node))
        {
            let way = 500 + self.latency() + self.weather.slowness(self.now, &mut self.chance);
            self.at(self.now + way, What::Heard { node, life, id, answer: Some(answer) });
        }
    }

    fn answer(&mut self, node: usize, life: u64, request: Request) -> Option<Answer> {
        Some(match request {
            Request::Grant(ttl_s) => {
                let id = self.etcd.lease(ttl_s);
                self.expect_end(id);
                Answer::Lease(id, ttl_s)
            }
            Request::KeepAlive(id) => {
                let left = self.etcd.keep_alive(id);
                self.expect_end(id);
                Answer::Left(left)
            }
            Request::Revoke(id) => {
                self.etcd.revoke(id);
                Answer::Nothing
            }
            Request::Range(range) => Answer::Page(self.etcd.range(&range)),
            Request::Txn(txn) => {
                let before = self.boot_at_place(node);
                let done = self.etcd.txn(txn.clone())?;
                if done.succeeded {
                    self.check_txn(node, life, &txn, before.as_deref());
                }
                Answer::Done(done)
            }
            Request::Watch(watch, from) => {
                let told =
                    self.etcd.history.iter().take_while(|changes| {
                        changes.first().is_some_and(|change| change.mod_revision < from)
                    });
                let watcher =
                    super::world::Watcher { node, life, told: told.count(), queue: VecDeque::new() };
                self.watchers.insert(watch, watcher);
                Answer::Nothing
            }
            Request::Progress => Answer::Nothing,
            Request::Load(guard) => Answer::Loaded {
                generation: self.etcd.repo.generation,
                entries: self.etcd.repo.entries(),
                deposed: guard.is_some_and(|guard| guard != self.etcd.epoch(&self.keys)),
            },
            Request::Commit(commit) => {
                let done = self.etcd.commit(&self.keys, &commit);
                self.tell(|| format!("etcd: commit of n{}, epoch {}: {done:?}", node + 1, commit.epoch));
                if let Committed::Yes(_) = done {
                    self.check_commit(node, &commit);
                }
                Answer::Committed(done)
            }
            Request::Settle(author, guard) => Answer::Committed(self.etcd.settle(&self.keys, author, guard)),
        })
    }

    /// When a lease ends, if it is not renewed: never before its time by etcd's own clock.
    fn expect_end(&mut self, id: i64) {
        let Some(lease) = self.etcd.leases.get_mut(&id) else { return };
        let ttl = u64::try_from(lease.ttl_s).unwrap_or(1) * SECOND;
        // Its clock may go faster by 200 ppm.
        lease.until = self.now + ttl - ttl / 5_000;
        let (until, version) = (lease.until, lease.version);
        let late = if self.chance.percent(50) { 0 } else { self.soon(600) };
        self.at(until + late, What::Expire(id, version));
    }

    pub(super) fn expire(&mut self, id: i64, version: u64) {
        let due = self.etcd.leases.get(&id).is_some_and(|lease| lease.version == version);
        if due && self.weather.away_until <= self.now {
            self.tell(|| format!("lease {id} ends"));
            self.etcd.revoke(id);
            self.tell_watchers();
        }
    }

    /// A new leader gives every lease its whole time anew.
    pub(super) fn etcd_back(&mut self) {
        if self.weather.away_until > self.now {
            return;
        }
        let ids: Vec<i64> = self.etcd.leases.keys().copied().collect();
        for id in ids {
            self.etcd.keep_alive(id);
            self.expect_end(id);
        }
    }

    pub(super) fn tell_watchers(&mut self) {
        let ids: Vec<u64> = self.watchers.keys().copied().collect();
        for id in ids {
            let Some(watcher) = self.watchers.get(&id) else { continue };
            let (node, life, told) = (watcher.node, watcher.life, watcher.told);
            if !self.is_life(node, life) {
                self.watchers.remove(&id);
                continue;
            }
            let prefix = self.keys.live();
            let new: Vec<_> = self.etcd.history.get(told..).unwrap_or_default().to_vec();
            for mut changes in new {
                changes.retain(|change| change.key.starts_with(&prefix));
                let lag = self.weather.lag(node, self.now);
                let ready = self.now + 300 + self.latency() + lag;
                let Some(watcher) = self.watchers.get_mut(&id) else { break };
                let ready = watcher.queue.back().map_or(ready, |(last, _)| ready.max(*last));
                watcher.told += 1;
                watcher.queue.push_back((ready, changes));
                self.at(ready, What::Watched(id));
            }
        }
    }

    pub(super) fn watched(&mut self, watch: u64) {
        let Some(watcher) = self.watchers.get(&watch) else { return };
        let (node, life) = (watcher.node, watcher.life);
        if !self.is_life(node, life) {
            return;
        }
        if let Some(later) = self.stands_until(node) {
            return self.at(later, What::Watched(watch));
        }
        let stuck = self.is_cut(Spot::Etcd, Spot::Node(node)) || self.weather.away_until > self.now;
        if stuck {
            return self.at(self.now + 50 * MS, What::Watched(watch));
        }
        // Before it is open nobody reads it.
        if self.member(node).is_none_or(|m| m.watch != Some(watch)) {
            return;
        }
        let now = self.now;
        let Some(watcher) = self.watchers.get_mut(&watch) else { return };
        if watcher.queue.front().is_none_or(|(ready, _)| *ready > now) {
            return;
        }
        let Some((_, changes)) = watcher.queue.pop_front() else { return };
        if let Some(member) = self.member(node) {
            member.changes.push_back(changes);
            self.follow(node, false);
        }
    }
}
