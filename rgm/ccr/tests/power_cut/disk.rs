//! A disk in memory that forgets what was not synced, fills up, or breaks.

use redb::StorageBackend;
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// What a file system allots.
const BLOCK: u64 = 4096;

/// What happens when the operations granted are used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fault {
    /// The machine is off: nothing works until [`Disk::power_cycle`].
    #[default]
    PowerCut,
    /// No block is left that is not allotted; those that are can be written.
    Full,
    /// Reads work, everything else fails.
    Broken,
}

#[derive(Debug)]
enum Pending {
    Write { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Default)]
struct State {
    /// What a reader sees.
    seen: Vec<u8>,
    /// What surely survives a power cut.
    synced: Vec<u8>,
    /// What may.
    pending: Vec<Pending>,
    allotted: BTreeSet<u64>,
    /// Operations until the fault; `None`: it never comes.
    left: Option<usize>,
    fault: Fault,
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// Grants this many more operations that change something.
    pub fn fail_after(&self, operations: usize, fault: Fault) {
        let mut state = self.state();
        (state.left, state.fault) = (Some(operations), fault);
    }

    /// Everything works again, nothing is lost.
    pub fn heal(&self) {
        self.state().left = None;
    }

    /// Off and on again: of what was not synced, a random subset of sectors survives.
    pub fn power_cycle(&self, random: &mut Random) {
        let mut state = self.state();
        let pending = std::mem::take(&mut state.pending);
        // Of ten sectors, this many survive: all, none, and what lies between.
        let survivors = [0, 1, 5, 9, 10][random.index(5)];
        for change in pending {
            apply(&mut state.synced, &change, || random.index(10) < survivors);
        }
        state.seen = state.synced.clone();
        state.left = None;
    }
}

/// Applies those sectors of a change, and that change of length, for which `survives` says so.
fn apply(bytes: &mut Vec<u8>, change: &Pending, mut survives: impl FnMut() -> bool) {
    match change {
        Pending::Length(len) => {
            if survives() {
                bytes.resize(*len, 0);
            }
        }
        Pending::Write { at, bytes: written } => {
            let (mut from, end) = (*at, at + written.len());
            while from < end {
                let to = end.min((from / SECTOR + 1) * SECTOR);
                // Behind the end lies nothing: the length it needed did not survive.
                if survives() && to <= bytes.len() {
                    bytes[from..to].copy_from_slice(&written[from - at..to - at]);
                }
                from = to;
            }
        }
    }
}

impl State {
    /// Counts an operation; an error if the fault has come and concerns it.
    fn operate(&mut self, needs_space: bool) -> io::Result<()> {
        match &mut self.left {
            None => return Ok(()),
            Some(0) => {}
            Some(left) => {
                *left -= 1;
                return Ok(());
            }
        }
        match self.fault {
            Fault::PowerCut => Err(io::Error::other("the power is off")),
            Fault::Broken => Err(io::Error::other("the disk is broken")),
            Fault::Full if needs_space => Err(io::ErrorKind::StorageFull.into()),
            Fault::Full => Ok(()),
        }
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.state().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.state();
        if state.left == Some(0) && state.fault == Fault::PowerCut {
            return Err(io::Error::other("the power is off"));
        }
        let at = size(offset);
        let bytes = state.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(bytes);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.state();
        state.operate(false)?;
        state.seen.resize(size(len), 0);
        state.pending.push(Pending::Length(size(len)));
        state.allotted.split_off(&len.div_ceil(BLOCK));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.state();
        state.operate(false)?;
        for change in std::mem::take(&mut state.pending) {
            apply(&mut state.synced, &change, || true);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = self.state();
        let blocks = offset / BLOCK..(offset + data.len() as u64).div_ceil(BLOCK);
        let needs_space = blocks.clone().any(|block| !state.allotted.contains(&block));
        let change = Pending::Write { at: size(offset), bytes: data.to_vec() };
        let outcome = state.operate(needs_space);
        // A write cut off by the power may have reached the disk in part.
        if outcome.is_ok() || state.fault == Fault::PowerCut {
            state.pending.push(change);
        }
        outcome?;
        state.allotted.extend(blocks);
        let at = size(offset);
        state.seen[at..at + data.len()].copy_from_slice(data);
        Ok(())
    }
}

#[expect(clippy::cast_possible_truncation, reason = "no machine of ours has fewer than 64 bits")]
fn size(number: u64) -> usize {
    number as usize
}

/// Numbers from a seed (splitmix64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The same seed gives the same numbers.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn index(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        size(mixed ^ (mixed >> 31)) % end
    }
}
