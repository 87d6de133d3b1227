//! Simulator, scenarios and whole-program tests.

pub mod conformance;
pub mod crash;
pub mod kit;
pub mod scenario;
pub mod sim;
