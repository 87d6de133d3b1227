//! `clnode fence` and `clnode confirm-dead`: a node is cut off by its devices, or said to be.

use super::super::cluster::line;
use super::super::{Call, ClErr, Work};
use crate::applet::flag;
use crate::ask;
use crate::failure::Failure;
use crate::names;
use crate::suite::{Subcommand, any_objects, objects};
use crate::tables::DRY_RUN;
use rgm_api::rgm::Told;
use rgm_types::view::EventRecord;

/// What every event of fencing begins with.
const FENCING: &str = "fencing: ";

/// The subcommand.
pub const FENCE: Subcommand = Subcommand {
    name: "fence",
    summary: "cut a node off by its fence devices",
    description: &[
        "The president of the cluster asks the devices that [fence.NODE] of its rgm.toml names, level by level, until all devices of a level have confirmed. Then the node counts as dead, and what it ran is started elsewhere at once. It returns when that is known. While a node runs well, evacuate it first.",
        "--history prints what was fenced, evicted and confirmed before, and how it ended, as far as the event log of the node it is asked on knows it: the president of that time has it all.",
    ],
    options: &[flag("--history", "print what was done so far, of these nodes or of all"), DRY_RUN],
    needs: &[],
    operands: any_objects("NODE...", "nodes"),
    examples: &[
        ("fence phys-2", "cut a node off"),
        ("fence --dry-run phys-2", "print which devices would be asked, in which order"),
        ("fence --history", "print what was fenced before"),
    ],
    run: fence,
};
/// The subcommand.
pub const CONFIRM_DEAD: Subcommand = Subcommand {
    name: "confirm-dead",
    summary: "say that a node is dead, where no fence device can",
    description: &[
        "For a node that is registered and that the president does not reach. The cluster takes your word for it: what the node ran is started elsewhere at once, and runs twice if the node is not dead. Make sure first: its power is off, or its machine was reset; a broken network or a frozen console is not enough.",
        "Without it the cluster waits until the node must have ended itself, which takes some seconds: clnode fence --history tells.",
    ],
    options: &[flag("-F", "yes: the node is dead, somebody has made sure").or("--force")],
    needs: &[],
    operands: objects("NODE", "nodes"),
    examples: &[("confirm-dead -F phys-2", "after its power was taken away")],
    run: confirm_dead,
};

fn fence(call: &Call) -> Result<Work, Failure> {
    if call.args.has("--history") {
        return history(call);
    }
    if call.args.operands.is_empty() {
        return Err(call.args.misuse("fence needs NODE..."));
    }
    if call.args.operands.iter().any(|node| node == "+") {
        return Err(Failure::cl(ClErr::Op, "not all nodes can be fenced at once", "name them"));
    }
    let mut work = Work::default();
    for name in &call.args.operands {
        let dry_run = call.args.has("--dry-run");
        match names::node(name).and_then(|node| ask::fence(node, dry_run)) {
            Ok(done) => work.print.extend(done.messages.iter().map(|line| format!("{line}\n"))),
            Err(failure) => work.failures.push(failure),
        }
    }
    Ok(work)
}

fn confirm_dead(call: &Call) -> Result<Work, Failure> {
    let [name] = call.args.operands.as_slice() else {
        return Err(call.args.misuse("confirm-dead needs one NODE"));
    };
    let node = names::node(name)?;
    if !call.args.has("-F") {
        return Err(Failure::cl(
            ClErr::Op,
            format!("if node {node} is not dead, what it runs will run twice and may destroy its data"),
            format!(
                "make sure that its power is off or its machine was reset; then: clnode confirm-dead -F {node}"
            ),
        ));
    }
    ask::confirm_dead(node).map(|_| Work::default())
}

fn history(call: &Call) -> Result<Work, Failure> {
    let mut print = String::new();
    ask::events(None, None, false, &mut |told| {
        if let Told::Event(event) = told
            && is_history(&event, &call.args.operands)
        {
            print.push_str(&format!("{}\n", line(&event)));
        }
    })?;
    Ok(Work::print(print))
}

/// Whether it tells of fencing, of one of these nodes, or of any.
fn is_history(event: &EventRecord, nodes: &[String]) -> bool {
    let words = |text: &str, node: &String| {
        text.split(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).any(|word| word == node)
    };
    event.text.starts_with(FENCING) && (nodes.is_empty() || nodes.iter().any(|node| words(&event.text, node)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_types::Millis;
    use rgm_types::view::Level;

    #[test]
    fn the_history_of_a_node_names_it_as_a_word() {
        let event = |text: &str| EventRecord {
            seq: 1,
            at: Millis(0),
            level: Level::Warn,
            text: text.into(),
            event: String::new(),
            rule: String::new(),
        };
        let of = |node: &str| vec![node.to_owned()];
        let fenced = event("fencing: node phys-2: it is dead");
        assert!(is_history(&fenced, &[]) && is_history(&fenced, &of("phys-2")));
        assert!(!is_history(&fenced, &of("phys")) && !is_history(&fenced, &of("phys-20")));
        assert!(!is_history(&event("node phys-2 is reached"), &[]));
    }
}
