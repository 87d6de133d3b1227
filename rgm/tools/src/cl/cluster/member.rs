//! `cluster leave` and `cluster join`: a node of many machines says good-bye, and comes back.

use super::shutdown::{say, wait};
use crate::ask::{self, Change};
use crate::cl::{Call, ClErr, Work};
use crate::failure::Failure;
use crate::{names, progress};
use rgm_api::rgm::{Life, Quorum};
use rgm_types::{Command, NodeName};
use std::time::Duration;

/// What is left to do takes a moment; a daemon that is busy or started again takes longer.
const WAIT: Duration = Duration::from_secs(60);
/// Nothing is started by itself on a node that is about to leave.
const KEPT_OFF_SECS: u32 = 60;

/// This node leaves.
pub fn leave(call: &Call) -> Result<Work, Failure> {
    let quorum = ask::quorum()?;
    let me = names::node(&quorum.seen_by)?;
    if quorum.waits_for.is_some() {
        let message = format!("node {me} is no member of the cluster now");
        return Err(Failure::cl(ClErr::State, message, "clquorum status says why"));
    }
    let others = quorum.members.iter().any(|member| member.node != quorum.seen_by && member.life.is_some());
    if !others && !call.args.has("-F") {
        let message =
            format!("no other node is there to take what node {me} runs: all of it would go offline");
        return Err(Failure::cl(ClErr::State, message, "cluster leave -F, if that is wanted"));
    }
    let dry_run = call.args.has("--dry-run");
    let evacuation = Command::Evacuate { nodes: vec![me.clone()], sticky_secs: KEPT_OFF_SECS };
    let mut print = progress::change(call.voice(), Change::Command(evacuation), dry_run)?;
    if dry_run {
        print.push_str(&format!("node {me} would leave the cluster\n"));
        return Ok(Work::print(print));
    }
    ask::leave()?;
    let mut last = Ok(quorum);
    let gone = wait(WAIT, || {
        last = ask::quorum();
        last.as_ref().is_ok_and(|quorum| life(quorum, &me).is_none())
    });
    match (gone, last) {
        (true, _) => Ok(Work::print(format!("{print}node {me} has left the cluster\n"))),
        // Nobody starts the daemon again: then it is not needed either.
        (false, Err(_)) => {
            say(&format!("{}: rgmd has ended and was not started again", call.called));
            Ok(Work::print(format!("{print}node {me} leaves the cluster\n")))
        }
        (false, Ok(_)) => {
            let message = format!("node {me} leaves the cluster, and is registered still");
            Err(Failure::cl(ClErr::State, message, "its lease ends by itself; see clquorum status"))
        }
    }
}

/// This node is a member again.
pub fn join(call: &Call) -> Result<Work, Failure> {
    let quorum = ask::quorum()?;
    let me = names::node(&quorum.seen_by)?;
    if is_member(&quorum, &me) {
        return Ok(Work::print(format!("node {me} is a member of cluster {} already\n", quorum.cluster)));
    }
    if call.args.has("--dry-run") {
        let now = quorum.waits_for.unwrap_or_default();
        return Ok(Work::print(format!("node {me} would join cluster {}; now: {now}\n", quorum.cluster)));
    }
    ask::join()?;
    let mut said = quorum.waits_for.clone();
    let up = wait(WAIT, || {
        let Ok(quorum) = ask::quorum() else { return false };
        if let Some(why) = quorum.waits_for.as_ref().filter(|why| said.as_ref() != Some(why)) {
            say(&format!("{}: {why}", call.called));
        }
        let up = is_member(&quorum, &me);
        said = quorum.waits_for;
        up
    });
    match up {
        true => Ok(Work::print(format!("node {me} has joined cluster {}\n", quorum.cluster))),
        false => {
            let why = said.unwrap_or_else(|| "it is not registered".to_owned());
            let message = format!("node {me} has not joined within {} s: {why}", WAIT.as_secs());
            Err(Failure::cl(ClErr::State, message, "it joins by itself when it can; see clquorum status"))
        }
    }
}

fn life<'a>(quorum: &'a Quorum, me: &NodeName) -> Option<&'a Life> {
    quorum.members.iter().find(|member| member.node == me.as_str())?.life.as_ref()
}

/// A place that is held for the next daemon is not yet that one's.
fn is_member(quorum: &Quorum, me: &NodeName) -> bool {
    quorum.waits_for.is_none() && life(quorum, me).is_some_and(|life| !life.parked && !life.evicted)
}
