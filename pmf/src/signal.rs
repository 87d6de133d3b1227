//! Signals by name or number, as kill(1) takes them.

use nix::sys::signal::Signal;

/// The highest signal there is.
const SIGNAL_MAX: i32 = 64;

/// A signal's number: `TERM`, `term`, `SIGTERM` or `15`.
pub fn parse(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse::<i32>() {
        return (0..=SIGNAL_MAX).contains(&number).then_some(number);
    }
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let name = match name {
        "CLD" => "CHLD",
        "POLL" => "IO",
        name => name,
    };
    Signal::iterator()
        .find(|signal| signal.as_str().strip_prefix("SIG") == Some(name))
        .map(|signal| signal as i32)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn names_in_any_case_and_numbers_are_signals_and_nothing_else_is() {
        for (text, number) in [
            ("TERM", Some(15)),
            ("kill", Some(9)),
            ("Hup", Some(1)),
            ("int", Some(2)),
            ("SIGUSR1", Some(10)),
            ("15", Some(15)),
            ("0", Some(0)),
            ("64", Some(64)),
            ("65", None),
            ("-1", None),
            ("TERMX", None),
            ("", None),
        ] {
            assert_eq!(parse(text), number, "{text}");
        }
    }
}
