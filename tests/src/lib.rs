//! Simulator, scenarios and whole-program tests.

pub mod kit;
pub mod sim;
