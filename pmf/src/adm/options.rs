//! The command line of pmfadm.

use std::env;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

use lexopt::Arg;
use rgm_api::paths;
use rgm_api::pmf::{GROUP, Job, Owner, RESOURCE, Request, Text};

use crate::signal;

/// What is wanted.
#[derive(Debug)]
pub enum Order {
    /// Help.
    Help,
    /// Something of pmfd.
    Ask {
        /// What.
        request: Request,
        /// Show it as JSON.
        json: bool,
    },
    /// Acknowledge that the deadman has fired.
    Forget,
}

const KILL: i32 = 9;
/// What has a long name only, as if it had a letter.
const DEADMAN: char = 'D';
const FORGET: char = 'F';
/// Variables by which what PMF starts finds the cluster and the node it runs for.
const CONTEXT: [&str; 6] = [paths::RUN_DIR, paths::NODE, paths::CONFIG, paths::STATE_DIR, RESOURCE, GROUP];

/// The options as given.
#[derive(Debug, Default)]
struct Options {
    /// Letter and tag of the one thing to do.
    doing: Option<(char, String)>,
    action: Option<OsString>,
    variables: Vec<OsString>,
    whole_env: bool,
    retries: Option<i32>,
    period_min: Option<i32>,
    level: Option<u32>,
    host: Option<String>,
    wait_s: Option<i64>,
    json: bool,
    /// Letters of all options given.
    given: String,
    words: Vec<OsString>,
}

/// Understands the command line; the error is a sentence.
pub fn parse(args: lexopt::Parser) -> Result<Order, String> {
    let Some(options) = read(args).map_err(|error| error.to_string())? else { return Ok(Order::Help) };
    let Some((letter, tag)) = options.doing.clone() else {
        return Err("one of -c, -k, -s, -m, -q, -l, -L, --deadman, --forget is needed".to_owned());
    };
    let fitting = match letter {
        'c' => "aeEntC",
        'k' | 's' => "w",
        'm' => "nt",
        'l' | 'L' => "hj",
        DEADMAN => "j",
        FORGET => "",
        _ => "h",
    };
    let name = match letter {
        DEADMAN => "--deadman".to_owned(),
        FORGET => "--forget".to_owned(),
        letter => format!("-{letter}"),
    };
    if let Some(odd) = options.given.chars().find(|option| !fitting.contains(*option)) {
        let odd = if odd == 'j' { "--json".to_owned() } else { format!("-{odd}") };
        return Err(format!("{odd} does not go with {name}"));
    }
    if !matches!(letter, 'c' | 'k' | 's') && !options.words.is_empty() {
        return Err(format!("nothing may follow {name} but its options"));
    }
    check_host(options.host.as_deref())?;
    if letter == FORGET {
        return Ok(Order::Forget);
    }
    let json = options.json;
    Ok(Order::Ask { request: request(letter, tag, options)?, json })
}

/// The tag a request is about.
pub fn tag_of(request: &Request) -> Option<&str> {
    match request {
        Request::Create { tag, .. }
        | Request::Kill { tag, .. }
        | Request::Stop { tag, .. }
        | Request::Query { tag }
        | Request::List { tag: Some(tag) }
        | Request::Modify { tag, .. } => Some(tag),
        Request::List { tag: None }
        | Request::Watch {}
        | Request::Ack { .. }
        | Request::Shutdown { .. }
        | Request::Deadman { .. }
        | Request::Disarm {}
        | Request::Forget { .. }
        | Request::DeadmanStatus {} => None,
    }
}

fn read(mut args: lexopt::Parser) -> Result<Option<Options>, lexopt::Error> {
    use lexopt::ValueExt;
    let mut options = Options::default();
    while let Some(arg) = args.next()? {
        match arg {
            Arg::Short(letter @ ('c' | 'k' | 's' | 'm' | 'q' | 'l' | 'L')) => {
                let tag = if letter == 'L' { String::new() } else { args.value()?.string()? };
                if options.doing.replace((letter, tag)).is_some() {
                    return Err("only one of -c, -k, -s, -m, -q, -l, -L can be done at once".into());
                }
            }
            Arg::Short(letter @ ('a' | 'e' | 'E' | 'n' | 't' | 'C' | 'h' | 'w')) => {
                options.given.push(letter);
                match letter {
                    'a' => options.action = Some(args.value()?),
                    'e' => options.variables.push(args.value()?),
                    'E' => options.whole_env = true,
                    'n' => options.retries = Some(args.value()?.parse()?),
                    't' => options.period_min = Some(args.value()?.parse()?),
                    'C' => options.level = Some(args.value()?.parse()?),
                    'h' => options.host = Some(args.value()?.string()?),
                    _ => options.wait_s = Some(args.value()?.parse()?),
                }
            }
            Arg::Long(long @ ("deadman" | "forget")) => {
                let letter = if long == "deadman" { DEADMAN } else { FORGET };
                if options.doing.replace((letter, String::new())).is_some() {
                    return Err(format!("--{long} can't be done together with another").into());
                }
            }
            Arg::Long("json") => {
                options.given.push('j');
                options.json = true;
            }
            Arg::Long("help") => return Ok(None),
            // The command begins, and everything behind it is its own.
            Arg::Value(word) if !matches!(options.doing, Some(('k' | 's', _))) => {
                options.words.push(word);
                options.words.extend(args.raw_args()?);
                break;
            }
            Arg::Value(word) => options.words.push(word),
            other @ (Arg::Short(_) | Arg::Long(_)) => return Err(other.unexpected()),
        }
    }
    Ok(Some(options))
}

fn request(letter: char, tag: String, options: Options) -> Result<Request, String> {
    let has_none = matches!(letter, 'L' | DEADMAN);
    pmf_core::check_name(&tag).or_else(|error| if has_none { Ok(()) } else { Err(error.to_string()) })?;
    Ok(match letter {
        'c' => Request::Create { tag, token: random(), job: Box::new(job(options)?) },
        'k' => {
            let (signal, wait_s) = signal_and_wait(&options)?;
            Request::Kill { tag, signal: signal.unwrap_or(KILL), wait_s }
        }
        's' => {
            let (signal, wait_s) = signal_and_wait(&options)?;
            Request::Stop { tag, signal, wait_s }
        }
        'm' if options.retries.is_none() && options.period_min.is_none() => {
            return Err("-m needs -n or -t".to_owned());
        }
        'm' => Request::Modify { tag, retries: options.retries, period_min: options.period_min },
        'q' => Request::Query { tag },
        'l' => Request::List { tag: Some(tag) },
        DEADMAN => Request::DeadmanStatus {},
        _ => Request::List { tag: None },
    })
}

fn signal_and_wait(options: &Options) -> Result<(Option<i32>, i64), String> {
    let signal = match options.words.as_slice() {
        [] => None,
        [word] => {
            let text = word.to_string_lossy();
            Some(signal::parse(&text).ok_or_else(|| format!("{text:?} is no signal"))?)
        }
        [_, second, ..] => return Err(format!("one signal is enough; what is {second:?}?")),
    };
    let wait_s = options.wait_s.unwrap_or(0);
    if wait_s < -1 {
        return Err(format!("-w takes -1 or a number of seconds, not {wait_s}"));
    }
    Ok((signal, wait_s))
}

fn job(options: Options) -> Result<Job, String> {
    if options.words.is_empty() {
        return Err("-c needs a command".to_owned());
    }
    if options.whole_env && !options.variables.is_empty() {
        return Err("-e and -E exclude each other".to_owned());
    }
    let wrong = options.variables.iter().find(|variable| !variable.as_bytes().contains(&b'='));
    if let Some(wrong) = wrong {
        return Err(format!("-e takes VAR=VALUE, not {wrong:?}"));
    }
    let (retries, period_min) = (options.retries.unwrap_or(0), options.period_min.unwrap_or(-1));
    pmf_core::Policy::new(retries, period_min).map_err(|error| error.to_string())?;
    let cwd = env::current_dir().map_err(|error| format!("the working directory is unknown: {error}"))?;
    let search_path = env::var_os("PATH");
    let mut entries: Vec<OsString> = Vec::new();
    let mut add = |name: &OsString, value: OsString| {
        let mut entry = name.clone();
        entry.push("=");
        entry.push(value);
        entries.push(entry);
    };
    if options.whole_env {
        env::vars_os().for_each(|(name, value)| add(&name, value));
    } else {
        for name in CONTEXT.into_iter().chain(["PATH"]).map(OsString::from) {
            if let Some(value) = env::var_os(&name) {
                add(&name, value);
            }
        }
    }
    let inherit_env = !options.whole_env && options.variables.is_empty();
    entries.extend(options.variables);
    let text = |name| env::var(name).ok().filter(|value| !value.is_empty());
    Ok(Job {
        argv: options.words.into_iter().map(Text::from).collect(),
        cwd: cwd.into_os_string().into(),
        search_path: search_path.map(Text::from),
        inherit_env,
        env: entries.into_iter().map(Text::from).collect(),
        action: options.action.map(Text::from),
        retries,
        period_min,
        level: options.level,
        owner: text(RESOURCE).zip(text(GROUP)).map(|(resource, group)| Owner { resource, group }),
    })
}

/// pmfd answers on its own machine only.
fn check_host(host: Option<&str>) -> Result<(), String> {
    let Some(host) = host else { return Ok(()) };
    let own = nix::unistd::gethostname().unwrap_or_default();
    let node = env::var_os(paths::NODE).unwrap_or_default();
    if matches!(host, "localhost" | "127.0.0.1" | "::1") || own == *host || node == *host {
        return Ok(());
    }
    Err(format!("{host} is another machine; run pmfadm there"))
}

/// Different for each call, so that pmfd knows a repeated one.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    std::hash::RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(line: &str) -> Result<Request, String> {
        match parse(lexopt::Parser::from_args(line.split_whitespace()))? {
            Order::Ask { request, .. } => Ok(request),
            Order::Help => Err("help".to_owned()),
            Order::Forget => Ok(Request::Forget { fired_boot_ms: 0 }),
        }
    }

    fn create(line: &str) -> Job {
        let Request::Create { job, .. } = ask(line).unwrap() else { panic!("{line} creates nothing") };
        *job
    }

    #[test]
    fn options_come_in_any_order_and_the_command_keeps_its_own() {
        let job = create("-E -c tag -n -1 -t -1 -C 1 cmd -n 5 --help -c");
        assert_eq!((job.retries, job.period_min, job.level), (-1, -1, Some(1)));
        let words: Vec<_> = job.argv.iter().map(|word| word.display().into_owned()).collect();
        assert_eq!(words, ["cmd", "-n", "5", "--help", "-c"]);
        assert_eq!(create("-n2 -t5 -ctag cmd").retries, 2);
    }

    #[test]
    fn without_options_nothing_is_restarted_and_failures_count_for_ever() {
        let job = create("-c tag cmd");
        assert_eq!((job.retries, job.period_min, job.level, job.inherit_env), (0, -1, None, true));
    }

    #[test]
    fn kill_sends_kill_by_itself_and_stop_sends_nothing() {
        let kill = Request::Kill { tag: "tag".into(), signal: 9, wait_s: 0 };
        assert_eq!(ask("-k tag"), Ok(kill));
        let stop = Request::Stop { tag: "tag".into(), signal: None, wait_s: 0 };
        assert_eq!(ask("-s tag"), Ok(stop));
        let both = Request::Stop { tag: "tag".into(), signal: Some(15), wait_s: -1 };
        assert_eq!(ask("-s tag -w -1 term"), Ok(both.clone()));
        assert_eq!(ask("-s tag term -w -1"), Ok(both.clone()));
        assert_eq!(ask("-w -1 -s tag 15"), Ok(both));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_a_sentence() {
        for line in [
            "",
            "-c",
            "-c tag",
            "-c tag -R res -G rg -T type path",
            "-c tag -n x cmd",
            "-c tag -n 101 cmd",
            "-c tag -n -2 cmd",
            "-c tag -C -1 cmd",
            "-c tag -w 5 cmd",
            "-c tag -E -e A=b cmd",
            "-c tag -e A cmd",
            "-c tag -k tag cmd",
            "-k tag NOSUCH",
            "-k tag TERM KILL",
            "-k tag -w -2",
            "-k tag -n 1",
            "-m tag",
            "-q tag extra",
            "-q tag -h elsewhere.example",
            "-L --json extra",
            "--deadman extra",
            "--deadman -w 5",
            "--deadman -L",
            "--forget --json",
            "--forget --deadman",
            "-q tag --json",
        ] {
            let wrong = ask(line).unwrap_err();
            assert!(!wrong.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_deadman_is_asked_for_by_its_name() {
        assert_eq!(ask("--deadman"), Ok(Request::DeadmanStatus {}));
        assert_eq!(ask("--deadman --json"), Ok(Request::DeadmanStatus {}));
        assert_eq!(ask("--forget"), Ok(Request::Forget { fired_boot_ms: 0 }));
    }

    #[test]
    fn a_question_may_name_this_host() {
        assert_eq!(ask("-q tag -h localhost"), Ok(Request::Query { tag: "tag".into() }));
        assert_eq!(
            ask("-m tag -n -1"),
            Ok(Request::Modify { tag: "tag".into(), retries: Some(-1), period_min: None })
        );
    }
}
