//! Links over real sockets and real TLS, on 127.0.0.1.
#![expect(clippy::unwrap_used, clippy::panic, reason = "helpers of tests: what is missing fails the test")]

mod kit;
mod links;
mod refusals;
