//! Writer and reader together, on real files; a disk that is really full.

use super::reader::Piece;
use super::tap::Tap;
use super::writer::{FILE_LEN_MAX, FILES_MAX};
use super::*;
use rgm_api::rgm::EventsGone;
use rgm_core::event::{Cause, LogLine};
use rgm_types::view::{EventRecord, Level};
use rgm_types::{Clock, Millis};
use std::fs;
use std::io::Write;

fn clock(boot: u64) -> Clock {
    Clock { boot: Millis(boot), wall: Millis(1_700_000_000_000 + boot) }
}

fn line(text: &str) -> LogLine {
    let cause = Cause { event: "node b is down".into(), rule: "it is certain".into() };
    LogLine { level: Level::Info, text: text.into(), cause }
}

fn log(dir: &Path) -> EventLog {
    EventLog::open(dir, Tap::default())
}

fn pieces(reader: &mut Reader, after: Option<u64>, about: Option<&str>) -> Vec<Piece> {
    let mut cursor = reader.read(after, about.map(str::to_owned));
    let mut pieces = Vec::new();
    loop {
        pieces.push(cursor.next(reader.last()).unwrap());
        if pieces.last().unwrap().end {
            return pieces;
        }
    }
}

fn events(log: &EventLog, after: Option<u64>, about: Option<&str>) -> Vec<EventRecord> {
    pieces(&mut log.reader(), after, about).into_iter().flat_map(|piece| piece.events).collect()
}

fn told(log: &EventLog) -> Vec<String> {
    events(log, None, None).iter().map(|event| format!("{} {}", event.seq, event.text)).collect()
}

#[test]
fn what_is_written_is_read_in_order_with_its_cause_and_filtered() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    log.decided(clock(1), &[line("resource group g is moved"), line("resource group g-2 is moved")]);
    log.decided(clock(2), &[line("resource r (of g) is started")]);
    let all = events(&log, None, None);
    assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(all[0].at, clock(1).wall);
    assert_eq!((all[2].event.as_str(), all[2].rule.as_str()), ("node b is down", "it is certain"));
    assert_eq!(events(&log, Some(1), Some("g")), [all[2].clone()]);
    assert_eq!(events(&log, None, Some("b")).len(), 3, "the cause counts");
    assert_eq!(events(&log, Some(3), None), []);
    assert_eq!(events(&log, Some(u64::MAX), None), []);
}

#[test]
fn the_numbers_go_on_from_one_life_to_the_next_and_a_torn_line_goes() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).decided(clock(1), &[line("a"), line("b")]);
    let mut file = fs::OpenOptions::new().append(true).open(file_of(dir.path(), 1)).unwrap();
    file.write_all(b"{\"seq\":3,\"at\":17").unwrap();
    let second = log(dir.path());
    assert_eq!(told(&second), ["1 a", "2 b"]);
    second.decided(clock(1), &[line("c")]);
    assert_eq!(told(&second), ["1 a", "2 b", "3 c"]);
}

#[test]
fn damaged_lines_are_passed_over_and_no_number_is_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    log(dir.path()).decided(clock(1), &[line("a"), line("b"), line("c")]);
    let path = file_of(dir.path(), 1);
    let text = fs::read_to_string(&path).unwrap();
    let damaged: Vec<String> =
        text.lines().map(|l| if l.contains("\"a\"") { l.to_owned() } else { l.replace('{', "?") }).collect();
    fs::write(&path, damaged.join("\n") + "\n").unwrap();
    let second = log(dir.path());
    second.decided(clock(1), &[line("d")]);
    assert_eq!(told(&second), ["1 a", "4 d"]);
    for garbage in [&[0x55; 1000][..], b"\n\n\n", b""] {
        fs::write(&path, garbage).unwrap();
        let next = log(dir.path());
        next.decided(clock(1), &[line("e")]);
        let all = events(&next, None, None);
        assert_eq!(all.iter().map(|event| event.seq).collect::<Vec<_>>(), [1 + garbage.len() as u64]);
    }
}

#[test]
fn only_the_last_files_are_kept_and_who_asks_for_more_is_told_what_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    let mut lagging = log.reader().read(None, None);
    log.decided(clock(1), &[line("first")]);
    assert_eq!(lagging.next(log.reader().last()).unwrap().events.len(), 1);
    let long = "x".repeat(1_000_000);
    // Not only the file that somebody has open goes, but the one behind it, too.
    while files(dir.path()).unwrap()[0] < 10 {
        log.decided(clock(1), &[line(&long)]);
    }
    let firsts = files(dir.path()).unwrap();
    assert_eq!(firsts.len(), FILES_MAX);
    let size = |first: &u64| fs::metadata(file_of(dir.path(), *first)).unwrap().len();
    assert!(firsts.iter().map(size).max().unwrap() < FILE_LEN_MAX + 2_000_000);
    let gone = EventsGone { first: 2, last: firsts[0] - 1 };
    let pieces = pieces(&mut log.reader(), Some(1), None);
    assert_eq!(pieces.iter().filter_map(|piece| piece.gone).collect::<Vec<_>>(), [gone]);
    let read: Vec<u64> = pieces.iter().flat_map(|piece| &piece.events).map(|event| event.seq).collect();
    assert_eq!(read, (firsts[0]..=log.reader().last()).collect::<Vec<_>>());
    assert!(events(&log, None, None).len() == read.len(), "who asks for what there is misses nothing");
    // It had the first file open, reads it to its end, and then is told.
    let last = log.reader().last();
    let mut rest = Vec::new();
    while !rest.last().is_some_and(|piece: &Piece| piece.end) {
        rest.push(lagging.next(last).unwrap());
    }
    assert_eq!(rest.iter().flat_map(|piece| &piece.events).last().unwrap().seq, last);
    let gone: Vec<EventsGone> = rest.iter().filter_map(|piece| piece.gone).collect();
    assert!(gone.len() == 1 && gone[0].last == firsts[0] - 1, "{gone:?}");
}

#[test]
fn a_follower_sees_a_line_only_when_all_of_it_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let log = log(dir.path());
    log.decided(clock(1), &[line("a")]);
    let path = file_of(dir.path(), 1);
    let whole = fs::read(&path).unwrap();
    let mut cursor = log.reader().read(None, None);
    fs::write(&path, &whole[..whole.len() - 5]).unwrap();
    assert_eq!(cursor.next(1).unwrap(), Piece { end: true, ..Piece::default() });
    fs::write(&path, &whole).unwrap();
    assert_eq!(cursor.next(0).unwrap(), Piece { end: true, ..Piece::default() }, "not acknowledged yet");
    assert_eq!(cursor.next(1).unwrap().events.len(), 1);
}

#[test]
fn a_full_disk_loses_lines_and_nothing_else_and_the_gap_is_told() {
    use nix::mount::{MntFlags, MsFlags, mount, umount2};
    let none = None::<&str>;
    std::thread::spawn(move || {
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        let disk = tempfile::tempdir().unwrap();
        mount(none, disk.path(), Some("tmpfs"), MsFlags::empty(), Some("size=64k")).unwrap();
        let dir = disk.path().join("events");
        let log = log(&dir);
        log.decided(clock(1), &[line("a")]);
        let ballast = disk.path().join("ballast");
        fs::write(&ballast, vec![1; 1 << 20]).unwrap_err();
        // Longer than what is left of the page that the first line is in.
        log.decided(clock(2), &[line(&"x".repeat(10_000)), line("b")]);
        log.decided(clock(3), &[line("c")]);
        fs::remove_file(ballast).unwrap();
        log.decided(clock(4), &[line("d")]);
        assert_eq!(told(&log), ["1 a"], "it is tried again only after a while");
        log.decided(clock(2000), &[line("e")]);
        let expected =
            ["1 a", "6 events 2 to 5 could not be written: No space left on device (os error 28)", "7 e"];
        assert_eq!(told(&log), expected);
        umount2(disk.path(), MntFlags::MNT_DETACH).unwrap();
    })
    .join()
    .unwrap();
}

#[test]
fn a_place_where_no_log_can_be_stops_nobody_and_is_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("events");
    fs::write(&path, "a file where the directory should be").unwrap();
    let log = log(&path);
    let begun = crate::clock::now().boot.0;
    log.decided(clock(begun), &[line("a")]);
    fs::remove_file(&path).unwrap();
    log.decided(clock(begun + 5000), &[line("b")]);
    let told = told(&log);
    assert!(told[0].starts_with("2 event 1 could not be written: "), "{told:?}");
    assert_eq!(told[1], "3 b");
}
