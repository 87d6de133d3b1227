//! Taking ended processes out of the process table.

use std::os::fd::AsFd;

use crate::daemon::{Daemon, Watched};

impl Daemon {
    /// Reaps the watched processes that have ended.
    pub(crate) fn reap_dead(&mut self) {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        for dead in self.dead.drain(..) {
            // One taken over from a former pmfd is not our child, and somebody else reaps it.
            let ended = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let _not_ours = waitid(WaitId::PidFd(dead.pidfd.as_fd()), ended);
        }
    }

    /// Without cgroups, orphans of all tags become our children.
    pub(crate) fn reap_orphans(&mut self) {
        use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
        let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
        while let Ok(status) = waitid(Id::All, look) {
            let Some(pid) = status.pid() else { return };
            debug_assert!(matches!(status, WaitStatus::Exited(..) | WaitStatus::Signaled(..)));
            let ours = |watched: &Option<Watched>| watched.as_ref().is_some_and(|w| w.pid == pid.as_raw());
            let member = self.entries.iter().find(|(_, entry)| ours(&entry.watched)).map(|(id, _)| *id);
            let action = self.entries.iter().find(|(_, entry)| ours(&entry.action)).map(|(id, _)| *id);
            match (member, action) {
                (Some(id), _) => self.member_ended(id),
                (_, Some(id)) => self.action_ended(id),
                (None, None) => {
                    if waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG).is_err() {
                        return;
                    }
                }
            }
        }
    }
}
