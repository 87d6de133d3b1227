//! A disk that is really full, and one that is really read-only: a small tmpfs in a mount namespace
//! of the test's own thread, which goes with it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use rgm_ccr::conformance::group;
use rgm_ccr::{Embedded, Repository, StoreError, dump};
use rgm_types::{Generation, Write};
use std::path::{Path, PathBuf};

/// Runs `check` where a tmpfs of that many KiB is mounted. Needs root, as rgmd does.
fn on_small_disk(kib: u32, check: fn(&Path)) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_owned();
    let checked = std::thread::spawn(move || {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        let nothing: Option<&str> = None;
        mount(nothing, "/", nothing, MsFlags::MS_REC | MsFlags::MS_PRIVATE, nothing).unwrap();
        mount(nothing, &path, Some("tmpfs"), MsFlags::empty(), Some(format!("size={kib}k").as_str()))
            .unwrap();
        check(&path);
    });
    if let Err(panic) = checked.join() {
        std::panic::resume_unwind(panic);
    }
}

fn fill(dir: &Path) -> PathBuf {
    let ballast = dir.join("ballast");
    let full = std::fs::write(&ballast, vec![1; 64 << 20]).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::StorageFull);
    ballast
}

/// Commits one long value after the other until one is refused; its number and the refusal.
fn commit_until_refused(store: &mut Embedded) -> (u64, StoreError) {
    (store.load().unwrap().0.0..1000)
        .find_map(|n| {
            let write = Write::Put(group(0, &format!("{n}").repeat(300_000)));
            store.commit(Generation(n), &[write]).err().map(|error| (n, error))
        })
        .unwrap()
}

#[test]
fn a_full_disk_refuses_the_change_serves_the_old_state_and_heals() {
    on_small_disk(8 << 10, |dir| {
        let path = dir.join("ccr.redb");
        let mut store = Embedded::open(&path).unwrap();
        store.commit(Generation(0), &[Write::Put(group(900, "first"))]).unwrap();
        let ballast = fill(dir);
        let (generation, error) = commit_until_refused(&mut store);
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        assert!(error.to_string().contains("no space left"), "{error}");
        let before = dump(&store).unwrap();
        let (_, again) = commit_until_refused(&mut store);
        assert!(matches!(again, StoreError::Full { .. }), "{again:?}");
        assert_eq!(dump(&store).unwrap(), before);

        std::fs::remove_file(ballast).unwrap();
        store.commit(Generation(generation), &[Write::Put(group(901, "after"))]).unwrap();
        let after = dump(&store).unwrap();
        drop(store);
        assert_eq!(dump(&Embedded::open(&path).unwrap()).unwrap(), after);
    });
}

#[test]
fn a_store_is_opened_on_a_full_disk_and_a_new_one_says_why_not() {
    on_small_disk(8 << 10, |dir| {
        let path = dir.join("ccr.redb");
        let mut store = Embedded::open(&path).unwrap();
        store.commit(Generation(0), &[Write::Put(group(0, "first"))]).unwrap();
        let ballast = fill(dir);
        commit_until_refused(&mut store);
        let before = dump(&store).unwrap();
        drop(store);
        assert_eq!(dump(&Embedded::open(&path).unwrap()).unwrap(), before);

        let new = dir.join("new.redb");
        let error = Embedded::open(&new).unwrap_err();
        assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
        std::fs::remove_file(ballast).unwrap();
        assert_eq!(Embedded::open(&new).unwrap().load().unwrap(), (Generation(0), Vec::new()));
    });
}

#[test]
fn a_read_only_disk_is_a_matter_of_permission() {
    on_small_disk(8 << 10, |dir| {
        let path = dir.join("ccr.redb");
        drop(Embedded::open(&path).unwrap());
        let nothing: Option<&str> = None;
        mount(nothing, dir, nothing, MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY, nothing).unwrap();
        let error = Embedded::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Denied { .. }), "{error:?}");
    });
}
