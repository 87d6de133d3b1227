//! The proof of the core: simulator, seeded bugs, model checker. See `docs/proof.md`.

use crate::run;
use anyhow::Result;

/// Proves for so many seconds, from a seed. What it finds it writes to `tests/schedules`.
pub fn prove(seconds: u64, seed: u64) -> Result<()> {
    let mut prove = run::cargo();
    prove.args(["run", "--quiet", "-p", "rgm-tests", "--features", "mutants", "--bin", "prove", "--"]);
    run::run(prove.args([seconds.to_string(), seed.to_string()]))
}
