//! Ending everything on a node: for an abort, and when a cluster on one machine ends.
//!
//! Methods go first, for they might have pmfd start something; then pmfd with all it supervises. An
//! end is told only when it is certain: a process stuck in the kernel is waited for as long as it takes.

use super::journal::Journal;
use super::{Agent, Means, Setup, pmf};
use crate::clock;
use methods::cgroup::Cgroup;
use rgm_api::chain;
use rgm_api::client::Client;
use rgm_api::pmf::{Failfast, Refusal, Request};
use rustix::event::{PollFd, PollFlags, poll};
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a pmfd that ends may take to answer the daemon of a machine that is about to die. The lease of
/// the node must outlast it.
const PMFD_WAIT: Duration = Duration::from_secs(3);

impl Agent {
    /// Kills every process of this node's methods and of its pmfd, and pmfd itself; forgets them all.
    pub(super) async fn kill_all(&self) {
        {
            let mut state = self.0.state.borrow_mut();
            state.down = true;
            // Dropped before its end, a method is killed with all its processes.
            std::mem::take(&mut state.running).into_values().for_each(|flying| flying.task.abort());
            state.exceeded.clear();
            state.taken.clear();
        }
        // The tasks drop their methods when they are next polled; the cgroup has the others.
        tokio::task::yield_now().await;
        if let Some(cgroup) = self.0.setup.cgroup.clone() {
            // On a thread of its own, for it waits for the kernel.
            let killed = tokio::task::spawn_blocking(move || kill_below(&cgroup)).await;
            if let Ok(Err(error)) = killed {
                tracing::error!("the methods of {} can't be killed: {error}", self.0.setup.node);
            }
        }
        self.end_pmfd().await;
        if let Err(error) = self.0.state.borrow_mut().journal.remove() {
            tracing::error!("the journal of {} can't be removed: {error}", self.0.setup.node);
        }
    }

    /// The surest end of everything on this machine, for one that is a node of its own, and whose pmfd
    /// does not do it.
    pub fn end_machine(&self) {
        if let Means::Machine(failfast) = &self.0.setup.means {
            kill_without_pmfd(&self.0.setup);
            machine(failfast, &self.0.setup, &mut self.0.state.borrow_mut().journal);
        }
    }

    /// The cluster on one machine ends: nothing of this node is left, but what the state directory holds.
    pub async fn leave(self) {
        // A pmfd that is gone has left its processes: another one knows them, and ends them.
        if let Err(error) = self.start_pmfd(false).await {
            tracing::error!(node = %self.0.setup.node, "{}", chain(&error));
        }
        self.kill_all().await;
        let run_dir = self.0.setup.paths.run_dir();
        for file in ["rgmd.sock", "pmfd.sock", pmf::LOG] {
            // Gone already, or left for the next life, which removes it.
            let _gone = fs::remove_file(run_dir.join(file));
        }
        // Not empty where somebody else has put something there.
        let _kept = fs::remove_dir(&run_dir);
    }
}

/// The machine itself is to stop at once. Comes back only if it can't be rebooted.
pub fn machine(failfast: &Failfast, setup: &Setup, journal: &mut Journal) {
    if *failfast == Failfast::Reboot {
        // Not synced, nothing stopped: what hangs must not hold up the end, and others take over.
        let error = nix::sys::reboot::reboot(nix::sys::reboot::RebootMode::RB_AUTOBOOT);
        tracing::error!(
            "this machine can't be rebooted ({error:?}): everything supervised is killed instead"
        );
    }
    // First, so that whatever comes between finds a node that begins anew, and ends what is left.
    if let Err(error) = journal.remove() {
        tracing::error!("the journal can't be removed: {error}");
    }
    let killed = setup.cgroup.as_deref().map_or(Ok(()), kill_below);
    if let Err(error) = killed {
        tracing::error!("its methods can't be killed: {error}");
    }
    let ended = Client::connect::<Refusal>(&setup.paths.pmfd_socket()).and_then(|mut client| {
        client.set_time_limit(Some(PMFD_WAIT));
        client.call(&last_word(failfast, setup))
    });
    if let Err(error) = ended {
        tracing::error!("pmfd does not end what it supervises: {}", chain(&error));
        kill_without_pmfd(setup);
    }
    std::process::exit(EXIT_ABORTED);
}

/// What pmfd is asked for. A watchdog bites once the deadman has fired, unless everything has ended and
/// the node has begun anew before.
fn last_word(failfast: &Failfast, setup: &Setup) -> Request {
    match failfast {
        Failfast::Kill | Failfast::Reboot => Request::Shutdown { kill: true },
        Failfast::Watchdog { .. } => Request::Deadman {
            deadline_boot_ms: clock::since_boot().0,
            failfast: failfast.clone(),
            cgroups: setup.cgroup.iter().map(|path| path.clone().into_os_string().into()).collect(),
        },
    }
}

/// The exit status of a daemon that has killed everything on its node.
pub const EXIT_ABORTED: i32 = 70;

/// Kills all methods of this node and at the same moment everything that pmfd supervises. A pmfd that
/// is there would start it again.
fn kill_without_pmfd(setup: &Setup) {
    let all = setup.cgroup.as_deref().and_then(Path::parent).and_then(Cgroup::at);
    if let Some(Err(error)) = all.map(|all| all.kill()) {
        tracing::error!("what this node has started can't be killed: {error}");
    }
}

/// Kills everything in a cgroup and below it, waits until nothing is left, and removes it and those
/// above that are empty then.
pub fn kill_below(path: &Path) -> io::Result<()> {
    let Some(cgroup) = Cgroup::at(path) else { return Ok(()) };
    let watch = cgroup.watch()?;
    cgroup.kill()?;
    while watch.is_populated()? {
        match poll(&mut [PollFd::new(&watch, PollFlags::PRI)], None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    cgroup.remove()?;
    for above in path.ancestors().skip(1) {
        if fs::remove_dir(above).is_err() {
            break;
        }
    }
    Ok(())
}
