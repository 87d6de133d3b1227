//! Whole pmfd and pmfadm, with real processes, each test in directories and cgroups of its own.
#![expect(clippy::unwrap_used, reason = "a helper of tests that fails has found something")]

mod adoption;
mod deadman;
mod deadman_alone;
mod kit;
mod life;
mod many;
mod notices;
mod tree;
