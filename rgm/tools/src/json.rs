//! `--json` of the administration.

use crate::failure::Failure;
use rgm_types::SchaErr;
use serde::Serialize;

/// Any facts as indented JSON.
pub fn pretty(facts: &impl Serialize) -> Result<String, Failure> {
    match serde_json::to_string_pretty(facts) {
        Ok(text) => Ok(text + "\n"),
        Err(e) => Err(Failure::new(SchaErr::Internal, format!("can't be written as JSON: {e}"), "")),
    }
}
