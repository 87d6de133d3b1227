//! A command's connection to rgmd: one function per request, one error that knows its exit code.

use super::{EventsGone, Info, Quorum, Reply, Request};
use crate::Paths;
use crate::client::{CallError, Client};
use rgm_types::view::{EventRecord, Explanation, Snapshot};
use rgm_types::{
    Command, Done, GetValue, InstalledNodes, NodeName, Progress, Query, Refusal, SchaErr, Subject,
};
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why rgmd did not do what was asked. Its text is for the operator: whole, and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// It said no.
    #[error(transparent)]
    Refused(Refusal),
    /// It can't be reached.
    #[error("cannot reach rgmd on {}: {error}; is rgmd running here? ({advice})", socket.display())]
    Unreachable {
        /// Socket.
        socket: PathBuf,
        /// Variables in force, and nodes that have a socket.
        advice: String,
        /// Why.
        error: io::Error,
    },
    /// It went away before it answered.
    #[error(
        "rgmd on {} went away before it answered ({error}); whether the request was carried out is \
         not known: look with scstat, then ask again",
        socket.display()
    )]
    Lost {
        /// Socket.
        socket: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// It did not answer within the time given.
    #[error("rgmd on {} did not answer in time; it goes on with the request", socket.display())]
    TimedOut {
        /// Socket.
        socket: PathBuf,
    },
    /// It speaks otherwise.
    #[error("rgmd on {} can't be understood: {reason}", socket.display())]
    Protocol {
        /// Socket.
        socket: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

impl Failure {
    /// What it means as a `SCHA_ERR`, whose number is the exit code.
    ///
    /// An rgmd that is not there, or goes away, is one that restarts or is upgraded: callers know
    /// [`SchaErr::Reconf`] as "ask again in a moment".
    pub fn code(&self) -> SchaErr {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Unreachable { error, .. } if error.kind() == io::ErrorKind::PermissionDenied => {
                SchaErr::Access
            }
            Self::Unreachable { .. } | Self::Lost { .. } => SchaErr::Reconf,
            Self::TimedOut { .. } => SchaErr::Timeout,
            Self::Protocol { .. } => SchaErr::Internal,
        }
    }

    fn from_call(error: CallError<Refusal>, paths: &Paths) -> Self {
        match error {
            CallError::Refused(refusal) => Self::Refused(refusal),
            CallError::Unreachable { socket, source } => {
                Self::Unreachable { socket, advice: paths.advice("rgmd.sock"), error: source }
            }
            CallError::Lost { socket, source } => Self::Lost { socket, error: source },
            CallError::TimedOut { socket } => Self::TimedOut { socket },
            CallError::Protocol { socket, reason } => Self::Protocol { socket, reason },
        }
    }
}

/// What the event log has to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// An event.
    Event(EventRecord),
    /// These were asked for, and are kept no longer.
    Gone(EventsGone),
}

/// A connection to the rgmd that speaks for a node.
#[derive(Debug)]
pub struct Connection {
    client: Client,
    paths: Paths,
}

impl Connection {
    /// Connects to the rgmd of these paths.
    pub fn open(paths: &Paths) -> Result<Self, Failure> {
        let client = Client::connect(&paths.rgmd_socket()).map_err(|e| Failure::from_call(e, paths))?;
        Ok(Self { client, paths: paths.clone() })
    }

    /// See [`Client::set_time_limit`].
    pub fn set_time_limit(&mut self, limit: Option<Duration>) {
        self.client.set_time_limit(limit);
    }

    /// Reads one value.
    pub fn get(&mut self, query: Query) -> Result<GetValue, Failure> {
        let Reply::Value(value) = self.ask(&Request::Get(query), None)? else {
            return Err(self.unexpected("a value"));
        };
        Ok(value)
    }

    /// Reads everything.
    pub fn snapshot(&mut self) -> Result<Snapshot, Failure> {
        let Reply::Snapshot(snapshot) = self.ask(&Request::Snapshot {}, None)? else {
            return Err(self.unexpected("a snapshot"));
        };
        Ok(snapshot)
    }

    /// Asks why something is as it is.
    pub fn explain(&mut self, subject: Subject) -> Result<Explanation, Failure> {
        let Reply::Explanation(explanation) = self.ask(&Request::Explain { subject }, None)? else {
            return Err(self.unexpected("an explanation"));
        };
        Ok(explanation)
    }

    /// Changes something; waits until it is carried out. `progress` is told what goes on meanwhile.
    pub fn change(
        &mut self,
        command: Command,
        dry_run: bool,
        progress: Option<&mut dyn FnMut(Progress)>,
    ) -> Result<Done, Failure> {
        self.done(&Request::Change { command, dry_run }, progress)
    }

    /// Registers a resource type from the text of its file; `file` names it in diagnostics.
    pub fn register_type(
        &mut self,
        file: &str,
        text: &str,
        installed_nodes: Option<InstalledNodes>,
        dry_run: bool,
    ) -> Result<Done, Failure> {
        let (file, text) = (file.to_owned(), text.to_owned());
        self.done(&Request::RegisterType { file, text, installed_nodes, dry_run }, None)
    }

    /// Cuts a node off by its fence devices, or says which would be asked; waits for their answer.
    pub fn fence(&mut self, node: NodeName, dry_run: bool) -> Result<Done, Failure> {
        self.done(&Request::Fence { node, dry_run }, None)
    }

    /// Says that a node is dead.
    pub fn confirm_dead(&mut self, node: NodeName) -> Result<Done, Failure> {
        self.done(&Request::ConfirmDead { node }, None)
    }

    /// Reads the event log, oldest first: those later than `after`, that name `about`. Returns the number
    /// of the last event there is; with `follow`, only once the daemon goes away.
    pub fn events(
        &mut self,
        after: Option<u64>,
        about: Option<&str>,
        follow: bool,
        each: &mut dyn FnMut(Told),
    ) -> Result<u64, Failure> {
        let request = Request::Events { after, about: about.map(str::to_owned), follow };
        let answer = self.client.call_more(&request, |reply| match reply {
            Reply::Event(event) => each(Told::Event(event)),
            Reply::EventsGone(gone) => each(Told::Gone(gone)),
            Reply::Value(_)
            | Reply::Snapshot(_)
            | Reply::Explanation(_)
            | Reply::Progress(_)
            | Reply::EventsEnd(_)
            | Reply::Done(_)
            | Reply::Quorum(_)
            | Reply::Info(_) => {}
        });
        let Reply::EventsEnd(end) = answer.map_err(|e| Failure::from_call(e, &self.paths))? else {
            return Err(self.unexpected("the end of the events"));
        };
        Ok(end.last)
    }

    /// How does the node see its cluster of many machines?
    pub fn quorum(&mut self) -> Result<Quorum, Failure> {
        let Reply::Quorum(quorum) = self.ask(&Request::Quorum {}, None)? else {
            return Err(self.unexpected("how it sees the cluster"));
        };
        Ok(quorum)
    }

    /// Lets the node leave its cluster.
    pub fn leave(&mut self) -> Result<Done, Failure> {
        self.done(&Request::Leave {}, None)
    }

    /// Lets the node be a member again.
    pub fn join(&mut self) -> Result<Done, Failure> {
        self.done(&Request::Join {}, None)
    }

    /// Who is it?
    pub fn info(&mut self) -> Result<Info, Failure> {
        let Reply::Info(info) = self.ask(&Request::Info {}, None)? else {
            return Err(self.unexpected("who it is"));
        };
        Ok(info)
    }

    fn done(
        &mut self,
        request: &Request,
        progress: Option<&mut dyn FnMut(Progress)>,
    ) -> Result<Done, Failure> {
        let Reply::Done(done) = self.ask(request, progress)? else {
            return Err(self.unexpected("the end of the change"));
        };
        Ok(done)
    }

    fn ask(
        &mut self,
        request: &Request,
        progress: Option<&mut dyn FnMut(Progress)>,
    ) -> Result<Reply, Failure> {
        let answer = match progress {
            None => self.client.call(request),
            Some(tell) => self.client.call_more(request, |reply| {
                if let Reply::Progress(progress) = reply {
                    tell(progress);
                }
            }),
        };
        answer.map_err(|e| Failure::from_call(e, &self.paths))
    }

    fn unexpected(&self, wanted: &str) -> Failure {
        let reason = format!("asked for {wanted}, it answered with something else");
        Failure::Protocol { socket: self.paths.rgmd_socket(), reason }
    }
}
