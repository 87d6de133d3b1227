//! `cluster status`: of everything, or of some kinds; on many machines also of what lies below the
//! groups, which is told even where nobody is there to tell of them.

use super::{STATEFUL, all_nodes, kinds};
use crate::ask;
use crate::cl::clnode::status_table;
use crate::cl::{Call, ClErr, Work, clquorum, clrg, clrs};
use crate::failure::Failure;
use rgm_api::rgm::Quorum;
use rgm_types::SchaErr;
use rgm_types::view::Snapshot;
use serde_json::Value;

/// Prints it.
pub fn run(call: &Call) -> Result<Work, Failure> {
    let kinds = kinds(call, &STATEFUL)?;
    let quorum = quorum(&kinds)?;
    let rest = kinds.iter().any(|kind| *kind != "quorum");
    let led = quorum.as_ref().map_or(Ok(()), Quorum::is_led);
    let (snapshot, failure) = match (rest, led) {
        (false, _) => (None, None),
        (true, Err(why)) => (None, Some(untold(&why))),
        (true, Ok(())) => match call.snapshot() {
            Ok(snapshot) => (Some(snapshot), None),
            Err(failure) if quorum.is_some() => (None, Some(failure)),
            Err(failure) => return Err(failure),
        },
    };
    let print = match call.args.has("--json") {
        true => crate::json::pretty(&facts(snapshot, quorum.as_ref())?)?,
        false => kinds.iter().map(|kind| part(call, kind, snapshot, quorum.as_ref())).collect(),
    };
    Ok(Work { failures: failure.into_iter().collect(), ..Work::print(print) })
}

/// How this node sees the cluster, if that is wanted and it is one of many machines. (Whoever does not
/// answer to this does not answer to the next question either.)
fn quorum(kinds: &[&str]) -> Result<Option<Quorum>, Failure> {
    if !kinds.contains(&"quorum") {
        return Ok(None);
    }
    match ask::quorum() {
        Err(failure) if kinds == ["quorum"] => Err(failure),
        answer => Ok(answer.ok()),
    }
}

fn untold(why: &str) -> Failure {
    let message = format!("nodes, groups and resources are not shown: {why}");
    Failure::new(SchaErr::Reconf, message, "what is shown is what this node sees; ask on another one, too")
}

fn part(call: &Call, kind: &str, snapshot: Option<&Snapshot>, quorum: Option<&Quorum>) -> String {
    match (kind, snapshot) {
        ("quorum", _) => quorum.map(clquorum::text).unwrap_or_default(),
        ("node", Some(snapshot)) => status_table(&all_nodes(snapshot)),
        ("resourcegroup", Some(snapshot)) => clrg::status_table(&snapshot.groups),
        ("resource", Some(snapshot)) => clrs::status_table(&snapshot.resources, call.verbose()),
        _ => String::new(),
    }
}

/// The snapshot, and `quorum` beside what is in it.
fn facts(snapshot: Option<&Snapshot>, quorum: Option<&Quorum>) -> Result<Value, Failure> {
    let value = |facts: Result<Value, serde_json::Error>| {
        facts.map_err(|error| Failure::cl(ClErr::Internal, error.to_string(), ""))
    };
    let mut facts = match snapshot {
        Some(snapshot) => value(serde_json::to_value(snapshot))?,
        None => Value::Object(serde_json::Map::new()),
    };
    if let (Some(quorum), Some(map)) = (quorum, facts.as_object_mut()) {
        map.insert("quorum".to_owned(), value(serde_json::to_value(quorum))?);
    }
    Ok(facts)
}
