//! `rtrcheck`: says what is wrong with registration files before anyone registers them.

use rtr_parser::{Diagnostic, Parsed, Severity};
use std::ffi::OsString;
use std::io::{self, Read, Write};
use std::process::ExitCode;

const HELP: &str = "\
rtrcheck - check resource type registration files

usage: rtrcheck [--json] FILE...
       rtrcheck --format FILE...

Prints every error and warning of the files. `-` reads standard input.

  --json     print them as one JSON array
  --format   print the files in canonical form instead, comments included
  --help     print this

exit status: 0 no errors (there may be warnings), 1 errors, 2 unreadable file or wrong usage

example: rtrcheck /opt/cluster/lib/rgm/rtreg/SUNW.sample
";

/// More bytes than this of one file are not worth reading: the parser refuses them.
const READ_MAX: u64 = rtr_parser::FILE_LEN_MAX as u64 + 1;

/// What is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Output {
    Text,
    Json,
    Format,
}

/// What was asked for.
enum Request {
    Help,
    Check { output: Output, files: Vec<OsString> },
}

/// How it ended, the worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Clean = 0,
    Errors = 1,
    Unreadable = 2,
}

fn main() -> ExitCode {
    let outcome = match request() {
        Ok(Request::Help) => print(HELP).map(|()| Outcome::Clean),
        Ok(Request::Check { output, files }) => check(output, &files),
        Err(error) => {
            eprintln!("rtrcheck: {error}; see rtrcheck --help");
            Ok(Outcome::Unreadable)
        }
    };
    match outcome {
        Ok(outcome) => ExitCode::from(outcome as u8),
        // Whoever reads us has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rtrcheck: can't write: {error}");
            ExitCode::from(Outcome::Unreadable as u8)
        }
    }
}

fn request() -> Result<Request, lexopt::Error> {
    let mut output = Output::Text;
    let mut files = Vec::new();
    let mut args = lexopt::Parser::from_env();
    while let Some(arg) = args.next()? {
        match arg {
            lexopt::Arg::Long("help") | lexopt::Arg::Short('h') => return Ok(Request::Help),
            lexopt::Arg::Long("json") if output != Output::Format => output = Output::Json,
            lexopt::Arg::Long("format") if output != Output::Json => output = Output::Format,
            lexopt::Arg::Value(file) => files.push(file),
            lexopt::Arg::Long("json" | "format") => {
                return Err("--json and --format exclude each other".into());
            }
            lexopt::Arg::Long(_) | lexopt::Arg::Short(_) => return Err(arg.unexpected()),
        }
    }
    if files.is_empty() {
        return Err("no file named".into());
    }
    Ok(Request::Check { output, files })
}

fn check(output: Output, files: &[OsString]) -> io::Result<Outcome> {
    let mut outcome = Outcome::Clean;
    let mut diagnostics = Vec::new();
    for file in files {
        let name = file.to_string_lossy();
        let bytes = match read(file) {
            Ok(bytes) => bytes,
            Err(error) => {
                eprintln!("rtrcheck: can't read {name}: {error}");
                outcome = Outcome::Unreadable;
                continue;
            }
        };
        let parsed = rtr_parser::parse(if name == "-" { "standard input" } else { &name }, &bytes);
        if parsed.has_errors() {
            outcome = outcome.max(Outcome::Errors);
        }
        match output {
            Output::Text => print(&report(&name, &parsed))?,
            Output::Json => diagnostics.extend(parsed.diagnostics),
            Output::Format => format(&parsed)?,
        }
    }
    if output == Output::Json {
        print(&(json(&diagnostics)? + "\n"))?;
    }
    Ok(outcome)
}

fn read(file: &OsString) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if file == "-" {
        io::stdin().lock().take(READ_MAX).read_to_end(&mut bytes)?;
    } else {
        std::fs::File::open(file)?.take(READ_MAX).read_to_end(&mut bytes)?;
    }
    Ok(bytes)
}

/// Every diagnostic and a line that sums them up.
fn report(name: &str, parsed: &Parsed) -> String {
    let mut text: String = parsed.diagnostics.iter().map(|d| format!("{d}\n")).collect();
    let count = |severity| parsed.diagnostics.iter().filter(|d| d.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if errors + warnings > 0 {
        text += &format!("{name}: {}, {}\n", counted(errors, "error"), counted(warnings, "warning"));
    }
    text
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// The canonical form; of a file with errors its diagnostics instead, on standard error: its
/// canonical form would not be all of it.
fn format(parsed: &Parsed) -> io::Result<()> {
    if !parsed.has_errors() {
        return print(&rtr_parser::format(&parsed.declarations));
    }
    for diagnostic in &parsed.diagnostics {
        eprintln!("{diagnostic}");
    }
    Ok(())
}

fn json(diagnostics: &[Diagnostic]) -> io::Result<String> {
    serde_json::to_string(diagnostics).map_err(io::Error::other)
}

fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}
