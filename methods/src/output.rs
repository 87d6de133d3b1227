//! What a method prints, cut into lines, with a bound on everything.
//!
//! A method may print megabytes without a newline, or bytes that are no text, or nothing but escape
//! sequences; none of that may fill the log, the memory, or an operator's terminal.

use std::collections::VecDeque;

/// Longest line; what is longer is cut into several. Syslog daemons take no more than this anyway.
pub(crate) const LINE_BYTES_MAX: usize = 4096;
/// Lines kept to tell what a method printed last.
pub(crate) const LINES_KEPT_MAX: usize = 100;
/// Bytes kept for the same.
pub(crate) const BYTES_KEPT_MAX: usize = 64 * 1024;
/// Bytes handed on to the log for one run of a method. A method that prints without end must not
/// fill the disk; what it prints last is still kept.
pub(crate) const BYTES_LOGGED_MAX: usize = 1024 * 1024;

/// Cuts output into lines, hands them on, and keeps the last ones.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    partial: Vec<u8>,
    last: VecDeque<String>,
    last_bytes: usize,
    logged_bytes: usize,
}

impl Lines {
    /// Takes a piece of output as it came.
    pub(crate) fn push(&mut self, bytes: &[u8], log: &mut impl FnMut(&str)) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let mut rest = piece;
            while let Some(first) = rest.first() {
                if self.partial.len() >= LINE_BYTES_MAX && *first != b'\n' {
                    self.flush(log);
                }
                // One more for the newline of a line that just fits.
                let room = LINE_BYTES_MAX.saturating_sub(self.partial.len()).max(1);
                let (now, later) = rest.split_at(room.min(rest.len()));
                self.partial.extend_from_slice(now);
                rest = later;
                if self.partial.ends_with(b"\n") {
                    self.flush(log);
                }
            }
        }
    }

    /// Hands on what is there of a line without its end.
    pub(crate) fn finish(&mut self, log: &mut impl FnMut(&str)) {
        if !self.partial.is_empty() {
            self.flush(log);
        }
    }

    /// The last lines.
    pub(crate) fn last(&self) -> Vec<String> {
        self.last.iter().cloned().collect()
    }

    fn flush(&mut self, log: &mut impl FnMut(&str)) {
        let text = self.partial.strip_suffix(b"\n").unwrap_or(&self.partial);
        let line = printable(text.strip_suffix(b"\r").unwrap_or(text));
        self.partial.clear();
        let before = self.logged_bytes;
        self.logged_bytes = before.saturating_add(line.len() + 1);
        if self.logged_bytes <= BYTES_LOGGED_MAX {
            log(&line);
        } else if before <= BYTES_LOGGED_MAX {
            log(&format!("(more than {BYTES_LOGGED_MAX} bytes printed; the rest is not logged)"));
        }
        self.last_bytes += line.len();
        self.last.push_back(line);
        while self.last.len() > LINES_KEPT_MAX || self.last_bytes > BYTES_KEPT_MAX {
            self.last_bytes -= self.last.pop_front().map_or(0, |line| line.len());
        }
    }
}

/// Text that cannot command a terminal or break a line: control characters as `\x1b`, bytes that
/// are no UTF-8 as the replacement character. Tabs stay.
pub(crate) fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    if !text.chars().any(|c| c.is_control() && c != '\t') {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if c.is_control() && c != '\t' {
            out.push_str(&format!("\\x{:02x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> (Vec<String>, Lines) {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in pieces {
            lines.push(piece, &mut |line| seen.push(line.to_string()));
        }
        lines.finish(&mut |line| seen.push(line.to_string()));
        (seen, lines)
    }

    #[test]
    fn lines_are_joined_across_pieces_and_the_last_needs_no_end() {
        assert_eq!(lines(&[b"on", b"e\ntwo\r\n\nthr", b"ee"]).0, ["one", "two", "", "three"]);
        assert!(lines(&[]).0.is_empty());
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(64))]
        #[test]
        fn lines_are_the_same_however_the_output_is_cut(
            bytes in proptest::collection::vec(0_u8..=255, 0..10_000), cut in 1_usize..9000, newlines in 0_usize..50,
        ) {
            let mut bytes = bytes;
            let len = bytes.len();
            for index in 0..newlines.min(len) {
                bytes[index * 397 % len] = b'\n';
            }
            let pieces: Vec<&[u8]> = bytes.chunks(cut).collect();
            let (whole, cut) = (lines(&[&bytes]).0, lines(&pieces).0);
            proptest::prop_assert_eq!(whole, cut);
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_made_visible() {
        assert_eq!(lines(&[b"a\0b\x1b[2J\xff\tc\n"]).0, ["a\\x00b\\x1b[2J\u{fffd}\tc"]);
    }

    #[test]
    fn a_line_without_end_is_cut_and_an_exact_fit_is_not_followed_by_an_empty_one() {
        let long = vec![b'x'; LINE_BYTES_MAX + 10];
        let (seen, _) = lines(&[&long]);
        assert_eq!(seen.iter().map(String::len).collect::<Vec<_>>(), [LINE_BYTES_MAX, 10]);
        let mut exact = vec![b'x'; LINE_BYTES_MAX];
        exact.push(b'\n');
        assert_eq!(lines(&[&exact]).0.len(), 1);
    }

    #[test]
    fn endless_output_is_logged_and_kept_within_bounds_and_the_last_line_survives() {
        let mut pieces: Vec<Vec<u8>> = vec![b"some more output\n".repeat(1000); 100];
        pieces.push(b"the end".to_vec());
        let (seen, kept) = lines(&pieces.iter().map(Vec::as_slice).collect::<Vec<_>>());
        assert!(seen.iter().map(|line| line.len() + 1).sum::<usize>() < BYTES_LOGGED_MAX + 200);
        assert!(seen.last().unwrap().contains("the rest is not logged"));
        assert_eq!(kept.last().len(), LINES_KEPT_MAX);
        assert_eq!(kept.last().last().unwrap(), "the end");
        let (_, kept) = lines(&[&vec![b'y'; 10 * BYTES_KEPT_MAX]]);
        assert!(kept.last().iter().map(String::len).sum::<usize>() <= BYTES_KEPT_MAX);
    }
}
