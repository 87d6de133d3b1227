//! What commands, methods and daemons say to each other.
//!
//! The wire is Varlink's: JSON objects ended by one NUL byte, `method`/`parameters`/`more` one way,
//! `parameters`/`continues`/`error` the other, so that `varlinkctl` can speak it too.
//!
//! * [`frame`]: bytes to messages and back, without any I/O: daemon and command share it.
//! * [`client`]: a blocking caller over a Unix socket, quick enough for a shell method.
//! * [`paths`]: where sockets, state and configuration lie.
//! * [`rgm`]: the words of rgmd.
//! * [`pmf`]: the words of pmfd.
#![forbid(unsafe_code)]

pub mod client;
pub mod frame;
pub mod paths;
pub mod pmf;
pub mod rgm;

pub use frame::Interface;
pub use paths::Paths;

/// An error with all that led to it, in one line.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
