//! This node's deadman, which pmfd holds: see `rgm_api::pmf` and `docs/operations/deadman.md`.

use crate::clock;
use rgm_api::client::{CallError, Client};
use rgm_api::pmf::{self, DeadmanView, Fired, Refusal, Reply, Request};
use rgm_cluster::member::Deadman;
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
    /// A connection, while there is one.
    client: Option<Client>,
}

impl Clone for Pmfd {
    fn clone(&self) -> Self {
        Self::new(self.socket.clone(), self.failfast.clone(), self.cgroup.clone())
    }
}

impl Deadman for Pmfd {
    fn arm(&mut self, deadline: Millis) -> io::Result<()> {
        self.call(&Request::Deadman {
            deadline_boot_ms: deadline.0,
            failfast: self.failfast.clone(),
            cgroups: self.cgroup.iter().map(|path| path.clone().into_os_string().into()).collect(),
        })
        .map(drop)
    }

    fn disarm(&mut self) -> io::Result<()> {
        self.call(&Request::Disarm {}).map(drop)
    }
}

impl Pmfd {
    /// That of this socket; what it does after the kill, and the cgroup of the methods.
    pub fn new(socket: PathBuf, failfast: pmf::Failfast, cgroup: Option<PathBuf>) -> Self {
        Self { socket, failfast, cgroup, client: None }
    }

    /// Waits for pmfd, and for the end of everything it has killed since somebody last took note: what
    /// has fired is to be forgotten, by [`Pmfd::forget`], once nobody counts on what ran before.
    pub async fn fired(&mut self) -> Option<Fired> {
        let mut said = String::new();
        loop {
            let waits_for = match self.view() {
                Ok(DeadmanView { fired: Some(fired), .. }) if !fired.acknowledged => {
                    if fired.empty_boot_ms.is_some() {
                        return Some(fired);
                    }
                    format!("what pmfd has killed does not end: {}", fired.stuck.join(", "))
                }
                Ok(_) => return None,
                Err(error) => format!("pmfd on {} does not answer: {error}", self.socket.display()),
            };
            if waits_for != said {
                tracing::warn!("{waits_for}; waiting for it");
                said = waits_for;
            }
            sleep(ASK_AGAIN).await;
        }
    }

    /// What ran before that is known to be gone.
    pub fn forget(&mut self, fired: &Fired) -> io::Result<()> {
        self.call(&Request::Forget { fired_boot_ms: fired.fired_boot_ms }).map(drop)
    }

    /// Everything here dies now, not at the deadline. False: it is not certain that it has.
    pub async fn fire(&mut self) -> bool {
        let now = clock::since_boot();
        if let Err(error) = self.arm(now) {
            // It has fired already, perhaps.
            tracing::warn!("pmfd: {error}");
        }
        let dead = async {
            loop {
                if let Ok(DeadmanView { fired: Some(fired), .. }) = self.view()
                    && fired.empty_boot_ms.is_some()
                    && !fired.acknowledged
                {
                    return;
                }
                sleep(ASK_AGAIN).await;
            }
        };
        tokio::time::timeout(KILL_WAIT, dead).await.is_ok()
    }

    fn view(&mut self) -> io::Result<DeadmanView> {
        let reply = self.call(&Request::DeadmanStatus {})?;
        let Reply::Deadman(view) = reply else {
            return Err(io::Error::other(format!("it answers {reply:?}")));
        };
        Ok(*view)
    }

    /// Asks, on a new connection if the old one has ended.
    fn call(&mut self, request: &Request) -> io::Result<Reply> {
        if let Some(client) = &mut self.client {
            client.set_time_limit(Some(ANSWER_WAIT));
            match client.call(request) {
                Ok(reply) => return Ok(reply),
                Err(error @ CallError::Refused(_)) => return Err(said(error)),
                Err(error @ CallError::TimedOut { .. }) => {
                    // A late answer would belong to this question.
                    self.client = None;
                    return Err(said(error));
                }
                Err(CallError::Unreachable { .. } | CallError::Lost { .. } | CallError::Protocol { .. }) => {}
            }
        }
        let mut client = Client::connect::<Refusal>(&self.socket).map_err(said)?;
        client.set_time_limit(Some(ANSWER_WAIT));
        let answer = client.call(request);
        if !matches!(answer, Err(CallError::TimedOut { .. })) {
            self.client = Some(client);
        }
        answer.map_err(said)
    }
}

fn said(error: CallError<Refusal>) -> io::Error {
    if let CallError::Refused(refusal) = error {
        return io::Error::other(refusal.message);
    }
    io::Error::other(crate::log::chain(&error))
}
