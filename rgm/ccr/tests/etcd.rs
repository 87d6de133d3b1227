//! The store in etcd keeps the contract, also when etcd dies in the middle of it.
#![expect(clippy::unwrap_used, reason = "helpers of tests: what is missing fails the test")]

use rgm_ccr::conformance::{self, group};
use rgm_ccr::{Embedded, EtcdStore, Guard, Repository, StoreError, copy, dump};
use rgm_etcd::server::{Servers, Setup, places};
use rgm_etcd::{Client, Op, Page, Range, Settings, Txn};
use rgm_types::{Entry, Generation, Key, Write};
use std::collections::BTreeMap;
use std::io::{Read, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(60);

fn settings(servers: &Servers, prefix: &str) -> Settings {
    Settings { prefix: prefix.to_owned(), ..servers.settings() }
}

fn one(dir: &Path) -> (Servers, Settings) {
    let servers = Servers::local(dir, 1).unwrap();
    let settings = settings(&servers, "/rgm/planets/");
    (servers, settings)
}

/// A bare client, to look behind the store's back.
struct Bare(tokio::runtime::Runtime, Client);

impl Bare {
    fn new(settings: &Settings) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self(runtime, Client::new(settings).unwrap())
    }

    fn range(&self, range: Range) -> Page {
        self.0.block_on(self.1.range(range)).unwrap()
    }

    fn write(&self, success: Vec<Op>) -> i64 {
        self.0.block_on(self.1.txn(Txn { success, ..Txn::default() })).unwrap().revision
    }

    /// Wins the election: the guard that comes of it.
    fn elect(&self, settings: &Settings) -> Guard {
        let key = settings.keys().president();
        self.write(vec![Op::delete(key.clone())]);
        let create_revision = self.write(vec![Op::put(key.clone(), "phys-1")]);
        Guard { key, create_revision }
    }
}

fn puts(numbers: std::ops::Range<usize>, text: &str) -> Vec<Write> {
    numbers.map(|number| Write::Put(group(number, text))).collect()
}

#[test]
fn the_store_in_etcd_keeps_the_contract_and_clusters_share_an_etcd_by_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, _) = one(dir.path());
    conformance::run(|number| EtcdStore::open(&settings(&servers, &format!("/rgm/c{number}/")), None));
    // None of them has touched another's; this one's prefix is the beginning of theirs.
    let mut tenth = EtcdStore::open(&settings(&servers, "/rgm/c"), None).unwrap();
    assert_eq!(tenth.commit(Generation(0), &puts(0..1, "")).unwrap(), Generation(1));
    assert_eq!(tenth.load().unwrap().1.len(), 1);
}

#[test]
fn the_contract_holds_for_a_president_too() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, _) = one(dir.path());
    let mut guards = BTreeMap::new();
    conformance::run(|number| {
        let settings = settings(&servers, &format!("/rgm/c{number}/"));
        let guard = guards.entry(number).or_insert_with(|| Bare::new(&settings).elect(&settings));
        EtcdStore::open(&settings, Some(guard.clone()))
    });
}

#[test]
fn a_deposed_president_changes_nothing_and_may_read() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, settings) = one(dir.path());
    let bare = Bare::new(&settings);
    let mut old = EtcdStore::open(&settings, Some(bare.elect(&settings))).unwrap();
    old.commit(Generation(0), &puts(0..3, "old")).unwrap();
    let mut new = EtcdStore::open(&settings, Some(bare.elect(&settings))).unwrap();
    let before = (Generation(1), old.load().unwrap().1);
    for writes in [puts(0..1, "x"), puts(0..500, "x"), Vec::new()] {
        let refused = old.commit(Generation(1), &writes).unwrap_err();
        assert!(matches!(refused, StoreError::Deposed { .. }), "{refused:?}");
        assert_eq!(old.load().unwrap(), before);
        assert!(bare.range(Range::prefix(settings.keys().batches())).kvs.is_empty(), "no piece is left");
    }
    assert_eq!(new.commit(Generation(1), &puts(0..500, "new")).unwrap(), Generation(2));
    let later = EtcdStore::open(&settings, Some(Guard { create_revision: 1, ..bare.elect(&settings) }));
    assert!(matches!(later.unwrap_err(), StoreError::Deposed { .. }));
}

#[test]
fn of_two_stores_that_decide_on_the_same_state_one_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, settings) = one(dir.path());
    let (mut a, mut b) =
        (EtcdStore::open(&settings, None).unwrap(), EtcdStore::open(&settings, None).unwrap());
    let zero = Generation(0);
    for (round, size) in [(0, 1), (1, 400), (2, 1), (3, 400)] {
        let expected = Generation(round);
        assert_eq!(a.commit(expected, &puts(0..size, &format!("a{round}"))).unwrap(), Generation(round + 1));
        let refused = b.commit(expected, &puts(0..size, "b")).unwrap_err();
        assert!(
            matches!(refused, StoreError::Stale { expected: e, found } if e == expected && found.0 == round + 1),
            "{refused:?}"
        );
        assert_eq!(b.load().unwrap(), a.load().unwrap());
        (a, b) = (b, a);
    }
    assert!(a.commit(zero, &[]).is_err());
}

#[test]
fn a_batch_is_there_as_soon_as_it_is_committed_and_the_next_president_finishes_it() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, settings) = one(dir.path());
    let (bare, keys) = (Bare::new(&settings), settings.keys());
    let mut store = EtcdStore::open(&settings, Some(bare.elect(&settings))).unwrap();
    store.commit(Generation(0), &puts(0..3, "old")).unwrap();
    drop(store);
    // As if it had been cut off between the commit and the first portion of it.
    let piece = |number: usize| {
        let entry = group(number, "new");
        let value = serde_json::to_string(&serde_json::json!({"v": 1, "entry": entry})).unwrap();
        serde_json::json!({"v": 1, "ops": [
            {"put": {"entry": entry.key().to_string(), "value": value}},
            {"trim": {"entry": entry.key().to_string(), "parts": 0}},
            {"delete": {"entry": group(0, "").key().to_string()}},
        ]})
        .to_string()
    };
    bare.write(vec![
        Op::put(keys.piece("2-x", 0), piece(2)),
        Op::put(keys.piece("2-x", 1), piece(7)),
        Op::put(keys.piece("2-lost", 0), piece(1)),
        Op::put(
            keys.generation(),
            r#"{"v":1,"generation":2,"author":"x","batch":{"name":"2-x","pieces":2}}"#,
        ),
    ]);
    let expected = (Generation(2), vec![group(1, "old"), group(2, "new"), group(7, "new")]);
    let reader = EtcdStore::open(&settings, None).unwrap();
    assert_eq!(reader.load().unwrap(), expected, "laid over");
    assert_eq!(bare.range(Range::prefix(keys.batches())).kvs.len(), 3, "who only reads finishes nothing");
    let mut store = EtcdStore::open(&settings, Some(bare.elect(&settings))).unwrap();
    assert!(bare.range(Range::prefix(keys.batches())).kvs.is_empty());
    assert_eq!(bare.range(Range::prefix(keys.entries())).kvs.len(), 3);
    assert_eq!(store.load().unwrap(), expected, "applied");
    assert_eq!(store.commit(Generation(2), &[]).unwrap(), Generation(3));

    bare.write(vec![Op::put(
        keys.generation(),
        r#"{"v":1,"generation":4,"author":"y","batch":{"name":"4-y","pieces":1}}"#,
    )]);
    let corrupt = reader.load().unwrap_err();
    assert!(corrupt.to_string().contains("batch 4-y, piece 0 is missing"), "{corrupt}");
    let corrupt = store.commit(Generation(4), &[]).unwrap_err();
    assert!(matches!(corrupt, StoreError::Corrupt { .. }), "{corrupt:?}");
}

#[test]
fn what_lies_in_etcd_is_readable_and_a_later_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, settings) = one(dir.path());
    let (bare, keys) = (Bare::new(&settings), settings.keys());
    let mut store = EtcdStore::open(&settings, None).unwrap();
    store.commit(Generation(0), &puts(7..8, "a \"text\"")).unwrap();
    let text = |key: Vec<u8>| String::from_utf8(bare.range(Range::key(key)).kvs[0].value.clone()).unwrap();
    assert_eq!(
        text(keys.entry("group/group-00007")),
        r#"{"v":1,"entry":{"group":{"name":"group-00007","managed":true,"suspended":false,"props":{"RG_description":{"string":"a \"text\""}}}}}"#
    );
    let head = text(keys.generation());
    assert!(head.starts_with(r#"{"v":1,"generation":1,"author":""#), "{head}");
    for (key, value, wanted) in [
        (keys.entry("group/b"), r#"{"v":4,"entry":{"moon":1}}"#, "is of format 4, this version knows 3"),
        (keys.entry("group/b"), "", "entry group/b: EOF"),
        (keys.entry("group/b"), r#"{"v":1,"entry":{"cluster":{"name":"x"}}}"#, "entry group/b holds cluster"),
        (keys.part("group/c", 1), "x", "entry group/c: a part is missing"),
        (keys.generation(), r#"{"v":4}"#, "is of format 4, this version knows 3"),
        (keys.generation(), r#"{"v":1,"generation":1}"#, "generation: missing field"),
    ] {
        let intact = bare.range(Range::key(key.clone())).kvs.pop();
        bare.write(vec![Op::put(key.clone(), value)]);
        let refused = store.load().unwrap_err().to_string();
        assert!(refused.contains(wanted) && refused.contains("etcd /rgm/planets/ at http://"), "{refused}");
        bare.write(vec![intact.map_or(Op::delete(key.clone()), |kv| Op::put(key, kv.value))]);
    }
    store.load().unwrap();
}

#[test]
fn an_etcd_that_is_away_is_named_and_the_store_goes_on_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let (mut servers, settings) = one(dir.path());
    let brief = Settings { timeout: Duration::from_millis(1500), ..settings.clone() };
    let mut store = EtcdStore::open(&brief, None).unwrap();
    store.commit(Generation(0), &puts(0..1, "")).unwrap();
    servers.kill(0).unwrap();
    for error in [
        store.commit(Generation(1), &puts(1..2, "")).unwrap_err(),
        store.load().unwrap_err(),
        EtcdStore::open(&brief, None).unwrap_err(),
    ] {
        // A commit that went out before the end of the connection was seen is not settled yet.
        assert!(matches!(error, StoreError::Away { .. } | StoreError::Unsettled { .. }), "{error:?}");
        assert!(error.to_string().contains(&servers.endpoint(0)), "{error}");
    }
    servers.restart(0).unwrap();
    assert_eq!(store.load().unwrap(), (Generation(1), vec![group(0, "")]));
    assert_eq!(store.commit(Generation(1), &puts(1..2, "")).unwrap(), Generation(2));
    let unset = EtcdStore::open(&Settings { prefix: String::new(), ..settings }, None).unwrap_err();
    assert!(matches!(unset, StoreError::Failed { .. }), "{unset:?}");
}

#[test]
fn an_etcd_without_space_refuses_changes_and_goes_on_reading() {
    let dir = tempfile::tempdir().unwrap();
    let options = vec!["--quota-backend-bytes".to_owned(), (6 << 20).to_string()];
    let servers =
        Servers::start(Setup { members: places(dir.path(), 1), options, ..Setup::default() }).unwrap();
    let settings = settings(&servers, "/rgm/planets/");
    let guard = Bare::new(&settings).elect(&settings);
    let mut store = EtcdStore::open(&settings, Some(guard.clone())).unwrap();
    let mut model = (Generation(0), Vec::new());
    let full = loop {
        let entry = group(1, &"x".repeat(300_000 + usize::try_from(model.0.0).unwrap()));
        match store.commit(model.0, &[Write::Put(entry.clone())]) {
            Ok(generation) => model = (generation, vec![entry]),
            Err(error) => break error,
        }
    };
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    assert!(store.load().unwrap() == model);
    let full = store.commit(model.0, &puts(0..500, "")).unwrap_err();
    assert!(matches!(full, StoreError::Full { .. }), "{full:?}");
    drop(store);
    assert!(EtcdStore::open(&settings, Some(guard)).unwrap().load().unwrap() == model);
}

#[test]
fn a_site_grows_from_the_embedded_store_to_etcd_and_an_occupied_target_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (_servers, settings) = one(dir.path());
    let mut from = Embedded::open(&dir.path().join("ccr.redb")).unwrap();
    from.commit(Generation(0), &puts(0..700, "a")).unwrap();
    from.commit(Generation(1), &puts(0..1, "b")).unwrap();
    let mut to = EtcdStore::open(&settings, None).unwrap();
    assert_eq!(copy(&from, &mut to, vec![]).unwrap(), Generation(1));
    assert_eq!(to.load().unwrap(), (Generation(1), from.load().unwrap().1));
    let refused = copy(&from, &mut to, vec![]).unwrap_err();
    assert!(
        matches!(refused, StoreError::NotEmpty { entries: 700, generation: Generation(1) }),
        "{refused:?}"
    );
    // And back.
    let mut back = Embedded::open(&dir.path().join("back.redb")).unwrap();
    copy(&to, &mut back, vec![]).unwrap();
    assert_eq!(dump(&back).unwrap(), dump(&to).unwrap());
}

/// Stands between a store and etcd. While it is cut, new connections find nobody, and what is sent on
/// the old ones stays on its way until it is let go.
struct Wire {
    cut: AtomicBool,
    held: Mutex<Vec<(TcpStream, Vec<u8>)>>,
    /// Tells when etcd said something to a store that has hung up.
    answered: mpsc::SyncSender<()>,
}

impl Wire {
    fn lay(etcd: &str) -> (Arc<Self>, String, mpsc::Receiver<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (here, there) = (listener.local_addr().unwrap(), etcd.trim_start_matches("http://").to_owned());
        let (answered, told) = mpsc::sync_channel(1000);
        let wire = Arc::new(Self { cut: AtomicBool::new(false), held: Mutex::default(), answered });
        let laid = Arc::clone(&wire);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten().filter(|_| !wire.cut.load(Relaxed)) {
                let server = TcpStream::connect(&there).unwrap();
                let (to, from) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                let (forth, back) = (wire.clone(), wire.clone());
                let gone = Arc::new(AtomicBool::new(false));
                let hung_up = gone.clone();
                std::thread::spawn(move || back.carry_back(from, to, &hung_up));
                std::thread::spawn(move || {
                    forth.carry(client, server);
                    gone.store(true, Relaxed);
                });
            }
        });
        (laid, format!("http://{here}"), told)
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream) {
        let (mut buffer, mut cut) = (vec![0; 1 << 16], None);
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            if self.cut.load(Relaxed) && cut.is_none() {
                cut = Some(Instant::now());
            }
            match cut {
                None => to.write_all(&buffer[..length]).unwrap(),
                // The request, and not that the store has given it up meanwhile.
                Some(since) if since.elapsed() < Duration::from_millis(100) => {
                    self.held.lock().unwrap().push((to.try_clone().unwrap(), buffer[..length].to_vec()));
                }
                Some(_) => {}
            }
        }
    }

    fn carry_back(&self, mut from: TcpStream, mut to: TcpStream, gone: &AtomicBool) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            match gone.load(Relaxed) {
                true => drop(self.answered.try_send(())),
                // It may be just about to hang up.
                false => drop(to.write_all(&buffer[..length])),
            }
        }
    }

    fn let_go(&self) {
        for (mut to, bytes) in self.held.lock().unwrap().drain(..) {
            to.write_all(&bytes).unwrap();
        }
    }
}

#[test]
fn a_commit_that_arrives_when_it_was_found_not_done_comes_too_late() {
    let dir = tempfile::tempdir().unwrap();
    let (servers, settings) = one(dir.path());
    let (wire, endpoint, answered) = Wire::lay(&servers.endpoint(0));
    let settings = Settings { endpoints: vec![endpoint], timeout: Duration::from_millis(1500), ..settings };
    let mut store = EtcdStore::open(&settings, None).unwrap();
    store.commit(Generation(0), &puts(0..1, "before")).unwrap();
    wire.cut.store(true, Relaxed);
    let open = store.commit(Generation(1), &puts(0..1, "late")).unwrap_err();
    assert!(matches!(open, StoreError::Unsettled { .. }), "{open:?}");
    let away = store.load().unwrap_err();
    assert!(matches!(away, StoreError::Away { .. }), "{away:?}");
    wire.cut.store(false, Relaxed);
    let before = (Generation(1), vec![group(0, "before")]);
    assert_eq!(store.load().unwrap(), before, "not done");
    wire.let_go();
    answered.recv_timeout(PATIENCE).unwrap();
    assert_eq!(store.load().unwrap(), before, "and not done later");
    assert_eq!(store.commit(Generation(1), &puts(0..1, "new")).unwrap(), Generation(2));
}

/// What must be there: as far as answers tell.
struct Model {
    generation: Generation,
    entries: BTreeMap<Key, Entry>,
    oks: u32,
    errors: u32,
    unsettled: [u32; 2],
}

impl Model {
    /// One commit, and what it must have come to.
    fn step(&mut self, store: &mut EtcdStore, number: usize) {
        // Every seventh is too large for one transaction.
        let size = if number.is_multiple_of(7) { 300 } else { 1 + number % 3 };
        let mut writes = puts(number % 50..number % 50 + size, &format!("{number}"));
        writes.push(Write::Delete(group(number % 11, "").key()));
        let answer = store.commit(self.generation, &writes);
        let before = self.entries.clone();
        for write in writes {
            match write {
                Write::Put(entry) => drop(self.entries.insert(entry.key(), entry)),
                Write::Delete(key) => drop(self.entries.remove(&key)),
            }
        }
        let next = Generation(self.generation.0 + 1);
        let settled = match answer {
            Ok(generation) => {
                assert_eq!(generation, next);
                self.oks += 1;
                true
            }
            Err(StoreError::Unsettled { .. }) => {
                let done = patiently(|| store.load()).0 == next;
                self.unsettled[usize::from(done)] += 1;
                done
            }
            Err(error) => {
                assert!(matches!(error, StoreError::Away { .. } | StoreError::Failed { .. }), "{error:?}");
                self.errors += 1;
                false
            }
        };
        if settled {
            self.generation = next;
        } else {
            self.entries = before;
        }
        let (generation, entries) = patiently(|| store.load());
        assert_eq!(generation, self.generation);
        assert!(entries == self.entries.values().cloned().collect::<Vec<_>>(), "after commit {number}");
    }
}

fn patiently<T>(mut attempt: impl FnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match attempt() {
            Ok(done) => return done,
            Err(error) => assert!(Instant::now() < deadline, "{error:?}"),
        }
    }
}

/// Small, and the same on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[test]
fn every_commit_that_was_answered_is_there_and_every_refused_one_left_no_trace_however_etcd_dies() {
    let dir = tempfile::tempdir().unwrap();
    let (mut servers, settings) = one(dir.path());
    let settings = Settings { timeout: Duration::from_millis(700), ..settings };
    let guard = Bare::new(&settings).elect(&settings);
    let (over, told) = mpsc::channel::<()>();
    let faults = std::thread::spawn(move || {
        let mut dice = Dice(7);
        for turn in 0..10 {
            // Some moment of the stream of commits; and for a frozen one, longer than they wait.
            let _ = told.recv_timeout(Duration::from_millis(50 + dice.below(250)));
            if turn % 3 == 2 {
                servers.pause(0).unwrap();
                let _ = told.recv_timeout(Duration::from_millis(300 + dice.below(2000)));
                servers.resume(0).unwrap();
            } else {
                servers.kill(0).unwrap();
                let _ = told.recv_timeout(Duration::from_millis(dice.below(1500)));
                servers.restart(0).unwrap();
            }
        }
        servers
    });
    let mut store = EtcdStore::open(&settings, Some(guard.clone())).unwrap();
    let mut model =
        Model { generation: Generation(0), entries: BTreeMap::new(), oks: 0, errors: 0, unsettled: [0, 0] };
    for number in 0.. {
        model.step(&mut store, number);
        if number % 40 == 39 {
            // The next president, or the same one come back.
            drop(store);
            store = patiently(|| EtcdStore::open(&settings, Some(guard.clone())));
        }
        if faults.is_finished() {
            break;
        }
    }
    let servers = faults.join().unwrap();
    drop(over);
    model.step(&mut store, 1);
    let Model { oks, errors, unsettled, .. } = model;
    println!("{oks} done, {errors} refused, of {unsettled:?} without an answer not done and done");
    assert!(oks > 5 && errors + unsettled[0] + unsettled[1] > 0, "it met the faults");
    drop(servers);
}
