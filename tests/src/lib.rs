//! Simulator, scenarios and whole-program tests.

pub mod chaos;
pub mod clsim;
pub mod conformance;
pub mod crash;
pub mod kit;
pub mod model;
#[cfg(feature = "mutants")]
pub mod mutants;
pub mod prove;
pub mod scenario;
pub mod search;
pub mod sim;
