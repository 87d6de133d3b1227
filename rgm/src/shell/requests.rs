//! Requests: reads are answered at once, changes become events.

use super::hands::Waiting;
use super::{Fact, Rule, Shell};
use crate::clock;
use crate::ipc::{Answers, Asked};
use rgm_api::rgm::{Info, Outcome, Reply, Request};
use rgm_core::Rgm;
use rgm_core::event::Event;
use rgm_types::{Command, Done, InstalledNodes, NodeName, Refusal, SchaErr};
use rtr_parser::Severity;

/// A request, sorted.
enum Sorted {
    Read(Outcome),
    Change { command: Command, dry_run: bool, remarks: Vec<String> },
}

impl Shell {
    /// Answers a read; makes an event of a change.
    pub(super) fn asked(&mut self, asked: Asked) -> Option<Fact> {
        let Asked { from, request, privileged, answers } = asked;
        match self.sort(&from, request, privileged) {
            Sorted::Read(outcome) => answers.last(outcome),
            Sorted::Change { .. } if self.gathering.is_some() || self.reload_at.is_some() => {
                answers.last(Err(unsettled()));
            }
            Sorted::Change { command, dry_run: true, remarks } => {
                let done = self.core.dry_run(clock::now(), &from, &command);
                answers.last(done.map(|done| Reply::Done(with(remarks, done))));
            }
            Sorted::Change { command, dry_run: false, remarks } => {
                return Some(self.change(from, command, answers, remarks));
            }
        }
        None
    }

    /// Answers a read, and refuses a change.
    pub(super) fn only_read(&mut self, asked: Asked, why: fn() -> Refusal) -> Option<Fact> {
        let Asked { from, request, privileged, answers } = asked;
        let outcome = match self.sort(&from, request, privileged) {
            Sorted::Read(outcome) => outcome,
            Sorted::Change { .. } => Err(why()),
        };
        Answers::last(answers, outcome);
        None
    }

    fn change(&mut self, from: NodeName, command: Command, answers: Answers, remarks: Vec<String>) -> Fact {
        let id = self.next_id();
        // Agents tell their status all the time, and the core says what changes by it.
        let silent = matches!(command, Command::SetStatus { .. });
        let asked = (!silent).then(|| Rgm::in_words(&command));
        if let Some(asked) = &asked {
            tracing::info!("request {}, {asked}: asked on node {from}", id.0);
        }
        self.hands.wait(id, Waiting { answers, remarks, asked });
        Event::Request { id, from, command }.into()
    }

    fn sort(&self, from: &NodeName, request: Request, privileged: bool) -> Sorted {
        let refused = || Sorted::Read(Err(no_access()));
        match request {
            Request::Get(query) => Sorted::Read(self.core.get(clock::now(), from, &query).map(Reply::Value)),
            Request::Snapshot {} => Sorted::Read(Ok(Reply::Snapshot(self.core.snapshot()))),
            Request::Explain { subject } => {
                Sorted::Read(self.core.explain(clock::now(), &subject).map(Reply::Explanation))
            }
            Request::Info {} => {
                Sorted::Read(Ok(Reply::Info(Info { node: from.to_string(), ..self.info.clone() })))
            }
            Request::Events { .. } | Request::Quorum {} | Request::Leave {} | Request::Join {} => {
                Sorted::Read(Err(told_elsewhere()))
            }
            Request::Fence { .. } | Request::ConfirmDead { .. } => Sorted::Read(Err(one_machine())),
            Request::Change { .. } | Request::RegisterType { .. } if !privileged => refused(),
            Request::Change { command: Command::NodeAdd { .. } | Command::NodeRemove { .. }, .. }
                if self.rule == Rule::Alone =>
            {
                Sorted::Read(Err(nodes_are_given()))
            }
            Request::Change { command, dry_run } => Sorted::Change { command, dry_run, remarks: Vec::new() },
            Request::RegisterType { file, text, installed_nodes, dry_run } => {
                match read_type(&file, &text, installed_nodes) {
                    Ok((command, remarks)) => Sorted::Change { command, dry_run, remarks },
                    Err(refusal) => Sorted::Read(Err(refusal)),
                }
            }
        }
    }
}

/// Understands a registration file: the command it amounts to, and warnings; or all its errors.
fn read_type(
    file: &str,
    text: &str,
    installed_nodes: Option<InstalledNodes>,
) -> Result<(Command, Vec<String>), Refusal> {
    let parsed = rtr_parser::parse(file, text.as_bytes());
    let count = |severity| parsed.diagnostics.iter().filter(|d| d.severity == severity).count();
    let rendered = parsed.diagnostics.iter().flat_map(|d| {
        let lines: Vec<String> = d.to_string().lines().map(str::to_owned).collect();
        lines
    });
    let output: Vec<String> = rendered.collect();
    let Some(mut declaration) = parsed.resource_type else {
        let errors = match count(Severity::Error) {
            1 => "an error".to_owned(),
            errors => format!("{errors} errors"),
        };
        let message = format!("the registration file {file} has {errors}");
        let hint = "correct them, check with rtrcheck, and register again";
        return Err(Refusal { output, ..Refusal::new(SchaErr::Inval, message, hint) });
    };
    if let Some(nodes) = installed_nodes {
        declaration.installed_nodes = nodes;
    }
    Ok((Command::TypeRegister { declaration }, output))
}

fn with(mut remarks: Vec<String>, mut done: Done) -> Done {
    remarks.append(&mut done.messages);
    Done { messages: remarks, ..done }
}

fn no_access() -> Refusal {
    Refusal::new(
        SchaErr::Access,
        "only root may change the configuration or the state of resources",
        "run as root",
    )
}

/// In a cluster of many machines the seat of the president answers that.
fn one_machine() -> Refusal {
    let message = "the nodes of this cluster are on one machine: none of them is cut off from the others";
    Refusal::new(SchaErr::NotAllowed, message, "clnode evacuate takes everything off a node")
}

fn nodes_are_given() -> Refusal {
    let message = "this cluster is on one machine: its nodes are those that its rgmd is started for";
    let hint = "`cluster create -n NODE,NODE -s STORE` makes one of several machines out of it";
    Refusal::new(SchaErr::NotAllowed, message, hint)
}

/// The event log, and what is a node's own matter, do not come this way: the connection tells them.
fn told_elsewhere() -> Refusal {
    Refusal::new(SchaErr::Internal, "that is told by the connection, not by the shell", "")
}

fn unsettled() -> Refusal {
    let message = "the configuration can't be stored at present; what was configured last is in force";
    Refusal::new(SchaErr::Reconf, message, "see the log of rgmd, and try again in a moment")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rgm_types::Method;

    const GOOD: &str =
        "RESOURCE_TYPE = t;\nRT_VERSION = \"1\";\nRT_BASEDIR = /opt/t;\nSTART = start;\nSTOP = stop;\n";

    #[test]
    fn a_good_file_becomes_a_command() {
        let nodes = InstalledNodes::Only(vec![NodeName::new("a").unwrap()]);
        let (command, _) = read_type("t", GOOD, Some(nodes.clone())).unwrap();
        let Command::TypeRegister { declaration } = command else { panic!("another command") };
        assert_eq!(declaration.method_path(Method::Start).unwrap(), "/opt/t/start");
        assert_eq!(declaration.installed_nodes, nodes);
    }

    #[test]
    fn every_error_of_a_bad_file_is_returned_with_its_place() {
        let text = GOOD.replace("= stop;", "stop").replace("RT_BASEDIR", "RT_BASEMENT");
        let refusal = read_type("dir/t", &text, None).unwrap_err();
        assert_eq!(refusal.code, SchaErr::Inval);
        let places = refusal.output.iter().filter(|line| line.contains("--> dir/t:")).count();
        assert!(places >= 2, "{:#?}", refusal.output);
    }
}
