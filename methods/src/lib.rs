//! How a callback method is called: argv, environment, timeout, kill, log; hatimerun and halockrun.
//!
//! | module | its job |
//! |---|---|
//! | [`rtr`] | arguments and environment of a method as an RTR file declares it; other dialects stand beside it |
//! | [`check`] | what is wrong with a method's file, before it is ever run |
//! | [`run`] | run one method: cgroup, output, deadline, kill of the whole tree |
//! | [`leftovers`] | the cgroups methods leave behind: which to kill, which to keep, which to remove |
//! | [`diagnostics`] | what a method was doing when its time was up |
//! | [`texts`] | the log lines about methods |
//! | [`hatimerun`], [`halockrun`], [`scds_syslog`] | helpers which shell agents call |
//! | [`launch`], [`cgroup`] | starting a process so that it cannot be lost |
//! | [`watch`] | descriptors the runtime waits for |

pub mod cgroup;
pub mod check;
pub mod diagnostics;
pub mod halockrun;
pub mod hatimerun;
pub mod launch;
pub mod leftovers;
mod output;
mod pipe;
mod proc;
pub mod rtr;
pub mod run;
pub mod scds_syslog;
pub mod texts;
mod tool;
pub mod watch;
