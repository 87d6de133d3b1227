//! `scds_syslog`: a line to the system log, as shell agents call it (reference 4.6).

use crate::output::printable;
use crate::tool::{Early, end};
use std::ffi::OsString;
use std::path::Path;
use syslog::{Facility, Formatter3164};

const HELP: &str = "\
scds_syslog - write a line to the system log

usage: scds_syslog [-p [FACILITY.]SEVERITY] [-t TAG] -m FORMAT [ARGUMENT...]

  -p PRIORITY  like daemon.err or error; the default is daemon.notice
  -t TAG       what the line begins with, like [SUNW.sample,dns-rg,dns-rs]
  -m FORMAT    the message; %s %d %u %x %c %% take the arguments in turn, as in printf(1)
  -h, --help   print this

Where no system log listens, the line goes to stderr.

example: scds_syslog -p daemon.err -t \"[SUNW.sample,dns-rg,dns-rs]\" -m \"Port %d is busy: %s\" 53 named
";

/// Exit code of a wrong call.
pub const WRONG_CALL: u8 = 1;

/// The whole tool; `args` are those after the program's name. Returns its exit code.
pub fn main_with(args: impl Iterator<Item = OsString>) -> u8 {
    match Line::parse(args) {
        Ok(line) => {
            if line.send(None).is_err() {
                eprintln!("{}", line.for_people());
            }
            0
        }
        Err(early) => end("scds_syslog", HELP, early, WRONG_CALL),
    }
}

/// Writes a line to the system log; where none listens, to stderr.
pub fn say(severity: Severity, tag: &str, message: &str) {
    let message = printable(message.as_bytes());
    let line = Line { facility: Facility::LOG_DAEMON, severity, tag: printable(tag.as_bytes()), message };
    if line.send(None).is_err() {
        eprintln!("{}", line.for_people());
    }
}

/// `LOG_EMERG` to `LOG_DEBUG`, and the other words agents use for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "they are called as in syslog(3)")]
pub enum Severity {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

impl Severity {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "emerg" | "panic" => Self::Emerg,
            "alert" => Self::Alert,
            "crit" => Self::Crit,
            "err" | "error" => Self::Err,
            "warning" | "warn" => Self::Warning,
            "notice" => Self::Notice,
            "info" => Self::Info,
            "debug" => Self::Debug,
            _ => return None,
        })
    }
}

#[derive(Debug)]
struct Line {
    facility: Facility,
    severity: Severity,
    tag: String,
    message: String,
}

impl Line {
    fn parse(args: impl Iterator<Item = OsString>) -> Result<Self, Early> {
        use lexopt::prelude::*;
        let mut parser = lexopt::Parser::from_args(args);
        let (mut facility, mut severity) = (Facility::LOG_DAEMON, Severity::Notice);
        let mut tag = String::from("scds_syslog");
        let mut format = None;
        let mut rest: Vec<String> = Vec::new();
        let text = |value: OsString| value.to_string_lossy().into_owned();
        loop {
            // Behind the format everything is its arguments, even "-1", unless it is one of ours.
            let ours = |next: &std::ffi::OsStr| next == "-p" || next == "-t";
            if format.is_some()
                && let Some(raw) = parser.try_raw_args()
                && !raw.as_slice().first().is_some_and(|next| ours(next))
            {
                rest.extend(raw.map(text));
                break;
            }
            match parser.next()? {
                None => break,
                Some(Short('p')) => (facility, severity) = priority(&text(parser.value()?))?,
                Some(Short('t')) => tag = text(parser.value()?),
                Some(Short('m')) => format = Some(text(parser.value()?)),
                Some(Short('h') | Long("help")) => return Err(Early::Help),
                Some(arg @ (Value(_) | Short(_) | Long(_))) => return Err(arg.unexpected().into()),
            }
        }
        let format = format.ok_or_else(|| Early::Wrong("-m FORMAT is missing".to_string()))?;
        let message = printable(expand(&format, &rest).as_bytes());
        Ok(Self { facility, severity, tag: printable(tag.as_bytes()), message })
    }

    /// To the system log, or to the socket given.
    fn send(&self, socket: Option<&Path>) -> Result<(), syslog::Error> {
        let formatter = Formatter3164 {
            facility: self.facility,
            hostname: None,
            process: self.tag.clone(),
            pid: std::process::id(),
        };
        let mut log = match socket {
            Some(path) => syslog::unix_custom(formatter, path),
            None => syslog::unix(formatter),
        }?;
        let message = self.message.as_str();
        match self.severity {
            Severity::Emerg => log.emerg(message),
            Severity::Alert => log.alert(message),
            Severity::Crit => log.crit(message),
            Severity::Err => log.err(message),
            Severity::Warning => log.warning(message),
            Severity::Notice => log.notice(message),
            Severity::Info => log.info(message),
            Severity::Debug => log.debug(message),
        }
    }

    fn for_people(&self) -> String {
        format!("{}: {}", self.tag, self.message)
    }
}

fn priority(text: &str) -> Result<(Facility, Severity), Early> {
    let wrong = || Early::Wrong(format!("-p: no priority {text}; write one like daemon.err"));
    let (facility, severity) = text.split_once('.').unwrap_or(("daemon", text));
    let facility = facility.to_ascii_lowercase().parse().map_err(|()| wrong())?;
    Ok((facility, Severity::from_word(severity).ok_or_else(wrong)?))
}

/// printf(1) with the conversions agents use. Arguments that are missing count as empty or zero.
fn expand(format: &str, args: &[String]) -> String {
    let mut out = String::with_capacity(format.len());
    let mut args = args.iter().map(String::as_str);
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(c) = rest.next_if(|c| "-+ #0123456789.lhzjt".contains(*c)) {
            spec.push(c);
        }
        match rest.next() {
            Some('%') => out.push('%'),
            Some(kind @ ('s' | 'c' | 'd' | 'i' | 'u' | 'x' | 'X' | 'o')) => {
                out.push_str(&pad(&spec, &convert(kind, &spec, args.next().unwrap_or_default())));
            }
            other => {
                out.push('%');
                out.push_str(&spec);
                out.extend(other);
            }
        }
    }
    out
}

fn convert(kind: char, spec: &str, arg: &str) -> String {
    let number = arg.trim().parse::<i64>();
    match kind {
        's' => match spec.split_once('.') {
            Some((_, precision)) => arg.chars().take(precision.parse().unwrap_or(0)).collect(),
            None => arg.to_string(),
        },
        'c' => arg.chars().take(1).collect(),
        'x' => format!("{:x}", number.unwrap_or(0)),
        'X' => format!("{:X}", number.unwrap_or(0)),
        'o' => format!("{:o}", number.unwrap_or(0)),
        // What is no number is better read as it stands than as 0.
        _ if arg.is_empty() => "0".to_string(),
        _ => number.map_or_else(|_| arg.to_string(), |number| number.to_string()),
    }
}

/// Widest field: a slip of the pen in a format must not fill the log.
const FIELD_WIDTH_MAX: usize = 1024;

fn pad(spec: &str, text: &str) -> String {
    let width = spec.split('.').next().unwrap_or_default();
    let digits =
        width.trim_start_matches(['-', '+', ' ', '#', '0']).trim_end_matches(['l', 'h', 'z', 'j', 't']);
    let wide = digits.parse::<usize>().unwrap_or(0).min(FIELD_WIDTH_MAX);
    if width.contains('-') { format!("{text:<wide$}") } else { format!("{text:>wide$}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixDatagram;

    fn parse(args: &[&str]) -> Result<Line, Early> {
        Line::parse(args.iter().map(OsString::from))
    }

    #[test]
    fn a_line_reaches_the_log_with_priority_tag_and_message() {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("log");
        let log = UnixDatagram::bind(&socket).unwrap();
        let args = ["-p", "daemon.err", "-t", "[SUNW.sample,g,r]", "-m", "Port %d of %s", "53", "named"];
        let line = parse(&args).unwrap();
        line.send(Some(&socket)).unwrap();
        let mut buffer = [0; 512];
        let len = log.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..len]).unwrap();
        // 3 * 8 for daemon, 3 for err.
        assert!(text.starts_with("<27>"), "{text}");
        let end = format!("[SUNW.sample,g,r][{}]: Port 53 of named", std::process::id());
        assert!(text.ends_with(&end), "{text}");
    }

    #[test]
    fn priorities_are_read_with_and_without_facility() {
        let check = |text: &str, facility: Facility, severity: Severity| {
            let (f, s) = priority(text).unwrap();
            assert_eq!((f as u32, s), (facility as u32, severity), "{text}");
        };
        check("err", Facility::LOG_DAEMON, Severity::Err);
        check("error", Facility::LOG_DAEMON, Severity::Err);
        check("local3.NOTICE", Facility::LOG_LOCAL3, Severity::Notice);
        check("user.warn", Facility::LOG_USER, Severity::Warning);
        assert!(priority("daemon.loud").is_err() && priority("nobody.err").is_err());
    }

    #[test]
    fn formats_take_their_arguments_in_turn() {
        let check = |format: &str, args: &[&str], expected: &str| {
            let args: Vec<String> = args.iter().map(|arg| (*arg).to_string()).collect();
            assert_eq!(expand(format, &args), expected, "{format}");
        };
        check("%s is %d%% full", &["/var", "93"], "/var is 93% full");
        check("[%5d|%-5s|%.2s]", &["42", "ab", "abcdef"], "[   42|ab   |ab]");
        check("%ld %x %c", &["7", "255", "yes"], "7 ff y");
        check("%s and %d", &[], " and 0");
        check("%d", &["-1"], "-1");
        check("100%", &[], "100%");
        check("%q", &["a"], "%q");
        check("%d", &["many"], "many");
    }

    #[test]
    fn options_may_follow_the_format_and_arguments_may_look_like_options() {
        let line = parse(&["-m", "got %d", "-p", "crit", "-t", "tag", "-5"]).unwrap();
        assert_eq!((line.severity, line.for_people().as_str()), (Severity::Crit, "tag: got -5"));
    }

    #[test]
    fn a_line_stays_one_line() {
        assert_eq!(parse(&["-m", "a\nb\u{7}"]).unwrap().message, "a\\x0ab\\x07");
    }

    #[test]
    fn without_a_message_the_call_is_wrong() {
        assert!(matches!(parse(&["-p", "err"]), Err(Early::Wrong(_))));
        assert!(matches!(parse(&["-m", "x", "-p", "loud"]), Err(Early::Wrong(_))));
        assert!(matches!(parse(&["--help"]), Err(Early::Help)));
    }
}
