//! The commands of the resource group manager, in two binaries with links:
//!
//! | binary | links | for |
//! |---|---|---|
//! | `scha` | [`scha::LINKS`] | methods and fault monitors: called dozens of times, so nothing but std and one socket |
//! | `scadm` | [`scadm::LINKS`] | operators |
//!
//! A binary looks at the name it was called by first and touches only that command's table
//! ([`applet`], [`tables`]), which its parser, its help, its man page and its completion are all made
//! from. What is shown is made from a [`rgm_types::view::Snapshot`] by functions
//! without any I/O.
#![forbid(unsafe_code)]

pub mod applet;
mod apply;
mod args;
mod ask;
pub mod cl;
pub mod completion;
mod config_file;
mod failure;
#[cfg(test)]
mod fixture;
mod help;
mod json;
mod logical_hostname;
pub mod man;
mod moment;
mod names;
mod order;
mod progress;
mod properties;
mod register;
pub mod scadm;
pub mod scha;
mod scrgadm;
mod scstat;
mod scswitch;
pub mod suite;
pub mod tables;
mod values;
