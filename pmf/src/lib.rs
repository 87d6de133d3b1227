//! Process monitor facility: `pmfd` keeps commands running, `pmfadm` tells it which.
//!
//! pmfd knows processes and nothing of clusters. What it decides stands in `pmf_core`; here is what
//! it does:
//!
//! * [`daemon`]: the loop, one thread over one epoll.
//! * `serve`: requests; `perform`: what the core has decided; `reap`: what is left of the dead;
//!   `adopt`: what a killed pmfd left.
//! * [`place`]: where a tag's processes live (a cgroup, or a mark), and how all are found.
//! * [`forks`]: how deep below the command a process is, for `-C`.
//! * [`deadman`]: the kill of everything when rgmd does not renew a deadline in time; `doom`: what that
//!   means for the tags.
//! * [`journal`]: what must be known again after a kill at any moment.
//! * [`adm`]: the command.
#![forbid(unsafe_code)]

pub mod adm;
mod adopt;
pub mod conns;
pub mod daemon;
pub mod deadman;
mod doom;
pub mod forks;
pub mod journal;
pub mod log;
mod perform;
pub mod place;
mod reap;
mod serve;
pub mod signal;
pub mod start;
