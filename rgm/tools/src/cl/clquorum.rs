//! `clquorum` (reference 7.8): who is there and who counts, on many machines, as one node sees it.
//!
//! Votes are etcd's: its members stand where the tradition has quorum devices, and nodes have no votes.

use super::layout::{Sheet, Table, plain};
use super::{Call, Work};
use crate::ask;
use crate::failure::Failure;
use crate::moment::utc;
use crate::suite::{NO_OPERANDS, Subcommand, Suite};
use crate::tables::JSON;
use rgm_api::rgm::{Endpoint, Health, Life, LinkView, Member, Quorum, Voter};
use rgm_types::Millis;
use std::time::Duration;

/// Votes, members and etcd.
pub const CLQUORUM: Suite = Suite {
    name: "clquorum",
    short: "clq",
    summary: "show the members of a cluster of many machines, and etcd, whose votes decide",
    description: &[
        "Any node answers for itself, also where the cluster has no president or etcd does not answer: ask another one, and compare.",
    ],
    subcommands: &[STATUS],
    places: &[],
    see_also: &["cluster", "clnode"],
    of_type: "",
};

const STATUS: Subcommand = Subcommand {
    name: "status",
    summary: "print votes, members, links, clocks, and how etcd is",
    description: &[
        "Quorum devices are the members of etcd: each has one vote, and more than half must be there. Nodes have none. All of it is as it is now, not as at some reconfiguration.",
        "A lease is what others wait for the end of before they take over what the node runs. A link is this node's to that one. A clock is compared with this node's, to some milliseconds; nothing depends on it but what event logs show.",
    ],
    options: &[JSON],
    needs: &[],
    operands: NO_OPERANDS,
    examples: &[("status", "print all"), ("status --json", "print it for programs")],
    run: status,
};

fn status(call: &Call) -> Result<Work, Failure> {
    let quorum = ask::quorum()?;
    Ok(Work::print(if call.args.has("--json") { crate::json::pretty(&quorum)? } else { text(&quorum) }))
}

/// All of it as text.
pub fn text(quorum: &Quorum) -> String {
    [votes(quorum), members(quorum), etcd(quorum)].concat()
}

fn votes(quorum: &Quorum) -> String {
    let (possible, present, needed) = quorum.votes();
    let summary =
        vec![["", &needed.to_string(), &present.to_string(), &possible.to_string()].map(str::to_owned)];
    let summary = Table::list(
        &[("", 12), ("Needed", 9), ("Present", 10), ("Possible", 0)],
        summary.into_iter().map(Vec::from).collect(),
    );
    let row = |name: &str, present: bool, votes: bool, status: &str| {
        let vote = |has: bool| u8::from(has && votes).to_string();
        vec![name.to_owned(), vote(present), vote(true), status.to_owned()]
    };
    let online = |online| if online { "Online" } else { "Offline" };
    let node = |member: &Member| row(&member.node, false, false, online(member.life.is_some()));
    let nodes = Table::list(
        &[("Node Name", 32), ("Present", 10), ("Possible", 11), ("Status", 0)],
        quorum.members.iter().map(node).collect(),
    );
    let voter = |voter: &Voter| row(&voter.name, voter.answers, voter.votes, online(voter.answers));
    let devices = Table::list(
        &[("Device Name", 32), ("Present", 10), ("Possible", 11), ("Status", 0)],
        quorum.voters.iter().map(voter).collect(),
    );
    format!(
        "\n=== Cluster Quorum ===\n\n\
         --- Quorum Votes Summary from (latest node reconfiguration) ---\n\n{summary}\n\
         --- Quorum Votes by Node (current status) ---\n\n{nodes}\n\
         --- Quorum Votes by Device (current status) ---\n\n{devices}"
    )
}

fn members(quorum: &Quorum) -> String {
    let mut sheet = Sheet::titled("Cluster Members");
    let source =
        if quorum.from_etcd { "as etcd has it" } else { "as it was seen last: etcd does not answer" };
    sheet.head(0, "Seen by Node", &format!("{}, {source}", quorum.seen_by));
    if let Some(waits_for) = &quorum.waits_for {
        sheet.line(2, "No Member Yet", waits_for);
    }
    let president =
        quorum.president.as_ref().map(|president| format!("{}, epoch {}", president.node, president.epoch));
    sheet.line(2, "President", president.as_deref().unwrap_or("none"));
    let safe = quorum.fail_safe.map(|since| format!("for {}: etcd does not answer any node", span(since)));
    sheet.line(2, "Fail-safe Mode", safe.as_deref().unwrap_or("no"));
    if let (false, Some(deadline)) = (quorum.from_etcd, quorum.deadline) {
        let text = format!(
            "in {} all that it runs is killed, unless etcd answers or all nodes wait for it",
            span(deadline)
        );
        sheet.line(2, "Deadline", &text);
    }
    let row = |member: &Member| {
        let Member { node, life, link } = member;
        let begun = life.as_ref().map_or_else(|| "-".to_owned(), |life| utc(Millis(life.incarnation)));
        let lease = life.as_ref().map_or_else(|| "not registered".to_owned(), lease);
        let clock = link.as_ref().and_then(|link| link.ahead_ms).map_or_else(|| "-".to_owned(), seconds);
        let link = link.as_ref().map_or_else(|| "this node".to_owned(), link_text);
        vec![node.clone(), begun, lease, clock, link]
    };
    let heads = &[("Node Name", 16), ("Incarnation", 22), ("Lease", 16), ("Clock", 12), ("Link", 0)];
    let table = Table::list(heads, quorum.members.iter().map(row).collect());
    format!("{}\n{table}", sheet.text())
}

fn lease(life: &Life) -> String {
    let left = life.left.map_or_else(|| "?".to_owned(), |left| left.0.div_ceil(1000).to_string());
    let lease = format!("{left} of {} s", life.ttl.0.div_ceil(1000));
    match (life.evicted, life.parked) {
        (true, _) => "evicted".to_owned(),
        (false, true) => format!("{lease}, held"),
        (false, false) => lease,
    }
}

fn link_text(link: &LinkView) -> String {
    match (&link.why_down, link.up) {
        (_, true) => format!("up for {}", span(link.lasts)),
        (Some(why), false) if link.lasts == Millis(0) => format!("down: {}", plain(why)),
        (Some(why), false) => format!("down for {}: {}", span(link.lasts), plain(why)),
        (None, false) => format!("down for {}", span(link.lasts)),
    }
}

fn etcd(quorum: &Quorum) -> String {
    let row = |Endpoint { url, health, why_silent }: &Endpoint| {
        let Some(health) = health else {
            let why = plain(why_silent.as_deref().unwrap_or("no answer"));
            let absent = || "-".to_owned();
            return vec![url.clone(), absent(), absent(), absent(), format!("Offline - {why}")];
        };
        let Health { version, leader, member, db_size, errors, .. } = health;
        let role = match leader {
            0 => "no leader",
            leader if leader == member => "leader",
            _ => "follower",
        };
        let status = match errors.as_slice() {
            [] if *leader == 0 => "Degraded - it sees no leader".to_owned(),
            [] => "Online".to_owned(),
            errors => format!("Degraded - {}", plain(&errors.join("; "))),
        };
        vec![url.clone(), version.clone(), role.to_owned(), size(*db_size), status]
    };
    let heads = &[("Endpoint", 32), ("Version", 10), ("Role", 11), ("Database", 11), ("Status", 0)];
    let table = Table::list(heads, quorum.endpoints.iter().map(row).collect());
    format!("\n=== etcd Endpoints ===\n\n{table}\n")
}

fn size(bytes: i64) -> String {
    let bytes = u64::try_from(bytes).unwrap_or(0);
    if bytes < 10 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// To the second.
fn span(span: Millis) -> String {
    humantime::format_duration(Duration::from_secs(span.0 / 1000)).to_string()
}

fn seconds(ms: i64) -> String {
    let sign = if ms < 0 { '-' } else { '+' };
    format!("{sign}{}.{:03} s", ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000)
}

#[cfg(test)]
mod tests;
