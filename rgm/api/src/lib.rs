//! What commands, methods and daemons say to each other.
//!
//! The wire is Varlink's: JSON objects ended by one NUL byte, `method`/`parameters`/`more` one way,
//! `parameters`/`continues`/`error` the other, so that `varlinkctl` can speak it too.
#![forbid(unsafe_code)]

pub mod rgm;
