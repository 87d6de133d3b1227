//! Power cuts and failing disks at every moment of a store's life, from seeds.
//!
//! `RGM_POWER_CUTS=20000` runs more seeds than the usual ones, `RGM_POWER_CUT_SEED=7` only that one.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

mod disk;

use disk::{Disk, Fault, Random};
use rgm_ccr::conformance::group;
use rgm_ccr::{Embedded, Repository, StoreError};
use rgm_types::{Entry, Generation, Key, Write};
use std::collections::BTreeMap;

/// Seeds of an ordinary run.
const SEEDS: u64 = 500;
/// Power cuts in the life of one store.
const CUTS: u32 = 6;

type Model = BTreeMap<Key, Entry>;

fn open(disk: &Disk) -> Result<Embedded, StoreError> {
    let disk = disk.clone();
    Embedded::open_on("a disk in memory".to_owned(), move || Ok(disk.clone()))
}

/// Some writes, and what holds after them. Every entry carries the number of its commit.
fn some_writes(random: &mut Random, before: &Model, commit: u64) -> (Vec<Write>, Model) {
    let mut after = before.clone();
    let writes: Vec<Write> = (0..=random.index(5))
        .map(|_| {
            let number = random.index(12);
            if random.index(4) == 0 {
                return Write::Delete(group(number, "").key());
            }
            let len = [10, 200, 3000, 20_000][random.index(4)];
            Write::Put(group(number, &format!("{commit}:").repeat(len / 4)))
        })
        .collect();
    for write in &writes {
        match write {
            Write::Put(entry) => after.insert(entry.key(), entry.clone()),
            Write::Delete(key) => after.remove(key),
        };
    }
    (writes, after)
}

fn content(store: &Embedded) -> (Generation, Model) {
    let (generation, entries) = store.load().unwrap();
    (generation, entries.into_iter().map(|entry| (entry.key(), entry)).collect())
}

#[test]
fn a_power_cut_at_any_moment_loses_nothing_acknowledged_and_tears_nothing() {
    let number = |name| std::env::var(name).ok().map(|text: String| text.parse::<u64>().unwrap());
    let seeds = match number("RGM_POWER_CUT_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("RGM_POWER_CUTS").unwrap_or(SEEDS),
    };
    let mut in_doubt = [0, 0];
    for seed in seeds {
        live_through_power_cuts(seed, &mut in_doubt);
    }
    println!("commits cut off: {} undone, {} done", in_doubt[0], in_doubt[1]);
}

fn live_through_power_cuts(seed: u64, in_doubt: &mut [u32; 2]) {
    let mut random = Random::new(seed);
    let disk = Disk::default();
    // A new store is made aside and gets its name when it is whole.
    drop(open(&disk).unwrap());
    let mut acknowledged = (Generation(0), Model::new());
    for cut in 0..CUTS {
        disk.fail_after(random.index(70), Fault::PowerCut);
        let mut attempted = None;
        // Opening, recovery included, may be cut off too.
        if let Ok(mut store) = open(&disk) {
            assert_eq!(content(&store), acknowledged, "seed {seed}, cut {cut}");
            loop {
                let (writes, after) = some_writes(&mut random, &acknowledged.1, acknowledged.0.0 + 1);
                match store.commit(acknowledged.0, &writes) {
                    Ok(generation) => acknowledged = (generation, after),
                    Err(_) => break attempted = Some((Generation(acknowledged.0.0 + 1), after)),
                }
            }
            assert_eq!(content(&store), acknowledged, "seed {seed}, cut {cut}: while it failed");
        }
        disk.power_cycle(&mut random);
        let store = open(&disk);
        assert!(store.is_ok(), "seed {seed}, cut {cut}: {store:?}");
        let store = store.unwrap();
        let found = content(&store);
        if found != acknowledged {
            assert_eq!(Some(&found), attempted.as_ref(), "seed {seed}, cut {cut}");
        }
        in_doubt[usize::from(found != acknowledged)] += u32::from(attempted.is_some());
        acknowledged = found;
    }
}

/// Lets the disk fail from the n-th operation of a commit on, for every n there is.
fn fail_everywhere(fault: Fault, is_expected: fn(&StoreError) -> bool) {
    let mut random = Random::new(1);
    for operation in 0.. {
        let disk = Disk::default();
        let mut store = open(&disk).unwrap();
        let (writes, before) = some_writes(&mut random, &Model::new(), 1);
        store.commit(Generation(0), &writes).unwrap();
        let more: Vec<Write> = (20..30).map(|n| Write::Put(group(n, &"x".repeat(20_000)))).collect();
        disk.fail_after(operation, fault);
        let Err(error) = store.commit(Generation(1), &more) else {
            assert!(operation > 3, "a commit of {operation} operations?");
            return;
        };
        assert!(is_expected(&error), "operation {operation}: {error:?}");
        assert_eq!(content(&store), (Generation(1), before.clone()), "operation {operation}");
        assert!(store.commit(Generation(1), &more).is_err(), "operation {operation}: still failing");
        assert_eq!(content(&store), (Generation(1), before.clone()), "operation {operation}");

        disk.heal();
        let (writes, after) = some_writes(&mut random, &before, 2);
        assert_eq!(store.commit(Generation(1), &writes).unwrap(), Generation(2), "operation {operation}");
        drop(store);
        disk.power_cycle(&mut random);
        assert_eq!(content(&open(&disk).unwrap()), (Generation(2), after), "operation {operation}");
    }
}

#[test]
fn a_disk_that_fills_up_at_any_moment_of_a_commit_leaves_the_old_state_and_heals() {
    fail_everywhere(Fault::Full, |error| matches!(error, StoreError::Full { .. }));
}

#[test]
fn a_disk_that_breaks_at_any_moment_of_a_commit_leaves_the_old_state_and_heals() {
    fail_everywhere(Fault::Broken, |error| matches!(error, StoreError::Failed { .. }));
}
