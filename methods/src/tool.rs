//! What the small command-line tools of this crate share.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;

/// Why a tool ends before it has done its work.
#[derive(Debug)]
pub(crate) enum Early {
    /// `--help` was asked for.
    Help,
    /// The command line or the work itself is wrong: the line to print.
    Wrong(String),
}

impl From<lexopt::Error> for Early {
    fn from(error: lexopt::Error) -> Self {
        Self::Wrong(error.to_string())
    }
}

/// Prints help or the error and returns the exit code.
pub(crate) fn end(name: &str, help: &str, early: Early, own_errors: u8) -> u8 {
    match early {
        Early::Help => {
            // Whoever closed our output does not want the help; there is nobody left to tell.
            let _closed = std::io::stdout().write_all(help.as_bytes());
            0
        }
        Early::Wrong(what) => {
            eprintln!("{name}: {what}; see {name} --help");
            own_errors
        }
    }
}

/// The program behind the options and all that follows it, options of its own included.
pub(crate) fn rest(first: OsString, parser: &mut lexopt::Parser) -> Result<Vec<OsString>, Early> {
    let mut command = vec![first];
    command.extend(parser.raw_args()?);
    Ok(command)
}

/// The exit code a shell would report.
pub(crate) fn shell_code(status: crate::launch::Exit) -> u8 {
    use crate::launch::Exit;
    match status {
        Exit::Code(code) => u8::try_from(code & 0xff).unwrap_or(u8::MAX),
        Exit::Signal(signal) => 128_u8.saturating_add(u8::try_from(signal).unwrap_or(127)),
        Exit::Unknown => u8::MAX,
    }
}

/// A signal as kill(1) takes it: a number, or a name in any case without `SIG`.
pub(crate) fn signal(text: &OsString) -> Result<i32, Early> {
    let wrong = || Early::Wrong(format!("-k: no signal {}", text.to_string_lossy()));
    let text = std::str::from_utf8(text.as_bytes()).map_err(|_| wrong())?;
    let known = match text.parse::<i32>() {
        Ok(number) => nix::sys::signal::Signal::try_from(number),
        Err(_) => format!("SIG{}", text.to_ascii_uppercase()).parse(),
    };
    known.map(|signal| signal as i32).map_err(|_| wrong())
}
