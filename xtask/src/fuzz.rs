//! The fuzz targets of `tests/fuzz`.

use crate::{packages, run};
use anyhow::Result;

/// Runs each of them.
pub fn fuzz(seconds: u32) -> Result<()> {
    packages::ensure(&packages::CXX)?;
    let _ = seconds;
    run::run(&mut run::cargo())
}
