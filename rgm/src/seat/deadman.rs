//! This node's deadman, which pmfd holds: see `rgm_api::pmf` and `docs/operations/deadman.md`.

use super::quorum::Lookout;
use crate::agent::deadline::Deadline;
use crate::clock;
use rgm_api::client::{CallError, Client};
use rgm_api::pmf::{self, DeadmanView, Fired, Refusal, RefusalKind, Reply, Request};
use rgm_cluster::member::{ArmError, Deadman};
use rgm_types::Millis;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tokio::time::sleep;

/// How long pmfd may take to answer: it does nothing else first.
const ANSWER_WAIT: Duration = Duration::from_millis(300);

/// How soon pmfd is asked again, for what it has not done yet.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long a kill may take before somebody else tries.
const KILL_WAIT: Duration = Duration::from_secs(10);

/// pmfd, as the keeper of a deadline.
pub struct Pmfd {
    socket: PathBuf,
    failfast: pmf::Failfast,
    cgroup: Option<PathBuf>,
    /// As it was armed last.
    deadline: Deadline,
    /// A connection, while there is one.
    client: Option<Client>,
}

impl Clone for Pmfd {
    fn clone(&self) -> Self {
        let Self { socket, failfast, cgroup, deadline, .. } = self;
        let (socket, failfast, cgroup) = (socket.clone(), failfast.clone(), cgroup.clone());
        Self { socket, failfast, cgroup, deadline: deadline.clone(), client: None }
    }
}

/// What a former life of rgmd has left at pmfd.
pub enum Found {
    /// It has fired: nothing of that life runs.
    Fired(Fired),
    /// The deadline it is armed for, if it is.
    Armed(Option<Millis>),
}

impl Deadman for Pmfd {
    fn arm(&mut self, deadline: Millis) -> Result<(), ArmError> {
        let armed = self.call(&Request::Deadman {
            deadline_boot_ms: deadline.0,
            failfast: self.failfast.clone(),
            cgroups: self.cgroup.iter().map(|path| path.clone().into_os_string().into()).collect(),
        });
        match armed {
            Ok(_) => {
                self.deadline.set(deadline);
                Ok(())
            }
            Err(CallError::Refused(refusal)) if refusal.kind == RefusalKind::Fired => Err(ArmError::Fired),
            Err(error) => Err(ArmError::Failed(said(error))),
        }
    }
}

impl Pmfd {
    /// That of this socket; what it does after the kill, and the cgroup of the methods.
    pub fn new(socket: PathBuf, failfast: pmf::Failfast, cgroup: Option<PathBuf>) -> Self {
        Self { socket, failfast, cgroup, deadline: Deadline::passed(), client: None }
    }

    /// When this node must be dead.
    pub fn deadline(&self) -> Deadline {
        self.deadline.clone()
    }

    /// Waits for pmfd, and for the end of everything it has killed since somebody last took note: what
    /// has fired is to be forgotten, by [`Pmfd::forget`], once nobody counts on what ran before.
    pub async fn found(&mut self, lookout: &Lookout) -> Found {
        loop {
            let waits_for = match self.view() {
                Ok(DeadmanView { fired: Some(fired), .. }) if !fired.acknowledged => {
                    if fired.empty_boot_ms.is_some() {
                        return Found::Fired(fired);
                    }
                    format!("what pmfd has killed does not end: {}", fired.stuck.join(", "))
                }
                Ok(DeadmanView { armed, .. }) => {
                    return Found::Armed(armed.map(|armed| Millis(armed.deadline_boot_ms)));
                }
                Err(error) => format!("pmfd on {} does not answer: {error}", self.socket.display()),
            };
            lookout.waits(format!("{waits_for}; waiting for it"));
            sleep(ASK_AGAIN).await;
        }
    }

    /// What ran before that is known to be gone.
    pub fn forget(&mut self, fired: &Fired) -> io::Result<()> {
        self.call(&Request::Forget { fired_boot_ms: fired.fired_boot_ms }).map(drop).map_err(said)
    }

    /// Nothing runs here: nobody renews any more, and that is meant.
    pub fn disarm(&mut self) -> io::Result<()> {
        self.call(&Request::Disarm {}).map(drop).map_err(said)
    }

    /// Everything here dies now, not at the deadline. False: it is not certain that it has. A pmfd that
    /// does not answer is not waited for: others count on the end of this node.
    pub async fn fire(&mut self) -> bool {
        let now = clock::since_boot();
        if let Err(ArmError::Failed(error)) = self.arm(now) {
            tracing::warn!("pmfd: {error}");
            return false;
        }
        let dead = async {
            loop {
                match self.view() {
                    Ok(DeadmanView { fired: Some(fired), .. })
                        if fired.empty_boot_ms.is_some() && !fired.acknowledged =>
                    {
                        return true;
                    }
                    Ok(_) => sleep(ASK_AGAIN).await,
                    Err(error) => {
                        tracing::warn!("pmfd: {error}");
                        return false;
                    }
                }
            }
        };
        tokio::time::timeout(KILL_WAIT, dead).await.unwrap_or(false)
    }

    fn view(&mut self) -> io::Result<DeadmanView> {
        let reply = self.call(&Request::DeadmanStatus {}).map_err(said)?;
        let Reply::Deadman(view) = reply else {
            return Err(io::Error::other(format!("it answers {reply:?}")));
        };
        Ok(*view)
    }

    /// Asks, on a new connection if the old one has ended.
    fn call(&mut self, request: &Request) -> Result<Reply, CallError<Refusal>> {
        if let Some(mut client) = self.client.take() {
            client.set_time_limit(Some(ANSWER_WAIT));
            match client.call(request) {
                // A late answer would belong to this question: that connection is not used again.
                timed_out @ Err(CallError::TimedOut { .. }) => return timed_out,
                answer @ (Ok(_) | Err(CallError::Refused(_))) => {
                    self.client = Some(client);
                    return answer;
                }
                Err(CallError::Unreachable { .. } | CallError::Lost { .. } | CallError::Protocol { .. }) => {}
            }
        }
        let mut client = Client::connect::<Refusal>(&self.socket)?;
        client.set_time_limit(Some(ANSWER_WAIT));
        let answer = client.call(request);
        if matches!(answer, Ok(_) | Err(CallError::Refused(_))) {
            self.client = Some(client);
        }
        answer
    }
}

fn said(error: CallError<Refusal>) -> io::Error {
    if let CallError::Refused(refusal) = error {
        return io::Error::other(refusal.message);
    }
    io::Error::other(rgm_api::chain(&error))
}
