//! `cluster apply FILE`: what a file declares, held against what is, and carried out as one operation.
//!
//! ```text
//!  TOML ─► file::Declared ─┐
//!                          ├─► diff::Difference (lines to read) ─► plan: one batch, in a safe order
//!  Snapshot ───────────────┘
//! ```
//!
//! Objects that are not named are left alone, but for `prune`; so are properties that are not named, of
//! objects that are. Where nothing differs, nothing is done.

mod diff;
mod file;
mod groups;
mod plan;
mod resources;

#[cfg(test)]
mod tests;

pub use diff::Difference;
pub use file::read;
