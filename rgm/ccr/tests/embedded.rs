//! The embedded store keeps the contract, and says what is wrong with a file it can't use.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use redb::TableDefinition;
use rgm_ccr::conformance::{self, group};
use rgm_ccr::{Embedded, Repository, StoreError};
use rgm_types::{Generation, Write};
use std::path::Path;

const ENTRIES: TableDefinition<&str, &[u8]> = TableDefinition::new("entries");

#[test]
fn the_embedded_store_keeps_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    conformance::run(|number| Embedded::open(&dir.path().join(format!("{number}.redb"))));
}

#[test]
fn one_process_has_it_and_a_second_opener_is_told_which() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ccr.redb");
    conformance::run_exclusive(|| Embedded::open(&path));
    let _held = Embedded::open(&path).unwrap();
    let refused = Embedded::open(&path).unwrap_err();
    assert!(matches!(refused, StoreError::Locked { by: Some(pid), .. } if pid == std::process::id()));
    assert!(refused.to_string().contains(&format!("(process {})", std::process::id())), "{refused}");
}

/// A closed store with thirty entries in three commits.
fn filled(path: &Path) -> String {
    let mut store = Embedded::open(path).unwrap();
    for commit in 0..3 {
        let writes = (0..10).map(|n| Write::Put(group(commit * 10 + n, &format!("{commit}").repeat(2000))));
        store.commit(Generation(commit as u64), &writes.collect::<Vec<_>>()).unwrap();
    }
    rgm_ccr::dump(&store).unwrap()
}

#[test]
fn a_damaged_file_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ccr.redb");
    let dump = filled(&path);
    let intact = std::fs::read(&path).unwrap();
    let mut refused = 0;
    for at in (0..intact.len()).step_by(8191).chain((0..320).step_by(3)) {
        let mut damaged = intact.clone();
        damaged[at] ^= 0x55;
        std::fs::write(&path, &damaged).unwrap();
        match Embedded::open(&path) {
            Ok(store) => {
                assert!(rgm_ccr::dump(&store).unwrap() == dump, "byte {at}: opened, with other content")
            }
            Err(error) => {
                refused += 1;
                assert!(matches!(error, StoreError::Corrupt { .. }), "byte {at}: {error:?}");
                assert!(std::fs::read(&path).unwrap() == damaged, "byte {at}: refused, and yet written to");
            }
        }
    }
    assert!(refused > 20, "{refused} refused");
}

#[test]
fn a_file_cut_short_or_of_another_kind_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ccr.redb");
    filled(&path);
    let intact = std::fs::read(&path).unwrap();
    let half = &intact[..intact.len() / 2];
    for content in [half, &intact[..100], b"[cluster]\nname = x\n", b"", &[0; 70_000]] {
        std::fs::write(&path, content).unwrap();
        let error = Embedded::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{} bytes: {error:?}", content.len());
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        assert!(std::fs::read(&path).unwrap() == content, "{} bytes: written to", content.len());
    }
}

#[test]
fn an_entry_of_a_later_format_is_refused_not_dropped() {
    let cases: [(&str, &[u8], &str); 4] = [
        ("group/a", br#"{"v":4,"entry":{"moon":1},"more":true}"#, "is of format 4, this version knows 3"),
        (
            "group/a",
            br#"{"v":1,"entry":{"cluster":{"name":"x","size":1}}}"#,
            "entry group/a: unknown field `size`",
        ),
        ("group/a", br#"{"v":1,"entry":{"cluster":{"name":"x"}}}"#, "entry group/a holds cluster"),
        ("group/a", b"", "entry group/a: EOF"),
    ];
    for (key, value, text) in cases {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ccr.redb");
        filled(&path);
        let database = redb::Database::open(&path).unwrap();
        let transaction = database.begin_write().unwrap();
        transaction.open_table(ENTRIES).unwrap().insert(key, value).unwrap();
        transaction.commit().unwrap();
        drop(database);
        let error = Embedded::open(&path).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("missing/ccr.redb");
    let error = Embedded::open(&path).unwrap_err();
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("No such file"), "{error:?}");
}
