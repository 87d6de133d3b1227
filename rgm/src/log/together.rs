//! Lines that belong together go to the standard error in one piece: a step of the core logs several,
//! and a system call for each would be a good part of what the step costs.

use std::cell::RefCell;
use std::io::{self, Write};
use tracing_subscriber::fmt::MakeWriter;

thread_local! {
    /// What this thread has said since it began to gather.
    static GATHERED: RefCell<Option<Vec<u8>>> = const { RefCell::new(None) };
}

/// From here on the lines of this thread are kept, until the guard is dropped.
pub fn together() -> Together {
    GATHERED.set(Some(GATHERED.take().unwrap_or_default()));
    Together(())
}

/// Writes the lines when it is dropped.
#[derive(Debug)]
pub struct Together(());

impl Drop for Together {
    fn drop(&mut self) {
        let lines = GATHERED.take().unwrap_or_default();
        if !lines.is_empty() {
            // There is nowhere to say that it could not be said.
            let _lost = io::stderr().write_all(&lines);
        }
    }
}

/// The standard error, or what is gathered for it.
#[derive(Debug, Clone, Copy)]
pub struct Lines;

impl Write for Lines {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        GATHERED.with_borrow_mut(|gathered| match gathered {
            Some(lines) => lines.write(line),
            None => io::stderr().write(line),
        })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_kept_while_they_are_gathered_and_no_longer() {
        let guard = together();
        Lines.write_all(b"one\n").unwrap();
        Lines.write_all(b"two\n").unwrap();
        assert_eq!(GATHERED.with_borrow(Clone::clone), Some(b"one\ntwo\n".to_vec()));
        drop(guard);
        assert_eq!(GATHERED.with_borrow(Clone::clone), None);
    }
}
