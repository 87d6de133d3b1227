//! What is done at the deadline, all of it made ready before.

use std::path::PathBuf;
use std::sync::Arc;

use rgm_api::pmf::{Failfast, Text};

use super::guard::Guard;
use super::record::Page;
use super::watchdog::Watchdog;

/// How the processes of the tags are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Own {
    /// In the cgroup above those of all tags.
    Cgroup(PathBuf),
    /// Through `/proc`: this machine has no cgroups.
    Marks,
}

/// What is done at the deadline.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) failfast: Failfast,
    pub(super) cgroups: Vec<Text>,
    pub(super) own: Own,
    pub(super) guards: Vec<Guard>,
    pub(super) watchdog: Option<Arc<Watchdog>>,
}

impl Plan {
    pub(super) fn nothing() -> Self {
        let (cgroups, guards) = (Vec::new(), Vec::new());
        Self { failfast: Failfast::Kill, cgroups, own: Own::Marks, guards, watchdog: None }
    }

    pub(super) fn new(failfast: Failfast, cgroups: Vec<Text>, own: Own) -> Self {
        let mut guards: Vec<Guard> = cgroups.iter().map(|path| Guard::new(path.as_os_str())).collect();
        if let Own::Cgroup(path) = &own {
            guards.push(Guard::new(path.as_os_str()));
        }
        Self { failfast, cgroups, own, guards, watchdog: None }
    }

    pub(super) fn describe(&self, page: &mut Page) {
        page.failfast = self.failfast.clone();
        page.cgroups.clone_from(&self.cgroups);
        page.own = match &self.own {
            Own::Cgroup(path) => Some(Text::from(path.clone().into_os_string())),
            Own::Marks => None,
        };
    }

    /// Opens the watchdog, unless it is the one known: it can't be opened twice.
    pub(super) fn wake_watchdog(&mut self, known: Option<&Arc<Watchdog>>) -> Result<(), String> {
        let Failfast::Watchdog { device } = &self.failfast else { return Ok(()) };
        let known = known.filter(|known| known.device() == device);
        self.watchdog = Some(match known {
            Some(known) => Arc::clone(known),
            None => Arc::new(Watchdog::open(device).map_err(|error| {
                format!("cannot open the watchdog {}: {error}; give its device", device.display())
            })?),
        });
        Ok(())
    }
}
