//! Telling whoever started us how far we are: a line on the standard output, and sd_notify.

use rgm_types::NodeName;
use sd_notify::NotifyState;
use std::io::{self, Write};
use std::path::Path;

/// Requests are answered from now on.
pub fn announce<'a>(nodes: impl Iterator<Item = &'a NodeName>, socket: &Path) {
    let nodes: Vec<&str> = nodes.map(NodeName::as_str).collect();
    let mut stdout = io::stdout().lock();
    // Who has closed our standard output does not want to know.
    let _ = writeln!(stdout, "rgmd: ready, nodes {}, socket {}", nodes.join(" "), socket.display())
        .and_then(|()| stdout.flush());
    notify(NotifyState::Ready);
}

/// We are about to end.
pub fn stopping() {
    notify(NotifyState::Stopping);
}

fn notify(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!("cannot tell systemd: {error}");
    }
}
