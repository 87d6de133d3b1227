//! How deep a process is below the command of its tag, for `-C`.
//!
//! The command is at depth 0, and each fork adds one. The kernel's process connector tells every
//! fork with parent and child, before the child runs, so while it works the depth is exact, orphans
//! and double forks included. It is listened to only while a tag with `-C 1` or more exists, for it
//! tells of the whole machine.
//!
//! Where it can't be had (no right, or messages were lost), depths come from `/proc` whenever the
//! tag is looked at: a child of a process whose depth is known is one deeper; one whose parent is
//! gone before anybody looked counts as depth 1, the daemon that `-C 1` is made for. The same holds
//! for processes that a former pmfd left behind.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use pmf_core::TagId;
use rustix::net::{self, RecvFlags, SendFlags, SocketFlags, SocketType, netlink};

use crate::place::Stat;

/// The known depths of all tags that care.
#[derive(Debug, Default)]
pub struct Forks {
    connector: Option<OwnedFd>,
    refused: bool,
    tags: BTreeMap<TagId, u32>,
    depths: BTreeMap<i32, (TagId, u32)>,
}

impl Forks {
    /// A command is going to start, or has been found running; processes deeper than `level` are of
    /// no interest. True if the connector has just been opened and wants to be polled.
    pub fn track(&mut self, id: TagId, level: u32) -> bool {
        self.tags.insert(id, level);
        if level == 0 || self.connector.is_some() || self.refused {
            return false;
        }
        match connect() {
            Ok(socket) => self.connector = Some(socket),
            Err(error) => {
                self.refused = true;
                tracing::warn!("-C: forks are not reported ({error}); depths are read from /proc");
            }
        }
        self.connector.is_some()
    }

    /// The command runs as `pid`.
    pub fn started(&mut self, id: TagId, pid: i32) {
        self.depths.retain(|_, (tag, _)| *tag != id);
        self.depths.insert(pid, (id, 0));
    }

    /// The tag is gone.
    pub fn forget(&mut self, id: TagId) {
        self.tags.remove(&id);
        self.depths.retain(|_, (tag, _)| *tag != id);
        if self.tags.values().all(|level| *level == 0) {
            self.connector = None;
        }
    }

    /// The connector, to be polled.
    pub fn connector(&self) -> Option<BorrowedFd<'_>> {
        self.connector.as_ref().map(AsFd::as_fd)
    }

    /// Of these processes of a tag, those that are monitored.
    pub fn monitored(&mut self, id: TagId, procs: Vec<i32>) -> Vec<i32> {
        let Some(level) = self.tags.get(&id).copied() else { return procs };
        self.listen();
        if level > 0 && self.connector.is_none() {
            self.look(id, &procs);
        }
        let near =
            |pid: &i32| matches!(self.depths.get(pid), Some((tag, depth)) if *tag == id && *depth <= level);
        procs.into_iter().filter(near).collect()
    }

    /// Learns depths from `/proc`.
    pub fn look(&mut self, id: TagId, procs: &[i32]) {
        let mut stats: Vec<Stat> = procs.iter().filter_map(|pid| Stat::read(*pid)).collect();
        // A parent is older than its children.
        stats.sort_by_key(|stat| (stat.start, stat.pid));
        for stat in &stats {
            if !self.depths.contains_key(&stat.pid) {
                let parent = self.depths.get(&stat.parent).filter(|(tag, _)| *tag == id);
                let depth = parent.map_or(1, |(_, depth)| depth + 1);
                self.depths.insert(stat.pid, (id, depth));
            }
        }
    }

    /// Takes in all that the kernel has told.
    pub fn listen(&mut self) {
        let Some(socket) = &self.connector else { return };
        let mut buffer = [0; 4096];
        loop {
            match net::recv(socket, &mut buffer[..], RecvFlags::DONTWAIT) {
                Ok((len, _)) => match parse(buffer.get(..len).unwrap_or_default()) {
                    Some(Told::Fork { parent, child }) => {
                        if let Some((id, depth)) = self.depths.get(&parent).copied() {
                            self.depths.insert(child, (id, depth + 1));
                        }
                    }
                    Some(Told::Exit { pid }) => {
                        self.depths.remove(&pid);
                    }
                    None => {}
                },
                Err(rustix::io::Errno::AGAIN) => return,
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!("-C: reports of forks were lost ({error}); depths are read from /proc");
                    self.connector = None;
                    self.refused = true;
                    return;
                }
            }
        }
    }
}

enum Told {
    Fork { parent: i32, child: i32 },
    Exit { pid: i32 },
}

/// Joins the group to which the kernel tells of processes.
pub fn connect() -> io::Result<OwnedFd> {
    const PROC_EVENTS_GROUP: u32 = 1;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let protocol = Some(netlink::CONNECTOR);
    let socket = net::socket_with(net::AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?;
    net::sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BYTES)?;
    net::bind(&socket, &netlink::SocketAddrNetlink::new(0, PROC_EVENTS_GROUP))?;
    net::send(&socket, &listen_message(), SendFlags::empty())?;
    Ok(socket)
}

/// Room for some thousand forks between two looks.
const RECEIVE_BYTES: usize = 1 << 20;

/// `nlmsghdr`, `cn_msg` and `PROC_CN_MCAST_LISTEN`, as linux/cn_proc.h lays them out.
fn listen_message() -> Vec<u8> {
    const NLMSG_DONE: u32 = 3;
    let words: [u32; 10] = [40, NLMSG_DONE, 0, 0, 1, 1, 0, 0, 4, 1];
    words.iter().flat_map(|word| word.to_ne_bytes()).collect()
}

fn parse(message: &[u8]) -> Option<Told> {
    const EVENT_AT: usize = 16 + 20;
    const DATA_AT: usize = EVENT_AT + 16;
    const FORK: u32 = 1;
    const EXIT: u32 = 0x8000_0000;
    let word = |at: usize| message.get(at..at + 4)?.try_into().ok().map(u32::from_ne_bytes);
    let pid = |at: usize| i32::try_from(word(at)?).ok();
    match word(EVENT_AT)? {
        // parent_pid, parent_tgid, child_pid, child_tgid; a new thread is no new process.
        FORK if word(DATA_AT + 8)? == word(DATA_AT + 12)? => {
            Some(Told::Fork { parent: pid(DATA_AT + 4)?, child: pid(DATA_AT + 12)? })
        }
        // process_pid, process_tgid; the end of a thread is not that of its process.
        EXIT if word(DATA_AT)? == word(DATA_AT + 4)? => Some(Told::Exit { pid: pid(DATA_AT + 4)? }),
        _ => None,
    }
}
