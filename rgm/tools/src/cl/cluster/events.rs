//! `cluster events`: the event log, as it is and as it goes on.

use crate::ask;
use crate::cl::layout::plain;
use crate::cl::{Call, Work};
use crate::failure::Failure;
use rgm_api::rgm::Told;
use rgm_types::SchaErr;
use rgm_types::view::EventRecord;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long to wait for a daemon that went away while its log was followed.
const RETRY_MS: u16 = 200;

/// What is to be shown of it.
#[derive(Debug)]
struct Wanted {
    about: Option<String>,
    /// Milliseconds since 1970.
    since: Option<u64>,
    lines: Option<usize>,
    follow: bool,
    json: bool,
}

/// Prints what is asked for, as it comes.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let wanted = wanted(call, SystemTime::now())?;
    let mut last = None;
    let mut tail = VecDeque::new();
    let past = ask::events(last, wanted.about.as_deref(), false, &mut |told| {
        last = last.max(seq(&told));
        if wanted.shows(&told) {
            match wanted.lines {
                None => print(&wanted, &told),
                Some(lines) => {
                    tail.push_back(told);
                    if tail.len() > lines {
                        tail.pop_front();
                    }
                }
            }
        }
    })?;
    tail.iter().for_each(|told| print(&wanted, told));
    if wanted.follow {
        follow(call, &wanted, last.or(Some(past)))?;
    }
    Ok(Work::default())
}

/// Those to come; a daemon that goes away is waited for.
fn follow(call: &Call, wanted: &Wanted, mut last: Option<u64>) -> Result<(), Failure> {
    let mut told_so = false;
    loop {
        let ended = ask::events(last, wanted.about.as_deref(), true, &mut |told| {
            told_so = false;
            last = last.max(seq(&told));
            if wanted.shows(&told) {
                print(wanted, &told);
            }
        });
        match ended {
            Err(failure) if failure.code() == SchaErr::Reconf.code() => {
                if !std::mem::replace(&mut told_so, true) {
                    let _nobody =
                        writeln!(std::io::stderr(), "{}: rgmd has gone; waiting for it", call.called);
                }
                let _woken = nix::poll::poll(&mut [], RETRY_MS);
            }
            Err(failure) => return Err(failure),
            Ok(_) => return Ok(()),
        }
    }
}

fn wanted(call: &Call, now: SystemTime) -> Result<Wanted, Failure> {
    let args = &call.args;
    let since = args.one("--since")?.map(|text| {
        let ago = humantime::parse_duration(text).ok().and_then(|ago| now.checked_sub(ago));
        let time = ago.or_else(|| humantime::parse_rfc3339_weak(text).ok());
        let time = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let millis = time.and_then(|span| u64::try_from(span.as_millis()).ok());
        millis.ok_or_else(|| {
            args.misuse(format!("--since {text}: it is a span like 10m, or a time like 2026-11-22T07:30:00Z"))
        })
    });
    let lines = args
        .one("-n")?
        .map(|text| text.parse().map_err(|_| args.misuse(format!("-n {text}: it is a number of lines"))));
    let about = args.one("--about")?.map(str::to_owned);
    if about.as_deref() == Some("") {
        return Err(args.misuse("--about is empty"));
    }
    Ok(Wanted {
        about,
        since: since.transpose()?,
        lines: lines.transpose()?,
        follow: args.has("-f"),
        json: args.has("--json"),
    })
}

impl Wanted {
    fn shows(&self, told: &Told) -> bool {
        match told {
            Told::Event(event) => self.since.is_none_or(|since| event.at.0 >= since),
            Told::Gone(_) => true,
        }
    }
}

fn seq(told: &Told) -> Option<u64> {
    match told {
        Told::Event(event) => Some(event.seq),
        Told::Gone(gone) => Some(gone.last),
    }
}

/// A reader that went away (`| head`) wants no more.
fn print(wanted: &Wanted, told: &Told) {
    let text = match told {
        Told::Event(event) if wanted.json => serde_json::to_string(event).unwrap_or_default(),
        Told::Event(event) => line(event),
        Told::Gone(gone) => {
            let text = format!("events {} to {} are kept no longer\n", gone.first, gone.last);
            let _nobody = std::io::stderr().write_all(text.as_bytes());
            return;
        }
    };
    let mut out = std::io::stdout().lock();
    let written = out.write_all((text + "\n").as_bytes()).and_then(|()| out.flush());
    if written.is_err_and(|error| error.kind() == ErrorKind::BrokenPipe) {
        std::process::exit(0);
    }
}

/// `17 2026-11-22T07:42:01.123Z warn  what (cause; rule)`.
pub fn line(event: &EventRecord) -> String {
    let at = UNIX_EPOCH + Duration::from_millis(event.at.0);
    let cause = match (event.event.as_str(), event.rule.as_str()) {
        ("", "") => String::new(),
        ("", rule) => format!(" ({rule})"),
        (event, "") => format!(" ({event})"),
        (event, rule) => format!(" ({event}; {rule})"),
    };
    let (at, level) = (humantime::format_rfc3339_millis(at), event.level.word());
    plain(&format!("{} {at} {level:<5} {}{cause}", event.seq, event.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Args;
    use crate::cl::cluster::CLUSTER;
    use rgm_types::Millis;
    use rgm_types::view::Level;

    fn event(at: u64) -> EventRecord {
        EventRecord {
            seq: 17,
            at: Millis(at),
            level: Level::Warn,
            text: "resource r is\nrestarted".into(),
            event: "PMF gave up".into(),
            rule: "Retry_count".into(),
        }
    }

    #[test]
    fn an_event_is_a_line_with_its_number_time_and_cause() {
        let expected = "17 2026-11-22T07:42:01.123Z warn  resource r is restarted (PMF gave up; Retry_count)";
        assert_eq!(line(&event(1_795_333_321_123)), expected);
        let bare = EventRecord { event: String::new(), rule: String::new(), ..event(0) };
        assert_eq!(line(&bare), "17 1970-01-01T00:00:00.000Z warn  resource r is restarted");
    }

    #[test]
    fn since_when_and_how_many_is_understood_or_refused() {
        let wanted = |words: &[&str]| {
            let subcommand = CLUSTER.subcommand("events").unwrap();
            let args = Args::parse_by(subcommand.spec("cluster"), words.iter().map(Into::into)).unwrap();
            let call = Call::of_args(&CLUSTER, args);
            super::wanted(&call, UNIX_EPOCH + Duration::from_secs(1000))
        };
        assert_eq!(wanted(&["--since", "1m 40s"]).unwrap().since, Some(900_000));
        let time = wanted(&["--since", "1970-01-01 00:00:10", "-n", "3"]).unwrap();
        assert_eq!((time.since, time.lines), (Some(10_000), Some(3)));
        assert!(time.shows(&Told::Event(event(10_000))) && !time.shows(&Told::Event(event(9_999))));
        for words in [["--since", "soon"], ["-n", "many"], ["--about", ""]] {
            assert_eq!(wanted(&words).unwrap_err().code(), 3);
        }
    }
}
