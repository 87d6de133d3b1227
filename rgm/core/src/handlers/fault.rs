//! PMF gave up a process: with a fault monitor, that one decides; without, the manager does.

use crate::model::FailoverMode;
use crate::{Level, Rgm};
use alloc::format;
use rgm_types::{GroupState, Method, NodeName, ResourceName, Status};

impl Rgm {
    pub(super) fn pmf_exceeded(&mut self, node: &NodeName, name: &ResourceName, tag: &str) {
        let Some(r) = self.conf.resources.get(name).cloned() else { return };
        let Some(group) = self.conf.groups.get(&r.group).cloned() else { return };
        let cell = self.cell(name, node);
        let monitored =
            self.conf.type_of(&r).is_some_and(|t| t.has(Method::MonitorStart)) && r.monitored.on_at(node);
        let text =
            format!("process {tag} of resource {name} on node {node} was restarted as often as it may");
        self.log(Level::Error, text, "Retry_count within Retry_interval is exceeded");
        if monitored || !cell.phase.is_up() {
            return;
        }
        self.with_cell(name, node, |c| {
            c.status = Status::Faulted;
            c.status_msg = format!("{tag} does not stay up");
        });
        let moves = matches!(self.conf.failover_mode(&r), FailoverMode::Soft | FailoverMode::Hard);
        let online = matches!(
            self.group_state(&group, node),
            GroupState::Online | GroupState::OnlineFaulted | GroupState::PendingOnline
        );
        if moves && online && !group.suspended {
            self.start_giveover(None, node, &group, &r, false);
        }
    }
}
