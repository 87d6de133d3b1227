//! How a callback method is called: argv, environment, timeout, kill, log; hatimerun and halockrun.

pub mod cgroup;
pub mod launch;
