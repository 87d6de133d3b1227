//! pmfadm: the command of the process monitor facility.
//!
//! Shell methods call it dozens of times, so it starts no runtime and asks one question.

mod deadman;
mod options;

use std::io::{self, Write};
use std::process::ExitCode;

use nix::unistd::{Uid, User};
use rgm_api::Paths;
use rgm_api::pmf::{self, Asked, RefusalKind, Reply, Request, TagView};

use options::{Order, parse};

/// The tag does not exist, or exists already.
const NO_SUCH_TAG: u8 = 1;
/// Processes are left when the time given by `-w` is over.
const TIMED_OUT: u8 = 2;
/// The command line makes no sense.
const USAGE: u8 = 3;
/// The tag belongs to somebody else.
const NOT_OWNER: u8 = 4;
/// It could not be done, or pmfd could not be asked.
const FAILED: u8 = 5;

const HELP: &str = "\
pmfadm - keep a process running under a nametag

Usage: pmfadm -c TAG [-a ACTION] [[-e VAR=VALUE]... | -E] [-n RETRIES] [-t PERIOD]
              [-C LEVEL] COMMAND [ARGUMENT...]
       pmfadm -k TAG [-w TIMEOUT] [SIGNAL]
       pmfadm -s TAG [-w TIMEOUT] [SIGNAL]
       pmfadm -m TAG [-n RETRIES] [-t PERIOD]
       pmfadm -q TAG [-h HOST]
       pmfadm -l TAG [-h HOST] [--json]
       pmfadm -L [-h HOST] [--json]
       pmfadm --deadman [--json]
       pmfadm --forget

  -c TAG      start COMMAND; restart it when its last process has ended, whatever its exit code
  -k TAG      send SIGNAL (default KILL) to all its processes; monitoring goes on
  -s TAG      do not restart it any more; send SIGNAL only if one is given
  -m TAG      change RETRIES or PERIOD, and forget former failures
  -q TAG      exit 0 if the tag is registered, 1 if not
  -l TAG, -L  show one tag, or list your own (root: all)
  --deadman   show whether the cluster's deadline is set here, and whether it was missed: then
              everything here has been killed, and nothing is started until that is acknowledged
  --forget    acknowledge it by hand; rgmd does this by itself when it joins the cluster again

  -n RETRIES  restarts allowed within the period: 0 (default) to 100, -1 for ever
  -t PERIOD   minutes over which failures are counted; default -1: for ever
  -a ACTION   when the retries are exceeded, run ACTION with the arguments 'failed' and TAG;
              exit 0 starts COMMAND again, anything else (and no ACTION) removes the tag
  -C LEVEL    monitor only processes up to LEVEL forks below COMMAND; default: all
  -e, -E      pass these variables only, or the whole environment;
              default: the environment of pmfd, and PATH
  -w TIMEOUT  wait so many seconds for all processes to end; default 0, -1: for ever
  SIGNAL      a name as for kill(1) in any case, or a number

Exit codes: 0 done; 1 no such tag, or -c and it exists; 2 processes are left after TIMEOUT;
3 wrong usage; 4 not the owner; 5 pmfd failed or does not answer.

Example: restart named up to 2 times in 5 minutes, then see that it runs, then end it for good:
  pmfadm -c dns-rs.named -n 2 -t 5 /usr/sbin/named -f -c /etc/named.conf
  pmfadm -q dns-rs.named && echo running
  pmfadm -s dns-rs.named -w 10 TERM
";

/// Everything from the command line to the exit code.
pub fn main() -> ExitCode {
    let order = match parse(lexopt::Parser::from_env()) {
        Ok(order) => order,
        Err(wrong) => {
            eprint!("pmfadm: {wrong}\n\n{HELP}");
            return ExitCode::from(USAGE);
        }
    };
    let paths = match Paths::from_env() {
        Ok(paths) => paths,
        Err(error) => {
            eprintln!("pmfadm: {error}");
            return ExitCode::from(FAILED);
        }
    };
    match order {
        Order::Help => {
            // A reader that has gone away is none of our business.
            let _unread = io::stdout().write_all(HELP.as_bytes());
            ExitCode::SUCCESS
        }
        Order::Ask { request, json } => match pmf::ask(&paths, &request, None) {
            Ok(reply) => show(reply, &request, json),
            Err(asked) => ExitCode::from(complain(&paths, &request, &asked)),
        },
        Order::Forget => forget(&paths),
    }
}

/// Acknowledges the last firing, whenever it was.
fn forget(paths: &Paths) -> ExitCode {
    let asked = |request| pmf::ask(paths, &request, None).map_err(|asked| complain(paths, &request, &asked));
    let forgotten = asked(Request::DeadmanStatus {}).and_then(|reply| {
        let fired = deadman::fired_in(reply);
        fired.map_or(Ok(()), |fired| asked(Request::Forget { fired_boot_ms: fired.fired_boot_ms }).map(drop))
    });
    forgotten.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

fn complain(paths: &Paths, request: &Request, asked: &Asked) -> u8 {
    let tag = options::tag_of(request).map(|tag| format!("{tag}: ")).unwrap_or_default();
    match asked {
        Asked::Refused(refusal) => {
            eprintln!("pmfadm: {tag}{}", refusal.message);
            match refusal.kind {
                RefusalKind::NoSuchTag | RefusalKind::TagExists => NO_SUCH_TAG,
                RefusalKind::TimedOut => TIMED_OUT,
                RefusalKind::Invalid => USAGE,
                RefusalKind::NotOwner => NOT_OWNER,
                RefusalKind::Failed | RefusalKind::Fired => FAILED,
            }
        }
        error @ (Asked::TimedOut | Asked::Unanswered(_)) => {
            eprintln!("pmfadm: {tag}{error}; is pmfd running? ({})", paths.advice("pmfd.sock"));
            FAILED
        }
    }
}

fn show(reply: Reply, request: &Request, json: bool) -> ExitCode {
    let text = match reply {
        Reply::Done {} | Reply::Event(_) => return ExitCode::SUCCESS,
        Reply::Found(true) => return ExitCode::SUCCESS,
        Reply::Found(false) => return ExitCode::from(NO_SUCH_TAG),
        Reply::Deadman(view) if json => to_json(view.as_ref()),
        Reply::Deadman(view) => deadman::describe(&view),
        Reply::Tags(tags) => match (options::tag_of(request), tags.as_slice(), json) {
            (Some(_), [tag], false) => describe(tag),
            (Some(_), [tag], true) => to_json(tag),
            (_, tags, true) => to_json(tags),
            (_, tags, false) => list(tags),
        },
    };
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pmfadm: cannot write: {error}");
            ExitCode::from(FAILED)
        }
    }
}

fn to_json(tags: &(impl serde::Serialize + ?Sized)) -> String {
    serde_json::to_string(tags).unwrap_or_default() + "\n"
}

fn list(tags: &[TagView]) -> String {
    let names: Vec<&str> = tags.iter().map(|tag| tag.tag.as_str()).collect();
    format!("tags: {}\n", names.join(" ")).replace(": \n", ":\n")
}

/// The command that makes such a tag, and its state.
fn describe(tag: &TagView) -> String {
    let action =
        tag.action.as_ref().map(|action| format!(" -a {}", quoted(&action.display()))).unwrap_or_default();
    let level = tag.level.map(|level| format!(" -C {level}")).unwrap_or_default();
    let command: Vec<String> = tag.argv.iter().map(|word| quoted(&word.display())).collect();
    let owner = User::from_uid(Uid::from_raw(tag.uid)).ok().flatten().map(|user| user.name);
    let pids: Vec<String> = tag.pids.iter().map(ToString::to_string).collect();
    let (n, t) = (tag.retries, tag.period_min);
    format!(
        "pmfadm -c {}{action} -n {n} -t {t}{level} {}\n\tretries: {}\n\towner: {}\n\tmonitor children: {}\n\tpids: {}\n",
        tag.tag,
        command.join(" "),
        tag.restarts,
        owner.unwrap_or_else(|| tag.uid.to_string()),
        tag.level.map_or_else(|| "all".to_owned(), |level| level.to_string()),
        pids.join(" "),
    )
}

/// A word as a shell takes it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view() -> TagView {
        TagView {
            tag: "nfs-rg,nfs-rs,0.svc".into(),
            argv: vec!["/usr/lib/nfs/nfsd".into(), "-a".into()],
            action: None,
            retries: 2,
            period_min: 5,
            level: None,
            restarts: 0,
            uid: 0,
            phase: "running".into(),
            stopping: false,
            pids: vec![1234, 1235],
            owner: None,
        }
    }

    #[test]
    fn a_tag_is_described_by_the_command_that_makes_it_and_its_state() {
        assert_eq!(
            describe(&view()),
            "pmfadm -c nfs-rg,nfs-rs,0.svc -n 2 -t 5 /usr/lib/nfs/nfsd -a\n\tretries: 0\n\towner: root\n\
             \tmonitor children: all\n\tpids: 1234 1235\n"
        );
    }

    #[test]
    fn words_that_a_shell_would_tear_apart_are_quoted() {
        let mut tag = view();
        tag.action = Some("/opt/act -x".into());
        tag.level = Some(1);
        tag.argv = vec!["sh".into(), "-c".into(), "echo it's".into()];
        assert!(describe(&tag).starts_with(
            "pmfadm -c nfs-rg,nfs-rs,0.svc -a '/opt/act -x' -n 2 -t 5 -C 1 sh -c 'echo it'\\''s'\n"
        ));
    }

    #[test]
    fn a_list_is_one_line_of_names() {
        let mut other = view();
        other.tag = "nfs-rg,nfs-rs,0.mon".into();
        assert_eq!(list(&[view(), other]), "tags: nfs-rg,nfs-rs,0.svc nfs-rg,nfs-rs,0.mon\n");
        assert_eq!(list(&[]), "tags:\n");
    }
}
